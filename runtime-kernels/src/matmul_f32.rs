//! Products of f32 matrices: an activation by packed weights, and an activation by an activation.
//!
//! A row-major A is read where it lies; only a transposed A is copied, a block of rows at a time. One row takes a path
//! of its own that streams the weights once at the speed of memory. B's panels are the outer loop and the strips of a
//! block of A the inner, so that a panel is fetched from far away once per block and the block stays near; small B turn
//! the loops around, and A is then read once.

use super::epilogue::Epilogue;
use super::simd::{Simd, Task};
use super::split::{Part, Split, parts, whole};
use super::tile_f32::{Ahead, MOST_ROWS, PANEL, Product, Window, tile_rows};
use super::tile_transpose::{TILE, transpose_tile};

/// Floats of A that a block of rows may have: half of a 512 KiB cache.
const BLOCK_LEN: usize = 64 * 1024;

/// Floats of B, over all panels, that stay near while the strips of A go by.
const NEAR_LEN: usize = 64 * 1024;

/// `out[m, n] = epilogue(a[m, k] * b[k, n] + bias[n])`, with `b` packed by `pack::panels`.
pub struct MatMul<'a, E> {
    /// `[m][n]`, dense.
    pub out: &'a mut [f32],
    /// `[m][k]` with the strides below.
    pub a: &'a [f32],
    /// `[panel][k][16]`
    pub b: &'a [f32],
    /// At least `n` rounded up to 16 long.
    pub bias: Option<&'a [f32]>,
    /// [`scratch_len`] floats; not used, and may be empty, where `a_col_stride` or `m` is 1.
    pub scratch: &'a mut [f32],
    /// Rows of `a` and `out`.
    pub m: usize,
    /// Columns of `a`, rows of `b`.
    pub k: usize,
    /// Columns of `b` and `out`.
    pub n: usize,
    /// Floats from row to row of `a`.
    pub a_row_stride: usize,
    /// Floats from column to column of `a`.
    pub a_col_stride: usize,
    /// Applied to every element.
    pub epilogue: E,
}

/// Floats of scratch a [`MatMul`] needs on any instruction set, however `a` lies.
pub const fn scratch_len(m: usize, k: usize, n: usize) -> usize {
    if m <= 1 || n == 0 { 0 } else { block_rows(m, k) * copy_stride(k) }
}

/// Rows of A that are copied at once.
const fn block_rows(m: usize, k: usize) -> usize {
    let rows = BLOCK_LEN / if k == 0 { 1 } else { k };
    let rows = if rows < MOST_ROWS { MOST_ROWS } else { rows };
    if rows < m { rows } else { m }
}

/// Floats from row to row of a copy: no multiple of a power of two that would make rows share cache sets.
const fn copy_stride(k: usize) -> usize {
    if k.is_multiple_of(256) { k + PANEL } else { k }
}

/// Floats a matrix with these strides spans.
const fn span(rows: usize, row_stride: usize, cols: usize, col_stride: usize) -> usize {
    if rows == 0 || cols == 0 { 0 } else { (rows - 1) * row_stride + (cols - 1) * col_stride + 1 }
}

impl<E: Epilogue> Task for MatMul<'_, E> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        whole(s, self);
    }
}

impl<E: Epilogue> Split for MatMul<'_, E> {
    #[inline(always)]
    fn parts(&self, threads: usize) -> usize {
        let pieces = self.m.div_ceil(MOST_ROWS) * self.n.div_ceil(2 * PANEL);
        parts(self.m * self.k * self.n, pieces, threads)
    }

    #[inline(always)]
    fn scratch(&mut self) -> &mut [f32] {
        self.scratch
    }

    #[inline(always)]
    unsafe fn part<S: Simd>(task: *mut Self, s: S, part: Part, scratch: &mut [f32]) {
        // SAFETY: the caller vouches for the task; its output is only written through this pointer, each part's elements
        // by that part.
        let (out, task) = unsafe { (&raw mut *(*task).out, &*task) };
        let &Self { a, b, bias, m, k, n, a_row_stride, a_col_stride, epilogue, .. } = task;
        let panels = n.div_ceil(PANEL);
        assert!(out.len() >= m * n, "the output of a product is too short");
        let b = &b[..panels * k * PANEL];
        if m * n == 0 {
            return;
        }
        let a = &a[..span(m, a_row_stride, k, a_col_stride)];
        let bias = bias.map(|bias| &bias[..panels * PANEL]);
        let (rows, pairs) = part.grid(m.div_ceil(MOST_ROWS), n.div_ceil(2 * PANEL), MOST_ROWS, 2 * PANEL);
        let rows = rows.start * MOST_ROWS..(rows.end * MOST_ROWS).min(m);
        let columns = pairs.start * 2 * PANEL..(pairs.end * 2 * PANEL).min(n);
        if rows.is_empty() || columns.is_empty() {
            return;
        }
        let out = out.cast::<f32>();
        let b = &b[columns.start * k..];
        let bias = bias.map(|bias| &bias[columns.start..]);
        if m == 1 {
            // SAFETY: these columns of the only row are this part's.
            let out = unsafe { core::slice::from_raw_parts_mut(out.add(columns.start), columns.len()) };
            return row_by_panels(s, out, a, b, bias, k, a_col_stride, columns.start, epilogue);
        }
        let product = Product {
            // SAFETY: within the output, whose length was checked.
            out: unsafe { out.add(columns.start) },
            out_stride: n,
            row: 0,
            row_step: 1,
            col: columns.start,
            n: columns.len(),
            row_stride: a_row_stride,
            window: Window::contiguous(k),
            b: b.as_ptr(),
            panel_stride: k * PANEL,
            after: 0,
            bias,
            epilogue,
        };
        if a_col_stride == 1 || k <= 1 {
            // SAFETY: `a`, `b` and `bias` were just cut to the lengths the sizes ask for, `out` is as long, and the
            // rows and columns are this part's.
            return unsafe {
                blocks(s, &product, a.as_ptr().add(rows.start * a_row_stride), rows.start, rows.len(), k)
            };
        }
        let stride = copy_stride(k);
        let at_once = block_rows(m, k);
        let copy = &mut scratch[..at_once * stride];
        for row in rows.clone().step_by(at_once) {
            let rows = at_once.min(rows.end - row);
            copy_transposed(copy, stride, &a[row * a_row_stride..], rows, k, a_row_stride, a_col_stride);
            let product = Product { row_stride: stride, ..product };
            // SAFETY: as above, with `rows` rows of `k` elements now in `copy`.
            unsafe { blocks(s, &product, copy.as_ptr(), row, rows, k) };
        }
    }
}

/// Computes the output's rows `row..row + m` from the `m` rows at `a`, which are contiguous along k.
///
/// # Safety
/// `a` must be readable over `m` rows; the panels, the output and the bias must have the lengths `product` implies.
#[inline(always)]
pub(super) unsafe fn blocks<S: Simd, E: Epilogue>(
    s: S,
    product: &Product<'_, E>,
    a: *const f32,
    row: usize,
    m: usize,
    k: usize,
) {
    let panels = product.n.div_ceil(PANEL);
    let at_once = Product::<E>::panels_at_once::<S>();
    let most = tile_rows::<S>(product.row_stride);
    let near = panels * product.panel_stride <= NEAR_LEN;
    let block = if near { most } else { block_rows(m, k).max(most) };
    let blocks = m.div_ceil(block);
    let mut top = 0;
    for i in 0..blocks {
        let end = m * (i + 1) / blocks;
        let strips = (end - top).div_ceil(most);
        let mut panel = 0;
        while panel < panels {
            let width = at_once.min(panels - panel);
            let mut start = top;
            for j in 0..strips {
                let stop = top + (end - top) * (j + 1) / strips;
                let ahead = Ahead::of_strip(product, panel + width, at_once, panels, j, strips);
                // SAFETY: rows `start..stop` of `a`, at most a tile's, and whole panels; the caller vouches for both.
                unsafe {
                    let a = a.add(start * product.row_stride);
                    let to = row + start;
                    product.strip(s, a, to * product.out_stride, to, stop - start, panel, width, ahead);
                }
                start = stop;
            }
            panel += width;
        }
        top = end;
    }
}

/// One row by all panels: eight independent sums hide the latency of the additions, and the weights stream.
#[inline(always)]
fn row_by_panels<S: Simd, E: Epilogue>(
    s: S,
    out: &mut [f32],
    a: &[f32],
    b: &[f32],
    bias: Option<&[f32]>,
    k: usize,
    a_stride: usize,
    col: usize,
    epilogue: E,
) {
    let vectors = const { PANEL / S::LANES };
    let sums = const { S::LANES / 2 };
    assert!(k == 0 || a.len() > (k - 1) * a_stride);
    for (p, out) in out.chunks_mut(PANEL).enumerate() {
        let mut acc = [[s.splat(0.0); 4]; 8];
        if let Some(bias) = bias {
            for (j, acc) in acc[0].iter_mut().enumerate().take(vectors) {
                *acc = s.load(&bias[p * PANEL + j * S::LANES..]);
            }
        }
        let b = &b[p * k * PANEL..][..k * PANEL];
        let (mut b, mut i) = (b.as_ptr(), 0);
        // SAFETY: `b` has `k` rows of 16 columns, and `a` an element for each of them.
        unsafe {
            while i + sums <= k {
                for (u, acc) in acc.iter_mut().enumerate().take(sums) {
                    let x = s.splat(*a.get_unchecked((i + u) * a_stride));
                    for (j, acc) in acc.iter_mut().enumerate().take(vectors) {
                        *acc = s.fma(x, s.load_ptr(b.add(u * PANEL + j * S::LANES)), *acc);
                    }
                }
                b = b.add(sums * PANEL);
                i += sums;
            }
            while i < k {
                let x = s.splat(*a.get_unchecked(i * a_stride));
                for (j, acc) in acc[0].iter_mut().enumerate().take(vectors) {
                    *acc = s.fma(x, s.load_ptr(b.add(j * S::LANES)), *acc);
                }
                b = b.add(PANEL);
                i += 1;
            }
        }
        for half in [4, 2, 1] {
            for u in 0..if half < sums { half } else { 0 } {
                let other = acc[u + half];
                for (sum, other) in acc[u].iter_mut().zip(other).take(vectors) {
                    *sum = s.add(*sum, other);
                }
            }
        }
        for (j, &v) in acc[0].iter().enumerate().take(vectors) {
            let from = j * S::LANES;
            if from < out.len() {
                let n = (out.len() - from).min(S::LANES);
                let v = epilogue.apply(s, v, 0, col + p * PANEL + from, n);
                store(s, v, &mut out[from..from + n]);
            }
        }
    }
}

/// Stores as many lanes as `out` is long.
#[inline(always)]
fn store<S: Simd>(s: S, v: S::F32, out: &mut [f32]) {
    if out.len() == S::LANES { s.store(v, out) } else { s.store_part(v, out) }
}

/// Copies a block of A, whose columns are strided, to rows of contiguous elements.
#[inline(always)]
fn copy_transposed(
    copy: &mut [f32],
    stride: usize,
    a: &[f32],
    rows: usize,
    k: usize,
    a_row_stride: usize,
    a_col_stride: usize,
) {
    if a_row_stride == 1 {
        return transpose(copy, stride, a, a_col_stride, rows, k);
    }
    for r in 0..rows {
        for c in 0..k {
            copy[r * stride + c] = a[r * a_row_stride + c * a_col_stride];
        }
    }
}

/// `out[i * out_stride + j] = x[j * x_stride + i]` for the `rows` values of `i` and `cols` of `j`.
#[inline(always)]
fn transpose(out: &mut [f32], out_stride: usize, x: &[f32], x_stride: usize, rows: usize, cols: usize) {
    assert!(span(rows, out_stride, cols, 1) <= out.len() && span(cols, x_stride, rows, 1) <= x.len());
    let (whole_rows, whole_cols) = (rows / TILE * TILE, cols / TILE * TILE);
    // Sixteen columns fill a line of the output and keep as many lines of the input near.
    for first in (0..whole_cols).step_by(PANEL) {
        for i in (0..whole_rows).step_by(TILE) {
            for j in (first..whole_cols.min(first + PANEL)).step_by(TILE) {
                // SAFETY: the tile is within the rows and columns whose last elements were just checked.
                unsafe {
                    let x = x.as_ptr().add(j * x_stride + i);
                    transpose_tile(out.as_mut_ptr().add(i * out_stride + j), out_stride, x, x_stride as isize);
                }
            }
        }
    }
    for i in 0..rows {
        for j in if i < whole_rows { whole_cols } else { 0 }..cols {
            out[i * out_stride + j] = x[j * x_stride + i];
        }
    }
}

/// `out[.., m, n] = epilogue(a[.., m, k] * b[.., k, n])`, both operands activations with strides of their own.
///
/// The rows the epilogue counts are those of all batch entries in order.
pub struct BatchMatMul<'a, E> {
    /// `[batch][m][n]`, dense.
    pub out: &'a mut [f32],
    /// `[batch][m][k]` with the strides below.
    pub a: &'a [f32],
    /// `[batch][k][n]` with the strides below.
    pub b: &'a [f32],
    /// [`batch_scratch_len`] floats.
    pub scratch: &'a mut [f32],
    /// Batch dimensions of the output.
    pub batch: [usize; 3],
    /// Rows of `a` and `out`.
    pub m: usize,
    /// Columns of `a`, rows of `b`.
    pub k: usize,
    /// Columns of `b` and `out`.
    pub n: usize,
    /// Floats from entry to entry of `a`; 0 where it is broadcast.
    pub a_batch_strides: [usize; 3],
    /// Floats from row to row of `a`.
    pub a_row_stride: usize,
    /// Floats from column to column of `a`.
    pub a_col_stride: usize,
    /// Floats from entry to entry of `b`; 0 where it is broadcast.
    pub b_batch_strides: [usize; 3],
    /// Floats from row to row of `b`, along k.
    pub b_row_stride: usize,
    /// Floats from column to column of `b`.
    pub b_col_stride: usize,
    /// Applied to every element.
    pub epilogue: E,
}

/// Floats of scratch a [`BatchMatMul`] needs on any instruction set, however its operands lie.
pub const fn batch_scratch_len(m: usize, k: usize, n: usize) -> usize {
    scratch_len(m, k, n) + panels_at_once(k, n) * k * PANEL
}

/// Panels of B that are packed at once: an even number, two at least unless there is one.
const fn panels_at_once(k: usize, n: usize) -> usize {
    let fit = BLOCK_LEN / (2 * PANEL * if k == 0 { 1 } else { k }) * 2;
    let fit = if fit < 2 { 2 } else { fit };
    let panels = n.div_ceil(PANEL);
    if fit < panels { fit } else { panels }
}

impl<E: Epilogue> Task for BatchMatMul<'_, E> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        whole(s, self);
    }
}

impl<E: Epilogue> BatchMatMul<'_, E> {
    /// Products to compute.
    #[inline(always)]
    fn entries(&self) -> usize {
        self.batch[0] * self.batch[1] * self.batch[2]
    }

    /// Offsets of an entry's operands.
    #[inline(always)]
    fn at(&self, entry: usize) -> (usize, usize) {
        let [_, second, third] = self.batch;
        let (i, j, l) = (entry / (second * third), entry / third % second, entry % third);
        let at = |strides: [usize; 3]| i * strides[0] + j * strides[1] + l * strides[2];
        (at(self.a_batch_strides), at(self.b_batch_strides))
    }
}

impl<E: Epilogue> Split for BatchMatMul<'_, E> {
    #[inline(always)]
    fn parts(&self, threads: usize) -> usize {
        let entries = self.entries();
        parts(entries * self.m * self.k * self.n, entries * self.m.div_ceil(MOST_ROWS), threads)
    }

    #[inline(always)]
    fn scratch(&mut self) -> &mut [f32] {
        self.scratch
    }

    #[inline(always)]
    unsafe fn part<S: Simd>(task: *mut Self, s: S, part: Part, scratch: &mut [f32]) {
        // SAFETY: the caller vouches for the task; its output is only written through this pointer, each part's elements
        // by that part.
        let (out, task) = unsafe { (&raw mut *(*task).out, &*task) };
        let &Self { a, b, m, k, n, a_row_stride, a_col_stride, b_row_stride, b_col_stride, .. } = task;
        let entries = task.entries();
        assert!(out.len() >= entries * m * n, "the output of a product is too short");
        if entries * m * n == 0 {
            return;
        }
        // Rows of an entry are divided only where there are too few entries: each part packs its B.
        let wide = if entries >= part.of { 1 } else { part.of.div_ceil(entries).min(m.div_ceil(MOST_ROWS)) };
        let pieces = part.range(entries * wide);
        let (a_span, b_span) = (span(m, a_row_stride, k, a_col_stride), span(k, b_row_stride, n, b_col_stride));
        let at_once = panels_at_once(k, n);
        let panels = n.div_ceil(PANEL);
        let (packed, copy) = scratch.split_at_mut(at_once * k * PANEL);
        let stride = copy_stride(k);
        let mut have = usize::MAX;
        for piece in pieces {
            let entry = piece / wide;
            let strips = Part { index: piece % wide, of: wide }.range(m.div_ceil(MOST_ROWS));
            let rows = strips.start * MOST_ROWS..(strips.end * MOST_ROWS).min(m);
            let (a_at, b_at) = task.at(entry);
            let (a, b) = (&a[a_at..a_at + a_span], &b[b_at..b_at + b_span]);
            if m == 1 && (b_col_stride == 1 || (b_row_stride == 1 && a_col_stride == 1)) {
                // SAFETY: within the output, and the one row of this entry is this part's.
                let out = unsafe { core::slice::from_raw_parts_mut(out.cast::<f32>().add(entry * n), n) };
                if b_col_stride == 1 {
                    row_by_rows(s, out, a, a_col_stride, b, b_row_stride, k, entry, task.epilogue);
                } else {
                    row_by_columns(s, out, &a[..k], b, b_col_stride, entry, task.epilogue);
                }
                continue;
            }
            let mut panel = 0;
            while panel < panels {
                let width = at_once.min(panels - panel);
                if width < panels || have != b_at {
                    pack_panels(
                        packed,
                        &b[(panel * PANEL * b_col_stride).min(b.len())..],
                        k,
                        n - panel * PANEL,
                        b_row_stride,
                        b_col_stride,
                        width,
                    );
                    have = b_at;
                }
                let product = Product {
                    // SAFETY: within the output, whose length was checked.
                    out: unsafe { out.cast::<f32>().add(entry * m * n + panel * PANEL) },
                    out_stride: n,
                    row: entry * m,
                    row_step: 1,
                    col: panel * PANEL,
                    n: (n - panel * PANEL).min(width * PANEL),
                    row_stride: a_row_stride,
                    window: Window::contiguous(k),
                    b: packed.as_ptr(),
                    panel_stride: k * PANEL,
                    after: 0,
                    bias: None,
                    epilogue: task.epilogue,
                };
                if a_col_stride == 1 || k <= 1 {
                    // SAFETY: `a` was cut to its rows, `packed` holds `width` panels, `out` the rows of this entry, and
                    // those given are this part's.
                    unsafe {
                        let a = a.as_ptr().add(rows.start * a_row_stride);
                        blocks(s, &product, a, rows.start, rows.len(), k);
                    }
                } else {
                    let at_once = block_rows(m, k);
                    let copy = &mut copy[..at_once * stride];
                    for row in rows.clone().step_by(at_once) {
                        let rows = at_once.min(rows.end - row);
                        copy_transposed(copy, stride, &a[row * a_row_stride..], rows, k, a_row_stride, a_col_stride);
                        let product = Product { row_stride: stride, ..product };
                        // SAFETY: as above, with `rows` rows of `k` elements now in `copy`.
                        unsafe { blocks(s, &product, copy.as_ptr(), row, rows, k) };
                    }
                }
                panel += width;
            }
        }
    }
}

/// One row by a matrix whose rows are contiguous: the sum of its rows, weighted.
#[inline(always)]
fn row_by_rows<S: Simd, E: Epilogue>(
    s: S,
    out: &mut [f32],
    a: &[f32],
    a_stride: usize,
    b: &[f32],
    b_stride: usize,
    k: usize,
    row: usize,
    epilogue: E,
) {
    const VECTORS: usize = 4;
    assert!(k == 0 || a.len() > (k - 1) * a_stride && b.len() >= (k - 1) * b_stride + out.len());
    let n = out.len();
    let mut c = 0;
    while c < n {
        // Even and odd rows have sums of their own, or each of eight where there is one vector of columns left.
        let mut acc = [[s.splat(0.0); VECTORS]; 2];
        if c + VECTORS * S::LANES <= n {
            for first in (0..k).step_by(2) {
                for (i, acc) in (first..k).zip(&mut acc) {
                    // SAFETY: the last elements of both operands were checked above.
                    unsafe {
                        let x = s.splat(*a.get_unchecked(i * a_stride));
                        let b = b.as_ptr().add(i * b_stride + c);
                        for (j, acc) in acc.iter_mut().enumerate() {
                            *acc = s.fma(x, s.load_ptr(b.add(j * S::LANES)), *acc);
                        }
                    }
                }
            }
            for (j, (&even, &odd)) in acc[0].iter().zip(&acc[1]).enumerate() {
                let c = c + j * S::LANES;
                s.store(epilogue.apply(s, s.add(even, odd), row, c, S::LANES), &mut out[c..]);
            }
            c += VECTORS * S::LANES;
        } else {
            let width = (n - c).min(S::LANES);
            for first in (0..k).step_by(2 * VECTORS) {
                for (i, acc) in (first..k).zip(acc.as_flattened_mut()) {
                    let x = s.splat(a[i * a_stride]);
                    let b = &b[i * b_stride + c..][..width];
                    *acc = s.fma(x, if width == S::LANES { s.load(b) } else { s.load_part(b) }, *acc);
                }
            }
            let v = s.add(total(s, acc[0]), total(s, acc[1]));
            store(s, epilogue.apply(s, v, row, c, width), &mut out[c..c + width]);
            c += width;
        }
    }
}

/// One row by a matrix whose columns are contiguous: a scalar product each.
#[inline(always)]
fn row_by_columns<S: Simd, E: Epilogue>(
    s: S,
    out: &mut [f32],
    a: &[f32],
    b: &[f32],
    b_stride: usize,
    row: usize,
    epilogue: E,
) {
    let k = a.len();
    for (first, out) in out.chunks_mut(S::LANES).enumerate() {
        let first = first * S::LANES;
        let mut products = [0.0; PANEL];
        for (j, product) in products.iter_mut().enumerate().take(out.len()) {
            let b = &b[(first + j) * b_stride..][..k];
            let mut acc = [s.splat(0.0); 4];
            let (mut a, mut b) = (a, b);
            while a.len() >= 4 * S::LANES {
                for (u, acc) in acc.iter_mut().enumerate() {
                    *acc = s.fma(s.load(&a[u * S::LANES..]), s.load(&b[u * S::LANES..]), *acc);
                }
                (a, b) = (&a[4 * S::LANES..], &b[4 * S::LANES..]);
            }
            for (acc, (a, b)) in acc.iter_mut().zip(a.chunks(S::LANES).zip(b.chunks(S::LANES))) {
                *acc = s.fma(s.load_part(a), s.load_part(b), *acc);
            }
            *product = s.sum(total(s, acc));
        }
        let v = epilogue.apply(s, s.load(&products), row, first, out.len());
        store(s, v, out);
    }
}

/// The sum of four vectors.
#[inline(always)]
fn total<S: Simd>(s: S, [a, b, c, d]: [S::F32; 4]) -> S::F32 {
    s.add(s.add(a, b), s.add(c, d))
}

/// Packs the first `panels * 16` columns of `b`, of which `n` exist, to `[panel][k][16]` padded with zeros.
#[inline(always)]
fn pack_panels(packed: &mut [f32], b: &[f32], k: usize, n: usize, row_stride: usize, col_stride: usize, panels: usize) {
    if k == 0 {
        return;
    }
    for (p, panel) in packed[..panels * k * PANEL].chunks_exact_mut(k * PANEL).enumerate() {
        let first = p * PANEL;
        let cols = (n - first).min(PANEL);
        if col_stride == 1 {
            for (i, to) in panel.chunks_exact_mut(PANEL).enumerate() {
                let from = &b[i * row_stride + first..][..cols];
                if cols == PANEL {
                    to.copy_from_slice(from);
                } else {
                    to.fill(0.0);
                    to[..cols].copy_from_slice(from);
                }
            }
        } else {
            if cols < PANEL {
                panel.fill(0.0);
            }
            let b = &b[(first * col_stride).min(b.len())..];
            if row_stride == 1 {
                transpose(panel, PANEL, b, col_stride, k, cols);
                continue;
            }
            for c in 0..cols {
                for i in 0..k {
                    panel[i * PANEL + c] = b[i * row_stride + c * col_stride];
                }
            }
        }
    }
}

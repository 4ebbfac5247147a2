//! Products of batches of f32 matrices, both operands activations with strides of their own.
//!
//! B is packed into panels a few at a time, unless there is one row: then it is read where it lies.

use super::epilogue::Epilogue;
use super::finish_f32::{Entered, Finishing};
use super::matmul_f32::{
    BLOCK_LEN, CopyRows, block_rows, blocks, clamped, copy_stride, scratch_len, span, store, transpose,
};
use super::simd::{Simd, Task};
use super::split::{Part, Split, parts, whole};
use super::tile_f32::{MOST_ROWS, PANEL, Product};

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

impl<E: Epilogue> Split for BatchMatMul<'_, E> {
    #[inline(always)]
    fn parts(&self, threads: usize) -> usize {
        let entries = self.batch.iter().product::<usize>();
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
        let &Self { a, b, batch, m, k, n, a_batch_strides, a_row_stride, a_col_stride, .. } = task;
        let &Self { b_batch_strides, b_row_stride, b_col_stride, epilogue, .. } = task;
        let epilogue = Entered::new(s, epilogue);
        let finishing = epilogue.finishing();
        s.enter(BatchPart {
            out,
            a,
            b,
            batch,
            m,
            k,
            n,
            a_batch_strides,
            a_row_stride,
            a_col_stride,
            b_batch_strides,
            b_row_stride,
            b_col_stride,
            finishing,
            part,
            scratch,
        });
    }
}

/// Part of a [`BatchMatMul`], with whatever epilogue; whoever makes one vouches for the output.
struct BatchPart<'a> {
    out: *mut [f32],
    a: &'a [f32],
    b: &'a [f32],
    batch: [usize; 3],
    m: usize,
    k: usize,
    n: usize,
    a_batch_strides: [usize; 3],
    a_row_stride: usize,
    a_col_stride: usize,
    b_batch_strides: [usize; 3],
    b_row_stride: usize,
    b_col_stride: usize,
    finishing: Finishing<'a>,
    part: Part,
    scratch: &'a mut [f32],
}

impl BatchPart<'_> {
    /// Offsets of an entry's operands.
    #[inline(always)]
    fn at(&self, entry: usize) -> (usize, usize) {
        let [_, second, third] = self.batch;
        let (i, j, l) = (entry / (second * third), entry / third % second, entry % third);
        let at = |strides: [usize; 3]| i * strides[0] + j * strides[1] + l * strides[2];
        (at(self.a_batch_strides), at(self.b_batch_strides))
    }
}

impl Task for BatchPart<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let scratch = core::mem::take(&mut self.scratch);
        let &Self { out, a, b, m, k, n, a_row_stride, a_col_stride, b_row_stride, b_col_stride, .. } = &self;
        let (finishing, part) = (self.finishing, self.part);
        let entries = self.batch.iter().product::<usize>();
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
            let (a_at, b_at) = self.at(entry);
            let (a, b) = (&a[a_at..a_at + a_span], &b[b_at..b_at + b_span]);
            if m == 1 && (b_col_stride == 1 || (b_row_stride == 1 && a_col_stride == 1)) {
                // SAFETY: within the output, and the one row of this entry is this part's.
                let out = unsafe { core::slice::from_raw_parts_mut(out.cast::<f32>().add(entry * n), n) };
                if b_col_stride == 1 {
                    row_by_rows(s, out, a, a_col_stride, b, b_row_stride, k, finishing.clamp());
                } else {
                    row_by_columns(s, out, &a[..k], b, b_col_stride, finishing.clamp());
                }
                finishing.row(out, entry, 0);
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
                // SAFETY: within the output, whose length was checked.
                let to = unsafe { out.cast::<f32>().add(entry * m * n + panel * PANEL) };
                let cols = (n - panel * PANEL).min(width * PANEL);
                let product = Product {
                    row: entry * m,
                    col: panel * PANEL,
                    finishing,
                    ..Product::dense(to, n, a_row_stride, packed.as_ptr(), k, cols)
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
                        let a = &a[row * a_row_stride..];
                        s.enter(CopyRows { copy: &mut *copy, stride, a, rows, k, a_row_stride, a_col_stride });
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
pub(super) fn row_by_rows<S: Simd>(
    s: S,
    out: &mut [f32],
    a: &[f32],
    a_stride: usize,
    b: &[f32],
    b_stride: usize,
    k: usize,
    clamp: Option<(f32, f32)>,
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
                s.store(clamped(s, s.add(even, odd), clamp), &mut out[c..]);
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
            store(s, clamped(s, v, clamp), &mut out[c..c + width]);
            c += width;
        }
    }
}

/// One row by a matrix whose columns are contiguous: a scalar product each.
#[inline(always)]
pub(super) fn row_by_columns<S: Simd>(
    s: S,
    out: &mut [f32],
    a: &[f32],
    b: &[f32],
    b_stride: usize,
    clamp: Option<(f32, f32)>,
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
        store(s, clamped(s, s.load(&products), clamp), out);
    }
}

/// The sum of four vectors.
#[inline(always)]
fn total<S: Simd>(s: S, [a, b, c, d]: [S::F32; 4]) -> S::F32 {
    s.add(s.add(a, b), s.add(c, d))
}

/// Packs the first `panels * 16` columns of `b`, of which `n` exist, to `[panel][k][16]` padded with zeros.
#[inline(always)]
pub(super) fn pack_panels(
    packed: &mut [f32],
    b: &[f32],
    k: usize,
    n: usize,
    row_stride: usize,
    col_stride: usize,
    panels: usize,
) {
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

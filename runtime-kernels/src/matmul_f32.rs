//! Products of f32 matrices: an activation by packed weights.
//!
//! A row-major A is read where it lies, or packed where products are wide; a transposed A is copied, a block of rows at a
//! time. One row takes a path of its own that streams the weights once at the speed of memory. B's panels are the outer
//! loop and the strips of a block of A the inner, so that a panel is fetched from far away once per block and the block
//! stays near; small B turn the loops around, and A is then read once.

use super::ahead_f32::{Ahead, Later};
use super::epilogue::Epilogue;
use super::finish_f32::{Area, Entered, Finishing};
use super::packed_f32::{pack, packing_pays};
use super::simd::{Simd, Task};
use super::split::{Part, SUMS_PER_WEIGHT, Split, parts, times, whole};
use super::stages::{Stages, Window};
use super::tile_cuts::{count, in_use, panel_groups, strips, tile_rows, unpaired, widest};
use super::tile_f32::{MOST_ROWS, PANEL, Product};
use super::tile_transpose::{TILE, transpose_tile};
use super::tiles::Tiles;

/// Floats of A that a block of rows may have: most of a 512 KiB cache.
pub const BLOCK_LEN: usize = 96 * 1024;

/// Floats of B, over all panels, that stay near while the strips of A go by.
const NEAR_LEN: usize = 64 * 1024;

/// Floats of A that stay in the first-level cache while the panels of a small B go by.
const STAY_LEN: usize = 3 * 1024;

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
    /// [`scratch_len`] floats where the columns of `a` are strided and `m` is not 1, [`packed_len`] where they are not; without them, `a` is
    /// read where it lies.
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
    /// Which tiles, where there is a choice.
    pub tiles: Tiles,
    /// Weights of later steps to be asked for meanwhile, where there are several rows.
    pub ahead: Option<&'a [f32]>,
    /// Applied to every element.
    pub epilogue: E,
}

/// Floats of a block whose rows are finished when all their columns are there: they are in the first-level cache still.
const FINISH_LEN: usize = 8 * 1024;

/// Rows that such a block must be able to have, or panels would be fetched for too few.
const LEAST_FINISHED: usize = 24;

/// Floats of scratch a [`MatMul`] needs on any instruction set, however `a` lies.
pub const fn scratch_len(m: usize, k: usize, n: usize) -> usize {
    if m <= 1 || n == 0 { 0 } else { block_rows(m, k) * copy_stride(k) }
}

/// Floats of scratch that a [`MatMul`] needs to pack the rows of `a`; none where that does not pay.
pub const fn packed_len(m: usize, k: usize, n: usize) -> usize {
    if !packing_pays(m, k, n) {
        return 0;
    }
    // Of any stage, as `Blocks` has them.
    let depth = Window::contiguous(k).longest_stage();
    block_rows(m, depth) * depth
}

/// Rows of A that are copied at once.
pub(super) const fn block_rows(m: usize, k: usize) -> usize {
    let rows = BLOCK_LEN / if k == 0 { 1 } else { k };
    let rows = if rows < MOST_ROWS { MOST_ROWS } else { rows };
    if rows < m { rows } else { m }
}

/// Floats from row to row of a copy: no multiple of a power of two that would make rows share cache sets.
pub(super) const fn copy_stride(k: usize) -> usize {
    if k.is_multiple_of(256) { k + PANEL } else { k }
}

/// Floats a matrix with these strides spans.
pub(super) const fn span(rows: usize, row_stride: usize, cols: usize, col_stride: usize) -> usize {
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
        parts(self.m.max(SUMS_PER_WEIGHT) * self.k * self.n, pieces, threads)
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
        let &Self { a, b, bias, m, k, n, a_row_stride, a_col_stride, tiles, ahead, epilogue, .. } = task;
        let epilogue = Entered::new(s, epilogue);
        let finishing = epilogue.finishing();
        let ahead = ahead.unwrap_or_default();
        s.enter(MatMulPart {
            out,
            a,
            b,
            bias,
            m,
            k,
            n,
            a_row_stride,
            a_col_stride,
            tiles,
            ahead,
            finishing,
            part,
            scratch,
        });
    }
}

/// Part of a [`MatMul`], with whatever epilogue; whoever makes one vouches for the output.
struct MatMulPart<'a> {
    out: *mut [f32],
    a: &'a [f32],
    b: &'a [f32],
    bias: Option<&'a [f32]>,
    m: usize,
    k: usize,
    n: usize,
    a_row_stride: usize,
    a_col_stride: usize,
    tiles: Tiles,
    ahead: &'a [f32],
    finishing: Finishing<'a>,
    part: Part,
    scratch: &'a mut [f32],
}

impl Task for MatMulPart<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { out, a, b, bias, m, k, n, a_row_stride, a_col_stride, tiles, ahead, finishing, part, scratch } =
            self;
        let panels = n.div_ceil(PANEL);
        assert!(out.len() >= m * n, "the output of a product is too short");
        let b = &b[..panels * k * PANEL];
        if m * n == 0 {
            return;
        }
        let a = &a[..span(m, a_row_stride, k, a_col_stride)];
        let bias = bias.map(|bias| &bias[..panels * PANEL]);
        let (rows, pairs) = part.grid(m.div_ceil(MOST_ROWS), n.div_ceil(2 * PANEL), MOST_ROWS, 2 * PANEL, k);
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
            row_by_panels(s, out, a, b, bias, k, a_col_stride, finishing.clamp());
            return finishing.row(out, 0, columns.start);
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
            later: &ahead[times(&part.range(ahead.len() / PANEL), PANEL)],
            bias,
            finishing,
            tiles,
        };
        if a_col_stride == 1 || k <= 1 {
            // SAFETY: `a`, `b` and `bias` were just cut to the lengths the sizes ask for, `out` is as long, and the
            // rows and columns are this part's.
            return unsafe {
                let a = a.as_ptr().add(rows.start * a_row_stride);
                blocks_packed(s, &product, a, rows.start, rows.len(), k, scratch)
            };
        }
        let stride = copy_stride(k);
        let at_once = block_rows(m, k);
        let copy = &mut scratch[..at_once * stride];
        for row in rows.clone().step_by(at_once) {
            let rows = at_once.min(rows.end - row);
            let a = &a[row * a_row_stride..];
            s.enter(CopyRows { copy: &mut *copy, stride, a, rows, k, a_row_stride, a_col_stride });
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
pub(super) unsafe fn blocks<S: Simd>(s: S, product: &Product<'_>, a: *const f32, row: usize, m: usize, k: usize) {
    // SAFETY: passed on.
    unsafe { blocks_packed(s, product, a, row, m, k, &mut []) };
}

/// The same with [`packed_len`] floats of scratch or more, or none, for rows to be packed where that pays.
///
/// # Safety
/// As for [`blocks`].
#[inline(always)]
unsafe fn blocks_packed<S: Simd>(
    s: S,
    product: &Product<'_>,
    a: *const f32,
    row: usize,
    m: usize,
    k: usize,
    scratch: &mut [f32],
) {
    s.enter(Blocks { product, a, row, m, k, scratch });
}

/// The arguments of [`blocks_packed`], whose caller vouches for them.
struct Blocks<'a> {
    product: &'a Product<'a>,
    a: *const f32,
    row: usize,
    m: usize,
    k: usize,
    scratch: &'a mut [f32],
}

impl Task for Blocks<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { product, a, row, m, k, scratch } = self;
        let panels = product.n.div_ceil(PANEL);
        let near = panels * product.panel_stride <= NEAR_LEN;
        let packs = const { S::PACKED_ROWS > 0 }
            && product.tiles == Tiles::Auto
            && packing_pays(m, k, product.n)
            && scratch.len() >= packed_len(m, k, product.n);
        let at_once = if packs { 2 } else { unpaired::<S>(widest::<S>(product.tiles, m, k, !near), near) };
        let high = |panels: usize| match packs && panels == 2 {
            true => S::PACKED_ROWS,
            false => tile_rows::<S>(product.row_stride, panels),
        };
        let most = high(at_once.min(panels));
        // Few strips read a panel so seldom that it need not stay.
        let few = near || m <= 3 * most;
        let stages = if few && !packs { Stages::whole(product.window) } else { product.window.stages() };
        let block = if near {
            (STAY_LEN / k.max(1)).next_multiple_of(most).max(most)
        } else {
            // Room for packed rows is that of the longest stage.
            let depth = if packs { product.window.longest_stage() } else { k.div_ceil(stages.n) };
            block_rows(m, depth).max(most)
        };
        // What an epilogue reads, such as a residual, lies along rows.
        let finishing = product.finishing;
        let at_most = FINISH_LEN / product.n.max(1);
        let by_rows = matches!(finishing, Finishing::Apply(_)) && near && at_most >= LEAST_FINISHED;
        let block = if by_rows { block.min(at_most / most * most) } else { block };
        // Of whole strips where these are packed, but for the last.
        let unit = if packs { S::PACKED_ROWS } else { 1 };
        let units = m.div_ceil(unit);
        let blocks = units.div_ceil(block / unit);
        let tiles = Product { finishing: if by_rows { Finishing::Nothing } else { finishing }, ..*product };
        let groups = panel_groups::<S>(product.n, at_once).count();
        let mut later = Later::over(product.later, m.div_ceil(most) * groups * (k / 4));
        let mut top = 0;
        for i in 0..blocks {
            let end = (units * (i + 1) / blocks * unit).min(m);
            for stage in 0..stages.n {
                let (following, after) = match stage + 1 < stages.n {
                    true => (stages.at(stage + 1), 0),
                    false => (stages.at(0), panels),
                };
                let stage = stages.at(stage);
                let packed = stage.packed();
                if packs {
                    let strips = (end - top) / unit;
                    let scratch = &mut scratch[..strips * unit * stage.k_len];
                    // SAFETY: strips of the rows of the block, of the stage's elements, which lie one after another.
                    unsafe {
                        let a = a.add(top * product.row_stride + stage.a_from);
                        pack(s, scratch.as_mut_ptr(), a, product.row_stride, strips, stage.k_len);
                    }
                }
                let mut panel = 0;
                for width in panel_groups::<S>(product.n, at_once) {
                    let cut = strips(end - top, high(width));
                    let (next, next_panel) = match panel + width < panels {
                        true => (&stage, panel + width),
                        false => (&following, after),
                    };
                    let mut ahead =
                        Ahead::of_strips::<S>(product, next, next_panel, count(&cut)).then(&later, width, stage.k_len);
                    let mut start = top;
                    for &(rows, n) in in_use(&cut) {
                        // SAFETY: `n` strips of `rows` rows of `a` from `start`, each a tile's at most, and whole panels; the
                        // caller vouches for both.
                        unsafe {
                            let to = row + start;
                            let out = to * product.out_stride;
                            // The highest strips come first.
                            let (a, stage) = match packs && width == 2 && rows == S::PACKED_ROWS {
                                true => (scratch.as_ptr(), &packed),
                                false => (a.add(start * product.row_stride), &stage),
                            };
                            tiles.strips(s, a, out, to, (rows, n), panel, width, stage, &mut ahead);
                        }
                        start += rows * n;
                    }
                    later.after(&ahead);
                    panel += width;
                }
            }
            if by_rows {
                // SAFETY: the rows of the block, whose output is the caller's.
                let out = unsafe { product.out.add((row + top) * product.out_stride) };
                let area = Area {
                    tile: out,
                    tile_stride: product.out_stride,
                    out,
                    out_stride: product.out_stride,
                    row: product.row + row + top,
                    row_step: product.row_step,
                    col: product.col,
                    rows: end - top,
                    cols: product.n,
                };
                // SAFETY: as above; all columns of the rows have just been written.
                unsafe { finishing.apply(area) };
            }
            top = end;
        }
    }
}

/// One row by all panels, four at a time where registers allow: the weights stream, and an element of A serves all four.
#[inline(always)]
fn row_by_panels<S: Simd>(
    s: S,
    out: &mut [f32],
    a: &[f32],
    b: &[f32],
    bias: Option<&[f32]>,
    k: usize,
    a_stride: usize,
    clamp: Option<(f32, f32)>,
) {
    assert!(k == 0 || a.len() > (k - 1) * a_stride);
    let at_once = if S::LANES == PANEL { 4 } else { 1 };
    let mut first = 0;
    while first < out.len() {
        let whole = first + at_once * PANEL <= out.len();
        let cols = if whole { at_once * PANEL } else { PANEL.min(out.len() - first) };
        let (b, bias) = (&b[first * k..], bias.map(|bias| &bias[first..]));
        let to = &mut out[first..first + cols];
        match whole {
            true if S::LANES == PANEL => row_by_some::<S, 4>(s, to, a, b, bias, k, a_stride, clamp),
            _ => row_by_some::<S, 1>(s, to, a, b, bias, k, a_stride, clamp),
        }
        first += cols;
    }
}

/// One row by `P` panels. Four independent sums for each column hide the latency of the additions.
#[inline(always)]
fn row_by_some<S: Simd, const P: usize>(
    s: S,
    out: &mut [f32],
    a: &[f32],
    b: &[f32],
    bias: Option<&[f32]>,
    k: usize,
    a_stride: usize,
    clamp: Option<(f32, f32)>,
) {
    const SUMS: usize = 4;
    let vectors = const { PANEL / S::LANES };
    let mut acc = [[[s.splat(0.0); 4]; P]; SUMS];
    if let Some(bias) = bias {
        for (p, acc) in acc[0].iter_mut().enumerate() {
            for (j, acc) in acc.iter_mut().enumerate().take(vectors) {
                *acc = s.load(&bias[p * PANEL + j * S::LANES..]);
            }
        }
    }
    let b = b[..P * k * PANEL].as_ptr();
    let whole = k / SUMS * SUMS;
    for first in (0..whole).step_by(SUMS) {
        for (u, sums) in acc.iter_mut().enumerate() {
            // SAFETY: `a` has an element for each of the `k` rows, as was checked, and each panel 16 columns in each.
            unsafe { row_step(s, sums, *a.get_unchecked((first + u) * a_stride), b, first + u, k) };
        }
    }
    for i in whole..k {
        // SAFETY: as above.
        unsafe { row_step(s, &mut acc[0], *a.get_unchecked(i * a_stride), b, i, k) };
    }
    let [first, second, third, fourth] = acc;
    for p in 0..P {
        for j in 0..vectors {
            let from = p * PANEL + j * S::LANES;
            if from < out.len() {
                let n = (out.len() - from).min(S::LANES);
                let sum = s.add(s.add(first[p][j], third[p][j]), s.add(second[p][j], fourth[p][j]));
                store(s, clamped(s, sum, clamp), &mut out[from..from + n]);
            }
        }
    }
}

/// Adds `x` times row `i` of `P` panels of `k` rows.
///
/// # Safety
/// `b` must hold the panels, with a row `i`.
#[inline(always)]
unsafe fn row_step<S: Simd, const P: usize>(
    s: S,
    sums: &mut [[S::F32; 4]; P],
    x: f32,
    b: *const f32,
    i: usize,
    k: usize,
) {
    let x = s.splat(x);
    for (p, sums) in sums.iter_mut().enumerate() {
        for (j, sum) in sums.iter_mut().enumerate().take(PANEL / S::LANES) {
            // SAFETY: the 16 columns of a row that the caller vouches for.
            *sum = s.fma(x, unsafe { s.load_ptr(b.add((p * k + i) * PANEL + j * S::LANES)) }, *sum);
        }
    }
}

/// `v` between the bounds, if there are any.
#[inline(always)]
pub(super) fn clamped<S: Simd>(s: S, v: S::F32, bounds: Option<(f32, f32)>) -> S::F32 {
    // No closure: it would be compiled without the instruction set.
    match bounds {
        Some((low, high)) => s.bounded(v, s.splat(low), s.splat(high)),
        None => v,
    }
}

/// Stores as many lanes as `out` is long.
#[inline(always)]
pub(super) fn store<S: Simd>(s: S, v: S::F32, out: &mut [f32]) {
    if out.len() == S::LANES { s.store(v, out) } else { s.store_part(v, out) }
}

/// Copies a block of A, whose columns are strided, to rows of contiguous elements.
pub(super) struct CopyRows<'a> {
    pub copy: &'a mut [f32],
    /// Floats from row to row of the copy.
    pub stride: usize,
    pub a: &'a [f32],
    pub rows: usize,
    pub k: usize,
    pub a_row_stride: usize,
    pub a_col_stride: usize,
}

impl Task for CopyRows<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { copy, stride, a, rows, k, a_row_stride, a_col_stride } = self;
        if a_row_stride == 1 {
            return transpose(copy, stride, a, a_col_stride, rows, k);
        }
        for r in 0..rows {
            for c in 0..k {
                copy[r * stride + c] = a[r * a_row_stride + c * a_col_stride];
            }
        }
    }
}

/// `out[i * out_stride + j] = x[j * x_stride + i]` for the `rows` values of `i` and `cols` of `j`.
#[inline(always)]
pub(super) fn transpose(out: &mut [f32], out_stride: usize, x: &[f32], x_stride: usize, rows: usize, cols: usize) {
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

//! Attention of f32: values weighted by the softmax of scores, which are products of queries and keys.
//!
//! An entry of the batch at a time, and of it a block of queries: their scores stay near from the product that makes them to
//! the product that reads them, so nothing of the size queries by keys is ever written far away. Operands are read where
//! they lie; keys and values are packed into panels, once an entry. Weights are divided by their sum after the product with
//! the values, whose rows are shorter.
//!
//! Scores that are all -∞, or of which any is NaN, make a row NaN, as in `softmax`.

use super::math_exp::exp_flushed;
use super::matmul_batch_f32::{pack_panels, row_by_columns, row_by_rows};
use super::matmul_f32::{CopyRows, blocks, copy_stride, span, store};
use super::simd::{Simd, Task};
use super::split::{Part, Split, parts, whole};
use super::tile_f32::{MOST_ROWS, PANEL, Product};

/// `out[.., i, c] = Σ_j softmax_j(scale · Σ_d q[.., i, d] · k[.., j, d] + masks[.., i, j]) · v[.., j, c]`
pub struct Attention<'a> {
    /// `[batch][queries][out_width]` with the strides below; columns are contiguous, and no two elements one.
    pub out: &'a mut [f32],
    /// `[batch][queries][width]` with the strides below.
    pub q: &'a [f32],
    /// `[batch][keys][width]` with the strides below.
    pub k: &'a [f32],
    /// `[batch][keys][out_width]` with the strides below.
    pub v: &'a [f32],
    /// `[batch][queries][keys]` with the strides below; columns are contiguous.
    pub masks: [Option<&'a [f32]>; 2],
    /// [`scratch_len`] floats.
    pub scratch: &'a mut [f32],
    /// Entries.
    pub batch: [usize; 3],
    /// Rows of an entry of `q` and `out`.
    pub queries: usize,
    /// Rows of an entry of `k` and `v`.
    pub keys: usize,
    /// Columns of `q` and `k`.
    pub width: usize,
    /// Columns of `v` and `out`.
    pub out_width: usize,
    /// Multiplies the products of queries and keys; above zero.
    pub scale: f32,
    /// Whether a row that would be NaN is zero instead.
    pub nan_is_zero: bool,
    /// Floats of `out` from entry to entry, and from row to row.
    pub out_strides: [usize; 4],
    /// Floats of `q` from entry to entry, row to row and column to column; 0 where it is broadcast.
    pub q_strides: [usize; 5],
    /// Of `k`, likewise.
    pub k_strides: [usize; 5],
    /// Of `v`, likewise.
    pub v_strides: [usize; 5],
    /// Of the masks from entry to entry and row to row, likewise.
    pub mask_strides: [[usize; 4]; 2],
}

/// Floats of scores that a block of queries has, about: half of a first-level cache stays for what they meet.
pub const SCORES_LEN: usize = 12 * 1024;

/// Queries a block has at most.
pub const MOST_QUERIES: usize = 128;

/// Floats from row to row of scores: whole panels, and no power of two that would make rows share cache sets.
const fn score_stride(keys: usize) -> usize {
    copy_stride(keys.next_multiple_of(PANEL))
}

/// Queries whose scores are worked on at once.
const fn block_rows(queries: usize, keys: usize) -> usize {
    let rows = SCORES_LEN / score_stride(keys);
    let rows = if rows < MOST_ROWS { MOST_ROWS } else { rows };
    let rows = if rows < MOST_QUERIES { rows } else { MOST_QUERIES };
    if rows < queries { rows } else { queries }
}

/// Floats of scratch an [`Attention`] needs on any instruction set, however its operands lie.
pub const fn scratch_len(queries: usize, keys: usize, width: usize, out_width: usize) -> usize {
    let panels = keys.next_multiple_of(PANEL) * width + out_width.next_multiple_of(PANEL) * keys;
    panels + block_rows(queries, keys) * (score_stride(keys) + 1 + copy_stride(width))
}

impl Task for Attention<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        whole(s, self);
    }
}

impl Attention<'_> {
    /// Entries of the batch.
    #[inline(always)]
    fn entries(&self) -> usize {
        self.batch[0] * self.batch[1] * self.batch[2]
    }

    /// Whether every element of the output is within it, and no two are one: each axis steps over all that lie inside it.
    #[inline(always)]
    fn has_room(&self) -> bool {
        let ([a, b, c], [x, y, z, row]) = (self.batch, self.out_strides);
        let mut axes = [(x, a), (y, b), (z, c), (row, self.queries)];
        axes.sort_unstable();
        let mut inside = self.out_width;
        for (stride, n) in axes.into_iter().filter(|&(_, n)| n > 1) {
            if stride < inside {
                return false;
            }
            inside += (n - 1) * stride;
        }
        inside <= self.out.len()
    }
}

/// The offset of an entry.
#[inline(always)]
fn at(index: [usize; 3], strides: &[usize]) -> usize {
    index[0] * strides[0] + index[1] * strides[1] + index[2] * strides[2]
}

/// `len` floats from `at`; of nothing, nothing.
#[inline(always)]
fn cut(x: &[f32], at: usize, len: usize) -> &[f32] {
    if len == 0 { &[] } else { &x[at..at + len] }
}

impl Split for Attention<'_> {
    #[inline(always)]
    fn parts(&self, threads: usize) -> usize {
        let entries = self.entries();
        let work = self.keys * (self.width + self.out_width + PANEL);
        parts(entries * self.queries * work, entries * self.queries.div_ceil(MOST_ROWS), threads)
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
        let &Self { queries, keys, width, out_width, scale, nan_is_zero, .. } = task;
        let (q_row, q_col) = (task.q_strides[3], task.q_strides[4]);
        let (k_row, k_col) = (task.k_strides[3], task.k_strides[4]);
        let (v_row, v_col) = (task.v_strides[3], task.v_strides[4]);
        let (entries, out_row) = (task.entries(), task.out_strides[3]);
        if entries * queries * out_width == 0 {
            return;
        }
        assert!(task.has_room(), "the output of attention does not hold its elements apart");
        let (k_span, v_span) = (span(keys, k_row, width, k_col), span(keys, v_row, out_width, v_col));
        // Queries of an entry are divided only where there are too few entries: each part packs its keys and values.
        let strips = queries.div_ceil(MOST_ROWS);
        let wide = if entries >= part.of { 1 } else { part.of.div_ceil(entries).min(strips) };
        let (panels, stride, most) = (keys.div_ceil(PANEL), score_stride(keys), block_rows(queries, keys));
        let (packed_k, rest) = scratch.split_at_mut(panels * PANEL * width);
        let (packed_v, rest) = rest.split_at_mut(out_width.next_multiple_of(PANEL) * keys);
        let (scores, rest) = rest.split_at_mut(most * stride);
        let (factors, copy) = rest.split_at_mut(most);
        // A single query reads keys and values once, so that packing them would cost more than it saves.
        let one = queries == 1 && width > 0 && k_col == 1 && v_col == 1 && q_col == 1;
        let mut have = (usize::MAX, usize::MAX);
        for piece in part.range(entries * wide) {
            let (entry, [_, second, third]) = (piece / wide, task.batch);
            let index = [entry / (second * third), entry / third % second, entry % third];
            let (k_at, v_at) = (at(index, &task.k_strides), at(index, &task.v_strides));
            let (k, v) = (cut(task.k, k_at, k_span), cut(task.v, v_at, v_span));
            if !one && have.0 != k_at {
                s.enter(Pack { packed: packed_k, b: k, k: width, n: keys, strides: [k_col, k_row] });
                have.0 = k_at;
            }
            if !one && have.1 != v_at {
                s.enter(Pack { packed: packed_v, b: v, k: keys, n: out_width, strides: [v_row, v_col] });
                have.1 = v_at;
            }
            let range = Part { index: piece % wide, of: wide }.range(strips);
            let rows = range.start * MOST_ROWS..(range.end * MOST_ROWS).min(queries);
            // Blocks of about one size.
            let n = rows.len().div_ceil(most);
            for block in 0..n {
                let block = Part { index: block, of: n }.range(rows.len());
                let (first, m) = (rows.start + block.start, block.len());
                let q_at = at(index, &task.q_strides) + first * q_row;
                let q = cut(task.q, q_at, span(m, q_row, width, q_col));
                let scores = &mut scores[..m * stride];
                if one {
                    // As in whole panels.
                    scores[keys..].fill(0.0);
                    row_by_columns(s, &mut scores[..keys], q, k, k_row, None);
                } else {
                    let (to, b, n) = (scores.as_mut_ptr(), packed_k.as_ptr(), panels * PANEL);
                    let mut product = Product::dense(to, stride, q_row, b, width, n);
                    let mut a = q.as_ptr();
                    if q_col != 1 && width > 1 {
                        product.row_stride = copy_stride(width);
                        s.enter(CopyRows {
                            copy: &mut *copy,
                            stride: product.row_stride,
                            a: q,
                            rows: m,
                            k: width,
                            a_row_stride: q_row,
                            a_col_stride: q_col,
                        });
                        a = copy.as_ptr();
                    }
                    // SAFETY: the `m` rows of `a` have `width` columns, `packed_k` all panels of so many rows, and `scores` as
                    // many rows of whole panels.
                    unsafe { blocks(s, &product, a, 0, m, width) };
                }
                let masks = core::array::from_fn(|i| {
                    let strides = &task.mask_strides[i];
                    let from = at(index, strides) + first * strides[3];
                    Some((cut(task.masks[i]?, from, span(m, strides[3], keys, 1)), strides[3]))
                });
                s.enter(Weigh { scores, factors: &mut factors[..m], keys, scale, masks });
                // SAFETY: `has_room` says that this is within the output.
                let to = unsafe { out.cast::<f32>().add(at(index, &task.out_strides) + first * out_row) };
                if one {
                    // SAFETY: `has_room` says that the row is within the output, and apart from any other part's.
                    let to = unsafe { core::slice::from_raw_parts_mut(to, out_width) };
                    row_by_rows(s, to, scores, 1, v, v_row, keys, None);
                } else {
                    let product = Product::dense(to, out_row, stride, packed_v.as_ptr(), keys, out_width);
                    // SAFETY: the rows of `scores` have `keys` columns at least, `packed_v` all panels of so many rows, and the
                    // output's rows are this part's.
                    unsafe { blocks(s, &product, scores.as_ptr(), 0, m, keys) };
                }
                s.enter(Divide { out: to, stride: out_row, width: out_width, factors: &factors[..m], nan_is_zero });
            }
        }
    }
}

/// Packs all columns of `b`, see [`pack_panels`]; a task, so that it is compiled once.
struct Pack<'a> {
    packed: &'a mut [f32],
    b: &'a [f32],
    k: usize,
    n: usize,
    /// Floats from row to row and from column to column.
    strides: [usize; 2],
}

impl Task for Pack<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { packed, b, k, n, strides: [row_stride, col_stride] } = self;
        pack_panels(packed, b, k, n, row_stride, col_stride, n.div_ceil(PANEL));
    }
}

/// From scores to weights, but for a factor to each row.
struct Weigh<'a> {
    /// Rows of scores, whole panels each, of which `keys` count; numbers after them are made zero.
    scores: &'a mut [f32],
    /// One over the sum of each row.
    factors: &'a mut [f32],
    keys: usize,
    scale: f32,
    /// From the first row on, and floats from row to row.
    masks: [Option<(&'a [f32], usize)>; 2],
}

impl Task for Weigh<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { scores, factors, keys, scale, masks } = self;
        let (whole, len) = (keys / S::LANES * S::LANES, keys.next_multiple_of(S::LANES));
        let stride = scores.len() / factors.len().max(1);
        if keys == 0 {
            // A sum of nothing is zero, whatever it is divided by.
            return factors.fill(1.0);
        }
        let mut hidden = [f32::NEG_INFINITY; PANEL];
        hidden[..keys - whole].fill(0.0);
        let hidden = s.load(&hidden);
        for (r, (row, factor)) in scores.chunks_exact_mut(stride).zip(factors).enumerate() {
            let row = row[..len].as_mut_ptr();
            let mut by = s.splat(scale);
            if let Some((mask, mask_stride)) = masks[0] {
                // SAFETY: the row has the floats of so many keys in whole vectors.
                unsafe { add_mask(s, row, by, &mask[r * mask_stride..][..keys]) };
                by = s.splat(1.0);
            }
            if let Some((mask, mask_stride)) = masks[1] {
                // SAFETY: as above.
                unsafe { add_mask(s, row, by, &mask[r * mask_stride..][..keys]) };
                by = s.splat(1.0);
            }
            if whole < len {
                // SAFETY: as above.
                unsafe { s.store_ptr(s.add(s.load_ptr(row.add(whole)), hidden), row.add(whole)) };
            }
            let mut greatest = [s.splat(f32::NEG_INFINITY); 2];
            for c in (0..len).step_by(S::LANES) {
                // SAFETY: the row has `len` floats, a multiple of a vector's.
                greatest = [greatest[1], s.max(greatest[0], unsafe { s.load_ptr(row.add(c)) })];
            }
            let greatest = s.splat(s.max_lane(s.max(greatest[0], greatest[1])));
            let shift = s.neg(s.mul(greatest, by));
            let mut sums = [s.splat(0.0); 2];
            for c in (0..len).step_by(S::LANES) {
                // SAFETY: as above.
                unsafe {
                    let e = exp_flushed(s, s.fma(s.load_ptr(row.add(c)), by, shift));
                    s.store_ptr(e, row.add(c));
                    sums = [sums[1], s.add(sums[0], e)];
                }
            }
            *factor = 1.0 / s.sum(s.add(sums[0], sums[1]));
        }
    }
}

/// Multiplies a row of scores by `by` and adds a mask.
///
/// # Safety
/// `row` must have as many floats as `mask`, in whole vectors.
#[inline(always)]
unsafe fn add_mask<S: Simd>(s: S, row: *mut f32, by: S::F32, mask: &[f32]) {
    let whole = mask.len() / S::LANES * S::LANES;
    for c in (0..whole).step_by(S::LANES) {
        // SAFETY: within the row and the mask.
        unsafe { s.store_ptr(s.fma(s.load_ptr(row.add(c)), by, s.load_ptr(mask.as_ptr().add(c))), row.add(c)) };
    }
    if whole < mask.len() {
        // SAFETY: the row ends with a whole vector.
        unsafe { s.store_ptr(s.fma(s.load_ptr(row.add(whole)), by, s.load_part(&mask[whole..])), row.add(whole)) };
    }
}

/// Multiplies each row of the output by its factor; made only by [`Attention`], for rows that are its own.
struct Divide<'a> {
    out: *mut f32,
    stride: usize,
    width: usize,
    factors: &'a [f32],
    nan_is_zero: bool,
}

impl Task for Divide<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (r, &factor) in self.factors.iter().enumerate() {
            // SAFETY: the row is within the output, and the part's that made the task.
            let row = unsafe { core::slice::from_raw_parts_mut(self.out.add(r * self.stride), self.width) };
            if self.nan_is_zero && factor.is_nan() {
                row.fill(0.0);
                continue;
            }
            let factor = s.splat(factor);
            for x in row.chunks_mut(S::LANES) {
                let v = if x.len() == S::LANES { s.load(x) } else { s.load_part(x) };
                store(s, s.mul(v, factor), x);
            }
        }
    }
}

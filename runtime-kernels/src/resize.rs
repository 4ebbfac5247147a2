//! Resizing from tables that say where each element of an axis comes from: ONNX `Resize` and `Upsample`.
//!
//! Interpolation goes one axis at a time, so it costs the sum of the axes' taps and not their product.

use super::copy::copy_run;
use super::lanes::{each, get, put};
use super::resize_tables::{OUTSIDE, ResizeSpec, resize_tables};
use super::simd::{Simd, Task};
use super::split::{Part, Split, own, parts, times, whole};

/// The tables of an axis whose sizes are known only at run time; see [`resize_tables`].
pub struct ResizeTables<'a> {
    /// `[out_len][taps]`
    pub index: &'a mut [u32],
    /// `[out_len][taps]`, or empty for the nearest neighbour.
    pub weight: &'a mut [f32],
    /// The resizing.
    pub spec: ResizeSpec,
}

impl Task for ResizeTables<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        resize_tables(&self.spec, self.index, self.weight);
    }
}

/// `out[i][j]… = x[index[0][i]][index[1][j]]…`
pub struct ResizeNearest<'a, T: Copy, const R: usize> {
    /// `out_dims`
    pub out: &'a mut [T],
    /// `x_dims`
    pub x: &'a [T],
    /// Sizes of the input.
    pub x_dims: [usize; R],
    /// Sizes of the output.
    pub out_dims: [usize; R],
    /// For each axis the indices, as many as `out_dims`, or none if the axis stays as it is.
    pub index: [&'a [u32]; R],
    /// What stands where an index is [`OUTSIDE`].
    pub outside: T,
}

impl<T: Copy, const R: usize> Task for ResizeNearest<'_, T, R> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        whole(s, self);
    }
}

impl<T: Copy, const R: usize> Split for ResizeNearest<'_, T, R> {
    #[inline(always)]
    fn parts(&self, threads: usize) -> usize {
        let row = if R == 0 { 1 } else { self.out_dims[R - 1] };
        parts(16 * self.out.len(), self.out.len() / row.max(1), threads)
    }

    #[inline(always)]
    unsafe fn part<S: Simd>(task: *mut Self, _: S, part: Part, _: &mut [f32]) {
        // SAFETY: the caller vouches for the task; its output is only written through this pointer, each part's elements
        // by that part.
        let (out, task) = unsafe { (&raw mut *(*task).out, &*task) };
        let &Self { x, x_dims, out_dims, index, outside, .. } = task;
        assert_eq!(out.len(), out_dims.iter().product::<usize>());
        assert_eq!(x.len(), x_dims.iter().product::<usize>());
        for r in 0..R {
            assert!(index[r].len() == out_dims[r] || (index[r].is_empty() && x_dims[r] == out_dims[r]));
        }
        if out.is_empty() {
            return;
        }
        let (len, x_len, columns) =
            if R == 0 { (1, 1, &[][..]) } else { (out_dims[R - 1], x_dims[R - 1], index[R - 1]) };
        let mine = part.range(out.len() / len);
        // SAFETY: rows of the output, which are this part's.
        let out = unsafe { own(out, times(&mine, len)) };
        let mut at = [0; R];
        let mut row = mine.start;
        for r in (0..R.saturating_sub(1)).rev() {
            at[r] = row % out_dims[r];
            row /= out_dims[r];
        }
        let mut previous = None;
        for start in (0..out.len()).step_by(len) {
            let mut row = Some(0);
            for r in 0..R.saturating_sub(1) {
                let source = if index[r].is_empty() { at[r] as u32 } else { index[r][at[r]] };
                row = row.filter(|_| source != OUTSIDE).map(|row| row * x_dims[r] + source as usize);
            }
            let (before, out) = out.split_at_mut(start);
            let out = &mut out[..len];
            match row {
                None => out.fill(outside),
                // Enlarging repeats whole rows.
                Some(_) if row == previous => copy_run(out, &before[start - len..]),
                Some(row) => {
                    let x = &x[row * x_len..][..x_len];
                    if columns.is_empty() {
                        copy_run(out, x);
                    } else {
                        for (out, &i) in out.iter_mut().zip(columns) {
                            *out = if i == OUTSIDE { outside } else { x[i as usize] };
                        }
                    }
                }
            }
            previous = row;
            for r in (0..R.saturating_sub(1)).rev() {
                at[r] += 1;
                if at[r] < out_dims[r] {
                    break;
                }
                at[r] = 0;
            }
        }
    }
}

/// `out[o][j] = Σ weight[j][t] * x[o][index[j][t]]`, of `inner` elements each.
pub struct ResizeAxis<'a> {
    /// `[outer][out_len][inner]`
    pub out: &'a mut [f32],
    /// `[outer][in_len][inner]`
    pub x: &'a [f32],
    /// Product of the sizes before the axis.
    pub outer: usize,
    /// Size of the axis in the input.
    pub in_len: usize,
    /// Size of the axis in the output.
    pub out_len: usize,
    /// Product of the sizes after the axis.
    pub inner: usize,
    /// Input elements an output element comes of.
    pub taps: usize,
    /// `[out_len][taps]`
    pub index: &'a [u32],
    /// `[out_len][taps]`
    pub weight: &'a [f32],
    /// What stands where the first index of an element is [`OUTSIDE`].
    pub outside: f32,
}

impl Task for ResizeAxis<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        whole(s, self);
    }
}

impl Split for ResizeAxis<'_> {
    #[inline(always)]
    fn parts(&self, threads: usize) -> usize {
        let most = if self.inner == 1 { self.outer.div_ceil(ROWS) } else { self.outer * self.out_len };
        parts(16 * self.out.len(), most, threads)
    }

    #[inline(always)]
    unsafe fn part<S: Simd>(task: *mut Self, s: S, part: Part, _: &mut [f32]) {
        // SAFETY: the caller vouches for the task; its output is only written through this pointer, each part's elements
        // by that part.
        let (out, task) = unsafe { (&raw mut *(*task).out, &*task) };
        let &Self { x, outer, in_len, out_len, inner, taps, index, weight, outside, .. } = task;
        assert_eq!(out.len(), outer * out_len * inner);
        assert_eq!(x.len(), outer * in_len * inner);
        assert_eq!(index.len(), out_len * taps);
        assert_eq!(weight.len(), out_len * taps);
        if out.is_empty() {
            return;
        }
        assert!(taps > 0);
        if inner == 1 {
            let mine = part.range(outer.div_ceil(ROWS));
            let mine = mine.start * ROWS..(mine.end * ROWS).min(outer);
            // SAFETY: rows of the output, which are this part's.
            let out = unsafe { own(out, times(&mine, out_len)) };
            let x = &x[mine.start * in_len..mine.end * in_len];
            let mut o = 0;
            while o + ROWS <= mine.len() {
                rows::<ROWS>(&mut out[o * out_len..], &x[o * in_len..], in_len, out_len, index, weight, outside);
                o += ROWS;
            }
            while o < mine.len() {
                rows::<1>(&mut out[o * out_len..], &x[o * in_len..], in_len, out_len, index, weight, outside);
                o += 1;
            }
            return;
        }
        let mine = part.range(outer * out_len);
        // SAFETY: elements of the axis, which are this part's.
        let out = unsafe { own(out, times(&mine, inner)) };
        for (i, out) in mine.zip(out.chunks_exact_mut(inner)) {
            let (o, j) = (i / out_len, i % out_len);
            let x = &x[o * in_len * inner..][..in_len * inner];
            let (index, weight) = (&index[j * taps..][..taps], &weight[j * taps..][..taps]);
            if index[0] == OUTSIDE {
                out.fill(outside);
            } else if let (&[a, b], &[v, w]) = (index, weight) {
                blend(s, out, x, [a, b], [v, w], false);
            } else {
                let (indices, index) = index.as_chunks();
                let (weights, weight) = weight.as_chunks();
                let mut again = false;
                for (&index, &weight) in indices.iter().zip(weights) {
                    blend::<S, 4>(s, out, x, index, weight, again);
                    again = true;
                }
                for (&index, &weight) in index.iter().zip(weight) {
                    blend(s, out, x, [index], [weight], again);
                    again = true;
                }
            }
        }
    }
}

/// Rows resized side by side, so that the tables are read once for all of them.
const ROWS: usize = 8;

/// Resizes `N` rows of single elements.
#[inline(always)]
fn rows<const N: usize>(
    out: &mut [f32],
    x: &[f32],
    in_len: usize,
    out_len: usize,
    index: &[u32],
    weight: &[f32],
    outside: f32,
) {
    let taps = index.len() / out_len;
    let mut rows = [&x[..0]; N];
    for (n, row) in rows.iter_mut().enumerate() {
        *row = &x[n * in_len..][..in_len];
    }
    let mut outs = out[..N * out_len].chunks_exact_mut(out_len);
    let mut outs: [&mut [f32]; N] = core::array::from_fn(|_| outs.next().unwrap_or_default());
    for (j, (index, weight)) in index.chunks_exact(taps).zip(weight.chunks_exact(taps)).enumerate() {
        let mut sum = [outside; N];
        if index[0] != OUTSIDE {
            sum = [0.0; N];
            for (&i, &w) in index.iter().zip(weight) {
                for (sum, row) in sum.iter_mut().zip(&rows) {
                    *sum += w * row[i as usize];
                }
            }
        }
        for (out, sum) in outs.iter_mut().zip(sum) {
            out[j] = sum;
        }
    }
}

/// `out = Σ weight x[index]`, added to `out` if `again`.
#[inline(always)]
fn blend<S: Simd, const N: usize>(s: S, out: &mut [f32], x: &[f32], index: [u32; N], weight: [f32; N], again: bool) {
    let inner = out.len();
    let mut rows = [&x[..0]; N];
    for (row, i) in rows.iter_mut().zip(index) {
        *row = &x[i as usize * inner..][..inner];
    }
    each(
        s,
        inner,
        #[inline(always)]
        |at, n| {
            let mut sum = if again { get(s, out, at, n) } else { s.splat(0.0) };
            for (row, w) in rows.iter().zip(weight) {
                sum = s.fma(s.splat(w), get(s, row, at, n), sum);
            }
            put(s, sum, out, at, n);
        },
    );
}

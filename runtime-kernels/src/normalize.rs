//! Rows brought to mean 0 and variance 1, or to a mean square of 1: layer, RMS and group normalisation.
//!
//! The variance is that of the differences from the mean, in a second pass over a row that is in the cache by then. It is the
//! mean over all elements (not one less), and `epsilon` is added to it before the root.

use super::reduce::{Sum, SumSq, reduce_row};
use super::simd::{Simd, Task};
use super::split::{Part, Split, own, parts, times, whole};

/// `out[r] = (x[r] - mean) / sqrt(variance + epsilon) · gamma + beta`
pub struct LayerNorm<'a> {
    /// `[rows][len]`
    pub out: &'a mut [f32],
    /// Like `out`; `None` is what `out` holds before.
    pub x: Option<&'a [f32]>,
    /// `[len]`; `None` is 1.
    pub gamma: Option<&'a [f32]>,
    /// `[len]`; `None` is 0.
    pub beta: Option<&'a [f32]>,
    /// Rows, normalised one by one.
    pub rows: usize,
    /// Elements of a row.
    pub len: usize,
    /// Added to the variance.
    pub epsilon: f32,
}

/// `out[r] = x[r] / sqrt(mean of squares + epsilon) · gamma + beta`
pub struct RmsNorm<'a> {
    /// `[rows][len]`
    pub out: &'a mut [f32],
    /// Like `out`; `None` is what `out` holds before.
    pub x: Option<&'a [f32]>,
    /// `[len]`; `None` is 1.
    pub gamma: Option<&'a [f32]>,
    /// `[len]`; `None` is 0.
    pub beta: Option<&'a [f32]>,
    /// Rows, normalised one by one.
    pub rows: usize,
    /// Elements of a row.
    pub len: usize,
    /// Added to the mean of squares.
    pub epsilon: f32,
}

/// Like [`LayerNorm`] over the channels of a group and all of space; an instance norm where groups are single channels.
pub struct GroupNorm<'a> {
    /// `[n][groups][channels_per_group][spatial]`
    pub out: &'a mut [f32],
    /// Like `out`; `None` is what `out` holds before.
    pub x: Option<&'a [f32]>,
    /// `[groups][channels_per_group]`; `None` is 1.
    pub gamma: Option<&'a [f32]>,
    /// `[groups][channels_per_group]`; `None` is 0.
    pub beta: Option<&'a [f32]>,
    /// Batch entries.
    pub n: usize,
    /// Groups, normalised one by one.
    pub groups: usize,
    /// Channels that share a mean and a variance.
    pub channels_per_group: usize,
    /// Elements of a channel.
    pub spatial: usize,
    /// Added to the variance.
    pub epsilon: f32,
}

macro_rules! row_norms {
    ($($norm:ident $centred:literal)*) => {$(
        impl Task for $norm<'_> {
            type Out = ();

            #[inline(always)]
            fn run<S: Simd>(self, s: S) {
                whole(s, self);
            }
        }

        impl Split for $norm<'_> {
            #[inline(always)]
            fn parts(&self, threads: usize) -> usize {
                parts(16 * self.rows * self.len, self.rows, threads)
            }

            #[inline(always)]
            unsafe fn part<S: Simd>(task: *mut Self, s: S, part: Part, _: &mut [f32]) {
                // SAFETY: the caller vouches for the task; its output is only written through this pointer.
                let (out, task) = unsafe { (&raw mut *(*task).out, &*task) };
                let &Self { x, gamma, beta, len, epsilon, .. } = task;
                let rows = part.range(task.rows);
                let range = times(&rows, len);
                let x = x.map(|x| &x[range.clone()]);
                // SAFETY: rows are divided among the parts.
                let out = unsafe { own(out, range) };
                norm_rows::<S, $centred>(s, out, x, gamma, beta, rows.len(), len, epsilon);
            }
        }
    )*};
}

row_norms!(LayerNorm true RmsNorm false);

/// The mean of a row and one over its deviation.
#[inline(always)]
fn statistics<S: Simd>(s: S, row: &[f32], epsilon: f32) -> (S::F32, S::F32) {
    let over = 1.0 / row.len() as f32;
    let mean = s.splat(reduce_row(s, Sum, row) * over);
    let variance = squares_about(s, row, mean) * over;
    (mean, one_over_root(s, variance + epsilon))
}

/// Σ (x - mean)²
#[inline(always)]
fn squares_about<S: Simd>(s: S, row: &[f32], mean: S::F32) -> f32 {
    let mut sums = [s.splat(0.0); 4];
    let mut blocks = row.chunks_exact(4 * S::LANES);
    for block in &mut blocks {
        for (sum, x) in sums.iter_mut().zip(block.chunks_exact(S::LANES)) {
            let d = s.sub(s.load(x), mean);
            *sum = s.fma(d, d, *sum);
        }
    }
    let mut vectors = blocks.remainder().chunks_exact(S::LANES);
    for x in &mut vectors {
        let d = s.sub(s.load(x), mean);
        sums[0] = s.fma(d, d, sums[0]);
    }
    let rest = vectors.remainder();
    if !rest.is_empty() {
        // The lanes beyond the row are left at no difference.
        let mut differences = [0.0; 16];
        let differences = &mut differences[..rest.len()];
        s.store_part(s.sub(s.load_part(rest), mean), differences);
        let d = s.load_part(differences);
        sums[1] = s.fma(d, d, sums[1]);
    }
    s.sum(s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3])))
}

#[inline(always)]
fn one_over_root<S: Simd>(s: S, x: f32) -> S::F32 {
    s.div(s.splat(1.0), s.sqrt(s.splat(x)))
}

#[inline(always)]
fn norm_rows<S: Simd, const CENTRED: bool>(
    s: S,
    out: &mut [f32],
    x: Option<&[f32]>,
    gamma: Option<&[f32]>,
    beta: Option<&[f32]>,
    rows: usize,
    len: usize,
    epsilon: f32,
) {
    let (out, x) = (&mut out[..rows * len], x.map(|x| &x[..rows * len]));
    let (gamma, beta) = (gamma.map(|gamma| &gamma[..len]), beta.map(|beta| &beta[..len]));
    if out.is_empty() {
        return;
    }
    for (r, row) in out.chunks_exact_mut(len).enumerate() {
        let x = x.map(|x| &x[r * len..][..len]);
        let (mean, by) = if CENTRED {
            statistics(s, x.unwrap_or(row), epsilon)
        } else {
            (s.splat(0.0), one_over_root(s, reduce_row(s, SumSq, x.unwrap_or(row)) / len as f32 + epsilon))
        };
        let to = row.as_mut_ptr();
        let from = x.map_or(to.cast_const(), <[f32]>::as_ptr);
        let whole = len / S::LANES * S::LANES;
        let mut at = 0;
        while at < whole {
            // SAFETY: the row, what it is made from, `gamma` and `beta` all have `len` floats, and a vector ends within `whole`.
            unsafe {
                let v = normal::<S, CENTRED>(s, s.load_ptr(from.add(at)), mean, by);
                let v = if let Some(gamma) = gamma { s.mul(v, s.load_ptr(gamma.as_ptr().add(at))) } else { v };
                let v = if let Some(beta) = beta { s.add(v, s.load_ptr(beta.as_ptr().add(at))) } else { v };
                s.store_ptr(v, to.add(at));
            }
            at += S::LANES;
        }
        if whole < len {
            let v = s.load_part(x.map_or(&row[whole..], |x| &x[whole..]));
            let v = normal::<S, CENTRED>(s, v, mean, by);
            let v = if let Some(gamma) = gamma { s.mul(v, s.load_part(&gamma[whole..])) } else { v };
            let v = if let Some(beta) = beta { s.add(v, s.load_part(&beta[whole..])) } else { v };
            s.store_part(v, &mut row[whole..]);
        }
    }
}

#[inline(always)]
fn normal<S: Simd, const CENTRED: bool>(s: S, v: S::F32, mean: S::F32, by: S::F32) -> S::F32 {
    s.mul(if CENTRED { s.sub(v, mean) } else { v }, by)
}

impl Task for GroupNorm<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let GroupNorm { out, x, gamma, beta, n, groups, channels_per_group, spatial, epsilon } = self;
        let channels = groups * channels_per_group;
        let (out, x) = (&mut out[..n * channels * spatial], x.map(|x| &x[..n * channels * spatial]));
        let (gamma, beta) = (gamma.map(|gamma| &gamma[..channels]), beta.map(|beta| &beta[..channels]));
        if out.is_empty() {
            return;
        }
        for (group, out) in out.chunks_exact_mut(channels_per_group * spatial).enumerate() {
            let x = x.map(|x| &x[group * out.len()..][..out.len()]);
            let (mean, by) = statistics(s, x.unwrap_or(out), epsilon);
            for (i, out) in out.chunks_exact_mut(spatial).enumerate() {
                let x = x.map(|x| &x[i * spatial..][..spatial]);
                let channel = group % groups * channels_per_group + i;
                let by = gamma.map_or(by, |gamma| s.mul(by, s.splat(gamma[channel])));
                let beta = s.splat(beta.map_or(0.0, |beta| beta[channel]));
                let to = out.as_mut_ptr();
                let from = x.map_or(to.cast_const(), <[f32]>::as_ptr);
                let whole = spatial / S::LANES * S::LANES;
                let mut at = 0;
                while at < whole {
                    // SAFETY: the channel and what it is made from have `spatial` floats, and a vector ends within `whole`.
                    unsafe { s.store_ptr(s.fma(s.sub(s.load_ptr(from.add(at)), mean), by, beta), to.add(at)) };
                    at += S::LANES;
                }
                let v = s.load_part(x.map_or(&out[whole..], |x| &x[whole..]));
                s.store_part(s.fma(s.sub(v, mean), by, beta), &mut out[whole..]);
            }
        }
    }
}

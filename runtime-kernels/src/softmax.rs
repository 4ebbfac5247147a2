//! e^x over its sum along an axis, and the logarithm of that.
//!
//! The greatest element is taken off first, so that nothing overflows; a row whose elements are all -∞, or of which any is
//! NaN, becomes NaN. Three passes over a row, which stays in the first-level cache unless it is long: greatest,
//! exponentials and their sum, scale. Terms below 2^-126 of the greatest count as zero.

use super::math_exp::exp_flushed;
use super::math_log::log;
use super::reduce::{Max, reduce_row};
use super::simd::{Simd, Task};
use super::split::{Part, Split, own, parts, times, whole};

/// `out[o, l, i] = e^x[o, l, i] / Σ e^x[o, .., i]`
pub struct Softmax<'a> {
    /// `[outer][len][inner]`
    pub out: &'a mut [f32],
    /// Like `out`; `None` is what `out` holds before.
    pub x: Option<&'a [f32]>,
    /// Sums along the axes before.
    pub outer: usize,
    /// Elements that are summed.
    pub len: usize,
    /// Sums along the axes after.
    pub inner: usize,
}

/// `out[o, l, i] = x[o, l, i] - log Σ e^x[o, .., i]`
pub struct LogSoftmax<'a> {
    /// `[outer][len][inner]`
    pub out: &'a mut [f32],
    /// Like `out`; `None` is what `out` holds before.
    pub x: Option<&'a [f32]>,
    /// Sums along the axes before.
    pub outer: usize,
    /// Elements that are summed.
    pub len: usize,
    /// Sums along the axes after.
    pub inner: usize,
}

macro_rules! softmaxes {
    ($($softmax:ident $log:literal)*) => {$(
        impl Task for $softmax<'_> {
            type Out = ();

            #[inline(always)]
            fn run<S: Simd>(self, s: S) {
                whole(s, self);
            }
        }

        impl Split for $softmax<'_> {
            #[inline(always)]
            fn parts(&self, threads: usize) -> usize {
                parts(32 * self.outer * self.len * self.inner, self.outer, threads)
            }

            #[inline(always)]
            unsafe fn part<S: Simd>(task: *mut Self, s: S, part: Part, _: &mut [f32]) {
                // SAFETY: the caller vouches for the task; its output is only written through this pointer.
                let (out, task) = unsafe { (&raw mut *(*task).out, &*task) };
                let rows = part.range(task.outer);
                let range = times(&rows, task.len * task.inner);
                let x = task.x.map(|x| &x[range.clone()]);
                // SAFETY: rows are divided among the parts.
                run::<S, $log>(s, unsafe { own(out, range) }, x, rows.len(), task.len, task.inner);
            }
        }
    )*};
}

softmaxes!(Softmax false LogSoftmax true);

/// A vector of the widest instruction set.
const WIDEST: usize = 16;

#[inline(always)]
fn run<S: Simd, const LOG: bool>(s: S, out: &mut [f32], x: Option<&[f32]>, outer: usize, len: usize, inner: usize) {
    let out = &mut out[..outer * len * inner];
    let x = x.map(|x| &x[..outer * len * inner]);
    if out.is_empty() {
        return;
    }
    for (o, out) in out.chunks_exact_mut(len * inner).enumerate() {
        let x = x.map(|x| &x[o * len * inner..][..len * inner]);
        if inner == 1 {
            row::<S, LOG>(s, out, x);
            continue;
        }
        if let Some(x) = x {
            // Into the cache, from which everything after works in place.
            out.copy_from_slice(x);
        }
        let mut at = 0;
        while at < inner {
            columns::<S, LOG>(s, &mut out[at..], inner, S::LANES.min(inner - at));
            at += S::LANES;
        }
    }
}

/// One row.
#[inline(always)]
fn row<S: Simd, const LOG: bool>(s: S, out: &mut [f32], x: Option<&[f32]>) {
    let len = out.len();
    let greatest = s.splat(reduce_row(s, Max, x.unwrap_or(out)));
    let to = out.as_mut_ptr();
    let from = x.map_or(to.cast_const(), |x| x[..len].as_ptr());
    let whole = len / S::LANES * S::LANES;
    let mut sums = [s.splat(0.0); 2];
    let mut at = 0;
    while at < whole {
        // SAFETY: both have `len` floats, and a vector ends within `whole`, which is not above it.
        let e = exp_flushed(s, s.sub(unsafe { s.load_ptr(from.add(at)) }, greatest));
        if !LOG {
            // SAFETY: as above.
            unsafe { s.store_ptr(e, to.add(at)) };
        }
        sums = [sums[1], s.add(sums[0], e)];
        at += S::LANES;
    }
    // The elements after, followed by what adds nothing. (Where the whole row is -∞, that becomes NaN, as does all of it.)
    let mut rest = [f32::NEG_INFINITY; WIDEST];
    if whole < len {
        for (i, rest) in rest.iter_mut().enumerate().take(len - whole) {
            // SAFETY: both have `len` floats.
            *rest = unsafe { *from.add(whole + i) };
        }
        let x = s.load(&rest);
        let e = exp_flushed(s, s.sub(x, greatest));
        sums[0] = s.add(sums[0], e);
        s.store(if LOG { x } else { e }, &mut rest);
    }
    let by = factor::<S, LOG>(s, greatest, s.splat(s.sum(s.add(sums[0], sums[1]))));
    let from = if LOG { from } else { to.cast_const() };
    let mut at = 0;
    while at < whole {
        // SAFETY: as in the loop above.
        unsafe { s.store_ptr(scaled::<S, LOG>(s, s.load_ptr(from.add(at)), by), to.add(at)) };
        at += S::LANES;
    }
    if whole < len {
        s.store_part(scaled::<S, LOG>(s, s.load(&rest), by), &mut out[whole..]);
    }
}

/// What [`scaled`] needs once the sum is known.
#[inline(always)]
fn factor<S: Simd, const LOG: bool>(s: S, greatest: S::F32, sum: S::F32) -> S::F32 {
    if LOG { s.add(greatest, log(s, sum)) } else { s.div(s.splat(1.0), sum) }
}

/// The result, of the exponentials or, for the logarithm, of the elements.
#[inline(always)]
fn scaled<S: Simd, const LOG: bool>(s: S, v: S::F32, by: S::F32) -> S::F32 {
    if LOG { s.sub(v, by) } else { s.mul(v, by) }
}

/// `lanes` neighbouring columns, `stride` floats from element to element, in place.
#[inline(always)]
fn columns<S: Simd, const LOG: bool>(s: S, x: &mut [f32], stride: usize, lanes: usize) {
    let mut greatest = s.splat(f32::NEG_INFINITY);
    for x in x.chunks(stride) {
        greatest = s.max(greatest, s.load_part(&x[..lanes]));
    }
    let mut sum = s.splat(0.0);
    for x in x.chunks_mut(stride) {
        let e = exp_flushed(s, s.sub(s.load_part(&x[..lanes]), greatest));
        sum = s.add(sum, e);
        if !LOG {
            s.store_part(e, &mut x[..lanes]);
        }
    }
    let by = factor::<S, LOG>(s, greatest, sum);
    for x in x.chunks_mut(stride) {
        let v = scaled::<S, LOG>(s, s.load_part(&x[..lanes]), by);
        s.store_part(v, &mut x[..lanes]);
    }
}

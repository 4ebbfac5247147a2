//! Reductions over one axis, or several that lie together: sums, extremes, products, norms.
//!
//! Along the innermost axis a row goes through four accumulators, so that neither latency nor rounding adds up along the
//! whole of it; along any other axis the lanes are neighbouring results. Floats have a vector form, [`Reduce`]; other
//! numbers a plain one, [`ReduceEach`], in which integers wrap around.

use super::simd::{Simd, Task};
use super::split::{Part, Split, own, parts, whole};

/// How floats are reduced.
pub trait ReduceF32: Copy {
    /// The reduction of nothing, and an element that changes no reduction.
    const INIT: f32;

    /// `acc` with one more element.
    fn step<S: Simd>(self, s: S, acc: S::F32, x: S::F32) -> S::F32;

    /// Two reductions made one.
    fn merge<S: Simd>(self, s: S, a: S::F32, b: S::F32) -> S::F32;

    /// The lanes' reductions made one.
    fn join<S: Simd>(self, s: S, acc: S::F32) -> f32;

    /// What becomes of the reduction at the end, after scaling.
    #[inline(always)]
    fn finish<S: Simd>(self, s: S, x: S::F32) -> S::F32 {
        let _ = s;
        x
    }
}

/// How numbers of type `T` are reduced one by one.
pub trait ReduceNumber<T>: Copy {
    /// The reduction of nothing.
    const INIT: T;

    /// `acc` with one more element.
    fn step(self, acc: T, x: T) -> T;
}

/// `out[o, i] = scale · reduction of x[o, .., i]`
pub struct Reduce<'a, K> {
    /// `[outer][inner]`
    pub out: &'a mut [f32],
    /// `[outer][len][inner]`
    pub x: &'a [f32],
    /// Reductions along the axes before.
    pub outer: usize,
    /// Elements reduced to one.
    pub len: usize,
    /// Reductions along the axes after.
    pub inner: usize,
    /// Multiplies every result: 1, or one over `len` for a mean.
    pub scale: f32,
    /// Which reduction.
    pub kind: K,
}

/// `out[o, i] = reduction of x[o, .., i]` for any numbers.
pub struct ReduceEach<'a, T, K> {
    /// `[outer][inner]`
    pub out: &'a mut [T],
    /// `[outer][len][inner]`
    pub x: &'a [T],
    /// Reductions along the axes before.
    pub outer: usize,
    /// Elements reduced to one.
    pub len: usize,
    /// Reductions along the axes after.
    pub inner: usize,
    /// Which reduction.
    pub kind: K,
}

/// Σ x
#[derive(Clone, Copy, Debug)]
pub struct Sum;

/// The greatest, NaN if any is; -∞ of nothing.
#[derive(Clone, Copy, Debug)]
pub struct Max;

/// The least, NaN if any is; ∞ of nothing.
#[derive(Clone, Copy, Debug)]
pub struct Min;

/// Π x
#[derive(Clone, Copy, Debug)]
pub struct Prod;

/// Σ x²
#[derive(Clone, Copy, Debug)]
pub struct SumSq;

/// Σ |x|
#[derive(Clone, Copy, Debug)]
pub struct SumAbs;

/// √ Σ x²
#[derive(Clone, Copy, Debug)]
pub struct Norm;

macro_rules! reduce_f32 {
    ($($kind:ident from $init:expr, |$s:ident, $acc:ident, $x:ident| $step:expr, $merge:ident, $join:path;)*) => {$(
        impl ReduceF32 for $kind {
            const INIT: f32 = $init;

            #[inline(always)]
            fn step<S: Simd>(self, $s: S, $acc: S::F32, $x: S::F32) -> S::F32 {
                $step
            }
            #[inline(always)]
            fn merge<S: Simd>(self, s: S, a: S::F32, b: S::F32) -> S::F32 {
                s.$merge(a, b)
            }
            #[inline(always)]
            fn join<S: Simd>(self, s: S, acc: S::F32) -> f32 {
                $join(s, acc)
            }
        }
    )*};
}

reduce_f32! {
    Sum from 0.0, |s, acc, x| s.add(acc, x), add, Simd::sum;
    Max from f32::NEG_INFINITY, |s, acc, x| s.max(acc, x), max, Simd::max_lane;
    Min from f32::INFINITY, |s, acc, x| s.min(acc, x), min, Simd::min_lane;
    Prod from 1.0, |s, acc, x| s.mul(acc, x), mul, product;
    SumSq from 0.0, |s, acc, x| s.fma(x, x, acc), add, Simd::sum;
    SumAbs from 0.0, |s, acc, x| s.add(acc, s.abs(x)), add, Simd::sum;
}

#[inline(always)]
fn product<S: Simd>(s: S, v: S::F32) -> f32 {
    let mut lanes = [1.0; WIDEST];
    s.store(v, &mut lanes);
    lanes.iter().product()
}

impl ReduceF32 for Norm {
    const INIT: f32 = 0.0;

    #[inline(always)]
    fn step<S: Simd>(self, s: S, acc: S::F32, x: S::F32) -> S::F32 {
        s.fma(x, x, acc)
    }
    #[inline(always)]
    fn merge<S: Simd>(self, s: S, a: S::F32, b: S::F32) -> S::F32 {
        s.add(a, b)
    }
    #[inline(always)]
    fn join<S: Simd>(self, s: S, acc: S::F32) -> f32 {
        s.sum(acc)
    }
    #[inline(always)]
    fn finish<S: Simd>(self, s: S, x: S::F32) -> S::F32 {
        s.sqrt(x)
    }
}

macro_rules! reduce_integers {
    ($($t:ty),*) => {$(
        reduce_numbers! {
            $t: Sum from 0, |acc: $t, x| acc.wrapping_add(x);
            $t: Max from <$t>::MIN, |acc: $t, x| acc.max(x);
            $t: Min from <$t>::MAX, |acc: $t, x| acc.min(x);
            $t: Prod from 1, |acc: $t, x| acc.wrapping_mul(x);
            $t: SumSq from 0, |acc: $t, x: $t| acc.wrapping_add(x.wrapping_mul(x));
        }
    )*};
}

macro_rules! reduce_numbers {
    ($($t:ty: $kind:ident from $init:expr, $step:expr;)*) => {$(
        impl ReduceNumber<$t> for $kind {
            const INIT: $t = $init;

            #[inline(always)]
            fn step(self, acc: $t, x: $t) -> $t {
                ($step)(acc, x)
            }
        }
    )*};
}

reduce_integers!(i8, u8, i16, u16, i32, u32, i64, u64);

reduce_numbers! {
    i8: SumAbs from 0, |acc: i8, x: i8| acc.wrapping_add(x.wrapping_abs());
    i16: SumAbs from 0, |acc: i16, x: i16| acc.wrapping_add(x.wrapping_abs());
    i32: SumAbs from 0, |acc: i32, x: i32| acc.wrapping_add(x.wrapping_abs());
    i64: SumAbs from 0, |acc: i64, x: i64| acc.wrapping_add(x.wrapping_abs());
    f64: Sum from 0.0, |acc: f64, x| acc + x;
    f64: Max from f64::NEG_INFINITY, |acc: f64, x: f64| if acc.is_nan() || acc > x { acc } else { x };
    f64: Min from f64::INFINITY, |acc: f64, x: f64| if acc.is_nan() || acc < x { acc } else { x };
    f64: Prod from 1.0, |acc: f64, x| acc * x;
    f64: SumSq from 0.0, |acc: f64, x: f64| acc + x * x;
    f64: SumAbs from 0.0, |acc: f64, x: f64| acc + x.abs();
}

/// A vector of the widest instruction set.
const WIDEST: usize = 16;

/// Accumulators at once.
const SUMS: usize = 4;

/// The reduction of a row, before scaling.
#[inline(always)]
pub fn reduce_row<S: Simd, K: ReduceF32>(s: S, kind: K, x: &[f32]) -> f32 {
    let mut acc = [s.splat(K::INIT); SUMS];
    let mut blocks = x.chunks_exact(SUMS * S::LANES);
    for block in &mut blocks {
        for (acc, x) in acc.iter_mut().zip(block.chunks_exact(S::LANES)) {
            *acc = kind.step(s, *acc, s.load(x));
        }
    }
    let mut vectors = blocks.remainder().chunks_exact(S::LANES);
    for x in &mut vectors {
        acc[0] = kind.step(s, acc[0], s.load(x));
    }
    let rest = vectors.remainder();
    if !rest.is_empty() {
        let mut padded = [K::INIT; WIDEST];
        for (padded, &x) in padded.iter_mut().zip(rest) {
            *padded = x;
        }
        acc[1] = kind.step(s, acc[1], s.load(&padded));
    }
    kind.join(s, kind.merge(s, kind.merge(s, acc[0], acc[1]), kind.merge(s, acc[2], acc[3])))
}

impl<K: ReduceF32> Task for Reduce<'_, K> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        whole(s, self);
    }
}

impl<K: ReduceF32> Split for Reduce<'_, K> {
    #[inline(always)]
    fn parts(&self, threads: usize) -> usize {
        let results = self.outer * self.inner;
        parts(8 * results * self.len, results.div_ceil(WIDEST), threads)
    }

    #[inline(always)]
    unsafe fn part<S: Simd>(task: *mut Self, s: S, part: Part, _: &mut [f32]) {
        // SAFETY: the caller vouches for the task; its output is only written through this pointer, each part's elements
        // by that part.
        let (out, task) = unsafe { (&raw mut *(*task).out, &*task) };
        let &Reduce { x, outer, len, inner, scale, kind, .. } = task;
        assert!(out.len() >= outer * inner, "the output of a reduction is too short");
        let x = &x[..outer * len * inner];
        if outer * inner == 0 {
            return;
        }
        let scale = s.splat(scale);
        if inner == 1 {
            let mine = part.range(outer.div_ceil(WIDEST));
            let mine = mine.start * WIDEST..(mine.end * WIDEST).min(outer);
            let x = &x[mine.start * len..mine.end * len];
            // SAFETY: results that are this part's.
            let out = unsafe { own(out, mine) };
            // Rows gather on the stack, so that what follows the reduction is done on vectors.
            for (first, out) in out.chunks_mut(S::LANES).enumerate() {
                let mut rows = [0.0; WIDEST];
                for (i, row) in rows[..out.len()].iter_mut().enumerate() {
                    *row = reduce_row(s, kind, &x[(first * S::LANES + i) * len..][..len]);
                }
                s.store_part(kind.finish(s, s.mul(s.load(&rows), scale)), out);
            }
            return;
        }
        // Whole rows where there are enough of them, else some lines of each.
        let lines = 0..inner.div_ceil(WIDEST);
        let (rows, lines) =
            if outer >= 2 * part.of { (part.range(outer), lines) } else { (0..outer, part.range(lines.end)) };
        let lanes = lines.start * WIDEST..(lines.end * WIDEST).min(inner);
        for o in rows {
            // SAFETY: results that are this part's.
            let out = unsafe { own(out, o * inner + lanes.start..o * inner + lanes.end) };
            reduce_lanes(s, kind, out, &x[o * len * inner..][..len * inner], inner, lanes.start, scale);
        }
    }
}

/// Reduces `x`, rows of `inner`, to one row; of that, what is `from` on.
#[inline(always)]
fn reduce_lanes<S: Simd, K: ReduceF32>(
    s: S,
    kind: K,
    out: &mut [f32],
    x: &[f32],
    inner: usize,
    from: usize,
    scale: S::F32,
) {
    let mut at = 0;
    while at + SUMS * S::LANES <= out.len() {
        let mut acc = [s.splat(K::INIT); SUMS];
        for x in x.chunks_exact(inner) {
            for (acc, x) in acc.iter_mut().zip(x[from + at..][..SUMS * S::LANES].chunks_exact(S::LANES)) {
                *acc = kind.step(s, *acc, s.load(x));
            }
        }
        for (acc, out) in acc.iter().zip(out[at..at + SUMS * S::LANES].chunks_exact_mut(S::LANES)) {
            s.store(kind.finish(s, s.mul(*acc, scale)), out);
        }
        at += SUMS * S::LANES;
    }
    while at < out.len() {
        let n = S::LANES.min(out.len() - at);
        let mut acc = s.splat(K::INIT);
        if n == S::LANES {
            for x in x.chunks_exact(inner) {
                acc = kind.step(s, acc, s.load(&x[from + at..]));
            }
        } else {
            for x in x.chunks_exact(inner) {
                acc = kind.step(s, acc, s.load_part(&x[from + at..][..n]));
            }
        }
        s.store_part(kind.finish(s, s.mul(acc, scale)), &mut out[at..at + n]);
        at += S::LANES;
    }
}

impl<T: Copy, K: ReduceNumber<T>> Task for ReduceEach<'_, T, K> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        let ReduceEach { out, x, outer, len, inner, kind } = self;
        let (out, x) = (&mut out[..outer * inner], &x[..outer * len * inner]);
        if out.is_empty() {
            return;
        }
        out.fill(K::INIT);
        for (o, out) in out.chunks_exact_mut(inner).enumerate() {
            for x in x[o * len * inner..][..len * inner].chunks_exact(inner) {
                for (out, &x) in out.iter_mut().zip(x) {
                    *out = kind.step(*out, x);
                }
            }
        }
    }
}

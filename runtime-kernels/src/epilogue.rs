//! What happens to a product's accumulators on their way to memory: activation, residual add, scale.
//!
//! An epilogue never reads what another tile writes: its operands are indexed by the element it is given.

use super::simd::Simd;

/// What happens to an accumulator vector before it is stored; generated code implements it.
pub trait Epilogue: Copy {
    /// True where `apply` returns `v` unchanged, so that kernels can skip it.
    const IDENTITY: bool = false;

    /// The least and the greatest result, neither of them NaN, where all that `apply` does is to keep results between them.
    #[inline(always)]
    fn clamp(&self) -> Option<(f32, f32)> {
        None
    }

    /// `v` holds output elements `[row, col..col + n]`, with `n` at most `LANES`; what the other lanes return is dropped.
    ///
    /// `row` counts the rows of the `[m, n]` output, batch entries included (for a convolution: output pixels); `col` is
    /// the column, or the output channel over all groups. Implementations are `#[inline(always)]`.
    fn apply<S: Simd>(self, s: S, v: S::F32, row: usize, col: usize, n: usize) -> S::F32;
}

/// The epilogue that leaves the accumulators as they are.
#[derive(Clone, Copy)]
pub struct Identity;

impl Epilogue for Identity {
    const IDENTITY: bool = true;

    #[inline(always)]
    fn apply<S: Simd>(self, _s: S, v: S::F32, _row: usize, _col: usize, _n: usize) -> S::F32 {
        v
    }
}

/// The epilogue that keeps results between two bounds, which are no NaN, and NaN as it is.
#[derive(Clone, Copy)]
pub struct Clamp {
    /// The least result.
    pub low: f32,
    /// The greatest.
    pub high: f32,
}

impl Epilogue for Clamp {
    #[inline(always)]
    fn clamp(&self) -> Option<(f32, f32)> {
        Some((self.low, self.high))
    }

    #[inline(always)]
    fn apply<S: Simd>(self, s: S, v: S::F32, _row: usize, _col: usize, _n: usize) -> S::F32 {
        s.bounded(v, s.splat(self.low), s.splat(self.high))
    }
}

/// `x[start..start + n]` as a vector, zero in the remaining lanes; panics where `x` is shorter.
#[inline(always)]
pub fn operand<S: Simd>(s: S, x: &[f32], start: usize, n: usize) -> S::F32 {
    if n == S::LANES { s.load(&x[start..start + S::LANES]) } else { s.load_part(&x[start..start + n]) }
}

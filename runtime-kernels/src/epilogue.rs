//! What happens to a product's accumulators on their way to memory: activation, residual add, scale.
//!
//! An epilogue never reads what another tile writes: its operands are indexed by the element it is given.

use super::simd::Simd;
use super::simd_quad::{Quad, four};

/// What happens to an accumulator vector before it is stored; generated code implements it.
pub trait Epilogue: Copy {
    /// True where `apply` returns `v` unchanged, so that kernels can skip it.
    const IDENTITY: bool = false;

    /// False where nothing depends on an element's column but what depends on the element, so that whole rows may be one.
    const BY_COLUMN: bool = true;

    /// True where `apply` is a long chain of operations, as of exponentials, which four vectors had better go through together.
    const DEEP: bool = false;

    /// The least and the greatest result, neither of them NaN, where all that `apply` does is to keep results between them.
    #[inline(always)]
    fn clamp(&self) -> Option<(f32, f32)> {
        None
    }

    /// What becomes of `v`, the output elements at `at`; what lanes that do not count return is dropped. Implementations are
    /// `#[inline(always)]`.
    fn apply<S: Simd, P: Places<S>>(self, s: S, v: S::F32, at: P) -> S::F32;
}

/// The epilogue that leaves the accumulators as they are.
#[derive(Clone, Copy)]
pub struct Identity;

impl Epilogue for Identity {
    const IDENTITY: bool = true;

    #[inline(always)]
    fn apply<S: Simd, P: Places<S>>(self, _s: S, v: S::F32, _at: P) -> S::F32 {
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
    fn apply<S: Simd, P: Places<S>>(self, s: S, v: S::F32, _at: P) -> S::F32 {
        s.bounded(v, s.splat(self.low), s.splat(self.high))
    }
}

/// Where the lanes of a vector of `S` lie in an output.
pub trait Places<S: Simd>: Copy {
    /// The elements of `x` at `row * stride + col`, zero in lanes that do not count; panics where `x` is shorter.
    fn operand(self, s: S, x: &[f32], stride: usize) -> S::F32;
}

/// Output elements `[row, col..col + n]`.
#[derive(Clone, Copy)]
pub struct Place {
    /// Counts the rows of the `[m, n]` output, batch entries included (for a convolution: output pixels).
    pub row: usize,
    /// The first column, or output channel over all groups.
    pub col: usize,
    /// Lanes that count, at most `LANES`.
    pub n: usize,
}

impl<S: Simd> Places<S> for Place {
    #[inline(always)]
    fn operand(self, s: S, x: &[f32], stride: usize) -> S::F32 {
        let Self { row, col, n } = self;
        let start = row * stride + col;
        if n == S::LANES { s.load(&x[start..start + S::LANES]) } else { s.load_part(&x[start..start + n]) }
    }
}

impl<S: Simd> Places<Quad<S>> for [Place; 4] {
    #[inline(always)]
    fn operand(self, s: Quad<S>, x: &[f32], stride: usize) -> [S::F32; 4] {
        four!(I, self[I].operand(s.0, x, stride))
    }
}

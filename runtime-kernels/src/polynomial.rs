//! Polynomials, what the math pages end in: Horner's rule in x² over pairs of coefficients, which waits half as often for its own
//! results as Horner's rule in x and costs one multiplication more.

use super::simd::Simd;

/// `c[0] + c[1] x + c[2] x² + …`
#[inline(always)]
pub fn polynomial<S: Simd, const N: usize>(s: S, x: S::F32, c: [f32; N]) -> S::F32 {
    let square = s.mul(x, x);
    let mut i = N - 1 - (N - 1) % 2;
    let mut sum = if N.is_multiple_of(2) { pair(s, x, c, i) } else { s.splat(c[i]) };
    while i > 0 {
        i -= 2;
        sum = s.fma(square, sum, pair(s, x, c, i));
    }
    sum
}

/// `c[i] + c[i + 1] x`; no closure, which would be compiled without the instruction set where it is not inlined.
#[inline(always)]
fn pair<S: Simd, const N: usize>(s: S, x: S::F32, c: [f32; N], i: usize) -> S::F32 {
    s.fma(x, s.splat(c[i + 1]), s.splat(c[i]))
}

//! Polynomials by Horner's rule, what the math pages end in.

use super::simd::Simd;

/// `c[0] + c[1] x + c[2] x² + …`
#[inline(always)]
pub fn polynomial<S: Simd, const N: usize>(s: S, x: S::F32, c: [f32; N]) -> S::F32 {
    let mut sum = s.splat(c[N - 1]);
    let mut i = N - 1;
    while i > 0 {
        i -= 1;
        sum = s.fma(sum, x, s.splat(c[i]));
    }
    sum
}

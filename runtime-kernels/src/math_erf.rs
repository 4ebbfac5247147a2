//! The error function.
//!
//! Up to 0.925, x + x p(x²); above, 1 - e^-(x + x q(x)) with the sign of x, since log erfc is smooth. p (degree 5) and q
//! (degree 6) are from Remez exchanges for the relative error (2^-25.8 and 2^-29.7 with their coefficients rounded).
//! Beyond 4 the result is 1 as rounded.
//!
//! Bound, seen over every 61st float: 1.3 ulp.

use super::math_exp::exp_bounded;
use super::polynomial::polynomial;
use super::simd::Simd;

const P: [f32; 6] = [1.283_791_5e-1, -3.761_249e-1, 1.128_173e-1, -2.676_291_6e-2, 4.987_252_4e-3, -5.958_971e-4];

const Q: [f32; 7] =
    [1.286_484_9e-1, 6.351_513e-1, 1.062_368_5e-1, -2.376_204e-2, 3.642_447_5e-3, -3.228_005e-4, 1.123_151_2e-5];

/// erf x
#[inline(always)]
pub fn erf<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let a = s.abs(x);
    let small = s.fma(x, polynomial(s, s.mul(x, x), P), x);
    let t = s.min(s.splat(4.0), a);
    let power = s.fma(t, polynomial(s, t, Q), t);
    let large = s.sub(s.splat(1.0), exp_bounded(s, s.neg(power)));
    s.copysign(s.select(s.lt(a, s.splat(0.925)), small, large), x)
}

#[cfg(test)]
mod tests {
    use crate::scalar_math_f64::erf_f64;
    use crate::ulp::ulp_test;

    ulp_test!(erf, 1.3, erf_f64);
}

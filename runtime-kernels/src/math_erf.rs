//! The error function.
//!
//! Up to 0.925, x + x p(x²); above, 1 - e^-(x + x q(x)) with the sign of x, since log erfc is smooth. p (degree 5) and q
//! (degree 6) are from Remez exchanges for the relative error (2^-25.8 and 2^-29.7 with their coefficients rounded).
//! Beyond 4 the result is 1 as rounded.
//!
//! Bound, seen over every 61st float: 1.3 ulp.
//!
//! 1 + erf x, what GELU scales by, is e^-(t + t r(t)) of t = -x, and for x above 0 what that of t = x lacks to 2. r (degree 7) is
//! from an exchange on [0, 4.2] for the absolute error of the result (2^-25.6), which is all that a sum with 1 has.

use super::math_exp::{exp_bounded, exp_flushed};
use super::polynomial::polynomial;
use super::simd::Simd;

const P: [f32; 6] = [1.283_791_5e-1, -3.761_249e-1, 1.128_173e-1, -2.676_291_6e-2, 4.987_252_4e-3, -5.958_971e-4];

const Q: [f32; 7] =
    [1.286_484_9e-1, 6.351_513e-1, 1.062_368_5e-1, -2.376_204e-2, 3.642_447_5e-3, -3.228_005e-4, 1.123_151_2e-5];

const R: [f32; 8] = [
    1.283_802_5e-1,
    6.365_977_3e-1,
    1.029_196_1e-1,
    -1.958_396e-2,
    5.369_32e-4,
    1.032_402_5e-3,
    -3.088_024e-4,
    3.144_019e-5,
];

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

/// 1 + erf x to within 2^-23, at less cost.
#[inline(always)]
pub fn one_and_erf<S: Simd>(s: S, x: S::F32) -> S::F32 {
    // Beyond 10, nothing is left to 2.
    let t = s.min(s.splat(10.0), s.abs(x));
    let less = exp_flushed(s, s.neg(s.fma(t, polynomial(s, t, R), t)));
    s.select(s.lt(x, s.splat(0.0)), less, s.sub(s.splat(2.0), less))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar_math_f64::erf_f64;
    use crate::ulp::ulp_test;

    ulp_test!(erf, 1.3, erf_f64);

    /// A sum whose ulp is 2^-23 at least.
    fn and_one<S: Simd>(s: S, x: S::F32) -> S::F32 {
        s.add(one_and_erf(s, x), s.splat(1.0))
    }

    mod sums {
        use super::{erf_f64, ulp_test};

        ulp_test!(and_one, 1.5, |x| 2.0 + erf_f64(x));
    }
}

//! The math of single `f32`s: for folding, for shapes' sakes and for elements too few to make a vector.
//!
//! What has a vector form runs it on a vector of one value, so that both agree to the last bit on the scalar target.

use super::math_atrig;
use super::math_erf;
use super::math_exp;
use super::math_hyper;
use super::math_log;
use super::math_pow;
use super::math_sigmoid;
use super::math_tanh;
use super::math_trig;
use super::simd::Simd;
use super::simd_scalar::{self, Scalar};

/// A function by the name of its vector form.
macro_rules! by_vector {
    ($($(#[$doc:meta])* $name:ident in $page:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name(x: f32) -> f32 {
            let s = Scalar::new();
            let mut lanes = [0.0; 4];
            s.store($page::$name(s, s.splat(x)), &mut lanes);
            lanes[0]
        }
    )*};
}

by_vector! {
    /// e^x
    exp in math_exp;
    /// e^x - 1
    expm1 in math_exp;
    /// The natural logarithm.
    log in math_log;
    /// log(1 + x)
    log1p in math_log;
    /// The hyperbolic tangent.
    tanh in math_tanh;
    /// The error function.
    erf in math_erf;
    /// 1 / (1 + e^-x)
    sigmoid in math_sigmoid;
    /// The sine.
    sin in math_trig;
    /// The cosine.
    cos in math_trig;
    /// The tangent.
    tan in math_trig;
    /// The hyperbolic sine.
    sinh in math_hyper;
    /// The hyperbolic cosine.
    cosh in math_hyper;
    /// The inverse hyperbolic sine.
    asinh in math_hyper;
    /// The inverse hyperbolic cosine.
    acosh in math_hyper;
    /// The inverse hyperbolic tangent.
    atanh in math_hyper;
    /// The inverse sine.
    asin in math_atrig;
    /// The inverse cosine.
    acos in math_atrig;
    /// The inverse tangent.
    atan in math_atrig;
}

/// x^y
pub fn pow(x: f32, y: f32) -> f32 {
    let s = Scalar::new();
    let mut lanes = [0.0; 4];
    s.store(math_pow::pow(s, s.splat(x), s.splat(y)), &mut lanes);
    lanes[0]
}

/// The correctly rounded square root.
#[inline]
pub fn sqrt(x: f32) -> f32 {
    simd_scalar::sqrt_f32(x)
}

/// The greatest integer not above.
#[inline]
pub fn floor(x: f32) -> f32 {
    simd_scalar::floor_f32(x)
}

/// The least integer not below.
#[inline]
pub fn ceil(x: f32) -> f32 {
    simd_scalar::ceil_f32(x)
}

/// The nearest integer, ties to even.
#[inline]
pub fn round(x: f32) -> f32 {
    simd_scalar::round_f32(x)
}

/// The integer part.
#[inline]
pub fn trunc(x: f32) -> f32 {
    simd_scalar::trunc_f32(x)
}

/// -1, 0 or 1 (a zero keeps its sign); NaN for NaN.
#[inline]
pub fn sign(x: f32) -> f32 {
    if x == 0.0 || x.is_nan() { x } else { 1.0f32.copysign(x) }
}

/// The exact remainder with the sign of `x`, as C's `fmod`.
#[inline]
pub fn fmod(x: f32, y: f32) -> f32 {
    x % y
}

/// The remainder with the sign of `y`, as Python's `%`.
#[inline]
pub fn modulo(x: f32, y: f32) -> f32 {
    let rest = x % y;
    if rest == 0.0 {
        0.0f32.copysign(y)
    } else if (rest < 0.0) != (y < 0.0) {
        rest + y
    } else {
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remainders_follow_their_sign() {
        assert_eq!([fmod(-7.0, 3.0), modulo(-7.0, 3.0), modulo(7.0, -3.0), modulo(-6.0, 3.0)], [-1.0, 2.0, -2.0, 0.0]);
        assert!(fmod(1.0, 0.0).is_nan() && modulo(1.0, 0.0).is_nan() && modulo(f32::INFINITY, 1.0).is_nan());
        assert_eq!(modulo(5.0, f32::INFINITY), 5.0);
    }

    #[test]
    fn sign_keeps_zeros_and_nans() {
        assert_eq!([sign(-3.0), sign(5.0), sign(0.0)], [-1.0, 1.0, 0.0]);
        assert!(sign(-0.0).is_sign_negative() && sign(f32::NAN).is_nan());
    }

    #[test]
    fn one_value_is_a_lane() {
        assert_eq!([exp(0.0), log(1.0), pow(2.0, 10.0), sqrt(2.25), floor(-0.5)], [1.0, 0.0, 1024.0, 1.5, -1.0]);
    }
}

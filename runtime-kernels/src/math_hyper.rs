//! Hyperbolic sine and cosine, and the three inverses.
//!
//! With h = e^|x| / 2, taken so that it does not overflow early: sinh = h - 1/4h and cosh = h + 1/4h; up to 1, where sinh
//! would cancel, x + x³ p(x²) with p of degree 3 from a Remez exchange for the relative error (2^-31.6 with its
//! coefficients rounded). The inverses are [`log1p`] of what is left after 1, so that they are close where x is small.
//!
//! Bounds, seen over every 61st float: `sinh` 1.7 ulp, `cosh` 1.6, `asinh` 1.9, `acosh` 2.4, `atanh` 2.2.

use super::math_exp::{expm1_reduced, reduce};
use super::math_log::log1p;
use super::polynomial::polynomial;
use super::simd::Simd;

const P: [f32; 4] = [1.666_666_7e-1, 8.333_310_5e-3, 1.984_289_6e-4, 2.782_213_2e-6];

/// From here on 1 is lost beside x².
const HUGE: f32 = 1e9;

/// e^a / 2 for a of 0 and more.
#[inline(always)]
fn half_exp<S: Simd>(s: S, a: S::F32) -> S::F32 {
    let (n, r) = reduce(s, s.min(s.splat(90.0), a));
    s.ldexp(s.add(s.splat(0.5), s.mul(s.splat(0.5), expm1_reduced(s, r))), n)
}

/// sinh x
#[inline(always)]
pub fn sinh<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let (a, square) = (s.abs(x), s.mul(x, x));
    let small = s.fma(s.mul(a, square), polynomial(s, square, P), a);
    let h = half_exp(s, a);
    let large = s.sub(h, s.div(s.splat(0.25), h));
    s.copysign(s.select(s.lt(a, s.splat(1.0)), small, large), x)
}

/// cosh x
#[inline(always)]
pub fn cosh<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let h = half_exp(s, s.abs(x));
    s.add(h, s.div(s.splat(0.25), h))
}

/// The inverse of sinh.
#[inline(always)]
pub fn asinh<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let (a, one) = (s.abs(x), s.splat(1.0));
    let square = s.mul(a, a);
    // sqrt(1 + a²) - 1 = a² / (1 + sqrt(1 + a²))
    let rest = s.div(square, s.add(one, s.sqrt(s.add(square, one))));
    let huge = s.lt(s.splat(HUGE), a);
    let y = log1p(s, s.select(huge, a, s.add(a, rest)));
    s.copysign(s.select(huge, s.add(y, s.splat(core::f32::consts::LN_2)), y), x)
}

/// The inverse of cosh: NaN below 1.
#[inline(always)]
pub fn acosh<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let t = s.sub(x, s.splat(1.0));
    // x² - 1 = t (t + 2)
    let sum = s.add(t, s.sqrt(s.mul(t, s.add(t, s.splat(2.0)))));
    let huge = s.lt(s.splat(HUGE), x);
    let y = log1p(s, s.select(huge, x, sum));
    let y = s.select(huge, s.add(y, s.splat(core::f32::consts::LN_2)), y);
    s.select(s.lt(x, s.splat(1.0)), s.splat(f32::NAN), y)
}

/// The inverse of tanh: infinite at ±1, NaN beyond.
#[inline(always)]
pub fn atanh<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let a = s.abs(x);
    // (1 + a) / (1 - a) = 1 + 2a / (1 - a)
    let y = log1p(s, s.div(s.add(a, a), s.sub(s.splat(1.0), a)));
    s.copysign(s.mul(s.splat(0.5), y), x)
}

#[cfg(test)]
mod tests {
    use crate::ulp::ulp_test;

    ulp_test!(sinh, 1.7, f64::sinh);
    ulp_test!(cosh, 1.6, f64::cosh);
    // std's own inverses are not close everywhere.
    ulp_test!(asinh, 1.9, |x| if x.is_infinite() {
        x
    } else {
        (x.abs() + x * x / (1.0 + (1.0 + x * x).sqrt())).ln_1p().copysign(x)
    });
    ulp_test!(acosh, 2.4, |x| if x < 1.0 { f64::NAN } else { ((x - 1.0) + ((x - 1.0) * (x + 1.0)).sqrt()).ln_1p() });
    ulp_test!(atanh, 2.2, |x| 0.5 * (2.0 * x.abs() / (1.0 - x.abs())).ln_1p().copysign(x));
}

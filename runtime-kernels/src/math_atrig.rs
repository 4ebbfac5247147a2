//! Inverse sine, cosine and tangent.
//!
//! asin t = t + t³ p(t²) up to a half; above, asin x = π/2 - 2 asin sqrt((1 - x) / 2). atan t = t + t³ q(t²) up to 1; above,
//! π/2 - atan 1/x. p (degree 4) and q (degree 8) are from Remez exchanges for the relative error (2^-27.6 and 2^-27.1 with
//! their coefficients rounded).
//!
//! Bounds, seen over every 61st float: `asin` 2.5 ulp, `acos` 1.3, `atan` 1.6.

use super::polynomial::polynomial;
use super::simd::Simd;

const P: [f32; 5] = [1.666_675_2e-1, 7.495_306_4e-2, 4.546_977_2e-2, 2.418_077e-2, 4.216_643e-2];

const Q: [f32; 9] = [
    -3.333_33e-1,
    1.999_853e-1,
    -1.426_404_3e-1,
    1.095_128_06e-1,
    -8.401_568e-2,
    5.794_189e-2,
    -3.117_859_4e-2,
    1.092_227_4e-2,
    -1.796_409_4e-3,
];

/// π/2 = the sum of these.
const HALF_PI: f32 = core::f32::consts::FRAC_PI_2;
const HALF_PI_REST: f32 = -4.371_139e-8;

/// Whether |x| is above a half, and the arc of |x|, or of sqrt((1 - |x|) / 2) there.
#[inline(always)]
fn arc<S: Simd>(s: S, x: S::F32) -> (S::Mask, S::F32) {
    let a = s.abs(x);
    let half = s.splat(0.5);
    let above = s.lt(half, a);
    let square = s.select(above, s.fma(a, s.splat(-0.5), half), s.mul(a, a));
    let t = s.select(above, s.sqrt(square), a);
    (above, s.fma(s.mul(t, square), polynomial(s, square, P), t))
}

/// The inverse of sin: NaN beyond ±1.
#[inline(always)]
pub fn asin<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let (above, p) = arc(s, x);
    let far = s.sub(s.splat(HALF_PI), s.sub(s.add(p, p), s.splat(HALF_PI_REST)));
    s.copysign(s.select(above, far, p), x)
}

/// The inverse of cos: NaN beyond ±1.
#[inline(always)]
pub fn acos<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let (above, p) = arc(s, x);
    let twice = s.add(p, p);
    let left = s.sub(s.splat(2.0 * HALF_PI), s.sub(twice, s.splat(2.0 * HALF_PI_REST)));
    let outside = s.select(s.lt(x, s.splat(0.0)), left, twice);
    let inside = s.sub(s.splat(HALF_PI), s.sub(s.copysign(p, x), s.splat(HALF_PI_REST)));
    s.select(above, outside, inside)
}

/// The inverse of tan.
#[inline(always)]
pub fn atan<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let (a, one) = (s.abs(x), s.splat(1.0));
    let above = s.lt(one, a);
    let t = s.select(above, s.div(one, a), a);
    let square = s.mul(t, t);
    let p = s.fma(s.mul(t, square), polynomial(s, square, Q), t);
    let far = s.sub(s.splat(HALF_PI), s.sub(p, s.splat(HALF_PI_REST)));
    s.copysign(s.select(above, far, p), x)
}

#[cfg(test)]
mod tests {
    use crate::ulp::ulp_test;

    ulp_test!(asin, 2.5, f64::asin);
    ulp_test!(acos, 1.3, f64::acos);
    ulp_test!(atan, 1.6, f64::atan);
}

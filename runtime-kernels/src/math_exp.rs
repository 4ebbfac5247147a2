//! e^x and e^x - 1.
//!
//! x = n ln 2 + r with n whole and |r| at most half of ln 2, so that e^x = 2^n e^r. ln 2 is taken off in two parts, the
//! first of nine bits so that its product with n is exact. e^r - 1 = r + r² q(r), with q of degree 4 from a Remez
//! exchange on [-0.3475, 0.3475] for the error relative to e^r - 1 (2^-26 with its coefficients rounded).
//!
//! Where powers of two in steps of a sixteenth or an eighth are cheap, n is in such steps; r is then so small that a q of degree 1
//! is enough: the series', but for a little more than 1/2, which spreads what r^4/24 is missed. Not so where 1 is taken off:
//! powers between whole ones are rounded, which small results would show.
//!
//! Bounds, seen over every 61st float: `exp` 1.1 ulp, denormals included; `expm1` 1.8.

use super::polynomial::polynomial;
use super::simd::Simd;

/// ln 2 = `LN2_HI` + `LN2_LO`, `LN2_HI` of nine bits.
pub const LN2_HI: f32 = 0.693_359_4;
/// What `LN2_HI` lacks to ln 2.
pub const LN2_LO: f32 = -2.121_944_4e-4;

const Q: [f32; 5] = [4.999_999_7e-1, 1.666_653_8e-1, 4.166_774e-2, 8.367_318e-3, 1.383_786_7e-3];

/// 1/2 and (√2 - 1) (ln 2 / 32)² / 12.
const HALF: f32 = 0.500_016_2;

/// Beyond these, e^x is infinite or zero.
const HIGHEST: f32 = 89.0;
const LOWEST: f32 = -104.0;

/// Below this, e^x is denormal.
const LOWEST_NORMAL: f32 = -87.336_54;

/// So large that what is added to it is rounded to an integer, which stands in its lower bits, 127 more than it is.
const ROUND: f32 = 12_582_912.0 + 127.0;

/// n and r of x = n ln 2 + r, for |x| below 2^15.
#[inline(always)]
pub fn reduce<S: Simd>(s: S, x: S::F32) -> (S::F32, S::F32) {
    let (n, r, _) = reduce_with_power(s, x);
    (n, r)
}

/// n, r and 2^n of x = n ln 2 + r; 2^n for n from -127, which gives zero, to 128, which gives infinity.
#[inline(always)]
pub fn reduce_with_power<S: Simd>(s: S, x: S::F32) -> (S::F32, S::F32, S::F32) {
    let sum = s.fma(x, s.splat(core::f32::consts::LOG2_E), s.splat(ROUND));
    let n = s.sub(sum, s.splat(ROUND));
    let r = s.fma(n, s.splat(-LN2_HI), x);
    (n, s.fma(n, s.splat(-LN2_LO), r), s.from_bits(s.shl_i32::<23>(s.to_bits(sum))))
}

/// e^r - 1 for |r| up to half of ln 2.
#[inline(always)]
pub fn expm1_reduced<S: Simd>(s: S, r: S::F32) -> S::F32 {
    s.fma(s.mul(r, r), polynomial(s, r, Q), r)
}

/// e^x for x from -104 to 2^17 (infinite from 89 on), where powers in steps of a sixteenth are cheap; anything outside.
#[inline(always)]
pub fn exp_by_sixteenths<S: Simd>(s: S, x: S::F32) -> Option<S::F32> {
    // So large that what is added to it is rounded to sixteenths, which stand in its lower bits.
    let round = s.splat(786_432.0);
    let sum = s.fma(x, s.splat(core::f32::consts::LOG2_E), round);
    let k = s.sub(sum, round);
    let r = s.fma(k, s.splat(-LN2_LO), s.fma(k, s.splat(-LN2_HI), x));
    let p = s.fma(s.mul(r, r), s.fma(r, s.splat(1.0 / 6.0), s.splat(HALF)), r);
    s.scale_sixteenths(p, k, s.to_bits(sum))
}

/// 2^k and e^r - 1 of x = k ln 2 + r, k whole or in whole eighths, for x from -87.33 to 88.7; their bits mean nothing outside.
#[inline(always)]
fn power_and_rest<S: Simd>(s: S, x: S::F32) -> (S::F32, S::F32) {
    // So large that what is added to it is rounded to eighths, which stand in its lower bits.
    let round = s.splat(1_572_864.0);
    let sum = s.fma(x, s.splat(core::f32::consts::LOG2_E), round);
    if let Some(power) = s.power_of_eighths(s.to_bits(sum)) {
        let k = s.sub(sum, round);
        let r = s.fma(k, s.splat(-LN2_LO), s.fma(k, s.splat(-LN2_HI), x));
        return (power, s.fma(s.mul(r, r), polynomial(s, r, [0.5, 1.0 / 6.0, 1.0 / 24.0]), r));
    }
    let (_, r, power) = reduce_with_power(s, x);
    (power, expm1_reduced(s, r))
}

/// e^x
#[inline(always)]
pub fn exp<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let x = s.min(s.splat(HIGHEST), s.max(s.splat(LOWEST), x));
    if let Some(power) = exp_by_sixteenths(s, x) {
        return power;
    }
    let (n, r) = reduce(s, x);
    s.ldexp(s.add(s.splat(1.0), expm1_reduced(s, r)), n)
}

/// e^x for |x| up to 87, at less cost; anything outside.
#[inline(always)]
pub fn exp_bounded<S: Simd>(s: S, x: S::F32) -> S::F32 {
    if let Some(power) = exp_by_sixteenths(s, x) {
        return power;
    }
    let (power, rest) = power_and_rest(s, x);
    s.fma(power, rest, power)
}

/// e^x for x up to 87, at less cost; zero below -87.34, where it is denormal.
#[inline(always)]
pub fn exp_flushed<S: Simd>(s: S, x: S::F32) -> S::F32 {
    s.zero_below(x, s.splat(LOWEST_NORMAL), exp_bounded(s, x))
}

/// 1 + e^x, infinite from somewhere between 88.3 and 88.7 on, where powers in steps of a sixteenth are not cheap.
#[inline(always)]
pub fn one_and_exp<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let (power, rest) = power_and_rest(s, s.bounded(x, s.splat(-87.0), s.splat(88.7)));
    s.fma(power, s.add(s.splat(1.0), rest), s.splat(1.0))
}

/// e^(hi + lo) for a small `lo`.
#[inline(always)]
pub fn exp_sum<S: Simd>(s: S, hi: S::F32, lo: S::F32) -> S::F32 {
    let hi = s.min(s.splat(140.0), s.max(s.splat(-140.0), hi));
    let (n, r) = reduce(s, hi);
    s.ldexp(s.add(s.splat(1.0), expm1_reduced(s, s.add(r, lo))), n)
}

/// e^x - 1, close to x where x is small.
#[inline(always)]
pub fn expm1<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let bounded = s.min(s.splat(HIGHEST), s.max(s.splat(-30.0), x));
    let (n, r) = reduce(s, bounded);
    // Half of everything, since 2^n overflows before e^x does.
    let power = s.ldexp(s.splat(0.5), n);
    let half = s.fma(power, expm1_reduced(s, r), s.sub(power, s.splat(0.5)));
    // Halving would cost denormals a bit, and adding a zero its sign.
    s.select(s.lt(s.abs(x), s.splat(1e-30)), x, s.add(half, half))
}

#[cfg(test)]
mod tests {
    use crate::ulp::ulp_test;

    ulp_test!(exp, 1.1, f64::exp);
    ulp_test!(expm1, 1.8, f64::exp_m1);
    ulp_test!(exp_flushed, 1.1, |x| if x < -87.5 { 0.0 } else { x.exp() }, |x| !(-87.8..-87.3).contains(&x)
        && x <= 87.0);
    ulp_test!(exp_bounded, 1.1, f64::exp, |x| x.abs() <= 87.0);
}

//! Sine, cosine and tangent.
//!
//! x = n π/2 + r with |r| up to π/4. Up to 10^5, π/2 is taken off in three parts by multiply-adds that round once; beyond,
//! lane by lane with as many bits of 2/π as the exponent asks for (Payne and Hanek), so that every float is reduced
//! properly. Then sin r = r + r³ p(r²) and cos r = 1 - r²/2 + r⁴ q(r²), p and q of degree 2 from Remez exchanges on
//! [0, 0.79²] for the relative error (2^-27.8 and 2^-32.9 with their coefficients rounded).
//!
//! Bounds, seen over every 61st float: `sin` and `cos` 1.7 ulp, `tan` 4.0.

use super::polynomial::polynomial;
use super::simd::{MOST_LANES, Simd};

const P: [f32; 3] = [-1.666_665_4e-1, 8.332_106e-3, -1.950_788_7e-4];
const Q: [f32; 3] = [4.166_664_6e-2, -1.388_730_4e-3, 2.443_120_1e-5];

/// π/2 = the sum of these, each the nearest float to what the ones before leave.
const HALF_PI: [f32; 3] = [core::f32::consts::FRAC_PI_2, -4.371_139e-8, -1.715_124_5e-15];

/// Where the reduction changes over.
const FAR: f32 = 1e5;

/// The bits of 2/π, after a word of zeros.
const TWO_OVER_PI: [u32; 8] =
    [0, 0xa2f9_836e, 0x4e44_1529, 0xfc27_57d1, 0xf534_ddc0, 0xdb62_9599, 0x3c43_9041, 0xfe51_63ab];

/// n and r of those `x` that are far.
#[cold]
#[inline(never)]
fn reduce_far(x: &[f32], n: &mut [f32], r: &mut [f32]) {
    for ((x, n), r) in x.iter().zip(n).zip(r) {
        if x.is_nan() || x.abs() > FAR {
            (*n, *r) = reduce_one(*x);
        }
    }
}

/// n and r for |x| of 2^16 and more.
fn reduce_one(x: f32) -> (f32, f32) {
    if !x.is_finite() {
        return (0.0, f32::NAN);
    }
    // |x| = mantissa * 2^power. The bits of 2/π of weight 4 / 2^power and above only add whole turns.
    let bits = x.to_bits() & 0x7fff_ffff;
    let (mantissa, power) = (u128::from((bits & 0x7f_ffff) | 0x80_0000), (bits >> 23) as i32 - 150);
    let skip = (power - 2 + 32) as usize;
    let window = (0..4).fold(0u128, |window, i| (window << 32) | u128::from(TWO_OVER_PI[skip / 32 + i]));
    let turns = (((window << (skip % 32)) >> 32) * mantissa) << 32;
    // Now a turn is 2^128: the quarter nearest is n, and what is left is r.
    let n = (turns >> 125).div_ceil(2);
    let left = turns.wrapping_sub(n << 126) as i128;
    let r = left as f64 * (core::f64::consts::FRAC_PI_2 / (1u128 << 126) as f64);
    if x < 0.0 { (-(n as f32), -r as f32) } else { (n as f32, r as f32) }
}

/// n modulo 4 (and more) and r of x = n π/2 + r.
#[inline(always)]
fn reduce<S: Simd>(s: S, x: S::F32) -> (S::I32, S::F32) {
    let mut n = s.round(s.mul(x, s.splat(core::f32::consts::FRAC_2_PI)));
    let mut r = x;
    for part in HALF_PI {
        r = s.fused(n, s.splat(-part), r);
    }
    let near = s.le(s.abs(x), s.splat(FAR));
    if s.any(s.not(near)) {
        let (mut xs, mut ns, mut rs) = ([0.0; MOST_LANES], [0.0; MOST_LANES], [0.0; MOST_LANES]);
        s.store(x, &mut xs);
        reduce_far(&xs[..S::LANES], &mut ns, &mut rs);
        n = s.select(near, n, s.load(&ns));
        r = s.select(near, r, s.load(&rs));
    }
    (s.to_i32(n), r)
}

/// The sine and the cosine of |r| up to π/4.
#[inline(always)]
fn sin_cos<S: Simd>(s: S, r: S::F32) -> (S::F32, S::F32) {
    let square = s.mul(r, r);
    let sin = s.fma(s.mul(r, square), polynomial(s, square, P), r);
    let cos = s.fma(s.mul(square, square), polynomial(s, square, Q), s.fma(square, s.splat(-0.5), s.splat(1.0)));
    (sin, cos)
}

/// The sine `n` quarters further than x = n π/2 + r has it.
#[inline(always)]
fn sin_ahead<S: Simd>(s: S, x: S::F32, ahead: i32) -> S::F32 {
    let (n, r) = reduce(s, x);
    let n = s.add_i32(n, s.splat_i32(ahead));
    let (sin, cos) = sin_cos(s, r);
    let even = s.eq_i32(s.and_i32(n, s.splat_i32(1)), s.splat_i32(0));
    let sign = s.shl_i32::<30>(s.and_i32(n, s.splat_i32(2)));
    s.from_bits(s.xor_i32(s.to_bits(s.select(even, sin, cos)), sign))
}

/// sin x
#[inline(always)]
pub fn sin<S: Simd>(s: S, x: S::F32) -> S::F32 {
    s.select(s.eq(x, s.splat(0.0)), x, sin_ahead(s, x, 0))
}

/// cos x
#[inline(always)]
pub fn cos<S: Simd>(s: S, x: S::F32) -> S::F32 {
    sin_ahead(s, x, 1)
}

/// tan x
#[inline(always)]
pub fn tan<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let (n, r) = reduce(s, x);
    let (sin, cos) = sin_cos(s, r);
    let even = s.eq_i32(s.and_i32(n, s.splat_i32(1)), s.splat_i32(0));
    let y = s.div(s.select(even, sin, cos), s.select(even, cos, s.neg(sin)));
    s.select(s.eq(x, s.splat(0.0)), x, y)
}

#[cfg(test)]
mod tests {
    use crate::ulp::ulp_test;

    ulp_test!(sin, 1.7, f64::sin);
    ulp_test!(cos, 1.7, f64::cos);
    ulp_test!(tan, 4.0, f64::tan);
}

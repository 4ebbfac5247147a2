//! Natural logarithms of x and of 1 + x.
//!
//! x = 2^e (1 + f) with 1 + f between the square roots of a half and of two; log x = e ln 2 + log(1 + f), and
//! log(1 + f) = f - f²/2 + f³ p(f), with p of degree 8 from a Remez exchange for the relative error (2^-27.9 with its
//! coefficients rounded). `log1p` carries what 1 + x rounds away into f.
//!
//! Bounds, seen over every 61st float: `log` 1.0 ulp, denormals included; `log1p` 1.6.

use super::math_exp::{LN2_HI, LN2_LO};
use super::polynomial::polynomial;
use super::simd::Simd;

const P: [f32; 9] = [
    3.333_331_3e-1,
    -2.500_016_7e-1,
    2.000_222_2e-1,
    -1.665_937_3e-1,
    1.420_963_9e-1,
    -1.254_894_6e-1,
    1.210_917_4e-1,
    -1.091_273_8e-1,
    5.314_545e-2,
];

/// The bits of the square root of a half.
const ROOT_HALF: i32 = 0x3f35_04f3;

/// e and f of x = 2^e (1 + f), for finite positive x.
#[inline(always)]
pub fn split<S: Simd>(s: S, x: S::F32) -> (S::F32, S::F32) {
    let tiny = s.lt(x, s.splat(f32::MIN_POSITIVE));
    let bits = s.to_bits(s.select(tiny, s.mul(x, s.splat(8_388_608.0)), x));
    let e = s.shr_i32::<23>(s.sub_i32(bits, s.splat_i32(ROOT_HALF)));
    let m = s.from_bits(s.sub_i32(bits, s.shl_i32::<23>(e)));
    let e = s.sub(s.to_f32(e), s.select(tiny, s.splat(23.0), s.splat(0.0)));
    (e, s.sub(m, s.splat(1.0)))
}

/// e ln 2 + log(1 + f)
#[inline(always)]
fn join<S: Simd>(s: S, e: S::F32, f: S::F32) -> S::F32 {
    let square = s.mul(f, f);
    let tail = s.fma(s.mul(square, f), polynomial(s, f, P), s.mul(e, s.splat(LN2_LO)));
    let tail = s.fma(square, s.splat(-0.5), tail);
    s.fma(e, s.splat(LN2_HI), s.add(f, tail))
}

/// `y` but for the `x` that are not finite and positive.
#[inline(always)]
fn finish<S: Simd>(s: S, x: S::F32, y: S::F32) -> S::F32 {
    let y = s.select(s.lt(x, s.splat(f32::INFINITY)), y, x);
    let y = s.select(s.eq(x, s.splat(0.0)), s.splat(f32::NEG_INFINITY), y);
    s.select(s.lt(x, s.splat(0.0)), s.splat(f32::NAN), y)
}

/// log x: -∞ at zero, NaN below.
#[inline(always)]
pub fn log<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let (e, f) = split(s, x);
    finish(s, x, join(s, e, f))
}

/// log(1 + x), close to x where x is small.
#[inline(always)]
pub fn log1p<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let one = s.splat(1.0);
    let w = s.add(x, one);
    let (e, f) = split(s, w);
    // What the sum lost: which of the two differences is exact depends on which term is the greater.
    let lost = s.select(s.lt(x, one), s.sub(x, s.sub(w, one)), s.sub(one, s.sub(w, x)));
    let y = join(s, e, s.add(f, s.ldexp(lost, s.neg(e))));
    s.select(s.eq(x, s.splat(0.0)), x, finish(s, w, y))
}

#[cfg(test)]
mod tests {
    use crate::ulp::ulp_test;

    ulp_test!(log, 1.0, f64::ln);
    ulp_test!(log1p, 1.6, f64::ln_1p);
}

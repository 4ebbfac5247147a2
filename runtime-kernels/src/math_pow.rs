//! x^y, with the special values of IEEE 754.
//!
//! |x|^y = e^(y log |x|), with the logarithm as an unevaluated sum of two floats. |x| = 2^e m as in
//! [`math_log`](super::math_log); with s = (m - 1) / (m + 1), its rounding error kept, log m = 2s + s³ p(s²), where p has
//! degree 3, two thirds kept as its first coefficient and the others from a Remez exchange for the relative error (2^-36.8). The cubic term, a
//! hundredth of the whole at most, is kept as such a sum too.
//!
//! Bound, seen over two million random pairs and the special values: 1.5 ulp, denormal results included.

use super::math_exp::{LN2_HI, LN2_LO, exp_sum};
use super::math_log::split;
use super::polynomial::polynomial;
use super::simd::Simd;

/// p, and what its first coefficient lacks to two thirds.
const P: [f32; 4] = [6.666_667e-1, 4.000_015_3e-1, 2.854_708_4e-1, 2.341_99e-1];
const P_REST: f32 = -1.986_821_6e-8;

/// The logarithm of a finite positive `a` as a float and what it lacks.
#[inline(always)]
fn log_sum<S: Simd>(s: S, a: S::F32) -> (S::F32, S::F32) {
    let (e, f) = split(s, a);
    let two = s.splat(2.0);
    let below = s.add(f, two);
    let below_rest = s.sub(f, s.sub(below, two));
    let q = s.div(f, below);
    // q * (below + below_rest) falls short of f by this much.
    let short = s.fma(s.neg(q), below_rest, s.fused(s.neg(q), below, f));
    let q_rest = s.div(short, below);
    // q³ p(q²), with every product's rounding error kept but that of the terms after the first.
    let square = s.mul(q, q);
    let square_rest = s.fma(s.add(q, q), q_rest, s.fused(q, q, s.neg(square)));
    let cube = s.mul(q, square);
    let cube_rest = s.fma(q, square_rest, s.fma(q_rest, square, s.fused(q, square, s.neg(cube))));
    let third = s.splat(P[0]);
    let after = s.fma(square, polynomial(s, square, [P[1], P[2], P[3]]), s.splat(P_REST));
    let factor = s.add(third, after);
    let factor_rest = s.sub(after, s.sub(factor, third));
    let tail = s.mul(cube, factor);
    let tail_rest = s.fma(cube, factor_rest, s.fma(cube_rest, factor, s.fused(cube, factor, s.neg(tail))));
    // e LN2_HI is exact. The greater goes first, so that the errors of the sums are exact too.
    let (whole, twice) = (s.mul(e, s.splat(LN2_HI)), s.add(q, q));
    let (twice, rest) = two_sum(s, twice, tail);
    let rest = s.add(rest, s.add(tail_rest, s.add(q_rest, q_rest)));
    let (hi, lost) = two_sum(s, whole, twice);
    let (hi, lost) = (s.select(s.eq(e, s.splat(0.0)), twice, hi), s.select(s.eq(e, s.splat(0.0)), s.splat(0.0), lost));
    two_sum(s, hi, s.add(lost, s.fma(e, s.splat(LN2_LO), rest)))
}

/// The sum of `a` and a lesser `b`, and what it lacks.
#[inline(always)]
fn two_sum<S: Simd>(s: S, a: S::F32, b: S::F32) -> (S::F32, S::F32) {
    let sum = s.add(a, b);
    (sum, s.sub(b, s.sub(sum, a)))
}

/// x^y: 1 where y is 0 or x is 1; NaN for a negative x and a y that is not whole.
#[inline(always)]
pub fn pow<S: Simd>(s: S, x: S::F32, y: S::F32) -> S::F32 {
    let (zero, one, infinity) = (s.splat(0.0), s.splat(1.0), s.splat(f32::INFINITY));
    let a = s.abs(x);
    let (hi, lo) = log_sum(s, a);
    let hi = s.select(s.lt(a, infinity), hi, a);
    let hi = s.select(s.eq(a, zero), s.splat(f32::NEG_INFINITY), hi);
    let power = s.mul(y, hi);
    let rest = s.fma(y, lo, s.fused(y, hi, s.neg(power)));
    // Far outside what fits, the remainder may be no number.
    let rest = s.select(s.lt(s.abs(power), s.splat(200.0)), rest, zero);
    let size = s.select(s.eq(a, one), one, exp_sum(s, power, rest));

    let whole = s.eq(s.trunc(y), y);
    let half = s.mul(y, s.splat(0.5));
    let odd = s.and(whole, s.not(s.eq(s.trunc(half), half)));
    let signed = s.select(odd, s.copysign(size, x), size);
    let undefined = s.and(s.and(s.lt(x, zero), s.lt(s.neg(infinity), x)), s.not(whole));
    let result = s.select(undefined, s.splat(f32::NAN), signed);
    s.select(s.eq(y, zero), one, result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{MOST_LANES, Task};
    use crate::simd_quad::Quad;
    use crate::ulp::ulps;
    use std::vec::Vec;

    struct Pairs<'a>(&'a [(f32, f32)], f64);

    impl Task for Pairs<'_> {
        type Out = ();

        fn run<S: Simd>(self, s: S) {
            let mut worst = (0.0, 0.0, 0.0);
            for pairs in self.0.chunks(S::LANES) {
                let (x, y): (Vec<f32>, Vec<f32>) = pairs.iter().copied().unzip();
                let mut out = [0.0; MOST_LANES];
                s.store(pow(s, s.load_part(&x), s.load_part(&y)), &mut out);
                for (&(x, y), &got) in pairs.iter().zip(&out) {
                    let want = f64::from(x).powf(f64::from(y));
                    let error = ulps(got, want);
                    if error > worst.0 {
                        worst = (error, x, y);
                    }
                }
            }
            std::println!("{}: {} ulp at {:e} ^ {:e}", S::NAME, worst.0, worst.1, worst.2);
            assert!(worst.0 <= self.1, "{}: {} ulp at {:e} ^ {:e}", S::NAME, worst.0, worst.1, worst.2);
        }
    }

    /// On vectors, and on four at once.
    fn on(s: impl Simd, pairs: &[(f32, f32)], bound: f64) {
        s.enter(Pairs(pairs, bound));
        Quad(s).enter(Pairs(pairs, bound));
    }

    fn each_isa(pairs: &[(f32, f32)], bound: f64) {
        on(crate::simd_scalar::Scalar::new(), pairs, bound);
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(s) = crate::simd_avx2::Avx2::detect() {
                on(s, pairs, bound);
            }
            if let Some(s) = crate::simd_avx512::Avx512::detect() {
                on(s, pairs, bound);
            }
        }
    }

    #[test]
    fn special_values_are_those_of_ieee() {
        let values = [
            0.0,
            1.0,
            2.0,
            3.0,
            0.5,
            0.25,
            1.5,
            1e-40,
            1e30,
            1e-30,
            8_388_607.0,
            16_777_215.0,
            f32::MAX,
            f32::INFINITY,
        ];
        let values: Vec<f32> = values.into_iter().flat_map(|x| [x, -x]).chain([f32::NAN]).collect();
        let pairs: Vec<_> = values.iter().flat_map(|&x| values.iter().map(move |&y| (x, y))).collect();
        each_isa(&pairs, 1.5);
    }

    #[test]
    fn close_over_all_pairs() {
        let (mut state, n) = (1u64, if cfg!(miri) { 100 } else { 2_000_000 });
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 32) as u32
        };
        // Any x, and a y that puts the result anywhere between nothing and infinity.
        let pairs: Vec<_> = (0..n)
            .map(|_| {
                let x = f32::from_bits(next() & 0x7fff_ffff);
                let x = if next() & 1 == 0 { x } else { 1.0 + next() as f32 / u32::MAX as f32 - 0.5 };
                let power = next() as f32 / u32::MAX as f32 * 196.0 - 106.0;
                (x, power / x.ln())
            })
            .collect();
        each_isa(&pairs, 1.5);
    }
}

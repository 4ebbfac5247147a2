//! The logistic function 1 / (1 + e^-x), and what it scales: SiLU, and gates of other things.
//!
//! As it stands, with e^-x infinite, and so a result of zero, where it exceeds what the division can do with.
//!
//! Bound, seen over every 61st float: 2.4 ulp for x above -87.3, SiLU too; below, where the function is denormal, it may be
//! zero, and is from -88.73 on.

use super::math_exp::{exp_by_sixteenths, one_and_exp};
use super::simd::Simd;

/// Beyond this, e^-x is zero, and infinite on the other side.
const FAR: f32 = 104.0;

/// 1 / (1 + e^-x)
#[inline(always)]
pub fn sigmoid<S: Simd>(s: S, x: S::F32) -> S::F32 {
    gated(s, s.splat(1.0), x)
}

/// `y / (1 + e^-x)`, for less than a sigmoid and a product.
#[inline(always)]
pub fn gated<S: Simd>(s: S, y: S::F32, x: S::F32) -> S::F32 {
    by_gate(s, y, x, s.bounded(x, s.splat(-FAR), s.splat(FAR)))
}

/// `x / (1 + e^-x)`
#[inline(always)]
pub fn silu<S: Simd>(s: S, x: S::F32) -> S::F32 {
    by_gate(s, x, x, s.within(x, FAR))
}

/// `y / (1 + e^-x)`; `near` is `x` between `-FAR` and `FAR`, and any number where `x` is NaN and `y` is too.
#[inline(always)]
fn by_gate<S: Simd>(s: S, y: S::F32, x: S::F32, near: S::F32) -> S::F32 {
    match exp_by_sixteenths(s, s.neg(near)) {
        Some(e) => s.div_by_more(y, e),
        None => s.div(y, one_and_exp(s, s.neg(x))),
    }
}

#[cfg(test)]
mod tests {
    use crate::simd::Simd;
    use crate::ulp::ulp_test;

    ulp_test!(sigmoid, 2.4, |x| if x < -87.3 { 0.0 } else { 1.0 / (1.0 + (-x).exp()) }, |x| !(-88.73..-87.3)
        .contains(&x));
    ulp_test!(silu, 2.4, |x| x / (1.0 + (-x).exp()), |x| x > -87.3);

    /// So small that an ulp of the sum is the least normal float, and so large that nothing else is lost.
    const SHIFT: f32 = f32::MIN_POSITIVE * 8_388_608.0;

    fn and_shift<S: Simd>(s: S, x: S::F32) -> S::F32 {
        s.add(super::sigmoid(s, x), s.splat(SHIFT))
    }

    mod denormals {
        use super::{SHIFT, ulp_test};

        ulp_test!(and_shift, 1.5, |x| f64::from(SHIFT) + 1.0 / (1.0 + (-x).exp()), |x| x < -87.3);
    }
}

//! The logistic function 1 / (1 + e^-x).
//!
//! With e = e^-|x|, which cannot overflow: 1 / (1 + e) for positive x and e / (1 + e) for negative. Where powers are cheap it is
//! 1 / (1 + e^-x), and zero where e^-x is too large for that.
//!
//! Bound, seen over every 7th float: 2.4 ulp for x above -87.3; below, where results are denormal, they may be zero.

use super::math_exp::{LOWEST_NORMAL, exp_by_sixteenths, exp_flushed};
use super::simd::Simd;

/// Beyond this, e^-x is zero.
const HIGHEST: f32 = 104.0;

/// 1 / (1 + e^-x)
#[inline(always)]
pub fn sigmoid<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let one = s.splat(1.0);
    if let Some(e) = exp_by_sixteenths(s, s.neg(s.min(s.splat(HIGHEST), x))) {
        return s.zero_below(x, s.splat(LOWEST_NORMAL), s.inverse_of_more(e));
    }
    let e = exp_flushed(s, s.neg(s.abs(x)));
    s.div(s.select(s.lt(x, s.splat(0.0)), e, one), s.add(one, e))
}

#[cfg(test)]
mod tests {
    use crate::ulp::ulp_test;

    ulp_test!(sigmoid, 2.4, |x| if x < -87.3 { 0.0 } else { 1.0 / (1.0 + (-x).exp()) }, |x| !(-88.1..-87.3)
        .contains(&x));
}

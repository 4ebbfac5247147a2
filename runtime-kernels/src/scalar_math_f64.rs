//! The math of single `f64`s, in plain Rust: rare in models, so short and close rather than quick.
//!
//! Series are summed far enough that rounding is the only error. Bounds, relative to the result unless said otherwise:
//! `sqrt`, `floor`, `ceil`, `round`, `trunc` and `fmod` exact; `exp`, `log`, `expm1`, `log1p`, `tanh`, `sigmoid`, `erf` and the
//! inverse functions 2e-15; the hyperbolic ones 3e-15; `sin` and `cos` 1e-15 absolute up to 10^6 and 1e-9 absolute up to 10^12;
//! `pow` 2e-16 times (8 + |y log x|).

use core::f64::consts::{FRAC_PI_2, LN_2, LOG2_E};

/// 2^52: doubles from here on are integers, and adding it to a smaller one rounds that to an integer.
const INTEGERS: f64 = 4_503_599_627_370_496.0;

/// The integer nearest to `x`, ties to even, keeping the sign of a zero.
#[inline]
pub fn round_f64(x: f64) -> f64 {
    let size = x.abs();
    let near = (size + INTEGERS) - INTEGERS;
    if size < INTEGERS { near.copysign(x) } else { x }
}

/// The greatest integer not above `x`.
#[inline]
pub fn floor_f64(x: f64) -> f64 {
    let near = round_f64(x);
    if near > x { near - 1.0 } else { near }
}

/// The least integer not below `x`.
#[inline]
pub fn ceil_f64(x: f64) -> f64 {
    let near = round_f64(x);
    if near < x { (near + 1.0).copysign(x) } else { near }
}

/// `x` without its fraction.
#[inline]
pub fn trunc_f64(x: f64) -> f64 {
    let near = round_f64(x);
    if near.abs() > x.abs() { (near.abs() - 1.0).copysign(x) } else { near }
}

/// -1, 0 or 1 (a zero keeps its sign); NaN for NaN.
#[inline]
pub fn sign_f64(x: f64) -> f64 {
    if x == 0.0 || x.is_nan() { x } else { 1.0f64.copysign(x) }
}

/// The exact remainder with the sign of `x`, as C's `fmod`.
#[inline]
pub fn fmod_f64(x: f64, y: f64) -> f64 {
    x % y
}

/// The remainder with the sign of `y`, as Python's `%`.
#[inline]
pub fn modulo_f64(x: f64, y: f64) -> f64 {
    let rest = x % y;
    if rest == 0.0 {
        0.0f64.copysign(y)
    } else if (rest < 0.0) != (y < 0.0) {
        rest + y
    } else {
        rest
    }
}

/// The correctly rounded square root, from an integer one of 54 bits, the last for rounding, and whether any are left.
pub fn sqrt_f64(x: f64) -> f64 {
    if x.is_nan() || x == 0.0 || x == f64::INFINITY {
        return x;
    }
    if x < 0.0 {
        return f64::NAN;
    }
    let (mantissa, power) = parts(x);
    // x = mantissa * 2^power = square * 2^(power - shift), with an even power for the root to halve.
    let shift = 56 + (power & 1) as u32;
    let (square, power) = (u128::from(mantissa) << shift, power - shift as i32);
    let root = square.isqrt();
    let left = root * root != square;
    let spare = 128 - root.leading_zeros() - 53;
    let (kept, rest, half) = ((root >> spare) as u64, root & ((1 << spare) - 1), 1u128 << (spare - 1));
    let up = rest > half || (rest == half && (left || kept & 1 == 1));
    let exponent = (power / 2 + spare as i32 + 1075) as u64;
    f64::from_bits((exponent << 52) + (kept - (1 << 52)) + u64::from(up))
}

/// A mantissa of 53 bits and the power of two it is multiplied by, for a finite positive `x`.
fn parts(x: f64) -> (u64, i32) {
    let bits = x.to_bits();
    let (mantissa, exponent) = (bits & ((1 << 52) - 1), (bits >> 52) as i32);
    if exponent == 0 {
        let shift = mantissa.leading_zeros() - 11;
        (mantissa << shift, -1074 - shift as i32)
    } else {
        (mantissa | 1 << 52, exponent - 1075)
    }
}

/// `x * 2^n` for any n between -2000 and 2000.
fn ldexp(x: f64, n: i32) -> f64 {
    let power = |n: i32| f64::from_bits(((n + 1023) as u64) << 52);
    let half = n / 2;
    x * power(half) * power(n - half)
}

/// ln 2 = the sum of these, the first of 24 bits so that its product with an exponent is exact.
const LN2: [f64; 2] = [0.693_147_182_464_599_6, -1.904_654_299_957_768_4e-9];

/// n and r of x = n ln 2 + r.
fn reduce(x: f64) -> (i32, f64) {
    let n = round_f64(x * LOG2_E);
    (n as i32, (x - n * LN2[0]) - n * LN2[1])
}

/// e^r - 1 for |r| up to half of ln 2, by its power series.
fn expm1_reduced(r: f64) -> f64 {
    let sum = (3..=18).rev().fold(1.0, |sum, i| 1.0 + sum * r / f64::from(i));
    r + r * r * 0.5 * sum
}

/// e^x
pub fn exp_f64(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    let (n, r) = reduce(x.clamp(-750.0, 710.0));
    ldexp(1.0 + expm1_reduced(r), n)
}

/// e^x - 1, close to x where x is small.
pub fn expm1_f64(x: f64) -> f64 {
    if x.is_nan() || x.abs() < 1e-300 {
        return x;
    }
    let (n, r) = reduce(x.clamp(-50.0, 710.0));
    let half = ldexp(0.5, n);
    2.0 * (half * expm1_reduced(r) + (half - 0.5))
}

/// log(1 + f) for 1 + f between the square roots of a half and of two, by the series of the inverse hyperbolic tangent.
fn log1p_reduced(f: f64) -> f64 {
    let s = f / (2.0 + f);
    let square = s * s;
    let sum = (1..=12).rev().fold(0.0, |sum, i| sum * square + 1.0 / f64::from(2 * i + 1));
    // 2s = f - s f, whose first term is exact.
    f - s * (f - 2.0 * square * sum)
}

/// e and f of x = 2^e (1 + f), for a finite positive x.
fn split(x: f64) -> (i32, f64) {
    let (mantissa, power) = parts(x);
    let m = mantissa as f64 / (2.0 * INTEGERS);
    if m < core::f64::consts::FRAC_1_SQRT_2 { (power + 52, 2.0 * m - 1.0) } else { (power + 53, m - 1.0) }
}

/// The natural logarithm: -∞ at zero, NaN below.
pub fn log_f64(x: f64) -> f64 {
    if x.is_nan() || x == f64::INFINITY {
        return x;
    }
    if x <= 0.0 {
        return if x == 0.0 { f64::NEG_INFINITY } else { f64::NAN };
    }
    let (e, f) = split(x);
    let e = f64::from(e);
    e * LN2[0] + (e * LN2[1] + log1p_reduced(f))
}

/// log(1 + x), close to x where x is small.
pub fn log1p_f64(x: f64) -> f64 {
    let w = 1.0 + x;
    if x.is_nan() || w <= 0.0 || w == f64::INFINITY {
        return log_f64(w);
    }
    if x.abs() < 1e-16 {
        return x;
    }
    let lost = if x < 1.0 { x - (w - 1.0) } else { 1.0 - (w - x) };
    log_f64(w) + lost / w
}

/// The hyperbolic tangent.
pub fn tanh_f64(x: f64) -> f64 {
    let t = expm1_f64(2.0 * x.abs().min(25.0));
    if x.is_nan() { x } else { (t / (t + 2.0)).copysign(x) }
}

/// 1 / (1 + e^-x)
pub fn sigmoid_f64(x: f64) -> f64 {
    1.0 / (1.0 + exp_f64(-x))
}

/// The hyperbolic sine.
pub fn sinh_f64(x: f64) -> f64 {
    let a = x.abs();
    let size = if a < 20.0 {
        let t = expm1_f64(a);
        0.5 * (t + t / (t + 1.0))
    } else {
        0.5 * exp_f64(0.5 * a) * exp_f64(0.5 * a)
    };
    size.copysign(x)
}

/// The hyperbolic cosine.
pub fn cosh_f64(x: f64) -> f64 {
    let half = exp_f64(0.5 * x.abs());
    0.5 * half * half + 0.5 / half / half
}

/// The inverse of sinh.
pub fn asinh_f64(x: f64) -> f64 {
    let a = x.abs();
    let size = if a < 1e9 { log1p_f64(a + a * a / (1.0 + sqrt_f64(1.0 + a * a))) } else { log_f64(a) + LN_2 };
    size.copysign(x)
}

/// The inverse of cosh: NaN below 1.
pub fn acosh_f64(x: f64) -> f64 {
    let t = x - 1.0;
    if x < 1.0 {
        f64::NAN
    } else if x < 1e9 {
        log1p_f64(t + sqrt_f64(t * (t + 2.0)))
    } else {
        log_f64(x) + LN_2
    }
}

/// The inverse of tanh: infinite at ±1, NaN beyond.
pub fn atanh_f64(x: f64) -> f64 {
    let a = x.abs();
    (0.5 * log1p_f64(2.0 * a / (1.0 - a))).copysign(x)
}

/// The error function: by a series of positive terms up to 2.5, above by the continued fraction of what it lacks to 1.
pub fn erf_f64(x: f64) -> f64 {
    let a = x.abs();
    if x.is_nan() || a < 1e-300 {
        return x * core::f64::consts::FRAC_2_SQRT_PI;
    }
    let size = if a < 2.5 {
        // 2/√π e^-x² Σ 2^n x^(2n+1) / (1·3·…·(2n+1))
        let (mut term, mut sum, mut odd) = (a, a, 1.0);
        while term > sum * 1e-18 {
            odd += 2.0;
            term *= 2.0 * a * a / odd;
            sum += term;
        }
        core::f64::consts::FRAC_2_SQRT_PI * exp_f64(-a * a) * sum
    } else if a < 6.0 {
        // erfc x = e^-x² / √π · 1/(x + ½/(x + 1/(x + 1½/(x + …))))
        let tail = (1..=80).rev().fold(a, |tail, i| a + 0.5 * f64::from(i) / tail);
        1.0 - exp_f64(-a * a) * 0.5 * core::f64::consts::FRAC_2_SQRT_PI / tail
    } else {
        1.0
    };
    size.copysign(x)
}

/// π/2 = the sum of these, the first three of 33 bits so that their products with a number of quarters are exact.
const HALF_PI: [f64; 4] =
    [1.570_796_326_734_125_6, 6.077_100_506_303_966e-11, 2.022_266_248_711_166_5e-21, 8.478_427_660_368_9e-32];

/// The quarter (modulo 4) nearest to `x`, and the sine and cosine of what is left.
fn sin_cos_reduced(x: f64) -> (i64, f64, f64) {
    let n = round_f64(x * core::f64::consts::FRAC_2_PI);
    let r = HALF_PI.iter().fold(x, |r, part| r - n * part);
    let square = r * r;
    let series = |first: i32| {
        (0..9).rev().fold(1.0, |sum, i| 1.0 - sum * square / f64::from((2 * i + first) * (2 * i + first + 1)))
    };
    ((n % 4.0) as i64 & 3, r * series(2), series(1))
}

/// The sine.
pub fn sin_f64(x: f64) -> f64 {
    match sin_cos_reduced(x) {
        _ if x == 0.0 => x,
        (0, sin, _) => sin,
        (1, _, cos) => cos,
        (2, sin, _) => -sin,
        (_, _, cos) => -cos,
    }
}

/// The cosine.
pub fn cos_f64(x: f64) -> f64 {
    match sin_cos_reduced(x) {
        (0, _, cos) => cos,
        (1, sin, _) => -sin,
        (2, _, cos) => -cos,
        (_, sin, _) => sin,
    }
}

/// The tangent.
pub fn tan_f64(x: f64) -> f64 {
    match sin_cos_reduced(x) {
        _ if x == 0.0 => x,
        (n, sin, cos) if n & 1 == 0 => sin / cos,
        (_, sin, cos) => -cos / sin,
    }
}

/// The inverse of tan: halved three times, then its power series.
pub fn atan_f64(x: f64) -> f64 {
    let a = x.abs();
    if a < 1e-9 {
        return x;
    }
    let mut t = if a > 1.0 { 1.0 / a } else { a };
    // tan(y / 2) = tan y / (1 + sqrt(1 + tan² y))
    for _ in 0..3 {
        t /= 1.0 + sqrt_f64(1.0 + t * t);
    }
    let square = t * t;
    let sum = (0..=11).rev().fold(0.0, |sum, i| 1.0 / f64::from(2 * i + 1) - sum * square);
    let arc = 8.0 * t * sum;
    (if a > 1.0 { FRAC_PI_2 - arc } else { arc }).copysign(x)
}

/// The inverse of sin: NaN beyond ±1.
pub fn asin_f64(x: f64) -> f64 {
    let rest = sqrt_f64((1.0 - x) * (1.0 + x));
    if rest == 0.0 { FRAC_PI_2.copysign(x) } else { atan_f64(x / rest) }
}

/// The inverse of cos: NaN beyond ±1.
pub fn acos_f64(x: f64) -> f64 {
    2.0 * atan_f64(sqrt_f64((1.0 - x) / (1.0 + x)))
}

/// x^y, with the special values of IEEE 754.
pub fn pow_f64(x: f64, y: f64) -> f64 {
    if y == 0.0 || x == 1.0 {
        return 1.0;
    }
    if x.is_nan() || y.is_nan() {
        return f64::NAN;
    }
    let whole = trunc_f64(y) == y;
    let odd = whole && trunc_f64(0.5 * y) != 0.5 * y;
    if x < 0.0 && x.is_finite() && !whole {
        return f64::NAN;
    }
    let a = x.abs();
    let size = if a == 1.0 { 1.0 } else { exp_f64(y * log_f64(a)) };
    if odd { size.copysign(x) } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn values() -> Vec<f64> {
        let mut state = 7u64;
        let mut values: Vec<f64> = (0..if cfg!(miri) { 20 } else { 20_000 })
            .map(|i| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let unit = (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
                unit * [1.0, 0.01, 10.0, 40.0, 700.0, 1e-12][i % 6]
            })
            .collect();
        values.extend([
            0.0,
            -0.0,
            1.0,
            -1.0,
            0.5,
            -0.5,
            2.0,
            5e-324,
            -1e-310,
            f64::MAX,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
        ]);
        values
    }

    #[track_caller]
    fn near(got: f64, want: f64, bound: f64, what: &str, x: f64) {
        let same = got == want || (got.is_nan() && want.is_nan());
        assert!(same || (got - want).abs() <= bound * want.abs() + 1e-323, "{what}({x:e}) is {got:e} and not {want:e}");
    }

    #[test]
    fn rounding_and_roots_are_exact() {
        for x in values().into_iter().chain((0..10_000).map(|i| f64::from_bits(i * 1_844_674_407_370_955))) {
            for (got, want, what) in [
                (round_f64(x), x.round_ties_even(), "round"),
                (floor_f64(x), x.floor(), "floor"),
                (ceil_f64(x), x.ceil(), "ceil"),
                (trunc_f64(x), x.trunc(), "trunc"),
                (sqrt_f64(x), x.sqrt(), "sqrt"),
            ] {
                assert!(
                    got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan()),
                    "{what}({x:e}) is {got:e} and not {want:e}"
                );
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri blurs the functions of std on purpose")]
    fn close_to_std() {
        for x in values() {
            near(exp_f64(x), x.exp(), 2e-15, "exp", x);
            near(expm1_f64(x), x.exp_m1(), 2e-15, "expm1", x);
            near(log_f64(x), x.ln(), 2e-15, "log", x);
            near(log1p_f64(x), x.ln_1p(), 2e-15, "log1p", x);
            near(tanh_f64(x), x.tanh(), 2e-15, "tanh", x);
            near(sigmoid_f64(x), 1.0 / (1.0 + (-x).exp()), 2e-15, "sigmoid", x);
            near(sinh_f64(x), x.sinh(), 3e-15, "sinh", x);
            near(cosh_f64(x), x.cosh(), 3e-15, "cosh", x);
            near(asin_f64(x), x.asin(), 2e-15, "asin", x);
            near(acos_f64(x), x.acos(), 2e-15, "acos", x);
            near(atan_f64(x), x.atan(), 2e-15, "atan", x);
            near(asinh_f64(sinh_f64(x)), x, if x.abs() < 700.0 { 4e-15 } else { f64::INFINITY }, "asinh sinh", x);
            near(
                atanh_f64(x),
                0.5 * (2.0 * x / (1.0 - x)).ln_1p(),
                if x.abs() < 0.5 || x.abs() > 1.0 { 2e-15 } else { 1e-12 },
                "atanh",
                x,
            );
            if (1.0..1e9).contains(&x) {
                near(acosh_f64(x), x.acosh(), 1e-12, "acosh", x);
            }
            if x.abs() < 1e6 {
                assert!((sin_f64(x) - x.sin()).abs() < 1e-15 && (cos_f64(x) - x.cos()).abs() < 1e-15, "{x:e}");
                near(tan_f64(x), x.tan(), 1e-12, "tan", x);
            }
        }
    }

    #[test]
    fn erf_has_its_known_values() {
        for (x, want) in [
            (0.1, 0.1124629160182849),
            (0.5, 0.5204998778130465),
            (1.0, 0.8427007929497149),
            (2.0, 0.9953222650189527),
            (2.4999, 0.9995928300996666),
            (2.5001, 0.9995932657565293),
            (3.5, 0.9999992569016276),
            (-1.5, -0.9661051464753108),
        ] {
            near(erf_f64(x), want, 2e-15, "erf", x);
        }
    }

    #[test]
    fn pow_has_its_special_values() {
        let values = [0.0, 1.0, 2.0, 3.0, 0.5, 1e300, 1e-300, 7.0, f64::INFINITY, f64::NAN];
        for x in values.into_iter().flat_map(|x| [x, -x]) {
            for y in values.into_iter().flat_map(|y| [y, -y]) {
                near(pow_f64(x, y), x.powf(y), 2e-13, "pow", x);
                assert!(pow_f64(x, y).is_nan() || pow_f64(x, y).is_sign_negative() == x.powf(y).is_sign_negative());
            }
        }
    }
}

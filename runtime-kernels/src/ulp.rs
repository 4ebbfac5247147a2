//! For the tests of the math pages: a sweep over bit patterns, the error in units in the last place.

use std::vec::Vec;

use super::simd::{Simd, Task};
use super::simd_quad::Quad;

/// A function of one float in its vector form, and what it should give.
pub trait Unary: Copy {
    /// The function under test.
    fn vector<S: Simd>(self, s: S, x: S::F32) -> S::F32;
    /// The same function in double precision.
    fn exact(self, x: f64) -> f64;
}

struct Apply<'a, F> {
    out: &'a mut [f32],
    x: &'a [f32],
    f: F,
}

impl<F: Unary> Task for Apply<'_, F> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (out, x) in self.out.chunks_mut(S::LANES).zip(self.x.chunks(S::LANES)) {
            s.store_part(self.f.vector(s, s.load_part(x)), out);
        }
    }
}

/// Distance from `got` to `want` in spacings of floats at `want`; an infinity or a NaN counts as right only where it belongs.
pub fn ulps(got: f32, want: f64) -> f64 {
    if want.is_nan() {
        return if got.is_nan() { 0.0 } else { f64::INFINITY };
    }
    if got == want as f32 {
        return if got == 0.0 && want == 0.0 && got.is_sign_negative() != want.is_sign_negative() {
            f64::INFINITY
        } else {
            0.0
        };
    }
    // The spacing at the greatest float goes on a little beyond it.
    let exponent = ((want.abs().to_bits() >> 52) as i32 - 1023).clamp(-126, 127);
    let (got, spacing) = (f64::from(got), 2f64.powi(exponent - 23));
    let got = if got.is_infinite() { got.signum() * 2f64.powi(128) } else { got };
    (got - want).abs() / spacing
}

fn sweep<S: Simd, F: Unary>(s: S, f: F, step: usize, within: impl Fn(f32) -> bool, bound: f64) {
    let mut worst = (0.0, 0.0, 0.0);
    let mut check = |x: &[f32]| {
        let mut out = std::vec![0.0; x.len()];
        s.enter(Apply { out: &mut out, x, f });
        for (&x, &got) in x.iter().zip(&out) {
            let error = ulps(got, f.exact(f64::from(x)));
            if error > worst.0 {
                worst = (error, x, got);
            }
        }
    };
    let special = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1.0, -1.0, 1e-45, -1e-45, 1.1e-38, -1.1e-38];
    check(
        &special
            .into_iter()
            .chain([f32::MAX, f32::MIN, 0.5, -0.5])
            .filter(|&x| x.is_nan() || within(x))
            .collect::<Vec<_>>(),
    );
    let mut xs = (0..=u32::MAX).step_by(step).map(f32::from_bits).filter(|&x| x.is_nan() || within(x));
    loop {
        let x: Vec<f32> = xs.by_ref().take(4096).collect();
        if x.is_empty() {
            break;
        }
        check(&x);
    }
    let (error, x, got) = worst;
    std::println!("{}: {error:.3} ulp at {x:e} ({:#x})", S::NAME, x.to_bits());
    assert!(error <= bound, "{}: {error:.3} ulp at {x:e}: {got:e} and not {:e}", S::NAME, f.exact(f64::from(x)));
}

/// Checks `f` at about four million floats (at every `KILN_STEP`th where that is set) on each instruction set, and at a quarter
/// as many with four vectors at once.
pub fn check<F: Unary>(f: F, bound: f64, within: impl Fn(f32) -> bool) {
    check_on(super::simd_scalar::Scalar::new(), f, bound, &within);
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(s) = super::simd_avx2::Avx2::detect() {
            check_on(s, f, bound, &within);
        }
        if let Some(s) = super::simd_avx512::Avx512::detect() {
            check_on(s, f, bound, &within);
        }
    }
    #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
    check_on(super::simd_neon::Neon::new(), f, bound, &within);
}

fn check_on<S: Simd, F: Unary>(s: S, f: F, bound: f64, within: &impl Fn(f32) -> bool) {
    let step =
        if cfg!(miri) { 10_000_019 } else { std::env::var("KILN_STEP").map_or(1021, |step| step.parse().unwrap()) };
    sweep(s, f, step, within, bound);
    sweep(Quad(s), f, 4 * step + 1, within, bound);
}

/// A test called after the function it checks, its bound, its meaning, and where it holds.
macro_rules! ulp_test {
    ($name:ident, $bound:expr, $exact:expr) => {
        ulp_test!($name, $bound, $exact, |_| true);
    };
    ($name:ident, $bound:expr, $exact:expr, $within:expr) => {
        #[test]
        fn $name() {
            #[derive(Clone, Copy)]
            struct Function;
            impl $crate::ulp::Unary for Function {
                #[inline(always)]
                fn vector<S: $crate::simd::Simd>(self, s: S, x: S::F32) -> S::F32 {
                    super::$name(s, x)
                }
                fn exact(self, x: f64) -> f64 {
                    let exact: fn(f64) -> f64 = $exact;
                    exact(x)
                }
            }
            $crate::ulp::check(Function, $bound, $within);
        }
    };
}
pub(crate) use ulp_test;

//! What every test of a kernel family needs: each instruction set of this machine, reproducible data, a comparison.
#![allow(dead_code)]

use kiln_kernels::simd::Simd;

/// A test that is generic over the instruction set.
pub trait OnIsa {
    /// Checks one instruction set.
    fn run<S: Simd>(&mut self, s: S);
}

/// Runs `t` on every instruction set this machine has and says how many those are.
pub fn each_isa(t: &mut impl OnIsa) -> usize {
    t.run(kiln_kernels::simd_scalar::Scalar::new());
    #[allow(unused_mut)]
    let mut run = 1;
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(s) = kiln_kernels::simd_avx2::Avx2::detect() {
            t.run(s);
            run += 1;
        }
        if let Some(s) = kiln_kernels::simd_avx512::Avx512::detect() {
            t.run(s);
            run += 1;
        }
    }
    #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
    {
        t.run(kiln_kernels::simd_neon::Neon::new());
        run += 1;
    }
    #[cfg(all(target_family = "wasm", target_feature = "simd128"))]
    {
        t.run(kiln_kernels::simd_wasm::Wasm128::new());
        run += 1;
    }
    run
}

/// `n` floats between -1 and 1, the same for the same seed.
pub fn random(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x1234_5678_9abc_def1);
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

/// Panics at the first element further from what it should be than `atol + rtol * |want|`, or wrongly NaN or infinite.
#[track_caller]
pub fn assert_close(got: &[f32], want: &[f32], rtol: f32, atol: f32, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}: lengths");
    for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
        let same = got == want || (got.is_nan() && want.is_nan());
        let near = (got - want).abs() <= atol + rtol * want.abs() && want.is_finite();
        assert!(same || near, "{what}: element {i} is {got:e} and not {want:e}");
    }
}

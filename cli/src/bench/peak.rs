//! What a core of this machine can do.

use kiln_kernels::peak::multiply_adds_per_second;
use kiln_kernels::simd_scalar::Scalar;

/// Multiply-adds of f32 that one core does in a second on the instruction set of this name, which the machine has.
pub fn peak(isa: &str) -> f64 {
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(s) = kiln_kernels::simd_avx512::Avx512::detect().filter(|_| isa == "avx512") {
            return multiply_adds_per_second(s);
        }
        if let Some(s) = kiln_kernels::simd_avx2::Avx2::detect().filter(|_| isa == "avx2") {
            return multiply_adds_per_second(s);
        }
    }
    #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
    if isa == "neon" {
        return multiply_adds_per_second(kiln_kernels::simd_neon::Neon::new());
    }
    multiply_adds_per_second(Scalar::new())
}

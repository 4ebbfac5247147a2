//! What this machine is called, for those who read what was measured on it.

use kiln_codegen::IsaChoice;

/// The best instruction set that this machine has of those code is generated for; of all, if none are named.
pub fn instruction_set(of: &[IsaChoice]) -> &'static str {
    let is_wanted = |isa| of.is_empty() || of.contains(&isa);
    #[cfg(target_arch = "x86_64")]
    {
        if is_wanted(IsaChoice::Avx512) && kiln_kernels::simd_avx512::Avx512::detect().is_some() {
            return "avx512";
        }
        if is_wanted(IsaChoice::Avx2) && kiln_kernels::simd_avx2::Avx2::detect().is_some() {
            return "avx2";
        }
    }
    if cfg!(all(target_arch = "aarch64", target_feature = "neon")) && is_wanted(IsaChoice::Neon) {
        return "neon";
    }
    "scalar"
}

/// The processor's name where the system tells, its architecture elsewhere.
pub fn processor() -> String {
    let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = told.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_string(), |(_, name)| name.trim().to_string())
}

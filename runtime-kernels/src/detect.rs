//! Which instruction sets this x86-64 processor and its operating system offer, asked once and remembered.
//!
//! Only `core` is needed: `cpuid` says what the processor has, `xgetbv` which registers the system saves.

use core::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use core::sync::atomic::{AtomicU8, Ordering};

/// AVX2 and FMA.
pub const AVX2: u8 = 1;
/// AVX-512 F, BW, DQ and VL, together with [`AVX2`].
pub const AVX512: u8 = 2;
/// The 8-bit dot products of AVX-512 VNNI, together with [`AVX512`].
pub const AVX512_VNNI: u8 = 4;

/// Set once [`FOUND`] has been filled in.
const ASKED: u8 = 0x80;

static FOUND: AtomicU8 = AtomicU8::new(0);

/// True where every one of `wanted` (a sum of the constants above) is there.
#[inline]
pub fn has(wanted: u8) -> bool {
    let mut found = FOUND.load(Ordering::Relaxed);
    if found & ASKED == 0 {
        found = ask() | ASKED;
        FOUND.store(found, Ordering::Relaxed);
    }
    found & wanted == wanted
}

#[cold]
fn ask() -> u8 {
    // Miri interprets no cpuid, and enclaves forbid it.
    if cfg!(any(miri, target_env = "sgx")) {
        return 0;
    }
    let bit = |word: u32, bit: u32| word & (1 << bit) != 0;
    if __cpuid(0).eax < 7 {
        return 0;
    }
    let (one, seven) = (__cpuid(1), __cpuid_count(7, 0));
    let (osxsave, avx, fma) = (bit(one.ecx, 27), bit(one.ecx, 28), bit(one.ecx, 12));
    if !(osxsave && avx) {
        return 0;
    }
    // SAFETY: OSXSAVE says that the system has enabled xgetbv.
    let saved = unsafe { saved_state() };
    let (ymm, zmm) = (saved & 0x06 == 0x06, saved & 0xe6 == 0xe6);
    let mut found = 0;
    if ymm && fma && bit(seven.ebx, 5) {
        found |= AVX2;
        let (f, dq, bw, vl) = (bit(seven.ebx, 16), bit(seven.ebx, 17), bit(seven.ebx, 30), bit(seven.ebx, 31));
        if zmm && f && dq && bw && vl {
            found |= AVX512;
            if bit(seven.ecx, 11) {
                found |= AVX512_VNNI;
            }
        }
    }
    found
}

/// # Safety
/// The processor must have `xgetbv` and the system must have enabled it.
#[target_feature(enable = "xsave")]
unsafe fn saved_state() -> u64 {
    // SAFETY: as above; register 0 always exists.
    unsafe { _xgetbv(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_std() {
        if cfg!(miri) {
            return;
        }
        assert_eq!(has(AVX2), std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma"));
        let all = std::is_x86_feature_detected!("avx512f")
            && std::is_x86_feature_detected!("avx512bw")
            && std::is_x86_feature_detected!("avx512dq")
            && std::is_x86_feature_detected!("avx512vl");
        assert_eq!(has(AVX512), all && has(AVX2));
        assert_eq!(has(AVX512_VNNI), has(AVX512) && std::is_x86_feature_detected!("avx512vnni"));
    }
}

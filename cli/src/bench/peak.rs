/// Most bytes this process ever had in memory, as Linux tells; 0 elsewhere.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
}

/// Multiply-adds of f32 that one core does in a second, from registers alone; 0 where this is not measured.
fn peak() -> f64 {
    let mut best = 0.0_f64;
    for _ in 0..5 {
        let start = std::time::Instant::now();
        let count = multiply_adds();
        best = best.max(count as f64 / start.elapsed().as_secs_f64());
    }
    best
}

#[cfg(target_arch = "x86_64")]
fn multiply_adds() -> u64 {
    use std::arch::x86_64::*;

    const TURNS: u64 = 2_000_000;

    #[target_feature(enable = "avx512f")]
    fn avx512() -> u64 {
        let x = _mm512_set1_ps(std::hint::black_box(0.5));
        let mut acc = [x; 16];
        for _ in 0..TURNS {
            // Written out, so that every sum stays in a register of its own.
            macro_rules! add {
                ($($i:literal)*) => { $(acc[$i] = _mm512_fmadd_ps(x, x, acc[$i]);)* };
            }
            add!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        }
        acc.iter().for_each(|&acc| { std::hint::black_box(_mm512_reduce_add_ps(acc)); });
        TURNS * 16 * 16
    }

    #[target_feature(enable = "avx2,fma")]
    fn avx2() -> u64 {
        let x = _mm256_set1_ps(std::hint::black_box(0.5));
        let mut acc = [x; 12];
        for _ in 0..TURNS {
            macro_rules! add {
                ($($i:literal)*) => { $(acc[$i] = _mm256_fmadd_ps(x, x, acc[$i]);)* };
            }
            add!(0 1 2 3 4 5 6 7 8 9 10 11);
        }
        acc.iter().for_each(|&acc| { std::hint::black_box(_mm256_cvtss_f32(acc)); });
        TURNS * 12 * 8
    }

    if std::arch::is_x86_feature_detected!("avx512f") {
        // SAFETY: just detected.
        unsafe { avx512() }
    } else if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        // SAFETY: just detected.
        unsafe { avx2() }
    } else {
        0
    }
}

#[cfg(target_arch = "aarch64")]
fn multiply_adds() -> u64 {
    use std::arch::aarch64::*;

    const TURNS: u64 = 2_000_000;
    // SAFETY: every processor of this architecture has NEON where Rust has std.
    unsafe {
        let x = vdupq_n_f32(std::hint::black_box(0.5));
        let mut acc = [x; 16];
        for _ in 0..TURNS {
            macro_rules! add {
                ($($i:literal)*) => { $(acc[$i] = vfmaq_f32(acc[$i], x, x);)* };
            }
            add!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        }
        acc.iter().for_each(|&acc| { std::hint::black_box(vaddvq_f32(acc)); });
    }
    TURNS * 16 * 4
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn multiply_adds() -> u64 {
    0
}

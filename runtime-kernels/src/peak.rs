//! How many multiplications with addition a core does from registers alone: what kernels are measured against.

use std::time::Instant;

use super::simd::{Simd, Task};

/// Sums side by side: more than the latency of an addition times the units that add, on any processor so far.
const SUMS: usize = 12;

/// Multiplies and adds `turns` times in each lane of each sum.
struct Turns(u64);

impl Task for Turns {
    type Out = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let x = s.splat(core::hint::black_box(0.5));
        let mut sums = [x; SUMS];
        for _ in 0..self.0 {
            for sum in &mut sums {
                *sum = s.fma(x, x, *sum);
            }
        }
        sums.into_iter().map(|sum| s.sum(sum)).sum()
    }
}

/// Multiply-adds of f32 that one core does in a second on an instruction set: the best of a few tries.
pub fn multiply_adds_per_second<S: Simd>(s: S) -> f64 {
    const TURNS: u64 = 1 << 21;
    let mut best = 0.0_f64;
    for _ in 0..5 {
        let start = Instant::now();
        core::hint::black_box(s.enter(Turns(TURNS)));
        let count = TURNS as f64 * SUMS as f64 * S::LANES as f64;
        best = best.max(count / start.elapsed().as_secs_f64());
    }
    best
}

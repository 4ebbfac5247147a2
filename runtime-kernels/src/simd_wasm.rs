//! WebAssembly's 128-bit vectors: four lanes; compiled only where the target promises `simd128`.
//!
//! There is no fused multiply-add outside the relaxed proposal, so `fma` rounds twice.

#[cfg(target_arch = "wasm32")]
use core::arch::wasm32::*;
#[cfg(target_arch = "wasm64")]
use core::arch::wasm64::*;

use super::simd::{Simd, Task};

/// Proof that the target has `simd128`.
#[derive(Clone, Copy, Debug)]
pub struct Wasm128(());

impl Wasm128 {
    /// The token; this file is only compiled for targets that have `simd128`.
    #[inline(always)]
    pub const fn new() -> Self {
        Wasm128(())
    }
}

impl Default for Wasm128 {
    fn default() -> Self {
        Self::new()
    }
}

/// Does `task`, in a function of its own.
#[inline(never)]
fn inside<T: Task>(s: Wasm128, task: T) -> T::Out {
    task.run(s)
}

impl Simd for Wasm128 {
    const NAME: &'static str = "wasm128";
    const LANES: usize = 4;
    const TILE_ROWS: [usize; 4] = [3, 0, 0, 0];

    type F32 = v128;
    type I32 = v128;
    type Mask = v128;

    #[inline(always)]
    fn enter<T: Task>(self, task: T) -> T::Out {
        inside(self, task)
    }

    #[inline(always)]
    fn splat(self, x: f32) -> v128 {
        f32x4_splat(x)
    }
    #[inline(always)]
    fn load(self, src: &[f32]) -> v128 {
        let src = &src[..4];
        // SAFETY: four floats were just sliced off; the instruction needs no alignment.
        unsafe { v128_load(src.as_ptr().cast()) }
    }
    #[inline(always)]
    fn load_part(self, src: &[f32]) -> v128 {
        let at = |i: usize| src.get(i).copied().unwrap_or(0.0);
        f32x4(at(0), at(1), at(2), at(3))
    }
    #[inline(always)]
    fn store(self, v: v128, dst: &mut [f32]) {
        let dst = &mut dst[..4];
        // SAFETY: four floats were just sliced off; the instruction needs no alignment.
        unsafe { v128_store(dst.as_mut_ptr().cast(), v) }
    }
    #[inline(always)]
    fn store_part(self, v: v128, dst: &mut [f32]) {
        let mut lanes = [0.0; 4];
        self.store(v, &mut lanes);
        for (dst, lane) in dst.iter_mut().zip(lanes) {
            *dst = lane;
        }
    }
    #[inline(always)]
    unsafe fn load_ptr(self, src: *const f32) -> v128 {
        // SAFETY: the caller vouches for four floats; the instruction needs no alignment.
        unsafe { v128_load(src.cast()) }
    }
    #[inline(always)]
    unsafe fn store_ptr(self, v: v128, dst: *mut f32) {
        // SAFETY: the caller vouches for four floats; the instruction needs no alignment.
        unsafe { v128_store(dst.cast(), v) }
    }

    #[inline(always)]
    fn add(self, a: v128, b: v128) -> v128 {
        f32x4_add(a, b)
    }
    #[inline(always)]
    fn sub(self, a: v128, b: v128) -> v128 {
        f32x4_sub(a, b)
    }
    #[inline(always)]
    fn mul(self, a: v128, b: v128) -> v128 {
        f32x4_mul(a, b)
    }
    #[inline(always)]
    fn div(self, a: v128, b: v128) -> v128 {
        f32x4_div(a, b)
    }
    #[inline(always)]
    fn fma(self, a: v128, b: v128, c: v128) -> v128 {
        f32x4_add(f32x4_mul(a, b), c)
    }
    #[inline(always)]
    fn fused(self, a: v128, b: v128, c: v128) -> v128 {
        let half = |a, b, c| {
            let product = f64x2_mul(f64x2_promote_low_f32x4(a), f64x2_promote_low_f32x4(b));
            f32x4_demote_f64x2_zero(f64x2_add(product, f64x2_promote_low_f32x4(c)))
        };
        let high = |a| i32x4_shuffle::<2, 3, 0, 1>(a, a);
        i32x4_shuffle::<0, 1, 4, 5>(half(a, b, c), half(high(a), high(b), high(c)))
    }
    #[inline(always)]
    fn neg(self, a: v128) -> v128 {
        f32x4_neg(a)
    }
    #[inline(always)]
    fn abs(self, a: v128) -> v128 {
        f32x4_abs(a)
    }
    #[inline(always)]
    fn min(self, a: v128, b: v128) -> v128 {
        f32x4_min(a, b)
    }
    #[inline(always)]
    fn max(self, a: v128, b: v128) -> v128 {
        f32x4_max(a, b)
    }
    #[inline(always)]
    fn sqrt(self, a: v128) -> v128 {
        f32x4_sqrt(a)
    }
    #[inline(always)]
    fn floor(self, a: v128) -> v128 {
        f32x4_floor(a)
    }
    #[inline(always)]
    fn ceil(self, a: v128) -> v128 {
        f32x4_ceil(a)
    }
    #[inline(always)]
    fn round(self, a: v128) -> v128 {
        f32x4_nearest(a)
    }
    #[inline(always)]
    fn trunc(self, a: v128) -> v128 {
        f32x4_trunc(a)
    }

    #[inline(always)]
    fn eq(self, a: v128, b: v128) -> v128 {
        f32x4_eq(a, b)
    }
    #[inline(always)]
    fn lt(self, a: v128, b: v128) -> v128 {
        f32x4_lt(a, b)
    }
    #[inline(always)]
    fn le(self, a: v128, b: v128) -> v128 {
        f32x4_le(a, b)
    }
    #[inline(always)]
    fn and(self, m: v128, n: v128) -> v128 {
        v128_and(m, n)
    }
    #[inline(always)]
    fn or(self, m: v128, n: v128) -> v128 {
        v128_or(m, n)
    }
    #[inline(always)]
    fn not(self, m: v128) -> v128 {
        v128_not(m)
    }
    #[inline(always)]
    fn any(self, m: v128) -> bool {
        v128_any_true(m)
    }
    #[inline(always)]
    fn select(self, m: v128, a: v128, b: v128) -> v128 {
        v128_bitselect(a, b, m)
    }

    #[inline(always)]
    fn to_bits(self, a: v128) -> v128 {
        a
    }
    #[inline(always)]
    fn from_bits(self, a: v128) -> v128 {
        a
    }
    #[inline(always)]
    fn to_i32(self, a: v128) -> v128 {
        i32x4_trunc_sat_f32x4(a)
    }
    #[inline(always)]
    fn to_f32(self, a: v128) -> v128 {
        f32x4_convert_i32x4(a)
    }
    #[inline(always)]
    fn splat_i32(self, x: i32) -> v128 {
        i32x4_splat(x)
    }
    #[inline(always)]
    fn add_i32(self, a: v128, b: v128) -> v128 {
        i32x4_add(a, b)
    }
    #[inline(always)]
    fn sub_i32(self, a: v128, b: v128) -> v128 {
        i32x4_sub(a, b)
    }
    #[inline(always)]
    fn and_i32(self, a: v128, b: v128) -> v128 {
        v128_and(a, b)
    }
    #[inline(always)]
    fn or_i32(self, a: v128, b: v128) -> v128 {
        v128_or(a, b)
    }
    #[inline(always)]
    fn xor_i32(self, a: v128, b: v128) -> v128 {
        v128_xor(a, b)
    }
    #[inline(always)]
    fn shl_i32<const N: u32>(self, a: v128) -> v128 {
        i32x4_shl(a, N)
    }
    #[inline(always)]
    fn shr_i32<const N: u32>(self, a: v128) -> v128 {
        i32x4_shr(a, N)
    }
    #[inline(always)]
    fn eq_i32(self, a: v128, b: v128) -> v128 {
        i32x4_eq(a, b)
    }

    #[inline(always)]
    fn sum(self, a: v128) -> f32 {
        let two = f32x4_add(a, i32x4_shuffle::<2, 3, 0, 1>(a, a));
        f32x4_extract_lane::<0>(two) + f32x4_extract_lane::<1>(two)
    }
    #[inline(always)]
    fn max_lane(self, a: v128) -> f32 {
        let two = f32x4_max(a, i32x4_shuffle::<2, 3, 0, 1>(a, a));
        f32x4_extract_lane::<0>(f32x4_max(two, i32x4_shuffle::<1, 0, 3, 2>(two, two)))
    }
    #[inline(always)]
    fn min_lane(self, a: v128) -> f32 {
        let two = f32x4_min(a, i32x4_shuffle::<2, 3, 0, 1>(a, a));
        f32x4_extract_lane::<0>(f32x4_min(two, i32x4_shuffle::<1, 0, 3, 2>(two, two)))
    }
}

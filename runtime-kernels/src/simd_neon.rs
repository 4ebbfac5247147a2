//! NEON on 64-bit ARM: four lanes, thirty-two registers, always there.

use core::arch::aarch64::*;

use super::simd::{Simd, Task};

/// Proof that the processor has NEON, which the target already promises.
#[derive(Clone, Copy, Debug)]
pub struct Neon(());

impl Neon {
    /// The token; this file is only compiled for targets that have NEON.
    #[inline(always)]
    pub const fn new() -> Self {
        Neon(())
    }
}

impl Default for Neon {
    fn default() -> Self {
        Self::new()
    }
}

/// An expression of intrinsics that are `unsafe` only because the instruction set must be present.
macro_rules! neon {
    ($e:expr) => {{
        // SAFETY: the target has NEON, and no pointer is followed.
        #[allow(unused_unsafe)]
        unsafe {
            $e
        }
    }};
}

/// Does `task`, in a function of its own.
#[inline(never)]
fn inside<T: Task>(s: Neon, task: T) -> T::Out {
    task.run(s)
}

impl Simd for Neon {
    const NAME: &'static str = "neon";
    const LANES: usize = 4;
    const TILE_ROWS: [usize; 4] = [6, 0, 0, 0];
    const HALF_ROWS: usize = 10;
    const REGISTERS: usize = 32;
    const LANE_PRODUCTS: bool = true;

    type F32 = float32x4_t;
    type I32 = int32x4_t;
    type Mask = uint32x4_t;

    #[inline(always)]
    fn enter<T: Task>(self, task: T) -> T::Out {
        inside(self, task)
    }

    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        neon!(vdupq_n_f32(x))
    }
    #[inline(always)]
    fn load(self, src: &[f32]) -> float32x4_t {
        let src = &src[..4];
        // SAFETY: four floats were just sliced off.
        unsafe { vld1q_f32(src.as_ptr()) }
    }
    #[inline(always)]
    fn load_part(self, src: &[f32]) -> float32x4_t {
        let at = |i: usize| src.get(i).copied().unwrap_or(0.0);
        self.load(&[at(0), at(1), at(2), at(3)])
    }
    #[inline(always)]
    fn store(self, v: float32x4_t, dst: &mut [f32]) {
        let dst = &mut dst[..4];
        // SAFETY: four floats were just sliced off.
        unsafe { vst1q_f32(dst.as_mut_ptr(), v) }
    }
    #[inline(always)]
    fn store_part(self, v: float32x4_t, dst: &mut [f32]) {
        let mut lanes = [0.0; 4];
        self.store(v, &mut lanes);
        for (dst, lane) in dst.iter_mut().zip(lanes) {
            *dst = lane;
        }
    }
    #[inline(always)]
    unsafe fn load_ptr(self, src: *const f32) -> float32x4_t {
        // SAFETY: the caller vouches for four floats.
        unsafe { vld1q_f32(src) }
    }
    #[inline(always)]
    unsafe fn store_ptr(self, v: float32x4_t, dst: *mut f32) {
        // SAFETY: the caller vouches for four floats.
        unsafe { vst1q_f32(dst, v) }
    }

    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        neon!(vaddq_f32(a, b))
    }
    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        neon!(vsubq_f32(a, b))
    }
    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        neon!(vmulq_f32(a, b))
    }
    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        neon!(vdivq_f32(a, b))
    }
    #[inline(always)]
    fn fma(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        neon!(vfmaq_f32(c, a, b))
    }
    #[inline(always)]
    fn fma_lane<const LANE: i32>(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        neon!(vfmaq_laneq_f32::<LANE>(c, b, a))
    }
    #[inline(always)]
    fn neg(self, a: float32x4_t) -> float32x4_t {
        neon!(vnegq_f32(a))
    }
    #[inline(always)]
    fn abs(self, a: float32x4_t) -> float32x4_t {
        neon!(vabsq_f32(a))
    }
    #[inline(always)]
    fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        neon!(vminq_f32(a, b))
    }
    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        neon!(vmaxq_f32(a, b))
    }
    #[inline(always)]
    fn sqrt(self, a: float32x4_t) -> float32x4_t {
        neon!(vsqrtq_f32(a))
    }
    #[inline(always)]
    fn floor(self, a: float32x4_t) -> float32x4_t {
        neon!(vrndmq_f32(a))
    }
    #[inline(always)]
    fn ceil(self, a: float32x4_t) -> float32x4_t {
        neon!(vrndpq_f32(a))
    }
    #[inline(always)]
    fn round(self, a: float32x4_t) -> float32x4_t {
        neon!(vrndnq_f32(a))
    }
    #[inline(always)]
    fn trunc(self, a: float32x4_t) -> float32x4_t {
        neon!(vrndq_f32(a))
    }

    #[inline(always)]
    fn eq(self, a: float32x4_t, b: float32x4_t) -> uint32x4_t {
        neon!(vceqq_f32(a, b))
    }
    #[inline(always)]
    fn lt(self, a: float32x4_t, b: float32x4_t) -> uint32x4_t {
        neon!(vcltq_f32(a, b))
    }
    #[inline(always)]
    fn le(self, a: float32x4_t, b: float32x4_t) -> uint32x4_t {
        neon!(vcleq_f32(a, b))
    }
    #[inline(always)]
    fn and(self, m: uint32x4_t, n: uint32x4_t) -> uint32x4_t {
        neon!(vandq_u32(m, n))
    }
    #[inline(always)]
    fn or(self, m: uint32x4_t, n: uint32x4_t) -> uint32x4_t {
        neon!(vorrq_u32(m, n))
    }
    #[inline(always)]
    fn not(self, m: uint32x4_t) -> uint32x4_t {
        neon!(vmvnq_u32(m))
    }
    #[inline(always)]
    fn any(self, m: uint32x4_t) -> bool {
        neon!(vmaxvq_u32(m)) != 0
    }
    #[inline(always)]
    fn select(self, m: uint32x4_t, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        neon!(vbslq_f32(m, a, b))
    }

    #[inline(always)]
    fn to_bits(self, a: float32x4_t) -> int32x4_t {
        neon!(vreinterpretq_s32_f32(a))
    }
    #[inline(always)]
    fn from_bits(self, a: int32x4_t) -> float32x4_t {
        neon!(vreinterpretq_f32_s32(a))
    }
    #[inline(always)]
    fn to_i32(self, a: float32x4_t) -> int32x4_t {
        neon!(vcvtq_s32_f32(a))
    }
    #[inline(always)]
    fn to_f32(self, a: int32x4_t) -> float32x4_t {
        neon!(vcvtq_f32_s32(a))
    }
    #[inline(always)]
    fn splat_i32(self, x: i32) -> int32x4_t {
        neon!(vdupq_n_s32(x))
    }
    #[inline(always)]
    fn add_i32(self, a: int32x4_t, b: int32x4_t) -> int32x4_t {
        neon!(vaddq_s32(a, b))
    }
    #[inline(always)]
    fn sub_i32(self, a: int32x4_t, b: int32x4_t) -> int32x4_t {
        neon!(vsubq_s32(a, b))
    }
    #[inline(always)]
    fn and_i32(self, a: int32x4_t, b: int32x4_t) -> int32x4_t {
        neon!(vandq_s32(a, b))
    }
    #[inline(always)]
    fn or_i32(self, a: int32x4_t, b: int32x4_t) -> int32x4_t {
        neon!(vorrq_s32(a, b))
    }
    #[inline(always)]
    fn xor_i32(self, a: int32x4_t, b: int32x4_t) -> int32x4_t {
        neon!(veorq_s32(a, b))
    }
    #[inline(always)]
    fn shl_i32<const N: u32>(self, a: int32x4_t) -> int32x4_t {
        neon!(vshlq_s32(a, vdupq_n_s32(N as i32)))
    }
    #[inline(always)]
    fn shr_i32<const N: u32>(self, a: int32x4_t) -> int32x4_t {
        // A shift to the left by a negative count goes to the right.
        neon!(vshlq_s32(a, vdupq_n_s32(-(N as i32))))
    }
    #[inline(always)]
    fn eq_i32(self, a: int32x4_t, b: int32x4_t) -> uint32x4_t {
        neon!(vceqq_s32(a, b))
    }

    #[inline(always)]
    fn sum(self, a: float32x4_t) -> f32 {
        neon!(vaddvq_f32(a))
    }
    #[inline(always)]
    fn max_lane(self, a: float32x4_t) -> f32 {
        neon!(vmaxvq_f32(a))
    }
    #[inline(always)]
    fn min_lane(self, a: float32x4_t) -> f32 {
        neon!(vminvq_f32(a))
    }
}

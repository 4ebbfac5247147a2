//! AVX2 with fused multiply-add: eight lanes, sixteen registers.

use core::arch::x86_64::*;

use super::detect;
use super::simd::{Simd, Task};

/// Proof that the processor has AVX2 and FMA.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx2 {
    /// The token, if this processor and its system have what it stands for.
    #[inline]
    pub fn detect() -> Option<Self> {
        detect::has(detect::AVX2).then_some(Avx2(()))
    }

    /// # Safety
    /// The processor must have AVX2 and FMA, and the system must save the registers they use.
    #[inline(always)]
    pub const unsafe fn new_unchecked() -> Self {
        Avx2(())
    }
}

/// An expression of intrinsics that are `unsafe` only because the instruction set must be present.
macro_rules! avx2 {
    ($e:expr) => {
        // SAFETY: the token proves the instruction set present, and no pointer is followed.
        unsafe { $e }
    };
}

/// 2^(i/8)
const POWERS: [f32; 8] =
    [1.0, 1.090_507_7, 1.189_207_1, 1.296_839_6, core::f32::consts::SQRT_2, 1.542_210_8, 1.681_792_9, 1.834_008_1];

/// All ones in the first `n` lanes.
#[inline(always)]
fn first(n: usize) -> __m256i {
    avx2!(_mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)))
}

/// All ones where a lane is NaN; integer arithmetic, so that it folds away for constants.
#[inline(always)]
fn is_nan(a: __m256) -> __m256 {
    avx2!({
        let size = _mm256_and_si256(_mm256_castps_si256(a), _mm256_set1_epi32(0x7fff_ffff));
        _mm256_castsi256_ps(_mm256_cmpgt_epi32(size, _mm256_set1_epi32(0x7f80_0000)))
    })
}

/// Does `task` with the instruction set.
#[target_feature(enable = "avx2,fma")]
fn inside<T: Task>(s: Avx2, task: T) -> T::Out {
    task.run(s)
}

/// Goes to [`inside`].
// rustc keeps `inline(never)` of a function with target features only for callers that have them too, so the
// border is a function without any; it compiles to one jump.
#[inline(never)]
fn border<T: Task>(s: Avx2, task: T) -> T::Out {
    // SAFETY: the token proves the instruction set present.
    unsafe { inside(s, task) }
}

impl Simd for Avx2 {
    const NAME: &'static str = "avx2";
    const LANES: usize = 8;
    const TILE_ROWS: [usize; 4] = [6, 0, 0, 0];
    const HALF_ROWS: usize = 12;
    const PAIR_ROWS: usize = 3;
    const FAR_STRIPS: usize = 3;

    type F32 = __m256;
    type I32 = __m256i;
    type Mask = __m256;

    #[inline(always)]
    fn enter<T: Task>(self, task: T) -> T::Out {
        border(self, task)
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        avx2!(_mm256_set1_ps(x))
    }
    #[inline(always)]
    fn load(self, src: &[f32]) -> __m256 {
        let src = &src[..8];
        // SAFETY: eight floats were just sliced off.
        unsafe { _mm256_loadu_ps(src.as_ptr()) }
    }
    #[inline(always)]
    fn load_part(self, src: &[f32]) -> __m256 {
        let n = src.len().min(8);
        // SAFETY: only the first `n` lanes are read, and `src` has as many.
        unsafe { _mm256_maskload_ps(src.as_ptr(), first(n)) }
    }
    #[inline(always)]
    fn store(self, v: __m256, dst: &mut [f32]) {
        let dst = &mut dst[..8];
        // SAFETY: eight floats were just sliced off.
        unsafe { _mm256_storeu_ps(dst.as_mut_ptr(), v) }
    }
    #[inline(always)]
    fn store_part(self, v: __m256, dst: &mut [f32]) {
        // By halves, since stores with a mask are slow on some processors that have no other instruction set (AMD's up to Zen 3).
        let n = dst.len();
        // SAFETY: what the length says is written at most: eight lanes, or four, two and one of its bits.
        unsafe {
            let mut dst = dst.as_mut_ptr();
            if n >= 8 {
                return _mm256_storeu_ps(dst, v);
            }
            let mut rest = _mm256_castps256_ps128(v);
            if n & 4 != 0 {
                _mm_storeu_ps(dst, rest);
                (rest, dst) = (_mm256_extractf128_ps::<1>(v), dst.add(4));
            }
            if n & 2 != 0 {
                _mm_store_sd(dst.cast(), _mm_castps_pd(rest));
                (rest, dst) = (_mm_movehl_ps(rest, rest), dst.add(2));
            }
            if n & 1 != 0 {
                _mm_store_ss(dst, rest);
            }
        }
    }
    #[inline(always)]
    fn prefetch(self, src: *const f32) {
        // SAFETY: a prefetch never faults, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(src.cast()) }
    }
    #[inline(always)]
    fn prefetch_far(self, src: *const f32) {
        // SAFETY: a prefetch never faults, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(src.cast()) }
    }
    #[inline(always)]
    unsafe fn load_ptr(self, src: *const f32) -> __m256 {
        // SAFETY: the caller vouches for eight floats.
        unsafe { _mm256_loadu_ps(src) }
    }
    #[inline(always)]
    unsafe fn store_ptr(self, v: __m256, dst: *mut f32) {
        // SAFETY: the caller vouches for eight floats.
        unsafe { _mm256_storeu_ps(dst, v) }
    }

    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_div_ps(a, b))
    }
    #[inline(always)]
    fn fma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        avx2!(_mm256_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn power_of_eighths(self, eighths: __m256i) -> Option<__m256> {
        // The lookup heeds the lower three bits alone; the others become those of an exponent.
        // SAFETY: an array of eight floats; the token proves the instruction set.
        let step = unsafe { _mm256_permutevar8x32_ps(_mm256_loadu_ps(POWERS.as_ptr()), eighths) };
        Some(avx2!({
            let whole = _mm256_and_si256(_mm256_slli_epi32::<20>(eighths), _mm256_set1_epi32(-1 << 23));
            _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(step), whole))
        }))
    }
    #[inline(always)]
    fn zero_below(self, x: __m256, low: __m256, v: __m256) -> __m256 {
        avx2!(_mm256_andnot_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(x, low), v))
    }
    #[inline(always)]
    fn spread<const N: usize>(self, v: __m256, from: __m256i) -> __m256 {
        // Within halves of a vector it costs less.
        match N {
            4 => avx2!(_mm256_permutevar_ps(v, from)),
            _ => avx2!(_mm256_permutevar8x32_ps(v, from)),
        }
    }
    #[inline(always)]
    fn neg(self, a: __m256) -> __m256 {
        avx2!(_mm256_xor_ps(a, _mm256_set1_ps(-0.0)))
    }
    #[inline(always)]
    fn abs(self, a: __m256) -> __m256 {
        avx2!(_mm256_andnot_ps(_mm256_set1_ps(-0.0), a))
    }
    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        // The instruction gives b where either is NaN.
        avx2!(_mm256_blendv_ps(_mm256_min_ps(a, b), a, is_nan(a)))
    }
    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_blendv_ps(_mm256_max_ps(a, b), a, is_nan(a)))
    }
    #[inline(always)]
    fn max_number(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_max_ps(a, b))
    }
    #[inline(always)]
    fn bounded(self, a: __m256, low: __m256, high: __m256) -> __m256 {
        // The instructions give their second operand where either is NaN.
        avx2!(_mm256_min_ps(high, _mm256_max_ps(low, a)))
    }
    #[inline(always)]
    fn sqrt(self, a: __m256) -> __m256 {
        avx2!(_mm256_sqrt_ps(a))
    }
    #[inline(always)]
    fn floor(self, a: __m256) -> __m256 {
        avx2!(_mm256_floor_ps(a))
    }
    #[inline(always)]
    fn ceil(self, a: __m256) -> __m256 {
        avx2!(_mm256_ceil_ps(a))
    }
    #[inline(always)]
    fn round(self, a: __m256) -> __m256 {
        avx2!(_mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
    }
    #[inline(always)]
    fn trunc(self, a: __m256) -> __m256 {
        avx2!(_mm256_round_ps::<{ _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC }>(a))
    }

    #[inline(always)]
    fn eq(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_cmp_ps::<_CMP_EQ_OQ>(a, b))
    }
    #[inline(always)]
    fn lt(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_cmp_ps::<_CMP_LT_OQ>(a, b))
    }
    #[inline(always)]
    fn le(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_cmp_ps::<_CMP_LE_OQ>(a, b))
    }
    #[inline(always)]
    fn and(self, m: __m256, n: __m256) -> __m256 {
        avx2!(_mm256_and_ps(m, n))
    }
    #[inline(always)]
    fn or(self, m: __m256, n: __m256) -> __m256 {
        avx2!(_mm256_or_ps(m, n))
    }
    #[inline(always)]
    fn not(self, m: __m256) -> __m256 {
        avx2!(_mm256_xor_ps(m, _mm256_castsi256_ps(_mm256_set1_epi32(-1))))
    }
    #[inline(always)]
    fn any(self, m: __m256) -> bool {
        avx2!(_mm256_movemask_ps(m)) != 0
    }
    #[inline(always)]
    fn select(self, m: __m256, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_blendv_ps(b, a, m))
    }

    #[inline(always)]
    fn to_bits(self, a: __m256) -> __m256i {
        avx2!(_mm256_castps_si256(a))
    }
    #[inline(always)]
    fn from_bits(self, a: __m256i) -> __m256 {
        avx2!(_mm256_castsi256_ps(a))
    }
    #[inline(always)]
    fn to_i32(self, a: __m256) -> __m256i {
        avx2!(_mm256_cvttps_epi32(a))
    }
    #[inline(always)]
    fn to_f32(self, a: __m256i) -> __m256 {
        avx2!(_mm256_cvtepi32_ps(a))
    }
    #[inline(always)]
    fn splat_i32(self, x: i32) -> __m256i {
        avx2!(_mm256_set1_epi32(x))
    }
    #[inline(always)]
    fn add_i32(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_add_epi32(a, b))
    }
    #[inline(always)]
    fn sub_i32(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_sub_epi32(a, b))
    }
    #[inline(always)]
    fn and_i32(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_and_si256(a, b))
    }
    #[inline(always)]
    fn or_i32(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_or_si256(a, b))
    }
    #[inline(always)]
    fn xor_i32(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_xor_si256(a, b))
    }
    #[inline(always)]
    fn shl_i32<const N: u32>(self, a: __m256i) -> __m256i {
        avx2!(_mm256_sll_epi32(a, _mm_cvtsi32_si128(N as i32)))
    }
    #[inline(always)]
    fn shr_i32<const N: u32>(self, a: __m256i) -> __m256i {
        avx2!(_mm256_sra_epi32(a, _mm_cvtsi32_si128(N as i32)))
    }
    #[inline(always)]
    fn eq_i32(self, a: __m256i, b: __m256i) -> __m256 {
        avx2!(_mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b)))
    }

    #[inline(always)]
    fn sum(self, a: __m256) -> f32 {
        avx2!({
            let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        })
    }
    #[inline(always)]
    fn max_lane(self, a: __m256) -> f32 {
        if self.any(is_nan(a)) {
            return f32::NAN;
        }
        avx2!({
            let four = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)))
        })
    }
    #[inline(always)]
    fn min_lane(self, a: __m256) -> f32 {
        if self.any(is_nan(a)) {
            return f32::NAN;
        }
        avx2!({
            let four = _mm_min_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let two = _mm_min_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_min_ss(two, _mm_movehdup_ps(two)))
        })
    }
}

//! AVX-512 (F, BW, DQ, VL): sixteen lanes, thirty-two registers, tails by mask.

use core::arch::x86_64::*;

use super::detect;
use super::simd::{Simd, Task};

/// Proof that the processor has AVX-512 F, BW, DQ and VL, AVX2 and FMA.
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

impl Avx512 {
    /// The token, if this processor and its system have what it stands for.
    #[inline]
    pub fn detect() -> Option<Self> {
        detect::has(detect::AVX512).then_some(Avx512(()))
    }

    /// # Safety
    /// The processor must have the instruction sets above, and the system must save the registers they use.
    #[inline(always)]
    pub const unsafe fn new_unchecked() -> Self {
        Avx512(())
    }
}

/// An expression of intrinsics that are `unsafe` only because the instruction set must be present.
macro_rules! avx512 {
    ($e:expr) => {
        // SAFETY: the token proves the instruction set present, and no pointer is followed.
        unsafe { $e }
    };
}

/// The first `n` lanes, at most sixteen; whatever `n`, no lanes beyond it.
#[inline(always)]
fn first(n: usize) -> __mmask16 {
    debug_assert!(n <= 16, "a vector has sixteen lanes");
    1u32.wrapping_shl(n as u32).wrapping_sub(1) as __mmask16
}

/// The lanes that are numbers.
#[inline(always)]
fn ordered(a: __m512) -> __mmask16 {
    avx512!(_mm512_cmp_ps_mask::<_CMP_ORD_Q>(a, a))
}

/// Does `task` with the instruction set.
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
fn inside<T: Task>(s: Avx512, task: T) -> T::Out {
    task.run(s)
}

/// Adds the products of four elements of k to fourteen rows by two vectors, see [`Simd::packed_four`].
///
/// Most multiplications read their element of A themselves, one for all lanes, which spares an instruction for it: what decodes instructions is
/// the limit where another thread of the core is busy too. Were it all, there would be more loads than multiplications. There are no
/// intrinsics, since the compiler loads once what two multiplications need, and rows of B so early that sums lose their registers.
///
/// # Safety
/// As for that.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn packed_four(acc: &mut [[__m512; 8]; 14], a: *const f32, b: *const f32, panel_stride: usize) {
    /// A row whose multiplications read its element `$i`.
    macro_rules! folded {
        ($i:literal $r:literal) => {
            concat!(
                "vfmadd231ps {r",
                $r,
                "x}, {x}, dword ptr [{a} + 16*",
                $r,
                " + 4*",
                $i,
                "]{{1to16}}\n",
                "vfmadd231ps {r",
                $r,
                "y}, {y}, dword ptr [{a} + 16*",
                $r,
                " + 4*",
                $i,
                "]{{1to16}}\n",
            )
        };
    }
    /// A row whose element `$i` is loaded for both.
    macro_rules! loaded {
        ($i:literal $r:literal) => {
            concat!(
                "vbroadcastss {one}, dword ptr [{a} + 16*",
                $r,
                " + 4*",
                $i,
                "]\n",
                "vfmadd231ps {r",
                $r,
                "x}, {x}, {one}\n",
                "vfmadd231ps {r",
                $r,
                "y}, {y}, {one}\n",
            )
        };
    }
    macro_rules! element {
        ($i:literal) => {
            concat!(
                "vmovups {x}, zmmword ptr [{b} + 64*", $i, "]\n",
                "vmovups {y}, zmmword ptr [{b} + {stride} + 64*", $i, "]\n",
                folded!($i 0), folded!($i 1), folded!($i 2), loaded!($i 3),
                folded!($i 4), folded!($i 5), folded!($i 6), loaded!($i 7),
                folded!($i 8), folded!($i 9), folded!($i 10), loaded!($i 11),
                folded!($i 12), folded!($i 13),
            )
        };
    }
    // Of a type: without one, those from the seventeenth on are printed as general registers.
    let (_x, _y, _one): (__m512, __m512, __m512);
    // SAFETY: the caller vouches for what is read.
    unsafe {
        core::arch::asm!(
            element!(0), element!(1), element!(2), element!(3),
            r0x = inout(zmm_reg) acc[0][0],
            r0y = inout(zmm_reg) acc[0][1],
            r1x = inout(zmm_reg) acc[1][0],
            r1y = inout(zmm_reg) acc[1][1],
            r2x = inout(zmm_reg) acc[2][0],
            r2y = inout(zmm_reg) acc[2][1],
            r3x = inout(zmm_reg) acc[3][0],
            r3y = inout(zmm_reg) acc[3][1],
            r4x = inout(zmm_reg) acc[4][0],
            r4y = inout(zmm_reg) acc[4][1],
            r5x = inout(zmm_reg) acc[5][0],
            r5y = inout(zmm_reg) acc[5][1],
            r6x = inout(zmm_reg) acc[6][0],
            r6y = inout(zmm_reg) acc[6][1],
            r7x = inout(zmm_reg) acc[7][0],
            r7y = inout(zmm_reg) acc[7][1],
            r8x = inout(zmm_reg) acc[8][0],
            r8y = inout(zmm_reg) acc[8][1],
            r9x = inout(zmm_reg) acc[9][0],
            r9y = inout(zmm_reg) acc[9][1],
            r10x = inout(zmm_reg) acc[10][0],
            r10y = inout(zmm_reg) acc[10][1],
            r11x = inout(zmm_reg) acc[11][0],
            r11y = inout(zmm_reg) acc[11][1],
            r12x = inout(zmm_reg) acc[12][0],
            r12y = inout(zmm_reg) acc[12][1],
            r13x = inout(zmm_reg) acc[13][0],
            r13y = inout(zmm_reg) acc[13][1],
            x = out(zmm_reg) _x,
            y = out(zmm_reg) _y,
            one = out(zmm_reg) _one,
            a = in(reg) a,
            b = in(reg) b,
            stride = in(reg) panel_stride * size_of::<f32>(),
            options(pure, readonly, nostack, preserves_flags),
        );
    }
}

/// Goes to [`inside`].
// rustc keeps `inline(never)` of a function with target features only for callers that have them too, so the
// border is a function without any; it compiles to one jump.
#[inline(never)]
fn border<T: Task>(s: Avx512, task: T) -> T::Out {
    // SAFETY: the token proves the instruction set present.
    unsafe { inside(s, task) }
}

/// 2^(i/16)
#[expect(clippy::approx_constant, reason = "the root of two is one of sixteen")]
const POWERS: [f32; 16] = [
    1.0,
    1.044_273_7,
    1.090_507_7,
    1.138_788_6,
    1.189_207_1,
    1.241_857_8,
    1.296_839_6,
    1.354_255_6,
    1.414_213_5,
    1.476_826_2,
    1.542_210_8,
    1.610_490_3,
    1.681_792_9,
    1.756_252_2,
    1.834_008_1,
    1.915_206_6,
];

impl Simd for Avx512 {
    const NAME: &'static str = "avx512";
    const LANES: usize = 16;
    const TILE_ROWS: [usize; 4] = [14, 14, 8, 6];
    const PACKED_ROWS: usize = 14;
    const REGISTERS: usize = 32;
    const CHEAP_PARTS: bool = true;

    type F32 = __m512;
    type I32 = __m512i;
    type Mask = __mmask16;

    #[inline(always)]
    fn enter<T: Task>(self, task: T) -> T::Out {
        border(self, task)
    }

    #[inline(always)]
    unsafe fn packed_four<const ROWS: usize>(
        self,
        acc: &mut [[__m512; 8]; ROWS],
        a: *const f32,
        b: *const f32,
        panel_stride: usize,
    ) {
        let Ok(acc) = acc.as_mut_slice().try_into() else { unreachable!("tiles of packed rows are of one height") };
        // SAFETY: passed on; the token proves the instruction set.
        unsafe { packed_four(acc, a, b, panel_stride) };
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        avx512!(_mm512_set1_ps(x))
    }
    #[inline(always)]
    fn load(self, src: &[f32]) -> __m512 {
        let src = &src[..16];
        // SAFETY: sixteen floats were just sliced off.
        unsafe { _mm512_loadu_ps(src.as_ptr()) }
    }
    #[inline(always)]
    fn load_part(self, src: &[f32]) -> __m512 {
        // Half a vector does not wait for writes to what would be the other half.
        if src.len() <= 8 {
            // SAFETY: only as many lanes are read as `src` has elements.
            return unsafe {
                _mm512_zextps256_ps512(_mm256_maskz_loadu_ps(first(src.len()) as __mmask8, src.as_ptr()))
            };
        }
        // SAFETY: only as many lanes are read as `src` has elements.
        unsafe { _mm512_maskz_loadu_ps(first(src.len()), src.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, v: __m512, dst: &mut [f32]) {
        let dst = &mut dst[..16];
        // SAFETY: sixteen floats were just sliced off.
        unsafe { _mm512_storeu_ps(dst.as_mut_ptr(), v) }
    }
    #[inline(always)]
    fn store_part(self, v: __m512, dst: &mut [f32]) {
        if dst.len() <= 8 {
            // SAFETY: only as many lanes are written as `dst` has elements.
            return unsafe {
                _mm256_mask_storeu_ps(dst.as_mut_ptr(), first(dst.len()) as __mmask8, _mm512_castps512_ps256(v))
            };
        }
        // SAFETY: only as many lanes are written as `dst` has elements.
        unsafe { _mm512_mask_storeu_ps(dst.as_mut_ptr(), first(dst.len()), v) }
    }
    #[inline(always)]
    fn prefetch(self, src: *const f32) {
        // SAFETY: a prefetch never faults, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(src.cast()) }
    }
    #[inline(always)]
    unsafe fn load_ptr(self, src: *const f32) -> __m512 {
        // SAFETY: the caller vouches for sixteen floats.
        unsafe { _mm512_loadu_ps(src) }
    }
    #[inline(always)]
    unsafe fn store_ptr(self, v: __m512, dst: *mut f32) {
        // SAFETY: the caller vouches for sixteen floats.
        unsafe { _mm512_storeu_ps(dst, v) }
    }

    #[inline(always)]
    unsafe fn load_first(self, src: *const f32, n: usize) -> __m512 {
        // SAFETY: the caller vouches for so many floats.
        unsafe { _mm512_maskz_loadu_ps(first(n), src) }
    }
    #[inline(always)]
    unsafe fn store_first(self, v: __m512, dst: *mut f32, n: usize) {
        // SAFETY: the caller vouches for so many floats.
        unsafe { _mm512_mask_storeu_ps(dst, first(n), v) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        avx512!(_mm512_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        avx512!(_mm512_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        avx512!(_mm512_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        avx512!(_mm512_div_ps(a, b))
    }
    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        avx512!(_mm512_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn ldexp(self, a: __m512, n: __m512) -> __m512 {
        avx512!(_mm512_scalef_ps(a, n))
    }
    #[inline(always)]
    fn div_by_more(self, a: __m512, e: __m512) -> __m512 {
        // Fourteen bits, and as many of what is left: of `e` itself, so that rounding `1 + e` costs nothing.
        let near = avx512!(_mm512_rcp14_ps(_mm512_add_ps(self.splat(1.0), e)));
        let quotient = avx512!(_mm512_mul_ps(a, near));
        let left = avx512!(_mm512_sub_ps(_mm512_fnmadd_ps(quotient, e, a), quotient));
        // Where `a` or `e` is infinite, there is no telling what is left, and nothing is; adding a zero would cost one its sign.
        let some = avx512!(_mm512_cmp_ps_mask::<_CMP_NEQ_OQ>(left, _mm512_setzero_ps()));
        avx512!(_mm512_mask3_fmadd_ps(left, near, quotient, some))
    }
    #[inline(always)]
    fn div_by(self, a: __m512, divisor: f32) -> __m512 {
        // By the reciprocal, less what that is too much, but where the quotient is infinite.
        let (divisor, inverse) = (self.splat(divisor), self.splat(1.0 / divisor));
        let near = avx512!(_mm512_mul_ps(a, inverse));
        let excess = avx512!(_mm512_fmsub_ps(near, divisor, a));
        const INFINITE: i32 = 0x18;
        avx512!(_mm512_mask3_fnmadd_ps(excess, inverse, near, !_mm512_fpclass_ps_mask::<INFINITE>(near)))
    }
    #[inline(always)]
    fn scale_sixteenths(self, p: __m512, k: __m512, sixteenths: __m512i) -> Option<__m512> {
        // SAFETY: an array of sixteen floats; the token proves the instruction set.
        let step = unsafe { _mm512_permutexvar_ps(sixteenths, _mm512_loadu_ps(POWERS.as_ptr())) };
        // It rounds `k` down.
        Some(avx512!(_mm512_scalef_ps(_mm512_fmadd_ps(step, p, step), k)))
    }
    #[inline(always)]
    fn spread<const N: usize>(self, v: __m512, from: __m512i) -> __m512 {
        avx512!(_mm512_permutexvar_ps(from, v))
    }
    #[inline(always)]
    fn neg(self, a: __m512) -> __m512 {
        avx512!(_mm512_xor_ps(a, _mm512_set1_ps(-0.0)))
    }
    #[inline(always)]
    fn abs(self, a: __m512) -> __m512 {
        avx512!(_mm512_andnot_ps(_mm512_set1_ps(-0.0), a))
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        // The instruction gives b where either is NaN; lanes where a is are left as a.
        avx512!(_mm512_mask_min_ps(a, ordered(a), a, b))
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        avx512!(_mm512_mask_max_ps(a, ordered(a), a, b))
    }
    #[inline(always)]
    fn max_number(self, a: __m512, b: __m512) -> __m512 {
        avx512!(_mm512_max_ps(a, b))
    }
    #[inline(always)]
    fn bounded(self, a: __m512, low: __m512, high: __m512) -> __m512 {
        // The instructions give their second operand where either is NaN.
        avx512!(_mm512_min_ps(high, _mm512_max_ps(low, a)))
    }
    #[inline(always)]
    fn within(self, a: __m512, bound: f32) -> __m512 {
        /// The lesser magnitude with the first operand's sign.
        const MAGNITUDE: i32 = 0b0010;
        avx512!(_mm512_range_ps::<MAGNITUDE>(a, self.splat(bound)))
    }
    #[inline(always)]
    fn sqrt(self, a: __m512) -> __m512 {
        avx512!(_mm512_sqrt_ps(a))
    }
    #[inline(always)]
    fn floor(self, a: __m512) -> __m512 {
        avx512!(_mm512_roundscale_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(a))
    }
    #[inline(always)]
    fn ceil(self, a: __m512) -> __m512 {
        avx512!(_mm512_roundscale_ps::<{ _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC }>(a))
    }
    #[inline(always)]
    fn round(self, a: __m512) -> __m512 {
        avx512!(_mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
    }
    #[inline(always)]
    fn trunc(self, a: __m512) -> __m512 {
        avx512!(_mm512_roundscale_ps::<{ _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC }>(a))
    }

    #[inline(always)]
    fn eq(self, a: __m512, b: __m512) -> __mmask16 {
        avx512!(_mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b))
    }
    #[inline(always)]
    fn lt(self, a: __m512, b: __m512) -> __mmask16 {
        avx512!(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b))
    }
    #[inline(always)]
    fn le(self, a: __m512, b: __m512) -> __mmask16 {
        avx512!(_mm512_cmp_ps_mask::<_CMP_LE_OQ>(a, b))
    }
    #[inline(always)]
    fn and(self, m: __mmask16, n: __mmask16) -> __mmask16 {
        m & n
    }
    #[inline(always)]
    fn or(self, m: __mmask16, n: __mmask16) -> __mmask16 {
        m | n
    }
    #[inline(always)]
    fn not(self, m: __mmask16) -> __mmask16 {
        !m
    }
    #[inline(always)]
    fn any(self, m: __mmask16) -> bool {
        m != 0
    }
    #[inline(always)]
    fn select(self, m: __mmask16, a: __m512, b: __m512) -> __m512 {
        avx512!(_mm512_mask_blend_ps(m, b, a))
    }

    #[inline(always)]
    fn zero_below(self, x: __m512, low: __m512, v: __m512) -> __m512 {
        // One comparison whose mask the instruction that makes `v` can take; turning one round would be another.
        avx512!(_mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_NLT_UQ>(x, low), v))
    }
    #[inline(always)]
    fn to_bits(self, a: __m512) -> __m512i {
        avx512!(_mm512_castps_si512(a))
    }
    #[inline(always)]
    fn from_bits(self, a: __m512i) -> __m512 {
        avx512!(_mm512_castsi512_ps(a))
    }
    #[inline(always)]
    fn to_i32(self, a: __m512) -> __m512i {
        avx512!(_mm512_cvttps_epi32(a))
    }
    #[inline(always)]
    fn to_f32(self, a: __m512i) -> __m512 {
        avx512!(_mm512_cvtepi32_ps(a))
    }
    #[inline(always)]
    fn splat_i32(self, x: i32) -> __m512i {
        avx512!(_mm512_set1_epi32(x))
    }
    #[inline(always)]
    fn add_i32(self, a: __m512i, b: __m512i) -> __m512i {
        avx512!(_mm512_add_epi32(a, b))
    }
    #[inline(always)]
    fn sub_i32(self, a: __m512i, b: __m512i) -> __m512i {
        avx512!(_mm512_sub_epi32(a, b))
    }
    #[inline(always)]
    fn and_i32(self, a: __m512i, b: __m512i) -> __m512i {
        avx512!(_mm512_and_si512(a, b))
    }
    #[inline(always)]
    fn or_i32(self, a: __m512i, b: __m512i) -> __m512i {
        avx512!(_mm512_or_si512(a, b))
    }
    #[inline(always)]
    fn xor_i32(self, a: __m512i, b: __m512i) -> __m512i {
        avx512!(_mm512_xor_si512(a, b))
    }
    #[inline(always)]
    fn shl_i32<const N: u32>(self, a: __m512i) -> __m512i {
        avx512!(_mm512_slli_epi32::<N>(a))
    }
    #[inline(always)]
    fn shr_i32<const N: u32>(self, a: __m512i) -> __m512i {
        avx512!(_mm512_srai_epi32::<N>(a))
    }
    #[inline(always)]
    fn eq_i32(self, a: __m512i, b: __m512i) -> __mmask16 {
        avx512!(_mm512_cmpeq_epi32_mask(a, b))
    }

    #[inline(always)]
    fn sum(self, a: __m512) -> f32 {
        avx512!(_mm512_reduce_add_ps(a))
    }
    #[inline(always)]
    fn max_lane(self, a: __m512) -> f32 {
        if ordered(a) != !0 {
            return f32::NAN;
        }
        avx512!(_mm512_reduce_max_ps(a))
    }
    #[inline(always)]
    fn min_lane(self, a: __m512) -> f32 {
        if ordered(a) != !0 {
            return f32::NAN;
        }
        avx512!(_mm512_reduce_min_ps(a))
    }
}

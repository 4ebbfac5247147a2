//! Transposing a 4 x 4 tile in registers, with the shuffles every processor of an architecture has.
//!
//! `Simd` has no shuffles, and left to itself the compiler moves one element at a time, a quarter as fast.

use super::arena::Plain;

/// Side of the tile.
pub(super) const TILE: usize = 4;

/// `out[i * out_stride + j] = x[j * x_stride + i]` for `i` and `j` below [`TILE`].
///
/// # Safety
/// Those elements must be valid for writing and reading.
#[inline(always)]
pub(super) unsafe fn transpose_tile<T: Plain>(out: *mut T, out_stride: usize, x: *const T, x_stride: isize) {
    // SAFETY: the lines of the tile.
    unsafe { transpose_lines(out, out_stride, core::array::from_fn(|j| x.offset(j as isize * x_stride))) }
}

/// `out[i * out_stride + j] = lines[j][i]` for `i` and `j` below [`TILE`], in the order of `i`, so that rows may overlap.
///
/// # Safety
/// Those elements must be valid for writing and reading.
#[inline(always)]
pub(super) unsafe fn transpose_lines<T: Plain>(out: *mut T, out_stride: usize, lines: [*const T; TILE]) {
    if size_of::<T>() == 4 {
        // SAFETY: passed on; any bytes make a plain number, and `T` has as many as a `u32`.
        unsafe { transpose_words(out.cast(), out_stride, lines.map(|line| line.cast())) };
        return;
    }
    for i in 0..TILE {
        // SAFETY: row i of the output and column i of the input are inside the tile.
        unsafe {
            let line: [T; TILE] = lines.map(|line| *line.add(i));
            out.add(i * out_stride).cast::<[T; TILE]>().write_unaligned(line);
        }
    }
}

/// # Safety
/// As for [`transpose_tile`], but for alignment.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
#[inline(always)]
unsafe fn transpose_words(out: *mut u32, out_stride: usize, lines: [*const u32; TILE]) {
    use core::arch::x86_64::*;
    // SAFETY: rows of 4 words of the tile; the target has SSE2.
    unsafe {
        let [a, b, c, d] = lines.map(|line| _mm_loadu_si128(line.cast()));
        let (ab, cd) = (_mm_unpacklo_epi32(a, b), _mm_unpacklo_epi32(c, d));
        let (ef, gh) = (_mm_unpackhi_epi32(a, b), _mm_unpackhi_epi32(c, d));
        _mm_storeu_si128(out.cast(), _mm_unpacklo_epi64(ab, cd));
        _mm_storeu_si128(out.add(out_stride).cast(), _mm_unpackhi_epi64(ab, cd));
        _mm_storeu_si128(out.add(2 * out_stride).cast(), _mm_unpacklo_epi64(ef, gh));
        _mm_storeu_si128(out.add(3 * out_stride).cast(), _mm_unpackhi_epi64(ef, gh));
    }
}

/// # Safety
/// As for [`transpose_tile`], but for alignment.
#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
#[inline(always)]
unsafe fn transpose_words(out: *mut u32, out_stride: usize, lines: [*const u32; TILE]) {
    use core::arch::aarch64::*;
    // SAFETY: rows of 4 words of the tile; the target has NEON.
    unsafe {
        let [a, b, c, d] = lines.map(|line| vld1q_u32(line));
        let [ab, cd] = [vtrn1q_u32(a, b), vtrn1q_u32(c, d)].map(|v| vreinterpretq_u64_u32(v));
        let [ef, gh] = [vtrn2q_u32(a, b), vtrn2q_u32(c, d)].map(|v| vreinterpretq_u64_u32(v));
        vst1q_u32(out, vreinterpretq_u32_u64(vtrn1q_u64(ab, cd)));
        vst1q_u32(out.add(out_stride), vreinterpretq_u32_u64(vtrn1q_u64(ef, gh)));
        vst1q_u32(out.add(2 * out_stride), vreinterpretq_u32_u64(vtrn2q_u64(ab, cd)));
        vst1q_u32(out.add(3 * out_stride), vreinterpretq_u32_u64(vtrn2q_u64(ef, gh)));
    }
}

/// # Safety
/// As for [`transpose_tile`], but for alignment.
#[cfg(all(target_family = "wasm", target_feature = "simd128"))]
#[inline(always)]
unsafe fn transpose_words(out: *mut u32, out_stride: usize, lines: [*const u32; TILE]) {
    #[cfg(target_arch = "wasm32")]
    use core::arch::wasm32::*;
    #[cfg(target_arch = "wasm64")]
    use core::arch::wasm64::*;
    // SAFETY: rows of 4 words of the tile.
    let [a, b, c, d] = lines.map(|line| unsafe { v128_load(line.cast()) });
    let (ab, cd) = (u32x4_shuffle::<0, 4, 1, 5>(a, b), u32x4_shuffle::<0, 4, 1, 5>(c, d));
    let (ef, gh) = (u32x4_shuffle::<2, 6, 3, 7>(a, b), u32x4_shuffle::<2, 6, 3, 7>(c, d));
    // SAFETY: rows of 4 words of the tile.
    unsafe {
        v128_store(out.cast(), u64x2_shuffle::<0, 2>(ab, cd));
        v128_store(out.add(out_stride).cast(), u64x2_shuffle::<1, 3>(ab, cd));
        v128_store(out.add(2 * out_stride).cast(), u64x2_shuffle::<0, 2>(ef, gh));
        v128_store(out.add(3 * out_stride).cast(), u64x2_shuffle::<1, 3>(ef, gh));
    }
}

/// # Safety
/// As for [`transpose_tile`], but for alignment.
#[cfg(not(any(
    all(target_arch = "x86_64", target_feature = "sse2"),
    all(target_arch = "aarch64", target_feature = "neon"),
    all(target_family = "wasm", target_feature = "simd128"),
)))]
#[inline(always)]
unsafe fn transpose_words(out: *mut u32, out_stride: usize, lines: [*const u32; TILE]) {
    for i in 0..TILE {
        for (j, line) in lines.iter().enumerate() {
            // SAFETY: element (i, j) of the tile.
            unsafe { out.add(i * out_stride + j).write_unaligned(line.add(i).read_unaligned()) };
        }
    }
}

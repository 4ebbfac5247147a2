//! The token that needs no instruction set: four lanes in an array, which LLVM turns into whatever the target has.
//!
//! Plain Rust apart from the pointer accesses and, where the target has one, the square root instruction.

use super::simd::{Simd, Task};

/// No instruction set beyond the target's own.
#[derive(Clone, Copy, Debug)]
pub struct Scalar;

/// Four floats.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub struct F32x4([f32; 4]);

/// Four integers.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub struct I32x4([i32; 4]);

/// Four truth values, each all ones or all zeros.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub struct Mask4([u32; 4]);

impl Scalar {
    /// The token; every processor has what it needs.
    #[inline(always)]
    pub const fn new() -> Self {
        Scalar
    }
}

impl Default for Scalar {
    fn default() -> Self {
        Self::new()
    }
}

#[inline(always)]
fn each(a: F32x4, f: impl Fn(f32) -> f32) -> F32x4 {
    let [p, q, r, s] = a.0;
    F32x4([f(p), f(q), f(r), f(s)])
}

#[inline(always)]
fn both(a: F32x4, b: F32x4, f: impl Fn(f32, f32) -> f32) -> F32x4 {
    F32x4([f(a.0[0], b.0[0]), f(a.0[1], b.0[1]), f(a.0[2], b.0[2]), f(a.0[3], b.0[3])])
}

#[inline(always)]
fn test(a: F32x4, b: F32x4, f: impl Fn(f32, f32) -> bool) -> Mask4 {
    let mask = |p, q| if f(p, q) { !0 } else { 0 };
    Mask4([mask(a.0[0], b.0[0]), mask(a.0[1], b.0[1]), mask(a.0[2], b.0[2]), mask(a.0[3], b.0[3])])
}

#[inline(always)]
fn each_i32(a: I32x4, f: impl Fn(i32) -> i32) -> I32x4 {
    let [p, q, r, s] = a.0;
    I32x4([f(p), f(q), f(r), f(s)])
}

#[inline(always)]
fn both_i32(a: I32x4, b: I32x4, f: impl Fn(i32, i32) -> i32) -> I32x4 {
    I32x4([f(a.0[0], b.0[0]), f(a.0[1], b.0[1]), f(a.0[2], b.0[2]), f(a.0[3], b.0[3])])
}

#[inline(always)]
fn both_mask(a: Mask4, b: Mask4, f: impl Fn(u32, u32) -> u32) -> Mask4 {
    Mask4([f(a.0[0], b.0[0]), f(a.0[1], b.0[1]), f(a.0[2], b.0[2]), f(a.0[3], b.0[3])])
}

/// 2^23: floats from here on are integers, and adding it to a smaller one rounds that to an integer.
const INTEGERS: f32 = 8_388_608.0;

/// The integer nearest to `x`, ties to even, keeping the sign of a zero.
#[inline(always)]
pub fn round_f32(x: f32) -> f32 {
    let size = x.abs();
    let near = (size + INTEGERS) - INTEGERS;
    if size < INTEGERS { near.copysign(x) } else { x }
}

/// The greatest integer not above `x`.
#[inline(always)]
pub fn floor_f32(x: f32) -> f32 {
    let near = round_f32(x);
    if near > x { near - 1.0 } else { near }
}

/// The least integer not below `x`.
#[inline(always)]
pub fn ceil_f32(x: f32) -> f32 {
    let near = round_f32(x);
    if near < x { (near + 1.0).copysign(x) } else { near }
}

/// `x` without its fraction.
#[inline(always)]
pub fn trunc_f32(x: f32) -> f32 {
    let near = round_f32(x);
    if near.abs() > x.abs() { (near.abs() - 1.0).copysign(x) } else { near }
}

/// The correctly rounded square root, by the target's instruction where stable Rust reaches one.
#[inline(always)]
pub fn sqrt_f32(x: f32) -> f32 {
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
    {
        use core::arch::x86_64::{_mm_cvtss_f32, _mm_set_ss, _mm_sqrt_ss};
        // SAFETY: the target has SSE2.
        #[allow(unused_unsafe)]
        return unsafe { _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x))) };
    }
    #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
    {
        use core::arch::aarch64::{vdup_n_f32, vget_lane_f32, vsqrt_f32};
        // SAFETY: the target has NEON.
        #[allow(unused_unsafe)]
        return unsafe { vget_lane_f32::<0>(vsqrt_f32(vdup_n_f32(x))) };
    }
    #[cfg(all(target_arch = "arm", target_abi = "eabihf"))]
    {
        let root: u32;
        // Through core registers, since rustc does not know that every such target has the others.
        // SAFETY: the hard-float ABI means a floating-point unit, which has the instruction; only `root` and s0 change.
        unsafe {
            core::arch::asm!(
                "vmov s0, {x}",
                "vsqrt.f32 s0, s0",
                "vmov {root}, s0",
                x = in(reg) x.to_bits(),
                root = lateout(reg) root,
                out("s0") _,
                options(pure, nomem, nostack),
            );
        }
        return f32::from_bits(root);
    }
    #[cfg(not(any(
        all(target_arch = "x86_64", target_feature = "sse2"),
        all(target_arch = "aarch64", target_feature = "neon"),
        all(target_arch = "arm", target_abi = "eabihf"),
    )))]
    sqrt_by_integers(x)
}

/// The correctly rounded square root from an integer one: 25 bits of root, the last of them for rounding, and whether any are left.
pub fn sqrt_by_integers(x: f32) -> f32 {
    if x.is_nan() || x == 0.0 || x == f32::INFINITY {
        return x;
    }
    if x < 0.0 {
        return f32::NAN;
    }
    let bits = x.to_bits();
    let (mut mantissa, mut exponent) = (u64::from(bits & 0x7f_ffff), (bits >> 23) as i32);
    if exponent == 0 {
        // A denormal: bring the leading bit to where the others have it.
        let shift = mantissa.leading_zeros() as i32 - 40;
        mantissa <<= shift;
        exponent = 1 - shift;
    } else {
        mantissa |= 0x80_0000;
    }
    // x = mantissa * 2^(exponent - 150) = square * 2^power, with the power even for the root to halve.
    let shift = 26 + ((exponent - 150) & 1) as u32;
    let (square, power) = (mantissa << shift, exponent - 150 - shift as i32);
    let root = square.isqrt();
    let left = root * root != square;
    // root has 25 or 26 bits; the result keeps 24.
    let spare = 40 - root.leading_zeros();
    let half = 1u64 << (spare - 1);
    let (kept, rest) = (root >> spare, root & ((1 << spare) - 1));
    let up = rest > half || (rest == half && (left || kept & 1 == 1));
    let kept = kept + u64::from(up);
    let exponent = power / 2 + spare as i32 + 150;
    f32::from_bits(((exponent as u32) << 23).wrapping_add((kept as u32).wrapping_sub(0x80_0000)))
}

/// Does `task`, in a function of its own.
#[inline(never)]
fn inside<T: Task>(s: Scalar, task: T) -> T::Out {
    task.run(s)
}

impl Simd for Scalar {
    const NAME: &'static str = "scalar";
    const LANES: usize = 4;
    const TILE_ROWS: [usize; 4] = [3, 0, 0, 0];

    type F32 = F32x4;
    type I32 = I32x4;
    type Mask = Mask4;

    #[inline(always)]
    fn enter<T: Task>(self, task: T) -> T::Out {
        inside(self, task)
    }

    #[inline(always)]
    fn splat(self, x: f32) -> F32x4 {
        F32x4([x; 4])
    }
    #[inline(always)]
    fn load(self, src: &[f32]) -> F32x4 {
        let src = &src[..4];
        F32x4([src[0], src[1], src[2], src[3]])
    }
    #[inline(always)]
    fn load_part(self, src: &[f32]) -> F32x4 {
        let at = |i: usize| src.get(i).copied().unwrap_or(0.0);
        F32x4([at(0), at(1), at(2), at(3)])
    }
    #[inline(always)]
    fn store(self, v: F32x4, dst: &mut [f32]) {
        dst[..4].copy_from_slice(&v.0);
    }
    #[inline(always)]
    fn store_part(self, v: F32x4, dst: &mut [f32]) {
        for (dst, v) in dst.iter_mut().zip(v.0) {
            *dst = v;
        }
    }
    #[inline(always)]
    unsafe fn load_ptr(self, src: *const f32) -> F32x4 {
        // SAFETY: the caller vouches for four floats; arrays of them need no more alignment than one.
        F32x4(unsafe { src.cast::<[f32; 4]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store_ptr(self, v: F32x4, dst: *mut f32) {
        // SAFETY: as in `load_ptr`.
        unsafe { dst.cast::<[f32; 4]>().write_unaligned(v.0) }
    }

    #[inline(always)]
    fn add(self, a: F32x4, b: F32x4) -> F32x4 {
        both(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: F32x4, b: F32x4) -> F32x4 {
        both(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: F32x4, b: F32x4) -> F32x4 {
        both(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: F32x4, b: F32x4) -> F32x4 {
        both(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn fma(self, a: F32x4, b: F32x4, c: F32x4) -> F32x4 {
        self.add(self.mul(a, b), c)
    }
    #[inline(always)]
    fn fused(self, a: F32x4, b: F32x4, c: F32x4) -> F32x4 {
        let f = |i: usize| (f64::from(a.0[i]) * f64::from(b.0[i]) + f64::from(c.0[i])) as f32;
        F32x4([f(0), f(1), f(2), f(3)])
    }
    #[inline(always)]
    fn neg(self, a: F32x4) -> F32x4 {
        each(a, |a| -a)
    }
    #[inline(always)]
    fn abs(self, a: F32x4) -> F32x4 {
        each(a, f32::abs)
    }
    #[inline(always)]
    fn min(self, a: F32x4, b: F32x4) -> F32x4 {
        // The comparison is false where b is NaN, which is then what is taken.
        both(a, b, |a, b| if a.is_nan() || a < b { a } else { b })
    }
    #[inline(always)]
    fn max(self, a: F32x4, b: F32x4) -> F32x4 {
        both(a, b, |a, b| if a.is_nan() || a > b { a } else { b })
    }
    #[inline(always)]
    fn sqrt(self, a: F32x4) -> F32x4 {
        each(a, sqrt_f32)
    }
    #[inline(always)]
    fn floor(self, a: F32x4) -> F32x4 {
        each(a, floor_f32)
    }
    #[inline(always)]
    fn ceil(self, a: F32x4) -> F32x4 {
        each(a, ceil_f32)
    }
    #[inline(always)]
    fn round(self, a: F32x4) -> F32x4 {
        each(a, round_f32)
    }
    #[inline(always)]
    fn trunc(self, a: F32x4) -> F32x4 {
        each(a, trunc_f32)
    }

    #[inline(always)]
    fn eq(self, a: F32x4, b: F32x4) -> Mask4 {
        test(a, b, |a, b| a == b)
    }
    #[inline(always)]
    fn lt(self, a: F32x4, b: F32x4) -> Mask4 {
        test(a, b, |a, b| a < b)
    }
    #[inline(always)]
    fn le(self, a: F32x4, b: F32x4) -> Mask4 {
        test(a, b, |a, b| a <= b)
    }
    #[inline(always)]
    fn and(self, m: Mask4, n: Mask4) -> Mask4 {
        both_mask(m, n, |m, n| m & n)
    }
    #[inline(always)]
    fn or(self, m: Mask4, n: Mask4) -> Mask4 {
        both_mask(m, n, |m, n| m | n)
    }
    #[inline(always)]
    fn not(self, m: Mask4) -> Mask4 {
        both_mask(m, m, |m, _| !m)
    }
    #[inline(always)]
    fn any(self, m: Mask4) -> bool {
        m.0[0] | m.0[1] | m.0[2] | m.0[3] != 0
    }
    #[inline(always)]
    fn select(self, m: Mask4, a: F32x4, b: F32x4) -> F32x4 {
        let pick = |i: usize| f32::from_bits((a.0[i].to_bits() & m.0[i]) | (b.0[i].to_bits() & !m.0[i]));
        F32x4([pick(0), pick(1), pick(2), pick(3)])
    }

    #[inline(always)]
    fn to_bits(self, a: F32x4) -> I32x4 {
        I32x4([a.0[0].to_bits() as i32, a.0[1].to_bits() as i32, a.0[2].to_bits() as i32, a.0[3].to_bits() as i32])
    }
    #[inline(always)]
    fn from_bits(self, a: I32x4) -> F32x4 {
        let f = |a: i32| f32::from_bits(a as u32);
        F32x4([f(a.0[0]), f(a.0[1]), f(a.0[2]), f(a.0[3])])
    }
    #[inline(always)]
    fn to_i32(self, a: F32x4) -> I32x4 {
        // Rust's own conversion saturates, for which SSE has nothing.
        #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
        {
            use core::arch::x86_64::{_mm_cvttps_epi32, _mm_loadu_ps, _mm_storeu_si128};
            let mut lanes = [0; 4];
            // SAFETY: the target has SSE2, and both arrays have four elements.
            #[allow(unused_unsafe)]
            unsafe {
                _mm_storeu_si128((&raw mut lanes).cast(), _mm_cvttps_epi32(_mm_loadu_ps(a.0.as_ptr())));
            }
            I32x4(lanes)
        }
        #[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
        I32x4([a.0[0] as i32, a.0[1] as i32, a.0[2] as i32, a.0[3] as i32])
    }
    #[inline(always)]
    fn to_f32(self, a: I32x4) -> F32x4 {
        F32x4([a.0[0] as f32, a.0[1] as f32, a.0[2] as f32, a.0[3] as f32])
    }
    #[inline(always)]
    fn splat_i32(self, x: i32) -> I32x4 {
        I32x4([x; 4])
    }
    #[inline(always)]
    fn add_i32(self, a: I32x4, b: I32x4) -> I32x4 {
        both_i32(a, b, i32::wrapping_add)
    }
    #[inline(always)]
    fn sub_i32(self, a: I32x4, b: I32x4) -> I32x4 {
        both_i32(a, b, i32::wrapping_sub)
    }
    #[inline(always)]
    fn and_i32(self, a: I32x4, b: I32x4) -> I32x4 {
        both_i32(a, b, |a, b| a & b)
    }
    #[inline(always)]
    fn or_i32(self, a: I32x4, b: I32x4) -> I32x4 {
        both_i32(a, b, |a, b| a | b)
    }
    #[inline(always)]
    fn xor_i32(self, a: I32x4, b: I32x4) -> I32x4 {
        both_i32(a, b, |a, b| a ^ b)
    }
    #[inline(always)]
    fn shl_i32<const N: u32>(self, a: I32x4) -> I32x4 {
        each_i32(a, |a| a << N)
    }
    #[inline(always)]
    fn shr_i32<const N: u32>(self, a: I32x4) -> I32x4 {
        each_i32(a, |a| a >> N)
    }
    #[inline(always)]
    fn eq_i32(self, a: I32x4, b: I32x4) -> Mask4 {
        let mask = |i: usize| if a.0[i] == b.0[i] { !0 } else { 0 };
        Mask4([mask(0), mask(1), mask(2), mask(3)])
    }

    #[inline(always)]
    fn sum(self, a: F32x4) -> f32 {
        (a.0[0] + a.0[2]) + (a.0[1] + a.0[3])
    }
    #[inline(always)]
    fn max_lane(self, a: F32x4) -> f32 {
        let swapped = F32x4([a.0[2], a.0[3], a.0[0], a.0[1]]);
        let [p, q, ..] = self.max(a, swapped).0;
        self.max(self.splat(p), self.splat(q)).0[0]
    }
    #[inline(always)]
    fn min_lane(self, a: F32x4) -> f32 {
        self.neg(self.splat(self.max_lane(self.neg(a)))).0[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_as_std_does() {
        let step = if cfg!(miri) { 999_983 } else { 257 };
        for bits in (0..=u32::MAX).step_by(step) {
            let x = f32::from_bits(bits);
            for (got, want) in [
                (round_f32(x), x.round_ties_even()),
                (floor_f32(x), x.floor()),
                (ceil_f32(x), x.ceil()),
                (trunc_f32(x), x.trunc()),
                (sqrt_f32(x), x.sqrt()),
                (sqrt_by_integers(x), x.sqrt()),
            ] {
                assert!(
                    got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan()),
                    "{x:e}: {got:e} and not {want:e}"
                );
            }
        }
    }
}

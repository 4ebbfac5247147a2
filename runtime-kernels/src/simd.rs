//! The `Simd` vocabulary: a token whose existence proves the instruction set, and the operations every kernel is written in.
//!
//! A kernel is a [`Task`]: a struct of operands whose `run` is generic over the token. [`Simd::enter`] calls it inside one
//! function compiled for the token's instruction set and never inlined into its caller, so each (task, instruction set)
//! pair is compiled once however many steps use it. Everything a task calls is `#[inline(always)]`, up to that border.
//!
//! Nothing here may allocate, and no method may be called on a token of an instruction set the processor lacks: tokens
//! are made only by the checked or `unsafe` constructors of the `simd_*` files.

/// Lanes of the widest vector there is: four of the widest instruction set's at once.
pub const MOST_LANES: usize = 64;

/// Work that runs on whichever instruction set its caller has proved present.
pub trait Task {
    /// What the work gives back.
    type Out;
    /// Does the work; implementations are `#[inline(always)]`.
    fn run<S: Simd>(self, s: S) -> Self::Out;
}

/// The operations of one instruction set on vectors of `LANES` 32-bit lanes.
///
/// Comparisons are false where a lane is NaN, except `ne`. `min` and `max` return NaN where either lane is NaN.
/// `fma` rounds once where the instruction set has a fused form and twice where it has none.
// `from_bits` is named after the one of `f32`; a token is not what it converts.
#[allow(clippy::wrong_self_convention)]
pub trait Simd: Copy + 'static {
    /// Name used in reports and instance names: `scalar`, `avx2`, `avx512`, `neon`, `wasm128`.
    const NAME: &'static str;
    /// 32-bit lanes in a vector; divides 16, the width of a weight panel, but where four vectors are one.
    const LANES: usize;
    /// Rows of the matmul tiles over one to four panels of 16 columns that stay in registers, at most 14; 0 where there is no
    /// tile of so many panels.
    const TILE_ROWS: [usize; 4];
    /// Rows of the tiles over half a panel that stay in registers, at most; 0 where there are no such tiles.
    const HALF_ROWS: usize = 0;
    /// Rows of the tiles over two panels that stay in registers, at most, where only those over one are of use for many rows: few rows
    /// by one panel are too few sums to be always adding. 0 where there are no such tiles.
    const PAIR_ROWS: usize = 0;

    /// Rows of the tiles over two panels that are worth packing A for; 0 where none are.
    const PACKED_ROWS: usize = 0;

    /// Strips of a product up to which its next panels are brought to the second-level cache alone: so few ask for so many lines at once
    /// that, on their way to the first, these leave no room for what the tile itself misses there. (Measured.)
    const FAR_STRIPS: usize = 0;

    /// Vector registers.
    const REGISTERS: usize = 16;

    /// Whether `fma_lane` costs no more than `fma`.
    const LANE_PRODUCTS: bool = false;

    /// Whether `load_first` and `store_first` leave lanes out, which costs them no more than all would.
    const CHEAP_PARTS: bool = false;

    /// `LANES` floats.
    type F32: Copy;
    /// `LANES` 32-bit signed integers.
    type I32: Copy;
    /// `LANES` truth values.
    type Mask: Copy;

    /// Runs `task` inside a function compiled for this instruction set.
    fn enter<T: Task>(self, task: T) -> T::Out;

    /// Adds the products of four elements of k, one after another, to `ROWS` rows by two vectors: those of the rows, packed at `a`, by as many
    /// rows of the panels at `b` and `b + panel_stride`, which are as wide as a vector. `ROWS` is [`PACKED_ROWS`](Self::PACKED_ROWS).
    ///
    /// # Safety
    /// `a` must be readable over `4 * ROWS` floats, and `b` over four vectors in each panel.
    #[inline(always)]
    unsafe fn packed_four<const ROWS: usize>(
        self,
        acc: &mut [[Self::F32; 8]; ROWS],
        a: *const f32,
        b: *const f32,
        panel_stride: usize,
    ) {
        for i in 0..4 {
            for (r, acc) in acc.iter_mut().enumerate() {
                for (c, acc) in acc.iter_mut().enumerate().take(2) {
                    // SAFETY: element `i` of row `r`, and row `i` of a panel.
                    let (x, b) =
                        unsafe { (*a.add(4 * r + i), self.load_ptr(b.add(c * panel_stride + i * Self::LANES))) };
                    *acc = self.fma(self.splat(x), b, *acc);
                }
            }
        }
    }

    /// Every lane `x`.
    fn splat(self, x: f32) -> Self::F32;
    /// The first `LANES` elements of `src`; panics if there are fewer.
    fn load(self, src: &[f32]) -> Self::F32;
    /// `src`, at most `LANES` elements, and zero in the remaining lanes.
    fn load_part(self, src: &[f32]) -> Self::F32;
    /// Writes all lanes to the first `LANES` elements of `dst`; panics if there are fewer.
    fn store(self, v: Self::F32, dst: &mut [f32]);
    /// Writes the first `dst.len()` lanes, at most `LANES`.
    fn store_part(self, v: Self::F32, dst: &mut [f32]);
    /// # Safety
    /// `src` must be valid for reading `LANES` floats; no alignment is needed.
    unsafe fn load_ptr(self, src: *const f32) -> Self::F32;
    /// # Safety
    /// `dst` must be valid for writing `LANES` floats; no alignment is needed.
    unsafe fn store_ptr(self, v: Self::F32, dst: *mut f32);

    /// The first `n` lanes, at most `LANES`, where parts are cheap; all elsewhere.
    ///
    /// # Safety
    /// As [`Simd::load_ptr`], but for lanes left out.
    #[inline(always)]
    unsafe fn load_first(self, src: *const f32, n: usize) -> Self::F32 {
        let _ = n;
        // SAFETY: as the caller vouches for.
        unsafe { self.load_ptr(src) }
    }
    /// Stores the first `n` lanes, at most `LANES`, where parts are cheap; all elsewhere.
    ///
    /// # Safety
    /// As [`Simd::store_ptr`], but for lanes left out.
    #[inline(always)]
    unsafe fn store_first(self, v: Self::F32, dst: *mut f32, n: usize) {
        let _ = n;
        // SAFETY: as the caller vouches for.
        unsafe { self.store_ptr(v, dst) }
    }

    /// Asks for the cache line at `src` to be brought near; any address may be given, and nothing happens where there is no
    /// such instruction.
    #[inline(always)]
    fn prefetch(self, src: *const f32) {
        let _ = src;
    }

    /// The same, no nearer than to the second-level cache; for where [`FAR_STRIPS`](Self::FAR_STRIPS) is not 0.
    #[inline(always)]
    fn prefetch_far(self, src: *const f32) {
        let _ = src;
    }

    /// `a + b`
    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a - b`
    fn sub(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a * b`
    fn mul(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a / b`
    fn div(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a / (1 + e)` or as good as, for an `e` that is not negative; zero for an infinite one.
    #[inline(always)]
    fn div_by_more(self, a: Self::F32, e: Self::F32) -> Self::F32 {
        self.div(a, self.add(self.splat(1.0), e))
    }
    /// `a / divisor` or the float next to it, for a divisor from 2^-60 to 2^60; cheaper than `div` where the divisor is a
    /// constant and divisions are slow.
    #[inline(always)]
    fn div_by(self, a: Self::F32, divisor: f32) -> Self::F32 {
        self.div(a, self.splat(divisor))
    }
    /// `a * b + c`
    fn fma(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;
    /// `a * b + c` with lane `LANE` of `a`, one of the first four, in place of all.
    #[inline(always)]
    fn fma_lane<const LANE: i32>(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32 {
        let mut lanes = [0.0; MOST_LANES];
        self.store(a, &mut lanes);
        self.fma(self.splat(lanes[LANE as usize]), b, c)
    }
    /// `a * b + c` rounded once (or as good as, through double precision), whatever it costs.
    #[inline(always)]
    fn fused(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32 {
        self.fma(a, b, c)
    }
    /// `a * 2^n` for a whole `n` between -252 and 252.
    #[inline(always)]
    fn ldexp(self, a: Self::F32, n: Self::F32) -> Self::F32 {
        // In two steps, since 2^n itself may be out of range.
        let n = self.to_i32(n);
        let half = self.shr_i32::<1>(n);
        let (first, second) =
            (self.add_i32(half, self.splat_i32(127)), self.add_i32(self.sub_i32(n, half), self.splat_i32(127)));
        let a = self.mul(a, self.from_bits(self.shl_i32::<23>(first)));
        self.mul(a, self.from_bits(self.shl_i32::<23>(second)))
    }
    /// `(1 + p) 2^k` for a `k` between -252 and 252 in whole sixteenths, of which the lower four bits of `sixteenths` say
    /// how many exceed the integer below; nothing where sixteen floats cannot be looked up in a register.
    #[inline(always)]
    fn scale_sixteenths(self, p: Self::F32, k: Self::F32, sixteenths: Self::I32) -> Option<Self::F32> {
        let _ = (p, k, sixteenths);
        None
    }
    /// `2^k` for a `k` in whole eighths, which the lower twelve bits of `eighths` count: from -126 to 127 7/8, zero for -127 and
    /// infinite for 128; nothing where eight floats cannot be looked up in a register.
    #[inline(always)]
    fn power_of_eighths(self, eighths: Self::I32) -> Option<Self::F32> {
        let _ = eighths;
        None
    }
    /// For each lane the number of the first lane of its group of `N`.
    #[inline(always)]
    fn firsts<const N: usize>(self) -> Self::I32 {
        let mut first = [0.0; MOST_LANES];
        for (i, first) in first.iter_mut().enumerate() {
            *first = (i / N * N) as f32;
        }
        self.to_i32(self.load(&first))
    }
    /// For each lane the one of `v` that `from` numbers, which is of the same group of `N` lanes.
    #[inline(always)]
    fn spread<const N: usize>(self, v: Self::F32, from: Self::I32) -> Self::F32 {
        let (mut lanes, mut at) = ([0.0; MOST_LANES], [0.0; MOST_LANES]);
        self.store(v, &mut lanes);
        self.store(self.to_f32(from), &mut at);
        for at in &mut at {
            *at = lanes[*at as usize % MOST_LANES];
        }
        self.load(&at)
    }
    /// `|a|` with the sign of `sign`.
    #[inline(always)]
    fn copysign(self, a: Self::F32, sign: Self::F32) -> Self::F32 {
        let size = self.and_i32(self.to_bits(a), self.splat_i32(i32::MAX));
        self.from_bits(self.or_i32(size, self.and_i32(self.to_bits(sign), self.splat_i32(i32::MIN))))
    }
    /// `-a`
    fn neg(self, a: Self::F32) -> Self::F32;
    /// `|a|`
    fn abs(self, a: Self::F32) -> Self::F32;
    /// The lesser, NaN where either is NaN; cheaper on x86-64 with a constant first.
    fn min(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// The greater, NaN where either is NaN; cheaper on x86-64 with a constant first.
    fn max(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// The greater of two numbers; either of them where one is NaN.
    #[inline(always)]
    fn max_number(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        self.max(a, b)
    }
    /// `a` between two bounds that are no NaN; NaN where `a` is.
    #[inline(always)]
    fn bounded(self, a: Self::F32, low: Self::F32, high: Self::F32) -> Self::F32 {
        self.min(high, self.max(low, a))
    }
    /// `a` between `-bound` and `bound`; NaN or any number between them where `a` is NaN, whichever is cheaper.
    #[inline(always)]
    fn within(self, a: Self::F32, bound: f32) -> Self::F32 {
        self.bounded(a, self.splat(-bound), self.splat(bound))
    }
    /// Correctly rounded square root.
    fn sqrt(self, a: Self::F32) -> Self::F32;
    /// Greatest integer not above.
    fn floor(self, a: Self::F32) -> Self::F32;
    /// Least integer not below.
    fn ceil(self, a: Self::F32) -> Self::F32;
    /// Nearest integer, ties to even.
    fn round(self, a: Self::F32) -> Self::F32;
    /// Integer part.
    fn trunc(self, a: Self::F32) -> Self::F32;

    /// `a == b`
    fn eq(self, a: Self::F32, b: Self::F32) -> Self::Mask;
    /// `a < b`
    fn lt(self, a: Self::F32, b: Self::F32) -> Self::Mask;
    /// `a <= b`
    fn le(self, a: Self::F32, b: Self::F32) -> Self::Mask;
    /// `m && n`
    fn and(self, m: Self::Mask, n: Self::Mask) -> Self::Mask;
    /// `m || n`
    fn or(self, m: Self::Mask, n: Self::Mask) -> Self::Mask;
    /// `!m`
    fn not(self, m: Self::Mask) -> Self::Mask;
    /// True if any lane is.
    fn any(self, m: Self::Mask) -> bool;
    /// `if m { a } else { b }`
    fn select(self, m: Self::Mask, a: Self::F32, b: Self::F32) -> Self::F32;

    /// `v`, but 0 where `x < low`.
    #[inline(always)]
    fn zero_below(self, x: Self::F32, low: Self::F32, v: Self::F32) -> Self::F32 {
        self.select(self.lt(x, low), self.splat(0.0), v)
    }

    /// The bits of `a` as integers.
    fn to_bits(self, a: Self::F32) -> Self::I32;
    /// The floats whose bits are `a`.
    fn from_bits(self, a: Self::I32) -> Self::F32;
    /// Truncation towards zero; unspecified outside the range of `i32`.
    fn to_i32(self, a: Self::F32) -> Self::I32;
    /// Nearest float, ties to even.
    fn to_f32(self, a: Self::I32) -> Self::F32;
    /// Every lane `x`.
    fn splat_i32(self, x: i32) -> Self::I32;
    /// Wrapping `a + b`
    fn add_i32(self, a: Self::I32, b: Self::I32) -> Self::I32;
    /// Wrapping `a - b`
    fn sub_i32(self, a: Self::I32, b: Self::I32) -> Self::I32;
    /// Bitwise `a & b`
    fn and_i32(self, a: Self::I32, b: Self::I32) -> Self::I32;
    /// Bitwise `a | b`
    fn or_i32(self, a: Self::I32, b: Self::I32) -> Self::I32;
    /// Bitwise `a ^ b`
    fn xor_i32(self, a: Self::I32, b: Self::I32) -> Self::I32;
    /// `a << N`
    fn shl_i32<const N: u32>(self, a: Self::I32) -> Self::I32;
    /// Arithmetic `a >> N`
    fn shr_i32<const N: u32>(self, a: Self::I32) -> Self::I32;
    /// `a == b`
    fn eq_i32(self, a: Self::I32, b: Self::I32) -> Self::Mask;

    /// Sum of the lanes, pairwise.
    fn sum(self, a: Self::F32) -> f32;
    /// Greatest lane, NaN if any is NaN.
    fn max_lane(self, a: Self::F32) -> f32;
    /// Least lane, NaN if any is NaN.
    fn min_lane(self, a: Self::F32) -> f32;
}

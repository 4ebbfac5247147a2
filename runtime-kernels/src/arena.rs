//! The memory of a model: one aligned block of bytes, lent out in typed parts that provably do not alias.
//!
//! Generated code names parts by byte offset. With offsets known when it is compiled, every check here folds away; in a build that
//! does not optimise they would stand in every step, so there they stay functions.
//! Everything unsafe about sharing one block between operands is on this page, and none of it in generated code.

use core::marker::PhantomData;
use core::{mem, slice};

/// Alignment of an arena, of its largest possible operand, and of a weight blob, in bytes.
pub const ALIGN: usize = 64;

/// Memory for an arena of a size known at build time, fit for a `static` or the stack.
#[repr(C, align(64))]
pub struct Storage<const BYTES: usize>([u8; BYTES]);

impl<const BYTES: usize> Storage<BYTES> {
    /// Zeros.
    pub const fn new() -> Self {
        Self([0; BYTES])
    }

    /// All of the storage.
    #[inline(always)]
    pub const fn arena(&mut self) -> Arena<'_> {
        Arena { bytes: &mut self.0 }
    }
}

impl<const BYTES: usize> Default for Storage<BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

/// 64 aligned bytes: the element of a `Vec` that holds an arena on the heap.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
pub struct Block(pub [u8; 64]);

impl Block {
    /// Zeros.
    pub const ZERO: Self = Self([0; 64]);

    /// Number of blocks that hold `bytes` bytes.
    pub const fn count(bytes: usize) -> usize {
        bytes.div_ceil(64)
    }

    /// The blocks as bytes.
    #[inline(always)]
    pub const fn bytes(blocks: &[Self]) -> &[u8] {
        // SAFETY: a block is 64 bytes without padding, so `blocks` covers `size_of_val` initialised bytes.
        unsafe { slice::from_raw_parts(blocks.as_ptr().cast(), mem::size_of_val(blocks)) }
    }

    /// The blocks as bytes.
    #[inline(always)]
    pub const fn bytes_mut(blocks: &mut [Self]) -> &mut [u8] {
        // SAFETY: as in `bytes`; any bytes make a valid block, and the borrow is passed on.
        unsafe { slice::from_raw_parts_mut(blocks.as_mut_ptr().cast(), mem::size_of_val(blocks)) }
    }
}

/// The bytes all of a model's intermediate values live in.
pub struct Arena<'a> {
    /// Starts at a multiple of [`ALIGN`]: every constructor sees to it.
    bytes: &'a mut [u8],
}

impl<'a> Arena<'a> {
    /// An arena over `bytes`, which must start at a multiple of 64.
    #[inline(always)]
    pub fn new(bytes: &'a mut [u8]) -> Self {
        assert!(bytes.as_ptr().addr().is_multiple_of(ALIGN), "an arena must be aligned to 64 bytes");
        Self { bytes }
    }

    /// An arena over `blocks`.
    #[inline(always)]
    pub const fn from_blocks(blocks: &'a mut [Block]) -> Self {
        Self { bytes: Block::bytes_mut(blocks) }
    }

    /// Size in bytes.
    #[inline(always)]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it has no bytes.
    #[inline(always)]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The parts `spans` name, usable together.
    ///
    /// Panics unless all lie inside the arena and each written one is apart from every other; empty ones never conflict.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn parts<const N: usize>(&mut self, spans: [Span; N]) -> [Part<'_>; N] {
        Arena { bytes: &mut *self.bytes }.into_parts(spans)
    }

    /// The parts `spans` name, usable together for as long as the arena's memory; see [`Arena::parts`].
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn into_parts<const N: usize>(self, spans: [Span; N]) -> [Part<'a>; N] {
        let len = self.bytes.len();
        let mut i = 0;
        while i < N {
            let a = spans[i];
            assert!(a.offset <= len && a.bytes <= len - a.offset, "a part must lie inside the arena");
            let mut j = 0;
            while j < i {
                let b = spans[j];
                assert!(!(a.write || b.write) || a.is_apart(b), "a written part must not overlap another");
                j += 1;
            }
            i += 1;
        }
        let base = self.bytes.as_mut_ptr();
        spans.map(|span| Part {
            // SAFETY: `offset <= len`, so the result is inside the arena or one past its end.
            start: unsafe { base.add(span.offset) },
            span,
            arena: PhantomData,
        })
    }
}

/// Which bytes of an arena an operand has, and whether it writes them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    offset: usize,
    bytes: usize,
    write: bool,
}

impl Span {
    /// `bytes` bytes at `offset`, read only.
    #[inline(always)]
    pub const fn read(offset: usize, bytes: usize) -> Self {
        Self { offset, bytes, write: false }
    }

    /// `bytes` bytes at `offset`, read and written.
    #[inline(always)]
    pub const fn write(offset: usize, bytes: usize) -> Self {
        Self { offset, bytes, write: true }
    }

    /// Whether no byte is in both; both must lie inside an arena, so that no end overflows.
    #[cfg_attr(not(debug_assertions), inline(always))]
    const fn is_apart(self, other: Self) -> bool {
        self.bytes == 0
            || other.bytes == 0
            || self.offset + self.bytes <= other.offset
            || other.offset + other.bytes <= self.offset
    }
}

/// Bytes of an arena, to be taken as one slice.
pub struct Part<'a> {
    /// The bytes of `span` in an arena that starts at a multiple of [`ALIGN`] and is borrowed for `'a`; apart from all
    /// other parts if `span.write`, otherwise apart from all written ones.
    start: *mut u8,
    span: Span,
    arena: PhantomData<&'a mut [u8]>,
}

/// Numbers of which any bytes make a valid one.
pub trait Plain: Copy + sealed::Sealed + 'static {}

mod sealed {
    pub trait Sealed {}
}

macro_rules! plain {
    ($($t:ident $part:ident $part_mut:ident,)*) => {
        $(impl sealed::Sealed for $t {}
        impl Plain for $t {})*

        impl<'a> Part<'a> {
            $(#[doc = concat!("The part as `", stringify!($t), "`s.")]
            #[inline(always)]
            pub fn $part(self) -> &'a [$t] {
                self.get()
            }

            #[doc = concat!("The part as `", stringify!($t), "`s; panics if it was to be read only.")]
            #[inline(always)]
            pub fn $part_mut(self) -> &'a mut [$t] {
                self.get_mut()
            })*
        }
    };
}

plain! {
    f32 f32 f32_mut,
    f64 f64 f64_mut,
    u8 u8 u8_mut,
    i8 i8 i8_mut,
    u16 u16 u16_mut,
    i16 i16 i16_mut,
    u32 u32 u32_mut,
    i32 i32 i32_mut,
    u64 u64 u64_mut,
    i64 i64 i64_mut,
}

impl<'a> Part<'a> {
    /// The part as numbers; panics unless its offset and size are multiples of theirs.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn get<T: Plain>(self) -> &'a [T] {
        let len = self.len_of::<T>();
        // SAFETY: the part's bytes are initialised, borrowed for `'a` and written through no other part; their alignment
        // for `T` and their number were checked by `len_of`; any bytes make a `T`.
        unsafe { slice::from_raw_parts(self.start.cast(), len) }
    }

    /// The part as numbers; panics if it was to be read only, or unless its offset and size are multiples of theirs.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn get_mut<T: Plain>(self) -> &'a mut [T] {
        assert!(self.span.write, "a part taken to be read must not be written");
        let len = self.len_of::<T>();
        // SAFETY: as in `get`, and the bytes of a written part are in no other part.
        unsafe { slice::from_raw_parts_mut(self.start.cast(), len) }
    }

    /// How many `T`s the part holds.
    #[cfg_attr(not(debug_assertions), inline(always))]
    const fn len_of<T: Plain>(&self) -> usize {
        // The arena starts at a multiple of ALIGN, so the offset alone decides.
        assert!(
            align_of::<T>() <= ALIGN && self.span.offset.is_multiple_of(align_of::<T>()),
            "a part must be aligned for its elements"
        );
        assert!(self.span.bytes.is_multiple_of(size_of::<T>()), "a part must hold a whole number of elements");
        self.span.bytes / size_of::<T>()
    }
}

/// A value at a multiple of 64 bytes, such as the weight blob of a model.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
pub struct Aligned<T: ?Sized>(pub T);

/// The constants of a model, packed one after another; their length is in the type, so that checks fold away.
#[derive(Clone, Copy)]
pub struct Weights<'a, const LEN: usize>(pub &'a Aligned<[u8; LEN]>);

impl<'a, const LEN: usize> Weights<'a, LEN> {
    /// The `len` numbers at byte `offset`; panics if they are not inside, or not aligned.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn get<T: Plain>(self, offset: usize, len: usize) -> &'a [T] {
        let inside = offset <= LEN && len <= (LEN - offset) / size_of::<T>();
        assert!(inside, "constants must lie inside the weights");
        let aligned = align_of::<T>() <= ALIGN && offset.is_multiple_of(align_of::<T>());
        assert!(aligned, "constants must be aligned for their elements");
        let start = self.0.0[offset..].as_ptr().cast();
        // SAFETY: `len` elements at `offset` lie inside the borrowed, initialised bytes, are aligned, and any bytes make a `T`.
        unsafe { slice::from_raw_parts(start, len) }
    }
}

/// Truth values as the 0 and 1 that kernels take them for.
#[inline(always)]
pub const fn bools(x: &[bool]) -> &[u8] {
    // SAFETY: a `bool` is one byte, 0 or 1.
    unsafe { slice::from_raw_parts(x.as_ptr().cast(), x.len()) }
}

/// Bytes 0 and 1 as truth values; panics if there is any other.
#[inline(always)]
pub fn as_bools(x: &[u8]) -> &[bool] {
    assert!(x.iter().fold(0, |any, &byte| any | byte) <= 1, "truth values must be 0 or 1");
    // SAFETY: every byte is 0 or 1, and a `bool` is one such byte.
    unsafe { slice::from_raw_parts(x.as_ptr().cast(), x.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::vec;

    fn refuses<const N: usize>(spans: [Span; N]) -> bool {
        let mut storage = Storage::<256>::new();
        catch_unwind(AssertUnwindSafe(|| storage.arena().parts(spans).len())).is_err()
    }

    #[test]
    fn lends_parts_that_keep_their_values() {
        static mut STORAGE: Storage<256> = Storage::new();
        let storage = &raw mut STORAGE;
        // SAFETY: no other code names this static.
        let mut arena = unsafe { (*storage).arena() };
        assert_eq!((arena.len(), arena.is_empty()), (256, false));
        let [a, b] = arena.parts([Span::write(0, 16), Span::write(16, 16)]);
        a.f32_mut().fill(2.5);
        b.i64_mut().copy_from_slice(&[-1, 7]);
        let [a, again, b, c] =
            arena.parts([Span::read(0, 16), Span::read(4, 8), Span::read(16, 16), Span::write(32, 8)]);
        assert_eq!((a.f32(), again.f32()), (&[2.5; 4][..], &[2.5; 2][..]));
        c.i64_mut()[0] = b.i64()[1];
        let [c] = arena.parts([Span::read(32, 8)]);
        assert_eq!(c.u8(), [7, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn lends_blocks_and_slices() {
        let mut blocks = vec![Block::ZERO; Block::count(65)];
        let mut arena = Arena::from_blocks(&mut blocks);
        let [part] = arena.parts([Span::write(64, 64)]);
        part.u16_mut().fill(0x0102);
        assert_eq!(Block::bytes(&blocks)[63..66], [0, 2, 1]);
        assert_eq!(Arena::new(Block::bytes_mut(&mut blocks)).len(), 128);
        assert!(catch_unwind(AssertUnwindSafe(|| Arena::new(&mut Block::bytes_mut(&mut blocks)[4..]).len())).is_err());
    }

    #[test]
    fn refuses_overlap_and_overhang() {
        assert!(refuses([Span::write(0, 8), Span::read(7, 8)]));
        assert!(refuses([Span::read(7, 8), Span::write(0, 8)]));
        assert!(refuses([Span::write(4, 1), Span::read(32, 8), Span::write(0, 8)]));
        assert!(refuses([Span::read(250, 7)]));
        assert!(refuses([Span::read(257, 0)]));
        assert!(refuses([Span::read(8, usize::MAX)]));
        assert!(!refuses([Span::write(0, 8), Span::write(4, 0), Span::read(8, 248)]));
        assert!(!refuses([Span::read(0, 8), Span::read(4, 8)]));
    }

    #[test]
    fn refuses_wrong_types() {
        let mut storage = Storage::<64>::new();
        let mut refuses =
            |span, take: fn(Part)| catch_unwind(AssertUnwindSafe(|| storage.arena().parts([span]).map(take))).is_err();
        assert!(refuses(Span::read(0, 8), |part| part.f32_mut()[0] = 0.0));
        assert!(refuses(Span::read(2, 8), |part| assert_eq!(part.f32().len(), 2)));
        assert!(refuses(Span::read(0, 6), |part| assert_eq!(part.f32().len(), 1)));
        assert!(!refuses(Span::read(8, 0), |part| assert!(part.f64().is_empty())));
    }

    #[test]
    fn reads_weights() {
        static BLOB: Aligned<[u8; 12]> = Aligned([0, 0, 128, 63, 1, 0, 0, 0, 2, 0, 0, 0]);
        let weights = Weights(&BLOB);
        assert_eq!(weights.get::<f32>(0, 1), [1.0]);
        assert_eq!(weights.get::<i32>(4, 2), [1, 2]);
        assert!(weights.get::<i32>(12, 0).is_empty());
        for (offset, len) in [(4, 3), (2, 1), (16, 0), (4, usize::MAX)] {
            assert!(catch_unwind(|| weights.get::<i32>(offset, len)).is_err());
        }
    }

    #[test]
    fn reads_truth_values() {
        assert_eq!(as_bools(bools(&[true, false])), [true, false]);
        assert!(catch_unwind(|| as_bools(&[0, 2])).is_err());
    }
}

//! Values that follow from their position: ONNX `Range` and `EyeLike`.

use super::number::Number;
use super::simd::{Simd, Task};

/// `out[i] = start + i * delta`
pub struct Range<'a, T: Number> {
    /// As many as the range has, which the caller works out.
    pub out: &'a mut [T],
    /// The first.
    pub start: T,
    /// From each to the next.
    pub delta: T,
}

impl<T: Number + FromIndex> Task for Range<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (i, out) in self.out.iter_mut().enumerate() {
            *out = self.start.plus(T::from_index(i).times(self.delta));
        }
    }
}

/// A number that counts.
pub trait FromIndex {
    /// `index`, rounded or wrapped as it must be.
    fn from_index(index: usize) -> Self;
}

macro_rules! from_index {
    ($($t:ident)*) => {
        $(impl FromIndex for $t {
            #[inline(always)]
            fn from_index(index: usize) -> Self {
                index as $t
            }
        })*
    };
}

from_index! { f32 f64 i8 i16 i32 i64 u8 u16 u32 u64 }

/// 1 on diagonal `k` and 0 elsewhere.
pub struct Eye<'a, T: Number> {
    /// `[rows][cols]`
    pub out: &'a mut [T],
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub cols: usize,
    /// Which diagonal: 0 the main one, above it positive.
    pub k: i64,
}

impl<T: Number> Task for Eye<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { out, rows, cols, k } = self;
        assert_eq!(out.len(), rows * cols);
        out.fill(T::ZERO);
        if out.is_empty() {
            return;
        }
        for (i, out) in out.chunks_exact_mut(cols).enumerate() {
            if let Some(out) = usize::try_from(k.saturating_add(i as i64)).ok().and_then(|j| out.get_mut(j)) {
                *out = T::ONE;
            }
        }
    }
}

//! The positions of what is not zero: ONNX `NonZero`.
//!
//! How many there are is known only when it has run, so the output is as large as it may get and its beginning is used.

use super::number::Number;
use super::simd::{Simd, Task};

/// How many elements are not zero; NaN is not.
pub struct CountNonZero<'a, T: Number> {
    /// The elements.
    pub x: &'a [T],
}

impl<T: Number> Task for CountNonZero<'_, T> {
    type Out = usize;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        self.x.iter().map(|&x| usize::from(x != T::ZERO)).sum()
    }
}

/// Writes the indices of the elements that are not zero, in row-major order, and gives back how many there are.
pub struct NonZero<'a, T: Number, const R: usize> {
    /// `[R][count]` on return, at the beginning of what must have room for it.
    pub out: &'a mut [i64],
    /// `dims`
    pub x: &'a [T],
    /// Sizes of the data.
    pub dims: [usize; R],
}

impl<T: Number, const R: usize> Task for NonZero<'_, T, R> {
    type Out = usize;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> usize {
        let Self { out, x, dims } = self;
        assert_eq!(x.len(), dims.iter().product::<usize>());
        let count = CountNonZero { x }.run(s);
        assert!(out.len() >= R * count, "there are more elements other than zero than the output has room for");
        if R == 0 || count == 0 {
            return count;
        }
        let mut index = [0; R];
        let mut n = 0;
        for &x in x {
            if x != T::ZERO {
                for r in 0..R {
                    out[r * count + n] = index[r] as i64;
                }
                n += 1;
            }
            for r in (0..R).rev() {
                index[r] += 1;
                if index[r] < dims[r] {
                    break;
                }
                index[r] = 0;
            }
        }
        count
    }
}

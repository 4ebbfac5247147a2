//! Keeping the slices a condition selects: ONNX `Compress`.

use super::copy::copy_run;
use super::simd::{Simd, Task};

/// Writes the slices of `x` whose condition is true and gives back how many of the axis there are.
pub struct Compress<'a, T: Copy> {
    /// `[outer][count][inner]` on return, at the beginning of what must have room for it.
    pub out: &'a mut [T],
    /// `[outer][axis_len][inner]`
    pub x: &'a [T],
    /// At most `axis_len`, 0 for false; what it lacks is false.
    pub condition: &'a [u8],
    /// Product of the sizes before the axis.
    pub outer: usize,
    /// Size of the axis.
    pub axis_len: usize,
    /// Product of the sizes after the axis.
    pub inner: usize,
}

impl<T: Copy> Task for Compress<'_, T> {
    type Out = usize;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        let Self { out, x, condition, outer, axis_len, inner } = self;
        assert!(condition.len() <= axis_len, "a condition must not be longer than its axis");
        assert_eq!(x.len(), outer * axis_len * inner);
        let count = condition.iter().map(|&keep| usize::from(keep != 0)).sum::<usize>();
        let Some(out) = out.get_mut(..outer * count * inner) else {
            panic!("more is selected than the output has room for")
        };
        if out.is_empty() {
            return count;
        }
        for (out, x) in out.chunks_exact_mut(count * inner).zip(x.chunks_exact(axis_len * inner)) {
            let kept = x.chunks_exact(inner).zip(condition).filter(|&(_, &keep)| keep != 0);
            for (out, (x, _)) in out.chunks_exact_mut(inner).zip(kept) {
                copy_run(out, x);
            }
        }
        count
    }
}

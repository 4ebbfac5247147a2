//! One-hot encoding: ONNX `OneHot`.

use super::index::Index;
use super::simd::{Simd, Task};

/// `out[o][d][i]` is `on` where `d` is `indices[o][i]`, `off` elsewhere.
///
/// Negative indices count from the end; those outside give `off` everywhere.
pub struct OneHot<'a, T: Copy, I: Index> {
    /// `[outer][depth][inner]`
    pub out: &'a mut [T],
    /// `[outer][inner]`
    pub indices: &'a [I],
    /// Product of the index sizes before the new axis.
    pub outer: usize,
    /// Size of the new axis.
    pub depth: usize,
    /// Product of the index sizes after the new axis.
    pub inner: usize,
    /// The value where the index is not.
    pub off: T,
    /// The value where the index is.
    pub on: T,
}

impl<T: Copy, I: Index> Task for OneHot<'_, T, I> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { out, indices, outer, depth, inner, off, on } = self;
        assert_eq!(out.len(), outer * depth * inner);
        assert_eq!(indices.len(), outer * inner);
        out.fill(off);
        if out.is_empty() {
            return;
        }
        for (out, indices) in out.chunks_exact_mut(depth * inner).zip(indices.chunks_exact(inner)) {
            for (i, index) in indices.iter().enumerate() {
                if let Some(d) = index.find(depth) {
                    out[d * inner + i] = on;
                }
            }
        }
    }
}

//! Reversing the beginnings of sequences of different lengths: ONNX `ReverseSequence`.

use super::copy::copy_run;
use super::index::Index;
use super::simd::{Simd, Task};

/// Copies each sequence with its first `lens[b]` elements in reverse order.
pub struct ReverseSequence<'a, T: Copy, I: Index> {
    /// `[batch][time][inner]`, or `[time][batch][inner]`
    pub out: &'a mut [T],
    /// As `out`.
    pub x: &'a [T],
    /// `[batch]`, from 0 to `time`
    pub lens: &'a [I],
    /// Sequences.
    pub batch: usize,
    /// Elements of a sequence.
    pub time: usize,
    /// Product of the sizes after these two.
    pub inner: usize,
    /// Whether time is the outer of the two.
    pub time_first: bool,
}

impl<T: Copy, I: Index> Task for ReverseSequence<'_, T, I> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { out, x, lens, batch, time, inner, time_first } = self;
        assert_eq!(out.len(), batch * time * inner);
        assert_eq!(x.len(), batch * time * inner);
        assert_eq!(lens.len(), batch);
        let (batch_stride, time_stride) = if time_first { (inner, batch * inner) } else { (time * inner, inner) };
        for (b, len) in lens.iter().enumerate() {
            let len = len.at(time + 1);
            for t in 0..time {
                let from = if t < len { len - 1 - t } else { t };
                let out = &mut out[b * batch_stride + t * time_stride..][..inner];
                copy_run(out, &x[b * batch_stride + from * time_stride..][..inner]);
            }
        }
    }
}

//! Running sums along an axis: ONNX `CumSum`.

use super::number::Number;
use super::simd::{Simd, Task};

/// `out[o][j][i]` is the sum of `x[o][..=j][i]`.
pub struct Cumulative<'a, T: Number> {
    /// `[outer][len][inner]`
    pub out: &'a mut [T],
    /// `[outer][len][inner]`
    pub x: &'a [T],
    /// Product of the sizes before the axis.
    pub outer: usize,
    /// Size of the axis.
    pub len: usize,
    /// Product of the sizes after the axis.
    pub inner: usize,
    /// Whether a sum leaves out the element it stands at.
    pub exclusive: bool,
    /// Whether sums run from the end.
    pub reverse: bool,
}

impl<T: Number> Task for Cumulative<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { out, x, outer, len, inner, exclusive, reverse } = self;
        assert_eq!(out.len(), outer * len * inner);
        assert_eq!(x.len(), outer * len * inner);
        if out.is_empty() {
            return;
        }
        for (out, x) in out.chunks_exact_mut(len * inner).zip(x.chunks_exact(len * inner)) {
            if inner == 1 {
                let mut sum = T::ZERO;
                for j in 0..len {
                    let j = if reverse { len - 1 - j } else { j };
                    let before = sum;
                    sum = sum.plus(x[j]);
                    out[j] = if exclusive { before } else { sum };
                }
                continue;
            }
            for j in 0..len {
                let at = |j: usize| if reverse { len - 1 - j } else { j } * inner;
                let from = &x[if exclusive && j > 0 { at(j - 1) } else { at(j) }..][..inner];
                if j == 0 {
                    let out = &mut out[at(0)..][..inner];
                    if exclusive {
                        out.fill(T::ZERO)
                    } else {
                        out.copy_from_slice(from)
                    }
                    continue;
                }
                // The row and the one before it, whichever way the sums run.
                let (low, high) = out.split_at_mut(at(j).max(at(j - 1)));
                let (row, before) = if reverse {
                    (&mut low[at(j)..][..inner], &high[..inner])
                } else {
                    (&mut high[..inner], &low[at(j - 1)..][..inner])
                };
                for ((row, &before), &x) in row.iter_mut().zip(before).zip(from) {
                    *row = before.plus(x);
                }
            }
        }
    }
}

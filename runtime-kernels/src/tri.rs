//! The upper or lower triangle of matrices: ONNX `Trilu`.

use super::number::Number;
use super::simd::{Simd, Task};

/// Copies one triangle, diagonal `k` included, and sets the rest to 0.
pub struct Trilu<'a, T: Number> {
    /// `[batch][rows][cols]`
    pub out: &'a mut [T],
    /// `[batch][rows][cols]`
    pub x: &'a [T],
    /// Matrices.
    pub batch: usize,
    /// Rows of a matrix.
    pub rows: usize,
    /// Columns of a matrix.
    pub cols: usize,
    /// Which diagonal: 0 the main one, above it positive.
    pub k: i64,
    /// Whether the upper triangle is kept, or the lower.
    pub upper: bool,
}

impl<T: Number> Task for Trilu<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { out, x, batch, rows, cols, k, upper } = self;
        assert_eq!(out.len(), batch * rows * cols);
        assert_eq!(x.len(), batch * rows * cols);
        if out.is_empty() {
            return;
        }
        for (i, (out, x)) in out.chunks_exact_mut(cols).zip(x.chunks_exact(cols)).enumerate() {
            // The first column of the upper triangle, or the first after the lower one.
            let diagonal =
                k.saturating_add((i % rows) as i64).saturating_add(i64::from(!upper)).clamp(0, cols as i64) as usize;
            let (low, high) = out.split_at_mut(diagonal);
            let (kept, cleared, x) = if upper { (high, low, &x[diagonal..]) } else { (low, high, &x[..diagonal]) };
            kept.copy_from_slice(x);
            cleared.fill(T::ZERO);
        }
    }
}

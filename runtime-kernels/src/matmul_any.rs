//! Products of other numbers than f32, integers wrapping around.
//!
//! A panel of columns of B is copied so that its rows are contiguous; then tiles of sums, which the compiler keeps in vector
//! registers, walk along it. Products are rounded before they are added.

use super::number::Number;
use super::simd::{Simd, Task};

/// Rows of a tile. A tile has 32 sums: with more, the compiler leaves them in memory.
pub(super) const ROWS: usize = 4;

/// Columns of a panel.
pub(super) const COLUMNS: usize = 8;

/// `out[.., m, n] = a[.., m, k] * b[.., k, n] + bias[n]`
pub struct MatMulAny<'a, T: Number> {
    /// `[batch][m][n]`, dense.
    pub out: &'a mut [T],
    /// `[batch][m][k]` with the strides below.
    pub a: &'a [T],
    /// `[batch][k][n]` with the strides below.
    pub b: &'a [T],
    /// `[n]`
    pub bias: Option<&'a [T]>,
    /// [`scratch_len`] elements.
    pub scratch: &'a mut [T],
    /// Batch dimensions of the output.
    pub batch: [usize; 3],
    /// Rows of `a` and `out`.
    pub m: usize,
    /// Columns of `a`, rows of `b`.
    pub k: usize,
    /// Columns of `b` and `out`.
    pub n: usize,
    /// Elements from entry to entry of `a`; 0 where it is broadcast.
    pub a_batch_strides: [usize; 3],
    /// Elements from row to row of `a`.
    pub a_row_stride: usize,
    /// Elements from column to column of `a`.
    pub a_col_stride: usize,
    /// Elements from entry to entry of `b`; 0 where it is broadcast.
    pub b_batch_strides: [usize; 3],
    /// Elements from row to row of `b`, along k.
    pub b_row_stride: usize,
    /// Elements from column to column of `b`.
    pub b_col_stride: usize,
}

/// Elements of scratch a [`MatMulAny`] needs.
pub const fn scratch_len(k: usize) -> usize {
    k * COLUMNS
}

impl<T: Number> Task for MatMulAny<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { out, a, b, bias, scratch, batch, m, k, n, .. } = self;
        let entries = batch[0] * batch[1] * batch[2];
        let out = &mut out[..entries * m * n];
        if out.is_empty() {
            return;
        }
        let panel = scratch[..k * COLUMNS].as_chunks_mut::<COLUMNS>().0;
        for (entry, out) in out.chunks_exact_mut(m * n).enumerate() {
            let at = [entry / (batch[1] * batch[2]), entry / batch[2] % batch[1], entry % batch[2]];
            let start = |strides: [usize; 3]| (0..3).map(|i| at[i] * strides[i]).sum::<usize>();
            let (a, b) =
                (&a[start(self.a_batch_strides).min(a.len())..], &b[start(self.b_batch_strides).min(b.len())..]);
            for first in (0..n).step_by(COLUMNS) {
                let cols = (n - first).min(COLUMNS);
                for (i, row) in panel.iter_mut().enumerate() {
                    let from = i * self.b_row_stride + first * self.b_col_stride;
                    if self.b_col_stride == 1 && cols == COLUMNS {
                        row.copy_from_slice(&b[from..][..COLUMNS]);
                    } else {
                        *row =
                            core::array::from_fn(|j| if j < cols { b[from + j * self.b_col_stride] } else { T::ZERO });
                    }
                }
                let start: [T; COLUMNS] = start_of(bias, first, cols);
                let rows = Rows { a, row_stride: self.a_row_stride, col_stride: self.a_col_stride };
                rows.by_panel(m, panel, start, |row, sums| {
                    out[row * n + first..][..cols].copy_from_slice(&sums[..cols]);
                });
            }
        }
    }
}

/// What the sums of a panel's columns start with.
#[inline(always)]
pub(super) fn start_of<T: Number>(bias: Option<&[T]>, first: usize, cols: usize) -> [T; COLUMNS] {
    let mut start = [T::ZERO; COLUMNS];
    if let Some(bias) = bias {
        start[..cols].copy_from_slice(&bias[first..][..cols]);
    }
    start
}

/// Rows of a left operand.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, T> {
    /// The elements.
    pub a: &'a [T],
    /// Elements from row to row.
    pub row_stride: usize,
    /// Elements from column to column.
    pub col_stride: usize,
}

impl<T: Number> Rows<'_, T> {
    /// Hands the products of the first `m` rows with `panel`, plus `start`, to `store`, row by row.
    #[inline(always)]
    pub fn by_panel(
        &self,
        m: usize,
        panel: &[[T; COLUMNS]],
        start: [T; COLUMNS],
        mut store: impl FnMut(usize, &[T; COLUMNS]),
    ) {
        let mut row = 0;
        while row + ROWS <= m {
            let sums: [_; ROWS] = self.tile(row, panel, start);
            sums.iter().enumerate().for_each(|(i, sums)| store(row + i, sums));
            row += ROWS;
        }
        while row < m {
            let [sums] = self.tile(row, panel, start);
            store(row, &sums);
            row += 1;
        }
    }

    #[inline(always)]
    fn tile<const R: usize>(&self, row: usize, panel: &[[T; COLUMNS]], start: [T; COLUMNS]) -> [[T; COLUMNS]; R] {
        let mut sums = [start; R];
        let span = if panel.is_empty() { 0 } else { (panel.len() - 1) * self.col_stride + 1 };
        let rows: [&[T]; R] =
            core::array::from_fn(|r| if span == 0 { &[][..] } else { &self.a[(row + r) * self.row_stride..][..span] });
        for (i, b) in panel.iter().enumerate() {
            for (row, sums) in rows.iter().zip(&mut sums) {
                let x = row[i * self.col_stride];
                for (sum, &b) in sums.iter_mut().zip(b) {
                    *sum = sum.plus(x.times(b));
                }
            }
        }
        sums
    }
}

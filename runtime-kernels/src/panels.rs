//! Weights in panels of 16 columns, the layout in which contractions read them.
//!
//! The same function writes a constant's panels when a model is generated and an operand's while it runs, so the two agree
//! to the bit. What stands beyond the last column is zero.

use super::arena::Plain;
use super::simd::{Simd, Task};
use super::tile_transpose::{TILE, transpose_tile};

/// Columns of a panel.
const PANEL: usize = 16;

/// Where the elements of `[block][panel][rows][16]` stand in a source.
#[derive(Clone, Copy, Debug)]
pub struct Panels {
    /// Matrices that have panels of their own, such as groups.
    pub blocks: usize,
    /// Elements of the source from block to block.
    pub block_stride: usize,
    /// Elements of the result before the first block.
    pub to: usize,
    /// Elements of the result from block to block.
    pub to_stride: usize,
    /// Where the first element stands in the source.
    pub first: usize,
    /// Rows of a matrix, counted along four axes.
    pub rows: [usize; 4],
    /// Elements of the source from row to row along each.
    pub row_strides: [isize; 4],
    /// Columns of a matrix.
    pub cols: usize,
    /// Elements of the source from column to column.
    pub col_stride: usize,
}

/// Writes panels of `x`.
pub struct Pack<'a, T> {
    /// Written where `panels` says.
    pub out: &'a mut [T],
    /// Read where `panels` says.
    pub x: &'a [T],
    /// What stands where.
    pub panels: Panels,
}

impl<T: Plain + Default> Task for Pack<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        self.panels.write(self.out, self.x);
    }
}

impl Panels {
    /// Elements of one block of the result.
    pub const fn block_len(&self) -> usize {
        let [a, b, c, d] = self.rows;
        a * b * c * d * self.cols.div_ceil(PANEL) * PANEL
    }

    /// Fills the result's blocks from `x`; panics where either is too short.
    #[inline(always)]
    pub fn write<T: Plain + Default>(&self, out: &mut [T], x: &[T]) {
        let [a, b, c, d] = self.rows;
        let (rows, len) = (a * b * c * d, self.block_len());
        if len == 0 {
            return;
        }
        for block in 0..self.blocks {
            let out = &mut out[self.to + block * self.to_stride..][..len];
            for (panel, out) in out.chunks_exact_mut(rows * PANEL).enumerate() {
                let from = self.first + block * self.block_stride + panel * PANEL * self.col_stride;
                let cols = (self.cols - panel * PANEL).min(PANEL);
                for (i, out) in out.chunks_exact_mut(d * PANEL).enumerate() {
                    let at = [i / (b * c), i / c % b, i % c];
                    let from = (0..3)
                        .fold(from, |from, axis| from.wrapping_add_signed(at[axis] as isize * self.row_strides[axis]));
                    self.write_rows(out, x, from, cols);
                }
            }
        }
    }

    /// Fills rows along the last axis, `cols` columns of which exist.
    #[inline(always)]
    fn write_rows<T: Plain + Default>(&self, out: &mut [T], x: &[T], from: usize, cols: usize) {
        let (row_stride, col_stride) = (self.row_strides[3], self.col_stride);
        let rows = out.len() / PANEL;
        if col_stride == 1 {
            for (i, row) in out.chunks_exact_mut(PANEL).enumerate() {
                let from = &x[from.wrapping_add_signed(i as isize * row_stride)..][..cols];
                if cols == PANEL {
                    row.copy_from_slice(from);
                } else {
                    row[..cols].copy_from_slice(from);
                    row[cols..].fill(T::default());
                }
            }
            return;
        }
        // Where rows are neighbours in the source, tiles move through registers.
        let tiled = if row_stride == 1 && cols == PANEL { rows / TILE * TILE } else { 0 };
        if tiled > 0 {
            let x = &x[from..][..15 * col_stride + tiled];
            for i in (0..tiled).step_by(TILE) {
                for j in (0..PANEL).step_by(TILE) {
                    // SAFETY: `x` holds `tiled` neighbours in each of 16 columns, and `out` as many rows of 16.
                    unsafe {
                        let x = x.as_ptr().add(j * col_stride + i);
                        transpose_tile(out.as_mut_ptr().add(i * PANEL + j), PANEL, x, col_stride as isize);
                    }
                }
            }
        }
        for (i, row) in out.chunks_exact_mut(PANEL).enumerate().skip(tiled) {
            let from = from.wrapping_add_signed(i as isize * row_stride);
            for (j, to) in row.iter_mut().enumerate() {
                *to = if j < cols { x[from + j * col_stride] } else { T::default() };
            }
        }
    }
}

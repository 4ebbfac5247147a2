//! An epilogue over elements that lie in memory already, and what hides which one it is.
//!
//! The loops of products see epilogues only as a [`Finishing`], so that they are compiled once for all of them; its call costs
//! nanoseconds, and there is one for hundreds of elements that are still near.

use super::epilogue::{Epilogue, Place};
use super::simd::{Simd, Task};
use super::simd_quad::{Quad, four};

/// What is left to do with sums.
#[derive(Clone, Copy)]
pub(super) enum Finishing<'a> {
    /// Nothing.
    Nothing,
    /// To keep them between two bounds, NaN as it is; tiles do so in registers.
    Clamp(f32, f32),
    /// An epilogue.
    Apply(&'a dyn Apply),
}

/// An epilogue with the token of an instruction set.
pub(super) struct Entered<S, E> {
    s: S,
    epilogue: E,
}

impl<S: Simd, E: Epilogue> Entered<S, E> {
    #[inline(always)]
    pub fn new(s: S, epilogue: E) -> Self {
        Self { s, epilogue }
    }

    #[inline(always)]
    pub fn finishing(&self) -> Finishing<'_> {
        match self.epilogue.clamp() {
            _ if E::IDENTITY => Finishing::Nothing,
            Some((low, high)) => Finishing::Clamp(low, high),
            None => Finishing::Apply(self),
        }
    }
}

/// Applies an epilogue to some elements of an output.
pub(super) trait Apply {
    /// # Safety
    /// As [`Finishing::apply`].
    unsafe fn apply(&self, area: Area);
}

impl<S: Simd, E: Epilogue> Apply for Entered<S, E> {
    unsafe fn apply(&self, area: Area) {
        self.s.enter(Finish { area, epilogue: self.epilogue });
    }
}

impl Finishing<'_> {
    /// The bounds, where these are all.
    #[inline(always)]
    pub fn clamp(&self) -> Option<(f32, f32)> {
        if let &Self::Clamp(low, high) = self { Some((low, high)) } else { None }
    }

    /// Applies the epilogue, bounds excepted.
    ///
    /// # Safety
    /// The rows and columns of the area must be readable at its tile and writable at its output, which nothing else uses.
    #[inline(always)]
    pub unsafe fn apply(&self, area: Area) {
        if let Self::Apply(epilogue) = self {
            // SAFETY: the caller vouches for the area.
            unsafe { epilogue.apply(area) };
        }
    }

    /// Applies the epilogue, bounds excepted, to a row of an output from column `col` on.
    #[inline(always)]
    pub fn row(&self, out: &mut [f32], row: usize, col: usize) {
        let (cols, out) = (out.len(), out.as_mut_ptr());
        let area = Area { tile: out, tile_stride: 0, out, out_stride: 0, row, row_step: 1, col, rows: 1, cols };
        // SAFETY: the row is as long as the slice.
        unsafe { self.apply(area) };
    }
}

/// Rows of an output, in its place or from another; `tile` and `out` may be the same place.
#[derive(Clone, Copy)]
pub(super) struct Area {
    pub tile: *const f32,
    pub tile_stride: usize,
    pub out: *mut f32,
    pub out_stride: usize,
    /// The epilogue's number of the first row, and what it grows by.
    pub row: usize,
    pub row_step: usize,
    /// The epilogue's number of the first column.
    pub col: usize,
    pub rows: usize,
    pub cols: usize,
}

impl Area {
    /// Whole rows as one, where they lie one behind another: few columns hardly fill a vector each.
    #[inline(always)]
    fn joined(self) -> Self {
        let Self { tile_stride, out_stride, row_step, rows, cols, .. } = self;
        let dense = (tile_stride, out_stride, row_step) == (cols, cols, 1);
        if dense { Self { rows: 1, cols: rows * cols, ..self } } else { self }
    }
}

/// Applies the epilogue to an area, for which whoever made this vouches.
pub(super) struct Finish<E> {
    pub area: Area,
    pub epilogue: E,
}

/// Floats between rows from which on going down them asks for another page of memory every few rows, and for operands in an order
/// that is not foreseen.
const FAR: usize = 256;

/// A vector of an area, or how far it is from one to the next.
#[derive(Clone, Copy)]
struct At {
    tile: usize,
    out: usize,
    row: usize,
    col: usize,
}

impl At {
    #[inline(always)]
    fn after(self, step: At) -> At {
        At { tile: self.tile + step.tile, out: self.out + step.out, row: self.row + step.row, col: self.col + step.col }
    }

    /// Of whose lanes `n` count.
    #[inline(always)]
    fn place(self, n: usize) -> Place {
        Place { row: self.row, col: self.col, n }
    }
}

/// The vectors of an area: whole ones line by line, and what is left.
struct Walk {
    first: At,
    lines: usize,
    /// Whole vectors of a line.
    vectors: usize,
    step: At,
    next_line: At,
    /// Columns that fill no vector, where the first row has them, and the way down to the next.
    rest: usize,
    first_rest: At,
    down: At,
}

impl Walk {
    /// Goes down the rows, a vector of columns after another, since tiles are taller than wide; along them where they are far apart,
    /// or there is but one.
    #[inline(always)]
    fn of(area: &Area, lanes: usize) -> Self {
        let &Area { rows, cols, row, col, .. } = area;
        let down = At { tile: area.tile_stride, out: area.out_stride, row: area.row_step, col: 0 };
        let along = At { tile: lanes, out: lanes, row: 0, col: lanes };
        let whole = cols / lanes;
        let far = area.out_stride >= FAR || rows == 1;
        let (lines, vectors, step, next_line) =
            if far { (rows, whole, along, down) } else { (whole, rows, down, along) };
        let first = At { tile: 0, out: 0, row, col };
        let (rest, before) = (cols % lanes, whole * lanes);
        let first_rest = At { tile: before, out: before, row, col: col + before };
        Self { first, lines, vectors, step, next_line, rest, first_rest, down }
    }
}

/// A whole vector of a walk; the last again and again where there are no more.
struct Cursor {
    at: At,
    /// Where its line starts.
    line: At,
    /// Vectors of the line from it on.
    vectors: usize,
    /// Lines from its own on.
    lines: usize,
}

impl Cursor {
    #[inline(always)]
    fn next(&mut self, walk: &Walk) -> At {
        let at = self.at;
        if self.vectors > 1 {
            self.vectors -= 1;
            self.at = at.after(walk.step);
        } else if self.lines > 1 {
            self.lines -= 1;
            self.line = self.line.after(walk.next_line);
            self.at = self.line;
            self.vectors = walk.vectors;
        }
        at
    }
}

impl<E: Epilogue> Task for Finish<E> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { area, epilogue } = self;
        // Where each vector is little work, joining rows is not worth its code.
        let area = if E::DEEP && !E::BY_COLUMN { area.joined() } else { area };
        let Area { tile, out, rows, .. } = area;
        let walk = Walk::of(&area, S::LANES);
        // Some at once, since a vector waits for its own results nearly all the time; the last is done again where there are no more.
        // All are read before any is written.
        if E::DEEP {
            let mut cursor = Cursor { at: walk.first, line: walk.first, vectors: walk.vectors, lines: walk.lines };
            for _ in 0..(walk.lines * walk.vectors).div_ceil(4) {
                let at = four!(_I, cursor.next(&walk));
                // SAFETY: whole vectors of the area.
                unsafe {
                    let v = four!(I, s.load_ptr(tile.add(at[I].tile)));
                    let v = epilogue.apply(Quad(s), v, four!(I, at[I].place(S::LANES)));
                    four!(I, s.store_ptr(v[I], out.add(at[I].out)));
                }
            }
        } else {
            let mut line = walk.first;
            for _ in 0..walk.lines {
                let mut at = line;
                for i in (0..walk.vectors).step_by(2) {
                    let next = if i + 1 < walk.vectors { at.after(walk.step) } else { at };
                    // SAFETY: whole vectors of the area.
                    unsafe {
                        let (a, b) = (s.load_ptr(tile.add(at.tile)), s.load_ptr(tile.add(next.tile)));
                        let a = epilogue.apply(s, a, at.place(S::LANES));
                        let b = epilogue.apply(s, b, next.place(S::LANES));
                        s.store_ptr(a, out.add(at.out));
                        s.store_ptr(b, out.add(next.out));
                    }
                    at = next.after(walk.step);
                }
                line = line.after(walk.next_line);
            }
        }
        let mut at = walk.first_rest;
        for _ in 0..if walk.rest > 0 { rows } else { 0 } {
            // SAFETY: the columns that are left of a row of the area.
            unsafe {
                let v = s.load_part(core::slice::from_raw_parts(tile.add(at.tile), walk.rest));
                let v = epilogue.apply(s, v, at.place(walk.rest));
                s.store_part(v, core::slice::from_raw_parts_mut(out.add(at.out), walk.rest));
            }
            at = at.after(walk.down);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epilogue::Places;
    use crate::simd_scalar::Scalar;
    use std::vec::Vec;

    /// What belongs to the element is added, and the sum multiplied with what belongs to its column, if columns count.
    #[derive(Clone, Copy)]
    struct Blend<'a, const DEEP: bool, const BY_COLUMN: bool> {
        element: &'a [f32],
        column: &'a [f32],
        stride: usize,
    }

    impl<const DEEP: bool, const BY_COLUMN: bool> Epilogue for Blend<'_, DEEP, BY_COLUMN> {
        const DEEP: bool = DEEP;
        const BY_COLUMN: bool = BY_COLUMN;

        fn apply<S: Simd, P: Places<S>>(self, s: S, v: S::F32, at: P) -> S::F32 {
            let element = at.operand(s, self.element, self.stride);
            let column = if BY_COLUMN { at.operand(s, self.column, 0) } else { s.splat(2.0) };
            s.fma(s.add(v, element), column, v)
        }
    }

    fn check<S: Simd, const DEEP: bool, const BY_COLUMN: bool>(
        s: S,
        rows: usize,
        cols: usize,
        stride: usize,
        row_step: usize,
    ) {
        let (row, col) = (2, if stride > cols { 3 } else { 0 });
        let number = |i: usize| (i * 37 % 101) as f32;
        let tile: Vec<f32> = (0..rows * cols).map(number).collect();
        let element: Vec<f32> = (0..(row + rows * row_step) * stride + col).map(|i| number(i + 11)).collect();
        let column: Vec<f32> = (0..col + cols).map(|i| number(i + 5)).collect();
        let mut out = std::vec![-1.0; rows * stride];
        let area = Area {
            tile: tile.as_ptr(),
            tile_stride: cols,
            out: out.as_mut_ptr(),
            out_stride: stride,
            row,
            row_step,
            col,
            rows,
            cols,
        };
        s.enter(Finish { area, epilogue: Blend::<DEEP, BY_COLUMN> { element: &element, column: &column, stride } });
        for (i, &out) in out.iter().enumerate() {
            let (r, c) = (i / stride, i % stride);
            let v = |v: f32| {
                let at = (row + r * row_step) * stride + col + c;
                (v + element[at]) * if BY_COLUMN { column[col + c] } else { 2.0 } + v
            };
            let want = if c < cols { v(tile[r * cols + c]) } else { -1.0 };
            assert_eq!(out, want, "{} rows {rows} cols {cols} stride {stride} at {r}, {c}", S::NAME);
        }
    }

    fn check_all<S: Simd>(s: S) {
        for rows in [1, 2, 3, 6, 14] {
            for cols in [1, 4, 15, 16, 17, 32, 48, 50] {
                for stride in [cols, cols + 3, FAR + cols] {
                    for row_step in [1, 2] {
                        check::<S, false, false>(s, rows, cols, stride, row_step);
                        check::<S, false, true>(s, rows, cols, stride, row_step);
                        check::<S, true, false>(s, rows, cols, stride, row_step);
                        check::<S, true, true>(s, rows, cols, stride, row_step);
                    }
                }
            }
        }
    }

    #[test]
    fn every_element_once_with_its_own_operands() {
        check_all(Scalar::new());
        #[cfg(target_arch = "x86_64")]
        {
            crate::simd_avx2::Avx2::detect().into_iter().for_each(check_all);
            crate::simd_avx512::Avx512::detect().into_iter().for_each(check_all);
        }
        #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
        check_all(crate::simd_neon::Neon::new());
    }
}

//! An epilogue over elements that lie in memory already, and what hides which one it is.
//!
//! The loops of products see epilogues only as a [`Finishing`], so that they are compiled once for all of them; its call costs
//! nanoseconds, and there is one for hundreds of elements that are still near.

use super::epilogue::Epilogue;
use super::simd::{Simd, Task};

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
}

impl<E: Epilogue> Task for Finish<E> {
    type Out = ();

    /// Goes down the rows, a vector of columns after another, since tiles are taller than wide; along them where they are far apart,
    /// or there is but one.
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { area, epilogue } = self;
        let Area { tile, out, rows, cols, .. } = area;
        let down = At { tile: area.tile_stride, out: area.out_stride, row: area.row_step, col: 0 };
        let along = At { tile: S::LANES, out: S::LANES, row: 0, col: S::LANES };
        let whole = cols / S::LANES;
        let far = area.out_stride >= FAR || rows == 1;
        let (lines, vectors, step, next_line) =
            if far { (rows, whole, along, down) } else { (whole, rows, down, along) };
        let mut first = At { tile: 0, out: 0, row: area.row, col: area.col };
        for _ in 0..lines {
            let mut at = first;
            for i in (0..vectors).step_by(2) {
                // Two at once, since a vector waits for its own results nearly all the time; the last is done again where
                // there is none left. All is read before anything is written.
                let next = if i + 1 < vectors { at.after(step) } else { at };
                // SAFETY: whole vectors of the area.
                unsafe {
                    let (a, b) = (s.load_ptr(tile.add(at.tile)), s.load_ptr(tile.add(next.tile)));
                    let a = epilogue.apply(s, a, at.row, at.col, S::LANES);
                    let b = epilogue.apply(s, b, next.row, next.col, S::LANES);
                    s.store_ptr(a, out.add(at.out));
                    s.store_ptr(b, out.add(next.out));
                }
                at = next.after(step);
            }
            first = first.after(next_line);
        }
        let rest = cols % S::LANES;
        let mut at =
            At { tile: whole * S::LANES, out: whole * S::LANES, row: area.row, col: area.col + whole * S::LANES };
        for _ in 0..if rest > 0 { rows } else { 0 } {
            // SAFETY: the columns that are left of a row of the area.
            unsafe {
                let v = s.load_part(core::slice::from_raw_parts(tile.add(at.tile), rest));
                let v = epilogue.apply(s, v, at.row, at.col, rest);
                s.store_part(v, core::slice::from_raw_parts_mut(out.add(at.out), rest));
            }
            at = at.after(down);
        }
    }
}

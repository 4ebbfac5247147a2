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

/// Rows that are done at once, since a vector waits for its own results nearly all the time.
const AT_ONCE: usize = 2;

/// Applies the epilogue to an area, for which whoever made this vouches.
pub(super) struct Finish<E> {
    pub area: Area,
    pub epilogue: E,
}

impl<E: Epilogue> Task for Finish<E> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { area, epilogue } = self;
        for r in (0..area.rows).step_by(AT_ONCE) {
            // The last row is done again where there are too few; all is read before anything is written.
            let rows: [usize; AT_ONCE] = core::array::from_fn(|i| (r + i).min(area.rows - 1));
            let row = rows.map(|r| area.row + r * area.row_step);
            // SAFETY: rows of the tile and of the output.
            let (tile, out) = unsafe {
                (rows.map(|r| area.tile.add(r * area.tile_stride)), rows.map(|r| area.out.add(r * area.out_stride)))
            };
            let mut c = 0;
            while c < area.cols {
                let n = (area.cols - c).min(S::LANES);
                // SAFETY: `n` columns from `c` are within the rows.
                let mut v = tile.map(|tile| unsafe {
                    match n == S::LANES {
                        true => s.load_ptr(tile.add(c)),
                        false => s.load_part(core::slice::from_raw_parts(tile.add(c), n)),
                    }
                });
                for i in 0..AT_ONCE {
                    v[i] = epilogue.apply(s, v[i], row[i], area.col + c, n);
                }
                for i in 0..AT_ONCE {
                    // SAFETY: as above.
                    unsafe {
                        match n == S::LANES {
                            true => s.store_ptr(v[i], out[i].add(c)),
                            false => s.store_part(v[i], core::slice::from_raw_parts_mut(out[i].add(c), n)),
                        }
                    }
                }
                c += S::LANES;
            }
        }
    }
}

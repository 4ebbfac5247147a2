//! Data movement between two strided views: transpose, slice, flip, broadcast, concat, the inside of a pad, depth to space.
//!
//! Loops run in the order of the axes as given, so the caller merges axes that are contiguous in both views and puts the
//! output's contiguous axis last. Nothing is merged or reordered here, but for the one axis the input runs along.

use super::arena::Plain;
use super::copy::copy_run;
use super::simd::{Simd, Task};
use super::split::{Part, Split, own, parts, whole};
use super::tile_transpose::{TILE, transpose_lines, transpose_tile};

/// `out[out_offset + Σ i * out_strides] = x[x_offset + Σ i * x_strides]` for every index `i` below `dims`.
pub struct Strided<'a, T: Plain, const R: usize> {
    /// The view written; what lies between its elements stays as it is.
    pub out: &'a mut [T],
    /// The view read.
    pub x: &'a [T],
    /// Sizes of both views, outermost axis first.
    pub dims: [usize; R],
    /// Position of the first element written.
    pub out_offset: usize,
    /// Elements of `out` from index to index.
    pub out_strides: [usize; R],
    /// Position of the first element read.
    pub x_offset: usize,
    /// Elements of `x` from index to index: 0 repeats, negative ones go backwards.
    pub x_strides: [isize; R],
}

/// Sets every element of `out`.
pub struct Fill<'a, T: Copy> {
    /// What is filled.
    pub out: &'a mut [T],
    /// What with.
    pub value: T,
}

/// Copies `x` to `out`, of the same length.
pub struct Copy1<'a, T: Copy> {
    /// The copy.
    pub out: &'a mut [T],
    /// The original.
    pub x: &'a [T],
}

impl<T: Copy> Task for Fill<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        self.out.fill(self.value);
    }
}

impl<T: Copy> Task for Copy1<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        self.out.copy_from_slice(self.x);
    }
}

/// One axis of both views.
#[derive(Clone, Copy)]
struct Axis {
    len: usize,
    out: usize,
    x: isize,
}

/// Positions in both views.
#[derive(Clone, Copy)]
struct At {
    out: usize,
    x: usize,
}

impl At {
    /// `i` further along `axis`. Sums wrap on the way, as they may with strides below zero, and come out right.
    #[inline(always)]
    fn along(self, axis: Axis, i: usize) -> Self {
        Self {
            out: self.out.wrapping_add(i.wrapping_mul(axis.out)),
            x: self.x.wrapping_add(i.wrapping_mul(axis.x as usize)),
        }
    }
}

/// Elements of an axis that a part has at least, so that tiles stay whole.
const STRETCH: usize = 4 * TILE;

impl<T: Plain, const R: usize> Strided<'_, T, R> {
    /// The axis that parts divide: the longest but the last, along which both views may be contiguous.
    #[inline(always)]
    fn divided(&self) -> Option<usize> {
        (0..R.saturating_sub(1)).rev().max_by_key(|&axis| self.dims[axis])
    }
}

impl<T: Plain, const R: usize> Task for Strided<'_, T, R> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        whole(s, self);
    }
}

impl<T: Plain, const R: usize> Split for Strided<'_, T, R> {
    #[inline(always)]
    fn parts(&self, threads: usize) -> usize {
        let len = self.dims.iter().fold(1, |len: usize, &size| len.saturating_mul(size));
        let most = self.divided().map_or(1, |axis| self.dims[axis].div_ceil(STRETCH));
        parts(len.saturating_mul(16), most, threads)
    }

    #[inline(always)]
    unsafe fn part<S: Simd>(task: *mut Self, _: S, part: Part, _: &mut [f32]) {
        // SAFETY: the caller vouches for the task; its output is only written through this pointer, each part's elements
        // by that part.
        let (out, task) = unsafe { (&raw mut *(*task).out, &*task) };
        let &Self { x, mut dims, mut out_offset, out_strides, mut x_offset, x_strides, .. } = task;
        if dims.contains(&0) {
            return;
        }
        assert!(
            is_inside(out.len(), out_offset, dims, out_strides.map(usize::cast_signed)),
            "a view must lie inside its output"
        );
        assert!(is_inside(x.len(), x_offset, dims, x_strides), "a view must lie inside its input");

        if let Some(axis) = task.divided().filter(|_| part.of > 1) {
            let mine = part.range(dims[axis].div_ceil(STRETCH));
            let mine = mine.start * STRETCH..(mine.end * STRETCH).min(dims[axis]);
            if mine.is_empty() {
                return;
            }
            dims[axis] = mine.len();
            out_offset += mine.start * out_strides[axis];
            x_offset = x_offset.wrapping_add_signed(mine.start as isize * x_strides[axis]);
        } else if part.index > 0 {
            return;
        }
        let mut axes = [Axis { len: 1, out: 1, x: 1 }; R];
        for (r, axis) in axes.iter_mut().enumerate() {
            *axis = Axis { len: dims[r], out: out_strides[r], x: x_strides[r] };
        }
        let mut cols = Axis { len: 1, out: 1, x: 1 };
        let mut rows = cols;
        if R > 0 {
            cols = axes[R - 1];
        }
        if R > 1 {
            // If the input does not run along the columns, an axis it runs along makes the best rows.
            let found = axes[..R - 1].iter().rposition(|axis| axis.x == 1 && axis.len > 1);
            if let Some(r) = found.filter(|_| cols.out == 1 && !matches!(cols.x, 0 | 1)) {
                axes[r..R - 1].rotate_left(1);
            }
            rows = axes[R - 2];
        }

        let outer = if R > 2 { &axes[..R - 2] } else { &[] };
        let mut index = [0; R];
        let mut at = At { out: out_offset, x: x_offset };
        loop {
            // SAFETY: both views lie inside their slices, a plane is a part of them, and these elements are this part's.
            unsafe { plane(out, x, at, rows, cols) };
            let mut r = outer.len();
            loop {
                if r == 0 {
                    return;
                }
                r -= 1;
                index[r] += 1;
                at = at.along(outer[r], 1);
                if index[r] < outer[r].len {
                    break;
                }
                at = at.along(outer[r], outer[r].len.wrapping_neg());
                index[r] = 0;
            }
        }
    }
}

/// Whether every index below `dims`, of which none is 0, is a position below `len`.
#[inline(always)]
fn is_inside<const R: usize>(len: usize, offset: usize, dims: [usize; R], strides: [isize; R]) -> bool {
    let (mut low, mut high) = (Some(offset), Some(offset));
    for (&dim, &stride) in dims.iter().zip(&strides) {
        let span = (dim - 1).checked_mul(stride.unsigned_abs());
        let Some(span) = span else { return false };
        if stride < 0 {
            low = low.and_then(|low| low.checked_sub(span));
        } else {
            high = high.and_then(|high| high.checked_add(span));
        }
    }
    low.is_some() && high.is_some_and(|high| high < len)
}

/// Moves the elements along two axes.
///
/// # Safety
/// For every index below the axes' lengths, the positions `at` leads to must be inside `out` and `x`, and those of `out` used by
/// nothing else.
#[inline(always)]
unsafe fn plane<T: Plain>(out: *mut [T], x: &[T], at: At, rows: Axis, cols: Axis) {
    match (cols.out, cols.x) {
        (1, 1) if cols.len > 1 || rows.len < 4 => {
            for i in 0..rows.len {
                let at = at.along(rows, i);
                // SAFETY: a row of the plane.
                copy_run(unsafe { own(out, at.out..at.out + cols.len) }, &x[at.x..][..cols.len]);
            }
        }
        (1, 0) => {
            for i in 0..rows.len {
                let at = at.along(rows, i);
                // SAFETY: a row of the plane.
                unsafe { own(out, at.out..at.out + cols.len) }.fill(x[at.x]);
            }
        }
        (1, _) if cols.len == TILE - 1 && rows.x == 1 && rows.out == cols.len => {
            // Lines become pixels of three elements, often those of a picture: rows of four, each of which takes back what the
            // one before wrote too much. The last pixel is in no tile, so that nothing is written after it.
            let tiled = (rows.len - 1) / TILE * TILE;
            for i in (0..tiled).step_by(TILE) {
                let at = at.along(rows, i);
                // SAFETY: the lines are in the plane over the tile, and so are the rows, with an element of the next.
                unsafe {
                    let lines = [0, 1, 2, 2].map(|j| x.as_ptr().add(at.along(cols, j).x));
                    transpose_lines(out.cast::<T>().add(at.out), rows.out, lines);
                }
            }
            // SAFETY: the rest is a part of the plane.
            unsafe { elements(out, x, at.along(rows, tiled), Axis { len: rows.len - tiled, ..rows }, cols) };
        }
        (1, _) if cols.len == 2 && rows.x == 1 && rows.out == 2 => {
            // Two halves become pairs, as where channels are shuffled.
            let halves = [0, 1].map(|j| &x[at.along(cols, j).x..][..rows.len]);
            // SAFETY: the whole plane.
            let (pairs, _) = unsafe { own(out, at.out..at.out + 2 * rows.len) }.as_chunks_mut::<2>();
            for ((pair, &first), &second) in pairs.iter_mut().zip(halves[0]).zip(halves[1]) {
                *pair = [first, second];
            }
        }
        (1, _) if rows.x == 1 && rows.len >= TILE && cols.len >= TILE => {
            // Strips of columns as wide as a cache line of floats: each line of the output is written at one go, while the
            // input is read in 16 streams.
            let strip = 4 * TILE;
            let mut j = 0;
            while j < cols.len {
                let width = strip.min(cols.len - j);
                let mut i = 0;
                while i < rows.len {
                    let height = TILE.min(rows.len - i);
                    let at = at.along(rows, i).along(cols, j);
                    let tiled = if height == TILE { width - width % TILE } else { 0 };
                    for c in (0..tiled).step_by(TILE) {
                        let at = at.along(cols, c);
                        // SAFETY: the tile is a part of the plane.
                        unsafe { transpose_tile(out.cast::<T>().add(at.out), rows.out, x.as_ptr().add(at.x), cols.x) };
                    }
                    // SAFETY: the rest is a part of the plane.
                    unsafe {
                        elements(
                            out,
                            x,
                            at.along(cols, tiled),
                            Axis { len: height, ..rows },
                            Axis { len: width - tiled, ..cols },
                        )
                    };
                    i += height;
                }
                j += width;
            }
        }
        // SAFETY: passed on.
        _ => unsafe { elements(out, x, at, rows, cols) },
    }
}

/// Moves the elements along two axes one at a time.
///
/// # Safety
/// As for [`plane`].
#[inline(always)]
unsafe fn elements<T: Plain>(out: *mut [T], x: &[T], at: At, rows: Axis, cols: Axis) {
    // A short inner loop costs more than long steps through memory.
    let (rows, cols) = if rows.len > 4 * cols.len { (cols, rows) } else { (rows, cols) };
    for i in 0..rows.len {
        let at = at.along(rows, i);
        for j in 0..cols.len {
            let at = at.along(cols, j);
            // SAFETY: position (i, j) is inside both.
            unsafe { *out.cast::<T>().add(at.out) = *x.get_unchecked(at.x) };
        }
    }
}

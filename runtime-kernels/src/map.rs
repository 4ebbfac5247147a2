//! Fused elementwise expressions over operands that broadcast, or lie in memory in any order.
//!
//! Axes that lie together in every operand are merged first, so that the innermost is as long as it can be. A row along it
//! is then a loop over vectors, in which an operand is a pointer and a step: contiguous operands are read where they
//! lie, repeated elements from one vector made before the row, anything else from a vector gathered just before. The last,
//! partial vector of a row goes through the same vectors on the stack, so the expression is compiled only for whole ones.

use core::mem::MaybeUninit;

use super::simd::{Simd, Task};
use super::split::{Part, Split, parts, whole};

/// An expression of `N` floats.
pub trait MapF32<const N: usize>: Copy {
    /// The expression on vectors; implementations are `#[inline(always)]`.
    fn apply<S: Simd>(self, s: S, v: [S::F32; N]) -> S::F32;
}

/// `out[i] = f(ins[0][i · strides[0]], …)` for every index `i` within `dims`.
pub struct Map<'a, F, const N: usize, const R: usize> {
    /// `dims`, dense.
    pub out: &'a mut [f32],
    /// Operands; `None` is what `out` holds before, element for element.
    pub ins: [Option<&'a [f32]>; N],
    /// Sizes, outermost first.
    pub dims: [usize; R],
    /// Floats from element to element of each operand along each axis, 0 to repeat; ignored for `None`.
    pub strides: [[usize; R]; N],
    /// What is computed.
    pub f: F,
}

/// An expression of elements of any types, which it finds by their indices in its operands.
pub trait MapAny<const N: usize> {
    /// Element type of the result.
    type Out: Copy;

    /// The result for element `idx[n]` of each operand `n`; implementations are `#[inline(always)]`.
    fn at(&self, idx: [usize; N]) -> Self::Out;
}

/// `out[i] = f.at([i · strides[0], …])` for every index `i` within `dims`.
pub struct MapEach<'a, F: MapAny<N>, const N: usize, const R: usize> {
    /// `dims`, dense.
    pub out: &'a mut [F::Out],
    /// Sizes, outermost first.
    pub dims: [usize; R],
    /// Elements from element to element of each operand along each axis, 0 to repeat.
    pub strides: [[usize; R]; N],
    /// What is computed.
    pub f: F,
}

/// A vector of the widest instruction set.
const WIDEST: usize = 16;

/// Elements of the rows that are laid out together, see [`map_rows`].
const PATTERN: usize = 512;

/// How many elements rows of `len` have together when they end with a whole vector: the least common multiple.
const fn period<S: Simd>(len: usize) -> usize {
    let (row, lanes) = (len.trailing_zeros(), S::LANES.trailing_zeros());
    len << lanes >> if row < lanes { row } else { lanes }
}

/// The rows of a map: where each operand is, for one row after another.
struct Rows<const N: usize, const R: usize> {
    dims: [usize; R],
    strides: [[usize; R]; N],
    index: [usize; R],
    at: [usize; N],
}

impl<const N: usize, const R: usize> Rows<N, R> {
    /// The rows over `dims`, none of them 0, with axes merged into the innermost ones; the outermost have size 1.
    fn new(dims: [usize; R], strides: [[usize; R]; N]) -> Self {
        let mut rows = Rows { dims: [1; R], strides: [[0; R]; N], index: [0; R], at: [0; N] };
        let mut to = R;
        for axis in (0..R).rev().filter(|&axis| dims[axis] != 1) {
            let joins = to < R && (0..N).all(|n| strides[n][axis] == rows.strides[n][to] * rows.dims[to]);
            if joins {
                rows.dims[to] *= dims[axis];
                continue;
            }
            to -= 1;
            rows.dims[to] = dims[axis];
            for (to_strides, strides) in rows.strides.iter_mut().zip(&strides) {
                to_strides[to] = strides[axis];
            }
        }
        rows
    }

    /// The same, where there are any; panics if the output or an operand is too short for them. Operands without a length
    /// are dense, and as long as the output.
    // Not part of any loop, so one copy serves all expressions on all instruction sets.
    #[inline(never)]
    fn checked(
        out_len: usize,
        lens: [Option<usize>; N],
        dims: [usize; R],
        mut strides: [[usize; R]; N],
    ) -> Option<Self> {
        let len = volume(&dims);
        if len == 0 {
            return None;
        }
        assert!(out_len >= len, "the output of a map is too short");
        for (strides, operand_len) in strides.iter_mut().zip(lens) {
            if let Some(operand_len) = operand_len {
                assert!(operand_len >= reach(&dims, strides), "an operand of a map is too short");
            } else {
                let mut dense = 1;
                for (stride, &size) in strides.iter_mut().zip(&dims).rev() {
                    *stride = dense;
                    dense *= size;
                }
            }
        }
        Some(Rows::new(dims, strides))
    }

    /// Elements in a row.
    fn len(&self) -> usize {
        self.dims[R - 1]
    }

    /// Whether the rows are short, lie along one axis, and every operand is dense or the same in each of them.
    fn repeat<S: Simd>(&self, n_rows: usize) -> bool {
        let Some(axis) = R.checked_sub(2) else { return false };
        self.len() <= PATTERN
            && period::<S>(self.len()) <= PATTERN
            && self.dims[axis] == n_rows
            && self
                .strides
                .iter()
                .all(|strides| strides[axis] == 0 || (strides[R - 1] == 1 && strides[axis] == self.dims[R - 1]))
    }

    /// Goes to the row that is `count` after the first, where this stands.
    fn skip(&mut self, count: usize) {
        let mut count = count;
        for axis in (0..R - 1).rev() {
            self.index[axis] = count % self.dims[axis];
            count /= self.dims[axis];
            for n in 0..N {
                self.at[n] += self.index[axis] * self.strides[n][axis];
            }
        }
    }

    /// Goes to the next row; false after the last.
    fn advance(&mut self) -> bool {
        for axis in (0..R - 1).rev() {
            self.index[axis] += 1;
            let wraps = self.index[axis] == self.dims[axis];
            for n in 0..N {
                let stride = self.strides[n][axis];
                self.at[n] = if wraps { self.at[n] - stride * (self.dims[axis] - 1) } else { self.at[n] + stride };
            }
            if !wraps {
                return true;
            }
            self.index[axis] = 0;
        }
        false
    }
}

/// Elements within `dims`; panics if there are more than a `usize` holds.
fn volume(dims: &[usize]) -> usize {
    dims.iter().try_fold(1usize, |len, &size| len.checked_mul(size)).expect("a map's sizes overflow")
}

/// One more than the greatest index an operand is read at, for `dims` none of which is 0.
fn reach(dims: &[usize], strides: &[usize]) -> usize {
    let furthest =
        |reach: usize, (&size, &stride): (&usize, &usize)| reach.checked_add((size - 1).checked_mul(stride)?);
    dims.iter().zip(strides).try_fold(1, furthest).expect("a map's strides overflow")
}

impl<F: MapF32<N>, const N: usize, const R: usize> Task for Map<'_, F, N, R> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        whole(s, self);
    }
}

impl<F: MapF32<N>, const N: usize, const R: usize> Split for Map<'_, F, N, R> {
    #[inline(always)]
    fn parts(&self, threads: usize) -> usize {
        let len = volume(&self.dims);
        parts(16 * len, len / 1024, threads)
    }

    #[inline(always)]
    unsafe fn part<S: Simd>(task: *mut Self, s: S, part: Part, _: &mut [f32]) {
        // SAFETY: the caller vouches for the task; its output is only written through this pointer, each part's elements
        // by that part.
        let (out, task) = unsafe { (&raw mut *(*task).out, &*task) };
        let &Map { ins, dims, strides, f, .. } = task;
        let Some(mut rows) = Rows::checked(out.len(), ins.map(|x| x.map(<[f32]>::len)), dims, strides) else {
            return;
        };
        let out = out.cast::<f32>();
        let bases = ins.map(|x| x.map_or(out.cast_const(), <[f32]>::as_ptr));
        let row_len = rows.len();
        let inner = rows.strides.map(|strides| strides[R - 1]);
        let gathers = inner.iter().any(|&stride| stride > 1);
        // Whole rows where there are enough of them, else stretches of each, of whole lines of the cache.
        let (n_rows, lines) = (volume(&rows.dims[..R - 1]), row_len.div_ceil(WIDEST));
        let (mine, stretch) =
            if n_rows >= 4 * part.of { (part.range(n_rows), 0..lines) } else { (0..n_rows, part.range(lines)) };
        let (first, end) = (stretch.start * WIDEST, (stretch.end * WIDEST).min(row_len));
        let mut patterns = [const { MaybeUninit::<[f32; PATTERN]>::uninit() }; N];
        // What is left of the rows, the first row to do, and its length; the row's expression is compiled in one place.
        let (mut left, mut row, mut from, len);
        if !gathers && end - first == row_len && rows.repeat::<S>(n_rows) && mine.len() >= 4 {
            let all = mine.len() * row_len;
            // SAFETY: the rows are this part's, follow one another in the output and in each operand that does not repeat its
            // row, and lie within all of them, as was checked.
            unsafe {
                row = out.add(mine.start * row_len);
                from = core::array::from_fn(|n| bases[n].add(mine.start * rows.strides[n][R.wrapping_sub(2)]));
                let repeats = rows.strides.map(|strides| strides[R.wrapping_sub(2)] == 0);
                len = map_rows(s, f, &mut row, &mut from, &mut patterns, inner, repeats, row_len, all);
            }
            left = usize::from(len > 0);
        } else {
            rows.skip(mine.start);
            (left, len) = (mine.len(), end - first);
            // SAFETY: `rows` only visits indices within `dims`, which were checked against each operand and the output.
            unsafe {
                row = out.add(mine.start * row_len + first);
                from = core::array::from_fn(|n| bases[n].add(rows.at[n] + first * inner[n]));
            }
        }
        while left > 0 {
            // SAFETY: as above, or what `map_rows` left: `len` elements of the output and of what is dense, and of the period
            // of what repeats.
            unsafe { map_row(s, f, row, from, inner, gathers, len) };
            left -= 1;
            if left > 0 {
                rows.advance();
                // SAFETY: as above.
                unsafe {
                    row = row.add(row_len);
                    from = core::array::from_fn(|n| bases[n].add(rows.at[n] + first * inner[n]));
                }
            }
        }
    }
}

/// Short rows that follow one another, `len` elements in all, as one long row: what repeats with every row is laid out once for as
/// many rows as end with a whole vector. Goes to the elements after the last whole vector, and returns how many there are.
///
/// # Safety
/// `patterns` must live while `from` is used. `out` and the operands that do not repeat must be valid for `len` floats, those that do for `row_len`, both where their stride
/// is 1; where it is 0, for one. The period of `row_len` is at most [`PATTERN`]. `out` may be one of the operands that do not repeat, but must not
/// overlap any otherwise.
#[inline(always)]
unsafe fn map_rows<S: Simd, F: MapF32<N>, const N: usize>(
    s: S,
    f: F,
    out: &mut *mut f32,
    from: &mut [*const f32; N],
    patterns: &mut [MaybeUninit<[f32; PATTERN]>; N],
    strides: [usize; N],
    repeats: [bool; N],
    row_len: usize,
    len: usize,
) -> usize {
    let period = period::<S>(row_len);
    for (n, pattern) in patterns.iter_mut().enumerate() {
        let pattern = pattern.as_mut_ptr().cast::<f32>();
        // SAFETY: what repeats has a row, or its one element, and the pattern has room for a period and for a vector.
        unsafe {
            if strides[n] == 0 {
                (0..S::LANES).for_each(|i| *pattern.add(i) = *from[n]);
            } else if repeats[n] && period > row_len {
                let rows = (0..period).step_by(row_len);
                rows.for_each(|at| from[n].copy_to_nonoverlapping(pattern.add(at), row_len));
            } else {
                continue;
            }
        }
        from[n] = pattern;
    }
    let mut left = len;
    while left >= S::LANES {
        let turn = left.min(period) / S::LANES * S::LANES;
        let mut at = 0;
        while at < turn {
            // SAFETY: a vector is left of the output, of what is dense, and of the period of what repeats.
            unsafe {
                let reads = core::array::from_fn(|n| if strides[n] == 0 { from[n] } else { from[n].add(at) });
                s.store_ptr(f.apply(s, load_all(s, reads)), out.add(at));
            }
            at += S::LANES;
        }
        left -= turn;
        // SAFETY: at most one past the end of each.
        unsafe {
            *out = out.add(turn);
            for n in 0..N {
                // After a whole period what repeats begins anew; after less only the rest of a vector is left.
                if strides[n] != 0 && (!repeats[n] || left < S::LANES && turn < period) {
                    from[n] = from[n].add(turn);
                }
            }
        }
    }
    left
}

/// One row of a map. `gathers` is whether any stride is above 1.
///
/// # Safety
/// `out` must be valid for writing `len` floats, and each `from[n]` for reading the floats at multiples of `strides[n]` below `len`.
/// `out` may be one of the operands that are contiguous, but must not overlap any otherwise.
#[inline(always)]
unsafe fn map_row<S: Simd, F: MapF32<N>, const N: usize>(
    s: S,
    f: F,
    mut out: *mut f32,
    mut from: [*const f32; N],
    strides: [usize; N],
    gathers: bool,
    len: usize,
) {
    let mut near = [[0.0f32; WIDEST]; N];
    let mut result = [0.0f32; WIDEST];
    let mut steps = [S::LANES; N];
    let mut left = len;
    for n in 0..N {
        if strides[n] == 0 {
            // SAFETY: a repeated operand has its one element.
            near[n] = [unsafe { *from[n] }; WIDEST];
            from[n] = near[n].as_ptr();
            steps[n] = 0;
        }
    }
    if !gathers {
        while left >= S::LANES {
            // SAFETY: at least a vector is left of each contiguous operand and of `out`; the others have `WIDEST` lanes.
            unsafe {
                s.store_ptr(f.apply(s, load_all(s, from)), out);
                out = out.add(S::LANES);
                for n in 0..N {
                    from[n] = from[n].add(steps[n]);
                }
            }
            left -= S::LANES;
        }
    }
    while left > 0 {
        let count = left.min(S::LANES);
        let whole = count == S::LANES;
        let mut reads = from;
        for n in 0..N {
            if strides[n] > 1 || (strides[n] == 1 && !whole) {
                for (i, near) in near[n].iter_mut().enumerate().take(count) {
                    // SAFETY: `count` elements are left of every operand.
                    *near = unsafe { *from[n].add(i * strides[n]) };
                }
                reads[n] = near[n].as_ptr();
            }
        }
        // SAFETY: an operand that is read in place has a vector left, as has `out`; the others have `WIDEST` lanes.
        unsafe {
            let v = f.apply(s, load_all(s, reads));
            if whole {
                s.store_ptr(v, out);
            } else {
                s.store_ptr(v, result.as_mut_ptr());
                core::ptr::copy_nonoverlapping(result.as_ptr(), out, count);
            }
        }
        left -= count;
        if left > 0 {
            // SAFETY: there is more of every operand and of `out`.
            unsafe {
                out = out.add(S::LANES);
                for n in 0..N {
                    from[n] = from[n].add(S::LANES * strides[n]);
                }
            }
        }
    }
}

/// A vector of each operand.
///
/// # Safety
/// Each pointer must be valid for reading a vector.
#[inline(always)]
unsafe fn load_all<S: Simd, const N: usize>(s: S, from: [*const f32; N]) -> [S::F32; N] {
    let mut v = [s.splat(0.0); N];
    for n in 0..N {
        // SAFETY: the caller vouches for a vector.
        v[n] = unsafe { s.load_ptr(from[n]) };
    }
    v
}

impl<F: MapAny<N>, const N: usize, const R: usize> Task for MapEach<'_, F, N, R> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        let MapEach { out, dims, strides, f } = self;
        let len = volume(&dims);
        // Operands are checked where they are read, as only `f` knows them.
        let Some(mut rows) = Rows::checked(out.len(), [Some(usize::MAX); N], dims, strides) else {
            return;
        };
        let inner = rows.strides.map(|strides| strides[R - 1]);
        let contiguous = inner.iter().all(|&stride| stride == 1);
        for row in out[..len].chunks_exact_mut(rows.len()) {
            let mut at = rows.at;
            if contiguous {
                for (i, out) in row.iter_mut().enumerate() {
                    *out = f.at(at.map(|at| at + i));
                }
            } else {
                for out in row {
                    *out = f.at(at);
                    for n in 0..N {
                        at[n] += inner[n];
                    }
                }
            }
            rows.advance();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_that_lie_together_are_merged() {
        let rows = Rows::new([2, 3, 1, 4], [[12, 4, 9, 1], [0, 0, 0, 0]]);
        assert_eq!((rows.dims, rows.strides[0][3]), ([1, 1, 1, 24], 1));
        let mut rows = Rows::new([2, 3, 4], [[12, 4, 1], [0, 4, 1]]);
        assert_eq!(rows.dims, [1, 2, 12]);
        assert!(rows.advance() && rows.at == [12, 0] && !rows.advance());
        assert_eq!(Rows::new([2, 3], [[1, 2]]).dims, [2, 3]);
    }
}

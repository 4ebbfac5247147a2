//! Fused elementwise expressions over operands that broadcast, or lie in memory in any order.
//!
//! Axes that lie together in every operand are merged first, so that the innermost is as long as it can be. A row along it
//! is then a loop over vectors, in which an operand is a pointer and a step: contiguous operands are read where they
//! lie, repeated elements from one vector made before the row, anything else from vectors gathered just before. The last,
//! partial vector of a row goes through the same vectors on the stack, so the expression is compiled only for whole ones.
//! All but that loop sees an expression only as [`Vectors`], so that it is compiled once for all of them.

use core::mem::MaybeUninit;

use super::simd::{Simd, Task};
use super::simd_quad::{Quad, four};
use super::split::{Part, Split, parts, whole};

/// An expression of `N` floats.
pub trait MapF32<const N: usize>: Copy {
    /// True where it is a long chain of operations, as of exponentials, which four vectors had better go through together.
    const DEEP: bool = false;

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

/// Where the rows of a map are, for one row after another; a view of [`Walk`].
struct Rows<'a> {
    dims: &'a mut [usize],
    /// Of each operand, one after another.
    strides: &'a mut [usize],
    index: &'a mut [usize],
    /// The offset of each operand.
    at: &'a mut [usize],
}

/// The memory of [`Rows`], which are compiled once for any number of operands and axes.
struct Walk<const N: usize, const R: usize> {
    dims: [usize; R],
    strides: [[usize; R]; N],
    index: [usize; R],
    at: [usize; N],
}

impl<const N: usize, const R: usize> Walk<N, R> {
    const fn new(dims: [usize; R], strides: [[usize; R]; N]) -> Self {
        Walk { dims, strides, index: [0; R], at: [0; N] }
    }

    fn rows(&mut self) -> Rows<'_> {
        let Self { dims, strides, index, at } = self;
        Rows { dims, strides: strides.as_flattened_mut(), index, at }
    }
}

impl Rows<'_> {
    /// The number of elements, after axes have been merged into the innermost ones, so that the outermost have size 1; panics
    /// if the output or an operand is too short for them. Operands without a length are dense, and as long as the output.
    // Not part of any loop, so one copy serves all expressions on all instruction sets.
    #[inline(never)]
    fn check(&mut self, out_len: usize, lens: &[Option<usize>]) -> usize {
        let len = volume(self.dims);
        if len == 0 {
            return 0;
        }
        assert!(out_len >= len, "the output of a map is too short");
        for (strides, operand_len) in self.strides.chunks_exact_mut(self.dims.len()).zip(lens) {
            if let &Some(operand_len) = operand_len {
                assert!(operand_len >= reach(self.dims, strides), "an operand of a map is too short");
            } else {
                let mut dense = 1;
                for (stride, &size) in strides.iter_mut().zip(&*self.dims).rev() {
                    *stride = dense;
                    dense *= size;
                }
            }
        }
        self.merge();
        len
    }

    /// Merges axes that lie together in every operand.
    fn merge(&mut self) {
        let rank = self.dims.len();
        let mut to = rank;
        for axis in (0..rank).rev() {
            let size = core::mem::replace(&mut self.dims[axis], 1);
            if size == 1 {
                continue;
            }
            if to < rank && self.strides.chunks_exact(rank).all(|strides| strides[axis] == strides[to] * self.dims[to])
            {
                self.dims[to] *= size;
                continue;
            }
            to -= 1;
            self.dims[to] = size;
            self.strides.chunks_exact_mut(rank).for_each(|strides| strides[to] = strides[axis]);
        }
    }

    /// Elements in a row.
    fn len(&self) -> usize {
        self.dims[self.dims.len() - 1]
    }

    /// From element to element of operand `n` in a row, and from row to row.
    fn strides(&self, n: usize) -> (usize, usize) {
        let rank = self.dims.len();
        let strides = &self.strides[n * rank..][..rank];
        (strides[rank - 1], if rank > 1 { strides[rank - 2] } else { 0 })
    }

    /// Whether the rows are short, lie along one axis, and every operand is dense or the same in each of them.
    fn repeat<S: Simd>(&self, n_rows: usize) -> bool {
        let Some(axis) = self.dims.len().checked_sub(2) else { return false };
        let fits = |(element, row)| row == 0 || (element == 1 && row == self.len());
        self.len() <= PATTERN
            && period::<S>(self.len()) <= PATTERN
            && self.dims[axis] == n_rows
            && (0..self.at.len()).all(|n| fits(self.strides(n)))
    }

    /// Goes to the row that is `count` after the first, where this stands.
    fn skip(&mut self, count: usize) {
        let (rank, mut count) = (self.dims.len(), count);
        for axis in (0..rank - 1).rev() {
            self.index[axis] = count % self.dims[axis];
            count /= self.dims[axis];
            for (at, strides) in self.at.iter_mut().zip(self.strides.chunks_exact(rank)) {
                *at += self.index[axis] * strides[axis];
            }
        }
    }

    /// Goes to the next row; false after the last.
    fn advance(&mut self) -> bool {
        let rank = self.dims.len();
        for axis in (0..rank - 1).rev() {
            self.index[axis] += 1;
            let wraps = self.index[axis] == self.dims[axis];
            for (at, strides) in self.at.iter_mut().zip(self.strides.chunks_exact(rank)) {
                let stride = strides[axis];
                *at = if wraps { *at - stride * (self.dims[axis] - 1) } else { *at + stride };
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
        let mut walk = Walk::new(dims, strides);
        let mut rows = walk.rows();
        if rows.check(out.len(), &ins.map(|x| x.map(<[f32]>::len))) == 0 {
            return;
        }
        let out = out.cast::<f32>();
        let mut near = [const { MaybeUninit::<[f32; PATTERN]>::uninit() }; N];
        let near = near.each_mut().map(|near| near.as_mut_ptr().cast());
        let mut operands = core::array::from_fn::<_, N, _>(|n| {
            Operand::new(ins[n].map_or(out.cast_const(), <[f32]>::as_ptr), near[n])
        });
        s.enter(MapPart { out, rows, operands: &mut operands, vectors: &Entered { s, f }, part });
    }
}

/// An operand on its way along the rows.
struct Operand {
    base: *const f32,
    /// What is to do next.
    at: *const f32,
    /// Where to read it, and from vector to vector.
    from: *const f32,
    step: usize,
    /// Room for [`PATTERN`] floats that are not read where they lie.
    near: *mut f32,
}

impl Operand {
    const fn new(base: *const f32, near: *mut f32) -> Self {
        Self { base, at: base, from: base, step: 0, near }
    }

    /// Has all vectors be the one element at `at`.
    ///
    /// # Safety
    /// There must be an element.
    #[inline(always)]
    unsafe fn repeat<S: Simd>(&mut self) {
        // SAFETY: there is room for a vector.
        unsafe { (0..S::LANES).for_each(|i| *self.near.add(i) = *self.at) };
        (self.from, self.step) = (self.near, 0);
    }
}

/// An expression, whatever it is, on whole vectors.
trait Vectors {
    /// Computes `n` vectors one after another.
    ///
    /// # Safety
    /// `out` must be valid for writing `n` vectors, and each operand for reading them, or the one where its step is 0. `out` may
    /// be one of those that move, but must not overlap any otherwise.
    unsafe fn map(&self, out: *mut f32, operands: &[Operand], n: usize);
}

/// An expression of `N` operands with the token of an instruction set.
struct Entered<S, F, const N: usize> {
    s: S,
    f: F,
}

impl<S: Simd, F: MapF32<N>, const N: usize> Vectors for Entered<S, F, N> {
    unsafe fn map(&self, out: *mut f32, operands: &[Operand], n: usize) {
        let (from, steps) = (core::array::from_fn(|i| operands[i].from), core::array::from_fn(|i| operands[i].step));
        self.s.enter(Stretch { f: self.f, out, from, steps, n });
    }
}

/// The vectors of [`Vectors::map`], whose caller vouches for them.
struct Stretch<F, const N: usize> {
    f: F,
    out: *mut f32,
    from: [*const f32; N],
    steps: [usize; N],
    n: usize,
}

impl<F: MapF32<N>, const N: usize> Task for Stretch<F, N> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { f, out, from, steps, n } = self;
        // Some at once, since a vector waits for its own results nearly all the time; the last is done again where there is no
        // other. All are read before any is written.
        let together = if F::DEEP { 4 } else { 2 };
        for first in (0..n).step_by(together) {
            let at = |i: usize| (first + i).min(n - 1);
            // SAFETY: all are among the `n` vectors.
            unsafe {
                if F::DEEP {
                    let mut v = [Quad(s).splat(0.0); N];
                    for i in 0..N {
                        v[i] = four!(I, s.load_ptr(from[i].add(at(I) * steps[i])));
                    }
                    let v = f.apply(Quad(s), v);
                    four!(I, s.store_ptr(v[I], out.add(at(I) * S::LANES)));
                } else {
                    let a = load_all(s, core::array::from_fn(|i| from[i].add(at(0) * steps[i])));
                    let b = load_all(s, core::array::from_fn(|i| from[i].add(at(1) * steps[i])));
                    let (a, b) = (f.apply(s, a), f.apply(s, b));
                    s.store_ptr(a, out.add(at(0) * S::LANES));
                    s.store_ptr(b, out.add(at(1) * S::LANES));
                }
            }
        }
    }
}

/// Part of a [`Map`], of whatever expression; whoever makes one vouches for the output and the operands.
struct MapPart<'a> {
    out: *mut f32,
    rows: Rows<'a>,
    operands: &'a mut [Operand],
    vectors: &'a dyn Vectors,
    part: Part,
}

impl Task for MapPart<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { out, mut rows, operands, vectors, part } = self;
        let row_len = rows.len();
        let gathers = (0..operands.len()).any(|n| rows.strides(n).0 > 1);
        // Whole rows where there are enough of them, else stretches of each, of whole lines of the cache.
        let (n_rows, lines) = (volume(&rows.dims[..rows.dims.len() - 1]), row_len.div_ceil(WIDEST));
        let (mine, stretch) =
            if n_rows >= 4 * part.of { (part.range(n_rows), 0..lines) } else { (0..n_rows, part.range(lines)) };
        let (first, end) = (stretch.start * WIDEST, (stretch.end * WIDEST).min(row_len));
        if !gathers && end - first == row_len && rows.repeat::<S>(n_rows) && mine.len() >= 4 {
            // SAFETY: the rows are this part's, follow one another in the output and in each operand that does not repeat its
            // row, and lie within all of them, as was checked.
            unsafe {
                for (n, operand) in operands.iter_mut().enumerate() {
                    operand.at = operand.base.add(mine.start * rows.strides(n).1);
                }
                let out = out.add(mine.start * row_len);
                return map_rows::<S>(vectors, out, operands, &rows, mine.len() * row_len);
            }
        }
        rows.skip(mine.start);
        for row in mine {
            // SAFETY: `rows` only visits indices within `dims`, which were checked against each operand and the output.
            unsafe {
                for (n, operand) in operands.iter_mut().enumerate() {
                    operand.at = operand.base.add(rows.at[n] + first * rows.strides(n).0);
                }
                map_row::<S>(vectors, out.add(row * row_len + first), operands, &rows, end - first);
            }
            rows.advance();
        }
    }
}

/// Short rows that follow one another, `len` elements in all, as one long row: what repeats with every row is laid out once for so
/// many rows that they end with a whole vector.
///
/// # Safety
/// `out` and the operands that do not repeat must be valid for `len` floats, those that do for a row, both where their stride
/// is 1; where it is 0, for one. The period of a row is at most [`PATTERN`]. `out` may be one of the operands that do not repeat,
/// but must not overlap any otherwise.
#[inline(always)]
unsafe fn map_rows<S: Simd>(
    vectors: &dyn Vectors,
    mut out: *mut f32,
    operands: &mut [Operand],
    rows: &Rows<'_>,
    len: usize,
) {
    let (row_len, period) = (rows.len(), period::<S>(rows.len()));
    // As many periods as there is room for, so that a call has enough to do.
    let pattern = (PATTERN / period * period).min(len.next_multiple_of(period));
    for (n, operand) in operands.iter_mut().enumerate() {
        let (element, row) = rows.strides(n);
        operand.step = S::LANES;
        // SAFETY: what repeats has a row, or its one element, and there is room for a period.
        unsafe {
            if element == 0 {
                operand.repeat::<S>();
            } else if row == 0 && pattern > row_len {
                let near = operand.near;
                (0..pattern).step_by(row_len).for_each(|at| operand.at.copy_to_nonoverlapping(near.add(at), row_len));
                operand.at = near;
            }
        }
    }
    let mut left = len;
    while left >= S::LANES {
        let turn = left.min(pattern) / S::LANES * S::LANES;
        left -= turn;
        // SAFETY: so many vectors are left of the output, of what is dense, and of the period of what repeats; each ends at most
        // one past its end.
        unsafe {
            operands.iter_mut().filter(|operand| operand.step > 0).for_each(|operand| operand.from = operand.at);
            vectors.map(out, operands, turn / S::LANES);
            out = out.add(turn);
            for (n, operand) in operands.iter_mut().enumerate() {
                // After all periods what repeats begins anew; after less only the rest of a vector is left.
                if operand.step > 0 && (rows.strides(n).1 != 0 || left < S::LANES && turn < pattern) {
                    operand.at = operand.at.add(turn);
                }
            }
        }
    }
    if left > 0 {
        // SAFETY: what is left, of the output, of what is dense, and of the period of what repeats.
        unsafe { map_row::<S>(vectors, out, operands, rows, left) };
    }
}

/// Elements gathered at a time.
const BLOCK: usize = 4 * WIDEST;

/// One row of a map, or part of one.
///
/// # Safety
/// `out` must be valid for writing `len` floats, and each operand for reading the floats at multiples of its stride below `len`
/// from `at` on. `out` may be one of the operands that are contiguous, but must not overlap any otherwise.
#[inline(always)]
unsafe fn map_row<S: Simd>(
    vectors: &dyn Vectors,
    mut out: *mut f32,
    operands: &mut [Operand],
    rows: &Rows<'_>,
    len: usize,
) {
    let mut result = MaybeUninit::<[f32; BLOCK]>::uninit();
    let mut gathers = false;
    for (n, operand) in operands.iter_mut().enumerate() {
        match rows.strides(n).0 {
            // SAFETY: a repeated operand has its one element.
            0 => unsafe { operand.repeat::<S>() },
            stride => (operand.step, gathers) = (S::LANES, gathers || stride > 1),
        }
    }
    let mut left = len;
    while left > 0 {
        // Whole vectors at once where all can be read in place, else a block.
        let whole = left / S::LANES * S::LANES;
        let count = if gathers || whole == 0 { left.min(BLOCK) } else { whole };
        let padded = count.next_multiple_of(S::LANES);
        let to = if count < padded { result.as_mut_ptr().cast() } else { out };
        // SAFETY: `count` elements are left of every operand and of the output, and a block has room for as many, rounded up;
        // what is read in place has whole vectors.
        unsafe {
            for (n, operand) in operands.iter_mut().enumerate().filter(|(_, operand)| operand.step > 0) {
                let (stride, near) = (rows.strides(n).0, operand.near);
                operand.from = operand.at;
                if stride > 1 || count < padded {
                    (0..count).for_each(|i| *near.add(i) = *operand.at.add(i * stride));
                    (count..padded).for_each(|i| *near.add(i) = 0.0);
                    operand.from = near;
                }
                operand.at = operand.at.wrapping_add(count * stride);
            }
            vectors.map(to, operands, padded / S::LANES);
            if count < padded {
                to.copy_to_nonoverlapping(out, count);
            }
            out = out.add(count);
        }
        left -= count;
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
        let mut walk = Walk::new(dims, strides);
        let mut rows = walk.rows();
        // Operands are checked where they are read, as only `f` knows them.
        let len = rows.check(out.len(), &[Some(usize::MAX); N]);
        if len == 0 {
            return;
        }
        let inner: [usize; N] = core::array::from_fn(|n| rows.strides(n).0);
        let contiguous = inner.iter().all(|&stride| stride == 1);
        for row in out[..len].chunks_exact_mut(rows.len()) {
            let mut at: [usize; N] = core::array::from_fn(|n| rows.at[n]);
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
        let mut walk = Walk::new([2, 3, 1, 4], [[12, 4, 9, 1], [0, 0, 0, 0]]);
        walk.rows().merge();
        assert_eq!((walk.dims, walk.strides[0][3]), ([1, 1, 1, 24], 1));
        let mut walk = Walk::new([2, 3, 4], [[12, 4, 1], [0, 4, 1]]);
        let mut rows = walk.rows();
        rows.merge();
        assert_eq!(rows.dims, [1, 2, 12]);
        assert!(rows.advance() && rows.at == [12, 0] && !rows.advance());
        let mut walk = Walk::new([2, 3], [[1, 2]]);
        walk.rows().merge();
        assert_eq!(walk.dims, [2, 3]);
    }
}

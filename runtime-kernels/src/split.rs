//! Tasks whose result can be computed in parts by several threads; see `team` for who does.
//!
//! Parts divide what is written and never what is summed over, so a result is the same, bit for bit, however many parts
//! it is made of.

use core::ops::Range;

use super::simd::{Simd, Task};

/// Multiplications with addition, or operations of about that cost, that are worth waking another thread for.
const GRAIN: usize = 192 * 1024;

/// Multiplications with addition in the time that one element takes to come from another core's cache.
const SUMS_PER_FETCH: usize = 32;

/// Multiplications with addition in the time that a weight takes to come from the second-level cache; from memory it is three
/// times as long.
pub const SUMS_PER_WEIGHT: usize = 4;

/// One of several parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// Which, from 0.
    pub index: usize,
    /// How many there are.
    pub of: usize,
}

impl Part {
    /// All there is.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// The share of `n` things; shares differ by one at most.
    #[inline(always)]
    pub const fn range(self, n: usize) -> Range<usize> {
        n * self.index / self.of..n * (self.index + 1) / self.of
    }

    /// The share of a product's rows and columns, `rows` by `cols` tiles of `height` by `width` sums of `k` products each.
    ///
    /// The share that is done soonest. Threads that divide the rows alone find in their core's cache the rows that they wrote in
    /// the step before, and the next step finds what they write; columns have to come near for each.
    pub fn grid(self, rows: usize, cols: usize, height: usize, width: usize, k: usize) -> (Range<usize>, Range<usize>) {
        if self.of == 1 || cols == 1 {
            return (self.range(rows), 0..cols);
        }
        let mut best = (usize::MAX, 1);
        for across in (1..=self.of).filter(|across| self.of.is_multiple_of(*across)) {
            let (tall, wide) = (rows.div_ceil(self.of / across) * height, cols.div_ceil(across) * width);
            let sums = tall.saturating_mul(wide);
            let foreign = (tall.saturating_mul(k).saturating_add(sums)) / across * (across - 1);
            // Weights come in order, so that most of the wait for them is hidden.
            let time = (sums.saturating_mul(k) / SUMS_PER_FETCH).saturating_add(foreign).saturating_add(wide * k / 4);
            best = best.min((time, across));
        }
        let across = best.1;
        let row = Part { index: self.index / across, of: self.of / across };
        let col = Part { index: self.index % across, of: across };
        (row.range(rows), col.range(cols))
    }
}

/// How many parts to make of `work` multiplications with addition for `threads` threads, of `most` that there can be.
// One copy serves all tasks, of which there is one for each kind of step.
#[inline(never)]
pub fn parts(work: usize, most: usize, threads: usize) -> usize {
    let worth = work / GRAIN;
    // Long work in more parts than threads: one that started late then does less of it.
    let wanted = if worth < 32 * threads { threads } else { 2 * threads };
    worth.min(wanted).min(most)
}

/// A task that can be done in parts.
pub trait Split: Task<Out = ()> {
    /// How many parts `threads` threads should make of it; below 2 where it is not worth their while.
    fn parts(&self, threads: usize) -> usize;

    /// Memory to work in, of which each thread needs as much.
    #[inline(always)]
    fn scratch(&mut self) -> &mut [f32] {
        &mut []
    }

    /// Does one part of `task`, in `scratch` instead of its own.
    ///
    /// # Safety
    /// `task` must be valid, and nothing else may use its operands meanwhile but other parts of as many.
    unsafe fn part<S: Simd>(task: *mut Self, s: S, part: Part, scratch: &mut [f32]);
}

/// Who does tasks in parts.
pub trait Crew: Copy {
    /// How many there are.
    fn threads(self) -> usize;

    /// Does a task, together if that is worth it.
    fn enter<S: Simd, T: Split>(self, s: S, task: T);
}

/// The caller's thread.
#[derive(Clone, Copy)]
pub struct Alone;

impl Crew for Alone {
    #[inline(always)]
    fn threads(self) -> usize {
        1
    }

    #[inline(always)]
    fn enter<S: Simd, T: Split>(self, s: S, task: T) {
        whole(s, task);
    }
}

/// A task of steps that wait for one another, each of which can be done in parts.
pub trait Stepwise: Task<Out = ()> {
    /// Does it with a crew.
    fn with<S: Simd, C: Crew>(self, s: S, crew: C);
}

/// Does the whole of a task that can be done in parts: its `Task::run`.
#[inline(always)]
pub fn whole<S: Simd, T: Split>(s: S, mut task: T) {
    let scratch: *mut [f32] = task.scratch();
    // SAFETY: the task is at hand, there is no other part, and parts do not touch the task's own scratch.
    unsafe { T::part(&raw mut task, s, Part::WHOLE, &mut *scratch) }
}

/// The elements `range` of an output that is written in parts.
///
/// # Safety
/// `out` must be valid for writing for `'a`, and nothing else may use these elements meanwhile.
#[inline(always)]
pub unsafe fn own<'a, T>(out: *mut [T], range: Range<usize>) -> &'a mut [T] {
    assert!(range.start <= range.end && range.end <= out.len(), "a part must lie within the output");
    // SAFETY: within the output, as just checked, for which the caller vouches.
    unsafe { core::slice::from_raw_parts_mut(out.cast::<T>().add(range.start), range.len()) }
}

/// The elements `range` of what others may read too.
///
/// # Safety
/// `x` must be valid for reading for `'a`, and nothing may write these elements meanwhile.
#[inline(always)]
pub unsafe fn seen<'a, T>(x: *const [T], range: Range<usize>) -> &'a [T] {
    assert!(range.start <= range.end && range.end <= x.len(), "a part must lie within the operand");
    // SAFETY: within the operand, as just checked, for which the caller vouches.
    unsafe { core::slice::from_raw_parts(x.cast::<T>().add(range.start), range.len()) }
}

/// `range` with every index `len` elements long.
#[inline(always)]
pub const fn times(range: &Range<usize>, len: usize) -> Range<usize> {
    range.start * len..range.end * len
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn parts_cover_all_once() {
        for of in 1..20 {
            for (rows, cols) in [(1, 1), (1, 9), (7, 1), (5, 3), (100, 40)] {
                let mut seen = vec![0; rows * cols];
                for index in 0..of {
                    let (r, c) = Part { index, of }.grid(rows, cols, 3, 5, 7);
                    r.for_each(|r| c.clone().for_each(|c| seen[r * cols + c] += 1));
                }
                assert_eq!(seen, vec![1; rows * cols], "{of} parts of {rows} by {cols}");
            }
        }
    }

    #[test]
    fn little_work_is_not_split() {
        assert_eq!(parts(GRAIN, 100, 8), 1);
        assert_eq!(parts(3 * GRAIN, 100, 8), 3);
        assert_eq!(parts(100 * GRAIN, 100, 8), 8);
        assert_eq!(parts(1000 * GRAIN, 100, 8), 16);
        assert_eq!(parts(1000 * GRAIN, 2, 8), 2);
    }
}

//! Where the greatest or least element is: ONNX `ArgMax` and `ArgMin`.
//!
//! NaN wins over any number, as in NumPy.

use super::number::Number;
use super::simd::{Simd, Task};

/// The index of the best of `len` elements.
pub struct ArgReduce<'a, T: Number> {
    /// `[outer][inner]`
    pub out: &'a mut [i64],
    /// `[outer][len][inner]`
    pub x: &'a [T],
    /// Product of the sizes before the axis.
    pub outer: usize,
    /// Size of the axis, at least 1 unless the output is empty.
    pub len: usize,
    /// Product of the sizes after the axis.
    pub inner: usize,
    /// Whether the greatest is best, or the least.
    pub largest: bool,
    /// Whether of equally good elements the last counts, or the first.
    pub last: bool,
}

/// Elements compared side by side.
const LANES: usize = 16;

impl<T: Number> Task for ArgReduce<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { out, x, outer, len, inner, largest, last } = self;
        assert_eq!(out.len(), outer * inner);
        assert_eq!(x.len(), outer * len * inner);
        if out.is_empty() {
            return;
        }
        assert!(len > 0, "an empty axis has no greatest or least element");
        let order = Order { largest, last };
        for (out, x) in out.chunks_exact_mut(inner).zip(x.chunks_exact(len * inner)) {
            if inner == 1 {
                out[0] = best_of(x, order);
                continue;
            }
            let whole = inner - inner % LANES;
            for i in (0..whole).step_by(LANES) {
                columns(out, x, i, LANES, order);
            }
            if whole < inner {
                columns(out, x, whole, inner - whole, order);
            }
        }
    }
}

/// The indices of the best elements of the columns `i..i + n` of `x`, each row of which is as long as `out`.
#[inline(always)]
fn columns<T: Number>(out: &mut [i64], x: &[T], i: usize, n: usize, order: Order) {
    let mut best = [T::ZERO; LANES];
    let mut index = [0; LANES];
    best[..n].copy_from_slice(&x[i..][..n]);
    for (j, row) in x.chunks_exact(out.len()).enumerate().skip(1) {
        let mut line = best;
        line[..n].copy_from_slice(&row[i..][..n]);
        order.improve(&mut best, &mut index, &line, j);
    }
    for (out, &index) in out[i..][..n].iter_mut().zip(&index) {
        *out = i64::from(index);
    }
}

#[derive(Clone, Copy)]
struct Order {
    largest: bool,
    last: bool,
}

impl Order {
    #[inline(always)]
    fn beats<T: Number>(self, a: T, b: T) -> bool {
        (if self.largest { a > b } else { a < b }) | (a.is_nan() & !b.is_nan())
    }

    /// Puts the elements of index `j` where they are better, or as good and later ones are preferred.
    #[inline(always)]
    fn improve<T: Number>(self, best: &mut [T; LANES], index: &mut [i32; LANES], x: &[T; LANES], j: usize) {
        for ((best, index), &x) in best.iter_mut().zip(index).zip(x) {
            let better = if self.last { !self.beats(*best, x) } else { self.beats(x, *best) };
            *best = if better { x } else { *best };
            *index = if better { j as i32 } else { *index };
        }
    }
}

/// The index of the best element of a row.
#[inline(always)]
fn best_of<T: Number>(x: &[T], order: Order) -> i64 {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let (mut at, mut best) = (0, x[0]);
    let mut offer = |value: T, i: i64| {
        let tie = !order.beats(best, value) && if order.last { i > at } else { i < at };
        if order.beats(value, best) || tie {
            (at, best) = (i, value);
        }
    };
    if let Some((first, chunks)) = chunks.split_first() {
        let (mut lane_best, mut index) = (*first, [0i32; LANES]);
        for (j, chunk) in chunks.iter().enumerate() {
            order.improve(&mut lane_best, &mut index, chunk, j + 1);
        }
        for (lane, (&value, &j)) in lane_best.iter().zip(&index).enumerate() {
            offer(value, i64::from(j) * LANES as i64 + lane as i64);
        }
    }
    let first = x.len() - rest.len();
    rest.iter().zip(first as i64..).for_each(|(&value, i)| offer(value, i));
    at
}

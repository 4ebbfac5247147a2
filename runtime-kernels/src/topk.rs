//! The k greatest or least elements along an axis: ONNX `TopK`.
//!
//! The outputs serve as a heap whose root is the worst element kept, so nothing else is needed. Of equal elements those of
//! lower index win and come first. NaN counts as greater than any number.

use super::number::Number;
use super::simd::{Simd, Task};

/// The `k` best of `len` elements, and where they are.
pub struct TopK<'a, T: Number> {
    /// `[outer][k][inner]`
    pub values: &'a mut [T],
    /// `[outer][k][inner]`
    pub indices: &'a mut [i64],
    /// `[outer][len][inner]`
    pub x: &'a [T],
    /// Product of the sizes before the axis.
    pub outer: usize,
    /// Size of the axis.
    pub len: usize,
    /// Product of the sizes after the axis.
    pub inner: usize,
    /// How many to keep, at most `len`.
    pub k: usize,
    /// Whether the greatest are best, or the least.
    pub largest: bool,
    /// Whether the best comes first, or any order will do.
    pub sorted: bool,
}

impl<T: Number> Task for TopK<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { values, indices, x, outer, len, inner, k, largest, sorted } = self;
        assert!(k <= len, "an axis must have at least k elements");
        assert_eq!(values.len(), outer * k * inner);
        assert_eq!(indices.len(), outer * k * inner);
        assert_eq!(x.len(), outer * len * inner);
        if values.is_empty() {
            return;
        }
        for ((values, indices), x) in
            values.chunks_exact_mut(k * inner).zip(indices.chunks_exact_mut(k * inner)).zip(x.chunks_exact(len * inner))
        {
            for i in 0..inner {
                let mut heap = Heap { values: &mut values[i..], indices: &mut indices[i..], stride: inner, largest };
                for j in 0..k {
                    heap.set(j, (x[j * inner + i], j as i64));
                }
                for j in (0..k / 2).rev() {
                    heap.sink(j, k);
                }
                heap.offer_all(&x[i..], k, len);
                if sorted {
                    for n in (1..k).rev() {
                        let (root, last) = (heap.get(0), heap.get(n));
                        heap.set(n, root);
                        heap.set(0, last);
                        heap.sink(0, n);
                    }
                }
            }
        }
    }
}

/// Elements with their indices; each is worse than its children `2 j + 1` and `2 j + 2`.
struct Heap<'a, T> {
    values: &'a mut [T],
    indices: &'a mut [i64],
    stride: usize,
    largest: bool,
}

impl<T: Number> Heap<'_, T> {
    #[inline(always)]
    fn get(&self, j: usize) -> (T, i64) {
        (self.values[j * self.stride], self.indices[j * self.stride])
    }

    #[inline(always)]
    fn set(&mut self, j: usize, (value, index): (T, i64)) {
        self.values[j * self.stride] = value;
        self.indices[j * self.stride] = index;
    }

    /// Whether `a` is better by value alone.
    #[inline(always)]
    fn beats(&self, a: T, b: T) -> bool {
        if self.largest { a.is_above(b) } else { b.is_above(a) }
    }

    #[inline(always)]
    fn is_worse(&self, a: (T, i64), b: (T, i64)) -> bool {
        self.beats(b.0, a.0) || (!self.beats(a.0, b.0) && a.1 > b.1)
    }

    /// Moves element `j` down, among the first `len`, to where it belongs.
    #[inline(always)]
    fn sink(&mut self, mut j: usize, len: usize) {
        let element = self.get(j);
        loop {
            let mut child = 2 * j + 1;
            if child >= len {
                break;
            }
            let mut least = self.get(child);
            if child + 1 < len {
                let other = self.get(child + 1);
                if self.is_worse(other, least) {
                    child += 1;
                    least = other;
                }
            }
            if !self.is_worse(least, element) {
                break;
            }
            self.set(j, least);
            j = child;
        }
        self.set(j, element);
    }

    /// Replaces the root by each of the elements `k..len` that beats it; equal ones have a higher index and do not.
    #[inline(always)]
    fn offer_all(&mut self, x: &[T], k: usize, len: usize) {
        const CHUNK: usize = 16;
        let mut j = k;
        while j < len {
            let n = CHUNK.min(len - j);
            let worst = self.values[0];
            let any = if self.stride == 1 && n == CHUNK {
                x[j..][..CHUNK].iter().fold(false, |any, &x| any | self.beats(x, worst))
            } else {
                true
            };
            if any {
                for j in j..j + n {
                    let value = x[j * self.stride];
                    if self.beats(value, self.values[0]) {
                        self.set(0, (value, j as i64));
                        self.sink(0, k);
                    }
                }
            }
            j += n;
        }
    }
}

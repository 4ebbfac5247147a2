//! Scattering updates into data, element by element and by index tuples.
//!
//! Indices are data: negative ones count from the end, and those outside panic. Updates apply in row-major order, so of
//! several to one place the last one stays.

use super::copy::copy_run;
use super::gather::{ElementWalk, check_nd, tuple_at};
use super::index::Index;
use super::number::Number;
use super::simd::{Simd, Task};

/// What becomes of an element and its update.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reduction {
    /// The update.
    None,
    /// Their sum.
    Add,
    /// Their product.
    Mul,
    /// The greater, NaN where either is NaN.
    Max,
    /// The lesser, NaN where either is NaN.
    Min,
}

impl Reduction {
    #[inline(always)]
    fn apply<T: Number>(self, old: T, update: T) -> T {
        match self {
            Self::None => update,
            Self::Add => old.plus(update),
            Self::Mul => old.times(update),
            Self::Max => old.greater(update),
            Self::Min => old.lesser(update),
        }
    }
}

/// `out[i] = updates[i]`, with the index along `axis` replaced by `indices[i]`: ONNX `ScatterElements`.
pub struct ScatterElements<'a, T: Number, I: Index, const R: usize> {
    /// `x_dims`, the data on entry.
    pub out: &'a mut [T],
    /// `dims_idx`
    pub updates: &'a [T],
    /// `dims_idx`
    pub indices: &'a [I],
    /// Sizes of the indices and updates, none larger than `x_dims` but along `axis`.
    pub dims_idx: [usize; R],
    /// Sizes of the data.
    pub x_dims: [usize; R],
    /// The axis scattered along.
    pub axis: usize,
    /// What becomes of an element and its update.
    pub reduction: Reduction,
}

impl<T: Number, I: Index, const R: usize> Task for ScatterElements<'_, T, I, R> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { out, updates, indices, dims_idx, x_dims, axis, reduction } = self;
        assert_eq!(updates.len(), indices.len());
        let walk = ElementWalk::new(dims_idx, x_dims, axis, indices.len(), out.len());
        walk.run(
            indices,
            #[inline(always)]
            |i, position| out[position] = reduction.apply(out[position], updates[i]),
        );
    }
}

/// `out[indices[j][0]][indices[j][1]]… = updates[j]`, of `inner` elements each: ONNX `ScatterND`.
pub struct ScatterNd<'a, T: Number, I: Index> {
    /// `[x_dims]`, the data on entry.
    pub out: &'a mut [T],
    /// `[n_idx][inner]`
    pub updates: &'a [T],
    /// `[n_idx][depth]`
    pub indices: &'a [I],
    /// Index tuples.
    pub n_idx: usize,
    /// Indices in a tuple.
    pub depth: usize,
    /// Sizes of the data: those the tuples index, then those that multiply to `inner`.
    pub x_dims: &'a [usize],
    /// Elements that a tuple names.
    pub inner: usize,
    /// What becomes of an element and its update.
    pub reduction: Reduction,
}

impl<T: Number, I: Index> Task for ScatterNd<'_, T, I> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { out, updates, indices, n_idx, depth, x_dims, inner, reduction } = self;
        assert_eq!(updates.len(), n_idx * inner);
        check_nd(out.len(), indices.len(), 1, n_idx, depth, x_dims, inner);
        if updates.is_empty() {
            return;
        }
        for (i, updates) in updates.chunks_exact(inner).enumerate() {
            let start = tuple_at(&indices[i * depth..][..depth], x_dims) * inner;
            let out = &mut out[start..][..inner];
            if reduction == Reduction::None {
                copy_run(out, updates);
            } else {
                for (out, &update) in out.iter_mut().zip(updates) {
                    *out = reduction.apply(*out, update);
                }
            }
        }
    }
}

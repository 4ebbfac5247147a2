//! Gathering along an axis, element by element, and by index tuples.
//!
//! Indices are data: negative ones count from the end, and those outside panic.

use super::copy::copy_run;
use super::index::Index;
use super::simd::{Simd, Task};

/// `out[o][j] = x[o][indices[j]]`, of `inner` elements each: ONNX `Gather`.
pub struct Gather<'a, T: Copy, I: Index> {
    /// `[outer][indices.len()][inner]`
    pub out: &'a mut [T],
    /// `[outer][axis_len][inner]`
    pub x: &'a [T],
    /// Any number of them, whatever their shape.
    pub indices: &'a [I],
    /// Product of the sizes before the axis.
    pub outer: usize,
    /// Size of the axis in `x`.
    pub axis_len: usize,
    /// Product of the sizes after the axis.
    pub inner: usize,
}

impl<T: Copy, I: Index> Task for Gather<'_, T, I> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { out, x, indices, outer, axis_len, inner } = self;
        assert_eq!(out.len(), outer * indices.len() * inner);
        assert_eq!(x.len(), outer * axis_len * inner);
        if out.is_empty() {
            return;
        }
        for (o, out) in out.chunks_exact_mut(indices.len() * inner).enumerate() {
            let x = &x[o * axis_len * inner..][..axis_len * inner];
            if inner == 1 {
                for (out, index) in out.iter_mut().zip(indices) {
                    *out = x[index.at(axis_len)];
                }
            } else {
                for (out, index) in out.chunks_exact_mut(inner).zip(indices) {
                    copy_run(out, &x[index.at(axis_len) * inner..][..inner]);
                }
            }
        }
    }
}

/// `out[i] = x[i]` with the index along `axis` replaced by `indices[i]`: ONNX `GatherElements`.
pub struct GatherElements<'a, T: Copy, I: Index, const R: usize> {
    /// `dims_idx`
    pub out: &'a mut [T],
    /// `x_dims`
    pub x: &'a [T],
    /// `dims_idx`
    pub indices: &'a [I],
    /// Sizes of the indices and the output, none larger than `x_dims` but along `axis`.
    pub dims_idx: [usize; R],
    /// Sizes of the data.
    pub x_dims: [usize; R],
    /// The axis gathered along.
    pub axis: usize,
}

impl<T: Copy, I: Index, const R: usize> Task for GatherElements<'_, T, I, R> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { out, x, indices, dims_idx, x_dims, axis } = self;
        assert_eq!(out.len(), indices.len());
        let walk = ElementWalk::new(dims_idx, x_dims, axis, indices.len(), x.len());
        walk.run(
            indices,
            #[inline(always)]
            |i, position| out[i] = x[position],
        );
    }
}

/// The positions in the data that the indices of a gather or scatter of elements name.
pub(super) struct ElementWalk<const R: usize> {
    dims: [usize; R],
    strides: [usize; R],
    axis: usize,
    axis_len: usize,
}

impl<const R: usize> ElementWalk<R> {
    /// Checks shapes and lengths.
    #[inline(always)]
    pub(super) fn new(dims: [usize; R], x_dims: [usize; R], axis: usize, n_indices: usize, x_len: usize) -> Self {
        assert!(axis < R, "the axis must be one of the data's");
        let mut strides = [1; R];
        let mut r = R;
        while r > 1 {
            r -= 1;
            strides[r - 1] = strides[r] * x_dims[r];
        }
        assert_eq!(n_indices, dims.iter().product::<usize>());
        assert_eq!(x_len, x_dims.iter().product::<usize>());
        for r in 0..R {
            assert!(r == axis || n_indices == 0 || dims[r] <= x_dims[r], "indices must not be larger than the data");
        }
        Self { dims, strides, axis, axis_len: x_dims[axis] }
    }

    /// Calls `f` with the number of each index and the position it names.
    #[inline(always)]
    pub(super) fn run<I: Index>(&self, indices: &[I], mut f: impl FnMut(usize, usize)) {
        let last = R - 1;
        if indices.is_empty() {
            return;
        }
        let mut index = [0; R];
        // Position of the row without its share along the axis.
        let mut start = 0;
        for (row, indices) in indices.chunks_exact(self.dims[last]).enumerate() {
            let first = row * self.dims[last];
            if self.axis == last {
                for (j, i) in indices.iter().enumerate() {
                    f(first + j, start + i.at(self.axis_len));
                }
            } else {
                for (j, i) in indices.iter().enumerate() {
                    f(first + j, start + j + i.at(self.axis_len) * self.strides[self.axis]);
                }
            }
            let mut r = last;
            while r > 0 {
                r -= 1;
                let step = if r == self.axis { 0 } else { self.strides[r] };
                index[r] += 1;
                start += step;
                if index[r] < self.dims[r] {
                    break;
                }
                start -= step * self.dims[r];
                index[r] = 0;
            }
        }
    }
}

/// `out[b][j] = x[b][indices[b][j][0]][indices[b][j][1]]…`, of `inner` elements each: ONNX `GatherND`.
pub struct GatherNd<'a, T: Copy, I: Index> {
    /// `[batch][n_idx][inner]`
    pub out: &'a mut [T],
    /// `[batch][x_dims]`
    pub x: &'a [T],
    /// `[batch][n_idx][depth]`
    pub indices: &'a [I],
    /// Product of the batch sizes.
    pub batch: usize,
    /// Index tuples of each batch.
    pub n_idx: usize,
    /// Indices in a tuple.
    pub depth: usize,
    /// Sizes of the data after the batch sizes: those the tuples index, then those that multiply to `inner`.
    pub x_dims: &'a [usize],
    /// Elements that a tuple names.
    pub inner: usize,
}

impl<T: Copy, I: Index> Task for GatherNd<'_, T, I> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { out, x, indices, batch, n_idx, depth, x_dims, inner } = self;
        assert_eq!(out.len(), batch * n_idx * inner);
        check_nd(x.len(), indices.len(), batch, n_idx, depth, x_dims, inner);
        if out.is_empty() {
            return;
        }
        let plane = x.len() / batch;
        for (i, out) in out.chunks_exact_mut(inner).enumerate() {
            let start = i / n_idx * plane + tuple_at(&indices[i * depth..][..depth], x_dims) * inner;
            copy_run(out, &x[start..][..inner]);
        }
    }
}

/// Checks the lengths of a gather or scatter by index tuples.
#[inline(always)]
pub(super) fn check_nd(
    x_len: usize,
    indices_len: usize,
    batch: usize,
    n_idx: usize,
    depth: usize,
    x_dims: &[usize],
    inner: usize,
) {
    assert!(depth <= x_dims.len(), "an index tuple must not be longer than the data has axes");
    assert_eq!(inner, x_dims[depth..].iter().product::<usize>());
    assert_eq!(x_len, batch * x_dims.iter().product::<usize>());
    assert_eq!(indices_len, batch * n_idx * depth);
}

/// The row-major number of the element that an index tuple names.
#[inline(always)]
pub(super) fn tuple_at<I: Index>(tuple: &[I], dims: &[usize]) -> usize {
    tuple.iter().zip(dims).fold(0, |at, (i, &dim)| at * dim + i.at(dim))
}

//! Padding, and cropping where it is negative, in every ONNX mode.

use super::copy::copy_run;
use super::simd::{Simd, Task};

/// What the padding holds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum PadMode<T> {
    /// One value.
    Constant(T),
    /// The data mirrored in its outermost elements, as often as it takes.
    Reflect,
    /// The outermost elements.
    Edge,
    /// The data repeated.
    Wrap,
}

/// `out[i] = x[i - before]`, with what lies outside of `x` as `mode` says.
pub struct Pad<'a, T: Copy, const R: usize> {
    /// `out_dims`
    pub out: &'a mut [T],
    /// `x_dims`
    pub x: &'a [T],
    /// Sizes of the data, of which none is 0 unless the mode is constant or the output is empty.
    pub x_dims: [usize; R],
    /// Sizes of the output.
    pub out_dims: [usize; R],
    /// Elements added before the data along each axis, removed where negative.
    pub before: [isize; R],
    /// What the padding holds.
    pub mode: PadMode<T>,
}

impl<T: Copy> PadMode<T> {
    /// The index along an axis of `len` elements that index `i` of the data, perhaps outside, shows.
    #[inline(always)]
    fn source(self, i: isize, len: usize) -> Option<usize> {
        let n = len as isize;
        if (0..n).contains(&i) {
            return Some(i as usize);
        }
        assert!(n > 0 || matches!(self, Self::Constant(_)), "an empty axis can only be padded with a constant");
        match self {
            Self::Constant(_) => None,
            Self::Edge => Some(i.clamp(0, n - 1) as usize),
            Self::Wrap => Some(i.rem_euclid(n) as usize),
            Self::Reflect if n == 1 => Some(0),
            Self::Reflect => {
                let i = i.rem_euclid(2 * (n - 1));
                Some(i.min(2 * (n - 1) - i) as usize)
            }
        }
    }
}

impl<T: Copy, const R: usize> Task for Pad<'_, T, R> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { out, x, x_dims, out_dims, before, mode } = self;
        assert_eq!(out.len(), out_dims.iter().product::<usize>());
        assert_eq!(x.len(), x_dims.iter().product::<usize>());
        if out.is_empty() {
            return;
        }
        if R == 0 {
            out[0] = x[0];
            return;
        }
        let (len, x_len, before_row) = (out_dims[R - 1], x_dims[R - 1], before[R - 1]);
        // The output columns that show the data as it is.
        let inside =
            before_row.clamp(0, len as isize)..before_row.saturating_add_unsigned(x_len).clamp(0, len as isize);
        let inside = inside.start as usize..inside.end as usize;
        let mut index = [0usize; R];
        for out in out.chunks_exact_mut(len) {
            let mut row = Some(0);
            for r in 0..R - 1 {
                let source = mode.source(index[r] as isize - before[r], x_dims[r]);
                row = row.zip(source).map(|(row, i)| row * x_dims[r] + i);
            }
            if let Some(row) = row {
                let x = &x[row * x_len..][..x_len];
                let outside = |out: &mut T, j: usize| {
                    *out = match (mode, mode.source(j as isize - before_row, x_len)) {
                        (_, Some(source)) => x[source],
                        (PadMode::Constant(value), None) => value,
                        (_, None) => return,
                    }
                };
                if !inside.is_empty() {
                    copy_run(
                        &mut out[inside.clone()],
                        &x[(inside.start as isize - before_row) as usize..][..inside.len()],
                    );
                }
                let start = inside.start.min(len);
                out[..start].iter_mut().zip(0..).for_each(|(out, j)| outside(out, j));
                let end = inside.end.max(start);
                out[end..].iter_mut().zip(end..).for_each(|(out, j)| outside(out, j));
            } else if let PadMode::Constant(value) = mode {
                out.fill(value);
            }
            for r in (0..R - 1).rev() {
                index[r] += 1;
                if index[r] < out_dims[r] {
                    break;
                }
                index[r] = 0;
            }
        }
    }
}

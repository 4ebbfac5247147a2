//! Channels-last convolution, ordinary and transposed, of other numbers than f32: the windows of a few output pixels are
//! copied side by side, zeros for what lies outside, and multiplied with the weights.

use super::conv_f32::ConvShape;
use super::matmul_any::{COLUMNS, ROWS, Rows, start_of};
use super::number::Number;
use super::simd::{Simd, Task};

/// `out = conv(x, w) + bias`, or the transposed convolution.
pub struct ConvAny<'a, T: Number> {
    /// `[batch][output][groups * c_out]`
    pub out: &'a mut [T],
    /// `[batch][input][groups * c_in]`
    pub x: &'a [T],
    /// ONNX's order: `[groups * c_out][c_in][kd][kh][kw]`, or `[groups * c_in][c_out][kd][kh][kw]` if transposed.
    pub w: &'a [T],
    /// `[groups * c_out]`
    pub bias: Option<&'a [T]>,
    /// [`scratch_len`] elements.
    pub scratch: &'a mut [T],
    /// The sizes.
    pub shape: ConvShape,
    /// Whether input and output change places.
    pub transposed: bool,
}

/// Elements of scratch a [`ConvAny`] needs.
pub const fn scratch_len(shape: ConvShape) -> usize {
    let k = shape.kernel[0] * shape.kernel[1] * shape.kernel[2] * shape.c_in;
    k * (ROWS + shape.c_out.div_ceil(COLUMNS) * COLUMNS)
}

impl<T: Number> Task for ConvAny<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { out, x, w, bias, scratch, shape, transposed } = self;
        let ConvShape { groups, c_in, c_out, .. } = shape;
        let taps = shape.kernel[0] * shape.kernel[1] * shape.kernel[2];
        let (k, channels) = (taps * c_in, groups * c_out);
        let pixels = shape.batch * shape.output[0] * shape.output[1] * shape.output[2];
        let out = &mut out[..pixels * channels];
        let n_panels = c_out.div_ceil(COLUMNS);
        let (windows, panels) = scratch[..k * (ROWS + n_panels * COLUMNS)].split_at_mut(k * ROWS);
        let panels = panels.as_chunks_mut::<COLUMNS>().0;
        for group in 0..groups {
            for (i, row) in panels.iter_mut().enumerate() {
                let (panel, tap, c) = (i / k, i % k / c_in, i % c_in);
                *row = core::array::from_fn(|j| match panel * COLUMNS + j {
                    o if o >= c_out => T::ZERO,
                    o if transposed => w[((group * c_in + c) * c_out + o) * taps + tap],
                    o => w[((group * c_out + o) * c_in + c) * taps + tap],
                });
            }
            for first in (0..pixels).step_by(ROWS) {
                let rows = (pixels - first).min(ROWS);
                for r in 0..rows {
                    copy_window(&mut windows[r * k..][..k], x, &shape, transposed, first + r, group);
                }
                for panel in 0..n_panels {
                    let cols = (c_out - panel * COLUMNS).min(COLUMNS);
                    let start: [T; COLUMNS] = start_of(bias, group * c_out + panel * COLUMNS, cols);
                    let left = Rows { a: windows, row_stride: k, col_stride: 1 };
                    left.by_panel(rows, &panels[panel * k..][..k], start, |row, sums| {
                        let to = (first + row) * channels + group * c_out + panel * COLUMNS;
                        out[to..][..cols].copy_from_slice(&sums[..cols]);
                    });
                }
            }
        }
    }
}

/// Copies what the window of an output pixel sees of a group's channels.
#[inline(always)]
fn copy_window<T: Number>(window: &mut [T], x: &[T], shape: &ConvShape, transposed: bool, pixel: usize, group: usize) {
    let ConvShape { input, output, kernel, stride, dilation, pad, c_in, .. } = *shape;
    if c_in == 0 {
        return;
    }
    let at = [pixel / (output[1] * output[2]) % output[0], pixel / output[2] % output[1], pixel % output[2]];
    let entry = pixel / (output[0] * output[1] * output[2]);
    for (tap, to) in window.chunks_exact_mut(c_in).enumerate() {
        let tap = [tap / (kernel[1] * kernel[2]), tap / kernel[2] % kernel[1], tap % kernel[2]];
        let place = |dim: usize| match transposed {
            false => (at[dim] * stride[dim] + tap[dim] * dilation[dim]).checked_sub(pad[dim]),
            true => {
                let behind = (at[dim] + pad[dim]).checked_sub(tap[dim] * dilation[dim])?;
                if behind.is_multiple_of(stride[dim]) { Some(behind / stride[dim]) } else { None }
            }
        };
        match [place(0), place(1), place(2)] {
            [Some(d), Some(h), Some(w)] if d < input[0] && h < input[1] && w < input[2] => {
                let from = ((entry * input[0] + d) * input[1] + h) * input[2] + w;
                to.copy_from_slice(&x[(from * shape.groups + group) * c_in..][..c_in]);
            }
            _ => to.fill(T::ZERO),
        }
    }
}

//! What a convolution is: nested loops, for the tests of its kernels.

use kiln_kernels::conv_f32::ConvShape;
use kiln_kernels::epilogue::{Epilogue, Places};
use kiln_kernels::simd::Simd;

/// Adds an operand shaped like the output.
#[derive(Clone, Copy)]
pub struct Add<'a> {
    pub residual: &'a [f32],
    pub channels: usize,
}

impl Epilogue for Add<'_> {
    #[inline(always)]
    fn apply<S: Simd, P: Places<S>>(self, s: S, v: S::F32, at: P) -> S::F32 {
        s.add(v, at.operand(s, self.residual, self.channels))
    }
}

/// Every `[d, h, w]` within a size, in order.
fn positions(size: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    (0..size[0]).flat_map(move |d| (0..size[1]).flat_map(move |h| (0..size[2]).map(move |w| [d, h, w])))
}

pub fn volume(size: [usize; 3]) -> usize {
    size.iter().product()
}

fn flat(size: [usize; 3], at: [usize; 3]) -> usize {
    (at[0] * size[1] + at[1]) * size[2] + at[2]
}

/// Calls `each(output pixel, input pixel, tap)` for every triple the convolution connects.
fn connections(shape: &ConvShape, transposed: bool, mut each: impl FnMut(usize, usize, usize)) {
    let (outer, inner) = if transposed { (shape.input, shape.output) } else { (shape.output, shape.input) };
    for o in positions(outer) {
        for t in positions(shape.kernel) {
            let at = [0, 1, 2].map(|i| (o[i] * shape.stride[i] + t[i] * shape.dilation[i]).checked_sub(shape.pad[i]));
            let [Some(d), Some(h), Some(w)] = at else { continue };
            if d < inner[0] && h < inner[1] && w < inner[2] {
                let (o, i) = (flat(outer, o), flat(inner, [d, h, w]));
                let tap = flat(shape.kernel, t);
                if transposed { each(i, o, tap) } else { each(o, i, tap) }
            }
        }
    }
}

/// The definition, with ONNX weights `w(group, input channel, output channel, tap)`.
pub fn naive(shape: &ConvShape, transposed: bool, x: &[f32], w: &[f32], bias: &[f32], residual: &[f32]) -> Vec<f32> {
    let &ConvShape { groups, c_in, c_out, .. } = shape;
    let taps = volume(shape.kernel);
    let mut out: Vec<f64> = (0..residual.len()).map(|i| f64::from(bias[i % (groups * c_out)] + residual[i])).collect();
    for entry in 0..shape.batch {
        connections(shape, transposed, |o, i, tap| {
            let (o, i) = (entry * volume(shape.output) + o, entry * volume(shape.input) + i);
            for g in 0..groups {
                for co in 0..c_out {
                    for ci in 0..c_in {
                        let w = if transposed {
                            w[((g * c_in + ci) * c_out + co) * taps + tap]
                        } else {
                            w[((g * c_out + co) * c_in + ci) * taps + tap]
                        };
                        let x = x[i * groups * c_in + g * c_in + ci];
                        out[o * groups * c_out + g * c_out + co] += f64::from(x) * f64::from(w);
                    }
                }
            }
        });
    }
    out.into_iter().map(|x| x as f32).collect()
}

/// A shape whose output has the size the operator defines, with `end` as trailing padding.
pub fn shape(
    batch: usize,
    input: [usize; 3],
    kernel: [usize; 3],
    stride: [usize; 3],
    dilation: [usize; 3],
    pad: [usize; 3],
    end: [usize; 3],
    channels: [usize; 3],
) -> ConvShape {
    let output = [0, 1, 2].map(|i| {
        (input[i] + pad[i] + end[i]).checked_sub((kernel[i] - 1) * dilation[i] + 1).map_or(0, |n| n / stride[i] + 1)
    });
    let [groups, c_in, c_out] = channels;
    ConvShape { batch, input, output, kernel, stride, dilation, pad, groups, c_in, c_out }
}

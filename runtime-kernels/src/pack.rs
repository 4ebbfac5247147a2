//! How each kernel wants its weights laid out.
//!
//! Every layout is the same on every instruction set. Writers fill all of the length their `_len` gives, padding with
//! zeros, so that the bytes of a packed constant depend on nothing but its values. A model whose weights are operands has
//! them laid out while it runs, by [`Panels`] alone; nothing of this file is part of it.

use super::conv_f32::ConvShape;
use super::conv_transpose_f32::Phase;
use super::panels::Panels;
use super::recurrent::{gate_pitch, product_row};
use super::winograd::Filtering;

/// Columns of a panel.
const PANEL: usize = 16;

/// Length of a `[k][n]` matrix in panels.
pub const fn panels_len(k: usize, n: usize) -> usize {
    k * n.div_ceil(PANEL) * PANEL
}

/// The layout of a `[k][n]` matrix whose element `[i, j]` is at `i * k_stride + j * n_stride`, as `[panel][k][16]`.
pub const fn panels_layout(k: usize, n: usize, k_stride: usize, n_stride: usize) -> Panels {
    Panels {
        blocks: 1,
        block_stride: 0,
        to: 0,
        to_stride: 0,
        first: 0,
        rows: [1, 1, 1, k],
        row_strides: [0, 0, 0, k_stride as isize],
        cols: n,
        col_stride: n_stride,
    }
}

/// Packs element `[i, j]` of a `[k][n]` matrix, at `src[i * k_stride + j * n_stride]`, to `[panel][k][16]`.
pub fn panels(dst: &mut [f32], src: &[f32], k: usize, n: usize, k_stride: usize, n_stride: usize) {
    panels_layout(k, n, k_stride, n_stride).write(&mut dst[..panels_len(k, n)], src);
}

/// Length of what [`gates_layout`] lays out.
pub const fn gates_len(gates: usize, hidden: usize) -> usize {
    hidden * product_row(gates, hidden)
}

/// The layout of one direction's recurrent weights, `[gates * hidden][hidden]`, in panels of [`gate_pitch`] columns a gate.
pub const fn gates_layout(gates: usize, hidden: usize) -> Panels {
    let pitch = gate_pitch(hidden);
    if pitch == hidden {
        return panels_layout(hidden, gates * hidden, 1, hidden);
    }
    let gate = panels_layout(hidden, hidden, 1, hidden);
    Panels { blocks: gates, block_stride: hidden * hidden, to_stride: hidden * pitch, ..gate }
}

/// Packs one direction's recurrent weights as [`gates_layout`] says.
pub fn gates(dst: &mut [f32], src: &[f32], gates: usize, hidden: usize) {
    gates_layout(gates, hidden).write(&mut dst[..gates_len(gates, hidden)], src);
}

/// Length of a bias or any other vector with an element per output channel.
pub const fn bias_len(groups: usize, c_out: usize) -> usize {
    groups * c_out.div_ceil(PANEL) * PANEL
}

/// Pads the bias `[groups * c_out]` to `[groups][c_out rounded up to 16]`.
pub fn bias(dst: &mut [f32], src: &[f32], groups: usize, c_out: usize) {
    let dst = &mut dst[..bias_len(groups, c_out)];
    dst.fill(0.0);
    if c_out == 0 {
        return;
    }
    for (dst, src) in dst.chunks_exact_mut(bias_len(1, c_out)).zip(src.chunks_exact(c_out)) {
        dst[..c_out].copy_from_slice(src);
    }
}

/// Number of taps of the kernel.
const fn taps(shape: &ConvShape) -> usize {
    shape.kernel[0] * shape.kernel[1] * shape.kernel[2]
}

/// Length of the packed weights of [`Conv`](super::conv_f32::Conv), and of the transposed convolution alike.
pub const fn conv_len(shape: ConvShape) -> usize {
    shape.groups * panels_len(taps(&shape) * shape.c_in, shape.c_out)
}

/// The layout of ONNX weights `[groups * c_out][c_in][kd][kh][kw]` as `[group][panel][kd * kh * kw * c_in][16]`.
pub const fn conv_layout(shape: ConvShape) -> Panels {
    let (taps, c_in, c_out) = (taps(&shape), shape.c_in, shape.c_out);
    Panels {
        blocks: shape.groups,
        block_stride: c_out * c_in * taps,
        to: 0,
        to_stride: panels_len(taps * c_in, c_out),
        first: 0,
        rows: [1, 1, taps, c_in],
        row_strides: [0, 0, 1, taps as isize],
        cols: c_out,
        col_stride: c_in * taps,
    }
}

/// Packs weights as [`conv_layout`] says.
pub fn conv(dst: &mut [f32], w: &[f32], shape: ConvShape) {
    conv_layout(shape).write(&mut dst[..conv_len(shape)], w);
}

/// The layout of ONNX weights `[c_out][c_in][kd][kh][kw]` as `[panel][c_in * kd * kh * kw][16]`, for
/// [`ConvPlanes`](super::conv_planes_f32::ConvPlanes); as long as [`conv_len`].
pub const fn planes_layout(shape: ConvShape) -> Panels {
    let k = taps(&shape) * shape.c_in;
    panels_layout(k, shape.c_out, 1, k)
}

/// The layout of ONNX weights `[groups * c_out][c_in][kh][kw]` as `[panel][kh * kw * c_in][16]` with panels of several groups,
/// for [`ConvLanes`](super::conv_lanes_f32::ConvLanes); as long as those of one group, [`lanes_len`].
pub const fn lanes_layout(shape: ConvShape) -> Panels {
    conv_layout(of_one_group(shape))
}

/// Length of what [`lanes_layout`] lays out.
pub const fn lanes_len(shape: ConvShape) -> usize {
    conv_len(of_one_group(shape))
}

/// A convolution with as many weights in one group.
const fn of_one_group(shape: ConvShape) -> ConvShape {
    ConvShape { groups: 1, c_out: shape.groups * shape.c_out, ..shape }
}

/// Length of the packed weights of [`ConvDepthwise`](super::conv_depthwise_f32::ConvDepthwise).
pub const fn depthwise_len(shape: ConvShape) -> usize {
    panels_len(taps(&shape), shape.groups)
}

/// The layout of ONNX weights `[groups][1][kd][kh][kw]` as `[kd * kh * kw][groups rounded up to 16]`.
pub const fn depthwise_layout(shape: ConvShape) -> Panels {
    let taps = taps(&shape);
    Panels {
        blocks: taps,
        block_stride: 1,
        to: 0,
        to_stride: panels_len(1, shape.groups),
        first: 0,
        rows: [1; 4],
        row_strides: [0; 4],
        cols: shape.groups,
        col_stride: taps,
    }
}

/// Packs weights as [`depthwise_layout`] says.
pub fn depthwise(dst: &mut [f32], w: &[f32], shape: ConvShape) {
    depthwise_layout(shape).write(&mut dst[..depthwise_len(shape)], w);
}

/// Length of the packed weights of [`ConvTranspose`](super::conv_transpose_f32::ConvTranspose).
pub const fn transpose_len(shape: ConvShape) -> usize {
    conv_len(shape)
}

/// The layouts, one a phase of the output that has taps, of ONNX weights `[groups * c_in][c_out][kd][kh][kw]` as
/// `[group][phase][panel][taps of the phase * c_in][16]`.
pub fn transpose_layouts(shape: ConvShape) -> impl Iterator<Item = Panels> {
    let (taps, c_in, c_out, kernel) = (taps(&shape), shape.c_in, shape.c_out, shape.kernel);
    let strides = [kernel[1] * kernel[2], kernel[2], 1];
    let mut to = 0;
    Phase::all(&shape).filter(|phase| phase.taps() > 0).map(move |phase| {
        let start = phase.tap(0);
        let [d, h, w] = phase.count;
        let row = |axis: usize| -((phase.step[axis] * strides[axis]) as isize);
        let layout = Panels {
            blocks: shape.groups,
            block_stride: c_in * c_out * taps,
            to,
            to_stride: panels_len(taps * c_in, c_out),
            first: (0..3).map(|axis| start[axis] * strides[axis]).sum(),
            rows: [d, h, w, c_in],
            row_strides: [row(0), row(1), row(2), (c_out * taps) as isize],
            cols: c_out,
            col_stride: taps,
        };
        to += layout.block_len();
        layout
    })
}

/// Packs weights as [`transpose_layouts`] say.
pub fn transpose(dst: &mut [f32], w: &[f32], shape: ConvShape) {
    let dst = &mut dst[..conv_len(shape)];
    transpose_layouts(shape).for_each(|layout| layout.write(dst, w));
}

/// Length of the packed weights of [`ConvWinograd`](super::conv_winograd_f32::ConvWinograd).
pub fn winograd_len<F: Filtering>(_: F, shape: ConvShape) -> usize {
    F::POSITIONS * panels_len(shape.c_in, shape.c_out)
}

/// Packs the transforms of ONNX weights `[c_out][c_in][3][3]` as `[position][panel][c_in][16]`.
pub fn winograd<F: Filtering>(filtering: F, dst: &mut [f32], w: &[f32], shape: ConvShape) {
    let (c_in, c_out) = (shape.c_in, shape.c_out);
    let position_len = panels_len(c_in, c_out);
    let dst = &mut dst[..winograd_len(filtering, shape)];
    dst.fill(0.0);
    for (o, w) in w.chunks_exact(c_in * 9).take(c_out).enumerate() {
        for (i, w) in w.chunks_exact(9).enumerate() {
            let rows = [0, 1, 2].map(|r| F::weigh([0, 1, 2].map(|c| f64::from(w[3 * r + c]))));
            let panel = (o / PANEL * c_in + i) * PANEL + o % PANEL;
            for l in 0..F::IN {
                for (r, v) in F::weigh(rows.map(|row| row[l])).into_iter().enumerate().take(F::IN) {
                    dst[(r * F::IN + l) * position_len + panel] = v as f32;
                }
            }
        }
    }
}

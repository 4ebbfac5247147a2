//! How each kernel wants its constants laid out: build time only, never part of a generated model.
//!
//! Every layout is the same on every instruction set. Writers fill all of the length their `_len` gives, padding with
//! zeros, so that the bytes of a packed constant depend on nothing but its values.

use super::conv_f32::ConvShape;
use super::conv_transpose_f32::Phase;

/// Columns of a panel.
const PANEL: usize = 16;

/// Length of a `[k][n]` matrix in panels.
pub const fn panels_len(k: usize, n: usize) -> usize {
    k * n.div_ceil(PANEL) * PANEL
}

/// Packs element `[i, j]` of a `[k][n]` matrix, at `src[i * k_stride + j * n_stride]`, to `[panel][k][16]`.
pub fn panels(dst: &mut [f32], src: &[f32], k: usize, n: usize, k_stride: usize, n_stride: usize) {
    let dst = &mut dst[..panels_len(k, n)];
    dst.fill(0.0);
    if k == 0 {
        return;
    }
    for (p, panel) in dst.chunks_exact_mut(k * PANEL).enumerate() {
        for (i, row) in panel.chunks_exact_mut(PANEL).enumerate() {
            for (j, x) in (p * PANEL..n).zip(row) {
                *x = src[i * k_stride + j * n_stride];
            }
        }
    }
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

/// Packs ONNX weights `[groups * c_out][c_in][kd][kh][kw]` to `[group][panel][kd * kh * kw * c_in][16]`.
pub fn conv(dst: &mut [f32], w: &[f32], shape: ConvShape) {
    let dst = &mut dst[..conv_len(shape)];
    let taps = taps(&shape);
    let (k, c_in, c_out) = (taps * shape.c_in, shape.c_in, shape.c_out);
    dst.fill(0.0);
    if dst.is_empty() {
        return;
    }
    for (g, dst) in dst.chunks_exact_mut(panels_len(k, c_out)).enumerate() {
        for (p, panel) in dst.chunks_exact_mut(k * PANEL).enumerate() {
            for (i, row) in panel.chunks_exact_mut(PANEL).enumerate() {
                let (tap, c) = (i / c_in, i % c_in);
                for (o, x) in (p * PANEL..c_out).zip(row) {
                    *x = w[((g * c_out + o) * c_in + c) * taps + tap];
                }
            }
        }
    }
}

/// Length of the packed weights of [`ConvDepthwise`](super::conv_depthwise_f32::ConvDepthwise).
pub const fn depthwise_len(shape: ConvShape) -> usize {
    panels_len(taps(&shape), shape.groups)
}

/// Packs ONNX weights `[groups][1][kd][kh][kw]` to `[kd * kh * kw][groups rounded up to 16]`.
pub fn depthwise(dst: &mut [f32], w: &[f32], shape: ConvShape) {
    let dst = &mut dst[..depthwise_len(shape)];
    let taps = taps(&shape);
    dst.fill(0.0);
    if dst.is_empty() {
        return;
    }
    for (tap, row) in dst.chunks_exact_mut(panels_len(1, shape.groups)).enumerate() {
        for (c, x) in row.iter_mut().enumerate().take(shape.groups) {
            *x = w[c * taps + tap];
        }
    }
}

/// Length of the packed weights of [`ConvTranspose`](super::conv_transpose_f32::ConvTranspose).
pub const fn transpose_len(shape: ConvShape) -> usize {
    conv_len(shape)
}

/// Packs ONNX weights `[groups * c_in][c_out][kd][kh][kw]`, phase after phase of the output, to
/// `[group][phase][panel][taps of the phase * c_in][16]`.
pub fn transpose(dst: &mut [f32], w: &[f32], shape: ConvShape) {
    let dst = &mut dst[..conv_len(shape)];
    let (c_in, c_out, kernel) = (shape.c_in, shape.c_out, shape.kernel);
    dst.fill(0.0);
    let mut rest = dst;
    for g in 0..shape.groups {
        for phase in Phase::all(&shape) {
            let k = phase.taps() * c_in;
            let (dst, after) = rest.split_at_mut(panels_len(k, c_out));
            rest = after;
            if dst.is_empty() {
                continue;
            }
            for (p, panel) in dst.chunks_exact_mut(k * PANEL).enumerate() {
                for (i, row) in panel.chunks_exact_mut(PANEL).enumerate() {
                    let [d, h, x] = phase.tap(i / c_in);
                    let tap = (d * kernel[1] + h) * kernel[2] + x;
                    let c = g * c_in + i % c_in;
                    for (o, x) in (p * PANEL..c_out).zip(row) {
                        *x = w[(c * c_out + o) * (kernel[0] * kernel[1] * kernel[2]) + tap];
                    }
                }
            }
        }
    }
}

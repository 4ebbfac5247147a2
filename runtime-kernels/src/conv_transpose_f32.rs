//! Channels-last transposed convolution, as one ordinary correlation per phase of the output.
//!
//! Output pixel `o` receives input pixel `i` through tap `t` where `o + pad = i * stride + t * dilation`, so pixels of
//! one residue modulo the stride, a phase, share their taps. Each phase is a correlation of stride 1 with those taps in
//! reverse, and no product with a structural zero is ever formed.

use super::conv_f32::{ConvShape, Correlation, Walk, conv_parts, group_share};
use super::epilogue::Epilogue;
use super::finish_f32::Entered;
use super::simd::{Simd, Task};
use super::split::{Part, Split, whole};
use super::tile_f32::PANEL;
use super::tiles::Tiles;

/// `out = epilogue(conv_transpose(x, w) + bias)`, with `w` packed by `pack::transpose`.
///
/// In `shape`, the input is that of the operator and so smaller than the output where the stride is above 1.
pub struct ConvTranspose<'a, E> {
    /// `[batch][output][groups * c_out]`
    pub out: &'a mut [f32],
    /// `[batch][input][groups * c_in]`
    pub x: &'a [f32],
    /// `[group][phase][panel][taps of the phase * c_in][16]`
    pub w: &'a [f32],
    /// `[group][c_out rounded up to 16]`
    pub bias: Option<&'a [f32]>,
    /// [`conv_transpose_scratch_len`] floats.
    pub scratch: &'a mut [f32],
    /// The sizes.
    pub shape: ConvShape,
    /// Applied to every element.
    pub epilogue: E,
}

/// Floats of scratch a [`ConvTranspose`] needs on any instruction set.
pub const fn conv_transpose_scratch_len(shape: ConvShape) -> usize {
    let (mut most, mut number) = (0, 0);
    while number < shape.stride[0] * shape.stride[1] * shape.stride[2] {
        let walk = Phase::new(&shape, number).walk(&shape);
        if walk.taps() > 0 && !walk.stays_inside() {
            let len = walk.band_len(walk.block(shape.c_in, shape.c_out), shape.c_in);
            most = if len > most { len } else { most };
        }
        number += 1;
    }
    most
}

impl<E: Epilogue> Task for ConvTranspose<'_, E> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        whole(s, self);
    }
}

impl<E: Epilogue> Split for ConvTranspose<'_, E> {
    #[inline(always)]
    fn parts(&self, threads: usize) -> usize {
        conv_parts(&self.shape, self.shape.input, threads)
    }

    #[inline(always)]
    fn scratch(&mut self) -> &mut [f32] {
        self.scratch
    }

    #[inline(always)]
    unsafe fn part<S: Simd>(task: *mut Self, s: S, part: Part, scratch: &mut [f32]) {
        // SAFETY: the caller vouches for the task; its output is only written through this pointer, each part's elements
        // by that part.
        let (out, task) = unsafe { (&raw mut *(*task).out, &*task) };
        let &Self { x, w, bias, shape, epilogue, .. } = task;
        let epilogue = Entered::new(s, epilogue);
        let finishing = epilogue.finishing();
        let columns = shape.c_out.div_ceil(PANEL) * PANEL;
        let (groups, part) = group_share(shape.groups, part);
        let group_len = Phase::all(&shape).map(|phase| phase.taps()).sum::<usize>() * shape.c_in * columns;
        for group in groups {
            let bias = bias.map(|bias| &bias[group * columns..][..columns]);
            let mut w = &w[group * group_len..];
            for phase in Phase::all(&shape) {
                let correlation = Correlation {
                    batch: shape.batch,
                    input: shape.input,
                    walk: phase.walk(&shape),
                    output: shape.output,
                    out_first: phase.first,
                    out_step: shape.stride,
                    groups: shape.groups,
                    group,
                    c_in: shape.c_in,
                    c_out: shape.c_out,
                    tiles: Tiles::Auto,
                    w_stride: 0,
                    ahead: &[],
                    finishing,
                };
                let (own, rest) = w.split_at(phase.taps() * shape.c_in * columns);
                w = rest;
                // SAFETY: the output is written through this pointer alone, this part of each phase by this caller.
                unsafe { correlation.run(s, out, x, own, bias, scratch, part) };
            }
        }
    }
}

/// The output pixels that share a residue modulo the stride in every dimension, and the taps that reach them.
#[derive(Clone, Copy)]
pub(super) struct Phase {
    /// The first output pixel.
    first: [usize; 3],
    /// The lowest tap, the step between taps, and how many there are.
    lowest: [usize; 3],
    pub step: [usize; 3],
    pub count: [usize; 3],
}

impl Phase {
    /// Every phase, those without taps or pixels included.
    #[inline(always)]
    pub fn all(shape: &ConvShape) -> impl Iterator<Item = Self> + use<> {
        let shape = *shape;
        (0..shape.stride[0] * shape.stride[1] * shape.stride[2]).map(move |number| Self::new(&shape, number))
    }

    /// Phase `number` in the order the weights are packed in.
    const fn new(shape: &ConvShape, number: usize) -> Self {
        let (mut phase, mut number) = (Self { first: [0; 3], lowest: [0; 3], step: [1; 3], count: [0; 3] }, number);
        let mut dim = 3;
        while dim > 0 {
            dim -= 1;
            let stride = shape.stride[dim];
            let residue = number % stride;
            number /= stride;
            phase.first[dim] = (residue + stride - shape.pad[dim] % stride) % stride;
            phase.step[dim] = stride / gcd(stride, shape.dilation[dim]);
            let mut tap = 0;
            while tap < phase.step[dim] && tap * shape.dilation[dim] % stride != residue {
                tap += 1;
            }
            if tap < phase.step[dim] && tap < shape.kernel[dim] {
                phase.lowest[dim] = tap;
                phase.count[dim] = (shape.kernel[dim] - tap).div_ceil(phase.step[dim]);
            }
        }
        phase
    }

    /// How many taps the phase has.
    pub const fn taps(&self) -> usize {
        self.count[0] * self.count[1] * self.count[2]
    }

    /// The kernel position of tap `number`, in the order the correlation visits them.
    pub const fn tap(&self, number: usize) -> [usize; 3] {
        let [_, h, w] = self.count;
        let at = [number / (h * w), number / w % h, number % w];
        let mut tap = [0; 3];
        let mut dim = 0;
        while dim < 3 {
            tap[dim] = self.lowest[dim] + (self.count[dim] - 1 - at[dim]) * self.step[dim];
            dim += 1;
        }
        tap
    }

    /// The correlation that computes the phase.
    const fn walk(&self, shape: &ConvShape) -> Walk {
        let mut walk = Walk {
            input: shape.input,
            pixels: [0; 3],
            kernel: self.count,
            stride: [1; 3],
            dilation: [1; 3],
            pad: [0; 3],
        };
        let mut dim = 0;
        while dim < 3 {
            let (stride, dilation) = (shape.stride[dim], shape.dilation[dim]);
            walk.pixels[dim] = shape.output[dim].saturating_sub(self.first[dim]).div_ceil(stride);
            if self.taps() > 0 {
                walk.dilation[dim] = dilation / gcd(stride, dilation);
                let reach = (self.count[dim] - 1) * walk.dilation[dim];
                let lowest = (self.first[dim] + shape.pad[dim]) as isize - (self.lowest[dim] * dilation) as isize;
                walk.pad[dim] = reach as isize - lowest / stride as isize;
            } else {
                walk.kernel[dim] = 0;
            }
            dim += 1;
        }
        walk
    }
}

/// The greatest common divisor.
const fn gcd(a: usize, b: usize) -> usize {
    let (mut a, mut b) = (a, b);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

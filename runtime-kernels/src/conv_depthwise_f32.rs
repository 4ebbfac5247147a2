//! Channels-last depthwise convolution: every channel by its own taps, vectorised over channels.
//!
//! Several pixels of an output line are computed at a time, so that a tap's weights are loaded once for all of them; at
//! the edges of the line, masks say which pixels a tap does not reach. A line is finished by its epilogue as a whole, so
//! that all the rest is compiled once whatever the epilogues.

use core::ops::Range;

use super::conv_f32::ConvShape;
use super::epilogue::Epilogue;
use super::finish_f32::finish;
use super::simd::{Simd, Task};
use super::split::{Part, Split, own, parts, times, whole};

use super::window::{taps_inside, volume};

/// `out = epilogue(conv(x, w) + bias)` with one input and one output channel per group, with `w` packed by
/// `pack::depthwise`.
pub struct ConvDepthwise<'a, E> {
    /// `[batch][output][groups]`
    pub out: &'a mut [f32],
    /// `[batch][input][groups]`
    pub x: &'a [f32],
    /// `[kd * kh * kw][groups rounded up to 16]`
    pub w: &'a [f32],
    /// At least `groups` rounded up to 16 long.
    pub bias: Option<&'a [f32]>,
    /// Not used; may be empty.
    pub scratch: &'a mut [f32],
    /// The sizes, with `c_in` and `c_out` 1.
    pub shape: ConvShape,
    /// Applied to every element.
    pub epilogue: E,
}

impl<E: Epilogue> Task for ConvDepthwise<'_, E> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        whole(s, self);
    }
}

impl<E: Epilogue> Split for ConvDepthwise<'_, E> {
    #[inline(always)]
    fn parts(&self, threads: usize) -> usize {
        let ConvShape { batch, output, kernel, groups, .. } = self.shape;
        // A multiplication here costs as much memory traffic as four in a product of matrices.
        parts(4 * batch * volume(output) * volume(kernel) * groups, batch * output[0] * output[1], threads)
    }

    #[inline(always)]
    unsafe fn part<S: Simd>(task: *mut Self, s: S, part: Part, _: &mut [f32]) {
        // SAFETY: the caller vouches for the task; its output is only written through this pointer, each part's elements
        // by that part.
        let (out, task) = unsafe { (&raw mut *(*task).out, &*task) };
        let &Self { x, w, bias, shape, epilogue, .. } = task;
        let ConvShape { batch, input, output, kernel, stride, dilation, pad, groups, .. } = shape;
        let padded = groups.div_ceil(16) * 16;
        let x = &x[..batch * volume(input) * groups];
        let lines = part.range(batch * output[0] * output[1]);
        let line_len = output[2] * groups;
        // SAFETY: lines are divided among the parts.
        let out = unsafe { own(out, times(&lines, line_len)) };
        let w = &w[..volume(kernel) * padded];
        let bias = bias.map(|bias| &bias[..padded]);
        if out.is_empty() {
            return;
        }
        // Output pixels `left..right` of a line have their whole window within the input's line.
        let left = pad[2].div_ceil(stride[2]);
        let reach = (kernel[2] - 1) * dilation[2];
        let right = (input[2] + pad[2]).checked_sub(reach + 1).map_or(0, |last| last / stride[2] + 1);
        for (line, out) in lines.zip(out.chunks_exact_mut(line_len)) {
            let (entry, d, h) = (line / output[1] / output[0], line / output[1] % output[0], line % output[1]);
            s.enter(Line {
                out: &mut *out,
                x: &x[entry * volume(input) * groups..][..volume(input) * groups],
                w,
                bias,
                shape: &shape,
                depth: taps_inside(d * stride[0], pad[0], input[0], kernel[0], dilation[0]),
                height: taps_inside(h * stride[1], pad[1], input[1], kernel[1], dilation[1]),
                first: [(d * stride[0]).wrapping_sub(pad[0]), (h * stride[1]).wrapping_sub(pad[1])],
                inside: left..right,
            });
            finish(s, out, line * output[2], groups, epilogue);
        }
    }
}

/// Taps along a line for which the pixels they reach are kept as masks.
const MOST_MASKS: usize = 32;

/// A line of output pixels.
struct Line<'a> {
    out: &'a mut [f32],
    /// The image.
    x: &'a [f32],
    w: &'a [f32],
    bias: Option<&'a [f32]>,
    shape: &'a ConvShape,
    /// The taps that fall inside.
    depth: Range<usize>,
    height: Range<usize>,
    /// Where the window starts in depth and height; wraps below zero in the padding.
    first: [usize; 2],
    /// The output pixels whose windows lie within the input's line.
    inside: Range<usize>,
}

impl Task for Line<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let width = self.shape.output[2];
        let narrow = self.shape.kernel[2] <= MOST_MASKS;
        let (left, right) = (self.inside.start, self.inside.end);
        let vectors = self.shape.groups / S::LANES;
        let mut i = 0;
        while i < width {
            let rest = width - i;
            let plain = i >= left && i + 7 <= right;
            i += match (rest, vectors) {
                (4.., 0) if narrow => self.pixels::<S, 4, 0, true>(s, i),
                (_, 0) => self.pixels::<S, 1, 0, true>(s, i),
                (7.., 1) if plain => self.pixels::<S, 7, 1, false>(s, i),
                (7.., 1) if narrow => self.pixels::<S, 7, 1, true>(s, i),
                (2.., 1) if narrow => self.pixels::<S, 2, 1, true>(s, i),
                (_, 1) => self.pixels::<S, 1, 1, true>(s, i),
                (7.., _) if plain => self.pixels::<S, 7, 2, false>(s, i),
                (7.., _) if narrow => self.pixels::<S, 7, 2, true>(s, i),
                (4.., _) if narrow => self.pixels::<S, 4, 2, true>(s, i),
                (2.., _) if narrow => self.pixels::<S, 2, 2, true>(s, i),
                _ => self.pixels::<S, 1, 2, true>(s, i),
            };
        }
    }
}

impl Line<'_> {
    /// Computes the `PIXELS` pixels from `at` and returns their number, `VECTORS` of channels at a time, of which there
    /// must be as many, or 0 for less than one. At an `EDGE`, some of the pixels' taps fall outside the line.
    #[inline(always)]
    fn pixels<S: Simd, const PIXELS: usize, const VECTORS: usize, const EDGE: bool>(
        &mut self,
        s: S,
        at: usize,
    ) -> usize {
        let &ConvShape { input, kernel, stride, dilation, pad, groups, .. } = self.shape;
        let padded = groups.div_ceil(16) * 16;
        let mut width = 0..kernel[2];
        let mut masks = [0_u32; MOST_MASKS];
        if EDGE && PIXELS == 1 {
            width = taps_inside(at * stride[2], pad[2], input[2], kernel[2], dilation[2]);
        } else if EDGE {
            for j in 0..PIXELS {
                for tap in taps_inside((at + j) * stride[2], pad[2], input[2], kernel[2], dilation[2]) {
                    masks[tap % MOST_MASKS] |= 1 << j;
                }
            }
        }
        // Offsets of the first tap, and from tap to tap and pixel to pixel.
        let z = self.first[0].wrapping_add(self.depth.start * dilation[0]);
        let y = self.first[1].wrapping_add(self.height.start * dilation[1]);
        let x = (at * stride[2] + width.start * dilation[2]).wrapping_sub(pad[2]);
        let pixel = z.wrapping_mul(input[1]).wrapping_add(y).wrapping_mul(input[2]).wrapping_add(x);
        let x_first = self.x.as_ptr().wrapping_add(pixel.wrapping_mul(groups));
        let x_depth = dilation[0] * input[1] * input[2] * groups;
        let x_line = dilation[1] * input[2] * groups;
        let x_tap = dilation[2] * groups;
        let x_pixel = stride[2] * groups;
        let w_line = kernel[2] * padded;
        let tap = (self.depth.start * kernel[1] + self.height.start) * kernel[2] + width.start;
        let w_first = self.w.as_ptr().wrapping_add(tap * padded);
        let out = &mut self.out[at * groups..(at + PIXELS) * groups];

        let (whole, width_of_all) = (VECTORS > 0, VECTORS.max(1) * S::LANES);
        let mut next = 0;
        while next < groups {
            // The last vectors may repeat some of the channels before them.
            let c = if whole { next.min(groups - width_of_all) } else { 0 };
            let mut acc = [[s.splat(0.0); 2]; PIXELS];
            if let Some(bias) = self.bias {
                for v in 0..VECTORS.max(1) {
                    let start = s.load(&bias[c + v * S::LANES..]);
                    acc.iter_mut().for_each(|acc| acc[v] = start);
                }
            }
            let (mut x_slab, mut w_slab) = (x_first.wrapping_add(c), w_first.wrapping_add(c));
            for _ in self.depth.clone() {
                let (mut x_row, mut w_row) = (x_slab, w_slab);
                for _ in self.height.clone() {
                    let (mut x, mut w) = (x_row, w_row);
                    for tap in width.clone() {
                        let mut weights = [s.splat(0.0); 2];
                        for (v, weights) in weights.iter_mut().enumerate().take(VECTORS.max(1)) {
                            // SAFETY: the weights are those of a tap of the kernel, padded to whole vectors.
                            *weights = unsafe { s.load_ptr(w.add(v * S::LANES)) };
                        }
                        let mask = masks[tap % MOST_MASKS];
                        for (j, acc) in acc.iter_mut().enumerate() {
                            if PIXELS > 1 && EDGE && mask & 1 << j == 0 {
                                continue;
                            }
                            let x = x.wrapping_add(j * x_pixel);
                            for (v, (acc, weights)) in acc.iter_mut().zip(weights).enumerate().take(VECTORS.max(1)) {
                                // SAFETY: this pixel's tap is inside the image: in depth and height by the ranges, along
                                // the line by the range, the mask, or the caller's knowledge that all are.
                                let x = unsafe {
                                    if whole {
                                        s.load_ptr(x.add(v * S::LANES))
                                    } else {
                                        s.load_part(core::slice::from_raw_parts(x, groups))
                                    }
                                };
                                *acc = s.fma(x, weights, *acc);
                            }
                        }
                        x = x.wrapping_add(x_tap);
                        w = w.wrapping_add(padded);
                    }
                    x_row = x_row.wrapping_add(x_line);
                    w_row = w_row.wrapping_add(w_line);
                }
                x_slab = x_slab.wrapping_add(x_depth);
                w_slab = w_slab.wrapping_add(kernel[1] * w_line);
            }
            for (j, acc) in acc.iter().enumerate() {
                for (v, &acc) in acc.iter().enumerate().take(VECTORS.max(1)) {
                    if whole {
                        // SAFETY: `out` holds `groups` channels of each pixel, and the vectors end before theirs.
                        unsafe { s.store_ptr(acc, out.as_mut_ptr().add(j * groups + c + v * S::LANES)) };
                    } else {
                        s.store_part(acc, &mut out[j * groups..][..groups]);
                    }
                }
            }
            next += width_of_all;
        }
        PIXELS
    }
}

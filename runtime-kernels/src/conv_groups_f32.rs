//! Convolution of pictures in groups of a few channels, of which as many go out as in, by windows of three pixels side by side.
//!
//! Vectors are of channels, as in a depthwise convolution: seven pixels of an output line at a time, whose windows share what is
//! loaded. In place of a channel's own value, each lane takes that of the first channel of its group, then of the second, and so
//! on: all of them stand in the vector, if groups are narrower, and a permutation spreads one of each group over its lanes.
//! Wider groups have one value for all lanes, or two. Nothing is copied, and nothing multiplied by zeros between groups.

use core::ops::Range;

use super::conv_f32::{ConvShape, even};
use super::epilogue::Epilogue;
use super::finish_f32::{Area, Entered, Finishing};
use super::repeat::{Times, Under, repeat, written_out};
use super::simd::{Simd, Task};
use super::split::{Part, Split, parts, times, whole};
use super::tile_f32::PANEL;
use super::window::{LINES_LEN, NEAR_LEN, mask_inside, pixels_behind, taps_inside, volume};

/// `out = epilogue(conv(x, w) + bias)`, with `w` packed by `pack::lanes_layout`.
///
/// The epilogue's rows are output pixels, its columns output channels over all groups.
pub struct ConvGroups<'a, E> {
    /// `[batch][output][groups * c_out]`
    pub out: &'a mut [f32],
    /// `[batch][input][groups * c_in]`
    pub x: &'a [f32],
    /// `[panel][kh * kw * c_in][16]`, a panel of several groups, or of a part of one
    pub w: &'a [f32],
    /// At least `groups * c_out` rounded up to 16 long.
    pub bias: Option<&'a [f32]>,
    /// Not used; may be empty.
    pub scratch: &'a mut [f32],
    /// The sizes, of shapes that [`spreads`] is true for.
    pub shape: ConvShape,
    /// Applied to every element.
    pub epilogue: E,
}

/// Taps along a line.
const TAPS: usize = 3;

/// Output pixels at a time: sums that, with the weights of a line of taps, stay in sixteen registers.
const PIXELS: usize = 7;

/// Whether the kernel is for such a convolution: groups that a vector has whole, or has one or two of.
pub const fn spreads(shape: &ConvShape) -> bool {
    let &ConvShape { kernel, stride, dilation, groups, c_in, c_out, .. } = shape;
    groups > 1
        && c_in == c_out
        // Wider ones are products of matrices.
        && matches!(c_in, 4 | 8 | 16 | 24)
        && (groups * c_out).is_multiple_of(8)
        && kernel[0] == 1
        && kernel[1] > 0
        && kernel[2] == TAPS
        && dilation[2] == 1
        && (stride[2] == 1 || stride[2] == 2)
}

/// Panels whose channels are gone through together, over all lines.
fn panels_at_once(shape: &ConvShape) -> usize {
    let &ConvShape { input, output, kernel, stride, dilation, groups, c_out, .. } = shape;
    let panels = (groups * c_out).div_ceil(PANEL);
    if (volume(input) + volume(output)) * groups * c_out > NEAR_LEN {
        return panels;
    }
    let behind = pixels_behind(input, output, kernel, stride, dilation);
    even(panels, (LINES_LEN / PANEL / behind.max(1)).max(1))
}

impl<E: Epilogue> Task for ConvGroups<'_, E> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        whole(s, self);
    }
}

impl<E: Epilogue> Split for ConvGroups<'_, E> {
    #[inline(always)]
    fn parts(&self, threads: usize) -> usize {
        let ConvShape { batch, output, kernel, groups, c_in, c_out, .. } = self.shape;
        let panels = (groups * c_out).div_ceil(PANEL);
        let lines = batch * output[1] * panels.div_ceil(panels_at_once(&self.shape));
        // Loads and permutations take about as long as multiplications.
        parts(2 * batch * volume(output) * volume(kernel) * c_in * c_out * groups, lines, threads)
    }

    #[inline(always)]
    unsafe fn part<S: Simd>(task: *mut Self, s: S, part: Part, _: &mut [f32]) {
        // SAFETY: the caller vouches for the task; its output is only written through this pointer, each part's elements
        // by that part.
        let (out, task) = unsafe { (&raw mut *(*task).out, &*task) };
        let &Self { x, w, bias, shape, epilogue, .. } = task;
        let epilogue = Entered::new(s, epilogue);
        s.enter(GroupsPart { out, x, w, bias, shape: &shape, finishing: epilogue.finishing(), part });
    }
}

/// Part of a [`ConvGroups`], with whatever epilogue.
struct GroupsPart<'a> {
    out: *mut [f32],
    x: &'a [f32],
    w: &'a [f32],
    bias: Option<&'a [f32]>,
    shape: &'a ConvShape,
    finishing: Finishing<'a>,
    part: Part,
}

impl Task for GroupsPart<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { out, x, w, bias, shape, finishing, part } = self;
        let &ConvShape { batch, input, output, kernel, stride, dilation, pad, groups, c_in, c_out, .. } = shape;
        assert!(spreads(shape) && input[0] == 1 && output[0] == 1, "the kernel is of other convolutions");
        let channels = groups * c_out;
        let panels = channels.div_ceil(PANEL);
        assert!(out.len() >= batch * volume(output) * channels, "the output of a convolution is too short");
        let w = &w[..panels * volume(kernel) * c_in * PANEL];
        let bias = bias.map(|bias| &bias[..panels * PANEL]);
        let image = volume(input) * channels;
        let x = &x[..batch * image];
        let at_once = panels_at_once(shape);
        let (height, lines) = (output[1], batch * output[1]);
        for i in part.range(panels.div_ceil(at_once) * lines) {
            let (piece, line) = (i / lines * at_once, i % lines);
            let panels = piece..panels.min(piece + at_once);
            let top = line % height * stride[1];
            let out = out.cast::<f32>().wrapping_add(line * output[2] * channels);
            s.enter(Line {
                out,
                x: &x[line / height * image..][..image],
                w,
                bias,
                shape,
                top,
                height: taps_inside(top, pad[1], input[1], kernel[1], dilation[1]),
                panels: panels.clone(),
                clamp: finishing.clamp(),
            });
            let columns = times(&panels, PANEL);
            let piece = out.wrapping_add(columns.start);
            let area = Area {
                tile: piece,
                tile_stride: channels,
                out: piece,
                out_stride: channels,
                row: line * output[2],
                row_step: 1,
                col: columns.start,
                rows: output[2],
                cols: columns.end.min(channels) - columns.start,
            };
            // SAFETY: these channels of the line, which are this part's, of an output whose length was checked.
            unsafe { finishing.apply(area) };
        }
    }
}

/// Some panels of an output line; whoever makes one vouches for the output.
struct Line<'a> {
    /// The line's first float.
    out: *mut f32,
    /// The image.
    x: &'a [f32],
    w: &'a [f32],
    bias: Option<&'a [f32]>,
    shape: &'a ConvShape,
    /// The input line of the first tap, counted with the padding before it.
    top: usize,
    /// The lines of taps that fall inside.
    height: Range<usize>,
    panels: Range<usize>,
    clamp: Option<(f32, f32)>,
}

impl Task for Line<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match (self.shape.c_in, self.shape.stride[2]) {
            (4, 1) => self.sweep::<S, 4, 1>(s),
            (4, _) => self.sweep::<S, 4, 2>(s),
            (8, 1) => self.sweep::<S, 8, 1>(s),
            (8, _) => self.sweep::<S, 8, 2>(s),
            (16, 1) => self.sweep::<S, 16, 1>(s),
            (16, _) => self.sweep::<S, 16, 2>(s),
            (_, 1) => self.sweep::<S, 24, 1>(s),
            (_, _) => self.sweep::<S, 24, 2>(s),
        }
    }
}

/// What the sums of a tile of a vector of channels are made of.
struct Tile<V> {
    /// The first pixel that the windows lie over, in the first line that is inside: the vector's first channel where the vector
    /// has whole groups, else its group's.
    x: *const f32,
    /// The first weights of the line's taps.
    w: *const f32,
    bias: V,
    /// Channels of the vector.
    lanes: usize,
    /// The channel from which on they are the next group's.
    next: usize,
    /// Which pixels of the input there are, of those that the windows lie over.
    inside: u32,
}

impl Line<'_> {
    /// Computes groups of `N` channels, by windows `STEP` pixels apart.
    #[inline(always)]
    fn sweep<S: Simd, const N: usize, const STEP: usize>(self, s: S) {
        let &ConvShape { input, output, kernel, dilation, pad, groups, .. } = self.shape;
        let (width, channels, taps_len) = (output[2], groups * N, const { TAPS * N * PANEL });
        let (low, high) = self.clamp.unwrap_or((f32::NEG_INFINITY, f32::INFINITY));
        let (low, high) = (s.splat(low), s.splat(high));
        // Wraps below zero in the padding.
        let first = (self.top + self.height.start * dilation[1]).wrapping_sub(pad[1]).wrapping_mul(input[2]);
        for at in (0..width).step_by(PIXELS) {
            let pixels = (width - at).min(PIXELS);
            let start = at * STEP;
            let pixel = first.wrapping_add(start).wrapping_sub(pad[2]).wrapping_mul(channels);
            for panel in self.panels.clone() {
                let w = self.w[panel * kernel[1] * taps_len..][..kernel[1] * taps_len].as_ptr();
                for c in (panel * PANEL..channels.min((panel + 1) * PANEL)).step_by(S::LANES) {
                    let lanes = (channels - c).min(S::LANES);
                    let from = if N < S::LANES { c } else { c / N * N };
                    let tile = Tile {
                        x: self.x.as_ptr().wrapping_add(pixel.wrapping_add(from)),
                        w: w.wrapping_add(self.height.start * taps_len + c % PANEL),
                        bias: match self.bias {
                            Some(bias) => s.load(&bias[c..]),
                            None => s.splat(0.0),
                        },
                        lanes,
                        next: (from + N).saturating_sub(c),
                        inside: mask_inside(start, pad[2], input[2], (pixels - 1) * STEP + TAPS),
                    };
                    let sums = match const { N > S::LANES && !N.is_multiple_of(S::LANES) } && tile.next < lanes {
                        true => self.sums::<S, N, STEP, true>(s, &tile),
                        false => self.sums::<S, N, STEP, false>(s, &tile),
                    };
                    let out = self.out.wrapping_add(at * channels + c);
                    repeat!(j in Times<PIXELS>, {
                        if j < pixels {
                            let sum = s.bounded(sums[j], low, high);
                            // SAFETY: a pixel of the line, and the lanes end before its last channel.
                            unsafe { s.store_first(sum, out.wrapping_add(j * channels), lanes) };
                        }
                    });
                }
            }
        }
    }

    /// The sums of seven pixels; with `TWO`, of channels of two groups.
    #[inline(always)]
    fn sums<S: Simd, const N: usize, const STEP: usize, const TWO: bool>(
        &self,
        s: S,
        tile: &Tile<S::F32>,
    ) -> [S::F32; PIXELS] {
        let &ConvShape { input, dilation, groups, .. } = self.shape;
        let &Tile { mut x, mut w, bias, lanes, next, inside } = tile;
        let channels = groups * N;
        let of_first = s.lt(s.to_f32(s.firsts::<1>()), s.splat(next as f32));
        let mut sums = [bias; PIXELS];
        for _ in self.height.clone() {
            let mut lane = s.firsts::<N>();
            for k in 0..N {
                let mut weights = [bias; TAPS];
                // SAFETY: the weights of a tap's channel, padded to whole panels.
                repeat!(t in Times<TAPS>, weights[t] = unsafe { s.load_ptr(w.add((t * N + k) * PANEL)) });
                let mut x = x;
                repeat!(i in Under<PIXELS, STEP, TAPS>, {
                    if inside & 1 << i != 0 {
                        // SAFETY: this pixel is inside the image: in height by the range, along the line by the mask, and the
                        // lanes end before its last channel; of two groups, the second has lanes too.
                        let here = unsafe {
                            match N < S::LANES {
                                true => s.spread::<N>(s.load_first(x, lanes), lane),
                                false if TWO => s.select(of_first, s.splat(*x.add(k)), s.splat(*x.add(N + k))),
                                false => s.splat(*x.add(k)),
                            }
                        };
                        repeat!(t in Times<TAPS>, {
                            if i >= t && (i - t).is_multiple_of(STEP) && (i - t) / STEP < PIXELS {
                                let sum = &mut sums[(i - t) / STEP];
                                *sum = s.fma(here, weights[t], *sum);
                            }
                        });
                    }
                    x = x.wrapping_add(channels);
                });
                lane = s.add_i32(lane, s.splat_i32(1));
            }
            x = x.wrapping_add(dilation[1].wrapping_mul(input[2] * channels));
            w = w.wrapping_add(TAPS * N * PANEL);
        }
        sums
    }
}

//! Channels-last depthwise convolution: every channel by its own taps, vectorised over channels.
//!
//! Seven pixels of an output line by two vectors of channels are computed at a time, or by one where registers are few or
//! there are no more channels. Along the line, an input vector is loaded once for all the pixels whose windows it
//! lies in, and a tap's weights once for all pixels; pixels outside the line are skipped. Where registers are few but hold all
//! nine weights of a vector of channels, these stay there for a whole line. Images that stay near are taken a
//! few channels at a time, so that an input line is fetched once for all the output lines that read it; larger ones line by
//! line, as they lie. A piece of a line is finished by its epilogue while it is near, so that all the rest is compiled once
//! whatever the epilogues.

use core::ops::Range;

use super::conv_f32::ConvShape;
use super::epilogue::Epilogue;
use super::finish_f32::{Area, Entered, Finishing};
use super::repeat::{Times, Under, repeat, written_out};
use super::simd::{Simd, Task};
use super::split::{Part, Split, own, parts, times, whole};
use super::window::{LINES_LEN, NEAR_LEN, mask_inside, pixels_behind, taps_inside, volume};

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

/// Pixels by which the output is divided among threads.
const STRETCH: usize = 8;

/// Taps along a line for which the pixels they reach are kept as masks.
const MOST_MASKS: usize = 32;

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
        let pixels = batch * volume(output);
        parts(4 * pixels * volume(kernel) * groups, pixels.div_ceil(STRETCH), threads)
    }

    #[inline(always)]
    unsafe fn part<S: Simd>(task: *mut Self, s: S, part: Part, _: &mut [f32]) {
        // SAFETY: the caller vouches for the task; its output is only written through this pointer, each part's elements
        // by that part.
        let (out, task) = unsafe { (&raw mut *(*task).out, &*task) };
        let &Self { x, w, bias, shape, epilogue, .. } = task;
        // As products divide them, so that each thread finds what it wrote itself.
        let all = shape.batch * volume(shape.output);
        let stretches = times(&part.range(all.div_ceil(STRETCH)), STRETCH);
        let pixels = stretches.start..stretches.end.min(all);
        // SAFETY: pixels are divided among the parts.
        let out = unsafe { own(out, times(&pixels, shape.groups)) };
        let x = &x[..shape.batch * volume(shape.input) * shape.groups];
        let epilogue = Entered::new(s, epilogue);
        let finishing = epilogue.finishing();
        s.enter(Lines { out, x, w, bias, shape: &shape, pixels, row: 0, ring: usize::MAX, finishing });
    }
}

/// Some output lines of a depthwise convolution, or parts of lines.
pub(super) struct Lines<'a> {
    /// These pixels.
    pub out: &'a mut [f32],
    /// All images, or as many lines of one as a ring has.
    pub x: &'a [f32],
    pub w: &'a [f32],
    pub bias: Option<&'a [f32]>,
    pub shape: &'a ConvShape,
    /// Which, counted over all images.
    pub pixels: Range<usize>,
    /// What the epilogue adds to their numbers.
    pub row: usize,
    /// Lines that `x` holds of an image of two dimensions: line `y` lies where line `y % ring` would.
    pub ring: usize,
    pub finishing: Finishing<'a>,
}

impl Task for Lines<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { out, x, w, bias, shape, pixels, row, ring, finishing } = self;
        let &ConvShape { input, output, kernel, stride, dilation, pad, groups, .. } = shape;
        let padded = groups.div_ceil(16) * 16;
        let image = x.len().min(volume(input) * groups);
        let w = &w[..volume(kernel) * padded];
        let bias = bias.map(|bias| &bias[..padded]);
        if out.is_empty() {
            return;
        }
        let clamp = finishing.clamp();
        let near = image + out.len() <= NEAR_LEN;
        // In pairs of vectors, the rest with the last of them.
        let pairs = (groups / 32).max(1);
        let behind = pixels_behind(input, output, kernel, stride, dilation);
        let pieces = if near { pairs.div_ceil((LINES_LEN / 32 / behind.max(1)).max(2)) } else { 1 };
        for piece in 0..pieces {
            let from = pairs * piece / pieces * 32;
            let channels = from..if piece + 1 == pieces { groups } else { pairs * (piece + 1) / pieces * 32 };
            let mut next = pixels.start;
            while next < pixels.end {
                let (line, start) = (next / output[2], next % output[2]);
                let n = (output[2] - start).min(pixels.end - next);
                let out = &mut out[(next - pixels.start) * groups..][..n * groups];
                let (entry, d, h) = (line / output[1] / output[0], line / output[1] % output[0], line % output[1]);
                s.enter(Line {
                    out: &mut *out,
                    x: &x[entry * image..][..image],
                    w,
                    bias,
                    shape,
                    depth: taps_inside(d * stride[0], pad[0], input[0], kernel[0], dilation[0]),
                    height: taps_inside(h * stride[1], pad[1], input[1], kernel[1], dilation[1]),
                    first: [(d * stride[0]).wrapping_sub(pad[0]), (h * stride[1]).wrapping_sub(pad[1])],
                    ring,
                    columns: start..start + n,
                    channels: channels.clone(),
                    clamp,
                });
                let piece = out[channels.start..].as_mut_ptr();
                let area = Area {
                    tile: piece,
                    tile_stride: groups,
                    out: piece,
                    out_stride: groups,
                    row: row + next,
                    row_step: 1,
                    col: channels.start,
                    rows: n,
                    cols: channels.len(),
                };
                // SAFETY: these channels of the pixels.
                unsafe { finishing.apply(area) };
                next += n;
            }
        }
    }
}

/// Some channels of output pixels of a line.
struct Line<'a> {
    /// The pixels, all channels of them.
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
    /// Lines that there are of the image, see [`Lines::ring`].
    ring: usize,
    /// Which pixels of the line.
    columns: Range<usize>,
    channels: Range<usize>,
    /// Bounds of the results.
    clamp: Option<(f32, f32)>,
}

impl Task for Line<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let ConvShape { kernel, stride, dilation, pad, .. } = *self.shape;
        let rolls = self.depth.len() == 1 && self.height.len() == 3 && pad[2] < 2;
        // Thirty-two registers hold the sums of seven pixels by two vectors beside all weights of a line of taps, sixteen by one.
        let many = const { S::REGISTERS == 32 };
        let few = self.channels.len() < 2 * S::LANES;
        // One vector at a time is all that these hold in registers; the last may go over channels of the one before.
        let single = !many && self.channels.len() >= S::LANES;
        match (kernel[2], stride[2], dilation[2]) {
            (3, 1, 1) if few && S::CHEAP_PARTS => self.sweep::<S, 7, 1, 3, 1>(s),
            (3, 2, 1) if few && S::CHEAP_PARTS => self.sweep::<S, 7, 1, 3, 2>(s),
            (3, 1, 1) if single && rolls => self.roll::<S, 1>(s),
            (3, 2, 1) if single && rolls => self.roll::<S, 2>(s),
            (5, 1, 1) if single => self.sweep::<S, 7, 1, 5, 1>(s),
            (5, 2, 1) if single => self.sweep::<S, 7, 1, 5, 2>(s),
            _ if few => self.visit::<S, 1>(s),
            (3, 1, 1) if many => self.sweep::<S, 7, 2, 3, 1>(s),
            (3, 2, 1) if many => self.sweep::<S, 7, 2, 3, 2>(s),
            (5, 1, 1) if many => self.sweep::<S, 7, 2, 5, 1>(s),
            (5, 2, 1) if many => self.sweep::<S, 7, 2, 5, 2>(s),
            (3, 1, 1) => self.sweep::<S, 4, 2, 3, 1>(s),
            (3, 2, 1) => self.sweep::<S, 4, 2, 3, 2>(s),
            _ => self.visit::<S, 2>(s),
        }
    }
}

/// The sums of `P` pixels, `V` vectors of channels each.
type Sums<F, const P: usize, const V: usize> = [[F; V]; P];

/// Where the taps of a line's windows lie, in floats.
struct Walk {
    /// From the first float of the image to channel 0 of the first tap of pixel 0; wraps below zero in the padding.
    x_first: usize,
    x_depth: usize,
    x_line: usize,
    /// The first line's place in the ring, and how far it is from the ring's end to its start.
    slot: usize,
    x_ring: usize,
    /// From the first weight to that of the first tap inside.
    w_first: usize,
    w_depth: usize,
    w_line: usize,
    /// From tap to tap.
    w_tap: usize,
}

impl Line<'_> {
    #[inline(always)]
    fn walk(&self) -> Walk {
        let &ConvShape { input, kernel, dilation, pad, groups, .. } = self.shape;
        let w_tap = groups.div_ceil(16) * 16;
        let z = self.first[0].wrapping_add(self.depth.start * dilation[0]);
        let y = self.first[1].wrapping_add(self.height.start * dilation[1]);
        let slot = if y < self.ring { y } else { y % self.ring };
        let pixel = z.wrapping_mul(input[1]).wrapping_add(slot).wrapping_mul(input[2]).wrapping_sub(pad[2]);
        Walk {
            x_first: pixel.wrapping_mul(groups),
            x_depth: dilation[0] * input[1] * input[2] * groups,
            x_line: dilation[1] * input[2] * groups,
            slot,
            x_ring: self.ring.wrapping_mul(input[2] * groups),
            w_first: (self.depth.start * kernel[1] + self.height.start) * kernel[2] * w_tap,
            w_depth: kernel[1] * kernel[2] * w_tap,
            w_line: kernel[2] * w_tap,
            w_tap,
        }
    }

    /// The next tap's line of the image and its place in the ring, after the line at `x`.
    #[inline(always)]
    fn below(&self, walk: &Walk, x: *const f32, slot: usize) -> (*const f32, usize) {
        let (x, slot) = (x.wrapping_add(walk.x_line), slot + self.shape.dilation[1]);
        if slot < self.ring { (x, slot) } else { (x.wrapping_sub(walk.x_ring), slot - self.ring) }
    }

    /// The sums of `V` vectors of channels from `c` on, before anything is added.
    #[inline(always)]
    fn start<S: Simd, const P: usize, const V: usize>(&self, s: S, c: usize) -> Sums<S::F32, P, V> {
        let mut start = [s.splat(0.0); V];
        if let Some(bias) = self.bias {
            repeat!(v in Times<V>, start[v] = s.load(&bias[c + v * S::LANES..]));
        }
        [start; P]
    }

    /// Stores the first `pixels` pixels' sums, `V` vectors of so many `lanes` from channel `c` on, from pixel `at` on.
    #[inline(always)]
    fn end<S: Simd, const P: usize, const V: usize, const WHOLE: bool>(
        &mut self,
        s: S,
        mut sums: Sums<S::F32, P, V>,
        at: usize,
        pixels: usize,
        c: usize,
        lanes: usize,
    ) {
        let (groups, at) = (self.shape.groups, at - self.columns.start);
        if let Some((low, high)) = self.clamp {
            let (low, high) = (s.splat(low), s.splat(high));
            repeat!(j in Times<P>, repeat!(v in Times<V>, sums[j][v] = s.bounded(sums[j][v], low, high)));
        }
        let out = &mut self.out[at * groups..(at + pixels) * groups];
        repeat!(j in Times<P>, {
            repeat!(v in Times<V>, {
                if j < pixels && WHOLE {
                    // SAFETY: `out` holds `groups` channels of each pixel, and the lanes end before theirs.
                    unsafe { s.store_first(sums[j][v], out.as_mut_ptr().add(j * groups + c + v * S::LANES), lanes) };
                } else if j < pixels {
                    s.store_part(sums[j][v], &mut out[j * groups..][..lanes]);
                }
            });
        });
    }

    /// Computes the channels by windows of `TAPS` pixels side by side, `STEP` apart: `P` pixels by `V` vectors at a time, two
    /// vectors' channels at least, or one at a time with as many lanes as there are channels.
    #[inline(always)]
    fn sweep<S: Simd, const P: usize, const V: usize, const TAPS: usize, const STEP: usize>(&mut self, s: S) {
        let &ConvShape { input, pad, groups, .. } = self.shape;
        let walk = self.walk();
        for at in self.columns.clone().step_by(P) {
            let pixels = (self.columns.end - at).min(P);
            // Which pixels of the input there are, of those that the windows lie over.
            let start = at * STEP;
            let inside = mask_inside(start, pad[2], input[2], (pixels - 1) * STEP + TAPS);
            let x = self.x.as_ptr().wrapping_add(walk.x_first.wrapping_add(start * groups));
            let w = self.w.as_ptr().wrapping_add(walk.w_first);
            let mut next = self.channels.start;
            while next < self.channels.end {
                let (c, lanes) = match V {
                    1 if S::CHEAP_PARTS => (next, (self.channels.end - next).min(S::LANES)),
                    _ => (next.min(self.channels.end - V * S::LANES), S::LANES),
                };
                let mut sums = self.start::<S, P, V>(s, c);
                let (mut x_slab, mut w_slab) = (x.wrapping_add(c), w.wrapping_add(c));
                for _ in self.depth.clone() {
                    let (mut x_line, mut w_line, mut slot) = (x_slab, w_slab, walk.slot);
                    for _ in self.height.clone() {
                        let mut weights = [[s.splat(0.0); V]; TAPS];
                        repeat!(t in Times<TAPS>, {
                            repeat!(v in Times<V>, {
                                // SAFETY: the weights are those of a tap of the kernel, padded to whole vectors.
                                weights[t][v] = unsafe { s.load_ptr(w_line.add(t * walk.w_tap + v * S::LANES)) };
                            });
                        });
                        let mut x = x_line;
                        repeat!(i in Under<P, STEP, TAPS>, {
                            if inside & 1 << i != 0 {
                                let mut here = [s.splat(0.0); V];
                                repeat!(v in Times<V>, {
                                    // SAFETY: this pixel is inside the image: in depth and height by the ranges, along
                                    // the line by the mask, and the lanes end before its last channel.
                                    here[v] = unsafe { s.load_first(x.add(v * S::LANES), lanes) };
                                });
                                repeat!(t in Times<TAPS>, {
                                    if i >= t && (i - t).is_multiple_of(STEP) && (i - t) / STEP < P {
                                        let sums = &mut sums[(i - t) / STEP];
                                        repeat!(v in Times<V>, sums[v] = s.fma(here[v], weights[t][v], sums[v]));
                                    }
                                });
                            }
                            x = x.wrapping_add(groups);
                        });
                        (x_line, slot) = self.below(&walk, x_line, slot);
                        w_line = w_line.wrapping_add(walk.w_line);
                    }
                    x_slab = x_slab.wrapping_add(walk.x_depth);
                    w_slab = w_slab.wrapping_add(walk.w_depth);
                }
                self.end::<S, P, V, true>(s, sums, at, pixels, c, lanes);
                next += V * S::LANES;
            }
        }
    }

    /// Computes the channels by windows of three pixels of three lines that all lie inside, `STEP` pixels apart, a pixel after
    /// another: weights stay in registers, and a pixel of the input is loaded once for all windows in it.
    ///
    /// The three products of a column are added up first, so that no sum waits for more than one addition a column.
    #[inline(always)]
    fn roll<S: Simd, const STEP: usize>(&mut self, s: S) {
        let &ConvShape { input, pad, groups, .. } = self.shape;
        let walk = self.walk();
        let first = self.x.as_ptr().wrapping_add(walk.x_first);
        let (second, slot) = self.below(&walk, first, walk.slot);
        let (third, _) = self.below(&walk, second, slot);
        let (start, n) = (self.columns.start * STEP, self.columns.len());
        assert!(n * groups <= self.out.len());
        // Whether a column lies inside, counted from the first of the first window.
        let inside = |column: usize| (start + column).wrapping_sub(pad[2]) < input[2];
        // The pixels whose last column does.
        let whole = (input[2] + pad[2]).saturating_sub(start + 2).div_ceil(STEP).min(n);
        let (low, high) = self.clamp.unwrap_or((f32::NEG_INFINITY, f32::INFINITY));
        let (low, high) = (s.splat(low), s.splat(high));
        let mut next = self.channels.start;
        while next < self.channels.end {
            let c = next.min(self.channels.end - S::LANES);
            let [[bias]] = self.start::<S, 1, 1>(s, c);
            let mut weights = [[bias; 3]; 3];
            repeat!(l in Times<3>, {
                repeat!(t in Times<3>, {
                    let w = self.w.as_ptr().wrapping_add(walk.w_first + l * walk.w_line + t * walk.w_tap + c);
                    // SAFETY: the weights are those of a tap of the kernel, padded to whole vectors.
                    weights[l][t] = unsafe { s.load_ptr(w) };
                });
            });
            let mut at = c + start * groups;
            let mut out = self.out.as_mut_ptr().wrapping_add(c);
            // The next column, which must lie inside.
            macro_rules! column {
                () => {{
                    // SAFETY: in height all three lines are inside the image, along the line the column is.
                    let here = unsafe {
                        [
                            s.load_ptr(first.wrapping_add(at)),
                            s.load_ptr(second.wrapping_add(at)),
                            s.load_ptr(third.wrapping_add(at)),
                        ]
                    };
                    at = at.wrapping_add(groups);
                    here
                }};
            }
            // Its products with the weights of a tap.
            macro_rules! tap {
                ($t:literal, $here:ident) => {
                    s.fma($here[2], weights[2][$t], s.fma($here[1], weights[1][$t], s.mul($here[0], weights[0][$t])))
                };
            }
            // Sums of the next pixel and, where windows overlap by two columns, of the one after it.
            let mut sums = [bias; 2];
            if inside(0) {
                let here = column!();
                sums[0] = s.add(bias, tap!(0, here));
            } else {
                at = at.wrapping_add(groups);
            }
            if STEP == 1 && inside(1) {
                let here = column!();
                sums = [s.add(sums[0], tap!(1, here)), s.add(bias, tap!(0, here))];
            }
            for pixel in 0..n {
                let mut sum = sums[0];
                if STEP == 2 && (pixel < whole || pixel == whole && inside(2 * pixel + 1)) {
                    let here = column!();
                    sum = s.add(sum, tap!(1, here));
                }
                sums = [sums[1], bias];
                if pixel < whole {
                    let here = column!();
                    sum = s.add(sum, tap!(2, here));
                    if STEP == 1 {
                        sums[0] = s.add(sums[0], tap!(1, here));
                    }
                    sums[STEP % 2] = s.add(bias, tap!(0, here));
                }
                // SAFETY: the output holds `groups` channels of each of the pixels, and the lanes end before the last of them.
                unsafe { s.store_ptr(s.bounded(sum, low, high), out) };
                out = out.wrapping_add(groups);
            }
            next += S::LANES;
        }
    }

    /// Computes the channels, at least `V` vectors of them or all there are, by any windows.
    #[inline(always)]
    fn visit<S: Simd, const V: usize>(&mut self, s: S) {
        let ConvShape { input, kernel, stride, dilation, pad, .. } = *self.shape;
        let walk = self.walk();
        // Pixels `left..right` have their whole window within the line.
        let left = pad[2].div_ceil(stride[2]);
        let reach = (kernel[2] - 1) * dilation[2];
        let right = (input[2] + pad[2]).checked_sub(reach + 1).map_or(0, |last| last / stride[2] + 1);
        let narrow = kernel[2] <= MOST_MASKS;
        let mut at = self.columns.start;
        while at < self.columns.end {
            at += match V == 2 && narrow && at >= left && at + 7 <= right.min(self.columns.end) {
                true => self.taps::<S, V, false>(s, &walk, at),
                false => self.taps::<S, V, true>(s, &walk, at),
            };
        }
    }

    /// Computes the `P` pixels from `at` on, or as many as there are, and returns their number, a tap after another; at an
    /// `EDGE`, some taps fall outside the line.
    #[inline(always)]
    fn taps<S: Simd, const V: usize, const EDGE: bool>(&mut self, s: S, walk: &Walk, at: usize) -> usize {
        const P: usize = 7;
        let &ConvShape { input, kernel, stride, dilation, pad, groups, .. } = self.shape;
        let whole = V * S::LANES <= groups;
        // A wide window's taps are those inside, a pixel at a time; a narrow one's have masks of the pixels they reach.
        let narrow = kernel[2] <= MOST_MASKS;
        let pixels = (self.columns.end - at).min(if narrow { P } else { 1 });
        let inside = |j: usize| taps_inside((at + j) * stride[2], pad[2], input[2], kernel[2], dilation[2]);
        let taps = if EDGE && !narrow { inside(0) } else { 0..kernel[2] };
        let mut masks = [1_u32; MOST_MASKS];
        if EDGE && narrow {
            masks = [0; MOST_MASKS];
            for j in 0..pixels {
                inside(j).for_each(|tap| masks[tap % MOST_MASKS] |= 1 << j);
            }
        }
        let x = self.x.as_ptr().wrapping_add(walk.x_first.wrapping_add(at * stride[2] * groups));
        let w = self.w.as_ptr().wrapping_add(walk.w_first);
        let mut next = self.channels.start;
        while next < self.channels.end {
            let c = next.min(self.channels.end.saturating_sub(V * S::LANES));
            let mut sums = self.start::<S, P, V>(s, c);
            let (x_pixel, x_tap) = (stride[2] * groups, dilation[2] * groups);
            let first = taps.start * dilation[2] * groups;
            let (mut x_slab, mut w_slab) = (x.wrapping_add(c + first), w.wrapping_add(c + taps.start * walk.w_tap));
            for _ in self.depth.clone() {
                let (mut x_line, mut w_line, mut slot) = (x_slab, w_slab, walk.slot);
                for _ in self.height.clone() {
                    let (mut x, mut w) = (x_line, w_line);
                    for tap in taps.clone() {
                        let mut weights = [s.splat(0.0); V];
                        // SAFETY: the weights are those of a tap of the kernel, padded to whole vectors.
                        repeat!(v in Times<V>, weights[v] = unsafe { s.load_ptr(w.add(v * S::LANES)) });
                        let mask = masks[tap % MOST_MASKS];
                        repeat!(j in Times<P>, {
                            if !EDGE || mask & 1 << j != 0 {
                                let x = x.wrapping_add(j * x_pixel);
                                repeat!(v in Times<V>, {
                                    // SAFETY: this pixel is inside the image: in depth and height by the ranges, along
                                    // the line by the mask or the caller's knowledge; vectors end before its last
                                    // channel, or are all there are.
                                    let x = unsafe {
                                        match V == 2 || whole {
                                            true => s.load_ptr(x.add(v * S::LANES)),
                                            false => s.load_part(core::slice::from_raw_parts(x, groups)),
                                        }
                                    };
                                    sums[j][v] = s.fma(x, weights[v], sums[j][v]);
                                });
                            }
                        });
                        x = x.wrapping_add(x_tap);
                        w = w.wrapping_add(walk.w_tap);
                    }
                    (x_line, slot) = self.below(walk, x_line, slot);
                    w_line = w_line.wrapping_add(walk.w_line);
                }
                x_slab = x_slab.wrapping_add(walk.x_depth);
                w_slab = w_slab.wrapping_add(walk.w_depth);
            }
            match V == 2 || whole {
                true => self.end::<S, P, V, true>(s, sums, at, pixels, c, S::LANES),
                false => self.end::<S, P, V, false>(s, sums, at, pixels, c, groups),
            }
            next += V * S::LANES;
        }
        pixels
    }
}

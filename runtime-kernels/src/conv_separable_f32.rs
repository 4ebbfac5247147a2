//! A depthwise convolution between two pointwise ones, either of which may be missing, without the large results between. The
//! first may be one of planes instead, as at the beginning of a network.
//!
//! A band of output lines goes through all of them before the next: the lines of the depthwise convolution's input that are new
//! are computed to a ring of lines, the band to memory that stays near, and from there the result. The work is done by
//! the tasks of the other files, in the same order of additions.

use super::conv_depthwise_f32::Lines;
use super::conv_f32::{ConvShape, even};
use super::conv_planes_f32::{InSteps, Lines as PlaneLines, Step};
use super::epilogue::Epilogue;
use super::finish_f32::{Entered, Finishing};
use super::matmul_f32::blocks;
use super::simd::{Simd, Task};
use super::split::{Part, Split, own, parts, times, whole};
use super::tile_f32::{PANEL, Product};
use super::window::volume;

/// What the first convolution reads.
pub trait Reads: Copy {
    /// The sizes of that convolution, unless it is pointwise.
    fn planes(&self) -> Option<&ConvShape>;
    /// Computes some lines of it.
    fn lines<S: Simd>(&self, s: S, lines: PlaneLines<'_>);
}

/// Pixels with channels side by side; the convolution is pointwise.
#[derive(Clone, Copy)]
pub struct Pixels;

impl Reads for Pixels {
    #[inline(always)]
    fn planes(&self) -> Option<&ConvShape> {
        None
    }

    #[inline(always)]
    fn lines<S: Simd>(&self, _: S, _: PlaneLines<'_>) {}
}

/// Planes, a channel each.
#[derive(Clone, Copy)]
pub struct Planes<const STEP: usize> {
    /// The sizes of the convolution, whose output is the depthwise one's input.
    pub shape: ConvShape,
    /// Its stride along the last dimension.
    pub step: Step<STEP>,
}

impl<const STEP: usize> Reads for Planes<STEP> {
    #[inline(always)]
    fn planes(&self) -> Option<&ConvShape> {
        Some(&self.shape)
    }

    #[inline(always)]
    fn lines<S: Simd>(&self, s: S, lines: PlaneLines<'_>) {
        s.enter(InSteps::<STEP>(lines));
    }
}

/// `out = project(depthwise(expand(x)))`, each with its bias and epilogue.
pub struct Separable<'a, A, D, B, R> {
    /// `[batch][output][c_out]`
    pub out: &'a mut [f32],
    /// `[batch][input][c_in]`, or what [`Planes`] ask for.
    pub x: &'a [f32],
    /// How `x` is read.
    pub reads: R,
    /// `[panel][c_in][16]`, or packed by `pack::planes`; without, `x` is what the depthwise convolution reads.
    pub expand: Option<&'a [f32]>,
    /// At least `groups` rounded up to 16 long.
    pub expand_bias: Option<&'a [f32]>,
    /// `[kh * kw][groups rounded up to 16]`
    pub w: &'a [f32],
    /// At least `groups` rounded up to 16 long.
    pub bias: Option<&'a [f32]>,
    /// `[panel][groups][16]`; without, `out` is what the depthwise convolution gives.
    pub project: Option<&'a [f32]>,
    /// At least `c_out` rounded up to 16 long.
    pub project_bias: Option<&'a [f32]>,
    /// [`separable_scratch_len`] floats, and those that the convolution of planes needs.
    pub scratch: &'a mut [f32],
    /// The sizes of the depthwise convolution, of one or two dimensions, but `c_in` and `c_out`, which are those of `x` and `out`.
    pub shape: ConvShape,
    /// Applied to every element of the expanded input.
    pub expand_epilogue: A,
    /// Applied to every result of the depthwise convolution.
    pub epilogue: D,
    /// Applied to every element of `out`.
    pub project_epilogue: B,
}

/// Floats of scratch that stay in a second-level cache.
const BAND_LEN: usize = 96 * 1024;

/// Lines of the expanded input that a band of `lines` output lines reads.
const fn lines_behind(shape: &ConvShape, lines: usize) -> usize {
    (lines - 1) * shape.stride[1] + (shape.kernel[1] - 1) * shape.dilation[1] + 1
}

/// Floats of scratch for bands of `lines` output lines: of the ring, and of the band.
const fn lens(shape: &ConvShape, expands: bool, projects: bool, lines: usize) -> (usize, usize) {
    let ring = lines_behind(shape, lines) * shape.input[2] * shape.groups;
    let band = lines * shape.output[2] * shape.groups;
    (if expands { ring } else { 0 }, if projects { band } else { 0 })
}

/// Output lines of a band: what a line adds is what the second adds to the first.
const fn band_lines(shape: &ConvShape, expands: bool, projects: bool) -> usize {
    let (one, two) = (scratch_of(shape, expands, projects, 1), scratch_of(shape, expands, projects, 2));
    let each = if two > one { two - one } else { 1 };
    let all = if shape.output[1] == 0 { 1 } else { shape.output[1] };
    even(all, 1 + BAND_LEN.saturating_sub(one) / each)
}

/// Floats of scratch for bands of `lines` output lines.
const fn scratch_of(shape: &ConvShape, expands: bool, projects: bool, lines: usize) -> usize {
    let (ring, band) = lens(shape, expands, projects, lines);
    ring + band
}

/// Floats of scratch a [`Separable`] needs.
pub const fn separable_scratch_len(shape: ConvShape, expands: bool, projects: bool) -> usize {
    scratch_of(&shape, expands, projects, band_lines(&shape, expands, projects))
}

impl<A: Epilogue, D: Epilogue, B: Epilogue, R: Reads> Task for Separable<'_, A, D, B, R> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        whole(s, self);
    }
}

impl<A: Epilogue, D: Epilogue, B: Epilogue, R: Reads> Split for Separable<'_, A, D, B, R> {
    #[inline(always)]
    fn parts(&self, threads: usize) -> usize {
        let ConvShape { batch, input, output, kernel, groups, c_in, c_out, .. } = self.shape;
        let window = self.reads.planes().map_or(c_in, |planes| planes.c_in * volume(planes.kernel));
        let expand = if self.expand.is_some() { volume(input) * window } else { 0 };
        let project = if self.project.is_some() { volume(output) * c_out } else { 0 };
        // A multiplication of the depthwise convolution costs as much memory traffic as four of the others.
        let work = batch * groups * (expand + 4 * volume(output) * volume(kernel) + project);
        // Each part computes the lines behind its first anew.
        parts(work, (batch * output[1]).div_ceil(4), threads)
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
        let &Self { x, expand, expand_bias, w, bias, project, project_bias, shape, .. } = task;
        let (first, second, third) = (
            Entered::new(s, task.expand_epilogue),
            Entered::new(s, task.epilogue),
            Entered::new(s, task.project_epilogue),
        );
        let source = Source { s, reads: task.reads };
        s.enter(Bands {
            out,
            x,
            planes: source.reads.planes().map(|shape| (shape, &source as &dyn ByLines)),
            expand: expand.map(|w| Pointwise { w, bias: expand_bias, finishing: first.finishing() }),
            w,
            bias,
            finishing: second.finishing(),
            project: project.map(|w| Pointwise { w, bias: project_bias, finishing: third.finishing() }),
            scratch,
            shape: &shape,
            part,
        });
    }
}

/// A convolution of planes with the token of an instruction set.
struct Source<S, R> {
    s: S,
    reads: R,
}

/// Convolutions of planes, whatever their step, so that what calls them is compiled once for all.
trait ByLines {
    fn lines(&self, lines: PlaneLines<'_>);
}

impl<S: Simd, R: Reads> ByLines for Source<S, R> {
    fn lines(&self, lines: PlaneLines<'_>) {
        self.reads.lines(self.s, lines);
    }
}

/// Part of a [`Separable`], with whatever epilogues; whoever makes one vouches for the output.
struct Bands<'a> {
    out: *mut [f32],
    x: &'a [f32],
    /// The sizes of the first convolution, and itself, where it is no pointwise one.
    planes: Option<(&'a ConvShape, &'a dyn ByLines)>,
    expand: Option<Pointwise<'a>>,
    w: &'a [f32],
    bias: Option<&'a [f32]>,
    finishing: Finishing<'a>,
    project: Option<Pointwise<'a>>,
    scratch: &'a mut [f32],
    shape: &'a ConvShape,
    part: Part,
}

/// What makes a pointwise convolution.
#[derive(Clone, Copy)]
struct Pointwise<'a> {
    w: &'a [f32],
    bias: Option<&'a [f32]>,
    finishing: Finishing<'a>,
}

impl Task for Bands<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { out, x, planes, expand, w, bias, finishing, project, scratch, part, .. } = self;
        let &ConvShape { batch, input, output, groups, c_in, c_out, .. } = self.shape;
        let shape = ConvShape { batch: 1, ..*self.shape };
        assert!(input[0] == 1 && output[0] == 1, "a separable convolution has two dimensions at most");
        let (in_width, out_width, all) = (input[2], output[2], output[1]);
        let (expands, projects) = (expand.is_some(), project.is_some());
        let pixels = planes.map_or(input, |(shape, _)| shape.input);
        let image_len = volume(pixels) * c_in;
        let x = &x[..batch * image_len];
        let lines = part.range(batch * all);
        // SAFETY: lines are divided among the parts.
        let mut out = unsafe { own(out, times(&lines, out_width * c_out)) };
        let at_once = band_lines(&shape, expands, projects);
        let (ring_len, band_len) = lens(&shape, expands, projects, at_once);
        let (ring, rest) = scratch.split_at_mut(ring_len);
        let (band, own_scratch) = rest.split_at_mut(band_len);
        let n_ring = lines_behind(&shape, at_once);
        let (mut line, mut expanded) = (lines.start, 0);
        while line < lines.end && !out.is_empty() {
            let (entry, y) = (line / all, line % all);
            let n = at_once.min(all - y).min(lines.end - line);
            let image = &x[entry * image_len..][..image_len];
            if let Some(pointwise) = expand {
                let first = (y * shape.stride[1]).saturating_sub(shape.pad[1]);
                let end = (y * shape.stride[1] + lines_behind(&shape, n)).saturating_sub(shape.pad[1]).min(input[1]);
                // At the start of an image and of a part nothing is there yet.
                let mut from = if y == 0 || line == lines.start { first } else { first.max(expanded) };
                while from < end {
                    let slot = from % n_ring;
                    let to = end.min(from + n_ring - slot);
                    let lines = entry * input[1] + from..entry * input[1] + to;
                    let out = &mut ring[slot * in_width * groups..][..(to - from) * in_width * groups];
                    let Pointwise { w, bias, finishing } = pointwise;
                    match planes {
                        Some((shape, planes)) => {
                            planes.lines(PlaneLines { out, x, w, bias, shape, finishing, lines, scratch: own_scratch });
                        }
                        None => {
                            let x = &image[from * in_width * c_in..to * in_width * c_in];
                            PixelRows { out, x, pointwise, row: lines.start * in_width, n: groups }.run(s);
                        }
                    }
                    from = to;
                }
                expanded = end;
            }
            let (this, next) = out.split_at_mut(n * out_width * c_out);
            out = next;
            s.enter(Lines {
                out: if projects { &mut band[..n * out_width * groups] } else { &mut *this },
                x: if expands { &*ring } else { image },
                w,
                bias,
                shape: &shape,
                pixels: y * out_width..(y + n) * out_width,
                row: entry * all * out_width,
                ring: if expands { n_ring } else { usize::MAX },
                finishing,
            });
            if let Some(pointwise) = project {
                let x = &band[..n * out_width * groups];
                PixelRows { out: this, x, pointwise, row: line * out_width, n: c_out }.run(s);
            }
            line += n;
        }
    }
}

/// A pointwise convolution of some pixels.
struct PixelRows<'a> {
    /// `[pixels][n]`
    out: &'a mut [f32],
    /// `[pixels][channels]`
    x: &'a [f32],
    pointwise: Pointwise<'a>,
    /// The epilogue's number of the first.
    row: usize,
    n: usize,
}

impl PixelRows<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { out, x, pointwise: Pointwise { w, bias, finishing }, row, n } = self;
        if out.is_empty() {
            return;
        }
        let m = out.len() / n;
        let (k, panels) = (x.len() / m, n.div_ceil(PANEL));
        let product = Product {
            row,
            bias: bias.map(|bias| &bias[..panels * PANEL]),
            finishing,
            ..Product::dense(out.as_mut_ptr(), n, k, w[..panels * k * PANEL].as_ptr(), k, n)
        };
        // SAFETY: `m` rows of `k` floats and of `n`, and weights and bias as long as these ask for.
        unsafe { blocks(s, &product, x.as_ptr(), 0, m, k) }
    }
}

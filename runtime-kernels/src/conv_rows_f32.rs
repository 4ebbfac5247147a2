//! Convolutions whose windows are best copied to the rows of a matrix, a stage of k at a time: onto lines too narrow for a
//! tile, so that strips need not end where lines do, and those with windows so wide or so far apart that most of what lies
//! between their taps is never read.
//!
//! The copy costs what it does once for all output channels, so narrow lines need many of them to pay.

use super::ahead_f32::Ahead;
use super::conv_f32::{ConvShape, Walk};
use super::finish_f32::Finishing;
use super::matmul_f32::copy_stride;
use super::simd::{Simd, Task};
use super::split::Part;
use super::stages::{Stage, Window};
use super::tile_cuts::{count, in_use, panel_groups, strips, tile_rows, widest};
use super::tile_f32::{MOST_ROWS, PANEL, Product};
use super::tiles::Tiles;
use super::window::volume;

/// Floats that the rows may have together.
const BLOCK_LEN: usize = 48 * 1024;

/// Elements of k that are copied at once.
const STAGE: usize = 768;

/// Weights from which on a strip waits for them rather than for its multiplications.
const LEAST_WEIGHTS: usize = 64 * 1024;

/// Output channels that are worth a copy.
const LEAST_COLUMNS: usize = 64;

/// Whether a convolution is done this way.
pub(super) const fn gathers(shape: &ConvShape) -> bool {
    let [depth, height, width] = shape.output;
    let lines = shape.batch * depth * height;
    if k_len(shape) == 0 || lines * width == 0 {
        return false;
    }
    if is_rows(shape) {
        return false;
    }
    // A strip fetches all weights, however few rows it has.
    let (apart, together) = (lines * width.div_ceil(MOST_ROWS), (lines * width).div_ceil(MOST_ROWS));
    may_gather(shape) && 2 * apart >= 3 * together || wastes_bands(shape)
}

/// Whether pixels are the rows of a matrix as they lie, and not so far apart that they share sets of a cache.
const fn is_rows(shape: &ConvShape) -> bool {
    Walk::of_conv(shape).is_pointwise() && !(shape.groups * shape.c_in).is_multiple_of(1024)
}

/// Whether the weights are such that narrow lines would be done this way.
pub(super) const fn may_gather(shape: &ConvShape) -> bool {
    shape.c_out >= LEAST_COLUMNS && k_len(shape) * shape.c_out >= LEAST_WEIGHTS
}

/// Whether bands with the padding written out would hold more than the windows in them do together.
const fn wastes_bands(shape: &ConvShape) -> bool {
    let walk = Walk::of_conv(shape);
    let block = walk.block(shape.c_in, shape.c_out);
    !walk.stays_inside() && walk.band_len(block, shape.c_in) > block[0] * block[1] * block[2] * k_len(shape)
}

/// Floats of scratch that takes: never more than 64 Ki.
pub(super) const fn rows_scratch_len(shape: &ConvShape) -> usize {
    block_rows(shape) * copy_stride(stage_len(shape))
}

const fn k_len(shape: &ConvShape) -> usize {
    shape.kernel[0] * shape.kernel[1] * shape.kernel[2] * shape.c_in
}

/// Elements of k of the longest stage, a whole number of a tile's turns.
const fn stage_len(shape: &ConvShape) -> usize {
    let k = k_len(shape);
    k.div_ceil(k.div_ceil(STAGE)).next_multiple_of(4)
}

/// Rows of a block.
const fn block_rows(shape: &ConvShape) -> usize {
    let fit = BLOCK_LEN / copy_stride(stage_len(shape)) / MOST_ROWS * MOST_ROWS;
    let pixels = shape.batch * shape.output[0] * shape.output[1] * shape.output[2];
    if fit < pixels { fit } else { pixels }
}

/// The sizes, and the operands of one group of channels.
pub(super) struct ConvRows<'a> {
    pub shape: &'a ConvShape,
    pub group: usize,
    /// `[batch][input][groups * c_in]`
    pub x: &'a [f32],
    /// `[panel][k][16]` of the group
    pub w: &'a [f32],
    /// Of the group, in whole panels.
    pub bias: Option<&'a [f32]>,
    pub tiles: Tiles,
    pub finishing: Finishing<'a>,
}

impl ConvRows<'_> {
    /// Computes part of the group's results, in `rows_scratch_len` floats of scratch.
    ///
    /// # Safety
    /// `out`, `[batch][output][groups * c_out]`, must be valid, and the elements of this group and part used by nothing else.
    #[inline(always)]
    pub unsafe fn run<S: Simd>(&self, s: S, out: *mut [f32], scratch: &mut [f32], part: Part) {
        s.enter(ConvRowsPart { conv: self, out, scratch, part });
    }

    /// Adds the products of elements `from..from + len` of k for `n` pixels from `first`, whose rows are at `a`.
    ///
    /// # Safety
    /// As [`Product::strips`] asks.
    #[inline(always)]
    unsafe fn stage<S: Simd>(
        &self,
        s: S,
        product: &Product<'_>,
        a: *const f32,
        first: usize,
        n: usize,
        (from, len): (usize, usize),
        longest: usize,
    ) {
        let k = k_len(self.shape);
        let stage = Stage::of_copy(from, len, k);
        let last = from + len == k;
        let next = if last { Stage::of_copy(0, longest.min(k), k) } else { Stage::of_copy(from + len, len, k) };
        let panels = product.n.div_ceil(PANEL);
        let mut panel = 0;
        for width in panel_groups::<S>(product.n, widest::<S>(product.tiles, n, len, true)) {
            let cut = strips(n, tile_rows::<S>(product.row_stride, width));
            let (next, next_panel) = match panel + width < panels {
                true => (&stage, panel + width),
                false => (&next, if last { panels } else { 0 }),
            };
            let mut ahead = Ahead::of_strips::<S>(product, next, next_panel, count(&cut));
            let mut start = 0;
            for &(rows, count) in in_use(&cut) {
                let to = first + start;
                // SAFETY: these rows are among the caller's.
                unsafe {
                    let a = a.add(start * product.row_stride);
                    let out = to * product.out_stride;
                    product.strips(s, a, out, to, (rows, count), panel, width, &stage, &mut ahead);
                }
                start += rows * count;
            }
            panel += width;
        }
    }
}

/// The arguments of [`ConvRows::run`], whose caller vouches for them.
struct ConvRowsPart<'a> {
    conv: &'a ConvRows<'a>,
    out: *mut [f32],
    scratch: &'a mut [f32],
    part: Part,
}

impl Task for ConvRowsPart<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { conv, out, scratch, part } = self;
        let &ConvRows { shape, group, .. } = conv;
        let &ConvShape { batch, input, output, groups, c_in, c_out, .. } = shape;
        let (k, panels, pixels) = (k_len(shape), c_out.div_ceil(PANEL), batch * volume(output));
        assert!(out.len() >= pixels * groups * c_out, "the output of a convolution is too short");
        let x = &conv.x[..batch * volume(input) * groups * c_in];
        let (w, bias) = (&conv.w[..panels * k * PANEL], conv.bias.map(|bias| &bias[..panels * PANEL]));
        let (strips, pairs) = part.grid(pixels.div_ceil(MOST_ROWS), panels.div_ceil(2), MOST_ROWS, 2 * PANEL, k);
        let rows = strips.start * MOST_ROWS..(strips.end * MOST_ROWS).min(pixels);
        let columns = pairs.start * 2 * PANEL..(pairs.end * 2 * PANEL).min(c_out);
        if rows.is_empty() || columns.is_empty() {
            return;
        }
        let (stage, at_most) = (stage_len(shape), block_rows(shape));
        let stride = copy_stride(stage);
        let copy = &mut scratch[..at_most * stride];
        let (w, bias) = (&w[columns.start * k..], bias.map(|bias| &bias[columns.start..]));
        let product = Product {
            // SAFETY: within the first pixel of the output, whose length was checked.
            out: unsafe { out.cast::<f32>().add(group * c_out + columns.start) },
            out_stride: groups * c_out,
            row: 0,
            row_step: 1,
            col: group * c_out + columns.start,
            n: columns.len(),
            row_stride: stride,
            window: Window::contiguous(k),
            b: w.as_ptr(),
            panel_stride: k * PANEL,
            after: if columns.len() == c_out { (groups - 1 - group) * panels } else { 0 },
            later: &[],
            bias,
            finishing: conv.finishing,
            tiles: conv.tiles,
        };
        let mut first = rows.start;
        while first < rows.end {
            let n = at_most.min(rows.end - first);
            for from in (0..k).step_by(stage) {
                let len = stage.min(k - from);
                let rows = &mut copy[..n * stride];
                s.enter(GatherRows { rows, stride, x, shape, group, first, from, len });
                // SAFETY: `copy` has `n` rows of `len` elements, and the output these pixels, which are this part's.
                unsafe { conv.stage(s, &product, copy.as_ptr(), first, n, (from, len), stage) };
            }
            first += n;
        }
    }
}

/// Copies elements `from..from + len` of the windows of output pixels to rows `stride` apart.
struct GatherRows<'a> {
    rows: &'a mut [f32],
    stride: usize,
    x: &'a [f32],
    shape: &'a ConvShape,
    group: usize,
    /// The pixel of the first row.
    first: usize,
    from: usize,
    len: usize,
}

impl Task for GatherRows<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { rows, stride, x, shape, group, first, from, len } = self;
        for (i, row) in rows.chunks_exact_mut(stride).enumerate() {
            gather(&mut row[..len], x, shape, group, first + i, from);
        }
    }
}

/// Elements `from..` of the window of an output pixel, as many as `row` is long.
#[inline(always)]
fn gather(row: &mut [f32], x: &[f32], shape: &ConvShape, group: usize, pixel: usize, from: usize) {
    let ConvShape { input, output, kernel, stride, dilation, pad, groups, c_in, .. } = *shape;
    let entry = pixel / volume(output);
    let [depth, height, width] =
        [pixel / output[2] / output[1] % output[0], pixel / output[2] % output[1], pixel % output[2]];
    let mut done = 0;
    while done < row.len() {
        let (tap, channel) = ((from + done) / c_in, (from + done) % c_in);
        let n = (c_in - channel).min(row.len() - done);
        let at = |dim: usize, o: usize, t: usize| (o * stride[dim] + t * dilation[dim]).wrapping_sub(pad[dim]);
        let z = at(0, depth, tap / kernel[2] / kernel[1]);
        let y = at(1, height, tap / kernel[2] % kernel[1]);
        let l = at(2, width, tap % kernel[2]);
        let to = &mut row[done..done + n];
        if z < input[0] && y < input[1] && l < input[2] {
            let pixel = ((entry * input[0] + z) * input[1] + y) * input[2] + l;
            to.copy_from_slice(&x[(pixel * groups + group) * c_in + channel..][..n]);
        } else {
            to.fill(0.0);
        }
        done += n;
    }
}

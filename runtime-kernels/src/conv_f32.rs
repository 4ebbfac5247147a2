//! Channels-last f32 convolution in one to three spatial dimensions, as an implicit matrix product.
//!
//! The rows of the product are output pixels. Those of a strip lie in one output row, so the input windows behind them
//! are a constant stride apart and the tile reads them in place: there is no im2col. Where windows reach into the
//! padding, the input of a block of output pixels is first copied, once, to a band with the zeros written out.

use super::ahead_f32::Ahead;
use super::conv_band_f32::FillBand;
use super::conv_rows_f32::{ConvRows, gathers, may_gather, rows_scratch_len};
use super::epilogue::Epilogue;
use super::finish_f32::{Area, Entered, Finishing};
use super::matmul_f32::blocks;
use super::simd::{Simd, Task};
use super::split::{Part, Split, parts, times, whole};
use super::stages::{Stages, Window};
use super::tile_cuts::{count, in_use, panel_groups, strips, tile_rows, widest};
use super::tile_f32::{MOST_ROWS, PANEL, Product};
use super::tile_pixels_f32::{Pixels, has_pixel_tiles, pixel_tiles_pay};
use super::tiles::Tiles;
use super::window::volume;

/// The sizes of a convolution; spatial dimensions are `[depth, height, width]`, those a model lacks are 1.
#[derive(Clone, Copy, Debug)]
pub struct ConvShape {
    /// Images.
    pub batch: usize,
    /// Spatial size of the input.
    pub input: [usize; 3],
    /// Spatial size of the output.
    pub output: [usize; 3],
    /// Taps.
    pub kernel: [usize; 3],
    /// Input pixels from output pixel to output pixel (for a transposed convolution, the other way round).
    pub stride: [usize; 3],
    /// Pixels from tap to tap.
    pub dilation: [usize; 3],
    /// Leading padding; what the output's size asks for beyond the input's end is zero too.
    pub pad: [usize; 3],
    /// Groups of channels that do not mix.
    pub groups: usize,
    /// Input channels of a group.
    pub c_in: usize,
    /// Output channels of a group.
    pub c_out: usize,
}

/// `out = epilogue(conv(x, w) + bias)`, with `w` packed by `pack::conv`.
///
/// The epilogue's rows are output pixels, its columns output channels over all groups.
pub struct Conv<'a, E> {
    /// `[batch][output][groups * c_out]`
    pub out: &'a mut [f32],
    /// `[batch][input][groups * c_in]`
    pub x: &'a [f32],
    /// `[group][panel][kd * kh * kw * c_in][16]`, of each image where they differ.
    pub w: &'a [f32],
    /// `[group][c_out rounded up to 16]`
    pub bias: Option<&'a [f32]>,
    /// [`conv_scratch_len`] floats.
    pub scratch: &'a mut [f32],
    /// The sizes.
    pub shape: ConvShape,
    /// Which tiles, where there is a choice.
    pub tiles: Tiles,
    /// Floats from an image's weights to the next's, where each has its own and windows are pixels of one group; else 0.
    pub w_stride: usize,
    /// Weights of later steps to be asked for meanwhile, where windows are pixels.
    pub ahead: Option<&'a [f32]>,
    /// Applied to every element.
    pub epilogue: E,
}

/// Floats of scratch a [`Conv`] needs on any instruction set: none without padding, unless its lines are narrow.
pub const fn conv_scratch_len(shape: ConvShape) -> usize {
    if gathers(&shape) {
        return rows_scratch_len(&shape);
    }
    let walk = Walk::of_conv(&shape);
    if walk.stays_inside() { 0 } else { walk.band_len(walk.block(shape.c_in, shape.c_out), shape.c_in) }
}

/// Whether a [`Conv`] with these weights never needs scratch, whatever the sizes it is used for, if it has no padding.
pub const fn conv_needs_no_scratch(shape: ConvShape) -> bool {
    !may_gather(&shape)
}

impl<E: Epilogue> Task for Conv<'_, E> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        whole(s, self);
    }
}

impl<E: Epilogue> Split for Conv<'_, E> {
    #[inline(always)]
    fn parts(&self, threads: usize) -> usize {
        conv_parts(&self.shape, self.shape.output, threads)
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
        let &Self { x, w, bias, shape, tiles, w_stride, ahead, epilogue, .. } = task;
        let epilogue = Entered::new(s, epilogue);
        let (finishing, ahead) = (epilogue.finishing(), ahead.unwrap_or_default());
        s.enter(ConvPart { out, x, w, bias, shape: &shape, tiles, w_stride, ahead, finishing, part, scratch });
    }
}

/// Part of a [`Conv`], with whatever epilogue; whoever makes one vouches for the output.
struct ConvPart<'a> {
    out: *mut [f32],
    x: &'a [f32],
    w: &'a [f32],
    bias: Option<&'a [f32]>,
    shape: &'a ConvShape,
    tiles: Tiles,
    w_stride: usize,
    ahead: &'a [f32],
    finishing: Finishing<'a>,
    part: Part,
    scratch: &'a mut [f32],
}

impl Task for ConvPart<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let (shape, part) = (self.shape, self.part);
        let (walk, gathered) = (Walk::of_conv(shape), self.w_stride == 0 && gathers(shape));
        let blocks = shape.batch * walk.blocks(shape.c_in, shape.c_out);
        // A block of pixels for all thin groups: their channels lie side by side, and threads keep to their pixels.
        let thin = shape.groups > 1 && shape.c_out <= 2 * PANEL && !gathered;
        let by_blocks = thin && (blocks.is_multiple_of(part.of) || blocks >= 4 * part.of);
        let (groups, of_a_group) = group_share(shape.groups, part);
        for i in if by_blocks { times(&part.range(blocks), shape.groups) } else { groups } {
            let block = Part { index: i / shape.groups, of: blocks };
            self.group(s, walk, gathered, i % shape.groups, if by_blocks { block } else { of_a_group });
        }
    }
}

impl ConvPart<'_> {
    /// Computes part of a group's channels, by windows that are gathered or lie where they are.
    #[inline(always)]
    fn group<S: Simd>(&mut self, s: S, walk: Walk, gathered: bool, group: usize, part: Part) {
        let &mut Self { out, x, w, bias, shape, tiles, w_stride, ahead, finishing, ref mut scratch, .. } = self;
        let columns = shape.c_out.div_ceil(PANEL) * PANEL;
        let w_len = walk.taps() * shape.c_in * columns;
        let of_all = if w_stride == 0 { w_len } else { shape.batch * w_stride };
        let (w, bias) = (&w[group * w_len..][..of_all], bias.map(|bias| &bias[group * columns..][..columns]));
        if gathered {
            let rows = ConvRows { shape, group, x, w, bias, tiles, finishing };
            // SAFETY: the output is written through this pointer alone, this part of it by this caller.
            return unsafe { rows.run(s, out, scratch, part) };
        }
        let correlation = Correlation {
            batch: shape.batch,
            input: shape.input,
            walk,
            output: shape.output,
            out_first: [0; 3],
            out_step: [1; 3],
            groups: shape.groups,
            group,
            c_in: shape.c_in,
            c_out: shape.c_out,
            tiles,
            w_stride,
            ahead,
            finishing,
        };
        // SAFETY: the output is written through this pointer alone, this part of it by this caller.
        unsafe { correlation.run(s, out, x, w, bias, scratch, part) };
    }
}

/// How many parts to make of a convolution onto `pixels` pixels.
#[inline(always)]
pub(super) fn conv_parts(shape: &ConvShape, pixels: [usize; 3], threads: usize) -> usize {
    let pixels = shape.batch * volume(pixels);
    let pieces = pixels.div_ceil(MOST_ROWS) * shape.c_out.div_ceil(2 * PANEL) * shape.groups;
    parts(pixels * volume(shape.kernel) * shape.c_in * shape.c_out * shape.groups, pieces, threads)
}

/// The groups that a part computes, and which part of each: whole groups where there are enough of them.
#[inline(always)]
pub(super) fn group_share(groups: usize, part: Part) -> (core::ops::Range<usize>, Part) {
    if groups >= part.of { (part.range(groups), Part::WHOLE) } else { (0..groups, part) }
}

/// How output pixels and taps walk over the input: pixel `o`, tap `t` reads `o * stride + t * dilation - pad`.
#[derive(Clone, Copy)]
pub(super) struct Walk {
    /// Size of the input.
    pub input: [usize; 3],
    /// Output pixels.
    pub pixels: [usize; 3],
    /// Taps.
    pub kernel: [usize; 3],
    /// Input pixels per output pixel.
    pub stride: [usize; 3],
    /// Input pixels per tap.
    pub dilation: [usize; 3],
    /// Leading padding, negative where the first window starts inside the input.
    pub pad: [isize; 3],
}

impl Walk {
    /// That of an ordinary convolution.
    pub const fn of_conv(shape: &ConvShape) -> Self {
        let pad = [shape.pad[0] as isize, shape.pad[1] as isize, shape.pad[2] as isize];
        let (pixels, kernel) = (shape.output, shape.kernel);
        Self { input: shape.input, pixels, kernel, stride: shape.stride, dilation: shape.dilation, pad }
    }

    /// Taps of the kernel.
    pub const fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.kernel[2]
    }

    /// Input pixels that `pixels` output pixels see along a dimension.
    const fn extent(&self, dim: usize, pixels: usize) -> usize {
        if pixels == 0 || self.kernel[dim] == 0 {
            return 0;
        }
        (pixels - 1) * self.stride[dim] + (self.kernel[dim] - 1) * self.dilation[dim] + 1
    }

    /// Whether the windows of a block of output pixels lie within the input, as a band of it would.
    const fn block_stays_inside(&self, first: [usize; 3], pixels: [usize; 3]) -> bool {
        let mut dim = 0;
        while dim < 3 {
            let from = (first[dim] * self.stride[dim]) as isize - self.pad[dim];
            if from < 0 || from as usize + self.extent(dim, pixels[dim]) > self.input[dim] {
                return false;
            }
            dim += 1;
        }
        true
    }

    /// Whether no window needs a band.
    pub const fn stays_inside(&self) -> bool {
        self.block_stays_inside([0; 3], self.pixels)
    }

    /// Whether output pixels are of the input's, each of its own.
    pub const fn is_pointwise(&self) -> bool {
        let ([depth, height, width], input) = (self.pixels, self.input);
        self.taps() == 1 && self.stays_inside() && depth == input[0] && height == input[1] && width == input[2]
    }

    /// Floats of the input, with padding, behind a block of output pixels.
    pub const fn band_len(&self, block: [usize; 3], c_in: usize) -> usize {
        self.extent(0, block[0]) * self.extent(1, block[1]) * self.extent(2, block[2]) * c_in
    }

    /// Output pixels to compute from one band: enough to be worth another pass over the weights, few enough that the
    /// band stays in a cache of modest size.
    pub const fn block(&self, c_in: usize, c_out: usize) -> [usize; 3] {
        const BAND_LEN: usize = 64 * 1024;
        const WIDEST: usize = 128;
        let weights = self.taps() * c_in * c_out;
        let passes = weights / (32 * 1024);
        let want = 96
            * if passes < 1 {
                1
            } else if passes > 5 {
                5
            } else {
                passes
            };
        let mut block = [1, 1, even(self.pixels[2], WIDEST)];
        while block[2] > 16 && self.band_len(block, c_in) > BAND_LEN {
            block[2] = even(self.pixels[2], block[2] / 2);
        }
        let mut dim = 2;
        while dim > 0 {
            dim -= 1;
            let inner = block[0] * block[1] * block[2];
            let most = if inner == 0 || want <= inner { 1 } else { want.div_ceil(inner) };
            let mut size = even(self.pixels[dim], most);
            block[dim] = size;
            while size > 1 && self.band_len(block, c_in) > BAND_LEN {
                size = even(self.pixels[dim], size / 2);
                block[dim] = size;
            }
        }
        block
    }

    /// How many such blocks there are.
    fn blocks(&self, c_in: usize, c_out: usize) -> usize {
        let block = self.block(c_in, c_out);
        let [deep, high, wide] = self.pixels;
        deep.div_ceil(block[0]) * high.div_ceil(block[1]) * wide.div_ceil(block[2])
    }
}

/// The size of the largest of the fewest equal parts of `n` that are no larger than `most`.
pub(super) const fn even(n: usize, most: usize) -> usize {
    let parts = n.div_ceil(if most == 0 { 1 } else { most });
    n.div_ceil(if parts == 0 { 1 } else { parts })
}

/// The correlation of one group's channels with its weights, onto every `out_step`-th output pixel.
pub(super) struct Correlation<'a> {
    pub batch: usize,
    pub input: [usize; 3],
    pub walk: Walk,
    /// Size of the whole output.
    pub output: [usize; 3],
    /// The output pixel of the walk's first.
    pub out_first: [usize; 3],
    /// Output pixels from pixel to pixel of the walk.
    pub out_step: [usize; 3],
    pub groups: usize,
    pub group: usize,
    pub c_in: usize,
    pub c_out: usize,
    pub tiles: Tiles,
    /// As a [`Conv`]'s.
    pub w_stride: usize,
    /// Weights of later steps to be asked for meanwhile, where windows are pixels.
    pub ahead: &'a [f32],
    pub finishing: Finishing<'a>,
}

impl Correlation<'_> {
    /// Computes part of all batch entries from `w` and `bias`, those of the group, `x` and `out`, those of all groups.
    ///
    /// # Safety
    /// `out` must be valid, and the elements of this group and part used by nothing else.
    #[inline(always)]
    pub unsafe fn run<S: Simd>(
        &self,
        s: S,
        out: *mut [f32],
        x: &[f32],
        w: &[f32],
        bias: Option<&[f32]>,
        scratch: &mut [f32],
        part: Part,
    ) {
        s.enter(CorrelationPart { correlation: self, out, x, w, bias, scratch, part });
    }

    /// Computes a block of output pixels.
    ///
    /// # Safety
    /// As [`Product::strip`] asks, for each pixel of the block.
    #[inline(always)]
    unsafe fn block<S: Simd>(&self, s: S, product: &Product<'_>, block: Block) {
        let Block { from, pitch, entry_row, first, size } = block;
        let panels = product.n.div_ceil(PANEL);
        let out = |dim: usize, i: usize| self.out_first[dim] + (first[dim] + i) * self.out_step[dim];
        let at_once = widest::<S>(product.tiles, size[2], product.window.len(), true);
        let lines = size[0] * size[1];
        let n_strips = lines * size[2].div_ceil(tile_rows::<S>(product.row_stride, at_once.min(panels)));
        let thin = product.n == PANEL || product.n == 2 * PANEL;
        let cut = lines * size[2].div_ceil(tile_rows::<S>(product.row_stride, 1));
        let one_stage = n_strips <= 3 || product.window.stages().n == 1;
        if const { has_pixel_tiles::<S>() } && thin && one_stage && pixel_tiles_pay(lines, size[2], cut) {
            // SAFETY: as the caller promises.
            return unsafe { self.pixels(s, product, block) };
        }
        // Few strips read a panel so seldom that it need not stay.
        let stages = if n_strips <= 3 { Stages::whole(product.window) } else { product.window.stages() };
        let mut panel = 0;
        for width in panel_groups::<S>(product.n, at_once) {
            let cut = strips(size[2], tile_rows::<S>(product.row_stride, width));
            for stage in 0..stages.n {
                let (next, next_panel) = match stage + 1 < stages.n {
                    true => (stages.at(stage + 1), panel),
                    false => (stages.at(0), panel + width),
                };
                let stage = stages.at(stage);
                let mut ahead = Ahead::of_strips::<S>(product, &next, next_panel, lines * count(&cut));
                for line in 0..lines {
                    let (d, h) = (line / size[1], line % size[1]);
                    let line = (out(0, d) * self.output[1] + out(1, h)) * self.output[2];
                    let mut start = 0;
                    for &(pixels, n) in in_use(&cut) {
                        let row = entry_row + line + out(2, start);
                        let at = d * self.walk.stride[0] * pitch[0]
                            + h * self.walk.stride[1] * pitch[1]
                            + start * product.row_stride;
                        // SAFETY: `n` strips of pixels of the block from `start`, each a tile's at most, and whole panels.
                        unsafe {
                            let to = row * self.groups * self.c_out;
                            product.strips(s, from.add(at), to, row, (pixels, n), panel, width, &stage, &mut ahead);
                        }
                        start += pixels * n;
                    }
                }
            }
            panel += width;
        }
    }

    /// The same by tiles whose pixels need not be of one line.
    ///
    /// # Safety
    /// As for [`Correlation::block`]; the columns fill whole panels.
    #[inline(always)]
    unsafe fn pixels<S: Simd>(&self, s: S, product: &Product<'_>, block: Block) {
        let Block { from, pitch, entry_row, first, size } = block;
        let (row_len, panels) = (self.groups * self.c_out, product.n / PANEL);
        let out = |dim: usize, i: usize| self.out_first[dim] + (first[dim] + i) * self.out_step[dim];
        let row =
            |d: usize, h: usize| entry_row + (out(0, d) * self.output[1] + out(1, h)) * self.output[2] + out(2, 0);
        let out_pitch = [self.out_step[0] * self.output[1], self.out_step[1]].map(|n| n * self.output[2] * row_len);
        let a_pitch = [0, 1].map(|dim| self.walk.stride[dim] * pitch[dim]);
        for panel in 0..panels {
            let bias = product.bias.map(|bias| &bias[panel * PANEL..][..PANEL]);
            // SAFETY: a panel of the product's, and its columns of the block's first pixel.
            let (b, out) = unsafe {
                (product.b.add(panel * product.panel_stride), product.out.add(row(0, 0) * row_len + panel * PANEL))
            };
            let product = &Product { b, bias, after: product.after + panels - 1 - panel, ..*product };
            s.enter(Pixels { product, a: from, a_pitch, out, out_pitch, size });
        }
        if let Finishing::Apply(_) = product.finishing {
            for line in 0..size[0] * size[1] {
                let row = row(line / size[1], line % size[1]);
                let area = Area {
                    tile: product.out.wrapping_add(row * row_len),
                    tile_stride: product.out_stride,
                    out: product.out.wrapping_add(row * row_len),
                    out_stride: product.out_stride,
                    row: product.row + row,
                    row_step: product.row_step,
                    col: product.col,
                    rows: size[2],
                    cols: product.n,
                };
                // SAFETY: a line of what was just written.
                unsafe { product.finishing.apply(area) };
            }
        }
    }
}

/// The output pixels `first..first + size` of a walk.
#[derive(Clone, Copy)]
struct Block {
    /// The first pixel's window.
    from: *const f32,
    /// Floats from plane to plane there, from line to line, and from pixel to pixel.
    pitch: [usize; 3],
    /// The number of the image's first row in the output.
    entry_row: usize,
    first: [usize; 3],
    size: [usize; 3],
}

/// The arguments of [`Correlation::run`], whose caller vouches for them.
struct CorrelationPart<'a> {
    correlation: &'a Correlation<'a>,
    out: *mut [f32],
    x: &'a [f32],
    w: &'a [f32],
    bias: Option<&'a [f32]>,
    scratch: &'a mut [f32],
    part: Part,
}

impl Task for CorrelationPart<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { correlation, out, x, w, bias, scratch, part } = self;
        let &Correlation { batch, walk, groups, group, c_in, c_out, w_stride, .. } = correlation;
        let k = walk.taps() * c_in;
        let panels = c_out.div_ceil(PANEL);
        let (in_pixels, out_pixels) = (volume(correlation.input), volume(correlation.output));
        let x = &x[..batch * in_pixels * groups * c_in];
        assert!(out.len() >= batch * out_pixels * groups * c_out, "the output of a convolution is too short");
        let bias = bias.map(|bias| &bias[..panels * PANEL]);
        if batch * volume(walk.pixels) * c_out == 0 {
            return;
        }
        let w = &w[..(batch - 1) * w_stride + panels * k * PANEL];
        for dim in 0..3 {
            assert!(
                correlation.out_first[dim] + (walk.pixels[dim] - 1) * correlation.out_step[dim]
                    < correlation.output[dim]
            );
        }
        let inside = walk.stays_inside();
        let pointwise = walk.is_pointwise() && walk.pixels == correlation.output;
        let block = walk.block(c_in, c_out);
        let [deep, high, wide] = [0, 1, 2].map(|dim| walk.pixels[dim].div_ceil(block[dim]));
        let n_blocks = deep * high * wide;
        assert!(pointwise || w_stride == 0, "images have weights of their own only where windows are pixels");
        // Of single pixels, images that share weights are one.
        let (images, pixels) = if w_stride == 0 { (1, batch * in_pixels) } else { (batch, in_pixels) };
        let strips = pixels.div_ceil(MOST_ROWS);
        let (rows, height) = if pointwise { (images * strips, MOST_ROWS) } else { (batch * n_blocks, volume(block)) };
        let (rows, pairs) = part.grid(rows, panels.div_ceil(2), height, 2 * PANEL, k);
        let columns = pairs.start * 2 * PANEL..(pairs.end * 2 * PANEL).min(c_out);
        if rows.is_empty() || columns.is_empty() {
            return;
        }
        let (w, bias) = (&w[columns.start * k..], bias.map(|bias| &bias[columns.start..]));
        let product = Product {
            // SAFETY: within the first pixel of the output, whose length was checked.
            out: unsafe { out.cast::<f32>().add(group * c_out + columns.start) },
            out_stride: correlation.out_step[2] * groups * c_out,
            row: 0,
            row_step: correlation.out_step[2],
            col: group * c_out + columns.start,
            n: columns.len(),
            row_stride: groups * c_in,
            window: Window::contiguous(k),
            b: w.as_ptr(),
            panel_stride: k * PANEL,
            // Of thin groups, the next comes right after.
            after: if columns.len() == c_out { (groups - 1 - group) * panels } else { 0 },
            later: &correlation.ahead[times(&part.range(correlation.ahead.len() / PANEL), PANEL)],
            bias,
            finishing: correlation.finishing,
            tiles: correlation.tiles,
        };
        let x = if k == 0 { x } else { &x[group * c_in..] };
        if pointwise {
            for image in rows.start / strips..rows.end.div_ceil(strips) {
                let first = rows.start.max(image * strips) - image * strips;
                let end = rows.end.min((image + 1) * strips) - image * strips;
                let row = image * pixels + first * MOST_ROWS;
                let n = (end * MOST_ROWS).min(pixels) - first * MOST_ROWS;
                // SAFETY: every pixel of the input, `groups * c_in` apart, makes a row of the output, all of the lengths
                // just cut; with one tap and as many pixels out as in, the walk visits each pixel in order.
                unsafe {
                    let product = Product { b: product.b.add(image * w_stride), ..product };
                    blocks(s, &product, x.as_ptr().add(row * product.row_stride), row, n, k);
                }
            }
            return;
        }
        let band = if inside { &mut [][..] } else { &mut scratch[..walk.band_len(block, c_in)] };
        for i in rows {
            let (entry, i) = (i / n_blocks, i % n_blocks);
            let first = [i / (high * wide) * block[0], i / wide % high * block[1], i % wide * block[2]];
            let x = &x[entry * in_pixels * groups * c_in..];
            let size = [0, 1, 2].map(|dim| block[dim].min(walk.pixels[dim] - first[dim]));
            let (from, pitch);
            if k == 0 {
                (from, pitch) = (x.as_ptr(), [0; 3]);
            } else if inside || walk.block_stays_inside(first, size) {
                let pixel = groups * c_in;
                pitch = [correlation.input[1] * correlation.input[2] * pixel, correlation.input[2] * pixel, pixel];
                let at = |dim: usize| (first[dim] * walk.stride[dim]).wrapping_add_signed(-walk.pad[dim]);
                from = x[at(0) * pitch[0] + at(1) * pitch[1] + at(2) * pitch[2]..].as_ptr();
            } else {
                let extent = [0, 1, 2].map(|dim| walk.extent(dim, size[dim]));
                s.enter(FillBand { band: &mut *band, x, walk, first, extent, groups, c_in });
                from = band.as_ptr();
                pitch = [extent[1] * extent[2] * c_in, extent[2] * c_in, c_in];
            }
            let mut window =
                Window { taps: walk.kernel, strides: [0, 1, 2].map(|dim| walk.dilation[dim] * pitch[dim]), run: c_in };
            if window.strides[2] == c_in || walk.kernel[2] == 1 {
                window.run *= walk.kernel[2];
                window.taps[2] = 1;
            }
            let product = Product { row_stride: walk.stride[2] * pitch[2], window, ..product };
            // SAFETY: the windows of the block's pixels lie within the input or the band, as just established; the
            // output's pixels were checked against its size above, and `w` and `bias` cut to their lengths.
            unsafe {
                let block = Block { from, pitch, entry_row: entry * out_pixels, first, size };
                correlation.block(s, &product, block);
            }
        }
    }
}

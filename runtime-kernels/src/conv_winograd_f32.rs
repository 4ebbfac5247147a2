//! Channels-last 3x3 f32 convolution of stride 1 by Winograd's minimal filtering F(4x4, 3x3): four multiplications for
//! every sixteen of the direct form.
//!
//! The output is cut into tiles of 4 by 4 pixels, each of which sees 6 by 6 of the input. Their transforms turn the
//! convolution into 36 products of matrices, tiles by input channels times input by output channels, one a position of
//! the transformed tile. Tiles are taken a block at a time, so that what is transformed stays in the cache. The
//! transforms are those of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015), but with the points
//! 0, ±5/8, ±3/2 and infinity: polynomials through them are so tame that errors are 1.8 times those of the direct form, where
//! the customary 0, ±1, ±2 make 4.5 (root mean squares over random operands of 64 and of 512 channels).

use core::ops::Range;

use super::conv_f32::ConvShape;
use super::epilogue::Epilogue;
use super::finish_f32::{Area, Entered, Finishing};
use super::matmul_f32::{blocks, clamped};
use super::simd::{Simd, Task};
use super::split::{Part, Split, parts, whole};
use super::tile_f32::{MOST_ROWS, PANEL, Product};
use super::window::volume;

/// Output pixels of a tile along an axis, and input pixels behind them.
const OUT: usize = 4;
const IN: usize = 6;

/// The points besides 0 and infinity are these and their negatives; dyadic, so that the transforms' constants are exact.
pub(super) const NEAR: f64 = 5.0 / 8.0;
pub(super) const FAR: f64 = 3.0 / 2.0;

/// Positions of a transformed tile.
pub const POSITIONS: usize = IN * IN;

/// Floats of scratch that a block of tiles may have: most of a 1 MiB cache.
const BLOCK_LEN: usize = 208 * 1024;

/// `out = epilogue(conv(x, w) + bias)` for a kernel of 3 by 3, stride and dilation 1 and one group, with `w` packed by
/// `pack::winograd`.
pub struct ConvWinograd<'a, E> {
    /// `[batch][height][width][c_out]`
    pub out: &'a mut [f32],
    /// `[batch][height][width][c_in]`
    pub x: &'a [f32],
    /// `[36][panel][c_in][16]`
    pub w: &'a [f32],
    /// At least `c_out` rounded up to 16 long.
    pub bias: Option<&'a [f32]>,
    /// [`winograd_scratch_len`] floats.
    pub scratch: &'a mut [f32],
    /// The sizes; depth is 1.
    pub shape: ConvShape,
    /// Applied to every element; its rows are output pixels, its columns output channels.
    pub epilogue: E,
}

/// Floats of scratch a [`ConvWinograd`] needs on any instruction set.
pub const fn winograd_scratch_len(shape: ConvShape) -> usize {
    POSITIONS * block_tiles(&shape) * (shape.c_in + columns(&shape))
}

/// Tiles of the whole output.
pub const fn tiles(shape: &ConvShape) -> usize {
    shape.batch * shape.output[1].div_ceil(OUT) * shape.output[2].div_ceil(OUT)
}

/// Output channels in whole panels.
const fn columns(shape: &ConvShape) -> usize {
    shape.c_out.div_ceil(PANEL) * PANEL
}

/// Tiles of a block: of the fewest equal blocks that fit the cache, but enough for a matrix product to be worth it.
const fn block_tiles(shape: &ConvShape) -> usize {
    let fit = match BLOCK_LEN.checked_div(POSITIONS * (shape.c_in + columns(shape))) {
        Some(fit) if fit > MOST_ROWS => fit,
        _ => MOST_ROWS,
    };
    let n = tiles(shape);
    let blocks = if n < 1 { 1 } else { n.div_ceil(fit) };
    n.div_ceil(blocks)
}

impl<E: Epilogue> Task for ConvWinograd<'_, E> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        whole(s, self);
    }
}

impl<E: Epilogue> Split for ConvWinograd<'_, E> {
    #[inline(always)]
    fn parts(&self, threads: usize) -> usize {
        let n = tiles(&self.shape);
        parts(2 * POSITIONS * n * self.shape.c_in * columns(&self.shape), n.div_ceil(8), threads)
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
        let &Self { x, w, bias, ref shape, epilogue, .. } = task;
        let epilogue = Entered::new(s, epilogue);
        s.enter(WinogradPart { out, x, w, bias, shape, finishing: epilogue.finishing(), part, scratch });
    }
}

/// Part of a [`ConvWinograd`], with whatever epilogue; whoever makes one vouches for the output.
struct WinogradPart<'a> {
    out: *mut [f32],
    x: &'a [f32],
    w: &'a [f32],
    bias: Option<&'a [f32]>,
    shape: &'a ConvShape,
    finishing: Finishing<'a>,
    part: Part,
    scratch: &'a mut [f32],
}

impl Task for WinogradPart<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { out, x, w, bias, shape, finishing, part, scratch } = self;
        let &ConvShape { batch, input, output, pad, c_in, c_out, .. } = shape;
        assert!(shape.kernel == [1, 3, 3] && shape.stride == [1; 3] && shape.dilation == [1; 3] && shape.groups == 1);
        assert!(input[0] == 1 && output[0] == 1 && pad[0] == 0);
        let columns = columns(shape);
        let x = &x[..batch * volume(input) * c_in];
        let w = &w[..POSITIONS * c_in * columns];
        let bias = bias.map(|bias| &bias[..columns]);
        assert!(out.len() >= batch * volume(output) * c_out, "the output of a convolution is too short");
        let mine = part.range(tiles(shape));
        if mine.is_empty() || c_out == 0 {
            return;
        }
        let most = block_tiles(shape);
        let (seen, made) = scratch[..POSITIONS * most * (c_in + columns)].split_at_mut(POSITIONS * most * c_in);
        let n_blocks = mine.len().div_ceil(most);
        for i in 0..n_blocks {
            let block = Part { index: i, of: n_blocks }.range(mine.len());
            let block = mine.start + block.start..mine.start + block.end;
            let n = block.len();
            s.enter(Scatter { to: &mut *seen, x, shape, tiles: block.clone() });
            for position in 0..POSITIONS {
                let to = made[position * n * columns..][..n * columns].as_mut_ptr();
                let w = w[position * c_in * columns..][..c_in * columns].as_ptr();
                let after = (POSITIONS - 1 - position) * columns / PANEL;
                let product = Product { after, ..Product::dense(to, columns, c_in, w, c_in, columns) };
                let a = &seen[position * n * c_in..][..n * c_in];
                // SAFETY: `n` rows of `c_in`, whole panels of weights, and `n` rows of whole panels to write.
                unsafe { blocks(s, &product, a.as_ptr(), 0, n, c_in) };
            }
            s.enter(Gather { out: out.cast::<f32>(), from: &*made, bias, shape, tiles: block, finishing });
        }
    }
}

/// Where a tile lies: the batch entry, and the output pixel in its corner.
#[inline(always)]
fn corner(shape: &ConvShape, tile: usize) -> (usize, usize, usize) {
    let (down, across) = (shape.output[1].div_ceil(OUT), shape.output[2].div_ceil(OUT));
    (tile / across / down, tile / across % down * OUT, tile % across * OUT)
}

/// The input's transform of a block of tiles, to `[36][tile][c_in]`.
struct Scatter<'a> {
    to: &'a mut [f32],
    x: &'a [f32],
    shape: &'a ConvShape,
    tiles: Range<usize>,
}

impl Task for Scatter<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { to, x, shape, tiles } = self;
        let &ConvShape { input, pad, c_in, .. } = shape;
        let n = tiles.len();
        let to = &mut to[..POSITIONS * n * c_in];
        for (i, tile) in tiles.enumerate() {
            let (entry, top, left) = corner(shape, tile);
            let image = &x[entry * input[1] * input[2] * c_in..][..input[1] * input[2] * c_in];
            // Padding wraps around to rows and columns that do not exist.
            let row = |r: usize| (top + r).wrapping_sub(pad[1]);
            let col = |c: usize| (left + c).wrapping_sub(pad[2]);
            let inside = row(0) < input[1] && row(IN - 1) < input[1] && col(0) < input[2] && col(IN - 1) < input[2];
            let mut c = 0;
            while c < c_in {
                let lanes = (c_in - c).min(S::LANES);
                let mut seen = [[s.splat(0.0); IN]; IN];
                if inside && lanes == S::LANES {
                    let corner = image[(row(0) * input[2] + col(0)) * c_in + c..].as_ptr();
                    // What the next tile sees that this one does not.
                    for r in 0..IN {
                        for l in IN..IN + OUT {
                            s.prefetch(corner.wrapping_add((r * input[2] + l) * c_in));
                        }
                    }
                    for (r, line) in seen.iter_mut().enumerate() {
                        for (l, v) in line.iter_mut().enumerate() {
                            // SAFETY: the tile lies inside the image, and a vector of channels is left.
                            *v = unsafe { s.load_ptr(corner.add((r * input[2] + l) * c_in)) };
                        }
                        *line = see(s, *line);
                    }
                } else {
                    for (r, line) in seen.iter_mut().enumerate() {
                        for (l, v) in line.iter_mut().enumerate() {
                            if row(r) < input[1] && col(l) < input[2] {
                                *v = s.load_part(&image[(row(r) * input[2] + col(l)) * c_in + c..][..lanes]);
                            }
                        }
                        *line = see(s, *line);
                    }
                }
                for l in 0..IN {
                    let column = see(s, seen.map(|line| line[l]));
                    for (r, v) in column.into_iter().enumerate() {
                        let at = ((r * IN + l) * n + i) * c_in + c;
                        if lanes == S::LANES {
                            s.store(v, &mut to[at..]);
                        } else {
                            s.store_part(v, &mut to[at..at + lanes]);
                        }
                    }
                }
                c += S::LANES;
            }
        }
    }
}

/// The outputs of a block of tiles, from their transforms `[36][tile][columns]`.
///
/// Made only by `ConvWinograd::part`, which owns these tiles of the output and has checked its length.
struct Gather<'a> {
    out: *mut f32,
    from: &'a [f32],
    bias: Option<&'a [f32]>,
    shape: &'a ConvShape,
    tiles: Range<usize>,
    finishing: Finishing<'a>,
}

impl Task for Gather<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { out, from, bias, shape, tiles, finishing } = self;
        let &ConvShape { output, c_out, .. } = shape;
        let columns = columns(shape);
        let n = tiles.len();
        let from = &from[..POSITIONS * n * columns];
        for (i, tile) in tiles.enumerate() {
            let (entry, top, left) = corner(shape, tile);
            let (height, width) = ((output[1] - top).min(OUT), (output[2] - left).min(OUT));
            let mut c = 0;
            while c < c_out {
                let lanes = (c_out - c).min(S::LANES);
                let bias = bias.map_or(s.splat(0.0), |bias| s.load(&bias[c..]));
                let mut made = [[s.splat(0.0); IN]; OUT];
                for l in 0..IN {
                    let mut column = [s.splat(0.0); IN];
                    for (r, v) in column.iter_mut().enumerate() {
                        // Whole vectors: columns are padded.
                        *v = s.load(&from[((r * IN + l) * n + i) * columns + c..]);
                    }
                    let column = make(s, column);
                    for (line, v) in made.iter_mut().zip(column) {
                        line[l] = v;
                    }
                }
                for (r, line) in made.into_iter().enumerate().take(height) {
                    let line = make(s, line);
                    let pixel = (entry * output[1] + top + r) * output[2] + left;
                    for (l, v) in line.into_iter().enumerate().take(width) {
                        let v = clamped(s, s.add(v, bias), finishing.clamp());
                        // SAFETY: this pixel is within the output and belongs to this part; `lanes` channels are left.
                        unsafe {
                            let to = out.add((pixel + l) * c_out + c);
                            if lanes == S::LANES {
                                s.store_ptr(v, to);
                            } else {
                                s.store_part(v, core::slice::from_raw_parts_mut(to, lanes));
                            }
                        }
                    }
                }
                c += S::LANES;
            }
            for r in 0..height {
                let row = (entry * output[1] + top + r) * output[2] + left;
                // SAFETY: these pixels were just written.
                unsafe {
                    let out = out.add(row * c_out);
                    let (tile, stride) = (out.cast_const(), c_out);
                    finishing.apply(Area {
                        tile,
                        tile_stride: stride,
                        out,
                        out_stride: stride,
                        row,
                        row_step: 1,
                        col: 0,
                        rows: width,
                        cols: c_out,
                    });
                }
            }
        }
    }
}

/// The input's transform along one axis.
#[inline(always)]
fn see<S: Simd>(s: S, d: [S::F32; IN]) -> [S::F32; IN] {
    let by = |x: f64, v, to| s.fma(s.splat(x as f32), v, to);
    let (near, far) = const { (NEAR * NEAR, FAR * FAR) };
    let (even, odd) = (by(-far, d[2], d[4]), by(-far, d[1], d[3]));
    let (far_even, far_odd) = (by(-near, d[2], d[4]), by(-near, d[1], d[3]));
    [
        by(near * far, d[0], by(-near - far, d[2], d[4])),
        by(NEAR, odd, even),
        by(-NEAR, odd, even),
        by(FAR, far_odd, far_even),
        by(-FAR, far_odd, far_even),
        by(near * far, d[1], by(-near - far, d[3], d[5])),
    ]
}

/// The output's transform along one axis.
#[inline(always)]
fn make<S: Simd>(s: S, m: [S::F32; IN]) -> [S::F32; OUT] {
    let by = |x: f64, v, to| s.fma(s.splat(x as f32), v, to);
    let times = |x: f64, v| s.mul(s.splat(x as f32), v);
    let (near, near_odd) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
    let (far, far_odd) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
    [
        s.add(m[0], s.add(near, far)),
        by(FAR, far_odd, times(NEAR, near_odd)),
        by(FAR * FAR, far, times(NEAR * NEAR, near)),
        by(FAR * FAR * FAR, far_odd, by(NEAR * NEAR * NEAR, near_odd, m[5])),
    ]
}

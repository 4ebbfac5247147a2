//! Channels-last 3x3 f32 convolution of stride 1 by one of Winograd's minimal filterings.
//!
//! The output is cut into tiles of 4 by 4 or 2 by 2 pixels, each of which sees two more of the input along either axis. Their
//! transforms turn the convolution into 36 or 16 products of matrices, tiles by input channels times input by output
//! channels, one a position of the transformed tile. Tiles are taken a block at a time, so that what is transformed stays in
//! the cache.

use core::ops::Range;

use super::conv_f32::ConvShape;
use super::epilogue::Epilogue;
use super::finish_f32::{Area, Entered, Finishing};
use super::matmul_f32::{blocks, clamped};
use super::simd::{Simd, Task};
use super::split::{Part, Split, parts, whole};
use super::tile_f32::{MOST_ROWS, PANEL, Product};
use super::window::volume;
use super::winograd::{Filtering, MOST_IN, MOST_OUT};

/// Floats of scratch that a block of tiles may have: most of a 1 MiB cache. Half as many as there are weights, where that is
/// more: every block reads them all.
const BLOCK_LEN: usize = 208 * 1024;

/// `out = epilogue(conv(x, w) + bias)` for a kernel of 3 by 3, stride and dilation 1 and one group, with `w` packed by
/// `pack::winograd`.
pub struct ConvWinograd<'a, F, E> {
    /// `[batch][height][width][c_out]`
    pub out: &'a mut [f32],
    /// `[batch][height][width][c_in]`
    pub x: &'a [f32],
    /// `[position][panel][c_in][16]`
    pub w: &'a [f32],
    /// At least `c_out` rounded up to 16 long.
    pub bias: Option<&'a [f32]>,
    /// [`winograd_scratch_len`] floats.
    pub scratch: &'a mut [f32],
    /// The sizes; depth is 1.
    pub shape: ConvShape,
    /// [`F4x4`](super::winograd::F4x4) or [`F2x2`](super::winograd::F2x2).
    pub filtering: F,
    /// Applied to every element; its rows are output pixels, its columns output channels.
    pub epilogue: E,
}

/// Floats of scratch a [`ConvWinograd`] needs on any instruction set.
pub fn winograd_scratch_len<F: Filtering>(_: F, shape: ConvShape) -> usize {
    F::POSITIONS * block_tiles::<F>(&shape) * (shape.c_in + columns(&shape))
}

/// Tiles of the whole output.
pub fn tiles<F: Filtering>(shape: &ConvShape) -> usize {
    shape.batch * shape.output[1].div_ceil(F::OUT) * shape.output[2].div_ceil(F::OUT)
}

/// Output channels in whole panels.
fn columns(shape: &ConvShape) -> usize {
    shape.c_out.div_ceil(PANEL) * PANEL
}

/// Tiles of a block: of the fewest equal blocks that fit the cache, but enough for a matrix product to be worth it.
fn block_tiles<F: Filtering>(shape: &ConvShape) -> usize {
    let (c_in, columns) = (shape.c_in, columns(shape));
    let len = BLOCK_LEN.max(F::POSITIONS * c_in * columns / 2);
    let fit = len.checked_div(F::POSITIONS * (c_in + columns)).unwrap_or(0).max(MOST_ROWS);
    let n = tiles::<F>(shape);
    n.div_ceil(n.div_ceil(fit).max(1))
}

impl<F: Filtering, E: Epilogue> Task for ConvWinograd<'_, F, E> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        whole(s, self);
    }
}

impl<F: Filtering, E: Epilogue> Split for ConvWinograd<'_, F, E> {
    #[inline(always)]
    fn parts(&self, threads: usize) -> usize {
        let n = tiles::<F>(&self.shape);
        parts(2 * F::POSITIONS * n * self.shape.c_in * columns(&self.shape), n.div_ceil(8), threads)
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
        let &Self { x, w, bias, ref shape, filtering, epilogue, .. } = task;
        let epilogue = Entered::new(s, epilogue);
        let finishing = epilogue.finishing();
        s.enter(WinogradPart { out, x, w, bias, shape, filtering, finishing, part, scratch });
    }
}

/// Part of a [`ConvWinograd`], with whatever epilogue; whoever makes one vouches for the output.
struct WinogradPart<'a, F> {
    out: *mut [f32],
    x: &'a [f32],
    w: &'a [f32],
    bias: Option<&'a [f32]>,
    shape: &'a ConvShape,
    filtering: F,
    finishing: Finishing<'a>,
    part: Part,
    scratch: &'a mut [f32],
}

impl<F: Filtering> Task for WinogradPart<'_, F> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { out, x, w, bias, shape, filtering, finishing, part, scratch } = self;
        let &ConvShape { batch, input, output, pad, c_in, c_out, .. } = shape;
        assert!(shape.kernel == [1, 3, 3] && shape.stride == [1; 3] && shape.dilation == [1; 3] && shape.groups == 1);
        assert!(input[0] == 1 && output[0] == 1 && pad[0] == 0);
        let columns = columns(shape);
        let x = &x[..batch * volume(input) * c_in];
        let w = &w[..F::POSITIONS * c_in * columns];
        let bias = bias.map(|bias| &bias[..columns]);
        assert!(out.len() >= batch * volume(output) * c_out, "the output of a convolution is too short");
        let mine = part.range(tiles::<F>(shape));
        if mine.is_empty() || c_out == 0 {
            return;
        }
        let most = block_tiles::<F>(shape);
        let (seen, made) = scratch[..F::POSITIONS * most * (c_in + columns)].split_at_mut(F::POSITIONS * most * c_in);
        let n_blocks = mine.len().div_ceil(most);
        for i in 0..n_blocks {
            let block = Part { index: i, of: n_blocks }.range(mine.len());
            let block = mine.start + block.start..mine.start + block.end;
            let n = block.len();
            s.enter(Scatter { to: &mut *seen, x, shape, filtering, tiles: block.clone() });
            for position in 0..F::POSITIONS {
                let to = made[position * n * columns..][..n * columns].as_mut_ptr();
                let w = w[position * c_in * columns..][..c_in * columns].as_ptr();
                let after = (F::POSITIONS - 1 - position) * columns / PANEL;
                let product = Product { after, ..Product::dense(to, columns, c_in, w, c_in, columns) };
                let a = &seen[position * n * c_in..][..n * c_in];
                // SAFETY: `n` rows of `c_in`, whole panels of weights, and `n` rows of whole panels to write.
                unsafe { blocks(s, &product, a.as_ptr(), 0, n, c_in) };
            }
            s.enter(Gather { out: out.cast::<f32>(), from: &*made, bias, shape, filtering, tiles: block, finishing });
        }
    }
}

/// Where a tile lies: the batch entry, and the output pixel in its corner.
#[inline(always)]
fn corner<F: Filtering>(_: F, shape: &ConvShape, tile: usize) -> (usize, usize, usize) {
    let (down, across) = (shape.output[1].div_ceil(F::OUT), shape.output[2].div_ceil(F::OUT));
    (tile / across / down, tile / across % down * F::OUT, tile % across * F::OUT)
}

/// The input's transform of a block of tiles, to `[position][tile][c_in]`.
struct Scatter<'a, F> {
    to: &'a mut [f32],
    x: &'a [f32],
    shape: &'a ConvShape,
    filtering: F,
    tiles: Range<usize>,
}

impl<F: Filtering> Task for Scatter<'_, F> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { to, x, shape, filtering, tiles } = self;
        let &ConvShape { input, pad, c_in, .. } = shape;
        let n = tiles.len();
        let to = &mut to[..F::POSITIONS * n * c_in];
        for (i, tile) in tiles.enumerate() {
            let (entry, top, left) = corner(filtering, shape, tile);
            let image = &x[entry * input[1] * input[2] * c_in..][..input[1] * input[2] * c_in];
            // Padding wraps around to rows and columns that do not exist.
            let row = |r: usize| (top + r).wrapping_sub(pad[1]);
            let col = |c: usize| (left + c).wrapping_sub(pad[2]);
            let inside =
                row(0) < input[1] && row(F::IN - 1) < input[1] && col(0) < input[2] && col(F::IN - 1) < input[2];
            let mut c = 0;
            while c < c_in {
                let lanes = (c_in - c).min(S::LANES);
                let mut seen = [[s.splat(0.0); MOST_IN]; MOST_IN];
                if inside && lanes == S::LANES {
                    let corner = image[(row(0) * input[2] + col(0)) * c_in + c..].as_ptr();
                    // What the next tile sees that this one does not.
                    for r in 0..F::IN {
                        for l in F::IN..F::IN + F::OUT {
                            s.prefetch(corner.wrapping_add((r * input[2] + l) * c_in));
                        }
                    }
                    for (r, line) in seen.iter_mut().enumerate().take(F::IN) {
                        for (l, v) in line.iter_mut().enumerate().take(F::IN) {
                            // SAFETY: the tile lies inside the image, and a vector of channels is left.
                            *v = unsafe { s.load_ptr(corner.add((r * input[2] + l) * c_in)) };
                        }
                        *line = F::see(s, *line);
                    }
                } else {
                    for (r, line) in seen.iter_mut().enumerate().take(F::IN) {
                        for (l, v) in line.iter_mut().enumerate().take(F::IN) {
                            if row(r) < input[1] && col(l) < input[2] {
                                *v = s.load_part(&image[(row(r) * input[2] + col(l)) * c_in + c..][..lanes]);
                            }
                        }
                        *line = F::see(s, *line);
                    }
                }
                for l in 0..F::IN {
                    let column = F::see(s, seen.map(|line| line[l]));
                    for (r, v) in column.into_iter().enumerate().take(F::IN) {
                        let at = ((r * F::IN + l) * n + i) * c_in + c;
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

/// The outputs of a block of tiles, from their transforms `[position][tile][columns]`.
///
/// Made only by `ConvWinograd::part`, which owns these tiles of the output and has checked its length.
struct Gather<'a, F> {
    out: *mut f32,
    from: &'a [f32],
    bias: Option<&'a [f32]>,
    shape: &'a ConvShape,
    filtering: F,
    tiles: Range<usize>,
    finishing: Finishing<'a>,
}

impl<F: Filtering> Task for Gather<'_, F> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { out, from, bias, shape, filtering, tiles, finishing } = self;
        let &ConvShape { output, c_out, .. } = shape;
        let columns = columns(shape);
        let n = tiles.len();
        let from = &from[..F::POSITIONS * n * columns];
        for (i, tile) in tiles.enumerate() {
            let (entry, top, left) = corner(filtering, shape, tile);
            let (height, width) = ((output[1] - top).min(F::OUT), (output[2] - left).min(F::OUT));
            let mut c = 0;
            while c < c_out {
                let lanes = (c_out - c).min(S::LANES);
                let bias = bias.map_or(s.splat(0.0), |bias| s.load(&bias[c..]));
                let mut made = [[s.splat(0.0); MOST_IN]; MOST_OUT];
                for l in 0..F::IN {
                    let mut column = [s.splat(0.0); MOST_IN];
                    for (r, v) in column.iter_mut().enumerate().take(F::IN) {
                        // Whole vectors: columns are padded.
                        *v = s.load(&from[((r * F::IN + l) * n + i) * columns + c..]);
                    }
                    let column = F::make(s, column);
                    for (line, v) in made.iter_mut().zip(column) {
                        line[l] = v;
                    }
                }
                for (r, line) in made.into_iter().enumerate().take(height) {
                    let line = F::make(s, line);
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

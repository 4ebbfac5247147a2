//! Convolution of pictures in groups of fewer channels than a panel has columns, of shapes that `conv_groups_f32` is not for.
//!
//! A panel spans several groups, and each of its lanes multiplies what its own group reads: the input behind a few pixels of an
//! output line is copied to a band in which every channel stands once for each output channel of its group, as a vector
//! wants them. No multiplication is by zeros between groups, as it were if groups were joined to a matrix.

use core::mem::MaybeUninit;

use super::conv_f32::{ConvShape, even};
use super::epilogue::Epilogue;
use super::finish_f32::{Area, Entered, Finishing};
use super::repeat::{Times, Vectors, repeat, written_out};
use super::simd::{Simd, Task};
use super::split::{Part, Split, parts, whole};
use super::tile_f32::{Accumulators, MOST_ROWS, PANEL, Rows};
use super::window::volume;

/// `out = epilogue(conv(x, w) + bias)`, with `w` packed by `pack::lanes_layout`.
///
/// The epilogue's rows are output pixels, its columns output channels over all groups.
pub struct ConvLanes<'a, E> {
    /// `[batch][output][groups * c_out]`
    pub out: &'a mut [f32],
    /// `[batch][input][groups * c_in]`
    pub x: &'a [f32],
    /// `[panel][kh * kw * c_in][16]`, a panel of several groups
    pub w: &'a [f32],
    /// `[groups * c_out]`
    pub bias: Option<&'a [f32]>,
    /// [`lanes_scratch_len`] floats.
    pub scratch: &'a mut [f32],
    /// The sizes, of shapes that [`has_lanes`] is true for.
    pub shape: ConvShape,
    /// Applied to every element.
    pub epilogue: E,
}

/// Whether groups fill whole panels, and pixels are in enough windows to be worth their copies.
pub const fn has_lanes(shape: &ConvShape) -> bool {
    let &ConvShape { kernel, stride, groups, c_in, c_out, .. } = shape;
    let fits = matches!(c_out, 1 | 2 | 4 | 8) && (groups * c_out).is_multiple_of(PANEL) && groups > 1;
    // A pixel's copies are used by so many windows.
    let uses = kernel[1].saturating_mul(kernel[2]) / stride[1].saturating_mul(stride[2]);
    fits && c_in <= PANEL
        && c_in * c_out > 1
        && kernel[0] == 1
        && uses >= LEAST_USES
        && lanes_scratch_len(*shape) <= MOST_SCRATCH
}

/// Output lines that are computed one after another, at most: enough that few lines of a band are copied twice.
const LINES: usize = 16;

/// And at least, where threads share them.
const LEAST_LINES: usize = 4;

/// Windows that use a pixel's copies, from which on the copies cost less than multiplications by zeros.
const LEAST_USES: usize = 4;

/// Floats of a band beyond which its copies would not stay near.
const MOST_SCRATCH: usize = 64 * 1024;

/// Floats of scratch a [`ConvLanes`] needs on any instruction set, whatever the size of the picture.
pub const fn lanes_scratch_len(shape: ConvShape) -> usize {
    let band = Band::of(&shape, MOST_ROWS);
    band.rows.saturating_mul(band.line)
}

impl<E: Epilogue> Task for ConvLanes<'_, E> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        whole(s, self);
    }
}

impl<E: Epilogue> Split for ConvLanes<'_, E> {
    #[inline(always)]
    fn parts(&self, threads: usize) -> usize {
        let ConvShape { batch, output, kernel, groups, c_in, c_out, .. } = self.shape;
        let pieces = batch * (groups * c_out / PANEL) * output[1].div_ceil(LEAST_LINES) * output[2].div_ceil(MOST_ROWS);
        parts(batch * volume(output) * volume(kernel) * c_in * c_out * groups, pieces, threads)
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
        s.enter(LanesPart { out, x, w, bias, shape: &shape, finishing: epilogue.finishing(), part, scratch });
    }
}

/// Part of a [`ConvLanes`], with whatever epilogue; whoever makes one vouches for the output.
struct LanesPart<'a> {
    out: *mut [f32],
    x: &'a [f32],
    w: &'a [f32],
    bias: Option<&'a [f32]>,
    shape: &'a ConvShape,
    finishing: Finishing<'a>,
    part: Part,
    scratch: &'a mut [f32],
}

impl Task for LanesPart<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { out, x, w, bias, shape, finishing, part, scratch } = self;
        let &ConvShape { batch, input, output, kernel, stride, dilation, groups, c_in, c_out, .. } = shape;
        assert!(has_lanes(shape) && input[0] == 1 && output[0] == 1, "the kernel is of other convolutions");
        let [_, height, width] = output;
        let (channels, k) = (groups * c_out, kernel[1] * kernel[2] * c_in);
        let panels = channels / PANEL;
        assert!(out.len() >= batch * height * width * channels, "the output of a convolution is too short");
        let w = &w[..panels * k * PANEL];
        let bias = bias.map(|bias| &bias[..channels]);
        let most = S::TILE_ROWS[0];
        let tile = if width < most { most.div_ceil(2) } else { most };
        let band = Band::of(shape, tile);
        let scratch = &mut scratch[..band.rows * band.line];
        // Threads keep to their lines, which the steps before and after have near.
        let at_once = even(height, (batch * height).div_ceil(part.of).clamp(LEAST_LINES, LINES));
        let (bands, blocks) = (height.div_ceil(at_once.max(1)), width.div_ceil(tile));
        for i in part.range(batch * bands * blocks * panels) {
            let (block, panel) = (i / panels, i % panels);
            let (entry, lines) = (block / blocks / bands, block / blocks % bands * at_once);
            let first = block % blocks * tile;
            let pixels = tile.min(width - first);
            let image = &x[entry * volume(input) * groups * c_in..][..volume(input) * groups * c_in];
            let mut next = 0;
            for y in lines..height.min(lines + at_once) {
                let top = y * stride[1];
                next = next.max(top);
                while next < top + band.rows {
                    let line = &mut scratch[next % band.rows * band.line..][..band.line];
                    let (first, channel) = (first * stride[2], panel * PANEL / c_out * c_in);
                    s.enter(FillLine { line, image, shape, row: next, first, channel });
                    next += 1;
                }
                let row = (entry * height + y) * width + first;
                // SAFETY: this part's pixels and channels of the output, whose length was checked.
                let dst = unsafe { out.cast::<f32>().add(row * channels + panel * PANEL) };
                let operands = Operands {
                    band: scratch.as_ptr(),
                    rows: band.rows,
                    line: band.line,
                    top: top % band.rows,
                    taps: [kernel[1], kernel[2]],
                    dilation: [dilation[1], dilation[2] * c_in * PANEL],
                    c_in,
                    row_stride: stride[2] * c_in * PANEL,
                    b: w[panel * k * PANEL..].as_ptr(),
                    bias: bias.map_or(core::ptr::null(), |bias| bias[panel * PANEL..].as_ptr()),
                    clamp: finishing.clamp(),
                    dst,
                    dst_stride: channels,
                };
                if pixels == tile {
                    s.enter(AnyTile { rows: tile, operands });
                } else {
                    // The pixels beyond the line's last are other lines', or other threads'.
                    let mut spill = MaybeUninit::<Spill>::uninit();
                    let aside: *mut f32 = spill.as_mut_ptr().cast();
                    s.enter(AnyTile { rows: tile, operands: Operands { dst: aside, dst_stride: PANEL, ..operands } });
                    for r in 0..pixels {
                        // SAFETY: the columns of a pixel of the tile, and of the output.
                        unsafe { core::ptr::copy_nonoverlapping(aside.add(r * PANEL), dst.add(r * channels), PANEL) };
                    }
                }
                let area = Area {
                    tile: dst,
                    tile_stride: channels,
                    out: dst,
                    out_stride: channels,
                    row,
                    row_step: 1,
                    col: panel * PANEL,
                    rows: pixels,
                    cols: PANEL,
                };
                // SAFETY: what was just written.
                unsafe { finishing.apply(area) };
            }
        }
    }
}

/// The band behind a tile of an output line, `[rows][pixel][c_in][16]`; line `y` of the input, counted with the padding before
/// it, is row `y % rows`.
struct Band {
    rows: usize,
    line: usize,
}

impl Band {
    const fn of(shape: &ConvShape, pixels: usize) -> Self {
        let [_, height, width] = shape.kernel;
        let rows = height.saturating_sub(1).saturating_mul(shape.dilation[1]).saturating_add(1);
        let reach = width.saturating_sub(1).saturating_mul(shape.dilation[2]).saturating_add(1);
        let pixels = (pixels - 1).saturating_mul(shape.stride[2]).saturating_add(reach);
        Self { rows, line: pixels.saturating_mul(shape.c_in * PANEL) }
    }
}

/// Copies what a panel's groups read of an input line to a line of the band, zeros where it is padding.
struct FillLine<'a> {
    line: &'a mut [f32],
    image: &'a [f32],
    shape: &'a ConvShape,
    /// The input line, and its first pixel, counted with the padding before them.
    row: usize,
    first: usize,
    /// The first channel.
    channel: usize,
}

impl FillLine<'_> {
    /// Copies for groups of `N` output channels.
    #[inline(always)]
    fn spread<S: Simd, const N: usize>(self, s: S) {
        let Self { line, image, shape, row, first, channel } = self;
        let &ConvShape { input, pad, groups, c_in, .. } = shape;
        let y = row.wrapping_sub(pad[1]);
        let lane = s.to_f32(s.firsts::<1>());
        for (i, to) in line.chunks_exact_mut(c_in * PANEL).enumerate() {
            let x = (first + i).wrapping_sub(pad[2]);
            if y >= input[1] || x >= input[2] {
                to.fill(0.0);
                continue;
            }
            let from = &image[(y * input[2] + x) * groups * c_in + channel..][..PANEL / N * c_in];
            for (k, to) in to.chunks_exact_mut(PANEL).enumerate() {
                for (c, to) in to.chunks_exact_mut(S::LANES).enumerate() {
                    // SAFETY: `from` has `c_in` channels of each of the panel's groups.
                    let of_group = |group: usize| s.splat(unsafe { *from.as_ptr().add(group * c_in + k) });
                    let first = c * S::LANES / N;
                    let mut v = of_group(first);
                    for group in 1..S::LANES / N {
                        v = s.select(s.lt(lane, s.splat((group * N) as f32)), v, of_group(first + group));
                    }
                    s.store(v, to);
                }
            }
        }
    }
}

impl Task for FillLine<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.shape.c_out {
            1 => self.spread::<S, 1>(s),
            2 => self.spread::<S, 2>(s),
            4 => self.spread::<S, 4>(s),
            _ => self.spread::<S, 8>(s),
        }
    }
}

/// What a tile computes; made only by [`LanesPart`], which vouches for the pointers.
#[derive(Clone, Copy)]
struct Operands {
    band: *const f32,
    rows: usize,
    line: usize,
    /// The row of the first tap's line.
    top: usize,
    taps: [usize; 2],
    /// Rows from tap to tap, and floats.
    dilation: [usize; 2],
    c_in: usize,
    /// Floats from pixel to pixel.
    row_stride: usize,
    b: *const f32,
    bias: *const f32,
    clamp: Option<(f32, f32)>,
    dst: *mut f32,
    dst_stride: usize,
}

/// A tile whose number of pixels is known only when it runs.
struct AnyTile {
    rows: usize,
    operands: Operands,
}

impl Task for AnyTile {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { rows, operands } = self;
        macro_rules! dispatch {
            ($(($rows:literal, $of:literal))*) => {
                match rows {
                    $($rows if const { S::TILE_ROWS[0] == $of } => s.enter(Tile::<$rows, PANEL>(&operands)),)*
                    _ => unreachable!("no tile has so many rows"),
                }
            };
        }
        dispatch!((2, 3)(3, 3)(3, 6)(6, 6)(7, 14)(14, 14));
    }
}

/// `ROWS` pixels by the columns of a panel.
struct Tile<'a, const ROWS: usize, const COLS: usize>(&'a Operands);

impl<const ROWS: usize, const COLS: usize> Task for Tile<'_, ROWS, COLS> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let &Operands { band, taps, dilation, c_in, row_stride, mut b, bias, clamp, dst, dst_stride, .. } = self.0;
        let mut acc: Accumulators<S::F32, ROWS> = [[s.splat(0.0); 8]; ROWS];
        // SAFETY: the windows of all pixels lie in the band, whose lines go round; panel, bias and output are as whoever made the
        // operands vouches for.
        unsafe {
            if !bias.is_null() {
                repeat!(c in Vectors<S, COLS>, {
                    let x = s.load_ptr(bias.add(c * S::LANES));
                    repeat!(r in Times<ROWS>, acc[r][c] = x);
                });
            }
            for tap in 0..taps[0] {
                let row = self.0.top + tap * dilation[0];
                let row = if row < self.0.rows { row } else { row - self.0.rows };
                for tap in 0..taps[1] {
                    let mut a = Rows::<ROWS>::new(band.add(row * self.0.line + tap * dilation[1]), row_stride);
                    for _ in 0..c_in {
                        let mut b_row = [s.splat(0.0); 8];
                        repeat!(c in Vectors<S, COLS>, b_row[c] = s.load_ptr(b.add(c * S::LANES)));
                        repeat!(r in Times<ROWS>, {
                            let x = a.row(r, row_stride);
                            repeat!(c in Vectors<S, COLS>, acc[r][c] = s.fma(s.load_ptr(x.add(c * S::LANES)), b_row[c], acc[r][c]));
                        });
                        // One past the band or the panel after the last.
                        (a, b) = (a.add(PANEL), b.wrapping_add(PANEL));
                    }
                }
            }
            if let Some((low, high)) = clamp {
                let (low, high) = (s.splat(low), s.splat(high));
                repeat!(r in Times<ROWS>, {
                    repeat!(c in Vectors<S, COLS>, acc[r][c] = s.bounded(acc[r][c], low, high));
                });
            }
            repeat!(r in Times<ROWS>, {
                repeat!(c in Vectors<S, COLS>, s.store_ptr(acc[r][c], dst.add(r * dst_stride + c * S::LANES)));
            });
        }
    }
}

/// A tile of which not all pixels are wanted.
#[repr(align(64))]
struct Spill(#[expect(dead_code, reason = "written and read through a pointer")] [f32; MOST_ROWS * PANEL]);

//! Convolution of pictures whose channels are planes, onto pixels whose channels lie side by side: the first of most networks.
//!
//! The lines of all planes behind a few output lines are copied to a band with the padding written out. Along a line of it the
//! windows of a tile's pixels are a step apart that is known when the kernel is compiled, so that a tile needs one address for
//! all its rows, and channels need not come together before.

use core::mem::MaybeUninit;
use core::ops::Range;

use super::conv_f32::ConvShape;
use super::epilogue::Epilogue;
use super::finish_f32::{Area, Entered, Finishing};
use super::repeat::{Times, Vectors, repeat, written_out};
use super::simd::{Simd, Task};
use super::split::{Part, Split, own, parts, times, whole};
use super::tile_f32::{Accumulators, HALF, MOST_ROWS, PANEL};
use super::window::volume;

/// Input pixels from pixel to pixel of an output line.
#[derive(Clone, Copy)]
pub struct Step<const N: usize>;

/// `out = epilogue(conv(x, w) + bias)`, with `w` packed by `pack::planes`.
///
/// The epilogue's rows are output pixels, its columns output channels.
pub struct ConvPlanes<'a, E, const STEP: usize> {
    /// `[batch][output][c_out]`
    pub out: &'a mut [f32],
    /// `[batch][c_in][input]`
    pub x: &'a [f32],
    /// `[panel][c_in * kd * kh * kw][16]`
    pub w: &'a [f32],
    /// At least `c_out` rounded up to 16 long.
    pub bias: Option<&'a [f32]>,
    /// [`planes_scratch_len`] floats.
    pub scratch: &'a mut [f32],
    /// The sizes; there is one group.
    pub shape: ConvShape,
    /// The stride along the last dimension.
    pub step: Step<STEP>,
    /// Applied to every element.
    pub epilogue: E,
}

/// Output lines of a band: few, so that their input stays in a first-level cache; what two bands share is copied for each.
const LINES: usize = 4;

/// Floats of scratch a [`ConvPlanes`] needs on any instruction set; linear in the width of the output.
pub const fn planes_scratch_len(shape: ConvShape) -> usize {
    let band = Band::of(&shape, LINES);
    shape.c_in * band.plane()
}

impl<E: Epilogue, const STEP: usize> Task for ConvPlanes<'_, E, STEP> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        whole(s, self);
    }
}

impl<E: Epilogue, const STEP: usize> Split for ConvPlanes<'_, E, STEP> {
    #[inline(always)]
    fn parts(&self, threads: usize) -> usize {
        let ConvShape { batch, output, kernel, c_in, c_out, .. } = self.shape;
        let lines = batch * output[0] * output[1];
        parts(lines * output[2] * volume(kernel) * c_in * c_out, lines.div_ceil(LINES), threads)
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
        let line = shape.output[2] * shape.c_out;
        let lines = part.range(shape.batch * shape.output[0] * shape.output[1]);
        // SAFETY: lines are divided among the parts.
        let out = unsafe { own(out, times(&lines, line)) };
        let finishing = epilogue.finishing();
        s.enter(InSteps::<STEP>(Lines { out, x, w, bias, shape: &shape, finishing, lines, scratch }));
    }
}

/// Some output lines of a [`ConvPlanes`], with whatever epilogue; made by kernels alone.
pub struct Lines<'a> {
    /// These lines.
    pub(super) out: &'a mut [f32],
    pub(super) x: &'a [f32],
    pub(super) w: &'a [f32],
    pub(super) bias: Option<&'a [f32]>,
    pub(super) shape: &'a ConvShape,
    pub(super) finishing: Finishing<'a>,
    /// Which, of all images.
    pub(super) lines: Range<usize>,
    pub(super) scratch: &'a mut [f32],
}

/// Lines by the kernel compiled for their step.
pub(super) struct InSteps<'a, const STEP: usize>(pub Lines<'a>);

impl<const STEP: usize> Task for InSteps<'_, STEP> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Lines { mut out, x, w, bias, shape, finishing, lines, scratch } = self.0;
        let &ConvShape { batch, input, output, kernel, stride, dilation, groups, c_in, c_out, .. } = shape;
        assert!(groups == 1 && stride[2] == STEP, "the kernel was compiled for another stride");
        let (k, panels, width) = (volume(kernel) * c_in, c_out.div_ceil(PANEL), output[2]);
        let (w, bias) = (&w[..panels * k * PANEL], bias.map(|bias| &bias[..panels * PANEL]));
        let x = &x[..batch * volume(input) * c_in];
        // What is padding beside one band's lines is padding beside all bands'.
        let scratch = &mut scratch[..planes_scratch_len(*shape)];
        scratch.fill(0.0);
        let at_once = S::TILE_ROWS.iter().take(2).filter(|&&rows| rows > 0).count();
        let mut line = lines.start;
        while line < lines.end && !out.is_empty() {
            let (sheet, y) = (line / output[1], line % output[1]);
            let (entry, z) = (sheet / output[0], sheet % output[0]);
            let n = LINES.min(output[1] - y).min(lines.end - line);
            let (this, next) = out.split_at_mut(n * width * c_out);
            out = next;
            let band = Band::of(shape, n);
            let copy = &mut scratch[..c_in * band.plane()];
            band.fill(copy, &x[entry * volume(input) * c_in..][..volume(input) * c_in], shape, z, y);
            let window = Window {
                sheets: c_in * kernel[0],
                sheet_pitch: band.rows * band.line,
                taps: [kernel[1], kernel[2]],
                pitches: [dilation[1] * band.line, dilation[2]],
                panel_stride: k * PANEL,
                clamp: finishing.clamp(),
            };
            let mut first = 0;
            while first < c_out {
                let cols = (c_out - first).min(at_once * PANEL);
                let bias = bias.map_or(core::ptr::null(), |bias| bias[first..].as_ptr());
                for i in 0..n {
                    // SAFETY: the columns of a line of `this`; windows of as many pixels as a tile has, or the line, lie in the
                    // band from there on, and the panels in `w`.
                    unsafe {
                        let (a, b) = (copy.as_ptr().add(i * stride[1] * band.line), w.as_ptr().add(first * k));
                        let dst = this.as_mut_ptr().add(i * width * c_out + first);
                        let tiles = Tiles { window: &window, a, b, bias, dst, dst_stride: c_out, n: 0, last: 0 };
                        s.enter(Line::<STEP> { tiles, pixels: width, cols });
                        finishing.apply(Area {
                            tile: dst,
                            tile_stride: c_out,
                            out: dst,
                            out_stride: c_out,
                            row: (line + i) * width,
                            row_step: 1,
                            col: first,
                            rows: width,
                            cols,
                        });
                    }
                }
                first += cols;
            }
            line += n;
        }
    }
}

/// Input pixels behind so many output pixels along a dimension.
const fn reach(shape: &ConvShape, dim: usize, pixels: usize) -> usize {
    (pixels - 1) * shape.stride[dim] + shape.kernel[dim].saturating_sub(1) * shape.dilation[dim] + 1
}

/// How a band lies: `[c_in][kd][rows][line]`.
struct Band {
    /// Taps along the first dimension, whose planes lie one after another.
    depth: usize,
    rows: usize,
    line: usize,
}

impl Band {
    /// That behind so many lines of the output, with room for the pixels of a tile after a line's last.
    const fn of(shape: &ConvShape, lines: usize) -> Self {
        let (rows, line) = (reach(shape, 1, lines), reach(shape, 2, shape.output[2] + MOST_ROWS));
        Self { depth: shape.kernel[0], rows, line }
    }

    /// Floats of a channel.
    const fn plane(&self) -> usize {
        self.depth * self.rows * self.line
    }

    /// Copies what the output lines from `y` on of plane `z` read of an image, between the padding beside it.
    #[inline(always)]
    fn fill(&self, copy: &mut [f32], image: &[f32], shape: &ConvShape, z: usize, y: usize) {
        let &ConvShape { input, stride, dilation, pad, .. } = shape;
        let left = pad[2].min(self.line);
        let n = input[2].min(self.line - left);
        for (i, line) in copy.chunks_exact_mut(self.line).enumerate() {
            let (sheet, row) = (i / self.rows, i % self.rows);
            let (channel, tap) = (sheet / self.depth, sheet % self.depth);
            let z = (z * stride[0] + tap * dilation[0]).wrapping_sub(pad[0]);
            let y = (y * stride[1] + row).wrapping_sub(pad[1]);
            let line = &mut line[left..left + n];
            if z < input[0] && y < input[1] {
                let from = ((channel * input[0] + z) * input[1] + y) * input[2];
                line.copy_from_slice(&image[from..from + n]);
            } else {
                line.fill(0.0);
            }
        }
    }
}

/// Where a pixel finds its elements of k in a band, and what all tiles share.
struct Window {
    /// Channels, times taps along the first dimension.
    sheets: usize,
    sheet_pitch: usize,
    taps: [usize; 2],
    /// Floats from tap to tap.
    pitches: [usize; 2],
    panel_stride: usize,
    clamp: Option<(f32, f32)>,
}

/// Tiles of a line of the output, one after another, before their epilogue; whoever makes one vouches for its pointers.
#[derive(Clone, Copy)]
struct Tiles<'a> {
    window: &'a Window,
    /// The window of the first pixel.
    a: *const f32,
    b: *const f32,
    bias: *const f32,
    dst: *mut f32,
    dst_stride: usize,
    /// How many.
    n: usize,
    /// The lanes of the last vector of a pixel that are columns.
    last: usize,
}

/// Tiles over a number of columns known only when they run.
struct AnyTiles<'a, const STEP: usize> {
    tiles: Tiles<'a>,
    cols: usize,
}

impl<const STEP: usize> Task for AnyTiles<'_, STEP> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { tiles, cols } = self;
        macro_rules! dispatch {
            ($(($rows:literal, $cols:literal))*) => {
                match cols {
                    $($cols if const { rows::<S>($cols) == $rows } => {
                        s.enter(InRows::<$rows, $cols, STEP>(&tiles))
                    })*
                    _ => unreachable!("no tile has so many columns"),
                }
            };
        }
        dispatch!((10, 8)(12, 8)(3, 16)(6, 16)(14, 16)(14, 32));
    }
}

/// Rows of the tile over so many columns, 0 where there is none.
const fn rows<S: Simd>(cols: usize) -> usize {
    match cols.div_ceil(PANEL) {
        1 if cols <= HALF && S::HALF_ROWS > 0 => S::HALF_ROWS,
        panels => S::TILE_ROWS[panels - 1],
    }
}

/// A line of the output in tiles.
struct Line<'a, const STEP: usize> {
    /// Its first.
    tiles: Tiles<'a>,
    /// Pixels and channels that there are.
    pixels: usize,
    cols: usize,
}

impl<const STEP: usize> Task for Line<'_, STEP> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { tiles, pixels, cols } = self;
        let dst_stride = tiles.dst_stride;
        let width = if cols <= HALF && S::HALF_ROWS > 0 { HALF } else { cols.next_multiple_of(PANEL) };
        let rows = rows::<S>(cols);
        // Of the last vector, the columns that there are.
        let last = (cols + S::LANES).saturating_sub(width);
        let writes_parts = const { S::CHEAP_PARTS && S::LANES == PANEL };
        // SAFETY: the windows of a tile's pixels from any pixel on lie within the band; what is written are this line's pixels.
        let from = |pixel: usize| unsafe { (tiles.a.add(pixel * STEP), tiles.dst.add(pixel * dst_stride)) };
        if pixels >= rows && (cols == width || writes_parts) {
            let tiles = Tiles { last, ..tiles };
            s.enter(AnyTiles::<STEP> { tiles: Tiles { n: pixels / rows, ..tiles }, cols: width });
            if !pixels.is_multiple_of(rows) {
                // The last tile begins early enough to be whole, and computes some pixels again.
                let (a, dst) = from(pixels - rows);
                s.enter(AnyTiles::<STEP> { tiles: Tiles { n: 1, a, dst, ..tiles }, cols: width });
            }
            return;
        }
        let mut spill = MaybeUninit::<Spill>::uninit();
        let tile: *mut f32 = spill.as_mut_ptr().cast();
        for pixel in (0..pixels).step_by(rows) {
            let (a, dst) = from(pixel);
            let tiles = Tiles { n: 1, a, dst: tile, dst_stride: width, last: S::LANES, ..tiles };
            s.enter(AnyTiles::<STEP> { tiles, cols: width });
            for r in 0..rows.min(pixels - pixel) {
                // SAFETY: the columns of a pixel of the tile, and of the output.
                unsafe { core::ptr::copy_nonoverlapping(tile.add(r * width), dst.add(r * dst_stride), cols) };
            }
        }
    }
}

/// Tiles of `ROWS` pixels by `COLS` columns, one after another.
struct InRows<'a, const ROWS: usize, const COLS: usize, const STEP: usize>(&'a Tiles<'a>);

impl<const ROWS: usize, const COLS: usize, const STEP: usize> Task for InRows<'_, ROWS, COLS, STEP> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let &Tiles { bias, dst_stride, last, .. } = self.0;
        let &Window { sheets, sheet_pitch, taps, pitches, panel_stride, clamp } = self.0.window;
        let vectors = const { PANEL / S::LANES };
        for tile in 0..self.0.n {
            let mut acc: Accumulators<S::F32, ROWS> = [[s.splat(0.0); 8]; ROWS];
            // SAFETY: windows, panels, bias and output are as whoever made the tiles vouches for.
            unsafe {
                let (a, mut b, dst) =
                    (self.0.a.add(tile * ROWS * STEP), self.0.b, self.0.dst.add(tile * ROWS * dst_stride));
                if !bias.is_null() {
                    repeat!(c in Vectors<S, COLS>, {
                        let x = s.load_ptr(bias.add(c * S::LANES));
                        repeat!(r in Times<ROWS>, acc[r][c] = x);
                    });
                }
                for sheet in 0..sheets {
                    for line in 0..taps[0] {
                        let mut a = a.add(sheet * sheet_pitch + line * pitches[0]);
                        for _ in 0..taps[1] {
                            let mut b_row = [s.splat(0.0); 8];
                            repeat!(c in Vectors<S, COLS>, {
                                b_row[c] = s.load_ptr(b.add(c / vectors * panel_stride + c % vectors * S::LANES));
                            });
                            repeat!(r in Times<ROWS>, {
                                let x = s.splat(*a.add(r * STEP));
                                repeat!(c in Vectors<S, COLS>, acc[r][c] = s.fma(x, b_row[c], acc[r][c]));
                            });
                            // One past the band or the panels after the last.
                            (a, b) = (a.wrapping_add(pitches[1]), b.wrapping_add(PANEL));
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
                    repeat!(c in Vectors<S, COLS>, {
                        let n = if (c + 1) * S::LANES == COLS { last } else { S::LANES };
                        s.store_first(acc[r][c], dst.add(r * dst_stride + c * S::LANES), n);
                    });
                });
            }
        }
    }
}

/// A tile whose pixels or columns are not all wanted.
#[repr(align(64))]
struct Spill(#[expect(dead_code, reason = "written and read through a pointer")] [f32; MOST_ROWS * 2 * PANEL]);

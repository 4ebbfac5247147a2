//! Tiles over one panel whose rows lie anywhere, for convolutions onto lines that strips of constant stride would cut badly: of a line
//! of seven pixels, tiles of six rows leave one, while over many such lines they are full but for the last.
//!
//! Every row takes a register for its address, so this is for instruction sets whose tiles have few rows.

use super::repeat::{Times, Vectors, repeat, written_out};
use super::simd::{Simd, Task};
use super::tile_cuts::shares;
use super::tile_f32::{Accumulators, MOST_ROWS, PANEL, Product, four, takes_fours};

/// Most rows of these tiles.
const MOST: usize = 6;

/// Whether the instruction set's highest tiles over a panel are these.
pub(super) const fn has_pixel_tiles<S: Simd>() -> bool {
    S::TILE_ROWS[0] == MOST && S::LANES < PANEL
}

/// Whether `lines` lines of so many pixels take fewer of these tiles than strips of the lines. They are then eight pixels at least, which
/// leaves no tile lower than four rows.
pub(super) const fn pixel_tiles_pay(lines: usize, pixels: usize, strips: usize) -> bool {
    let n = lines * pixels;
    n >= 8 && n.div_ceil(MOST) < strips
}

/// The products of a block of pixels by a product's first panel, which is whole, with the bounds of what finishes them but nothing else.
pub(super) struct Pixels<'a> {
    pub product: &'a Product<'a>,
    /// The first pixel's window.
    pub a: *const f32,
    /// Floats from plane to plane, and from line to line.
    pub a_pitch: [usize; 2],
    /// The first pixel's result.
    pub out: *mut f32,
    /// As of windows.
    pub out_pitch: [usize; 2],
    /// Pixels along each axis.
    pub size: [usize; 3],
}

impl Task for Pixels<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { product, a, a_pitch, out, out_pitch, size } = self;
        let n = size[0] * size[1] * size[2];
        let tiles = n.div_ceil(MOST);
        let ahead = if product.after > 0 { product.window.len() } else { 0 };
        let mut rows = [Row { a, out }; MOST_ROWS];
        let (mut at, mut tile) = ([0; 3], 0);
        for (height, count) in shares(n, tiles) {
            for _ in 0..count {
                // What comes after the panel, a share in each tile.
                for line in ahead * tile / tiles..ahead * (tile + 1) / tiles {
                    s.prefetch(product.b.wrapping_add(product.panel_stride + line * PANEL));
                }
                tile += 1;
                for row in &mut rows[..height] {
                    let from = at[0] * a_pitch[0] + at[1] * a_pitch[1] + at[2] * product.row_stride;
                    let to = at[0] * out_pitch[0] + at[1] * out_pitch[1] + at[2] * product.out_stride;
                    *row = Row { a: a.wrapping_add(from), out: out.wrapping_add(to) };
                    at[2] += 1;
                    if at[2] == size[2] {
                        at = if at[1] + 1 == size[1] { [at[0] + 1, 0, 0] } else { [at[0], at[1] + 1, 0] };
                    }
                }
                s.enter(AnyTile { product, rows: &rows, height });
            }
        }
    }
}

/// Where a pixel's window and its results are.
#[derive(Clone, Copy)]
struct Row {
    a: *const f32,
    out: *mut f32,
}

/// A tile whose number of rows is known only when it runs.
struct AnyTile<'a> {
    product: &'a Product<'a>,
    rows: &'a [Row; MOST_ROWS],
    height: usize,
}

impl Task for AnyTile<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { product, rows, height } = self;
        match height {
            4 => s.enter(Tile::<4, PANEL> { product, rows }),
            5 => s.enter(Tile::<5, PANEL> { product, rows }),
            6 => s.enter(Tile::<6, PANEL> { product, rows }),
            _ => unreachable!("no tile has so many rows"),
        }
    }
}

struct Tile<'a, const ROWS: usize, const COLS: usize> {
    product: &'a Product<'a>,
    rows: &'a [Row; MOST_ROWS],
}

impl<const ROWS: usize, const COLS: usize> Task for Tile<'_, ROWS, COLS> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { product, rows: at } = self;
        let (window, mut b) = (product.window, product.b);
        let mut acc: Accumulators<S::F32, ROWS> = [[s.splat(0.0); 8]; ROWS];
        if let Some(bias) = product.bias {
            let bias = &bias[..PANEL];
            repeat!(c in Vectors<S, COLS>, {
                let x = s.load(&bias[c * S::LANES..]);
                repeat!(r in Times<ROWS>, acc[r][c] = x);
            });
        }
        for t0 in 0..window.taps[0] {
            for t1 in 0..window.taps[1] {
                for t2 in 0..window.taps[2] {
                    let tap = t0 * window.strides[0] + t1 * window.strides[1] + t2 * window.strides[2];
                    let mut a = [core::ptr::null(); MOST_ROWS];
                    repeat!(r in Times<ROWS>, a[r] = at[r].a.wrapping_add(tap));
                    let fours = if const { takes_fours::<S>(ROWS, COLS) } { window.run / 4 } else { 0 };
                    for k in 0..fours {
                        let mut x = [s.splat(0.0); ROWS];
                        // SAFETY: whoever made the rows vouches for their windows, and for a panel of as many rows.
                        unsafe {
                            repeat!(r in Times<ROWS>, x[r] = s.load_ptr(a[r].add(4 * k)));
                            four::<S, ROWS, COLS>(s, &mut acc, x, b, 0);
                        }
                        b = b.wrapping_add(4 * PANEL);
                    }
                    for k in 4 * fours..window.run {
                        let mut b_row = [s.splat(0.0); 8];
                        // SAFETY: whoever made the rows vouches for their windows, and for a panel of as many rows.
                        repeat!(c in Vectors<S, COLS>, b_row[c] = unsafe { s.load_ptr(b.add(c * S::LANES)) });
                        repeat!(r in Times<ROWS>, {
                            // SAFETY: as above.
                            let x = s.splat(unsafe { *a[r].add(k) });
                            repeat!(c in Vectors<S, COLS>, acc[r][c] = s.fma(x, b_row[c], acc[r][c]));
                        });
                        b = b.wrapping_add(PANEL);
                    }
                }
            }
        }
        if let Some((low, high)) = product.finishing.clamp() {
            let (low, high) = (s.splat(low), s.splat(high));
            repeat!(r in Times<ROWS>, {
                repeat!(c in Vectors<S, COLS>, {
                    acc[r][c] = s.bounded(acc[r][c], low, high);
                });
            });
        }
        repeat!(r in Times<ROWS>, {
            // SAFETY: whoever made the rows vouches for a whole panel of results of each.
            repeat!(c in Vectors<S, COLS>, unsafe { s.store_ptr(acc[r][c], at[r].out.add(c * S::LANES)) });
        });
    }
}

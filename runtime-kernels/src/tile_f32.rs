//! The f32 micro-kernel: a tile of rows by 16-column panels that stays in registers over the whole of k.
//!
//! A tile reads the rows of A where they lie, a constant stride apart; nothing here copies A. It is compiled once per
//! (instruction set, rows, panels) and [`Finish`] once per (instruction set, epilogue), so neither the number of layers
//! nor of epilogues multiplies the number of tiles.

use core::mem::MaybeUninit;

use super::epilogue::Epilogue;
use super::simd::{Simd, Task};

/// Columns of a weight panel, on every instruction set.
pub const PANEL: usize = 16;

/// Most rows of a tile on any instruction set.
pub const MOST_ROWS: usize = 14;

/// Where a row of A finds its k elements: nested taps, the last of them the fastest, of `run` contiguous floats each.
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub taps: [usize; 3],
    pub strides: [usize; 3],
    pub run: usize,
}

impl Window {
    /// `k` contiguous floats.
    #[inline(always)]
    pub fn contiguous(k: usize) -> Self {
        Self { taps: [1; 3], strides: [0; 3], run: k }
    }
}

/// Rows a tile should have when the rows of A are `row_stride` floats apart.
///
/// Rows a multiple of 4 KiB apart share one set of the first-level cache; eight of them still fit its ways.
#[inline(always)]
pub(super) fn tile_rows<S: Simd>(row_stride: usize) -> usize {
    let most = if S::TILE_ROWS < MOST_ROWS { S::TILE_ROWS } else { MOST_ROWS };
    if row_stride != 0 && row_stride.is_multiple_of(1024) && most > 8 { 8 } else { most }
}

/// Floats of B, over all panels, from which on they are asked for ahead: fewer are likely near from the last run.
const FAR_LEN: usize = 72 * 1024;

/// What a tile asks to be brought near while it computes: the panels that come next, a share of them for each strip.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    /// The next line to ask for.
    at: *const f32,
    /// Lines to ask for every four elements of k.
    lines: usize,
}

impl Ahead {
    /// Nothing.
    pub const NONE: Self = Self { at: core::ptr::null(), lines: 0 };

    /// What strip `strip` of `strips` asks for of the panels `next..`, as many as `width`, of which `panels` exist.
    ///
    /// All strips together ask for each line once.
    #[inline(always)]
    pub fn of_strip<E>(
        product: &Product<'_, E>,
        next: usize,
        width: usize,
        panels: usize,
        strip: usize,
        strips: usize,
    ) -> Self {
        let panels = panels + product.after;
        if panels * product.panel_stride < FAR_LEN {
            return Self::NONE;
        }
        let width = if next < panels { width.min(panels - next) } else { 0 };
        let turns = product.panel_stride / PANEL / 4;
        let lines = (4 * width).div_ceil(strips);
        if lines * strip >= 4 * width {
            return Self::NONE;
        }
        let from = next * product.panel_stride + strip * turns * lines * PANEL;
        Self { at: product.b.wrapping_add(from), lines }
    }
}

/// One matrix product as its tiles see it.
#[derive(Clone, Copy)]
pub(super) struct Product<'a, E> {
    /// Element `[0, 0]` of the output.
    pub out: *mut f32,
    /// Floats between consecutive rows of a strip in the output.
    pub out_stride: usize,
    /// The epilogue's number of the output's first row.
    pub row: usize,
    /// What that number grows by from row to row of a strip.
    pub row_step: usize,
    /// The epilogue's number of the output's first column.
    pub col: usize,
    /// Columns.
    pub n: usize,
    /// Floats between consecutive rows of A.
    pub row_stride: usize,
    /// The k elements of a row of A.
    pub window: Window,
    /// The first packed panel.
    pub b: *const f32,
    /// Floats between consecutive panels.
    pub panel_stride: usize,
    /// Panels after those of the product, read next.
    pub after: usize,
    /// Of the output's columns, rounded up to whole panels.
    pub bias: Option<&'a [f32]>,
    /// Applied to each vector before it is stored.
    pub epilogue: E,
}

impl<E: Epilogue> Product<'_, E> {
    /// Panels the widest tile spans.
    #[inline(always)]
    pub fn panels_at_once<S: Simd>() -> usize {
        if S::TILE_PANELS < 2 { 1 } else { 2 }
    }

    /// Computes `rows` rows by the panels `panel..panel + panels` of the output.
    ///
    /// `out` is the offset of the strip's first row from [`Product::out`], and `row` its number after [`Product::row`].
    ///
    /// # Safety
    /// Over the rows and the window, `a` must be readable; the panels must lie within `b` and their valid columns, in
    /// each row, within the output, which nothing else refers to; `rows <= S::TILE_ROWS`, `panels <= panels_at_once`.
    #[inline(always)]
    pub unsafe fn strip<S: Simd>(
        &self,
        s: S,
        a: *const f32,
        out: usize,
        row: usize,
        rows: usize,
        panel: usize,
        panels: usize,
        ahead: Ahead,
    ) {
        let first = panel * PANEL;
        let cols = (self.n - first).min(panels * PANEL);
        let whole = cols == panels * PANEL;
        let mut spill = MaybeUninit::<Spill>::uninit();
        // SAFETY: the caller promises that the panels lie within `b`, and their columns within the output.
        let (b, out) = unsafe { (self.b.add(panel * self.panel_stride), self.out.add(out + first)) };
        let (dst, dst_stride) = if whole { (out, self.out_stride) } else { (spill.as_mut_ptr().cast(), 2 * PANEL) };
        s.enter(AnyTile {
            rows,
            panels,
            operands: Operands {
                a,
                row_stride: self.row_stride,
                window: self.window,
                b,
                panel_stride: self.panel_stride,
                bias: self.bias.map_or(core::ptr::null(), |bias| bias[first..first + panels * PANEL].as_ptr()),
                dst,
                dst_stride,
                ahead,
            },
        });
        if !whole || !E::IDENTITY {
            s.enter(Finish {
                tile: dst,
                tile_stride: dst_stride,
                out,
                out_stride: self.out_stride,
                row: self.row + row,
                row_step: self.row_step,
                col: self.col + first,
                rows,
                cols,
                epilogue: self.epilogue,
            });
        }
    }
}

/// A tile's worth of floats, where its columns do not fill the panels.
#[repr(align(64))]
struct Spill(#[expect(dead_code, reason = "written and read through a pointer")] [f32; MOST_ROWS * 2 * PANEL]);

/// The pointers of one tile; made only by [`Product::strip`], whose caller vouches for them.
#[derive(Clone, Copy)]
struct Operands {
    a: *const f32,
    row_stride: usize,
    window: Window,
    b: *const f32,
    panel_stride: usize,
    bias: *const f32,
    dst: *mut f32,
    dst_stride: usize,
    ahead: Ahead,
}

/// A tile whose numbers of rows and panels are known only when it runs.
struct AnyTile {
    rows: usize,
    panels: usize,
    operands: Operands,
}

impl Task for AnyTile {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        macro_rules! dispatch {
            ($($rows:literal)*) => {
                match (self.rows, self.panels) {
                    $(
                        ($rows, 1) if const { $rows <= S::TILE_ROWS } => s.enter(Tile::<$rows, 1>(self.operands)),
                        ($rows, _) if const { $rows <= S::TILE_ROWS && S::TILE_PANELS > 1 } => {
                            s.enter(Tile::<$rows, 2>(self.operands));
                        }
                    )*
                    _ => {}
                }
            };
        }
        dispatch!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }
}

/// `ROWS` rows by `PANELS` panels of 16 columns.
struct Tile<const ROWS: usize, const PANELS: usize>(Operands);

/// The accumulators of a tile: rows, and the vectors of all panels side by side, of which two times four are the most.
type Accumulators<V, const ROWS: usize> = [[V; 8]; ROWS];

/// Repeats `body` for each row `r` of a tile. Written out, for what a loop left standing would cost: the accumulators
/// would live in memory, and whether it stands is up to the optimization level.
macro_rules! rows {
    ($r:ident, $body:expr) => {
        rows!($r, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13)
    };
    ($r:ident, $body:expr, $($row:literal)*) => {
        $(if $row < ROWS {
            let $r = $row;
            $body
        })*
    };
}

/// Repeats `body` for each vector `c` of a row, as `rows` does.
macro_rules! columns {
    ($c:ident, $body:expr) => {
        columns!($c, $body, 0 1 2 3 4 5 6 7)
    };
    ($c:ident, $body:expr, $($column:literal)*) => {
        $(if $column < PANELS * (PANEL / S::LANES) {
            let $c = $column;
            $body
        })*
    };
}

impl<const ROWS: usize, const PANELS: usize> Tile<ROWS, PANELS> {
    /// Adds the products of one element of k to the accumulators.
    ///
    /// # Safety
    /// `a` must be readable at each row, and `b` over each panel's 16 columns.
    #[inline(always)]
    unsafe fn step<S: Simd>(&self, s: S, acc: &mut Accumulators<S::F32, ROWS>, a: *const f32, b: *const f32) {
        let vectors = const { PANEL / S::LANES };
        let mut b_row = [s.splat(0.0); 8];
        columns!(c, {
            // SAFETY: within the 16 columns of a panel, which the caller promises.
            b_row[c] = unsafe { s.load_ptr(b.add(c / vectors * self.0.panel_stride + c % vectors * S::LANES)) };
        });
        rows!(r, {
            // SAFETY: row `r` of the tile, which the caller promises.
            let x = s.splat(unsafe { *a.add(r * self.0.row_stride) });
            columns!(c, acc[r][c] = s.fma(x, b_row[c], acc[r][c]));
        });
    }
}

impl<const ROWS: usize, const PANELS: usize> Task for Tile<ROWS, PANELS> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Operands { a, window, mut b, bias, dst, dst_stride, mut ahead, .. } = self.0;
        let mut acc = [[s.splat(0.0); 8]; ROWS];
        if !bias.is_null() {
            columns!(c, {
                // SAFETY: `Product::strip` took the bias of these panels from a slice.
                let x = unsafe { s.load_ptr(bias.add(c * S::LANES)) };
                rows!(r, acc[r][c] = x);
            });
        }
        for t0 in 0..window.taps[0] {
            for t1 in 0..window.taps[1] {
                for t2 in 0..window.taps[2] {
                    let at = t0 * window.strides[0] + t1 * window.strides[1] + t2 * window.strides[2];
                    // SAFETY: every element visited belongs to the window of A or to a packed panel, for which the
                    // caller of `Product::strip` vouches; `b` ends one past the panel at most.
                    unsafe {
                        let mut a = a.add(at);
                        for _ in 0..window.run / 4 {
                            for _ in 0..ahead.lines {
                                s.prefetch(ahead.at);
                                ahead.at = ahead.at.wrapping_add(PANEL);
                            }
                            self.step(s, &mut acc, a, b);
                            self.step(s, &mut acc, a.add(1), b.add(PANEL));
                            self.step(s, &mut acc, a.add(2), b.add(2 * PANEL));
                            self.step(s, &mut acc, a.add(3), b.add(3 * PANEL));
                            a = a.add(4);
                            b = b.add(4 * PANEL);
                        }
                        for _ in 0..window.run % 4 {
                            self.step(s, &mut acc, a, b);
                            a = a.add(1);
                            b = b.add(PANEL);
                        }
                    }
                }
            }
        }
        rows!(r, {
            columns!(c, {
                // SAFETY: the tile's rows and columns are writable at `dst`, see `Product::strip`.
                unsafe { s.store_ptr(acc[r][c], dst.add(r * dst_stride + c * S::LANES)) };
            });
        });
    }
}

/// Applies `epilogue` in place to rows of `cols` columns, the first of them row `row` of the output.
#[inline(always)]
pub(super) fn finish<S: Simd, E: Epilogue>(s: S, out: &mut [f32], row: usize, cols: usize, epilogue: E) {
    if E::IDENTITY || cols == 0 {
        return;
    }
    let rows = out.len() / cols;
    let out = out.as_mut_ptr();
    s.enter(Finish {
        tile: out,
        tile_stride: cols,
        out,
        out_stride: cols,
        row,
        row_step: 1,
        col: 0,
        rows,
        cols,
        epilogue,
    });
}

/// Applies the epilogue to a tile and stores its valid columns; `tile` and `out` may be the same place.
struct Finish<E> {
    tile: *const f32,
    tile_stride: usize,
    out: *mut f32,
    out_stride: usize,
    row: usize,
    row_step: usize,
    col: usize,
    rows: usize,
    cols: usize,
    epilogue: E,
}

impl<E: Epilogue> Task for Finish<E> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for r in 0..self.rows {
            let row = self.row + r * self.row_step;
            let mut c = 0;
            while c < self.cols {
                let n = (self.cols - c).min(S::LANES);
                // SAFETY: `n` columns from `c` are within the rows of the tile and of the output: of a tile by what
                // `Product::strip` asks of its caller, in place by the length of the slice.
                unsafe {
                    let tile = self.tile.add(r * self.tile_stride + c);
                    let out = self.out.add(r * self.out_stride + c);
                    if n == S::LANES {
                        s.store_ptr(self.epilogue.apply(s, s.load_ptr(tile), row, self.col + c, n), out);
                    } else {
                        let v = s.load_part(core::slice::from_raw_parts(tile, n));
                        let v = self.epilogue.apply(s, v, row, self.col + c, n);
                        s.store_part(v, core::slice::from_raw_parts_mut(out, n));
                    }
                }
                c += S::LANES;
            }
        }
    }
}

//! The f32 micro-kernel: a tile of rows by 16-column panels that stays in registers over the whole of k.
//!
//! A tile reads the rows of A where they lie, a constant stride apart, or from a packed copy; nothing here makes one. It is compiled
//! once per (instruction set, rows, columns); epilogues are behind a [`Finishing`], so neither the number of layers nor of epilogues
//! multiplies the number of tiles.

use core::mem::MaybeUninit;

use super::ahead_f32::{Ahead, Asks};
use super::epilogue::Identity;
use super::finish_f32::{Area, Finish, Finishing};
use super::repeat::{Times, Vectors, repeat, written_out};
use super::simd::{Simd, Task};
use super::stages::{Stage, Window};
use super::tile_cuts::{LOW_ROWS, most_rows, shares, writes_parts};
use super::tiles::Tiles;

/// Columns of a weight panel, on every instruction set.
pub const PANEL: usize = 16;

/// Columns of the narrowest tile, where there is one: what is left of products whose columns end within the first half of a panel. It
/// may be twice as high as those over a panel, so that as many sums are under way.
pub(super) const HALF: usize = PANEL / 2;

/// Most rows of a tile on any instruction set.
pub const MOST_ROWS: usize = 14;

/// One matrix product as its tiles see it.
#[derive(Clone, Copy)]
pub(super) struct Product<'a> {
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
    /// Weights of later steps to be asked for meanwhile.
    pub later: &'a [f32],
    /// Of the output's columns, rounded up to whole panels.
    pub bias: Option<&'a [f32]>,
    /// Applied to whole sums.
    pub finishing: Finishing<'a>,
    pub tiles: Tiles,
}

impl Product<'_> {
    /// Sums of rows of `k` contiguous elements, `row_stride` apart, by panels of `k` rows at `b`, to `n` columns.
    #[inline(always)]
    pub fn dense(out: *mut f32, out_stride: usize, row_stride: usize, b: *const f32, k: usize, n: usize) -> Self {
        Self {
            out,
            out_stride,
            row: 0,
            row_step: 1,
            col: 0,
            n,
            row_stride,
            window: Window::contiguous(k),
            b,
            panel_stride: k * PANEL,
            after: 0,
            later: &[],
            bias: None,
            finishing: Finishing::Nothing,
            tiles: Tiles::Auto,
        }
    }

    /// Computes a stage of `n` strips of `rows` rows each, one after another, by the panels `panel..panel + panels` of the
    /// output; between the first stage and the last, the output holds sums.
    ///
    /// `a` is the first row, `out` its offset from [`Product::out`], and `row` its number after [`Product::row`].
    ///
    /// # Safety
    /// Over the rows and the window, `a` must be readable; the panels must lie within `b` and their valid columns, in
    /// each row, within the output, which nothing else refers to; there must be a tile of so many rows and panels.
    #[inline(always)]
    pub unsafe fn strips<S: Simd>(
        &self,
        s: S,
        a: *const f32,
        out: usize,
        row: usize,
        (rows, n): (usize, usize),
        panel: usize,
        panels: usize,
        stage: &Stage,
        ahead: &mut Ahead,
    ) {
        if n > 0 {
            s.enter(Strips { product: self, a, out, row, rows, n, panel, panels, stage, ahead });
        }
    }
}

/// The arguments of [`Product::strips`], whose caller vouches for them.
struct Strips<'a> {
    product: &'a Product<'a>,
    a: *const f32,
    out: usize,
    row: usize,
    rows: usize,
    n: usize,
    panel: usize,
    panels: usize,
    stage: &'a Stage,
    ahead: &'a mut Ahead,
}

impl Strips<'_> {
    /// Half a panel of so many rows, cut anew.
    #[inline(always)]
    fn halves<S: Simd>(s: S, rows: usize, operands: Operands) {
        let mut start = 0;
        for (rows, strips) in shares(rows, rows.div_ceil(S::HALF_ROWS.max(1))) {
            if strips > 0 {
                let (a, dst) = (start * operands.row_stride, start * operands.dst_stride);
                let (a, dst) = (operands.a.wrapping_add(a), operands.dst.wrapping_add(dst));
                s.enter(AnyTile { rows, cols: HALF, operands: Operands { strips, a, dst, ..operands } });
                start += rows * strips;
            }
        }
    }
}

impl Task for Strips<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { product, a, out, row, rows, n, panel, panels, stage, ahead } = self;
        let first = panel * PANEL;
        let cols = (product.n - first).min(panels * PANEL);
        // SAFETY: the caller promises that the panels lie within `b`, and their columns within the output.
        let (a, b, out) = unsafe {
            let b = product.b.add(panel * product.panel_stride + stage.k_from * PANEL);
            (a.add(stage.a_from), b, product.out.add(out + first))
        };
        let bias = match product.bias {
            Some(bias) if stage.first => bias[first..first + panels * PANEL].as_ptr(),
            _ => core::ptr::null(),
        };
        let finishing = if stage.last { product.finishing } else { Finishing::Nothing };
        let operands = Operands {
            strips: n,
            a,
            row_stride: product.row_stride,
            window: stage.window,
            packed: stage.packed,
            b,
            panel_stride: product.panel_stride,
            bias,
            adds: !stage.first,
            clamp: finishing.clamp(),
            dst: out,
            dst_stride: product.out_stride,
            last: S::LANES,
            ahead,
        };
        let area = Area {
            tile: out,
            tile_stride: product.out_stride,
            out,
            out_stride: product.out_stride,
            row: product.row + row,
            row_step: product.row_step,
            col: product.col + first,
            rows: rows * n,
            cols,
        };
        // Of the last panel, the columns that there are.
        let last = cols - (panels - 1) * PANEL;
        let half = panels == 1 && last <= HALF && const { S::HALF_ROWS > 0 };
        if half && last == HALF {
            Self::halves(s, rows * n, operands);
            // SAFETY: the area is what the strips just wrote.
            return unsafe { finishing.apply(area) };
        }
        let width = if half { HALF } else { panels * PANEL };
        if last == PANEL || const { writes_parts::<S>() } {
            s.enter(AnyTile { rows, cols: width, operands: Operands { last: last.min(S::LANES), ..operands } });
            // SAFETY: the area is what the strips just wrote.
            return unsafe { finishing.apply(area) };
        }
        // Columns that do not fill the panels are computed on the side.
        let mut spill = MaybeUninit::<Spill>::uninit();
        let tile: *mut f32 = spill.as_mut_ptr().cast();
        for strip in 0..n {
            let (above, row) = (strip * rows, product.row + row + strip * rows * product.row_step);
            // SAFETY: the strip's rows are among the caller's.
            let (a, out) = unsafe { (a.add(above * product.row_stride), out.add(above * product.out_stride)) };
            let here = Area { tile: out, out, row, rows, ..area };
            let aside = Area { out: tile, out_stride: 4 * PANEL, ..here };
            let back = Area { tile, tile_stride: 4 * PANEL, ..here };
            if !stage.first {
                s.enter(Finish { area: aside, epilogue: Identity });
            }
            let operands = Operands { strips: 1, a, dst: tile, dst_stride: 4 * PANEL, ..operands };
            s.enter(AnyTile { rows, cols: width, operands });
            match finishing {
                // SAFETY: the valid columns of the tile and of the strip.
                Finishing::Apply(_) => unsafe { finishing.apply(back) },
                _ => s.enter(Finish { area: back, epilogue: Identity }),
            }
        }
    }
}

/// A tile's worth of floats, where its columns do not fill the panels.
#[repr(align(64))]
struct Spill(#[expect(dead_code, reason = "written and read through a pointer")] [f32; MOST_ROWS * 4 * PANEL]);

/// What a tile computes, for strips one after another; made only by [`Product::strips`], whose caller vouches for them.
#[derive(Clone, Copy)]
struct Operands {
    strips: usize,
    a: *const f32,
    row_stride: usize,
    window: Window,
    /// Whether the rows are packed, in strips one after another.
    packed: bool,
    b: *const f32,
    panel_stride: usize,
    bias: *const f32,
    /// Whether sums start with what `dst` holds.
    adds: bool,
    /// Bounds of the results.
    clamp: Option<(f32, f32)>,
    dst: *mut f32,
    dst_stride: usize,
    /// The lanes of the last vector of a row that are columns.
    last: usize,
    /// What the strips ask for, which moves on with them.
    ahead: *mut Ahead,
}

/// A tile whose numbers of rows and columns are known only when it runs.
struct AnyTile {
    rows: usize,
    cols: usize,
    operands: Operands,
}

impl Task for AnyTile {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { rows, cols, operands } = self;
        macro_rules! dispatch {
            ($($rows:literal)*) => {
                match (rows, cols) {
                    $(
                        ($rows, 8) if const { has::<S>($rows, 8) } => s.enter(Tile::<$rows, 8>(&operands)),
                        ($rows, 16) if const { has::<S>($rows, 16) } => s.enter(Tile::<$rows, 16>(&operands)),
                        ($rows, 32) if const { has::<S>($rows, 32) } => s.enter(Tile::<$rows, 32>(&operands)),
                        ($rows, 48) if const { has::<S>($rows, 48) } => s.enter(Tile::<$rows, 48>(&operands)),
                        ($rows, 64) if const { has::<S>($rows, 64) } => s.enter(Tile::<$rows, 64>(&operands)),
                    )*
                    _ => narrower(s, rows, cols, operands),
                }
            };
        }
        dispatch!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }
}

/// Whether there is a tile of so many rows and columns, which [`strips`] are cut to.
const fn has<S: Simd>(rows: usize, cols: usize) -> bool {
    if cols < PANEL {
        return rows <= S::HALF_ROWS;
    }
    let most = most_rows::<S>(cols / PANEL);
    rows <= most && (rows <= LOW_ROWS || rows == most) && (cols != 3 * PANEL || rows >= LEAST_OF_THREE)
}

/// Rows of the lowest tiles over three panels, which are rarer than those over four.
const LEAST_OF_THREE: usize = 5;

/// Does with two narrower tiles what is too low for its width.
#[inline(always)]
fn narrower<S: Simd>(s: S, rows: usize, cols: usize, operands: Operands) {
    assert!(cols > 2 * PANEL, "no tile has so many rows");
    let (left, right) = (2 * PANEL, cols - 2 * PANEL);
    let Operands { b, panel_stride, bias, dst, .. } = operands;
    s.enter(AnyTile { rows, cols: left, operands: Operands { last: S::LANES, ..operands } });
    // SAFETY: the panels and columns after the first two.
    let (b, dst) = unsafe { (b.add(2 * panel_stride), dst.add(left)) };
    let bias = if bias.is_null() { bias } else { bias.wrapping_add(left) };
    let mut nothing = Ahead::NONE;
    let ahead = &raw mut nothing;
    s.enter(AnyTile { rows, cols: right, operands: Operands { b, dst, bias, ahead, ..operands } });
}

/// `ROWS` rows by `COLS` columns, of which a panel has 16.
struct Tile<'a, const ROWS: usize, const COLS: usize>(&'a Operands);

/// The accumulators of a tile: rows, and the vectors of all panels side by side, of which two times four are the most.
pub(super) type Accumulators<V, const ROWS: usize> = [[V; 8]; ROWS];

/// Where an element of k lies in the first row of a tile, and in high tiles in every fifth: an x86-64 instruction reaches four rows
/// further by the stride and three times that, so that registers are left for all rows.
#[derive(Clone, Copy)]
pub(super) struct Rows<const ROWS: usize>([*const f32; 3]);

impl<const ROWS: usize> Rows<ROWS> {
    const EACH: usize = if ROWS > LOW_ROWS { 5 } else { LOW_ROWS };

    /// Those of the rows from `a` on.
    #[inline(always)]
    pub fn new(a: *const f32, stride: usize) -> Self {
        Self([a, a.wrapping_add(Self::EACH * stride), a.wrapping_add(2 * Self::EACH * stride)])
    }

    /// That of row `r`.
    #[inline(always)]
    pub fn row(self, r: usize, stride: usize) -> *const f32 {
        self.0[r / Self::EACH].wrapping_add(r % Self::EACH * stride)
    }

    /// `n` elements further.
    #[inline(always)]
    pub fn add(self, n: usize) -> Self {
        let [a, b, c] = self.0;
        Self([a.wrapping_add(n), b.wrapping_add(n), c.wrapping_add(n)])
    }
}

/// Whether four elements of k of all rows, a vector each, wait in registers beside the accumulators, for a quarter of the loads.
pub(super) const fn takes_fours<S: Simd>(rows: usize, cols: usize) -> bool {
    S::LANE_PRODUCTS && rows * (cols / S::LANES + 1) < S::REGISTERS
}

/// Adds the products of four elements of k to the accumulators, one after another: those of the rows, `x`, by as many rows of the panels
/// at `b`. A vector of these is loaded at a time, since there are no registers left.
///
/// # Safety
/// `b` must be readable over four rows of each panel.
#[inline(always)]
pub(super) unsafe fn four<S: Simd, const ROWS: usize, const COLS: usize>(
    s: S,
    acc: &mut Accumulators<S::F32, ROWS>,
    x: [S::F32; ROWS],
    b: *const f32,
    panel_stride: usize,
) {
    let vectors = const { PANEL / S::LANES };
    macro_rules! elements {
        ($($i:literal)*) => {
            $(repeat!(c in Vectors<S, COLS>, {
                let at = c / vectors * panel_stride + $i * PANEL + c % vectors * S::LANES;
                // SAFETY: within the 16 columns of a panel, which the caller promises.
                let b = unsafe { s.load_ptr(b.wrapping_add(at)) };
                repeat!(r in Times<ROWS>, acc[r][c] = s.fma_lane::<$i>(x[r], b, acc[r][c]));
            });)*
        };
    }
    elements!(0 1 2 3);
}

impl<const ROWS: usize, const COLS: usize> Tile<'_, ROWS, COLS> {
    /// The lanes of vector `c` of a row that are columns.
    #[inline(always)]
    fn lanes<S: Simd>(&self, c: usize) -> usize {
        if (c + 1) * S::LANES == COLS { self.0.last } else { S::LANES }
    }

    /// Adds the products of one element of k to the accumulators.
    ///
    /// # Safety
    /// `a` must be readable at each row, and `b` over the columns in each panel.
    #[inline(always)]
    unsafe fn step<S: Simd>(&self, s: S, acc: &mut Accumulators<S::F32, ROWS>, a: Rows<ROWS>, b: *const f32) {
        let vectors = const { PANEL / S::LANES };
        let at = |c: usize| b.wrapping_add(c / vectors * self.0.panel_stride + c % vectors * S::LANES);
        // The fewer ones wait in registers, or there would be too few of these.
        if const { ROWS < COLS / S::LANES } {
            let mut x = [s.splat(0.0); ROWS];
            // SAFETY: row `r` of the tile, which the caller promises.
            repeat!(r in Times<ROWS>, x[r] = s.splat(unsafe { *a.row(r, self.0.row_stride) }));
            repeat!(c in Vectors<S, COLS>, {
                // SAFETY: within the 16 columns of a panel, which the caller promises.
                let b = unsafe { s.load_ptr(at(c)) };
                repeat!(r in Times<ROWS>, acc[r][c] = s.fma(x[r], b, acc[r][c]));
            });
            return;
        }
        let mut b_row = [s.splat(0.0); 8];
        // SAFETY: within the 16 columns of a panel, which the caller promises.
        repeat!(c in Vectors<S, COLS>, b_row[c] = unsafe { s.load_ptr(at(c)) });
        repeat!(r in Times<ROWS>, {
            // SAFETY: row `r` of the tile, which the caller promises.
            let x = s.splat(unsafe { *a.row(r, self.0.row_stride) });
            repeat!(c in Vectors<S, COLS>, acc[r][c] = s.fma(x, b_row[c], acc[r][c]));
        });
    }

    /// Adds all products to the accumulators.
    ///
    /// # Safety
    /// `a` must be readable at each row over the window.
    #[inline(always)]
    unsafe fn sum<S: Simd>(&self, s: S, acc: &mut Accumulators<S::F32, ROWS>, a: *const f32) {
        let Operands { window, mut b, ahead, .. } = *self.0;
        // SAFETY: it belongs to the call of `Product::strips` that made the operands, and only its tiles use it.
        let asks = unsafe { (*ahead).next() };
        let mut asking = Asking::of(asks);
        // Where a tap's weights end, and all do.
        let (mut end, last) = (b, b.wrapping_add(window.len() * PANEL));
        if b == last {
            return;
        }
        let [_, lines, columns] = window.taps;
        // The tap's window of A, and its line and column. Most products have one tap: they do not pay for three loops.
        let (mut a, mut line, mut column) = (a, 0, 0);
        loop {
            // Could the compiler tell whether a tap has four elements of k, it would write everything twice.
            end = core::hint::black_box(end.wrapping_add(window.run * PANEL));
            let fours = end.wrapping_sub(window.run % 4 * PANEL);
            // SAFETY: every element visited belongs to the window of A or to a packed panel, for which the caller of
            // `Product::strips` vouches; `b` ends one past the panel at most.
            unsafe {
                let mut a = Rows::<ROWS>::new(a, self.0.row_stride);
                while b != fours {
                    asking.go_on(s, const { COLS.div_ceil(PANEL) });
                    // A loop that optimization writes out, so that code that is not optimized is half as large.
                    if const { takes_fours::<S>(ROWS, COLS) } {
                        let mut x = [s.splat(0.0); ROWS];
                        repeat!(r in Times<ROWS>, x[r] = s.load_ptr(a.row(r, self.0.row_stride)));
                        four::<S, ROWS, COLS>(s, acc, x, b, self.0.panel_stride);
                    } else {
                        for i in 0..4 {
                            self.step(s, acc, a.add(i), b.add(i * PANEL));
                        }
                    }
                    a = a.add(4);
                    b = b.add(4 * PANEL);
                }
                while b != end {
                    self.step(s, acc, a, b);
                    a = a.add(1);
                    b = b.add(PANEL);
                }
            }
            if b == last {
                break;
            }
            (a, column) = (a.wrapping_add(window.strides[2]), column + 1);
            if column == columns {
                a = a.wrapping_add(window.strides[1]).wrapping_sub(columns * window.strides[2]);
                (line, column) = (line + 1, 0);
            }
            if line == lines {
                a = a.wrapping_add(window.strides[0]).wrapping_sub(lines * window.strides[1]);
                line = 0;
            }
        }
        asks.at = asking.near;
    }

    /// The same where the rows are packed.
    ///
    /// # Safety
    /// `a` must hold the strip, of whole fours of elements.
    #[inline(always)]
    unsafe fn sum_packed<S: Simd>(&self, s: S, acc: &mut Accumulators<S::F32, ROWS>, mut a: *const f32) {
        let Operands { window, panel_stride, mut b, ahead, .. } = *self.0;
        // SAFETY: it belongs to the call of `Product::strips` that made the operands, and only its tiles use it.
        let asks = unsafe { (*ahead).next() };
        let mut asking = Asking::of(asks);
        let last = b.wrapping_add(window.run * PANEL);
        while b != last {
            asking.go_on(s, 2);
            // SAFETY: four elements of the strip's rows and of two panels, for which the caller of `Product::strips` vouches.
            unsafe { s.packed_four(acc, a, b, panel_stride) };
            a = a.wrapping_add(4 * ROWS);
            b = b.wrapping_add(4 * PANEL);
        }
        asks.at = asking.near;
    }
}

/// What a tile asks for while it computes.
struct Asking {
    /// The next line.
    near: *const f32,
    /// What each turn asks for up to, and what that grows by: were it a count of lines, the compiler would make the loops twice.
    until: *const f32,
    by: usize,
    /// From a line to the one for the next panel, and to the next line.
    stride: usize,
    step: usize,
    /// Whether the second-level cache is near enough.
    far: bool,
}

impl Asking {
    /// A strip's share of `asks`.
    #[inline(always)]
    fn of(asks: &mut Asks) -> Self {
        let at_once = if asks.strips > 0 { asks.lines } else { 0 };
        asks.strips = asks.strips.saturating_sub(1);
        Self {
            near: asks.at,
            until: asks.at,
            by: at_once * asks.step,
            stride: asks.stride,
            step: asks.step,
            far: asks.far,
        }
    }

    /// Asks for a turn's lines.
    #[inline(always)]
    fn go_on<S: Simd>(&mut self, s: S, panels: usize) {
        self.until = self.until.wrapping_add(self.by);
        while self.near != self.until {
            for panel in 0..panels {
                let line = self.near.wrapping_add(panel * self.stride);
                if const { S::FAR_STRIPS > 0 } && self.far {
                    s.prefetch_far(line);
                } else {
                    s.prefetch(line);
                }
            }
            self.near = self.near.wrapping_add(self.step);
        }
    }
}

impl<const ROWS: usize, const COLS: usize> Task for Tile<'_, ROWS, COLS> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Operands { strips, row_stride, window, packed, bias, adds, clamp, dst_stride, .. } = *self.0;
        let row_stride = if packed { window.run } else { row_stride };
        for strip in 0..strips {
            // SAFETY: the strips' rows lie one after another, and the caller of `Product::strips` vouches for all.
            let (a, dst) =
                unsafe { (self.0.a.add(strip * ROWS * row_stride), self.0.dst.add(strip * ROWS * dst_stride)) };
            let mut acc = [[s.splat(0.0); 8]; ROWS];
            if adds {
                repeat!(r in Times<ROWS>, {
                    repeat!(c in Vectors<S, COLS>, {
                        let n = self.lanes::<S>(c);
                        // SAFETY: the tile's rows and columns are readable at `dst`, see `Product::strips`.
                        acc[r][c] = unsafe { s.load_first(dst.add(r * dst_stride + c * S::LANES), n) };
                    });
                });
            } else if !bias.is_null() {
                repeat!(c in Vectors<S, COLS>, {
                    // SAFETY: `Product::strips` took the bias of these panels from a slice.
                    let x = unsafe { s.load_ptr(bias.add(c * S::LANES)) };
                    repeat!(r in Times<ROWS>, acc[r][c] = x);
                });
            }
            // SAFETY: as above; the window belongs to each row.
            unsafe {
                match const { ROWS == S::PACKED_ROWS && COLS == 2 * PANEL } {
                    true if packed => self.sum_packed(s, &mut acc, a),
                    _ => self.sum(s, &mut acc, a),
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
                    let n = self.lanes::<S>(c);
                    // SAFETY: the tile's rows and columns are writable at `dst`, see `Product::strips`.
                    unsafe { s.store_first(acc[r][c], dst.add(r * dst_stride + c * S::LANES), n) };
                });
            });
        }
    }
}

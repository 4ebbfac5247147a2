//! The product of states with packed recurrent weights.
//!
//! At batch 1 it is bound by reading the weights once a step, so a tile spans several panels, each read in order, with as many
//! accumulators as hide the latency of a multiply-add. Larger batches are products like any other, which read them once for all.

use core::ops::Range;

use super::matmul_f32::blocks;
use super::simd::{Simd, Task};
use super::tile_f32::{PANEL, Product};

/// `columns` rounded up to whole panels: the row length of a projected state.
pub(super) const fn padded(columns: usize) -> usize {
    columns.div_ceil(PANEL) * PANEL
}

/// Columns that are computed together, so that what is done for a column depends on those of such a block alone.
pub(super) const COLUMNS: usize = 4 * PANEL;

/// The product of each row of `h` with the columns of some panels.
pub(super) struct Project<'a> {
    /// `[batch][row]`; the columns of other panels stay as they are.
    pub out: &'a mut [f32],
    /// `[batch][k]`
    pub h: &'a [f32],
    /// `[panel][k][16]`
    pub r: &'a [f32],
    /// Length of a row of `out`, a multiple of 16.
    pub row: usize,
    /// Length of a row of `h`.
    pub k: usize,
    /// Which panels.
    pub panels: Range<usize>,
    /// Whether the whole batch has several sequences; what is done must not depend on how many are at hand.
    pub several: bool,
}

impl Task for Project<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        assert!(self.panels.end * PANEL <= self.row);
        if self.k == 0 || self.row == 0 {
            self.out.fill(0.0);
            return;
        }
        let batch = self.h.len() / self.k;
        assert_eq!(self.out.len(), batch * self.row);
        match batch {
            0 => {}
            1 if self.several => self.row_of_several(s),
            1 => self.only_row(s),
            _ => self.product(s, self.panels.clone(), batch),
        }
    }
}

// The numbers of tiles: panels, vectors of a panel, steps of k with accumulators of their own.
impl Project<'_> {
    /// The row of the only sequence.
    #[inline(always)]
    fn only_row<S: Simd>(&mut self, s: S) {
        let Range { start: mut panel, end } = self.panels;
        while panel + 4 <= end {
            match S::LANES {
                16 => self.tile::<S, 4, 1, 2>(s, panel),
                8 => self.tile::<S, 4, 2, 1>(s, panel),
                4 => {
                    self.tile::<S, 2, 4, 1>(s, panel);
                    self.tile::<S, 2, 4, 1>(s, panel + 2);
                }
                _ => break,
            }
            panel += 4;
        }
        while panel < end {
            match S::LANES {
                16 => self.tile::<S, 1, 1, 4>(s, panel),
                8 => self.tile::<S, 1, 2, 4>(s, panel),
                4 => self.tile::<S, 1, 4, 2>(s, panel),
                _ => self.tile::<S, 1, 16, 1>(s, panel),
            }
            panel += 1;
        }
    }

    /// The one row of several that is at hand: as a product adds, element by element of k, with twice its accumulators where those of a
    /// row are too few.
    #[inline(always)]
    fn row_of_several<S: Simd>(&mut self, s: S) {
        let Range { start: mut panel, end } = self.panels;
        while S::LANES == 16 && panel + 8 <= end {
            self.tile::<S, 8, 1, 1>(s, panel);
            panel += 8;
        }
        while S::LANES == 8 && panel + 4 <= end {
            self.tile::<S, 4, 2, 1>(s, panel);
            panel += 4;
        }
        if panel < end {
            self.product(s, panel..end, 1);
        }
    }

    /// All `m` rows by `panels`, as one product.
    #[inline(always)]
    fn product<S: Simd>(&mut self, s: S, panels: Range<usize>, m: usize) {
        let &mut Self { ref mut out, h, r, row, k, .. } = self;
        let r = &r[panels.start * k * PANEL..panels.end * k * PANEL];
        let to = out[panels.start * PANEL..].as_mut_ptr();
        let product = Product::dense(to, row, k, r.as_ptr(), k, panels.len() * PANEL);
        // SAFETY: `h` has `m` rows of `k` elements, `r` was cut to whole panels, and `out` has `m` rows with those columns.
        unsafe { blocks(s, &product, h.as_ptr(), 0, m, k) };
    }

    /// The first row by `PANELS` panels of `VECTORS` vectors, with sums over every `STEPS`th element of k.
    #[inline(always)]
    fn tile<S: Simd, const PANELS: usize, const VECTORS: usize, const STEPS: usize>(&mut self, s: S, panel: usize) {
        let k = self.k;
        let vectors = (PANEL / S::LANES).min(VECTORS);
        let h = &self.h[..k];
        let mut r: [&[[f32; PANEL]]; PANELS] = [&[]; PANELS];
        for (p, r) in r.iter_mut().enumerate() {
            *r = &self.r[(panel + p) * k * PANEL..][..k * PANEL].as_chunks().0[..k];
        }
        let mut sum = [[[s.splat(0.0); VECTORS]; PANELS]; STEPS];
        let mut j = 0;
        while j + STEPS <= k {
            for (step, sum) in sum.iter_mut().enumerate() {
                accumulate(s, sum, h, &r, j + step, vectors);
            }
            j += STEPS;
        }
        while j < k {
            accumulate(s, &mut sum[0], h, &r, j, vectors);
            j += 1;
        }
        let out = &mut self.out[panel * PANEL..][..PANELS * PANEL];
        for p in 0..PANELS {
            for v in 0..vectors {
                let mut total = sum[0][p][v];
                for sum in &sum[1..] {
                    total = s.add(total, sum[p][v]);
                }
                s.store(total, &mut out[p * PANEL + v * S::LANES..]);
            }
        }
    }
}

/// Adds the products of element `j` of k.
#[inline(always)]
fn accumulate<S: Simd, const PANELS: usize, const VECTORS: usize>(
    s: S,
    sum: &mut [[S::F32; VECTORS]; PANELS],
    h: &[f32],
    r: &[&[[f32; PANEL]]; PANELS],
    j: usize,
    vectors: usize,
) {
    let h = s.splat(h[j]);
    for p in 0..PANELS {
        let line = &r[p][j];
        for v in 0..vectors {
            sum[p][v] = s.fma(h, s.load(&line[v * S::LANES..]), sum[p][v]);
        }
    }
}

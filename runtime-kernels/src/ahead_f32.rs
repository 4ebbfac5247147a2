//! What the tiles of a product ask to be brought near while they compute.

use super::simd::Simd;
use super::stages::Stage;
use super::tile_f32::{PANEL, Product};

/// Floats of B, over all panels, from which on they are asked for ahead: fewer are likely near from the last run.
const FAR_LEN: usize = 72 * 1024;

/// What strips ask for: what their successors read of the panels, and then weights of later steps.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    panels: Asks,
    later: Asks,
}

/// Lines that strips ask for, a share each.
#[derive(Clone, Copy)]
pub(super) struct Asks {
    /// The next.
    pub at: *const f32,
    /// From there to the one that is asked for along with it for the tile's next panel.
    pub stride: usize,
    /// From there to the next.
    pub step: usize,
    /// Steps every four elements of k.
    pub lines: usize,
    /// Strips that still ask.
    pub strips: usize,
    /// Whether to bring them to the second-level cache alone.
    pub far: bool,
}

impl Asks {
    const NOTHING: Self = Self { at: core::ptr::null(), stride: 0, step: 0, lines: 0, strips: 0, far: false };
}

impl Ahead {
    /// Nothing.
    pub const NONE: Self = Self { panels: Asks::NOTHING, later: Asks::NOTHING };

    /// What `strips` strips ask for of the stage `next` of as many panels as they have themselves, from `panel` on: together,
    /// each line once.
    pub fn of_strips<S: Simd>(product: &Product<'_>, next: &Stage, panel: usize, strips: usize) -> Self {
        let panels = product.n.div_ceil(PANEL) + product.after;
        if panels * product.panel_stride < FAR_LEN || panel >= panels {
            return Self::NONE;
        }
        let from = panel * product.panel_stride + next.k_from * PANEL;
        let far = strips <= S::FAR_STRIPS;
        let (lines, strips) = match strips {
            0 | 1 => (4, 1),
            2 | 3 => (2, 2),
            _ => (1, 4),
        };
        let (at, stride) = (product.b.wrapping_add(from), product.panel_stride);
        let panels = Asks { at, stride, step: PANEL, lines, strips, far };
        Self { panels, ..Self::NONE }
    }

    /// The same, and then weights of later steps, by strips of `panels` panels and `k` elements.
    #[inline(always)]
    pub fn then(self, later: &Later, panels: usize, k: usize) -> Self {
        Self { later: later.of_strips(panels, k / 4), ..self }
    }

    /// What the next strip asks for.
    #[inline(always)]
    pub fn next(&mut self) -> &mut Asks {
        if self.panels.strips > 0 { &mut self.panels } else { &mut self.later }
    }
}

/// Weights that later steps read once, which would be waited for then.
#[derive(Clone, Copy)]
pub(super) struct Later {
    /// The next line to ask for.
    at: *const f32,
    /// Floats that are left.
    len: usize,
    /// Lines to ask for every four elements of k.
    lines: usize,
}

impl Later {
    /// All of `weights`, over so many turns of four elements of k.
    #[inline(always)]
    pub fn over(weights: &[f32], turns: usize) -> Self {
        let (at, len) = (weights.as_ptr(), weights.len());
        Self { at, len, lines: len.div_ceil(PANEL).div_ceil(turns.max(1)) }
    }

    /// What strips of so many panels and turns ask for.
    #[inline(always)]
    fn of_strips(&self, panels: usize, turns: usize) -> Asks {
        if self.len == 0 || turns == 0 {
            return Asks::NOTHING;
        }
        let (step, lines) = (panels * PANEL, ((self.lines + panels / 2) / panels).max(1));
        let strips = self.len.div_ceil(turns * lines * step);
        Asks { at: self.at, stride: PANEL, step, lines, strips, far: false }
    }

    /// Goes on after what strips have asked for.
    #[inline(always)]
    pub fn after(&mut self, ahead: &Ahead) {
        if ahead.later.at.is_null() {
            return;
        }
        let asked = ((ahead.later.at.addr() - self.at.addr()) / size_of::<f32>()).min(self.len);
        (self.at, self.len) = (self.at.wrapping_add(asked), self.len - asked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd_scalar::Scalar;
    use std::vec;

    /// Does as `strips` strips of so many turns, and says how many floats the last has gone on.
    fn go_on(ahead: &mut Ahead, strips: usize, turns: usize) -> usize {
        let mut gone = 0;
        for _ in 0..strips {
            let asks = ahead.next();
            gone = if asks.strips > 0 { turns * asks.lines * asks.step } else { 0 };
            asks.at = asks.at.wrapping_add(gone);
            asks.strips = asks.strips.saturating_sub(1);
        }
        gone
    }

    #[test]
    fn strips_of_any_width_ask_for_all_in_order() {
        let weights = vec![0.0; 1000 * PANEL];
        // Of 40 strips over two panels and one, of 24 turns each, as a product of 15 panels has them.
        let mut later = Later::over(&weights, 40 * 24);
        let start = weights.as_ptr();
        for panels in [2, 1] {
            let mut ahead = Ahead::NONE.then(&later, panels, 24 * 4);
            let before = later.at;
            assert_eq!(ahead.next().at, before);
            let each = go_on(&mut ahead, 5, 24);
            later.after(&ahead);
            assert_eq!(later.at, before.wrapping_add(5 * each));
        }
        // More strips than there is something for.
        let mut ahead = Ahead::NONE.then(&later, 2, 24 * 4);
        go_on(&mut ahead, 1000, 24);
        later.after(&ahead);
        assert_eq!((later.at, later.len), (start.wrapping_add(weights.len()), 0));
        assert_eq!(Ahead::NONE.then(&later, 2, 96).next().strips, 0);
    }

    #[test]
    fn panels_come_before_later_weights() {
        let (b, weights) = (vec![0.0; 8 * 1024 * PANEL], vec![0.0; 64 * PANEL]);
        let product = Product::dense(core::ptr::null_mut(), 0, 0, b.as_ptr(), 1024, 8 * PANEL);
        let product = Product { later: &weights, ..product };
        let stage = crate::stages::Stages::whole(product.window).at(0);
        let mut ahead = Ahead::of_strips::<Scalar>(&product, &stage, 2, 6).then(&Later::over(&weights, 64), 2, 1024);
        assert_eq!(ahead.next().at, b.as_ptr().wrapping_add(2 * 1024 * PANEL));
        // Four strips share the panels.
        go_on(&mut ahead, 4, 1024 / 4);
        assert_eq!(ahead.next().at, weights.as_ptr());
    }
}

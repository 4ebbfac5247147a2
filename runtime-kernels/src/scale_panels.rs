//! Weights whose rows of k are scaled, in place of what they are multiplied by: fewer elements where a product is tall.

use super::simd::{Simd, Task};
use super::tile_f32::PANEL;

/// `out[panel][k][16] = w[panel][k][16] * scale[k]`
pub struct ScalePanels<'a> {
    /// As many panels as `w` has.
    pub out: &'a mut [f32],
    /// Panels of as many rows as `scale` is long.
    pub w: &'a [f32],
    /// A number for each row.
    pub scale: &'a [f32],
}

impl Task for ScalePanels<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { out, w, scale } = self;
        assert_eq!(out.len(), w.len(), "scaled weights are as many as weights");
        let len = (scale.len() * PANEL).max(1);
        for (out, w) in out.chunks_exact_mut(len).zip(w.chunks_exact(len)) {
            for ((out, w), &by) in out.chunks_exact_mut(PANEL).zip(w.chunks_exact(PANEL)).zip(scale) {
                let by = s.splat(by);
                for (out, w) in out.chunks_exact_mut(S::LANES).zip(w.chunks_exact(S::LANES)) {
                    s.store(s.mul(s.load(w), by), out);
                }
            }
        }
    }
}

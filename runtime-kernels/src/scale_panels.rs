//! Weights whose rows of k are scaled, in place of what they are multiplied by: fewer elements where a product is tall.

use super::simd::{Simd, Task};
use super::tile_f32::PANEL;

/// `out[image][panel][k][16] = w[panel][k][16] * scale[image][k]`
pub struct ScalePanels<'a> {
    /// As many panels as `w` has for each image.
    pub out: &'a mut [f32],
    /// Panels of `k` rows.
    pub w: &'a [f32],
    /// For each image, a number for each row.
    pub scale: &'a [f32],
    /// Rows of a panel.
    pub k: usize,
}

impl Task for ScalePanels<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { out, w, scale, k } = self;
        if w.is_empty() {
            return;
        }
        assert_eq!(out.len() * k, w.len() * scale.len(), "each image has as many scaled weights as there are weights");
        let len = k * PANEL;
        for (out, scale) in out.chunks_exact_mut(w.len()).zip(scale.chunks_exact(k)) {
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
}

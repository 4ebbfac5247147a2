//! The gated recurrent unit: ONNX `GRU`, one direction.
//!
//! The caller multiplies all of the input with the input weights beforehand, as one large product; what is left here is
//! what depends on the step before. Gates come in ONNX's order: update, reset, hidden.

use super::activation::Activation;
use super::copy::copy_run;
use super::lanes::{each, get, put};
use super::recurrent::{Project, clipped, len_of, padded, start, sum, time_of};
use super::simd::{Simd, Task};

/// One direction of a GRU.
///
/// `z = f(x_z + h R_z)`, `r = f(x_r + h R_r)`, `n = g(x_h + (r h) R_h)` or, linear before reset,
/// `n = g(x_h + r (h R_h + b_h))`, `h' = (1 - z) n + z h`.
pub struct Gru<'a, F: Activation, G: Activation> {
    /// The state after each step, where it happened; zeros past the end of shorter sequences.
    pub y: Option<&'a mut [f32]>,
    /// `[batch][hidden]`: the last state of each sequence.
    pub y_h: &'a mut [f32],
    /// `[seq][batch][3 * hidden]`: input times input weights plus both biases, but without `rbh`.
    pub gates: &'a [f32],
    /// Recurrent weights `[hidden][3 * hidden]` in panels.
    pub r: &'a [f32],
    /// `[hidden]`: recurrent bias of the hidden gate, only if linear before reset.
    pub rbh: Option<&'a [f32]>,
    /// `[batch][hidden]`: the first state, zeros if there is none.
    pub h0: Option<&'a [f32]>,
    /// `[batch]`: the lengths of the sequences, `seq` if there are none.
    pub lens: Option<&'a [i32]>,
    /// Of [`scratch_len`].
    pub scratch: &'a mut [f32],
    /// Steps.
    pub seq: usize,
    /// Sequences.
    pub batch: usize,
    /// Size of the state.
    pub hidden: usize,
    /// Floats of `y` from step to step.
    pub y_step_stride: usize,
    /// Floats of `y` from sequence to sequence.
    pub y_batch_stride: usize,
    /// Whether each sequence runs from its end to its beginning.
    pub reverse: bool,
    /// Bound on what goes into the activations.
    pub clip: Option<f32>,
    /// Whether the reset gate applies after the recurrent weights.
    pub linear_before_reset: bool,
    /// Of the update and reset gates.
    pub f: F,
    /// Of the hidden gate.
    pub g: G,
}

/// Floats of scratch.
pub const fn scratch_len(batch: usize, hidden: usize) -> usize {
    batch * (padded(3 * hidden) + 2 * hidden)
}

impl<F: Activation, G: Activation> Task for Gru<'_, F, G> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { mut y, y_h, gates, r, rbh, lens, seq, batch, hidden, y_step_stride, y_batch_stride, .. } = self;
        let row = padded(3 * hidden);
        let (projected, rest) = self.scratch.split_at_mut(batch * row);
        let (update, reset_h) = rest[..2 * batch * hidden].split_at_mut(batch * hidden);
        assert_eq!(y_h.len(), batch * hidden);
        assert_eq!(gates.len(), seq * batch * 3 * hidden);
        assert_eq!(r.len(), hidden * row);
        assert!(lens.is_none_or(|lens| lens.len() == batch));
        assert!(self.linear_before_reset || rbh.is_none());
        start(y_h, self.h0);
        if hidden == 0 {
            return;
        }
        for step in 0..seq {
            // If the reset applies before the weights, the hidden gate has to wait for it.
            let first = if self.linear_before_reset { 3 * hidden } else { 2 * hidden };
            s.enter(Project { out: projected, h: y_h, r, row, k: hidden, panels: 0..first.div_ceil(16) });
            for b in 0..batch {
                let Some(time) = time_of(step, len_of(lens, b, seq), self.reverse) else { continue };
                let x = &gates[(time * batch + b) * 3 * hidden..][..3 * hidden];
                let (r, h) = (&projected[b * row..][..row], &y_h[b * hidden..][..hidden]);
                let (update, reset_h) = (&mut update[b * hidden..][..hidden], &mut reset_h[b * hidden..][..hidden]);
                each(
                    s,
                    hidden,
                    #[inline(always)]
                    |at, n| {
                        let z = clipped(s, sum(s, x, r, at, n), self.clip);
                        put(s, self.f.apply(s, z), update, at, n);
                        let reset = clipped(s, sum(s, x, r, hidden + at, n), self.clip);
                        let mut factor = get(s, h, at, n);
                        if self.linear_before_reset {
                            factor = get(s, r, 2 * hidden + at, n);
                            if let Some(bias) = rbh {
                                factor = s.add(factor, get(s, bias, at, n));
                            }
                        }
                        put(s, s.mul(self.f.apply(s, reset), factor), reset_h, at, n);
                    },
                );
            }
            if !self.linear_before_reset {
                s.enter(Project { out: projected, h: reset_h, r, row, k: hidden, panels: 2 * hidden / 16..row / 16 });
            }
            for b in 0..batch {
                let time = time_of(step, len_of(lens, b, seq), self.reverse);
                let y =
                    y.as_mut().map(|y| &mut y[time.unwrap_or(step) * y_step_stride + b * y_batch_stride..][..hidden]);
                let Some(time) = time else {
                    y.into_iter().for_each(|y| y.fill(0.0));
                    continue;
                };
                let x = &gates[(time * batch + b) * 3 * hidden + 2 * hidden..][..hidden];
                let recurrent =
                    if self.linear_before_reset { &reset_h[b * hidden..] } else { &projected[b * row + 2 * hidden..] };
                let (recurrent, update) = (&recurrent[..hidden], &update[b * hidden..][..hidden]);
                let h = &mut y_h[b * hidden..][..hidden];
                each(
                    s,
                    hidden,
                    #[inline(always)]
                    |at, n| {
                        let new = self.g.apply(s, clipped(s, sum(s, x, recurrent, at, n), self.clip));
                        let (z, old) = (get(s, update, at, n), get(s, h, at, n));
                        put(s, s.fma(z, old, s.mul(s.sub(s.splat(1.0), z), new)), h, at, n);
                    },
                );
                y.into_iter().for_each(|y| copy_run(y, h));
            }
        }
    }
}

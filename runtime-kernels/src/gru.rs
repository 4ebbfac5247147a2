//! The gated recurrent unit: ONNX `GRU`.
//!
//! The caller multiplies all of the input with the input weights beforehand, as one large product; what is left here is
//! what depends on the step before. Gates come in ONNX's order: update, reset, hidden.

use super::activation::Activation;
use super::lanes::{each, get, put};
use super::recurrent::{self, Cell, Directions, Gate, Kind, Sequences, Walk, clipped};
use super::simd::{Simd, Task};
use super::split::{Alone, Crew, Stepwise};

/// A GRU, in all its directions.
///
/// `z = f(x_z + h R_z)`, `r = f(x_r + h R_r)`, `n = g(x_h + (r h) R_h)` or, linear before reset,
/// `n = g(x_h + r (h R_h + b_h))`, `h' = (1 - z) n + z h`.
pub struct Gru<'a, F: Activation, G: Activation> {
    /// `[seq]` times `[dirs][batch][hidden]`: the state after each step, where it happened; zeros past the end of shorter sequences.
    /// Empty if nobody reads it.
    pub y: &'a mut [f32],
    /// `[dirs][batch][hidden]`: the last state of each sequence.
    pub y_h: &'a mut [f32],
    /// `[seq][batch][dirs][3 * hidden]`: input times input weights plus both biases, but without `rbh`.
    pub gates: &'a [f32],
    /// Recurrent weights, `[dirs]` as `pack::gates` lays them out.
    pub r: &'a [f32],
    /// `[hidden]` in each direction: recurrent bias of the hidden gate, only if linear before reset.
    pub rbh: Option<&'a [f32]>,
    /// Floats of `rbh` from direction to direction.
    pub rbh_stride: usize,
    /// `[dirs][batch][hidden]`: the first state, zeros if there is none.
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
    /// Which way it goes along the sequences.
    pub directions: Directions,
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
pub const fn scratch_len(batch: usize, hidden: usize, dirs: usize) -> usize {
    recurrent::scratch_len(batch, hidden, dirs, 3, 2 * hidden)
}

impl<F: Activation, G: Activation> Task for Gru<'_, F, G> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.with(s, Alone);
    }
}

impl<F: Activation, G: Activation> Stepwise for Gru<'_, F, G> {
    #[inline(always)]
    fn with<S: Simd, C: Crew>(self, s: S, crew: C) {
        let Self { gates, r, h0, lens, seq, batch, hidden, y_step_stride, directions, .. } = self;
        let Self { rbh, rbh_stride, clip, linear_before_reset, f, g, .. } = self;
        assert!(linear_before_reset || rbh.is_none());
        let sequences = Sequences { lens, seq, batch, hidden, directions, y_step_stride };
        let kind = Gates { rbh, rbh_stride, clip, linear_before_reset, f, g };
        let walk = Walk { y: self.y, y_h: self.y_h, cells: &mut [], gates, r, h0, c0: None, sequences, kind };
        // SAFETY: the outputs are this task's.
        unsafe { walk.go(s, crew, self.scratch) };
    }
}

/// What a GRU does in a step.
struct Gates<'a, F, G> {
    rbh: Option<&'a [f32]>,
    rbh_stride: usize,
    clip: Option<f32>,
    linear_before_reset: bool,
    f: F,
    g: G,
}

impl<F: Activation, G: Activation> Gates<'_, F, G> {
    /// The update gate, or the reset gate after it.
    #[inline(always)]
    fn gate<S: Simd>(&self, s: S, of: Gate<'_>, at: usize, n: usize) -> S::F32 {
        self.f.apply(s, clipped(s, of.sum(s, at, n), self.clip))
    }
}

impl<F: Activation, G: Activation> Kind for Gates<'_, F, G> {
    const GATES: usize = 3;

    #[inline(always)]
    fn resets(&self) -> bool {
        !self.linear_before_reset
    }

    #[inline(always)]
    fn reset<S: Simd>(&self, s: S, cell: &Cell<'_>, state: &mut [f32], update: &mut [f32]) {
        let len = state.len();
        let (update, old) = (&mut update[..len], &cell.old[..len]);
        let [z, r] = [cell.gate(0, len), cell.gate(1, len)];
        each(
            s,
            len,
            #[inline(always)]
            |at, n| {
                // The last gate's product takes the place of part of this one's.
                put(s, self.gate(s, z, at, n), update, at, n);
                put(s, s.mul(self.gate(s, r, at, n), get(s, old, at, n)), state, at, n);
            },
        );
    }

    #[inline(always)]
    fn advance<S: Simd>(&self, s: S, cell: &Cell<'_>, update: &[f32], state: &mut [f32], _: &mut [f32]) {
        let len = state.len();
        let rbh = self.rbh.map(|rbh| &rbh[cell.direction * self.rbh_stride..][cell.first..][..len]);
        let old = &cell.old[..len];
        let [of_z, of_r, of_new] = [cell.gate(0, len), cell.gate(1, len), cell.gate(2, len)];
        each(
            s,
            len,
            #[inline(always)]
            |at, n| {
                let mut recurrent = of_new.recurrent(s, at, n);
                let z = match self.linear_before_reset {
                    true => {
                        if let Some(bias) = rbh {
                            recurrent = s.add(recurrent, get(s, bias, at, n));
                        }
                        recurrent = s.mul(self.gate(s, of_r, at, n), recurrent);
                        self.gate(s, of_z, at, n)
                    }
                    false => get(s, update, at, n),
                };
                let new = s.add(of_new.input(s, at, n), recurrent);
                let new = self.g.apply(s, clipped(s, new, self.clip));
                let old = get(s, old, at, n);
                put(s, s.fma(z, old, s.mul(s.sub(s.splat(1.0), z), new)), state, at, n);
            },
        );
    }
}

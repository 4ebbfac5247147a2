//! The plain recurrent layer: ONNX `RNN`.
//!
//! The caller multiplies all of the input with the input weights beforehand, as one large product; what is left here is
//! what depends on the step before.

use super::activation::Activation;
use super::lanes::{each, put};
use super::recurrent::{self, Cell, Directions, Kind, Sequences, Walk, clipped};
use super::simd::{Simd, Task};
use super::split::{Alone, Crew, Stepwise};

/// An RNN, in all its directions: `h' = f(x + h R)`.
pub struct Rnn<'a, F: Activation> {
    /// `[seq]` times `[dirs][batch][hidden]`: the state after each step, where it happened; zeros past the end of shorter sequences.
    /// Empty if nobody reads it.
    pub y: &'a mut [f32],
    /// `[dirs][batch][hidden]`: the last state of each sequence.
    pub y_h: &'a mut [f32],
    /// `[seq][batch][dirs][hidden]`: input times input weights plus both biases.
    pub gates: &'a [f32],
    /// Recurrent weights, `[dirs]` as `pack::gates` lays them out.
    pub r: &'a [f32],
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
    /// Bound on what goes into the activation.
    pub clip: Option<f32>,
    /// The activation.
    pub f: F,
}

/// Floats of scratch.
pub const fn scratch_len(batch: usize, hidden: usize, dirs: usize) -> usize {
    recurrent::scratch_len(batch, hidden, dirs, 1, 0)
}

impl<F: Activation> Task for Rnn<'_, F> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.with(s, Alone);
    }
}

impl<F: Activation> Stepwise for Rnn<'_, F> {
    #[inline(always)]
    fn with<S: Simd, C: Crew>(self, s: S, crew: C) {
        let Self { gates, r, h0, lens, seq, batch, hidden, y_step_stride, directions, .. } = self;
        let sequences = Sequences { lens, seq, batch, hidden, directions, y_step_stride };
        let kind = Plain { clip: self.clip, f: self.f };
        let walk = Walk { y: self.y, y_h: self.y_h, cells: &mut [], gates, r, h0, c0: None, sequences, kind };
        // SAFETY: the outputs are this task's.
        unsafe { walk.go(s, crew, self.scratch) };
    }
}

/// What an RNN does in a step.
struct Plain<F> {
    clip: Option<f32>,
    f: F,
}

impl<F: Activation> Kind for Plain<F> {
    const GATES: usize = 1;

    #[inline(always)]
    fn advance<S: Simd>(&self, s: S, cell: &Cell<'_>, _: &[f32], state: &mut [f32], _: &mut [f32]) {
        let of = cell.gate(0, state.len());
        each(
            s,
            state.len(),
            #[inline(always)]
            |at, n| put(s, self.f.apply(s, clipped(s, of.sum(s, at, n), self.clip)), state, at, n),
        );
    }
}

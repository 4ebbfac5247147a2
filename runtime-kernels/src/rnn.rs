//! The plain recurrent layer: ONNX `RNN`, one direction.
//!
//! The caller multiplies all of the input with the input weights beforehand, as one large product; what is left here is
//! what depends on the step before.

use super::activation::Activation;
use super::copy::copy_run;
use super::lanes::{each, put};
use super::recurrent::{Project, clipped, len_of, padded, start, sum, time_of};
use super::simd::{Simd, Task};

/// One direction of an RNN: `h' = f(x + h R)`.
pub struct Rnn<'a, F: Activation> {
    /// The state after each step, where it happened; zeros past the end of shorter sequences.
    pub y: Option<&'a mut [f32]>,
    /// `[batch][hidden]`: the last state of each sequence.
    pub y_h: &'a mut [f32],
    /// `[seq][batch][hidden]`: input times input weights plus both biases.
    pub gates: &'a [f32],
    /// Recurrent weights `[hidden][hidden]` in panels.
    pub r: &'a [f32],
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
    /// Bound on what goes into the activation.
    pub clip: Option<f32>,
    /// The activation.
    pub f: F,
}

/// Floats of scratch.
pub const fn scratch_len(batch: usize, hidden: usize) -> usize {
    batch * padded(hidden)
}

impl<F: Activation> Task for Rnn<'_, F> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { mut y, y_h, gates, r, lens, seq, batch, hidden, y_step_stride, y_batch_stride, .. } = self;
        let row = padded(hidden);
        let scratch = &mut self.scratch[..batch * row];
        assert_eq!(y_h.len(), batch * hidden);
        assert_eq!(gates.len(), seq * batch * hidden);
        assert_eq!(r.len(), hidden * row);
        assert!(lens.is_none_or(|lens| lens.len() == batch));
        start(y_h, self.h0);
        if hidden == 0 {
            return;
        }
        for step in 0..seq {
            s.enter(Project { out: scratch, h: y_h, r, row, k: hidden, panels: 0..row / 16 });
            for b in 0..batch {
                let time = time_of(step, len_of(lens, b, seq), self.reverse);
                let y =
                    y.as_mut().map(|y| &mut y[time.unwrap_or(step) * y_step_stride + b * y_batch_stride..][..hidden]);
                let Some(time) = time else {
                    y.into_iter().for_each(|y| y.fill(0.0));
                    continue;
                };
                let x = &gates[(time * batch + b) * hidden..][..hidden];
                let (r, h) = (&scratch[b * row..][..hidden], &mut y_h[b * hidden..][..hidden]);
                each(
                    s,
                    hidden,
                    #[inline(always)]
                    |at, n| {
                        put(s, self.f.apply(s, clipped(s, sum(s, x, r, at, n), self.clip)), h, at, n);
                    },
                );
                y.into_iter().for_each(|y| copy_run(y, h));
            }
        }
    }
}

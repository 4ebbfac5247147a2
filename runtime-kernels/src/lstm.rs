//! The long short-term memory layer: ONNX `LSTM`, one direction.
//!
//! The caller multiplies all of the input with the input weights beforehand, as one large product; what is left here is
//! what depends on the step before. Gates come in ONNX's order: input, output, forget, cell.

use super::activation::Activation;
use super::copy::copy_run;
use super::lanes::{each, get, put};
use super::recurrent::{Project, clipped, len_of, padded, start, sum, time_of};
use super::simd::{Simd, Task};

/// One direction of an LSTM.
///
/// `i = f(x_i + h R_i + p_i c)`, `f = f(x_f + h R_f + p_f c)`, `c' = f c + i g(x_c + h R_c)`,
/// `o = f(x_o + h R_o + p_o c')`, `h' = o h(c')`.
pub struct Lstm<'a, F: Activation, G: Activation, H: Activation> {
    /// The state after each step, where it happened; zeros past the end of shorter sequences.
    pub y: Option<&'a mut [f32]>,
    /// `[batch][hidden]`: the last state of each sequence.
    pub y_h: &'a mut [f32],
    /// `[batch][hidden]`: the last cell of each sequence.
    pub y_c: &'a mut [f32],
    /// `[seq][batch][4 * hidden]`: input times input weights plus both biases.
    pub gates: &'a [f32],
    /// Recurrent weights `[hidden][4 * hidden]` in panels.
    pub r: &'a [f32],
    /// `[3 * hidden]`: of the input, output and forget gates.
    pub peephole: Option<&'a [f32]>,
    /// `[batch][hidden]`: the first state, zeros if there is none.
    pub h0: Option<&'a [f32]>,
    /// `[batch][hidden]`: the first cell, zeros if there is none.
    pub c0: Option<&'a [f32]>,
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
    /// Bound on what goes into the activations of the gates.
    pub clip: Option<f32>,
    /// Whether the forget gate is `1 - i` instead.
    pub input_forget: bool,
    /// Of the input, output and forget gates.
    pub f: F,
    /// Of what goes into the cell.
    pub g: G,
    /// Of what comes out of the cell.
    pub h: H,
}

/// Floats of scratch.
pub const fn scratch_len(batch: usize, hidden: usize) -> usize {
    batch * padded(4 * hidden)
}

impl<F: Activation, G: Activation, H: Activation> Task for Lstm<'_, F, G, H> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self {
            mut y, y_h, y_c, gates, r, peephole, lens, seq, batch, hidden, y_step_stride, y_batch_stride, ..
        } = self;
        let row = padded(4 * hidden);
        let scratch = &mut self.scratch[..batch * row];
        assert_eq!(y_h.len(), batch * hidden);
        assert_eq!(y_c.len(), batch * hidden);
        assert_eq!(gates.len(), seq * batch * 4 * hidden);
        assert_eq!(r.len(), hidden * row);
        assert!(lens.is_none_or(|lens| lens.len() == batch));
        start(y_h, self.h0);
        start(y_c, self.c0);
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
                let h = &mut y_h[b * hidden..][..hidden];
                let cell = Cell {
                    x: &gates[(time * batch + b) * 4 * hidden..][..4 * hidden],
                    r: &scratch[b * row..][..4 * hidden],
                    p: peephole.map(|p| &p[..3 * hidden]),
                    clip: self.clip,
                    input_forget: self.input_forget,
                    activations: (self.f, self.g, self.h),
                };
                cell.advance(s, h, &mut y_c[b * hidden..][..hidden]);
                y.into_iter().for_each(|y| copy_run(y, h));
            }
        }
    }
}

/// One sequence at one step.
struct Cell<'a, F, G, H> {
    x: &'a [f32],
    r: &'a [f32],
    p: Option<&'a [f32]>,
    clip: Option<f32>,
    input_forget: bool,
    activations: (F, G, H),
}

impl<F: Activation, G: Activation, H: Activation> Cell<'_, F, G, H> {
    #[inline(always)]
    fn advance<S: Simd>(&self, s: S, h: &mut [f32], c: &mut [f32]) {
        each(
            s,
            h.len(),
            #[inline(always)]
            |at, n| self.lanes(s, h, c, at, n),
        );
    }

    #[inline(always)]
    fn lanes<S: Simd>(&self, s: S, h: &mut [f32], c: &mut [f32], at: usize, n: usize) {
        let hidden = h.len();
        let (f, g, out) = self.activations;
        let mut i = sum(s, self.x, self.r, at, n);
        let mut o = sum(s, self.x, self.r, hidden + at, n);
        let mut forget = sum(s, self.x, self.r, 2 * hidden + at, n);
        let x = sum(s, self.x, self.r, 3 * hidden + at, n);
        let old = get(s, c, at, n);
        if let Some(p) = self.p {
            i = s.fma(get(s, p, at, n), old, i);
            forget = s.fma(get(s, p, 2 * hidden + at, n), old, forget);
        }
        let i = f.apply(s, clipped(s, i, self.clip));
        let forget = if self.input_forget { s.sub(s.splat(1.0), i) } else { f.apply(s, clipped(s, forget, self.clip)) };
        let new = s.fma(forget, old, s.mul(i, g.apply(s, clipped(s, x, self.clip))));
        if let Some(p) = self.p {
            o = s.fma(get(s, p, hidden + at, n), new, o);
        }
        let o = f.apply(s, clipped(s, o, self.clip));
        put(s, new, c, at, n);
        put(s, s.mul(o, out.apply(s, new)), h, at, n);
    }
}

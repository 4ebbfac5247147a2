//! The long short-term memory layer: ONNX `LSTM`.
//!
//! The caller multiplies all of the input with the input weights beforehand, as one large product; what is left here is
//! what depends on the step before. Gates come in ONNX's order: input, output, forget, cell.

use super::activation::Activation;
use super::lanes::{each, get, put};
use super::recurrent::{self, Cell, Directions, Kind, Sequences, Walk, clipped};
use super::simd::{Simd, Task};
use super::split::{Alone, Crew, Stepwise};

/// An LSTM, in all its directions.
///
/// `i = f(x_i + h R_i + p_i c)`, `f = f(x_f + h R_f + p_f c)`, `c' = f c + i g(x_c + h R_c)`,
/// `o = f(x_o + h R_o + p_o c')`, `h' = o h(c')`.
pub struct Lstm<'a, F: Activation, G: Activation, H: Activation> {
    /// `[seq]` times `[dirs][batch][hidden]`: the state after each step, where it happened; zeros past the end of shorter sequences.
    /// Empty if nobody reads it.
    pub y: &'a mut [f32],
    /// `[dirs][batch][hidden]`: the last state of each sequence.
    pub y_h: &'a mut [f32],
    /// `[dirs][batch][hidden]`: the last cell of each sequence.
    pub y_c: &'a mut [f32],
    /// `[seq][batch][dirs][4 * hidden]`: input times input weights plus both biases.
    pub gates: &'a [f32],
    /// Recurrent weights, `[dirs]` as `pack::gates` lays them out.
    pub r: &'a [f32],
    /// `[dirs][3 * hidden]`: of the input, output and forget gates.
    pub peephole: Option<&'a [f32]>,
    /// `[dirs][batch][hidden]`: the first state, zeros if there is none.
    pub h0: Option<&'a [f32]>,
    /// `[dirs][batch][hidden]`: the first cell, zeros if there is none.
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
    /// Which way it goes along the sequences.
    pub directions: Directions,
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
pub const fn scratch_len(batch: usize, hidden: usize, dirs: usize) -> usize {
    recurrent::scratch_len(batch, hidden, dirs, 4, 0)
}

impl<F: Activation, G: Activation, H: Activation> Task for Lstm<'_, F, G, H> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.with(s, Alone);
    }
}

impl<F: Activation, G: Activation, H: Activation> Stepwise for Lstm<'_, F, G, H> {
    #[inline(always)]
    fn with<S: Simd, C: Crew>(self, s: S, crew: C) {
        let Self { gates, r, h0, c0, lens, seq, batch, hidden, y_step_stride, directions, .. } = self;
        let Self { peephole, clip, input_forget, f, g, h, .. } = self;
        assert_eq!(self.y_c.len(), self.y_h.len());
        let sequences = Sequences { lens, seq, batch, hidden, directions, y_step_stride };
        let kind = Gates { peephole, clip, input_forget, f, g, h };
        let walk = Walk { y: self.y, y_h: self.y_h, cells: self.y_c, gates, r, h0, c0, sequences, kind };
        // SAFETY: the outputs are this task's.
        unsafe { walk.go(s, crew, self.scratch) };
    }
}

/// What an LSTM does in a step.
struct Gates<'a, F, G, H> {
    peephole: Option<&'a [f32]>,
    clip: Option<f32>,
    input_forget: bool,
    f: F,
    g: G,
    h: H,
}

impl<F: Activation, G: Activation, H: Activation> Kind for Gates<'_, F, G, H> {
    const GATES: usize = 4;

    #[inline(always)]
    fn advance<S: Simd>(&self, s: S, cell: &Cell<'_>, _: &[f32], state: &mut [f32], c: &mut [f32]) {
        let peephole = self.peephole.map(|p| &p[cell.direction * 3 * cell.hidden..][cell.first..3 * cell.hidden]);
        each(
            s,
            state.len(),
            #[inline(always)]
            |at, n| self.lanes(s, cell, peephole, state, c, at, n),
        );
    }
}

impl<F: Activation, G: Activation, H: Activation> Gates<'_, F, G, H> {
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "the lanes and all they are made of")]
    fn lanes<S: Simd>(
        &self,
        s: S,
        cell: &Cell<'_>,
        peephole: Option<&[f32]>,
        state: &mut [f32],
        c: &mut [f32],
        at: usize,
        n: usize,
    ) {
        let hidden = cell.hidden;
        let mut i = cell.sum(s, 0, at, n);
        let mut o = cell.sum(s, 1, at, n);
        let mut forget = cell.sum(s, 2, at, n);
        let x = cell.sum(s, 3, at, n);
        let old = get(s, c, at, n);
        if let Some(p) = peephole {
            i = s.fma(get(s, p, at, n), old, i);
            forget = s.fma(get(s, p, 2 * hidden + at, n), old, forget);
        }
        let i = self.f.apply(s, clipped(s, i, self.clip));
        let forget = match self.input_forget {
            true => s.sub(s.splat(1.0), i),
            false => self.f.apply(s, clipped(s, forget, self.clip)),
        };
        let new = s.fma(forget, old, s.mul(i, self.g.apply(s, clipped(s, x, self.clip))));
        if let Some(p) = peephole {
            o = s.fma(get(s, p, hidden + at, n), new, o);
        }
        let o = self.f.apply(s, clipped(s, o, self.clip));
        put(s, new, c, at, n);
        put(s, s.mul(o, self.h.apply(s, new)), state, at, n);
    }
}

//! The long short-term memory layer: ONNX `LSTM`.
//!
//! The caller multiplies all of the input with the input weights beforehand, as one large product; what is left here is
//! what depends on the step before. Gates come in ONNX's order: input, output, forget, cell.

use super::activation::Activation;
use super::lanes::{get, put};
use super::recurrent::{self, Cell, Directions, Gate, Kind, Sequences, Walk, clipped};
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
        let (hidden, len) = (cell.hidden, state.len());
        let c = &mut c[..len];
        let of = [cell.gate(0, len), cell.gate(1, len), cell.gate(2, len), cell.gate(3, len)];
        let peephole = self.peephole.map(|p| {
            let p = &p[cell.direction * 3 * hidden..][..3 * hidden];
            [0, hidden, 2 * hidden].map(
                #[inline(always)]
                |gate| &p[gate + cell.first..][..len],
            )
        });
        // Two vectors at once where there are two, since each waits for its own results most of the time.
        let pairs = len - len % (2 * S::LANES);
        for at in (0..pairs).step_by(2 * S::LANES) {
            self.lanes::<S, 2>(s, &of, peephole, state, c, at, S::LANES);
        }
        for at in (pairs..len).step_by(S::LANES) {
            let n = (len - at).min(S::LANES);
            self.lanes::<S, 1>(s, &of, peephole, state, c, at, n);
        }
    }
}

/// An activation of some vectors, clipped before.
#[inline(always)]
fn each_of<S: Simd, F: Activation, const V: usize>(s: S, f: F, mut x: [S::F32; V], clip: Option<f32>) -> [S::F32; V] {
    for x in &mut x {
        *x = f.apply(s, clipped(s, *x, clip));
    }
    x
}

impl<F: Activation, G: Activation, H: Activation> Gates<'_, F, G, H> {
    /// `V` vectors of units from `at` on, of `n` lanes each.
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "the lanes and all they are made of")]
    fn lanes<S: Simd, const V: usize>(
        &self,
        s: S,
        of: &[Gate<'_>; 4],
        peephole: Option<[&[f32]; 3]>,
        state: &mut [f32],
        c: &mut [f32],
        at: usize,
        n: usize,
    ) {
        let none = [s.splat(0.0); V];
        let (mut i, mut o, mut forget, mut x, mut old, mut new) = (none, none, none, none, none, none);
        for v in 0..V {
            let at = at + v * S::LANES;
            i[v] = of[0].sum(s, at, n);
            o[v] = of[1].sum(s, at, n);
            forget[v] = of[2].sum(s, at, n);
            x[v] = of[3].sum(s, at, n);
            old[v] = get(s, c, at, n);
            if let Some([p_i, _, p_f]) = peephole {
                i[v] = s.fma(get(s, p_i, at, n), old[v], i[v]);
                forget[v] = s.fma(get(s, p_f, at, n), old[v], forget[v]);
            }
        }
        let i = each_of(s, self.f, i, self.clip);
        let x = each_of(s, self.g, x, self.clip);
        if !self.input_forget {
            forget = each_of(s, self.f, forget, self.clip);
        }
        for v in 0..V {
            if self.input_forget {
                forget[v] = s.sub(s.splat(1.0), i[v]);
            }
            new[v] = s.fma(forget[v], old[v], s.mul(i[v], x[v]));
            if let Some([_, p_o, _]) = peephole {
                o[v] = s.fma(get(s, p_o, at + v * S::LANES, n), new[v], o[v]);
            }
        }
        let o = each_of(s, self.f, o, self.clip);
        let activated = each_of(s, self.h, new, None);
        for v in 0..V {
            put(s, new[v], c, at + v * S::LANES, n);
            put(s, s.mul(o[v], activated[v]), state, at + v * S::LANES, n);
        }
    }
}

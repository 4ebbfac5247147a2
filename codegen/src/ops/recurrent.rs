//! What the recurrent layers share: the operands they check alike, the walk along their sequence, and the product with the
//! input that comes before it.

use super::Lower;
use super::map::{Binary, Map};
use super::matmul::Product;
use super::operands::{count, fixed, has_shape, is_of};
use super::packed::packed;
use super::rnn::{Activation, Direction};
use crate::ir::{DType, Dim, Tensor, Type};
use crate::plan::{Arg, Operand};
use crate::tuning::Candidate;
use kiln_kernels::pack;
use kiln_kernels::panels::Panels;
use std::ops::Range;

/// The most state a layer may have; keeps products of sizes exact.
const MAX_HIDDEN: usize = 1 << 20;

/// A recurrent layer seen from outside.
#[derive(Clone, Copy, Debug)]
pub struct Layer {
    /// Blocks of rows in each weight matrix.
    pub gates: usize,
    /// Width of the state.
    pub hidden: usize,
    /// Which way each direction runs.
    pub direction: Direction,
    /// Activations a direction needs.
    pub n_activations: usize,
    /// Activations given for all directions.
    pub given_activations: usize,
    /// Whether there is a bias operand.
    pub bias: bool,
    /// Whether there is an operand of sequence lengths.
    pub lens: bool,
    /// Whether there is an operand of the state's start.
    pub h0: bool,
    /// Whether there is an operand of the cell's start.
    pub c0: bool,
    /// Whether there is an operand of peephole weights.
    pub peephole: bool,
}

/// Index of each operand of a layer, where it has it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Places {
    /// The bias.
    pub bias: Option<usize>,
    /// The sequence lengths.
    pub lens: Option<usize>,
    /// The state's start.
    pub h0: Option<usize>,
    /// The cell's start.
    pub c0: Option<usize>,
    /// The peephole weights.
    pub peephole: Option<usize>,
}

impl Direction {
    /// Number of directions.
    pub fn count(self) -> usize {
        if self == Direction::Both { 2 } else { 1 }
    }

    /// The kernel's value for the directions `dirs`.
    fn arg(self, dirs: &Range<usize>) -> Arg {
        let name = match (dirs.len(), self.is_reverse(dirs.start)) {
            (2, _) => "Both",
            (_, true) => "Reverse",
            (_, false) => "Forward",
        };
        Arg::Path(format!("recurrent::Directions::{name}"))
    }

    /// Whether direction `dir` runs from last to first.
    pub fn is_reverse(self, dir: usize) -> bool {
        self == Direction::Reverse || dir == 1
    }
}

impl Layer {
    /// Where the optional operands stand behind x, w and r.
    pub fn places(&self) -> Places {
        let mut next = 3;
        let mut place = |present: bool| {
            let at = present.then_some(next);
            next += usize::from(present);
            at
        };
        Places {
            bias: place(self.bias),
            lens: place(self.lens),
            h0: place(self.h0),
            c0: place(self.c0),
            peephole: place(self.peephole),
        }
    }

    /// The types of y and of the state at the end.
    pub fn infer(&self, inputs: &[&Type]) -> Result<(Type, Type), String> {
        let flags = [self.bias, self.lens, self.h0, self.c0, self.peephole];
        count(inputs, 3 + flags.into_iter().filter(|&flag| flag).count())?;
        let hidden = self.hidden;
        if hidden == 0 || hidden > MAX_HIDDEN {
            return Err(format!("a state of {hidden} elements is not supported; 1 to {MAX_HIDDEN} work"));
        }
        let dirs = self.direction.count();
        if self.given_activations != dirs * self.n_activations {
            let wanted = dirs * self.n_activations;
            return Err(format!("has {} activations where {wanted} are needed", self.given_activations));
        }
        let x = inputs[0];
        let [seq, batch, width] = x.shape.as_slice() else {
            return Err(format!("x has {} axes; [sequence, batch, input] works", x.rank()));
        };
        if x.dtype != DType::F32 {
            return Err(format!("elements are {}; f32 works", x.dtype));
        }
        let width = fixed("the input's width", width)?;
        let at = self.places();
        let (d, h, b) = (Dim::from(dirs), Dim::from(hidden), batch.clone());
        let rows = Dim::from(self.gates * hidden);
        let state = vec![d.clone(), b.clone(), h.clone()];
        let wants = [
            ("w", Some(1), vec![d.clone(), rows.clone(), Dim::from(width)]),
            ("r", Some(2), vec![d.clone(), rows.clone(), h.clone()]),
            ("the bias", at.bias, vec![d.clone(), rows * Dim::from(2)]),
            ("the state's start", at.h0, state.clone()),
            ("the cell's start", at.c0, state.clone()),
            ("the peephole weights", at.peephole, vec![d.clone(), Dim::from(3 * hidden)]),
        ];
        for (what, at, shape) in wants {
            if let Some(at) = at {
                is_of(what, inputs[at], DType::F32)?;
                has_shape(what, inputs[at], &shape)?;
            }
        }
        if let Some(at) = at.lens {
            is_of("the sequence lengths", inputs[at], DType::I32)?;
            has_shape("the sequence lengths", inputs[at], std::slice::from_ref(batch))?;
        }
        let y = Type { dtype: DType::F32, shape: vec![seq.clone(), d, b, h] };
        Ok((y, Type { dtype: DType::F32, shape: state }))
    }

    /// y, the state and the cell at the end, where `update` takes one step of one row of the batch in one direction.
    pub fn eval(&self, inputs: &[&Tensor], update: &dyn Fn(&mut Step)) -> Result<[Tensor; 3], String> {
        let types: Vec<Type> = inputs.iter().map(|t| t.ty()).collect();
        self.infer(&types.iter().collect::<Vec<_>>())?;
        let (x_shape, h) = (inputs[0].shape(), self.hidden);
        let (seq, batch, width) = (x_shape[0], x_shape[1], x_shape[2]);
        let (dirs, rows) = (self.direction.count(), self.gates * h);
        let at = self.places();
        let floats = |at: Option<usize>, len: usize| at.map_or(vec![0.0; len], |at| inputs[at].to_f64s());
        let (x, w, r) = (inputs[0].to_f64s(), inputs[1].to_f64s(), inputs[2].to_f64s());
        let bias = floats(at.bias, dirs * rows * 2);
        let peephole = floats(at.peephole, dirs * h * 3);
        let mut state = floats(at.h0, dirs * batch * h);
        let mut cell = floats(at.c0, dirs * batch * h);
        let lens = at.lens.map_or(vec![seq as i64; batch], |at| inputs[at].to_i64s());
        let mut y = vec![0.0; seq * dirs * batch * h];
        for (dir, row) in (0..dirs).flat_map(|dir| (0..batch).map(move |row| (dir, row))) {
            let len = usize::try_from(lens[row]).unwrap_or(0).min(seq);
            for t in 0..len {
                let t = if self.direction.is_reverse(dir) { len - 1 - t } else { t };
                let x = &x[(t * batch + row) * width..][..width];
                let w = &w[dir * rows * width..][..rows * width];
                let state = &mut state[(dir * batch + row) * h..][..h];
                update(&mut Step {
                    dir,
                    projected: (0..rows).map(|row| dot(&w[row * width..][..width], x)).collect(),
                    r: &r[dir * rows * h..][..rows * h],
                    bias: &bias[dir * rows * 2..][..rows * 2],
                    peephole: &peephole[dir * h * 3..][..h * 3],
                    state,
                    cell: &mut cell[(dir * batch + row) * h..][..h],
                });
                y[((t * dirs + dir) * batch + row) * h..][..h].copy_from_slice(state);
            }
        }
        let last = |values: &[f64]| Tensor::from_f64s(DType::F32, vec![dirs, batch, h], values);
        Ok([Tensor::from_f64s(DType::F32, vec![seq, dirs, batch, h], &y), last(&state), last(&cell)])
    }
}

impl Layer {
    /// The directions that one call of a kernel is for: all, unless their activations differ, which kernels are compiled for.
    pub fn calls(&self, activations: &[Activation]) -> Vec<Range<usize>> {
        let dirs = self.direction.count();
        let (first, rest) = activations.split_at(self.n_activations);
        let of_a_call = if first == rest { dirs } else { 1 };
        (0..dirs).step_by(of_a_call).map(|dir| dir..dir + of_a_call).collect()
    }

    /// What is added to the input's product in `dirs`, rounded up to 16: w's bias and, in the first `both` rows of each, r's.
    pub fn bias(&self, cx: &mut Lower, dirs: &Range<usize>, both: usize) -> Operand {
        let rows = self.gates * self.hidden;
        let mut padded = vec![0.0; pack::bias_len(1, dirs.len() * rows)];
        let Some(at) = self.places().bias else { return cx.weight_f32(&padded) };
        if let Some(tensor) = cx.tensor(at) {
            let all = tensor.to_f32s();
            for (dir, sums) in dirs.clone().zip(padded.chunks_mut(rows)) {
                let (w, r) = all[dir * 2 * rows..][..2 * rows].split_at(rows);
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = w[i] + if i < both { r[i] } else { 0.0 };
                }
            }
            return cx.weight_f32(&padded);
        }
        // What lies beyond the rows does not matter.
        let out = cx.scratch(DType::F32, Dim::from(padded.len()));
        let part = |of: &Operand, from: usize, len: usize| of.part(Dim::from(from), Dim::from(len));
        for (i, dir) in dirs.clone().enumerate() {
            let (out, bias) = (part(&out, i * rows, rows), self.of_directions(cx.input(at), &(dir..dir + 1)));
            let mut add = Map::of(&[DType::F32; 2]);
            let sum = add.binary(Binary::Add, 0, 1);
            let func = cx.func(&add.finish(sum), Vec::new());
            let ins = vec![Some(part(&bias, 0, both)), Some(part(&bias, rows, both))];
            cx.prepare(
                "map",
                "Map",
                vec![
                    ("out", Arg::Write(part(&out, 0, both))),
                    ("ins", Arg::ReadOpts(ins)),
                    ("dims", Arg::Sizes(vec![Dim::from(both)])),
                    ("strides", Arg::Table(vec![vec![Dim::from(1)]; 2])),
                    ("f", func),
                ],
            );
            if both < rows {
                let (to, from) = (part(&out, both, rows - both), part(&bias, both, rows - both));
                cx.prepare("strided", "Copy1", vec![("out", Arg::Write(to)), ("x", Arg::Read(from))]);
            }
        }
        out
    }

    /// The product of all of the input with w in `dirs`, plus `bias`: `[seq * batch][dirs * gates * hidden]`.
    fn project(&self, cx: &mut Lower, dirs: &Range<usize>, bias: Operand) -> Result<Operand, String> {
        let x_shape = cx.ty(0).shape.clone();
        let (k, rows) = (fixed("the input's width", &x_shape[2])?, self.gates * self.hidden);
        let n = dirs.len() * rows;
        // Directions of w lie one after another, as rows of one matrix.
        let layout = Panels { first: dirs.start * rows * k, ..pack::panels_layout(k, n, 1, k) };
        let b = packed(cx, 1, &[layout], pack::panels_len(k, n));
        let m = x_shape[0].clone() * x_shape[1].clone();
        let out = cx.scratch(DType::F32, m.clone() * Dim::from(n));
        let product = Product {
            out: out.clone(),
            a: cx.input(0),
            b,
            bias: Some(bias),
            m,
            k,
            n,
            a_strides: [Dim::from(k), Dim::from(1)],
            scratch: cx.scratch(DType::F32, Dim::from(0)),
            form: Candidate::Direct,
            epilogue: Arg::Path("epilogue::Identity".to_string()),
        };
        product.call(cx);
        Ok(out)
    }

    /// The product with the input in `dirs`, and the fields that every layer's kernel has for what is left.
    /// `scratch` is what the kernel needs for one row of the batch.
    pub fn fields(
        &self,
        cx: &mut Lower,
        dirs: &Range<usize>,
        bias: Operand,
        scratch: usize,
        clip: Option<f32>,
    ) -> Result<Vec<(&'static str, Arg)>, String> {
        let gates = self.project(cx, dirs, bias)?;
        let hidden = self.hidden;
        let len = pack::gates_len(self.gates, hidden);
        let layout = |(i, dir): (usize, usize)| {
            let layout = pack::gates_layout(self.gates, hidden);
            Panels { first: dir * self.gates * hidden * hidden, to: i * len, ..layout }
        };
        let layouts: Vec<Panels> = dirs.clone().enumerate().map(layout).collect();
        let r = packed(cx, 2, &layouts, dirs.len() * len);
        let shape = cx.ty(0).shape.clone();
        let (seq, batch) = (shape[0].clone(), shape[1].clone());
        let (at, state) = (self.places(), batch.clone() * Dim::from(hidden));
        let y = match cx.wanted(0) {
            true => {
                let y = cx.output(0);
                let before = state.clone() * Dim::from(dirs.start);
                y.part(before.clone(), y.len.clone() - before)
            }
            false => cx.scratch(DType::F32, Dim::from(0)),
        };
        let y_h = self.of_directions(cx.output(1), dirs);
        let h0 = at.h0.map(|at| self.of_directions(cx.input(at), dirs));
        let lens = at.lens.map(|at| cx.input(at));
        let scratch = cx.scratch(DType::F32, batch.clone() * Dim::from(scratch));
        Ok(vec![
            ("y", Arg::Write(y)),
            ("y_h", Arg::Write(y_h)),
            ("gates", Arg::Read(gates)),
            ("r", Arg::Read(r)),
            ("h0", Arg::ReadOpt(h0)),
            ("lens", Arg::ReadOpt(lens)),
            ("scratch", Arg::Write(scratch)),
            ("seq", Arg::Size(seq)),
            ("batch", Arg::Size(batch)),
            ("hidden", Arg::Size(Dim::from(hidden))),
            ("y_step_stride", Arg::Size(state * Dim::from(self.direction.count()))),
            ("directions", self.direction.arg(dirs)),
            ("clip", Arg::FloatOpt(clip.map(f64::from))),
        ])
    }

    /// The part for `dirs` of an operand whose outermost axis is the direction.
    pub fn of_directions(&self, operand: Operand, dirs: &Range<usize>) -> Operand {
        let len = operand.len.floor_div(&Dim::from(self.direction.count()));
        operand.part(len.clone() * Dim::from(dirs.start), len * Dim::from(dirs.len()))
    }

    /// Multiplications with addition of one run.
    pub fn macs(&self, inputs: &[&Type]) -> Dim {
        let shape = &inputs[0].shape;
        let per_row =
            Dim::from(self.direction.count() * self.gates * self.hidden) * (shape[2].clone() + Dim::from(self.hidden));
        shape[0].clone() * shape[1].clone() * per_row
    }
}

/// What one step of one row of the batch sees.
pub struct Step<'a> {
    /// Which direction.
    pub dir: usize,
    /// The input's product with each row of w.
    pub projected: Vec<f64>,
    /// Peephole weights: input, output, forget.
    pub peephole: &'a [f64],
    /// The state, to be replaced.
    pub state: &'a mut [f64],
    /// The cell, to be replaced.
    pub cell: &'a mut [f64],
    r: &'a [f64],
    bias: &'a [f64],
}

impl Step<'_> {
    /// The product of `state` with row `row` of r.
    pub fn recurrent(&self, row: usize, state: &[f64]) -> f64 {
        dot(&self.r[row * state.len()..][..state.len()], state)
    }

    /// What is added to the input's product in row `row`.
    pub fn w_bias(&self, row: usize) -> f64 {
        self.bias[row]
    }

    /// What is added to the state's product in row `row`.
    pub fn r_bias(&self, row: usize) -> f64 {
        self.bias[self.bias.len() / 2 + row]
    }

    /// What a gate's activation sees in row `row`, where the state enters as it is.
    pub fn gate(&self, row: usize) -> f64 {
        self.projected[row] + self.recurrent(row, self.state) + self.w_bias(row) + self.r_bias(row)
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

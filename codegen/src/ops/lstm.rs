//! Long short-term memory.

use super::recurrent::Layer;
use super::rnn::{Activation, Direction, clipped};
use super::{Lower, Rules};
use crate::ir::{Dim, Tensor, Type};
use crate::plan::Arg;
use kiln_kernels::lstm;

/// ONNX LSTM, layout 0. Operands: x `[seq, batch, in]`, w `[dirs, 4h, in]`, r `[dirs, 4h, h]`, bias `[dirs, 8h]` if `bias`, then
/// `lens` i32 `[batch]`, `h0` and `c0` `[dirs, batch, h]`, `peephole` `[dirs, 3h]`, each if flagged. Results: y `[seq, dirs, batch, h]`,
/// y_h and y_c `[dirs, batch, h]`.
#[derive(Clone, PartialEq, Debug)]
pub struct Lstm {
    /// Width of the state.
    pub hidden: usize,
    /// Which way each direction runs.
    pub direction: Direction,
    /// f, g and h of each direction.
    pub activations: Vec<Activation>,
    /// Bound on what the activations see.
    pub clip: Option<f32>,
    /// Whether the forget gate is one minus the input gate.
    pub input_forget: bool,
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

impl Rules for Lstm {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let (y, state) = self.layer().infer(inputs)?;
        Ok(vec![y, state.clone(), state])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let h = self.hidden;
        let all = self.layer().eval(inputs, &|step| {
            // Gates stand in the order input, output, forget, cell; peepholes in the order input, output, forget.
            let activation = |i: usize, x: f64| self.activations[step.dir * 3 + i].of(clipped(x, self.clip));
            let mut next = vec![(0.0, 0.0); h];
            for (i, next) in next.iter_mut().enumerate() {
                let input = activation(0, step.gate(i) + step.peephole[i] * step.cell[i]);
                let forget = match self.input_forget {
                    true => 1.0 - input,
                    false => activation(0, step.gate(2 * h + i) + step.peephole[2 * h + i] * step.cell[i]),
                };
                let cell = forget * step.cell[i] + input * activation(1, step.gate(3 * h + i));
                let output = activation(0, step.gate(h + i) + step.peephole[h + i] * cell);
                // The bound holds for gates; the cell itself may grow beyond it.
                *next = (output * self.activations[step.dir * 3 + 2].of(cell), cell);
            }
            for (i, (state, cell)) in next.into_iter().enumerate() {
                (step.state[i], step.cell[i]) = (state, cell);
            }
        })?;
        Ok(all.to_vec())
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let (layer, at) = (self.layer(), self.layer().places());
        for dirs in layer.calls(&self.activations) {
            let bias = layer.bias(cx, &dirs, layer.gates * self.hidden);
            let mut fields = layer.fields(cx, &dirs, bias, lstm::scratch_len(1, self.hidden, dirs.len()), self.clip)?;
            let part = |cx: &mut Lower, at: Option<usize>| at.map(|at| layer.of_directions(cx.input(at), &dirs));
            let [f, g, h] = [0, 1, 2].map(|i| self.activations[dirs.start * 3 + i].arg());
            fields.extend([
                ("y_c", Arg::Write(layer.of_directions(cx.output(2), &dirs))),
                ("peephole", Arg::ReadOpt(part(cx, at.peephole))),
                ("c0", Arg::ReadOpt(part(cx, at.c0))),
                ("input_forget", Arg::Bool(self.input_forget)),
                ("f", f),
                ("g", g),
                ("h", h),
            ]);
            cx.call("lstm", "Lstm", fields);
        }
        Ok(())
    }

    fn macs(&self, inputs: &[&Type], _: &[&Type]) -> Dim {
        self.layer().macs(inputs)
    }
}

impl Lstm {
    fn layer(&self) -> Layer {
        Layer {
            gates: 4,
            hidden: self.hidden,
            direction: self.direction,
            n_activations: 3,
            given_activations: self.activations.len(),
            bias: self.bias,
            lens: self.lens,
            h0: self.h0,
            c0: self.c0,
            peephole: self.peephole,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::DType;

    fn constant(shape: &[usize], value: f64) -> Tensor {
        Tensor::from_f64s(DType::F32, shape.to_vec(), &vec![value; shape.iter().product()])
    }

    #[test]
    fn matches_a_step_by_hand() {
        let op = Lstm {
            hidden: 1,
            direction: Direction::Reverse,
            activations: vec![Activation::Sigmoid, Activation::Tanh, Activation::Tanh],
            clip: None,
            input_forget: false,
            bias: false,
            lens: false,
            h0: false,
            c0: true,
            peephole: true,
        };
        let (w, r, c0) = (constant(&[1, 4, 1], 1.0), constant(&[1, 4, 1], 0.0), constant(&[1, 1, 1], 0.5));
        let peephole = Tensor::from_f64s(DType::F32, vec![1, 3], &[1.0, 2.0, 3.0]);
        let out = op.eval(&[&constant(&[1, 1, 1], 1.0), &w, &r, &c0, &peephole]).unwrap();
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let cell = sigmoid(1.0 + 3.0 * 0.5) * 0.5 + sigmoid(1.5) * 1f64.tanh();
        assert!((out[2].to_f64s()[0] - cell).abs() < 1e-6);
        assert!((out[1].to_f64s()[0] - sigmoid(1.0 + 2.0 * cell) * cell.tanh()).abs() < 1e-6);
    }
}

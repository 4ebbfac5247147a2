//! Gated recurrent units.

use super::recurrent::Layer;
use super::rnn::{Activation, Direction, clipped};
use super::{Lower, Rules};
use crate::ir::{Dim, Tensor, Type};
use crate::plan::Arg;
use kiln_kernels::gru;

/// ONNX GRU, layout 0. Operands: x `[seq, batch, in]`, w `[dirs, 3h, in]`, r `[dirs, 3h, h]`, bias `[dirs, 6h]` if `bias`, `lens` i32
/// `[batch]`, `h0` `[dirs, batch, h]`, each if flagged. Results: y `[seq, dirs, batch, h]`, y_h `[dirs, batch, h]`.
#[derive(Clone, PartialEq, Debug)]
pub struct Gru {
    /// Width of the state.
    pub hidden: usize,
    /// Which way each direction runs.
    pub direction: Direction,
    /// f and g of each direction.
    pub activations: Vec<Activation>,
    /// Bound on what the activations see.
    pub clip: Option<f32>,
    /// Whether the reset gate multiplies after the recurrent product.
    pub linear_before_reset: bool,
    /// Whether there is a bias operand.
    pub bias: bool,
    /// Whether there is an operand of sequence lengths.
    pub lens: bool,
    /// Whether there is an operand of the state's start.
    pub h0: bool,
}

impl Rules for Gru {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let (y, state) = self.layer().infer(inputs)?;
        Ok(vec![y, state])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let h = self.hidden;
        let [y, state, _] = self.layer().eval(inputs, &|step| {
            let activation = |i: usize, x: f64| self.activations[step.dir * 2 + i].of(clipped(x, self.clip));
            let z: Vec<f64> = (0..h).map(|i| activation(0, step.gate(i))).collect();
            let r: Vec<f64> = (0..h).map(|i| activation(0, step.gate(h + i))).collect();
            let reset: Vec<f64> = r.iter().zip(&*step.state).map(|(r, h)| r * h).collect();
            let candidate = |i: usize| {
                let row = 2 * h + i;
                let recurrent = match self.linear_before_reset {
                    true => r[i] * (step.recurrent(row, step.state) + step.r_bias(row)),
                    false => step.recurrent(row, &reset) + step.r_bias(row),
                };
                activation(1, step.projected[row] + recurrent + step.w_bias(row))
            };
            let next: Vec<f64> = (0..h).map(|i| (1.0 - z[i]) * candidate(i) + z[i] * step.state[i]).collect();
            step.state.copy_from_slice(&next);
        })?;
        Ok(vec![y, state])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let (layer, h) = (self.layer(), self.hidden);
        for dirs in layer.calls(&self.activations) {
            // The candidate's recurrent bias is added inside the reset where the reset comes last.
            let late = if self.linear_before_reset { 2 * h } else { 3 * h };
            let bias = layer.bias(cx, &dirs, late);
            let rbh = layer.places().bias.filter(|_| self.linear_before_reset).map(|at| {
                let all = layer.of_directions(cx.input(at), &dirs);
                all.part(Dim::from(5 * h), all.len.clone() - Dim::from(5 * h))
            });
            let mut fields = layer.fields(cx, &dirs, bias, gru::scratch_len(1, h, dirs.len()), self.clip)?;
            fields.extend([
                ("rbh", Arg::ReadOpt(rbh)),
                ("rbh_stride", Arg::Size(Dim::from(6 * h))),
                ("linear_before_reset", Arg::Bool(self.linear_before_reset)),
                ("f", self.activations[dirs.start * 2].arg()),
                ("g", self.activations[dirs.start * 2 + 1].arg()),
            ]);
            cx.call("gru", "Gru", fields);
        }
        Ok(())
    }

    fn macs(&self, inputs: &[&Type], _: &[&Type]) -> Dim {
        self.layer().macs(inputs)
    }
}

impl Gru {
    fn layer(&self) -> Layer {
        Layer {
            gates: 3,
            hidden: self.hidden,
            direction: self.direction,
            n_activations: 2,
            given_activations: self.activations.len(),
            bias: self.bias,
            lens: self.lens,
            h0: self.h0,
            c0: false,
            peephole: false,
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
        let op = Gru {
            hidden: 1,
            direction: Direction::Forward,
            activations: vec![Activation::Sigmoid, Activation::Tanh],
            clip: None,
            linear_before_reset: true,
            bias: true,
            lens: false,
            h0: true,
        };
        let bias = Tensor::from_f64s(DType::F32, vec![1, 6], &[0.0, 0.0, 0.0, 0.0, 0.0, 0.5]);
        let (w, r, h0) = (constant(&[1, 3, 1], 1.0), constant(&[1, 3, 1], 2.0), constant(&[1, 1, 1], 0.25));
        let out = op.eval(&[&constant(&[1, 1, 1], 1.0), &w, &r, &bias, &h0]).unwrap();
        let gate = 1.0 / (1.0 + (-1.5f64).exp());
        let want = (1.0 - gate) * (1.0 + gate * (0.5 + 0.5)).tanh() + gate * 0.25;
        assert!((out[1].to_f64s()[0] - want).abs() < 1e-6);
    }
}

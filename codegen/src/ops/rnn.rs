//! Plain recurrent layers, and what all recurrent layers are described by.

use super::recurrent::Layer;
use super::{Lower, Rules};
use crate::ir::{Dim, Tensor, Type};
use crate::plan::Arg;
use kiln_kernels::rnn;

/// ONNX RNN, layout 0. Operands: x `[seq, batch, in]`, w `[dirs, h, in]`, r `[dirs, h, h]`, bias `[dirs, 2h]` if `bias`, `lens` i32
/// `[batch]`, `h0` `[dirs, batch, h]`, each if flagged. Results: y `[seq, dirs, batch, h]`, y_h `[dirs, batch, h]`.
#[derive(Clone, PartialEq, Debug)]
pub struct Rnn {
    /// Width of the state.
    pub hidden: usize,
    /// Which way each direction runs.
    pub direction: Direction,
    /// f of each direction.
    pub activations: Vec<Activation>,
    /// Bound on what the activation sees.
    pub clip: Option<f32>,
    /// Whether there is a bias operand.
    pub bias: bool,
    /// Whether there is an operand of sequence lengths.
    pub lens: bool,
    /// Whether there is an operand of the state's start.
    pub h0: bool,
}

/// Which way a recurrent layer walks its sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// First to last.
    Forward,
    /// Last to first.
    Reverse,
    /// Both, as two directions.
    Both,
}

/// An activation of a recurrent layer with its parameters.
#[derive(Clone, Copy, PartialEq, Debug)]
#[allow(missing_docs)] // ONNX's names
pub enum Activation {
    Sigmoid,
    Tanh,
    Relu,
    Affine { alpha: f32, beta: f32 },
    LeakyRelu { alpha: f32 },
    ThresholdedRelu { alpha: f32 },
    ScaledTanh { alpha: f32, beta: f32 },
    HardSigmoid { alpha: f32, beta: f32 },
    Elu { alpha: f32 },
    Softsign,
    Softplus,
}

impl Rules for Rnn {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let (y, state) = self.layer().infer(inputs)?;
        Ok(vec![y, state])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let [y, h, _] = self.layer().eval(inputs, &|step| {
            let f = |x| self.activations[step.dir].of(clipped(x, self.clip));
            let next: Vec<f64> = (0..self.hidden).map(|i| f(step.gate(i))).collect();
            step.state.copy_from_slice(&next);
        })?;
        Ok(vec![y, h])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let layer = self.layer();
        for dirs in layer.calls(&self.activations) {
            let bias = layer.bias(cx, &dirs, layer.gates * self.hidden);
            let mut fields = layer.fields(cx, &dirs, bias, rnn::scratch_len(1, self.hidden, dirs.len()), self.clip)?;
            fields.push(("f", self.activations[dirs.start].arg()));
            cx.call("rnn", "Rnn", fields);
        }
        Ok(())
    }

    fn macs(&self, inputs: &[&Type], _: &[&Type]) -> Dim {
        self.layer().macs(inputs)
    }
}

impl Rnn {
    fn layer(&self) -> Layer {
        Layer {
            gates: 1,
            hidden: self.hidden,
            direction: self.direction,
            n_activations: 1,
            given_activations: self.activations.len(),
            bias: self.bias,
            lens: self.lens,
            h0: self.h0,
            c0: false,
            peephole: false,
        }
    }
}

/// A number held within a bound, if there is one.
pub(super) fn clipped(x: f64, bound: Option<f32>) -> f64 {
    bound.map_or(x, |bound| x.max(-f64::from(bound)).min(f64::from(bound)))
}

impl Activation {
    /// The kernel's value for it.
    pub(super) fn arg(self) -> Arg {
        let unit = |name: &str| Arg::Path(format!("activation::{name}"));
        let alpha = |alpha: f32| ("alpha", Arg::Float(f64::from(alpha)));
        let beta = |beta: f32| ("beta", Arg::Float(f64::from(beta)));
        match self {
            Activation::Sigmoid => unit("Sigmoid"),
            Activation::Tanh => unit("Tanh"),
            Activation::Relu => unit("Relu"),
            Activation::Softsign => unit("Softsign"),
            Activation::Softplus => unit("Softplus"),
            Activation::Affine { alpha: a, beta: b } => Arg::Struct("activation::Affine", vec![alpha(a), beta(b)]),
            Activation::ScaledTanh { alpha: a, beta: b } => {
                Arg::Struct("activation::ScaledTanh", vec![alpha(a), beta(b)])
            }
            Activation::HardSigmoid { alpha: a, beta: b } => {
                Arg::Struct("activation::HardSigmoid", vec![alpha(a), beta(b)])
            }
            Activation::LeakyRelu { alpha: a } => Arg::Struct("activation::LeakyRelu", vec![alpha(a)]),
            Activation::ThresholdedRelu { alpha: a } => Arg::Struct("activation::ThresholdedRelu", vec![alpha(a)]),
            Activation::Elu { alpha: a } => Arg::Struct("activation::Elu", vec![alpha(a)]),
        }
    }

    /// The activation of `x`.
    pub(super) fn of(self, x: f64) -> f64 {
        match self {
            Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Activation::Tanh => x.tanh(),
            Activation::Relu => x.max(0.0),
            Activation::Affine { alpha, beta } => f64::from(alpha) * x + f64::from(beta),
            Activation::LeakyRelu { alpha } => {
                if x < 0.0 {
                    f64::from(alpha) * x
                } else {
                    x
                }
            }
            Activation::ThresholdedRelu { alpha } => {
                if x >= f64::from(alpha) {
                    x
                } else {
                    0.0
                }
            }
            Activation::ScaledTanh { alpha, beta } => f64::from(alpha) * (f64::from(beta) * x).tanh(),
            Activation::HardSigmoid { alpha, beta } => (f64::from(alpha) * x + f64::from(beta)).clamp(0.0, 1.0),
            Activation::Elu { alpha } => {
                if x < 0.0 {
                    f64::from(alpha) * x.exp_m1()
                } else {
                    x
                }
            }
            Activation::Softsign => x / (1.0 + x.abs()),
            Activation::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
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
    fn directions_meet_in_the_result() {
        let op = Rnn {
            hidden: 1,
            direction: Direction::Both,
            activations: vec![Activation::Relu; 2],
            clip: None,
            bias: false,
            lens: true,
            h0: false,
        };
        let x = Tensor::from_f64s(DType::F32, vec![3, 1, 1], &[1.0, 2.0, 4.0]);
        let lens = Tensor::from_i64s(DType::I32, vec![1], &[2]);
        let out = op.eval(&[&x, &constant(&[2, 1, 1], 1.0), &constant(&[2, 1, 1], 1.0), &lens]).unwrap();
        // The third element lies beyond the sequence's length.
        assert_eq!(out[0].to_f64s(), [1.0, 3.0, 3.0, 2.0, 0.0, 0.0]);
        assert_eq!(out[1].to_f64s(), [3.0, 3.0]);
    }
}

//! Normalisation over the innermost axes.

use super::operands::{count, has_shape, is_f32, is_float, is_of, result};
use super::{Lower, Rules};
use crate::ir::{Dim, Tensor, Type};
use crate::plan::Arg;

/// Normalisation over the axes from `axis` on. Operands: x, scale if `scale`, bias if `bias` (both of the normalised axes' shape, or
/// broadcast to it by the front end).
#[derive(Clone, PartialEq, Debug)]
pub struct LayerNorm {
    /// First normalised axis.
    pub axis: usize,
    /// Added to the variance.
    pub epsilon: f32,
    /// Whether there is a scale operand.
    pub scale: bool,
    /// Whether there is a bias operand.
    pub bias: bool,
    /// Divide by the root of the mean square, without subtracting the mean (RMSNorm).
    pub rms: bool,
}

impl Rules for LayerNorm {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        count(inputs, 1 + usize::from(self.scale) + usize::from(self.bias))?;
        let x = inputs[0];
        is_float(x)?;
        if self.axis > x.rank() {
            return Err(format!("axis {} is outside an operand of {} axes", self.axis, x.rank()));
        }
        let names = [("the scale", self.scale), ("the bias", self.bias)];
        for ((what, _), ty) in names.into_iter().filter(|&(_, present)| present).zip(&inputs[1..]) {
            is_of(what, ty, x.dtype)?;
            has_shape(what, ty, &x.shape[self.axis..])?;
        }
        Ok(vec![x.clone()])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let (dtype, dims) = result(self, inputs)?;
        let x = inputs[0].to_f64s();
        let len = dims[self.axis..].iter().product::<usize>().max(1);
        let scale = if self.scale { inputs[1].to_f64s() } else { vec![1.0; len] };
        let bias = if self.bias { inputs[inputs.len() - 1].to_f64s() } else { vec![0.0; len] };
        let mut out = Vec::with_capacity(x.len());
        for row in x.chunks(len) {
            let mean = if self.rms { 0.0 } else { row.iter().sum::<f64>() / len as f64 };
            let variance = row.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / len as f64;
            let factor = 1.0 / (variance + f64::from(self.epsilon)).sqrt();
            out.extend(row.iter().zip(scale.iter().zip(&bias)).map(|(v, (s, b))| (v - mean) * factor * s + b));
        }
        Ok(vec![Tensor::from_f64s(dtype, dims, &out)])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        is_f32(cx.ty(0))?;
        let shape = &cx.ty(0).shape;
        let rows = Dim::product(&shape[..self.axis]);
        let len = Dim::product(&shape[self.axis..]);
        let x = if cx.in_place().is_some() { None } else { Some(cx.input(0)) };
        let gamma = if self.scale { Some(cx.input(1)) } else { None };
        let beta = if self.bias { Some(cx.input(1 + usize::from(self.scale))) } else { None };
        let out = cx.output(0);
        cx.call(
            "normalize",
            if self.rms { "RmsNorm" } else { "LayerNorm" },
            vec![
                ("out", Arg::Write(out)),
                ("x", Arg::ReadOpt(x)),
                ("gamma", Arg::ReadOpt(gamma)),
                ("beta", Arg::ReadOpt(beta)),
                ("rows", Arg::Size(rows)),
                ("len", Arg::Size(len)),
                ("epsilon", Arg::Float(f64::from(self.epsilon))),
            ],
        );
        Ok(())
    }

    fn in_place(&self) -> Vec<usize> {
        vec![0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::DType;

    #[test]
    fn rows_are_normalised_alone() {
        let x = Tensor::from_f64s(DType::F64, vec![2, 2], &[1.0, 3.0, 6.0, 8.0]);
        let op = LayerNorm { axis: 1, epsilon: 0.0, scale: false, bias: false, rms: false };
        assert_eq!(op.eval(&[&x]).unwrap()[0].to_f64s(), [-1.0, 1.0, -1.0, 1.0]);
        assert_eq!(LayerNorm { rms: true, ..op }.eval(&[&x]).unwrap()[0].to_f64s()[2], 6.0 / 50.0f64.sqrt());
    }
}

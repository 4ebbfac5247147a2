//! Normalisation of groups of channels.

use super::operands::{exactly, fixed, has_shape, is_f32, is_float, is_of, result};
use super::{Lower, Rules};
use crate::ir::{Dim, Tensor, Type};
use crate::plan::Arg;

/// Normalisation of groups of channels over all their positions. Operands: x `[n, c, …]` (channels first), scale `[c]`, bias `[c]`.
/// Instance normalisation has as many groups as channels.
#[derive(Clone, PartialEq, Debug)]
pub struct GroupNorm {
    /// Groups the channels fall into.
    pub groups: usize,
    /// Added to the variance.
    pub epsilon: f32,
}

impl Rules for GroupNorm {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x, scale, bias] = exactly(inputs)?;
        is_float(x)?;
        if x.rank() < 2 {
            return Err(format!("an operand of {} axes has no channels", x.rank()));
        }
        let channels = fixed("the channel count", &x.shape[1])?;
        if self.groups == 0 || channels % self.groups != 0 {
            return Err(format!("{channels} channels do not fall into {} groups", self.groups));
        }
        for (what, ty) in [("the scale", scale), ("the bias", bias)] {
            is_of(what, ty, x.dtype)?;
            has_shape(what, ty, &[Dim::from(channels)])?;
        }
        Ok(vec![x.clone()])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let (dtype, dims) = result(self, inputs)?;
        let (x, scale, bias) = (inputs[0].to_f64s(), inputs[1].to_f64s(), inputs[2].to_f64s());
        let spatial: usize = dims[2..].iter().product();
        let mut out = Vec::with_capacity(x.len());
        for group in x.chunks((spatial * dims[1] / self.groups).max(1)) {
            let mean = group.iter().sum::<f64>() / group.len() as f64;
            let variance = group.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / group.len() as f64;
            let factor = 1.0 / (variance + f64::from(self.epsilon)).sqrt();
            for v in group {
                let channel = out.len() / spatial % dims[1];
                out.push((v - mean) * factor * scale[channel] + bias[channel]);
            }
        }
        Ok(vec![Tensor::from_f64s(dtype, dims, &out)])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        is_f32(cx.ty(0))?;
        let shape = &cx.ty(0).shape;
        let channels = fixed("the channel count", &shape[1])?;
        let (n, spatial) = (shape[0].clone(), Dim::product(&shape[2..]));
        let x = if cx.in_place().is_some() { None } else { Some(cx.input(0)) };
        let (gamma, beta, out) = (cx.input(1), cx.input(2), cx.output(0));
        cx.call(
            "normalize",
            "GroupNorm",
            vec![
                ("out", Arg::Write(out)),
                ("x", Arg::ReadOpt(x)),
                ("gamma", Arg::ReadOpt(Some(gamma))),
                ("beta", Arg::ReadOpt(Some(beta))),
                ("n", Arg::Size(n)),
                ("groups", Arg::Size(Dim::from(self.groups))),
                ("channels_per_group", Arg::Size(Dim::from(channels / self.groups))),
                ("spatial", Arg::Size(spatial)),
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
    fn each_group_has_mean_zero_before_scale_and_bias() {
        let x = Tensor::from_f64s(DType::F64, vec![1, 2, 2], &[1.0, 3.0, 10.0, 30.0]);
        let (scale, bias) =
            (Tensor::from_f64s(DType::F64, vec![2], &[1.0, 2.0]), Tensor::from_f64s(DType::F64, vec![2], &[0.0, 5.0]));
        let out = GroupNorm { groups: 2, epsilon: 0.0 }.eval(&[&x, &scale, &bias]).unwrap();
        assert_eq!(out[0].to_f64s(), [-1.0, 1.0, 3.0, 7.0]);
    }
}

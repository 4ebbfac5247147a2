//! Softmax and its logarithm.

use super::operands::{around, exactly, has_axis, is_f32, is_float, parts, result};
use super::{Lower, Rules};
use crate::ir::{Tensor, Type};
use crate::plan::Arg;

/// Softmax along one axis. One operand.
#[derive(Clone, PartialEq, Debug)]
pub struct Softmax {
    /// The axis.
    pub axis: usize,
    /// Whether the result is its logarithm.
    pub log: bool,
}

impl Rules for Softmax {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x] = exactly(inputs)?;
        has_axis(x, self.axis)?;
        is_float(x)?;
        Ok(vec![x.clone()])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let (dtype, dims) = result(self, inputs)?;
        let mut out = inputs[0].to_f64s();
        let [outer, len, inner] = around(&dims, self.axis);
        for at in 0..outer * inner {
            let element = |i: usize| (at / inner * len + i) * inner + at % inner;
            let most = (0..len).fold(f64::NEG_INFINITY, |most, i| most.max(out[element(i)]));
            let sum: f64 = (0..len).map(|i| (out[element(i)] - most).exp()).sum();
            for i in 0..len {
                let above = out[element(i)] - most;
                out[element(i)] = if self.log { above - sum.ln() } else { above.exp() / sum };
            }
        }
        Ok(vec![Tensor::from_f64s(dtype, dims, &out)])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let shape = &cx.ty(0).shape;
        is_f32(cx.ty(0))?;
        let [outer, len, inner] = parts(shape, self.axis);
        let x = if cx.in_place().is_some() { None } else { Some(cx.input(0)) };
        let out = cx.output(0);
        cx.call(
            "softmax",
            if self.log { "LogSoftmax" } else { "Softmax" },
            vec![
                ("out", Arg::Write(out)),
                ("x", Arg::ReadOpt(x)),
                ("outer", Arg::Size(outer)),
                ("len", Arg::Size(len)),
                ("inner", Arg::Size(inner)),
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
    fn parts_add_up_to_one_along_the_axis() {
        let x = Tensor::from_f64s(DType::F64, vec![2, 2], &[0.0, 1000.0, 0.0, 1000.0]);
        assert_eq!(Softmax { axis: 0, log: false }.eval(&[&x]).unwrap()[0].to_f64s(), [0.5; 4]);
        assert_eq!(Softmax { axis: 1, log: true }.eval(&[&x]).unwrap()[0].to_f64s(), [-1000.0, 0.0, -1000.0, 0.0]);
    }
}

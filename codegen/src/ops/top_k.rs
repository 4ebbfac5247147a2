//! The greatest or least elements along an axis.

use super::operands::{around, exactly, has_axis, is_number, order, parts, results};
use super::{Lower, Rules};
use crate::ir::{DType, Dim, Tensor, Type};
use crate::plan::Arg;

/// The greatest or least elements along an axis and their indices (`i64`). One operand, two results.
#[derive(Clone, PartialEq, Debug)]
pub struct TopK {
    /// The axis.
    pub axis: usize,
    /// How many.
    pub k: Dim,
    /// Greatest rather than least.
    pub largest: bool,
    /// Whether they come in order.
    pub sorted: bool,
}

impl Rules for TopK {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x] = exactly(inputs)?;
        has_axis(x, self.axis)?;
        is_number(x)?;
        let excess = self.k.clone() - x.shape[self.axis].clone();
        if excess.as_const().is_some_and(|excess| excess > 0) || self.k.as_const().is_some_and(|k| k < 0) {
            return Err(format!("there are no {} elements along axis {} of {x}", self.k, self.axis));
        }
        let mut shape = x.shape.clone();
        shape[self.axis] = self.k.clone();
        Ok(vec![Type { dtype: x.dtype, shape: shape.clone() }, Type { dtype: DType::I64, shape }])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let all = results(self, inputs)?;
        let dims = &all[0].1;
        let x = inputs[0];
        let [outer, len, inner] = around(x.shape(), self.axis);
        let k = dims[self.axis];
        let better = order(x, self.largest);
        let mut picks = vec![0; outer * k * inner];
        for at in 0..outer * inner {
            let element = |i: usize| (at / inner * len + i) * inner + at % inner;
            let mut ranked: Vec<usize> = (0..len).collect();
            // A stable sort: of equals the first comes first.
            ranked.sort_by(|&a, &b| better(element(a), element(b)));
            for (i, &pick) in ranked[..k].iter().enumerate() {
                picks[(at / inner * k + i) * inner + at % inner] = pick;
            }
        }
        let source = |(at, &pick): (usize, &usize)| (at / (k * inner) * len + pick) * inner + at % inner;
        let values = x.picked(dims.clone(), picks.iter().enumerate().map(source));
        let indices: Vec<i64> = picks.iter().map(|&pick| pick as i64).collect();
        Ok(vec![values, Tensor::from_i64s(DType::I64, dims.clone(), &indices)])
    }

    fn dims_mut(&mut self) -> Vec<&mut Dim> {
        vec![&mut self.k]
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let [outer, len, inner] = parts(&cx.ty(0).shape, self.axis);
        let (values, indices, x) = (cx.output(0), cx.output(1), cx.input(0));
        cx.call(
            "topk",
            "TopK",
            vec![
                ("values", Arg::Write(values)),
                ("indices", Arg::Write(indices)),
                ("x", Arg::Read(x)),
                ("outer", Arg::Size(outer)),
                ("len", Arg::Size(len)),
                ("inner", Arg::Size(inner)),
                ("k", Arg::Size(self.k.clone())),
                ("largest", Arg::Bool(self.largest)),
                ("sorted", Arg::Bool(self.sorted)),
            ],
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_keep_their_order() {
        let x = Tensor::from_f64s(DType::F32, vec![1, 4], &[1.0, 3.0, 2.0, 3.0]);
        let run = |largest| TopK { axis: 1, k: Dim::from(2usize), largest, sorted: true }.eval(&[&x]).unwrap();
        assert_eq!(run(true)[0].to_f64s(), [3.0, 3.0]);
        assert_eq!(run(true)[1].to_i64s(), [1, 3]);
        assert_eq!(run(false)[1].to_i64s(), [0, 2]);
    }
}

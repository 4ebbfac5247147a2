//! Slices picked by index along an axis.

use super::operands::{around, exactly, has_axis, is_index, parts, result, wrapped};
use super::{Lower, Rules};
use crate::ir::{Tensor, Type};
use crate::plan::Arg;

/// ONNX Gather. Operands: data, indices (i32 or i64, negative from the end).
#[derive(Clone, PartialEq, Debug)]
pub struct Gather {
    /// Axis picked from.
    pub axis: usize,
}

impl Rules for Gather {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [data, picks] = exactly(inputs)?;
        has_axis(data, self.axis)?;
        is_index(picks)?;
        let shape = [&data.shape[..self.axis], &picks.shape, &data.shape[self.axis + 1..]].concat();
        Ok(vec![Type { dtype: data.dtype, shape }])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let (_, dims) = result(self, inputs)?;
        let (data, at) = (inputs[0], inputs[1].to_i64s());
        let [outer, len, inner] = around(data.shape(), self.axis);
        let at = at.into_iter().map(|i| wrapped(i, len)).collect::<Result<Vec<usize>, _>>()?;
        let picks =
            (0..outer).flat_map(|o| at.iter().flat_map(move |i| (0..inner).map(move |n| (o * len + i) * inner + n)));
        Ok(vec![data.picked(dims, picks)])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let [outer, axis_len, inner] = parts(&cx.ty(0).shape, self.axis);
        let (out, x, indices) = (cx.output(0), cx.input(0), cx.input(1));
        cx.call(
            "gather",
            "Gather",
            vec![
                ("out", Arg::Write(out)),
                ("x", Arg::Read(x)),
                ("indices", Arg::Read(indices)),
                ("outer", Arg::Size(outer)),
                ("axis_len", Arg::Size(axis_len)),
                ("inner", Arg::Size(inner)),
            ],
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::DType;

    #[test]
    fn indices_count_from_either_end() {
        let data = Tensor::from_i64s(DType::I32, vec![3, 2], &[1, 2, 3, 4, 5, 6]);
        let out = Gather { axis: 0 }.eval(&[&data, &Tensor::ints(&[-1, 0])]).unwrap();
        assert_eq!(out[0].to_i64s(), [5, 6, 1, 2]);
        let error = Gather { axis: 0 }.eval(&[&data, &Tensor::ints(&[3])]).unwrap_err();
        assert_eq!(error, "index 3 is outside an axis of 3 elements");
    }
}

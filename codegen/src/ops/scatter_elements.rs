//! Elements written where indices say along an axis.

use super::gather_elements::{elements, within};
use super::operands::{exactly, has_axis, has_shape, is_index, is_of, result};
use super::scatter_nd::{Reduction, data_to_result, meets};
use super::{Lower, Rules};
use crate::ir::{Dim, Tensor, Type};
use crate::plan::Arg;

/// ONNX ScatterElements. Operands: data, indices (i32 or i64), updates.
#[derive(Clone, PartialEq, Debug)]
pub struct ScatterElements {
    /// Axis written along.
    pub axis: usize,
    /// How an update meets what is there.
    pub reduction: Reduction,
}

impl Rules for ScatterElements {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [data, picks, updates] = exactly(inputs)?;
        has_axis(data, self.axis)?;
        is_index(picks)?;
        within(data, picks, self.axis)?;
        is_of("the update", updates, data.dtype)?;
        has_shape("the update", updates, &picks.shape)?;
        meets(self.reduction, data)?;
        Ok(vec![data.clone()])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        result(self, inputs)?;
        let targets = elements(inputs[0].shape(), inputs[1], self.axis)?;
        Ok(vec![self.reduction.apply(inputs[0], &targets, inputs[2])])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let (dims_idx, x_dims) = (cx.ty(1).shape.clone(), cx.ty(0).shape.clone());
        data_to_result(cx);
        let (out, indices, updates) = (cx.output(0), cx.input(1), cx.input(2));
        cx.call(
            "scatter",
            "ScatterElements",
            vec![
                ("out", Arg::Write(out)),
                ("updates", Arg::Read(updates)),
                ("indices", Arg::Read(indices)),
                ("dims_idx", Arg::Sizes(dims_idx)),
                ("x_dims", Arg::Sizes(x_dims)),
                ("axis", Arg::Size(Dim::from(self.axis))),
                ("reduction", self.reduction.arg()),
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
    fn updates_meet_what_is_there() {
        let data = Tensor::from_i64s(DType::I32, vec![1, 3], &[1, 2, 3]);
        let picks = Tensor::from_i64s(DType::I64, vec![1, 2], &[1, -1]);
        let updates = Tensor::from_i64s(DType::I32, vec![1, 2], &[10, 20]);
        let run =
            |reduction| ScatterElements { axis: 1, reduction }.eval(&[&data, &picks, &updates]).unwrap()[0].to_i64s();
        assert_eq!(run(Reduction::None), [1, 10, 20]);
        assert_eq!(run(Reduction::Add), [1, 12, 23]);
        assert_eq!(run(Reduction::Min), [1, 2, 3]);
    }
}

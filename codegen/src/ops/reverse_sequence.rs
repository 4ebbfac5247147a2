//! The first elements of each row in reverse order.

use super::operands::{exactly, has_axis, has_shape, is_of, result};
use super::{Lower, Rules};
use crate::ir::{DType, Dim, Tensor, Type, indices, strides};
use crate::plan::Arg;

/// ONNX ReverseSequence. Operands: x, lengths i64 `[batch]`.
#[derive(Clone, PartialEq, Debug)]
pub struct ReverseSequence {
    /// Axis of the batch.
    pub batch_axis: usize,
    /// Axis reversed.
    pub time_axis: usize,
}

impl Rules for ReverseSequence {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x, lens] = exactly(inputs)?;
        has_axis(x, self.batch_axis)?;
        has_axis(x, self.time_axis)?;
        if self.batch_axis == self.time_axis {
            return Err(format!("axis {} cannot be both batch and time", self.batch_axis));
        }
        is_of("the lengths", lens, DType::I64)?;
        has_shape("the lengths", lens, &x.shape[self.batch_axis..=self.batch_axis])?;
        Ok(vec![x.clone()])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let (_, dims) = result(self, inputs)?;
        let x = inputs[0];
        let lens = inputs[1].to_i64s();
        let time = dims[self.time_axis];
        if let Some(len) = lens.iter().find(|&&len| usize::try_from(len).is_ok_and(|len| len <= time).eq(&false)) {
            return Err(format!("a length of {len} does not fit an axis of {time}"));
        }
        let steps = strides(&dims);
        let from = |mut index: Vec<usize>| {
            let len = lens[index[self.batch_axis]] as usize;
            let at = index[self.time_axis];
            index[self.time_axis] = if at < len { len - 1 - at } else { at };
            index.iter().zip(&steps).map(|(i, s)| i * s).sum()
        };
        Ok(vec![x.picked(dims.clone(), indices(&dims).map(from))])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        if self.batch_axis.max(self.time_axis) > 1 {
            let axes = (self.batch_axis, self.time_axis);
            return Err(format!("batch and time along axes {axes:?} are not supported; the first two axes work"));
        }
        let shape = cx.ty(0).shape.clone();
        let (out, x, lens) = (cx.output(0), cx.input(0), cx.input(1));
        cx.call(
            "reverse_sequence",
            "ReverseSequence",
            vec![
                ("out", Arg::Write(out)),
                ("x", Arg::Read(x)),
                ("lens", Arg::Read(lens)),
                ("batch", Arg::Size(shape[self.batch_axis].clone())),
                ("time", Arg::Size(shape[self.time_axis].clone())),
                ("inner", Arg::Size(Dim::product(&shape[2..]))),
                ("time_first", Arg::Bool(self.time_axis == 0)),
            ],
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_elements_turn() {
        let x = Tensor::from_i64s(DType::I32, vec![2, 3], &[1, 2, 3, 4, 5, 6]);
        let op = ReverseSequence { batch_axis: 0, time_axis: 1 };
        assert_eq!(op.eval(&[&x, &Tensor::ints(&[2, 3])]).unwrap()[0].to_i64s(), [2, 1, 3, 6, 5, 4]);
        assert!(op.eval(&[&x, &Tensor::ints(&[2, 4])]).is_err());
        assert!(op.eval(&[&x, &Tensor::ints(&[2, -1])]).is_err());
    }
}

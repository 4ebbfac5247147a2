//! The places of the elements that are not zero.

use super::operands::exactly;
use super::{Lower, Rules};
use crate::ir::{DType, Dim, Tensor, Type, indices};
use crate::plan::Arg;

/// ONNX NonZero. One operand; the result `[axes, count]` (i64) holds an index a column.
#[derive(Clone, PartialEq, Debug)]
pub struct NonZero {
    /// The symbol of how many there are.
    pub count: String,
}

impl Rules for NonZero {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x] = exactly(inputs)?;
        Ok(vec![Type::new(DType::I64, [Dim::from(x.rank()), Dim::symbol(&self.count)])])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let [x] = inputs else { return Err("takes one operand".into()) };
        let places: Vec<Vec<usize>> =
            indices(x.shape()).zip(x.to_f64s()).filter(|(_, value)| *value != 0.0).map(|(index, _)| index).collect();
        let rank = x.shape().len();
        let rows: Vec<i64> = (0..rank).flat_map(|axis| places.iter().map(move |index| index[axis] as i64)).collect();
        Ok(vec![Tensor::from_i64s(DType::I64, vec![rank, places.len()], &rows)])
    }

    fn count(&self) -> Option<&str> {
        Some(&self.count)
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let dims = cx.ty(0).shape.clone();
        let (out, x) = (cx.output_at_most(0), cx.input(0));
        cx.call_counting(
            "non_zero",
            "NonZero",
            vec![("out", Arg::Write(out)), ("x", Arg::Read(x)), ("dims", Arg::Sizes(dims))],
        );
        Ok(())
    }
}

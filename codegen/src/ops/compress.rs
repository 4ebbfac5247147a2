//! The slices a condition selects.

use super::operands::{around, exactly, has_axis, is_of, parts};
use super::{Lower, Rules};
use crate::ir::{DType, Dim, Tensor, Type};
use crate::plan::Arg;

/// ONNX Compress along an axis. Operands: the data, and a condition (bool) for each slice, those it lacks being false.
#[derive(Clone, PartialEq, Debug)]
pub struct Compress {
    /// Axis selected along.
    pub axis: usize,
    /// The symbol of how many slices are selected.
    pub count: String,
}

impl Rules for Compress {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x, condition] = exactly(inputs)?;
        has_axis(x, self.axis)?;
        is_of("the condition", condition, DType::Bool)?;
        let mut shape = x.shape.clone();
        shape[self.axis] = Dim::symbol(&self.count);
        Ok(vec![Type { shape, ..(*x).clone() }])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let [x, condition] = inputs else { return Err("takes two operands".into()) };
        let [outer, len, inner] = around(x.shape(), self.axis);
        let kept: Vec<usize> =
            condition.to_i64s().iter().enumerate().filter(|(_, c)| **c != 0).map(|(at, _)| at).collect();
        if kept.iter().any(|&at| at >= len) {
            return Err(format!("its condition is longer than an axis of {len}"));
        }
        let mut shape = x.shape().to_vec();
        shape[self.axis] = kept.len();
        let picks = (0..outer)
            .flat_map(|o| kept.iter().flat_map(move |at| (0..inner).map(move |i| (o * len + at) * inner + i)));
        Ok(vec![x.picked(shape, picks)])
    }

    fn count(&self) -> Option<&str> {
        Some(&self.count)
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let [outer, axis_len, inner] = parts(&cx.ty(0).shape, self.axis);
        let (out, x, condition) = (cx.output_at_most(0), cx.input(0), cx.input(1));
        cx.call_counting(
            "compress",
            "Compress",
            vec![
                ("out", Arg::Write(out)),
                ("x", Arg::Read(x)),
                ("condition", Arg::Read(condition)),
                ("outer", Arg::Size(outer)),
                ("axis_len", Arg::Size(axis_len)),
                ("inner", Arg::Size(inner)),
            ],
        );
        Ok(())
    }
}

//! Running sums.

use super::operands::{around, exactly, has_axis, is_number, parts, result};
use super::{Lower, Rules};
use crate::ir::{Tensor, Type};
use crate::plan::Arg;

/// Running sum along an axis. One operand.
#[derive(Clone, PartialEq, Debug)]
pub struct CumSum {
    /// Axis summed along.
    pub axis: usize,
    /// Whether an element leaves itself out.
    pub exclusive: bool,
    /// Whether sums run from the end.
    pub reverse: bool,
}

impl Rules for CumSum {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x] = exactly(inputs)?;
        has_axis(x, self.axis)?;
        is_number(x)?;
        Ok(vec![x.clone()])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let (dtype, dims) = result(self, inputs)?;
        let [outer, len, inner] = around(&dims, self.axis);
        let (floats, ints) = (inputs[0].to_f64s(), inputs[0].to_i64s());
        let (mut float_sums, mut int_sums) = (floats.clone(), ints.clone());
        for at in 0..outer * inner {
            let (mut float, mut int) = (0.0, 0i64);
            for i in 0..len {
                let i = if self.reverse { len - 1 - i } else { i };
                let element = (at / inner * len + i) * inner + at % inner;
                let before = (float, int);
                (float, int) = (float + floats[element], int.wrapping_add(ints[element]));
                (float_sums[element], int_sums[element]) = if self.exclusive { before } else { (float, int) };
            }
        }
        Ok(vec![match dtype.is_float() {
            true => Tensor::from_f64s(dtype, dims, &float_sums),
            false => Tensor::from_i64s(dtype, dims, &int_sums),
        }])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let [outer, len, inner] = parts(&cx.ty(0).shape, self.axis);
        let (out, x) = (cx.output(0), cx.input(0));
        cx.call(
            "cumulative",
            "Cumulative",
            vec![
                ("out", Arg::Write(out)),
                ("x", Arg::Read(x)),
                ("outer", Arg::Size(outer)),
                ("len", Arg::Size(len)),
                ("inner", Arg::Size(inner)),
                ("exclusive", Arg::Bool(self.exclusive)),
                ("reverse", Arg::Bool(self.reverse)),
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
    fn sums_run_either_way_with_or_without_the_element() {
        let x = Tensor::from_i64s(DType::I32, vec![3], &[1, 2, 3]);
        let sums = |exclusive, reverse| CumSum { axis: 0, exclusive, reverse }.eval(&[&x]).unwrap()[0].to_i64s();
        assert_eq!(sums(false, false), [1, 3, 6]);
        assert_eq!(sums(true, false), [0, 1, 3]);
        assert_eq!(sums(false, true), [6, 5, 3]);
        assert_eq!(sums(true, true), [5, 3, 0]);
    }
}

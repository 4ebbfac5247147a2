//! Where the greatest or least element along an axis stands.

use super::operands::{around, exactly, has_axis, order, parts, reduced, result};
use super::{Lower, Rules};
use crate::ir::{DType, Tensor, Type};
use crate::plan::Arg;
use std::cmp::Ordering;

/// Index of the greatest or least element along an axis, as `i64`. One operand.
#[derive(Clone, PartialEq, Debug)]
pub struct ArgReduce {
    /// Axis searched.
    pub axis: usize,
    /// Greatest rather than least.
    pub largest: bool,
    /// The last of equals rather than the first.
    pub last: bool,
    /// Whether the axis stays, with size one.
    pub keep: bool,
}

impl Rules for ArgReduce {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x] = exactly(inputs)?;
        has_axis(x, self.axis)?;
        if x.shape[self.axis].is(0) {
            return Err(format!("axis {} of {x} is empty and has no greatest element", self.axis));
        }
        Ok(vec![Type { dtype: DType::I64, shape: reduced(&x.shape, &[self.axis], self.keep) }])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let (_, dims) = result(self, inputs)?;
        let x = inputs[0];
        let [outer, len, inner] = around(x.shape(), self.axis);
        let (better, floats) = (order(x, self.largest), x.to_f64s());
        // NaN wins over any number, whichever is sought.
        let better = |a: usize, b: usize| floats[b].is_nan().cmp(&floats[a].is_nan()).then_with(|| better(a, b));
        let picks: Vec<i64> = (0..outer * inner)
            .map(|at| {
                let element = |i: usize| (at / inner * len + i) * inner + at % inner;
                let best = (1..len).fold(0, |best, i| match better(element(i), element(best)) {
                    Ordering::Less => i,
                    Ordering::Equal if self.last => i,
                    _ => best,
                });
                best as i64
            })
            .collect();
        Ok(vec![Tensor::from_i64s(DType::I64, dims, &picks)])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let [outer, len, inner] = parts(&cx.ty(0).shape, self.axis);
        let (out, x) = (cx.output(0), cx.input(0));
        cx.call(
            "arg_reduce",
            "ArgReduce",
            vec![
                ("out", Arg::Write(out)),
                ("x", Arg::Read(x)),
                ("outer", Arg::Size(outer)),
                ("len", Arg::Size(len)),
                ("inner", Arg::Size(inner)),
                ("largest", Arg::Bool(self.largest)),
                ("last", Arg::Bool(self.last)),
            ],
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_go_to_the_first_or_the_last() {
        let x = Tensor::from_f64s(DType::F32, vec![2, 3], &[2.0, 5.0, 5.0, 1.0, 1.0, 4.0]);
        let pick = |largest, last| ArgReduce { axis: 1, largest, last, keep: false }.eval(&[&x]).unwrap()[0].to_i64s();
        assert_eq!(pick(true, false), [1, 2]);
        assert_eq!(pick(true, true), [2, 2]);
        assert_eq!(pick(false, true), [0, 1]);
    }

    #[test]
    fn an_empty_axis_has_no_greatest_element() {
        let ty = Type::new(DType::F32, [2usize, 0]);
        assert!(ArgReduce { axis: 1, largest: true, last: false, keep: true }.infer(&[&ty]).is_err());
    }
}

//! Regular selections.

use super::operands::{exactly, result};
use super::walk::{Walk, dense, picks};
use super::{Lower, Rules};
use crate::ir::{Dim, Tensor, Type, strides};

/// A regular selection: along each axis `len` elements from `start` by `step`. One operand.
#[derive(Clone, PartialEq, Debug)]
pub struct Slice {
    /// One entry an axis.
    pub axes: Vec<SliceAxis>,
}

/// The selection along one axis.
#[derive(Clone, PartialEq, Debug)]
pub struct SliceAxis {
    /// First element, within the operand.
    pub start: Dim,
    /// Distance between elements; may be negative, never zero.
    pub step: i64,
    /// How many.
    pub len: Dim,
}

impl Rules for Slice {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x] = exactly(inputs)?;
        if self.axes.len() != x.rank() {
            return Err(format!(
                "a selection of {} axes does not fit an operand of {} axes",
                self.axes.len(),
                x.rank()
            ));
        }
        for (axis, (selected, size)) in self.axes.iter().zip(&x.shape).enumerate() {
            if selected.step == 0 {
                return Err(format!("a step of 0 along axis {axis} never ends"));
            }
            if selected.len.as_const().is_some_and(|len| len < 0) {
                return Err(format!("a selection of {} elements along axis {axis} is none", selected.len));
            }
            let known = (selected.start.as_const(), selected.len.as_const(), size.as_const());
            if let (Some(start), Some(len), Some(size)) = known
                && len > 0
            {
                let last = i128::from(start) + i128::from(len - 1) * i128::from(selected.step);
                let inside = |at: i128| at >= 0 && at < i128::from(size);
                if !inside(i128::from(start)) || !inside(last) {
                    return Err(format!("elements {start} to {last} along axis {axis} are not all in {x}"));
                }
            }
        }
        Ok(vec![Type { dtype: x.dtype, shape: self.axes.iter().map(|axis| axis.len.clone()).collect() }])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let (_, dims) = result(self, inputs)?;
        let x = inputs[0];
        let steps = strides(x.shape());
        if dims.contains(&0) {
            return Ok(vec![x.picked(dims, std::iter::empty())]);
        }
        let mut offset = 0;
        for (axis, step) in self.axes.iter().zip(&steps) {
            offset += axis.start.as_usize().ok_or_else(|| format!("{} is not known", axis.start))? * step;
        }
        let steps: Vec<isize> = self
            .axes
            .iter()
            .zip(&steps)
            .map(|(axis, &step)| (axis.step as isize).wrapping_mul(step as isize))
            .collect();
        Ok(vec![x.picked(dims.clone(), picks(&dims, offset, &steps))])
    }

    fn dims_mut(&mut self) -> Vec<&mut Dim> {
        self.axes.iter_mut().flat_map(|axis| [&mut axis.start, &mut axis.len]).collect()
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let strides = dense(&cx.ty(0).shape);
        let (mut offset, mut steps) = (Dim::from(0), Vec::new());
        for (axis, stride) in self.axes.iter().zip(strides) {
            offset = offset + axis.start.clone() * stride.clone();
            steps.push(Dim::from(axis.step) * stride);
        }
        let walk = Walk::to_all(&cx.out_ty(0).shape, offset, steps);
        let (out, x) = (cx.output(0), cx.input(0));
        walk.call(cx, out, x);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::DType;

    #[test]
    fn steps_may_go_back() {
        let x = Tensor::from_i64s(DType::I32, vec![2, 3], &[1, 2, 3, 4, 5, 6]);
        let axis = |start: i64, step, len: i64| SliceAxis { start: Dim::from(start), step, len: Dim::from(len) };
        let run = |a, b| Slice { axes: vec![a, b] }.eval(&[&x]);
        assert_eq!(run(axis(1, 1, 1), axis(2, -2, 2)).unwrap()[0].to_i64s(), [6, 4]);
        assert!(run(axis(1, 1, 1), axis(2, -2, 3)).is_err());
        assert!(run(axis(0, 0, 1), axis(0, 1, 1)).is_err());
        assert!(run(axis(0, i64::MAX, 2), axis(i64::MIN, i64::MIN, i64::MAX)).is_err());
    }
}

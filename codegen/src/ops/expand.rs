//! Broadcasting to a shape.

use super::operands::{exactly, result};
use super::walk::{Walk, dense, picks};
use super::{Lower, Rules};
use crate::ir::{Dim, Shape, Tensor, Type, strides};

/// The operand broadcast to exactly `shape` (already the broadcast result of both). One operand.
#[derive(Clone, PartialEq, Debug)]
pub struct Expand {
    /// The result's shape.
    pub shape: Shape,
}

impl Rules for Expand {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x] = exactly(inputs)?;
        let stretches = x.rank() <= self.shape.len()
            && x.shape.iter().rev().zip(self.shape.iter().rev()).all(|(from, to)| from == to || from.is(1));
        if !stretches {
            return Err(format!("{x} does not broadcast to {:?}", self.shape));
        }
        Ok(vec![Type { dtype: x.dtype, shape: self.shape.clone() }])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let (_, dims) = result(self, inputs)?;
        let x = inputs[0];
        let steps = strides(x.shape());
        let lead = dims.len() - x.shape().len();
        let step = |axis: usize| match axis.checked_sub(lead) {
            Some(at) if x.shape()[at] != 1 => steps[at] as isize,
            _ => 0,
        };
        let steps: Vec<isize> = (0..dims.len()).map(step).collect();
        Ok(vec![x.picked(dims.clone(), picks(&dims, 0, &steps))])
    }

    fn dims_mut(&mut self) -> Vec<&mut Dim> {
        self.shape.iter_mut().collect()
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let x_shape = &cx.ty(0).shape;
        let steps = dense(x_shape);
        let lead = self.shape.len() - x_shape.len();
        let step = |axis: usize| match axis.checked_sub(lead) {
            Some(at) if x_shape[at] == self.shape[axis] => steps[at].clone(),
            _ => Dim::from(0),
        };
        let walk = Walk::to_all(&self.shape, Dim::from(0), (0..self.shape.len()).map(step).collect());
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
    fn ones_stretch_and_nothing_else() {
        let x = Tensor::from_i64s(DType::I32, vec![2, 1], &[1, 2]);
        let to = |dims: [usize; 3]| Expand { shape: dims.map(Dim::from).to_vec() };
        assert_eq!(to([2, 2, 2]).eval(&[&x]).unwrap()[0].to_i64s(), [1, 1, 2, 2, 1, 1, 2, 2]);
        assert!(to([2, 3, 2]).eval(&[&x]).is_err());
    }
}

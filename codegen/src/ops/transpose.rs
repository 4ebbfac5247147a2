//! Axes in another order.

use super::operands::{exactly, result};
use super::walk::{Walk, dense, picks};
use super::{Lower, Rules};
use crate::ir::{Dim, Tensor, Type, strides};

/// Axes reordered: axis `i` of the result is axis `perm[i]` of the operand. One operand.
#[derive(Clone, PartialEq, Debug)]
pub struct Transpose {
    /// For each axis of the result, the operand's.
    pub perm: Vec<usize>,
}

impl Rules for Transpose {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x] = exactly(inputs)?;
        let permutes = self.perm.len() == x.rank() && (0..x.rank()).all(|axis| self.perm.contains(&axis));
        if !permutes {
            return Err(format!("{:?} does not permute the axes of {x}", self.perm));
        }
        Ok(vec![Type { dtype: x.dtype, shape: self.perm.iter().map(|&axis| x.shape[axis].clone()).collect() }])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let (_, dims) = result(self, inputs)?;
        let steps = strides(inputs[0].shape());
        let steps: Vec<isize> = self.perm.iter().map(|&axis| steps[axis] as isize).collect();
        Ok(vec![inputs[0].picked(dims.clone(), picks(&dims, 0, &steps))])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let strides = dense(&cx.ty(0).shape);
        let strides = self.perm.iter().map(|&axis| strides[axis].clone()).collect();
        let walk = Walk::to_all(&cx.out_ty(0).shape, Dim::from(0), strides);
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
    fn axes_move() {
        let x = Tensor::from_i64s(DType::I16, vec![2, 1, 3], &[1, 2, 3, 4, 5, 6]);
        let out = Transpose { perm: vec![2, 0, 1] }.eval(&[&x]).unwrap();
        assert_eq!((out[0].shape(), out[0].to_i64s()), (&[3, 2, 1][..], vec![1, 4, 2, 5, 3, 6]));
        assert!(Transpose { perm: vec![0, 0, 1] }.eval(&[&x]).is_err());
    }
}

//! Operands joined along an axis.

use super::operands::{has_axis, result};
use super::walk::{Walk, dense};
use super::{Lower, Rules};
use crate::ir::{Dim, Tensor, Type};

/// Operands joined along an axis. Any number of operands.
#[derive(Clone, PartialEq, Debug)]
pub struct Concat {
    /// Axis joined along.
    pub axis: usize,
}

impl Rules for Concat {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let Some((first, rest)) = inputs.split_first() else {
            return Err("takes at least one operand".to_string());
        };
        has_axis(first, self.axis)?;
        let mut result = (*first).clone();
        for ty in rest {
            let fits = ty.rank() == first.rank()
                && ty.dtype == first.dtype
                && (0..ty.rank()).all(|axis| axis == self.axis || ty.shape[axis] == first.shape[axis]);
            if !fits {
                return Err(format!("{first} and {ty} do not join along axis {}", self.axis));
            }
            let size = &mut result.shape[self.axis];
            *size = size.clone() + ty.shape[self.axis].clone();
        }
        Ok(vec![result])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let (dtype, dims) = result(self, inputs)?;
        let outer: usize = dims[..self.axis].iter().product();
        let mut bytes = Vec::with_capacity(dims.iter().product::<usize>() * dtype.bytes());
        for row in 0..outer {
            for x in inputs {
                let run = x.bytes().len() / outer;
                bytes.extend_from_slice(&x.bytes()[row * run..][..run]);
            }
        }
        Tensor::from_bytes(dtype, dims, bytes).map(|t| vec![t]).ok_or_else(|| "sizes do not add up".to_string())
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let out_strides = dense(&cx.out_ty(0).shape);
        let mut start = Dim::from(0);
        let size = &cx.out_ty(0).shape[self.axis];
        // The type rule adds the operands' sizes up, so this ends with the last operand that has elements.
        for i in 0.. {
            if start == *size {
                break;
            }
            let shape = &cx.ty(i).shape;
            let walk = Walk {
                dims: shape.clone(),
                out_offset: start.clone() * out_strides[self.axis].clone(),
                out_strides: out_strides.clone(),
                x_offset: Dim::from(0),
                x_strides: dense(shape),
            };
            start = start + shape[self.axis].clone();
            let (out, x) = (cx.output(0), cx.input(i));
            walk.call(cx, out, x);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::DType;

    #[test]
    fn sizes_along_the_axis_add_up() {
        let (n, x) = (Dim::symbol("n"), Type::new(DType::F32, [2i64, 3]));
        let y = Type { dtype: DType::F32, shape: vec![Dim::from(2i64), n.clone()] };
        assert_eq!(Concat { axis: 1 }.infer(&[&x, &y]).unwrap()[0].shape[1], n + Dim::from(3i64));
        assert!(Concat { axis: 0 }.infer(&[&x, &y]).is_err());
    }

    #[test]
    fn runs_alternate() {
        let x = Tensor::from_i64s(DType::U8, vec![2, 2], &[1, 2, 3, 4]);
        let y = Tensor::from_i64s(DType::U8, vec![2, 1], &[5, 6]);
        assert_eq!(Concat { axis: 1 }.eval(&[&x, &y]).unwrap()[0].to_i64s(), [1, 2, 5, 3, 4, 6]);
    }
}

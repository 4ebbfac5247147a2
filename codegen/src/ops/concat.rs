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
            let apart = || format!("{first} and {ty} do not join along axis {}", self.axis);
            if ty.rank() != first.rank() || ty.dtype != first.dtype {
                return Err(apart());
            }
            for (axis, (size, own)) in result.shape.iter_mut().zip(&ty.shape).enumerate() {
                *size =
                    if axis == self.axis { size.clone() + own.clone() } else { size.agreed(own).ok_or_else(apart)? };
            }
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

    fn equalities(&self, inputs: &[&Type], outputs: &[&Type]) -> Vec<(Dim, Dim)> {
        let sizes = inputs.iter().flat_map(|ty| ty.shape.iter().zip(&outputs[0].shape).enumerate());
        let others = sizes.filter(|(axis, (size, out))| *axis != self.axis && size != out);
        others.map(|(_, (size, out))| (size.clone(), out.clone())).collect()
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
            // Sizes taken to be equal go by the result's form of them.
            let mut shape = cx.out_ty(0).shape.clone();
            shape[self.axis] = cx.ty(i).shape[self.axis].clone();
            let walk = Walk {
                dims: shape.clone(),
                out_offset: start.clone() * out_strides[self.axis].clone(),
                out_strides: out_strides.clone(),
                x_offset: Dim::from(0),
                x_strides: dense(&shape),
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
        let z = Type::new(DType::F32, [2i64, 4]);
        assert!(Concat { axis: 0 }.infer(&[&x, &z]).is_err());
        // Sizes that may be equal are taken to be, and checked when the model runs.
        let joined = Concat { axis: 0 }.infer(&[&x, &y]).unwrap();
        assert_eq!(joined[0].shape, [Dim::from(4i64), Dim::from(3i64)]);
        let n = Dim::symbol("n");
        assert_eq!(Concat { axis: 0 }.equalities(&[&x, &y], &[&joined[0]]), [(n, Dim::from(3i64))]);
    }

    #[test]
    fn runs_alternate() {
        let x = Tensor::from_i64s(DType::U8, vec![2, 2], &[1, 2, 3, 4]);
        let y = Tensor::from_i64s(DType::U8, vec![2, 1], &[5, 6]);
        assert_eq!(Concat { axis: 1 }.eval(&[&x, &y]).unwrap()[0].to_i64s(), [1, 2, 5, 3, 4, 6]);
    }
}

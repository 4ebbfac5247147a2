//! Sizes of the model as data.

use super::operands::{exactly, result};
use super::{Lower, Rules};
use crate::ir::{DType, Dim, Tensor, Type};
use crate::plan::Arg;

/// Sizes as data: a tensor of integers that depend only on the operands' shapes. No operand.
#[derive(Clone, PartialEq, Debug)]
pub struct Sizes {
    /// The integers.
    pub dims: Vec<Dim>,
    /// The result's shape: `[]` or `[dims.len()]`.
    pub scalar: bool,
    /// Element type.
    pub dtype: DType,
}

/// A size as a number of an element type.
pub(super) fn number(dim: &Dim, dtype: DType) -> Arg {
    match dim.as_const() {
        Some(value) if dtype.is_float() => Arg::Number(value as f64, dtype),
        _ => Arg::Signed(dim.clone()),
    }
}

impl Rules for Sizes {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [] = exactly(inputs)?;
        if self.scalar && self.dims.len() != 1 {
            return Err(format!("a scalar of {} sizes is none", self.dims.len()));
        }
        if self.dtype == DType::Bool {
            return Err("elements are bool; numbers work".to_string());
        }
        let shape = if self.scalar { Vec::new() } else { vec![Dim::from(self.dims.len())] };
        Ok(vec![Type { dtype: self.dtype, shape }])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let (dtype, dims) = result(self, inputs)?;
        let known = |dim: &Dim| dim.as_const().ok_or_else(|| format!("{dim} is not known"));
        let values = self.dims.iter().map(known).collect::<Result<Vec<i64>, _>>()?;
        Ok(vec![Tensor::from_i64s(dtype, dims, &values)])
    }

    fn dims_mut(&mut self) -> Vec<&mut Dim> {
        self.dims.iter_mut().collect()
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let out = cx.output(0);
        for (i, dim) in self.dims.iter().enumerate() {
            let one = out.part(Dim::from(i), Dim::from(1));
            cx.call("strided", "Fill", vec![("out", Arg::Write(one)), ("value", number(dim, self.dtype))]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scalar_is_one_size() {
        let op = |scalar, n: usize| Sizes { dims: vec![Dim::from(7usize); n], scalar, dtype: DType::I64 };
        assert_eq!(op(true, 1).eval(&[]).unwrap()[0], Tensor::from_i64s(DType::I64, vec![], &[7]));
        assert_eq!(op(false, 2).eval(&[]).unwrap()[0], Tensor::ints(&[7, 7]));
        assert!(op(true, 2).infer(&[]).is_err());
    }
}

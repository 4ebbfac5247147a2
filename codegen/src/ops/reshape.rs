//! The same elements under another shape.

use super::operands::{exactly, result};
use super::{Lower, Rules};
use crate::ir::{Atom, Dim, Shape, Tensor, Type};

/// The same elements under another shape. One operand.
#[derive(Clone, PartialEq, Debug)]
pub struct Reshape {
    /// The result's shape.
    pub shape: Shape,
}

impl Rules for Reshape {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x] = exactly(inputs)?;
        if differ(&x.len(), &Dim::product(&self.shape)) {
            return Err(format!("{x} has {} elements, which do not fill {:?}", x.len(), self.shape));
        }
        Ok(vec![Type { dtype: x.dtype, shape: self.shape.clone() }])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let (_, dims) = result(self, inputs)?;
        if dims.iter().product::<usize>() != inputs[0].len() {
            return Err(format!("{} elements do not fill {dims:?}", inputs[0].len()));
        }
        Ok(vec![inputs[0].reshaped(dims)])
    }

    fn equalities(&self, inputs: &[&Type], outputs: &[&Type]) -> Vec<(Dim, Dim)> {
        let (own, out) = (inputs[0].len(), outputs[0].len());
        if own == out { Vec::new() } else { vec![(own, out)] }
    }

    fn is_view(&self) -> bool {
        true
    }

    fn dims_mut(&mut self) -> Vec<&mut Dim> {
        self.shape.iter_mut().collect()
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let _ = cx;
        Err("has no kernel yet".into())
    }
}

/// Whether two sizes are surely not equal: their difference is a polynomial other than zero. Quotients and the like are trusted.
fn differ(a: &Dim, b: &Dim) -> bool {
    let difference = a.clone() - b.clone();
    let plain = difference.terms().all(|(product, _)| product.iter().all(|atom| matches!(atom, Atom::Symbol(_))));
    plain && !difference.is(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::DType;

    #[test]
    fn sizes_must_be_able_to_agree() {
        let n = Dim::symbol("n");
        let x = Type { dtype: DType::F32, shape: vec![n.clone(), Dim::from(6i64)] };
        let to = |shape: Vec<Dim>| Reshape { shape }.infer(&[&x]);
        assert!(to(vec![n.clone() * Dim::from(2i64), Dim::from(3i64)]).is_ok());
        assert!(to(vec![n, Dim::from(5i64)]).is_err());
    }
}

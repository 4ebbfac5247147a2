//! A value that exists only where two sizes are equal.

use super::operands::exactly;
use super::{Lower, Rules};
use crate::ir::{Dim, Tensor, Type};

/// The operand as it is; `run` gives an error where the two sizes differ. One operand.
#[derive(Clone, PartialEq, Debug)]
pub struct Assume {
    /// One size.
    pub a: Dim,
    /// The other.
    pub b: Dim,
}

impl Rules for Assume {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x] = exactly(inputs)?;
        Ok(vec![(*x).clone()])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let [x] = inputs else { return Err("takes one operand".into()) };
        if self.a != self.b {
            return Err(format!("sizes {} and {} must be equal", self.a, self.b));
        }
        Ok(vec![(*x).clone()])
    }

    fn is_view(&self) -> bool {
        true
    }

    fn dims_mut(&mut self) -> Vec<&mut Dim> {
        vec![&mut self.a, &mut self.b]
    }

    fn equalities(&self, _: &[&Type], _: &[&Type]) -> Vec<(Dim, Dim)> {
        vec![(self.a.clone(), self.b.clone())]
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let _ = cx;
        Err("has no kernel: it is its operand's memory".into())
    }
}

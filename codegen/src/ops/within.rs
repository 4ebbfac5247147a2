//! A value that exists only where a size is within its limit.

use super::operands::exactly;
use super::{Lower, Rules};
use crate::ir::{Dim, Tensor, Type};
use crate::plan::Limit;

/// The operand as it is; `run` gives an error where a size that was found out is above its limit. One operand.
#[derive(Clone, PartialEq, Debug)]
pub struct Within(pub Limit);

impl Rules for Within {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x] = exactly(inputs)?;
        Ok(vec![(*x).clone()])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let [x] = inputs else { return Err("takes one operand".into()) };
        let Within(Limit { what, size, most }) = self;
        if size.as_const().is_some_and(|size| size > *most) {
            return Err(format!("{what}: {size}, more than {most}"));
        }
        Ok(vec![(*x).clone()])
    }

    fn is_view(&self) -> bool {
        true
    }

    fn dims_mut(&mut self) -> Vec<&mut Dim> {
        vec![&mut self.0.size]
    }

    fn limit(&self) -> Option<Limit> {
        Some(self.0.clone())
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let _ = cx;
        Err("has no kernel: it is its operand's memory".into())
    }
}

//! One of two graphs, chosen at run time.

use super::operands::is_of;
use super::{Lower, Rules};
use crate::eval::eval_inner;
use crate::ir::{DType, Dim, Graph, Tensor, Type};
use std::fmt;

/// ONNX If. Operands: the condition (one bool), then what the branches read from outside, which are both graphs' inputs.
#[derive(Clone, PartialEq)]
pub struct Branch {
    /// What runs if the condition holds.
    pub then: Box<Graph>,
    /// What runs if not; its outputs have the same types.
    pub otherwise: Box<Graph>,
}

impl Rules for Branch {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [condition, captured @ ..] = inputs else { return Err("takes a condition".into()) };
        is_of("the condition", condition, DType::Bool)?;
        for graph in [&self.then, &self.otherwise] {
            let own: Vec<&Type> = graph.inputs.iter().map(|&id| graph.ty(id)).collect();
            if own != captured {
                return Err(format!("a branch reads {own:?} and is given {captured:?}"));
            }
        }
        let types = |graph: &Graph| graph.outputs.iter().map(|(_, id)| graph.ty(*id).clone()).collect::<Vec<_>>();
        let (then, otherwise) = (types(&self.then), types(&self.otherwise));
        if then != otherwise {
            return Err(format!(
                "its branches give {then:?} and {otherwise:?}, which must be of the same types and shapes where the condition is known only when the model runs\nhelp: pin the input that decides, or export one model for each branch"
            ));
        }
        Ok(then)
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let holds = inputs[0].to_i64s().first().is_some_and(|&c| c != 0);
        eval_inner(if holds { &self.then } else { &self.otherwise }, &inputs[1..])
    }

    fn dims_mut(&mut self) -> Vec<&mut Dim> {
        let mut dims = self.then.dims_mut();
        dims.extend(self.otherwise.dims_mut());
        dims
    }

    fn graphs_mut(&mut self) -> Vec<&mut Graph> {
        vec![&mut self.then, &mut self.otherwise]
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let _ = cx;
        Err("has no kernel: it is scheduled as a block".into())
    }
}

impl fmt::Debug for Branch {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Branch {{\n{}\n}} else {{\n{}\n}}", self.then, self.otherwise)
    }
}

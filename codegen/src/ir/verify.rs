//! The graph's contract, checked.
//!
//! 1. Every id is in range, and inputs are defined as inputs.
//! 2. Every value is written before it is read, by the node and output it says.
//! 3. Every type is what the node's rule infers.

use super::{Def, Graph, NodeId};
use crate::ops::Rules;

impl Graph {
    /// The first breach of the contract, as a sentence.
    pub fn verify(&self) -> Result<(), String> {
        let known = |id: &super::ValueId| (id.0 as usize) < self.values().len();
        for id in self.inputs.iter() {
            if !known(id) || self.value(*id).def != Def::Input {
                return Err(format!("{id} is listed as an input and is none"));
            }
        }
        let mut written: Vec<bool> = self.values().iter().map(|v| !matches!(v.def, Def::Node(..))).collect();
        for (n, node) in self.nodes().iter().enumerate() {
            for id in &node.inputs {
                if !known(id) || !written[id.0 as usize] {
                    return Err(format!("node {:?} reads {id} before it is written", node.name));
                }
            }
            let types: Vec<_> = node.inputs.iter().map(|&id| self.ty(id)).collect();
            let inferred = node.op.infer(&types).map_err(|e| format!("node {:?}: {e}", node.name))?;
            if inferred.len() != node.outputs.len() {
                return Err(format!("node {:?} has {} outputs, not {}", node.name, node.outputs.len(), inferred.len()));
            }
            for (i, (id, ty)) in node.outputs.iter().zip(&inferred).enumerate() {
                if !known(id) || self.value(*id).def != Def::Node(NodeId(n as u32), i) {
                    return Err(format!("{id} is not output {i} of node {:?}", node.name));
                }
                if self.ty(*id) != ty {
                    return Err(format!("{id} is {} where node {:?} writes {ty}", self.ty(*id), node.name));
                }
                written[id.0 as usize] = true;
            }
        }
        match self.outputs.iter().find(|(_, id)| !known(id) || !written[id.0 as usize]) {
            Some((name, _)) => Err(format!("output {name:?} is never written")),
            None => Ok(()),
        }
    }
}

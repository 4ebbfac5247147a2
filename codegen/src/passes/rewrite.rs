//! Rebuilding a graph node by node: what every pass stands on.

use crate::ir::{Def, Graph, Node, ValueId};
use crate::ops::Op;

/// A graph being rebuilt from an old one.
pub struct Rewriter<'g> {
    /// The graph that is read.
    pub old: &'g Graph,
    /// The graph that is made.
    pub new: Graph,
    map: Vec<Option<ValueId>>,
}

impl<'g> Rewriter<'g> {
    /// A new graph with the old one's inputs.
    pub fn new(old: &'g Graph) -> Rewriter<'g> {
        let mut new = Graph::new(&old.name, old.bounds.clone());
        new.counts = old.counts.clone();
        let mut rewriter = Rewriter { old, new, map: vec![None; old.values().len()] };
        rewriter.new.outer = old.outer.clone();
        rewriter.new.texts = old.texts.clone();
        for &id in &old.inputs {
            let value = old.value(id);
            let copy = rewriter.new.add_input(&value.name, value.ty.clone());
            rewriter.set(id, copy);
        }
        rewriter
    }

    /// Says which new value stands for an old one.
    pub fn set(&mut self, old: ValueId, new: ValueId) {
        self.map[old.0 as usize] = Some(new);
    }

    /// The new value that stands for an old one; constants are copied when first asked for.
    pub fn get(&mut self, old: ValueId) -> Result<ValueId, String> {
        if let Some(new) = self.map[old.0 as usize] {
            return Ok(new);
        }
        let value = self.old.value(old);
        let Def::Const(tensor) = &value.def else {
            return Err(format!("{old} ({:?}) was asked for before it was rebuilt", value.name));
        };
        let new = self.new.add_const(&value.name, tensor.clone());
        self.set(old, new);
        Ok(new)
    }

    /// The new values for all operands of a node.
    pub fn inputs(&mut self, node: &Node) -> Result<Vec<ValueId>, String> {
        node.inputs.iter().map(|&id| self.get(id)).collect()
    }

    /// Adds `op` on new values in the place of `node`, whose results it gives.
    pub fn replace(&mut self, node: &Node, op: impl Into<Op>, inputs: &[ValueId]) -> Result<Vec<ValueId>, String> {
        let outputs = self.new.add_node(&node.name, op, inputs)?;
        for (&old, &new) in node.outputs.iter().zip(&outputs) {
            self.new.rename(new, &self.old.value(old).name);
            self.set(old, new);
        }
        Ok(outputs)
    }

    /// Adds the node as it is.
    pub fn copy(&mut self, node: &Node) -> Result<Vec<ValueId>, String> {
        let inputs = self.inputs(node)?;
        self.replace(node, node.op.clone(), &inputs)
    }

    /// The new graph, with the old one's outputs.
    pub fn finish(mut self) -> Result<Graph, String> {
        for (name, id) in &self.old.outputs {
            let id = self.get(*id)?;
            self.new.outputs.push((name.clone(), id));
        }
        Ok(self.new)
    }
}

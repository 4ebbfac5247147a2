//! Computes once what the model computes twice: nodes with the same op on the same operands, and nothing for what is an operand.

use super::rewrite::Rewriter;
use crate::ir::{Graph, ValueId};
use crate::ops::Op;
use std::collections::HashMap;

/// The graph with equal nodes merged.
pub fn merge_duplicates(graph: &Graph) -> Result<Graph, String> {
    let mut rewriter = Rewriter::new(graph);
    let mut known: HashMap<Vec<ValueId>, Vec<(&Op, Vec<ValueId>)>> = HashMap::new();
    for node in graph.nodes() {
        let inputs = rewriter.inputs(node)?;
        if let Op::Map(map) = &node.op
            && map.is_identity()
        {
            rewriter.set(node.outputs[0], inputs[0]);
            continue;
        }
        let alike = known.entry(inputs.clone()).or_default();
        match alike.iter().find(|(op, _)| **op == node.op) {
            Some((_, outputs)) => {
                let outputs = outputs.clone();
                node.outputs.iter().zip(outputs).for_each(|(&old, new)| rewriter.set(old, new));
            }
            None => {
                let outputs = rewriter.replace(node, node.op.clone(), &inputs)?;
                alike.push((&node.op, outputs));
            }
        }
    }
    rewriter.finish()
}

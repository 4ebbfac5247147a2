//! Joins chains of elementwise nodes into one, and puts single constants into the expression.

use super::rewrite::Rewriter;
use crate::ir::{Graph, Type, ValueId};
use crate::ops::map::Map;
use crate::ops::{Op, Rules};

/// Beyond this many operands registers run out and strides cost more than a second pass over memory.
const MAX_INPUTS: usize = 6;
/// Beyond this many instructions a fused expression compiles slowly for nothing.
const MAX_INSTS: usize = 48;

/// The graph with elementwise chains fused.
pub fn fuse_maps(graph: &Graph) -> Result<Graph, String> {
    let uses = graph.use_counts();
    let mut rewriter = Rewriter::new(graph);
    // Reads of each new value that are still to come decide whether its producer disappears by fusion.
    let mut new_uses: Vec<(ValueId, usize)> = Vec::new();
    for node in graph.nodes() {
        let Op::Map(map) = &node.op else {
            rewriter.copy(node)?;
            continue;
        };
        let out = graph.ty(node.outputs[0]).clone();
        let mut map = map.clone();
        let mut inputs = rewriter.inputs(node)?;
        let mut at = 0;
        while at < inputs.len() {
            if let Some(tensor) = rewriter.new.tensor(inputs[at])
                && tensor.len() == 1
                && map.n_inputs > 1
            {
                let number = map.with_number(at, tensor);
                let rest: Vec<ValueId> =
                    inputs.iter().enumerate().filter(|&(i, _)| i != at).map(|(_, &id)| id).collect();
                if infers(&rewriter.new, &number, &rest, &out) {
                    (map, inputs) = (number, rest);
                    continue;
                }
            }
            let once = new_uses.iter().any(|&(id, n)| id == inputs[at] && n == 1);
            if once
                && let Some((producer, _)) = rewriter.new.producer(inputs[at])
                && let Op::Map(inner) = &producer.op
                && rewriter.new.ty(inputs[at]).shape == out.shape
                && !inputs.iter().enumerate().any(|(i, id)| i != at && *id == inputs[at])
            {
                let kept = inputs.iter().enumerate().filter(|&(i, _)| i != at).map(|(_, &id)| id);
                let joined: Vec<ValueId> = kept.chain(producer.inputs.iter().copied()).collect();
                let (fused, joined) = merge_equal_inputs(map.compose(at, inner), joined);
                // Joining what the SIMD form can do with what it cannot would slow the first down.
                let alike = fused.is_f32() || !inner.is_f32() || inner.cost() == 0;
                if joined.len() <= MAX_INPUTS
                    && fused.insts.len() <= MAX_INSTS
                    && alike
                    && infers(&rewriter.new, &fused, &joined, &out)
                {
                    (map, inputs) = (fused, joined);
                    at = 0;
                    continue;
                }
            }
            at += 1;
        }
        let (map, inputs) = merge_equal_inputs(map, inputs);
        let outputs = rewriter.replace(node, map, &inputs)?;
        new_uses.push((outputs[0], uses[node.outputs[0].0 as usize]));
    }
    // Producers that were fused away are still there, unread.
    super::remove_dead::remove_dead(&rewriter.finish()?)
}

fn infers(graph: &Graph, map: &Map, inputs: &[ValueId], want: &Type) -> bool {
    let types: Vec<&Type> = inputs.iter().map(|&id| graph.ty(id)).collect();
    !inputs.is_empty() && map.infer(&types).is_ok_and(|got| got[0] == *want)
}

/// The same expression with each operand once.
fn merge_equal_inputs(map: Map, inputs: Vec<ValueId>) -> (Map, Vec<ValueId>) {
    let mut distinct: Vec<ValueId> = Vec::new();
    let to: Vec<usize> = inputs
        .iter()
        .map(|id| match distinct.iter().position(|known| known == id) {
            Some(at) => at,
            None => {
                distinct.push(*id);
                distinct.len() - 1
            }
        })
        .collect();
    if distinct.len() == inputs.len() {
        return (map, inputs);
    }
    (map.with_inputs(&to, distinct.len()), distinct)
}

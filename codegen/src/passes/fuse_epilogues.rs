//! Moves an elementwise node into the contraction whose result it reads, so that the result is finished while in registers.

use super::rewrite::Rewriter;
use crate::ir::{DType, Graph, Node, Type, ValueId};
use crate::ops::Op;
use crate::ops::map::Map;

/// More operands than this would spill the micro-kernel's registers.
const MAX_OPERANDS: usize = 3;

/// The graph with epilogues in their contractions.
pub fn fuse_epilogues(graph: &Graph) -> Result<Graph, String> {
    let uses = graph.use_counts();
    // A contraction is held back until its reader shows whether it takes it over.
    let mut rewriter = Rewriter::new(graph);
    let mut fused: Vec<bool> = vec![false; graph.values().len()];
    let plans: Vec<Option<(usize, Op, Vec<ValueId>)>> = graph
        .nodes()
        .iter()
        .map(|node| {
            let plan = plan(graph, node, &uses, &fused)?;
            fused[node.inputs[plan.0].0 as usize] = true;
            fused[node.outputs[0].0 as usize] = true;
            Some(plan)
        })
        .collect();
    for (node, plan) in graph.nodes().iter().zip(plans) {
        match plan {
            Some((_, op, inputs)) => {
                let inputs = inputs.iter().map(|&id| rewriter.get(id)).collect::<Result<Vec<_>, _>>()?;
                let (producer, _) = graph.producer(node.inputs[0]).unwrap_or((node, 0));
                let name = if producer.op.name() == op.name() { &producer.name } else { &node.name };
                let outputs = rewriter.new.add_node(name, op, &inputs)?;
                rewriter.new.rename(outputs[0], &graph.value(node.outputs[0]).name);
                rewriter.set(node.outputs[0], outputs[0]);
            }
            None => _ = rewriter.copy(node)?,
        }
    }
    super::remove_dead::remove_dead(&rewriter.finish()?)
}

/// Which operand of `node` is a contraction's result it can join, the joined op, and its operands.
fn plan(graph: &Graph, node: &Node, uses: &[usize], fused: &[bool]) -> Option<(usize, Op, Vec<ValueId>)> {
    let Op::Map(map) = &node.op else { return None };
    if !map.is_f32() {
        return None;
    }
    let out = graph.ty(node.outputs[0]);
    (0..node.inputs.len()).find_map(|at| {
        let id = node.inputs[at];
        let (producer, _) = graph.producer(id)?;
        if uses[id.0 as usize] != 1 || fused[id.0 as usize] || graph.ty(id) != out {
            return None;
        }
        let others: Vec<ValueId> =
            node.inputs.iter().enumerate().filter(|&(i, _)| i != at).map(|(_, &id)| id).collect();
        if others.len() > MAX_OPERANDS || !others.iter().all(|&other| lies_under(graph.ty(other), out)) {
            return None;
        }
        let op = with_epilogue(&producer.op, map, at)?;
        Some((at, op, producer.inputs.iter().copied().chain(others).collect()))
    })
}

fn with_epilogue(op: &Op, map: &Map, at: usize) -> Option<Op> {
    // Operand 0 of an epilogue is the accumulator, the others keep their order.
    let to: Vec<usize> = (0..map.n_inputs).map(|i| if i == at { 0 } else { i + usize::from(i < at) }).collect();
    let epilogue = map.with_inputs(&to, map.n_inputs);
    let mut op = op.clone();
    let slot = match &mut op {
        Op::Conv(conv) => &mut conv.epilogue,
        Op::ConvTranspose(conv) => &mut conv.epilogue,
        Op::MatMul(matmul) => &mut matmul.epilogue,
        _ => return None,
    };
    if slot.is_some() {
        return None;
    }
    *slot = Some(epilogue);
    Some(op)
}

/// Whether an operand lies densely under the result, along its columns, or is one number.
fn lies_under(operand: &Type, out: &Type) -> bool {
    let cols = out.shape.last();
    let along_columns = || {
        operand.shape.last() == cols
            && operand.shape.iter().rev().skip(1).all(|dim| dim.is(1))
            && operand.rank() <= out.rank()
    };
    operand.dtype == DType::F32 && (operand.shape == out.shape || operand.len().is(1) || along_columns())
}

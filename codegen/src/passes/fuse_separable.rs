//! Joins depthwise convolutions with the pointwise ones before and after where what lies between would not stay near; the one
//! before may be one of planes instead.

use super::rewrite::Rewriter;
use crate::ir::{DType, Graph, Node, ValueId};
use crate::ops::Op;
use crate::ops::conv::{Conv, Reads};
use crate::ops::separable::Separable;

/// Elements from which on a value between two convolutions is kept from memory: 1 MiB, about half a second-level cache.
/// Smaller ones gain nothing, larger ones up to 30 % (measured on single layers of mobilenet_v2, efficientnet_b0 and PP-OCR's networks).
const FAR_LEN: usize = 256 * 1024;

/// Lines that a depthwise convolution's input has at least for each that its windows reach down: each thread computes so many anew,
/// which is little where there are many. (960 channels of 20 by 20 pixels, in windows of 9 lines: two threads took 0.73 of one's
/// time. Not joined, all of that network takes two threads 0.88, and one as long as before.)
const LINES: usize = 8;

/// The graph with separable convolutions.
pub fn fuse_separable(graph: &Graph) -> Result<Graph, String> {
    let uses = graph.use_counts();
    let mut joined = vec![false; graph.nodes().len()];
    // The ops that replace the last of their nodes.
    let mut plans: Vec<Option<(Separable, Vec<ValueId>)>> = graph.nodes().iter().map(|_| None).collect();
    let readers = graph.last_readers();
    for (at, node) in graph.nodes().iter().enumerate() {
        if !conv(graph, node).is_some_and(|conv| is_depthwise(graph, node, conv) && stays_inside(graph, node, conv)) {
            continue;
        }
        // What only the next convolution reads, as its first operand, and does not stay near.
        let between = |id: ValueId| {
            let len = graph.ty(id).len().as_usize();
            uses[id.0 as usize] == 1 && len.is_some_and(|len| len >= FAR_LEN)
        };
        let (input, output) = (node.inputs[0], node.outputs[0]);
        let free = |at: &usize| !joined[*at] && pointwise(graph, &graph.nodes()[*at]).is_some();
        let first = |at: &usize| free(at) || of_planes(graph, &graph.nodes()[*at]);
        let before = graph.writer_at(input).filter(|_| between(input) && shares_well(graph, node)).filter(first);
        let reads = |after: &usize| graph.nodes()[*after].inputs.first() == Some(&output);
        let after = readers[output.0 as usize].filter(|_| between(output)).filter(reads).filter(free);
        if before.is_none() && after.is_none() {
            continue;
        }
        let nodes: Vec<usize> = before.into_iter().chain([at]).chain(after).collect();
        let first = graph.nodes()[nodes[0]].inputs[0];
        let own = nodes.iter().flat_map(|&at| graph.nodes()[at].inputs.iter().skip(1).copied());
        let inputs: Vec<ValueId> = [first].into_iter().chain(own).collect();
        let convs = nodes.iter().filter_map(|&at| conv(graph, &graph.nodes()[at])).cloned().collect();
        let op = Separable { convs, depthwise: usize::from(before.is_some()) };
        nodes.iter().for_each(|&at| joined[at] = true);
        plans[after.unwrap_or(at)] = Some((op, inputs));
    }
    let mut rewriter = Rewriter::new(graph);
    for ((node, plan), joined) in graph.nodes().iter().zip(plans).zip(joined) {
        match plan {
            Some((op, inputs)) => {
                let inputs = inputs.iter().map(|&id| rewriter.get(id)).collect::<Result<Vec<_>, _>>()?;
                rewriter.replace(node, op, &inputs)?;
            }
            None if joined => {}
            None => _ = rewriter.copy(node)?,
        }
    }
    rewriter.finish()
}

/// A convolution that reads planes, which nothing else than its reader can be joined with.
fn of_planes(graph: &Graph, node: &Node) -> bool {
    conv(graph, node).is_some_and(|conv| conv.reads == Reads::Planes)
}

/// A convolution in f32 over two spatial axes.
fn conv<'g>(graph: &Graph, node: &'g Node) -> Option<&'g Conv> {
    let Op::Conv(conv) = &node.op else { return None };
    let (x, out) = (graph.ty(node.inputs[0]), graph.ty(node.outputs[0]));
    (x.rank() == 4 && x.dtype == DType::F32 && x.dims().is_some() && out.dims().is_some()).then_some(conv)
}

fn is_depthwise(graph: &Graph, node: &Node, conv: &Conv) -> bool {
    let w = &graph.ty(node.inputs[1]).shape;
    conv.groups > 1 && w[0].is(conv.groups as i64) && w[1].is(1)
}

/// Lines of its input from the first to the last that a window sees, and all lines.
fn lines(graph: &Graph, node: &Node, conv: &Conv) -> Option<(usize, usize)> {
    let (input, w) = (&graph.ty(node.inputs[0]).shape, &graph.ty(node.inputs[1]).shape);
    let reach = w[2].as_usize()?.checked_sub(1)?.checked_mul(conv.dilation[0])?;
    Some((reach, input[1].as_usize()?))
}

/// Whether its windows, and the steps between them, are no taller than what it reads, so that the lines kept for them are few.
fn stays_inside(graph: &Graph, node: &Node, conv: &Conv) -> bool {
    lines(graph, node, conv).is_some_and(|(reach, height)| reach < height && conv.stride[0] <= height)
}

/// Whether threads that share its lines compute few lines of its input twice.
fn shares_well(graph: &Graph, node: &Node) -> bool {
    let lines = conv(graph, node).and_then(|conv| lines(graph, node, conv));
    lines.is_some_and(|(reach, height)| reach.saturating_mul(LINES) <= height)
}

/// A convolution of each pixel by itself.
fn pointwise<'g>(graph: &Graph, node: &'g Node) -> Option<&'g Conv> {
    let window_is_a_pixel = |conv: &&Conv| {
        let kernel = &graph.ty(node.inputs[1]).shape[2..];
        let stays = conv.pads.iter().all(|&pads| pads == (0, 0)) && conv.stride.iter().all(|&stride| stride == 1);
        conv.groups == 1 && conv.reads == Reads::Pixels && stays && kernel.iter().all(|k| k.is(1))
    };
    conv(graph, node).filter(window_is_a_pixel)
}

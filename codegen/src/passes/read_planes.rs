//! Lets the first convolution of a network for pictures read its input as it comes, a plane for each channel.
//!
//! A kernel of its own reads the planes as they are, so that a transpose of the whole picture before it is spared.

use super::rewrite::Rewriter;
use crate::ir::{DType, Dim, Graph, Node};
use crate::ops::Op;
use crate::ops::conv::{Conv, Reads};
use crate::ops::transpose::Transpose;

/// Channels up to which it pays: with more, windows are better read where they lie.
const MOST_CHANNELS: usize = 4;

/// Pixels along an axis up to which windows and their steps pay: a band holds whole lines of the picture, as many as a few windows
/// one after another see.
const MOST_REACH: usize = 64;

/// The graph with convolutions that read planes.
pub fn read_planes(graph: &Graph) -> Result<Graph, String> {
    let mut rewriter = Rewriter::new(graph);
    let uses = graph.use_counts();
    for node in graph.nodes() {
        let mut inputs = rewriter.inputs(node)?;
        // What others read too has to be written anyway.
        let before = transposed(graph, node).filter(|before| uses[before.outputs[0].0 as usize] == 1);
        let op = match (&node.op, before) {
            (Op::Conv(conv), Some(before)) if pays(graph, node, conv) => {
                inputs[0] = rewriter.get(before.inputs[0])?;
                Op::from(Conv { reads: Reads::Planes, ..conv.clone() })
            }
            (op, _) => op.clone(),
        };
        rewriter.replace(node, op, &inputs)?;
    }
    super::remove_dead::remove_dead(&rewriter.finish()?)
}

/// Whether a convolution mixes all channels, and sees a small part of the picture at a time.
fn pays(graph: &Graph, node: &Node, conv: &Conv) -> bool {
    let kernel = graph.ty(node.inputs[1]).shape[2..].iter();
    let near = |n: usize| n <= MOST_REACH;
    let reach = |(size, &dilation): (&Dim, &usize)| Some((size.as_usize()? - 1).checked_mul(dilation)? + 1);
    conv.groups == 1
        && conv.reads == Reads::Pixels
        && conv.stride.iter().copied().all(near)
        && kernel.zip(&conv.dilation).map(reach).all(|reach| reach.is_some_and(near))
}

/// The transpose that brings the few channels of a node's operand together, if that is all that happens to them.
fn transposed<'g>(graph: &'g Graph, node: &Node) -> Option<&'g Node> {
    let &x = node.inputs.first()?;
    let before = &graph.nodes()[graph.writer_at(x)?];
    let Op::Transpose(Transpose { perm }) = &before.op else { return None };
    let ty = graph.ty(x);
    let spatial = (2..perm.len()).chain([1]);
    let channels_last = perm.len() > 2 && perm.iter().copied().eq([0].into_iter().chain(spatial));
    let few = ty.shape.last()?.as_usize().is_some_and(|channels| channels <= MOST_CHANNELS);
    (channels_last && few && ty.dtype == DType::F32).then_some(before)
}

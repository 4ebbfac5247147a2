//! Scales the weights of a pointwise convolution instead of the picture before it, channel by channel, as squeeze-and-excite
//! asks for: there are fewer of them, and the scaled picture is never written.

use super::rewrite::Rewriter;
use crate::ir::{DType, Dim, Graph, Node, ValueId};
use crate::ops::Op;
use crate::ops::conv::{Conv, Reads};
use crate::ops::map::{Binary, Inst};

/// The graph with convolutions whose weights are scaled.
pub fn scale_weights(graph: &Graph) -> Result<Graph, String> {
    let mut rewriter = Rewriter::new(graph);
    let uses = graph.use_counts();
    for node in graph.nodes() {
        let mut inputs = rewriter.inputs(node)?;
        let scaled = scaled(graph, node).filter(|_| uses[node.inputs[0].0 as usize] == 1);
        let op = match (&node.op, scaled) {
            (Op::Conv(conv), Some((x, scale))) if pays(graph, node, conv) => {
                inputs[0] = rewriter.get(x)?;
                inputs.insert(2 + usize::from(conv.bias), rewriter.get(scale)?);
                Op::from(Conv { reads: Reads::Scaled, ..conv.clone() })
            }
            (op, _) => op.clone(),
        };
        rewriter.replace(node, op, &inputs)?;
    }
    super::remove_dead::remove_dead(&rewriter.finish()?)
}

/// The pictures and the numbers, one a channel of all or of each, whose product is a node's first operand.
fn scaled(graph: &Graph, node: &Node) -> Option<(ValueId, ValueId)> {
    let &product = node.inputs.first()?;
    let before = &graph.nodes()[graph.writer_at(product)?];
    let Op::Map(map) = &before.op else { return None };
    let is_product = map.n_inputs == 2 && matches!(map.insts.last()?.0, Inst::Binary(Binary::Mul, ..));
    if !is_product || map.insts.len() != 3 || !map.is_f32() {
        return None;
    }
    let of_channels = |id: ValueId| {
        let shape = &graph.ty(id).shape;
        let (Some(images), Some(channels)) = (graph.ty(product).shape.first(), graph.ty(product).shape.last()) else {
            return false;
        };
        let n = graph.ty(id).len();
        let of_each = shape.first() == Some(images)
            && shape.len() == graph.ty(product).rank()
            && n == images.clone() * channels.clone();
        graph.tensor(id).is_none() && shape.last() == Some(channels) && (n == *channels || of_each)
    };
    let whole = |id: ValueId| graph.ty(id).shape == graph.ty(product).shape;
    let pairs = [(0, 1), (1, 0)].map(|(x, scale)| (before.inputs[x], before.inputs[scale]));
    pairs.into_iter().find(|&(x, scale)| whole(x) && of_channels(scale) && !of_channels(x))
}

/// Whether a convolution is of each pixel by itself, by weights known ahead, and has no fewer pixels in a picture than results for each.
fn pays(graph: &Graph, node: &Node, conv: &Conv) -> bool {
    let (x, w) = (graph.ty(node.inputs[0]), graph.ty(node.inputs[1]));
    let one = |n: usize| n == 1;
    let pointwise = conv.groups == 1
        && conv.reads == Reads::Pixels
        && conv.pads.iter().all(|&pads| pads == (0, 0))
        && conv.stride.iter().copied().all(one)
        && w.shape[2..].iter().all(|size| size.is(1));
    let pixels = Dim::product(&x.shape[1..x.rank() - 1]).as_usize();
    let results = w.shape[0].as_usize();
    let enough = matches!((pixels, results), (Some(pixels), Some(results)) if pixels > 1 && pixels >= results);
    pointwise && x.dtype == DType::F32 && graph.tensor(node.inputs[1]).is_some() && enough
}

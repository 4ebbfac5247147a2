//! Takes for zero what trained weights have left of values that decayed: subnormal numbers.
//!
//! Training with weight decay leaves thousands of them behind, and processors take a hundred times as long to multiply by one.
//! A weight below 2^-126 beside one above 2^-100 changes a sum by less than rounding the larger product does.

use super::rewrite::Rewriter;
use crate::ir::{DType, Graph, Tensor};
use crate::ops::Op;

/// What the largest weight must be for the subnormal ones beside it to be nothing.
const LARGE: f32 = 1.0 / (1_u128 << 100) as f32;

/// The graph without subnormal numbers among the constants of contractions.
pub fn drop_subnormals(graph: &Graph) -> Result<Graph, String> {
    let mut rewriter = Rewriter::new(graph);
    for node in graph.nodes() {
        let mut inputs = rewriter.inputs(node)?;
        let contracts = matches!(
            node.op,
            Op::Conv(_) | Op::ConvTranspose(_) | Op::Gru(_) | Op::Lstm(_) | Op::MatMul(_) | Op::Rnn(_)
        );
        for (&old, new) in node.inputs.iter().zip(&mut inputs).filter(|_| contracts) {
            if let Some(tensor) = graph.tensor(old).and_then(without) {
                *new = rewriter.new.add_const(&graph.value(old).name, tensor);
            }
        }
        rewriter.replace(node, node.op.clone(), &inputs)?;
    }
    rewriter.finish()
}

/// The tensor without its subnormal numbers, if it has any and they are nothing beside others.
fn without(tensor: &Tensor) -> Option<Tensor> {
    if tensor.dtype() != DType::F32 {
        return None;
    }
    let numbers = || tensor.bytes().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
    if !numbers().any(f32::is_subnormal) || !numbers().any(|x| x.abs() > LARGE) {
        return None;
    }
    let kept = numbers().map(|x| if x.is_subnormal() { 0.0 } else { x }.to_le_bytes());
    Tensor::from_bytes(DType::F32, tensor.shape().to_vec(), kept.collect::<Vec<_>>().into_flattened())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(numbers: &[f32]) -> Tensor {
        let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        Tensor::from_bytes(DType::F32, vec![numbers.len()], bytes).unwrap()
    }

    #[test]
    fn only_what_is_nothing_beside_others_is_dropped() {
        let dropped = without(&weights(&[1e-40, -0.5, -1e-39, f32::MIN_POSITIVE])).unwrap();
        assert_eq!(dropped, weights(&[0.0, -0.5, 0.0, f32::MIN_POSITIVE]));
        assert_eq!(without(&weights(&[1e-40, 1e-31])), None);
        assert_eq!(without(&weights(&[0.5, 0.0, 1e-30])), None);
    }
}

//! Folds an affine map per channel (batch normalisation, a bias, a scale) into the constant weights of the contraction before it.

use super::rewrite::Rewriter;
use crate::ir::{DType, Graph, Node, Tensor, Type, ValueId};
use crate::ops::Op;
use crate::ops::map::{Binary, Inst, Map, Unary};

/// The graph with affine maps in the weights.
pub fn fuse_affine(graph: &Graph) -> Result<Graph, String> {
    let uses = graph.use_counts();
    let mut rewriter = Rewriter::new(graph);
    for node in graph.nodes() {
        // Chains fold one by one: the producer is looked up in the new graph.
        match fold(graph, &mut rewriter, node, &uses)? {
            Some((op, inputs)) => _ = rewriter.replace(node, op, &inputs)?,
            None => _ = rewriter.copy(node)?,
        }
    }
    super::remove_dead::remove_dead(&rewriter.finish()?)
}

fn fold(
    graph: &Graph,
    rewriter: &mut Rewriter,
    node: &Node,
    uses: &[usize],
) -> Result<Option<(Op, Vec<ValueId>)>, String> {
    let Op::Map(map) = &node.op else { return Ok(None) };
    let out = graph.ty(node.outputs[0]);
    let Some(channels) = out.shape.last().and_then(|dim| dim.as_usize()) else { return Ok(None) };
    let Some(at) = node.inputs.iter().position(|&id| graph.tensor(id).is_none()) else { return Ok(None) };
    if uses[node.inputs[at].0 as usize] != 1 || graph.ty(node.inputs[at]) != out || out.dtype != DType::F32 {
        return Ok(None);
    }
    let id = rewriter.get(node.inputs[at])?;
    let Some((producer, _)) = rewriter.new.producer(id) else { return Ok(None) };
    let (op, inputs) = (producer.op.clone(), producer.inputs.clone());
    let (bias, channel_axis) = match &op {
        Op::Conv(conv) if conv.epilogue.is_none() => (conv.bias, 0),
        Op::MatMul(matmul) if matmul.epilogue.is_none() => {
            let rank = rewriter.new.ty(inputs[1]).rank();
            (matmul.bias, if matmul.trans_b { rank - 2 } else { rank - 1 })
        }
        _ => return Ok(None),
    };
    let Some(weights) = rewriter.new.tensor(inputs[1]) else { return Ok(None) };
    let alone = matches!(op, Op::Conv(_)) || weights.len() == weights.shape().iter().rev().take(2).product::<usize>();
    // The sizes of a hostile file are held against data it does hold before anything of their size is made.
    if !alone || weights.shape()[channel_axis] != channels || weights.len() < channels {
        return Ok(None);
    }
    let constants: Option<Vec<Vec<f64>>> = node
        .inputs
        .iter()
        .enumerate()
        .map(|(i, &id)| if i == at { Some(Vec::new()) } else { per_channel(graph.tensor(id)?, channels) })
        .collect();
    let Some(affine) = constants.and_then(|constants| affine(map, at, &constants, channels)) else { return Ok(None) };
    let old_bias = match bias {
        true => match rewriter.new.tensor(inputs[2]) {
            Some(bias) => bias.to_f64s(),
            None => return Ok(None),
        },
        false => vec![0.0; channels],
    };
    if old_bias.len() != channels {
        return Ok(None);
    }
    let inner: usize = weights.shape()[channel_axis + 1..].iter().product();
    let scaled: Vec<f64> =
        weights.to_f64s().iter().enumerate().map(|(i, w)| w * affine[i / inner.max(1) % channels].0).collect();
    let scaled = Tensor::from_f64s(DType::F32, weights.shape().to_vec(), &scaled);
    let shifted: Vec<f64> = old_bias.iter().zip(&affine).map(|(bias, (scale, shift))| bias * scale + shift).collect();
    let name = &node.name;
    let w = rewriter.new.add_const(&format!("{name}.weights"), scaled);
    let b = rewriter.new.add_const(&format!("{name}.bias"), Tensor::from_f64s(DType::F32, vec![channels], &shifted));
    let op = match op {
        Op::Conv(conv) => Op::from(crate::ops::conv::Conv { bias: true, ..conv }),
        Op::MatMul(matmul) => Op::from(crate::ops::matmul::MatMul { bias: true, ..matmul }),
        op => op,
    };
    let inputs = vec![inputs[0], w, b];
    let types: Vec<&Type> = inputs.iter().map(|&id| rewriter.new.ty(id)).collect();
    use crate::ops::Rules;
    Ok((op.infer(&types)?[0] == *out).then_some((op, inputs)))
}

/// The constant's value for each channel, if it varies along the last axis alone.
fn per_channel(tensor: &Tensor, channels: usize) -> Option<Vec<f64>> {
    if tensor.len() == 1 {
        return Some(vec![tensor.to_f64s()[0]; channels]);
    }
    (tensor.len() == channels && tensor.shape().last() == Some(&channels)).then(|| tensor.to_f64s())
}

/// `map` as scale and shift of operand `at`, for each channel.
fn affine(map: &Map, at: usize, constants: &[Vec<f64>], channels: usize) -> Option<Vec<(f64, f64)>> {
    let plain = |inst: &Inst| {
        matches!(
            inst,
            Inst::Input(_)
                | Inst::Const(_)
                | Inst::Unary(Unary::Neg, _)
                | Inst::Binary(Binary::Add | Binary::Sub | Binary::Mul | Binary::Div, ..)
        )
    };
    if !map.insts.iter().all(|(inst, dtype)| plain(inst) && *dtype == DType::F32) {
        return None;
    }
    (0..channels)
        .map(|channel| {
            let mut values: Vec<(f64, f64)> = Vec::with_capacity(map.insts.len());
            for (inst, _) in &map.insts {
                values.push(match *inst {
                    Inst::Input(i) if i == at => (1.0, 0.0),
                    Inst::Input(i) => (0.0, constants[i][channel]),
                    Inst::Const(bits) => (0.0, f64::from_bits(bits)),
                    Inst::Unary(_, a) => (-values[a].0, -values[a].1),
                    Inst::Binary(op, a, b) => {
                        let ((x, p), (y, q)) = (values[a], values[b]);
                        match op {
                            Binary::Add => (x + y, p + q),
                            Binary::Sub => (x - y, p - q),
                            Binary::Mul if y == 0.0 => (x * q, p * q),
                            Binary::Mul if x == 0.0 => (y * p, p * q),
                            Binary::Div if y == 0.0 => (x / q, p / q),
                            _ => return None,
                        }
                    }
                    _ => return None,
                });
            }
            values.last().copied().filter(|(scale, shift)| scale.is_finite() && shift.is_finite())
        })
        .collect()
}

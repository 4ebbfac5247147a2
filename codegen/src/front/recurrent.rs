//! LSTM, GRU and RNN.

use super::cx::{Cx, Entry, Results};
use super::quantize::dequantized;
use crate::ir::{DType, Dim, ValueId};
use crate::ops::Op;
use crate::ops::gru::Gru;
use crate::ops::lstm::Lstm;
use crate::ops::rnn::{Activation, Direction, Rnn};

/// DynamicQuantizeLSTM: an LSTM whose weights are integers `[directions, from, 4 * hidden]`. What it reads is not quantised on the way,
/// which would only make the result coarser.
pub fn quantized_lstm(cx: &mut Cx) -> Results {
    for (i, scale, zero) in [(1, 8, 9), (2, 10, 11)] {
        let (w, scale, zero) = (cx.input(i)?, cx.input(scale)?, cx.input(zero)?);
        let shape = cx.ty(w).shape;
        let [dirs, _, gates] = shape.as_slice() else {
            return Err(format!("its weights {} have not 3 axes", cx.ty(w)));
        };
        let mut along = |v: ValueId| {
            let each = cx.rank(v) == 2;
            cx.reshape(v, vec![dirs.clone(), Dim::from(1), if each { gates.clone() } else { Dim::from(1) }])
        };
        let (scale, zero) = (along(scale)?, along(zero)?);
        let w = dequantized(cx, w, scale, Some(zero))?;
        cx.inputs[i] = Entry::Value(cx.transpose(w, vec![0, 2, 1])?);
    }
    cx.inputs.truncate(8);
    recurrent(cx)
}

/// All three: they share operands and most attributes.
pub fn recurrent(cx: &mut Cx) -> Results {
    let kind = cx.node.op_type.trim_start_matches("DynamicQuantize").to_string();
    let hidden =
        usize::try_from(cx.int("hidden_size", 0)).ok().filter(|&h| h > 0).ok_or("its hidden_size is missing")?;
    let direction = match cx.string("direction", "forward").as_str() {
        "forward" => Direction::Forward,
        "reverse" => Direction::Reverse,
        "bidirectional" => Direction::Both,
        other => return Err(format!("direction {other:?} does not exist")),
    };
    let n_dirs = if direction == Direction::Both { 2 } else { 1 };
    let defaults: &[&str] = match kind.as_str() {
        "LSTM" => &["Sigmoid", "Tanh", "Tanh"],
        "GRU" => &["Sigmoid", "Tanh"],
        _ => &["Tanh"],
    };
    let activations = activations(cx, defaults, n_dirs)?;
    let clip = cx.has("clip").then(|| cx.float("clip", 0.0));
    let batch_first = cx.flag("layout", false);

    let swap = |cx: &mut Cx, id: ValueId| {
        let rank = cx.rank(id);
        if rank < 2 {
            return Err("an operand has too few axes for layout 1".to_string());
        }
        cx.transpose(id, [1, 0].into_iter().chain(2..rank).collect())
    };
    let mut x = cx.input(0)?;
    if batch_first {
        x = swap(cx, x)?;
    }
    let mut inputs = vec![x, cx.input(1)?, cx.input(2)?];
    let bias = cx.opt(3)?;
    inputs.extend(bias);
    let lens = lens(cx, x)?;
    inputs.extend(lens);
    let mut state = |cx: &mut Cx, i: usize| -> Result<bool, String> {
        let Some(id) = cx.opt(i)? else { return Ok(false) };
        let id = if batch_first { swap(cx, id)? } else { id };
        inputs.push(id);
        Ok(true)
    };
    let h0 = state(cx, 5)?;
    let (bias, lens) = (bias.is_some(), lens.is_some());
    let op: Op = match kind.as_str() {
        "LSTM" => {
            let c0 = state(cx, 6)?;
            let peephole = cx.opt(7)?;
            inputs.extend(peephole);
            let (input_forget, peephole) = (cx.flag("input_forget", false), peephole.is_some());
            Lstm { hidden, direction, activations, clip, input_forget, bias, lens, h0, c0, peephole }.into()
        }
        "GRU" => {
            let linear_before_reset = cx.flag("linear_before_reset", false);
            Gru { hidden, direction, activations, clip, linear_before_reset, bias, lens, h0 }.into()
        }
        _ => Rnn { hidden, direction, activations, clip, bias, lens, h0 }.into(),
    };
    let outputs = cx.im.graph.add_node(&cx.name, op, &inputs)?;
    let outputs = outputs.into_iter().enumerate().map(|(i, id)| {
        if !batch_first {
            return Ok(Entry::Value(id));
        }
        // y [seq, dirs, batch, h] becomes [batch, seq, dirs, h]; states [dirs, batch, h] become [batch, dirs, h].
        let perm = if i == 0 { vec![2, 0, 1, 3] } else { vec![1, 0, 2] };
        Ok(Entry::Value(cx.transpose(id, perm)?))
    });
    outputs.collect()
}

/// The lengths, unless they say no more than the sequence's own size.
fn lens(cx: &mut Cx, x: ValueId) -> Result<Option<ValueId>, String> {
    let Some(id) = cx.opt(4)? else { return Ok(None) };
    let seq = cx.ty(x).shape.first().cloned();
    if let Some(lens) = cx.im.ints(id)
        && lens.iter().all(|len| Some(len) == seq.as_ref())
    {
        return Ok(None);
    }
    Ok(Some(cx.cast(id, DType::I32)?))
}

fn activations(cx: &Cx, defaults: &[&str], n_dirs: usize) -> Result<Vec<Activation>, String> {
    let given = cx.strings("activations");
    let names: Vec<String> = match given.is_empty() {
        true => (0..n_dirs).flat_map(|_| defaults.iter().map(ToString::to_string)).collect(),
        false => given,
    };
    if names.len() != defaults.len() * n_dirs {
        return Err(format!("it names {} activations and needs {}", names.len(), defaults.len() * n_dirs));
    }
    // Parameters are given in order, only for the activations that have some.
    let (alphas, betas) =
        (cx.float_list("activation_alpha").unwrap_or_default(), cx.float_list("activation_beta").unwrap_or_default());
    let (mut alphas, mut betas) = (alphas.into_iter(), betas.into_iter());
    names
        .iter()
        .map(|name| {
            let mut alpha = |default: f32| alphas.next().unwrap_or(default);
            let mut beta = |default: f32| betas.next().unwrap_or(default);
            Ok(match name.to_ascii_lowercase().as_str() {
                "sigmoid" => Activation::Sigmoid,
                "tanh" => Activation::Tanh,
                "relu" => Activation::Relu,
                "affine" => Activation::Affine { alpha: alpha(1.0), beta: beta(0.0) },
                "leakyrelu" => Activation::LeakyRelu { alpha: alpha(0.01) },
                "thresholdedrelu" => Activation::ThresholdedRelu { alpha: alpha(1.0) },
                "scaledtanh" => Activation::ScaledTanh { alpha: alpha(1.0), beta: beta(1.0) },
                "hardsigmoid" => Activation::HardSigmoid { alpha: alpha(0.2), beta: beta(0.5) },
                "elu" => Activation::Elu { alpha: alpha(1.0) },
                "softsign" => Activation::Softsign,
                "softplus" => Activation::Softplus,
                _ => return Err(format!("activation {name:?} does not exist")),
            })
        })
        .collect()
}

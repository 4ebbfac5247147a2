//! Operators of com.microsoft that onnxruntime's own tools write, by their parts.

use super::attention::softmax_product;
use super::cx::{Cx, Entry, Results, one};
use super::{array, conv, elementwise, matmul, norm, quantize_contrib};
use crate::ir::{DType, Dim, ValueId};
use crate::ops::gather::Gather;
use crate::ops::map::{Binary, Map, Unary};
use crate::ops::matmul::MatMul;
use crate::ops::range::Range;

/// BiasGelu, and FastGelu with or without a bias.
pub fn bias_gelu(cx: &mut Cx) -> Results {
    let (x, bias) = (cx.input(0)?, cx.opt(1)?);
    let x = match bias {
        Some(bias) => cx.binary(Binary::Add, x, bias)?,
        None => x,
    };
    let (dtype, approximate) = (cx.ty(x).dtype, cx.node.op_type == "FastGelu");
    one(cx.map1(x, |map, x| elementwise::gelu(map, x, dtype, approximate))?)
}

/// SkipLayerNormalization and SkipSimplifiedLayerNormalization: of the sum of two operands and a bias, which is a result too.
pub fn skip_layer_norm(cx: &mut Cx) -> Results {
    let rms = cx.node.op_type == "SkipSimplifiedLayerNormalization";
    let (x, skip, scale) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let (shift, bias) = if rms { (None, cx.opt(3)?) } else { (cx.opt(3)?, cx.opt(4)?) };
    let mut sum = cx.binary(Binary::Add, x, skip)?;
    if let Some(bias) = bias {
        sum = cx.binary(Binary::Add, sum, bias)?;
    }
    let axis = cx.axis(-1, cx.rank(sum))?;
    // onnxruntime's default differs from LayerNormalization's.
    let epsilon = cx.float("epsilon", 1e-12);
    let y = norm::layer_norm(cx, sum, Some(scale), shift, axis, epsilon, rms)?;
    let mut results = vec![Entry::Value(y)];
    let asks = |i: usize| cx.node.output.get(i).is_some_and(|name| !name.is_empty());
    if asks(1) || asks(2) {
        let (mean, deviation) = norm::statistics(cx, sum, axis, f64::from(epsilon), rms)?;
        results.extend([Entry::Value(mean), Entry::Value(deviation)]);
    } else {
        results.extend([Entry::Absent, Entry::Absent]);
    }
    results.push(Entry::Value(sum));
    Ok(results)
}

/// EmbedLayerNormalization: the sum of word, position and segment embeddings, normalised.
pub fn embed_layer_norm(cx: &mut Cx) -> Results {
    let (words, segments, word, position, segment) = (cx.input(0)?, cx.opt(1)?, cx.input(2)?, cx.input(3)?, cx.opt(4)?);
    let (scale, shift, mask, places) = (cx.input(5)?, cx.input(6)?, cx.opt(7)?, cx.opt(8)?);
    let seq = cx.ty(words).shape.get(1).cloned().ok_or("its words have no sequence axis")?;
    let mut sum = cx.add(Gather { axis: 0 }, &[word, words])?;
    let placed = match places {
        Some(places) => cx.add(Gather { axis: 0 }, &[position, places])?,
        None => array::part(cx, position, 0, Dim::from(0), seq)?,
    };
    sum = cx.binary(Binary::Add, sum, placed)?;
    if let (Some(segments), Some(segment)) = (segments, segment) {
        let picked = cx.add(Gather { axis: 0 }, &[segment, segments])?;
        sum = cx.binary(Binary::Add, sum, picked)?;
    }
    let axis = cx.axis(-1, cx.rank(sum))?;
    let epsilon = cx.float("epsilon", 1e-12);
    let y = norm::layer_norm(cx, sum, Some(scale), Some(shift), axis, epsilon, false)?;
    // How many words each row has.
    let batch = cx.ty(words).shape[0].clone();
    let counts = match mask {
        Some(mask) => {
            use crate::ops::reduce::{Reduce, ReduceKind};
            cx.add(Reduce { kind: ReduceKind::Sum, axes: vec![1], keep: false }, &[mask])?
        }
        None => {
            let zero = cx.scalar(0.0, DType::I32);
            cx.add(crate::ops::expand::Expand { shape: vec![batch] }, &[zero])?
        }
    };
    Ok([y, counts, sum].map(Entry::Value).to_vec())
}

/// FusedMatMul: operands may be transposed, and the result is scaled.
pub fn fused_matmul(cx: &mut Cx) -> Results {
    let (mut a, mut b) = (cx.input(0)?, cx.input(1)?);
    for (operand, name) in [(&mut a, "transBatchA"), (&mut b, "transBatchB")] {
        if cx.flag(name, false) {
            let rank = cx.rank(*operand);
            if rank < 3 {
                return Err(format!("{name} needs a batch axis"));
            }
            // The batch axes stand between the matrix's: [m, batch…, k].
            *operand = cx.transpose(*operand, (1..rank - 1).chain([0, rank - 1]).collect())?;
        }
    }
    let (trans_a, trans_b) = (cx.flag("transA", false), cx.flag("transB", false));
    let product = match cx.rank(a) < 2 || cx.rank(b) < 2 {
        true => matmul::product(cx, a, b)?,
        false => cx.add(MatMul { trans_a, trans_b, ..MatMul::default() }, &[a, b])?,
    };
    let alpha = f64::from(cx.float("alpha", 1.0));
    one(scaled(cx, product, alpha)?)
}

fn scaled(cx: &mut Cx, x: ValueId, by: f64) -> Result<ValueId, String> {
    if by == 1.0 {
        return Ok(x);
    }
    let dtype = cx.ty(x).dtype;
    cx.map1(x, |map, x| {
        let by = map.number(by, dtype);
        map.binary(Binary::Mul, x, by)
    })
}

/// FusedConv and FusedGemm: an activation after, and before it for convolutions another operand added.
pub fn fused_activation(cx: &mut Cx) -> Results {
    let results = if cx.node.op_type == "FusedConv" { conv::conv(cx)? } else { matmul::gemm(cx)? };
    let Some(Entry::Value(mut y)) = results.first().cloned() else { return Ok(results) };
    if cx.node.op_type == "FusedConv"
        && let Some(z) = cx.opt(3)?
    {
        y = cx.binary(Binary::Add, y, z)?;
    }
    let dtype = cx.ty(y).dtype;
    let params = cx.float_list("activation_params").unwrap_or_default();
    let param =
        |i: usize, name: &str, default: f32| f64::from(params.get(i).copied().unwrap_or(cx.float(name, default)));
    let kind = cx.string("activation", "");
    let [alpha, beta] = match kind.as_str() {
        "LeakyRelu" => [param(0, "activation_alpha", 0.01), 0.0],
        "HardSigmoid" => [param(0, "activation_alpha", 0.2), param(1, "activation_beta", 0.5)],
        "Clip" => [param(0, "activation_alpha", f32::MIN), param(1, "activation_beta", f32::MAX)],
        "" | "Relu" | "Sigmoid" | "Tanh" => [0.0, 0.0],
        other => return Err(format!("activation {other:?} is not supported")),
    };
    if kind.is_empty() {
        return one(y);
    }
    one(cx.map1(y, |map, x| {
        let (zero, one) = (map.number(0.0, dtype), map.number(1.0, dtype));
        let (alpha, beta) = (map.number(alpha, dtype), map.number(beta, dtype));
        match kind.as_str() {
            "Sigmoid" => map.unary(Unary::Sigmoid, x),
            "Tanh" => map.unary(Unary::Tanh, x),
            "LeakyRelu" => {
                let (negative, scaled) = (map.binary(Binary::Lt, x, zero), map.binary(Binary::Mul, x, alpha));
                map.select(negative, scaled, x)
            }
            "HardSigmoid" => {
                let scaled = map.binary(Binary::Mul, x, alpha);
                let shifted = map.binary(Binary::Add, scaled, beta);
                let low = map.binary(Binary::Min, shifted, one);
                map.binary(Binary::Max, low, zero)
            }
            "Clip" => {
                let above = map.binary(Binary::Max, x, alpha);
                map.binary(Binary::Min, above, beta)
            }
            _ => map.binary(Binary::Max, x, zero),
        }
    })?)
}

/// `[batch, seq, heads * width]` as `[batch, heads, seq, width]`.
fn heads(cx: &mut Cx, x: ValueId, n: &Dim) -> Result<ValueId, String> {
    let shape = cx.ty(x).shape;
    let [batch, seq, all] = shape.as_slice() else { return Err(format!("its operand {} has not 3 axes", cx.ty(x))) };
    let width = (!n.is(0)).then(|| all.exact_div(n)).flatten();
    let width = width.ok_or_else(|| format!("{all} columns do not divide into {n} heads"))?;
    let x = cx.reshape(x, vec![batch.clone(), seq.clone(), n.clone(), width])?;
    cx.transpose(x, vec![0, 2, 1, 3])
}

/// `[batch, heads, seq, width]` as `[batch, seq, heads * width]`.
fn joined(cx: &mut Cx, x: ValueId) -> Result<ValueId, String> {
    let shape = cx.ty(x).shape;
    let x = cx.transpose(x, vec![0, 2, 1, 3])?;
    cx.reshape(x, vec![shape[0].clone(), shape[2].clone(), shape[1].clone() * shape[3].clone()])
}

/// What is added to scores `[batch, heads, queries, keys]` where a mask of ones and zeros hides keys.
fn mask_bias(cx: &mut Cx, mask: ValueId, batch: &Dim, keys: &Dim) -> Result<ValueId, String> {
    let hidden = f64::from(cx.float("mask_filter_value", -10000.0));
    let shape = cx.ty(mask).shape;
    let one_ = Dim::from(1);
    let (mask, lens) = match shape.as_slice() {
        // The number of keys each row has.
        [n] if n == batch => {
            let numbers = Range {
                start: Dim::from(0),
                delta: one_.clone(),
                len: keys.clone(),
                dtype: DType::I32,
                operands: false,
            };
            let columns = cx.add(numbers, &[])?;
            (cx.reshape(mask, vec![batch.clone(), one_.clone(), one_.clone(), one_.clone()])?, Some(columns))
        }
        [_, n] if n == keys => {
            (cx.reshape(mask, vec![shape[0].clone(), one_.clone(), one_.clone(), keys.clone()])?, None)
        }
        [_, q, n] if n == keys => {
            (cx.reshape(mask, vec![shape[0].clone(), one_.clone(), q.clone(), keys.clone()])?, None)
        }
        _ => {
            return Err(format!(
                "a mask of {} is not supported; [batch], [batch, keys] and [batch, queries, keys] are",
                cx.ty(mask)
            ));
        }
    };
    let dtype = cx.ty(mask).dtype;
    if let Some(columns) = lens {
        let mask = cx.cast(mask, DType::I32)?;
        let mut map = Map::of(&[DType::I32; 2]);
        let shown = map.binary(Binary::Lt, 1, 0);
        let (all, none) = (map.number(0.0, DType::F32), map.number(hidden, DType::F32));
        let bias = map.select(shown, all, none);
        return cx.add(map.finish(bias), &[mask, columns]);
    }
    cx.map1(mask, |map, m| {
        let zero = map.number(0.0, dtype);
        let empty = map.binary(Binary::Eq, m, zero);
        let (all, none) = (map.number(0.0, DType::F32), map.number(hidden, DType::F32));
        map.select(empty, none, all)
    })
}

/// The part of `b` `[all]` from `start` on added to `x` `[…, len]`.
fn add_part(cx: &mut Cx, x: ValueId, b: ValueId, start: Dim) -> Result<ValueId, String> {
    let len = cx.ty(x).shape.last().cloned().ok_or("a bias for a scalar")?;
    let b = array::part(cx, b, 0, start, len)?;
    cx.binary(Binary::Add, x, b)
}

/// Attention of com.microsoft: one weight matrix for queries, keys and values.
pub fn attention(cx: &mut Cx) -> Results {
    let (x, w, b) = (cx.input(0)?, cx.input(1)?, cx.opt(2)?);
    let all = cx.ty(w).shape.get(1).cloned().ok_or("its weights are no matrix")?;
    let sizes: Vec<Dim> = match cx.int_list("qkv_hidden_sizes").filter(|sizes| !sizes.is_empty()) {
        Some(sizes) => sizes.into_iter().map(Dim::from).collect(),
        None => vec![all.exact_div(&Dim::from(3)).ok_or_else(|| format!("{all} columns do not divide by three"))?; 3],
    };
    let [q, k, v] = sizes.as_slice() else { return Err("its qkv_hidden_sizes are not three".into()) };
    let mut product = cx.add(MatMul::default(), &[x, w])?;
    if let Some(b) = b {
        product = cx.binary(Binary::Add, product, b)?;
    }
    of_product(cx, product, [q, k, v], 3, Some(5), 4)
}

/// QAttention: the same of integers, whose product with the weights is the only one that is quantised.
pub fn quantized_attention(cx: &mut Cx) -> Results {
    let operands = [cx.input(0)?, cx.input(1)?];
    let (bias, scales) = (cx.input(2)?, [cx.input(3)?, cx.input(4)?]);
    let zeros = [cx.opt(6)?, cx.opt(7)?];
    if cx.flag("do_rotary", false) {
        return Err("do_rotary is not supported".into());
    }
    let all = cx.ty(operands[1]).shape.get(1).cloned().ok_or("its weights are no matrix")?;
    let each = all.exact_div(&Dim::from(3)).ok_or_else(|| format!("{all} columns do not divide by three"))?;
    let product = quantize_contrib::product(cx, operands, scales, zeros, Some(bias))?;
    of_product(cx, product, [&each; 3], 5, None, 8)
}

/// Attention from queries, keys and values side by side, of these widths. `mask`, `bias` and `past` are numbers of operands.
fn of_product(
    cx: &mut Cx,
    product: ValueId,
    [q, k, v]: [&Dim; 3],
    mask: usize,
    bias: Option<usize>,
    past: usize,
) -> Results {
    let n = Dim::from(cx.int("num_heads", 0));
    let starts = [Dim::from(0), q.clone(), q.clone() + k.clone()];
    let mut parts = Vec::new();
    for (start, len) in starts.into_iter().zip([q, k, v]) {
        let part = array::part(cx, product, 2, start, len.clone())?;
        parts.push(heads(cx, part, &n)?);
    }
    let (q, mut k, mut v) = (parts[0], parts[1], parts[2]);
    let mut present = Entry::Absent;
    let mut past_len = Dim::from(0);
    if let Some(past) = cx.opt(past)? {
        // [2, batch, heads, past, width]
        let shape = cx.ty(past).shape;
        if shape.len() != 5 {
            return Err(format!("its past is {}, which has not 5 axes", cx.ty(past)));
        }
        past_len = shape[3].clone();
        for (i, part) in [&mut k, &mut v].into_iter().enumerate() {
            let old = array::part(cx, past, 0, Dim::from(i), Dim::from(1))?;
            let old = cx.reshape(old, shape[1..].to_vec())?;
            *part = array::join(cx, &[old, *part], 2)?;
        }
    }
    if cx.node.output.get(1).is_some_and(|name| !name.is_empty()) {
        let mut shape = cx.ty(k).shape;
        shape.insert(0, Dim::from(1));
        let (k, v) = (cx.reshape(k, shape.clone())?, cx.reshape(v, shape)?);
        present = Entry::Value(array::join(cx, &[k, v], 0)?);
    }
    let y = attend(cx, q, k, v, mask, bias, past_len)?;
    Ok(vec![Entry::Value(y), present])
}

/// MultiHeadAttention of com.microsoft: queries, keys and values each an operand.
pub fn multi_head_attention(cx: &mut Cx) -> Results {
    let (q, bias) = (cx.input(0)?, cx.opt(3)?);
    let (Some(k), Some(v)) = (cx.opt(1)?, cx.opt(2)?) else {
        return Err("packed queries, keys and values are not supported\nhelp: export them as three operands".into());
    };
    let n = Dim::from(cx.int("num_heads", 0));
    let width = |cx: &Cx, id| cx.ty(id).shape.get(2).cloned().unwrap_or(Dim::from(0));
    let (q_len, k_len) = (width(cx, q), width(cx, k));
    let mut parts = Vec::new();
    for (id, start) in [(q, Dim::from(0)), (k, q_len.clone()), (v, q_len + k_len)] {
        // Keys and values that are split into heads already carry no bias.
        if cx.rank(id) == 4 {
            parts.push(id);
            continue;
        }
        let id = match bias {
            Some(bias) => add_part(cx, id, bias, start)?,
            None => id,
        };
        parts.push(heads(cx, id, &n)?);
    }
    let (q, mut k, mut v) = (parts[0], parts[1], parts[2]);
    let mut past_len = Dim::from(0);
    if let (Some(past_k), Some(past_v)) = (cx.opt(6)?, cx.opt(7)?) {
        past_len = cx.ty(past_k).shape.get(2).cloned().ok_or("its past keys have too few axes")?;
        (k, v) = (array::join(cx, &[past_k, k], 2)?, array::join(cx, &[past_v, v], 2)?);
    }
    let y = attend(cx, q, k, v, 4, Some(5), past_len)?;
    Ok([y, k, v].map(Entry::Value).to_vec())
}

/// Attention over heads; operands `mask` and `bias` of the node hide and move scores.
fn attend(
    cx: &mut Cx,
    q: ValueId,
    k: ValueId,
    v: ValueId,
    mask: usize,
    bias: Option<usize>,
    past: Dim,
) -> Result<ValueId, String> {
    let (shape, keys) = (cx.ty(q).shape, cx.ty(k).shape);
    let width = shape[3].as_const().filter(|&width| width > 0).ok_or("the width of its heads is not fixed")?;
    let scale = f64::from(cx.float("scale", 0.0));
    let scale = if scale == 0.0 { 1.0 / (width as f64).sqrt() } else { scale };
    let turned = cx.transpose(k, vec![0, 1, 3, 2])?;
    let product = cx.add(MatMul::default(), &[q, turned])?;
    let mut scores = scaled(cx, product, scale)?;
    if let Some(mask) = cx.opt(mask)? {
        let hidden = mask_bias(cx, mask, &shape[0], &keys[2])?;
        scores = cx.binary(Binary::Add, scores, hidden)?;
    }
    if let Some(bias) = bias.map_or(Ok(None), |bias| cx.opt(bias))? {
        scores = cx.binary(Binary::Add, scores, bias)?;
    }
    let causal = cx.flag("unidirectional", false).then_some(past);
    let y = softmax_product(cx, scores, v, causal)?;
    joined(cx, y)
}

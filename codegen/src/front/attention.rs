//! Attention, by its parts.

use super::array::join;
use super::cx::{Cx, Entry, Results};
use crate::ir::{DType, Dim, ValueId};
use crate::ops::expand::Expand;
use crate::ops::map::{Binary, Map, Unary};
use crate::ops::matmul::MatMul;
use crate::ops::range::Range;
use crate::ops::softmax::Softmax;

/// ai.onnx Attention: Q, K, V, mask, past key, past value. Results: Y, present key, present value, scores.
pub fn attention(cx: &mut Cx) -> Results {
    let flat = cx.rank(cx.input(0)?) == 3;
    let q = heads(cx, 0, "q_num_heads")?;
    let (mut k, mut v) = (heads(cx, 1, "kv_num_heads")?, heads(cx, 2, "kv_num_heads")?);
    let mut past = Dim::from(0);
    if let (Some(past_k), Some(past_v)) = (cx.opt(4)?, cx.opt(5)?) {
        past = cx.ty(past_k).shape.get(2).cloned().ok_or("its past keys have too few axes")?;
        (k, v) = (join(cx, &[past_k, k], 2)?, join(cx, &[past_v, v], 2)?);
    }
    if cx.opt(6)?.is_some() {
        return Err("operand nonpad_kv_seqlen is not supported yet\nhelp: pass the padding as a mask".into());
    }
    let (present_k, present_v) = (k, v);
    let shape = cx.ty(q).shape;
    (k, v) = (shared(cx, k, &shape[1])?, shared(cx, v, &shape[1])?);

    let dtype = cx.ty(q).dtype;
    let width = shape[3].as_const().ok_or("the width of its heads is not fixed")?;
    let scale = if cx.has("scale") { f64::from(cx.float("scale", 1.0)) } else { 1.0 / (width as f64).sqrt() };
    let k = cx.transpose(k, vec![0, 1, 3, 2])?;
    let product = cx.add(MatMul::default(), &[q, k])?;
    let raw = cx.map1(product, |map, x| {
        let scale = map.number(scale, dtype);
        map.binary(Binary::Mul, x, scale)
    })?;
    let mut scores = raw;
    if let Some(mask) = cx.opt(3)? {
        let mask = match cx.ty(mask).dtype {
            DType::Bool => cx.map1(mask, |map, m| {
                let (none, all) = (map.number(f64::NEG_INFINITY, dtype), map.number(0.0, dtype));
                map.select(m, all, none)
            })?,
            _ => mask,
        };
        scores = cx.binary(Binary::Add, scores, mask)?;
    }
    if cx.flag("is_causal", false) {
        scores = causal(cx, scores, past, dtype)?;
    }
    let masked = scores;
    let softcap = f64::from(cx.float("softcap", 0.0));
    if softcap > 0.0 {
        scores = cx.map1(scores, |map, x| {
            let cap = map.number(softcap, dtype);
            let ratio = map.binary(Binary::Div, x, cap);
            let tanh = map.unary(Unary::Tanh, ratio);
            map.binary(Binary::Mul, tanh, cap)
        })?;
    }
    let weights = cx.add(Softmax { axis: 3, log: false }, &[scores])?;
    let mut y = cx.add(MatMul::default(), &[weights, v])?;
    if flat {
        let shape = cx.ty(y).shape;
        y = cx.transpose(y, vec![0, 2, 1, 3])?;
        y = cx.reshape(y, vec![shape[0].clone(), shape[2].clone(), shape[1].clone() * shape[3].clone()])?;
    }
    let asked = match cx.int("qk_matmul_output_mode", 0) {
        0 => raw,
        1 => masked,
        2 => scores,
        _ => weights,
    };
    Ok([y, present_k, present_v, asked].map(Entry::Value).to_vec())
}

/// Operand `i` as `[batch, heads, sequence, width]`.
fn heads(cx: &mut Cx, i: usize, attribute: &str) -> Result<ValueId, String> {
    let x = cx.input(i)?;
    let shape = cx.ty(x).shape;
    match shape.as_slice() {
        [_, _, _, _] => Ok(x),
        [batch, seq, all] => {
            let n = Dim::from(cx.int(attribute, 0));
            let width = (!n.is(0)).then(|| all.exact_div(&n)).flatten();
            let width = width.ok_or_else(|| format!("{all} columns do not divide into {attribute} = {n} heads"))?;
            let x = cx.reshape(x, vec![batch.clone(), seq.clone(), n, width])?;
            cx.transpose(x, vec![0, 2, 1, 3])
        }
        _ => Err(format!("its operand {i} has {} axes, not 3 or 4", shape.len())),
    }
}

/// Keys or values repeated so that each of `n` heads of queries has its own.
fn shared(cx: &mut Cx, x: ValueId, n: &Dim) -> Result<ValueId, String> {
    let shape = cx.ty(x).shape;
    if shape[1] == *n {
        return Ok(x);
    }
    let each = n.exact_div(&shape[1]).ok_or_else(|| format!("{n} heads do not share {} evenly", shape[1]))?;
    let [b, h, s, d] = [0, 1, 2, 3].map(|axis| shape[axis].clone());
    let x = cx.reshape(x, vec![b.clone(), h.clone(), Dim::from(1), s.clone(), d.clone()])?;
    let x = cx.add(Expand { shape: vec![b.clone(), h, each, s.clone(), d.clone()] }, &[x])?;
    cx.reshape(x, vec![b, n.clone(), s, d])
}

/// Scores of later keys become minus infinity; query 0 stands for the time of the key after the past ones.
fn causal(cx: &mut Cx, scores: ValueId, past: Dim, dtype: DType) -> Result<ValueId, String> {
    let shape = cx.ty(scores).shape;
    let numbers = |start: Dim, len: &Dim| Range {
        start,
        delta: Dim::from(1),
        len: len.clone(),
        dtype: DType::I64,
        operands: false,
    };
    let rows = cx.add(numbers(past, &shape[2]), &[])?;
    let cols = cx.add(numbers(Dim::from(0), &shape[3]), &[])?;
    let rows = cx.reshape(rows, vec![shape[2].clone(), Dim::from(1)])?;
    let mut map = Map::of(&[DType::I64, DType::I64]);
    let later = map.binary(Binary::Lt, 0, 1);
    let (none, all) = (map.number(f64::NEG_INFINITY, dtype), map.number(0.0, dtype));
    let bias = map.select(later, none, all);
    let bias = cx.add(map.finish(bias), &[rows, cols])?;
    cx.binary(Binary::Add, scores, bias)
}

//! Attention, by its parts.

use super::array::{join, part};
use super::cx::{Cx, Entry, Results};
use super::reduce;
use crate::ir::{DType, Dim, ValueId};
use crate::ops::expand::Expand;
use crate::ops::gather::Gather;
use crate::ops::map::{Binary, Map, Unary};
use crate::ops::matmul::MatMul;
use crate::ops::pad::{Pad, PadMode};
use crate::ops::range::Range;

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
        let mask = hide_the_rest(cx, mask, &cx.ty(scores).shape[3].clone())?;
        scores = cx.binary(Binary::Add, scores, mask)?;
    }
    if cx.flag("is_causal", false) {
        scores = causal(cx, scores, past, dtype)?;
    }
    if let Some(lens) = cx.opt(6)? {
        scores = padded(cx, scores, lens, dtype)?;
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
    let weights = reduce::softmax_along(cx, scores, 3, false)?;
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

/// Values `[batch, heads, keys, width]` weighted by the softmax of scores; where those are `causal`, later keys than a query's
/// own, after that many past ones, count for nothing.
pub fn softmax_product(cx: &mut Cx, scores: ValueId, v: ValueId, past: Option<Dim>) -> Result<ValueId, String> {
    let dtype = cx.ty(scores).dtype;
    let scores = match past {
        Some(past) => causal(cx, scores, past, dtype)?,
        None => scores,
    };
    let weights = reduce::softmax_along(cx, scores, 3, false)?;
    cx.add(MatMul::default(), &[weights, v])
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

/// A mask that ends before the last of `keys` hides those after its end.
fn hide_the_rest(cx: &mut Cx, mask: ValueId, keys: &Dim) -> Result<ValueId, String> {
    let shape = cx.ty(mask).shape;
    let Some(given) = shape.last().filter(|given| !given.is(1)) else { return Ok(mask) };
    let rest = keys.clone() - given.clone();
    if rest.as_const().is_none_or(|rest| rest <= 0) {
        return Ok(mask);
    }
    let before = vec![Dim::from(0); shape.len()];
    let mut after = before.clone();
    after[shape.len() - 1] = rest;
    cx.add(Pad { before, after, mode: PadMode::Constant(f64::NEG_INFINITY) }, &[mask])
}

/// Scores of keys beyond each row's own number become minus infinity.
fn padded(cx: &mut Cx, scores: ValueId, lens: ValueId, dtype: DType) -> Result<ValueId, String> {
    let keys = cx.ty(scores).shape[3].clone();
    let lens = cx.cast(lens, DType::I64)?;
    let one = Dim::from(1);
    let column = vec![cx.ty(lens).len(), one.clone(), one.clone(), one.clone()];
    let lens = cx.reshape(lens, column)?;
    let keys = Range { start: Dim::from(0), delta: one, len: keys, dtype: DType::I64, operands: false };
    let keys = cx.add(keys, &[])?;
    let mut map = Map::of(&[DType::I64, DType::I64]);
    let shown = map.binary(Binary::Lt, 1, 0);
    let (none, all) = (map.number(f64::NEG_INFINITY, dtype), map.number(0.0, dtype));
    let bias = map.select(shown, all, none);
    let bias = cx.add(map.finish(bias), &[lens, keys])?;
    cx.binary(Binary::Add, scores, bias)
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

/// RotaryEmbedding: pairs of columns turned by an angle that depends on the place in the sequence.
pub fn rotary(cx: &mut Cx) -> Results {
    let (x, mut cos, mut sin) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let whole = cx.ty(x).shape;
    let flat = whole.len() == 3;
    let x = heads(cx, 0, "num_heads")?;
    if let Some(places) = cx.opt(3)? {
        (cos, sin) = (cx.add(Gather { axis: 0 }, &[cos, places])?, cx.add(Gather { axis: 0 }, &[sin, places])?);
    }
    let shape = cx.ty(x).shape;
    let [batch, n, seq, all] = [0, 1, 2, 3].map(|axis| shape[axis].clone());
    let width = match cx.int("rotary_embedding_dim", 0) {
        0 => all.clone(),
        width => Dim::from(width),
    };
    let half = width.exact_div(&Dim::from(2)).ok_or_else(|| format!("{width} columns do not make pairs"))?;
    let left = (all.clone() - width.clone())
        .as_const()
        .filter(|&left| left >= 0)
        .ok_or("it turns more columns than it has")?;
    // [batch or 1, seq, half] becomes [batch or 1, 1, seq, half].
    for angle in [&mut cos, &mut sin] {
        let mut own = cx.ty(*angle).shape;
        if own.len() != 3 || own[2] != half {
            return Err(format!("its angles {} do not fit {half} pairs of columns", cx.ty(*angle)));
        }
        own.insert(1, Dim::from(1));
        *angle = cx.reshape(*angle, own)?;
    }
    let turned = part(cx, x, 3, Dim::from(0), width.clone())?;
    let interleaved = cx.flag("interleaved", false);
    let pair = |cx: &mut Cx, i: usize| {
        if !interleaved {
            return part(cx, turned, 3, half.clone() * Dim::from(i), half.clone());
        }
        let pairs = cx.reshape(turned, vec![batch.clone(), n.clone(), seq.clone(), half.clone(), Dim::from(2)])?;
        let one = part(cx, pairs, 4, Dim::from(i), Dim::from(1))?;
        cx.reshape(one, vec![batch.clone(), n.clone(), seq.clone(), half.clone()])
    };
    let (a, b) = (pair(cx, 0)?, pair(cx, 1)?);
    let dtype = cx.ty(x).dtype;
    let mut parts = Vec::new();
    for op in [Binary::Sub, Binary::Add] {
        // (a, b) becomes (cos a - sin b, sin a + cos b).
        let mut map = Map::of(&[dtype; 4]);
        let (first, second) = if op == Binary::Sub { (2, 3) } else { (3, 2) };
        let (p, q) = (map.binary(Binary::Mul, first, 0), map.binary(Binary::Mul, second, 1));
        let result = map.binary(op, p, q);
        parts.push(cx.add(map.finish(result), &[a, b, cos, sin])?);
    }
    let mut y = if interleaved {
        let mut single = shape.clone();
        single[3] = half.clone();
        single.push(Dim::from(1));
        let (a, b) = (cx.reshape(parts[0], single.clone())?, cx.reshape(parts[1], single)?);
        let pairs = join(cx, &[a, b], 4)?;
        cx.reshape(pairs, vec![batch.clone(), n.clone(), seq.clone(), width.clone()])?
    } else {
        join(cx, &parts, 3)?
    };
    if left > 0 {
        let rest = part(cx, x, 3, width, Dim::from(left))?;
        y = join(cx, &[y, rest], 3)?;
    }
    if flat {
        y = cx.transpose(y, vec![0, 2, 1, 3])?;
        y = cx.reshape(y, whole)?;
    }
    Ok(vec![Entry::Value(y)])
}

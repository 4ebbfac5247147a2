//! Reductions, arg-reductions, softmax and running sums.

use super::cx::{Cx, Results, one};
use crate::ir::{DType, Dim, ValueId};
use crate::ops::arg_reduce::ArgReduce;
use crate::ops::cum_sum::CumSum;
use crate::ops::map::{Binary, Inst, Unary};
use crate::ops::reduce::{Reduce, ReduceKind};
use crate::ops::softmax::Softmax;
use crate::ops::top_k::TopK;

/// Every Reduce operator.
pub fn reduce(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let rank = cx.rank(x);
    let given = match cx.int_list("axes") {
        Some(axes) => Some(axes),
        None => cx.opt(1)?.map(|_| cx.numbers(1, "the axes")).transpose()?,
    };
    let axes = match given {
        Some(axes) if !axes.is_empty() => cx.axes(&axes, rank)?,
        _ if cx.flag("noop_with_empty_axes", false) => Vec::new(),
        _ => (0..rank).collect(),
    };
    let keep = cx.flag("keepdims", true);
    let kind = cx.node.op_type.clone();
    if let Some(dims) = cx.im.ints(x)
        && cx.im.graph.tensor(x).is_none()
        && axes == [0]
        && let Some(dim) = reduced_sizes(&kind, &dims)
    {
        let dtype = cx.ty(x).dtype;
        return one(cx.sizes(vec![dim], !keep, dtype)?);
    }
    // Roots and logarithms of integers are those of their values, cut to integers.
    let dtype = cx.ty(x).dtype;
    let real = matches!(kind.as_str(), "ReduceL2" | "ReduceLogSum" | "ReduceLogSumExp");
    let x = if real && !dtype.is_float() { cx.cast(x, DType::F64)? } else { x };
    let run = |cx: &mut Cx, kind, x: ValueId| {
        if axes.is_empty() { Ok(x) } else { cx.add(Reduce { kind, axes: axes.clone(), keep }, &[x]) }
    };
    let squared = |cx: &mut Cx, x| cx.map1(x, |map, x| map.binary(Binary::Mul, x, x));
    let result = match kind.as_str() {
        "ReduceSum" => run(cx, ReduceKind::Sum, x)?,
        "ReduceMean" => run(cx, ReduceKind::Mean, x)?,
        "ReduceMax" => run(cx, ReduceKind::Max, x)?,
        "ReduceMin" => run(cx, ReduceKind::Min, x)?,
        "ReduceProd" => run(cx, ReduceKind::Prod, x)?,
        "ReduceSumSquare" if axes.is_empty() => squared(cx, x)?,
        "ReduceSumSquare" => run(cx, ReduceKind::SumSquare, x)?,
        "ReduceL1" if axes.is_empty() => cx.unary(Unary::Abs, x)?,
        "ReduceL1" => run(cx, ReduceKind::L1, x)?,
        "ReduceL2" if axes.is_empty() => cx.unary(Unary::Abs, x)?,
        "ReduceL2" => {
            let sum = run(cx, ReduceKind::SumSquare, x)?;
            cx.unary(Unary::Sqrt, sum)?
        }
        "ReduceLogSum" => {
            let sum = run(cx, ReduceKind::Sum, x)?;
            cx.unary(Unary::Log, sum)?
        }
        "ReduceLogSumExp" if axes.is_empty() => x,
        "ReduceLogSumExp" => {
            // The greatest is taken out first, so that nothing overflows; an infinite one cannot be.
            let max = cx.add(Reduce { kind: ReduceKind::Max, axes: axes.clone(), keep: true }, &[x])?;
            let dtype = cx.ty(x).dtype;
            let max = cx.map1(max, |map, m| {
                let zero = map.number(0.0, dtype);
                let (up, down) = (map.unary(Unary::IsPosInf, m), map.unary(Unary::IsNegInf, m));
                let infinite = map.binary(Binary::Or, up, down);
                map.select(infinite, zero, m)
            })?;
            let apart = cx.binary(Binary::Sub, x, max)?;
            let exp = cx.unary(Unary::Exp, apart)?;
            let sum = run(cx, ReduceKind::Sum, exp)?;
            let log = cx.unary(Unary::Log, sum)?;
            let shape = cx.ty(log).shape;
            let max = cx.reshape(max, shape)?;
            cx.binary(Binary::Add, log, max)?
        }
        other => return Err(format!("{other} is not a known reduction")),
    };
    one(cx.cast(result, dtype)?)
}

/// Sizes reduced to one.
fn reduced_sizes(kind: &str, dims: &[Dim]) -> Option<Dim> {
    match kind {
        "ReduceProd" => Some(Dim::product(dims)),
        "ReduceSum" => Some(dims.iter().fold(Dim::from(0), |sum, d| sum + d.clone())),
        "ReduceMax" => dims.iter().cloned().reduce(|a, b| Dim::max(&a, &b)),
        "ReduceMin" => dims.iter().cloned().reduce(|a, b| Dim::min(&a, &b)),
        _ => None,
    }
}

/// ArgMax and ArgMin.
pub fn arg_reduce(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let axis = cx.axis(cx.int("axis", 0), cx.rank(x))?;
    let (largest, last) = (cx.node.op_type == "ArgMax", cx.flag("select_last_index", false));
    let keep = cx.flag("keepdims", true);
    one(cx.add(ArgReduce { axis, largest, last, keep }, &[x])?)
}

/// Softmax, LogSoftmax and Hardmax; before opset 13 over all axes from one on.
pub fn softmax(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let shape = cx.ty(x).shape;
    let flattens = cx.opset() < 13;
    let axis = cx.axis(cx.int("axis", if flattens { 1 } else { -1 }), shape.len())?;
    let log = cx.node.op_type == "LogSoftmax";
    if cx.node.op_type == "Hardmax" {
        return hardmax(cx, x, axis, flattens);
    }
    if !flattens || axis + 1 == shape.len() {
        return one(softmax_along(cx, x, axis, log)?);
    }
    let flat = [Dim::product(&shape[..axis]), Dim::product(&shape[axis..])];
    let flat = cx.reshape(x, flat.to_vec())?;
    let result = softmax_along(cx, flat, 1, log)?;
    one(cx.reshape(result, shape)?)
}

/// The softmax of `x` along an axis, or its logarithm; of other elements than f32, whose kernel it is, by its parts.
pub fn softmax_along(cx: &mut Cx, x: ValueId, axis: usize, log: bool) -> Result<ValueId, String> {
    let dtype = cx.ty(x).dtype;
    if dtype == DType::F32 || !dtype.is_float() {
        return cx.add(Softmax { axis, log }, &[x]);
    }
    let along = |kind| Reduce { kind, axes: vec![axis], keep: true };
    let most = cx.add(along(ReduceKind::Max), &[x])?;
    let above = cx.binary(Binary::Sub, x, most)?;
    let powers = cx.unary(Unary::Exp, above)?;
    let sum = cx.add(along(ReduceKind::Sum), &[powers])?;
    if log {
        let shift = cx.unary(Unary::Log, sum)?;
        return cx.binary(Binary::Sub, above, shift);
    }
    cx.binary(Binary::Div, powers, sum)
}

fn hardmax(cx: &mut Cx, x: ValueId, axis: usize, flattens: bool) -> Results {
    use crate::ops::map::Map;
    use crate::ops::range::Range;
    let (shape, dtype) = (cx.ty(x).shape, cx.ty(x).dtype);
    let (view, at) = match flattens {
        true => (vec![Dim::product(&shape[..axis]), Dim::product(&shape[axis..])], 1),
        false => (shape.clone(), axis),
    };
    let flat = cx.reshape(x, view.clone())?;
    let best = cx.add(ArgReduce { axis: at, largest: true, last: false, keep: true }, &[flat])?;
    let numbers =
        Range { start: Dim::from(0), delta: Dim::from(1), len: view[at].clone(), dtype: DType::I64, operands: false };
    let mut along = vec![Dim::from(1); view.len()];
    along[at] = view[at].clone();
    let numbers = cx.add(numbers, &[])?;
    let numbers = cx.reshape(numbers, along)?;
    let mut map = Map::of(&[DType::I64, DType::I64]);
    let hit = map.binary(Binary::Eq, 0, 1);
    let result = map.cast(hit, dtype);
    let result = cx.add(map.finish(result), &[best, numbers])?;
    one(cx.reshape(result, shape)?)
}

/// CumSum.
pub fn cum_sum(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let axis = cx.constant(1, "the axis")?.to_i64s().first().copied().unwrap_or(0);
    let axis = cx.axis(axis, cx.rank(x))?;
    one(cx.add(CumSum { axis, exclusive: cx.flag("exclusive", false), reverse: cx.flag("reverse", false) }, &[x])?)
}

/// TopK, k an attribute before opset 10.
pub fn top_k(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let k = match cx.int_list("k").is_some() || cx.has("k") {
        true => Dim::from(cx.int("k", 1)),
        false => cx.ints(1, "k")?.first().cloned().ok_or("its k is empty")?,
    };
    let axis = cx.axis(cx.int("axis", -1), cx.rank(x))?;
    let op = TopK { axis, k, largest: cx.flag("largest", true), sorted: cx.flag("sorted", true) };
    Ok(cx.add_all(op, &[x])?.into_iter().map(super::cx::Entry::Value).collect())
}

/// LpNormalization, and MeanVarianceNormalization.
pub fn normalize(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let (rank, dtype) = (cx.rank(x), cx.ty(x).dtype);
    if cx.node.op_type == "LpNormalization" {
        let axis = cx.axis(cx.int("axis", -1), rank)?;
        let kind = if cx.int("p", 2) == 1 { ReduceKind::L1 } else { ReduceKind::SumSquare };
        let mut norm = cx.add(Reduce { kind, axes: vec![axis], keep: true }, &[x])?;
        if kind == ReduceKind::SumSquare {
            norm = cx.unary(Unary::Sqrt, norm)?;
        }
        return one(cx.binary(Binary::Div, x, norm)?);
    }
    let axes = cx.axes(&cx.int_list("axes").unwrap_or_else(|| vec![0, 2, 3]), rank)?;
    let mean = cx.add(Reduce { kind: ReduceKind::Mean, axes: axes.clone(), keep: true }, &[x])?;
    let apart = cx.binary(Binary::Sub, x, mean)?;
    let square = cx.map1(apart, |map, x| map.binary(Binary::Mul, x, x))?;
    let variance = cx.add(Reduce { kind: ReduceKind::Mean, axes, keep: true }, &[square])?;
    let deviation = cx.map1(variance, |map, v| {
        let root = map.unary(Unary::Sqrt, v);
        let tiny = map.push(Inst::Const(1e-9f64.to_bits()), dtype);
        map.binary(Binary::Add, root, tiny)
    })?;
    one(cx.binary(Binary::Div, apart, deviation)?)
}

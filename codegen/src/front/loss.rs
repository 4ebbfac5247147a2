//! Losses: exported models carry them now and then, and they are sums of picked elements.

use super::cx::{Cx, Entry, Results};
use super::reduce;
use crate::ir::{DType, Dim, ValueId};
use crate::ops::gather::Gather;
use crate::ops::gather_elements::GatherElements;
use crate::ops::map::{Binary, Map, Unary};
use crate::ops::reduce::{Reduce, ReduceKind};

/// NegativeLogLikelihoodLoss: logarithms `[n, c, …]`, targets `[n, …]`, a weight a class.
pub fn negative_log_likelihood(cx: &mut Cx) -> Results {
    let (x, target, weight) = (cx.input(0)?, cx.input(1)?, cx.opt(2)?);
    Ok(vec![Entry::Value(likelihood(cx, x, target, weight)?)])
}

/// SoftmaxCrossEntropyLoss: the loss, and the logarithms of the softmax.
pub fn softmax_cross_entropy(cx: &mut Cx) -> Results {
    let (x, target, weight) = (cx.input(0)?, cx.input(1)?, cx.opt(2)?);
    let log = reduce::softmax_along(cx, x, 1, true)?;
    Ok(vec![Entry::Value(likelihood(cx, log, target, weight)?), Entry::Value(log)])
}

fn likelihood(cx: &mut Cx, x: ValueId, target: ValueId, weight: Option<ValueId>) -> Result<ValueId, String> {
    let (ty, shape) = (cx.ty(x), cx.ty(target).shape);
    let fits = ty.rank() == shape.len() + 1 && shape.first() == ty.shape.first() && shape.get(1..) == ty.shape.get(2..);
    if !fits {
        return Err(format!("its operand {ty} and targets {} do not fit", cx.ty(target)));
    }
    let dtype = ty.dtype;
    let ignored = cx.has("ignore_index").then(|| cx.int("ignore_index", 0));
    // An ignored target may lie outside the classes: it picks the first one, and counts for nothing.
    let target = cx.cast(target, DType::I64)?;
    let picks = match ignored {
        Some(ignored) => cx.map1(target, |map, t| {
            let (ignored, zero) = (integer(map, ignored), map.number(0.0, DType::I64));
            let skip = map.binary(Binary::Eq, t, ignored);
            map.select(skip, zero, t)
        })?,
        None => target,
    };
    let mut along = shape.clone();
    along.insert(1, Dim::from(1));
    let column = cx.reshape(picks, along)?;
    let picked = cx.add(GatherElements { axis: 1 }, &[x, column])?;
    let picked = cx.reshape(picked, shape.clone())?;
    let mut factor = match weight {
        Some(weight) => Some(cx.add(Gather { axis: 0 }, &[weight, picks])?),
        None => None,
    };
    if let Some(ignored) = ignored {
        let whole = match factor {
            Some(factor) => factor,
            None => cx.scalar(1.0, dtype),
        };
        let mut map = Map::of(&[DType::I64, dtype]);
        let (ignored, zero) = (integer(&mut map, ignored), map.number(0.0, dtype));
        let skip = map.binary(Binary::Eq, 0, ignored);
        let result = map.select(skip, zero, 1);
        factor = Some(cx.add(map.finish(result), &[target, whole])?);
    }
    let mut loss = cx.unary(Unary::Neg, picked)?;
    if let Some(factor) = factor {
        let mut map = Map::of(&[dtype, dtype]);
        let zero = map.number(0.0, dtype);
        // What is ignored may be infinite, and counts for nothing all the same.
        let (nothing, product) = (map.binary(Binary::Eq, 1, zero), map.binary(Binary::Mul, 0, 1));
        let result = map.select(nothing, zero, product);
        loss = cx.add(map.finish(result), &[loss, factor])?;
    }
    let all = |kind| Reduce { kind, axes: (0..shape.len()).collect(), keep: false };
    match (cx.string("reduction", "mean").as_str(), factor) {
        ("none", _) => Ok(loss),
        ("sum", _) => cx.add(all(ReduceKind::Sum), &[loss]),
        ("mean", None) => cx.add(all(ReduceKind::Mean), &[loss]),
        ("mean", Some(factor)) => {
            let (total, whole) = (cx.add(all(ReduceKind::Sum), &[loss])?, cx.add(all(ReduceKind::Sum), &[factor])?);
            cx.binary(Binary::Div, total, whole)
        }
        (other, _) => Err(format!("reduction {other:?} does not exist")),
    }
}

/// An integer, exactly.
fn integer(map: &mut Map, value: i64) -> usize {
    map.push(crate::ops::map::Inst::Const(value as u64), DType::I64)
}

#[cfg(test)]
mod tests {
    use super::super::build::{constant, folded, int, node};
    use crate::ir::{DType, Tensor};

    #[test]
    fn ignored_targets_count_for_nothing() {
        let x = constant(
            "x",
            &Tensor::from_f64s(DType::F32, vec![3, 2], &[-1.0, -2.0, -3.0, -4.0, f64::NEG_INFINITY, -6.0]),
        );
        let t = constant("t", &Tensor::from_i64s(DType::I64, vec![3], &[1, 0, 99]));
        let nodes = vec![node("NegativeLogLikelihoodLoss", &["x", "t"], &["y"], vec![int("ignore_index", 99)])];
        assert_eq!(folded(vec![x, t], &["y"], nodes).unwrap()[0].to_f64s(), [2.5]);
    }
}

//! Matrix products.

use super::cx::{Cx, Results, one};
use crate::ir::{Dim, ValueId};
use crate::ops::map::{Binary, Map};
use crate::ops::matmul::MatMul;

/// MatMul, as numpy has it: a vector is a row on the left and a column on the right.
pub fn matmul(cx: &mut Cx) -> Results {
    let (a, b) = (cx.input(0)?, cx.input(1)?);
    one(product(cx, a, b)?)
}

/// `a` times `b`, as numpy has it.
pub fn product(cx: &mut Cx, a: ValueId, b: ValueId) -> Result<ValueId, String> {
    let (x, y) = (cx.ty(a).shape, cx.ty(b).shape);
    if x.is_empty() || y.is_empty() {
        return Err("a product with a scalar".into());
    }
    let row = if x.len() == 1 { cx.reshape(a, vec![Dim::from(1), x[0].clone()])? } else { a };
    let column = if y.len() == 1 { cx.reshape(b, vec![y[0].clone(), Dim::from(1)])? } else { b };
    let result = cx.add(MatMul::default(), &[row, column])?;
    let mut shape = cx.ty(result).shape;
    if y.len() == 1 {
        shape.pop();
    }
    if x.len() == 1 {
        shape.remove(shape.len() - if y.len() == 1 { 1 } else { 2 });
    }
    cx.reshape(result, shape)
}

/// Gemm: `alpha * a * b + beta * c`.
pub fn gemm(cx: &mut Cx) -> Results {
    let (a, b, c) = (cx.input(0)?, cx.input(1)?, cx.opt(2)?);
    if cx.rank(a) != 2 || cx.rank(b) != 2 {
        return Err(format!("its operands {} and {} are not both matrices", cx.ty(a), cx.ty(b)));
    }
    let (alpha, beta) = (f64::from(cx.float("alpha", 1.0)), f64::from(cx.float("beta", 1.0)));
    let op = MatMul { trans_a: cx.flag("transA", false), trans_b: cx.flag("transB", false), ..MatMul::default() };
    let mut result = cx.add(op, &[a, b])?;
    let dtype = cx.ty(result).dtype;
    if alpha != 1.0 {
        result = cx.map1(result, |map, x| {
            let alpha = map.number(alpha, dtype);
            map.binary(Binary::Mul, x, alpha)
        })?;
    }
    if let Some(c) = c {
        let mut map = Map::of(&[dtype, cx.ty(c).dtype]);
        let scaled = if beta == 1.0 {
            1
        } else {
            let beta = map.number(beta, dtype);
            map.binary(Binary::Mul, 1, beta)
        };
        let sum = map.binary(Binary::Add, 0, scaled);
        result = cx.add(map.finish(sum), &[result, c])?;
    }
    one(result)
}

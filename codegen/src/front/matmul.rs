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

/// Det of small matrices, by their minors.
pub fn det(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let shape = cx.ty(x).shape;
    let square = shape.len() >= 2 && shape[shape.len() - 1] == shape[shape.len() - 2];
    let n = shape.last().filter(|_| square).and_then(Dim::as_usize).filter(|n| (1..=4).contains(n));
    let n = n.ok_or_else(|| format!("the determinant of {}; square matrices of up to 4 rows work", cx.ty(x)))?;
    let lead = shape[..shape.len() - 2].to_vec();
    let flat = cx.reshape(x, vec![Dim::product(&lead), Dim::from(n * n)])?;
    let cells = (0..n * n)
        .map(|i| {
            let cell = super::array::part(cx, flat, 1, Dim::from(i), Dim::from(1))?;
            cx.reshape(cell, lead.clone())
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut map = Map::of(&vec![cx.ty(x).dtype; n * n]);
    let result = minor(&mut map, n, 0, &(0..n).collect::<Vec<_>>());
    one(cx.add(map.finish(result), &cells)?)
}

/// The determinant of the rows from `row` on and of `columns`, as many.
fn minor(map: &mut Map, n: usize, row: usize, columns: &[usize]) -> usize {
    let mut sum = None;
    for (i, &column) in columns.iter().enumerate() {
        let cell = row * n + column;
        let rest: Vec<usize> = columns.iter().copied().filter(|&c| c != column).collect();
        let product = if rest.is_empty() {
            cell
        } else {
            let rest = minor(map, n, row + 1, &rest);
            map.binary(Binary::Mul, cell, rest)
        };
        sum = Some(match sum {
            None => product,
            Some(sum) => map.binary(if i % 2 == 0 { Binary::Add } else { Binary::Sub }, sum, product),
        });
    }
    sum.unwrap_or(0)
}

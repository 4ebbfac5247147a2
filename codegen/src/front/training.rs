//! Optimisers' steps: Adagrad, Adam and Momentum, of the operator set for training.

use super::cx::{Cx, Entry, Results};
use crate::ir::{DType, ValueId};
use crate::ops::map::{Binary, Map, Unary};

/// All three: a rate, a count of steps, then as many tensors, gradients and accumulators of each kind as are trained.
pub fn optimise(cx: &mut Cx) -> Results {
    let kind = cx.node.op_type.clone();
    let kinds = if kind == "Adam" { 4 } else { 3 };
    let given = cx.inputs.len();
    if given < 2 + kinds || !(given - 2).is_multiple_of(kinds) {
        return Err(format!("it has {given} operands, which are not a rate, a count and {kinds} of each tensor"));
    }
    let n = (given - 2) / kinds;
    let mut results = vec![Vec::new(); kinds - 1];
    for i in 0..n {
        let operands = [vec![0, 1], (0..kinds).map(|of| 2 + of * n + i).collect()].concat();
        let operands = operands.into_iter().map(|at| cx.input(at)).collect::<Result<Vec<_>, _>>()?;
        let dtype = cx.ty(operands[2]).dtype;
        let step = Step::new(cx, &operands, dtype)?;
        let new = match kind.as_str() {
            "Adagrad" => step.adagrad(cx)?,
            "Adam" => step.adam(cx)?,
            _ => step.momentum(cx)?,
        };
        results.iter_mut().zip(new).for_each(|(list, id)| list.push(Entry::Value(id)));
    }
    Ok(results.concat())
}

/// One tensor's step.
struct Step {
    rate: ValueId,
    count: ValueId,
    x: ValueId,
    /// With the regularisation's part.
    gradient: ValueId,
    accumulators: Vec<ValueId>,
    dtype: DType,
}

impl Step {
    fn new(cx: &mut Cx, operands: &[ValueId], dtype: DType) -> Result<Step, String> {
        if !dtype.is_float() || operands[3..].iter().any(|&id| cx.ty(id) != cx.ty(operands[2])) {
            return Err("its tensors are not floats of one shape".into());
        }
        let (rate, count) = (cx.cast(operands[0], dtype)?, cx.cast(operands[1], dtype)?);
        let (x, given) = (operands[2], operands[3]);
        let norm = f64::from(cx.float("norm_coefficient", 0.0));
        let gradient = apply(cx, dtype, &[x, given], |map| {
            let decay = times(map, 0, norm, dtype);
            map.binary(Binary::Add, decay, 1)
        })?;
        Ok(Step { rate, count, x, gradient, accumulators: operands[4..].to_vec(), dtype })
    }

    fn adagrad(&self, cx: &mut Cx) -> Result<Vec<ValueId>, String> {
        let (decay, epsilon) = (f64::from(cx.float("decay_factor", 0.0)), f64::from(cx.float("epsilon", 1e-6)));
        let dtype = self.dtype;
        let h = apply(cx, dtype, &[self.accumulators[0], self.gradient], |map| {
            let square = map.binary(Binary::Mul, 1, 1);
            map.binary(Binary::Add, 0, square)
        })?;
        let x = apply(cx, dtype, &[self.rate, self.count, self.x, self.gradient, h], |map| {
            let slowed = times(map, 1, decay, dtype);
            let slowed = plus(map, slowed, 1.0, dtype);
            let rate = map.binary(Binary::Div, 0, slowed);
            let moved = map.binary(Binary::Mul, rate, 3);
            let moved = over_root(map, moved, 4, epsilon, dtype);
            map.binary(Binary::Sub, 2, moved)
        })?;
        Ok(vec![x, h])
    }

    fn adam(&self, cx: &mut Cx) -> Result<Vec<ValueId>, String> {
        let (alpha, beta) = (f64::from(cx.float("alpha", 0.9)), f64::from(cx.float("beta", 0.999)));
        let (epsilon, post) = (f64::from(cx.float("epsilon", 1e-6)), f64::from(cx.float("norm_coefficient_post", 0.0)));
        let dtype = self.dtype;
        let mean = |cx: &mut Cx, of: ValueId, by: f64, squared: bool| {
            apply(cx, dtype, &[of, self.gradient], |map| {
                let next = if squared { map.binary(Binary::Mul, 1, 1) } else { 1 };
                let (old, new) = (times(map, 0, by, dtype), times(map, next, 1.0 - by, dtype));
                map.binary(Binary::Add, old, new)
            })
        };
        let v = mean(cx, self.accumulators[0], alpha, false)?;
        let h = mean(cx, self.accumulators[1], beta, true)?;
        let x = apply(cx, dtype, &[self.rate, self.count, self.x, v, h], |map| {
            // Means that began at zero are too small at first.
            let missing = |map: &mut Map, by: f64| {
                let by = map.number(by, dtype);
                let power = map.binary(Binary::Pow, by, 1);
                let one = map.number(1.0, dtype);
                map.binary(Binary::Sub, one, power)
            };
            let (of_h, of_v) = (missing(map, beta), missing(map, alpha));
            let root = map.unary(Unary::Sqrt, of_h);
            let scaled = map.binary(Binary::Mul, 0, root);
            let adjusted = map.binary(Binary::Div, scaled, of_v);
            let zero = map.number(0.0, dtype);
            let begun = map.binary(Binary::Lt, zero, 1);
            let rate = map.select(begun, adjusted, 0);
            let moved = map.binary(Binary::Mul, rate, 3);
            let moved = over_root(map, moved, 4, epsilon, dtype);
            let x = map.binary(Binary::Sub, 2, moved);
            times(map, x, 1.0 - post, dtype)
        })?;
        Ok(vec![x, v, h])
    }

    fn momentum(&self, cx: &mut Cx) -> Result<Vec<ValueId>, String> {
        let (alpha, beta) = (f64::from(cx.float("alpha", 0.0)), f64::from(cx.float("beta", 0.0)));
        let nesterov = match cx.string("mode", "standard").as_str() {
            "standard" => false,
            "nesterov" => true,
            other => return Err(format!("its mode {other:?} does not exist\nhelp: standard and nesterov work")),
        };
        let dtype = self.dtype;
        let v = apply(cx, dtype, &[self.count, self.accumulators[0], self.gradient], |map| {
            // The first step takes the gradient whole.
            let (zero, beta, one) = (map.number(0.0, dtype), map.number(beta, dtype), map.number(1.0, dtype));
            let begun = map.binary(Binary::Lt, zero, 0);
            let beta = map.select(begun, beta, one);
            let (old, new) = (times(map, 1, alpha, dtype), map.binary(Binary::Mul, beta, 2));
            map.binary(Binary::Add, old, new)
        })?;
        let x = apply(cx, dtype, &[self.rate, self.x, self.gradient, v], |map| {
            let ahead = times(map, 3, alpha, dtype);
            let by = if nesterov { map.binary(Binary::Add, 2, ahead) } else { 3 };
            let moved = map.binary(Binary::Mul, 0, by);
            map.binary(Binary::Sub, 1, moved)
        })?;
        Ok(vec![x, v])
    }
}

/// An expression over operands of one type.
fn apply(
    cx: &mut Cx,
    dtype: DType,
    operands: &[ValueId],
    build: impl FnOnce(&mut Map) -> usize,
) -> Result<ValueId, String> {
    let mut map = Map::of(&vec![dtype; operands.len()]);
    let result = build(&mut map);
    cx.add(map.finish(result), operands)
}

fn times(map: &mut Map, a: usize, by: f64, dtype: DType) -> usize {
    let by = map.number(by, dtype);
    map.binary(Binary::Mul, a, by)
}

fn plus(map: &mut Map, a: usize, by: f64, dtype: DType) -> usize {
    let by = map.number(by, dtype);
    map.binary(Binary::Add, a, by)
}

/// `a / (sqrt(of) + epsilon)`
fn over_root(map: &mut Map, a: usize, of: usize, epsilon: f64, dtype: DType) -> usize {
    let root = map.unary(Unary::Sqrt, of);
    let root = plus(map, root, epsilon, dtype);
    map.binary(Binary::Div, a, root)
}

//! Operators of one element at a time: all of them are `Map`s.

use super::cx::{Cx, Entry, Results, one};
use super::tensor;
use crate::ir::{DType, Dim, Rounding, Tensor, Toward, ValueId};
use crate::ops::map::{Binary, Inst, Map, Unary};

/// A function of one operand.
pub fn unary(cx: &mut Cx) -> Results {
    cx.takes(1)?;
    let op = match cx.node.op_type.as_str() {
        "Neg" => Unary::Neg,
        "Abs" => Unary::Abs,
        "Exp" => Unary::Exp,
        "Log" => Unary::Log,
        "Sqrt" => Unary::Sqrt,
        "Sin" => Unary::Sin,
        "Cos" => Unary::Cos,
        "Tan" => Unary::Tan,
        "Asin" => Unary::Asin,
        "Acos" => Unary::Acos,
        "Atan" => Unary::Atan,
        "Sinh" => Unary::Sinh,
        "Cosh" => Unary::Cosh,
        "Tanh" => Unary::Tanh,
        "Asinh" => Unary::Asinh,
        "Acosh" => Unary::Acosh,
        "Atanh" => Unary::Atanh,
        "Erf" => Unary::Erf,
        "Sigmoid" => Unary::Sigmoid,
        "Floor" => Unary::Floor,
        "Ceil" => Unary::Ceil,
        "Round" => Unary::Round,
        "Sign" => Unary::Sign,
        "Not" => Unary::Not,
        "BitwiseNot" => Unary::BitNot,
        "IsNaN" => Unary::IsNan,
        _ => return Err("it is not a known function".into()),
    };
    let x = cx.input(0)?;
    if let Some(dims) = symbolic(cx, &[x])
        && op == Unary::Neg
    {
        let dims = dims[0].iter().map(|d| -d.clone()).collect();
        return same_kind(cx, x, dims);
    }
    one(cx.unary(op, x)?)
}

/// The operands' integers, if all are known and one at least depends on a symbol.
fn symbolic(cx: &Cx, ids: &[ValueId]) -> Option<Vec<Vec<Dim>>> {
    let ints: Vec<Vec<Dim>> = ids.iter().map(|&id| cx.im.ints(id)).collect::<Option<_>>()?;
    ints.iter().flatten().any(|d| d.as_const().is_none()).then_some(ints)
}

fn same_kind(cx: &mut Cx, like: ValueId, dims: Vec<Dim>) -> Results {
    let ty = cx.ty(like);
    let scalar = ty.rank() == 0 && dims.len() == 1;
    one(cx.sizes(dims, scalar, ty.dtype)?)
}

/// A function of two operands, and its arithmetic on sizes.
pub fn binary(cx: &mut Cx) -> Results {
    cx.takes(2)?;
    let (a, b) = (cx.input(0)?, cx.input(1)?);
    let dtype = cx.ty(a).dtype;
    let (op, swapped) = match cx.node.op_type.as_str() {
        "Add" => (Binary::Add, false),
        "Sub" => (Binary::Sub, false),
        "Mul" => (Binary::Mul, false),
        "Div" => (Binary::Div, false),
        "And" => (Binary::And, false),
        "Or" => (Binary::Or, false),
        "Xor" => (Binary::Xor, false),
        "BitwiseAnd" => (Binary::BitAnd, false),
        "BitwiseOr" => (Binary::BitOr, false),
        "BitwiseXor" => (Binary::BitXor, false),
        "Equal" => (Binary::Eq, false),
        "Less" => (Binary::Lt, false),
        "LessOrEqual" => (Binary::Le, false),
        "Greater" => (Binary::Lt, true),
        "GreaterOrEqual" => (Binary::Le, true),
        "PRelu" => return prelu(cx, a, b),
        "Mod" if cx.flag("fmod", false) => (Binary::Fmod, false),
        "Mod" => (Binary::Mod, false),
        "BitShift" if cx.string("direction", "") == "LEFT" => (Binary::Shl, false),
        "BitShift" => (Binary::Shr, false),
        _ => return Err("it is not a known function".into()),
    };
    let (a, b) = legacy_broadcast(cx, a, b)?;
    if let Some(ints) = symbolic(cx, &[a, b])
        && let Some(dims) = size_arithmetic(op, &ints[0], &ints[1])
    {
        let like = if cx.rank(a) >= cx.rank(b) { a } else { b };
        return same_kind(cx, like, dims);
    }
    if let Some(ints) = symbolic(cx, &[a, b])
        && op == Binary::Eq
        && let Some(truth) = size_equality(&ints[0], &ints[1])
    {
        let shape = if cx.rank(a).max(cx.rank(b)) == 0 { vec![] } else { vec![truth.len()] };
        let id = cx.value(Tensor::from_i64s(DType::Bool, shape, &truth));
        return one(id);
    }
    let _ = dtype;
    let (a, b) = if swapped { (b, a) } else { (a, b) };
    one(cx.binary(op, a, b)?)
}

/// Before opset 7 the second operand could lie along axes named by an attribute.
fn legacy_broadcast(cx: &mut Cx, a: ValueId, b: ValueId) -> Result<(ValueId, ValueId), String> {
    if cx.opset() >= 7 || !cx.flag("broadcast", false) || !cx.has("axis") {
        return Ok((a, b));
    }
    let rank = cx.rank(a);
    let axis = cx.axis(cx.int("axis", 0), rank)?;
    let mut shape = cx.ty(b).shape;
    let trailing = rank.checked_sub(axis + shape.len()).ok_or("its second operand does not fit from its axis on")?;
    shape.extend(vec![Dim::from(1); trailing]);
    Ok((a, cx.reshape(b, shape)?))
}

fn pairs<'d>(a: &'d [Dim], b: &'d [Dim]) -> Option<Vec<(&'d Dim, &'d Dim)>> {
    match (a.len(), b.len()) {
        (n, m) if n == m => Some(a.iter().zip(b).collect()),
        (1, _) => Some(b.iter().map(|b| (&a[0], b)).collect()),
        (_, 1) => Some(a.iter().map(|a| (a, &b[0])).collect()),
        _ => None,
    }
}

fn size_arithmetic(op: Binary, a: &[Dim], b: &[Dim]) -> Option<Vec<Dim>> {
    pairs(a, b)?
        .into_iter()
        .map(|(a, b)| {
            Some(match op {
                Binary::Add => a.clone() + b.clone(),
                Binary::Sub => a.clone() - b.clone(),
                Binary::Mul => a.clone() * b.clone(),
                // Sizes are not negative, so truncation is the floor.
                Binary::Div if !b.is(0) => a.floor_div(b),
                Binary::Mod if !b.is(0) => a.modulo(b),
                Binary::Min => Dim::min(a, b),
                Binary::Max => Dim::max(a, b),
                _ => return None,
            })
        })
        .collect()
}

/// Whether sizes are equal, where that does not depend on a symbol's value. No size is negative.
fn size_equality(a: &[Dim], b: &[Dim]) -> Option<Vec<i64>> {
    let decide = |(a, b): (&Dim, &Dim)| {
        let known = (a.clone() - b.clone()).as_const();
        let negative = |d: &Dim| d.as_const().is_some_and(|v| v < 0);
        match known {
            Some(difference) => Some(i64::from(difference == 0)),
            None if negative(a) || negative(b) => Some(0),
            None => None,
        }
    };
    pairs(a, b)?.into_iter().map(decide).collect()
}

fn prelu(cx: &mut Cx, x: ValueId, slope: ValueId) -> Results {
    let slope = if cx.rank(slope) == 1 && cx.rank(x) > 2 && cx.ty(slope).shape[0] == cx.ty(x).shape[1] && cx.opset() < 7
    {
        let mut shape = cx.ty(slope).shape;
        shape.extend(vec![Dim::from(1); cx.rank(x) - 2]);
        cx.reshape(slope, shape)?
    } else {
        slope
    };
    let dtype = cx.ty(x).dtype;
    let mut map = Map::of(&[dtype, dtype]);
    let zero = map.number(0.0, dtype);
    let negative = map.binary(Binary::Lt, 0, zero);
    let scaled = map.binary(Binary::Mul, 0, 1);
    let result = map.select(negative, scaled, 0);
    one(cx.add(map.finish(result), &[x, slope])?)
}

/// Sum, Mean, Max and Min of any number of operands.
pub fn variadic(cx: &mut Cx) -> Results {
    let op = match cx.node.op_type.as_str() {
        "Max" => Binary::Max,
        "Min" => Binary::Min,
        _ => Binary::Add,
    };
    let n = cx.inputs.len();
    let mut result = cx.input(0)?;
    for i in 1..n {
        let next = cx.input(i)?;
        result = match symbolic(cx, &[result, next]).and_then(|ints| size_arithmetic(op, &ints[0], &ints[1])) {
            Some(dims) => {
                let ty = cx.ty(result);
                cx.sizes(dims, ty.rank() == 0, ty.dtype)?
            }
            None => cx.binary(op, result, next)?,
        };
    }
    if cx.node.op_type == "Mean" {
        result = cx.map1(result, |map, x| {
            let count = map.number(n as f64, map.insts[x].1);
            map.binary(Binary::Div, x, count)
        })?;
    }
    if n == 1 && !matches!(cx.inputs[0], Entry::Absent) {
        return Ok(vec![cx.inputs[0].clone()]);
    }
    one(result)
}

/// Base and exponent may differ in type; the result has the base's.
pub fn pow(cx: &mut Cx) -> Results {
    let (a, b) = (cx.input(0)?, cx.input(1)?);
    let (x, y) = (cx.ty(a).dtype, cx.ty(b).dtype);
    // Small constant powers are products: exact, and fast.
    if let Some(power) = cx.im.graph.tensor(b).and_then(Tensor::uniform)
        && cx.im.graph.tensor(b).is_some_and(|t| t.len() == 1 && t.shape().len() <= cx.rank(a))
        && x.is_float()
    {
        let product = match power {
            1.0 => Some(cx.map1(a, |_, x| x)?),
            2.0 => Some(cx.map1(a, |map, x| map.binary(Binary::Mul, x, x))?),
            3.0 => Some(cx.map1(a, |map, x| {
                let square = map.binary(Binary::Mul, x, x);
                map.binary(Binary::Mul, square, x)
            })?),
            0.5 => Some(cx.unary(Unary::Sqrt, a)?),
            _ => None,
        };
        if let Some(product) = product {
            return one(product);
        }
    }
    let wide = match (x.is_float(), y.is_float()) {
        (true, _) => x,
        (false, true) => DType::F64,
        (false, false) => x,
    };
    let mut map = Map::of(&[x, y]);
    let (base, exponent) = (map.cast(0, wide), map.cast(1, wide));
    let power = map.binary(Binary::Pow, base, exponent);
    let result = map.cast(power, x);
    one(cx.add(map.finish(result), &[a, b])?)
}

/// Activations: expressions of one operand and attributes.
pub fn activation(cx: &mut Cx) -> Results {
    cx.takes(1)?;
    let x = cx.input(0)?;
    let dtype = cx.ty(x).dtype;
    let kind = cx.node.op_type.clone();
    let float = |name: &str, default: f32| f64::from(cx.float(name, default));
    let (alpha, beta, gamma) = match kind.as_str() {
        "LeakyRelu" => (float("alpha", 0.01), 0.0, 0.0),
        "Elu" | "Celu" | "ThresholdedRelu" | "Swish" | "QuickGelu" => {
            (float("alpha", if kind == "QuickGelu" { 1.702 } else { 1.0 }), 0.0, 0.0)
        }
        "Selu" => (float("alpha", 1.673_263_2), 0.0, float("gamma", 1.050_701)),
        "HardSigmoid" => (float("alpha", 0.2), float("beta", 0.5), 0.0),
        "Shrink" => (float("lambd", 0.5), float("bias", 0.0), 0.0),
        _ => (0.0, 0.0, 0.0),
    };
    let approximate = kind == "FastGelu" || cx.string("approximate", "none") == "tanh";
    let id = cx.map1(x, |map, x| {
        let (zero, one) = (map.number(0.0, dtype), map.number(1.0, dtype));
        match kind.as_str() {
            "Relu" => map.binary(Binary::Max, x, zero),
            "LeakyRelu" => {
                let (alpha, negative) = (map.number(alpha, dtype), map.binary(Binary::Lt, x, zero));
                let scaled = map.binary(Binary::Mul, x, alpha);
                map.select(negative, scaled, x)
            }
            "Elu" | "Selu" => {
                let (alpha, exp) = (map.number(alpha, dtype), map.unary(Unary::Exp, x));
                let less = map.binary(Binary::Sub, exp, one);
                let (scaled, negative) = (map.binary(Binary::Mul, less, alpha), map.binary(Binary::Lt, x, zero));
                let result = map.select(negative, scaled, x);
                if kind == "Elu" {
                    return result;
                }
                let gamma = map.number(gamma, dtype);
                map.binary(Binary::Mul, result, gamma)
            }
            "Celu" => {
                let alpha = map.number(alpha, dtype);
                let ratio = map.binary(Binary::Div, x, alpha);
                let exp = map.unary(Unary::Exp, ratio);
                let less = map.binary(Binary::Sub, exp, one);
                let scaled = map.binary(Binary::Mul, alpha, less);
                let (low, high) = (map.binary(Binary::Min, zero, scaled), map.binary(Binary::Max, zero, x));
                map.binary(Binary::Add, low, high)
            }
            "ThresholdedRelu" => {
                let alpha = map.number(alpha, dtype);
                let above = map.binary(Binary::Lt, alpha, x);
                map.select(above, x, zero)
            }
            "HardSigmoid" | "HardSwish" => {
                let (alpha, beta) = if kind == "HardSwish" { (1.0 / 6.0, 0.5) } else { (alpha, beta) };
                let (alpha, beta) = (map.number(alpha, dtype), map.number(beta, dtype));
                let scaled = map.binary(Binary::Mul, x, alpha);
                let shifted = map.binary(Binary::Add, scaled, beta);
                let low = map.binary(Binary::Min, shifted, one);
                let gate = map.binary(Binary::Max, low, zero);
                if kind == "HardSwish" { map.binary(Binary::Mul, x, gate) } else { gate }
            }
            "Swish" | "QuickGelu" => {
                let alpha = map.number(alpha, dtype);
                let scaled = map.binary(Binary::Mul, x, alpha);
                let gate = map.unary(Unary::Sigmoid, scaled);
                map.binary(Binary::Mul, x, gate)
            }
            "Softplus" => softplus(map, x, dtype),
            "Softsign" => {
                let magnitude = map.unary(Unary::Abs, x);
                let below = map.binary(Binary::Add, magnitude, one);
                map.binary(Binary::Div, x, below)
            }
            "Mish" => {
                let soft = softplus(map, x, dtype);
                let tanh = map.unary(Unary::Tanh, soft);
                map.binary(Binary::Mul, x, tanh)
            }
            "Gelu" | "FastGelu" => gelu(map, x, dtype, approximate),
            "Shrink" => {
                let (lambda, minus) = (map.number(alpha, dtype), map.number(-alpha, dtype));
                let bias = map.number(beta, dtype);
                let (up, down) = (map.binary(Binary::Add, x, bias), map.binary(Binary::Sub, x, bias));
                let (low, high) = (map.binary(Binary::Lt, x, minus), map.binary(Binary::Lt, lambda, x));
                let rest = map.select(high, down, zero);
                map.select(low, up, rest)
            }
            // Reciprocal
            _ => map.binary(Binary::Div, one, x),
        }
    })?;
    one(id)
}

/// `log(1 + e^x)`, from the side on which nothing overflows.
fn softplus(map: &mut Map, x: usize, dtype: DType) -> usize {
    let (zero, one) = (map.number(0.0, dtype), map.number(1.0, dtype));
    let magnitude = map.unary(Unary::Abs, x);
    let minus = map.unary(Unary::Neg, magnitude);
    let exp = map.unary(Unary::Exp, minus);
    let sum = map.binary(Binary::Add, exp, one);
    let log = map.unary(Unary::Log, sum);
    let positive = map.binary(Binary::Max, x, zero);
    map.binary(Binary::Add, positive, log)
}

/// `x` times the chance that a normal variable is less; by tanh if `approximate`.
pub fn gelu(map: &mut Map, x: usize, dtype: DType, approximate: bool) -> usize {
    let (half, one) = (map.number(0.5, dtype), map.number(1.0, dtype));
    let inner = if approximate {
        let (c, k) = (map.number(0.044715, dtype), map.number((2.0 / std::f64::consts::PI).sqrt(), dtype));
        let square = map.binary(Binary::Mul, x, x);
        let cube = map.binary(Binary::Mul, square, x);
        let scaled = map.binary(Binary::Mul, cube, c);
        let sum = map.binary(Binary::Add, x, scaled);
        let argument = map.binary(Binary::Mul, sum, k);
        map.unary(Unary::Tanh, argument)
    } else {
        let root = map.number(std::f64::consts::FRAC_1_SQRT_2, dtype);
        let argument = map.binary(Binary::Mul, x, root);
        map.unary(Unary::Erf, argument)
    };
    let sum = map.binary(Binary::Add, inner, one);
    let scaled = map.binary(Binary::Mul, x, half);
    map.binary(Binary::Mul, scaled, sum)
}

/// Bounds come as attributes before opset 11, as operands since.
pub fn clip(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let dtype = cx.ty(x).dtype;
    if cx.opset() < 11 {
        let (low, high) = (f64::from(cx.float("min", f32::MIN)), f64::from(cx.float("max", f32::MAX)));
        return one(cx.map1(x, |map, x| {
            let (low, high) = (map.number(low, dtype), map.number(high, dtype));
            let above = map.binary(Binary::Max, x, low);
            map.binary(Binary::Min, above, high)
        })?);
    }
    let mut result = x;
    for (i, op) in [(1, Binary::Max), (2, Binary::Min)] {
        if let Some(bound) = cx.opt(i)? {
            let bound = cx.reshape(bound, vec![])?;
            result = cx.binary(op, result, bound)?;
        }
    }
    if result == x { Ok(vec![cx.inputs[0].clone()]) } else { one(result) }
}

/// Where: condition, then, else.
pub fn select(cx: &mut Cx) -> Results {
    let (c, a, b) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    // Between sizes, where the condition is decided.
    if let (Some(c), Some(a_dims), Some(b_dims)) = (cx.im.ints(c), cx.im.ints(a), cx.im.ints(b))
        && a_dims.iter().chain(&b_dims).any(|d| d.as_const().is_none())
    {
        let n = c.len().max(a_dims.len()).max(b_dims.len());
        let pick = |list: &[Dim], i: usize| list.get(if list.len() == 1 { 0 } else { i }).cloned();
        let chosen = (0..n).map(|i| if pick(&c, i)?.is(0) { pick(&b_dims, i) } else { pick(&a_dims, i) });
        if let Some(dims) = chosen.collect::<Option<Vec<Dim>>>() {
            return same_kind(cx, a, dims);
        }
    }
    let (x, y) = (cx.ty(a).dtype, cx.ty(b).dtype);
    if x != y {
        return Err(format!("its operands are {x} and {y}, which should be the same"));
    }
    let mut map = Map::of(&[cx.ty(c).dtype, x, y]);
    let condition = map.cast(0, DType::Bool);
    let result = map.select(condition, 1, 2);
    one(cx.add(map.finish(result), &[c, a, b])?)
}

/// Cast and CastLike.
pub fn cast(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let to = match cx.node.op_type.as_str() {
        "CastLike" => cx.element(cx.input(1)?),
        _ => tensor::element_of(cx.int("to", 0))?,
    };
    let toward = match cx.string("round_mode", "up").as_str() {
        "up" => Toward::Up,
        "down" => Toward::Down,
        "nearest" => Toward::Nearest,
        other => return Err(format!("its round_mode {other:?} is none of up, down and nearest")),
    };
    one(cx.convert(x, to, Rounding { saturate: cx.flag("saturate", true), toward })?)
}

/// IsInf, of either sign or one.
pub fn is_inf(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let (positive, negative) = (cx.flag("detect_positive", true), cx.flag("detect_negative", true));
    one(cx.map1(x, |map, x| match (positive, negative) {
        (true, false) => map.unary(Unary::IsPosInf, x),
        (false, true) => map.unary(Unary::IsNegInf, x),
        (true, true) => {
            let (up, down) = (map.unary(Unary::IsPosInf, x), map.unary(Unary::IsNegInf, x));
            map.binary(Binary::Or, up, down)
        }
        (false, false) => map.push(Inst::Const(0), DType::Bool),
    })?)
}

/// Identity, and Dropout at inference: the operand itself; a mask of ones where it is asked for.
pub fn identity(cx: &mut Cx) -> Results {
    let mut results = vec![cx.inputs.first().cloned().ok_or("its operand is missing")?];
    if cx.node.op_type == "Dropout" && cx.opt(2)?.is_some() {
        let training = cx.constant(2, "training_mode")?.to_i64s().first().is_some_and(|&t| t != 0);
        let ratio =
            if cx.opt(1)?.is_some() { cx.constant(1, "the ratio")?.to_f64s().first().copied() } else { Some(0.5) };
        if training && ratio != Some(0.0) {
            return Err("training_mode is for training\nhelp: export the model in evaluation mode".into());
        }
    }
    if cx.node.op_type == "Dropout" && cx.node.output.len() > 1 {
        let x = cx.input(0)?;
        let ones = cx.scalar(1.0, DType::Bool);
        let shape = cx.ty(x).shape;
        results.push(Entry::Value(cx.add(crate::ops::expand::Expand { shape }, &[ones])?));
    }
    Ok(results)
}

//! Quantised operators of com.microsoft: what they compute between numbers, with their operands and results as integers.

use super::cx::{Cx, Results, one};
use super::quantize::{dequantized, dynamically_quantized, integer_matmul, quantized, spread};
use super::{array, reduce};
use crate::ir::{DType, ValueId};
use crate::ops::map::{Binary, Map, Unary};
use crate::ops::reduce::{Reduce, ReduceKind};

/// Operand `at` as numbers; its scale and zero point follow it.
fn numbers(cx: &mut Cx, at: usize) -> Result<ValueId, String> {
    let (x, scale, zero) = (cx.input(at)?, cx.input(at + 1)?, cx.opt(at + 2)?);
    let scale = cx.reshape(scale, vec![])?;
    let zero = zero.map(|zero| cx.reshape(zero, vec![])).transpose()?;
    dequantized(cx, x, scale, zero)
}

/// Numbers as integers like those of operand 0; operands `at` and `at + 1` are the scale and the zero point.
fn integers(cx: &mut Cx, y: ValueId, like: usize, at: usize) -> Results {
    let (scale, zero) = (cx.input(at)?, cx.opt(at + 1)?);
    let element = cx.element(cx.input(like)?);
    let scale = cx.reshape(scale, vec![])?;
    let zero = zero.map(|zero| cx.reshape(zero, vec![])).transpose()?;
    one(quantized(cx, y, scale, zero, element, None)?)
}

/// QLinearAdd and QLinearMul.
pub fn binary(cx: &mut Cx) -> Results {
    let op = if cx.node.op_type == "QLinearAdd" { Binary::Add } else { Binary::Mul };
    let (a, b) = (numbers(cx, 0)?, numbers(cx, 3)?);
    let y = cx.binary(op, a, b)?;
    integers(cx, y, 0, 6)
}

/// QLinearSigmoid and QLinearLeakyRelu.
pub fn unary(cx: &mut Cx) -> Results {
    let x = numbers(cx, 0)?;
    let y = if cx.node.op_type == "QLinearSigmoid" {
        cx.unary(Unary::Sigmoid, x)?
    } else {
        let alpha = f64::from(cx.float("alpha", 0.01));
        cx.map1(x, |map, x| {
            let (zero, alpha) = (map.number(0.0, DType::F32), map.number(alpha, DType::F32));
            let (negative, scaled) = (map.binary(Binary::Lt, x, zero), map.binary(Binary::Mul, x, alpha));
            map.select(negative, scaled, x)
        })?
    };
    integers(cx, y, 0, 3)
}

/// QLinearGlobalAveragePool.
pub fn global_average(cx: &mut Cx) -> Results {
    let x = numbers(cx, 0)?;
    let rank = cx.rank(x);
    if rank < 3 {
        return Err(format!("its operand {} has no axes to average over", cx.ty(x)));
    }
    let axes = if cx.flag("channels_last", false) { (1..rank - 1).collect() } else { (2..rank).collect() };
    let y = cx.add(Reduce { kind: ReduceKind::Mean, axes, keep: true }, &[x])?;
    integers(cx, y, 0, 3)
}

/// QLinearSoftmax: along one axis since opset 13, along all from one on before.
pub fn softmax(cx: &mut Cx) -> Results {
    let x = numbers(cx, 0)?;
    let rank = cx.rank(x);
    let axis = cx.axis(cx.int("axis", -1), rank)?;
    if cx.int("opset", 13) < 13 && axis + 1 != rank {
        return Err("the softmax of several axes at once is not supported\nhelp: export with opset 13 or later".into());
    }
    let y = reduce::softmax_along(cx, x, axis, false)?;
    integers(cx, y, 0, 3)
}

/// QLinearConcat: scale and zero point of the result come first.
pub fn concat(cx: &mut Cx) -> Results {
    let n = cx.inputs.len();
    if n < 5 || !(n - 2).is_multiple_of(3) {
        return Err(format!("it has {n} operands; two and three for each part are needed"));
    }
    let parts = (0..(n - 2) / 3).map(|i| numbers(cx, 2 + 3 * i)).collect::<Result<Vec<_>, _>>()?;
    let axis = cx.int("axis", 0);
    let y = array::join(cx, &parts, axis)?;
    integers(cx, y, 2, 0)
}

/// The product of integers as numbers, `bias` added.
fn product(
    cx: &mut Cx,
    [a, b]: [ValueId; 2],
    [scale_a, scale_b]: [ValueId; 2],
    zeros: [Option<ValueId>; 2],
    bias: Option<ValueId>,
) -> Results {
    let (a_type, b_type) = (cx.ty(a), cx.ty(b));
    let sum = integer_matmul(cx, a, b, zeros[0], zeros[1])?;
    let scale_a = spread(cx, scale_a, &a_type.shape, -2, 0)?;
    let scale_b = spread(cx, scale_b, &b_type.shape, -1, 0)?;
    let mut map = Map::of(&[DType::I32, DType::F32, DType::F32]);
    let sum_ = map.cast(0, DType::F32);
    let scale = map.binary(Binary::Mul, 1, 2);
    let result = map.binary(Binary::Mul, sum_, scale);
    let y = cx.add(map.finish(result), &[sum, scale_a, scale_b])?;
    match bias {
        Some(bias) => one(cx.binary(Binary::Add, y, bias)?),
        None => one(y),
    }
}

/// MatMulIntegerToFloat.
pub fn matmul_to_float(cx: &mut Cx) -> Results {
    let operands = [cx.input(0)?, cx.input(1)?];
    let (scales, zeros) = ([cx.input(2)?, cx.input(3)?], [cx.opt(4)?, cx.opt(5)?]);
    let bias = cx.opt(6)?;
    product(cx, operands, scales, zeros, bias)
}

/// DynamicQuantizeMatMul.
pub fn matmul_dynamic(cx: &mut Cx) -> Results {
    let (x, b, scale_b, zero_b, bias) = (cx.input(0)?, cx.input(1)?, cx.input(2)?, cx.opt(3)?, cx.opt(4)?);
    let [a, scale_a, zero_a] = dynamically_quantized(cx, x)?;
    product(cx, [a, b], [scale_a, scale_b], [Some(zero_a), zero_b], bias)
}

//! Quantised operators of com.microsoft: what they compute between numbers, with their operands and results as integers.

use super::cx::{Cx, Results, one};
use super::quantize::{dequantized, dynamically_quantized, integer_matmul, quantized, spread};
use super::{array, matmul, pool, reduce};
use crate::ir::{DType, Dim, ValueId};
use crate::ops::map::{Binary, Map, Unary};
use crate::ops::pool::PoolKind;
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

/// QLinearAveragePool.
pub fn average(cx: &mut Cx) -> Results {
    let x = numbers(cx, 0)?;
    let channels_last = cx.flag("channels_last", false);
    let x = if channels_last { cx.channels_first(x)? } else { x };
    let count_include_pad = cx.flag("count_include_pad", false);
    let mut y = pool::windowed(cx, x, PoolKind::Average { count_include_pad }, None)?[0];
    if channels_last {
        y = cx.channels_last(y)?;
    }
    integers(cx, y, 0, 3)
}

/// QLinearWhere: scales and zero points follow each of the two.
pub fn select(cx: &mut Cx) -> Results {
    let condition = cx.input(0)?;
    let (x, y) = (numbers(cx, 1)?, numbers(cx, 4)?);
    let mut map = Map::of(&[DType::Bool, DType::F32, DType::F32]);
    let result = map.select(0, 1, 2);
    let z = cx.add(map.finish(result), &[condition, x, y])?;
    integers(cx, z, 1, 7)
}

/// QGemm: a product of integers with whole numbers added; it stays numbers if no scale for the result is given.
pub fn gemm(cx: &mut Cx) -> Results {
    let (mut a, mut b, c) = (cx.input(0)?, cx.input(3)?, cx.opt(6)?);
    let (scale_a, zero_a, scale_b, zero_b) = (cx.input(1)?, cx.opt(2)?, cx.input(4)?, cx.opt(5)?);
    for (operand, name) in [(&mut a, "transA"), (&mut b, "transB")] {
        if cx.flag(name, false) {
            *operand = cx.transpose(*operand, vec![1, 0])?;
        }
    }
    let b_type = cx.ty(b);
    let mut sum = integer_matmul(cx, a, b, zero_a, zero_b)?;
    if let Some(c) = c {
        sum = cx.binary(Binary::Add, sum, c)?;
    }
    let alpha = f64::from(cx.float("alpha", 1.0));
    let scale_a = cx.reshape(scale_a, vec![])?;
    let scale_b = spread(cx, scale_b, &b_type.shape, -1, 0)?;
    let mut map = Map::of(&[DType::I32, DType::F32, DType::F32]);
    let sum_ = map.cast(0, DType::F32);
    let alpha = map.number(alpha, DType::F32);
    let scale = map.binary(Binary::Mul, 1, 2);
    let scale = map.binary(Binary::Mul, scale, alpha);
    let result = map.binary(Binary::Mul, sum_, scale);
    let y = cx.add(map.finish(result), &[sum, scale_a, scale_b])?;
    match cx.opt(7)? {
        Some(_) => integers(cx, y, 0, 7),
        None => one(y),
    }
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
pub fn product(
    cx: &mut Cx,
    [a, b]: [ValueId; 2],
    [scale_a, scale_b]: [ValueId; 2],
    zeros: [Option<ValueId>; 2],
    bias: Option<ValueId>,
) -> Result<ValueId, String> {
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
        Some(bias) => cx.binary(Binary::Add, y, bias),
        None => Ok(y),
    }
}

/// MatMulIntegerToFloat.
pub fn matmul_to_float(cx: &mut Cx) -> Results {
    let operands = [cx.input(0)?, cx.input(1)?];
    let (scales, zeros) = ([cx.input(2)?, cx.input(3)?], [cx.opt(4)?, cx.opt(5)?]);
    let bias = cx.opt(6)?;
    one(product(cx, operands, scales, zeros, bias)?)
}

/// DynamicQuantizeMatMul.
pub fn matmul_dynamic(cx: &mut Cx) -> Results {
    let (x, b, scale_b, zero_b, bias) = (cx.input(0)?, cx.input(1)?, cx.input(2)?, cx.opt(3)?, cx.opt(4)?);
    let [a, scale_a, zero_a] = dynamically_quantized(cx, x)?;
    one(product(cx, [a, b], [scale_a, scale_b], [Some(zero_a), zero_b], bias)?)
}

/// The halves of bytes `[rows, bytes]` as bytes `[rows, len]`, the lower half first.
fn halves(cx: &mut Cx, x: ValueId, rows: &Dim, bytes: usize, len: usize) -> Result<ValueId, String> {
    let column = vec![rows.clone(), Dim::from(bytes), Dim::from(1)];
    let x = cx.reshape(x, column)?;
    let low = cx.map1(x, |map, x| {
        let mask = map.number(15.0, DType::U8);
        map.binary(Binary::BitAnd, x, mask)
    })?;
    let high = cx.map1(x, |map, x| {
        let four = map.number(4.0, DType::U8);
        map.binary(Binary::Shr, x, four)
    })?;
    let both = array::join(cx, &[low, high], 2)?;
    let both = cx.reshape(both, vec![rows.clone(), Dim::from(2 * bytes)])?;
    array::part(cx, both, 1, Dim::from(0), Dim::from(len))
}

/// MatMulNBits: weights of 4 or 8 bits in blocks, each with a scale, a row for each column of the result.
pub fn matmul_blocks(cx: &mut Cx) -> Results {
    let (a, b, scales, zeros) = (cx.input(0)?, cx.input(1)?, cx.input(2)?, cx.opt(3)?);
    if cx.opt(4)?.is_some() {
        return Err("its g_idx is not supported\nhelp: quantise without reordering (desc_act=False)".into());
    }
    let size = |cx: &Cx, name: &str| usize::try_from(cx.int(name, 0)).ok().filter(|&n| (1..1 << 30).contains(&n));
    let sizes = (size(cx, "K"), size(cx, "N"), size(cx, "block_size"));
    let (Some(k), Some(n), Some(block)) = sizes else {
        return Err("its attributes K, N and block_size must be positive".into());
    };
    let bits = cx.int("bits", 4);
    if bits != 4 && bits != 8 || block % 2 != 0 {
        return Err(format!("{bits} bits in blocks of {block} are not supported; 4 and 8 in even blocks are"));
    }
    let (blocks, rows) = (k.div_ceil(block), Dim::from(n));
    let (q, zeros) = if bits == 4 {
        let q = halves(cx, b, &rows, blocks * block / 2, blocks * block)?;
        let packed = zeros.filter(|&zeros| cx.ty(zeros).dtype == DType::U8);
        (q, packed.map(|zeros| halves(cx, zeros, &rows, blocks.div_ceil(2), blocks)).transpose()?.or(zeros))
    } else {
        (b, zeros)
    };
    let each = vec![rows.clone(), Dim::from(blocks), Dim::from(1)];
    let q = cx.reshape(q, vec![rows.clone(), Dim::from(blocks), Dim::from(block)])?;
    let scales = cx.reshape(scales, each.clone())?;
    let middle = f64::from(1 << (bits - 1));
    let zeros = match zeros {
        Some(zeros) => cx.reshape(zeros, each)?,
        None => cx.scalar(middle, DType::U8),
    };
    // Zero points may be numbers between the integers.
    let (q, zeros) = (cx.cast(q, DType::F32)?, cx.cast(zeros, DType::F32)?);
    let w = dequantized(cx, q, scales, Some(zeros))?;
    let w = cx.reshape(w, vec![rows.clone(), Dim::from(blocks * block)])?;
    let w = array::part(cx, w, 1, Dim::from(0), Dim::from(k))?;
    let w = cx.transpose(w, vec![1, 0])?;
    let y = matmul::product(cx, a, w)?;
    match cx.opt(5)? {
        Some(bias) => one(cx.binary(Binary::Add, y, bias)?),
        None => one(y),
    }
}

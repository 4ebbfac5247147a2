//! Integers that stand for numbers: `(q - zero point) * scale`.
//!
//! Products of 8-bit integers are computed in f32, which holds every whole number below 2^24 exactly: sums are cut into parts
//! that stay below it, and the parts are added as i32.

use super::conv::{Window, groups, kernel, window};
use super::cx::{Cx, Entry, Results, one};
use super::tensor::Element;
use super::{matmul, tensor};
use crate::ir::{DType, Dim, Narrow, Outer, Rounding, ValueId};
use crate::ops::conv::{Conv, Reads};
use crate::ops::expand::Expand;
use crate::ops::map::{Binary, Map, Unary};
use crate::ops::reduce::{Reduce, ReduceKind};
use crate::ops::slice::{Slice, SliceAxis};

/// As many products of two numbers below 256 as certainly add up to less than 2^24.
const EXACT_TERMS: usize = 258;

/// The least and greatest number of an integer type that numbers quantise to.
fn limits(element: Element) -> Result<(f64, f64), String> {
    Ok(match (element.dtype, element.outer) {
        (_, Some(Outer::Narrow(Narrow::I4))) => (-8.0, 7.0),
        (_, Some(Outer::Narrow(Narrow::U4))) => (0.0, 15.0),
        (DType::U8, None) => (0.0, 255.0),
        (DType::I8, None) => (-128.0, 127.0),
        (DType::U16, None) => (0.0, 65535.0),
        (DType::I16, None) => (-32768.0, 32767.0),
        _ => {
            return Err(format!(
                "numbers do not quantise to {element}; integers of 4, 8 and 16 bits and floats of 4 and 8 work"
            ));
        }
    })
}

/// A scale or zero point as it broadcasts over `shape`: one number, one along `axis`, or one for each block of it.
pub fn spread(cx: &mut Cx, v: ValueId, shape: &[Dim], axis: i64, block: i64) -> Result<ValueId, String> {
    let own = cx.ty(v).shape;
    if Dim::product(&own).is(1) {
        return cx.reshape(v, vec![]);
    }
    let axis = cx.axis(axis, shape.len())?;
    if own.len() == 1 && block == 0 {
        let mut along = vec![Dim::from(1); shape.len()];
        along[axis] = own[0].clone();
        return cx.reshape(v, along);
    }
    if own.len() != shape.len() || block < 1 {
        return Err(format!("its scale {} does not fit an operand of shape {shape:?}", cx.ty(v)));
    }
    let block = Dim::from(block);
    let (mut split, mut wide, mut joined) = (own.clone(), own.clone(), own.clone());
    split.insert(axis + 1, Dim::from(1));
    wide.insert(axis + 1, block.clone());
    joined[axis] = own[axis].clone() * block;
    let v = cx.reshape(v, split)?;
    let v = cx.add(Expand { shape: wide }, &[v])?;
    let v = cx.reshape(v, joined)?;
    super::array::part(cx, v, axis, Dim::from(0), shape[axis].clone())
}

/// QuantizeLinear.
pub fn quantize(cx: &mut Cx) -> Results {
    let (x, scale, zero) = (cx.input(0)?, cx.input(1)?, cx.opt(2)?);
    let (axis, block) = (cx.int("axis", 1), cx.int("block_size", 0));
    let to = match (zero, cx.int("output_dtype", 0)) {
        (Some(zero), _) => cx.element(zero),
        (None, 0) => DType::U8.into(),
        (None, number) => tensor::element_of(number)?,
    };
    let shape = cx.ty(x).shape;
    let x = cx.cast(x, DType::F32)?;
    // The quotient is rounded to the type that is asked for, which is the scale's if none is.
    let precise = match cx.int("precision", 0) {
        0 => None,
        number => Some(tensor::element_of(number)?),
    };
    let scale = cx.cast(scale, DType::F32)?;
    let scale = spread(cx, scale, &shape, axis, block)?;
    let zero = match zero {
        Some(zero) => Some(spread(cx, zero, &shape, axis, block)?),
        None => None,
    };
    let rounding = Rounding { saturate: cx.flag("saturate", true), ..Rounding::default() };
    let y = match to.outer.and_then(Outer::coded) {
        Some(narrow) => {
            let mut ratio = cx.binary(Binary::Div, x, scale)?;
            if let Some(element) = precise {
                ratio = cx.convert(ratio, element, rounding)?;
            }
            // The zero point of an 8-bit float is zero; of one of 4 bits it counts.
            if let (Some(zero), Narrow::F4E2m1) = (zero, narrow) {
                ratio = cx.binary(Binary::Add, ratio, zero)?;
            }
            cx.convert(ratio, to, rounding)?
        }
        None => quantized(cx, x, scale, zero, to, precise.and_then(|element| element.outer?.coded()))?,
    };
    cx.stated = Some(to);
    one(y)
}

/// `x / scale` rounded to the nearest even number, moved by the zero point and kept within an integer type.
pub fn quantized(
    cx: &mut Cx,
    x: ValueId,
    scale: ValueId,
    zero: Option<ValueId>,
    to: Element,
    precise: Option<Narrow>,
) -> Result<ValueId, String> {
    let (low, high) = limits(to)?;
    let types = [DType::F32, DType::F32, zero.map_or(to.dtype, |zero| cx.ty(zero).dtype)];
    let inputs: Vec<ValueId> = [x, scale].into_iter().chain(zero).collect();
    let mut map = Map::of(&types[..inputs.len()]);
    let mut ratio = map.binary(Binary::Div, 0, 1);
    if let Some(narrow) = precise {
        let bits = map.unary(Unary::Encode(narrow, Rounding::default()), ratio);
        ratio = map.unary(Unary::Decode(narrow), bits);
    }
    let mut q = map.unary(Unary::Round, ratio);
    if zero.is_some() {
        let zero = map.cast(2, DType::F32);
        q = map.binary(Binary::Add, q, zero);
    }
    let (low, high) = (map.number(low, DType::F32), map.number(high, DType::F32));
    let above = map.binary(Binary::Max, q, low);
    let within = map.binary(Binary::Min, above, high);
    let result = map.cast(within, to.dtype);
    cx.add(map.finish(result), &inputs)
}

/// DequantizeLinear.
pub fn dequantize(cx: &mut Cx) -> Results {
    let (x, scale, zero) = (cx.input(0)?, cx.input(1)?, cx.opt(2)?);
    let (axis, block) = (cx.int("axis", 1), cx.int("block_size", 0));
    let stated = cx.int("output_dtype", 0);
    let to = if stated == 0 { cx.element(scale) } else { tensor::element_of(stated)? };
    let shape = cx.ty(x).shape;
    let scale = cx.cast(scale, to.dtype)?;
    let scale = spread(cx, scale, &shape, axis, block)?;
    let zero = match zero {
        Some(zero) => Some(spread(cx, zero, &shape, axis, block)?),
        None => None,
    };
    let y = dequantized(cx, x, scale, zero)?;
    cx.stated = Some(to);
    one(y)
}

/// `(x - zero) * scale`, of the scale's type.
pub fn dequantized(cx: &mut Cx, x: ValueId, scale: ValueId, zero: Option<ValueId>) -> Result<ValueId, String> {
    let (from, to) = (cx.ty(x).dtype, cx.ty(scale).dtype);
    // Differences of narrower integers are exact in an `i32`; of small floats, which are `f32` here, as they are.
    let wide = if from.is_float() { from } else { DType::I32 };
    let inputs: Vec<ValueId> = [x, scale].into_iter().chain(zero).collect();
    let mut map = Map::of(&[from, to, zero.map_or(from, |zero| cx.ty(zero).dtype)][..inputs.len()]);
    let mut q = map.cast(0, wide);
    if zero.is_some() {
        let zero = map.cast(2, wide);
        q = map.binary(Binary::Sub, q, zero);
    }
    let q = map.cast(q, to);
    let result = map.binary(Binary::Mul, q, 1);
    cx.add(map.finish(result), &inputs)
}

/// DynamicQuantizeLinear: the scale follows from the operand's own range, which takes in zero.
pub fn dynamic_quantize(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    Ok(dynamically_quantized(cx, x)?.map(Entry::Value).to_vec())
}

/// `x` as bytes, with the scale and the zero point that take in its range.
pub fn dynamically_quantized(cx: &mut Cx, x: ValueId) -> Result<[ValueId; 3], String> {
    let axes: Vec<usize> = (0..cx.rank(x)).collect();
    let extreme = |cx: &mut Cx, kind| match axes.is_empty() {
        true => Ok(x),
        false => cx.add(Reduce { kind, axes: axes.clone(), keep: false }, &[x]),
    };
    let (most, least) = (extreme(cx, ReduceKind::Max)?, extreme(cx, ReduceKind::Min)?);
    let mut map = Map::of(&[DType::F32; 2]);
    let (zero, one, steps) = (map.number(0.0, DType::F32), map.number(1.0, DType::F32), map.number(255.0, DType::F32));
    let (most_, least_) = (map.binary(Binary::Max, 0, zero), map.binary(Binary::Min, 1, zero));
    let range = map.binary(Binary::Sub, most_, least_);
    let flat = map.binary(Binary::Eq, range, zero);
    let range = map.select(flat, one, range);
    let scale = map.binary(Binary::Div, range, steps);
    let scale = cx.add(map.finish(scale), &[most, least])?;
    let mut map = Map::of(&[DType::F32; 2]);
    let (zero, steps) = (map.number(0.0, DType::F32), map.number(255.0, DType::F32));
    let least_ = map.binary(Binary::Min, 0, zero);
    let ratio = map.binary(Binary::Div, least_, 1);
    let minus = map.unary(Unary::Neg, ratio);
    let (above, steps) = (map.binary(Binary::Max, minus, zero), steps);
    let within = map.binary(Binary::Min, above, steps);
    let rounded = map.unary(Unary::Round, within);
    let point = map.cast(rounded, DType::U8);
    let point = cx.add(map.finish(point), &[least, scale])?;
    let y = quantized(cx, x, scale, Some(point), DType::U8.into(), None)?;
    Ok([y, scale, point])
}

/// `x` minus its zero point as f32, which holds it exactly. A zero point of several numbers lies along `axis`.
fn centred(cx: &mut Cx, x: ValueId, zero: Option<ValueId>, axis: i64) -> Result<ValueId, String> {
    let ty = cx.ty(x);
    if ty.dtype.bytes() != 1 {
        return Err(format!("its operand is of {}; u8 and i8 work", ty.dtype));
    }
    let Some(zero) = zero else { return cx.cast(x, DType::F32) };
    let zero = if cx.rank(zero) < 2 { spread(cx, zero, &ty.shape, axis, 0)? } else { zero };
    let mut map = Map::of(&[ty.dtype, cx.ty(zero).dtype]);
    let (x_, zero_) = (map.cast(0, DType::F32), map.cast(1, DType::F32));
    let result = map.binary(Binary::Sub, x_, zero_);
    cx.add(map.finish(result), &[x, zero])
}

/// The parts of `x` along `axis`, at most `each` long.
fn parts(cx: &mut Cx, x: ValueId, axis: usize, each: usize) -> Result<Vec<ValueId>, String> {
    let shape = cx.ty(x).shape;
    let size = shape[axis].as_usize().ok_or_else(|| format!("its operand sums over the free size {}", shape[axis]))?;
    if size <= each {
        return Ok(vec![x]);
    }
    let whole = |d: &Dim| SliceAxis { start: Dim::from(0), step: 1, len: d.clone() };
    (0..size.div_ceil(each))
        .map(|i| {
            let mut axes: Vec<SliceAxis> = shape.iter().map(whole).collect();
            axes[axis] = SliceAxis { start: Dim::from(i * each), step: 1, len: Dim::from(each.min(size - i * each)) };
            cx.add(Slice { axes }, &[x])
        })
        .collect()
}

/// The sum of exact partial results, as i32.
fn total(cx: &mut Cx, partial: Vec<ValueId>) -> Result<ValueId, String> {
    let mut sum: Option<ValueId> = None;
    for part in partial {
        let part = cx.cast(part, DType::I32)?;
        sum = Some(match sum {
            Some(sum) => cx.binary(Binary::Add, sum, part)?,
            None => part,
        });
    }
    sum.ok_or_else(|| "it sums over nothing".into())
}

/// The exact product of matrices of small integers in f32.
fn integer_product(cx: &mut Cx, a: ValueId, b: ValueId) -> Result<ValueId, String> {
    let (rank_a, rank_b) = (cx.rank(a), cx.rank(b));
    if rank_a == 0 || rank_b == 0 {
        return Err("a product with a scalar".into());
    }
    // Of a sum as long as the caller likes, parts cannot be cut.
    if cx.ty(a).shape[rank_a - 1].as_usize().is_none() {
        let (a, b) = (cx.cast(a, DType::I32)?, cx.cast(b, DType::I32)?);
        return matmul::product(cx, a, b);
    }
    let a = parts(cx, a, rank_a - 1, EXACT_TERMS)?;
    let b = parts(cx, b, rank_b.saturating_sub(2), EXACT_TERMS)?;
    if a.len() != b.len() {
        return Err("its operands do not fit".into());
    }
    let products = a.into_iter().zip(b).map(|(a, b)| matmul::product(cx, a, b)).collect::<Result<Vec<_>, _>>()?;
    total(cx, products)
}

/// MatMulInteger.
pub fn matmul_integer(cx: &mut Cx) -> Results {
    let (a, b, zero_a, zero_b) = (cx.input(0)?, cx.input(1)?, cx.opt(2)?, cx.opt(3)?);
    one(integer_matmul(cx, a, b, zero_a, zero_b)?)
}

/// The product of small integers less their zero points, as i32.
pub fn integer_matmul(
    cx: &mut Cx,
    a: ValueId,
    b: ValueId,
    zero_a: Option<ValueId>,
    zero_b: Option<ValueId>,
) -> Result<ValueId, String> {
    let (a, b) = (centred(cx, a, zero_a, -2)?, centred(cx, b, zero_b, -1)?);
    integer_product(cx, a, b)
}

/// `sum * factor`, rounded and moved by the result's zero point.
fn requantized(cx: &mut Cx, sum: ValueId, factor: ValueId, zero: ValueId, dtype: DType) -> Result<ValueId, String> {
    let (low, high) = limits(dtype.into())?;
    let mut map = Map::of(&[DType::I32, DType::F32, dtype]);
    let (x, zero_) = (map.cast(0, DType::F32), map.cast(2, DType::F32));
    let scaled = map.binary(Binary::Mul, x, 1);
    let rounded = map.unary(Unary::Round, scaled);
    let moved = map.binary(Binary::Add, rounded, zero_);
    let (low, high) = (map.number(low, DType::F32), map.number(high, DType::F32));
    let above = map.binary(Binary::Max, moved, low);
    let within = map.binary(Binary::Min, above, high);
    let result = map.cast(within, dtype);
    cx.add(map.finish(result), &[sum, factor, zero])
}

/// `a * b / y`
fn factor(cx: &mut Cx, a: ValueId, b: ValueId, y: ValueId) -> Result<ValueId, String> {
    let [a, b, y] = [cx.cast(a, DType::F32)?, cx.cast(b, DType::F32)?, cx.cast(y, DType::F32)?];
    let mut map = Map::of(&[DType::F32; 3]);
    let product = map.binary(Binary::Mul, 0, 1);
    let result = map.binary(Binary::Div, product, 2);
    cx.add(map.finish(result), &[a, b, y])
}

/// QLinearMatMul.
pub fn matmul_quantized(cx: &mut Cx) -> Results {
    let [a, scale_a, zero_a, b, scale_b, zero_b, scale_y, zero_y] = operands(cx)?;
    let (a_type, b_type) = (cx.ty(a), cx.ty(b));
    let (a, b) = (centred(cx, a, Some(zero_a), -2)?, centred(cx, b, Some(zero_b), -1)?);
    let sum = integer_product(cx, a, b)?;
    let scale_a = if cx.rank(scale_a) < 2 { spread(cx, scale_a, &a_type.shape, -2, 0)? } else { scale_a };
    let scale_b = if cx.rank(scale_b) < 2 { spread(cx, scale_b, &b_type.shape, -1, 0)? } else { scale_b };
    let scale_y = cx.reshape(scale_y, vec![])?;
    let factor = factor(cx, scale_a, scale_b, scale_y)?;
    let dtype = cx.ty(zero_y).dtype;
    let zero_y = cx.reshape(zero_y, vec![])?;
    one(requantized(cx, sum, factor, zero_y, dtype)?)
}

fn operands<const N: usize>(cx: &Cx) -> Result<[ValueId; N], String> {
    let ids = (0..N).map(|i| cx.input(i)).collect::<Result<Vec<_>, _>>()?;
    ids.try_into().map_err(|_| "its operands are missing".into())
}

/// A convolution of small integers in f32, exactly: channels-first operands and result, the result of i32.
fn integer_conv(cx: &mut Cx, x: ValueId, w: ValueId) -> Result<ValueId, String> {
    if cx.rank(x) < 3 || cx.rank(w) != cx.rank(x) {
        return Err(format!(
            "its operand {} and weights {} should both have a batch, channels and more",
            cx.ty(x),
            cx.ty(w)
        ));
    }
    let taps_of = kernel(cx, w, x)?;
    let taps = taps_of.iter().fold(1usize, |taps, &k| taps.saturating_mul(k));
    let groups = groups(cx)?;
    let Window { stride, dilation, pads, .. } = window(cx, x, taps_of)?;
    let each = EXACT_TERMS / taps.max(1);
    let channels = cx.ty(w).shape[1].as_usize().unwrap_or(usize::MAX);
    let inexact = each == 0 || (groups > 1 && channels > each);
    // What cannot be cut into exact parts goes to the kernels of i32, which are slower.
    let (x, w) = if inexact { (cx.cast(x, DType::I32)?, cx.cast(w, DType::I32)?) } else { (x, w) };
    let (xs, ws) =
        if groups == 1 && !inexact { (parts(cx, x, 1, each)?, parts(cx, w, 1, each)?) } else { (vec![x], vec![w]) };
    if xs.len() != ws.len() {
        return Err(format!("its operand {} and weights {} do not fit", cx.ty(x), cx.ty(w)));
    }
    let mut sums = Vec::new();
    for (x, w) in xs.into_iter().zip(ws) {
        let op = Conv {
            stride: stride.clone(),
            dilation: dilation.clone(),
            pads: pads.clone(),
            groups,
            bias: false,
            reads: Reads::Pixels,
            epilogue: None,
        };
        let x = cx.channels_last(x)?;
        let y = cx.add(op, &[x, w])?;
        sums.push(cx.channels_first(y)?);
    }
    total(cx, sums)
}

/// ConvInteger.
pub fn conv_integer(cx: &mut Cx) -> Results {
    let (x, w, zero_x, zero_w) = (cx.input(0)?, cx.input(1)?, cx.opt(2)?, cx.opt(3)?);
    let (x, w) = (centred(cx, x, zero_x, 1)?, centred(cx, w, zero_w, 0)?);
    one(integer_conv(cx, x, w)?)
}

/// QLinearConv.
pub fn conv_quantized(cx: &mut Cx) -> Results {
    let [x, scale_x, zero_x, w, scale_w, zero_w, scale_y, zero_y] = operands(cx)?;
    let bias = cx.opt(8)?;
    let (x, w) = (centred(cx, x, Some(zero_x), 1)?, centred(cx, w, Some(zero_w), 0)?);
    let mut sum = integer_conv(cx, x, w)?;
    let shape = cx.ty(sum).shape;
    if let Some(bias) = bias {
        let bias = spread(cx, bias, &shape, 1, 0)?;
        sum = cx.binary(Binary::Add, sum, bias)?;
    }
    let scale_w = spread(cx, scale_w, &shape, 1, 0)?;
    let (scale_x, scale_y) = (cx.reshape(scale_x, vec![])?, cx.reshape(scale_y, vec![])?);
    let factor = factor(cx, scale_x, scale_w, scale_y)?;
    let dtype = cx.ty(zero_y).dtype;
    let zero_y = cx.reshape(zero_y, vec![])?;
    one(requantized(cx, sum, factor, zero_y, dtype)?)
}

#[cfg(test)]
mod tests {
    use super::super::build::{constant, folded, node};
    use crate::ir::{DType, Tensor};

    #[test]
    fn long_sums_of_integers_are_exact() {
        // 900 products of 255 and 255 do not fit an f32; an odd one shows.
        let mut row = vec![255; 900];
        row[899] = 254;
        let a = constant("a", &Tensor::from_i64s(DType::U8, vec![1, 900], &row));
        let b = constant("b", &Tensor::from_i64s(DType::U8, vec![900, 1], &vec![255; 900]));
        let y = folded(vec![a, b], &["y"], vec![node("MatMulInteger", &["a", "b"], &["y"], vec![])]).unwrap();
        assert_eq!((y[0].dtype(), y[0].to_i64s()), (DType::I32, vec![255 * 255 * 899 + 254 * 255]));
    }

    #[test]
    fn halves_round_to_even_and_the_rest_saturates() {
        let x = constant("x", &Tensor::from_f64s(DType::F32, vec![5], &[1.0, 3.0, -1.0, 999.0, -999.0]));
        let scale = constant("s", &Tensor::from_f64s(DType::F32, vec![], &[2.0]));
        let zero = constant("z", &Tensor::from_i64s(DType::I8, vec![], &[10]));
        let nodes = vec![
            node("QuantizeLinear", &["x", "s", "z"], &["q"], vec![]),
            node("DequantizeLinear", &["q", "s", "z"], &["y"], vec![]),
        ];
        let y = folded(vec![x, scale, zero], &["q", "y"], nodes).unwrap();
        assert_eq!(y[0].to_i64s(), [10, 12, 10, 127, -128]);
        assert_eq!(y[1].to_f64s(), [0.0, 4.0, 0.0, 234.0, -276.0]);
    }
}

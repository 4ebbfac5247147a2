//! Normalisations.

use super::cx::{Cx, Entry, Results, one};
use crate::ir::{DType, Dim, ValueId};
use crate::ops::expand::Expand;
use crate::ops::group_norm::GroupNorm;
use crate::ops::layer_norm::LayerNorm;
use crate::ops::map::{Binary, Map, Unary};
use crate::ops::reduce::{Reduce, ReduceKind};

/// A vector of one number a channel, under the shape that lies along axis 1 of `rank` axes.
fn per_channel(cx: &mut Cx, v: ValueId, rank: usize) -> Result<ValueId, String> {
    let channels = cx.ty(v).len();
    let mut shape = vec![Dim::from(1); rank.max(2)];
    shape[1] = channels;
    cx.reshape(v, shape)
}

/// BatchNormalization. At inference: one scale and shift a channel, computed now where the statistics are constants. In training
/// mode the statistics are the operand's own, and the running ones, moved towards them, are results too.
pub fn batch(cx: &mut Cx) -> Results {
    let (x, scale, bias, mean, var) = (cx.input(0)?, cx.input(1)?, cx.input(2)?, cx.input(3)?, cx.input(4)?);
    if !cx.flag("training_mode", false) {
        let y = scaled_and_shifted(cx, x, scale, bias, mean, var)?;
        return one(y);
    }
    let axes: Vec<usize> = (0..cx.rank(x)).filter(|&axis| axis != 1).collect();
    let dtype = cx.ty(var).dtype;
    let wide = cx.cast(x, dtype)?;
    let own_mean = cx.add(Reduce { kind: ReduceKind::Mean, axes: axes.clone(), keep: false }, &[wide])?;
    let rank = cx.rank(x);
    let centre = per_channel(cx, own_mean, rank)?;
    let apart = cx.binary(Binary::Sub, wide, centre)?;
    let squares = cx.binary(Binary::Mul, apart, apart)?;
    let own_var = cx.add(Reduce { kind: ReduceKind::Mean, axes, keep: false }, &[squares])?;
    let momentum = f64::from(cx.float("momentum", 0.9));
    let mut results = vec![scaled_and_shifted(cx, x, scale, bias, own_mean, own_var)?];
    for (running, own) in [(mean, own_mean), (var, own_var)] {
        let mut map = Map::of(&[dtype, dtype]);
        let (kept, new) = (map.number(momentum, dtype), map.number(1.0 - momentum, dtype));
        let (kept, new) = (map.binary(Binary::Mul, 0, kept), map.binary(Binary::Mul, 1, new));
        let moved = map.binary(Binary::Add, kept, new);
        results.push(cx.add(map.finish(moved), &[running, own])?);
    }
    Ok(results.into_iter().map(Entry::Value).collect())
}

fn scaled_and_shifted(
    cx: &mut Cx,
    x: ValueId,
    scale: ValueId,
    bias: ValueId,
    mean: ValueId,
    var: ValueId,
) -> Result<ValueId, String> {
    let rank = cx.rank(x);
    let epsilon = f64::from(cx.float("epsilon", 1e-5));
    let dtype = cx.ty(var).dtype;
    let mut map = Map::of(&[dtype, dtype]);
    let epsilon = map.number(epsilon, dtype);
    let sum = map.binary(Binary::Add, 1, epsilon);
    let root = map.unary(Unary::Sqrt, sum);
    let factor = map.binary(Binary::Div, 0, root);
    let factor = cx.add(map.finish(factor), &[scale, var])?;
    let moved = cx.binary(Binary::Mul, mean, factor)?;
    let shift = cx.binary(Binary::Sub, bias, moved)?;
    let (factor, shift) = (per_channel(cx, factor, rank)?, per_channel(cx, shift, rank)?);
    let x_type = cx.ty(x).dtype;
    let (factor, shift) = (cx.cast(factor, x_type)?, cx.cast(shift, x_type)?);
    let mut map = Map::of(&[x_type; 3]);
    let scaled = map.binary(Binary::Mul, 0, 1);
    let result = map.binary(Binary::Add, scaled, 2);
    cx.add(map.finish(result), &[x, factor, shift])
}

/// InstanceNormalization, and GroupNormalization (scale and bias a group before opset 21, a channel since).
pub fn group(cx: &mut Cx) -> Results {
    let (x, mut scale, mut bias) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let channels = cx.ty(x).shape.get(1).and_then(Dim::as_usize).ok_or("its channels are not fixed")?;
    let groups = match cx.node.op_type.as_str() {
        "GroupNormalization" => {
            usize::try_from(cx.int("num_groups", 1)).ok().filter(|&g| g > 0).ok_or("its num_groups is not positive")?
        }
        _ => channels,
    };
    for operand in [&mut scale, &mut bias] {
        if cx.ty(*operand).len().is(groups as i64) && groups != channels {
            let each = channels / groups;
            let column = cx.reshape(*operand, vec![Dim::from(groups), Dim::from(1)])?;
            let stretched = cx.add(Expand { shape: vec![Dim::from(groups), Dim::from(each)] }, &[column])?;
            *operand = cx.reshape(stretched, vec![Dim::from(channels)])?;
        }
    }
    let (epsilon, ty) = (cx.float("epsilon", 1e-5), cx.ty(x));
    if ty.dtype == DType::F32 || channels % groups != 0 {
        return one(cx.add(GroupNorm { groups, epsilon }, &[x, scale, bias])?);
    }
    // Other elements: by its parts, each group a row.
    let each = Dim::from(channels / groups) * Dim::product(&ty.shape[2..]);
    let rows = cx.reshape(x, vec![ty.shape[0].clone(), Dim::from(groups), each])?;
    let y = layer_norm(cx, rows, None, None, 2, epsilon, false)?;
    let y = cx.reshape(y, ty.shape.clone())?;
    let (scale, bias) = (per_channel(cx, scale, ty.rank())?, per_channel(cx, bias, ty.rank())?);
    let scaled = cx.binary(Binary::Mul, y, scale)?;
    one(cx.binary(Binary::Add, scaled, bias)?)
}

/// LayerNormalization, SimplifiedLayerNormalization and RMSNormalization.
pub fn layer(cx: &mut Cx) -> Results {
    let (x, scale, bias) = (cx.input(0)?, cx.opt(1)?, cx.opt(2)?);
    let rms = cx.node.op_type != "LayerNormalization";
    let axis = cx.axis(cx.int("axis", -1), cx.rank(x))?;
    let epsilon = cx.float("epsilon", 1e-5);
    let y = layer_norm(cx, x, scale, bias, axis, epsilon, rms)?;
    let mut results = vec![Entry::Value(y)];
    if cx.node.output.len() > 1 {
        let (mean, deviation) = statistics(cx, x, axis, f64::from(epsilon), rms)?;
        if !rms {
            results.push(Entry::Value(mean));
        }
        results.push(Entry::Value(deviation));
    }
    Ok(results)
}

/// Layer normalisation over the axes from `axis` on.
pub fn layer_norm(
    cx: &mut Cx,
    x: ValueId,
    scale: Option<ValueId>,
    bias: Option<ValueId>,
    axis: usize,
    epsilon: f32,
    rms: bool,
) -> Result<ValueId, String> {
    let normalised = cx.ty(x).shape[axis..].to_vec();
    let full = |cx: &Cx, id: Option<ValueId>| id.is_none_or(|id| cx.ty(id).shape == normalised);
    if full(cx, scale) && full(cx, bias) && cx.ty(x).dtype == DType::F32 {
        let inputs: Vec<ValueId> = [Some(x), scale, bias].into_iter().flatten().collect();
        return cx.add(LayerNorm { axis, epsilon, scale: scale.is_some(), bias: bias.is_some(), rms }, &inputs);
    }
    // Scale and bias that broadcast, or another element type: by its parts.
    let dtype = cx.ty(x).dtype;
    let (mean, inverse) = statistics(cx, x, axis, f64::from(epsilon), rms)?;
    let apart = if rms { x } else { cx.binary(Binary::Sub, x, mean)? };
    let mut y = cx.binary(Binary::Mul, apart, inverse)?;
    for (operand, op) in [(scale, Binary::Mul), (bias, Binary::Add)] {
        if let Some(operand) = operand {
            let operand = cx.cast(operand, dtype)?;
            y = cx.binary(op, y, operand)?;
        }
    }
    Ok(y)
}

/// Mean, and one over the deviation.
pub fn statistics(cx: &mut Cx, x: ValueId, axis: usize, epsilon: f64, rms: bool) -> Result<(ValueId, ValueId), String> {
    let (rank, dtype) = (cx.rank(x), cx.ty(x).dtype);
    let mean_of = Reduce { kind: ReduceKind::Mean, axes: (axis..rank).collect(), keep: true };
    let mean = cx.add(mean_of.clone(), &[x])?;
    let apart = if rms { x } else { cx.binary(Binary::Sub, x, mean)? };
    let square = cx.map1(apart, |map, x| map.binary(Binary::Mul, x, x))?;
    let variance = cx.add(mean_of, &[square])?;
    let inverse = cx.map1(variance, |map, v| {
        let (epsilon, one) = (map.number(epsilon, dtype), map.number(1.0, dtype));
        let sum = map.binary(Binary::Add, v, epsilon);
        let root = map.unary(Unary::Sqrt, sum);
        map.binary(Binary::Div, one, root)
    })?;
    Ok((mean, inverse))
}

/// LRN: each element over a power of its neighbours' squares along the channels.
pub fn local_response(cx: &mut Cx) -> Results {
    use crate::ops::pool::{Pool, PoolKind};
    let x = cx.input(0)?;
    let shape = cx.ty(x).shape;
    if shape.len() < 2 {
        return Err("its operand has no channels".into());
    }
    let size =
        usize::try_from(cx.int("size", 1)).ok().filter(|&s| s > 0 && s < 1 << 16).ok_or("its size is not positive")?;
    let (alpha, beta) = (f64::from(cx.float("alpha", 1e-4)), f64::from(cx.float("beta", 0.75)));
    let bias = f64::from(cx.float("bias", 1.0));
    let dtype = cx.ty(x).dtype;
    let square = cx.map1(x, |map, x| map.binary(Binary::Mul, x, x))?;
    // The channels become the one spatial axis of a mean over `size` of them.
    let flat = cx.reshape(square, vec![shape[0].clone(), shape[1].clone(), Dim::product(&shape[2..])])?;
    let pool = Pool {
        kind: PoolKind::Average { count_include_pad: true },
        kernel: vec![size],
        stride: vec![1],
        dilation: vec![1],
        pads: vec![((size - 1) / 2, size - 1 - (size - 1) / 2)],
        ceil: false,
        indices: None,
    };
    let mean = cx.add(pool, &[flat])?;
    let mean = cx.reshape(mean, shape)?;
    let mut map = Map::of(&[dtype, dtype]);
    // alpha / size times the sum is alpha times the mean.
    let (alpha, bias, beta) = (map.number(alpha, dtype), map.number(bias, dtype), map.number(beta, dtype));
    let scaled = map.binary(Binary::Mul, 1, alpha);
    let sum = map.binary(Binary::Add, scaled, bias);
    let power = map.binary(Binary::Pow, sum, beta);
    let result = map.binary(Binary::Div, 0, power);
    one(cx.add(map.finish(result), &[x, mean])?)
}

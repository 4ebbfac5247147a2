//! Operators that move elements, make them, or speak of shapes.

use super::cx::{Cx, Entry, Results, one};
use crate::ir::{DType, Dim, Tensor, ValueId};
use crate::ops::broadcast::broadcast;
use crate::ops::concat::Concat;
use crate::ops::expand::Expand;
use crate::ops::gather::Gather;
use crate::ops::map::{Binary, Map};
use crate::ops::pad::{Pad, PadMode};
use crate::ops::range::Range;
use crate::ops::slice::{Slice, SliceAxis};
use crate::ops::trilu::Trilu;

/// Constant, in all its spellings.
pub fn constant(cx: &mut Cx) -> Results {
    let tensor = if let Some((tensor, element)) = cx.typed_tensor("value")? {
        cx.stated = Some(element);
        tensor
    } else if cx.has("value_float") {
        Tensor::from_f64s(DType::F32, vec![], &[f64::from(cx.float("value_float", 0.0))])
    } else if cx.has("value_int") {
        Tensor::from_i64s(DType::I64, vec![], &[cx.int("value_int", 0)])
    } else if let Some(floats) = cx.float_list("value_floats") {
        let values: Vec<f64> = floats.iter().map(|&v| f64::from(v)).collect();
        Tensor::from_f64s(DType::F32, vec![values.len()], &values)
    } else if let Some(ints) = cx.int_list("value_ints") {
        Tensor::ints(&ints)
    } else if cx.has("value_string") {
        let text = cx.string("value_string", "");
        return one(cx.texts(vec![], &[text]));
    } else if cx.has("value_strings") {
        let texts = cx.strings("value_strings");
        return one(cx.texts(vec![texts.len()], &texts));
    } else {
        return Err("its value is neither a tensor nor numbers nor strings; sparse tensors are not supported".into());
    };
    let id = cx.value(tensor);
    one(id)
}

/// The elements of a vector at places that are known to lie within it.
pub fn picked(cx: &mut Cx, x: ValueId, at: ValueId) -> Result<ValueId, String> {
    cx.add(Gather { axis: 0 }, &[x, at])
}

/// ConstantOfShape.
pub fn constant_of_shape(cx: &mut Cx) -> Results {
    let shape = cx.ints(0, "the shape")?;
    let zero = || (Tensor::from_f64s(DType::F32, vec![1], &[0.0]), DType::F32.into());
    let (value, element) = cx.typed_tensor("value")?.unwrap_or_else(zero);
    cx.stated = Some(element);
    if value.len() != 1 {
        return Err(format!("its value has {} elements, not one", value.len()));
    }
    // A short vector of integers may be the start of a shape.
    if let (Some(v), Some(n)) = (value.uniform(), shape.first().and_then(Dim::as_usize))
        && shape.len() == 1
        && n <= 64
    {
        let id = cx.value(Tensor::from_f64s(value.dtype(), vec![n], &vec![v; n]));
        return one(id);
    }
    let scalar = cx.value(value.reshaped(vec![]));
    one(cx.add(Expand { shape }, &[scalar])?)
}

/// Shape, and Size.
pub fn shape(cx: &mut Cx) -> Results {
    let shape = cx.ty(cx.input(0)?).shape;
    if cx.node.op_type == "Size" {
        let n = Dim::product(&shape);
        return one(cx.sizes(vec![n], true, DType::I64)?);
    }
    let rank = shape.len() as i64;
    let bound = |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize;
    let (start, end) = (bound(cx.int("start", 0)), bound(cx.int("end", rank)));
    one(cx.sizes(shape[start.min(end)..end].to_vec(), false, DType::I64)?)
}

/// Reshape: zero keeps a size, minus one takes what is left.
pub fn reshape(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let wanted = match cx.int_list("shape") {
        Some(shape) => shape.into_iter().map(Dim::from).collect(),
        None => cx.ints(1, "the shape")?,
    };
    let allow_zero = cx.flag("allowzero", false);
    let old = cx.ty(x).shape;
    let mut shape = Vec::new();
    for (i, dim) in wanted.iter().enumerate() {
        shape.push(match dim {
            dim if dim.is(0) && !allow_zero => old
                .get(i)
                .cloned()
                .ok_or_else(|| format!("its shape keeps axis {i}, which the operand {old:?} does not have"))?,
            dim => dim.clone(),
        });
    }
    if let Some(at) = shape.iter().position(|d| d.is(-1)) {
        let others = Dim::product(shape.iter().enumerate().filter(|&(i, _)| i != at).map(|(_, d)| d));
        let all = Dim::product(&old);
        let rest = if others.is(0) { Some(Dim::from(0)) } else { all.exact_div(&others) };
        let rest =
            rest.or_else(|| (all.as_const().is_none() || others.as_const().is_none()).then(|| all.floor_div(&others)));
        shape[at] = rest.ok_or_else(|| format!("{all} elements do not fit a shape {wanted:?}"))?;
    }
    one(cx.reshape(x, shape)?)
}

/// Flatten.
pub fn flatten(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let shape = cx.ty(x).shape;
    let axis = cx.int("axis", 1);
    let axis = if axis == shape.len() as i64 { shape.len() } else { cx.axis(axis, shape.len().max(1))? };
    let axis = axis.min(shape.len());
    one(cx.reshape(x, vec![Dim::product(&shape[..axis]), Dim::product(&shape[axis..])])?)
}

fn axes_of(cx: &Cx) -> Result<Option<Vec<i64>>, String> {
    match cx.int_list("axes") {
        Some(axes) => Ok(Some(axes)),
        None => cx.opt(1)?.map(|_| cx.numbers(1, "the axes")).transpose(),
    }
}

/// Unsqueeze.
pub fn unsqueeze(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let axes = axes_of(cx)?.ok_or("its axes are missing")?;
    let old = cx.ty(x).shape;
    let axes = cx.axes(&axes, old.len() + axes.len())?;
    let mut left = old.into_iter();
    let rank = left.len() + axes.len();
    let shape =
        (0..rank).filter_map(|axis| if axes.contains(&axis) { Some(Dim::from(1)) } else { left.next() }).collect();
    one(cx.reshape(x, shape)?)
}

/// Squeeze.
pub fn squeeze(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let old = cx.ty(x).shape;
    let axes = match axes_of(cx)? {
        Some(axes) => cx.axes(&axes, old.len())?,
        None => (0..old.len()).filter(|&axis| old[axis].is(1)).collect(),
    };
    if let Some(axis) = axes.iter().find(|&&axis| old[axis].as_const().is_some_and(|size| size != 1)) {
        return Err(format!("axis {axis} of its operand has size {}, which cannot be squeezed", old[*axis]));
    }
    let shape = old.into_iter().enumerate().filter(|(axis, _)| !axes.contains(axis)).map(|(_, d)| d).collect();
    one(cx.reshape(x, shape)?)
}

/// Transpose.
pub fn transpose(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let rank = cx.rank(x);
    let perm = match cx.int_list("perm") {
        Some(perm) => perm.iter().map(|&axis| cx.axis(axis, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).rev().collect(),
    };
    one(cx.transpose(x, perm)?)
}

/// Expand.
pub fn expand(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let shape = cx.ints(1, "the shape")?;
    let ty = cx.ty(x);
    let shape = broadcast(&ty.shape, &shape)?;
    if shape == ty.shape {
        return Ok(vec![cx.inputs[0].clone()]);
    }
    one(cx.add(Expand { shape }, &[x])?)
}

/// Tile: each axis gets a new one before it, which is stretched and joined with it.
pub fn tile(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let repeats = cx.ints(1, "the repeats")?;
    let old = cx.ty(x).shape;
    if repeats.len() != old.len() {
        return Err(format!("it has {} repeats for {} axes", repeats.len(), old.len()));
    }
    let split = old.iter().flat_map(|d| [Dim::from(1), d.clone()]).collect();
    let stretched = old.iter().zip(&repeats).flat_map(|(d, r)| [r.clone(), d.clone()]).collect();
    let joined = old.iter().zip(&repeats).map(|(d, r)| d.clone() * r.clone()).collect();
    let x = cx.reshape(x, split)?;
    let x = cx.add(Expand { shape: stretched }, &[x])?;
    one(cx.reshape(x, joined)?)
}

/// Concat.
pub fn concat(cx: &mut Cx) -> Results {
    let ids = (0..cx.inputs.len()).map(|i| cx.input(i)).collect::<Result<Vec<_>, _>>()?;
    let axis = cx.int("axis", 1);
    one(join(cx, &ids, axis)?)
}

/// Values joined along an axis; sizes stay sizes.
pub fn join(cx: &mut Cx, ids: &[ValueId], axis: i64) -> Result<ValueId, String> {
    let first = *ids.first().ok_or("it joins nothing")?;
    let axis = cx.axis(axis, cx.rank(first))?;
    let ints: Option<Vec<Vec<Dim>>> = ids.iter().map(|&id| cx.im.ints(id)).collect();
    if let Some(ints) = ints
        && cx.rank(first) == 1
        && ints.iter().flatten().any(|d| d.as_const().is_none())
    {
        let dtype = cx.ty(first).dtype;
        return cx.sizes(ints.concat(), false, dtype);
    }
    if ids.len() == 1 {
        return Ok(first);
    }
    cx.add(Concat { axis }, ids)
}

/// Split into parts named by an operand, an attribute, or a number of outputs.
pub fn split(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let shape = cx.ty(x).shape;
    let axis = cx.axis(cx.int("axis", 0), shape.len())?;
    let lens = match cx.int_list("split") {
        Some(lens) => lens.into_iter().map(Dim::from).collect(),
        None if cx.opt(1)?.is_some() => cx.ints(1, "the split")?,
        None => {
            let n = cx.int("num_outputs", cx.node.output.len() as i64).max(1);
            if n as usize != cx.node.output.len() {
                return Err(format!("it has {} outputs where num_outputs says {n}", cx.node.output.len()));
            }
            let each = shape[axis].ceil_div(&Dim::from(n));
            let last = shape[axis].clone() - each.clone() * Dim::from(n - 1);
            let mut lens = vec![each; n as usize - 1];
            lens.push(last);
            lens
        }
    };
    let total = lens.iter().fold(Dim::from(0), |sum, len| sum + len.clone());
    if (total.clone() - shape[axis].clone()).as_const().is_some_and(|difference| difference != 0) {
        return Err(format!("its parts add up to {total}, not to the {} of axis {axis}", shape[axis]));
    }
    let mut start = Dim::from(0);
    let mut parts = Vec::new();
    for len in lens {
        parts.push(Entry::Value(part(cx, x, axis, start.clone(), len.clone())?));
        start = start + len;
    }
    Ok(parts)
}

/// `len` elements of `x` from `start` on along `axis`.
pub fn part(cx: &mut Cx, x: ValueId, axis: usize, start: Dim, len: Dim) -> Result<ValueId, String> {
    let shape = cx.ty(x).shape;
    if axis >= shape.len() {
        return Err(format!("axis {axis} is out of range for an operand of {} axes", shape.len()));
    }
    let whole = |d: &Dim| SliceAxis { start: Dim::from(0), step: 1, len: d.clone() };
    let mut axes: Vec<SliceAxis> = shape.iter().map(whole).collect();
    axes[axis] = SliceAxis { start, step: 1, len };
    slice_of(cx, x, axes)
}

fn slice_of(cx: &mut Cx, x: ValueId, axes: Vec<SliceAxis>) -> Result<ValueId, String> {
    let shape = cx.ty(x).shape;
    if axes.iter().zip(&shape).all(|(a, d)| a.start.is(0) && a.step == 1 && a.len == *d) {
        return Ok(x);
    }
    if let (Some(dims), [a]) = (cx.im.ints(x), axes.as_slice())
        && let (Some(start), Some(len)) = (a.start.as_usize(), a.len.as_usize())
        && dims.iter().any(|d| d.as_const().is_none())
    {
        let picks = (0..len).map(|i| dims.get((start as i64 + i as i64 * a.step) as usize).cloned());
        let dims = picks.collect::<Option<Vec<Dim>>>().ok_or("it reads outside its operand")?;
        let dtype = cx.ty(x).dtype;
        return cx.sizes(dims, false, dtype);
    }
    cx.add(Slice { axes }, &[x])
}

/// Slice: starts and ends count from the end if negative and are cut to the operand.
pub fn slice(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let shape = cx.ty(x).shape;
    let (starts, ends, axes, steps) = if cx.opset() < 10 {
        let list = |name: &str| cx.int_list(name).map(|list| list.into_iter().map(Dim::from).collect::<Vec<_>>());
        (
            list("starts").ok_or("its starts are missing")?,
            list("ends").ok_or("its ends are missing")?,
            cx.int_list("axes"),
            None,
        )
    } else {
        let axes = cx.opt(3)?.map(|_| cx.numbers(3, "the axes")).transpose()?;
        let steps = cx.opt(4)?.map(|_| cx.numbers(4, "the steps")).transpose()?;
        (cx.ints(1, "the starts")?, cx.ints(2, "the ends")?, axes, steps)
    };
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    if axes.len() != starts.len() || ends.len() != starts.len() || steps.len() != starts.len() {
        return Err("its starts, ends, axes and steps differ in number".into());
    }
    let mut result: Vec<SliceAxis> =
        shape.iter().map(|d| SliceAxis { start: Dim::from(0), step: 1, len: d.clone() }).collect();
    for (((start, end), &axis), &step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
        let axis = cx.axis(axis, shape.len())?;
        result[axis] = slice_axis(start, end, step, &shape[axis])?;
    }
    one(slice_of(cx, x, result)?)
}

fn slice_axis(start: &Dim, end: &Dim, step: i64, size: &Dim) -> Result<SliceAxis, String> {
    if step == 0 {
        return Err("a step of zero".into());
    }
    // Where a bound is a number its sign and reach are known; a symbolic one is taken to lie inside.
    let (low, high) =
        if step > 0 { (Dim::from(0), size.clone()) } else { (Dim::from(-1), size.clone() - Dim::from(1)) };
    let place = |at: &Dim| -> Dim {
        let at = match at.as_const() {
            Some(at) if at < 0 && at > i64::MIN / 2 => size.clone() + Dim::from(at),
            Some(at) if at <= i64::MIN / 2 => return low.clone(),
            Some(at) if at >= i64::from(i32::MAX) => return high.clone(),
            _ => at.clone(),
        };
        Dim::min(&Dim::max(&at, &low), &high)
    };
    // An exact end of minus one from the model means the last element; `low` is only where it was clamped to.
    let (start, end) = (place(start), place(end));
    let start = if step > 0 { start } else { Dim::min(&start, &high) };
    let span = if step > 0 { end - start.clone() } else { start.clone() - end };
    let len = Dim::max(&span.ceil_div(&Dim::from(step.saturating_abs())), &Dim::from(0));
    // Of nothing the start does not matter, but it must lie inside.
    let start = if len.is(0) { Dim::from(0) } else { start };
    Ok(SliceAxis { start, step, len })
}

/// Pad, with pads and value as attributes before opset 11 and as operands since.
pub fn pad(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let rank = cx.rank(x);
    let (pads, value, axes) = if cx.opset() < 11 {
        let pads = cx.int_list("pads").or_else(|| cx.int_list("paddings")).ok_or("its pads are missing")?;
        (pads.into_iter().map(Dim::from).collect(), f64::from(cx.float("value", 0.0)), None)
    } else {
        let value = match cx.opt(2)? {
            Some(_) => cx.constant(2, "the value")?.to_f64s().first().copied().unwrap_or(0.0),
            None => 0.0,
        };
        let axes = cx.opt(3)?.map(|_| cx.numbers(3, "the axes")).transpose()?;
        (cx.ints(1, "the pads")?, value, axes)
    };
    let axes = match axes {
        Some(axes) => axes.iter().map(|&axis| cx.axis(axis, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    if pads.len() != axes.len() * 2 {
        return Err(format!("it has {} pads for {} axes", pads.len(), axes.len()));
    }
    let (mut before, mut after) = (vec![Dim::from(0); rank], vec![Dim::from(0); rank]);
    for (i, &axis) in axes.iter().enumerate() {
        before[axis] = pads[i].clone();
        after[axis] = pads[axes.len() + i].clone();
    }
    if before.iter().chain(&after).all(|d| d.is(0)) {
        return Ok(vec![cx.inputs[0].clone()]);
    }
    let mode = match cx.string("mode", "constant").as_str() {
        "constant" => PadMode::Constant(value),
        "edge" => PadMode::Edge,
        "reflect" => PadMode::Reflect,
        "wrap" => PadMode::Wrap,
        other => return Err(format!("pad mode {other:?} does not exist")),
    };
    one(cx.add(Pad { before, after, mode }, &[x])?)
}

/// DepthToSpace and SpaceToDepth: reshape, transpose, reshape.
pub fn depth_space(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let shape = cx.ty(x).shape;
    let [n, c, h, w] = shape.as_slice() else { return Err(format!("its operand has {} axes, not 4", shape.len())) };
    let block = cx.int("blocksize", 0);
    if block < 1 {
        return Err(format!("a block size of {block}"));
    }
    let (b, area) = (Dim::from(block), Dim::from(block.saturating_mul(block)));
    let whole = |d: &Dim, by: &Dim| d.exact_div(by).ok_or_else(|| format!("size {d} is no multiple of {by}"));
    if cx.node.op_type == "SpaceToDepth" {
        let (h, w) = (whole(h, &b)?, whole(w, &b)?);
        let x = cx.reshape(x, vec![n.clone(), c.clone(), h.clone(), b.clone(), w.clone(), b])?;
        let x = cx.transpose(x, vec![0, 3, 5, 1, 2, 4])?;
        return one(cx.reshape(x, vec![n.clone(), c.clone() * area, h, w])?);
    }
    let depth = whole(c, &area)?;
    let out = vec![n.clone(), depth.clone(), h.clone() * b.clone(), w.clone() * b.clone()];
    let x = if cx.string("mode", "DCR") == "CRD" {
        let x = cx.reshape(x, vec![n.clone(), depth, b.clone(), b, h.clone(), w.clone()])?;
        cx.transpose(x, vec![0, 1, 4, 2, 5, 3])?
    } else {
        let x = cx.reshape(x, vec![n.clone(), b.clone(), b, depth, h.clone(), w.clone()])?;
        cx.transpose(x, vec![0, 3, 4, 1, 5, 2])?
    };
    one(cx.reshape(x, out)?)
}

/// Range over constants, or over sizes.
pub fn range(cx: &mut Cx) -> Results {
    let dtype = cx.ty(cx.input(0)?).dtype;
    if dtype.is_float() {
        let number = |i| cx.constant(i, "a bound of the range").map(|t| t.to_f64s().first().copied().unwrap_or(0.0));
        let (start, limit, delta) = (number(0)?, number(1)?, number(2)?);
        let n = ((limit - start) / delta).ceil().max(0.0);
        if n.is_nan() || n > 1e7 {
            return Err(format!("a range from {start} to {limit} by {delta}"));
        }
        if !cx.im.spend(n as usize * 8) {
            return Err(super::model::TOO_MUCH.into());
        }
        let values: Vec<f64> = (0..n as usize).map(|i| start + i as f64 * delta).collect();
        let id = cx.value(Tensor::from_f64s(dtype, vec![values.len()], &values));
        return one(id);
    }
    let bound =
        |i| cx.ints(i, "a bound of the range").and_then(|d| d.first().cloned().ok_or_else(|| "an empty bound".into()));
    let (start, limit, delta): (Dim, Dim, Dim) = (bound(0)?, bound(1)?, bound(2)?);
    if delta.is(0) {
        return Err("a range by zero".into());
    }
    let len = Dim::max(&(limit - start.clone()).ceil_div(&delta), &Dim::from(0));
    one(cx.add(Range { start, delta, len, dtype, operands: false }, &[])?)
}

/// OneHot: each index against every class.
pub fn one_hot(cx: &mut Cx) -> Results {
    let (indices, values) = (cx.input(0)?, cx.input(2)?);
    let depth = match cx.im.ints(cx.input(1)?).and_then(|dims| dims.first().cloned()) {
        Some(depth) => depth,
        None => Dim::from(cx.constant(1, "the depth")?.to_i64s().first().copied().unwrap_or(0)),
    };
    let shape = cx.ty(indices).shape;
    let axis = cx.axis(cx.int("axis", -1), shape.len() + 1)?;
    let indices = cx.cast(indices, DType::I64)?;
    let classes = cx.add(
        Range { start: Dim::from(0), delta: Dim::from(1), len: depth.clone(), dtype: DType::I64, operands: false },
        &[],
    )?;
    let mut along = vec![Dim::from(1); shape.len() + 1];
    along[axis] = depth.clone();
    let classes = cx.reshape(classes, along)?;
    let mut widened = shape;
    widened.insert(axis, Dim::from(1));
    let indices = cx.reshape(indices, widened)?;
    let pair = cx.ty(values);
    let off = part(cx, values, 0, Dim::from(0), Dim::from(1))?;
    let on = part(cx, values, 0, Dim::from(1), Dim::from(1))?;
    let (off, on) = (cx.reshape(off, vec![])?, cx.reshape(on, vec![])?);
    let depth = cx.sizes(vec![depth], true, DType::I64)?;
    let mut map = Map::of(&[DType::I64, DType::I64, DType::I64, pair.dtype, pair.dtype]);
    // A negative index counts from the end.
    let zero = map.number(0.0, DType::I64);
    let negative = map.binary(Binary::Lt, 0, zero);
    let wrapped = map.binary(Binary::Add, 0, 2);
    let index = map.select(negative, wrapped, 0);
    let hit = map.binary(Binary::Eq, index, 1);
    let result = map.select(hit, 4, 3);
    one(cx.add(map.finish(result), &[indices, classes, depth, off, on])?)
}

/// EyeLike.
pub fn eye_like(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let ty = cx.ty(x);
    let [rows, cols] = ty.shape.as_slice() else { return Err("its operand is no matrix".into()) };
    let element = if cx.has("dtype") { super::tensor::element_of(cx.int("dtype", 1))? } else { cx.element(x) };
    cx.stated = Some(element);
    let dtype = element.dtype;
    let numbers = |len: &Dim| Range {
        start: Dim::from(0),
        delta: Dim::from(1),
        len: len.clone(),
        dtype: DType::I64,
        operands: false,
    };
    let (i, j) = (cx.add(numbers(rows), &[])?, cx.add(numbers(cols), &[])?);
    let i = cx.reshape(i, vec![rows.clone(), Dim::from(1)])?;
    let k = cx.int("k", 0) as f64;
    let mut map = Map::of(&[DType::I64, DType::I64]);
    let k = map.number(k, DType::I64);
    let diagonal = map.binary(Binary::Add, 0, k);
    let hit = map.binary(Binary::Eq, diagonal, 1);
    let result = map.cast(hit, dtype);
    one(cx.add(map.finish(result), &[i, j])?)
}

/// Trilu.
pub fn trilu(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let k = match cx.opt(1)? {
        Some(_) => cx.constant(1, "the diagonal")?.to_i64s().first().copied().unwrap_or(0),
        None => 0,
    };
    let upper = cx.flag("upper", true);
    one(cx.add(Trilu { upper, k }, &[x])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_follow_numpy() {
        for size in 0..6i64 {
            for step in [-3, -2, -1, 1, 2, 3] {
                for start in -8..8 {
                    for end in -8..8 {
                        let axis = slice_axis(&Dim::from(start), &Dim::from(end), step, &Dim::from(size)).unwrap();
                        let wrap = |at: i64| if at < 0 { at + size } else { at };
                        let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
                        let (first, stop) =
                            (wrap(start).clamp(low, high.max(low)), wrap(end).clamp(low, high.max(low)));
                        let mut at = first;
                        let mut picks = Vec::new();
                        while (step > 0 && at < stop) || (step < 0 && at > stop) {
                            picks.push(at);
                            at += step;
                        }
                        let got: Vec<i64> = (0..axis.len.as_const().unwrap())
                            .map(|i| axis.start.as_const().unwrap() + i * step)
                            .collect();
                        assert_eq!(got, picks, "[{start}:{end}:{step}] of {size}");
                    }
                }
            }
        }
    }
}

//! Sampling at places computed at run time: GridSample and the grids for it.

use super::cx::{Cx, Results, one};
use crate::ir::{DType, Dim, Tensor, ValueId};
use crate::ops::gather_nd::GatherNd;
use crate::ops::map::{Binary, Map, Unary};
use crate::ops::matmul::MatMul;
use crate::ops::roi_align::RoiAlign;

/// What lies outside the operand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outside {
    Zeros,
    Border,
    Reflection,
}

/// One neighbour along an axis: its index and its weight, each `[n, places]`.
struct Tap {
    index: ValueId,
    weight: Option<ValueId>,
}

/// GridSample: for each place the weighted sum of its neighbours, over the product of the neighbours along each axis.
pub fn grid_sample(cx: &mut Cx) -> Results {
    let (x, grid) = (cx.input(0)?, cx.input(1)?);
    let (shape, places) = (cx.ty(x).shape, cx.ty(grid).shape);
    let n = shape
        .len()
        .checked_sub(2)
        .filter(|&n| (1..=3).contains(&n))
        .ok_or("its operand has no 1 to 3 axes to sample")?;
    if places.len() != n + 2 || !places[n + 1].is(n as i64) || places[0] != shape[0] {
        return Err(format!("its grid {} does not fit an operand {}", cx.ty(grid), cx.ty(x)));
    }
    let outside = match cx.string("padding_mode", "zeros").as_str() {
        "zeros" => Outside::Zeros,
        "border" => Outside::Border,
        "reflection" => Outside::Reflection,
        other => return Err(format!("padding_mode {other:?} does not exist")),
    };
    let steps: &[i64] = match cx.string("mode", "linear").as_str() {
        "nearest" => &[0],
        "linear" | "bilinear" => &[0, 1],
        "cubic" | "bicubic" => &[-1, 0, 1, 2],
        other => return Err(format!("mode {other:?} does not exist")),
    };
    let corners = cx.flag("align_corners", false);
    let count = Dim::product(&places[1..=n]);
    let flat = cx.reshape(grid, vec![shape[0].clone(), count.clone(), Dim::from(n)])?;
    let flat = cx.cast(flat, DType::F32)?;
    let mut coordinates = Vec::new();
    for axis in 0..n {
        let size = sampled_size(&shape, axis)?;
        // The last coordinate of a place belongs to the first axis.
        let at = super::array::part(cx, flat, 2, Dim::from(n - 1 - axis), Dim::from(1))?;
        let at = cx.reshape(at, vec![shape[0].clone(), count.clone()])?;
        coordinates.push(cx.map1(at, |map, x| place(map, x, size, corners, steps.len() == 1, outside))?);
    }
    let sum = sampled(cx, x, &coordinates, steps, corners, outside)?;
    let sum = cx.transpose(sum, vec![0, 2, 1])?;
    let mut result = shape[..2].to_vec();
    result.extend_from_slice(&places[1..=n]);
    one(cx.reshape(sum, result)?)
}

fn sampled_size(shape: &[Dim], axis: usize) -> Result<usize, String> {
    let size = shape[axis + 2].as_usize().filter(|&size| (1..1 << 24).contains(&size));
    size.ok_or_else(|| format!("it samples along axis {} of size {}", axis + 2, shape[axis + 2]))
}

/// `x` `[batch, channels, axes…]` between its elements, linearly, zero outside; a coordinate an axis, each `[batch, places]`.
/// The result is `[batch, places, channels]`.
pub fn linear(cx: &mut Cx, x: ValueId, coordinates: &[ValueId]) -> Result<ValueId, String> {
    sampled(cx, x, coordinates, &[0, 1], true, Outside::Zeros)
}

/// The sum over the neighbours `steps` away from each place, weighted, `[batch, places, channels]`.
fn sampled(
    cx: &mut Cx,
    x: ValueId,
    coordinates: &[ValueId],
    steps: &[i64],
    corners: bool,
    outside: Outside,
) -> Result<ValueId, String> {
    let shape = cx.ty(x).shape;
    let n = coordinates.len();
    let mut axes: Vec<Vec<Tap>> = Vec::new();
    for (axis, &at) in coordinates.iter().enumerate() {
        let size = sampled_size(&shape, axis)?;
        let taps = steps.iter().map(|&step| tap(cx, at, step, steps.len(), size, corners, outside));
        axes.push(taps.collect::<Result<Vec<_>, _>>()?);
    }
    let first = *coordinates.first().ok_or("it samples nothing")?;
    let count = cx.ty(first).shape.get(1).cloned().ok_or("its places are no list")?;
    let all = Dim::product(&shape[2..]);
    let rows = cx.reshape(x, vec![shape[0].clone(), shape[1].clone(), all])?;
    let rows = cx.transpose(rows, vec![0, 2, 1])?;
    let dtype = cx.ty(x).dtype;
    let mut sum: Option<ValueId> = None;
    for choice in 0..steps.len().pow(n as u32) {
        let taps: Vec<&Tap> =
            (0..n).map(|axis| &axes[axis][choice / steps.len().pow(axis as u32) % steps.len()]).collect();
        let mut map = Map::of(&vec![DType::I64; n]);
        let mut index = 0;
        for axis in 1..n {
            let size = map.number(shape[axis + 2].as_const().unwrap_or(1) as f64, DType::I64);
            let scaled = map.binary(Binary::Mul, index, size);
            index = map.binary(Binary::Add, scaled, axis);
        }
        let index = cx.add(map.finish(index), &taps.iter().map(|tap| tap.index).collect::<Vec<_>>())?;
        let index = cx.reshape(index, vec![shape[0].clone(), count.clone(), Dim::from(1)])?;
        let mut picked = cx.add(GatherNd { batch_dims: 1 }, &[rows, index])?;
        let weights: Vec<ValueId> = taps.iter().filter_map(|tap| tap.weight).collect();
        if let Some((&first, rest)) = weights.split_first() {
            let product = rest.iter().try_fold(first, |product, &weight| cx.binary(Binary::Mul, product, weight))?;
            let column = cx.reshape(product, vec![shape[0].clone(), count.clone(), Dim::from(1)])?;
            let column = cx.cast(column, dtype)?;
            picked = cx.binary(Binary::Mul, picked, column)?;
        }
        sum = Some(match sum {
            Some(sum) => cx.binary(Binary::Add, sum, picked)?,
            None => picked,
        });
    }
    sum.ok_or_else(|| "it samples nothing".to_string())
}

/// Where a coordinate between -1 and 1 lies among `size` elements.
fn place(map: &mut Map, x: usize, size: usize, corners: bool, nearest: bool, outside: Outside) -> usize {
    let number = |map: &mut Map, value: f64| map.number(value, DType::F32);
    let (one, half) = (number(map, 1.0), number(map, 0.5));
    let moved = map.binary(Binary::Add, x, one);
    let mut at = if corners {
        let scale = number(map, (size as f64 - 1.0) / 2.0);
        map.binary(Binary::Mul, moved, scale)
    } else {
        let scale = number(map, size as f64);
        let scaled = map.binary(Binary::Mul, moved, scale);
        let less = map.binary(Binary::Sub, scaled, one);
        map.binary(Binary::Mul, less, half)
    };
    if nearest {
        at = map.unary(Unary::Round, at);
    }
    match outside {
        Outside::Zeros => at,
        Outside::Border => clamped(map, at, size),
        Outside::Reflection => reflected(map, at, size, corners),
    }
}

fn clamped(map: &mut Map, at: usize, size: usize) -> usize {
    let (low, high) = (map.number(0.0, DType::F32), map.number(size as f64 - 1.0, DType::F32));
    let above = map.binary(Binary::Max, at, low);
    map.binary(Binary::Min, above, high)
}

/// The place folded back at the borders, as often as it takes.
fn reflected(map: &mut Map, at: usize, size: usize, corners: bool) -> usize {
    let (low, high) = if corners { (0.0, size as f64 - 1.0) } else { (-0.5, size as f64 - 0.5) };
    let low_ = map.number(low, DType::F32);
    if high <= low {
        return low_;
    }
    let (range, period) = (map.number(high - low, DType::F32), map.number(2.0 * (high - low), DType::F32));
    let from = map.binary(Binary::Sub, at, low_);
    let distance = map.unary(Unary::Abs, from);
    let ratio = map.binary(Binary::Div, distance, period);
    let times = map.unary(Unary::Floor, ratio);
    let whole = map.binary(Binary::Mul, times, period);
    let rest = map.binary(Binary::Sub, distance, whole);
    let (back, over) = (map.binary(Binary::Sub, period, rest), map.binary(Binary::Lt, range, rest));
    let folded = map.select(over, back, rest);
    map.binary(Binary::Add, low_, folded)
}

/// The neighbour `step` from the element at or before `place`, and its weight among `n` neighbours.
fn tap(
    cx: &mut Cx,
    place: ValueId,
    step: i64,
    n: usize,
    size: usize,
    corners: bool,
    outside: Outside,
) -> Result<Tap, String> {
    let neighbour = |map: &mut Map, x: usize| {
        let floor = map.unary(Unary::Floor, x);
        let step = map.number(step as f64, DType::F32);
        (floor, map.binary(Binary::Add, floor, step))
    };
    let index = cx.map1(place, |map, x| {
        let (_, mut at) = neighbour(map, x);
        if outside == Outside::Reflection {
            at = reflected(map, at, size, corners);
        }
        let inside = clamped(map, at, size);
        map.cast(inside, DType::I64)
    })?;
    if n == 1 && outside != Outside::Zeros {
        return Ok(Tap { index, weight: None });
    }
    let weight = cx.map1(place, |map, x| {
        let (floor, at) = neighbour(map, x);
        let (zero, one) = (map.number(0.0, DType::F32), map.number(1.0, DType::F32));
        let part = map.binary(Binary::Sub, x, floor);
        let mut weight = match (n, step) {
            (1, _) => one,
            (2, 0) => map.binary(Binary::Sub, one, part),
            (2, _) => part,
            (_, step) => cubic(map, part, step),
        };
        if outside == Outside::Zeros {
            let most = map.number(size as f64 - 1.0, DType::F32);
            let (low, high) = (map.binary(Binary::Le, zero, at), map.binary(Binary::Le, at, most));
            let inside = map.binary(Binary::And, low, high);
            weight = map.select(inside, weight, zero);
        }
        weight
    })?;
    Ok(Tap { index, weight: Some(weight) })
}

/// The cubic convolution's weight of the neighbour `step` away, for a place `part` after the element before it.
fn cubic(map: &mut Map, part: usize, step: i64) -> usize {
    const A: f64 = -0.75;
    let number = |map: &mut Map, value: f64| map.number(value, DType::F32);
    let step_ = number(map, step as f64);
    let apart = map.binary(Binary::Sub, part, step_);
    let d = map.unary(Unary::Abs, apart);
    // Near: ((A + 2) d - (A + 3)) d² + 1; far: ((A d - 5 A) d + 8 A) d - 4 A.
    let coefficients =
        if step == 0 || step == 1 { [A + 2.0, -(A + 3.0), 0.0, 1.0] } else { [A, -5.0 * A, 8.0 * A, -4.0 * A] };
    let mut sum = number(map, coefficients[0]);
    for coefficient in &coefficients[1..] {
        let scaled = map.binary(Binary::Mul, sum, d);
        let coefficient = number(map, *coefficient);
        sum = map.binary(Binary::Add, scaled, coefficient);
    }
    sum
}

/// RoiAlign.
pub fn roi_align(cx: &mut Cx) -> Results {
    let (x, regions, images) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let size = |name: &str, default: i64, least: i64| {
        let value = cx.int(name, default);
        usize::try_from(value)
            .ok()
            .filter(|_| value >= least && value < 1 << 16)
            .ok_or_else(|| format!("its {name} {value} is not between {least} and 65535"))
    };
    let (height, width, sampling) =
        (size("output_height", 1, 1)?, size("output_width", 1, 1)?, size("sampling_ratio", 0, 0)?);
    let max = match cx.string("mode", "avg").as_str() {
        "avg" => false,
        "max" => true,
        other => return Err(format!("mode {other:?} does not exist")),
    };
    // Before opset 16 there was no choice.
    let default = if cx.opset() < 16 { "output_half_pixel" } else { "half_pixel" };
    let half_pixel = match cx.string("coordinate_transformation_mode", default).as_str() {
        "half_pixel" => true,
        "output_half_pixel" => false,
        other => return Err(format!("coordinate_transformation_mode {other:?} does not exist")),
    };
    let scale = cx.float("spatial_scale", 1.0);
    one(cx.add(RoiAlign { height, width, sampling, scale, half_pixel, max }, &[x, regions, images])?)
}

/// AffineGrid: the places of a regular grid, moved by a matrix an image.
pub fn affine_grid(cx: &mut Cx) -> Results {
    let theta = cx.input(0)?;
    let size = cx.numbers(1, "the size")?;
    let n = size.len().checked_sub(2).filter(|n| (2..=3).contains(n)).ok_or("its size does not name 4 or 5 axes")?;
    let sizes: Option<Vec<usize>> =
        size[2..].iter().map(|&d| usize::try_from(d).ok().filter(|&d| (1..1 << 24).contains(&d))).collect();
    let sizes = sizes.ok_or_else(|| format!("its size {size:?} is not positive"))?;
    let count = sizes.iter().fold(1usize, |count, &d| count.saturating_mul(d));
    if count > 1 << 22 || !cx.im.spend(count * 16) {
        return Err(format!("a grid of {count} places is too large to compute now"));
    }
    let corners = cx.flag("align_corners", false);
    let mut base = Vec::with_capacity(count * (n + 1));
    for index in crate::ir::indices(&sizes) {
        base.extend((0..n).rev().map(|axis| {
            let (i, size) = (index[axis] as f64, sizes[axis] as f64);
            match corners {
                true if sizes[axis] == 1 => -1.0,
                true => 2.0 * i / (size - 1.0) - 1.0,
                false => (2.0 * i + 1.0) / size - 1.0,
            }
        }));
        base.push(1.0);
    }
    let dtype = cx.ty(theta).dtype;
    let base = cx.value(Tensor::from_f64s(dtype, vec![count, n + 1], &base));
    if cx.rank(theta) != 3 {
        return Err(format!("its matrices are {}, which has not 3 axes", cx.ty(theta)));
    }
    let turned = cx.transpose(theta, vec![0, 2, 1])?;
    let grid = cx.add(MatMul::default(), &[base, turned])?;
    let mut shape = vec![cx.ty(theta).shape[0].clone()];
    shape.extend(sizes.iter().map(|&d| Dim::from(d)));
    shape.push(Dim::from(n));
    one(cx.reshape(grid, shape)?)
}

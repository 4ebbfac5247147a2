//! Operators that put elements at other places: cropping, unpooling, folding and caches.

use super::cx::{Cx, Results, one};
use crate::ir::{DType, Dim, Tensor, ValueId, indices};
use crate::ops::expand::Expand;
use crate::ops::map::{Binary, Map};
use crate::ops::pad::{Pad, PadMode};
use crate::ops::range::Range;
use crate::ops::scatter_nd::{Reduction, ScatterNd};

/// CenterCropPad.
pub fn center_crop_pad(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let rank = cx.rank(x);
    let wanted = cx.ints(1, "the shape")?;
    let axes = match cx.int_list("axes") {
        Some(axes) => axes.iter().map(|&axis| cx.axis(axis, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    if axes.len() != wanted.len() {
        return Err(format!("it has {} sizes for {} axes", wanted.len(), axes.len()));
    }
    let (mut before, mut after) = (vec![Dim::from(0); rank], vec![Dim::from(0); rank]);
    let mut result = x;
    for (&axis, want) in axes.iter().zip(&wanted) {
        let have = cx.ty(result).shape[axis].clone();
        let gap = (have.clone() - want.clone()).as_const();
        let gap = gap.ok_or_else(|| {
            format!(
                "whether axis {axis} is cropped or padded depends on {have} and {want}\nhelp: fix the size with dim"
            )
        })?;
        if gap > 0 {
            result = super::array::part(cx, result, axis, Dim::from(gap / 2), want.clone())?;
        } else {
            let less = gap.saturating_neg() / 2;
            (before[axis], after[axis]) = (Dim::from(less), Dim::from(gap.saturating_neg() - less));
        }
    }
    if before.iter().chain(&after).any(|d| !d.is(0)) {
        result = cx.add(Pad { before, after, mode: PadMode::Constant(0.0) }, &[result])?;
    }
    one(result)
}

fn zeros(cx: &mut Cx, dtype: DType, shape: Vec<Dim>) -> Result<ValueId, String> {
    let zero = cx.scalar(0.0, dtype);
    cx.add(Expand { shape }, &[zero])
}

/// MaxUnpool: elements put back where MaxPool's indices say, zero elsewhere.
pub fn max_unpool(cx: &mut Cx) -> Results {
    let (x, places) = (cx.input(0)?, cx.input(1)?);
    let ty = cx.ty(x);
    let n = ty.rank().checked_sub(2).filter(|&n| n > 0).ok_or("its operand has no spatial axes")?;
    let list = |name: &str, n: usize, default: i64| {
        let list = cx.int_list(name).unwrap_or_else(|| vec![default; n]);
        let sound = list.len() == n && list.iter().all(|v| (0..1 << 24).contains(v));
        sound.then_some(list.clone()).ok_or_else(|| format!("its {name} are {list:?} for {n} numbers"))
    };
    let (kernel, stride, pads) = (list("kernel_shape", n, -1)?, list("strides", n, 1)?, list("pads", 2 * n, 0)?);
    let mut shape = ty.shape[..2].to_vec();
    for i in 0..n {
        let steps = (ty.shape[i + 2].clone() - Dim::from(1)) * Dim::from(stride[i]);
        shape.push(steps + Dim::from(kernel[i] - pads[i] - pads[n + i]));
    }
    let (all, own) = (Dim::product(&shape), ty.len());
    let empty = zeros(cx, ty.dtype, vec![all])?;
    let flat = cx.reshape(x, vec![own.clone()])?;
    let places = cx.reshape(places, vec![own, Dim::from(1)])?;
    let places = cx.cast(places, DType::I64)?;
    let filled = cx.add(ScatterNd { reduction: Reduction::None }, &[empty, places, flat])?;
    let mut result = cx.reshape(filled, shape.clone())?;
    if cx.opt(2)?.is_some() {
        let wanted = cx.ints(2, "the output's shape")?;
        if wanted.len() != shape.len() {
            return Err(format!("its output's shape {wanted:?} does not name {} axes", shape.len()));
        }
        let after: Vec<Dim> = wanted.iter().zip(&shape).map(|(want, have)| want.clone() - have.clone()).collect();
        if after.iter().any(|d| !d.is(0)) {
            let before = vec![Dim::from(0); shape.len()];
            result = cx.add(Pad { before, after, mode: PadMode::Constant(0.0) }, &[result])?;
        }
    }
    one(result)
}

/// Col2Im: columns of blocks added up where the blocks lie.
pub fn col2im(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let sizes = |list: Vec<i64>, what: &str| -> Result<Vec<usize>, String> {
        let list: Option<Vec<usize>> = list.iter().map(|&v| usize::try_from(v).ok().filter(|&v| v < 1 << 20)).collect();
        list.ok_or_else(|| format!("its {what} are not sensible"))
    };
    let image = sizes(cx.numbers(1, "the image's shape")?, "image sizes")?;
    let block = sizes(cx.numbers(2, "the block's shape")?, "block sizes")?;
    let n = image.len();
    let list =
        |name: &str, len: usize, default: i64| sizes(cx.int_list(name).unwrap_or_else(|| vec![default; len]), name);
    let (stride, dilation, pads) = (list("strides", n, 1)?, list("dilations", n, 1)?, list("pads", 2 * n, 0)?);
    if block.len() != n
        || stride.len() != n
        || dilation.len() != n
        || pads.len() != 2 * n
        || stride.contains(&0)
        || block.contains(&0)
    {
        return Err(format!("its shapes and attributes do not agree on {n} axes"));
    }
    let padded: Vec<usize> = (0..n).map(|i| image[i] + pads[i] + pads[n + i]).collect();
    let counts: Option<Vec<usize>> = (0..n)
        .map(|i| padded[i].checked_sub(dilation[i] * (block[i] - 1) + 1).map(|room| room / stride[i] + 1))
        .collect();
    let counts = counts.ok_or("its blocks are larger than its image")?;
    let product = |list: &[usize]| list.iter().fold(1usize, |product, &v| product.saturating_mul(v));
    let (taps, blocks, all) = (product(&block), product(&counts), product(&padded));
    let shape = cx.ty(x).shape;
    let [batch, columns, places] = shape.as_slice() else {
        return Err(format!("its operand has {} axes, not 3", shape.len()));
    };
    let channels = columns.exact_div(&Dim::from(taps)).filter(|_| places.is(blocks as i64));
    let channels =
        channels.ok_or_else(|| format!("its operand of shape {shape:?} does not hold {blocks} blocks of {taps}"))?;
    if taps.saturating_mul(blocks) > 1 << 22 || !cx.im.spend(taps.saturating_mul(blocks) * 8) {
        return Err("it has too many blocks".into());
    }
    let mut targets = Vec::with_capacity(taps * blocks);
    for tap in indices(&block) {
        for at in indices(&counts) {
            let flat = (0..n).fold(0, |flat, i| flat * padded[i] + at[i] * stride[i] + tap[i] * dilation[i]);
            targets.push(flat as i64);
        }
    }
    let planes = batch.clone() * channels.clone();
    let rows = cx.reshape(x, vec![planes.clone(), Dim::from(taps * blocks)])?;
    let rows = cx.transpose(rows, vec![1, 0])?;
    let dtype = cx.ty(x).dtype;
    let empty = zeros(cx, dtype, vec![Dim::from(all), planes])?;
    let targets = cx.value(Tensor::from_i64s(DType::I64, vec![targets.len(), 1], &targets));
    let sums = cx.add(ScatterNd { reduction: Reduction::Add }, &[empty, targets, rows])?;
    let sums = cx.transpose(sums, vec![1, 0])?;
    let mut full = vec![batch.clone(), channels];
    full.extend(padded.iter().map(|&d| Dim::from(d)));
    let mut result = cx.reshape(sums, full)?;
    for i in 0..n {
        result = super::array::part(cx, result, i + 2, Dim::from(pads[i]), Dim::from(image[i]))?;
    }
    one(result)
}

/// TensorScatter: a cache `[batch, …]` with an update written along an axis, at a place for each of the batch.
pub fn tensor_scatter(cx: &mut Cx) -> Results {
    let (cache, update, starts) = (cx.input(0)?, cx.input(1)?, cx.opt(2)?);
    let (shape, new) = (cx.ty(cache).shape, cx.ty(update).shape);
    let rank = shape.len();
    let axis = cx.axis(cx.int("axis", -2), rank)?;
    if axis == 0 || new.len() != rank {
        return Err(format!("its update {} does not fit a cache {} along axis {axis}", cx.ty(update), cx.ty(cache)));
    }
    let circular = match cx.string("mode", "linear").as_str() {
        "linear" => false,
        "circular" => true,
        other => return Err(format!("mode {other:?} does not exist")),
    };
    // The axes between batch and `axis` move behind it, so that an index names batch and place.
    let forth: Vec<usize> = [0, axis].into_iter().chain((1..rank).filter(|&a| a != axis)).collect();
    let mut back = vec![0; rank];
    forth.iter().enumerate().for_each(|(i, &axis)| back[axis] = i);
    let (cache, update) = (cx.transpose(cache, forth.clone())?, cx.transpose(update, forth)?);
    let numbers = |len: &Dim| Range {
        start: Dim::from(0),
        delta: Dim::from(1),
        len: len.clone(),
        dtype: DType::I64,
        operands: false,
    };
    let (batch, seq) = (shape[0].clone(), new[axis].clone());
    let column = vec![batch.clone(), Dim::from(1)];
    let starts = match starts {
        Some(starts) => cx.cast(starts, DType::I64)?,
        None => zeros(cx, DType::I64, vec![batch.clone()])?,
    };
    let starts = cx.reshape(starts, column.clone())?;
    let along = cx.add(numbers(&seq), &[])?;
    let length = cx.sizes(vec![shape[axis].clone()], true, DType::I64)?;
    let mut map = Map::of(&[DType::I64; 3]);
    let mut place = map.binary(Binary::Add, 0, 1);
    if circular {
        place = map.binary(Binary::Mod, place, 2);
    }
    let inputs = if circular { vec![starts, along, length] } else { vec![starts, along] };
    if !circular {
        map = Map::of(&[DType::I64; 2]);
        place = map.binary(Binary::Add, 0, 1);
    }
    let places = cx.add(map.finish(place), &inputs)?;
    let rows = cx.add(numbers(&batch), &[])?;
    let rows = cx.reshape(rows, column)?;
    let rows = cx.add(Expand { shape: vec![batch.clone(), seq.clone()] }, &[rows])?;
    let tuple = vec![batch, seq, Dim::from(1)];
    let (rows, places) = (cx.reshape(rows, tuple.clone())?, cx.reshape(places, tuple)?);
    let index = super::array::join(cx, &[rows, places], 2)?;
    let result = cx.add(ScatterNd { reduction: Reduction::None }, &[cache, index, update])?;
    one(cx.transpose(result, back)?)
}

#[cfg(test)]
mod tests {
    use super::super::build::{constant, folded, int, node};
    use crate::ir::{DType, Tensor};

    #[test]
    fn overlapping_blocks_add_up() {
        // Blocks of two with a step of one over three places.
        let x = constant("x", &Tensor::from_f64s(DType::F32, vec![1, 2, 2], &[1.0, 2.0, 10.0, 20.0]));
        let (image, block) = (constant("i", &Tensor::ints(&[1, 3])), constant("b", &Tensor::ints(&[1, 2])));
        let y = folded(vec![x, image, block], &["y"], vec![node("Col2Im", &["x", "i", "b"], &["y"], vec![])]).unwrap();
        assert_eq!((y[0].shape(), y[0].to_f64s()), (&[1, 1, 1, 3][..], vec![1.0, 12.0, 20.0]));
    }

    #[test]
    fn a_condition_picks() {
        let x = constant("x", &Tensor::from_f64s(DType::F32, vec![2, 2], &[1.0, 2.0, 3.0, 4.0]));
        let c = constant("c", &Tensor::from_i64s(DType::Bool, vec![2], &[0, 1]));
        let y = folded(vec![x, c], &["y"], vec![node("Compress", &["x", "c"], &["y"], vec![int("axis", 1)])]).unwrap();
        assert_eq!(y[0].to_f64s(), [2.0, 4.0]);
    }
}

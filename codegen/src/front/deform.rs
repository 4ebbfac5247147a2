//! DeformConv: a convolution that reads its taps at places computed at run time.

use super::array::{join, part};
use super::cx::{Cx, Results, one};
use super::sample;
use crate::ir::{DType, Dim, Tensor, ValueId};
use crate::ops::map::Binary;
use crate::ops::matmul::MatMul;

/// DeformConv over two axes: the taps are sampled into columns, the columns multiplied by the weights.
pub fn deform_conv(cx: &mut Cx) -> Results {
    let (x, w, offset) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let (bias, mask) = (cx.opt(3)?, cx.opt(4)?);
    let fixed = |cx: &Cx, id: ValueId, what: &str| {
        let sizes = cx.ty(id).dims().filter(|sizes| sizes.len() == 4);
        sizes.ok_or_else(|| format!("{what} is {}, and should have 4 axes of fixed sizes", cx.ty(id)))
    };
    let ([batch, channels, ..], [outs, each, kh, kw], [_, moves, height, width]) = (
        four(fixed(cx, x, "its operand")?)?,
        four(fixed(cx, w, "its weight")?)?,
        four(fixed(cx, offset, "its offset")?)?,
    );
    let (taps, places) = (kh * kw, height * width);
    let positive = |name: &str| usize::try_from(cx.int(name, 1)).ok().filter(|&n| n > 0);
    let groups = positive("group").ok_or("its group is not positive")?;
    let offset_groups = positive("offset_group").ok_or("its offset_group is not positive")?;
    if each * groups != channels || outs % groups != 0 || channels % offset_groups != 0 {
        return Err(format!(
            "{channels} channels and {outs} results do not divide into {groups} groups of {each} and {offset_groups} offset groups"
        ));
    }
    if moves != offset_groups * taps * 2 {
        return Err(format!("its offset has {moves} channels, and should have {}", offset_groups * taps * 2));
    }
    let dtype = cx.ty(x).dtype;
    let starts = starts(cx, [kh, kw], [height, width])?;
    let mut columns = Vec::new();
    for group in 0..offset_groups {
        let own = channels / offset_groups;
        let x = part(cx, x, 1, Dim::from(group * own), Dim::from(own))?;
        let mut coordinates = Vec::new();
        for (axis, start) in starts.iter().enumerate() {
            let moved = cx.reshape(offset, dims(&[batch, offset_groups, taps, 2, places]))?;
            let moved = part(cx, moved, 1, Dim::from(group), Dim::from(1))?;
            let moved = part(cx, moved, 3, Dim::from(axis), Dim::from(1))?;
            let moved = cx.reshape(moved, dims(&[batch, taps, places]))?;
            let moved = cx.cast(moved, DType::F32)?;
            let start = cx.value(Tensor::from_f64s(DType::F32, vec![taps, places], start));
            let at = cx.binary(Binary::Add, moved, start)?;
            coordinates.push(cx.reshape(at, dims(&[batch, taps * places]))?);
        }
        let mut picked = sample::linear(cx, x, &coordinates)?;
        if let Some(mask) = mask {
            let mask = cx.reshape(mask, dims(&[batch, offset_groups, taps * places]))?;
            let mask = part(cx, mask, 1, Dim::from(group), Dim::from(1))?;
            let mask = cx.reshape(mask, dims(&[batch, taps * places, 1]))?;
            picked = cx.binary(Binary::Mul, picked, mask)?;
        }
        let picked = cx.reshape(picked, dims(&[batch, taps, places, own]))?;
        columns.push(cx.transpose(picked, vec![0, 3, 1, 2])?);
    }
    // [batch, channels, taps, places], a matrix a group.
    let columns = join(cx, &columns, 1)?;
    let columns = cx.reshape(columns, dims(&[batch, groups, each * taps, places]))?;
    let w = cx.reshape(w, dims(&[1, groups, outs / groups, each * taps]))?;
    let y = cx.add(MatMul::default(), &[w, columns])?;
    let mut y = cx.reshape(y, dims(&[batch, outs, height, width]))?;
    if let Some(bias) = bias {
        let bias = cx.reshape(bias, dims(&[outs, 1, 1]))?;
        let bias = cx.cast(bias, dtype)?;
        y = cx.binary(Binary::Add, y, bias)?;
    }
    one(y)
}

/// Where each tap of each place would be read without an offset, an entry an axis, each `[taps][places]`.
fn starts(cx: &Cx, kernel: [usize; 2], places: [usize; 2]) -> Result<[Vec<f64>; 2], String> {
    const LIMIT: usize = 1 << 22;
    let list = |name: &str, n: usize, default: i64| {
        let list = cx.int_list(name).unwrap_or_else(|| vec![default; n]);
        if list.len() == n { Ok(list) } else { Err(format!("its {name} {list:?} should be {n} numbers")) }
    };
    let (strides, dilations, pads) = (list("strides", 2, 1)?, list("dilations", 2, 1)?, list("pads", 4, 0)?);
    let count = kernel.iter().chain(&places).fold(1usize, |count, &n| count.saturating_mul(n));
    if count > LIMIT {
        return Err(format!("{count} places to read are more than {LIMIT}"));
    }
    let mut starts = [Vec::with_capacity(count), Vec::with_capacity(count)];
    for tap in crate::ir::indices(&kernel) {
        for place in crate::ir::indices(&places) {
            for axis in 0..2 {
                let at = place[axis] as f64 * strides[axis] as f64 + tap[axis] as f64 * dilations[axis] as f64;
                starts[axis].push(at - pads[axis] as f64);
            }
        }
    }
    Ok(starts)
}

fn dims(sizes: &[usize]) -> Vec<Dim> {
    sizes.iter().map(|&size| Dim::from(size)).collect()
}

fn four(sizes: Vec<usize>) -> Result<[usize; 4], String> {
    sizes.try_into().map_err(|_| "it has not 4 axes".to_string())
}

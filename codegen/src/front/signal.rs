//! Windows, spectra and mel filters: all of them constants, and products with constants.

use super::cx::{Cx, Results, one};
use super::tensor;
use crate::ir::{DType, Dim, Rounding, Tensor, ValueId};
use crate::ops::gather::Gather;
use crate::ops::map::{Binary, Map};
use crate::ops::matmul::MatMul;
use crate::ops::range::Range;
use std::f64::consts::TAU;

/// The most elements of a matrix that stands for a transform.
const MAX_MATRIX: usize = 1 << 22;

/// HannWindow, HammingWindow and BlackmanWindow.
pub fn window(cx: &mut Cx) -> Results {
    let size = cx.numbers(0, "the size")?.first().copied().unwrap_or(0);
    let n = usize::try_from(size).ok().filter(|&n| n <= 1 << 20).ok_or_else(|| format!("a window of {size}"))?;
    let element = tensor::element_of(cx.int("output_datatype", 1))?;
    let [a, b, c] = match cx.node.op_type.as_str() {
        "HannWindow" => [0.5, 0.5, 0.0],
        "HammingWindow" => [25.0 / 46.0, 21.0 / 46.0, 0.0],
        _ => [0.42, 0.5, 0.08],
    };
    let period = if cx.flag("periodic", true) { n as f64 } else { n as f64 - 1.0 };
    let turn = |i: usize| TAU * i as f64 / period.max(1.0);
    let values: Vec<f64> = (0..n).map(|i| a - b * turn(i).cos() + c * (2.0 * turn(i)).cos()).collect();
    let id = cx.value(Tensor::from_f64s(element.dtype, vec![n], &values));
    one(cx.convert(id, element, Rounding::default())?)
}

/// MelWeightMatrix: triangles over the frequencies of a spectrum.
pub fn mel_weights(cx: &mut Cx) -> Results {
    let whole = |i: usize, what: &str| cx.numbers(i, what).map(|n| n.first().copied().unwrap_or(0));
    let (bands, len, rate) = (whole(0, "the number of bands")?, whole(1, "the length")?, whole(2, "the sample rate")?);
    let real = |i: usize| cx.constant(i, "a frequency").map(|t| t.to_f64s().first().copied().unwrap_or(0.0));
    let (low, high) = (real(3)?, real(4)?);
    if !(1..=4096).contains(&bands) || !(1..=1 << 16).contains(&len) || rate < 1 {
        return Err(format!("{bands} bands of a spectrum of {len} at a rate of {rate}"));
    }
    let (bands, bins) = (bands as usize, (len / 2 + 1) as usize);
    let element = tensor::element_of(cx.int("output_datatype", 1))?;
    let mel = |hertz: f64| 2595.0 * (1.0 + hertz / 700.0).log10();
    let step = (mel(high) - mel(low)) / (bands as f64 + 2.0);
    let edge = |i: usize| {
        let hertz = 700.0 * (10f64.powf((i as f64 * step + mel(low)) / 2595.0) - 1.0);
        ((len as f64 + 1.0) * hertz / rate as f64).floor() as i64
    };
    let mut values = vec![0.0; bins * bands];
    let mut set = |bin: i64, band: usize, value: f64| {
        let at = usize::try_from(bin).ok().filter(|&bin| bin < bins);
        at.map(|bin| values[bin * bands + band] = value).ok_or("its frequencies lie outside the spectrum")
    };
    for band in 0..bands {
        let (left, centre, right) = (edge(band), edge(band + 1), edge(band + 2));
        if left == centre {
            set(centre, band, 1.0)?;
        }
        for bin in left..=centre {
            if centre > left {
                set(bin, band, (bin - left) as f64 / (centre - left) as f64)?;
            }
        }
        for bin in centre..right {
            set(bin, band, (right - bin) as f64 / (right - centre) as f64)?;
        }
    }
    let id = cx.value(Tensor::from_f64s(element.dtype, vec![bins, bands], &values));
    one(cx.convert(id, element, Rounding::default())?)
}

/// The transform of `n` numbers (of `parts` real parts each) to `k` complex ones, as a matrix `[n * parts, k * 2]`.
fn matrix(n: usize, parts: usize, len: usize, k: usize, inverse: bool, dtype: DType) -> Result<Tensor, String> {
    let cells = n.saturating_mul(k).saturating_mul(parts * 2);
    if cells > MAX_MATRIX || len == 0 {
        return Err(format!("a transform of {n} to {k} numbers is too large for a matrix; about 1024 is the most"));
    }
    let scale = if inverse { 1.0 / len as f64 } else { 1.0 };
    let mut values = Vec::with_capacity(cells);
    for i in 0..n {
        for part in 0..parts {
            for j in 0..k {
                // What lies beyond the transform's length is cut off.
                let kept = if i < len { scale } else { 0.0 };
                let angle = TAU * ((i * j) % len) as f64 / len as f64;
                let (sin, cos) = (if inverse { -angle.sin() } else { angle.sin() }, angle.cos());
                let (re, im) = if part == 0 { (cos, -sin) } else { (sin, cos) };
                values.extend([kept * re, kept * im]);
            }
        }
    }
    Ok(Tensor::from_f64s(dtype, vec![n * parts, k * 2], &values))
}

/// The transform of the second last axis of `x` `[…, n, 1 or 2]`.
fn transform(cx: &mut Cx, x: ValueId, len: Option<i64>, onesided: bool, inverse: bool) -> Result<ValueId, String> {
    let ty = cx.ty(x);
    let (lead, tail) = ty.shape.split_at(ty.rank().checked_sub(2).ok_or("its operand has too few axes")?);
    let n = tail[0].as_usize().ok_or_else(|| format!("it transforms the free size {}", tail[0]))?;
    let parts = tail[1].as_usize().filter(|p| (1..=2).contains(p)).ok_or("its last axis has neither 1 nor 2 parts")?;
    let len = match len {
        Some(len) => usize::try_from(len).map_err(|_| format!("a length of {len}"))?,
        None => n,
    };
    let k = if onesided { len / 2 + 1 } else { len };
    let matrix = matrix(n, parts, len, k, inverse, ty.dtype)?;
    let matrix = cx.value(matrix);
    let rows = cx.reshape(x, vec![Dim::product(lead), Dim::from(n * parts)])?;
    let product = cx.add(MatMul::default(), &[rows, matrix])?;
    let mut shape = lead.to_vec();
    shape.extend([Dim::from(k), Dim::from(2)]);
    cx.reshape(product, shape)
}

/// DFT: the axis is an attribute before opset 20, an operand since.
pub fn dft(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let rank = cx.rank(x);
    let first = |cx: &Cx, i: usize, what: &str| -> Result<Option<i64>, String> {
        match cx.opt(i)? {
            Some(_) => Ok(cx.numbers(i, what)?.first().copied()),
            None => Ok(None),
        }
    };
    let len = first(cx, 1, "the length")?;
    let axis = if cx.opset() < 20 { cx.int("axis", 1) } else { first(cx, 2, "the axis")?.unwrap_or(-2) };
    let axis = cx.axis(axis, rank)?;
    let (onesided, inverse) = (cx.flag("onesided", false), cx.flag("inverse", false));
    if axis + 1 == rank || (onesided && inverse) {
        return Err("a transform along the parts, or a one-sided inverse, is not supported".into());
    }
    let perm: Vec<usize> = (0..rank - 1).filter(|&a| a != axis).chain([axis, rank - 1]).collect();
    let mut back = vec![0; rank];
    perm.iter().enumerate().for_each(|(i, &axis)| back[axis] = i);
    let moved = cx.transpose(x, perm)?;
    let result = transform(cx, moved, len, onesided, inverse)?;
    one(cx.transpose(result, back)?)
}

/// STFT: frames picked out of the signal, times the window, transformed.
pub fn stft(cx: &mut Cx) -> Results {
    let (signal, window) = (cx.input(0)?, cx.opt(2)?);
    let step = cx.numbers(1, "the step between frames")?.first().copied().filter(|&step| step > 0);
    let step = step.ok_or("its step between frames is not positive")?;
    let ty = cx.ty(signal);
    let signal = match ty.shape.as_slice() {
        [batch, n] => cx.reshape(signal, vec![batch.clone(), n.clone(), Dim::from(1)])?,
        [_, _, _] => signal,
        _ => return Err(format!("its signal {ty} has neither 2 nor 3 axes")),
    };
    let shape = cx.ty(signal).shape;
    let len = match (cx.opt(3)?, window) {
        (Some(_), _) => cx.numbers(3, "the length of a frame")?.first().copied(),
        (None, Some(window)) => cx.ty(window).shape.first().and_then(Dim::as_const),
        (None, None) => shape[1].as_const(),
    };
    let len = len.filter(|&len| (1..1 << 20).contains(&len)).ok_or("its frames have no known length")?;
    let frames = (shape[1].clone() - Dim::from(len)).floor_div(&Dim::from(step)) + Dim::from(1);
    let numbers = |delta: i64, len: Dim| Range {
        start: Dim::from(0),
        delta: Dim::from(delta),
        len,
        dtype: DType::I64,
        operands: false,
    };
    let starts = cx.add(numbers(step, frames.clone()), &[])?;
    let starts = cx.reshape(starts, vec![frames, Dim::from(1)])?;
    let offsets = cx.add(numbers(1, Dim::from(len)), &[])?;
    let places = cx.binary(Binary::Add, starts, offsets)?;
    let mut framed = cx.add(Gather { axis: 1 }, &[signal, places])?;
    if let Some(window) = window {
        let window = cx.reshape(window, vec![Dim::from(len), Dim::from(1)])?;
        let mut map = Map::of(&[cx.ty(framed).dtype, cx.ty(window).dtype]);
        let product = map.binary(Binary::Mul, 0, 1);
        framed = cx.add(map.finish(product), &[framed, window])?;
    }
    let onesided = cx.flag("onesided", true);
    one(transform(cx, framed, None, onesided, false)?)
}

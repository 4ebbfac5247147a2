//! Convolutions: channels-last inside kiln, so transposes stand around them until a pass takes those away.

use super::cx::{Cx, Results, one};
use crate::ir::{Dim, ValueId};
use crate::ops::conv::{Conv, Reads};
use crate::ops::conv_transpose::ConvTranspose;
use crate::ops::map::Binary;
use crate::ops::pad::{Pad, PadMode};

/// Window attributes that convolutions and pools share.
pub struct Window {
    pub kernel: Vec<usize>,
    pub stride: Vec<usize>,
    pub dilation: Vec<usize>,
    pub pads: Vec<(usize, usize)>,
}

/// The window over the spatial axes of `x`, whose sizes `auto_pad` may need.
pub fn window(cx: &Cx, x: ValueId, kernel: Vec<usize>) -> Result<Window, String> {
    let n = kernel.len();
    let sizes = |name: &str| -> Result<Vec<usize>, String> {
        let list = cx.int_list(name).unwrap_or_else(|| vec![1; n]);
        if list.len() != n {
            return Err(format!("its {name} name {} axes, its window has {n}", list.len()));
        }
        let size = |&v: &i64| {
            usize::try_from(v).ok().filter(|&v| v > 0 && v < 1 << 24).ok_or_else(|| format!("its {name} hold {v}"))
        };
        list.iter().map(size).collect()
    };
    let (stride, dilation) = (sizes("strides")?, sizes("dilations")?);
    let spatial = cx.ty(x).shape[2..].to_vec();
    let pads = match cx.string("auto_pad", "NOTSET").as_str() {
        "NOTSET" => {
            let pads = cx.int_list("pads").unwrap_or_else(|| vec![0; 2 * n]);
            if pads.len() != 2 * n {
                return Err(format!("its pads are {} numbers, not {}", pads.len(), 2 * n));
            }
            let size = |v: i64| usize::try_from(v).ok().filter(|&v| v < 1 << 24).ok_or_else(|| format!("a padding of {v} is not supported; 0 to 16777215 work"));
            (0..n).map(|i| Ok((size(pads[i])?, size(pads[n + i])?))).collect::<Result<Vec<_>, String>>()?
        }
        "VALID" => vec![(0, 0); n],
        mode @ ("SAME_UPPER" | "SAME_LOWER") => (0..n)
            .map(|i| {
                let reach = (kernel[i] - 1) * dilation[i] + 1;
                let total = match (spatial[i].as_usize(), stride[i]) {
                    // With a stride of one the padding does not depend on the size.
                    (_, 1) => reach - 1,
                    (Some(size), stride) => (size.div_ceil(stride).saturating_sub(1) * stride + reach).saturating_sub(size),
                    (None, _) => {
                        return Err(format!("auto_pad {mode} with a stride needs fixed sizes, and axis {} is {}\nhelp: fix it with dim, or export with explicit pads", i + 2, spatial[i]));
                    }
                };
                let less = total / 2;
                Ok(if mode == "SAME_UPPER" { (less, total - less) } else { (total - less, less) })
            })
            .collect::<Result<_, String>>()?,
        other => return Err(format!("auto_pad {other:?} does not exist")),
    };
    Ok(Window { kernel, stride, dilation, pads })
}

/// The spatial sizes of the weights, which must agree with the attribute if that is given.
pub fn kernel(cx: &Cx, w: ValueId, x: ValueId) -> Result<Vec<usize>, String> {
    let (w, x) = (cx.ty(w), cx.ty(x));
    if w.rank() != x.rank() || x.rank() < 3 {
        return Err(format!("its operand {x} and weights {w} do not fit; both need 3 axes at least"));
    }
    let sizes: Option<Vec<usize>> = w.shape[2..].iter().map(Dim::as_usize).collect();
    let sizes = sizes
        .filter(|sizes| sizes.iter().all(|&s| s > 0 && s < 1 << 24))
        .ok_or_else(|| format!("its weights {w} have no fixed window"))?;
    if let Some(given) = cx.int_list("kernel_shape")
        && given.iter().map(|&v| v as usize).ne(sizes.iter().copied())
    {
        return Err(format!("its kernel_shape {given:?} differs from its weights {w}"));
    }
    Ok(sizes)
}

/// How many groups of channels do not mix.
pub fn groups(cx: &Cx) -> Result<usize, String> {
    let group = cx.int("group", 1);
    usize::try_from(group).ok().filter(|&g| g > 0).ok_or_else(|| format!("a group of {group}"))
}

/// Conv.
pub fn conv(cx: &mut Cx) -> Results {
    let (x, w, bias) = (cx.input(0)?, cx.input(1)?, cx.opt(2)?);
    let kernel = kernel(cx, w, x)?;
    let Window { stride, dilation, pads, .. } = window(cx, x, kernel)?;
    let op = Conv {
        stride,
        dilation,
        pads,
        groups: groups(cx)?,
        bias: bias.is_some(),
        reads: Reads::Pixels,
        epilogue: None,
    };
    let x = cx.channels_last(x)?;
    let inputs: Vec<ValueId> = [x, w].into_iter().chain(bias).collect();
    let y = cx.add(op, &inputs)?;
    one(cx.channels_first(y)?)
}

/// ConvTranspose, its pads given or following from the output's shape.
pub fn conv_transpose(cx: &mut Cx) -> Results {
    let (x, w, bias) = (cx.input(0)?, cx.input(1)?, cx.opt(2)?);
    let kernel = kernel(cx, w, x)?;
    let n = kernel.len();
    let list = |name: &str, default: i64| {
        let list = cx.int_list(name).unwrap_or_else(|| vec![default; n]);
        if list.len() == n && list.iter().all(|&v| (0..1 << 24).contains(&v)) {
            Ok(list.iter().map(|&v| v as usize).collect::<Vec<_>>())
        } else {
            Err(format!("its {name} are {list:?} for {n} axes"))
        }
    };
    let (stride, dilation, extra) = (list("strides", 1)?, list("dilations", 1)?, list("output_padding", 0)?);
    let auto = cx.string("auto_pad", "NOTSET");
    let spatial = cx.ty(x).shape[2..].to_vec();
    let full = |i: usize| -> Result<i64, String> {
        let size = spatial[i]
            .as_const()
            .filter(|&size| size < 1 << 32)
            .ok_or_else(|| format!("its output's shape is given while axis {} is {}", i + 2, spatial[i]))?;
        Ok((size - 1) * stride[i] as i64 + ((kernel[i] - 1) * dilation[i] + 1) as i64 + extra[i] as i64)
    };
    let split = |total: i64| {
        let less = total.div_euclid(2);
        if auto == "SAME_UPPER" { (less, total - less) } else { (total - less, less) }
    };
    let pads = if let Some(shape) = cx.int_list("output_shape") {
        let shape = if shape.len() == n + 2 { &shape[2..] } else { &shape[..] };
        if shape.len() != n || shape.iter().any(|size| !(0..1 << 32).contains(size)) {
            return Err(format!("its output_shape {shape:?} does not name {n} sizes"));
        }
        (0..n).map(|i| Ok(split(full(i)? - shape[i]))).collect::<Result<Vec<_>, String>>()?
    } else if auto.starts_with("SAME") {
        // The output is the input's size times the stride, so the total does not depend on the size.
        (0..n).map(|i| split(((kernel[i] - 1) * dilation[i] + 1) as i64 + extra[i] as i64 - stride[i] as i64)).collect()
    } else {
        let pads = cx.int_list("pads").unwrap_or_else(|| vec![0; 2 * n]);
        if pads.len() != 2 * n {
            return Err(format!("its pads are {} numbers, not {}", pads.len(), 2 * n));
        }
        if let Some(pad) = pads.iter().find(|pad| !(-(1 << 24)..1 << 24).contains(*pad)) {
            return Err(format!("a padding of {pad} is not supported; -16777216 to 16777215 work"));
        }
        (0..n).map(|i| (pads[i], pads[n + i])).collect()
    };
    let groups = groups(cx)?;
    let x = cx.channels_last(x)?;
    let before: Vec<i64> = pads.iter().map(|&(before, _)| (-before).max(0)).collect();
    if before.iter().all(|&rows| rows == 0) {
        let op = ConvTranspose { stride, dilation, pads, extra, groups, bias: bias.is_some(), epilogue: None };
        let inputs: Vec<ValueId> = [x, w].into_iter().chain(bias).collect();
        let y = cx.add(op, &inputs)?;
        return one(cx.channels_first(y)?);
    }
    // Rows in front that no element reaches hold the bias alone.
    let pads = pads.iter().map(|&(before, after)| (before.max(0), after)).collect();
    let op = ConvTranspose { stride, dilation, pads, extra, groups, bias: false, epilogue: None };
    let mut y = cx.add(op, &[x, w])?;
    let before = [0].into_iter().chain(before).chain([0]).map(Dim::from).collect();
    y = cx.add(Pad { before, after: vec![Dim::from(0); n + 2], mode: PadMode::Constant(0.0) }, &[y])?;
    if let Some(bias) = bias {
        y = cx.binary(Binary::Add, y, bias)?;
    }
    one(cx.channels_first(y)?)
}

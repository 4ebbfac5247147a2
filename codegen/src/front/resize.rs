//! Resize and Upsample.

use super::cx::{Cx, Results, one};
use crate::ir::{DType, Dim};
use crate::ops::resize::{Coordinates, NearestMode, Resize, ResizeAxis, ResizeMode};

/// Resize (opset 10: operands x, scales; since 11: x, roi, scales, sizes), and Upsample.
pub fn resize(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let shape = cx.ty(x).shape;
    let rank = shape.len();
    let early = cx.node.op_type == "Upsample" || cx.opset() < 11;
    let axes = match cx.int_list("axes") {
        Some(axes) => axes.iter().map(|&axis| cx.axis(axis, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    let floats = |cx: &Cx, i: usize, what: &str| -> Result<Vec<f64>, String> {
        match cx.opt(i)? {
            Some(_) => Ok(cx.constant(i, what)?.to_f64s()),
            None => Ok(Vec::new()),
        }
    };
    let (roi, mut scales, sizes) = if early {
        let scales = match cx.float_list("scales") {
            Some(scales) => scales.into_iter().map(f64::from).collect(),
            None if cx.has("height_scale") => {
                vec![1.0, 1.0, f64::from(cx.float("height_scale", 1.0)), f64::from(cx.float("width_scale", 1.0))]
            }
            None => floats(cx, 1, "the scales")?,
        };
        (Vec::new(), scales, None)
    } else {
        let sizes = match cx.opt(3)? {
            Some(_) => Some(cx.ints(3, "the sizes")?).filter(|sizes| !sizes.is_empty()),
            None => None,
        };
        (floats(cx, 1, "the region of interest")?, floats(cx, 2, "the scales")?, sizes)
    };
    let coordinates =
        match cx.string("coordinate_transformation_mode", if early { "asymmetric" } else { "half_pixel" }).as_str() {
            "half_pixel" => Coordinates::HalfPixel,
            "half_pixel_symmetric" => Coordinates::HalfPixelSymmetric,
            "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
            "align_corners" => Coordinates::AlignCorners,
            "asymmetric" => Coordinates::Asymmetric,
            "tf_crop_and_resize" => Coordinates::TfCropAndResize,
            other => return Err(format!("coordinate_transformation_mode {other:?} is not supported")),
        };
    let antialias = cx.flag("antialias", false);
    let mode = match cx.string("mode", "nearest").as_str() {
        "nearest" => ResizeMode::Nearest(
            match cx.string("nearest_mode", if early { "floor" } else { "round_prefer_floor" }).as_str() {
                "round_prefer_floor" => NearestMode::RoundPreferFloor,
                "round_prefer_ceil" => NearestMode::RoundPreferCeil,
                "floor" => NearestMode::Floor,
                "ceil" => NearestMode::Ceil,
                other => return Err(format!("nearest_mode {other:?} does not exist")),
            },
        ),
        "linear" | "bilinear" | "trilinear" => ResizeMode::Linear { antialias },
        "cubic" => {
            let a = cx.float("cubic_coeff_a", -0.75);
            ResizeMode::Cubic { a, exclude_outside: cx.flag("exclude_outside", false), antialias }
        }
        other => return Err(format!("mode {other:?} is not supported")),
    };
    let n = axes.len();
    if let Some(sizes) = &sizes
        && sizes.len() != n
    {
        return Err(format!("it has {} sizes for {n} axes", sizes.len()));
    }
    if sizes.is_none() && scales.len() != n {
        return Err(format!("it has {} scales for {n} axes", scales.len()));
    }
    let mut targets: Vec<Dim> = match &sizes {
        Some(sizes) => sizes.clone(),
        None => {
            axes.iter().zip(&scales).map(|(&axis, &scale)| scaled(&shape[axis], scale)).collect::<Result<_, _>>()?
        }
    };
    let policy = cx.string("keep_aspect_ratio_policy", "stretch");
    if sizes.is_some() && policy != "stretch" {
        let known = |d: &Dim| d.as_const().ok_or("its aspect ratio is kept while sizes are not fixed");
        let ratios = axes
            .iter()
            .zip(&targets)
            .map(|(&axis, target)| Ok(known(target)? as f64 / known(&shape[axis])? as f64))
            .collect::<Result<Vec<f64>, String>>()?;
        let pick = if policy == "not_larger" { f64::min } else { f64::max };
        let scale = ratios.into_iter().reduce(pick).unwrap_or(1.0);
        scales = vec![scale; n];
        for (target, &axis) in targets.iter_mut().zip(&axes) {
            *target = Dim::from((known(&shape[axis])? as f64 * scale).round() as i64);
        }
    }
    let crops = coordinates == Coordinates::TfCropAndResize;
    let resized: Vec<ResizeAxis> = axes
        .iter()
        .enumerate()
        .map(|(i, &axis)| ResizeAxis {
            axis,
            size: targets[i].clone(),
            scale: scales.get(i).map(|&scale| scale as f32),
            roi: if crops && roi.len() == 2 * n { (roi[i] as f32, roi[n + i] as f32) } else { (0.0, 1.0) },
        })
        .filter(|a| crops || a.size != shape[a.axis] || a.scale.is_some_and(|scale| scale != 1.0))
        .collect();
    if resized.is_empty() {
        return Ok(vec![cx.inputs[0].clone()]);
    }
    let dtype = cx.ty(x).dtype;
    let nearest = matches!(mode, ResizeMode::Nearest(_));
    let op = Resize { axes: resized, mode, coordinates, extrapolation: cx.float("extrapolation_value", 0.0) };
    // Filters compute in f32, as onnxruntime does for integers.
    let x = if nearest { x } else { cx.cast(x, DType::F32)? };
    let y = cx.add(op, &[x])?;
    one(cx.cast(y, dtype)?)
}

/// `floor(size * scale)`: exactly where the size is fixed, and for symbols where the scale is a ratio of small integers.
fn scaled(size: &Dim, scale: f64) -> Result<Dim, String> {
    if !(scale.is_finite() && scale > 0.0) {
        return Err(format!("a scale of {scale}"));
    }
    if let Some(size) = size.as_const() {
        return Ok(Dim::from((size as f64 * scale).floor() as i64));
    }
    for denominator in 1..=16i64 {
        let numerator = scale * denominator as f64;
        if (numerator - numerator.round()).abs() < 1e-9 {
            return Ok((size.clone() * Dim::from(numerator.round() as i64)).floor_div(&Dim::from(denominator)));
        }
    }
    Err(format!("a scale of {scale} of the free size {size}\nhelp: fix the size with dim"))
}

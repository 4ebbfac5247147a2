//! Resampling along axes.

use super::operands::{around, exactly, fixed, has_axis, is_f32, is_number, parts, result};
use super::walk::{Walk, dense};
use super::{Lower, Rules};
use crate::ir::{DType, Dim, Tensor, Type, indices};
use crate::plan::{Arg, Operand};
use kiln_kernels::resize_tables::{self as tables, ResizeSpec, resize_tables};

/// Resampling along some axes, any layout. One operand; constants decide everything else.
#[derive(Clone, PartialEq, Debug)]
pub struct Resize {
    /// Each resampled axis.
    pub axes: Vec<ResizeAxis>,
    /// How positions map to elements.
    pub mode: ResizeMode,
    /// ONNX's `coordinate_transformation_mode`.
    pub coordinates: Coordinates,
    /// Value outside the operand, for `tf_crop_and_resize`.
    pub extrapolation: f32,
}

/// One resampled axis.
#[derive(Clone, PartialEq, Debug)]
pub struct ResizeAxis {
    /// Which axis.
    pub axis: usize,
    /// Its size in the result.
    pub size: Dim,
    /// Result size over operand size as the model states it; `None` if it follows from the sizes.
    pub scale: Option<f32>,
    /// Start and end of the region of interest, for `tf_crop_and_resize`.
    pub roi: (f32, f32),
}

/// How positions map to elements.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum ResizeMode {
    /// The nearest element.
    Nearest(NearestMode),
    /// Between two neighbours; `antialias` widens when shrinking.
    Linear {
        /// Whether the filter widens when shrinking.
        antialias: bool,
    },
    /// Over four neighbours with Keys' cubic.
    Cubic {
        /// Keys' coefficient, -0.75 by default.
        a: f32,
        /// Whether neighbours outside weigh nothing.
        exclude_outside: bool,
        /// Whether the filter widens when shrinking.
        antialias: bool,
    },
}

/// ONNX's `nearest_mode`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum NearestMode {
    RoundPreferFloor,
    RoundPreferCeil,
    Floor,
    Ceil,
}

/// ONNX's `coordinate_transformation_mode`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Coordinates {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
    TfCropAndResize,
}

impl Rules for Resize {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x] = exactly(inputs)?;
        is_number(x)?;
        let mut result = x.clone();
        for (i, axis) in self.axes.iter().enumerate() {
            has_axis(x, axis.axis)?;
            if self.axes[..i].iter().any(|other| other.axis == axis.axis) {
                return Err(format!("axis {} is resampled twice", axis.axis));
            }
            if let Some(scale) = axis.scale
                && !(1e-5..=1e5).contains(&scale)
            {
                return Err(format!("a scale of {scale} is not supported; 0.00001 to 100000 work"));
            }
            if !(axis.roi.0.is_finite() && axis.roi.1.is_finite()) {
                return Err("the region of interest is not finite".to_string());
            }
            if x.shape[axis.axis].is(0) && !axis.size.is(0) {
                return Err(format!("axis {} of {x} is empty and has nothing to resample", axis.axis));
            }
            result.shape[axis.axis] = axis.size.clone();
        }
        Ok(vec![result])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let (dtype, dims) = result(self, inputs)?;
        let mut values = inputs[0].to_f64s();
        let mut shape = inputs[0].shape().to_vec();
        // One axis after the other; what falls outside along any axis is replaced at the end.
        let mut outside = Vec::new();
        for axis in &self.axes {
            let size = dims[axis.axis];
            let taps: Vec<_> = (0..size).map(|at| self.taps(axis, at, shape[axis.axis], size)).collect();
            let [outer, len, inner] = around(&shape, axis.axis);
            let mut next = vec![0.0; outer * size * inner];
            for (at, value) in next.iter_mut().enumerate() {
                let (o, i) = (at / (size * inner), at % inner);
                let taps = taps[at / inner % size].iter().flatten();
                *value = taps.map(|&(from, weight)| weight * values[(o * len + from) * inner + i]).sum();
            }
            values = next;
            shape[axis.axis] = size;
            outside.push((axis.axis, taps.iter().map(Option::is_none).collect::<Vec<bool>>()));
        }
        for (value, index) in values.iter_mut().zip(indices(&dims)) {
            if outside.iter().any(|(axis, outside)| outside[index[*axis]]) {
                *value = f64::from(self.extrapolation);
            }
        }
        Ok(vec![Tensor::from_f64s(dtype, dims, &values)])
    }

    fn dims_mut(&mut self) -> Vec<&mut Dim> {
        self.axes.iter_mut().map(|axis| &mut axis.size).collect()
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let x_shape = cx.ty(0).shape.clone();
        let active: Vec<&ResizeAxis> =
            self.axes.iter().filter(|axis| !self.is_identity(axis, &x_shape[axis.axis])).collect();
        match self.mode {
            _ if active.is_empty() => {
                let (out, x) = (cx.output(0), cx.input(0));
                cx.call("strided", "Copy1", vec![("out", Arg::Write(out)), ("x", Arg::Read(x))]);
                Ok(())
            }
            ResizeMode::Nearest(rounding) => {
                let factors: Option<Vec<i64>> =
                    active.iter().map(|axis| self.repeats(rounding, axis, &x_shape[axis.axis])).collect();
                let fixed =
                    active.iter().all(|axis| x_shape[axis.axis].as_usize().is_some() && axis.size.as_usize().is_some());
                match factors {
                    Some(factors) if !fixed => {
                        Self::lower_repeating(cx, &active, &factors);
                        Ok(())
                    }
                    _ => self.lower_nearest(cx, &active),
                }
            }
            ResizeMode::Linear { .. } | ResizeMode::Cubic { .. } => self.lower_axes(cx, &active),
        }
    }
}

impl Resize {
    /// The elements that make element `at` of a resampled axis, with their weights; `None` outside the operand.
    fn taps(&self, axis: &ResizeAxis, at: usize, len: usize, size: usize) -> Option<Vec<(usize, f64)>> {
        // Positions are f32, as they are for onnxruntime: which element is nearest can hang on the last bit.
        let scale = axis.scale.unwrap_or(size as f32 / len as f32);
        let x = f64::from(self.coordinates.position(at as f32, len as f32, size, scale, axis.roi));
        let scale = f64::from(scale);
        let most = len as i64 - 1;
        if self.coordinates == Coordinates::TfCropAndResize && !(0.0..=most as f64).contains(&x) {
            return None;
        }
        let (antialias, reach, exclude) = match self.mode {
            ResizeMode::Nearest(mode) => return Some(vec![((mode.round(x) as i64).clamp(0, most) as usize, 1.0)]),
            ResizeMode::Linear { antialias } => (antialias, 1.0, false),
            ResizeMode::Cubic { exclude_outside, antialias, .. } => (antialias, 2.0, exclude_outside),
        };
        // Shrinking widens the filter, so that every element counts.
        let narrow = if antialias { scale.min(1.0) } else { 1.0 };
        let span = reach / narrow;
        let mut taps: Vec<(i64, f64)> = ((x - span).floor() as i64..=(x + span).ceil() as i64)
            .map(|i| (i, self.mode.weight((i as f64 - x) * narrow)))
            .filter(|&(i, weight)| weight != 0.0 && (!exclude || (0..=most).contains(&i)))
            .collect();
        let sum: f64 = taps.iter().map(|(_, weight)| weight).sum();
        taps.iter_mut().for_each(|(_, weight)| *weight /= sum);
        Some(taps.into_iter().map(|(i, weight)| (i.clamp(0, most) as usize, weight)).collect())
    }
}

impl Resize {
    /// Whether an axis stays as it is.
    fn is_identity(&self, axis: &ResizeAxis, len: &Dim) -> bool {
        let scaled = axis.scale.is_some_and(|scale| scale != 1.0);
        axis.size == *len && !scaled && self.coordinates != Coordinates::TfCropAndResize
    }

    /// How often each element is repeated, if that is all that happens along an axis.
    fn repeats(&self, rounding: NearestMode, axis: &ResizeAxis, len: &Dim) -> Option<i64> {
        let factor = axis.size.exact_div(len)?.as_const().filter(|&factor| factor > 0)?;
        if axis.scale.is_some_and(|scale| f64::from(scale) != factor as f64) {
            return None;
        }
        let repeats = match (self.coordinates, rounding) {
            (Coordinates::Asymmetric, NearestMode::Floor) => true,
            // A half is the farthest that an element's copies reach.
            (Coordinates::Asymmetric, NearestMode::RoundPreferFloor) => factor <= 2,
            (Coordinates::HalfPixel | Coordinates::HalfPixelSymmetric | Coordinates::PytorchHalfPixel, rounding) => {
                matches!(rounding, NearestMode::RoundPreferFloor | NearestMode::RoundPreferCeil)
            }
            _ => false,
        };
        repeats.then_some(factor)
    }

    /// Elements repeated along axes of any size.
    fn lower_repeating(cx: &mut Lower, active: &[&ResizeAxis], factors: &[i64]) {
        let x_shape = cx.ty(0).shape.clone();
        let (mut dims, mut steps) = (Vec::new(), Vec::new());
        for (axis, (size, step)) in x_shape.iter().zip(dense(&x_shape)).enumerate() {
            dims.push(size.clone());
            steps.push(step);
            if let Some(i) = active.iter().position(|active| active.axis == axis) {
                dims.push(Dim::from(factors[i]));
                steps.push(Dim::from(0));
            }
        }
        let walk = Walk::to_all(&dims, Dim::from(0), steps);
        let (out, x) = (cx.output(0), cx.input(0));
        walk.call(cx, out, x);
    }

    /// The tables' description of one axis.
    fn spec(&self, axis: &ResizeAxis, len: &Dim) -> Result<ResizeSpec, String> {
        let in_len = fixed("the size of a resampled axis", len)?;
        let out_len = fixed("the size of a resampled axis", &axis.size)?;
        if in_len.max(out_len) >= 1 << 24 {
            return Err(format!(
                "an axis of {} elements is not supported; fewer than 16777216 work",
                in_len.max(out_len)
            ));
        }
        let (filter, antialias, exclude_outside) = match self.mode {
            ResizeMode::Nearest(rounding) => (tables::Filter::Nearest(rounding.table()), false, false),
            ResizeMode::Linear { antialias } => (tables::Filter::Linear, antialias, false),
            ResizeMode::Cubic { a, exclude_outside, antialias } => {
                (tables::Filter::Cubic { a }, antialias, exclude_outside)
            }
        };
        let scale = axis.scale.unwrap_or(out_len as f32 / in_len as f32);
        let coordinates = self.coordinates.table(axis.roi);
        Ok(ResizeSpec { in_len, out_len, scale, coordinates, filter, antialias, exclude_outside })
    }

    /// Neighbours and weights of each element along one axis, and how many neighbours: constants where the sizes are
    /// fixed, computed by a step of their own where they are not.
    fn tables(&self, cx: &mut Lower, axis: &ResizeAxis, len: &Dim) -> Result<(Operand, Operand, usize), String> {
        if len.as_const().is_some() && axis.size.as_const().is_some() {
            let spec = self.spec(axis, len)?;
            let taps = spec.taps();
            let mut index = vec![0; spec.out_len * taps];
            let mut weight = vec![0.0; if taps == 1 { 0 } else { index.len() }];
            resize_tables(&spec, &mut index, &mut weight);
            return Ok((cx.weight_u32(&index), cx.weight_f32(&weight), taps));
        }
        let (filter, taps, exclude_outside) = match self.mode {
            ResizeMode::Linear { antialias: true } | ResizeMode::Cubic { antialias: true, .. } => {
                return Err(format!("antialiasing an axis of free size {len} is not supported; a fixed size works"));
            }
            ResizeMode::Nearest(rounding) => (
                Arg::Path(format!("resize_tables::Filter::Nearest(kernels::resize_tables::Rounding::{rounding:?})")),
                1,
                false,
            ),
            ResizeMode::Linear { .. } => (Arg::Path("resize_tables::Filter::Linear".into()), 2, false),
            ResizeMode::Cubic { a, exclude_outside, .. } => {
                (Arg::Struct("resize_tables::Filter::Cubic", vec![("a", Arg::Float(f64::from(a)))]), 4, exclude_outside)
            }
        };
        let coordinates = match self.coordinates {
            Coordinates::TfCropAndResize => Arg::Struct(
                "resize_tables::Coordinates::TfCropAndResize",
                vec![("start", Arg::Float(f64::from(axis.roi.0))), ("end", Arg::Float(f64::from(axis.roi.1)))],
            ),
            other => Arg::Path(format!("resize_tables::Coordinates::{other:?}")),
        };
        let scale = match axis.scale {
            Some(scale) => Arg::Float(f64::from(scale)),
            None => Arg::Quotient(axis.size.clone(), len.clone()),
        };
        let n = axis.size.clone() * Dim::from(taps);
        let index = cx.scratch(DType::U32, n.clone());
        let weight = cx.scratch(DType::F32, if taps == 1 { Dim::from(0) } else { n });
        let spec = vec![
            ("in_len", Arg::Size(len.clone())),
            ("out_len", Arg::Size(axis.size.clone())),
            ("scale", scale),
            ("coordinates", coordinates),
            ("filter", filter),
            ("antialias", Arg::Bool(false)),
            ("exclude_outside", Arg::Bool(exclude_outside)),
        ];
        let fields = vec![
            ("index", Arg::Write(index.clone())),
            ("weight", Arg::Write(weight.clone())),
            ("spec", Arg::Struct("resize_tables::ResizeSpec", spec)),
        ];
        cx.call("resize", "ResizeTables", fields);
        Ok((index, weight, taps as usize))
    }

    fn lower_nearest(&self, cx: &mut Lower, active: &[&ResizeAxis]) -> Result<(), String> {
        let (x_dims, out_dims) = (cx.ty(0).shape.clone(), cx.out_ty(0).shape.clone());
        let mut index = Vec::with_capacity(x_dims.len());
        for (axis, len) in x_dims.iter().enumerate() {
            index.push(match active.iter().find(|active| active.axis == axis) {
                Some(active) => self.tables(cx, active, len)?.0,
                None => cx.weight_u32(&[]),
            });
        }
        let (out, x) = (cx.output(0), cx.input(0));
        let outside = Arg::Number(f64::from(self.extrapolation), out.dtype);
        cx.call(
            "resize",
            "ResizeNearest",
            vec![
                ("out", Arg::Write(out)),
                ("x", Arg::Read(x)),
                ("x_dims", Arg::Sizes(x_dims)),
                ("out_dims", Arg::Sizes(out_dims)),
                ("index", Arg::Reads(index)),
                ("outside", outside),
            ],
        );
        Ok(())
    }

    /// One axis after the other; those that shrink come first, so that less is left for the rest.
    fn lower_axes(&self, cx: &mut Lower, active: &[&ResizeAxis]) -> Result<(), String> {
        is_f32(cx.ty(0))?;
        let mut shape = cx.ty(0).shape.clone();
        // The axis that shrinks most goes first, where the sizes tell; it leaves the least to do for the others. Of axes alike, the
        // innermost is where vectors help least, and has the least to do before the others grow or after they shrink.
        let mut order: Vec<&ResizeAxis> = active.to_vec();
        order.sort_by_key(|axis| match (axis.size.as_const(), shape[axis.axis].as_const()) {
            (Some(after), Some(before)) => {
                let place = axis.axis as i64;
                (after.saturating_mul(1 << 16) / before.max(1), if after > before { -place } else { place })
            }
            _ => (1 << 16, axis.axis as i64),
        });
        let mut x = cx.input(0);
        for (i, axis) in order.iter().enumerate() {
            let (index, weight, taps) = self.tables(cx, axis, &shape[axis.axis])?;
            let [outer, in_len, inner] = parts(&shape, axis.axis);
            shape[axis.axis] = axis.size.clone();
            let last = i + 1 == order.len();
            let out = if last { cx.output(0) } else { cx.scratch(DType::F32, Dim::product(&shape)) };
            cx.call(
                "resize",
                "ResizeAxis",
                vec![
                    ("out", Arg::Write(out.clone())),
                    ("x", Arg::Read(x)),
                    ("outer", Arg::Size(outer)),
                    ("in_len", Arg::Size(in_len)),
                    ("out_len", Arg::Size(axis.size.clone())),
                    ("inner", Arg::Size(inner)),
                    ("taps", Arg::Size(Dim::from(taps))),
                    ("index", Arg::Read(index)),
                    ("weight", Arg::Read(weight)),
                    ("outside", Arg::Float(f64::from(self.extrapolation))),
                ],
            );
            x = out;
        }
        Ok(())
    }
}

impl ResizeMode {
    /// The filter's weight at a distance.
    fn weight(self, distance: f64) -> f64 {
        let d = distance.abs();
        match self {
            ResizeMode::Nearest(_) => 1.0,
            ResizeMode::Linear { .. } => (1.0 - d).max(0.0),
            ResizeMode::Cubic { a, .. } => {
                let a = f64::from(a);
                match d {
                    d if d <= 1.0 => ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0,
                    d if d < 2.0 => ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a,
                    _ => 0.0,
                }
            }
        }
    }
}

impl NearestMode {
    fn table(self) -> tables::Rounding {
        match self {
            NearestMode::RoundPreferFloor => tables::Rounding::RoundPreferFloor,
            NearestMode::RoundPreferCeil => tables::Rounding::RoundPreferCeil,
            NearestMode::Floor => tables::Rounding::Floor,
            NearestMode::Ceil => tables::Rounding::Ceil,
        }
    }

    fn round(self, x: f64) -> f64 {
        match self {
            NearestMode::RoundPreferFloor => (x - 0.5).ceil(),
            NearestMode::RoundPreferCeil => (x + 0.5).floor(),
            NearestMode::Floor => x.floor(),
            NearestMode::Ceil => x.ceil(),
        }
    }
}

impl Coordinates {
    fn table(self, (start, end): (f32, f32)) -> tables::Coordinates {
        match self {
            Coordinates::HalfPixel => tables::Coordinates::HalfPixel,
            Coordinates::HalfPixelSymmetric => tables::Coordinates::HalfPixelSymmetric,
            Coordinates::PytorchHalfPixel => tables::Coordinates::PytorchHalfPixel,
            Coordinates::AlignCorners => tables::Coordinates::AlignCorners,
            Coordinates::Asymmetric => tables::Coordinates::Asymmetric,
            Coordinates::TfCropAndResize => tables::Coordinates::TfCropAndResize { start, end },
        }
    }

    /// Where element `at` of an axis of `size` elements lies on the operand's axis of `len`.
    fn position(self, at: f32, len: f32, size: usize, scale: f32, roi: (f32, f32)) -> f32 {
        // A scale may lead to a fraction of an element, which does not show but counts.
        let exact = if (scale * len - size as f32).abs() < 1e-3 { size as f32 } else { scale * len };
        let last = len - 1.0;
        match self {
            Coordinates::HalfPixel => (at + 0.5) / scale - 0.5,
            Coordinates::HalfPixelSymmetric => len / 2.0 * (1.0 - size as f32 / exact) + (at + 0.5) / scale - 0.5,
            Coordinates::PytorchHalfPixel => {
                if size > 1 {
                    (at + 0.5) / scale - 0.5
                } else {
                    0.0
                }
            }
            Coordinates::AlignCorners => {
                if size > 1 && exact != 1.0 {
                    at * last / (exact - 1.0)
                } else {
                    0.0
                }
            }
            Coordinates::Asymmetric => at / scale,
            Coordinates::TfCropAndResize => {
                let (start, end) = roi;
                match size {
                    0 | 1 => 0.5 * (start + end) * last,
                    _ => start * last + at * (end - start) * last / (exact - 1.0),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::DType;

    fn resize(mode: ResizeMode, coordinates: Coordinates, size: usize, scale: Option<f32>) -> Resize {
        let axis = ResizeAxis { axis: 0, size: Dim::from(size), scale, roi: (0.0, 1.0) };
        Resize { axes: vec![axis], mode, coordinates, extrapolation: 9.0 }
    }

    fn run(op: &Resize) -> Vec<f64> {
        let x = Tensor::from_f64s(DType::F64, vec![4], &[1.0, 2.0, 3.0, 4.0]);
        op.eval(&[&x]).unwrap()[0].to_f64s()
    }

    const LINEAR: ResizeMode = ResizeMode::Linear { antialias: false };

    #[test]
    fn linear_agrees_with_the_specification() {
        assert_eq!(
            run(&resize(LINEAR, Coordinates::HalfPixel, 8, None)),
            [1.0, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4.0]
        );
        let aligned = run(&resize(LINEAR, Coordinates::AlignCorners, 2, Some(0.6)));
        assert!((aligned[1] - 3.142857).abs() < 1e-5, "{aligned:?}");
        assert_eq!(run(&resize(LINEAR, Coordinates::PytorchHalfPixel, 1, None)), [1.0]);
    }

    #[test]
    fn cubic_and_antialias_agree_with_the_specification() {
        let cubic = ResizeMode::Cubic { a: -0.75, exclude_outside: false, antialias: false };
        let out = run(&resize(cubic, Coordinates::HalfPixel, 8, Some(2.0)));
        assert!((out[0] - 0.894531).abs() < 1e-6 && (out[3] - 2.238281).abs() < 1.0, "{out:?}");
        let out = run(&resize(ResizeMode::Linear { antialias: true }, Coordinates::HalfPixel, 2, Some(0.5)));
        assert!((out[0] - 1.625).abs() < 1e-9 && (out[1] - 3.375).abs() < 1e-9, "{out:?}");
    }

    #[test]
    fn nearest_rounds_as_asked() {
        let near = |mode| run(&resize(ResizeMode::Nearest(mode), Coordinates::Asymmetric, 8, None));
        assert_eq!(near(NearestMode::Floor), [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0]);
        assert_eq!(near(NearestMode::RoundPreferFloor), near(NearestMode::Floor));
        assert_eq!(near(NearestMode::Ceil), [1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0, 4.0]);
    }

    #[test]
    fn cropping_fills_what_lies_outside() {
        let mut op = resize(LINEAR, Coordinates::TfCropAndResize, 3, None);
        op.axes[0].roi = (0.0, 2.0);
        assert_eq!(run(&op), [1.0, 4.0, 9.0]);
    }
}

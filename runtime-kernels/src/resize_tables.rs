//! Where the elements of a resized axis come from: ONNX `Resize`, one axis at a time.
//!
//! Coordinates are computed in single precision, as onnxruntime does, for it is their rounding that decides which
//! neighbour is the nearest. The same function serves at build time and, for sizes known only then, at run time.

/// In place of an index: the element lies outside of the input and has a value of its own.
pub const OUTSIDE: u32 = u32::MAX;

/// How positions of the output map to positions of the input.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Coordinates {
    /// `half_pixel`
    HalfPixel,
    /// `half_pixel_symmetric`
    HalfPixelSymmetric,
    /// `pytorch_half_pixel`
    PytorchHalfPixel,
    /// `asymmetric`
    Asymmetric,
    /// `align_corners`
    AlignCorners,
    /// `tf_crop_and_resize`
    TfCropAndResize {
        /// Beginning of the region of interest, as a fraction of the axis.
        start: f32,
        /// End of the region of interest, as a fraction of the axis.
        end: f32,
    },
}

/// Which neighbour is the nearest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rounding {
    /// Halves go down.
    RoundPreferFloor,
    /// Halves go up.
    RoundPreferCeil,
    /// All go down.
    Floor,
    /// All go up.
    Ceil,
}

/// How an element comes of its neighbours.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Filter {
    /// The nearest one.
    Nearest(Rounding),
    /// Linear interpolation of two.
    Linear,
    /// Cubic convolution of four.
    Cubic {
        /// ONNX's `cubic_coeff_a`, -0.75 unless a model says otherwise.
        a: f32,
    },
}

/// The resizing of one axis.
#[derive(Clone, Copy, Debug)]
pub struct ResizeSpec {
    /// Size of the input.
    pub in_len: usize,
    /// Size of the output.
    pub out_len: usize,
    /// The model's scale, or the quotient of the sizes where it gives sizes.
    pub scale: f32,
    /// How positions of the output map to positions of the input.
    pub coordinates: Coordinates,
    /// How an element comes of its neighbours.
    pub filter: Filter,
    /// Whether a filter widens so that all of the input counts when it is made smaller.
    pub antialias: bool,
    /// Whether neighbours outside of the input have no weight, or that of the outermost element.
    pub exclude_outside: bool,
}

impl ResizeSpec {
    /// Input elements that an output element comes of.
    pub fn taps(&self) -> usize {
        match self.filter {
            Filter::Nearest(_) => 1,
            _ => (2 - 2 * self.first_tap()) as usize,
        }
    }

    /// The first of the neighbours, counted from the one to the left.
    fn first_tap(&self) -> i64 {
        let support = if let Filter::Cubic { .. } = self.filter { 2.0 } else { 1.0 };
        floor((-support / self.stretch()) as f32) + 1
    }

    /// The scale of the filter.
    fn stretch(&self) -> f64 {
        if self.antialias { f64::from(self.scale.min(1.0)) } else { 1.0 }
    }

    /// The position in the input that element `i` of the output maps to.
    fn position(&self, i: usize) -> f32 {
        let (x, scale, in_len) = (i as f32, self.scale, self.in_len as f32);
        // A scale may lead to a fraction of an element, which does not show but counts.
        let exact = scale * in_len;
        let out_len = if (exact - self.out_len as f32).abs() < 1e-3 { self.out_len as f32 } else { exact };
        match self.coordinates {
            Coordinates::PytorchHalfPixel if self.out_len <= 1 => 0.0,
            Coordinates::HalfPixel | Coordinates::PytorchHalfPixel => (x + 0.5) / scale - 0.5,
            Coordinates::HalfPixelSymmetric => {
                let adjustment = self.out_len as f32 / exact;
                in_len / 2.0 * (1.0 - adjustment) + (x + 0.5) / scale - 0.5
            }
            Coordinates::Asymmetric => x / scale,
            Coordinates::AlignCorners if self.out_len <= 1 => 0.0,
            Coordinates::AlignCorners => x * (in_len - 1.0) / (out_len - 1.0),
            Coordinates::TfCropAndResize { start, end } if self.out_len <= 1 => 0.5 * (start + end) * (in_len - 1.0),
            Coordinates::TfCropAndResize { start, end } => {
                start * (in_len - 1.0) + x * (end - start) * (in_len - 1.0) / (out_len - 1.0)
            }
        }
    }

    /// The filter's weight at a distance.
    fn weight(&self, distance: f64) -> f64 {
        let x = distance.abs();
        match self.filter {
            Filter::Cubic { a } => {
                let a = f64::from(a);
                if x <= 1.0 {
                    ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
                } else if x < 2.0 {
                    ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
                } else {
                    0.0
                }
            }
            _ => (1.0 - x).max(0.0),
        }
    }
}

/// Fills the tables of an axis, `[out_len][taps]` each; `weight` may be empty where there is one tap.
///
/// The first index of an element is [`OUTSIDE`] where the model has it so.
pub fn resize_tables(spec: &ResizeSpec, index: &mut [u32], weight: &mut [f32]) {
    let taps = spec.taps();
    assert_eq!(index.len(), spec.out_len * taps);
    assert!(weight.len() == index.len() || (weight.is_empty() && taps == 1));
    assert!(spec.in_len > 0 || index.is_empty(), "an empty axis cannot be resized");
    assert!(spec.in_len < OUTSIDE as usize);
    let last = spec.in_len as i64 - 1;
    for (i, index) in index.chunks_exact_mut(taps).enumerate() {
        let position = spec.position(i);
        let mut weight = weight.chunks_exact_mut(taps).nth(i);
        if matches!(spec.coordinates, Coordinates::TfCropAndResize { .. }) && !(0.0..=last as f32).contains(&position) {
            index.fill(OUTSIDE);
            weight.into_iter().for_each(|weight| weight.fill(0.0));
            continue;
        }
        let mut left = floor(position);
        let mut ratio = position - left as f32;
        if let Filter::Nearest(rounding) = spec.filter {
            let up = match rounding {
                Rounding::RoundPreferFloor => ratio > 0.5,
                Rounding::RoundPreferCeil => ratio >= 0.5,
                Rounding::Floor => false,
                Rounding::Ceil => ratio > 0.0,
            };
            index[0] = (left + i64::from(up)).clamp(0, last) as u32;
            weight.into_iter().for_each(|weight| weight.fill(1.0));
            continue;
        }
        if ratio == 0.0 && taps > 2 {
            // Between two windows that fit equally well, the left one.
            (left, ratio) = (left - 1, 1.0);
        }
        let first = spec.first_tap();
        let weight_at = |tap: i64| spec.weight((tap as f64 - f64::from(ratio)) * spec.stretch());
        let is_counted = |tap: i64| !spec.exclude_outside || (0..=last).contains(&(left + tap));
        let total = (first..first + taps as i64).filter(|&tap| is_counted(tap)).map(weight_at).sum::<f64>();
        for (t, index) in index.iter_mut().enumerate() {
            let tap = first + t as i64;
            *index = (left + tap).clamp(0, last) as u32;
            if let Some(weight) = &mut weight {
                weight[t] = if total != 0.0 && is_counted(tap) { (weight_at(tap) / total) as f32 } else { 0.0 };
            }
        }
        if let Some(weight) = weight.filter(|_| total == 0.0) {
            // Nothing inside has any weight: take the outermost element.
            weight[0] = 1.0;
        }
    }
}

/// The greatest integer not above `x`, which `core` has no function for.
fn floor(x: f32) -> i64 {
    let towards_zero = x as i64;
    towards_zero - i64::from(towards_zero as f32 > x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_down() {
        for (x, want) in [(0.0, 0), (0.9, 0), (-0.1, -1), (-1.0, -1), (2.5, 2), (-2.5, -3)] {
            assert_eq!(floor(x), want);
        }
    }
}

//! How far an output is from what was expected.

use crate::array::Array;
use anyhow::Result;

/// The largest differences between two arrays.
#[derive(Clone, Copy, Debug, Default)]
pub struct Difference {
    /// Largest absolute difference.
    pub absolute: f64,
    /// Largest difference relative to the expected value, among values larger than the absolute tolerance.
    pub relative: f64,
    /// Largest difference in units of the last place of an `f32`, among the same values; 0 for other types.
    pub ulp: u64,
    /// Elements outside the tolerance.
    pub wrong: usize,
}

/// Compares element by element: an element is right within `atol + rtol·|want|`, equal infinities and NaNs are right, and
/// anything but floats must be equal.
///
/// Fails where types or shapes differ.
pub fn compare(got: &Array, want: &Array, rtol: f64, atol: f64) -> Result<Difference> {
    anyhow::ensure!(got.shape == want.shape, "its shape is {:?} and should be {:?}", got.shape, want.shape);
    anyhow::ensure!(got.dtype == want.dtype, "its type is {} and should be {}", got.dtype, want.dtype);
    if got.dtype == "string" {
        let (got, want) = (got.to_texts()?, want.to_texts()?);
        let wrong = got.iter().zip(&want).filter(|(got, want)| got != want).count() + got.len().abs_diff(want.len());
        return Ok(Difference { wrong, ..Difference::default() });
    }
    let exact = !got.dtype.starts_with('f') && got.dtype != "bf16";
    let (rtol, atol) = if exact { (0.0, 0.0) } else { (rtol, atol) };
    let mut difference = Difference::default();
    for (g, w) in got.to_f64s()?.into_iter().zip(want.to_f64s()?) {
        if g == w || (g.is_nan() && w.is_nan()) {
            continue;
        }
        let absolute = (g - w).abs();
        difference.absolute = difference.absolute.max(absolute);
        // Near zero a relative error says nothing: any rounding is as large as the value.
        if w.abs() > atol {
            difference.relative = difference.relative.max(absolute / w.abs());
            if got.dtype == "f32" {
                difference.ulp = difference.ulp.max(ulp(g as f32, w as f32));
            }
        }
        // A NaN on either side is wrong, and no comparison says so by itself.
        if absolute.is_nan() || absolute > atol + rtol * w.abs() {
            difference.wrong += 1;
        }
    }
    Ok(difference)
}

/// Floats between `a` and `b`.
fn ulp(a: f32, b: f32) -> u64 {
    let ordered = |x: f32| {
        let bits = i64::from(x.to_bits() as i32);
        if bits < 0 { i64::from(i32::MIN) - bits } else { bits }
    };
    ordered(a).abs_diff(ordered(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(values: &[f64]) -> Array {
        Array::from_f64s("f32", vec![values.len()], values).unwrap()
    }

    #[test]
    fn a_nan_never_passes_for_a_number() {
        let difference = compare(&array(&[f64::NAN, 1.0]), &array(&[1.0, 1.0]), 1e-3, 1e-3).unwrap();
        assert_eq!(difference.wrong, 1);
        let difference = compare(&array(&[f64::NAN]), &array(&[f64::NAN]), 0.0, 0.0).unwrap();
        assert_eq!(difference.wrong, 0);
    }

    #[test]
    fn counts_units_in_the_last_place() {
        let next = f64::from(f32::from_bits(1.0f32.to_bits() + 3));
        let difference = compare(&array(&[next]), &array(&[1.0]), 1e-3, 0.0).unwrap();
        assert_eq!((difference.ulp, difference.wrong), (3, 0));
        assert_eq!(ulp(0.0, -0.0), 0);
    }

    #[test]
    fn shapes_must_agree() {
        assert!(compare(&array(&[1.0, 2.0]), &array(&[1.0]), 1.0, 1.0).is_err());
    }
}

//! How far an array is from what it should be. Floats may differ by a tolerance, everything else not at all.

use crate::array::{Array, Data};
use std::fmt;

/// How far a float may be from what it should be.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// Relative to the expected value.
    pub relative: f64,
    /// Added to that.
    pub absolute: f64,
}

impl Default for Tolerance {
    fn default() -> Tolerance {
        Tolerance { relative: 1e-4, absolute: 1e-5 }
    }
}

/// The largest differences between two arrays, and a class of elements for each way to be wrong.
#[derive(Clone, Debug, Default)]
pub struct Difference {
    /// Largest absolute difference.
    pub absolute: f64,
    /// Largest number of floats between an element and what it should be.
    pub ulp: u64,
    /// Elements compared.
    pub compared: usize,
    /// Elements outside the tolerance.
    pub outside: Class,
    /// Elements that are NaN or infinite and should not be, or the reverse.
    pub special: Class,
}

/// Elements that are wrong in one way.
#[derive(Clone, Debug, Default)]
pub struct Class {
    count: usize,
    /// Index, value, and what it should be.
    first: Option<(usize, f64, f64)>,
}

impl Class {
    fn add(&mut self, at: usize, got: f64, want: f64) {
        self.count += 1;
        self.first.get_or_insert((at, got, want));
    }
}

impl Difference {
    /// Whether every element is right.
    pub fn is_right(&self) -> bool {
        self.outside.count + self.special.count == 0
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} elements, max abs {:.2e}, max ulp {}", self.compared, self.absolute, self.ulp)?;
        for (name, class) in
            [("outside the tolerance", &self.outside), ("not finite where they should be or reverse", &self.special)]
        {
            if let Some((at, got, want)) = class.first {
                write!(f, "; {} {name}, first at {at}: {got} and should be {want}", class.count)?;
            }
        }
        Ok(())
    }
}

/// Compares element by element; equal infinities and any two NaNs are right.
///
/// # Errors
/// If element types or shapes differ.
pub fn compare(got: &Array, want: &Array, tolerance: Tolerance) -> Result<Difference, String> {
    if got.shape != want.shape || got.data.dtype() != want.data.dtype() || got.data.len() != want.data.len() {
        return Err(format!("is {got} of {} elements and should be {want}", got.data.len()));
    }
    let mut difference = Difference { compared: got.data.len(), ..Difference::default() };
    match (&got.data, &want.data) {
        (Data::F32(got), Data::F32(want)) => {
            for (at, (&g, &w)) in got.iter().zip(want).enumerate() {
                if is_finite_pair(&mut difference, at, f64::from(g), f64::from(w), tolerance) {
                    difference.ulp = difference.ulp.max(ulp(g, w));
                }
            }
        }
        (Data::F64(got), Data::F64(want)) => {
            for (at, (&g, &w)) in got.iter().zip(want).enumerate() {
                is_finite_pair(&mut difference, at, g, w, tolerance);
            }
        }
        (Data::Text(got), Data::Text(want)) => {
            if let Some(at) = (0..want.len()).find(|&at| got[at] != want[at]) {
                return Err(format!("its string {at} is {:?} and should be {:?}", got[at], want[at]));
            }
        }
        (got, want) => {
            for (at, (g, w)) in whole(got).into_iter().zip(whole(want)).enumerate() {
                difference.absolute = difference.absolute.max((g - w).unsigned_abs() as f64);
                if g != w {
                    difference.outside.add(at, g as f64, w as f64);
                }
            }
        }
    }
    Ok(difference)
}

/// Compares two floats; false if one of them is none.
fn is_finite_pair(difference: &mut Difference, at: usize, got: f64, want: f64, tolerance: Tolerance) -> bool {
    if !got.is_finite() || !want.is_finite() {
        if got != want && !(got.is_nan() && want.is_nan()) {
            difference.special.add(at, got, want);
        }
        return false;
    }
    let absolute = (got - want).abs();
    difference.absolute = difference.absolute.max(absolute);
    if absolute > tolerance.absolute + tolerance.relative * want.abs() {
        difference.outside.add(at, got, want);
    }
    true
}

fn whole(data: &Data) -> Vec<i128> {
    match data {
        Data::F32(_) | Data::F64(_) | Data::Text(_) => Vec::new(), // compared as what they are
        Data::I8(d) => d.iter().map(|&v| v.into()).collect(),
        Data::I16(d) => d.iter().map(|&v| v.into()).collect(),
        Data::I32(d) => d.iter().map(|&v| v.into()).collect(),
        Data::I64(d) => d.iter().map(|&v| v.into()).collect(),
        Data::U8(d) => d.iter().map(|&v| v.into()).collect(),
        Data::U16(d) => d.iter().map(|&v| v.into()).collect(),
        Data::U32(d) => d.iter().map(|&v| v.into()).collect(),
        Data::U64(d) => d.iter().map(|&v| v.into()).collect(),
        Data::Bool(d) => d.iter().map(|&v| v.into()).collect(),
    }
}

/// Floats from `a` to `b`, counting both zeros as one.
fn ulp(a: f32, b: f32) -> u64 {
    let ordered = |x: f32| {
        let bits = i64::from(x.to_bits() as i32);
        if bits < 0 { i64::from(i32::MIN) - bits } else { bits }
    };
    ordered(a).abs_diff(ordered(b))
}

//! The comparison that ONNX's own runner makes, but exact for integers and booleans.

use super::values::Value;

/// What is wrong with `got`, if anything.
pub fn difference(name: &str, got: &Value, want: &Value, rtol: f64, atol: f64) -> Option<String> {
    if got.dtype != want.dtype || got.shape != want.shape {
        return Some(format!("{name} is {} {:?} and should be {} {:?}", got.dtype, got.shape, want.dtype, want.shape));
    }
    if got.dtype == "string" {
        let texts = |value: &Value| kiln_codegen::texts_from_bytes(&value.bytes).unwrap_or_default();
        let (got, want) = (texts(got), texts(want));
        if got.len() != want.len() {
            return Some(format!("{name} holds {} strings and should hold {}", got.len(), want.len()));
        }
        let wrong = (0..want.len()).find(|&i| got[i] != want[i])?;
        return Some(format!("{name}[{wrong}] is {:?} and should be {:?}", got[wrong], want[wrong]));
    }
    if !is_float(&got.dtype) {
        let size = got.bytes.len() / got.len().max(1);
        let wrong = (0..got.len()).find(|i| got.bytes[i * size..][..size] != want.bytes[i * size..][..size])?;
        let (got, want) = (got.floats(), want.floats());
        return Some(format!("{name}[{wrong}] is {} and should be {}", got[wrong], want[wrong]));
    }
    let (got, want) = (got.floats(), want.floats());
    let right = |g: f64, w: f64| g == w || g.is_nan() && w.is_nan() || (g - w).abs() <= atol + rtol * w.abs();
    let wrong = (0..want.len()).find(|&i| !right(got[i], want[i]))?;
    let count = (0..want.len()).filter(|&i| !right(got[i], want[i])).count();
    Some(format!("{name}[{wrong}] is {} and should be {}; {count} of {} differ", got[wrong], want[wrong], want.len()))
}

fn is_float(dtype: &str) -> bool {
    dtype.starts_with('f') || dtype.starts_with("bf")
}

//! Numbers written as strings.

use super::operands::{exactly, is_number};
use super::{Lower, Rules};
use crate::ir::{DType, Tensor, Texts, Type};
use crate::plan::Arg;

/// Each number in decimal. Floats of either width are written as onnxruntime does: as C's `%.8g`, and beyond numbers `NaN`, `INF`
/// and `-INF`. One operand.
#[derive(Clone, PartialEq, Debug)]
pub struct TextFormat {
    /// The model's strings.
    pub texts: Texts,
}

/// Digits of a float.
const DIGITS: usize = 8;

/// `value` as C's `%.8g`.
fn general(value: f64) -> String {
    match value {
        value if value.is_nan() => return "NaN".into(),
        value if value.is_infinite() => return if value > 0.0 { "INF".into() } else { "-INF".into() },
        _ => {}
    }
    let scientific = format!("{value:.*e}", DIGITS - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text.to_string(),
    };
    if exponent < -4 || exponent >= DIGITS as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs());
    }
    trimmed(&format!("{value:.*}", (DIGITS as i32 - 1 - exponent).max(0) as usize))
}

impl Rules for TextFormat {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x] = exactly(inputs)?;
        is_number(x)?;
        Ok(vec![Type { dtype: DType::I32, shape: x.shape.clone() }])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let [x] = inputs else { return Err("takes one operand".into()) };
        let texts: Vec<String> = match x.dtype() {
            DType::F32 | DType::F64 => x.to_f64s().into_iter().map(general).collect(),
            DType::U64 => x.to_i64s().into_iter().map(|value| (value as u64).to_string()).collect(),
            _ => x.to_i64s().iter().map(ToString::to_string).collect(),
        };
        Ok(vec![self.texts.tensor(x.shape().to_vec(), &texts)])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let (out, x) = (cx.output(0), cx.input(0));
        cx.call(
            "text_format",
            "TextFormat",
            vec![("out", Arg::Write(out)), ("x", Arg::Read(x)), ("texts", Arg::Texts)],
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_c_does() {
        for (value, want) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (123456.789, "123456.79"),
            (1e-5, "1e-05"),
            (123456789.0, "1.2345679e+08"),
            (99999999.5, "1e+08"),
            (f64::NEG_INFINITY, "-INF"),
        ] {
            assert_eq!(general(value), want);
        }
    }
}

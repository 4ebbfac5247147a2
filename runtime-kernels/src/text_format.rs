//! Numbers written as strings: ONNX `Cast` to strings.

use super::simd::{Simd, Task};
use super::texts::Texts;
use core::cell::RefCell;
use core::fmt::{self, Write};
use std::format;
use std::string::String;

/// A number that can be written in decimal.
pub trait Decimal: Copy + 'static {
    /// Writes it behind `to`.
    fn write(self, to: &mut String);
}

macro_rules! integers {
    ($($t:ident)*) => {
        $(impl Decimal for $t {
            fn write(self, to: &mut String) {
                let _: fmt::Result = write!(to, "{self}");
            }
        })*
    };
}

integers!(u8 i8 u16 i16 u32 i32 u64 i64);

impl Decimal for f32 {
    fn write(self, to: &mut String) {
        general(f64::from(self), to);
    }
}

impl Decimal for f64 {
    fn write(self, to: &mut String) {
        general(self, to);
    }
}

/// Digits of a float: as many as onnxruntime writes, of either width.
const DIGITS: usize = 8;

/// `value` as C's `%.8g` writes it, and what is no number as onnxruntime does.
fn general(value: f64, to: &mut String) {
    if !value.is_finite() {
        to.push_str(if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "INF"
        } else {
            "-INF"
        });
        return;
    }
    // Rounded to its digits first, since that may make the exponent larger.
    let scientific = format!("{value:.*e}", DIGITS - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..DIGITS as i32).contains(&exponent) {
        let fixed = format!("{value:.*}", (DIGITS as i32 - 1 - exponent) as usize);
        to.push_str(trimmed(&fixed));
        return;
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    let _: fmt::Result = write!(to, "{}e{sign}{:02}", trimmed(mantissa), exponent.unsigned_abs());
}

/// Without zeros at the end of a fraction.
fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// Each number in decimal.
pub struct TextFormat<'a, T: Decimal> {
    /// Numbers of the strings in the table.
    pub out: &'a mut [i32],
    /// What is written.
    pub x: &'a [T],
    /// The strings of the run.
    pub texts: &'a RefCell<Texts>,
}

impl<T: Decimal> Task for TextFormat<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { out, x, texts } = self;
        assert_eq!(out.len(), x.len());
        let mut texts = texts.borrow_mut();
        let mut text = String::new();
        for (out, &x) in out.iter_mut().zip(x) {
            text.clear();
            x.write(&mut text);
            *out = texts.number(&text);
        }
    }
}

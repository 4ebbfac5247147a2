//! Strings read as numbers: ONNX `Cast` from strings.

use super::number::Number;
use super::simd::{Simd, Task};
use super::texts::Texts;
use core::cell::RefCell;
use core::str::FromStr;

/// The number each string is in decimal, white space around it aside. Gives back how many are none.
pub struct TextParse<'a, T: Number + FromStr> {
    /// The numbers, 0 for what is none.
    pub out: &'a mut [T],
    /// The places of what is none; there is room for all.
    pub wrong: &'a mut [i64],
    /// Numbers of the strings in the table.
    pub x: &'a [i32],
    /// The strings of the run.
    pub texts: &'a RefCell<Texts>,
}

impl<T: Number + FromStr> Task for TextParse<'_, T> {
    type Out = usize;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        let Self { out, wrong, x, texts } = self;
        assert!(out.len() == x.len() && wrong.len() >= x.len());
        let texts = texts.borrow();
        let mut count = 0;
        for (at, (out, &x)) in out.iter_mut().zip(x).enumerate() {
            *out = texts.text(x).trim().parse().unwrap_or_else(|_| {
                wrong[count] = at as i64;
                count += 1;
                T::ZERO
            });
        }
        count
    }
}

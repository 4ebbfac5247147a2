//! Strings in upper or lower case: ONNX `StringNormalizer`'s change of case.

use super::simd::{Simd, Task};
use super::texts::Texts;
use core::cell::RefCell;

/// Each string in upper or lower case, by Unicode's tables.
pub struct TextCase<'a> {
    /// Numbers of the results.
    pub out: &'a mut [i32],
    /// Numbers of the strings.
    pub x: &'a [i32],
    /// The strings of the run.
    pub texts: &'a RefCell<Texts>,
    /// Upper rather than lower case.
    pub upper: bool,
}

impl Task for TextCase<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { out, x, texts, upper } = self;
        assert_eq!(out.len(), x.len());
        let mut texts = texts.borrow_mut();
        for (out, &x) in out.iter_mut().zip(x) {
            let text = texts.text(x);
            let cased = if upper { text.to_uppercase() } else { text.to_lowercase() };
            *out = texts.number(&cased);
        }
    }
}

//! Strings put together: ONNX `StringConcat`.

use super::simd::{Simd, Task};
use super::texts::Texts;
use core::cell::RefCell;
use std::string::String;

/// `out[i] = a[i] + b[i]`
pub struct TextConcat<'a> {
    /// Numbers of the results.
    pub out: &'a mut [i32],
    /// Numbers of the first strings.
    pub a: &'a [i32],
    /// Numbers of the second strings.
    pub b: &'a [i32],
    /// The strings of the run.
    pub texts: &'a RefCell<Texts>,
}

impl Task for TextConcat<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { out, a, b, texts } = self;
        assert!(a.len() == out.len() && b.len() == out.len());
        let mut texts = texts.borrow_mut();
        let mut joined = String::new();
        for (out, (&a, &b)) in out.iter_mut().zip(a.iter().zip(b)) {
            joined.clear();
            joined.push_str(texts.text(a));
            joined.push_str(texts.text(b));
            *out = texts.number(&joined);
        }
    }
}

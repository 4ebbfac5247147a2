//! Strings that an automaton accepts: ONNX `RegexFullMatch`, whose pattern becomes tables when the model is compiled.

use super::simd::{Simd, Task};
use super::texts::Texts;
use core::cell::RefCell;

/// Walks each string byte by byte through the states, from state 0 on.
pub struct TextMatch<'a> {
    /// Whether the string was accepted.
    pub out: &'a mut [u8],
    /// Numbers of the strings.
    pub x: &'a [i32],
    /// The class of each byte, `[256]`.
    pub classes: &'a [u8],
    /// The state after a byte of each class, `[states][classes]`.
    pub next: &'a [i32],
    /// Whether a string may end in each state, `[states]`.
    pub ends: &'a [u8],
    /// The strings of the run.
    pub texts: &'a RefCell<Texts>,
}

impl Task for TextMatch<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { out, x, classes, next, ends, texts } = self;
        assert_eq!(out.len(), x.len());
        let texts = texts.borrow();
        let n_classes = next.len() / ends.len();
        for (out, &x) in out.iter_mut().zip(x) {
            let step =
                |state: usize, byte: u8| next[state * n_classes + usize::from(classes[usize::from(byte)])] as usize;
            *out = ends[texts.text(x).bytes().fold(0, step)];
        }
    }
}

//! Strings without those of a list: the stop words of ONNX `StringNormalizer`.

use super::simd::{Simd, Task};

/// Writes the strings whose keys are no stop words and gives back how many there are; if none are left, there is one, the empty string.
pub struct TextRemove<'a> {
    /// Numbers of the strings that are left; there is room for all, and for one at least.
    pub out: &'a mut [i32],
    /// Numbers of the strings, `[n]`.
    pub x: &'a [i32],
    /// Numbers of what is compared with the stop words, `[n]`.
    pub keys: &'a [i32],
    /// Numbers of the stop words.
    pub stops: &'a [i32],
}

impl Task for TextRemove<'_> {
    type Out = usize;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        let Self { out, x, keys, stops } = self;
        assert_eq!(x.len(), keys.len());
        let mut count = 0;
        for (&x, key) in x.iter().zip(keys) {
            if !stops.contains(key) {
                out[count] = x;
                count += 1;
            }
        }
        if count == 0 {
            out[0] = 0;
            count = 1;
        }
        count
    }
}

//! Strings taken apart: ONNX `StringSplit`.

use super::simd::{Simd, Task};
use super::texts::Texts;
use core::cell::RefCell;
use std::string::String;

/// Writes the pieces of each string, row after row, and gives back how many the row of most pieces has. Where there is no room for
/// rows of so many, no pieces are written.
pub struct TextSplit<'a> {
    /// Numbers of the pieces, `[n][count]`, that of the empty string after the last of a row. There may be room for more.
    pub out: &'a mut [i32],
    /// Pieces of each string, `[n]`.
    pub counts: &'a mut [i64],
    /// Numbers of the strings, `[n]`.
    pub x: &'a [i32],
    /// The strings of the run.
    pub texts: &'a RefCell<Texts>,
    /// Number of what stands between pieces; if that is empty, any run of white space does, and begins no piece.
    pub delimiter: i32,
    /// Splits at most, of each string from its beginning.
    pub most: usize,
}

impl Task for TextSplit<'_> {
    type Out = usize;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        let Self { out, counts, x, texts, delimiter, most } = self;
        assert_eq!(counts.len(), x.len());
        let mut texts = texts.borrow_mut();
        let delimiter = String::from(texts.text(delimiter));
        let mut row = String::new();
        let mut count = 0;
        for (slot, &x) in counts.iter_mut().zip(x) {
            let pieces = Pieces { rest: Some(texts.text(x)), delimiter: &delimiter, left: most }.count();
            *slot = pieces as i64;
            count = count.max(pieces);
        }
        if count == 0 || count * x.len() > out.len() {
            return count;
        }
        for (out, &x) in out.chunks_exact_mut(count).zip(x) {
            row.clear();
            row.push_str(texts.text(x));
            out.fill(0);
            let pieces = Pieces { rest: Some(&row), delimiter: &delimiter, left: most };
            out.iter_mut().zip(pieces).for_each(|(out, piece)| *out = texts.number(piece));
        }
        count
    }
}

/// The pieces of one string.
struct Pieces<'t> {
    /// What is not taken apart yet.
    rest: Option<&'t str>,
    delimiter: &'t str,
    /// Splits that may still be made.
    left: usize,
}

impl<'t> Iterator for Pieces<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let mut rest = self.rest.take()?;
        let spaces = self.delimiter.is_empty();
        if spaces {
            rest = rest.trim_start();
            if rest.is_empty() {
                return None;
            }
        }
        let found = if spaces { rest.find(char::is_whitespace) } else { rest.find(self.delimiter) };
        match found {
            Some(at) if self.left > 0 => {
                self.left -= 1;
                self.rest = Some(&rest[at + self.delimiter.len()..]);
                Some(&rest[..at])
            }
            _ => Some(rest),
        }
    }
}

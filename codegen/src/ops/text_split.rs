//! Strings taken apart.

use super::operands::{exactly, is_of};
use super::{Lower, Rules};
use crate::ir::{DType, Dim, Tensor, Texts, Type};
use crate::plan::Arg;

/// ONNX StringSplit of one operand `[n]`. Results: the pieces `[n, count]`, empty strings after those of each row, and how many each row
/// has `[n]` (i64).
#[derive(Clone, PartialEq, Debug)]
pub struct TextSplit {
    /// What stands between pieces; any run of white space if empty, of which none begins a piece.
    pub delimiter: String,
    /// Splits at most, of each string from its beginning.
    pub most: Option<usize>,
    /// The symbol of how many pieces the row of most pieces has.
    pub count: String,
    /// The model's strings.
    pub texts: Texts,
}

impl TextSplit {
    fn pieces(&self, text: &str) -> Vec<String> {
        let mut rest = text;
        let mut pieces = Vec::new();
        let left = |pieces: &Vec<String>| self.most.is_none_or(|most| pieces.len() < most);
        if self.delimiter.is_empty() {
            rest = rest.trim_start();
            while let Some(at) = rest.find(char::is_whitespace).filter(|_| left(&pieces)) {
                pieces.push(rest[..at].to_string());
                rest = rest[at..].trim_start();
            }
            if rest.is_empty() {
                return pieces;
            }
        } else {
            while let Some(at) = rest.find(&self.delimiter).filter(|_| left(&pieces)) {
                pieces.push(rest[..at].to_string());
                rest = &rest[at + self.delimiter.len()..];
            }
        }
        pieces.push(rest.to_string());
        pieces
    }
}

impl Rules for TextSplit {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x] = exactly(inputs)?;
        is_of("its operand", x, DType::I32)?;
        let [n] = x.shape.as_slice() else { return Err(format!("{x} is no vector")) };
        let pieces = Type { dtype: DType::I32, shape: vec![n.clone(), Dim::symbol(&self.count)] };
        Ok(vec![pieces, Type { dtype: DType::I64, shape: x.shape.clone() }])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let [x] = inputs else { return Err("takes one operand".into()) };
        let rows: Vec<Vec<String>> = self.texts.read(x).iter().map(|text| self.pieces(text)).collect();
        let counts: Vec<i64> = rows.iter().map(|row| row.len() as i64).collect();
        let count = rows.iter().map(Vec::len).max().unwrap_or(0);
        let padded = rows.iter().flat_map(|row| (0..count).map(|i| row.get(i).map_or("", String::as_str)));
        let pieces = self.texts.tensor(vec![rows.len(), count], &padded.collect::<Vec<_>>());
        Ok(vec![pieces, Tensor::ints(&counts)])
    }

    fn count(&self) -> Option<&str> {
        Some(&self.count)
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let (out, counts, x) = (cx.output_at_most(0), cx.output(1), cx.input(0));
        let delimiter = Dim::from(self.texts.number(&self.delimiter));
        let most = self.most.map_or(Dim::from(i64::from(u32::MAX)), Dim::from);
        cx.call_counting(
            "text_split",
            "TextSplit",
            vec![
                ("out", Arg::Write(out)),
                ("counts", Arg::Write(counts)),
                ("x", Arg::Read(x)),
                ("texts", Arg::Texts),
                ("delimiter", Arg::Signed(delimiter)),
                ("most", Arg::Size(most)),
            ],
        );
        Ok(())
    }
}

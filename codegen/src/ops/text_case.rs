//! Strings in upper or lower case.

use super::operands::{exactly, is_of};
use super::{Lower, Rules};
use crate::ir::{DType, Tensor, Texts, Type};
use crate::plan::Arg;

/// Every string in upper or lower case, by Unicode's tables. One operand.
#[derive(Clone, PartialEq, Debug)]
pub struct TextCase {
    /// Upper rather than lower case.
    pub upper: bool,
    /// The model's strings.
    pub texts: Texts,
}

impl Rules for TextCase {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x] = exactly(inputs)?;
        is_of("its operand", x, DType::I32)?;
        Ok(vec![(*x).clone()])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let [x] = inputs else { return Err("takes one operand".into()) };
        let cased = |text: &String| if self.upper { text.to_uppercase() } else { text.to_lowercase() };
        let results: Vec<String> = self.texts.read(x).iter().map(cased).collect();
        Ok(vec![self.texts.tensor(x.shape().to_vec(), &results)])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let (out, x) = (cx.output(0), cx.input(0));
        cx.call(
            "text_case",
            "TextCase",
            vec![
                ("out", Arg::Write(out)),
                ("x", Arg::Read(x)),
                ("texts", Arg::Texts),
                ("upper", Arg::Bool(self.upper)),
            ],
        );
        Ok(())
    }
}

//! Strings put together.

use super::operands::{exactly, has_shape, is_of};
use super::{Lower, Rules};
use crate::ir::{DType, Tensor, Texts, Type};
use crate::plan::Arg;

/// Each string of the first operand followed by that of the second. Two operands of one shape.
#[derive(Clone, PartialEq, Debug)]
pub struct TextConcat {
    /// The model's strings.
    pub texts: Texts,
}

impl Rules for TextConcat {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [a, b] = exactly(inputs)?;
        is_of("its first operand", a, DType::I32)?;
        is_of("its second operand", b, DType::I32)?;
        has_shape("its second operand", b, &a.shape)?;
        Ok(vec![(*a).clone()])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let [a, b] = inputs else { return Err("takes two operands".into()) };
        let (first, second) = (self.texts.read(a), self.texts.read(b));
        let results: Vec<String> = first.into_iter().zip(second).map(|(a, b)| a + &b).collect();
        Ok(vec![self.texts.tensor(a.shape().to_vec(), &results)])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let (out, a, b) = (cx.output(0), cx.input(0), cx.input(1));
        let fields = vec![("out", Arg::Write(out)), ("a", Arg::Read(a)), ("b", Arg::Read(b)), ("texts", Arg::Texts)];
        cx.call("text_concat", "TextConcat", fields);
        Ok(())
    }
}

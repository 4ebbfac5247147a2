//! Strings that an automaton accepts.

use super::operands::{exactly, is_of};
use super::{Lower, Rules};
use crate::ir::{DType, Tensor, Texts, Type};
use crate::plan::Arg;

/// Whether a deterministic automaton accepts each string, byte by byte from state 0. Operands: the strings, the class of each byte
/// `[256]` (u8), the state after each class in each state `[states, classes]` (i32), and whether a string may end in a state `[states]`
/// (bool).
#[derive(Clone, PartialEq, Debug)]
pub struct TextMatch {
    /// The model's strings.
    pub texts: Texts,
}

impl Rules for TextMatch {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x, classes, next, ends] = exactly(inputs)?;
        is_of("its operand", x, DType::I32)?;
        is_of("the classes", classes, DType::U8)?;
        is_of("the states", next, DType::I32)?;
        is_of("the ends", ends, DType::Bool)?;
        Ok(vec![Type { dtype: DType::Bool, shape: x.shape.clone() }])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let [x, classes, next, ends] = inputs else { return Err("takes four operands".into()) };
        let (class, next_states, end) = (classes.to_i64s(), next.to_i64s(), ends.to_i64s());
        let n_classes = next.shape().get(1).copied().unwrap_or(1);
        let accepts = |text: &String| {
            let step =
                |state: usize, byte: u8| next_states[state * n_classes + class[usize::from(byte)] as usize] as usize;
            end[text.bytes().fold(0, step)]
        };
        let results: Vec<i64> = self.texts.read(x).iter().map(accepts).collect();
        Ok(vec![Tensor::from_i64s(DType::Bool, x.shape().to_vec(), &results)])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let out = cx.output(0);
        let [x, classes, next, ends] = [0, 1, 2, 3].map(|i| cx.input(i));
        cx.call(
            "text_match",
            "TextMatch",
            vec![
                ("out", Arg::Write(out)),
                ("x", Arg::Read(x)),
                ("classes", Arg::Read(classes)),
                ("next", Arg::Read(next)),
                ("ends", Arg::Read(ends)),
                ("texts", Arg::Texts),
            ],
        );
        Ok(())
    }
}

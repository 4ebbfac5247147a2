//! Strings without those of a list.

use super::operands::{exactly, has_shape, is_of};
use super::{Lower, Rules};
use crate::ir::{DType, Dim, Tensor, Type};
use crate::plan::Arg;

/// The strings whose keys are no stop words, in order; one empty string if there are none. Operands: strings `[n]`, a key of each `[n]`, and
/// the stop words.
#[derive(Clone, PartialEq, Debug)]
pub struct TextRemove {
    /// The symbol of how many are left.
    pub count: String,
}

impl Rules for TextRemove {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x, keys, stops] = exactly(inputs)?;
        for (what, ty) in [("its operand", x), ("the keys", keys), ("the stop words", stops)] {
            is_of(what, ty, DType::I32)?;
        }
        has_shape("the keys", keys, &x.shape)?;
        Ok(vec![Type::new(DType::I32, [Dim::symbol(&self.count)])])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let [x, keys, stops] = inputs else { return Err("takes three operands".into()) };
        let stops = stops.to_i64s();
        let both = x.to_i64s().into_iter().zip(keys.to_i64s());
        let mut left: Vec<i64> = both.filter(|(_, key)| !stops.contains(key)).map(|(x, _)| x).collect();
        if left.is_empty() {
            left.push(0);
        }
        Ok(vec![Tensor::from_i64s(DType::I32, vec![left.len()], &left)])
    }

    fn count(&self) -> Option<&str> {
        Some(&self.count)
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let out = cx.output_at_most(0);
        let [x, keys, stops] = [0, 1, 2].map(|i| cx.input(i));
        let fields =
            vec![("out", Arg::Write(out)), ("x", Arg::Read(x)), ("keys", Arg::Read(keys)), ("stops", Arg::Read(stops))];
        cx.call_counting("text_remove", "TextRemove", fields);
        Ok(())
    }
}

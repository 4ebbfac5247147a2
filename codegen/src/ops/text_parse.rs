//! Strings read as numbers.

use super::operands::{exactly, is_of};
use super::{Lower, Rules};
use crate::ir::{DType, Dim, Tensor, Texts, Type};
use crate::plan::Arg;

/// The number each string is in decimal, white space around it aside. One operand. Results: the numbers, 0 for what is none, and the
/// places of those `[count]` (i64).
#[derive(Clone, PartialEq, Debug)]
pub struct TextParse {
    /// What to read them as.
    pub dtype: DType,
    /// The symbol of how many are no numbers.
    pub count: String,
    /// The model's strings.
    pub texts: Texts,
}

impl Rules for TextParse {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x] = exactly(inputs)?;
        is_of("its operand", x, DType::I32)?;
        let numbers = Type { dtype: self.dtype, shape: x.shape.clone() };
        Ok(vec![numbers, Type::new(DType::I64, [Dim::symbol(&self.count)])])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let [x] = inputs else { return Err("takes one operand".into()) };
        let (texts, shape) = (self.texts.read(x), x.shape().to_vec());
        let mut wrong = Vec::new();
        let numbers = if self.dtype.is_float() {
            let mut read = |(at, text): (usize, &String)| {
                let number = text.trim().parse::<f64>();
                // A float of 32 bits is rounded once, not by way of 64.
                let number = if self.dtype == DType::F32 { text.trim().parse::<f32>().map(f64::from) } else { number };
                number.unwrap_or_else(|_| {
                    wrong.push(at as i64);
                    0.0
                })
            };
            let numbers: Vec<f64> = texts.iter().enumerate().map(&mut read).collect();
            Tensor::from_f64s(self.dtype, shape, &numbers)
        } else {
            let mut read = |(at, text): (usize, &String)| {
                let number = text.trim().parse::<i128>().ok();
                let bits = number.map(|number| number as i64);
                let back = bits.map(|bits| Tensor::from_i64s(self.dtype, vec![1], &[bits]).to_i64s()[0]);
                let wide = match self.dtype {
                    DType::U64 => back.map(|back| i128::from(back as u64)),
                    _ => back.map(i128::from),
                };
                if number.is_none() || wide != number {
                    wrong.push(at as i64);
                    return 0;
                }
                bits.unwrap_or(0)
            };
            let numbers: Vec<i64> = texts.iter().enumerate().map(&mut read).collect();
            Tensor::from_i64s(self.dtype, shape, &numbers)
        };
        Ok(vec![numbers, Tensor::ints(&wrong)])
    }

    fn count(&self) -> Option<&str> {
        Some(&self.count)
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let (out, wrong, x) = (cx.output(0), cx.output_at_most(1), cx.input(0));
        let fields =
            vec![("out", Arg::Write(out)), ("wrong", Arg::Write(wrong)), ("x", Arg::Read(x)), ("texts", Arg::Texts)];
        cx.call_counting("text_parse", "TextParse", fields);
        Ok(())
    }
}

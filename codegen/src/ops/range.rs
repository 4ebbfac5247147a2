//! Numbers at equal distances.

use super::operands::{count, is_of, result};
use super::sizes::number;
use super::{Lower, Rules};
use crate::ir::{DType, Dim, Tensor, Type};
use crate::plan::Arg;

/// `start, start + delta, …`, `len` numbers. No operand, or two scalars (start, delta) if `operands`.
#[derive(Clone, PartialEq, Debug)]
pub struct Range {
    /// First number.
    pub start: Dim,
    /// Step between numbers.
    pub delta: Dim,
    /// How many.
    pub len: Dim,
    /// Element type.
    pub dtype: DType,
    /// Whether start and step are operands; `start` and `delta` mean nothing then.
    pub operands: bool,
}

impl Rules for Range {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        count(inputs, if self.operands { 2 } else { 0 })?;
        for (what, ty) in ["the start", "the step"].into_iter().zip(inputs) {
            is_of(what, ty, self.dtype)?;
            if !ty.len().is(1) {
                return Err(format!("{what} is {ty}, not one number"));
            }
        }
        if self.dtype == DType::Bool {
            return Err("elements are bool; numbers work".to_string());
        }
        Ok(vec![Type { dtype: self.dtype, shape: vec![self.len.clone()] }])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let (dtype, dims) = result(self, inputs)?;
        if dtype.is_float() && !inputs.is_empty() {
            let (start, delta) = (inputs[0].to_f64s()[0], inputs[1].to_f64s()[0]);
            let values: Vec<f64> = (0..dims[0]).map(|i| start + i as f64 * delta).collect();
            return Ok(vec![Tensor::from_f64s(dtype, dims, &values)]);
        }
        let known = |dim: &Dim| dim.as_const().ok_or_else(|| format!("{dim} is not known"));
        let (start, delta) = match inputs {
            [start, delta] => (start.to_i64s()[0], delta.to_i64s()[0]),
            _ => (known(&self.start)?, known(&self.delta)?),
        };
        let values: Vec<i64> = (0..dims[0]).map(|i| start.wrapping_add((i as i64).wrapping_mul(delta))).collect();
        Ok(vec![Tensor::from_i64s(dtype, dims, &values)])
    }

    fn dims_mut(&mut self) -> Vec<&mut Dim> {
        vec![&mut self.start, &mut self.delta, &mut self.len]
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let (start, delta) = if self.operands {
            let constant = |i: usize| {
                let tensor = cx.tensor(i).ok_or("start and step are not constant; only constants and sizes work")?;
                Ok::<Arg, String>(Arg::Number(tensor.to_f64s()[0], self.dtype))
            };
            (constant(0)?, constant(1)?)
        } else {
            (number(&self.start, self.dtype), number(&self.delta, self.dtype))
        };
        let out = cx.output(0);
        cx.call("fill", "Range", vec![("out", Arg::Write(out)), ("start", start), ("delta", delta)]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_may_go_down() {
        let [start, delta, len] = [5i64, -2, 3].map(Dim::from);
        let op = Range { start, delta, len, dtype: DType::I64, operands: false };
        assert_eq!(op.eval(&[]).unwrap()[0].to_i64s(), [5, 3, 1]);
        let half = Tensor::from_f64s(DType::F32, vec![], &[0.5]);
        let op = Range { dtype: DType::F32, operands: true, ..op };
        assert_eq!(op.eval(&[&half, &half]).unwrap()[0].to_f64s(), [0.5, 1.0, 1.5]);
    }
}

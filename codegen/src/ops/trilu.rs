//! Triangles of matrices.

use super::operands::{exactly, result};
use super::{Lower, Rules};
use crate::ir::{Dim, Tensor, Type};
use crate::plan::Arg;

/// The upper or lower triangle of the last two axes, zero elsewhere. One operand.
#[derive(Clone, PartialEq, Debug)]
pub struct Trilu {
    /// Upper rather than lower.
    pub upper: bool,
    /// Diagonal that bounds it.
    pub k: i64,
}

impl Rules for Trilu {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x] = exactly(inputs)?;
        if x.rank() < 2 {
            return Err(format!("an operand of {} axes holds no matrix", x.rank()));
        }
        Ok(vec![x.clone()])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let (dtype, dims) = result(self, inputs)?;
        let size = dtype.bytes();
        let mut bytes = inputs[0].bytes().to_vec();
        let (rows, cols) = (dims[dims.len() - 2], dims[dims.len() - 1]);
        for (at, element) in bytes.chunks_exact_mut(size).enumerate() {
            let diagonal = (at % cols) as i128 - (at / cols % rows) as i128;
            let kept = if self.upper { diagonal >= i128::from(self.k) } else { diagonal <= i128::from(self.k) };
            if !kept {
                element.fill(0);
            }
        }
        Tensor::from_bytes(dtype, dims, bytes).map(|t| vec![t]).ok_or_else(|| "sizes do not add up".to_string())
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let shape = cx.ty(0).shape.clone();
        let (lead, matrix) = shape.split_at(shape.len() - 2);
        let (out, x) = (cx.output(0), cx.input(0));
        cx.call(
            "tri",
            "Trilu",
            vec![
                ("out", Arg::Write(out)),
                ("x", Arg::Read(x)),
                ("batch", Arg::Size(Dim::product(lead))),
                ("rows", Arg::Size(matrix[0].clone())),
                ("cols", Arg::Size(matrix[1].clone())),
                ("k", Arg::Signed(Dim::from(self.k))),
                ("upper", Arg::Bool(self.upper)),
            ],
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::DType;

    #[test]
    fn the_diagonal_bounds_what_stays() {
        let x = Tensor::from_i64s(DType::I32, vec![2, 3], &[1, 2, 3, 4, 5, 6]);
        let run = |upper, k| Trilu { upper, k }.eval(&[&x]).unwrap()[0].to_i64s();
        assert_eq!(run(true, 1), [0, 2, 3, 0, 0, 6]);
        assert_eq!(run(false, 0), [1, 0, 0, 4, 5, 0]);
        assert_eq!(run(false, i64::MIN), [0; 6]);
    }
}

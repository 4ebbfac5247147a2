//! Elements picked by index along an axis.

use super::operands::{exactly, has_axis, is_index, result, wrapped};
use super::{Lower, Rules};
use crate::ir::{Dim, Tensor, Type, indices, strides};
use crate::plan::Arg;

/// ONNX GatherElements. Operands: data, indices (i32 or i64).
#[derive(Clone, PartialEq, Debug)]
pub struct GatherElements {
    /// Axis picked from.
    pub axis: usize,
}

impl Rules for GatherElements {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [data, picks] = exactly(inputs)?;
        has_axis(data, self.axis)?;
        is_index(picks)?;
        within(data, picks, self.axis)?;
        Ok(vec![Type { dtype: data.dtype, shape: picks.shape.clone() }])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let (_, dims) = result(self, inputs)?;
        let data = inputs[0];
        let picks = elements(data.shape(), inputs[1], self.axis)?;
        Ok(vec![data.picked(dims, picks.into_iter())])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let (dims_idx, x_dims) = (cx.ty(1).shape.clone(), cx.ty(0).shape.clone());
        let (out, x, indices) = (cx.output(0), cx.input(0), cx.input(1));
        cx.call(
            "gather",
            "GatherElements",
            vec![
                ("out", Arg::Write(out)),
                ("x", Arg::Read(x)),
                ("indices", Arg::Read(indices)),
                ("dims_idx", Arg::Sizes(dims_idx)),
                ("x_dims", Arg::Sizes(x_dims)),
                ("axis", Arg::Size(Dim::from(self.axis))),
            ],
        );
        Ok(())
    }
}

/// Refuses indices that reach beyond the data along another axis than the one indexed.
pub(super) fn within(data: &Type, picks: &Type, axis: usize) -> Result<(), String> {
    if picks.rank() != data.rank() {
        return Err(format!("indices of {} axes do not fit data of {} axes", picks.rank(), data.rank()));
    }
    let beyond = |at: &usize| {
        let excess = picks.shape[*at].clone() - data.shape[*at].clone();
        *at != axis && excess.as_const().is_some_and(|excess| excess > 0)
    };
    match (0..data.rank()).find(beyond) {
        Some(at) => Err(format!("indices {picks} reach beyond {data} along axis {at}")),
        None => Ok(()),
    }
}

/// The flat index in data of `shape` that each index names.
pub(super) fn elements(shape: &[usize], picks: &Tensor, axis: usize) -> Result<Vec<usize>, String> {
    let steps = strides(shape);
    indices(picks.shape())
        .zip(picks.to_i64s())
        .map(|(mut index, at)| {
            index[axis] = wrapped(at, shape[axis])?;
            Ok(index.iter().zip(&steps).map(|(i, s)| i * s).sum())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::DType;

    #[test]
    fn each_index_picks_along_the_axis() {
        let data = Tensor::from_i64s(DType::I32, vec![2, 2], &[1, 2, 3, 4]);
        let picks = Tensor::from_i64s(DType::I64, vec![2, 2], &[0, 0, 1, 0]);
        assert_eq!(GatherElements { axis: 1 }.eval(&[&data, &picks]).unwrap()[0].to_i64s(), [1, 1, 4, 3]);
    }
}

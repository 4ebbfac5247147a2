//! Slices picked by index tuples.

use super::operands::{exactly, fixed, is_index, result, wrapped};
use super::{Lower, Rules};
use crate::ir::{Dim, Tensor, Type, indices, strides};
use crate::plan::Arg;

/// ONNX GatherND. Operands: data, indices (i64).
#[derive(Clone, PartialEq, Debug)]
pub struct GatherNd {
    /// Leading axes that data and indices share.
    pub batch_dims: usize,
}

impl Rules for GatherNd {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [data, picks] = exactly(inputs)?;
        is_index(picks)?;
        let batch = self.batch_dims;
        let (Some((tuple, lead)), true) = (picks.shape.split_last(), batch < data.rank()) else {
            return Err(format!("{batch} shared axes do not fit data {data} and indices {picks}"));
        };
        if batch > lead.len() || data.shape[..batch] != picks.shape[..batch] {
            return Err(format!("the first {batch} axes of data {data} and indices {picks} differ"));
        }
        let depth = fixed("the length of an index tuple", tuple)?;
        if depth == 0 || depth > data.rank() - batch {
            return Err(format!("index tuples of {depth} do not fit {} axes", data.rank() - batch));
        }
        Ok(vec![Type { dtype: data.dtype, shape: [lead, &data.shape[batch + depth..]].concat() }])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let (_, dims) = result(self, inputs)?;
        let data = inputs[0];
        let (starts, run) = slices(data.shape(), inputs[1], self.batch_dims)?;
        Ok(vec![data.picked(dims, starts.iter().flat_map(|&start| start..start + run))])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let (data, picks) = (&cx.ty(0).shape, &cx.ty(1).shape);
        let (depth, last) = (fixed("the length of an index tuple", &picks[picks.len() - 1])?, picks.len() - 1);
        let (batch, n_idx) = (Dim::product(&data[..self.batch_dims]), Dim::product(&picks[self.batch_dims..last]));
        let inner = Dim::product(&data[self.batch_dims + depth..]);
        let (out, x, indices) = (cx.output(0), cx.input(0), cx.input(1));
        cx.call(
            "gather",
            "GatherNd",
            vec![
                ("out", Arg::Write(out)),
                ("x", Arg::Read(x)),
                ("indices", Arg::Read(indices)),
                ("batch", Arg::Size(batch)),
                ("n_idx", Arg::Size(n_idx)),
                ("depth", Arg::Size(Dim::from(depth))),
                ("x_dims", Arg::SizeSlice(data[self.batch_dims..].to_vec())),
                ("inner", Arg::Size(inner)),
            ],
        );
        Ok(())
    }
}

/// Where in data of `shape` the slice that each index tuple names begins, and how long a slice is.
pub(super) fn slices(shape: &[usize], picks: &Tensor, batch: usize) -> Result<(Vec<usize>, usize), String> {
    let steps = strides(shape);
    let (tuple, lead) = picks.shape().split_last().ok_or("indices have no axis of tuples")?;
    let run = shape[batch + tuple..].iter().product();
    let at = picks.to_i64s();
    let starts = indices(lead).zip(at.chunks(*tuple)).map(|(index, at)| {
        let batch_start: usize = index[..batch].iter().zip(&steps).map(|(i, s)| i * s).sum();
        at.iter()
            .enumerate()
            .try_fold(batch_start, |start, (i, &at)| Ok(start + wrapped(at, shape[batch + i])? * steps[batch + i]))
    });
    Ok((starts.collect::<Result<_, String>>()?, run))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::DType;

    #[test]
    fn tuples_name_slices_within_a_batch() {
        let data = Tensor::from_i64s(DType::I32, vec![2, 2, 2], &[0, 1, 2, 3, 4, 5, 6, 7]);
        let picks = Tensor::from_i64s(DType::I64, vec![2, 1], &[1, 0]);
        assert_eq!(GatherNd { batch_dims: 1 }.eval(&[&data, &picks]).unwrap()[0].to_i64s(), [2, 3, 4, 5]);
        let picks = Tensor::from_i64s(DType::I64, vec![2, 2], &[0, 0, 1, 1]);
        assert_eq!(GatherNd { batch_dims: 0 }.eval(&[&data, &picks]).unwrap()[0].to_i64s(), [0, 1, 6, 7]);
    }
}

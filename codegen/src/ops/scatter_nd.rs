//! Slices written where index tuples say.

use super::gather_nd::slices;
use super::operands::{exactly, fixed, has_shape, is_index, is_number, is_of, result};
use super::{Lower, Rules};
use crate::ir::{Dim, Tensor, Type};
use crate::plan::Arg;

/// ONNX ScatterND. Operands: data, indices (i64), updates.
#[derive(Clone, PartialEq, Debug)]
pub struct ScatterNd {
    /// How an update meets what is there.
    pub reduction: Reduction,
}

/// How an update meets what is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the names are the mathematics
pub enum Reduction {
    None,
    Add,
    Mul,
    Max,
    Min,
}

impl Rules for ScatterNd {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [data, picks, updates] = exactly(inputs)?;
        is_index(picks)?;
        let Some((tuple, lead)) = picks.shape.split_last() else {
            return Err("indices have no axis of tuples".to_string());
        };
        let depth = fixed("the length of an index tuple", tuple)?;
        if depth == 0 || depth > data.rank() {
            return Err(format!("index tuples of {depth} do not fit {} axes", data.rank()));
        }
        is_of("the update", updates, data.dtype)?;
        has_shape("the update", updates, &[lead, &data.shape[depth..]].concat())?;
        meets(self.reduction, data)?;
        Ok(vec![data.clone()])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        result(self, inputs)?;
        let (starts, run) = slices(inputs[0].shape(), inputs[1], 0)?;
        let targets: Vec<usize> = starts.iter().flat_map(|&start| start..start + run).collect();
        Ok(vec![self.reduction.apply(inputs[0], &targets, inputs[2])])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let (data, picks) = (&cx.ty(0).shape, &cx.ty(1).shape);
        let (depth, last) = (fixed("the length of an index tuple", &picks[picks.len() - 1])?, picks.len() - 1);
        let (n_idx, inner) = (Dim::product(&picks[..last]), Dim::product(&data[depth..]));
        data_to_result(cx);
        let (out, indices, updates) = (cx.output(0), cx.input(1), cx.input(2));
        cx.call(
            "scatter",
            "ScatterNd",
            vec![
                ("out", Arg::Write(out)),
                ("updates", Arg::Read(updates)),
                ("indices", Arg::Read(indices)),
                ("n_idx", Arg::Size(n_idx)),
                ("depth", Arg::Size(Dim::from(depth))),
                ("x_dims", Arg::SizeSlice(data.clone())),
                ("inner", Arg::Size(inner)),
                ("reduction", self.reduction.arg()),
            ],
        );
        Ok(())
    }

    fn in_place(&self) -> Vec<usize> {
        vec![0]
    }
}

/// Refuses arithmetic on bools.
pub(super) fn meets(reduction: Reduction, data: &Type) -> Result<(), String> {
    if reduction == Reduction::None { Ok(()) } else { is_number(data) }
}

/// Puts the data where the result goes, unless it lies there already.
pub(super) fn data_to_result(cx: &mut Lower) {
    if cx.in_place().is_none() {
        let (out, x) = (cx.output(0), cx.input(0));
        cx.call("strided", "Copy1", vec![("out", Arg::Write(out)), ("x", Arg::Read(x))]);
    }
}

impl Reduction {
    /// The kernel's name for it.
    pub(super) fn arg(self) -> Arg {
        Arg::Path(format!("scatter::Reduction::{self:?}"))
    }

    /// `data` with each of `updates` joined to the element its target names.
    pub(super) fn apply(self, data: &Tensor, targets: &[usize], updates: &Tensor) -> Tensor {
        let (dtype, shape) = (data.dtype(), data.shape().to_vec());
        if dtype.is_float() {
            let mut out = data.to_f64s();
            for (&at, value) in targets.iter().zip(updates.to_f64s()) {
                let both = !out[at].is_nan() && !value.is_nan();
                out[at] = match self {
                    Reduction::None => value,
                    Reduction::Max | Reduction::Min if !both => f64::NAN,
                    Reduction::Add => out[at] + value,
                    Reduction::Mul => out[at] * value,
                    Reduction::Max => out[at].max(value),
                    Reduction::Min => out[at].min(value),
                };
            }
            return Tensor::from_f64s(dtype, shape, &out);
        }
        let mut out = data.to_i64s();
        for (&at, value) in targets.iter().zip(updates.to_i64s()) {
            let less = if dtype.is_unsigned() { (out[at] as u64) < value as u64 } else { out[at] < value };
            out[at] = match self {
                Reduction::None => value,
                Reduction::Add => out[at].wrapping_add(value),
                Reduction::Mul => out[at].wrapping_mul(value),
                Reduction::Max => {
                    if less {
                        value
                    } else {
                        out[at]
                    }
                }
                Reduction::Min => {
                    if less {
                        out[at]
                    } else {
                        value
                    }
                }
            };
        }
        Tensor::from_i64s(dtype, shape, &out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::DType;

    #[test]
    fn slices_are_replaced() {
        let data = Tensor::from_f64s(DType::F32, vec![2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let picks = Tensor::from_i64s(DType::I64, vec![1, 1], &[1]);
        let updates = Tensor::from_f64s(DType::F32, vec![1, 2], &[5.0, 6.0]);
        let run = |reduction| ScatterNd { reduction }.eval(&[&data, &picks, &updates]).unwrap()[0].to_f64s();
        assert_eq!(run(Reduction::None), [1.0, 2.0, 5.0, 6.0]);
        assert_eq!(run(Reduction::Mul), [1.0, 2.0, 15.0, 24.0]);
    }
}

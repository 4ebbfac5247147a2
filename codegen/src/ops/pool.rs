//! Pooling over channels-last operands.

use super::operands::{exactly, is_float, is_number, results};
use super::window::{self, Window, three};
use super::{Lower, Rules};
use crate::ir::{DType, Dim, Tensor, Type, indices, strides};
use crate::plan::Arg;

/// Channels-last pooling, 1 to 3 spatial axes. Operand x `[n, spatial…, c]`. With `indices`, a second result of `i64`: where each
/// maximum stood, numbered as in the channels-first operand.
#[derive(Clone, PartialEq, Debug)]
pub struct Pool {
    /// What is taken of a window.
    pub kind: PoolKind,
    /// Window sizes.
    pub kernel: Vec<usize>,
    /// Steps of the window.
    pub stride: Vec<usize>,
    /// Distance between the window's elements.
    pub dilation: Vec<usize>,
    /// Padding before and after each spatial axis.
    pub pads: Vec<(usize, usize)>,
    /// Whether a last window that overhangs counts.
    pub ceil: bool,
    /// Result of indices: `None` without, `Some(column_major)` with.
    pub indices: Option<bool>,
}

/// What is taken of a window.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum PoolKind {
    /// The greatest.
    Max,
    /// The mean, over the window's elements inside the operand, or inside its padding too.
    Average {
        /// Whether padding counts.
        count_include_pad: bool,
    },
    /// The p-norm.
    Lp(f32),
}

impl Rules for Pool {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x] = exactly(inputs)?;
        match self.kind {
            PoolKind::Max => is_number(x)?,
            PoolKind::Average { .. } | PoolKind::Lp(_) => is_float(x)?,
        }
        let spatial = window::spatial(x, self.kernel.len())?;
        let output = self.window().output(spatial)?;
        let shape = [&x.shape[..1], &output, &x.shape[x.rank() - 1..]].concat();
        let indices = self.indices.map(|_| Type { dtype: DType::I64, shape: shape.clone() });
        if indices.is_some() && self.kind != PoolKind::Max {
            return Err("only a maximum has an index".to_string());
        }
        Ok([Type { dtype: x.dtype, shape }].into_iter().chain(indices).collect())
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let all = results(self, inputs)?;
        let (dtype, dims) = &all[0];
        let x_shape = inputs[0].shape();
        let steps = strides(x_shape);
        let x = inputs[0].to_f64s();
        let n = self.kernel.len();
        // The positions inside the operand under the window of a result, and how many fall inside the padding too.
        let window = |index: &[usize]| {
            let (mut inside, mut padded) = (Vec::new(), 0usize);
            for tap in indices(&self.kernel) {
                let rows: Vec<usize> =
                    (0..n).map(|i| index[i + 1] * self.stride[i] + tap[i] * self.dilation[i]).collect();
                let size = |i: usize| x_shape[i + 1];
                padded += usize::from((0..n).all(|i| rows[i] < size(i) + self.pads[i].0 + self.pads[i].1));
                let place = |i: usize| rows[i].checked_sub(self.pads[i].0).filter(|&row| row < size(i));
                inside.extend((0..n).map(place).collect::<Option<Vec<usize>>>());
            }
            (inside, padded)
        };
        let mut values = Vec::new();
        let mut places = Vec::new();
        for index in indices(dims) {
            let (inside, padded) = window(&index);
            let channel = index[n + 1];
            let element = |rows: &Vec<usize>| {
                let spatial: usize = rows.iter().zip(&steps[1..]).map(|(row, step)| row * step).sum();
                x[index[0] * steps[0] + spatial + channel]
            };
            values.push(match self.kind {
                PoolKind::Max => {
                    let mut best: Option<(f64, &Vec<usize>)> = None;
                    for rows in &inside {
                        let value = element(rows);
                        if best.is_none_or(|(known, _)| value > known || (value.is_nan() && !known.is_nan())) {
                            best = Some((value, rows));
                        }
                    }
                    let column_major = self.indices == Some(true);
                    let fold = |flat: usize, (row, size): (&usize, &usize)| flat * size + row;
                    let flat = best.map_or(0, |(_, rows)| match column_major {
                        true => rows.iter().rev().zip(x_shape[1..=n].iter().rev()).fold(0, fold),
                        false => rows.iter().zip(&x_shape[1..=n]).fold(0, fold),
                    });
                    let image: usize = x_shape[1..=n].iter().product();
                    places.push(((index[0] * x_shape[n + 1] + channel) * image + flat) as i64);
                    best.map_or(f64::NEG_INFINITY, |(value, _)| value)
                }
                PoolKind::Average { count_include_pad } => {
                    let count = if count_include_pad { padded } else { inside.len() };
                    inside.iter().map(element).sum::<f64>() / count.max(1) as f64
                }
                PoolKind::Lp(p) => {
                    let p = f64::from(p);
                    inside.iter().map(|rows| element(rows).abs().powf(p)).sum::<f64>().powf(1.0 / p)
                }
            });
        }
        let mut out = vec![Tensor::from_f64s(*dtype, dims.clone(), &values)];
        if self.indices.is_some() {
            out.push(Tensor::from_i64s(DType::I64, dims.clone(), &places));
        }
        Ok(out)
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let dtype = cx.ty(0).dtype;
        let is_f32 = dtype == DType::F32;
        let (x, out) = (cx.ty(0).shape.clone(), cx.out_ty(0).shape.clone());
        let fixed = |sizes: &[usize], missing| Arg::Sizes(three(sizes, missing).map(Dim::from).to_vec());
        let free = |shape: &[Dim]| Arg::Sizes(three(&shape[1..shape.len() - 1], Dim::from(1)).to_vec());
        let (pad, pad_end): (Vec<usize>, Vec<usize>) = self.pads.iter().copied().unzip();
        let shape = Arg::Struct(
            "pool::PoolShape",
            vec![
                ("batch", Arg::Size(x[0].clone())),
                ("input", free(&x)),
                ("output", free(&out)),
                ("kernel", fixed(&self.kernel, 1)),
                ("stride", fixed(&self.stride, 1)),
                ("dilation", fixed(&self.dilation, 1)),
                ("pad", fixed(&pad, 0)),
                ("pad_end", fixed(&pad_end, 0)),
                ("channels", Arg::Size(x[x.len() - 1].clone())),
            ],
        );
        let mut fields = vec![("out", Arg::Write(cx.output(0))), ("x", Arg::Read(cx.input(0))), ("shape", shape)];
        let task = match (self.kind, self.indices) {
            (PoolKind::Max, indices) if !is_f32 => {
                let places = if indices.is_some() && cx.wanted(1) { Some(cx.output(1)) } else { None };
                fields.push(("indices", Arg::WriteOpt(places)));
                fields.push(("column_major", Arg::Bool(indices == Some(true))));
                "MaxPoolAny"
            }
            (PoolKind::Max, Some(column_major)) if cx.wanted(1) => {
                fields.push(("indices", Arg::Write(cx.output(1))));
                fields.push(("column_major", Arg::Bool(column_major)));
                "MaxPoolIndices"
            }
            (PoolKind::Max, _) => "MaxPool",
            (PoolKind::Average { count_include_pad }, _) => {
                fields.push(("count_include_pad", Arg::Bool(count_include_pad)));
                if is_f32 { "AvgPool" } else { "AvgPoolF64" }
            }
            (PoolKind::Lp(p), _) => {
                if !((1.0..=1024.0).contains(&p) && p.fract() == 0.0) {
                    return Err(format!("a norm of order {p} is not supported; whole numbers from 1 to 1024 work"));
                }
                fields.push(("p", Arg::Number(f64::from(p), DType::U32)));
                if is_f32 { "LpPool" } else { "LpPoolF64" }
            }
        };
        cx.call(if is_f32 { "pool" } else { "pool_any" }, task, fields);
        Ok(())
    }
}

impl Pool {
    fn window(&self) -> Window<'_> {
        Window {
            kernel: &self.kernel,
            stride: &self.stride,
            dilation: &self.dilation,
            pads: &self.pads,
            ceil: self.ceil,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(kind: PoolKind) -> Pool {
        Pool {
            kind,
            kernel: vec![2],
            stride: vec![2],
            dilation: vec![1],
            pads: vec![(1, 0)],
            ceil: true,
            indices: None,
        }
    }

    #[test]
    fn padding_counts_only_where_asked() {
        let x = Tensor::from_f64s(DType::F32, vec![1, 4, 1], &[2.0, 4.0, 6.0, 8.0]);
        let run = |kind| pool(kind).eval(&[&x]).unwrap()[0].to_f64s();
        assert_eq!(run(PoolKind::Average { count_include_pad: true }), [1.0, 5.0, 8.0]);
        assert_eq!(run(PoolKind::Average { count_include_pad: false }), [2.0, 5.0, 8.0]);
        assert_eq!(run(PoolKind::Max), [2.0, 6.0, 8.0]);
    }

    #[test]
    fn a_last_window_begins_inside() {
        // Windows at -1, 1, 3 and 5: the last would begin beyond the operand.
        let x = Type::new(DType::F32, [1usize, 5, 1]);
        let op = Pool { kernel: vec![1], stride: vec![3], pads: vec![(0, 1)], ..pool(PoolKind::Max) };
        assert_eq!(op.infer(&[&x]).unwrap()[0].dims().unwrap(), [1, 2, 1]);
    }

    #[test]
    fn indices_are_those_of_the_channels_first_operand() {
        let x = Tensor::from_f64s(DType::F32, vec![1, 2, 2, 2], &[0.0, 9.0, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        let op = |column_major| Pool {
            kernel: vec![2, 2],
            stride: vec![1, 1],
            dilation: vec![1, 1],
            pads: vec![(0, 0); 2],
            indices: Some(column_major),
            ..pool(PoolKind::Max)
        };
        assert_eq!(op(false).eval(&[&x]).unwrap()[1].to_i64s(), [1, 4]);
        assert_eq!(op(true).eval(&[&x]).unwrap()[1].to_i64s(), [2, 4]);
    }
}

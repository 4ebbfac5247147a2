//! Sums, products and extremes over axes.

use super::map::{Binary, Map};
use super::operands::{exactly, fixed, has_axis, is_number, reduced, result};
use super::{Lower, Rules};
use crate::ir::{DType, Dim, Shape, Tensor, Type, indices, strides};
use crate::plan::Arg;

/// Reduction over axes. One operand.
#[derive(Clone, PartialEq, Debug)]
pub struct Reduce {
    /// How elements combine.
    pub kind: ReduceKind,
    /// Axes reduced, ascending.
    pub axes: Vec<usize>,
    /// Whether the axes stay, with size one.
    pub keep: bool,
}

/// How elements combine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the names are the mathematics
pub enum ReduceKind {
    Sum,
    Mean,
    Max,
    Min,
    Prod,
    SumSquare,
    L1,
}

impl Rules for Reduce {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x] = exactly(inputs)?;
        for &axis in &self.axes {
            has_axis(x, axis)?;
        }
        if !self.axes.is_sorted_by(|a, b| a < b) {
            return Err(format!("axes {:?} are not ascending", self.axes));
        }
        if self.kind == ReduceKind::Mean && x.dtype.bytes() < 4 {
            return Err(format!("a mean of {} is not supported; f32, f64 and wider integers work", x.dtype));
        }
        if !matches!(self.kind, ReduceKind::Max | ReduceKind::Min) {
            is_number(x)?;
        }
        Ok(vec![Type { dtype: x.dtype, shape: reduced(&x.shape, &self.axes, self.keep) }])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let (dtype, dims) = result(self, inputs)?;
        let x = inputs[0];
        let keeps = |axis: usize| !self.axes.contains(&axis);
        let kept: Vec<usize> = (0..x.shape().len()).map(|axis| if keeps(axis) { x.shape()[axis] } else { 1 }).collect();
        let steps = strides(&kept);
        let count = self.axes.iter().map(|&axis| x.shape()[axis]).product::<usize>();
        let targets =
            indices(x.shape()).map(|index| (0..kept.len()).filter(|&i| keeps(i)).map(|i| index[i] * steps[i]).sum());
        let n = dims.iter().product();
        if dtype.is_float() {
            let mut sums = vec![self.kind.start_float(); n];
            for (at, value) in targets.zip(x.to_f64s()) {
                let at: usize = at;
                sums[at] = self.kind.join_float(sums[at], value);
            }
            if self.kind == ReduceKind::Mean {
                sums.iter_mut().for_each(|sum| *sum /= count as f64);
            }
            return Ok(vec![Tensor::from_f64s(dtype, dims, &sums)]);
        }
        let mut sums = vec![self.kind.start_int(dtype); n];
        for (at, value) in targets.zip(x.to_i64s()) {
            let at: usize = at;
            sums[at] = self.kind.join_int(sums[at], value, dtype);
        }
        if self.kind == ReduceKind::Mean {
            sums.iter_mut().for_each(|sum| *sum /= count.max(1) as i64);
        }
        Ok(vec![Tensor::from_i64s(dtype, dims, &sums)])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let (shape, dtype) = (cx.ty(0).shape.clone(), cx.ty(0).dtype);
        let is_f32 = dtype == DType::F32;
        let mut runs = self.runs(&shape);
        // Sums stay in order: a variance written as the difference of two shows what the order leaves, and peers' is this one.
        if is_f32 && matches!(self.kind, ReduceKind::Mean | ReduceKind::Max | ReduceKind::Min) {
            share_out(&mut runs);
        }
        let count = Dim::product(self.axes.iter().map(|&axis| &shape[axis]));
        // Floats are scaled by the last call; other numbers are divided afterwards.
        let divisor = match self.kind {
            ReduceKind::Mean if !is_f32 => Some(fixed("the number of elements of a mean", &count)?),
            _ => None,
        };
        let (mut x, mut kind) = (cx.input(0), self.kind);
        // One call a run of neighbouring axes, the innermost first.
        while let Some(at) = runs.iter().rposition(|(_, reduced)| *reduced) {
            let (len, _) = runs.remove(at);
            let size = |runs: &[(Dim, bool)]| Dim::product(runs.iter().map(|(size, _)| size));
            let (outer, inner) = (size(&runs[..at]), size(&runs[at..]));
            let last = !runs.iter().any(|(_, reduced)| *reduced);
            let out = match last && divisor.is_none() {
                true => cx.output(0),
                false => cx.scratch(dtype, outer.clone() * inner.clone()),
            };
            let mut fields = vec![
                ("out", Arg::Write(out.clone())),
                ("x", Arg::Read(x)),
                ("outer", Arg::Size(outer)),
                ("len", Arg::Size(len)),
                ("inner", Arg::Size(inner)),
            ];
            if is_f32 {
                let scale = match (last && self.kind == ReduceKind::Mean, count.as_const()) {
                    (false, _) => Arg::Float(1.0),
                    (true, Some(count)) => Arg::Float(1.0 / count as f64),
                    (true, None) => Arg::Quotient(Dim::from(1), count.clone()),
                };
                fields.push(("scale", scale));
            }
            fields.push(("kind", Arg::Path(format!("reduce::{}", kind.kernel(dtype)))));
            cx.call("reduce", if is_f32 { "Reduce" } else { "ReduceEach" }, fields);
            // Squares and magnitudes are taken once.
            if matches!(kind, ReduceKind::SumSquare | ReduceKind::L1) {
                kind = ReduceKind::Sum;
            }
            x = out;
        }
        if let Some(divisor) = divisor {
            let mut map = Map::of(&[dtype]);
            let divisor = map.number(divisor.max(1) as f64, dtype);
            let mean = map.binary(Binary::Div, 0, divisor);
            let (func, out) = (cx.func(&map.finish(mean), vec![x]), cx.output(0));
            cx.call(
                "map",
                "MapEach",
                vec![
                    ("dims", Arg::Sizes(vec![out.len.clone()])),
                    ("out", Arg::Write(out)),
                    ("strides", Arg::Table(vec![vec![Dim::from(1)]])),
                    ("f", func),
                ],
            );
        }
        Ok(())
    }
}

impl Reduce {
    /// Runs of neighbouring axes that are all reduced or all kept, with their sizes; at least one is reduced.
    fn runs(&self, shape: &Shape) -> Vec<(Dim, bool)> {
        let mut runs: Vec<(Dim, bool)> = Vec::new();
        for (axis, size) in shape.iter().enumerate().filter(|(_, size)| !size.is(1)) {
            let reduced = self.axes.contains(&axis);
            match runs.last_mut() {
                Some((len, known)) if *known == reduced => *len = len.clone() * size.clone(),
                _ => runs.push((size.clone(), reduced)),
            }
        }
        if !runs.iter().any(|(_, reduced)| *reduced) {
            runs.push((Dim::from(1), true));
        }
        runs
    }
}

/// Cuts a long run that would be reduced to few vectors into runs of as many, so that threads can divide it where it lies:
/// each should read what it wrote itself, a stretch of pixels and not some channels of all.
fn share_out(runs: &mut Vec<(Dim, bool)>) {
    let Some(at) = runs.iter().position(|(_, reduced)| *reduced) else { return };
    let size = |runs: &[(Dim, bool)]| Dim::product(runs.iter().map(|(size, _)| size)).as_const();
    let (Some(outer), Some(len), Some(inner)) = (size(&runs[..at]), runs[at].0.as_const(), size(&runs[at + 1..]))
    else {
        return;
    };
    if outer >= LEAST_RUNS || inner < LEAST_INNER || len.saturating_mul(outer).saturating_mul(inner) < WORTH_SHARING {
        return;
    }
    let most = MOST_RUNS.min(len / LEAST_LEN);
    if let Some(n) = (LEAST_RUNS..=most).rev().find(|n| len % n == 0) {
        runs[at].0 = Dim::from(len / n);
        runs.insert(at, (Dim::from(n), true));
    }
}

/// Least and most runs that one is cut into.
const LEAST_RUNS: i64 = 4;
const MOST_RUNS: i64 = 128;

/// Least elements that each then reduces to one.
const LEAST_LEN: i64 = 16;

/// Fewest elements between those of a run for which they are read by vectors.
const LEAST_INNER: i64 = 16;

/// Elements that threads divide.
const WORTH_SHARING: i64 = 48 * 1024;

impl ReduceKind {
    /// The kernel's name for it.
    fn kernel(self, dtype: DType) -> &'static str {
        match self {
            ReduceKind::L1 if dtype.is_unsigned() => "Sum",
            ReduceKind::Sum | ReduceKind::Mean => "Sum",
            ReduceKind::Max => "Max",
            ReduceKind::Min => "Min",
            ReduceKind::Prod => "Prod",
            ReduceKind::SumSquare => "SumSq",
            ReduceKind::L1 => "SumAbs",
        }
    }

    fn start_float(self) -> f64 {
        match self {
            ReduceKind::Max => f64::NEG_INFINITY,
            ReduceKind::Min => f64::INFINITY,
            ReduceKind::Prod => 1.0,
            _ => 0.0,
        }
    }

    fn join_float(self, sum: f64, value: f64) -> f64 {
        match self {
            ReduceKind::Sum | ReduceKind::Mean => sum + value,
            ReduceKind::Max | ReduceKind::Min if sum.is_nan() || value.is_nan() => f64::NAN,
            ReduceKind::Max => sum.max(value),
            ReduceKind::Min => sum.min(value),
            ReduceKind::Prod => sum * value,
            ReduceKind::SumSquare => sum + value * value,
            ReduceKind::L1 => sum + value.abs(),
        }
    }

    fn start_int(self, dtype: DType) -> i64 {
        let bits = dtype.bytes() as u32 * 8;
        let (least, most) = match dtype {
            DType::Bool => (0, 1),
            _ if dtype.is_unsigned() => (0, (u64::MAX >> (64 - bits)) as i64),
            _ => (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits)),
        };
        match self {
            ReduceKind::Max => least,
            ReduceKind::Min => most,
            ReduceKind::Prod => 1,
            _ => 0,
        }
    }

    fn join_int(self, sum: i64, value: i64, dtype: DType) -> i64 {
        let less = if dtype.is_unsigned() { (sum as u64) < value as u64 } else { sum < value };
        match self {
            ReduceKind::Sum | ReduceKind::Mean => sum.wrapping_add(value),
            ReduceKind::Max => {
                if less {
                    value
                } else {
                    sum
                }
            }
            ReduceKind::Min => {
                if less {
                    sum
                } else {
                    value
                }
            }
            ReduceKind::Prod => sum.wrapping_mul(value),
            ReduceKind::SumSquare => sum.wrapping_add(value.wrapping_mul(value)),
            ReduceKind::L1 if dtype.is_unsigned() => sum.wrapping_add(value),
            ReduceKind::L1 => sum.wrapping_add(value.wrapping_abs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_runs_are_cut_where_threads_can_divide_them() {
        let cut = |outer: i64, len: i64, inner: i64| {
            let mut runs = vec![(Dim::from(outer), false), (Dim::from(len), true), (Dim::from(inner), false)];
            share_out(&mut runs);
            runs.iter().map(|(size, _)| size.as_const().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(cut(1, 112 * 112, 32), [1, 128, 98, 32]);
        assert_eq!(cut(2, 14 * 14, 480), [2, 7, 28, 480]);
        // Few elements, rows enough, none between those of a run, and no even shares.
        for (outer, len, inner) in [(1, 49, 96), (64, 196, 480), (1, 1 << 20, 1), (1, 10_007, 64), (0, 1 << 20, 64)] {
            assert_eq!(cut(outer, len, inner), [outer, len, inner]);
        }
    }

    #[test]
    fn axes_need_not_be_neighbours() {
        let x = Tensor::from_f64s(DType::F32, vec![2, 2, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        let run = |kind| Reduce { kind, axes: vec![0, 2], keep: false }.eval(&[&x]).unwrap()[0].to_f64s();
        assert_eq!(run(ReduceKind::Sum), [14.0, 22.0]);
        assert_eq!(run(ReduceKind::Mean), [3.5, 5.5]);
        assert_eq!(run(ReduceKind::Max), [6.0, 8.0]);
        assert_eq!(run(ReduceKind::SumSquare), [66.0, 138.0]);
    }

    #[test]
    fn integers_keep_their_sign_and_width() {
        let x = Tensor::from_i64s(DType::I8, vec![3], &[-100, -100, 3]);
        let run = |kind| Reduce { kind, axes: vec![0], keep: true }.eval(&[&x]).unwrap()[0].to_i64s();
        assert_eq!(run(ReduceKind::Sum), [59]);
        assert_eq!(run(ReduceKind::Min), [-100]);
        let x = Tensor::from_i64s(DType::U64, vec![2], &[-1, 5]);
        assert_eq!(Reduce { kind: ReduceKind::Max, axes: vec![0], keep: true }.eval(&[&x]).unwrap()[0].to_i64s(), [-1]);
    }
}

//! The distinct rows of a matrix.

use super::operands::{exactly, order};
use super::{Lower, Rules};
use crate::ir::{DType, Dim, Tensor, Type};
use crate::plan::Arg;
use std::cmp::Ordering;

/// ONNX Unique over the rows of one operand `[rows, width]`. Results: the distinct rows `[count, width]`; of each the first place
/// `[count]`, of each row of the operand its distinct row `[rows]`, and how often each occurs `[count]` (all i64).
#[derive(Clone, PartialEq, Debug)]
pub struct Unique {
    /// Ascending, rather than in the order of first places.
    pub sorted: bool,
    /// The symbol of how many there are.
    pub count: String,
}

impl Rules for Unique {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x] = exactly(inputs)?;
        let [rows, width] = x.shape.as_slice() else { return Err(format!("{x} is no matrix")) };
        let count = Dim::symbol(&self.count);
        Ok(vec![
            Type { shape: vec![count.clone(), width.clone()], ..(*x).clone() },
            Type::new(DType::I64, [count.clone()]),
            Type::new(DType::I64, [rows.clone()]),
            Type::new(DType::I64, [count]),
        ])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let [x] = inputs else { return Err("takes one operand".into()) };
        let &[n, width] = x.shape() else { return Err("its operand is no matrix".into()) };
        let element = order(x, false);
        let rows = |a: usize, b: usize| {
            let columns = (0..width).map(|i| element(a * width + i, b * width + i));
            columns.fold(Ordering::Equal, Ordering::then)
        };
        // Each distinct row by the places it has, the first of them first.
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for row in 0..n {
            match groups.iter_mut().find(|group| rows(group[0], row).is_eq()) {
                Some(group) => group.push(row),
                None => groups.push(vec![row]),
            }
        }
        if self.sorted {
            groups.sort_by(|a, b| rows(a[0], b[0]));
        }
        let mut inverse = vec![0i64; n];
        for (i, group) in groups.iter().enumerate() {
            group.iter().for_each(|&row| inverse[row] = i as i64);
        }
        let picks = groups.iter().flat_map(|group| (0..width).map(|i| group[0] * width + i)).collect::<Vec<_>>();
        let first: Vec<i64> = groups.iter().map(|group| group[0] as i64).collect();
        let counts: Vec<i64> = groups.iter().map(|group| group.len() as i64).collect();
        Ok(vec![
            x.picked(vec![groups.len(), width], picks.into_iter()),
            Tensor::ints(&first),
            Tensor::ints(&inverse),
            Tensor::ints(&counts),
        ])
    }

    fn count(&self) -> Option<&str> {
        Some(&self.count)
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let [rows, width] = [0, 1].map(|axis| cx.ty(0).shape[axis].clone());
        let scratch = cx.scratch(DType::I64, rows.clone() * Dim::from(2));
        let [out, first, counts] = [0, 1, 3].map(|i| cx.output_at_most(i));
        let (inverse, x) = (cx.output(2), cx.input(0));
        cx.call_counting(
            "unique",
            "Unique",
            vec![
                ("out", Arg::Write(out)),
                ("first", Arg::Write(first)),
                ("inverse", Arg::Write(inverse)),
                ("counts", Arg::Write(counts)),
                ("x", Arg::Read(x)),
                ("scratch", Arg::Write(scratch)),
                ("rows", Arg::Size(rows)),
                ("width", Arg::Size(width)),
                ("sorted", Arg::Bool(self.sorted)),
            ],
        );
        Ok(())
    }
}

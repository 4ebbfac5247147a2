//! Boxes kept because no better one covers them.

use super::operands::{exactly, is_f32};
use super::{Lower, Rules};
use crate::ir::{DType, Dim, Tensor, Type};
use crate::plan::Arg;

/// ONNX NonMaxSuppression. Operands: boxes `[batches, n, 4]`, scores `[batches, classes, n]`, and three numbers: how many to keep of
/// a class (i64), the overlap from which a box is dropped, and the score a box must be above. Result `[count, 3]` (i64): batch,
/// class and box, best first within a class.
#[derive(Clone, PartialEq, Debug)]
pub struct NonMaxSuppression {
    /// Boxes as centre and size, rather than two opposite corners with the vertical coordinate first.
    pub centred: bool,
    /// The symbol of how many there are.
    pub count: String,
}

impl Rules for NonMaxSuppression {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [boxes, scores, most, overlap, least] = exactly(inputs)?;
        for ty in [boxes, scores, overlap, least] {
            is_f32(ty)?;
        }
        if most.dtype != DType::I64 || [most, overlap, least].iter().any(|ty| !ty.len().is(1)) {
            return Err("its limits are not one number each".into());
        }
        let fits = boxes.rank() == 3
            && scores.rank() == 3
            && boxes.shape[2].is(4)
            && boxes.shape[0] == scores.shape[0]
            && boxes.shape[1] == scores.shape[2];
        if !fits {
            return Err(format!("boxes {boxes} and scores {scores} do not fit each other"));
        }
        Ok(vec![Type::new(DType::I64, [Dim::symbol(&self.count), Dim::from(3)])])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let (boxes, scores) = (inputs[0].to_f64s(), inputs[1].to_f64s());
        let most = inputs[2].to_i64s().first().copied().unwrap_or(0);
        let [overlap, least] = [3, 4].map(|i| inputs[i].to_f64s().first().copied().unwrap_or(0.0));
        let &[batches, n, _] = inputs[0].shape() else { return Err("its boxes have not 3 axes".into()) };
        let classes = inputs[1].shape()[1];
        let mut kept = Vec::new();
        for batch in 0..batches {
            let corners: Vec<[f64; 4]> = (0..n).map(|i| self.corners(&boxes[(batch * n + i) * 4..][..4])).collect();
            for class in 0..classes {
                let scores = &scores[(batch * classes + class) * n..][..n];
                let mut order: Vec<usize> = (0..n).filter(|&i| scores[i] > least).collect();
                order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
                let mut own: Vec<usize> = Vec::new();
                for at in order {
                    let covered = own.iter().any(|&other| shared(corners[at], corners[other]) > overlap);
                    if (own.len() as i64) < most && !covered {
                        own.push(at);
                    }
                }
                kept.extend(own.into_iter().flat_map(|at| [batch as i64, class as i64, at as i64]));
            }
        }
        Ok(vec![Tensor::from_i64s(DType::I64, vec![kept.len() / 3, 3], &kept)])
    }

    fn count(&self) -> Option<&str> {
        Some(&self.count)
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let (boxes, scores) = (cx.ty(0).shape.clone(), cx.ty(1).shape.clone());
        let scratch = cx.scratch(DType::I64, boxes[1].clone());
        let out = cx.output_at_most(0);
        let [x, s, most, overlap, least] = [0, 1, 2, 3, 4].map(|i| cx.input(i));
        cx.call_counting(
            "non_max_suppression",
            "NonMaxSuppression",
            vec![
                ("out", Arg::Write(out)),
                ("boxes", Arg::Read(x)),
                ("scores", Arg::Read(s)),
                ("most", Arg::Read(most)),
                ("overlap", Arg::Read(overlap)),
                ("least", Arg::Read(least)),
                ("scratch", Arg::Write(scratch)),
                ("batches", Arg::Size(boxes[0].clone())),
                ("classes", Arg::Size(scores[1].clone())),
                ("n", Arg::Size(boxes[1].clone())),
                ("centred", Arg::Bool(self.centred)),
            ],
        );
        Ok(())
    }
}

impl NonMaxSuppression {
    /// The least and greatest coordinate along either axis.
    fn corners(&self, of: &[f64]) -> [f64; 4] {
        match self.centred {
            true => [of[0] - of[2] / 2.0, of[1] - of[3] / 2.0, of[0] + of[2] / 2.0, of[1] + of[3] / 2.0],
            false => [of[0].min(of[2]), of[1].min(of[3]), of[0].max(of[2]), of[1].max(of[3])],
        }
    }
}

/// The part of two boxes' union that both cover.
fn shared(a: [f64; 4], b: [f64; 4]) -> f64 {
    let area = |of: [f64; 4]| (of[2] - of[0]) * (of[3] - of[1]);
    let both = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0) * (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    let union = area(a) + area(b) - both;
    if area(a) <= 0.0 || area(b) <= 0.0 || union <= 0.0 { 0.0 } else { both / union }
}

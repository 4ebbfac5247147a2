//! Ensembles of decision trees.

use super::operands::{exactly, is_float, is_of, result};
use super::{Lower, Rules};
use crate::ir::{DType, Dim, Tensor, Type};
use crate::plan::Arg;

/// What is made of the weights that the trees give a target.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Aggregate {
    /// Their sum.
    Sum,
    /// The least.
    Min,
    /// The greatest.
    Max,
}

/// An ensemble of decision trees. Operands: rows of features `[rows, features]`; thresholds `[nodes]`; weights `[entries]`; nodes
/// `[nodes, 4]`, roots `[trees]` and targets `[entries]` (i32), as `runtime-kernels/src/trees.rs` has them.
#[derive(Clone, PartialEq, Debug)]
pub struct Trees {
    /// Columns of the result.
    pub n_targets: usize,
    /// What is made of the weights.
    pub aggregate: Aggregate,
}

/// The comparison that marks a leaf.
pub const LEAF: i32 = 7;

impl Trees {
    fn start(&self, dtype: DType) -> f64 {
        let most = if dtype == DType::F32 { f64::from(f32::MAX) } else { f64::MAX };
        match self.aggregate {
            Aggregate::Sum => 0.0,
            Aggregate::Min => most,
            Aggregate::Max => -most,
        }
    }
}

impl Rules for Trees {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x, thresholds, weights, nodes, roots, targets] = exactly(inputs)?;
        is_float(x)?;
        if x.rank() != 2 {
            return Err(format!("features {x}; rows of features, 2 axes, work"));
        }
        for (what, ty) in [("thresholds", thresholds), ("weights", weights)] {
            is_of(what, ty, x.dtype)?;
        }
        for (what, ty) in [("nodes", nodes), ("roots", roots), ("targets", targets)] {
            is_of(what, ty, DType::I32)?;
        }
        Ok(vec![Type { dtype: x.dtype, shape: vec![x.shape[0].clone(), Dim::from(self.n_targets)] }])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let (dtype, dims) = result(self, inputs)?;
        let [x, thresholds, weights] = [0, 1, 2].map(|i| inputs[i].to_f64s());
        let [nodes, roots, targets] = [3, 4, 5].map(|i| inputs[i].to_i64s());
        let features = inputs[0].shape()[1];
        let mut out = vec![self.start(dtype); dims[0] * dims[1]];
        for row in 0..dims[0] {
            for &root in &roots {
                let mut at = root as usize;
                let entries = loop {
                    let node = &nodes[4 * at..][..4];
                    if node[1] & 7 == i64::from(LEAF) {
                        break node[2] as usize..node[3] as usize;
                    }
                    let (value, threshold) = (x[row * features + node[0] as usize], thresholds[at]);
                    let holds = match node[1] & 7 {
                        0 => value <= threshold,
                        1 => value < threshold,
                        2 => value >= threshold,
                        3 => value > threshold,
                        4 => value == threshold,
                        _ => value != threshold,
                    };
                    at = if holds || (node[1] & 8 != 0 && value.is_nan()) { node[2] } else { node[3] } as usize;
                };
                for entry in entries {
                    let out = &mut out[row * self.n_targets + targets[entry] as usize];
                    *out = match self.aggregate {
                        Aggregate::Sum => *out + weights[entry],
                        Aggregate::Min => out.min(weights[entry]),
                        Aggregate::Max => out.max(weights[entry]),
                    };
                }
            }
        }
        Ok(vec![Tensor::from_f64s(dtype, dims, &out)])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let (dtype, features) = (cx.ty(0).dtype, cx.ty(0).shape[1].clone());
        let aggregate = match self.aggregate {
            Aggregate::Sum => "trees::Aggregate::Sum",
            Aggregate::Min => "trees::Aggregate::Min",
            Aggregate::Max => "trees::Aggregate::Max",
        };
        let out = cx.output(0);
        let [x, thresholds, weights, nodes, roots, targets] = [0, 1, 2, 3, 4, 5].map(|i| cx.input(i));
        cx.call(
            "trees",
            "Trees",
            vec![
                ("out", Arg::Write(out)),
                ("x", Arg::Read(x)),
                ("thresholds", Arg::Read(thresholds)),
                ("weights", Arg::Read(weights)),
                ("nodes", Arg::Read(nodes)),
                ("roots", Arg::Read(roots)),
                ("targets", Arg::Read(targets)),
                ("n_features", Arg::Size(features)),
                ("n_targets", Arg::Size(Dim::from(self.n_targets))),
                ("start", Arg::Number(self.start(dtype), dtype)),
                ("aggregate", Arg::Path(aggregate.to_string())),
            ],
        );
        Ok(())
    }
}

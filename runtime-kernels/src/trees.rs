//! Ensembles of decision trees, one row at a time: ONNX `TreeEnsemble` and its older relatives.
//!
//! The compiler has checked that every tree ends and that every index lies inside its table; slices check again, so that a table
//! that was tampered with panics rather than reads elsewhere.

use super::number::Number;
use super::simd::{Simd, Task};

/// What is made of the weights that the trees give a target.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    /// Their sum.
    Sum,
    /// The least.
    Min,
    /// The greatest.
    Max,
}

/// Rows of features to rows of targets.
pub struct Trees<'a, T: Number> {
    /// `[rows][n_targets]`
    pub out: &'a mut [T],
    /// `[rows][n_features]`
    pub x: &'a [T],
    /// What each node compares with.
    pub thresholds: &'a [T],
    /// The weight of each leaf entry.
    pub weights: &'a [T],
    /// `[nodes][4]`: feature, comparison (plus 8 where NaN goes the way of yes), node for yes, node for no. A leaf's comparison is 7,
    /// and instead of nodes it has its first leaf entry and the one after its last.
    pub nodes: &'a [i32],
    /// The node each tree starts at.
    pub roots: &'a [i32],
    /// The target of each leaf entry.
    pub targets: &'a [i32],
    /// Features a row.
    pub n_features: usize,
    /// Targets a row.
    pub n_targets: usize,
    /// What a target has before any tree.
    pub start: T,
    /// What is made of the weights.
    pub aggregate: Aggregate,
}

const LEAF: i32 = 7;

impl<T: Number> Task for Trees<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { out, x, thresholds, weights, nodes, roots, targets, n_features, n_targets, start, aggregate } = self;
        let nodes = nodes.as_chunks::<4>().0;
        out.fill(start);
        if out.is_empty() {
            return;
        }
        for (out, x) in out.chunks_exact_mut(n_targets).zip(x.chunks_exact(n_features)) {
            for &root in roots {
                let mut at = root as usize;
                while nodes[at][1] & LEAF != LEAF {
                    let [feature, comparison, yes, no] = nodes[at];
                    let taken = goes(x[feature as usize], thresholds[at], comparison);
                    at = if taken { yes } else { no } as usize;
                }
                let [_, _, first, end] = nodes[at];
                for entry in first as usize..end as usize {
                    let (out, weight) = (&mut out[targets[entry] as usize], weights[entry]);
                    *out = match aggregate {
                        Aggregate::Sum => out.plus(weight),
                        Aggregate::Min => out.lesser(weight),
                        Aggregate::Max => out.greater(weight),
                    };
                }
            }
        }
    }
}

/// Whether a comparison holds: at most, less, at least, more, equal, unequal.
#[inline(always)]
fn goes<T: Number>(value: T, threshold: T, comparison: i32) -> bool {
    let holds = match comparison & 7 {
        0 => value <= threshold,
        1 => value < threshold,
        2 => value >= threshold,
        3 => value > threshold,
        4 => value == threshold,
        _ => value != threshold,
    };
    holds | (comparison & 8 != 0 && value.is_nan())
}

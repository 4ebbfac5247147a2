//! Decision trees of ai.onnx.ml: TreeEnsemble, TreeEnsembleRegressor and TreeEnsembleClassifier, as one table of nodes.
//!
//! The file's tables are not trusted: every tree is walked once, so that the kernel cannot be led in a circle or out of a table.

use super::cx::{Cx, Entry, Results, one};
use super::{classic, reduce};
use crate::ir::{DType, Dim, Tensor, ValueId};
use crate::ops::map::{Binary, Map, Unary};
use crate::ops::trees::{Aggregate, LEAF, Trees};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Nodes of all trees, as the kernel wants them.
#[derive(Default)]
struct Forest {
    nodes: Vec<[i32; 4]>,
    thresholds: Vec<f64>,
    roots: Vec<i32>,
    targets: Vec<i32>,
    weights: Vec<f64>,
}

impl Forest {
    fn add(&mut self, node: [i32; 4], threshold: f64) -> i32 {
        self.nodes.push(node);
        self.thresholds.push(threshold);
        self.nodes.len() as i32 - 1
    }

    fn leaf(&mut self, entries: &[(usize, f64)]) -> i32 {
        let first = self.weights.len() as i32;
        for &(target, weight) in entries {
            self.targets.push(target as i32);
            self.weights.push(weight);
        }
        self.add([0, LEAF, first, self.weights.len() as i32], 0.0)
    }

    /// Refuses features and targets that the operands do not have.
    fn fits(&self, n_features: &Dim, n_targets: usize) -> Result<(), String> {
        let n_features =
            n_features.as_const().ok_or_else(|| format!("the number of features {n_features} is not fixed"))?;
        let feature = self.nodes.iter().filter(|node| node[1] & 7 != LEAF).map(|node| i64::from(node[0])).max();
        if let Some(feature) = feature.filter(|&feature| feature >= n_features) {
            return Err(format!("a node compares feature {feature} of {n_features}"));
        }
        match self.targets.iter().max() {
            Some(&target) if target as usize >= n_targets => {
                Err(format!("a leaf is for target {target} of {n_targets}"))
            }
            _ => Ok(()),
        }
    }

    fn apply(self, cx: &mut Cx, x: ValueId, n_targets: usize, aggregate: Aggregate) -> Result<ValueId, String> {
        let shape = cx.ty(x).shape;
        let x = match shape.len() {
            1 => cx.reshape(x, vec![Dim::from(1), shape[0].clone()])?,
            2 => x,
            n => return Err(format!("its rows of features have {n} axes, not 2")),
        };
        self.fits(&cx.ty(x).shape[1], n_targets)?;
        let dtype = cx.ty(x).dtype;
        let ints = |cx: &mut Cx, values: &[i32], shape: Vec<usize>| {
            let values: Vec<i64> = values.iter().map(|&v| i64::from(v)).collect();
            cx.value(Tensor::from_i64s(DType::I32, shape, &values))
        };
        let thresholds = cx.value(Tensor::from_f64s(dtype, vec![self.thresholds.len()], &self.thresholds));
        let weights = cx.value(Tensor::from_f64s(dtype, vec![self.weights.len()], &self.weights));
        let nodes = ints(cx, &self.nodes.concat(), vec![self.nodes.len(), 4]);
        let roots = ints(cx, &self.roots, vec![self.roots.len()]);
        let targets = ints(cx, &self.targets, vec![self.targets.len()]);
        cx.add(Trees { n_targets, aggregate }, &[x, thresholds, weights, nodes, roots, targets])
    }
}

fn index(value: i64, of: usize, what: &str) -> Result<usize, String> {
    usize::try_from(value)
        .ok()
        .filter(|&at| at < of)
        .ok_or_else(|| format!("{what} {value} lies outside a table of {of}"))
}

fn same_length(tables: &[(&str, usize)]) -> Result<usize, String> {
    let (first, n) = tables[0];
    match tables.iter().find(|(_, len)| *len != n) {
        Some((name, len)) => Err(format!("its {name} has {len} entries where {first} has {n}")),
        None => Ok(n),
    }
}

/// TreeEnsemble, of version 5 of the domain.
pub fn ensemble(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let ints = |name: &str| cx.int_list(name).unwrap_or_default();
    let modes = cx.tensor("nodes_modes")?.ok_or("its nodes_modes is missing")?.to_i64s();
    let (features, splits) = (ints("nodes_featureids"), cx.float_values("nodes_splits")?);
    let (yes, yes_leaf) = (ints("nodes_truenodeids"), ints("nodes_trueleafs"));
    let (no, no_leaf) = (ints("nodes_falsenodeids"), ints("nodes_falseleafs"));
    let missing = ints("nodes_missing_value_tracks_true");
    let (leaf_targets, leaf_weights) = (ints("leaf_targetids"), cx.float_values("leaf_weights")?);
    let n = same_length(&[
        ("nodes_modes", modes.len()),
        ("nodes_featureids", features.len()),
        ("nodes_splits", splits.len()),
        ("nodes_truenodeids", yes.len()),
        ("nodes_trueleafs", yes_leaf.len()),
        ("nodes_falsenodeids", no.len()),
        ("nodes_falseleafs", no_leaf.len()),
    ])?;
    let leaves = same_length(&[("leaf_targetids", leaf_targets.len()), ("leaf_weights", leaf_weights.len())])?;
    let n_targets = usize::try_from(cx.int("n_targets", 1)).ok().filter(|n| (1..1 << 20).contains(n));
    let n_targets = n_targets.ok_or("its n_targets is not between 1 and a million")?;
    let roots = ints("tree_roots");
    let share = if cx.int("aggregate_function", 1) == 0 { 1.0 / roots.len().max(1) as f64 } else { 1.0 };
    let aggregate = match cx.int("aggregate_function", 1) {
        0 | 1 => Aggregate::Sum,
        2 => Aggregate::Min,
        3 => Aggregate::Max,
        other => return Err(format!("aggregate_function {other} does not exist")),
    };
    let mut members = cx.float_values("membership_values")?.into_iter();

    let mut forest = Forest::default();
    let mut seen = vec![false; n];
    for &root in &roots {
        let root = index(root, n, "a root")?;
        // A tree that is one leaf stands as a node both of whose ways lead there.
        let lone = yes_leaf[root] != 0 && no_leaf[root] != 0 && yes[root] == no[root];
        let mut ahead = vec![(root, lone, None)];
        while let Some((at, leaf, slot)) = ahead.pop() {
            let placed = if leaf {
                let at = if slot.is_none() { index(yes[at], leaves, "a leaf")? } else { at };
                let target = usize::try_from(leaf_targets[at]).map_err(|_| "a leaf is for a negative target")?;
                forest.leaf(&[(target, leaf_weights[at] * share)])
            } else {
                if std::mem::replace(&mut seen[at], true) {
                    return Err(format!("node {at} is reached twice, so its nodes are no trees"));
                }
                let feature = i32::try_from(features[at]).ok().filter(|&f| f >= 0).ok_or("a feature is negative")?;
                let nan = if missing.get(at).is_some_and(|&m| m != 0) { 8 } else { 0 };
                // A test for membership is a chain of tests for equality.
                let tests: Vec<(i32, f64)> = match modes[at] {
                    mode @ 0..=5 => vec![(mode as i32, splits[at])],
                    6 => members.by_ref().take_while(|v| !v.is_nan()).map(|v| (4, v)).collect(),
                    other => return Err(format!("nodes_modes {other} does not exist")),
                };
                if tests.is_empty() {
                    return Err(format!("node {at} tests for membership in nothing"));
                }
                let first = forest.nodes.len();
                for &(mode, threshold) in &tests {
                    forest.add([feature, mode | nan, 0, 0], threshold);
                }
                let last = forest.nodes.len() - 1;
                for at in first..last {
                    forest.nodes[at][3] = at as i32 + 1;
                }
                let (yes, yes_leaf) = (yes[at], yes_leaf[at] != 0);
                let (no, no_leaf) = (no[at], no_leaf[at] != 0);
                let of = |leaf: bool| if leaf { leaves } else { n };
                // The way of yes comes off the stack first: members are listed in that order.
                ahead.push((index(no, of(no_leaf), "a branch")?, no_leaf, Some((last..last + 1, 3))));
                ahead.push((index(yes, of(yes_leaf), "a branch")?, yes_leaf, Some((first..last + 1, 2))));
                first as i32
            };
            match slot {
                Some((range, way)) => range.for_each(|node| forest.nodes[node][way] = placed),
                None => forest.roots.push(placed),
            }
        }
    }
    let y = forest.apply(cx, x, n_targets, aggregate)?;
    one(transformed(cx, y, cx.int("post_transform", 0))?)
}

/// The trees of a regressor or classifier, whose tables name nodes by tree and number. `role` begins the leaf tables' names.
fn older(cx: &Cx, role: &str, share: f64) -> Result<Forest, String> {
    let ints = |name: &str| cx.int_list(name).unwrap_or_default();
    let list = |name: &str| match cx.float_values(&format!("{name}_as_tensor"))? {
        values if values.is_empty() => cx.float_values(name),
        values => Ok(values),
    };
    let (trees, ids) = (ints("nodes_treeids"), ints("nodes_nodeids"));
    let (features, values, modes) = (ints("nodes_featureids"), list("nodes_values")?, cx.strings("nodes_modes"));
    let (yes, no) = (ints("nodes_truenodeids"), ints("nodes_falsenodeids"));
    let missing = ints("nodes_missing_value_tracks_true");
    let n = same_length(&[
        ("nodes_treeids", trees.len()),
        ("nodes_nodeids", ids.len()),
        ("nodes_featureids", features.len()),
        ("nodes_values", values.len()),
        ("nodes_modes", modes.len()),
        ("nodes_truenodeids", yes.len()),
        ("nodes_falsenodeids", no.len()),
    ])?;
    let leaf = |name: &str| ints(&format!("{role}_{name}"));
    let weights = list(&format!("{role}_weights"))?;
    let (leaf_trees, leaf_nodes, leaf_targets) = (leaf("treeids"), leaf("nodeids"), leaf("ids"));
    let entries = same_length(&[
        ("weights", weights.len()),
        ("treeids", leaf_trees.len()),
        ("nodeids", leaf_nodes.len()),
        ("ids", leaf_targets.len()),
    ])?;
    let mut of_leaf: BTreeMap<(i64, i64), Vec<(usize, f64)>> = BTreeMap::new();
    for i in 0..entries {
        let target = usize::try_from(leaf_targets[i]).map_err(|_| "a leaf is for a negative target")?;
        of_leaf.entry((leaf_trees[i], leaf_nodes[i])).or_default().push((target, weights[i] * share));
    }
    let mut at: HashMap<(i64, i64), usize> = HashMap::new();
    for i in 0..n {
        if at.insert((trees[i], ids[i]), i).is_some() {
            return Err(format!("node {} of tree {} is defined twice", ids[i], trees[i]));
        }
    }
    let mut forest = Forest::default();
    // Nodes keep their order, so children are found by position.
    let mut reached = vec![false; n];
    for i in 0..n {
        let mode = match modes[i].as_str() {
            "BRANCH_LEQ" => 0,
            "BRANCH_LT" => 1,
            "BRANCH_GTE" => 2,
            "BRANCH_GT" => 3,
            "BRANCH_EQ" => 4,
            "BRANCH_NEQ" => 5,
            "LEAF" => {
                let entries = of_leaf.get(&(trees[i], ids[i])).map_or(&[][..], Vec::as_slice);
                forest.leaf(entries);
                continue;
            }
            other => return Err(format!("nodes_modes {other:?} does not exist")),
        };
        let child =
            |id: i64| at.get(&(trees[i], id)).copied().ok_or_else(|| format!("tree {} has no node {id}", trees[i]));
        let (yes, no) = (child(yes[i])?, child(no[i])?);
        for child in [yes, no] {
            // No node has two parents and roots have none, so a walk from a root meets no circle.
            if std::mem::replace(&mut reached[child], true) {
                return Err(format!(
                    "node {} of tree {} is reached twice, so its nodes are no tree",
                    ids[child], trees[i]
                ));
            }
        }
        let feature = i32::try_from(features[i]).ok().filter(|&f| f >= 0).ok_or("a feature is negative")?;
        let nan = if missing.get(i).is_some_and(|&m| m != 0) { 8 } else { 0 };
        forest.add([feature, mode | nan, yes as i32, no as i32], values[i]);
    }
    forest.roots = (0..n).filter(|&i| !reached[i]).map(|i| i as i32).collect();
    Ok(forest)
}

/// TreeEnsembleRegressor.
pub fn regressor(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let x = match cx.ty(x).dtype {
        DType::F32 | DType::F64 => x,
        _ => cx.cast(x, DType::F32)?,
    };
    let n_targets = usize::try_from(cx.int("n_targets", 1)).ok().filter(|n| (1..1 << 20).contains(n));
    let n_targets = n_targets.ok_or("its n_targets is not between 1 and a million")?;
    let (aggregate, average) = match cx.string("aggregate_function", "SUM").as_str() {
        "SUM" => (Aggregate::Sum, false),
        "AVERAGE" => (Aggregate::Sum, true),
        "MIN" => (Aggregate::Min, false),
        "MAX" => (Aggregate::Max, false),
        other => return Err(format!("aggregate_function {other:?} does not exist")),
    };
    let trees: BTreeSet<i64> = cx.int_list("nodes_treeids").unwrap_or_default().into_iter().collect();
    let share = if average { 1.0 / trees.len().max(1) as f64 } else { 1.0 };
    let forest = older(cx, "target", share)?;
    let y = forest.apply(cx, x, n_targets, aggregate)?;
    // The result is f32 whatever the features are.
    let y = cx.cast(y, DType::F32)?;
    let y = with_base(cx, y, n_targets)?;
    match cx.string("post_transform", "NONE").as_str() {
        "NONE" => one(y),
        // The standard applies it, onnxruntime does not: whichever was meant, the other would be wrong.
        other => Err(format!(
            "post_transform {other:?} of a regressor is not supported\nhelp: apply it to the result by an operator of its own"
        )),
    }
}

fn with_base(cx: &mut Cx, y: ValueId, n: usize) -> Result<ValueId, String> {
    let base = cx.float_values("base_values")?;
    if base.is_empty() {
        return Ok(y);
    }
    if base.len() != n && base.len() != 1 {
        return Err(format!("its base_values are {} for {n} targets", base.len()));
    }
    let dtype = cx.ty(y).dtype;
    let base = cx.value(Tensor::from_f64s(dtype, vec![base.len()], &base));
    cx.binary(Binary::Add, y, base)
}

fn transform_number(name: &str) -> Result<i64, String> {
    Ok(match name {
        "NONE" => 0,
        "SOFTMAX" => 1,
        "LOGISTIC" => 2,
        "SOFTMAX_ZERO" => 3,
        "PROBIT" => 4,
        other => return Err(format!("post_transform {other:?} does not exist")),
    })
}

fn transformed(cx: &mut Cx, y: ValueId, transform: i64) -> Result<ValueId, String> {
    match transform {
        0 => Ok(y),
        1 => reduce::softmax_along(cx, y, 1, false),
        2 => cx.unary(Unary::Sigmoid, y),
        other => Err(format!("post_transform {other} is not supported\nhelp: NONE, SOFTMAX and LOGISTIC are")),
    }
}

/// TreeEnsembleClassifier.
pub fn classifier(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let x = match cx.ty(x).dtype {
        DType::F32 | DType::F64 => x,
        _ => cx.cast(x, DType::F32)?,
    };
    let classes = classic::classes(cx, "classlabels_int64s")?;
    let n_classes = cx.ty(classes).shape[0].as_usize().unwrap_or(0);
    let forest = older(cx, "class", 1.0)?;
    let ids: BTreeSet<i64> = cx.int_list("class_ids").unwrap_or_default().into_iter().collect();
    let positive = forest.weights.iter().all(|&weight| weight >= 0.0);
    let y = forest.apply(cx, x, n_classes, Aggregate::Sum)?;
    let mut y = cx.cast(y, DType::F32)?;
    let transform = transform_number(&cx.string("post_transform", "NONE"))?;
    // Two classes of which the trees score one: the other's score follows from it.
    let ids: Vec<i64> = ids.into_iter().collect();
    if let (2, [only]) = (n_classes, ids.as_slice()) {
        let base = cx.float_values("base_values")?;
        let base = base.last().copied().unwrap_or(0.0);
        let score = super::array::part(cx, y, 1, Dim::from(*only), Dim::from(1))?;
        let mut maps = [Map::of(&[DType::F32]), Map::of(&[DType::F32])];
        for (class, map) in maps.iter_mut().enumerate() {
            let base = map.number(base, DType::F32);
            let score = map.binary(Binary::Add, 0, base);
            let one = map.number(1.0, DType::F32);
            let result = match (class, transform, positive) {
                (1, 2, _) => map.unary(Unary::Sigmoid, score),
                (1, ..) => score,
                (_, 2, _) => {
                    let likely = map.unary(Unary::Sigmoid, score);
                    map.binary(Binary::Sub, one, likely)
                }
                (_, _, true) => map.binary(Binary::Sub, one, score),
                _ => map.unary(Unary::Neg, score),
            };
            *map = std::mem::replace(map, Map::of(&[])).finish(result);
        }
        let [first, second] = maps;
        let (first, second) = (cx.add(first, &[score])?, cx.add(second, &[score])?);
        let scores = super::array::join(cx, &[first, second], 1)?;
        let label = classic::likeliest(cx, scores, classes)?;
        return Ok(vec![Entry::Value(label), Entry::Value(scores)]);
    }
    y = with_base(cx, y, n_classes)?;
    let label = classic::likeliest(cx, y, classes)?;
    Ok(vec![Entry::Value(label), Entry::Value(transformed(cx, y, transform)?)])
}

//! Einsum: reductions, transposes and matrix products, an operand at a time.

use super::cx::{Cx, Results, one};
use crate::ir::{Dim, ValueId};
use crate::ops::map::Binary;
use crate::ops::matmul::MatMul;
use crate::ops::reduce::{Reduce, ReduceKind};

/// A label of the equation: a letter, or an axis of the ellipsis, counted from its end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Label {
    Ellipsis(usize),
    Letter(char),
}

/// A value and the label of each of its axes.
#[derive(Clone, Debug)]
struct Operand {
    id: ValueId,
    labels: Vec<Label>,
}

/// Einsum.
pub fn einsum(cx: &mut Cx) -> Results {
    let equation: String = cx.string("equation", "").chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = match equation.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (equation.as_str(), None),
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != cx.inputs.len() {
        return Err(format!("its equation {equation:?} has {} operands, the node {}", terms.len(), cx.inputs.len()));
    }
    let mut operands = Vec::new();
    for (i, term) in terms.iter().enumerate() {
        let id = cx.input(i)?;
        operands.push(Operand { id, labels: labels(term, Some(cx.rank(id)))? });
    }
    let output = match right {
        Some(right) => {
            let axes =
                operands.iter().flat_map(|o| &o.labels).filter_map(ellipsis_axis).max().map_or(0, |axis| axis + 1);
            let rank = right.chars().filter(|c| c.is_ascii_alphabetic()).count() + axes;
            labels(right, right.contains('.').then_some(rank))?
        }
        None => implicit(&operands),
    };
    for (i, label) in output.iter().enumerate() {
        if output[..i].contains(label) || !operands.iter().any(|o| o.labels.contains(label)) {
            return Err(format!("its equation {equation:?} writes an index twice, or one that it does not read"));
        }
    }

    let mut rest = operands.into_iter();
    let mut result = rest.next().ok_or("its equation has no operands")?;
    let mut later: Vec<Operand> = rest.collect();
    result = alone(cx, result, &needed(&later, &output))?;
    while !later.is_empty() {
        let next = later.remove(0);
        let needed = needed(&later, &output);
        let own: Vec<Label> = needed.iter().chain(&result.labels).copied().collect();
        let next = alone(cx, next, &own)?;
        let own: Vec<Label> = needed.iter().chain(&next.labels).copied().collect();
        result = alone(cx, result, &own)?;
        result = contract(cx, result, next, &needed)?;
    }
    let perm = positions(&output, &result.labels)?;
    one(cx.transpose(result.id, perm)?)
}

fn ellipsis_axis(label: &Label) -> Option<usize> {
    match label {
        Label::Ellipsis(axis) => Some(*axis),
        Label::Letter(_) => None,
    }
}

/// The labels of a term; an ellipsis stands for the axes of `rank` that no letter names.
fn labels(term: &str, rank: Option<usize>) -> Result<Vec<Label>, String> {
    let malformed = || format!("its equation's term {term:?} is malformed");
    let letters = term.chars().filter(|c| c.is_ascii_alphabetic()).count();
    let dots = term.chars().filter(|&c| c == '.').count();
    if letters + dots != term.chars().count() || !(dots == 0 || (dots == 3 && term.contains("..."))) {
        return Err(malformed());
    }
    let hidden = match rank {
        Some(rank) if dots == 3 => rank.checked_sub(letters).ok_or_else(malformed)?,
        Some(rank) if rank != letters => {
            return Err(format!("its equation's term {term:?} names {letters} axes of an operand of {rank}"));
        }
        _ => 0,
    };
    let mut result = Vec::new();
    let mut dots_seen = 0;
    for c in term.chars() {
        if c != '.' {
            result.push(Label::Letter(c));
            continue;
        }
        dots_seen += 1;
        if dots_seen == 3 {
            result.extend((0..hidden).rev().map(Label::Ellipsis));
        }
    }
    Ok(result)
}

/// Without an arrow: the ellipsis, then every letter that stands once, in alphabetical order.
fn implicit(operands: &[Operand]) -> Vec<Label> {
    let all: Vec<Label> = operands.iter().flat_map(|o| o.labels.iter().copied()).collect();
    let mut distinct = all.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let letters =
        distinct.iter().filter(|l| matches!(l, Label::Letter(_)) && all.iter().filter(|o| o == l).count() == 1);
    distinct.iter().filter(|l| matches!(l, Label::Ellipsis(_))).rev().chain(letters).copied().collect()
}

fn needed(later: &[Operand], output: &[Label]) -> Vec<Label> {
    later.iter().flat_map(|o| o.labels.iter()).chain(output).copied().collect()
}

fn positions(wanted: &[Label], labels: &[Label]) -> Result<Vec<usize>, String> {
    let at = |label: &Label| labels.iter().position(|l| l == label);
    wanted.iter().map(|label| at(label).ok_or_else(|| "its equation loses an index".to_string())).collect()
}

/// The operand with repeated labels taken along their diagonal and labels that nobody needs summed over.
fn alone(cx: &mut Cx, operand: Operand, needed: &[Label]) -> Result<Operand, String> {
    let Operand { mut id, mut labels } = operand;
    while let Some((first, second)) = repeated(&labels) {
        (id, labels) = diagonal(cx, id, labels, first, second)?;
    }
    let axes: Vec<usize> = (0..labels.len()).filter(|&axis| !needed.contains(&labels[axis])).collect();
    if !axes.is_empty() {
        id = cx.add(Reduce { kind: ReduceKind::Sum, axes: axes.clone(), keep: false }, &[id])?;
        labels = labels.iter().enumerate().filter(|(axis, _)| !axes.contains(axis)).map(|(_, &label)| label).collect();
    }
    Ok(Operand { id, labels })
}

fn repeated(labels: &[Label]) -> Option<(usize, usize)> {
    (0..labels.len()).find_map(|j| labels[..j].iter().position(|l| *l == labels[j]).map(|i| (i, j)))
}

/// Two axes become one: they move to the end, join, and every `n + 1`-th element of the join is taken.
fn diagonal(
    cx: &mut Cx,
    id: ValueId,
    labels: Vec<Label>,
    first: usize,
    second: usize,
) -> Result<(ValueId, Vec<Label>), String> {
    use crate::ops::slice::{Slice, SliceAxis};
    let shape = cx.ty(id).shape;
    let size = shape[first].as_usize().filter(|&size| shape[first] == shape[second] && size < 1 << 20);
    let size =
        size.ok_or_else(|| format!("it takes the diagonal of axes of {} and {}", shape[first], shape[second]))?;
    let others: Vec<usize> = (0..labels.len()).filter(|&axis| axis != first && axis != second).collect();
    let moved = cx.transpose(id, others.iter().copied().chain([first, second]).collect())?;
    let mut joined: Vec<Dim> = others.iter().map(|&axis| shape[axis].clone()).collect();
    let mut axes: Vec<SliceAxis> =
        joined.iter().map(|d| SliceAxis { start: Dim::from(0), step: 1, len: d.clone() }).collect();
    joined.push(Dim::from(size * size));
    axes.push(SliceAxis { start: Dim::from(0), step: size as i64 + 1, len: Dim::from(size) });
    let flat = cx.reshape(moved, joined)?;
    let taken = cx.add(Slice { axes }, &[flat])?;
    let kept = others.iter().map(|&axis| labels[axis]).chain([labels[first]]).collect();
    Ok((taken, kept))
}

/// The product of two operands, summed over the labels both have and nobody needs any more.
fn contract(cx: &mut Cx, a: Operand, b: Operand, needed: &[Label]) -> Result<Operand, String> {
    let split = |from: &Operand, other: &Operand, shared: bool, kept: bool| -> Vec<Label> {
        let pick = |l: &&Label| other.labels.contains(l) == shared && needed.contains(l) == kept;
        from.labels.iter().filter(pick).copied().collect()
    };
    let (batch, summed) = (split(&a, &b, true, true), split(&a, &b, true, false));
    let (rows, cols) = (split(&a, &b, false, true), split(&b, &a, false, true));
    let labels: Vec<Label> = batch.iter().chain(&rows).chain(&cols).copied().collect();
    let shape = |cx: &Cx, o: &Operand, labels: &[Label]| -> Vec<Dim> {
        let shape = cx.ty(o.id).shape;
        labels.iter().filter_map(|l| o.labels.iter().position(|k| k == l).map(|at| shape[at].clone())).collect()
    };
    if summed.is_empty() {
        // Nothing is summed: a product of elements under a common order of axes.
        let (x, y) = (spread(cx, &a, &labels)?, spread(cx, &b, &labels)?);
        return Ok(Operand { id: cx.binary(Binary::Mul, x, y)?, labels });
    }
    let (m, k) = (Dim::product(&shape(cx, &a, &rows)), Dim::product(&shape(cx, &a, &summed)));
    let (k_b, n) = (Dim::product(&shape(cx, &b, &summed)), Dim::product(&shape(cx, &b, &cols)));
    if k != k_b {
        return Err(format!("its operands have {k} and {k_b} elements along the indices summed over"));
    }
    let order = |o: &Operand, parts: [&[Label]; 3]| positions(&parts.concat(), &o.labels);
    let x = cx.transpose(a.id, order(&a, [&batch, &rows, &summed])?)?;
    let y = cx.transpose(b.id, order(&b, [&batch, &summed, &cols])?)?;
    let (batch_x, batch_y) = (shape(cx, &a, &batch), shape(cx, &b, &batch));
    let x = cx.reshape(x, batch_x.iter().cloned().chain([m, k.clone()]).collect())?;
    let y = cx.reshape(y, batch_y.iter().cloned().chain([k, n]).collect())?;
    let product = cx.add(MatMul::default(), &[x, y])?;
    let mut result = cx.ty(product).shape[..batch.len()].to_vec();
    result.extend(shape(cx, &a, &rows));
    result.extend(shape(cx, &b, &cols));
    Ok(Operand { id: cx.reshape(product, result)?, labels })
}

/// The operand with its axes in the order of `labels`, of size one where it has none.
fn spread(cx: &mut Cx, operand: &Operand, labels: &[Label]) -> Result<ValueId, String> {
    let own: Vec<Label> = labels.iter().filter(|l| operand.labels.contains(l)).copied().collect();
    let moved = cx.transpose(operand.id, positions(&own, &operand.labels)?)?;
    let mut sizes = cx.ty(moved).shape.into_iter();
    let shape =
        labels.iter().map(|l| if own.contains(l) { sizes.next().unwrap_or(Dim::from(1)) } else { Dim::from(1) });
    let shape = shape.collect();
    cx.reshape(moved, shape)
}

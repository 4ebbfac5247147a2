//! If, Loop and Scan that run as such in the generated code: their conditions or trip counts are known only when the model runs,
//! or there are too many turns to unroll.

use super::control::flag;
use super::cx::{Cx, Entry, Results};
use super::detached::Detached;
use super::model::Importer;
use crate::ir::{DType, Dim, Graph, Outer, Type, ValueId};
use crate::ops::branch::Branch;
use crate::ops::gather::Gather;
use crate::ops::map::{Binary, Map};
use crate::ops::repeat::Repeat;
use crate::ops::sizes::Sizes;

fn poison(cx: &Cx) -> Results {
    Ok(vec![Entry::Poison; cx.node.output.len()])
}

fn one_number(cx: &mut Cx, id: ValueId, what: &str, dtype: DType) -> Result<ValueId, String> {
    let ty = cx.ty(id);
    if ty.dtype != dtype || !ty.len().is(1) {
        return Err(format!("{what} is {ty}, and should be one {dtype}"));
    }
    cx.reshape(id, vec![])
}

/// If whose condition the model computes.
pub fn branch(cx: &mut Cx) -> Results {
    let condition = cx.input(0)?;
    let condition = one_number(cx, condition, "its condition", DType::Bool)?;
    let (then, otherwise) = (cx.graph("then_branch")?, cx.graph("else_branch")?);
    let Some(mut then) = cx.im.detached(then, |_| Vec::new())? else { return poison(cx) };
    let Some(mut otherwise) = cx.im.detached(otherwise, |_| Vec::new())? else { return poison(cx) };
    // Both branches take whatever either reads.
    let mut captured = then.captured.clone();
    captured.extend(otherwise.captured.iter().filter(|id| !then.captured.contains(id)));
    for branch in [&mut then, &mut otherwise] {
        take_all(&mut branch.graph, &branch.captured, &captured, &|id| cx.ty(id));
    }
    let op = Branch { then: Box::new(then.graph), otherwise: Box::new(otherwise.graph) };
    let inputs = [vec![condition], captured].concat();
    Ok(cx.add_all(op, &inputs)?.into_iter().map(Entry::Value).collect())
}

/// Gives a graph whose inputs stand for `own` an input for each of `all`, in that order.
fn take_all(graph: &mut Graph, own: &[ValueId], all: &[ValueId], ty: &dyn Fn(ValueId) -> Type) {
    let inner = graph.inputs.clone();
    let inputs = all.iter().enumerate().map(|(i, id)| match own.iter().position(|known| known == id) {
        Some(at) => inner[at],
        None => graph.add_input(&format!("unread.{i}"), ty(*id)),
    });
    graph.inputs = inputs.collect();
}

/// What a loop begins with, and what limits it.
struct Start {
    trips: Option<ValueId>,
    condition: Option<ValueId>,
    carried: Vec<ValueId>,
}

/// Loop that is not unrolled.
pub fn repeat(cx: &mut Cx) -> Results {
    let body = cx.graph("body")?;
    let mut start = Start { trips: None, condition: None, carried: Vec::new() };
    if let Some(id) = cx.opt(0)? {
        start.trips = Some(one_number(cx, id, "its trip count", DType::I64)?);
    }
    if let Some(id) = cx.opt(1)? {
        start.condition = Some(one_number(cx, id, "its condition", DType::Bool)?);
    }
    start.carried = (2..cx.inputs.len()).map(|i| cx.input(i)).collect::<Result<_, _>>()?;
    let types = carried_types(cx, &start.carried);
    let detached = cx.im.detached(body, |im| {
        let turn = im.graph.add_input("turn", Type::new(DType::I64, [0i64; 0]));
        let going = im.graph.add_const("going", crate::ir::Tensor::from_i64s(DType::Bool, vec![], &[1]));
        let carried = types.iter().enumerate().map(|(i, ty)| carry(im, i, ty));
        [turn, going].into_iter().chain(carried.collect::<Vec<_>>()).map(Entry::Value).collect()
    })?;
    let Some(mut detached) = detached else { return poison(cx) };
    // A body that always goes on need not say so.
    let always = detached.graph.outputs.first().and_then(|(_, id)| flag(&detached.graph, *id)) == Some(true);
    if always {
        detached.graph.outputs.remove(0);
    }
    let known = start.trips.and_then(|id| cx.im.graph.tensor(id)).and_then(|t| t.to_i64s().first().copied());
    let begins = start.condition.is_none_or(|id| flag(&cx.im.graph, id) == Some(true));
    let n_scans = detached.graph.outputs.len() - start.carried.len() - usize::from(!always);
    let (length, count) = match known {
        _ if n_scans == 0 => (Dim::from(0), None),
        Some(trips) if always && begins => (Dim::from(trips.max(0)), None),
        Some(trips) => {
            let count = cx.im.graph.add_count(Dim::from(trips.max(0)));
            (Dim::symbol(&count), Some(count))
        }
        None => {
            return Err("it puts out a value each turn, and how many turns there are has no known limit\nhelp: pin the trip count".into());
        }
    };
    finish(cx, start, detached, !always, length, count)
}

fn carried_types(cx: &Cx, carried: &[ValueId]) -> Vec<(Type, Option<Outer>)> {
    carried.iter().map(|&id| (cx.ty(id), cx.outer(id))).collect()
}

fn carry(im: &mut Importer, i: usize, (ty, outer): &(Type, Option<Outer>)) -> ValueId {
    let id = im.graph.add_input(&format!("carried.{i}"), ty.clone());
    im.mark(id, *outer);
    id
}

fn finish(cx: &mut Cx, start: Start, detached: Detached, going: bool, length: Dim, count: Option<String>) -> Results {
    let op = Repeat {
        body: Box::new(detached.graph),
        carried: start.carried.len(),
        trips: start.trips.is_some(),
        condition: start.condition.is_some(),
        going,
        length,
        count,
    };
    let controls = start.trips.into_iter().chain(start.condition);
    let inputs: Vec<ValueId> = controls.chain(start.carried).chain(detached.captured).collect();
    Ok(cx.im.graph.add_node(&cx.name, op, &inputs)?.into_iter().map(Entry::Value).collect())
}

/// Scan that is not unrolled: a loop whose turns pick elements by their number. `scanned` with its axes and directions.
pub fn scan(cx: &mut Cx, state: &[ValueId], scanned: &[(ValueId, usize, bool)]) -> Results {
    let body = cx.graph("body")?;
    let (first, axis, _) = *scanned.first().ok_or("it scans nothing")?;
    let length = cx.ty(first).shape[axis].clone();
    let types = carried_types(cx, state);
    let mut failed = None;
    let (scanned, len) = (scanned.to_vec(), length.clone());
    let detached = cx.im.detached(body, |im| {
        let turn = im.graph.add_input("turn", Type::new(DType::I64, [0i64; 0]));
        let mut entries: Vec<ValueId> = types.iter().enumerate().map(|(i, ty)| carry(im, i, ty)).collect();
        for (x, axis, back) in scanned {
            match element(im, x, axis, turn, back.then_some(&len)) {
                Ok(id) => entries.push(id),
                Err(message) => failed = Some(message),
            }
        }
        entries.into_iter().map(Entry::Value).collect()
    })?;
    if let Some(message) = failed {
        return Err(message);
    }
    let Some(detached) = detached else { return poison(cx) };
    let trips = cx.sizes(vec![length.clone()], true, DType::I64)?;
    let start = Start { trips: Some(trips), condition: None, carried: state.to_vec() };
    finish(cx, start, detached, false, length, None)
}

/// The element of an outer value that turn `turn` reads, counted from the end if its length is given.
fn element(
    im: &mut Importer,
    x: ValueId,
    axis: usize,
    turn: ValueId,
    from_end: Option<&Dim>,
) -> Result<ValueId, String> {
    let Entry::Value(x) = im.capture(&Entry::Value(x)) else { return Err("what it scans cannot be read".into()) };
    let at = match from_end {
        None => turn,
        Some(len) => {
            let last = Sizes { dims: vec![len.clone() - Dim::from(1)], scalar: true, dtype: DType::I64 };
            let last = im.graph.add_node1("last", last, &[])?;
            let mut map = Map::of(&[DType::I64; 2]);
            let at = map.binary(Binary::Sub, 0, 1);
            im.graph.add_node1("from_end", map.finish(at), &[last, turn])?
        }
    };
    im.graph.add_node1("element", Gather { axis }, &[x, at])
}

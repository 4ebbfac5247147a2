//! Control flow and sequences: decided when the model is compiled.

use super::array::join;
use super::blocks;
use super::cx::{Cx, Entry, Results};
use crate::ir::{DType, Dim, Graph, Tensor, ValueId};
use crate::ops::Op;
use crate::ops::assume::Assume;
use crate::ops::map::{Binary, Inst};

/// Unrolled iterations of what can only be unrolled; more would not compile in reasonable time.
const MAX_TRIPS: i64 = 4096;
/// Unrolled iterations of what could as well be a loop: few enough that fusing across them pays for the code.
const UNROLLED: i64 = 64;
/// Why a loop cannot be unrolled after all.
const UNKNOWN_END: &str = "whether it goes on depends on data";

/// What a bool is, if it is known.
pub fn flag(graph: &Graph, id: ValueId) -> Option<bool> {
    graph.tensor(id).and_then(|t| t.to_i64s().first().copied()).map(|c| c != 0)
}

/// If. Where the condition is known, the branch taken becomes part of the graph.
pub fn branch(cx: &mut Cx) -> Results {
    let condition = cx.input(0)?;
    let Some(taken) = flag(&cx.im.graph, condition) else {
        // Where a size decides and the branches differ in shape, as when an axis of one element goes, it is taken to be the size
        // asked for, and compared with it when the model runs.
        return match (blocks::branch(cx), equality(cx, condition)) {
            (Err(_), Some((a, b))) => assumed(cx, &a, &b),
            (results, _) => results,
        };
    };
    let graph = cx.graph(if taken { "then_branch" } else { "else_branch" })?;
    cx.im.subgraph(graph, Vec::new())
}

/// The two sizes that a condition compares, if it does nothing else.
fn equality(cx: &Cx, condition: ValueId) -> Option<(Dim, Dim)> {
    let (node, _) = cx.im.graph.producer(condition)?;
    if matches!(node.op, Op::Reshape(_)) {
        return equality(cx, node.inputs[0]);
    }
    let Op::Map(map) = &node.op else { return None };
    let mut sizes: Vec<Option<Dim>> = Vec::new();
    for (at, (inst, dtype)) in map.insts.iter().enumerate() {
        let last = at + 1 == map.insts.len();
        sizes.push(match *inst {
            Inst::Input(i) => cx.im.ints(node.inputs[i]).filter(|dims| dims.len() == 1).map(|mut dims| dims.remove(0)),
            Inst::Const(bits) if dtype.is_int() => Some(Dim::from(bits as i64)),
            Inst::Cast(a) if dtype.is_int() => sizes[a].clone(),
            Inst::Binary(Binary::Eq, a, b) if last => return sizes[a].clone().zip(sizes[b].clone()),
            _ => None,
        });
    }
    None
}

/// The branch for two sizes being equal; what it gives exists only where they are.
fn assumed(cx: &mut Cx, a: &Dim, b: &Dim) -> Results {
    let equal = a.agreed(b).is_some();
    let graph = cx.graph(if equal { "then_branch" } else { "else_branch" })?;
    let results = cx.im.subgraph(graph, Vec::new())?;
    let assume = |entry| match entry {
        Entry::Value(id) if equal => Ok(Entry::Value(cx.add(Assume { a: a.clone(), b: b.clone() }, &[id])?)),
        entry => Ok(entry),
    };
    results.into_iter().map(assume).collect()
}

/// Loop: unrolled where trip count and conditions are known and it is short, or carries sequences.
pub fn repeat(cx: &mut Cx) -> Results {
    let tensors = cx.inputs.iter().skip(2).all(|entry| matches!(entry, Entry::Value(_)));
    let trips = cx.opt(0)?.map(|id| cx.im.ints(id).and_then(|n| n.first().and_then(Dim::as_const)));
    let begins = cx.opt(1)?.map(|id| flag(&cx.im.graph, id));
    let known = trips != Some(None) && begins != Some(None);
    if tensors && (!known || trips.flatten().is_some_and(|trips| trips > UNROLLED)) {
        return blocks::repeat(cx);
    }
    match unrolled(cx) {
        Err(message) if tensors && message == UNKNOWN_END => blocks::repeat(cx),
        results => results,
    }
}

fn unrolled(cx: &mut Cx) -> Results {
    let body = cx.graph("body")?;
    let trips = match cx.opt(0)? {
        Some(_) => Some(cx.numbers(0, "the trip count")?.first().copied().unwrap_or(0)),
        None => None,
    };
    let known = |cx: &Cx, id: ValueId| flag(&cx.im.graph, id);
    let mut going = match cx.opt(1)? {
        Some(id) => known(cx, id).ok_or("its condition must be known when the model is compiled")?,
        None => true,
    };
    let n_carried = cx.inputs.len().saturating_sub(2);
    let mut carried: Vec<Entry> = cx.inputs.get(2..).unwrap_or_default().to_vec();
    if body.input.len() != n_carried + 2 || body.output.len() < n_carried + 1 {
        return Err("its body's inputs and outputs do not match its operands".into());
    }
    let mut scans: Vec<Vec<ValueId>> = vec![Vec::new(); body.output.len() - n_carried - 1];
    let mut trip = 0i64;
    while going && trips.is_none_or(|trips| trip < trips) {
        if trip >= MAX_TRIPS {
            return Err(format!("it runs more than {MAX_TRIPS} times, which is too many to unroll"));
        }
        let number = cx.value(Tensor::from_i64s(DType::I64, vec![], &[trip]));
        let condition = cx.value(Tensor::from_i64s(DType::Bool, vec![], &[1]));
        let mut given = vec![Entry::Value(number), Entry::Value(condition)];
        given.append(&mut carried);
        let names = body.input.iter().map(|input| input.name.clone());
        let mut results = cx.im.subgraph(body, names.zip(given).collect())?;
        if results.iter().any(|entry| matches!(entry, Entry::Poison)) {
            return Ok(vec![Entry::Poison; cx.node.output.len()]);
        }
        let outputs = results.split_off(1 + n_carried);
        carried = results.split_off(1);
        for (scan, output) in scans.iter_mut().zip(outputs) {
            let Entry::Value(id) = output else { return Err("its body scans out something else than tensors".into()) };
            scan.push(id);
        }
        going = match results.first() {
            Some(Entry::Value(id)) => known(cx, *id).ok_or(UNKNOWN_END)?,
            _ => true,
        };
        trip += 1;
    }
    for scan in &scans {
        let stacked = stack(cx, scan, 0)?;
        carried.push(Entry::Value(stacked));
    }
    Ok(carried)
}

/// Values under a new axis, joined along it.
fn stack(cx: &mut Cx, ids: &[ValueId], axis: usize) -> Result<ValueId, String> {
    if ids.is_empty() {
        return Err("it runs zero times, so what it scans out has no known shape".into());
    }
    let mut wide = Vec::with_capacity(ids.len());
    for &id in ids {
        let mut shape = cx.ty(id).shape;
        if axis > shape.len() {
            return Err(format!("axis {axis} is out of range for what it scans out"));
        }
        shape.insert(axis, Dim::from(1));
        wide.push(cx.reshape(id, shape)?);
    }
    join(cx, &wide, axis as i64)
}

/// Scan, unrolled over the sequence's size.
pub fn scan(cx: &mut Cx) -> Results {
    let body = cx.graph("body")?;
    let n_scans = usize::try_from(cx.int("num_scan_inputs", 0)).map_err(|_| "its num_scan_inputs is negative")?;
    if cx.opset() < 9 {
        return scan8(cx, n_scans);
    }
    let n_states = cx.inputs.len().checked_sub(n_scans).ok_or("it scans more operands than it has")?;
    let state = cx.inputs[..n_states].to_vec();
    let scanned = (n_states..cx.inputs.len()).map(|i| cx.input(i)).collect::<Result<Vec<_>, _>>()?;
    let n_outputs = body.output.len().checked_sub(n_states).ok_or("its body has too few outputs")?;
    let list = |name: &str, n: usize| cx.int_list(name).unwrap_or_else(|| vec![0; n]);
    let (in_axes, in_back) = (list("scan_input_axes", n_scans), list("scan_input_directions", n_scans));
    let (out_axes, out_back) = (list("scan_output_axes", n_outputs), list("scan_output_directions", n_outputs));
    if in_axes.len() != n_scans
        || in_back.len() != n_scans
        || out_axes.len() != n_outputs
        || out_back.len() != n_outputs
    {
        return Err("its axes and directions do not match its operands in number".into());
    }
    let in_axes =
        in_axes.iter().zip(&scanned).map(|(&axis, &id)| cx.axis(axis, cx.rank(id))).collect::<Result<Vec<_>, _>>()?;
    let lens: Vec<Dim> = scanned.iter().zip(&in_axes).map(|(&id, &axis)| cx.ty(id).shape[axis].clone()).collect();
    if lens.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(format!("what it scans differs in length: {lens:?}"));
    }
    let short = lens.first().and_then(Dim::as_const).is_some_and(|len| len <= UNROLLED);
    let ids: Option<Vec<ValueId>> =
        state.iter().map(|entry| if let Entry::Value(id) = entry { Some(*id) } else { None }).collect();
    if let (false, Some(ids)) = (short, ids)
        && out_axes.iter().chain(&out_back).all(|&n| n == 0)
    {
        let scanned = scanned.iter().zip(&in_axes).zip(&in_back).map(|((&id, &axis), &back)| (id, axis, back != 0));
        return blocks::scan(cx, &ids, &scanned.collect::<Vec<_>>());
    }
    let (state, outputs) = run_scan(cx, state, &scanned, &in_axes, &in_back)?;
    if outputs.is_empty() && n_outputs > 0 {
        return Ok(vec![Entry::Poison; cx.node.output.len()]);
    }
    let mut results = state;
    for (i, mut ids) in outputs.into_iter().enumerate() {
        if out_back[i] != 0 {
            ids.reverse();
        }
        let rank = ids.first().map_or(0, |&id| cx.rank(id)) + 1;
        let axis = cx.axis(out_axes[i], rank)?;
        results.push(Entry::Value(stack(cx, &ids, axis)?));
    }
    Ok(results)
}

fn shapes_match(cx: &Cx, ids: &[ValueId]) -> bool {
    let lens: Vec<Option<Dim>> = ids.iter().map(|&id| cx.ty(id).shape.first().cloned()).collect();
    lens.iter().all(|len| len.is_some() && *len == lens[0])
}

/// The states after a scan, and what each trip put out, an entry an output.
fn run_scan(
    cx: &mut Cx,
    mut state: Vec<Entry>,
    scanned: &[ValueId],
    axes: &[usize],
    back: &[i64],
) -> Result<(Vec<Entry>, Vec<Vec<ValueId>>), String> {
    let body = cx.graph("body")?;
    let n_states = state.len();
    let first = scanned.first().ok_or("it scans nothing")?;
    let size = cx.ty(*first).shape[axes[0]].clone();
    let trips =
        size.as_const().ok_or_else(|| format!("its sequence has the free size {size}\nhelp: fix it with dim"))?;
    if trips > MAX_TRIPS {
        return Err(format!("its sequence of {trips} is too long to unroll; {MAX_TRIPS} is the most"));
    }
    let mut outputs: Vec<Vec<ValueId>> = vec![Vec::new(); body.output.len().saturating_sub(n_states)];
    for trip in 0..trips {
        let mut given = std::mem::take(&mut state);
        for ((&id, &axis), &back) in scanned.iter().zip(axes).zip(back) {
            let at = if back != 0 { trips - 1 - trip } else { trip };
            let element = super::array::part(cx, id, axis, Dim::from(at), Dim::from(1))?;
            let mut shape = cx.ty(element).shape;
            shape.remove(axis);
            given.push(Entry::Value(cx.reshape(element, shape)?));
        }
        if body.input.len() != given.len() || body.output.len() < n_states {
            return Err("its body's inputs and outputs do not match its operands".into());
        }
        let names = body.input.iter().map(|input| input.name.clone());
        let mut results = cx.im.subgraph(body, names.zip(given).collect())?;
        if results.iter().any(|entry| matches!(entry, Entry::Poison)) {
            return Ok((vec![Entry::Poison; cx.node.output.len()], Vec::new()));
        }
        for (list, entry) in outputs.iter_mut().zip(results.split_off(n_states)) {
            let Entry::Value(id) = entry else { return Err("its body scans out something else than tensors".into()) };
            list.push(id);
        }
        state = results;
    }
    Ok((state, outputs))
}

/// Scan as it was in opset 8: a batch axis before the sequence axis, and lengths first among the operands.
fn scan8(cx: &mut Cx, n_scans: usize) -> Results {
    if cx.opt(0)?.is_some() {
        return Err(
            "sequence lengths in Scan of opset 8 are not supported\nhelp: convert the model to opset 9 or later".into(),
        );
    }
    let n_states =
        cx.inputs.len().saturating_sub(1).checked_sub(n_scans).ok_or("it scans more operands than it has")?;
    let operands = (1..cx.inputs.len()).map(|i| cx.input(i)).collect::<Result<Vec<_>, _>>()?;
    let first = *operands.first().ok_or("it has no operands")?;
    let batch = cx.ty(first).shape.first().and_then(Dim::as_const).ok_or("its batch is not fixed")?;
    let back = cx.int_list("directions").unwrap_or_else(|| vec![0; n_scans]);
    if batch > MAX_TRIPS || back.len() != n_scans {
        return Err("its batch is too large, or its directions do not match its operands".into());
    }
    let mut results: Vec<Vec<ValueId>> = Vec::new();
    for b in 0..batch {
        let mut rows = Vec::new();
        for &id in &operands {
            let row = super::array::part(cx, id, 0, Dim::from(b), Dim::from(1))?;
            let shape = cx.ty(row).shape.get(1..).unwrap_or_default().to_vec();
            rows.push(cx.reshape(row, shape)?);
        }
        if !shapes_match(cx, &rows[n_states..]) {
            return Err("what it scans differs in length".into());
        }
        let state = rows[..n_states].iter().map(|&id| Entry::Value(id)).collect();
        let (state, outputs) = run_scan(cx, state, &rows[n_states..], &vec![0; n_scans], &back)?;
        let mut row = Vec::new();
        for entry in state {
            let Entry::Value(id) = entry else { return Ok(vec![Entry::Poison; cx.node.output.len()]) };
            row.push(id);
        }
        for ids in outputs {
            row.push(stack(cx, &ids, 0)?);
        }
        results.push(row);
    }
    let n = results.first().map_or(0, Vec::len);
    (0..n).map(|i| Ok(Entry::Value(stack(cx, &results.iter().map(|row| row[i]).collect::<Vec<_>>(), 0)?))).collect()
}

fn sequence(cx: &Cx, i: usize) -> Result<Vec<Entry>, String> {
    match cx.inputs.get(i) {
        Some(Entry::Sequence(entries)) => Ok(entries.clone()),
        _ => Err(format!("its operand {i} is no sequence that is known when the model is compiled")),
    }
}

fn position(cx: &Cx, i: usize, n: usize) -> Result<usize, String> {
    let at = cx.constant(i, "the position")?.to_i64s().first().copied().unwrap_or(0);
    let wrapped = if at < 0 { at + n as i64 } else { at };
    usize::try_from(wrapped)
        .ok()
        .filter(|&at| at <= n)
        .ok_or_else(|| format!("position {at} lies outside a sequence of {n}"))
}

/// Every operator of sequences and optionals.
pub fn sequences(cx: &mut Cx) -> Results {
    match cx.node.op_type.as_str() {
        "SequenceMap" => sequence_map(cx),
        "SequenceEmpty" => Ok(vec![Entry::Sequence(Vec::new())]),
        "SequenceConstruct" => Ok(vec![Entry::Sequence(cx.inputs.clone())]),
        "SequenceLength" => {
            let n = sequence(cx, 0)?.len() as i64;
            let id = cx.value(Tensor::from_i64s(DType::I64, vec![], &[n]));
            Ok(vec![Entry::Value(id)])
        }
        "SequenceAt" => {
            let entries = sequence(cx, 0)?;
            let at = position(cx, 1, entries.len())?;
            Ok(vec![entries.get(at).cloned().ok_or("its position lies behind the sequence's end")?])
        }
        "SequenceInsert" => {
            let mut entries = sequence(cx, 0)?;
            let at = if cx.opt(2)?.is_some() { position(cx, 2, entries.len())? } else { entries.len() };
            entries.insert(at, cx.inputs.get(1).cloned().ok_or("what to insert is missing")?);
            Ok(vec![Entry::Sequence(entries)])
        }
        "SequenceErase" => {
            let mut entries = sequence(cx, 0)?;
            let last = entries.len().checked_sub(1).ok_or("it erases from an empty sequence")?;
            let at = if cx.opt(1)?.is_some() { position(cx, 1, entries.len())? } else { last };
            if at > last {
                return Err("its position lies behind the sequence's end".into());
            }
            entries.remove(at);
            Ok(vec![Entry::Sequence(entries)])
        }
        "ConcatFromSequence" => {
            let entries = sequence(cx, 0)?;
            let ids = entries.iter().map(|entry| match entry {
                Entry::Value(id) => Ok(*id),
                _ => Err("its sequence holds something else than tensors".to_string()),
            });
            let ids = ids.collect::<Result<Vec<_>, _>>()?;
            let axis = cx.int("axis", 0);
            let id = if cx.flag("new_axis", false) {
                let rank = ids.first().map_or(0, |&id| cx.rank(id)) + 1;
                let axis = cx.axis(axis, rank)?;
                stack(cx, &ids, axis)?
            } else {
                join(cx, &ids, axis)?
            };
            Ok(vec![Entry::Value(id)])
        }
        "SplitToSequence" => split_to_sequence(cx),
        "Optional" => Ok(vec![cx.inputs.first().cloned().unwrap_or(Entry::Absent)]),
        "OptionalGetElement" => match cx.inputs.first() {
            Some(Entry::Absent) | None => Err("it takes the element of an empty optional".into()),
            Some(entry) => Ok(vec![entry.clone()]),
        },
        "OptionalHasElement" => {
            let has = !matches!(cx.inputs.first(), None | Some(Entry::Absent));
            let id = cx.value(Tensor::from_i64s(DType::Bool, vec![], &[i64::from(has)]));
            Ok(vec![Entry::Value(id)])
        }
        other => Err(format!("{other} is not supported")),
    }
}

/// SequenceMap: the body for each element, beside the same tensors or the elements of other sequences.
fn sequence_map(cx: &mut Cx) -> Results {
    let body = cx.graph("body")?;
    let n = sequence(cx, 0)?.len();
    let mut results = vec![Vec::new(); body.output.len()];
    for i in 0..n {
        let given = cx.inputs.iter().map(|entry| match entry {
            Entry::Sequence(entries) => entries.get(i).cloned().ok_or("its sequences differ in length"),
            entry => Ok(entry.clone()),
        });
        let given = given.collect::<Result<Vec<_>, _>>()?;
        let names = body.input.iter().map(|input| input.name.clone());
        let entries = cx.im.subgraph(body, names.zip(given).collect())?;
        results.iter_mut().zip(entries).for_each(|(list, entry)| list.push(entry));
    }
    if results.iter().flatten().any(|entry| matches!(entry, Entry::Poison)) {
        return Ok(vec![Entry::Poison; cx.node.output.len()]);
    }
    Ok(results.into_iter().map(Entry::Sequence).collect())
}

fn split_to_sequence(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let shape = cx.ty(x).shape;
    let axis = cx.axis(cx.int("axis", 0), shape.len())?;
    let free = || format!("axis {axis} has the free size {}\nhelp: fix it with dim", shape[axis]);
    let size = shape[axis].as_const().ok_or_else(free)?;
    if size > MAX_TRIPS {
        return Err(format!("a sequence of up to {size} is too long; {MAX_TRIPS} is the most"));
    }
    let (lens, keep) = match cx.opt(1)? {
        None => (vec![1; size.max(0) as usize], cx.flag("keepdims", true)),
        Some(id) if cx.rank(id) == 0 => {
            let each = cx.numbers(1, "the split")?.first().copied().filter(|&n| n > 0).ok_or("a split of zero")?;
            let mut lens = vec![each; (size / each) as usize];
            if size % each > 0 {
                lens.push(size % each);
            }
            (lens, true)
        }
        Some(_) => (cx.numbers(1, "the split")?, true),
    };
    if lens.iter().any(|&len| len < 0) || lens.iter().fold(0i64, |sum, &len| sum.saturating_add(len)) != size {
        return Err(format!("its parts {lens:?} do not add up to the {size} of axis {axis}"));
    }
    let mut start = 0;
    let mut entries = Vec::new();
    for len in lens {
        let mut part = super::array::part(cx, x, axis, Dim::from(start), Dim::from(len))?;
        if !keep {
            let mut shape = cx.ty(part).shape;
            shape.remove(axis);
            part = cx.reshape(part, shape)?;
        }
        entries.push(Entry::Value(part));
        start += len;
    }
    Ok(vec![Entry::Sequence(entries)])
}

//! Which steps ask for weights of later ones.
//!
//! A product of one row reads each weight once, so that it takes as long as its weights take to come. Products of many rows before
//! it use theirs again and again; meanwhile they bring what later ones will want and stays near until then.

use crate::ir::{DType, Dim};
use crate::plan::{Arg, Flow, Operand, Place, Step};
use std::ops::Range;

/// Bytes that steps touch, one after another, while a second-level cache keeps what was asked for before. Memory that two
/// of them touch counts twice.
const NEAR: usize = 2 << 20;

/// Steps between the asking and the reading, at most.
const REACH: usize = 64;

/// Fewer bytes are not worth asking for.
const LEAST: usize = 4096;

/// Bytes between two operands that may be asked for along with them.
const GAP: usize = 4096;

/// Tells each step that can ask for weights which to ask for, if any; `blob` is how many bytes all weights have.
pub fn ask(steps: &mut [Step], flow: &[Flow], blob: usize) {
    let straight = flow.iter().all(|flow| !matches!(flow, Flow::If { .. } | Flow::Loop(_)));
    // A small model's weights are near from the last run.
    let asked = if straight && blob > NEAR { plan(steps) } else { vec![None; steps.len()] };
    for (step, range) in steps.iter_mut().zip(asked) {
        if matches!((step.module, step.task), ("matmul_f32", "MatMul") | ("conv_f32", "Conv")) {
            step.fields.push(("ahead", Arg::Ahead(range.map(weights))));
        }
    }
}

/// Bytes of the blob, from the start of a constant on.
fn weights(range: Range<usize>) -> Operand {
    let len = Dim::from(range.len() / DType::F32.bytes());
    Operand { place: Place::Weight(range.start), dtype: DType::F32, offset: Dim::from(0), len }
}

/// The bytes of the blob that each step asks for.
fn plan(steps: &[Step]) -> Vec<Option<Range<usize>>> {
    let touched: Vec<usize> = steps.iter().map(bytes_touched).collect();
    let mut rooms: Vec<usize> = steps.iter().map(room).collect();
    let mut asked: Vec<Option<Range<usize>>> = vec![None; steps.len()];
    // Bytes that were asked for and not read yet, during each step.
    let mut waiting = vec![0; steps.len()];
    for (at, step) in steps.iter().enumerate() {
        let Some(Range { mut start, end }) = read_once(step) else { continue };
        let (mut between, mut most): (usize, usize) = (0, 0);
        // The nearest steps bring what is read first.
        for from in (at.saturating_sub(REACH)..at).rev() {
            between = between.saturating_add(touched[from]);
            most = most.max(waiting[from]);
            let Some(free) = NEAR.checked_sub(between.saturating_add(most)) else { break };
            let n = rooms[from].min(free).min(end - start) / 64 * 64;
            let joins = asked[from].as_ref().is_none_or(|asked| (asked.end..=asked.end + GAP).contains(&start));
            if n < LEAST || !joins {
                continue;
            }
            let first = asked[from].as_ref().map_or(start, |asked| asked.start);
            asked[from] = Some(first..start + n);
            rooms[from] -= n;
            waiting[from..at].iter_mut().for_each(|waiting| *waiting += n);
            most += n;
            start += n;
        }
    }
    asked
}

/// The weights that a step reads once each, if it does little else.
fn read_once(step: &Step) -> Option<Range<usize>> {
    if rows(step)? != 1 {
        return None;
    }
    let (_, Arg::Read(b)) = step.fields.iter().find(|(name, _)| *name == "b")? else { return None };
    if let Place::Weight(at) = b.place { Some(at..at + bytes(b)) } else { None }
}

/// Rows of a product of matrices.
fn rows(step: &Step) -> Option<usize> {
    let (_, m) = step.fields.iter().find(|(name, _)| *name == "m" && step.module == "matmul_f32")?;
    if let Arg::Size(m) = m { m.as_usize() } else { None }
}

/// Bytes that come while a step computes, beside what it reads itself: three for ten multiplications.
fn room(step: &Step) -> usize {
    let computes = rows(step).is_some_and(|rows| rows > 1) || step.task == "Conv" && is_pointwise(step);
    let macs = step.macs.as_usize().filter(|_| computes).unwrap_or(0);
    macs.saturating_mul(3) / 10
}

/// Whether a convolution is a product of matrices, each pixel a row.
fn is_pointwise(step: &Step) -> bool {
    let Some((_, Arg::Struct(_, shape))) = step.fields.iter().find(|(name, _)| *name == "shape") else { return false };
    let sizes = |wanted: &str| match shape.iter().find(|(name, _)| *name == wanted) {
        Some((_, Arg::Sizes(sizes))) => sizes.as_slice(),
        _ => &[],
    };
    sizes("kernel").iter().all(|k| k.is(1)) && sizes("input") == sizes("output")
}

fn bytes(operand: &Operand) -> usize {
    operand.len.as_usize().unwrap_or(usize::MAX).saturating_mul(operand.dtype.bytes())
}

fn bytes_touched(step: &Step) -> usize {
    step.operands().iter().fold(0, |sum, (operand, _)| sum.saturating_add(bytes(operand)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(at: usize, len: usize) -> Arg {
        Arg::Read(Operand { place: Place::Weight(at), dtype: DType::F32, offset: Dim::from(0), len: Dim::from(len) })
    }

    fn product(m: usize, at: usize, weights: usize) -> Step {
        Step {
            node: String::new(),
            op: "MatMul",
            module: "matmul_f32",
            task: "MatMul",
            fields: vec![("m", Arg::Size(Dim::from(m))), ("b", weight(at, weights))],
            macs: Dim::from(m * weights),
            count: None,
        }
    }

    #[test]
    fn the_nearest_step_brings_what_is_read_first() {
        // 100 rows by 64 KiB of weights leave room for 491,520 bytes; the second product of one row reads on from the first.
        let many = |at| product(100, at, 16384);
        let steps = [many(0), many(65536), product(1, 131072, 100_000), product(1, 531072, 50_000)];
        let [first, second, ..] = &plan(&steps)[..] else { panic!("four steps") };
        assert_eq!(second.clone(), Some(131072..131072 + 491_520));
        assert_eq!(first.clone(), Some(622_592..731_072 / 64 * 64));
    }

    #[test]
    fn no_more_is_asked_for_than_stays_near() {
        let steps = [product(1000, 0, 16384), product(1, 65536, 1 << 20)];
        let range = plan(&steps)[0].clone().expect("there is room");
        assert_eq!(range, 65536..65536 + NEAR - 65536);
        // Behind a step that touches more than a cache holds, nothing is left of it.
        let steps = [product(1000, 0, 16384), product(2, 65536, 1 << 20), product(1, 9 << 20, 16384)];
        assert_eq!(plan(&steps)[0], None);
    }

    #[test]
    fn only_straight_large_models_ask() {
        let mut steps = [product(100, 0, 16384), product(1, 65536, 16384)];
        ask(&mut steps, &[Flow::Call(0), Flow::Call(1)], 131_072);
        assert!(steps.iter().all(|step| matches!(step.fields.last(), Some(("ahead", Arg::Ahead(None))))));
    }
}

//! Which steps ask for weights of later ones.
//!
//! The weights of a model that is larger than a second-level cache have to come from further away in each run. A product of one row
//! takes as long as its weights take to come; one of many rows waits for those that its first rows read. Products of many rows before
//! them, which use theirs again and again, meanwhile bring what later steps will want and stays near until then.

use crate::ir::{DType, Dim};
use crate::plan::{Arg, Flow, Operand, Place, Step};
use std::ops::Range;

/// Bytes that steps touch, one after another, while a second-level cache keeps what was asked for before.
const NEAR: usize = 2 << 20;

/// Steps between the asking and the reading, at most.
const REACH: usize = 64;

/// Fewer bytes are not worth asking for.
const LEAST: usize = 4096;

/// Bytes between two operands that may be asked for along with them.
const GAP: usize = 4096;

/// Bytes of weights from which on a product of many rows asks for its own, later ones while it computes with earlier ones: as many as
/// the `FAR_LEN` floats of `ahead_f32`.
const OWN: usize = 72 * 1024 * 4;

/// Bytes that such a product begins with.
const BEGINNING: usize = 128 * 1024;

/// Bytes that are asked for before a step of which it reads each once, at most: the others it reads at the speed at which they come.
const MOST: usize = NEAR / 2;

/// Bytes to ask for in a hundred multiplications: more come in that time, but then the computing waits too.
const RATE: usize = 20;

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

/// The bytes of the blob that each step asks for: those that are read last by the last step that has room, and so on, so that nothing
/// comes much before it is read.
fn plan(steps: &[Step]) -> Vec<Option<Range<usize>>> {
    let mut asked = vec![None; steps.len()];
    // The last reader first.
    let mut waiting: Vec<Waiting> = Vec::new();
    for (at, step) in steps.iter().enumerate().rev() {
        waiting.iter_mut().for_each(|reader| reader.between.touch(step));
        waiting.iter_mut().for_each(Waiting::keep_near);
        waiting.retain(|reader| reader.left.len() >= LEAST && reader.at - at <= REACH);
        let mut room = room(step);
        for i in 0..waiting.len() {
            waiting[i].keep_near();
            let Some(taken) = waiting[i].take(room, asked[at].as_ref()) else { continue };
            room -= taken.len();
            // They come between this step and the reading of what is read before them.
            waiting[i..].iter_mut().for_each(|reader| reader.between.bytes += taken.len());
            let end = asked[at].as_ref().map_or(taken.end, |asked: &Range<usize>| asked.end);
            asked[at] = Some(taken.start..end);
        }
        waiting.extend(Waiting::of(at, step));
    }
    asked
}

/// Weights that a step would wait for.
struct Waiting {
    /// The step.
    at: usize,
    /// Their first byte.
    start: usize,
    /// Those that nobody asks for yet.
    left: Range<usize>,
    /// What is touched before they are read, from the step on that could ask for them.
    between: Touched,
}

impl Waiting {
    /// The most that a step has in one place, as far as it is worth asking for.
    fn of(at: usize, step: &Step) -> Option<Self> {
        let Range { start, end } = most_weights(step)?;
        let most = if asks_for_own(step, end - start) { BEGINNING } else { MOST };
        Some(Self { at, start, left: start..end.min(start + most), between: Touched::default() })
    }

    /// Leaves those away that a cache would have lost by the time they are read.
    fn keep_near(&mut self) {
        self.left.end = self.left.end.min(self.start + NEAR.saturating_sub(self.between.bytes));
    }

    /// The last of them, as many as there is room for, if these come right before those that were `asked` for already.
    fn take(&mut self, room: usize, asked: Option<&Range<usize>>) -> Option<Range<usize>> {
        let end = self.left.end;
        // At a line of a cache.
        let start = self.left.start.max(end.saturating_sub(room).next_multiple_of(64));
        let joins = asked.is_none_or(|asked| (end..=end + GAP).contains(&asked.start));
        if !joins || end < start + LEAST {
            return None;
        }
        self.left.end = start;
        Some(start..end)
    }
}

/// What steps have touched; memory that several of them touch counts once.
#[derive(Default)]
struct Touched {
    bytes: usize,
    places: Vec<(Place, usize)>,
}

impl Touched {
    fn touch(&mut self, step: &Step) {
        for (operand, _) in step.operands() {
            let n = bytes(operand);
            let i = self.places.iter().position(|(place, _)| *place == operand.place).unwrap_or(self.places.len());
            if i == self.places.len() {
                self.places.push((operand.place, 0));
            }
            let known = &mut self.places[i].1;
            self.bytes = self.bytes.saturating_add(n.saturating_sub(*known));
            *known = n.max(*known);
        }
    }
}

/// The most weights that a step has in one place, as bytes of the blob.
fn most_weights(step: &Step) -> Option<Range<usize>> {
    let weights = step.operands().into_iter().filter_map(|(operand, _)| match operand.place {
        Place::Weight(at) => Some(at..at + operand.len.as_usize()? * operand.dtype.bytes()),
        _ => None,
    });
    weights.max_by_key(Range::len)
}

/// Whether a step with so many bytes of weights asks for them itself.
fn asks_for_own(step: &Step, weights: usize) -> bool {
    weights >= OWN && (rows(step).is_some_and(|rows| rows > 1) || step.task == "Conv")
}

/// Rows of a product of matrices.
fn rows(step: &Step) -> Option<usize> {
    let (_, m) = step.fields.iter().find(|(name, _)| *name == "m" && step.module == "matmul_f32")?;
    if let Arg::Size(m) = m { m.as_usize() } else { None }
}

/// Bytes that come while a step computes, beside what it asks for itself.
fn room(step: &Step) -> usize {
    let computes = rows(step).is_some_and(|rows| rows > 1) || step.task == "Conv" && is_pointwise(step);
    let macs = step.macs.as_usize().filter(|_| computes).unwrap_or(0);
    let own = most_weights(step).map_or(0, |weights| weights.len());
    let own = if asks_for_own(step, own) { own } else { 0 };
    (macs.saturating_mul(RATE) / 100).saturating_sub(own)
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
    fn what_is_read_last_is_asked_for_last() {
        // 100 rows by 64 KiB of weights leave room for 327,680 bytes; each reads on from where the one before ends.
        let many = |at| product(100, at, 16384);
        let steps = [many(0), many(65536), product(1, 131_072, 100_000), product(1, 531_072, 50_000)];
        let [first, second, ..] = &plan(&steps)[..] else { panic!("four steps") };
        assert_eq!(second.clone(), Some(403_392..731_072));
        // Of the weights of the second step, too.
        assert_eq!(first.clone(), Some(75_712..403_392));
    }

    #[test]
    fn no_more_is_asked_for_than_stays_near() {
        let steps = [product(1000, 0, 16384), product(1, 65536, 1 << 20)];
        assert_eq!(plan(&steps)[0], Some(65536..65536 + MOST));
        // The second's 1,200,000 bytes are read before the third's.
        let steps = [product(1000, 0, 16384), product(1, 65536, 300_000), product(1, 2_000_000, 300_000)];
        assert_eq!(plan(&steps)[0], Some(2_000_000..2_000_000 + (NEAR - 65536 - 1_200_000)));
        // Behind a step that touches more than a cache holds, nothing is left of it; that step asks for its own weights but the first.
        let steps = [product(1000, 0, 16384), product(2, 65536, 1 << 20), product(1, 9 << 20, 16384)];
        assert_eq!(plan(&steps)[..2], [Some(65536..65536 + BEGINNING), None]);
    }

    #[test]
    fn only_straight_large_models_ask() {
        let mut steps = [product(100, 0, 16384), product(1, 65536, 16384)];
        ask(&mut steps, &[Flow::Call(0), Flow::Call(1)], 131_072);
        assert!(steps.iter().all(|step| matches!(step.fields.last(), Some(("ahead", Arg::Ahead(None))))));
    }
}

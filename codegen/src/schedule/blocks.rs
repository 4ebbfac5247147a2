//! Branches and loops: their inner graphs' steps, and the copies that bring values in and out.

use super::{Failure, Scheduler};
use crate::ir::{DType, Dim, Graph, Node};
use crate::ops::branch::Branch;
use crate::ops::repeat::Repeat;
use crate::plan::{Arg, Buffer, Flow, Loop, Operand, Place, Step};

impl<'g> Scheduler<'g> {
    /// Either branch's steps; each ends by copying its results to where the node's are.
    pub(super) fn branch(&mut self, node: &'g Node, branch: &'g Branch) -> Result<(), Failure> {
        let condition = self.operand(node.inputs[0]);
        let captured: Vec<Place> = node.inputs[1..].iter().map(|&id| self.place(id)).collect();
        let mut blocks = Vec::new();
        for graph in [&branch.then, &branch.otherwise] {
            let (mut flow, results) = self.inner(graph, captured.clone())?;
            for (&id, result) in node.outputs.iter().zip(results) {
                let out = self.operand(id);
                flow.push(self.copy(node, out, result));
            }
            blocks.push(flow);
        }
        let otherwise = blocks.pop().unwrap_or_default();
        let then = blocks.pop().unwrap_or_default();
        self.flow.push(Flow::If { condition, then, otherwise });
        Ok(())
    }

    /// The body's steps. What is carried from turn to turn lies where the node's results do.
    pub(super) fn repeat(&mut self, node: &'g Node, repeat: &'g Repeat) -> Result<(), Failure> {
        let mut given = node.inputs.iter().copied();
        let trips = if repeat.trips { given.next().map(|id| self.operand(id)) } else { None };
        let condition = if repeat.condition { given.next().map(|id| self.operand(id)) } else { None };
        let turn = self.scalar(DType::I64);
        let mut places = vec![turn.place];
        for &out in &node.outputs[..repeat.carried] {
            let Some(id) = given.next() else { break };
            let (out, start) = (self.operand(out), self.operand(id));
            places.push(out.place);
            let copy = self.copy(node, out, start);
            self.flow.push(copy);
        }
        places.extend(given.map(|id| self.place(id)));
        let (mut body, results) = self.inner(&repeat.body, places)?;
        let mut results = results.into_iter();
        // The body's own result may be computed anew before the turn is over: it is kept apart.
        let going = if repeat.going { results.next() } else { None };
        for (i, (&out, result)) in node.outputs.iter().zip(results).enumerate() {
            let mut out = self.operand(out);
            body.push(match i < repeat.carried {
                true => self.copy(node, out, result),
                false => {
                    out.len = self.graph.at_most(&out.len);
                    let fields =
                        vec![("out", Arg::Write(out)), ("x", Arg::Read(result)), ("at", Arg::Read(turn.clone()))];
                    self.call(node, "rows", "PutRow", fields)
                }
            });
        }
        let count = repeat.count.clone();
        self.flow.push(Flow::Loop(Box::new(Loop { turn, trips, condition, going, body, count })));
        Ok(())
    }

    /// Schedules a graph inside this one, its inputs at `places`: what runs, and where its results lie.
    fn inner(&mut self, graph: &'g Graph, places: Vec<Place>) -> Result<(Vec<Flow>, Vec<Operand>), Failure> {
        let mut inner = Scheduler::new(graph, self.options);
        for (&id, place) in graph.inputs.iter().zip(places) {
            inner.places[id.0 as usize] = Some(place);
        }
        self.lend(&mut inner);
        inner.nested = true;
        // Nothing inside may take over memory that belongs outside.
        inner.needed = vec![usize::MAX; inner.buffers.len()];
        inner.walk()?;
        let results = graph.outputs.iter().map(|(_, id)| inner.operand(*id)).collect();
        let flow = std::mem::take(&mut inner.flow);
        inner.lend(self);
        self.needed.resize(self.buffers.len(), usize::MAX);
        Ok((flow, results))
    }

    /// Hands over all that schedulers of nested graphs share.
    fn lend(&mut self, to: &mut Scheduler<'g>) {
        to.buffers = std::mem::take(&mut self.buffers);
        to.blob = std::mem::take(&mut self.blob);
        to.funcs = std::mem::take(&mut self.funcs);
        to.func_ids = std::mem::take(&mut self.func_ids);
        to.steps = std::mem::take(&mut self.steps);
        to.choices = std::mem::take(&mut self.choices);
    }

    fn scalar(&mut self, dtype: DType) -> Operand {
        let buffer = self.add_buffer(Dim::from(dtype.bytes()));
        Operand { place: Place::Buffer(buffer), dtype, offset: Dim::from(0), len: Dim::from(1) }
    }

    fn copy(&mut self, node: &Node, out: Operand, x: Operand) -> Flow {
        self.call(node, "strided", "Copy1", vec![("out", Arg::Write(out)), ("x", Arg::Read(x))])
    }

    fn call(
        &mut self,
        node: &Node,
        module: &'static str,
        task: &'static str,
        fields: Vec<(&'static str, Arg)>,
    ) -> Flow {
        let (name, op, macs) = (node.name.clone(), node.op.name(), Dim::from(0));
        self.steps.push(Step { node: name, op, module, task, fields, macs, count: None });
        Flow::Call(self.steps.len() - 1)
    }
}

/// Makes buffers live as long as loops need them: what comes from before a loop and is read in it lasts to the loop's end, and
/// what outlasts a loop that writes it exists from the loop's start.
pub(super) fn keep_through_loops(flow: &[Flow], buffers: &mut [Buffer]) {
    for part in flow {
        match part {
            Flow::Call(_) | Flow::Check(..) | Flow::Within(_) => {}
            Flow::If { then, otherwise, .. } => {
                keep_through_loops(then, buffers);
                keep_through_loops(otherwise, buffers);
            }
            Flow::Loop(turns) => {
                keep_through_loops(&turns.body, buffers);
                let Some((start, end)) = range(&turns.body) else { continue };
                for buffer in buffers.iter_mut() {
                    let (first, last) = buffer.live;
                    if first < start && last >= start {
                        buffer.live.1 = last.max(end);
                    } else if (start..=end).contains(&first) && last > end {
                        buffer.live.0 = start;
                    }
                }
            }
        }
    }
}

/// Notes that the operands which control what runs are alive: a condition when it is asked, a loop's own throughout it.
pub(super) fn touch_controls(flow: &[Flow], touch: &mut dyn FnMut(&Operand, usize)) {
    for part in flow {
        let Some((start, end)) = range(std::slice::from_ref(part)) else { continue };
        match part {
            Flow::Call(_) | Flow::Check(..) | Flow::Within(_) => {}
            Flow::If { condition, then, otherwise } => {
                touch(condition, start);
                touch_controls(then, touch);
                touch_controls(otherwise, touch);
            }
            Flow::Loop(turns) => {
                let Loop { turn, trips, condition, going, body, .. } = &**turns;
                trips.iter().chain(condition).for_each(|operand| touch(operand, start));
                [start, end].iter().for_each(|&at| touch(turn, at));
                going.iter().for_each(|operand| touch(operand, end));
                touch_controls(body, touch);
            }
        }
    }
}

/// The first and last step of what runs.
fn range(flow: &[Flow]) -> Option<(usize, usize)> {
    let mut found: Option<(usize, usize)> = None;
    for part in flow {
        let own = match part {
            Flow::Call(at) => Some((*at, *at)),
            Flow::Check(..) | Flow::Within(_) => None,
            Flow::If { then, otherwise, .. } => match (range(then), range(otherwise)) {
                (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
                (a, b) => a.or(b),
            },
            Flow::Loop(turns) => range(&turns.body),
        };
        found = match (found, own) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
    }
    found
}

//! Subgraphs that become graphs of their own, because they run under a condition or in a loop: values they read from outside
//! become inputs.

use super::cx::Entry;
use super::model::Importer;
use super::onnx::GraphProto;
use crate::ir::{Graph, Outer, ValueId};
use crate::ops::sizes::Sizes;
use std::collections::{BTreeMap, HashMap};

/// What stands still while a graph inside it is imported.
pub struct Frame {
    graph: Graph,
    outer: BTreeMap<ValueId, Outer>,
    scopes: Vec<HashMap<String, Entry>>,
    /// Values of the graph inside that stand for values of this one.
    captured: Vec<(ValueId, ValueId)>,
}

/// A subgraph as a graph of its own.
pub struct Detached {
    /// Its inputs are those given, then what it captured.
    pub graph: Graph,
    /// Values of the graph outside that it reads.
    pub captured: Vec<ValueId>,
}

impl Importer<'_> {
    /// Imports a subgraph apart from the graph it stands in. `given` makes its inputs, in order, from the graph inside.
    pub fn detached(
        &mut self,
        proto: &GraphProto,
        given: impl FnOnce(&mut Importer) -> Vec<Entry>,
    ) -> Result<Option<Detached>, String> {
        let mut inner = Graph::new(&self.graph.name, self.graph.bounds.clone());
        inner.counts = self.graph.counts.clone();
        self.frames.push(Frame {
            graph: std::mem::replace(&mut self.graph, inner),
            outer: std::mem::take(&mut self.outer),
            scopes: std::mem::replace(&mut self.scopes, vec![HashMap::new()]),
            captured: Vec::new(),
        });
        let entries = given(self);
        let names = proto.input.iter().map(|input| input.name.clone());
        let results = self.subgraph(proto, names.zip(entries).collect());
        let Some(frame) = self.frames.pop() else { return Ok(None) };
        let mut graph = std::mem::replace(&mut self.graph, frame.graph);
        self.outer = frame.outer;
        self.scopes = frame.scopes;
        self.graph.counts = graph.counts.clone();
        for (i, entry) in results?.into_iter().enumerate() {
            match entry {
                Entry::Value(id) => graph.outputs.push((i.to_string(), id)),
                Entry::Poison => return Ok(None),
                Entry::Sequence(_) | Entry::Absent => {
                    return Err(
                        "a body that runs under a condition known only at run time gives something else than tensors"
                            .into(),
                    );
                }
            }
        }
        Ok(Some(Detached { graph, captured: frame.captured.into_iter().map(|(outer, _)| outer).collect() }))
    }

    /// What a name stands for, here or outside.
    pub fn lookup(&mut self, name: &str) -> Option<Entry> {
        self.resolve(name, self.frames.len())
    }

    /// An entry of the graph around the one being made, as one of it.
    pub fn capture(&mut self, entry: &Entry) -> Entry {
        let depth = self.frames.len();
        if depth == 0 { entry.clone() } else { self.captured(entry, depth) }
    }

    fn resolve(&mut self, name: &str, depth: usize) -> Option<Entry> {
        let scopes = if depth == self.frames.len() { &self.scopes } else { &self.frames[depth].scopes };
        if let Some(entry) = scopes.iter().rev().find_map(|scope| scope.get(name).cloned()) {
            return Some(entry);
        }
        // A function's body sees nothing outside, and so neither does what is inside it.
        let outer = depth.checked_sub(1)?;
        let entry = self.resolve(name, outer)?;
        let entry = self.captured(&entry, depth);
        let scopes = if depth == self.frames.len() { &mut self.scopes } else { &mut self.frames[depth].scopes };
        if let Some(scope) = scopes.first_mut() {
            scope.insert(name.to_string(), entry.clone());
        }
        Some(entry)
    }

    /// An entry of the graph outside, as one of the graph at `depth`.
    fn captured(&mut self, entry: &Entry, depth: usize) -> Entry {
        let id = match entry {
            Entry::Value(id) => *id,
            Entry::Sequence(entries) => {
                return Entry::Sequence(entries.iter().map(|entry| self.captured(entry, depth)).collect());
            }
            other => return other.clone(),
        };
        let frame = &self.frames[depth - 1];
        if let Some((_, known)) = frame.captured.iter().find(|(outer, _)| *outer == id) {
            return Entry::Value(*known);
        }
        let (value, mark) = (frame.graph.value(id).clone(), frame.outer.get(&id).copied());
        let constant = frame.graph.tensor(id).cloned();
        let sizes = frame.graph.producer(id).and_then(|(node, _)| match &node.op {
            crate::ops::Op::Sizes(sizes) => Some(sizes.clone()),
            _ => None,
        });
        let top = depth == self.frames.len();
        let graph = if top { &mut self.graph } else { &mut self.frames[depth].graph };
        let inner = match (constant, sizes) {
            (Some(tensor), _) => graph.add_const(&value.name, tensor),
            // Sizes stay sizes, so that shapes computed from them are known.
            (None, Some(Sizes { dims, scalar, dtype })) => {
                match graph.add_node1(&value.name, Sizes { dims, scalar, dtype }, &[]) {
                    Ok(inner) => inner,
                    Err(_) => return Entry::Poison,
                }
            }
            (None, None) => {
                let name = format!("captured.{}", graph.inputs.len());
                let inner = graph.add_input(&name, value.ty.clone());
                self.frames[depth - 1].captured.push((id, inner));
                inner
            }
        };
        if let Some(mark) = mark {
            let marks = if top { &mut self.outer } else { &mut self.frames[depth].outer };
            marks.insert(inner, mark);
        }
        Entry::Value(inner)
    }
}

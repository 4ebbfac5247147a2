//! Values, nodes and the one way to make them.

use super::{DType, Dim, Outer, Tensor, Texts, Type};
use crate::ops::{Op, Rules};
use std::collections::BTreeMap;

/// Index of a value in its graph.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ValueId(pub u32);

/// Index of a node in its graph.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub u32);

/// Who writes a value.
#[derive(Clone, PartialEq, Debug)]
pub enum Def {
    /// The caller.
    Input,
    /// The model file, or folding.
    Const(Tensor),
    /// Output `1` of node `0`.
    Node(NodeId, usize),
}

/// Something written once and read any number of times.
#[derive(Clone, PartialEq, Debug)]
pub struct Value {
    /// The model file's name for it, or one made from the node's.
    pub name: String,
    /// Element type and shape.
    pub ty: Type,
    /// Who writes it.
    pub def: Def,
}

/// One operation on values.
#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    /// The model file's name for it.
    pub name: String,
    /// What it does.
    pub op: Op,
    /// Values read, in the op's order.
    pub inputs: Vec<ValueId>,
    /// Values written.
    pub outputs: Vec<ValueId>,
}

/// The greatest value each bounded symbol may take; a symbol that is absent is free.
pub type Bounds = BTreeMap<String, i64>;

/// A model between front end and plan.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Graph {
    /// The model's name.
    pub name: String,
    /// Values the caller gives, in order.
    pub inputs: Vec<ValueId>,
    /// Values the caller gets, with the names it knows them by.
    pub outputs: Vec<(String, ValueId)>,
    /// Upper bounds of symbols.
    pub bounds: Bounds,
    /// Sizes that a node finds out when it runs, each with its greatest value.
    pub counts: BTreeMap<String, Dim>,
    /// Inputs and outputs, by name, that stand for another element type.
    pub outer: BTreeMap<String, Outer>,
    /// The strings its values may hold.
    pub texts: Texts,
    values: Vec<Value>,
    nodes: Vec<Node>,
}

impl Graph {
    /// An empty graph.
    pub fn new(name: &str, bounds: Bounds) -> Graph {
        Graph { name: name.to_string(), bounds, ..Graph::default() }
    }

    /// The value `id`.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0 as usize]
    }

    /// The type of value `id`.
    pub fn ty(&self, id: ValueId) -> &Type {
        &self.value(id).ty
    }

    /// The constant `id` is, if it is one.
    pub fn tensor(&self, id: ValueId) -> Option<&Tensor> {
        match &self.value(id).def {
            Def::Const(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// The node that writes `id`, and which of its outputs `id` is.
    pub fn producer(&self, id: ValueId) -> Option<(&Node, usize)> {
        match self.value(id).def {
            Def::Node(node, output) => Some((self.node(node), output)),
            _ => None,
        }
    }

    /// The place in [`Graph::nodes`] of the node that writes a value.
    pub fn writer_at(&self, id: ValueId) -> Option<usize> {
        match self.value(id).def {
            Def::Node(node, _) => Some(node.0 as usize),
            _ => None,
        }
    }

    /// The node `id`.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// All nodes, every value written before it is read.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// All values.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// How many times each value is read, by nodes and as an output of the graph.
    pub fn use_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.values.len()];
        let outputs = self.outputs.iter().map(|(_, id)| id);
        for id in self.nodes.iter().flat_map(|n| &n.inputs).chain(outputs) {
            counts[id.0 as usize] += 1;
        }
        counts
    }

    /// The last node that reads each value, by its place in [`Graph::nodes`].
    pub fn last_readers(&self) -> Vec<Option<usize>> {
        let mut readers = vec![None; self.values.len()];
        for (at, node) in self.nodes.iter().enumerate() {
            node.inputs.iter().for_each(|id| readers[id.0 as usize] = Some(at));
        }
        readers
    }

    fn add(&mut self, name: &str, ty: Type, def: Def) -> ValueId {
        let id = ValueId(u32::try_from(self.values.len()).unwrap_or(u32::MAX));
        self.values.push(Value { name: name.to_string(), ty, def });
        id
    }

    /// Adds a value the caller gives.
    pub fn add_input(&mut self, name: &str, ty: Type) -> ValueId {
        let id = self.add(name, ty, Def::Input);
        self.inputs.push(id);
        id
    }

    /// Adds a constant.
    pub fn add_const(&mut self, name: &str, tensor: Tensor) -> ValueId {
        self.add(name, tensor.ty(), Def::Const(tensor))
    }

    /// Adds a node; its rule infers the outputs' types. `name` names node and first output.
    pub fn add_node(&mut self, name: &str, op: impl Into<Op>, inputs: &[ValueId]) -> Result<Vec<ValueId>, String> {
        let op = op.into();
        let types: Vec<&Type> = inputs.iter().map(|&id| self.ty(id)).collect();
        let outputs = op.infer(&types)?;
        for ty in &outputs {
            check_size(ty, &self.bounds)?;
        }
        let node = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        let outputs = outputs
            .into_iter()
            .enumerate()
            .map(|(i, ty)| {
                let value = if i == 0 { name.to_string() } else { format!("{name}.{i}") };
                self.add(&value, ty, Def::Node(node, i))
            })
            .collect::<Vec<_>>();
        self.nodes.push(Node { name: name.to_string(), op, inputs: inputs.to_vec(), outputs: outputs.clone() });
        Ok(outputs)
    }

    /// A fresh symbol for a size that a node will find out when it runs, `bound` at most.
    pub fn add_count(&mut self, bound: Dim) -> String {
        let name = format!("count.{}", self.counts.len());
        self.counts.insert(name.clone(), bound);
        name
    }

    /// `dim` with its greatest value in the place of each size that is found out at run time.
    pub fn at_most(&self, dim: &Dim) -> Dim {
        let bounded = dim.substitute(&|name| self.counts.get(name).map(|bound| self.at_most(bound)));
        if bounded == *dim { bounded } else { Dim::max(&bounded, &Dim::from(0)) }
    }

    /// Whether a size is found out only when the model runs.
    pub fn is_counted(&self, dim: &Dim) -> bool {
        let mut names = std::collections::BTreeSet::new();
        dim.symbols(&mut names);
        names.iter().any(|name| self.counts.contains_key(name))
    }

    /// Every size its types and its nodes' attributes hold.
    pub fn dims_mut(&mut self) -> Vec<&mut Dim> {
        let types = self.values.iter_mut().flat_map(|value| value.ty.shape.iter_mut());
        types.chain(self.nodes.iter_mut().flat_map(|node| node.op.dims_mut())).collect()
    }

    /// Every graph inside its nodes.
    pub fn graphs_mut(&mut self) -> Vec<&mut Graph> {
        self.nodes.iter_mut().flat_map(|node| node.op.graphs_mut()).collect()
    }

    /// Adds a node with a single output.
    pub fn add_node1(&mut self, name: &str, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId, String> {
        Ok(self.add_node(name, op, inputs)?[0])
    }

    /// Gives value `id` the name the model file has for it.
    pub fn rename(&mut self, id: ValueId, name: &str) {
        self.values[id.0 as usize].name = name.to_string();
    }

    /// The symbols of the inputs' shapes, in order of first mention.
    pub fn symbols(&self) -> Vec<String> {
        let mut names = Vec::new();
        for &input in &self.inputs {
            for dim in &self.ty(input).shape {
                let mut found = std::collections::BTreeSet::new();
                dim.symbols(&mut found);
                names.extend(found.into_iter().filter(|name| !names.contains(name)).collect::<Vec<_>>());
            }
        }
        names
    }
}

/// Refuses negative sizes and values too large for any machine this could run on.
fn check_size(ty: &Type, bounds: &Bounds) -> Result<(), String> {
    const LIMIT: i64 = 1 << 40;
    for dim in &ty.shape {
        if dim.as_const().is_some_and(|size| size < 0) {
            return Err(format!("its result would have the negative size {dim}, in {ty}"));
        }
    }
    let high = ty.len().range(&|name| bounds.get(name).copied()).map(|(_, high)| high);
    if high.is_some_and(|len| len.saturating_mul(ty.dtype.bytes() as i64) > LIMIT) {
        return Err(format!("its result {ty} would be larger than a terabyte"));
    }
    Ok(())
}

impl DType {
    /// Whether `other` occupies as many bytes, so that a buffer can be reused in place.
    pub fn same_size(self, other: DType) -> bool {
        self.bytes() == other.bytes()
    }
}

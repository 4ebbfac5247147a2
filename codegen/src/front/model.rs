//! The model as a whole: inputs, scopes, the walk over nodes.

use super::cx::{Cx, Entry};
use super::onnx::{AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto};
use super::ports::{Shape, symbol_name};
use super::summary::count_ops;
use super::tensor::Element;
use super::{registry, tensor};
use crate::diag::Diagnostics;
use crate::ir::{Bounds, DType, Dim, Graph, Outer, Tensor, Texts, ValueId};
use crate::options::Options;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The newest ai.onnx opset whose operators kiln knows.
const NEWEST_OPSET: i64 = 24;
/// Subgraphs and functions deeper than this are refused: a hostile file could exhaust the stack.
const MAX_DEPTH: usize = 48;
/// Nodes after unrolling; more would not compile in any reasonable time.
const MAX_NODES: usize = 100_000;
/// Nodes visited, those that fold away included: nested loops and functions multiply.
const MAX_VISITS: usize = 1_000_000;
/// What is said when they are used up.
pub const TOO_MUCH: &str = "the constants computed from the model are many times larger than its file";
/// Bytes of constants that may be made, beside some multiple of the file: a few bytes of a hostile file can ask for any amount.
const SPARE_BYTES: usize = 1 << 26;

/// Reads external data: file name within the model's folder, first byte, number of bytes (to the end if `None`).
pub type ReadExternal<'a> = dyn Fn(&str, u64, Option<u64>) -> Result<Vec<u8>, String> + 'a;

/// Reads the model's tuning file, if there is one.
pub type ReadTuning<'a> = dyn Fn() -> Result<Option<String>, String> + 'a;

/// A model file.
pub struct Source<'a> {
    /// Its content.
    pub bytes: &'a [u8],
    /// Its path, for messages.
    pub name: &'a str,
    /// Where it keeps data outside itself.
    pub external: &'a ReadExternal<'a>,
    /// The text of the tuning file beside it, if there is one; asked only if it is wanted.
    pub tuning: &'a ReadTuning<'a>,
}

/// What the user chose for a symbolic size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DimChoice {
    /// This size.
    Fixed(i64),
    /// Any size up to this one.
    Bounded(i64),
}

/// A model file as a graph.
pub struct Imported {
    /// The graph.
    pub graph: Graph,
    /// How often each operator occurs in the file.
    pub ops: BTreeMap<String, usize>,
    /// Inputs that became constants.
    pub pinned: Vec<(String, Tensor)>,
}

/// The import of one model.
pub struct Importer<'a> {
    pub graph: Graph,
    /// What values stand for that are computed in another type than the model's.
    pub outer: BTreeMap<ValueId, Outer>,
    /// The model's strings.
    pub texts: Texts,
    pub source: &'a Source<'a>,
    /// Version of each operator domain, innermost function last.
    pub opsets: Vec<BTreeMap<String, i64>>,
    pub scopes: Vec<HashMap<String, Entry>>,
    /// Graphs around the one being made, outermost first.
    pub frames: Vec<super::detached::Frame>,
    functions: HashMap<(String, String), &'a FunctionProto>,
    pub diagnostics: Diagnostics,
    /// What keeps control flow from being decided, for messages.
    pub inputs: Vec<String>,
    depth: usize,
    visits: usize,
    /// Bytes of constants that may still be made.
    spare: usize,
}

/// Reads a model.
pub fn import(source: &Source, name: &str, options: &Options) -> Result<Imported, Diagnostics> {
    let refuse = |message: &str| Diagnostics::model(source.name, message);
    let model = ModelProto::decode(prost::bytes::Bytes::copy_from_slice(source.bytes))
        .map_err(|e| refuse(&format!("this is not an ONNX model, or it is damaged: {e}")))?;
    let Some(graph) = &model.graph else { return Err(refuse("this is not an ONNX model: it holds no graph")) };
    let opsets: BTreeMap<String, i64> =
        model.opset_import.iter().map(|o| (domain(&o.domain).to_string(), o.version)).collect();
    let opset = opsets.get("").copied().unwrap_or(0);
    if opset < 1 && graph.node.iter().any(|node| domain(&node.domain).is_empty()) {
        return Err(refuse(
            "it states no opset, so that its operators have no definite meaning\nhelp: set opset_import to the version it was written for",
        ));
    }
    if opset > NEWEST_OPSET {
        return Err(refuse(&format!(
            "its opset {opset} is newer than {NEWEST_OPSET}, the newest kiln knows\nhelp: export with opset {NEWEST_OPSET}, or convert with onnx.version_converter"
        )));
    }
    let bounds: Bounds = options
        .dims
        .iter()
        .filter_map(|(name, choice)| match choice {
            DimChoice::Bounded(bound) => Some((symbol_name(name), *bound)),
            DimChoice::Fixed(_) => None,
        })
        .collect();
    let mut importer = Importer {
        graph: Graph::new(name, bounds),
        outer: BTreeMap::new(),
        texts: Texts::default(),
        source,
        opsets: vec![opsets],
        scopes: vec![HashMap::new()],
        frames: Vec::new(),
        functions: model.functions.iter().map(|f| ((domain(&f.domain).to_string(), f.name.clone()), f)).collect(),
        diagnostics: Diagnostics { file: source.name.to_string(), list: Vec::new() },
        inputs: Vec::new(),
        depth: 0,
        visits: 0,
        spare: source.bytes.len().saturating_mul(8).saturating_add(SPARE_BYTES),
    };
    let pinned = importer.inputs(graph, options)?;
    importer.initializers(graph);
    importer.nodes(&graph.node, &graph.output.iter().map(|o| o.name.clone()).collect::<Vec<_>>());
    for output in &graph.output {
        match importer.lookup(&output.name) {
            Some(Entry::Poison) => {}
            Some(entry) if !matches!(entry, Entry::Absent) || Shape::of(output.r#type.as_ref()) != Shape::Tensor => {
                if let Err(message) = importer.outputs_of(output, &entry) {
                    importer.diagnostics.error(None, "", &format!("output {:?}: {message}", output.name));
                }
            }
            Some(_) | None => {
                importer.diagnostics.error(None, "", &format!("output {:?} is written by no node", output.name));
            }
        }
    }
    let distinct: BTreeSet<&String> = importer.graph.outputs.iter().map(|(name, _)| name).collect();
    if distinct.len() != importer.graph.outputs.len() {
        importer.diagnostics.error(None, "", "two outputs have the same name");
    }
    if importer.diagnostics.list.is_empty() && importer.graph.outputs.is_empty() {
        importer.diagnostics.error(None, "", "it has no outputs, so there is nothing to compute");
    }
    if !importer.diagnostics.list.is_empty() {
        return Err(importer.diagnostics);
    }
    let mut ops = BTreeMap::new();
    count_ops(graph, &mut ops, 0);
    importer.graph.texts = importer.texts;
    Ok(Imported { graph: importer.graph, ops, pinned })
}

/// The default domain has two spellings.
pub fn domain(name: &str) -> &str {
    if name == "ai.onnx" { "" } else { name }
}

impl<'a> Importer<'a> {
    /// Notes what a value stands for.
    pub fn mark(&mut self, id: ValueId, outer: Option<Outer>) {
        if let Some(outer) = outer {
            self.outer.insert(id, outer);
        }
    }

    fn initializers(&mut self, graph: &GraphProto) {
        for proto in &graph.initializer {
            let entry = match tensor::tensor(proto, self.source, &self.texts) {
                Ok((tensor, _)) if self.depth > 0 && !self.spend(tensor.bytes().len()) => {
                    self.diagnostics.error(None, "", &format!("initializer {:?}: {TOO_MUCH}", proto.name));
                    Entry::Poison
                }
                Ok((tensor, element)) => {
                    let id = self.graph.add_const(&proto.name, tensor);
                    self.mark(id, element.outer);
                    Entry::Value(id)
                }
                Err(message) => {
                    self.diagnostics.error(None, "", &format!("initializer {:?}: {message}", proto.name));
                    Entry::Poison
                }
            };
            self.define_once(&proto.name, entry);
        }
        for sparse in &graph.sparse_initializer {
            let name = sparse.values.as_ref().map_or("", |v| v.name.as_str());
            self.diagnostics.error(
                None,
                "",
                &format!("sparse initializer {name:?} is not supported\nhelp: store it densely"),
            );
            self.define(name, Entry::Poison);
        }
    }

    /// Imports `nodes` into the innermost scope, as far as `wanted` needs them, in an order that defines before use.
    pub fn nodes(&mut self, nodes: &[NodeProto], wanted: &[String]) {
        for at in self.order(nodes, wanted) {
            self.node(&nodes[at]);
        }
    }

    fn order(&mut self, nodes: &[NodeProto], wanted: &[String]) -> Vec<usize> {
        let mut writers: HashMap<&str, usize> = HashMap::new();
        for (at, node) in nodes.iter().enumerate() {
            for output in node.output.iter().filter(|output| !output.is_empty()) {
                let twice = match writers.insert(output, at) {
                    Some(_) => Some("another node writes too"),
                    None if self.scopes.last().is_some_and(|scope| scope.contains_key(output)) => {
                        Some("is an input or a constant")
                    }
                    None => None,
                };
                if let Some(twice) = twice {
                    let message = format!("it writes {output:?}, which {twice}");
                    self.diagnostics.error(Some(node_name(node)), &node.op_type, &message);
                }
            }
        }
        // Depth first without recursion: a node is entered, its operands' writers follow, then it is left.
        let mut state = vec![0u8; nodes.len()];
        let mut order = Vec::new();
        let mut stack: Vec<(usize, bool)> = Vec::new();
        let roots = wanted.iter().rev().filter_map(|name| writers.get(name.as_str()).copied());
        stack.extend(roots.map(|at| (at, false)));
        while let Some((at, leaving)) = stack.pop() {
            if leaving {
                state[at] = 2;
                order.push(at);
                continue;
            }
            if state[at] != 0 {
                if state[at] == 1 {
                    let node = &nodes[at];
                    self.diagnostics.error(
                        Some(node_name(node)),
                        &node.op_type,
                        "it reads, through other nodes, what it writes itself",
                    );
                    state[at] = 2;
                }
                continue;
            }
            state[at] = 1;
            stack.push((at, true));
            let mut reads = Vec::new();
            node_reads(&nodes[at], &mut reads, 0);
            for name in reads.iter().rev() {
                if let Some(&writer) = writers.get(name)
                    && (state[writer] != 2)
                    && writer != at
                {
                    stack.push((writer, false));
                }
            }
        }
        // Nodes in the file's order, where that order is good already.
        let position: HashMap<usize, usize> = order.iter().enumerate().map(|(i, &at)| (at, i)).collect();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        let good = sorted.iter().all(|&at| {
            let mut reads = Vec::new();
            node_reads(&nodes[at], &mut reads, 0);
            reads
                .iter()
                .all(|name| writers.get(name).is_none_or(|&writer| writer < at || !position.contains_key(&writer)))
        });
        if good { sorted } else { order }
    }

    fn node(&mut self, node: &NodeProto) {
        let mut inputs = Vec::with_capacity(node.input.len());
        for name in &node.input {
            match if name.is_empty() { Some(Entry::Absent) } else { self.lookup(name) } {
                Some(Entry::Poison) => return self.poison(node),
                Some(entry) => inputs.push(entry),
                None => {
                    let message = format!("it reads {name:?}, which nothing before it writes");
                    return self.fail(node, &message);
                }
            }
        }
        self.visits = self.visits.saturating_add(1);
        if self.visits > MAX_VISITS || self.graph.nodes().len() > MAX_NODES {
            // Said once; everything after it is skipped.
            if self.visits != usize::MAX {
                self.visits = usize::MAX;
                return self.fail(node, &format!("the model has more than {MAX_NODES} nodes after unrolling"));
            }
            return self.poison(node);
        }
        if self.depth > MAX_DEPTH {
            return self.fail(node, &format!("subgraphs and functions nest deeper than {MAX_DEPTH}"));
        }
        let result = match self.functions.get(&(domain(&node.domain).to_string(), node.op_type.clone())).copied() {
            Some(function) => self.call(function, node, inputs),
            None if self.reads_texts(&inputs) && !registry::takes_texts(node) => Err("it does not take strings".into()),
            None => match registry::find(domain(&node.domain), &node.op_type) {
                Some(function) => {
                    let (operands, before) = (inputs.clone(), self.graph.values().len());
                    let mut cx = Cx::new(self, node, inputs);
                    let results = function(&mut cx);
                    let stated = cx.stated;
                    let results = cx.take_wrong().map_or(results, Err);
                    if let Ok(entries) = &results
                        && !self.outer.is_empty() | stated.is_some()
                    {
                        self.mark_results(node, &operands, entries, stated, before);
                    }
                    results
                }
                None => Err(registry::unknown(domain(&node.domain), &node.op_type)),
            },
        };
        match result {
            Ok(entries) => {
                for (name, entry) in node.output.iter().zip(entries) {
                    if let Entry::Value(id) = entry
                        && self.graph.producer(id).is_some()
                    {
                        self.graph.rename(id, name);
                    }
                    self.define(name, entry);
                }
                for name in &node.output {
                    if !name.is_empty() && !self.scopes.last().is_some_and(|scope| scope.contains_key(name)) {
                        self.fail(node, &format!("its output {name:?} is not supported"));
                    }
                }
            }
            Err(message) => self.fail(node, &message),
        }
    }

    /// Whether any operand is made of strings.
    fn reads_texts(&self, operands: &[Entry]) -> bool {
        !self.outer.is_empty() && flat(operands).iter().any(|id| self.outer.get(id) == Some(&Outer::Text))
    }

    /// Notes the element types of a node's results, which are the values from number `before` on: as its function states,
    /// or else that of the first operand that is computed in the same type.
    fn mark_results(
        &mut self,
        node: &NodeProto,
        operands: &[Entry],
        results: &[Entry],
        stated: Option<Element>,
        before: usize,
    ) {
        // What comes out of these was marked inside.
        if matches!(node.op_type.as_str(), "If" | "Loop" | "Scan") {
            return;
        }
        let operands = flat(operands);
        for id in flat(results).into_iter().filter(|id| id.0 as usize >= before) {
            let dtype = self.graph.ty(id).dtype;
            let outer = match stated {
                Some(element) if element.dtype == dtype => element.outer,
                Some(_) => None,
                None => {
                    let like = operands.iter().find(|&&operand| self.graph.ty(operand).dtype == dtype);
                    like.and_then(|operand| self.outer.get(operand)).copied()
                }
            };
            self.mark(id, outer);
        }
    }

    fn call(
        &mut self,
        function: &'a FunctionProto,
        node: &NodeProto,
        inputs: Vec<Entry>,
    ) -> Result<Vec<Entry>, String> {
        if inputs.len() > function.input.len() {
            return Err(format!("it has {} operands and its function takes {}", inputs.len(), function.input.len()));
        }
        let mut nodes = function.node.clone();
        nodes.iter_mut().for_each(|inner| bind_attributes(inner, function, node, 0));
        let opsets = function.opset_import.iter().map(|o| (domain(&o.domain).to_string(), o.version)).collect();
        // What was left out is absent, and nothing of the caller's is seen.
        let given = inputs.into_iter().chain(std::iter::repeat(Entry::Absent));
        let given: Vec<(String, Entry)> = function.input.iter().cloned().zip(given).collect();
        let outer = (std::mem::take(&mut self.scopes), std::mem::take(&mut self.frames));
        self.opsets.push(opsets);
        let entries = self.scoped(given.into_iter(), &nodes, &[], &function.output);
        self.opsets.pop();
        (self.scopes, self.frames) = outer;
        entries
    }

    /// Imports a subgraph: `given` names its inputs, `outer` scopes stay visible to graphs (not to functions).
    pub fn subgraph(&mut self, graph: &GraphProto, given: Vec<(String, Entry)>) -> Result<Vec<Entry>, String> {
        let outputs: Vec<String> = graph.output.iter().map(|o| o.name.clone()).collect();
        self.scoped(given.into_iter(), &graph.node, std::slice::from_ref(graph), &outputs)
    }

    fn scoped(
        &mut self,
        given: impl Iterator<Item = (String, Entry)>,
        nodes: &[NodeProto],
        constants: &[GraphProto],
        outputs: &[String],
    ) -> Result<Vec<Entry>, String> {
        let failures = self.diagnostics.list.len();
        self.scopes.push(given.collect());
        self.depth += 1;
        constants.iter().for_each(|graph| self.initializers(graph));
        self.nodes(nodes, outputs);
        let entries: Vec<Option<Entry>> = outputs.iter().map(|name| self.lookup(name)).collect();
        self.depth -= 1;
        self.scopes.pop();
        if self.diagnostics.list.len() > failures {
            // What failed inside has been reported there.
            return Ok(outputs.iter().map(|_| Entry::Poison).collect());
        }
        let missing = |i: usize| format!("output {:?} of its body is written by no node", outputs[i]);
        entries.into_iter().enumerate().map(|(i, entry)| entry.ok_or_else(|| missing(i))).collect()
    }

    pub fn define(&mut self, name: &str, entry: Entry) {
        if let Some(scope) = self.scopes.last_mut()
            && !name.is_empty()
        {
            scope.insert(name.to_string(), entry);
        }
    }

    pub fn define_once(&mut self, name: &str, entry: Entry) {
        if self.scopes.last().is_some_and(|scope| scope.contains_key(name)) {
            self.diagnostics.error(None, "", &format!("two constants or inputs are called {name:?}"));
        }
        self.define(name, entry);
    }

    fn fail(&mut self, node: &NodeProto, message: &str) {
        self.diagnostics.error(Some(node_name(node)), &node.op_type, message);
        self.poison(node);
    }

    fn poison(&mut self, node: &NodeProto) {
        node.output.iter().for_each(|name| self.define(name, Entry::Poison));
    }

    /// Version of an operator domain where the import stands.
    pub fn opset(&self, domain: &str) -> i64 {
        self.opsets.iter().rev().find_map(|opsets| opsets.get(domain)).copied().unwrap_or(1)
    }

    /// Takes `bytes` from what constants may still be made; false if there are no more.
    pub fn spend(&mut self, bytes: usize) -> bool {
        let left = self.spare.checked_sub(bytes);
        self.spare = left.unwrap_or(self.spare);
        left.is_some()
    }

    /// The integers a value holds, if they are known: a constant, or sizes.
    pub fn ints(&self, id: ValueId) -> Option<Vec<Dim>> {
        if let Some(tensor) = self.graph.tensor(id) {
            let small = tensor.shape().len() <= 1
                && tensor.len() <= 256
                && (tensor.dtype().is_int() || tensor.dtype() == DType::Bool);
            return small.then(|| tensor.to_i64s().into_iter().map(Dim::from).collect());
        }
        // Of nothing, everything is known.
        let ty = self.graph.ty(id);
        if ty.rank() == 1 && ty.shape[0].is(0) && ty.dtype.is_int() {
            return Some(Vec::new());
        }
        match self.graph.producer(id)?.0.op {
            crate::ops::Op::Sizes(ref sizes) => Some(sizes.dims.clone()),
            _ => None,
        }
    }
}

/// The values among entries, those of sequences too.
fn flat(entries: &[Entry]) -> Vec<ValueId> {
    let mut values = Vec::new();
    let mut stack: Vec<&Entry> = entries.iter().rev().collect();
    while let Some(entry) = stack.pop() {
        match entry {
            Entry::Value(id) => values.push(*id),
            Entry::Sequence(entries) => stack.extend(entries.iter().rev()),
            Entry::Absent | Entry::Poison => {}
        }
    }
    values
}

/// Gives the attributes of a function's node, and of the subgraphs in it, that refer to the call's their values.
fn bind_attributes(node: &mut NodeProto, function: &FunctionProto, call: &NodeProto, depth: usize) {
    node.attribute.retain_mut(|attribute| {
        if attribute.ref_attr_name.is_empty() {
            return true;
        }
        let given = call.attribute.iter().find(|a| a.name == attribute.ref_attr_name);
        let default = function.attribute_proto.iter().find(|a| a.name == attribute.ref_attr_name);
        let Some(value) = given.or(default) else { return false };
        *attribute = AttributeProto { name: attribute.name.clone(), ..value.clone() };
        true
    });
    if depth < MAX_DEPTH {
        let graphs = node.attribute.iter_mut().filter_map(|attribute| attribute.g.as_mut());
        graphs.flat_map(|graph| &mut graph.node).for_each(|inner| bind_attributes(inner, function, call, depth + 1));
    }
}

/// The name people know a node by.
pub fn node_name(node: &NodeProto) -> &str {
    if node.name.is_empty() { node.output.first().map_or("", String::as_str) } else { &node.name }
}

/// Names a node reads, those its subgraphs take from outside included.
fn node_reads<'n>(node: &'n NodeProto, reads: &mut Vec<&'n str>, depth: usize) {
    reads.extend(node.input.iter().map(String::as_str).filter(|name| !name.is_empty()));
    if depth > MAX_DEPTH {
        return;
    }
    for graph in node.attribute.iter().filter_map(|attribute| attribute.g.as_ref()) {
        graph.node.iter().for_each(|inner| node_reads(inner, reads, depth + 1));
        reads.extend(graph.output.iter().map(|output| output.name.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use super::super::build::*;
    use super::*;

    fn refusal(model: &ModelProto) -> String {
        imported(model).err().map_or_else(String::new, |e| e.to_string())
    }

    fn ones(n: usize) -> Tensor {
        Tensor::from_f64s(DType::F32, vec![n], &vec![1.0; n])
    }

    #[test]
    fn functions_do_not_see_their_callers_names() {
        // The second operand of Clip is left out by the call; the caller has a value of that name.
        let clip = function("Low", &["x", "low"], &["y"], vec![node("Clip", &["x", "low"], &["y"], vec![])]);
        let constants = vec![constant("x", &ones(2)), constant("low", &Tensor::from_f64s(DType::F32, vec![], &[5.0]))];
        let graph = graph(&[], &["z"], constants, vec![call("Low", &["x"], &["z"], vec![])]);
        let imported = imported(&model(graph, vec![clip])).unwrap();
        assert_eq!(imported.graph.tensor(imported.graph.outputs[0].1).unwrap().to_f64s(), [1.0, 1.0]);

        let stray = function("Stray", &["x"], &["y"], vec![node("Add", &["x", "low"], &["y"], vec![])]);
        let constants = vec![constant("x", &ones(2)), constant("low", &ones(2))];
        let graph = super::super::build::graph(&[], &["z"], constants, vec![call("Stray", &["x"], &["z"], vec![])]);
        assert!(refusal(&model(graph, vec![stray])).contains("nothing before it writes"));
    }

    #[test]
    fn attributes_of_a_call_reach_into_subgraphs() {
        let mut axis = int("axis", 0);
        axis.ref_attr_name = "which".into();
        let inner = graph(&[], &["r"], vec![], vec![node("Softmax", &["x"], &["r"], vec![axis])]);
        let other = graph(&[], &["s"], vec![], vec![node("Identity", &["x"], &["s"], vec![])]);
        let choice = vec![subgraph("then_branch", inner), subgraph("else_branch", other)];
        let body = function("F", &["x", "c"], &["y"], vec![node("If", &["c"], &["y"], choice)]);
        let x = Tensor::from_f64s(DType::F32, vec![2, 1], &[3.0, 3.0]);
        let constants = vec![constant("x", &x), constant("c", &Tensor::from_i64s(DType::Bool, vec![], &[1]))];
        let graph = graph(&[], &["z"], constants, vec![call("F", &["x", "c"], &["z"], vec![int("which", 0)])]);
        let imported = imported(&model(graph, vec![body])).unwrap();
        assert_eq!(imported.graph.tensor(imported.graph.outputs[0].1).unwrap().to_f64s(), [0.5, 0.5]);
    }

    #[test]
    fn functions_that_multiply_are_refused_once() {
        let double = |i: usize| {
            let (name, next) = (format!("F{i}"), format!("F{}", i + 1));
            let calls = match i {
                40 => vec![node("Neg", &["x"], &["y"], vec![])],
                _ => vec![call(&next, &["x"], &["h"], vec![]), call(&next, &["h"], &["y"], vec![])],
            };
            function(&name, &["x"], &["y"], calls)
        };
        let graph = graph(&[], &["z"], vec![constant("x", &ones(1))], vec![call("F0", &["x"], &["z"], vec![])]);
        let refused = imported(&model(graph, (0..=40).map(double).collect())).err().unwrap();
        assert_eq!(refused.list.len(), 1, "{refused}");
        assert!(refused.to_string().contains("after unrolling"));
    }

    #[test]
    fn constants_made_from_little_are_limited() {
        // Each of many nodes asks for four megabytes.
        let shape = constant("s", &Tensor::ints(&[1 << 10, 1 << 10]));
        let one = constant("x", &ones(1));
        let wide = |i: usize| node("Expand", &["x", "s"], &[&format!("w{i}")], vec![]);
        let names: Vec<String> = (0..100).map(|i| format!("w{i}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let imported = imported(&model(graph(&[], &names, vec![one, shape], (0..100).map(wide).collect()), vec![]));
        let graph = imported.unwrap().graph;
        let constants = (0..graph.values().len()).filter_map(|i| graph.tensor(ValueId(i as u32)));
        let bytes: usize = constants.map(|tensor| tensor.bytes().len()).sum();
        assert!(bytes <= 2 * SPARE_BYTES, "{bytes}");
        assert!(graph.nodes().len() > 80, "the others are left for run time");
    }

    #[test]
    fn what_is_given_is_not_written_again() {
        let nodes = vec![node("Neg", &["x"], &["x"], vec![])];
        let message = refusal(&model(graph(&[], &["x"], vec![constant("x", &ones(1))], nodes), vec![]));
        assert!(message.contains("is an input or a constant"), "{message}");
    }

    #[test]
    fn every_node_at_fault_is_reported_and_no_other() {
        let nodes = vec![
            node("Nonsense", &["x"], &["a"], vec![]),
            node("Neg", &["a"], &["b"], vec![]),
            node("Folly", &["x"], &["c"], vec![]),
            node("Unused", &["x"], &["d"], vec![]),
        ];
        let graph = graph(&[], &["b", "c"], vec![constant("x", &ones(1))], nodes);
        let refused = imported(&model(graph, vec![])).err().unwrap();
        let ops: Vec<&str> = refused.list.iter().map(|d| d.op.as_str()).collect();
        assert_eq!(ops, ["Nonsense", "Folly"]);
    }

    #[test]
    fn an_operand_without_elements_is_known() {
        let mut main = graph(&[], &["y"], vec![], vec![node("ReduceSum", &["x", "axes"], &["y"], vec![])]);
        main.input = vec![port("x", DType::F32, &[2, 3]), port("axes", DType::I64, &[0])];
        let imported = imported(&model(main, vec![])).unwrap();
        assert_eq!(imported.graph.ty(imported.graph.outputs[0].1).dims(), Some(vec![1, 1]));
    }
}

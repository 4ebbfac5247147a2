//! Graph to steps: walks the nodes in order, decides which results take over an operand's memory, and lets each op write its
//! kernel calls. Buffers get sizes and lifetimes here, addresses in `memory`.

mod ahead;
mod blocks;
mod choices;

use crate::ir::{DType, Def, Dim, Graph, Node, Shape, Tensor, Type, ValueId};
use crate::memory;
use crate::ops::map::Map;
use crate::ops::{Op, Rules};
use crate::options::Options;
use crate::plan::{Arg, Buffer, BufferId, Flow, Func, FuncId, Operand, Place, Plan, Port, Step, Threads};
use crate::tuning::{Chosen, Tuning};
use crate::weights::Blob;
use choices::{Choices, name_of};
use std::collections::{BTreeSet, HashMap};

/// The plan of `graph` and what was chosen for it, or the node that no kernel serves, its op, and why.
pub fn schedule(
    graph: &Graph,
    options: &Options,
    tuning: Option<&Tuning>,
) -> Result<(Plan, Vec<Chosen>), (String, &'static str, String)> {
    let mut scheduler = Scheduler::new(graph, options);
    scheduler.choices.tuning = tuning;
    for (i, id) in graph.inputs.iter().enumerate() {
        scheduler.places[id.0 as usize] = Some(Place::Input(i));
    }
    scheduler.walk()?;
    let chosen = std::mem::take(&mut scheduler.choices.made);
    Ok((scheduler.finish(), chosen))
}

/// A node that cannot be scheduled, its op, and why.
type Failure = (String, &'static str, String);

struct Scheduler<'g> {
    graph: &'g Graph,
    options: &'g Options,
    /// Last node that reads each value's memory, `usize::MAX` for outputs.
    last_use: Vec<usize>,
    /// Where each value lies, once decided.
    places: Vec<Option<Place>>,
    /// Reads of each output value, so that unwanted ones are seen.
    uses: Vec<usize>,
    buffers: Vec<Buffer>,
    /// Node index each buffer's memory is needed until, over all values in it.
    needed: Vec<usize>,
    blob: Blob,
    funcs: Vec<Func>,
    func_ids: HashMap<Func, FuncId>,
    steps: Vec<Step>,
    choices: Choices<'g>,
    /// Whether the graph stands in a branch or loop.
    nested: bool,
    /// Sizes that must be equal before anything runs.
    equalities: BTreeSet<(Dim, Dim)>,
    /// What runs of this graph; steps are all graphs'.
    flow: Vec<Flow>,
    node: Option<&'g Node>,
    /// Whether the node's work still has to be counted.
    uncounted: bool,
    in_place: Option<usize>,
}

impl<'g> Scheduler<'g> {
    fn new(graph: &'g Graph, options: &'g Options) -> Scheduler<'g> {
        let mut last_use = vec![0; graph.values().len()];
        for (at, node) in graph.nodes().iter().enumerate() {
            node.inputs.iter().for_each(|id| last_use[id.0 as usize] = at);
        }
        graph.outputs.iter().for_each(|(_, id)| last_use[id.0 as usize] = usize::MAX);
        // A view keeps its operand's memory in use for as long as its own.
        for node in graph.nodes().iter().rev().filter(|node| node.op.is_view()) {
            let (from, to) = (node.inputs[0].0 as usize, node.outputs[0].0 as usize);
            last_use[from] = last_use[from].max(last_use[to]);
        }
        let places = vec![None; graph.values().len()];
        Scheduler {
            graph,
            options,
            last_use,
            places,
            uses: graph.use_counts(),
            buffers: Vec::new(),
            needed: Vec::new(),
            blob: Blob::default(),
            funcs: Vec::new(),
            func_ids: HashMap::new(),
            steps: Vec::new(),
            choices: Choices::default(),
            nested: false,
            equalities: BTreeSet::new(),
            flow: Vec::new(),
            node: None,
            uncounted: false,
            in_place: None,
        }
    }

    /// Schedules every node.
    fn walk(&mut self) -> Result<(), Failure> {
        let graph = self.graph;
        for (at, node) in graph.nodes().iter().enumerate() {
            let fail = |message| (name_of(graph, node).to_string(), node.op.name(), message);
            self.check_sizes(node);
            self.place_outputs(at, node);
            match &node.op {
                Op::Branch(branch) => self.branch(node, branch)?,
                Op::Repeat(repeat) => self.repeat(node, repeat)?,
                op if op.is_view() => {}
                op => {
                    self.node = Some(node);
                    self.uncounted = true;
                    let first = self.choices.made.len();
                    op.lower(&mut Lower { scheduler: self }).map_err(fail)?;
                    self.choices.end(first, self.steps.len());
                }
            }
            self.in_place = None;
        }
        Ok(())
    }

    /// Sizes that only a step finds out, or that matter only in a branch, are compared where the node stands; the others before
    /// anything runs.
    fn check_sizes(&mut self, node: &Node) {
        let graph = self.graph;
        self.flow.extend(node.op.limit().map(Flow::Within));
        let types = |ids: &[ValueId]| ids.iter().map(|&id| graph.ty(id)).collect::<Vec<_>>();
        for (a, b) in node.op.equalities(&types(&node.inputs), &types(&node.outputs)) {
            if self.nested || graph.is_counted(&a) || graph.is_counted(&b) {
                self.flow.push(Flow::Check(a, b));
            } else {
                self.equalities.insert((a, b));
            }
        }
    }

    fn add_buffer(&mut self, bytes: Dim) -> BufferId {
        let bytes = self.graph.at_most(&bytes);
        self.buffers.push(Buffer { bytes, offset: Dim::from(0), live: (usize::MAX, 0) });
        self.needed.push(0);
        BufferId(self.buffers.len() - 1)
    }

    fn place_outputs(&mut self, at: usize, node: &Node) {
        if node.op.is_view() {
            let place = self.place(node.inputs[0]);
            self.places[node.outputs[0].0 as usize] = Some(place);
            return;
        }
        for (i, &id) in node.outputs.iter().enumerate() {
            let ty = self.graph.ty(id);
            let taken = if i == 0 { self.take_over(at, node, ty) } else { None };
            let place = match taken {
                Some((operand, place)) => {
                    self.in_place = Some(operand);
                    place
                }
                None => Place::Buffer(self.add_buffer(ty.len() * Dim::from(ty.dtype.bytes()))),
            };
            if let Place::Buffer(buffer) = place {
                self.needed[buffer.0] = self.needed[buffer.0].max(self.last_use[id.0 as usize]);
            }
            self.places[id.0 as usize] = Some(place);
        }
    }

    /// An operand whose memory the first result may have: a buffer that nothing reads after this node or twice in it.
    fn take_over(&mut self, at: usize, node: &Node, ty: &Type) -> Option<(usize, Place)> {
        node.op.in_place().into_iter().find_map(|operand| {
            let id = *node.inputs.get(operand)?;
            let from = self.graph.ty(id);
            let place = self.places[id.0 as usize]?;
            let Place::Buffer(buffer) = place else { return None };
            let again = node
                .inputs
                .iter()
                .enumerate()
                .any(|(i, other)| i != operand && self.places[other.0 as usize] == Some(place));
            let fits = from.len() == ty.len() && from.dtype.same_size(ty.dtype);
            (fits && !again && self.needed[buffer.0] <= at).then_some((operand, place))
        })
    }

    fn place(&mut self, id: ValueId) -> Place {
        if let Some(place) = self.places[id.0 as usize] {
            return place;
        }
        let place = match &self.graph.value(id).def {
            Def::Const(tensor) => Place::Weight(self.blob.add(tensor.bytes())),
            // invariant: inputs have places from the start, results from when their node was met.
            Def::Input | Def::Node(..) => Place::Weight(0),
        };
        self.places[id.0 as usize] = Some(place);
        place
    }

    fn operand(&mut self, id: ValueId) -> Operand {
        let ty = self.graph.ty(id);
        Operand { place: self.place(id), dtype: ty.dtype, offset: Dim::from(0), len: ty.len() }
    }

    fn port(&mut self, name: &str, id: ValueId) -> Port {
        let ty = self.graph.ty(id);
        Port {
            name: name.to_string(),
            dtype: ty.dtype,
            outer: self.graph.outer.get(name).copied(),
            shape: ty.shape.clone(),
            operand: self.operand(id),
        }
    }

    fn finish(mut self) -> Plan {
        let graph = self.graph;
        let inputs: Vec<Port> = graph.inputs.iter().map(|&id| self.port(&graph.value(id).name, id)).collect();
        let outputs: Vec<Port> = graph.outputs.iter().map(|(name, id)| self.port(name, *id)).collect();
        for (at, step) in self.steps.iter().enumerate() {
            for (operand, _) in step.operands() {
                if let Place::Buffer(buffer) = operand.place {
                    let live = &mut self.buffers[buffer.0].live;
                    *live = (live.0.min(at), live.1.max(at));
                }
            }
        }
        let buffers = &mut self.buffers;
        blocks::touch_controls(&self.flow, &mut |operand, at| {
            if let Place::Buffer(buffer) = operand.place {
                let live = &mut buffers[buffer.0].live;
                *live = (live.0.min(at), live.1.max(at));
            }
        });
        for port in &outputs {
            if let Place::Buffer(buffer) = port.operand.place {
                self.buffers[buffer.0].live.1 = self.steps.len();
            }
        }
        blocks::keep_through_loops(&self.flow, &mut self.buffers);
        let reads_texts = |step: &Step| step.fields.iter().any(|(_, arg)| matches!(arg, Arg::Texts));
        let has_texts = inputs.iter().chain(&outputs).any(Port::is_text) || self.steps.iter().any(reads_texts);
        let threads = Threads::of(&self.steps, self.options.threads);
        let blob = self.blob.finish();
        ahead::ask(&mut self.steps, &self.flow, blob.len());
        let macs = self.steps.iter().fold(Dim::from(0), |sum, step| sum + step.macs.clone());
        Plan {
            name: graph.name.clone(),
            inputs,
            outputs,
            symbols: graph.symbols(),
            counts: graph.counts.iter().map(|(name, bound)| (name.clone(), graph.at_most(bound))).collect(),
            bounds: graph.bounds.clone(),
            equalities: self.equalities.into_iter().collect(),
            steps: self.steps,
            flow: self.flow,
            funcs: self.funcs,
            arena: memory::place(self.buffers, &graph.bounds),
            blob,
            texts: has_texts.then(|| graph.texts.all()),
            macs,
            threads,
        }
    }
}

/// What an op sees while it writes its kernel calls.
pub struct Lower<'a, 'g> {
    scheduler: &'a mut Scheduler<'g>,
}

impl<'g> Lower<'_, 'g> {
    /// What the user chose.
    pub fn options(&self) -> &'g Options {
        self.scheduler.options
    }

    fn node(&self) -> &'g Node {
        // invariant: `schedule` sets the node before it lends itself out.
        self.scheduler.node.unwrap_or(&self.scheduler.graph.nodes()[0])
    }

    /// The type of operand `i`.
    pub fn ty(&self, i: usize) -> &'g Type {
        self.scheduler.graph.ty(self.node().inputs[i])
    }

    /// The type of result `i`.
    pub fn out_ty(&self, i: usize) -> &'g Type {
        self.scheduler.graph.ty(self.node().outputs[i])
    }

    /// Operand `i`, if it is constant.
    pub fn tensor(&self, i: usize) -> Option<&'g Tensor> {
        self.scheduler.graph.tensor(self.node().inputs[i])
    }

    /// Operand `i` as it lies in memory; a constant is put into the blob as it is.
    pub fn input(&mut self, i: usize) -> Operand {
        let id = self.node().inputs[i];
        self.scheduler.operand(id)
    }

    /// Where result `i` goes.
    pub fn output(&mut self, i: usize) -> Operand {
        let id = self.node().outputs[i];
        self.scheduler.operand(id)
    }

    /// Where result `i` goes, as large as it may get: its size is found out by this very node.
    pub fn output_at_most(&mut self, i: usize) -> Operand {
        let operand = self.output(i);
        Operand { len: self.scheduler.graph.at_most(&operand.len), ..operand }
    }

    /// Whether anything reads result `i`.
    pub fn wanted(&self, i: usize) -> bool {
        self.scheduler.uses[self.node().outputs[i].0 as usize] > 0
    }

    /// The operand whose memory result 0 took over.
    pub fn in_place(&self) -> Option<usize> {
        self.scheduler.in_place
    }

    fn blob(&mut self, dtype: DType, bytes: &[u8]) -> Operand {
        let place = Place::Weight(self.scheduler.blob.add(bytes));
        Operand { place, dtype, offset: Dim::from(0), len: Dim::from(bytes.len() / dtype.bytes()) }
    }

    /// A constant of floats, packed as the kernel wants it.
    pub fn weight_f32(&mut self, data: &[f32]) -> Operand {
        self.blob(DType::F32, data.iter().map(|v| v.to_le_bytes()).collect::<Vec<_>>().as_flattened())
    }

    /// A constant table of indices.
    pub fn weight_u32(&mut self, data: &[u32]) -> Operand {
        self.blob(DType::U32, data.iter().map(|v| v.to_le_bytes()).collect::<Vec<_>>().as_flattened())
    }

    /// Memory that lives during this node only.
    pub fn scratch(&mut self, dtype: DType, len: Dim) -> Operand {
        let buffer = self.scheduler.add_buffer(len.clone() * Dim::from(dtype.bytes()));
        Operand { place: Place::Buffer(buffer), dtype, offset: Dim::from(0), len }
    }

    fn add_func(&mut self, func: Func) -> FuncId {
        let funcs = &mut self.scheduler.funcs;
        *self.scheduler.func_ids.entry(func.clone()).or_insert_with(|| {
            funcs.push(func);
            FuncId(funcs.len() - 1)
        })
    }

    /// The generated function that computes `map`, with the operands it captures.
    pub fn func(&mut self, map: &Map, captured: Vec<Operand>) -> Arg {
        let (template, given) = map.template();
        Arg::Func(self.add_func(Func::Map(template)), given, captured)
    }

    /// The `epilogue` field of a contraction whose result is `out`, its last axis the columns and the others the rows. Operands
    /// of the node from `first` on are the map's operands from 1 on.
    pub fn epilogue(&mut self, map: Option<&Map>, first: usize, out: &Shape) -> Arg {
        let Some(map) = map else { return Arg::Path("epilogue::Identity".to_string()) };
        if let Some((low, high)) = map.clamp() {
            // Kernels keep results between bounds while they are in registers.
            return Arg::Struct("epilogue::Clamp", vec![("low", Arg::Float(low)), ("high", Arg::Float(high))]);
        }
        let cols = out.last().cloned().unwrap_or(Dim::from(1));
        let mut captured = Vec::new();
        let mut varies = Vec::new();
        for i in 1..map.n_inputs {
            let operand = self.input(first + i - 1);
            // fuse_epilogues lets in only what lies densely under the result, along its columns, or is one number.
            let by_col = !operand.len.is(1);
            let by_row = by_col && operand.len != cols;
            captured.push((operand, if by_row { cols.clone() } else { Dim::from(0) }, Dim::from(i64::from(by_col))));
            varies.push((by_row, by_col));
        }
        let (template, given) = map.template();
        Arg::Epilogue(self.add_func(Func::Epilogue(template, varies)), given, captured)
    }

    /// Adds a kernel call that readies an operand; the node's work is not in it.
    pub fn prepare(&mut self, module: &'static str, task: &'static str, fields: Vec<(&'static str, Arg)>) {
        let uncounted = std::mem::take(&mut self.scheduler.uncounted);
        self.call(module, task, fields);
        self.scheduler.uncounted = uncounted;
    }

    /// Adds a kernel call.
    pub fn call(&mut self, module: &'static str, task: &'static str, fields: Vec<(&'static str, Arg)>) {
        let node = self.node();
        let graph = self.scheduler.graph;
        let types = |ids: &[ValueId]| ids.iter().map(|&id| graph.ty(id)).collect::<Vec<_>>();
        // The node's work is counted once, with its first call.
        let macs = match std::mem::take(&mut self.scheduler.uncounted) {
            true => node.op.macs(&types(&node.inputs), &types(&node.outputs)),
            false => Dim::from(0),
        };
        let step = Step { node: node.name.clone(), op: node.op.name(), module, task, fields, macs, count: None };
        self.scheduler.steps.push(step);
        self.scheduler.flow.push(Flow::Call(self.scheduler.steps.len() - 1));
    }

    /// Adds a kernel call that gives back the size which the node finds out.
    pub fn call_counting(&mut self, module: &'static str, task: &'static str, fields: Vec<(&'static str, Arg)>) {
        self.call(module, task, fields);
        let count = self.node().op.count().map(str::to_string);
        if let Some(step) = self.scheduler.steps.last_mut() {
            step.count = count;
        }
    }
}

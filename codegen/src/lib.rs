//! Turns a trained model file into specialised Rust source that depends on nothing.
//!
//! The pipeline is [`compile`]: a model file becomes a graph, passes make it better, scheduling makes it a plan, and
//! [`Compiled::emit`] writes the plan out. Build scripts use [`cargo::Builder`]; everything else is for the other doors.

#![forbid(unsafe_code)]

pub mod cargo;
mod diag;
mod emit;
mod eval;
mod front;
mod ir;
mod memory;
mod ops;
mod options;
mod passes;
mod plan;
mod report;
mod schedule;
mod tuning;
mod weights;

pub use diag::{Diagnostic, Diagnostics, Severity};
pub use emit::{WeightSource, shared_kernels, snake_case, type_name};
pub use front::{DimChoice, Source, Summary, summary, tensor_from_proto, values_from_proto};
pub use options::{IsaChoice, Kernels, Options};
pub use report::{About, Report};
pub use tuning::{Candidate, Chosen, Kind, Layer, Line, Tuning};

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// A model that is ready to be written out.
#[derive(Debug)]
pub struct Compiled {
    plan: plan::Plan,
    about: About,
    options: Options,
    graph: ir::Graph,
    pinned: Vec<(String, ir::Tensor)>,
    chosen: Vec<Chosen>,
}

/// Turns a model file into a plan.
///
/// # Errors
/// If the model cannot be compiled: every node at fault, each with what would work.
pub fn compile(source: &Source, options: &Options) -> Result<Compiled, Diagnostics> {
    let sha256 = hex(&Sha256::digest(source.bytes));
    let tuning = tuning(source, options, &sha256)?;
    let name = options.name.clone().unwrap_or_else(|| stem(source.name).to_string());
    let front::Imported { mut graph, ops, pinned } = front::import(source, &name, options)?;
    passes::run(&mut graph).map_err(|message| Diagnostics::model(source.name, &message))?;
    let (plan, chosen) = schedule::schedule(&graph, options, tuning.as_ref())
        .map_err(|(node, op, message)| Diagnostics::node(source.name, &node, op, &message))?;
    tuning.iter().try_for_each(|tuning| tuning.check_used(&chosen))?;
    if !options.std && plan.arena.bytes.as_usize().is_none() {
        let message = "without std every size must be fixed or bounded, so that the working memory has a size";
        return Err(Diagnostics::model(source.name, message));
    }
    if let (false, Some(option)) = (options.std, options.needs_std()) {
        let message = format!("`{option}` needs std\nhelp: leave out `{option}`, or `std = false`");
        return Err(Diagnostics::model(source.name, &message));
    }
    if !options.std && plan.texts.is_some() {
        let message = "it works with strings, which need a heap\nhelp: leave out `std = false`";
        return Err(Diagnostics::model(source.name, message));
    }
    let weights_sha256 = hex(&Sha256::digest(&plan.blob));
    let about = About { source: file_name(source.name).to_string(), sha256, weights_sha256, ops };
    Ok(Compiled { plan, about, options: options.clone(), graph, pinned, chosen })
}

/// The model's tuning file, if there is one and it is wanted.
fn tuning(source: &Source, options: &Options, sha256: &str) -> Result<Option<Tuning>, Diagnostics> {
    if !options.tune {
        return Ok(None);
    }
    let text = (source.tuning)().map_err(|message| Diagnostics::model(source.name, &message))?;
    let Some(text) = text else { return Ok(None) };
    let tuning = Tuning::parse(&format!("{}.tune", source.name), &text)?;
    tuning.check_model(sha256)?;
    Ok(Some(tuning))
}

impl Compiled {
    /// The generated source, its weights at `weights`.
    ///
    /// # Errors
    /// If the generated code does not parse, which is a bug in kiln.
    pub fn emit(&self, weights: &WeightSource) -> Result<String, String> {
        emit::emit(&self.plan, &self.options, &self.about, weights)
    }

    /// The blob of constants.
    pub fn weights(&self) -> &[u8] {
        &self.plan.blob
    }

    /// SHA-256 of the blob, in hexadecimal.
    pub fn weights_sha256(&self) -> &str {
        &self.about.weights_sha256
    }

    /// SHA-256 of the model file, in hexadecimal.
    pub fn source_sha256(&self) -> &str {
        &self.about.sha256
    }

    /// What was chosen about layers, in the order of the steps.
    pub fn chosen(&self) -> &[Chosen] {
        &self.chosen
    }

    /// The steps of a run, in the order of the generated `times`.
    pub fn steps(&self) -> Vec<StepInfo> {
        let bytes = |step: &plan::Step| {
            let sizes = step.operands().into_iter().map(|(o, _)| o.len.as_usize().map(|len| len * o.dtype.bytes()));
            sizes.sum::<Option<usize>>()
        };
        let info = |step: &plan::Step| StepInfo {
            node: step.node.clone(),
            op: step.op,
            kernel: format!("{}::{}", step.module, step.task),
            macs: step.macs.as_const(),
            bytes: bytes(step),
        };
        self.plan.steps.iter().map(info).collect()
    }

    /// What the model is and costs.
    pub fn report(&self) -> Report {
        Report::new(&self.about, &self.plan)
    }

    /// The graph after all passes, in its text form.
    pub fn graph_text(&self) -> String {
        self.graph.to_string()
    }

    /// Name of the generated type.
    pub fn type_name(&self) -> String {
        type_name(&self.plan.name)
    }

    /// Name of the generated module.
    pub fn module_name(&self) -> String {
        snake_case(&self.plan.name)
    }

    /// Names of the outputs' fields in the generated struct of outputs.
    pub fn output_fields(&self) -> Vec<String> {
        emit::output_fields(&self.plan)
    }

    /// Inputs that became constants: name, element type, shape and elements.
    pub fn pinned(&self) -> Vec<(String, String, Vec<usize>, Vec<f64>)> {
        let element = |name: &str, dtype: ir::DType| {
            self.graph.outer.get(name).map_or_else(|| dtype.to_string(), ToString::to_string)
        };
        let pinned = self.pinned.iter();
        pinned.map(|(name, t)| (name.clone(), element(name, t.dtype()), t.shape().to_vec(), t.to_f64s())).collect()
    }

    /// The outputs for `inputs`, by each op's reference meaning: slow, exact, and without any kernel. It shares the front
    /// end with the generated code, so it can judge passes, planning and kernels, but not what the model means.
    ///
    /// # Errors
    /// If an input is missing or of another type or shape, or an index lies outside its operand.
    pub fn interpret(&self, inputs: &BTreeMap<String, Data>) -> Result<BTreeMap<String, Data>, String> {
        let tensor = |port: &plan::Port| {
            let data = inputs.get(&port.name).ok_or_else(|| format!("input {:?} is missing", port.name))?;
            let texts = || Some(self.graph.texts.tensor(data.shape.clone(), &texts_from_bytes(&data.bytes)?));
            let tensor = match port.is_text() {
                true => texts().filter(|tensor| Some(tensor.len()) == texts_from_bytes(&data.bytes).map(|t| t.len())),
                false => ir::Tensor::from_bytes(port.dtype, data.shape.clone(), data.bytes.as_slice()),
            };
            let tensor =
                tensor.ok_or_else(|| format!("input {:?} does not have the bytes its shape needs", port.name))?;
            Ok::<_, String>((port.name.clone(), tensor))
        };
        let inputs = self.plan.inputs.iter().map(tensor).collect::<Result<BTreeMap<_, _>, _>>()?;
        let outputs = eval::eval(&self.graph, &inputs)?;
        let data = |(name, t): (String, ir::Tensor)| {
            let is_text = self.graph.outer.get(&name) == Some(&ir::Outer::Text);
            let bytes = if is_text { text_bytes(&self.graph.texts.read(&t)) } else { t.bytes().to_vec() };
            (name, Data { shape: t.shape().to_vec(), bytes })
        };
        Ok(outputs.into_iter().map(data).collect())
    }

    /// Inputs and outputs as the generated `run` has them.
    pub fn signature(&self) -> Signature {
        let port = |port: &plan::Port| PortInfo {
            name: port.name.clone(),
            dtype: if port.is_text() { "&str".to_string() } else { port.dtype.to_string() },
            element: port.element(),
            shape: port.shape.iter().map(|dim| dim.as_usize().ok_or_else(|| dim.to_string())).collect(),
        };
        Signature {
            inputs: self.plan.inputs.iter().map(port).collect(),
            outputs: self.plan.outputs.iter().map(port).collect(),
            dynamic: self.plan.is_dynamic(),
        }
    }
}

/// The numbers that the bits of a narrow element type such as `f16` stand for; `None` if there is no such type.
pub fn narrow_to_f64s(element: &str, bytes: &[u8]) -> Option<Vec<f64>> {
    let narrow = ir::Narrow::named(element)?;
    let bits = bytes.chunks_exact(narrow.bits().bytes());
    Some(bits.map(|b| narrow.decode(b.iter().rev().fold(0, |all, &byte| all << 8 | i64::from(byte)))).collect())
}

/// The bits of `values` as elements of a narrow type such as `f16`, little-endian; `None` if there is no such type.
pub fn narrow_from_f64s(element: &str, values: &[f64]) -> Option<Vec<u8>> {
    let narrow = ir::Narrow::named(element)?;
    let bits = values.iter().map(|&value| narrow.encode(value, ir::Rounding::default()));
    let extended = |bits: i64| if narrow == ir::Narrow::I4 { (bits ^ 8) - 8 } else { bits };
    Some(bits.flat_map(|bits| extended(bits).to_le_bytes()[..narrow.bits().bytes()].to_vec()).collect())
}

/// Strings as the bytes of an array: the length of each, a little-endian `u32`, and its bytes.
pub fn text_bytes<T: AsRef<str>>(texts: &[T]) -> Vec<u8> {
    let one = |text: &T| [&(text.as_ref().len() as u32).to_le_bytes(), text.as_ref().as_bytes()].concat();
    texts.iter().flat_map(one).collect()
}

/// The strings that [`text_bytes`] wrote; `None` if the bytes are of another form.
pub fn texts_from_bytes(mut bytes: &[u8]) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    while let Some((len, rest)) = bytes.split_first_chunk() {
        let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        texts.push(String::from_utf8(text.to_vec()).ok()?);
        bytes = rest;
    }
    bytes.is_empty().then_some(texts)
}

/// An array whose element type is known from elsewhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Data {
    /// Sizes along each axis.
    pub shape: Vec<usize>,
    /// Elements, row-major and little-endian; strings as [`text_bytes`] writes them.
    pub bytes: Vec<u8>,
}

/// One kernel call of a run.
#[derive(Clone, Debug)]
pub struct StepInfo {
    /// The node it serves, by the model's name.
    pub node: String,
    /// What the node does, in a word.
    pub op: &'static str,
    /// The kernel's file and task.
    pub kernel: String,
    /// Multiplications with addition; `None` if a size is free.
    pub macs: Option<i64>,
    /// Bytes of all operands; `None` if a size is free.
    pub bytes: Option<usize>,
}

/// What the generated `run` takes and gives.
#[derive(Clone, Debug)]
pub struct Signature {
    /// In order.
    pub inputs: Vec<PortInfo>,
    /// In order.
    pub outputs: Vec<PortInfo>,
    /// Whether any size is chosen at run time.
    pub dynamic: bool,
}

/// One input or output.
#[derive(Clone, Debug)]
pub struct PortInfo {
    /// The model's name for it.
    pub name: String,
    /// Element type, as Rust names it; `&str` for strings.
    pub dtype: String,
    /// The model's element type: the same, `string`, or a narrow type such as `f16` of which the elements are the bits.
    pub element: String,
    /// Sizes: a number, or an expression over symbols.
    pub shape: Vec<Result<usize, String>>,
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

fn stem(path: &str) -> &str {
    let name = file_name(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

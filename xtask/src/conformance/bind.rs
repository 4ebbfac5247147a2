//! Compiles a case with kiln, and binds those inputs to the case's values that kiln must know ahead of time.
//!
//! It does what a user would: it follows the refusal's help, which names the input to pin or asks for sizes to be fixed. Only
//! when that does not help, for values computed from inputs inside a function's body, every short vector of integers and every single number is bound.

use super::suite::{Case, Inputs};
use super::values::Value;
use kiln_codegen::cargo::ModelFile;
use kiln_codegen::{Compiled, DimChoice, Options, Summary, WeightSource, compile, summary};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Longer inputs are data, not shapes, axes or splits.
const MAX_BOUND: usize = 64;

/// Cases whose stored outputs are draws, which cannot be compared.
const DRAWN: [&str; 2] = ["test_bernoulli", "test_training_dropout"];

/// A compiled case, or why it is none.
pub struct Bound {
    /// What it is in ONNX's terms; empty if the file cannot be read.
    pub summary: Summary,
    /// Inputs bound to the case's values, and sizes fixed to them.
    pub bound: Vec<String>,
    pub result: Result<Ready, String>,
}

/// Generated code and the runs it must get right.
pub struct Ready {
    pub compiled: Compiled,
    pub source: String,
    pub runs: Vec<Run>,
}

/// Inputs and outputs by name.
pub struct Run {
    pub inputs: BTreeMap<String, Value>,
    pub outputs: Vec<(String, Value)>,
}

/// Compiles `case`.
pub fn bind(case: &Case, isa: &str) -> Bound {
    let nothing = || Summary { inputs: Vec::new(), outputs: Vec::new(), ops: BTreeMap::new(), opsets: BTreeMap::new() };
    let read = ModelFile::read(&case.model);
    let summary = std::fs::read(&case.model).ok().and_then(|bytes| summary(&bytes).ok()).unwrap_or_else(nothing);
    let mut bound = Vec::new();
    let result = read.and_then(|model| {
        if DRAWN.iter().any(|name| case.name.starts_with(name)) && !case.name.contains("zero_ratio") {
            return Err("its stored output is one draw of a random generator, which no other generator repeats".into());
        }
        let runs = runs(case, &summary)?;
        let first = runs.first().ok_or("it has no stored data")?;
        let compiled = with_pins(case, &model, isa, &summary, first, &mut bound)?;
        let source = compiled.emit(&WeightSource::File(format!("{}.weights", case.ident())))?;
        Ok(Ready { compiled, source, runs })
    });
    Bound { summary, bound, result }
}

fn with_pins(
    case: &Case,
    model: &ModelFile,
    isa: &str,
    summary: &Summary,
    run: &Run,
    bound: &mut Vec<String>,
) -> Result<Compiled, String> {
    let mut options = Options::default();
    options.set("name", &case.ident())?;
    options.set("isa", isa)?;
    options.set("kernels", "crate::kernels")?;
    set_lengths(&mut options, summary, run)?;
    let mut all_short = false;
    loop {
        let error = match model.with_source(|source| compile(source, &options)) {
            Ok(compiled) => return Ok(compiled),
            Err(error) => error,
        };
        let help = |input: &str| {
            let named = format!("pin {input}=");
            error.list.iter().any(|found| found.help.as_ref().is_some_and(|help| help.contains(&named)))
        };
        let unbound = || run.inputs.iter().filter(|(name, _)| !options.pins.contains_key(*name));
        let mut more: Vec<_> = unbound().filter(|(name, value)| help(name) && value.len() <= MAX_BOUND).collect();
        let wants_sizes =
            error.list.iter().any(|found| found.help.as_ref().is_some_and(|help| help.contains("with dim")));
        if more.is_empty() && wants_sizes && options.dims.is_empty() {
            options.dims = sizes(summary, run);
            bound.extend(options.dims.keys().map(|symbol| format!("size {symbol}")));
            if !options.dims.is_empty() {
                continue;
            }
        }
        if more.is_empty() && !all_short {
            all_short = true;
            let short = |value: &Value| {
                let counts = matches!(value.dtype.as_str(), "bool" | "i32" | "i64") && value.shape.len() <= 1;
                // A range's ends may be floats.
                (counts || value.shape.is_empty()) && value.len() <= MAX_BOUND && value.dtype != "string"
            };
            let whole = |name: &String| summary.inputs.iter().any(|(input, _)| input == name);
            more = unbound().filter(|(name, value)| whole(name) && short(value)).collect();
        }
        let more: Vec<(String, Vec<f64>)> =
            more.into_iter().map(|(name, value)| (name.clone(), value.floats())).collect();
        if more.is_empty() {
            let first = error.list.first();
            let text = first.map_or(String::new(), |found| {
                let op = if found.op.is_empty() { String::new() } else { format!("{}: ", found.op) };
                format!("{op}{}", found.message)
            });
            bound.clear();
            return Err(text);
        }
        for (name, values) in more {
            bound.push(name.clone());
            options.pins.insert(name, values);
        }
    }
}

fn runs(case: &Case, summary: &Summary) -> Result<Vec<Run>, String> {
    let stored = |paths: &[PathBuf], ports: &[(String, String)]| {
        let mut all = Vec::new();
        for (path, (name, ty)) in paths.iter().zip(ports) {
            let values = Value::read_all(path, ty).map_err(|e| format!("its stored data: {e}"))?;
            // The elements of a sequence are inputs and outputs of their own.
            let several = ty.contains("sequence");
            let named = values.into_iter().enumerate();
            all.extend(named.map(|(i, value)| (if several { format!("{name}_{i}") } else { name.clone() }, value)));
        }
        Ok::<_, String>(all)
    };
    let mut runs = Vec::new();
    for set in &case.sets {
        let inputs = match &set.inputs {
            Inputs::Files(files) => stored(files, &summary.inputs)?,
            Inputs::Ramp => {
                let ramps = summary.inputs.iter().map(|(name, ty)| Ok((name.clone(), ramp(ty)?)));
                ramps.collect::<Result<_, String>>()?
            }
        };
        if set.outputs.len() != summary.outputs.len() {
            let stored = set.outputs.len();
            return Err(format!("{stored} outputs are stored and the model has {}", summary.outputs.len()));
        }
        let outputs = stored(&set.outputs, &summary.outputs)?;
        runs.push(Run { inputs: inputs.into_iter().collect(), outputs });
    }
    Ok(runs)
}

/// Says how long the case's sequences are, which optionals it gives, and the shapes of their elements.
fn set_lengths(options: &mut Options, summary: &Summary, run: &Run) -> Result<(), String> {
    for (name, ty) in &summary.inputs {
        let elements = || (0..).map(|i| format!("{name}_{i}")).take_while(|name| run.inputs.contains_key(name));
        let len = match ty.as_str() {
            ty if ty.contains("sequence") => elements().count(),
            ty if ty.starts_with("optional") => usize::from(run.inputs.contains_key(name)),
            _ => continue,
        };
        options.set("len", &format!("{name}={len}"))?;
        for name in elements().chain([name.clone()]) {
            let Some(value) = run.inputs.get(&name) else { continue };
            let sizes: Vec<String> = value.shape.iter().map(usize::to_string).collect();
            options.set("shape", &format!("{name}={}", sizes.join(",")))?;
        }
    }
    Ok(())
}

/// The free sizes that the types of inputs name, as the case's values have them.
fn sizes(summary: &Summary, run: &Run) -> BTreeMap<String, DimChoice> {
    let mut dims = BTreeMap::new();
    for (name, ty) in &summary.inputs {
        let stated = ty.split_once(" [").and_then(|(_, rest)| rest.strip_suffix(']'));
        let (Some(stated), Some(value)) = (stated, run.inputs.get(name)) else { continue };
        for (symbol, &size) in stated.split(", ").zip(&value.shape) {
            if symbol.parse::<i64>().is_err() {
                dims.insert(symbol.to_string(), DimChoice::Fixed(size as i64));
            }
        }
    }
    dims
}

/// Dummy data of a type like `f32 [1, 3, 224, 224]`; sizes that are not fixed are 1.
fn ramp(ty: &str) -> Result<Value, String> {
    let shape = ty.strip_prefix("f32 [").and_then(|rest| rest.strip_suffix(']'));
    let shape = shape.ok_or_else(|| format!("there is no dummy data for {ty}"))?;
    let sizes = shape.split(", ").filter(|size| !size.is_empty());
    Ok(Value::ramp(sizes.map(|size| size.parse().unwrap_or(1)).collect()))
}

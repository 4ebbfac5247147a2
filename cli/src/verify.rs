//! `kiln verify`: builds a model, runs it, and compares every output with what it should be.

use crate::array::Array;
use crate::compare::{Difference, compare};
use crate::inputs::{Random, check_input, parse_sizes};
use crate::model::Model;
use crate::{Outcome, reference, scratch};
use anyhow::{Context, Result, bail};
use clap::Args;
use kiln_codegen::{Compiled, PortInfo};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Args)]
pub struct Verify {
    #[command(flatten)]
    model: Model,
    /// An input's data: `name=file.npy`, a .json file of lists for strings; inputs without are seeded random numbers. Given several times for an input, the one
    /// program is run and compared for each
    #[arg(long = "input", value_name = "NAME=FILE.npy")]
    inputs: Vec<String>,
    /// What an output should be: `name=file.npy`, an `.npz` with the outputs by name, or an ONNX `test_data_set_N` folder;
    /// without, onnxruntime says (Python with onnxruntime is needed)
    #[arg(long = "expect", value_name = "NAME=FILE.npy|FILE.npz|FOLDER")]
    expect: Vec<String>,
    /// Free sizes for random inputs: `batch=2,length=9`; given several times, the one program is run and compared for each
    /// [default: 2 for each]
    #[arg(long = "size", value_name = "SYMBOL=SIZE,…")]
    sizes: Vec<String>,
    /// Largest difference relative to the expected value
    #[arg(long, default_value_t = 1e-3)]
    rtol: f64,
    /// Largest absolute difference
    #[arg(long, default_value_t = 1e-4)]
    atol: f64,
    /// Seed of random inputs
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Cargo profile to build with
    #[arg(long, default_value = "release")]
    profile: String,
    /// Threads to run on; 0 for as many as there are processors
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Milliseconds to spend on timing
    #[arg(long, default_value_t = 300)]
    time: u64,
    /// Keep the scratch crate in this folder
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Arrays by the model's names for them.
type Arrays = BTreeMap<String, Array>;
/// The same for several runs of one program; what has one array has it in every run.
type Runs = BTreeMap<String, Vec<Array>>;

fn of_run<'a>(arrays: &'a Runs, name: &str, run: usize) -> Option<&'a Array> {
    let arrays = arrays.get(name)?;
    arrays.get(run).or(if arrays.len() == 1 { arrays.first() } else { None })
}

/// What outputs are compared with.
struct Expected {
    outputs: BTreeMap<String, Array>,
    from: String,
    time: Option<Duration>,
}

impl Verify {
    pub fn run(self) -> Result<Outcome> {
        let compiled = Model { threads: self.threads != 1, ..self.model.clone() }.compile()?;
        self.model.tell_tuned(&compiled);
        let signature = compiled.signature();
        let (given, folder_outputs) = self.given()?;
        let mut random = Random::new(self.seed);
        let sizes = self.sizes()?;
        let n_runs = given.values().map(Vec::len).max().unwrap_or(1).max(sizes.len());
        if given.values().any(|arrays| arrays.len() != 1 && arrays.len() != n_runs)
            || ![0, 1, n_runs].contains(&sizes.len())
        {
            bail!("--input and --size do not name the same number of runs");
        }
        let none = BTreeMap::new();
        let sets: Vec<Vec<Array>> = (0..n_runs)
            .map(|run| {
                let mut input = |port: &PortInfo| match of_run(&given, &port.name, run) {
                    Some(array) => check_input(port, array.clone()),
                    None => random.input(port, sizes.get(run).or(sizes.first()).unwrap_or(&none)),
                };
                signature.inputs.iter().map(&mut input).collect()
            })
            .collect::<Result<_>>()?;
        if let Some(name) = given.keys().find(|name| !signature.inputs.iter().any(|port| port.name == **name)) {
            let names: Vec<&str> = signature.inputs.iter().map(|port| port.name.as_str()).collect();
            bail!("the compiled model has no input {name:?}; it has {}", names.join(", "));
        }
        let temporary = tempfile::tempdir()?;
        let dir = self.keep.clone().unwrap_or_else(|| temporary.path().to_path_buf());
        std::fs::create_dir_all(&dir)?;
        let dir = dir.canonicalize()?;
        let expected: Vec<Expected> = sets
            .iter()
            .enumerate()
            .map(|(run, inputs)| self.expected(&compiled, inputs, run, folder_outputs.clone(), &dir))
            .collect::<Result<_>>()?;
        let progress = indicatif::ProgressBar::new_spinner().with_message("building and running the generated code");
        progress.enable_steady_tick(Duration::from_millis(120));
        let ran = scratch::run(&compiled, &sets, &dir, &self.profile, self.threads, Duration::from_millis(self.time))?;
        progress.finish_and_clear();

        let mut all_right = true;
        let mut compared = 0;
        let mut rows = Vec::new();
        for (outputs, expected) in ran.outputs.iter().zip(&expected) {
            for (port, got) in signature.outputs.iter().zip(outputs) {
                let Some(want) = expected.outputs.get(&port.name) else { continue };
                compared += 1;
                let result = compare(got, want, self.rtol, self.atol);
                all_right &= result.as_ref().is_ok_and(|difference| difference.wrong == 0);
                rows.push((port.name.clone(), result, got.shape.clone()));
            }
        }
        if compared == 0 {
            bail!("nothing was compared: no output of the model was among the expected ones");
        }
        let sum = |times: Vec<Duration>| times.iter().sum::<Duration>();
        let theirs: Option<Vec<Duration>> = expected.iter().map(|expected| expected.time).collect();
        let times = (sum(ran.times.clone()), theirs.map(sum));
        let from = expected.first().map_or("", |expected| expected.from.as_str());
        if self.json {
            println!("{}", json(&compiled, &rows, all_right, times, &ran));
        } else {
            print(&rows, from, times, compared, signature.outputs.len() * sets.len());
        }
        Ok(if all_right { Outcome::Done } else { Outcome::Differs })
    }

    /// Inputs named on the command line, and those of a `test_data_set_N` folder with the outputs it expects.
    fn given(&self) -> Result<(Runs, Option<Arrays>)> {
        let mut inputs = Runs::new();
        let mut outputs = None;
        for folder in self.expect.iter().map(Path::new).filter(|path| path.is_dir()) {
            let bytes = std::fs::read(&self.model.path)?;
            let summary = kiln_codegen::summary(&bytes).map_err(|e| anyhow::anyhow!(e))?;
            let read = read_folder(folder, "input", &summary.inputs)?;
            inputs.extend(read.into_iter().map(|(name, array)| (name, vec![array])));
            outputs = Some(read_folder(folder, "output", &summary.outputs)?);
            // What is pinned is no input of the compiled model any more.
            for pin in &self.model.pins {
                inputs.remove(pin.rsplit_once('=').map_or(pin.as_str(), |(name, _)| name));
            }
        }
        for input in &self.inputs {
            let (name, path) =
                input.rsplit_once('=').with_context(|| format!("`{input}` is not of the form name=file.npy"))?;
            inputs.entry(name.to_string()).or_default().push(Array::read(Path::new(path))?);
        }
        Ok((inputs, outputs))
    }

    /// The sizes of each run that has some.
    fn sizes(&self) -> Result<Vec<BTreeMap<String, usize>>> {
        self.sizes.iter().map(|sizes| parse_sizes(sizes)).collect()
    }

    fn expected(
        &self,
        compiled: &Compiled,
        inputs: &[Array],
        run: usize,
        folder: Option<Arrays>,
        dir: &Path,
    ) -> Result<Expected> {
        let mut outputs = folder.unwrap_or_default();
        let mut named = Runs::new();
        for expect in self.expect.iter().filter(|path| !Path::new(path).is_dir()) {
            if expect.ends_with(".npz") && !expect.contains('=') {
                let mut archive =
                    npyz::npz::NpzArchive::open(expect).with_context(|| format!("cannot read {expect}"))?;
                let names: Vec<String> = archive.array_names().map(str::to_string).collect();
                for name in names {
                    let file = archive.by_name(&name)?.context("an array vanished from the archive")?;
                    outputs.insert(name, Array::from_open(file)?);
                }
            } else {
                let (name, path) = expect
                    .rsplit_once('=')
                    .with_context(|| format!("`{expect}` is not name=file.npy, an .npz or a folder"))?;
                named.entry(name.to_string()).or_default().push(Array::read(Path::new(path))?);
            }
        }
        for name in named.keys() {
            let array =
                of_run(&named, name, run).with_context(|| format!("--expect {name}=… is missing for run {run}"))?;
            outputs.insert(name.clone(), array.clone());
        }
        if !outputs.is_empty() {
            return Ok(Expected { outputs, from: "the files given".into(), time: None });
        }
        let Some(python) = reference::python() else {
            bail!(
                "nothing to compare with: no Python with onnxruntime was found\n  help: `pip install onnxruntime numpy`, name one with KILN_PYTHON=…, or give expected outputs with --expect"
            );
        };
        let signature = compiled.signature();
        let mut feed: Vec<(String, Array)> =
            signature.inputs.iter().map(|port| port.name.clone()).zip(inputs.iter().cloned()).collect();
        feed.extend(
            compiled
                .pinned()
                .into_iter()
                .map(|(name, dtype, shape, values)| {
                    Ok::<_, anyhow::Error>((name, Array::from_f64s(&dtype, shape, &values)?))
                })
                .collect::<Result<Vec<_>>>()?,
        );
        let names: Vec<String> = signature.outputs.iter().map(|port| port.name.clone()).collect();
        let budget = Duration::from_millis(self.time);
        let (arrays, time) =
            reference::onnxruntime(&python, &self.model.path, &feed, &names, &dir.join("onnxruntime"), budget)?;
        Ok(Expected { outputs: names.into_iter().zip(arrays).collect(), from: "onnxruntime".into(), time: Some(time) })
    }
}

fn read_folder(folder: &Path, kind: &str, ports: &[(String, String)]) -> Result<BTreeMap<String, Array>> {
    let mut arrays = BTreeMap::new();
    for (i, (name, _)) in ports.iter().enumerate() {
        let path = folder.join(format!("{kind}_{i}.pb"));
        if !path.exists() {
            continue;
        }
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let (dtype, shape, bytes) =
            kiln_codegen::tensor_from_proto(&bytes).map_err(|e| anyhow::anyhow!("{}: {e}", path.display()))?;
        arrays.insert(name.clone(), Array { dtype, shape, bytes });
    }
    Ok(arrays)
}

type Row = (String, Result<Difference>, Vec<usize>);

fn print(rows: &[Row], from: &str, (time, reference): (Duration, Option<Duration>), compared: usize, outputs: usize) {
    for (name, result, shape) in rows {
        match result {
            Ok(d) => {
                let verdict = if d.wrong == 0 { "ok" } else { "WRONG" };
                println!(
                    "{verdict:5} {name} {shape:?}: max abs {:.3e}, max rel {:.3e}, max ulp {}{}",
                    d.absolute,
                    d.relative,
                    d.ulp,
                    if d.wrong > 0 { format!(", {} elements outside the tolerance", d.wrong) } else { String::new() }
                );
            }
            Err(error) => println!("WRONG {name}: {error}"),
        }
    }
    let reference = reference.map_or(String::new(), |t| format!("; onnxruntime {:.4} ms", t.as_secs_f64() * 1e3));
    println!(
        "{compared} of {outputs} outputs compared with {from}; kiln {:.4} ms{reference}",
        time.as_secs_f64() * 1e3
    );
}

fn json(
    compiled: &Compiled,
    rows: &[Row],
    passed: bool,
    (time, reference): (Duration, Option<Duration>),
    ran: &scratch::Ran,
) -> String {
    let outputs: Vec<_> = rows
        .iter()
        .map(|(name, result, shape)| match result {
            Ok(d) => serde_json::json!({
                "name": name, "shape": shape, "max_abs": d.absolute, "max_rel": d.relative, "max_ulp": d.ulp, "wrong": d.wrong,
            }),
            Err(error) => serde_json::json!({ "name": name, "error": error.to_string() }),
        })
        .collect();
    let report = compiled.report();
    serde_json::json!({
        "passed": passed,
        "outputs": outputs,
        "ms": time.as_secs_f64() * 1e3,
        "onnxruntime_ms": reference.map(|t| t.as_secs_f64() * 1e3),
        "build_seconds": ran.built.time.as_secs_f64(),
        "lines": ran.built.lines,
        "binary_bytes": ran.built.binary_bytes,
        "weight_bytes": report.weight_bytes(),
        "arena_bytes": report.arena_bytes(),
        "macs": report.macs(),
    })
    .to_string()
}

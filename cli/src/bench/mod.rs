//! `kiln bench`: a model's time beside other engines', and where it goes.
//!
//! All engines stay loaded and take turns, so that a noisy machine is noisy for all of them; what is quoted is medians, of
//! times and of the ratios of turns that were neighbours.

mod engine;
pub mod layers;
mod peak;
mod rivals;
mod table;

use crate::array::Array;
use crate::compare::compare;
use crate::inputs::Data;
use crate::model::Model;
use crate::{Outcome, machine, program, reference, scratch};
use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use engine::{Engine, Started};
use kiln_codegen::Compiled;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

#[derive(Args)]
pub struct Bench {
    #[command(flatten)]
    model: Model,
    /// Numbers of threads to run on, joined by commas
    #[arg(long, value_delimiter = ',', default_value = "1")]
    threads: Vec<usize>,
    /// Engines to compare with, joined by commas. onnxruntime and openvino need Python with them (`KILN_PYTHON` names one);
    /// tract and rten are built by cargo
    #[arg(long, value_delimiter = ',', value_name = "ENGINE,…")]
    against: Vec<Rival>,
    #[command(flatten)]
    data: Data,
    /// Turns of each engine
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Milliseconds of a turn
    #[arg(long, default_value_t = 150)]
    time: u64,
    /// Say how long each step takes on the first number of --threads, in a program built for that
    #[arg(long)]
    layers: bool,
    /// With --layers, draw the steps as bars
    #[arg(long, value_name = "FILE.svg", requires = "layers")]
    picture: Option<PathBuf>,
    /// Also build with the dev profile, for the time it takes
    #[arg(long)]
    builds: bool,
    /// Keep the scratch crate in this folder
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// An engine to compare with.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Rival {
    Onnxruntime,
    Openvino,
    Tract,
    Rten,
}

impl Rival {
    const fn name(self) -> &'static str {
        match self {
            Rival::Onnxruntime => "onnxruntime",
            Rival::Openvino => "openvino",
            Rival::Tract => "tract",
            Rival::Rten => "rten",
        }
    }
}

/// What one engine did on one number of threads.
pub struct Timing {
    pub engine: String,
    pub threads: usize,
    /// Milliseconds of a run, a median for each turn, in the order they were taken; or why there are none.
    pub turns: Result<Vec<f64>, String>,
    /// Most bytes the engine's process had in memory, where it tells.
    pub memory: Option<u64>,
}

impl Timing {
    /// The median turn, the least and the greatest.
    pub fn spread(&self) -> Option<(f64, f64, f64)> {
        spread(self.turns.as_ref().ok()?.clone())
    }

    /// The median of the ratios of neighbouring turns, this engine's over another's.
    pub fn against(&self, other: &Timing) -> Option<f64> {
        let pairs = self.turns.as_ref().ok()?.iter().zip(other.turns.as_ref().ok()?);
        spread(pairs.map(|(mine, theirs)| mine / theirs).collect()).map(|(median, ..)| median)
    }
}

/// The median, the least and the greatest of some numbers, if there are any.
fn spread(mut x: Vec<f64>) -> Option<(f64, f64, f64)> {
    x.sort_by(f64::total_cmp);
    Some((*x.get(x.len() / 2)?, *x.first()?, *x.last()?))
}

/// Everything a bench found out.
pub struct Results {
    pub timings: Vec<Timing>,
    /// The instruction set the model runs on.
    pub isa: &'static str,
    /// Multiply-adds of f32 a core does in a second with it; the median of turns.
    pub peak: f64,
    pub macs: Option<i64>,
    pub layers: Vec<layers::Layer>,
    /// Of the release profile.
    pub build: Duration,
    pub dev_build: Option<Duration>,
    pub lines: usize,
    pub binary_bytes: u64,
    pub weight_bytes: usize,
    pub arena_bytes: Option<usize>,
}

impl Bench {
    pub fn run(self) -> Result<Outcome> {
        let threaded = self.threads.iter().any(|&threads| threads != 1);
        let compiled = Model { threads: threaded, ..self.model.clone() }.compile()?;
        self.model.tell_tuned(&compiled);
        let inputs = self.data.arrays(&compiled)?;
        let temporary = tempfile::tempdir()?;
        let dir = self.keep.clone().unwrap_or_else(|| temporary.path().to_path_buf());
        std::fs::create_dir_all(&dir)?;
        let dir = dir.canonicalize()?;
        let progress = indicatif::ProgressBar::new_spinner().with_message("building the generated code");
        progress.enable_steady_tick(Duration::from_millis(120));
        let main = program::serving(&compiled, threaded, false)?;
        let built = scratch::build(&compiled, std::slice::from_ref(&inputs), &dir.join("kiln"), "release", &main)?;

        let mut timings = Vec::new();
        let isa = machine::instruction_set(&self.model.options()?.isa);
        let mut peaks = Vec::new();
        for &threads in &self.threads {
            progress.set_message(format!("starting the engines on {threads} thread(s)"));
            let kiln = kiln_engine(&built.binary, &dir.join("kiln"), threads)?;
            let got = scratch::outputs(&compiled, &dir.join("kiln"), 0)?;
            let mut engines = vec![(kiln, Ok(Vec::new()))];
            for &rival in &self.against {
                let folder = dir.join(format!("{}-{threads}", rival.name()));
                match self.rival(rival, &compiled, &inputs, threads, &folder)? {
                    Started::Ready(engine) => {
                        self.compare_outputs(rival, &compiled, &got, &folder)?;
                        engines.push((engine, Ok(Vec::new())));
                    }
                    Started::Refused(reason) => timings.push(Timing {
                        engine: rival.name().to_string(),
                        threads,
                        turns: Err(reason),
                        memory: None,
                    }),
                }
            }
            for round in 0..self.rounds.max(1) {
                // In turns with the engines: what a core can do depends on what others have it do.
                peaks.push(peak::peak(isa));
                for (engine, turns) in &mut engines {
                    let turn = format!("turn {} of {}, {threads} thread(s): {}", round + 1, self.rounds, engine.name);
                    progress.set_message(turn);
                    if let Ok(turns) = turns {
                        turns.push(engine.run(Duration::from_millis(self.time))?);
                    }
                }
            }
            let first = timings.iter().position(|timing| timing.threads == threads).unwrap_or(timings.len());
            for (i, (mut engine, turns)) in engines.into_iter().enumerate() {
                let memory = engine.ask("memory").ok().and_then(|bytes| bytes.parse().ok());
                timings.insert(first + i, Timing { engine: engine.name.clone(), threads, turns, memory });
            }
        }
        let peak = spread(peaks).map_or_else(|| peak::peak(isa), |(median, ..)| median);
        let mut found = Vec::new();
        if self.layers {
            progress.set_message("building with a clock around each step");
            let threads = self.threads.first().copied().unwrap_or(1);
            found = layers::measure(&self.model, &inputs, &dir.join("layers"), threads, self.time)?;
        }
        let mut dev_build = None;
        if self.builds {
            progress.set_message("building with the dev profile");
            let dev = scratch::build(&compiled, std::slice::from_ref(&inputs), &dir.join("dev"), "dev", &main)?;
            dev_build = Some(dev.time);
        }
        progress.finish_and_clear();
        let report = compiled.report();
        let results = Results {
            timings,
            isa,
            peak,
            macs: report.macs(),
            layers: found,
            build: built.time,
            dev_build,
            lines: built.lines,
            binary_bytes: built.binary_bytes,
            weight_bytes: report.weight_bytes(),
            arena_bytes: report.arena_bytes(),
        };
        if let Some(path) = &self.picture {
            std::fs::write(path, layers::picture(&results.layers))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        if self.json {
            println!("{}", table::json(&results))
        } else {
            table::print(&results)
        }
        Ok(Outcome::Done)
    }

    fn rival(
        &self,
        rival: Rival,
        compiled: &Compiled,
        inputs: &[Array],
        threads: usize,
        dir: &Path,
    ) -> Result<Started> {
        let signature = compiled.signature();
        let mut feed: Vec<(String, Array)> =
            signature.inputs.iter().map(|port| port.name.clone()).zip(inputs.iter().cloned()).collect();
        for (name, dtype, shape, values) in compiled.pinned() {
            feed.push((name, Array::from_f64s(&dtype, shape, &values)?));
        }
        let outputs: Vec<String> = signature.outputs.iter().map(|port| port.name.clone()).collect();
        match rival {
            Rival::Onnxruntime | Rival::Openvino => {
                let python = reference::python_with(rival.name()).ok_or_else(|| {
                    anyhow!(
                        "no Python with {0} was found\n  help: `pip install {0} numpy`, or name one with KILN_PYTHON=…",
                        rival.name()
                    )
                })?;
                engine::python(&python, rival.name(), &self.model.path, &feed, &outputs, threads, dir)
            }
            Rival::Tract | Rival::Rten => rivals::start(rival, &self.model.path, &feed, &outputs, threads, dir),
        }
    }

    /// Fails if kiln's outputs are not onnxruntime's: the time of a wrong answer is worth nothing.
    fn compare_outputs(&self, rival: Rival, compiled: &Compiled, got: &[Array], dir: &Path) -> Result<()> {
        if rival != Rival::Onnxruntime {
            return Ok(());
        }
        for (i, (port, got)) in compiled.signature().outputs.iter().zip(got).enumerate() {
            let want = Array::stored(dir, &format!("onnxruntime{i}"))?;
            // Strings have no size; they must be equal.
            let numbers = if want.dtype == "string" { Vec::new() } else { want.to_f64s()? };
            let largest = numbers.into_iter().filter(|x| x.is_finite()).fold(0.0, |m: f64, x| m.max(x.abs()));
            let difference =
                compare(got, &want, 1e-3, 1e-3 * largest).with_context(|| format!("output {:?}", port.name))?;
            if difference.wrong > 0 {
                bail!(
                    "output {:?} is not onnxruntime's: {} elements differ, by up to {:e}; see `kiln verify`",
                    port.name,
                    difference.wrong,
                    difference.absolute
                );
            }
        }
        Ok(())
    }
}

fn kiln_engine(binary: &Path, dir: &Path, threads: usize) -> Result<Engine> {
    match Engine::start("kiln", Command::new(binary).arg(threads.to_string()).current_dir(dir))? {
        Started::Ready(engine) => Ok(engine),
        Started::Refused(reason) => bail!("the generated program failed: {reason}"),
    }
}

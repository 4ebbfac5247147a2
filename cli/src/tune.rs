//! `kiln tune`: times every way of doing each layer on this machine, and writes which is the fastest beside the model.
//!
//! The programs stay loaded and take turns, as in `kiln bench`; what counts is medians. Nothing is decided by noise.

use crate::Outcome;
use crate::bench::layers::Clocked;
use crate::inputs::Data;
use crate::machine;
use crate::model::Model;
use anyhow::{Context, Result};
use clap::Args;
use kiln_codegen::cargo::tuning_path;
use kiln_codegen::{Candidate, Chosen, Compiled, Line, Tuning};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The share of a layer's time by which a candidate must be faster to be preferred to the cost model's, in three turns of four.
const NOISE: f64 = 0.02;

#[derive(Args)]
pub struct Tune {
    #[command(flatten)]
    model: Model,
    #[command(flatten)]
    data: Data,
    /// Threads to run on; 0 for as many as there are processors
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Turns of each program
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Milliseconds of a turn
    #[arg(long, default_value_t = 150)]
    time: u64,
    /// Where the choices go [default: beside the model, MODEL.tune, where every build of the model finds them]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Keep the scratch crates in this folder
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
}

/// A layer with the time of each candidate.
struct Measured<'c> {
    chosen: &'c Chosen,
    /// Milliseconds a run.
    times: Vec<(Candidate, f64)>,
    taken: Candidate,
}

impl Tune {
    pub fn run(self) -> Result<Outcome> {
        // The steps are the same with and without std, and wherever the kernels stand.
        let model = Model {
            threads: self.threads != 1,
            profile: true,
            no_std: false,
            no_tune: false,
            kernels: None,
            ..self.model.clone()
        };
        let by_cost = model.compile_with(None)?;
        let layers: Vec<&Chosen> = by_cost.chosen().iter().filter(|chosen| chosen.candidates.len() > 1).collect();
        let output = self.output.clone().unwrap_or_else(|| tuning_path(&model.path));
        if layers.is_empty() {
            return self.nothing(&by_cost, &output);
        }
        let (measured, all) = self.measure(&model, &by_cost, &layers)?;
        print(&measured, all);
        let lines: Vec<(Line, String)> = measured.iter().map(|one| (line(one.chosen, one.taken), note(one))).collect();
        let text = Tuning::text(&self.header(&model)?, by_cost.source_sha256(), &lines);
        let is_first = !output.exists();
        write(&output, &text)?;
        if is_first && output == tuning_path(&model.path) {
            // What was built from the model watches the model file; a tuning file it can watch once there is one. If this fails,
            // the next clean build has the choices.
            let _ = std::fs::File::open(&model.path).and_then(|file| file.set_modified(SystemTime::now()));
        }
        println!("wrote {}", output.display());
        Ok(Outcome::Done)
    }

    /// Says why there is no file, and leaves none that may be of other options.
    fn nothing(&self, compiled: &Compiled, output: &Path) -> Result<Outcome> {
        println!("no layer of {} has more than one candidate: there is nothing to tune", self.model.path.display());
        if compiled.signature().dynamic {
            println!("help: convolutions have several forms where sizes are fixed, as by `--dim batch=1`");
        }
        if output.exists() {
            std::fs::remove_file(output).with_context(|| format!("cannot remove {}", output.display()))?;
            println!("removed {}", output.display());
        }
        Ok(Outcome::Done)
    }

    /// The median time of each candidate of each layer, and of all steps as the cost model has them, in milliseconds.
    fn measure<'c>(
        &self,
        model: &Model,
        by_cost: &Compiled,
        layers: &[&'c Chosen],
    ) -> Result<(Vec<Measured<'c>>, f64)> {
        let inputs = self.data.arrays(by_cost)?;
        let temporary = tempfile::tempdir()?;
        let dir = self.keep.clone().unwrap_or_else(|| temporary.path().to_path_buf());
        std::fs::create_dir_all(&dir)?;
        let dir = dir.canonicalize()?;
        let progress = indicatif::ProgressBar::new_spinner();
        progress.enable_steady_tick(Duration::from_millis(120));
        // As many programs as a layer has candidates: in the first each has the cost model's, in the next the one after it, …
        let count = layers.iter().map(|chosen| chosen.candidates.len()).max().unwrap_or(0);
        let mut programs = Vec::new();
        for shift in 0..count {
            progress.set_message(format!("building program {} of {count}, a clock around each step", shift + 1));
            let lines: Vec<_> =
                layers.iter().map(|chosen| (line(chosen, shifted(chosen, shift)), String::new())).collect();
            let compiled = model.compile_with(Some(&Tuning::text(&[], by_cost.source_sha256(), &lines)))?;
            programs.push(Clocked::build(compiled, &inputs, &dir.join(format!("program{shift}")), self.threads)?);
        }
        let mut samples = vec![vec![Vec::new(); count]; layers.len()];
        let mut all = Vec::new();
        let rounds = self.rounds.max(1);
        for round in 0..=rounds {
            for (shift, program) in programs.iter_mut().enumerate() {
                progress.set_message(format!("turn {round} of {rounds}: program {} of {count}", shift + 1));
                if round == 0 {
                    // The first turn is forgotten: caches were cold.
                    program.turn(Duration::from_millis(self.time.min(100)))?;
                    continue;
                }
                let times = program.turn(Duration::from_millis(self.time))?;
                if shift == 0 {
                    all.push(times.iter().sum());
                }
                // Forms may differ in steps, so each program knows its own.
                let own = program.compiled.chosen().iter().filter(|chosen| chosen.candidates.len() > 1);
                for (chosen, samples) in own.zip(&mut samples) {
                    samples[shift].push(times.get(chosen.steps.clone()).unwrap_or_default().iter().sum());
                }
            }
        }
        progress.finish_and_clear();
        let one = |(chosen, samples): (&&'c Chosen, Vec<Vec<f64>>)| {
            let samples = &samples[..chosen.candidates.len()];
            let times =
                samples.iter().enumerate().map(|(shift, turns)| (shifted(chosen, shift), median(turns.clone())));
            Measured { chosen, taken: shifted(chosen, pick(samples)), times: times.collect() }
        };
        Ok((layers.iter().zip(samples).map(one).collect(), median(all)))
    }

    /// What a reader of the file wants to know of its origin.
    fn header(&self, model: &Model) -> Result<Vec<String>> {
        let name = model.path.file_name().unwrap_or_default().to_string_lossy();
        let isa = machine::instruction_set(&model.options()?.isa);
        let options = [("dim", &model.dims), ("pin", &model.pins), ("len", &model.lens), ("shape", &model.shapes)];
        let options =
            options.iter().flat_map(|(key, values)| values.iter().map(move |value| format!(" --{key} {value}")));
        let threads = if self.threads == 1 { String::new() } else { format!(" --threads {}", self.threads) };
        Ok(vec![
            format!("The fastest of what was timed for each layer of {name}; builds of the model obey it."),
            format!(
                "Written by kiln {}: kiln tune {name}{}{threads}",
                env!("CARGO_PKG_VERSION"),
                options.collect::<String>()
            ),
            format!("Measured with {isa} on {}", machine::processor()),
        ])
    }
}

/// The candidate that stands `by` places after the cost model's.
fn shifted(chosen: &Chosen, by: usize) -> Candidate {
    let at = chosen.candidates.iter().position(|&candidate| candidate == chosen.taken).unwrap_or(0);
    chosen.candidates.iter().copied().cycle().nth(at + by).unwrap_or(chosen.taken)
}

fn line(chosen: &Chosen, candidate: Candidate) -> Line {
    Line { layer: chosen.layer.clone(), kind: chosen.kind, candidate }
}

/// The place of the first candidate, which is the cost model's, unless another is surely faster: given are each one's times, a turn
/// each. Turns of a number follow each other, so that what slows one slows the other, and are compared as pairs.
fn pick(candidates: &[Vec<f64>]) -> usize {
    let by_cost = candidates.first().map_or(&[][..], Vec::as_slice);
    let share = |turns: &Vec<f64>| {
        let mut shares: Vec<f64> = turns.iter().zip(by_cost).map(|(time, by_cost)| time / by_cost).collect();
        shares.sort_by(f64::total_cmp);
        shares.get(shares.len() * 3 / 4).copied().unwrap_or(1.0)
    };
    let surely = candidates.iter().enumerate().map(|(at, turns)| (at, share(turns)));
    let faster = surely.filter(|&(_, share)| share < 1.0 - NOISE);
    faster.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(at, _)| at)
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(0.0)
}

/// The candidates' times, in the order that all layers have them.
fn note(one: &Measured) -> String {
    let time = |candidate: &Candidate| {
        let (_, ms) = one.times.iter().find(|(other, _)| other == candidate)?;
        Some(format!("{} {ms:.4} ms", candidate.name()))
    };
    one.chosen.candidates.iter().filter_map(time).collect::<Vec<_>>().join(", ")
}

fn print(measured: &[Measured], all: f64) {
    let names: Vec<String> = measured.iter().map(|one| one.chosen.layer.to_string()).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let (mut before, mut after, mut changed) = (0.0, 0.0, 0);
    for (name, one) in names.iter().zip(measured) {
        let time = |wanted| one.times.iter().find(|&&(candidate, _)| candidate == wanted).map_or(0.0, |&(_, ms)| ms);
        before += time(one.chosen.taken);
        after += time(one.taken);
        let other = one.taken != one.chosen.taken;
        changed += usize::from(other);
        let was = if other { format!(", not {}", one.chosen.taken.name()) } else { String::new() };
        println!("{name:width$}  {}: {} {}{was}", note(one), one.chosen.kind.name(), one.taken.name());
    }
    println!(
        "{changed} of {} layers changed, which take {after:.4} ms a run instead of {before:.4}, of {all:.4} ms in all: {:.1} % saved",
        measured.len(),
        100.0 * (before - after) / all.max(f64::MIN_POSITIVE)
    );
}

/// Writes the file as a whole or not at all.
fn write(path: &Path, text: &str) -> Result<()> {
    let mut aside = path.as_os_str().to_os_string();
    aside.push(".new");
    std::fs::write(&aside, text)
        .and_then(|()| std::fs::rename(&aside, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_decides_nothing() {
        let turns = |times: &[f64]| times.to_vec();
        assert_eq!(pick(&[turns(&[1.0]), turns(&[0.99])]), 0);
        assert_eq!(pick(&[turns(&[1.0]), turns(&[0.97])]), 1);
        assert_eq!(pick(&[turns(&[1.0]), turns(&[0.9]), turns(&[0.8])]), 2);
        assert_eq!(pick(&[turns(&[0.0]), turns(&[0.0])]), 0);
        let steady = [1.0; 8];
        assert_eq!(pick(&[turns(&steady), turns(&[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 1.5, 1.5])]), 0);
        assert_eq!(pick(&[turns(&steady), turns(&[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 1.5])]), 1);
        // A slow time for the machine is slow for both.
        assert_eq!(pick(&[turns(&[1.0, 9.0, 1.0]), turns(&[0.9, 8.0, 0.9])]), 1);
    }

    #[test]
    fn the_median_is_one_of_the_samples() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(Vec::new()), 0.0);
    }
}

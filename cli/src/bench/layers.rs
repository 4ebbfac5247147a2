//! The time of each step.

use super::engine::Engine;
use super::kiln_engine;
use crate::array::Array;
use crate::model::Model;
use crate::{program, scratch};
use anyhow::{Context, Result};
use kiln_codegen::{Compiled, StepInfo};
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// A step and its time.
pub struct Layer {
    pub index: usize,
    pub step: StepInfo,
    /// Milliseconds a run.
    pub ms: f64,
    /// Of all steps' time.
    pub share: f64,
}

impl Layer {
    /// Billions of operations a second, a multiply-add counted as two.
    pub fn gflops(&self) -> Option<f64> {
        self.step.macs.filter(|&macs| macs > 0 && self.ms > 0.0).map(|macs| macs as f64 * 2e-6 / self.ms)
    }
}

/// A running program with a clock around each step.
pub struct Clocked {
    /// What was built.
    pub compiled: Compiled,
    engine: Engine,
}

impl Clocked {
    /// Builds a model that was compiled with the option `profile`, and `threads` unless that is 1, and starts it.
    pub fn build(compiled: Compiled, inputs: &[Array], dir: &Path, threads: usize) -> Result<Clocked> {
        let main = program::serving(&compiled, threads != 1, true)?;
        let built = scratch::build(&compiled, &[inputs.to_vec()], dir, "release", &main)?;
        Ok(Clocked { compiled, engine: kiln_engine(&built.binary, dir, threads)? })
    }

    /// Runs for about `budget`; the milliseconds of each step in a run.
    pub fn turn(&mut self, budget: Duration) -> Result<Vec<f64>> {
        self.engine.run(budget)?;
        let answer = self.engine.ask("layers")?;
        let times: Vec<f64> = answer
            .split_whitespace()
            .map(|time| time.parse().with_context(|| format!("{time:?} is no time")))
            .collect::<Result<_>>()?;
        let (runs, times) = times.split_last().context("the program told of no steps")?;
        Ok(times.iter().map(|time| time / runs / 1e6).collect())
    }
}

/// Builds the model with a clock around each step and runs it on `threads` threads; the steps that took longest first.
pub fn measure(model: &Model, inputs: &[Array], dir: &Path, threads: usize, time: u64) -> Result<Vec<Layer>> {
    let compiled = Model { profile: true, threads: threads != 1, ..model.clone() }.compile()?;
    let mut program = Clocked::build(compiled, inputs, dir, threads)?;
    // The first turn is forgotten: caches were cold.
    program.turn(Duration::from_millis(time.min(100)))?;
    let times = program.turn(Duration::from_millis(5 * time))?;
    let total: f64 = times.iter().sum();
    let steps = program.compiled.steps();
    let mut layers: Vec<Layer> = steps
        .into_iter()
        .zip(times)
        .enumerate()
        .map(|(index, (step, ms))| Layer { index, step, ms, share: ms / total })
        .collect();
    layers.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    Ok(layers)
}

/// The steps as bars in the order they run, as wide as they take time, coloured by how fast their arithmetic is.
pub fn picture(layers: &[Layer]) -> String {
    let mut steps: Vec<&Layer> = layers.iter().collect();
    steps.sort_by_key(|layer| layer.index);
    let longest = layers.first().map_or(1.0, |layer| layer.ms);
    let height = 18 * steps.len() + 50;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1100\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"20\" font-size=\"14\">time of each step, in the order they run</text>\n"
    );
    for (row, layer) in steps.iter().enumerate() {
        let y = 34 + 18 * row;
        let width = (layer.ms / longest * 560.0).max(0.5);
        let colour = match layer.gflops() {
            None => "#9aa5b1",
            Some(_) => "#3274a1",
        };
        let speed = layer.gflops().map_or(String::new(), |speed| format!(", {speed:.0} GFLOP/s"));
        let label = escaped(&format!("{} {}", layer.step.op, layer.step.node));
        let label: String = label.chars().take(48).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(
            svg,
            "<text x=\"10\" y=\"{}\">{label}</text><rect x=\"330\" y=\"{y}\" width=\"{width:.1}\" height=\"14\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{}\">{:.4} ms, {:.1} %{speed}</text>",
            y + 11,
            336.0 + width,
            y + 11,
            layer.ms,
            100.0 * layer.share,
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

//! `kiln compile`: source to check in.

use crate::Outcome;
use crate::model::Model;
use anyhow::{Context, Result, anyhow};
use clap::Args;
use kiln_codegen::WeightSource;
use kiln_codegen::cargo::write_if_changed;
use std::path::PathBuf;

#[derive(Args)]
pub struct Compile {
    #[command(flatten)]
    model: Model,
    /// Where the source goes; the weights go beside it, with the extension `.weights`
    #[arg(short, long, value_name = "FILE.rs")]
    output: PathBuf,
    /// Write nothing; exit with 1 if the files on disk are not what would be written
    #[arg(long)]
    check: bool,
    /// Let several threads share the work: `with_threads` beside `new`
    #[arg(long)]
    threads: bool,
    /// Print the graph after all passes
    #[arg(long)]
    graph: bool,
}

impl Compile {
    pub fn run(self) -> Result<Outcome> {
        let compiled = Model { threads: self.threads, ..self.model.clone() }.compile()?;
        self.model.tell_tuned(&compiled);
        if self.graph {
            print!("{}", compiled.graph_text());
        }
        let weights = self.output.with_extension("weights");
        let beside = weights.file_name().context("the output has no file name")?.to_string_lossy().into_owned();
        let text = compiled.emit(&WeightSource::File(beside)).map_err(|e| anyhow!(e))?;
        let files: [(&PathBuf, &[u8]); 2] = [(&self.output, text.as_bytes()), (&weights, compiled.weights())];
        if self.check {
            let stale: Vec<_> =
                files.iter().filter(|(path, content)| std::fs::read(path).ok().as_deref() != Some(*content)).collect();
            for (path, _) in &stale {
                eprintln!("{} is not what kiln would write; run `kiln compile` without --check", path.display());
            }
            return Ok(if stale.is_empty() { Outcome::Done } else { Outcome::Differs });
        }
        for (path, content) in files {
            write_if_changed(path, content).map_err(|e| anyhow!(e))?;
        }
        println!(
            "{}: {} lines, {} bytes of weights",
            self.output.display(),
            text.lines().count(),
            compiled.weights().len()
        );
        Ok(Outcome::Done)
    }
}

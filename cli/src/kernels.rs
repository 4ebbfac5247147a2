//! `kiln kernels`: the kernels as one module, for applications whose models share them.

use crate::Outcome;
use anyhow::{Result, anyhow};
use clap::Args;
use kiln_codegen::cargo::write_if_changed;
use std::path::PathBuf;

#[derive(Args)]
pub struct Kernels {
    /// Where the module goes
    #[arg(short, long, value_name = "FILE.rs")]
    output: PathBuf,
    /// With what models generated with `threads` need, which needs std
    #[arg(long)]
    threads: bool,
}

impl Kernels {
    pub fn run(self) -> Result<Outcome> {
        let text = kiln_codegen::shared_kernels(self.threads).map_err(|e| anyhow!(e))?;
        write_if_changed(&self.output, text.as_bytes()).map_err(|e| anyhow!(e))?;
        println!("{}: {} lines", self.output.display(), text.lines().count());
        Ok(Outcome::Done)
    }
}

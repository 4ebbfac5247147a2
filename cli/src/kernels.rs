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
    /// With what threads and strings need, which is std
    #[arg(long)]
    std: bool,
}

impl Kernels {
    pub fn run(self) -> Result<Outcome> {
        let text = kiln_codegen::shared_kernels(self.std).map_err(|e| anyhow!(e))?;
        write_if_changed(&self.output, text.as_bytes()).map_err(|e| anyhow!(e))?;
        println!("{}: {} lines", self.output.display(), text.lines().count());
        Ok(Outcome::Done)
    }
}

//! `kiln check`: what a model is and costs, before anything is generated.

use crate::Outcome;
use crate::model::Model;
use anyhow::Result;
use clap::Args;

#[derive(Args)]
pub struct Check {
    #[command(flatten)]
    model: Model,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Check {
    pub fn run(self) -> Result<Outcome> {
        let report = self.model.compile()?.report();
        if self.json {
            println!("{}", report.json());
        } else {
            print!("{}", report.text());
            println!("  every operator is supported");
        }
        Ok(Outcome::Done)
    }
}

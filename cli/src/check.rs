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
        let report = match self.model.compile() {
            Ok(compiled) => compiled.report(),
            Err(error) => {
                // A model that is refused is still worth describing.
                if let Ok(summary) =
                    std::fs::read(&self.model.path).map_err(|e| e.to_string()).and_then(|b| kiln_codegen::summary(&b))
                    && !self.json
                {
                    print(&summary);
                }
                return Err(error);
            }
        };
        if self.json {
            println!("{}", report.json());
        } else {
            print!("{}", report.text());
            println!("  every operator is supported");
        }
        Ok(Outcome::Done)
    }
}

fn print(summary: &kiln_codegen::Summary) {
    summary.inputs.iter().for_each(|(name, ty)| println!("  input   {name}: {ty}"));
    summary.outputs.iter().for_each(|(name, ty)| println!("  output  {name}: {ty}"));
    let ops: Vec<String> =
        summary.ops.iter().map(|(op, n)| if *n > 1 { format!("{op} x{n}") } else { op.clone() }).collect();
    println!("  ops     {}", ops.join(", "));
}

//! Runs a built case and judges what it wrote.

use super::bind::{Ready, Run};
use super::suite::Case;
use super::{Verdict, compare, values};
use anyhow::{Context, Result, anyhow, bail};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A run that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs a case on all its stored inputs and compares.
pub fn verdict(root: &Path, program: &Path, case: &Case, ready: &Ready) -> Verdict {
    for (i, run) in ready.runs.iter().enumerate() {
        match one_run(root, program, case, ready, run) {
            Ok(None) => {}
            Ok(Some(wrong)) if ready.runs.len() > 1 => return Verdict::Failed(format!("set {i}: {wrong}")),
            Ok(Some(wrong)) => return Verdict::Failed(wrong),
            Err(error) => return Verdict::Failed(format!("{error:#}")),
        }
    }
    Verdict::Passed
}

/// What is wrong with one run, if anything.
fn one_run(root: &Path, program: &Path, case: &Case, ready: &Ready, run: &Run) -> Result<Option<String>> {
    let signature = ready.compiled.signature();
    let inputs = signature.inputs.iter().map(|port| {
        let value =
            run.inputs.get(&port.name).with_context(|| format!("nothing is stored for input {:?}", port.name))?;
        match value.dtype == port.element {
            true => Ok(value),
            false => Err(anyhow!("input {:?} is {} and the case stores {}", port.name, port.element, value.dtype)),
        }
    });
    let inputs = inputs.collect::<Result<Vec<_>>>()?;
    let folder = root.join("data");
    fs::create_dir_all(&folder)?;
    let (given, got) = (folder.join(format!("{}.in", case.ident())), folder.join(format!("{}.out", case.ident())));
    values::write(&given, &inputs)?;
    execute(program, &case.ident(), &given, &got)?;
    let dtypes: Vec<String> = signature.outputs.iter().map(|port| port.element.clone()).collect();
    let outputs = values::read(&got, &dtypes)?;
    fs::remove_file(&given)?;
    fs::remove_file(&got)?;
    if outputs.len() != run.outputs.len() {
        bail!("it has {} outputs and should have {}", outputs.len(), run.outputs.len());
    }
    let names = signature.outputs.iter().map(|port| &port.name);
    if let Some((own, (name, _))) = names.zip(&run.outputs).find(|(own, (name, _))| *own != name) {
        bail!("output {own:?} stands where {name:?} should");
    }
    let mut pairs = outputs.iter().zip(&run.outputs);
    Ok(pairs.find_map(|(got, (name, want))| compare::difference(name, got, want, case.rtol, case.atol)))
}

fn execute(program: &Path, case: &str, given: &Path, got: &Path) -> Result<()> {
    let mut command = Command::new(program);
    command.arg(case).arg(given).arg(got).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
    let start = Instant::now();
    while child.try_wait()?.is_none() {
        if start.elapsed() > LIMIT {
            child.kill()?;
            child.wait()?;
            bail!("it had not ended after {} s", LIMIT.as_secs());
        }
        std::thread::sleep(Duration::from_millis(if start.elapsed().as_millis() < 20 { 1 } else { 20 }));
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let line = text.lines().find(|line| !line.trim().is_empty() && !line.contains("panicked at"));
        bail!("it ended with {}: {}", output.status, line.unwrap_or_default());
    }
    Ok(())
}

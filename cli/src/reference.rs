//! onnxruntime's answer, through Python where that is found.

use crate::array::Array;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A Python that has onnxruntime; see [`python_with`].
pub fn python() -> Option<PathBuf> {
    python_with("onnxruntime")
}

/// A Python that has a module: `$KILN_PYTHON`, the project's own under `target/python`, or the system's.
pub fn python_with(module: &str) -> Option<PathBuf> {
    let named = std::env::var_os("KILN_PYTHON").map(PathBuf::from);
    let candidates = named.into_iter().chain(["target/python/bin/python".into(), "python3".into(), "python".into()]);
    candidates.into_iter().find(|python| {
        let found = Command::new(python).args(["-c", &format!("import {module}, numpy")]).output();
        found.is_ok_and(|output| output.status.success())
    })
}

/// onnxruntime's outputs for `inputs`, and its median time for a run on one thread.
pub fn onnxruntime(
    python: &Path,
    model: &Path,
    inputs: &[(String, Array)],
    outputs: &[String],
    dir: &Path,
    budget: Duration,
) -> Result<(Vec<Array>, Duration)> {
    std::fs::create_dir_all(dir)?;
    for (i, (_, input)) in inputs.iter().enumerate() {
        input.store(dir, &format!("in{i}"))?;
    }
    let names: Vec<&String> = inputs.iter().map(|(name, _)| name).collect();
    let request = serde_json::json!({
        "model": model.canonicalize()?, "inputs": names, "outputs": outputs, "dir": dir, "seconds": budget.as_secs_f64(),
    });
    let ran = Command::new(python)
        .args(["-c", concat!(include_str!("arrays.py"), include_str!("reference.py")), &request.to_string()])
        .output()
        .context("cannot run Python")?;
    if !ran.status.success() {
        bail!("onnxruntime could not run the model:\n{}", String::from_utf8_lossy(&ran.stderr));
    }
    let seconds: f64 = String::from_utf8_lossy(&ran.stdout).trim().parse().context("its timing is not a number")?;
    let outputs = (0..outputs.len()).map(|i| Array::stored(dir, &format!("out{i}"))).collect::<Result<_>>()?;
    Ok((outputs, Duration::from_secs_f64(seconds)))
}

//! Rust engines, each in a small program that cargo builds once.

use super::Rival;
use super::engine::{Engine, Started};
use crate::array::Array;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A manifest's dependencies, and the program.
const fn sources(rival: Rival) -> (&'static str, &'static str) {
    match rival {
        Rival::Rten => ("rten = \"=0.27.0\"\nrten-tensor = \"=0.27.0\"", include_str!("rten.rs")),
        _ => ("tract-onnx = \"=0.23.9\"", include_str!("tract.rs")),
    }
}

/// Starts the engine with the model on these inputs.
pub fn start(
    rival: Rival,
    model: &Path,
    inputs: &[(String, Array)],
    outputs: &[String],
    threads: usize,
    dir: &Path,
) -> Result<Started> {
    if inputs.iter().map(|(name, _)| name).chain(outputs).any(|name| name.contains(['\n', '\r'])) {
        return Ok(Started::Refused("names with line breaks are not tried".to_string()));
    }
    let binary = build(rival)?;
    std::fs::create_dir_all(dir)?;
    // One line a port: `in` or `out`, type, shape joined by commas, name.
    let mut ports = String::new();
    for (i, (name, input)) in inputs.iter().enumerate() {
        std::fs::write(dir.join(format!("in{i}.bin")), &input.bytes)?;
        let shape: Vec<String> = input.shape.iter().map(ToString::to_string).collect();
        ports.push_str(&format!("in {} {}, {name}\n", input.dtype, shape.join(",")));
    }
    outputs.iter().for_each(|name| ports.push_str(&format!("out f32 , {name}\n")));
    std::fs::write(dir.join("ports"), ports)?;
    let mut command = Command::new(binary);
    command.arg(model.canonicalize()?).arg(threads.to_string()).current_dir(dir);
    command.env("RTEN_NUM_THREADS", threads.to_string()).env("RAYON_NUM_THREADS", threads.to_string());
    Engine::start(rival.name(), &mut command)
}

/// The engine's program, built where the next bench finds it.
fn build(rival: Rival) -> Result<PathBuf> {
    let (dependencies, main) = sources(rival);
    let dir = std::env::temp_dir().join(format!("kiln-bench-{}", rival.name()));
    std::fs::create_dir_all(dir.join("src"))?;
    let manifest = format!(
        "[package]\nname = \"rival\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{dependencies}\n\n[workspace]\n"
    );
    kiln_codegen::cargo::write_if_changed(&dir.join("Cargo.toml"), manifest.as_bytes())
        .map_err(|e| anyhow::anyhow!(e))?;
    kiln_codegen::cargo::write_if_changed(&dir.join("src/main.rs"), main.as_bytes()).map_err(|e| anyhow::anyhow!(e))?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--release"])
        .env("CARGO_TARGET_DIR", dir.join("target"))
        // Each engine at its best on this very machine.
        .env("RUSTFLAGS", "-C target-cpu=native")
        .current_dir(&dir)
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!("{} does not build:\n{}", rival.name(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(dir.join("target/release/rival"))
}

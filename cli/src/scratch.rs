//! A throw-away crate around a generated model: built, run on given inputs, its outputs brought back.

use crate::array::Array;
use crate::program;
use anyhow::{Context, Result, anyhow, bail};
use kiln_codegen::{Compiled, PortInfo, WeightSource};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What running a scratch crate gave.
pub struct Ran {
    /// For each set of inputs, one an output of the model.
    pub outputs: Vec<Vec<Array>>,
    /// For each set of inputs, the median time of one run.
    pub times: Vec<Duration>,
    /// The program that was run.
    pub built: Built,
}

/// A scratch crate's program.
pub struct Built {
    /// Where it is.
    pub binary: PathBuf,
    /// Time cargo took to build it.
    pub time: Duration,
    /// Lines of generated source.
    pub lines: usize,
    /// Its size.
    pub binary_bytes: u64,
}

/// Builds `compiled` in the empty folder `dir` and runs it on each set of inputs, each time for about `budget` longer to time it.
///
/// With more than one of `threads`, or 0, `compiled` must have been compiled for threads.
pub fn run(
    compiled: &Compiled,
    sets: &[Vec<Array>],
    dir: &Path,
    profile: &str,
    threads: usize,
    budget: Duration,
) -> Result<Ran> {
    let built = build(compiled, sets, dir, profile, &program::timed(compiled, sets.len(), threads, budget)?)?;
    let ran = Command::new(&built.binary).current_dir(dir).output().context("cannot run the built program")?;
    if !ran.status.success() {
        bail!("the built program failed ({}):\n{}", ran.status, String::from_utf8_lossy(&ran.stderr));
    }
    let nanos = String::from_utf8_lossy(&ran.stdout).lines().map(str::parse).collect::<Result<Vec<u64>, _>>();
    let nanos = nanos.context("the program's timing is not a number")?;
    Ok(Ran {
        outputs: (0..sets.len()).map(|set| outputs(compiled, dir, set)).collect::<Result<_>>()?,
        times: nanos.into_iter().map(Duration::from_nanos).collect(),
        built,
    })
}

/// Writes the crate for `compiled` and `main` to `dir`, with the inputs, and builds it.
pub fn build(compiled: &Compiled, sets: &[Vec<Array>], dir: &Path, profile: &str, main: &str) -> Result<Built> {
    std::fs::create_dir_all(dir.join("src"))?;
    let weights = dir.join("src").canonicalize()?.join("model.weights").display().to_string();
    let source = compiled.emit(&WeightSource::File(weights)).map_err(|e| anyhow!(e))?;
    std::fs::write(dir.join("Cargo.toml"), MANIFEST)?;
    std::fs::write(dir.join("src/model.rs"), &source)?;
    std::fs::write(dir.join("src/model.weights"), compiled.weights())?;
    std::fs::write(dir.join("src/main.rs"), main)?;
    for (set, inputs) in sets.iter().enumerate() {
        for (i, input) in inputs.iter().enumerate() {
            std::fs::write(dir.join(format!("in{set}_{i}.bin")), &input.bytes)?;
            let shape: String = input.shape.iter().map(|size| format!("{size} ")).collect();
            std::fs::write(dir.join(format!("in{set}_{i}.shape")), shape)?;
        }
    }
    let start = Instant::now();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = Command::new(cargo)
        .args(["build", "--quiet", "--offline", "--profile", profile])
        .env("CARGO_TARGET_DIR", dir.join("target"))
        .current_dir(dir)
        .output()
        .context("cannot run cargo")?;
    let time = start.elapsed();
    if !build.status.success() {
        bail!("the generated code does not build, which is a bug in kiln:\n{}", String::from_utf8_lossy(&build.stderr));
    }
    let folder = if profile == "dev" { "debug" } else { profile };
    let binary = dir.join("target").join(folder).join("scratch");
    let binary_bytes = std::fs::metadata(&binary)?.len();
    Ok(Built { binary, time, lines: source.lines().count(), binary_bytes })
}

/// The outputs that the program left in `dir` for a set of inputs.
pub fn outputs(compiled: &Compiled, dir: &Path, set: usize) -> Result<Vec<Array>> {
    let ports = compiled.signature().outputs;
    ports.iter().enumerate().map(|(i, port)| read_output(dir, set, i, port)).collect()
}

const MANIFEST: &str = "[package]\nname = \"scratch\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n";

fn read_output(dir: &Path, set: usize, i: usize, port: &PortInfo) -> Result<Array> {
    let shape = std::fs::read_to_string(dir.join(format!("out{set}_{i}.shape")))?;
    let shape: Vec<usize> = shape.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let bytes = std::fs::read(dir.join(format!("out{set}_{i}.bin")))?;
    Ok(Array { dtype: port.element.clone(), shape, bytes })
}

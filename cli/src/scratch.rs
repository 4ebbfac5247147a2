//! A throw-away crate around a generated model: built, run on given inputs, its outputs brought back.

use crate::array::Array;
use anyhow::{Context, Result, anyhow, bail};
use kiln_codegen::{Compiled, PortInfo, WeightSource};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// What running a scratch crate gave.
pub struct Ran {
    /// For each set of inputs, one an output of the model.
    pub outputs: Vec<Vec<Array>>,
    /// For each set of inputs, the median time of one run.
    pub times: Vec<Duration>,
    /// Time cargo took to build the crate.
    pub build: Duration,
    /// Lines of generated source.
    pub lines: usize,
    /// Size of the built program.
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
    let source = compiled.emit(&WeightSource::File("model.weights".into())).map_err(|e| anyhow!(e))?;
    std::fs::create_dir_all(dir.join("src"))?;
    std::fs::write(dir.join("Cargo.toml"), MANIFEST)?;
    std::fs::write(dir.join("src/model.rs"), &source)?;
    std::fs::write(dir.join("src/model.weights"), compiled.weights())?;
    std::fs::write(dir.join("src/main.rs"), program(compiled, sets.len(), threads, budget)?)?;
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
    let elapsed = start.elapsed();
    if !build.status.success() {
        bail!("the generated code does not build, which is a bug in kiln:\n{}", String::from_utf8_lossy(&build.stderr));
    }
    let folder = if profile == "dev" { "debug" } else { profile };
    let binary = dir.join("target").join(folder).join("scratch");
    let ran = Command::new(&binary).current_dir(dir).output().context("cannot run the built program")?;
    if !ran.status.success() {
        bail!("the built program failed ({}):\n{}", ran.status, String::from_utf8_lossy(&ran.stderr));
    }
    let nanos = String::from_utf8_lossy(&ran.stdout).lines().map(str::parse).collect::<Result<Vec<u64>, _>>();
    let nanos = nanos.context("the program's timing is not a number")?;
    let ports = compiled.signature().outputs;
    let outputs = |set: usize| ports.iter().enumerate().map(move |(i, port)| read_output(dir, set, i, port)).collect();
    Ok(Ran {
        outputs: (0..sets.len()).map(outputs).collect::<Result<_>>()?,
        times: nanos.into_iter().map(Duration::from_nanos).collect(),
        build: elapsed,
        lines: source.lines().count(),
        binary_bytes: std::fs::metadata(&binary)?.len(),
    })
}

const MANIFEST: &str = "[package]\nname = \"scratch\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n";

fn read_output(dir: &Path, set: usize, i: usize, port: &PortInfo) -> Result<Array> {
    let shape = std::fs::read_to_string(dir.join(format!("out{set}_{i}.shape")))?;
    let shape: Vec<usize> = shape.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let bytes = std::fs::read(dir.join(format!("out{set}_{i}.bin")))?;
    Ok(Array { dtype: port.element.clone(), shape, bytes })
}

fn program(compiled: &Compiled, sets: usize, threads: usize, budget: Duration) -> Result<String> {
    let signature = compiled.signature();
    let ty = compiled.type_name();
    let new = if threads == 1 { "new()".to_string() } else { format!("with_threads({threads})") };
    let mut text = format!(
        "mod model;

fn read(path: String) -> Vec<u8> {{
    std::fs::read(&path).expect(&path)
}}

#[allow(dead_code)]
fn sizes<const R: usize>(path: String) -> [usize; R] {{
    let text = String::from_utf8(read(path)).unwrap();
    let sizes: Vec<usize> = text.split_whitespace().map(|size| size.parse().unwrap()).collect();
    sizes.try_into().unwrap()
}}

fn main() {{
    let mut model = model::{ty}::{new};
    for set in 0..{sets} {{
"
    );
    let mut arguments = Vec::new();
    for (i, port) in signature.inputs.iter().enumerate() {
        let dtype = &port.dtype;
        let elements = match dtype.as_str() {
            "bool" => ".iter().map(|&b| b != 0).collect()".to_string(),
            _ => format!(
                ".chunks_exact(size_of::<{dtype}>()).map(|c| {dtype}::from_le_bytes(c.try_into().unwrap())).collect()"
            ),
        };
        writeln!(text, "        let in{i}: Vec<{dtype}> = read(format!(\"in{{set}}_{i}.bin\")){elements};")?;
        arguments.push(match signature.dynamic {
            true => {
                let rank = port.shape.len();
                writeln!(text, "        let shape{i} = sizes::<{rank}>(format!(\"in{{set}}_{i}.shape\"));")?;
                format!("model::{}::View::new(&in{i}, shape{i}).unwrap()", compiled.module_name())
            }
            false => format!("in{i}[..].try_into().unwrap()"),
        });
    }
    let call = format!("model.run({})", arguments.join(", "));
    // An error's own words help more than its fields.
    let checked = ".unwrap_or_else(|error| { eprintln!(\"{error}\"); std::process::exit(1) })";
    let call = if signature.dynamic { format!("{call}{checked}") } else { call };
    writeln!(text, "        let out = {call};")?;
    // The generated struct's fields are the outputs' names as identifiers, made unique in order.
    for (i, port) in signature.outputs.iter().enumerate() {
        let out = match signature.outputs.len() {
            1 => "out".to_string(),
            _ => format!("out.{}", compiled.output_fields()[i]),
        };
        let data = if signature.dynamic { format!("{out}.data") } else { format!("{out}[..]") };
        let bytes = if port.dtype == "bool" { "u8::from(*v).to_le_bytes()" } else { "v.to_le_bytes()" };
        writeln!(
            text,
            "        std::fs::write(format!(\"out{{set}}_{i}.bin\"), {data}.iter().flat_map(|v| {bytes}).collect::<Vec<u8>>()).unwrap();"
        )?;
        let shape = match signature.dynamic {
            true => format!("{out}.shape.to_vec()"),
            false => {
                format!("{:?}.to_vec()", port.shape.iter().map(|d| d.clone().unwrap_or(0)).collect::<Vec<usize>>())
            }
        };
        writeln!(text, "        let shape: Vec<usize> = {shape};")?;
        writeln!(
            text,
            "        std::fs::write(format!(\"out{{set}}_{i}.shape\"), shape.iter().map(|d| d.to_string() + \" \").collect::<String>()).unwrap();"
        )?;
    }
    let budget = budget.as_millis();
    writeln!(
        text,
        "        let mut times = Vec::new();
        let start = std::time::Instant::now();
        while times.len() < 3 || start.elapsed() < std::time::Duration::from_millis({budget}) {{
            let one = std::time::Instant::now();
            let _ = std::hint::black_box({call});
            times.push(one.elapsed().as_nanos());
        }}
        times.sort();
        println!(\"{{}}\", times[times.len() / 2]);
    }}
}}"
    )?;
    Ok(text)
}

//! A throw-away crate around a generated model: built, run on given inputs, its outputs brought back.

use crate::array::Array;
use anyhow::{Context, Result, anyhow, bail};
use kiln_codegen::{Compiled, PortInfo, WeightSource, snake_case};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// What running a scratch crate gave.
pub struct Ran {
    /// One an output of the model.
    pub outputs: Vec<Array>,
    /// Median time of one run.
    pub time: Duration,
    /// Time cargo took to build the crate.
    pub build: Duration,
    /// Lines of generated source.
    pub lines: usize,
    /// Size of the built program.
    pub binary_bytes: u64,
}

/// Builds `compiled` in the empty folder `dir` and runs it once on `inputs`, then for about `budget` longer to time it.
pub fn run(compiled: &Compiled, inputs: &[Array], dir: &Path, profile: &str, budget: Duration) -> Result<Ran> {
    let source = compiled.emit(&WeightSource::File("model.weights".into())).map_err(|e| anyhow!(e))?;
    std::fs::create_dir_all(dir.join("src"))?;
    std::fs::write(dir.join("Cargo.toml"), MANIFEST)?;
    std::fs::write(dir.join("src/model.rs"), &source)?;
    std::fs::write(dir.join("src/model.weights"), compiled.weights())?;
    std::fs::write(dir.join("src/main.rs"), program(compiled, inputs, budget)?)?;
    for (i, input) in inputs.iter().enumerate() {
        std::fs::write(dir.join(format!("in{i}.bin")), &input.bytes)?;
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
    let nanos: u64 =
        String::from_utf8_lossy(&ran.stdout).trim().parse().context("the program's timing is not a number")?;
    let signature = compiled.signature();
    let outputs = signature.outputs.iter().enumerate().map(|(i, port)| read_output(dir, i, port));
    Ok(Ran {
        outputs: outputs.collect::<Result<_>>()?,
        time: Duration::from_nanos(nanos),
        build: elapsed,
        lines: source.lines().count(),
        binary_bytes: std::fs::metadata(&binary)?.len(),
    })
}

const MANIFEST: &str = "[package]\nname = \"scratch\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n";

fn read_output(dir: &Path, i: usize, port: &PortInfo) -> Result<Array> {
    let shape = std::fs::read_to_string(dir.join(format!("out{i}.shape")))?;
    let shape: Vec<usize> = shape.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let bytes = std::fs::read(dir.join(format!("out{i}.bin")))?;
    Ok(Array { dtype: port.dtype.clone(), shape, bytes })
}

fn program(compiled: &Compiled, inputs: &[Array], budget: Duration) -> Result<String> {
    let signature = compiled.signature();
    let ty = compiled.type_name();
    let mut text = String::from("mod model;\n\n");
    text.push_str("fn read(path: &str) -> Vec<u8> {\n    std::fs::read(path).expect(path)\n}\n\nfn main() {\n");
    let mut arguments = Vec::new();
    for (i, (port, input)) in signature.inputs.iter().zip(inputs).enumerate() {
        let dtype = &port.dtype;
        match dtype.as_str() {
            "bool" => {
                writeln!(text, "    let in{i}: Vec<bool> = read(\"in{i}.bin\").iter().map(|&b| b != 0).collect();")?
            }
            _ => writeln!(
                text,
                "    let in{i}: Vec<{dtype}> = read(\"in{i}.bin\").chunks_exact(size_of::<{dtype}>()).map(|c| {dtype}::from_le_bytes(c.try_into().unwrap())).collect();"
            )?,
        }
        arguments.push(match signature.dynamic {
            true => format!("model::{}::View::new(&in{i}, {:?}).unwrap()", snake_case(&ty), input.shape),
            false => format!("in{i}[..].try_into().unwrap()"),
        });
    }
    let call = format!("model.run({})", arguments.join(", "));
    let call = if signature.dynamic { format!("{call}.unwrap()") } else { call };
    writeln!(text, "    let mut model = model::{ty}::new();\n    let out = {call};")?;
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
            "    std::fs::write(\"out{i}.bin\", {data}.iter().flat_map(|v| {bytes}).collect::<Vec<u8>>()).unwrap();"
        )?;
        let shape = match signature.dynamic {
            true => format!("{out}.shape.to_vec()"),
            false => {
                format!("{:?}.to_vec()", port.shape.iter().map(|d| d.clone().unwrap_or(0)).collect::<Vec<usize>>())
            }
        };
        writeln!(text, "    let shape: Vec<usize> = {shape};")?;
        writeln!(
            text,
            "    std::fs::write(\"out{i}.shape\", shape.iter().map(|d| d.to_string() + \" \").collect::<String>()).unwrap();"
        )?;
    }
    writeln!(text, "    let mut times = Vec::new();\n    let start = std::time::Instant::now();")?;
    writeln!(
        text,
        "    while times.len() < 3 || start.elapsed() < std::time::Duration::from_millis({}) {{",
        budget.as_millis()
    )?;
    writeln!(text, "        let one = std::time::Instant::now();\n        let _ = std::hint::black_box({call});")?;
    writeln!(text, "        times.push(one.elapsed().as_nanos());\n    }}\n    times.sort();")?;
    writeln!(text, "    println!(\"{{}}\", times[times.len() / 2]);\n}}")?;
    Ok(text)
}

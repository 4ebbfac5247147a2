//! The `main.rs` of scratch crates.

use anyhow::Result;
use kiln_codegen::Compiled;
use std::fmt::Write;
use std::time::Duration;

/// A program that runs the model on each set of inputs, writes the outputs, and prints the median nanoseconds of a run.
pub fn timed(compiled: &Compiled, sets: usize, threads: usize, budget: Duration) -> Result<String> {
    let ty = compiled.type_name();
    let new =
        if threads == 1 { format!("model::{ty}::new()") } else { format!("model::{ty}::with_threads({threads})") };
    let budget = budget.as_millis();
    let tail = format!(
        "let mut times = Vec::new();
        let start = std::time::Instant::now();
        while times.len() < 3 || start.elapsed() < std::time::Duration::from_millis({budget}) {{
            let one = std::time::Instant::now();
            let _ = std::hint::black_box(CALL);
            times.push(one.elapsed().as_nanos());
        }}
        times.sort();
        println!(\"{{}}\", times[times.len() / 2]);"
    );
    program(compiled, sets, &new, &tail, "")
}

/// A program that runs the model on the first set of inputs with as many threads as its argument says, writes the outputs,
/// and then answers requests on its standard input, a line each:
/// `run 100` the median nanoseconds of a run, over 100 ms; `memory` the most bytes the process had in memory, where the system tells; `layers` the nanoseconds spent in each
/// step since it was asked last, and the number of runs.
pub fn serving(compiled: &Compiled, threaded: bool, profiled: bool) -> Result<String> {
    let ty = compiled.type_name();
    let new = if threaded {
        format!(
            "match std::env::args().nth(1).map_or(1, |threads| threads.parse().unwrap()) {{
        1_usize => model::{ty}::new(),
        threads => model::{ty}::with_threads(threads),
    }}"
        )
    } else {
        format!("model::{ty}::new()")
    };
    let layers = if profiled {
        "for (time, before) in model.times().iter().zip(&mut before) {
                        print!(\"{} \", (*time - *before).as_nanos());
                        *before = *time;
                    }
                    println!(\"{runs}\");
                    runs = 0;"
    } else {
        "println!();"
    };
    let before = if profiled { "let mut before = *model.times();\n        let mut runs = 0_u64;" } else { "" };
    let count = if profiled { "runs += u64::from(batch);" } else { "" };
    let tail = format!(
        "println!(\"ready\");
        {before}
        for line in std::io::stdin().lines() {{
            let line = line.unwrap();
            let mut words = line.split(' ');
            match words.next() {{
                Some(\"run\") => {{
                    let budget = std::time::Duration::from_millis(words.next().unwrap().parse().unwrap());
                    let mut batch = 1_u32;
                    let mut times = Vec::new();
                    let start = std::time::Instant::now();
                    while times.len() < 3 || start.elapsed() < budget {{
                        let one = std::time::Instant::now();
                        for _ in 0..batch {{
                            let _ = std::hint::black_box(CALL);
                        }}
                        let time = one.elapsed();
                        {count}
                        // Reading the clock costs a fraction of a microsecond, so short runs are timed many at once.
                        if time < std::time::Duration::from_micros(20) {{
                            batch *= 2;
                            times.clear();
                        }} else {{
                            times.push(time.as_nanos() as u64 * 1000 / u64::from(batch));
                        }}
                    }}
                    times.sort_unstable();
                    let median = times[times.len() / 2];
                    println!(\"{{}}.{{:03}}\", median / 1000, median % 1000);
                }}
                Some(\"layers\") => {{
                    {layers}
                }}
                Some(\"memory\") => println!(\"{{}}\", memory()),
                _ => return,
            }}
        }}"
    );
    // Inner documentation cannot stand in the middle of a file.
    let items = include_str!("bench/memory.rs").split_once("\n\n").map_or("", |(_, items)| items);
    program(compiled, 1, &new, &tail, items)
}

/// Reads the inputs of each set, runs the model and writes its outputs, then does `tail`, in which `CALL` is a run.
fn program(compiled: &Compiled, sets: usize, new: &str, tail: &str, items: &str) -> Result<String> {
    let signature = compiled.signature();
    let mut text = format!(
        "mod model;

fn read(path: String) -> Vec<u8> {{
    std::fs::read(&path).expect(&path)
}}

#[allow(dead_code)]
fn texts(mut bytes: &[u8]) -> Vec<&str> {{
    let mut texts = Vec::new();
    while let Some((len, rest)) = bytes.split_first_chunk() {{
        let (text, rest) = rest.split_at(u32::from_le_bytes(*len) as usize);
        texts.push(std::str::from_utf8(text).unwrap());
        bytes = rest;
    }}
    texts
}}

#[allow(dead_code)]
fn sizes<const R: usize>(path: String) -> [usize; R] {{
    let text = String::from_utf8(read(path)).unwrap();
    let sizes: Vec<usize> = text.split_whitespace().map(|size| size.parse().unwrap()).collect();
    sizes.try_into().unwrap()
}}

fn main() {{
    let mut model = {new};
    for set in 0..{sets} {{
"
    );
    let mut arguments = Vec::new();
    for (i, port) in signature.inputs.iter().enumerate() {
        let dtype = &port.dtype;
        if port.element == "string" {
            writeln!(text, "        let text{i} = read(format!(\"in{{set}}_{i}.bin\"));")?;
            writeln!(text, "        let in{i}: Vec<&str> = texts(&text{i});")?;
        }
        let elements = match dtype.as_str() {
            "bool" => ".iter().map(|&b| b != 0).collect()".to_string(),
            _ => format!(
                ".chunks_exact(size_of::<{dtype}>()).map(|c| {dtype}::from_le_bytes(c.try_into().unwrap())).collect()"
            ),
        };
        if port.element != "string" {
            writeln!(text, "        let in{i}: Vec<{dtype}> = read(format!(\"in{{set}}_{i}.bin\")){elements};")?;
        }
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
        if port.element == "string" {
            writeln!(
                text,
                "        let bytes = |v: &str| [&(v.len() as u32).to_le_bytes(), v.as_bytes()].concat();
        std::fs::write(format!(\"out{{set}}_{i}.bin\"), {out}.iter().flat_map(bytes).collect::<Vec<u8>>()).unwrap();"
            )?;
        }
        let data = if signature.dynamic { format!("{out}.data") } else { format!("{out}[..]") };
        let bytes = if port.dtype == "bool" { "u8::from(*v).to_le_bytes()" } else { "v.to_le_bytes()" };
        if port.element != "string" {
            writeln!(
                text,
                "        std::fs::write(format!(\"out{{set}}_{i}.bin\"), {data}.iter().flat_map(|v| {bytes}).collect::<Vec<u8>>()).unwrap();"
            )?;
        }
        let shape = match signature.dynamic || port.element == "string" {
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
    writeln!(text, "        {}\n    }}\n}}\n\n{items}", tail.replace("CALL", &call))?;
    Ok(text)
}

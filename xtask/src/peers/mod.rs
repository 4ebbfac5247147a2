//! `cargo xtask peers`: kiln beside onnxruntime and OpenVINO on the benchmark's networks, in one run.
//!
//! The times are those of `kiln bench`, which has all engines take turns; this only names the networks and writes the page.

mod export;
mod networks;
mod page;

use crate::{models, paths, process, python, verify};
use anyhow::{Context, Result, bail};
use networks::{NETWORKS, Network};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Which networks, and how long.
#[derive(clap::Args)]
pub struct Args {
    /// Only networks whose name contains this; the page is not written then
    #[arg(long)]
    filter: Option<String>,
    /// Turns of each engine
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Milliseconds of a turn
    #[arg(long, default_value_t = 150)]
    time: u64,
    /// The instruction set kiln is held to; the other engines take what they find
    #[arg(long, default_value = best_isa(), value_parser = ["scalar", "avx2", "avx512", "neon"])]
    isa: String,
}

/// What `kiln bench` said of a network.
pub struct Measured {
    pub network: &'static Network,
    pub bench: Value,
}

/// What all networks' measurements have in common.
pub struct About<'a> {
    /// The instruction set kiln was held to.
    pub isa: &'a str,
    /// kiln's commit, and whether files differed from it, where git says.
    pub commit: Option<String>,
    /// Bytes of a program that does nothing.
    pub empty: u64,
}

/// Times every network; whether all could be.
pub fn all(args: &Args) -> Result<bool> {
    models::fetch()?;
    let interpreter = python::peers()?;
    let kiln = verify::build_kiln()?;
    let wanted = |network: &&Network| args.filter.as_deref().is_none_or(|part| network.name.contains(part));
    let networks: Vec<&'static Network> = NETWORKS.iter().filter(wanted).collect();
    if networks.is_empty() {
        bail!("no network is named like {:?}", args.filter.as_deref().unwrap_or(""));
    }
    export::outdated(&networks)?;
    let about = About { isa: &args.isa, commit: commit(), empty: empty_program()? };
    let mut all = Vec::new();
    for (i, network) in networks.iter().enumerate() {
        eprintln!("{} of {}: {}", i + 1, networks.len(), network.name);
        let measured = Measured { network, bench: bench(&kiln, &interpreter, network, args)? };
        eprintln!("{}", page::row(&measured, 1));
        eprintln!("{}", page::row(&measured, 2));
        all.push(measured);
    }
    if args.filter.is_none() {
        let path = paths::root().join("docs/PERFORMANCE.md");
        let old = fs::read_to_string(&path).unwrap_or_default();
        fs::write(&path, page::page(&old, &about, &all)).with_context(|| format!("cannot write {}", path.display()))?;
    }
    println!("{}", page::summary(&all));
    Ok(true)
}

/// The commit that is checked out, with `-dirty` behind it if files differ.
fn commit() -> Option<String> {
    let mut git = Command::new("git");
    git.current_dir(paths::root()).args(["describe", "--always", "--dirty", "--exclude=*"]);
    process::stdout(&mut git).ok().map(|text| text.trim().to_string())
}

/// `kiln bench` on a network.
fn bench(kiln: &Path, interpreter: &Path, network: &Network, args: &Args) -> Result<Value> {
    let mut command = Command::new(kiln);
    command.arg("bench").arg(paths::target("models").join(network.path)).args(network.options);
    command.args(["--isa", &args.isa, "--threads", "1,2", "--against", "onnxruntime,openvino", "--builds", "--json"]);
    command.args(["--rounds", &args.rounds.to_string(), "--time", &args.time.to_string()]);
    command.env("KILN_PYTHON", interpreter);
    let output = process::stdout(&mut command)?;
    serde_json::from_str(&output).with_context(|| format!("kiln bench said of {}: {output}", network.name))
}

/// The best instruction set of this machine, by kiln's name.
pub fn best_isa() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512vl") {
            return "avx512";
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            return "avx2";
        }
    }
    if cfg!(target_arch = "aarch64") { "neon" } else { "scalar" }
}

/// Bytes of a program that does nothing, built as the models' programs are.
fn empty_program() -> Result<u64> {
    let folder = paths::target("peers");
    fs::create_dir_all(&folder)?;
    let (source, binary) = (folder.join("empty.rs"), folder.join("empty"));
    fs::write(&source, "fn main() {}\n")?;
    process::run(
        Command::new("rustc").args(["-C", "opt-level=3", "-C", "strip=debuginfo", "-o"]).arg(&binary).arg(&source),
    )?;
    Ok(fs::metadata(&binary)?.len())
}

//! `cargo xtask fuzz`: the front end under libFuzzer, on a corpus of ONNX's own small models.
//!
//! It needs a nightly toolchain and cargo-fuzz, which it installs if they are missing.

use crate::{conformance, paths, process, python};
use anyhow::{Context, Result, bail};
use std::fs;
use std::process::Command;

/// Larger models only slow the search down.
const MAX_MODEL: u64 = 16 << 10;

/// How long, and on how many cores.
#[derive(clap::Args)]
pub struct Args {
    /// Minutes to run
    #[arg(long, default_value_t = 30)]
    minutes: u64,
    /// Processes side by side
    #[arg(long, default_value_t = 1)]
    jobs: usize,
}

/// Runs the fuzzer; whether it found nothing.
pub fn run(args: &Args) -> Result<bool> {
    python::make()?;
    install()?;
    let folder = paths::root().join("codegen/fuzz");
    let corpus = paths::target("fuzz/corpus");
    let found = paths::target("fuzz/found");
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&found)?;
    for (name, model) in conformance::small_models(MAX_MODEL)? {
        fs::copy(&model, corpus.join(name)).with_context(|| format!("cannot copy {}", model.display()))?;
    }
    let mut fuzz = Command::new("cargo");
    fuzz.current_dir(&folder).env_remove("RUSTUP_TOOLCHAIN").args(["+nightly", "fuzz", "run", "--sanitizer", "none"]);
    fuzz.arg("--target-dir").arg(paths::target("fuzz/target")).arg("model").arg(&corpus).arg("--");
    fuzz.arg(format!("-max_total_time={}", args.minutes * 60));
    // Memory stays within a few hundred megabytes and time within seconds, or it is a finding.
    fuzz.args(["-rss_limit_mb=2048", "-malloc_limit_mb=1024", "-timeout=30", "-print_final_stats=1"]);
    fuzz.arg(format!("-max_len={}", 2 * MAX_MODEL)).arg(format!("-artifact_prefix={}/", found.display()));
    if args.jobs > 1 {
        fuzz.arg(format!("-fork={}", args.jobs));
    }
    let clean = fuzz.status().context("cannot start cargo fuzz")?.success();
    if !clean {
        println!("findings are in {}", found.display());
    }
    Ok(clean)
}

fn install() -> Result<()> {
    let has = |words: &[&str]| {
        Command::new("cargo").env_remove("RUSTUP_TOOLCHAIN").args(words).output().is_ok_and(|out| out.status.success())
    };
    if !has(&["+nightly", "--version"]) {
        process::run(Command::new("rustup").args(["toolchain", "install", "nightly", "--profile", "minimal"]))?;
    }
    if !has(&["fuzz", "--version"]) {
        process::run(Command::new("cargo").args(["install", "cargo-fuzz", "--locked"]))?;
    }
    if !has(&["fuzz", "--version"]) {
        bail!("cargo-fuzz was installed but `cargo fuzz` does not start: is ~/.cargo/bin on the path?");
    }
    Ok(())
}

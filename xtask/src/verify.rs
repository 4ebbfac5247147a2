//! `cargo xtask verify`: every stored case through `kiln verify`, as a user would run it.
//!
//! Nothing is compared here: kiln's own command does that, and says so by its exit code.

use crate::{models, paths, process, python};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Scratch crates are built while others run; more than this and they only wait for each other.
const WORKERS: usize = 2;

/// Which cases, and what to print of them.
#[derive(clap::Args)]
pub struct Args {
    /// Only cases whose name contains this
    #[arg(long)]
    filter: Option<String>,
    /// One case at a time, timed beside onnxruntime, as a Markdown table
    #[arg(long)]
    table: bool,
}

enum Verdict {
    Passed,
    Failed,
    Refused,
}

/// One stored case.
struct Case {
    name: String,
    folder: PathBuf,
    meta: Value,
}

/// Verifies every case; whether none failed and any passed.
pub fn all(args: &Args) -> Result<bool> {
    models::fetch()?;
    let kiln = build_kiln()?;
    let cases = cases(args.filter.as_deref())?;
    if args.table {
        return table(&kiln, &cases);
    }
    let (passed, failed, refused) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let next = AtomicUsize::new(0);
    let first_error = Mutex::new(None);
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            match verify(&kiln, case) {
                Ok(Verdict::Passed) => passed.fetch_add(1, Ordering::Relaxed),
                Ok(Verdict::Failed) => failed.fetch_add(1, Ordering::Relaxed),
                Ok(Verdict::Refused) => refused.fetch_add(1, Ordering::Relaxed),
                Err(error) => {
                    if let Ok(mut first) = first_error.lock() {
                        first.get_or_insert(error);
                    }
                    return;
                }
            };
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(work);
        }
    });
    if let Some(error) = first_error.into_inner().ok().flatten() {
        return Err(error);
    }
    let (passed, failed) = (passed.into_inner(), failed.into_inner());
    println!("{passed} passed, {failed} failed, {} refused", refused.into_inner());
    // Nothing passed means that nothing was looked at.
    Ok(failed == 0 && passed > 0)
}

/// Builds the command line with the optimisations its users have; returns the program's path.
pub fn build_kiln() -> Result<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(paths::root()).args(["build", "--release", "-p", "cargo-kiln"]);
    cargo.args(["--bin", "kiln", "--message-format", "json-render-diagnostics"]);
    let messages = process::stdout(&mut cargo)?;
    process::built_program(&messages, "kiln").context("cargo built no program named kiln")
}

/// The stored cases, by name.
fn cases(filter: Option<&str>) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for entry in fs::read_dir(paths::target("models/cases"))? {
        let folder = entry?.path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if filter.is_some_and(|part| !name.contains(part)) {
            continue;
        }
        let meta =
            fs::read_to_string(folder.join("case.json")).with_context(|| format!("case {name} has no case.json"))?;
        cases.push(Case { name, meta: serde_json::from_str(&meta)?, folder });
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    if cases.is_empty() {
        bail!("no case is named like {:?}", filter.unwrap_or(""));
    }
    Ok(cases)
}

/// Runs one case and prints its line.
fn verify(kiln: &Path, case: &Case) -> Result<Verdict> {
    let mut command = command(kiln, case)?;
    command.args(files("--expect", case, "outputs")?);
    command.args(["--rtol", "1e-3", "--atol", "1e-4", "--json"]);
    let output = command.output().context("cannot start kiln")?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let summary = summary(&stdout);
    let (word, verdict) = match output.status.code() {
        Some(0) => ("passed", Verdict::Passed),
        Some(1) => ("FAILED", Verdict::Failed),
        Some(2) => ("refused", Verdict::Refused),
        // A kiln that crashes has failed, whatever it was about to say.
        _ => ("CRASHED", Verdict::Failed),
    };
    let mut line = format!("{word:8} {:28} {summary}", case.name);
    if !matches!(verdict, Verdict::Passed) {
        for text in String::from_utf8_lossy(&output.stderr).lines().take(60) {
            line.push_str("\n         ");
            line.push_str(text);
        }
    }
    println!("{line}");
    Ok(verdict)
}

/// `kiln verify` with the case's model, dims, pins and inputs.
fn command(kiln: &Path, case: &Case) -> Result<Command> {
    let model = case.meta["model"].as_str().context("a case without a model")?;
    let mut command = Command::new(kiln);
    command.arg("verify").arg(paths::target("models").join(model));
    for (key, value) in case.meta["dims"].as_object().into_iter().flatten() {
        command.args(["--dim", &format!("{key}={value}")]);
    }
    for (key, value) in case.meta["pin"].as_object().into_iter().flatten() {
        command.args(["--pin", &format!("{key}={value}")]);
    }
    command.args(files("--input", case, "inputs")?);
    Ok(command)
}

/// `flag name=file` for every stored array of a role.
fn files(flag: &str, case: &Case, role: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    for array in case.meta[role].as_array().context("a case without arrays")? {
        let name = array["name"].as_str().context("an array without a name")?;
        let file = array["file"].as_str().context("an array without a file")?;
        words.push(flag.to_owned());
        words.push(format!("{name}={}", case.folder.join(file).display()));
    }
    Ok(words)
}

/// The largest errors over all outputs, from `kiln verify --json`.
fn summary(json: &str) -> String {
    let Ok(report) = serde_json::from_str::<Value>(json) else { return String::new() };
    let outputs = report["outputs"].as_array().cloned().unwrap_or_default();
    let largest = |key: &str| outputs.iter().filter_map(|o| o[key].as_f64()).fold(0.0, f64::max);
    let mut text = format!(
        "max abs {:.1e}, max rel {:.1e}, max ulp {}, {:.3} ms",
        largest("max_abs"),
        largest("max_rel"),
        largest("max_ulp"),
        report["ms"].as_f64().unwrap_or(f64::NAN),
    );
    for output in &outputs {
        if let Some(error) = output["error"].as_str() {
            text.push_str(&format!("; {}: {error}", output["name"]));
        }
    }
    text
}

/// The figures of each case, onnxruntime timed on the same inputs; whether all passed.
fn table(kiln: &Path, cases: &[Case]) -> Result<bool> {
    println!(
        "| case | rustc dev s | rustc release s | lines | weight bytes | arena bytes | binary bytes | kiln ms | onnxruntime ms |"
    );
    println!("| --- | --: | --: | --: | --: | --: | --: | --: | --: |");
    let mut all_passed = true;
    for case in cases {
        let report = |profile: &str| -> Result<Value> {
            let mut command = command(kiln, case)?;
            command.args(["--json", "--profile", profile]).env("KILN_PYTHON", python::interpreter());
            let output = command.output().context("cannot start kiln")?;
            Ok(serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
        };
        let (dev, release) = (report("dev")?, report("release")?);
        all_passed &= release["passed"] == true;
        let float =
            |value: &Value, digits: usize| value.as_f64().map_or("-".to_owned(), |number| format!("{number:.digits$}"));
        let count = |key: &str| release[key].as_u64().map_or("-".to_owned(), |n| n.to_string());
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            case.name,
            float(&dev["build_seconds"], 2),
            float(&release["build_seconds"], 2),
            count("lines"),
            count("weight_bytes"),
            count("arena_bytes"),
            count("binary_bytes"),
            float(&release["ms"], 4),
            float(&release["onnxruntime_ms"], 4),
        );
    }
    Ok(all_passed)
}

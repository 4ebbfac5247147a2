//! Builds the generated code in a few large crates that each hold many cases and one copy of the kernels, and runs it.

use super::bind::{Bound, Ready};
use super::suite::Case;
use super::{Outcome, Progress, Verdict, parallel, program, run};
use crate::paths;
use anyhow::{Context, Result, anyhow, bail};
use kiln_codegen::cargo::write_if_changed;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Cases in one crate: more make rustc's memory large, fewer compile the kernels more often.
const CASES_PER_CRATE: usize = 110;
/// A case on its way.
struct Entry {
    case: Case,
    bound: Vec<String>,
    summary: kiln_codegen::Summary,
    ready: Result<Ready, Verdict>,
}

/// Builds and runs everything that kiln compiled. A `part` of the suite has crates of its own, so that the whole stays built.
pub fn outcomes(cases: Vec<(Case, Bound)>, part: bool) -> Result<Vec<Outcome>> {
    let root = paths::target(if part { "conformance/part" } else { "conformance/whole" });
    let mut entries: Vec<Entry> = cases.into_iter().map(entry).collect();
    let groups = groups(&entries);
    let mut programs = loop {
        write(&root, &groups, &entries)?;
        match build(&root, &groups)? {
            Built::All(programs) => break programs,
            Built::Broken(broken) => {
                let known = entries.iter().filter(|entry| entry.ready.is_ok()).map(|entry| entry.case.ident());
                let known: BTreeSet<String> = known.collect();
                if let Some((file, error)) = broken.iter().find(|(file, _)| !known.contains(*file)) {
                    bail!("{file}.rs of a generated crate does not build: {error}");
                }
                for entry in &mut entries {
                    if let Some(error) = broken.get(&entry.case.ident()) {
                        entry.ready = Err(Verdict::Failed(format!("the generated code does not build: {error}")));
                    }
                }
            }
        }
    };
    let mut crate_of: BTreeMap<String, PathBuf> = BTreeMap::new();
    for (name, members) in &groups {
        let program = programs.remove(name).unwrap_or_default();
        members.iter().for_each(|&at| {
            crate_of.insert(entries[at].case.ident(), program.clone());
        });
    }
    let progress = Progress::new("running", entries.len());
    let verdicts = parallel(&entries, |entry| {
        let verdict = entry.ready.as_ref().ok().map(|ready| {
            let program = crate_of.get(&entry.case.ident()).cloned().unwrap_or_default();
            run::verdict(&root, &program, &entry.case, ready)
        });
        progress.step();
        verdict
    });
    Ok(entries.into_iter().zip(verdicts).map(|(entry, verdict)| outcome(entry, verdict)).collect())
}

fn entry((case, bound): (Case, Bound)) -> Entry {
    let Bound { summary, bound, result } = bound;
    Entry { case, bound, summary, ready: result.map_err(Verdict::Refused) }
}

fn outcome(entry: Entry, ran: Option<Verdict>) -> Outcome {
    let folded = entry.ready.as_ref().is_ok_and(|ready| ready.compiled.signature().inputs.is_empty());
    let verdict = match (entry.ready, ran) {
        (Err(verdict), _) | (Ok(_), Some(verdict)) => verdict,
        (Ok(_), None) => Verdict::Failed("it was not run".into()),
    };
    let verdict = match (entry.case.disputed(), verdict) {
        (Some(why), Verdict::Failed(difference)) => Verdict::Disputed(format!("{difference}; {why}")),
        (Some(_), Verdict::Passed) => Verdict::Failed("it passes: take it off the list of disputed cases".into()),
        (_, verdict) => verdict,
    };
    Outcome { case: entry.case, bound: entry.bound, folded, summary: entry.summary, verdict }
}

/// Names of crates, and the entries in each. Networks get a crate of their own, compiled with optimisation.
fn groups(entries: &[Entry]) -> BTreeMap<String, Vec<usize>> {
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut n_nodes = 0;
    for (at, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.ready.is_ok()) {
        let name = match entry.case.folder {
            "light" => "networks".to_string(),
            _ => {
                n_nodes += 1;
                format!("cases{:02}", (n_nodes - 1) / CASES_PER_CRATE)
            }
        };
        groups.entry(name).or_default().push(at);
    }
    groups
}

fn write(root: &Path, groups: &BTreeMap<String, Vec<usize>>, entries: &[Entry]) -> Result<()> {
    let names: Vec<String> = groups.keys().map(|name| format!("{name:?}")).collect();
    put(
        &root.join("Cargo.toml"),
        &format!(
            "[workspace]\nresolver = \"3\"\nmembers = [{}]\n\n[profile.dev]\ndebug = 0\nincremental = false\n\n[profile.dev.package.networks]\nopt-level = 3\n",
            names.join(", ")
        ),
    )?;
    let kernels = kiln_codegen::shared_kernels(true).map_err(|e| anyhow!(e))?;
    for (name, members) in groups {
        let folder = root.join(name);
        fs::create_dir_all(folder.join("src"))?;
        put(
            &folder.join("Cargo.toml"),
            &format!("[package]\nname = {name:?}\nversion = \"0.0.0\"\nedition = \"2024\"\n"),
        )?;
        put(&folder.join("src/kernels.rs"), &kernels)?;
        put(&folder.join("src/wire.rs"), program::WIRE)?;
        let mut cases = Vec::new();
        for &at in members {
            let entry = &entries[at];
            let Ok(ready) = &entry.ready else { continue };
            let ident = entry.case.ident();
            put(&folder.join(format!("src/{ident}.rs")), &program::module(ready)?)?;
            write_if_changed(&folder.join(format!("src/{ident}.weights")), ready.compiled.weights())
                .map_err(|e| anyhow!(e))?;
            cases.push(ident);
        }
        put(&folder.join("src/main.rs"), &program::main(&cases))?;
    }
    Ok(())
}

fn put(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    write_if_changed(path, text.as_bytes()).map_err(|e| anyhow!(e))
}

enum Built {
    /// The program of each crate.
    All(BTreeMap<String, PathBuf>),
    /// Cases whose code does not compile, each with rustc's first error.
    Broken(BTreeMap<String, String>),
}

fn build(root: &Path, groups: &BTreeMap<String, Vec<usize>>) -> Result<Built> {
    let progress = Progress::new("building crates", groups.len());
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root).args(["build", "--offline", "--keep-going", "--message-format", "json"]);
    cargo.env("CARGO_TARGET_DIR", root.join("target")).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = cargo.spawn().context("cannot start cargo")?;
    let stdout = child.stdout.take().context("cargo has no stdout")?;
    let mut programs = BTreeMap::new();
    let mut broken: BTreeMap<String, String> = BTreeMap::new();
    let mut elsewhere = BTreeSet::new();
    for line in BufReader::new(stdout).lines() {
        let Ok(message) = serde_json::from_str::<Json>(&line?) else { continue };
        match message["reason"].as_str() {
            Some("compiler-artifact") => {
                if let (Some(name), Some(path)) = (message["target"]["name"].as_str(), message["executable"].as_str()) {
                    programs.insert(name.to_string(), PathBuf::from(path));
                    progress.step();
                }
            }
            Some("compiler-message") if message["message"]["level"] == "error" => {
                let text = message["message"]["message"].as_str().unwrap_or_default().to_string();
                let spans = message["message"]["spans"].as_array().cloned().unwrap_or_default();
                let files = spans.iter().filter_map(|span| span["file_name"].as_str());
                let case = files.filter_map(|file| Path::new(file).file_stem()?.to_str());
                match case.map(str::to_string).find(|case| case != "kernels") {
                    Some(case) => drop(broken.entry(case).or_insert(text)),
                    None => drop(elsewhere.insert(text)),
                }
            }
            _ => {}
        }
    }
    if child.wait()?.success() {
        return Ok(Built::All(programs));
    }
    if broken.is_empty() {
        let errors: Vec<String> = elsewhere.into_iter().collect();
        bail!("the generated crates do not build, and no case is at fault alone:\n{}", errors.join("\n"));
    }
    Ok(Built::Broken(broken))
}

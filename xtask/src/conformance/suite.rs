//! The cases of the pinned `onnx` wheel: models, stored inputs and outputs, tolerances.

use crate::paths;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders of ONNX's test data that hold whole cases.
const FOLDERS: [&str; 4] = ["node", "simple", "pytorch-converted", "pytorch-operator"];

/// One case.
#[derive(Clone)]
pub struct Case {
    /// ONNX's folder: `node`, `simple`, …
    pub folder: &'static str,
    /// The case's name.
    pub name: String,
    /// The model file.
    pub model: PathBuf,
    /// Stored values.
    pub sets: Vec<Set>,
    /// Relative tolerance for floats.
    pub rtol: f64,
    /// Absolute tolerance for floats.
    pub atol: f64,
}

/// Stored inputs and outputs of one run, in the order of the model's.
#[derive(Clone)]
pub struct Set {
    pub inputs: Inputs,
    pub outputs: Vec<PathBuf>,
}

/// Where a run's inputs come from.
#[derive(Clone)]
pub enum Inputs {
    /// One file each.
    Files(Vec<PathBuf>),
    /// ONNX's dummy data: element `i` of `n` is `i / n`.
    Ramp,
}

/// Cases whose stored outputs contradict the standard or exact arithmetic, each with how. They run like all others and never
/// count as passed; one that does pass is a failure, so that this list cannot outlive its reasons.
const DISPUTED: [(&str, &str); 3] = [
    ("test_adam_multiple", "the stored outputs were computed with an epsilon of 0.01 that the node does not have"),
    (
        "test_qlinearmatmul_*_int8_*",
        "the stored output wraps around where the standard's text says that results saturate; onnxruntime saturates as kiln does",
    ),
    (
        "test_dft_inverse*",
        "the stored output holds 1.9e-7 of another program's rounding where the exact result is 0; ONNX's tolerance there is 1e-7",
    ),
];

impl Case {
    /// Why the stored outputs are no measure, if they are none.
    pub fn disputed(&self) -> Option<&'static str> {
        let like = |pattern: &str| {
            let mut rest = self.name.as_str();
            pattern.split('*').enumerate().all(|(i, part)| match rest.find(part) {
                Some(at) if i > 0 || at == 0 => {
                    rest = &rest[at + part.len()..];
                    true
                }
                _ => false,
            })
        };
        DISPUTED.iter().find(|(pattern, _)| like(pattern)).map(|(_, why)| *why)
    }

    /// The case's folder and name.
    pub fn path(&self) -> String {
        format!("{}/{}", self.folder, self.name)
    }

    /// The name as a Rust identifier, unique among all cases.
    pub fn ident(&self) -> String {
        format!(
            "{}_{}",
            self.folder.replace('-', "_"),
            self.name.to_lowercase().replace(|c: char| !c.is_alphanumeric(), "_")
        )
    }
}

/// Every case whose path contains `filter`, by path.
pub fn cases(filter: Option<&str>) -> Result<Vec<Case>> {
    let data = data_folder()?;
    let mut cases = Vec::new();
    for folder in FOLDERS {
        for path in sorted(&data.join(folder))? {
            let model = path.join("model.onnx");
            if model.is_file() {
                let (rtol, atol) = tolerance(&path)?;
                cases.push(Case { folder, name: name(&path), model, sets: sets(&path)?, rtol, atol });
            }
        }
    }
    for path in sorted(&data.join("light"))? {
        if path.extension().is_some_and(|extension| extension == "onnx") {
            cases.push(light(&data, &path)?);
        }
    }
    cases.retain(|case| filter.is_none_or(|part| case.path().contains(part)));
    Ok(cases)
}

/// A published network without its weights: dummy inputs, a stored output.
fn light(data: &Path, model: &Path) -> Result<Case> {
    let stem = model.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    // What ONNX calls `real` tests are these files with a tolerance of their own.
    let real = data.join("real").join(stem.replace("light_", "test_"));
    let (rtol, atol) = tolerance(&real)?;
    let outputs = vec![model.with_file_name(format!("{stem}_output_0.pb"))];
    Ok(Case {
        folder: "light",
        name: stem,
        model: model.to_path_buf(),
        sets: vec![Set { inputs: Inputs::Ramp, outputs }],
        rtol,
        atol,
    })
}

fn data_folder() -> Result<PathBuf> {
    let lib = paths::target("python/lib");
    for python in sorted(&lib)? {
        let data = python.join("site-packages/onnx/backend/test/data");
        if data.is_dir() {
            return Ok(data);
        }
    }
    bail!("{} has no onnx with its test data", lib.display())
}

/// ONNX's defaults unless the case says otherwise.
fn tolerance(folder: &Path) -> Result<(f64, f64)> {
    let file = folder.join("data.json");
    let json: Value = match fs::read_to_string(&file) {
        Ok(text) => serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?,
        Err(_) => Value::Null,
    };
    let number = |key: &str, default: f64| json[key].as_f64().unwrap_or(default);
    Ok((number("rtol", 1e-3), number("atol", 1e-7)))
}

fn sets(folder: &Path) -> Result<Vec<Set>> {
    let mut sets = Vec::new();
    for set in sorted(folder)?.into_iter().filter(|path| name(path).starts_with("test_data_set")) {
        sets.push(Set { inputs: Inputs::Files(numbered(&set, "input")), outputs: numbered(&set, "output") });
    }
    Ok(sets)
}

fn numbered(folder: &Path, role: &str) -> Vec<PathBuf> {
    (0..).map(|i| folder.join(format!("{role}_{i}.pb"))).take_while(|path| path.is_file()).collect()
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

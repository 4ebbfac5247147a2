//! A case as its folder describes it: options, and runs with their inputs and expected outputs.

use crate::array::Array;
use crate::compare::Tolerance;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A folder of `tests/cases`.
#[derive(Clone, Debug)]
pub struct Case {
    /// The folder.
    pub folder: PathBuf,
    /// Options of the compiler as `(key, value)`.
    pub options: Vec<(String, String)>,
    /// Inputs with the outputs they should give.
    pub runs: Vec<Run>,
    /// How near floats have to be.
    pub tolerance: Tolerance,
}

/// Inputs and what they should give, by the model's names.
#[derive(Clone, Debug)]
pub struct Run {
    /// What is given.
    pub inputs: BTreeMap<String, Array>,
    /// What should come back.
    pub outputs: BTreeMap<String, Array>,
}

/// Where the cases are.
pub fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"))
}

impl Case {
    /// Reads the case of that name.
    ///
    /// # Panics
    /// If it cannot be read; cases are part of the repository.
    pub fn read(name: &str) -> Case {
        let folder = folder().join(name);
        let path = folder.join("case.json");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let json: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let arrays = |list: &Value| {
            let ports = list.as_array().into_iter().flatten();
            ports.map(|port| (text_of(&port["name"]), Array::read(&folder.join(text_of(&port["file"]))))).collect()
        };
        let runs = json["runs"].as_array().into_iter().flatten();
        let runs = runs.map(|run| Run { inputs: arrays(&run["inputs"]), outputs: arrays(&run["outputs"]) }).collect();
        let default = Tolerance::default();
        let tolerance = Tolerance {
            relative: json["tolerance"][0].as_f64().unwrap_or(default.relative),
            absolute: json["tolerance"][1].as_f64().unwrap_or(default.absolute),
        };
        Case { options: options(&json["options"]), runs, tolerance, folder }
    }

    /// The model file.
    pub fn model(&self) -> PathBuf {
        self.folder.join("model.onnx")
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}

/// `{"dim": ["n=2"], "kernels": "embedded"}` as `(key, value)`.
pub fn options(json: &Value) -> Vec<(String, String)> {
    let entries = json.as_object().into_iter().flatten();
    entries
        .flat_map(|(key, value)| {
            let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            values.into_iter().map(move |value| (key.clone(), text_of(&value)))
        })
        .collect()
}

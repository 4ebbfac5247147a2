//! Weights that the assembler brings in: what it is told, as programs that generated code would be part of.

use kiln_kernels::source::embedded;
use std::path::Path;
use std::process::{Command, Output};

const LEN: usize = 1000;

/// A program of two models with the same weights, a file of `len` bytes, compiled with rustc in `folder` as one unit.
fn compile(folder: &Path, len: usize, optimized: bool) -> Output {
    let weights = folder.join("model.weights");
    std::fs::write(&weights, (0..len).map(|i| (i % 251) as u8).collect::<Vec<_>>()).unwrap();
    let kernels: String = ["arena", "weights_file"]
        .map(|name| format!("pub mod {name} {{\n{}\n}}\n", embedded(name).expect("a kernel file")))
        .concat();
    let model = |name: &str| {
        format!(
            "mod {name} {{ use super::kernels; \
             kernels::weights_file::weights_file!(WEIGHTS: {LEN} bytes, \"kiln_weights_test\", {weights:?}); }}\n"
        )
    };
    let program = format!(
        "#![allow(unused)]\nmod kernels {{\n{kernels}}}\n{}{}fn main() {{\n\
         for weights in [&one::WEIGHTS, &two::WEIGHTS] {{\n\
         assert!((&raw const *weights).addr() % 64 == 0);\n\
         assert!(weights.0.iter().enumerate().all(|(i, &byte)| byte == (i % 251) as u8));\n}}\n}}\n",
        model("one"),
        model("two")
    );
    std::fs::write(folder.join("main.rs"), program).unwrap();
    Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args([
            "--edition",
            "2024",
            "-C",
            "codegen-units=1",
            "-C",
            if optimized { "opt-level=3" } else { "opt-level=0" },
        ])
        .args(["-o", "program", "main.rs"])
        .current_dir(folder)
        .output()
        .unwrap()
}

#[test]
fn two_models_of_one_unit_may_have_the_same() {
    for optimized in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let output = compile(folder.path(), LEN, optimized);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(Command::new(folder.path().join("program")).status().unwrap().success());
    }
}

#[test]
fn a_file_of_another_length_is_refused() {
    for (len, optimized) in [(LEN - 1, false), (LEN - 1, true), (LEN + 1, false), (LEN + 1, true)] {
        let folder = tempfile::tempdir().unwrap();
        let output = compile(folder.path(), len, optimized);
        assert!(!output.status.success(), "{len} bytes pass for {LEN}");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        // Elsewhere rustc says it, of an array.
        assert!(error.contains(".org") || !cfg!(target_os = "linux"), "{error}");
    }
}

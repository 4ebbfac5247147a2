//! Generated code builds wherever an application would have it: with every kernel, in either edition, without std, under clippy.

use kiln_codegen::cargo::ModelFile;
use kiln_codegen::{Options, WeightSource, compile};
use kiln_tests::case::Case;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

/// `kiln_tests::kernels` holds every kernel file and is compiled with warnings denied; this says that none was left out.
#[test]
fn every_kernel_file_is_embedded() {
    let text = include_str!(concat!(env!("OUT_DIR"), "/kernels.rs"));
    for (name, source) in kiln_kernels::source::FILES {
        assert!(text.contains(&format!("pub mod {name} {{")), "{name} is missing");
        let safety =
            source.split("\n#[cfg(test)]").next().unwrap_or_default().lines().find(|line| line.contains("// SAFETY:"));
        assert!(safety.is_none_or(|line| text.contains(line.trim())), "{name} has lost its comments");
    }
    assert!(!text.contains("#[cfg(test)]"), "tests stay at home");
    assert!(!kiln_kernels::source::FILES.is_empty());
}

/// Cases whose generated code goes through clippy, with the options they need.
const MODELS: [(&str, &[(&str, &str)]); 5] = [
    ("transformer_block", &[]),
    ("inverted_bottleneck", &[("isa", "avx2")]),
    ("free_image", &[]),
    ("where_compare_logical", &[("isa", "scalar")]),
    ("lstm", &[("isa", "scalar,avx512")]),
];
/// Cases generated without std.
const BARE: [(&str, &[(&str, &str)]); 2] =
    [("mlp", &[("std", "false"), ("isa", "scalar")]), ("bounded_batch_fixed_rest", &[("std", "false")])];

#[test]
fn clippy_finds_nothing_in_edition_2024() {
    clippy("2024", "", &MODELS);
}

#[test]
fn clippy_finds_nothing_in_edition_2021() {
    clippy("2021", "", &MODELS[..2]);
}

#[test]
fn clippy_finds_nothing_without_std() {
    clippy("2024", "#![no_std]\n", &BARE);
}

fn clippy(edition: &str, head: &str, models: &[(&str, &[(&str, &str)])]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::create_dir(path.join("src")).unwrap();
    let manifest = format!(
        "[package]\nname = \"scratch\"\nversion = \"0.0.0\"\nedition = \"{edition}\"\n\n[lib]\ndoctest = false\n\n[workspace]\n"
    );
    std::fs::write(path.join("Cargo.toml"), manifest).unwrap();
    let mut library = format!("//! Generated models.\n{head}#![deny(missing_docs)]\n\n");
    for (name, set) in models {
        write_model(path, name, set);
        let _ = writeln!(library, "include!(\"{name}.rs\");");
    }
    std::fs::write(path.join("src/lib.rs"), library).unwrap();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["clippy", "--quiet", "--offline", "--", "-D", "warnings"])
        .env("CARGO_TARGET_DIR", path.join("target"))
        .current_dir(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn write_model(folder: &Path, name: &str, set: &[(&str, &str)]) {
    let case = Case::read(name);
    let mut options = Options::default();
    options.set("name", name).unwrap();
    case.options.iter().for_each(|(key, value)| options.set(key, value).unwrap());
    set.iter().for_each(|(key, value)| options.set(key, value).unwrap());
    let file = ModelFile::read(&case.model()).unwrap();
    let compiled = file.with_source(|source| compile(source, &options)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let weights = format!("{name}.weights");
    std::fs::write(folder.join("src").join(&weights), compiled.weights()).unwrap();
    std::fs::write(folder.join("src").join(format!("{name}.rs")), compiled.emit(&WeightSource::File(weights)).unwrap())
        .unwrap();
}

//! `cargo xtask models`: third-party models and reference answers, under `target/models`.
//!
//! Every file is checked against a pinned digest before it is used. The answers are
//! onnxruntime's, made by `xtask/py/make_cases.py` from seeded inputs.

use crate::wheels::{Model, WHEELS, Wheel};
use crate::{clip, paths, process, python, sha256};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Fetches what is missing and makes the cases and the speech clip, unless all is as the sources say.
pub fn fetch() -> Result<()> {
    python::make()?;
    for wheel in WHEELS {
        let missing: Vec<&Model> = wheel.models.iter().filter(|m| sha256::check(&path(m), m.sha256).is_err()).collect();
        if missing.is_empty() {
            continue;
        }
        let file = download(wheel)?;
        for model in missing {
            extract(&file, model)?;
        }
    }
    make_cases()?;
    clip::make()
}

fn path(model: &Model) -> PathBuf {
    paths::target("models").join(model.name).join("model.onnx")
}

/// The wheel's path, fetched if it is not there.
fn download(wheel: &Wheel) -> Result<PathBuf> {
    let folder = paths::target("wheels");
    let file = folder.join(wheel.file);
    if sha256::check(&file, wheel.sha256).is_ok() {
        return Ok(file);
    }
    eprintln!("fetching {} {}", wheel.package, wheel.version);
    fs::create_dir_all(&folder)?;
    // The platform is named so that every host gets the one wheel the digest is of.
    let mut pip = python::pip();
    pip.args(["download", "--quiet", "--no-deps", "--only-binary", ":all:"])
        .args(["--platform", "manylinux_2_28_x86_64"])
        .arg(format!("{}=={}", wheel.package, wheel.version))
        .arg("-d")
        .arg(&folder);
    process::run(&mut pip)?;
    sha256::check(&file, wheel.sha256)?;
    Ok(file)
}

/// Takes one model file out of a wheel; a wheel is a zip file.
fn extract(wheel: &Path, model: &Model) -> Result<()> {
    let to = path(model);
    fs::create_dir_all(to.parent().context("a model's path has no folder")?)?;
    let script = "import sys, zipfile\n\
                  data = zipfile.ZipFile(sys.argv[1]).read(sys.argv[2])\n\
                  open(sys.argv[3], 'wb').write(data)";
    let mut unzip = Command::new(python::interpreter());
    process::run(unzip.args(["-c", script]).arg(wheel).arg(model.member).arg(&to))?;
    sha256::check(&to, model.sha256)?;
    eprintln!("target/models/{}/model.onnx", model.name);
    Ok(())
}

/// Runs `make_cases.py`, unless nothing that its result depends on has changed.
fn make_cases() -> Result<()> {
    let mut sources = vec![
        fs::read(paths::root().join("xtask/requirements.txt"))?,
        fs::read(paths::root().join("examples/digits/model/digits.onnx"))?,
        fs::read(paths::root().join("examples/digits/data/heldout.bin"))?,
    ];
    for name in ["make_cases.py", "pictures.py", "sounds.py"] {
        sources.push(fs::read(paths::script(name))?);
    }
    for model in WHEELS.iter().flat_map(|wheel| wheel.models) {
        sources.push(model.sha256.as_bytes().to_vec());
    }
    let wanted = sha256::of(&sources.iter().map(Vec::as_slice).collect::<Vec<_>>());

    let stamp = paths::target("models/cases.sha256");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    let cases = paths::target("models/cases");
    if cases.exists() {
        fs::remove_dir_all(&cases)?;
    }
    let mut command = Command::new(python::interpreter());
    process::run(command.arg(paths::script("make_cases.py")).arg(paths::target("models")))?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

//! `cargo xtask python`: the pinned Python environment in `target/python`.
//!
//! Python trains the example and gives the reference answers; no kiln crate needs it.

use crate::{paths, process, sha256};
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Makes the environment, unless it already is what `requirements.txt` says.
pub fn make() -> Result<()> {
    let requirements = paths::root().join("xtask/requirements.txt");
    let wanted = sha256::of_file(&requirements)?;
    let stamp = paths::target("python/kiln-requirements.sha256");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    eprintln!("making target/python");
    let venv = paths::target("python");
    process::run(Command::new("python3").args(["-m", "venv"]).arg(&venv))
        .with_context(|| "a Python 3 with its venv module is needed (Debian: python3-venv)".to_owned())?;
    let mut install = pip();
    install.args(["install", "--quiet", "--only-binary", ":all:", "-r"]).arg(&requirements);
    process::run(&mut install)?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

/// The environment's interpreter.
pub fn interpreter() -> PathBuf {
    paths::target("python/bin/python")
}

/// The environment's pip.
pub fn pip() -> Command {
    let mut command = Command::new(interpreter());
    command.args(["-m", "pip", "--disable-pip-version-check"]);
    command
}

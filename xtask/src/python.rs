//! `cargo xtask python`: the pinned Python environment in `target/python`.
//!
//! Python trains the example and gives the reference answers; no kiln crate needs it.

use crate::{paths, process, sha256};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Makes the environment, unless it already is what `requirements.txt` says.
pub fn make() -> Result<()> {
    make_in("python", "requirements.txt")
}

/// Makes the environment with the engines that are compared with, `target/python-peers`; its interpreter.
pub fn peers() -> Result<PathBuf> {
    make_in("python-peers", "requirements-peers.txt")?;
    Ok(paths::target("python-peers/bin/python"))
}

fn make_in(folder: &str, requirements: &str) -> Result<()> {
    let requirements = paths::root().join("xtask").join(requirements);
    let wanted = sha256::of_file(&requirements)?;
    let venv = paths::target(folder);
    let stamp = venv.join("kiln-requirements.sha256");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    eprintln!("making target/{folder}");
    process::run(Command::new("python3").args(["-m", "venv"]).arg(&venv))
        .with_context(|| "a Python 3 with its venv module is needed (Debian: python3-venv)".to_owned())?;
    let mut install = pip_of(&venv.join("bin/python"));
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
    pip_of(&interpreter())
}

fn pip_of(interpreter: &Path) -> Command {
    let mut command = Command::new(interpreter);
    command.args(["-m", "pip", "--disable-pip-version-check"]);
    command
}

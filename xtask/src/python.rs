//! The pinned Python environments under `target`; `cargo xtask python` makes the first of them.
//!
//! Python trains the example, gives the reference answers, and exports and times for `peers`; no kiln crate needs it.

use crate::{paths, process, sha256};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder of `target` and the file of `xtask` that says what is in it.
struct Environment {
    folder: &'static str,
    requirements: &'static str,
    /// What making it costs, to be said before it is made.
    cost: &'static str,
}

const REFERENCE: Environment = Environment { folder: "python", requirements: "requirements.txt", cost: "" };
const PEERS: Environment = Environment { folder: "python-peers", requirements: "requirements-peers.txt", cost: "" };
const EXPORT: Environment = Environment {
    folder: "python-export",
    requirements: "requirements-export.txt",
    cost: ": PyTorch and its libraries, about 5.7 GB, one to three minutes",
};

/// Makes the environment of the reference answers, unless it already is what `requirements.txt` says.
pub fn make() -> Result<()> {
    REFERENCE.make()
}

/// Makes the environment with the engines that are compared with; its interpreter.
pub fn peers() -> Result<PathBuf> {
    PEERS.make()?;
    Ok(PEERS.interpreter())
}

/// Makes the environment that exports networks; its interpreter.
pub fn export() -> Result<PathBuf> {
    EXPORT.make()?;
    Ok(EXPORT.interpreter())
}

/// What says which versions export networks.
pub fn export_requirements() -> PathBuf {
    EXPORT.requirements()
}

impl Environment {
    fn interpreter(&self) -> PathBuf {
        paths::target(self.folder).join("bin/python")
    }

    fn requirements(&self) -> PathBuf {
        paths::root().join("xtask").join(self.requirements)
    }

    fn make(&self) -> Result<()> {
        let Environment { folder, requirements, cost } = self;
        let wanted = sha256::of_file(&self.requirements())?;
        let venv = paths::target(folder);
        let stamp = venv.join("kiln-requirements.sha256");
        if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
            return Ok(());
        }
        eprintln!("making target/{folder}{cost}");
        process::run(Command::new("python3").args(["-m", "venv"]).arg(&venv))
            .with_context(|| "a Python 3 with its venv module is needed (Debian: python3-venv)".to_owned())?;
        let mut install = pip_of(&self.interpreter());
        install.args(["install", "--quiet", "--only-binary", ":all:", "-r"]).arg(self.requirements());
        process::run(&mut install).with_context(|| {
            format!(
                "target/{folder} could not be filled from xtask/{requirements}; see pip's message above. Python 3.11 to \
                 3.13, pypi.org and room on the disk are needed; the next run tries again"
            )
        })?;
        fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
    }
}

/// The interpreter of the reference answers.
pub fn interpreter() -> PathBuf {
    REFERENCE.interpreter()
}

/// Its pip.
pub fn pip() -> Command {
    pip_of(&interpreter())
}

fn pip_of(interpreter: &Path) -> Command {
    let mut command = Command::new(interpreter);
    command.args(["-m", "pip", "--disable-pip-version-check"]);
    command
}

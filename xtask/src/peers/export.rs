//! The benchmark's networks as PyTorch exports them, under `target/models/peers`.
//!
//! PyTorch is large, so its environment is made only when a network of the run is to be exported.

use super::networks::Network;
use crate::{paths, process, python, sha256};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Exports those of `networks` that are not there as the script and its requirements make them.
pub fn outdated(networks: &[&Network]) -> Result<()> {
    let script = paths::script("export_networks.py");
    let wanted = wanted(&script)?;
    let outdated: Vec<&&Network> =
        networks.iter().filter(|network| network.is_exported() && !is_current(network, &wanted)).collect();
    if outdated.is_empty() {
        return Ok(());
    }
    let interpreter = python::export()?;
    for network in outdated {
        eprintln!("exporting {} from PyTorch", network.name);
        let folder = folder(network);
        // With a former model goes what `kiln tune` wrote beside it.
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        process::run(Command::new(&interpreter).arg(&script).arg(paths::target("models/peers")).arg(network.name))?;
        let stamp = folder.join(STAMP);
        fs::write(&stamp, &wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    }
    Ok(())
}

/// Written beside a model when its export is complete.
const STAMP: &str = "exported.sha256";

/// The digest of all that decides what an export is.
fn wanted(script: &Path) -> Result<String> {
    let requirements = python::export_requirements();
    let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    Ok(sha256::of(&[&read(script)?, &read(&requirements)?]))
}

fn is_current(network: &Network, wanted: &str) -> bool {
    let folder = folder(network);
    folder.join("model.onnx").exists() && fs::read_to_string(folder.join(STAMP)).is_ok_and(|found| found == wanted)
}

fn folder(network: &Network) -> PathBuf {
    paths::target("models/peers").join(network.name)
}

//! A cargo command line that builds for another machine.
//!
//! rustup's ready-made target libraries are preferred. Where rustup cannot fetch them, Debian's
//! packages have a compiler together with its library source, and the library is built too.

use crate::{paths, process};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Which compiler.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Toolchain {
    /// The one that built this program, with `rustup target add`
    Rustup,
    /// Debian's rustc-web, building the standard library with `-Zbuild-std`
    Debian,
}

/// A machine to build for.
pub struct Target {
    /// Its name, as rustc spells it.
    pub triple: &'static str,
    /// The crates of the standard library it has.
    library: &'static str,
    linker: Linker,
}

enum Linker {
    /// rustc's own lld; rustup's toolchains have it, Debian's package does not.
    Lld,
    /// A cross gcc.
    Gcc(&'static str),
}

/// A microcontroller: no operating system, no allocator.
pub const CORTEX_M4: Target = Target { triple: "thumbv7em-none-eabi", library: "core", linker: Linker::Lld };

/// 64-bit Arm under Linux.
pub const AARCH64: Target = Target {
    triple: "aarch64-unknown-linux-gnu",
    library: "std,panic_abort",
    linker: Linker::Gcc("aarch64-linux-gnu-gcc"),
};

/// Longest a target library's download may take; without a network rustup tries for minutes.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(120);

const DEBIAN_SOURCE: &str = "/usr/lib/rustlib/src/rust/library/Cargo.lock";

/// `cargo <verb> --release` for the target, ready for the package's arguments.
pub fn cargo(target: &Target, choice: Option<Toolchain>, verb: &str) -> Result<Command> {
    let toolchain = match choice {
        Some(toolchain) => toolchain,
        None if rustup_has(target) => Toolchain::Rustup,
        None => Toolchain::Debian,
    };
    let mut cargo = match toolchain {
        Toolchain::Rustup => {
            anyhow::ensure!(rustup_has(target), "rustup cannot add {}", target.triple);
            Command::new(env!("CARGO"))
        }
        Toolchain::Debian => debian()?,
    };
    cargo.current_dir(paths::root()).args([verb, "--release", "--quiet", "--target", target.triple]);
    if toolchain == Toolchain::Debian {
        cargo.arg(format!("-Zbuild-std={}", target.library));
        // Another compiler's artefacts beside ours would have each throw out the other's.
        cargo.arg("--target-dir").arg(paths::target("cross-debian"));
    }
    if let Some(linker) = linker(target, toolchain)? {
        let triple = target.triple.to_uppercase().replace('-', "_");
        cargo.env(format!("CARGO_TARGET_{triple}_LINKER"), linker);
    }
    Ok(cargo)
}

/// Whether the target's library is there, or could be fetched.
fn rustup_has(target: &Target) -> bool {
    process::exists("rustup")
        && process::stdout_within(
            DOWNLOAD_LIMIT,
            Command::new("rustup").args(["--quiet", "target", "add", target.triple]),
        )
        .is_ok()
}

/// Debian's cargo and rustc, allowed to build the standard library.
fn debian() -> Result<Command> {
    let installed = ["/usr/bin/cargo", "/usr/bin/rustc", DEBIAN_SOURCE];
    if !installed.iter().all(|path| Path::new(path).exists()) {
        process::apt_install(&["rustc-web", "cargo-web", "rust-web-src"])?;
    }
    let mut cargo = Command::new("/usr/bin/cargo");
    cargo.env("RUSTC", "/usr/bin/rustc").env("RUSTDOC", "/usr/bin/rustdoc");
    // `-Z` options are for nightly compilers only, unless the compiler is told otherwise.
    cargo.env("RUSTC_BOOTSTRAP", "1");
    Ok(cargo)
}

/// The linker to name, if the compiler would not find one by itself.
fn linker(target: &Target, toolchain: Toolchain) -> Result<Option<PathBuf>> {
    match (&target.linker, toolchain) {
        (Linker::Gcc(name), _) => Ok(Some(name.into())),
        (Linker::Lld, Toolchain::Rustup) => Ok(None),
        (Linker::Lld, Toolchain::Debian) => our_lld().map(Some),
    }
}

/// The lld of the compiler that built this program, else Debian's.
fn our_lld() -> Result<PathBuf> {
    let sysroot = process::stdout(Command::new("rustc").args(["--print", "sysroot"]))?;
    let libraries = Path::new(sysroot.trim()).join("lib/rustlib");
    let hosts = std::fs::read_dir(&libraries).with_context(|| format!("cannot read {}", libraries.display()))?;
    for host in hosts {
        let lld = host?.path().join("bin/rust-lld");
        if lld.is_file() {
            return Ok(lld);
        }
    }
    process::apt_install_unless_found(&["ld.lld"], &["lld"])?;
    Ok("ld.lld".into())
}

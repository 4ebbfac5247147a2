//! The repository's own commands, run as `cargo xtask <command>`.
//!
//! Each command is one file or folder. They may install tools and write under `target/`; the only tracked files they
//! write are the pages of figures in `docs/`.

mod avx512;
mod clip;
mod conformance;
mod cross;
mod fuzz;
mod models;
mod paths;
mod peers;
mod process;
mod python;
mod sha256;
mod verify;
mod wheels;

use clap::Parser;
use std::process::ExitCode;

/// The repository's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Command {
    /// Make the pinned Python environment, target/python
    Python,
    /// Fetch the third-party models, store onnxruntime's answers for them, make the speech clip
    Models,
    /// Build every stored case with kiln and compare with the stored answers
    Verify(verify::Args),
    /// Compile, build and run ONNX's own backend cases and compare every output
    Conformance(conformance::Args),
    /// Run the front end under libFuzzer on mutated models
    Fuzz(fuzz::Args),
    /// Time kiln beside onnxruntime and OpenVINO on the benchmark's networks; writes a section of docs/PERFORMANCE.md
    Peers(peers::Args),
    /// Build and run the examples for a Cortex-M4 and for aarch64, under QEMU
    Cross(cross::Args),
    /// Run the kernels' tests on an emulated processor with AVX-512, under Bochs
    Avx512(avx512::Args),
    /// Make target/models/speech.wav: synthesised speech in noise
    Clip,
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Python => python::make().map(|()| true),
        Command::Models => models::fetch().map(|()| true),
        Command::Verify(args) => verify::all(&args),
        Command::Conformance(args) => conformance::all(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Peers(args) => peers::all(&args),
        Command::Cross(args) => cross::all(&args),
        Command::Avx512(args) => avx512::run(&args),
        Command::Clip => clip::make().map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

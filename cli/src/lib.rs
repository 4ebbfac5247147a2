//! The command line of kiln. This crate is a door: a file a command, which parses its arguments, calls `kiln-codegen` and prints.

mod array;
mod bench;
mod check;
mod compare;
mod compile;
mod inputs;
mod kernels;
mod machine;
mod model;
mod program;
mod reference;
mod scratch;
mod tune;
mod verify;

use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "kiln", version, about = "Turns trained models into ordinary Rust")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write a model as Rust source and a file of weights beside it
    Compile(compile::Compile),
    /// Tell what a model is and costs, and everything in it that is not supported
    Check(check::Check),
    /// Build a model, run it, and compare every output with onnxruntime or given files
    Verify(verify::Verify),
    /// Time a model beside other engines, alternating, and say where its time goes
    Bench(bench::Bench),
    /// Time the ways of doing each layer on this machine, and write MODEL.tune, which every build of the model obeys
    Tune(tune::Tune),
    /// Write the kernels as one module for several models to share
    Kernels(kernels::Kernels),
}

/// How a command ended, short of an error.
enum Outcome {
    Done,
    /// Outputs differ, or checked-in source is out of date.
    Differs,
}

/// Runs the command line; the exit code is 0 for success, 1 where results differ, 2 for errors and refusals.
pub fn main(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> ExitCode {
    let arguments = Arguments::parse_from(arguments);
    let outcome = match arguments.command {
        Command::Compile(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Verify(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Tune(command) => command.run(),
        Command::Kernels(command) => command.run(),
    };
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Differs) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}

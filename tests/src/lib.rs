//! The harness of the tests that cross a crate boundary, and the generated code of every case they run.
//!
//! `build.rs` puts each folder of `cases/` through the build-script door once for every instruction set; [`generated`] lists
//! what came out. Adding a folder adds its tests everywhere.

pub mod array;
pub mod case;
pub mod compare;

use array::Array;
use case::Case;
use compare::{Difference, Tolerance};
use std::cell::Cell;
use std::fmt::Write;

/// The kernels that all cases share but those whose options say otherwise.
#[deny(warnings)]
#[allow(dead_code, missing_docs)]
pub mod kernels {
    include!(concat!(env!("OUT_DIR"), "/kernels.rs"));
}

#[deny(warnings)]
mod models {
    include!(concat!(env!("OUT_DIR"), "/models.rs"));
}

/// A generated model, behind one interface.
pub trait Model {
    /// Runs it on inputs in the order of [`Generated::inputs`].
    ///
    /// # Errors
    /// If the inputs do not fit.
    fn infer(&mut self, inputs: &[&Array]) -> Result<Vec<Array>, String>;
}

/// What was generated from a case for one instruction set.
#[derive(Debug)]
pub struct Generated {
    /// The case's folder.
    pub case: &'static str,
    /// The instruction set.
    pub isa: &'static str,
    /// The generated source.
    pub source: &'static str,
    /// Whether sizes are chosen at run time.
    pub dynamic: bool,
    /// The model's names of its inputs, in the order `run` takes them.
    pub inputs: &'static [&'static str],
    /// The model's names of its outputs, in order.
    pub outputs: &'static [&'static str],
    /// Makes the model, or says why nothing was generated.
    pub new: Result<fn() -> Box<dyn Model>, &'static str>,
}

impl Generated {
    /// Whether this machine can run it.
    pub fn runs_here(&self) -> bool {
        match self.isa {
            #[cfg(target_arch = "x86_64")]
            "avx2" => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            "avx512" => ["f", "bw", "dq", "vl"].iter().all(|part| has_avx512(part)),
            "neon" => cfg!(target_arch = "aarch64"),
            isa => isa == "scalar",
        }
    }

    /// The model, ready to run.
    ///
    /// # Panics
    /// If nothing was generated.
    pub fn model(&self) -> Box<dyn Model> {
        match self.new {
            Ok(new) => new(),
            Err(message) => panic!("nothing was generated for {}:\n{message}", self.case),
        }
    }

    /// The arrays of `run` that it takes, in order.
    pub fn arguments<'a>(&self, run: &'a case::Run) -> Vec<&'a Array> {
        let find =
            |name: &&str| run.inputs.get(*name).unwrap_or_else(|| panic!("the case has no array for input {name:?}"));
        self.inputs.iter().map(find).collect()
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx512(part: &str) -> bool {
    match part {
        "f" => is_x86_feature_detected!("avx512f"),
        "bw" => is_x86_feature_detected!("avx512bw"),
        "dq" => is_x86_feature_detected!("avx512dq"),
        _ => is_x86_feature_detected!("avx512vl"),
    }
}

/// Everything that was generated, case by case.
pub fn generated() -> &'static [Generated] {
    models::GENERATED
}

/// What was generated from `case` that runs on this machine.
///
/// # Panics
/// If there is nothing.
pub fn of_case(case: &str) -> Vec<&'static Generated> {
    let found: Vec<_> =
        generated().iter().filter(|generated| generated.case == case && generated.runs_here()).collect();
    assert!(!found.is_empty(), "nothing was generated for {case} that runs on this machine");
    found
}

/// Runs `case` on every instruction set this machine has and compares every output of every run with what it should be. Gives
/// the number of outputs compared.
///
/// # Panics
/// If one is wrong, with a line for each that is.
pub fn check(name: &str) -> usize {
    let case = Case::read(name);
    let (mut compared, mut wrong) = (0, String::new());
    for generated in of_case(name) {
        let mut model = generated.model();
        for (at, run) in case.runs.iter().enumerate() {
            let place = format!("{name} on {}, run {at}", generated.isa);
            let outputs = model.infer(&generated.arguments(run)).unwrap_or_else(|message| panic!("{place}: {message}"));
            for (output, got) in generated.outputs.iter().zip(&outputs) {
                let want =
                    run.outputs.get(*output).unwrap_or_else(|| panic!("{place}: nothing is expected of {output:?}"));
                compared += 1;
                if let Err(message) = right(got, want, case.tolerance) {
                    let _ = writeln!(wrong, "{place}: output {output:?}: {message}");
                }
            }
            assert_eq!(outputs.len(), run.outputs.len(), "{place}: number of outputs");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    compared
}

/// Refuses an array that is not what it should be.
///
/// # Errors
/// How it differs.
pub fn right(got: &Array, want: &Array, tolerance: Tolerance) -> Result<Difference, String> {
    let difference = compare::compare(got, want, tolerance)?;
    if difference.is_right() { Ok(difference) } else { Err(difference.to_string()) }
}

thread_local! {
    static RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside a generated `run`; `allocation.rs` counts there.
pub fn running() -> bool {
    RUNNING.get()
}

/// Calls a generated `run`; [`running`] is true meanwhile.
pub fn watched<T>(run: impl FnOnce() -> T) -> T {
    RUNNING.set(true);
    let result = run();
    RUNNING.set(false);
    result
}

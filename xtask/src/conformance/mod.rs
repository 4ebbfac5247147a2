//! `cargo xtask conformance`: ONNX's own backend cases through generated code, every output compared with the case's own.
//!
//! A case goes from `suite` (what ONNX ships) to `bind` (kiln compiles it, some inputs bound), `crates` (a few large crates are
//! built and run) and `compare`; `page` writes down what came out. A case passes only if its outputs were compared.

mod bind;
mod compare;
mod crates;
mod page;
mod program;
mod run;
mod suite;
mod values;

use crate::{paths, python};
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Which cases, and for what.
#[derive(clap::Args)]
pub struct Args {
    /// Only cases whose folder and name contain this, as in `node/test_conv`
    #[arg(long)]
    filter: Option<String>,
    /// Instruction set of the generated code
    #[arg(long, default_value = "avx2")]
    isa: String,
    /// Only every third case, the same ones each time
    #[arg(long)]
    third: bool,
    /// Print every case, not only those that did not pass
    #[arg(long)]
    verbose: bool,
}

/// What became of a case.
pub enum Verdict {
    /// Every output was compared and is right.
    Passed,
    /// An output is wrong, or the generated code does not build, or it crashed.
    Failed(String),
    /// kiln would not compile it, for this reason.
    Refused(String),
    /// It differs from the case, which is wrong itself for this reason. Not passed, whatever one thinks of the reason.
    Disputed(String),
}

/// A case and what became of it.
pub struct Outcome {
    pub case: suite::Case,
    /// Inputs bound to the case's values because their values must be known ahead of time.
    pub bound: Vec<String>,
    /// What the model file says of itself.
    pub summary: kiln_codegen::Summary,
    /// Whether no input was left for run time.
    pub folded: bool,
    pub verdict: Verdict,
}

/// Runs the cases; whether none failed and any passed.
pub fn all(args: &Args) -> Result<bool> {
    python::make()?;
    let start = Instant::now();
    let mut cases = suite::cases(args.filter.as_deref())?;
    if args.third {
        let mut at = 0;
        cases.retain(|_| {
            at += 1;
            at % 3 == 1
        });
    }
    if cases.is_empty() {
        bail!("no case is named like {:?}", args.filter.as_deref().unwrap_or(""));
    }
    let progress = Progress::new("compiling with kiln", cases.len());
    let bound = parallel(&cases, |case| {
        let bound = bind::bind(case, &args.isa);
        progress.step();
        bound
    });
    let pairs: Vec<(suite::Case, bind::Bound)> = cases.into_iter().zip(bound).collect();
    let outcomes = crates::outcomes(pairs, args.filter.is_some())?;
    let count = |is: fn(&Verdict) -> bool| outcomes.iter().filter(|outcome| is(&outcome.verdict)).count();
    let passed = count(|verdict| matches!(verdict, Verdict::Passed));
    let failed = count(|verdict| matches!(verdict, Verdict::Failed(_)));
    let refused = count(|verdict| matches!(verdict, Verdict::Refused(_) | Verdict::Disputed(_)));
    for outcome in &outcomes {
        match &outcome.verdict {
            Verdict::Passed if args.verbose => println!("passed   {}", outcome.case.path()),
            Verdict::Passed => {}
            Verdict::Failed(why) => println!("FAILED   {}: {why}", outcome.case.path()),
            Verdict::Disputed(why) => println!("disputed {}: {why}", outcome.case.path()),
            Verdict::Refused(why) => println!("refused  {}: {}", outcome.case.path(), why.replace('\n', "; ")),
        }
    }
    if args.filter.is_none() && !args.third {
        let page = paths::root().join("docs/CONFORMANCE.md");
        std::fs::write(&page, page::page(&outcomes, &args.isa))?;
        println!("wrote {}", page.display());
    }
    println!("took {} s", start.elapsed().as_secs());
    println!("{passed} passed, {failed} failed, {refused} refused");
    Ok(failed == 0 && passed > 0)
}

/// Name and file of every case's model of at most `bytes`.
pub fn small_models(bytes: u64) -> Result<Vec<(String, PathBuf)>> {
    let cases = suite::cases(None)?.into_iter();
    let small = cases.filter(|case| case.model.metadata().is_ok_and(|meta| meta.len() <= bytes));
    Ok(small.map(|case| (case.ident(), case.model)).collect())
}

/// `work` on every item, on all cores, results in the items' order.
fn parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { return };
                    let result = work(item);
                    // invariant: no thread panics while it holds the lock.
                    done.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((at, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// A line on standard error that says how far a phase has come.
struct Progress {
    what: &'static str,
    done: AtomicUsize,
    of: usize,
    terminal: bool,
}

impl Progress {
    fn new(what: &'static str, of: usize) -> Progress {
        use std::io::IsTerminal;
        Progress { what, done: AtomicUsize::new(0), of, terminal: std::io::stderr().is_terminal() }
    }

    fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        // A log wants few lines, a terminal one that moves.
        let every = if self.terminal { 1 } else { self.of.div_ceil(4) };
        if done.is_multiple_of(every) || done == self.of {
            let end = if self.terminal && done < self.of { '\r' } else { '\n' };
            eprint!("{}: {done} of {}{end}", self.what, self.of);
        }
    }
}

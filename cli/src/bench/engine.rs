//! An engine with a model in a process of its own, which answers requests a line each.

use crate::array::Array;
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// A running engine, which stands still but when it is asked: idle threads that spin would take time from whoever runs next.
pub struct Engine {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Name, and version where it is not kiln.
    pub name: String,
}

/// What became of an engine that was asked to load a model.
pub enum Started {
    Ready(Engine),
    /// Why it would not.
    Refused(String),
}

impl Engine {
    /// Starts `command` and waits until it has run the model once.
    pub fn start(name: &str, command: &mut Command) -> Result<Started> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot start it")?;
        let (requests, answers) = (child.stdin.take().context("no stdin")?, child.stdout.take().context("no stdout")?);
        let mut engine = Engine { child, requests, answers: BufReader::new(answers), name: name.to_string() };
        let line = engine.line()?;
        if let Some(version) = line.strip_prefix("ready") {
            engine.name = format!("{name}{version}");
            engine.stand_still(true);
            return Ok(Started::Ready(engine));
        }
        Ok(Started::Refused(line.strip_prefix("refused ").unwrap_or(&line).to_string()))
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("{} ended without an answer", self.name);
        }
        Ok(line.trim_end().to_string())
    }

    /// The answer to a request.
    pub fn ask(&mut self, request: &str) -> Result<String> {
        self.stand_still(false);
        writeln!(self.requests, "{request}")?;
        self.requests.flush()?;
        let answer = self.line();
        self.stand_still(true);
        answer
    }

    /// Stops all threads of the process, or lets them go on, where the system can.
    fn stand_still(&self, still: bool) {
        #[cfg(unix)]
        {
            use rustix::process::{Pid, Signal, kill_process};
            // An engine that has ended says so by giving no answer.
            let _ = kill_process(Pid::from_child(&self.child), if still { Signal::STOP } else { Signal::CONT });
        }
        #[cfg(not(unix))]
        let _ = still;
    }

    /// The median time of a run over about `budget`, in milliseconds.
    pub fn run(&mut self, budget: Duration) -> Result<f64> {
        let answer = self.ask(&format!("run {}", budget.as_millis()))?;
        let nanos: f64 =
            answer.parse().with_context(|| format!("{}'s timing {answer:?} is not a number", self.name))?;
        Ok(nanos / 1e6)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It may have ended by itself; either way there is nothing to hear of.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Python engine: `onnxruntime` or `openvino`. Its outputs come as `<engine><i>.npy` in `dir`, strings as `.json`.
pub fn python(
    python: &Path,
    engine: &str,
    model: &Path,
    inputs: &[(String, Array)],
    outputs: &[String],
    threads: usize,
    dir: &Path,
) -> Result<Started> {
    std::fs::create_dir_all(dir)?;
    for (i, (_, input)) in inputs.iter().enumerate() {
        input.store(dir, &format!("in{i}"))?;
    }
    let names: Vec<&String> = inputs.iter().map(|(name, _)| name).collect();
    let request = serde_json::json!({
        "engine": engine, "model": model.canonicalize()?, "threads": threads, "inputs": names, "outputs": outputs, "dir": dir,
    });
    let mut command = Command::new(python);
    command.args(["-c", concat!(include_str!("../arrays.py"), include_str!("peers.py")), &request.to_string()]);
    Engine::start(engine, &mut command)
}

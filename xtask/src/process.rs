//! Running other programs: a failure says which command failed and how.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Runs a command with its output shown; an exit code other than 0 is an error.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", shown(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs a command and returns what it wrote to stdout; stderr is shown as it comes.
pub fn stdout(command: &mut Command) -> Result<String> {
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start {}", shown(command)))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{} ended with {}\n{text}", shown(command), output.status);
    }
    Ok(text)
}

/// As [`stdout`], for a program that may hang (an emulator, a download): it is ended after
/// `limit`.
pub fn stdout_within(limit: Duration, command: &mut Command) -> Result<String> {
    let name = shown(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    // Read on a thread: a full pipe must not stop the child from ending.
    let mut pipe = child.stdout.take().context("the child has no stdout")?;
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut pipe, &mut bytes).map(|_| bytes)
    });
    let ended = wait_until(Instant::now() + limit, &mut child)?;
    let bytes = reader.join().map_err(|_| anyhow::anyhow!("reading from {name} failed"))??;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if !ended {
        bail!("{name} had not ended after {} s\n{text}", limit.as_secs());
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("{name} ended with {status}\n{text}");
    }
    Ok(text)
}

/// Whether the child ended by itself before the deadline; it has ended either way.
fn wait_until(deadline: Instant, child: &mut Child) -> Result<bool> {
    while Instant::now() < deadline {
        if child.try_wait()?.is_some() {
            return Ok(true);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill()?;
    child.wait()?;
    Ok(false)
}

/// Whether a program is on the path.
pub fn exists(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

/// Installs Debian packages, if any of the programs is missing.
pub fn apt_install_unless_found(programs: &[&str], packages: &[&str]) -> Result<()> {
    if programs.iter().all(|program| exists(program)) {
        return Ok(());
    }
    apt_install(packages)
}

/// Installs Debian packages.
pub fn apt_install(packages: &[&str]) -> Result<()> {
    if !exists("apt-get") {
        bail!("please install by hand (there is no apt-get here): {}", packages.join(" "));
    }
    eprintln!("installing {}", packages.join(" "));
    // A stale package list is the usual cause of a failed install, so it is read anew.
    stdout(Command::new("apt-get").args(["update", "-qq"]))?;
    let mut install = Command::new("apt-get");
    install.args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages);
    stdout(install.env("DEBIAN_FRONTEND", "noninteractive"))?;
    Ok(())
}

/// The command as a person would type it.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The path of a program that cargo built, from its `--message-format json` output.
pub fn built_program(messages: &str, name: &str) -> Option<PathBuf> {
    let built = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut paths = built.filter(|message| message["target"]["name"] == name);
    paths.find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

//! `cargo xtask cross`: the examples on machines this one is not, under QEMU.
//!
//! A program under emulation passes when its lines say what the same program said on the host
//! (`lines.rs`) and, on aarch64, its loops keep their sums in registers (`registers.rs`). Which compiler builds it is
//! `toolchain.rs`'s business.

mod elf_size;
mod lines;
mod registers;
mod toolchain;

use crate::{paths, process};
use anyhow::{Context, Result};
use lines::Digit;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use toolchain::{AARCH64, CORTEX_M4, Target, Toolchain};

/// Longer than any of these programs takes by two orders of magnitude.
const RUN_LIMIT: Duration = Duration::from_secs(300);

/// How to build.
#[derive(clap::Args)]
pub struct Args {
    /// Compiler to use [default: rustup where it has the target, else Debian's]
    #[arg(long, value_enum)]
    toolchain: Option<Toolchain>,
    /// Leave out the kernels' own tests on aarch64, which take longest
    #[arg(long)]
    no_kernel_tests: bool,
}

/// Runs every check; whether none failed and any passed.
pub fn all(args: &Args) -> Result<bool> {
    install_emulators()?;
    let mut tally = Tally::default();
    tally.check("firmware on thumbv7em-none-eabi", || firmware(args));
    tally.check("digits on aarch64-unknown-linux-gnu", || digits(args));
    if args.no_kernel_tests {
        tally.skip("kernel tests on aarch64-unknown-linux-gnu");
    } else {
        tally.check("kernel tests on aarch64-unknown-linux-gnu", || kernel_tests(args));
    }
    println!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped);
    Ok(tally.failed == 0 && tally.passed > 0)
}

/// The closing line's numbers.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Tally {
    fn check(&mut self, name: &str, check: impl FnOnce() -> Result<String>) {
        match check() {
            Ok(detail) => {
                self.passed += 1;
                println!("passed   {name}: {detail}");
            }
            Err(error) => {
                self.failed += 1;
                println!("FAILED   {name}: {error:#}");
            }
        }
    }

    fn skip(&mut self, name: &str) {
        self.skipped += 1;
        println!("skipped  {name}");
    }
}

fn install_emulators() -> Result<()> {
    process::apt_install_unless_found(
        &["qemu-system-arm", "qemu-aarch64", "aarch64-linux-gnu-gcc"],
        &["qemu-system-arm", "qemu-user", "gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"],
    )
}

/// The digits firmware on an emulated Cortex-M4 board, against the same program on the host.
fn firmware(args: &Args) -> Result<String> {
    let program = ["-p", "firmware", "--bin", "firmware"];
    let expected = on_host(&program)?;
    let elf = build(&CORTEX_M4, args, &program)?;
    let size = elf_size::of(&elf)?;
    let mut qemu = Command::new("qemu-system-arm");
    qemu.args(["-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "none"]);
    // Without a chardev of its own, semihosting prints to stderr.
    qemu.args(["-chardev", "stdio,id=console"]);
    qemu.args(["-semihosting-config", "enable=on,target=native,chardev=console"]);
    qemu.arg("-kernel").arg(&elf);
    let printed = process::stdout_within(RUN_LIMIT, &mut qemu)?;
    let agreement = lines::compare(&expected, &lines::parse(&printed)?)?;
    Ok(format!("{agreement}; flash {} bytes, RAM {} bytes", size.flash, size.ram))
}

/// The digits model with the widest instructions aarch64 has for certain, NEON.
fn digits(args: &Args) -> Result<String> {
    let program = ["-p", "digits", "--example", "lines"];
    let expected = on_host(&program)?;
    let elf = build(&AARCH64, args, &program)?;
    let printed = process::stdout_within(RUN_LIMIT, qemu_aarch64().arg(&elf))?;
    let agreement = lines::compare(&expected, &lines::parse(&printed)?)?;
    Ok(format!("{agreement}; {}", registers::check(&elf)?))
}

/// `kiln-kernels`' own tests, so that the NEON paths are held to the naive references.
fn kernel_tests(args: &Args) -> Result<String> {
    let mut cargo = toolchain::cargo(&AARCH64, args.toolchain, "test")?;
    cargo.args(["-p", "kiln-kernels", "--lib", "--tests"]);
    cargo.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", "qemu-aarch64 -L /usr/aarch64-linux-gnu");
    // Emulation costs a factor of about ten; a quarter of the random cases makes up for some.
    cargo.env("PROPTEST_CASES", "64");
    let printed = process::stdout(&mut cargo)?;
    let n_passed: usize = printed
        .lines()
        .filter_map(|line| line.strip_prefix("test result: ok. ")?.split_once(" passed")?.0.parse::<usize>().ok())
        .sum();
    anyhow::ensure!(n_passed > 0, "no test ran");
    Ok(format!("{n_passed} tests"))
}

fn qemu_aarch64() -> Command {
    let mut qemu = Command::new("qemu-aarch64");
    qemu.args(["-L", "/usr/aarch64-linux-gnu"]);
    qemu
}

/// What a program prints here.
fn on_host(program: &[&str]) -> Result<Vec<Digit>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(paths::root()).args(["run", "--release", "--quiet"]).args(program);
    lines::parse(&process::stdout(&mut cargo)?)
}

/// Builds a program for a target; returns its path.
fn build(target: &Target, args: &Args, program: &[&str]) -> Result<PathBuf> {
    let mut cargo = toolchain::cargo(target, args.toolchain, "build")?;
    cargo.args(program).args(["--message-format", "json-render-diagnostics"]);
    let messages = process::stdout(&mut cargo)?;
    let name = program.last().copied().unwrap_or_default();
    let path = process::built_program(&messages, name);
    let path = path.with_context(|| format!("cargo built no program named {name}"))?;
    anyhow::ensure!(Path::new(&path).exists(), "{} is not there", path.display());
    Ok(path)
}

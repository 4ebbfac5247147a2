//! `cargo xtask avx512`: the kernels' tests on a processor with AVX-512, where this one has none, under Bochs.
//!
//! QEMU emulates nothing beyond AVX2. Bochs does, a whole machine at some 40 million instructions a second: Debian's kernel
//! boots from an image with the tests, statically linked, and nothing else (`xtask/bochs` has its parts), and what they say
//! comes through its serial port.

use crate::{paths, process};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What the kernel is told. Bochs's XSAVES writes another layout than Linux expects, which then does without AVX.
const COMMAND_LINE: &str = "initrd=/initrd console=ttyS0,115200 nosmp noxsaves clearcpuid=xsavec,xsaves mitigations=off \
    tsc=reliable clocksource=tsc lpj=400000 nokaslr random.trust_cpu=on audit=0 nowatchdog quiet";

/// Instructions that Bochs 2.7 gets wrong and compilers make of plain Rust: shifts of masks by 15 lanes, which give zero, come
/// from vectorised scalars; gathers by registers from 16 on, which it refuses, from loops.
const AVOIDED: &str = "-C target-feature=+crt-static,+prefer-no-gather -C no-vectorize-slp";

const HOST: &str = "x86_64-unknown-linux-gnu";

/// Which tests.
#[derive(clap::Args)]
pub struct Args {
    /// Files of runtime-kernels/tests, or `kiln_kernels` for the unit tests [default: all]
    tests: Vec<String>,
    /// Only tests whose names contain this; may be repeated
    #[arg(long)]
    filter: Vec<String>,
    /// Every which float functions are tried at
    #[arg(long, default_value_t = 10_007)]
    step: usize,
    /// Minutes after which the machine is turned off
    #[arg(long, default_value_t = 240)]
    minutes: u64,
}

/// Runs the tests; whether none failed and any passed.
pub fn run(args: &Args) -> Result<bool> {
    let programs = ["bochs", "busybox", "xorriso", "cpio", "script", "pkill"];
    let packages = ["bochs", "bochs-term", "bochsbios", "vgabios", "busybox-static", "isolinux", "syslinux-common"];
    let more = ["xorriso", "cpio", "bsdutils", "procps"];
    process::apt_install_unless_found(&programs, &[&packages[..], &more].concat())?;
    let folder = paths::target("bochs");
    fs::create_dir_all(&folder)?;
    let kernel = kernel(&folder)?;
    let tests = build(&folder, &args.tests)?;
    image(&folder, &kernel, &tests, args)?;
    let said = boot(&folder, Duration::from_secs(60 * args.minutes))?;
    let (passed, failed) = count(&said, tests.len())?;
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0 && passed > 0)
}

/// Debian's kernel, unpacked and not installed.
fn kernel(folder: &Path) -> Result<PathBuf> {
    let boot = folder.join("kernel/boot");
    let found = || {
        let entries = fs::read_dir(&boot).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
        entries
            .into_iter()
            .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz")))
    };
    if let Some(path) = found() {
        return Ok(path);
    }
    let depends = process::stdout(Command::new("apt-cache").args(["depends", "linux-image-amd64"]))?;
    let names = depends.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    let name = names.into_iter().find(|name| name.starts_with("linux-image-")).context("Debian has no kernel here")?;
    eprintln!("fetching {name}");
    process::stdout(Command::new("apt-get").args(["download", "-qq", name]).current_dir(folder))?;
    let packages = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut packages = packages.filter(|path| path.extension().is_some_and(|extension| extension == "deb"));
    let package = packages.next().context("apt-get download left no package")?;
    process::run(Command::new("dpkg").arg("-x").arg(package).arg(folder.join("kernel")))?;
    found().context("the package has no kernel")
}

/// Builds the kernels' tests for any Linux and returns name and path of those `wanted`, of all if none is.
fn build(folder: &Path, wanted: &[String]) -> Result<Vec<(String, PathBuf)>> {
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--release", "--locked", "-p", "kiln-kernels", "--no-run", "--target", HOST]);
    cargo.args(["--message-format", "json", "--target-dir"]).arg(folder.join("build"));
    let messages = process::stdout(cargo.env("RUSTFLAGS", AVOIDED).current_dir(paths::root()))?;
    let tests = paths::root().join("runtime-kernels/tests");
    let files = fs::read_dir(tests)?.filter_map(|entry| Some(entry.ok()?.path()));
    let stems = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let mut names: Vec<String> = stems.filter_map(|path| Some(path.file_stem()?.to_str()?.to_string())).collect();
    names.sort();
    names.insert(0, "kiln_kernels".to_string());
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(name)) {
        bail!("there is no test `{unknown}`; there are {}", names.join(", "));
    }
    names.retain(|name| wanted.is_empty() || wanted.contains(name));
    let built = |name: String| {
        let path = process::built_program(&messages, &name).with_context(|| format!("cargo built no {name}"))?;
        Ok((name, path))
    };
    names.into_iter().map(built).collect()
}

/// Makes the image that the machine boots from, `boot.iso`.
fn image(folder: &Path, kernel: &Path, tests: &[(String, PathBuf)], args: &Args) -> Result<()> {
    let (root, iso) = (folder.join("root"), folder.join("iso"));
    for old in [&root, &iso] {
        if old.exists() {
            fs::remove_dir_all(old)?;
        }
    }
    for new in [root.join("bin"), root.join("tests"), root.join("proc"), root.join("dev"), iso.join("isolinux")] {
        fs::create_dir_all(new)?;
    }
    let parts = paths::root().join("xtask/bochs");
    fs::copy(parts.join("init"), root.join("init"))?;
    process::run(Command::new("chmod").arg("755").arg(root.join("init")))?;
    fs::copy("/bin/busybox", root.join("bin/busybox"))?;
    for (name, path) in tests {
        process::run(Command::new("strip").arg("-o").arg(root.join("tests").join(name)).arg(path))?;
    }
    let pack = "find . | cpio -o -H newc --quiet | gzip -1 > ../iso/initrd";
    process::run(Command::new("sh").args(["-c", pack]).current_dir(&root))?;
    fs::copy(kernel, iso.join("vmlinuz"))?;
    fs::copy("/usr/lib/ISOLINUX/isolinux.bin", iso.join("isolinux/isolinux.bin"))?;
    fs::copy("/usr/lib/syslinux/modules/bios/ldlinux.c32", iso.join("isolinux/ldlinux.c32"))?;
    let names: Vec<&str> = tests.iter().map(|(name, _)| name.as_str()).collect();
    let ours = format!("tests={} filters={} step={}", names.join(","), args.filter.join(","), args.step);
    let menu = format!("DEFAULT l\nPROMPT 0\nTIMEOUT 0\nLABEL l\n KERNEL /vmlinuz\n APPEND {COMMAND_LINE} {ours}\n");
    fs::write(iso.join("isolinux/isolinux.cfg"), menu)?;
    let mut make = Command::new("xorriso");
    make.args(["-as", "mkisofs", "-quiet", "-o"]).arg(folder.join("boot.iso")).args(["-b", "isolinux/isolinux.bin"]);
    make.args(["-c", "isolinux/boot.cat", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"]).arg(&iso);
    process::stdout(make.stderr(Stdio::null()))?;
    fs::copy(parts.join("bochsrc"), folder.join("bochsrc"))?;
    // Debian's has its debugger built in, which waits to be told to go on.
    Ok(fs::write(folder.join("go"), "c\n")?)
}

/// Runs the machine until its tests have ended, shows what they say as they do, and returns it.
fn boot(folder: &Path, limit: Duration) -> Result<String> {
    let serial = folder.join("serial.txt");
    fs::write(&serial, "")?;
    eprintln!("booting, which takes two minutes or three");
    // Its screen wants a terminal of a certain size.
    let start = "stty rows 50 cols 132; exec bochs -q -f bochsrc -rc go";
    let mut script = Command::new("script");
    script.args(["-qfc", start, "/dev/null"]).current_dir(folder).env("TERM", "vt100");
    let mut machine = script.stdin(Stdio::null()).stdout(Stdio::null()).spawn().context("cannot start script")?;
    let said = follow(&serial, Instant::now() + limit, &mut machine);
    // Bochs does not end when asked to.
    process::run(Command::new("pkill").args(["-KILL", "-P", &machine.id().to_string()])).ok();
    machine.kill().ok();
    machine.wait()?;
    said
}

/// What the serial port gave by the time the tests have ended.
fn follow(serial: &Path, deadline: Instant, machine: &mut Child) -> Result<String> {
    let mut shown = 0;
    loop {
        let said = String::from_utf8_lossy(&fs::read(serial)?).into_owned();
        let ended = said.contains("all tests ended");
        let whole = said.rfind('\n').map_or(0, |end| end + 1).max(shown);
        eprint!("{}", said.get(shown..whole).unwrap_or_default());
        shown = whole;
        if ended {
            return Ok(said);
        }
        ensure!(machine.try_wait()?.is_none(), "the machine went off; see target/bochs/bochs.log");
        ensure!(Instant::now() < deadline, "the tests had not ended in time");
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Tests that passed and failed; a program that ended in another way than by its tests is a failure too.
fn count(said: &str, programs: usize) -> Result<(usize, usize)> {
    ensure!(said.contains(" avx512vl"), "the machine has no AVX-512; see target/bochs/serial.txt");
    let (mut passed, mut failed) = (0, 0);
    for line in said.lines() {
        if let Some((_, result)) = line.split_once("test result: ") {
            let number = |of: &str| {
                let words: Vec<&str> = result.split([' ', ';']).filter(|word| !word.is_empty()).collect();
                words.windows(2).find(|pair| pair[1] == of).and_then(|pair| pair[0].parse::<usize>().ok())
            };
            passed += number("passed").context("a result without a number")?;
            failed += number("failed").context("a result without a number")?;
        }
    }
    let ended: Vec<&str> = said.lines().filter_map(|line| line.trim().strip_prefix("ended ")).collect();
    ensure!(ended.len() == programs, "{} of {programs} programs ended", ended.len());
    // 101 is what failed tests end with, which are counted unless the kernel wrote into the line that says how many.
    let badly = ended.iter().filter(|line| !line.ends_with(" with 0"));
    let died = badly.clone().filter(|line| !line.ends_with(" with 101")).count();
    Ok((passed, (failed + died).max(badly.count())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_tests_and_programs_that_died() {
        let said = "flags : avx2 avx512f avx512vl\r\nrunning conv\r\ntest result: FAILED. 3 passed; 1 failed; 0 ignored\r\n\
            ended conv with 101\r\nrunning pool\r\nIllegal instruction\r\nended pool with 132\r\n";
        assert_eq!(count(said, 2).unwrap(), (3, 2));
        assert_eq!(count(&said.replace("test result", "test [8.0] result"), 2).unwrap(), (0, 2));
        assert!(count(said, 3).is_err());
        assert!(count(&said.replace("avx512vl", ""), 2).is_err());
    }
}

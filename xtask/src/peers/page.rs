//! docs/PERFORMANCE.md, a section for each instruction set and processor it was measured on, and the line at the end.

use super::{About, Measured, best_isa};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

impl Measured {
    /// What an engine took on a number of threads, in milliseconds: median, least and greatest turn.
    fn ms(&self, engine: &str, threads: u64) -> Option<(f64, f64, f64)> {
        let timing = self.timing(engine, threads)?;
        let turns = || timing["turns"].as_array().into_iter().flatten().filter_map(Value::as_f64);
        Some((timing["ms"].as_f64()?, turns().min_by(f64::total_cmp)?, turns().max_by(f64::total_cmp)?))
    }

    fn timing(&self, engine: &str, threads: u64) -> Option<&Value> {
        let of = |t: &&Value| {
            t["threads"] == threads && t["engine"].as_str().is_some_and(|name| name.split(' ').next() == Some(engine))
        };
        self.bench["timings"].as_array()?.iter().find(of)
    }

    /// kiln's time over another's: the median over neighbouring turns.
    fn ratio(&self, engine: &str, threads: u64) -> Option<f64> {
        self.timing(engine, threads)?["kiln_takes"].as_f64()
    }

    /// kiln's time over that of the fastest peer.
    fn against_best(&self, threads: u64) -> Option<f64> {
        let ratios = PEERS.iter().filter_map(|engine| self.ratio(engine, threads));
        ratios.max_by(f64::total_cmp)
    }

    /// Milliseconds that the multiplications alone take one core at its peak.
    fn limit(&self) -> Option<f64> {
        Some(self.bench["macs"].as_f64()? / self.bench["peak_macs_per_second"].as_f64()? * 1e3)
    }

    fn number(&self, key: &str) -> Option<f64> {
        self.bench[key].as_f64()
    }
}

const PEERS: [&str; 2] = ["onnxruntime", "openvino"];

/// A row of the table of times.
pub fn row(measured: &Measured, threads: u64) -> String {
    let time = |engine: &str| match measured.ms(engine, threads) {
        Some((median, low, high)) => format!("{} ({} to {})", short(median), short(low), short(high)),
        None => "-".to_string(),
    };
    let ratio = |ratio: Option<f64>| ratio.map_or("-".to_string(), |ratio| format!("{ratio:.2}"));
    let peak = measured.limit().zip(measured.ms("kiln", threads));
    let peak = peak.map_or("-".to_string(), |(limit, (median, low, _))| {
        let share = |ms: f64| 100.0 * limit / ms / threads as f64;
        format!("{:.0} % ({:.0})", share(median), share(low))
    });
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {peak} |",
        measured.network.name,
        time("kiln"),
        time("onnxruntime"),
        time("openvino"),
        ratio(measured.ratio("onnxruntime", threads)),
        ratio(measured.against_best(threads)),
        measured.limit().map_or("-".to_string(), short),
    )
}

/// Three significant digits.
fn short(x: f64) -> String {
    let digits = (2 - x.abs().max(1e-9).log10().floor() as i32).clamp(0, 6) as usize;
    format!("{x:.digits$}")
}

/// The line that says it all.
pub fn summary(all: &[Measured]) -> String {
    let mean = |threads: u64| {
        let logs: Vec<f64> = all.iter().filter_map(|m| m.ratio("onnxruntime", threads)).map(f64::ln).collect();
        if logs.is_empty() {
            "-".to_string()
        } else {
            format!("{:.2}", (logs.iter().sum::<f64>() / logs.len() as f64).exp())
        }
    };
    // With whichever number of threads it does worse.
    let ratios = all.iter().flat_map(|m| [1, 2].into_iter().filter_map(|n| Some((m.network.name, m.against_best(n)?))));
    let (slowest, ratio) = ratios.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or(("-", f64::NAN));
    format!(
        "geomean kiln/onnxruntime 1T {} 2T {}; slowest against best f32 peer {slowest} {ratio:.2}",
        mean(1),
        mean(2)
    )
}

/// What stands before the sections.
const INTRODUCTION: &str = "\
# Performance

Written by `cargo xtask peers`, the section of the instruction set and the processor; do not edit. Where a section says what else its processor has, the other engines used that and kiln did not. Milliseconds of one run, in f32: the median over turns that all engines take one after another, and in
brackets the fastest and the slowest turn; a ratio is the median over neighbouring turns. Each engine has the same inputs and number of threads; kiln's outputs were compared with onnxruntime's before
anything was timed. An engine's process stands still while others have their turn. Python calls onnxruntime and OpenVINO, which costs them a few microseconds a run. The limit is what the multiplications of the
direct algorithms take one core at its measured peak, of which the last column is the share in the median turn and, in brackets, in the fastest: the peak is the best the core ever did, and where others have a part in the
machine, only the fastest turn comes near such a moment. PyTorch exported resnet50 to minilm_16, bilstm and mlp, with random weights; the others are as their authors published them. Of builds: seconds that cargo takes for the generated crate; bytes that the program is larger than an empty one, weights left out; working
memory beside the most memory the other engines' processes had (for Python and libraries too).
";

/// What a section begins with.
const SECTION: &str = "\n## ";

/// The page `old` with the section of this machine and instruction set anew.
pub fn page(old: &str, about: &About, all: &[Measured]) -> String {
    let mut title = format!("{} on {}", about.isa, processor());
    if about.isa != best_isa() {
        // What the others use.
        let _ = write!(title, ", which has {}", best_isa());
    }
    with_section(old, &title, &section(about, all))
}

/// The sections of `old`, the one of that title replaced or added, in alphabetical order, downwards: newer instruction sets come first.
fn with_section(old: &str, title: &str, section: &str) -> String {
    let mut sections: BTreeMap<&str, &str> =
        old.split(SECTION).skip(1).filter_map(|section| section.split_once('\n')).collect();
    sections.insert(title, section);
    let sections = sections.iter().rev().map(|(title, text)| format!("{SECTION}{title}\n{}\n", text.trim_end()));
    INTRODUCTION.to_string() + &sections.collect::<String>()
}

/// What was measured on this machine.
fn section(about: &About, all: &[Measured]) -> String {
    let mut text = String::new();
    let engines: Vec<&str> = all.first().map_or(Vec::new(), |measured| {
        let timings = measured.bench["timings"].as_array().map_or(&[][..], Vec::as_slice);
        timings.iter().filter(|t| t["threads"] == 1).filter_map(|t| t["engine"].as_str()).collect()
    });
    let peak = all.iter().filter_map(|m| m.number("peak_macs_per_second")).fold(0.0, f64::max) * 2e-9;
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "\nMachine: {}; {} processors; {peak:.0} GFLOP/s a core. Engines: {}; kiln's commit: {}.",
        processor(),
        std::thread::available_parallelism().map_or(1, usize::from),
        engines.join(", "),
        about.commit.as_deref().unwrap_or("unknown"),
    );
    for threads in [1, 2] {
        let _ = writeln!(text, "\n### {threads} thread{}\n", if threads == 1 { "" } else { "s" });
        let _ = writeln!(
            text,
            "| network | kiln | onnxruntime | OpenVINO | kiln/onnxruntime | kiln/best | limit | of peak |"
        );
        let _ = writeln!(text, "|---|--:|--:|--:|--:|--:|--:|--:|");
        all.iter().for_each(|measured| _ = writeln!(text, "{}", row(measured, threads)));
    }
    let _ = writeln!(
        text,
        "\n### Builds and memory\n\n\
         | network | release s | dev s | lines | code bytes | weight bytes | arena bytes | kiln's process | onnxruntime's | OpenVINO's |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    );
    for m in all {
        let count = |key: &str| m.number(key).map_or("-".to_string(), |n| format!("{n:.0}"));
        let memory = |engine: &str| {
            let bytes = m.timing(engine, 1).and_then(|t| t["memory_bytes"].as_f64());
            bytes.map_or("-".to_string(), |bytes| format!("{bytes:.0}"))
        };
        let seconds = |key: &str| m.number(key).map_or("-".to_string(), |s| format!("{s:.1}"));
        let code = m.number("binary_bytes").zip(m.number("weight_bytes"));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            m.network.name,
            seconds("build_seconds"),
            seconds("dev_build_seconds"),
            count("lines"),
            code.map_or("-".to_string(), |(binary, weights)| format!("{:.0}", binary - weights - about.empty as f64)),
            count("weight_bytes"),
            count("arena_bytes"),
            memory("kiln"),
            memory("onnxruntime"),
            memory("openvino"),
        );
    }
    let _ = writeln!(text, "\n`{}`", summary(all));
    text
}

/// The processor's name, where Linux tells.
fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")).and_then(|line| line.split(": ").nth(1));
    name.unwrap_or("a processor without a name").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_replaces_its_own_kind_alone() {
        let both = with_section(&with_section("", "avx512 on A", "\nfast\n"), "avx2 on A", "\n### 1 thread\nslow");
        assert_eq!(both, format!("{INTRODUCTION}\n## avx512 on A\n\nfast\n\n## avx2 on A\n\n### 1 thread\nslow\n"));
        let again = with_section(&both, "avx512 on A", "faster");
        assert_eq!(again, format!("{INTRODUCTION}\n## avx512 on A\nfaster\n\n## avx2 on A\n\n### 1 thread\nslow\n"));
        let other = with_section(&again, "avx512 on B", "other");
        assert_eq!(other, format!("{INTRODUCTION}\n## avx512 on B\nother\n{}", &again[INTRODUCTION.len()..]));
    }
}

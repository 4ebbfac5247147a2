//! What a bench found out, for people and as JSON.

use super::{Results, Timing};

/// As lines and columns.
pub fn print(results: &Results) {
    let mut threads = 0;
    let mut kiln = None;
    for timing in &results.timings {
        if timing.threads != threads {
            threads = timing.threads;
            kiln = Some(timing).filter(|timing| timing.engine == "kiln");
            println!("{threads} thread{}", if threads == 1 { "" } else { "s" });
        }
        let name = &timing.engine;
        if let Err(reason) = &timing.turns {
            println!("  {name:22} refused: {reason}");
            continue;
        }
        let Some((median, low, high)) = timing.spread() else { continue };
        let ratio = kiln.and_then(|kiln: &Timing| kiln.against(timing));
        let note = match ratio {
            Some(_) if name == "kiln" => speed(results, timing),
            Some(ratio) => format!("kiln takes {ratio:.2} of it"),
            None => String::new(),
        };
        println!("  {name:22} {median:9.4} ms  ({low:.4} to {high:.4})  {note}");
    }
    let peak = results.peak;
    if let Some(macs) = results.macs {
        let limit = macs as f64 / peak * 1e3;
        let (isa, speed) = (results.isa, peak * 2e-9);
        println!("limit {limit:.4} ms: {macs} multiply-adds at a core's measured {speed:.0} GFLOP/s with {isa}");
    }
    if !results.layers.is_empty() {
        println!(
            "\n{:>4} {:>10} {:>6} {:>8} {:>11}  {:24} op, node",
            "step", "ms", "share", "GFLOP/s", "bytes", "kernel"
        );
        for layer in &results.layers {
            let dash = || "-".to_string();
            println!(
                "{:>4} {:>10.5} {:>5.1}% {:>8} {:>11}  {:24} {} {}",
                layer.index,
                layer.ms,
                100.0 * layer.share,
                layer.gflops().map_or_else(dash, |speed| format!("{speed:.0}")),
                layer.step.bytes.map_or_else(dash, |bytes| bytes.to_string()),
                layer.step.kernel,
                layer.step.op,
                layer.step.node,
            );
        }
    }
}

/// Operations a second of a run, beside what the cores could do.
fn speed(results: &Results, timing: &Timing) -> String {
    let (Some(macs), Some(ms)) = (results.macs.filter(|&macs| macs > 0), timing.spread().map(|(median, ..)| median))
    else {
        return String::new();
    };
    let speed = macs as f64 / ms * 1e3;
    let of_peak = 100.0 * speed / (results.peak * timing.threads.max(1) as f64);
    format!("{:.0} GFLOP/s, {of_peak:.0} % of peak", speed * 2e-9)
}

/// As one object.
pub fn json(results: &Results) -> String {
    let timing = |timing: &Timing| {
        let kiln = results.timings.iter().find(|kiln| kiln.engine == "kiln" && kiln.threads == timing.threads);
        serde_json::json!({
            "engine": timing.engine,
            "threads": timing.threads,
            "ms": timing.spread().map(|(median, ..)| median),
            "kiln_takes": kiln.and_then(|kiln| kiln.against(timing)),
            "turns": timing.turns.as_ref().ok(),
            "refused": timing.turns.as_ref().err(),
            "memory_bytes": timing.memory,
        })
    };
    let layer = |layer: &super::layers::Layer| {
        serde_json::json!({
            "step": layer.index, "op": layer.step.op, "node": layer.step.node, "kernel": layer.step.kernel, "ms": layer.ms,
            "share": layer.share, "gflops": layer.gflops(), "macs": layer.step.macs, "bytes": layer.step.bytes,
        })
    };
    serde_json::json!({
        "timings": results.timings.iter().map(timing).collect::<Vec<_>>(),
        "isa": results.isa,
        "peak_macs_per_second": results.peak,
        "macs": results.macs,
        "build_seconds": results.build.as_secs_f64(),
        "dev_build_seconds": results.dev_build.map(|time| time.as_secs_f64()),
        "lines": results.lines,
        "binary_bytes": results.binary_bytes,
        "weight_bytes": results.weight_bytes,
        "arena_bytes": results.arena_bytes,
        "layers": results.layers.iter().map(layer).collect::<Vec<_>>(),
    })
    .to_string()
}

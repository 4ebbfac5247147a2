//! Copies kernel files into the generated module: verbatim, up to their tests, and only those that are reached.

use super::dispatch::Isa;
use super::exprs;
use crate::plan::{Plan, Threads};
use kiln_kernels::source;
use std::collections::BTreeSet;

/// The kernel files `plan` reaches on `isas`, following each file's `use super::…`; with what shares work among threads, and what
/// lets the assembler bring in weights, if asked.
pub fn reached(plan: &Plan, isas: &[Isa], assembled: bool) -> Result<BTreeSet<&'static str>, String> {
    let mut open: Vec<&str> = vec!["simd", "arena", "view"];
    open.extend(isas.iter().map(|isa| isa.module));
    open.extend(plan.modules());
    if plan.threads == Threads::On {
        open.push("team");
    }
    if assembled {
        open.push("weights_file");
    }
    if plan.texts.is_some() {
        open.push("texts");
    }
    open.extend(exprs::modules(plan));
    let mut found = BTreeSet::new();
    while let Some(name) = open.pop() {
        let (name, text) = source::FILES
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| format!("no kernel file is called {name}; this is a bug in kiln"))?;
        if found.insert(*name) {
            open.extend(siblings(text));
        }
    }
    Ok(found)
}

/// Names of the files that a file's `use super::…` lines name.
fn siblings(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
        .filter_map(|line| {
            line.trim_start().strip_prefix("pub use super::").or(line.trim_start().strip_prefix("use super::"))
        })
        .filter_map(|rest| rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next())
}

/// The files as modules of one, in alphabetical order.
pub fn embedded(files: &BTreeSet<&'static str>) -> Result<String, String> {
    let mut text = String::new();
    for name in files {
        let source =
            source::embedded(name).ok_or_else(|| format!("no kernel file is called {name}; this is a bug in kiln"))?;
        let gate = match *name {
            "simd_avx2" | "simd_avx512" | "detect" => "#[cfg(target_arch = \"x86_64\")]\n",
            "simd_neon" => "#[cfg(all(target_arch = \"aarch64\", target_feature = \"neon\"))]\n",
            "simd_wasm" => "#[cfg(all(target_family = \"wasm\", target_feature = \"simd128\"))]\n",
            _ => "",
        };
        text.push_str(&format!("{gate}pub mod {name} {{\n{}}}\n", super::indent(source, 4)));
    }
    Ok(text)
}

/// Every kernel file as one module's content, for applications whose models share them; with those that need std, for threads and
/// strings, if asked.
pub fn shared(std: bool) -> Result<String, String> {
    let fits = |name: &&str| std || !source::NEEDS_STD.contains(name);
    let all = source::FILES.iter().map(|(name, _)| *name).filter(fits).collect();
    embedded(&all)
}

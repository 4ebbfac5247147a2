//! docs/CONFORMANCE.md: what came out, operator by operator, and every case that did not pass with its reason.

use super::suite::Case;
use super::{Outcome, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Cases of one kind, counted.
#[derive(Default)]
struct Row {
    opsets: BTreeSet<i64>,
    passed: usize,
    wrong: usize,
    refused: usize,
}

/// The page. Writing to a `String` cannot fail, so results of `write!` are dropped.
pub fn page(outcomes: &[Outcome], isa: &str) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "# Conformance\n");
    let _ = writeln!(
        text,
        "Written by `cargo xtask conformance`; do not edit. Every backend case of the pinned `onnx` wheel is compiled by kiln for {isa},\nthe generated Rust is built and run, and every output is compared with the case's own: floats within ONNX's tolerances (relative 1e-3,\nabsolute 1e-7 unless the case says otherwise), integers and booleans exactly.\n"
    );
    let _ = writeln!(text, "| folder | passed | wrong | refused or disputed |\n|---|--:|--:|--:|");
    for (folder, row) in &rows(outcomes, |outcome| outcome.case.folder.to_string()) {
        let _ = writeln!(text, "| {folder} | {} | {} | {} |", row.passed, row.wrong, row.refused);
    }
    let _ = writeln!(text, "\n## Node cases by operator\n");
    let _ = writeln!(text, "| operator | opset | passed | wrong | refused |\n|---|---|--:|--:|--:|");
    let nodes: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.case.folder == "node").collect();
    let operators = operators(&nodes);
    for (operator, row) in &rows(nodes.iter().copied(), |outcome| operators[&outcome.case.name].clone()) {
        let opsets: Vec<String> = row.opsets.iter().map(i64::to_string).collect();
        let _ =
            writeln!(text, "| {operator} | {} | {} | {} | {} |", opsets.join(", "), row.passed, row.wrong, row.refused);
    }
    failures(&mut text, outcomes);
    disputes(&mut text, outcomes);
    refusals(&mut text, outcomes);
    bindings(&mut text, outcomes);
    text
}

fn rows<'a>(
    outcomes: impl IntoIterator<Item = &'a Outcome>,
    key: impl Fn(&Outcome) -> String,
) -> BTreeMap<String, Row> {
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for outcome in outcomes {
        let row = rows.entry(key(outcome)).or_default();
        row.opsets.extend(outcome.summary.opsets.values().max());
        match outcome.verdict {
            Verdict::Passed => row.passed += 1,
            Verdict::Failed(_) => row.wrong += 1,
            Verdict::Refused(_) | Verdict::Disputed(_) => row.refused += 1,
        }
    }
    rows
}

/// The operator each case is about. A case of an operator's body as a function counts for that operator.
fn operators(outcomes: &[&Outcome]) -> BTreeMap<String, String> {
    let own: BTreeMap<&str, String> =
        outcomes.iter().map(|outcome| (outcome.case.name.as_str(), operator(outcome))).collect();
    let of = |case: &Case| {
        let stem = case.name.split("_expanded").next().unwrap_or(&case.name);
        own.get(stem).or(own.get(case.name.as_str())).cloned().unwrap_or_default()
    };
    outcomes.iter().map(|outcome| (outcome.case.name.clone(), of(&outcome.case))).collect()
}

fn operator(outcome: &Outcome) -> String {
    let ops = &outcome.summary.ops;
    let plain = |text: &str| text.replace('_', "").to_lowercase();
    let name = plain(outcome.case.name.trim_start_matches("test_").trim_start_matches("ai_onnx_ml_"));
    // Where control flow holds other operators, the case is named for what it is about.
    let named = ops.keys().filter(|op| name.starts_with(&plain(op))).max_by_key(|op| op.len());
    named.or(ops.keys().next()).cloned().unwrap_or_default()
}

fn failures(text: &mut String, outcomes: &[Outcome]) {
    let _ = writeln!(text, "\n## Wrong\n");
    let mut none = true;
    for outcome in outcomes {
        if let Verdict::Failed(why) = &outcome.verdict {
            none = false;
            let _ = writeln!(text, "- {}: {}", outcome.case.path(), why.lines().next().unwrap_or_default());
        }
    }
    if none {
        let _ = writeln!(text, "None.");
    }
}

/// Cases that are wrong themselves; they stand among the refused ones in the tables.
fn disputes(text: &mut String, outcomes: &[Outcome]) {
    let disputed = |outcome: &&Outcome| matches!(outcome.verdict, Verdict::Disputed(_));
    if !outcomes.iter().any(|outcome| disputed(&outcome)) {
        return;
    }
    let _ = writeln!(
        text,
        "\n## Disputed\n\nRun and compared, different, and counted with the refused: the stored output is at fault.\n"
    );
    for outcome in outcomes {
        if let Verdict::Disputed(why) = &outcome.verdict {
            let _ = writeln!(text, "- {}: {why}", outcome.case.path());
        }
    }
}

fn refusals(text: &mut String, outcomes: &[Outcome]) {
    let _ = writeln!(text, "\n## Refused\n\nEach reason with the cases it stands for.\n");
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for outcome in outcomes {
        if let Verdict::Refused(why) = &outcome.verdict {
            reasons.entry(why.lines().next().unwrap_or_default()).or_default().push(outcome.case.path());
        }
    }
    for (reason, cases) in reasons {
        let _ = writeln!(text, "- {reason} ({}): {}", cases.len(), cases.join(", "));
    }
}

fn bindings(text: &mut String, outcomes: &[Outcome]) {
    let _ = writeln!(
        text,
        "\n## Bound inputs\n\nInputs that carry shapes, axes, splits and the like are bound to the case's values, since a compiler must know them ahead of\ntime; so are free sizes that decide how many tensors there are. Where no input is left for run time the case is marked as\nfolded: it checks kiln's constant folding.\n"
    );
    let mut cases: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for outcome in outcomes.iter().filter(|outcome| matches!(outcome.verdict, Verdict::Passed)) {
        if !outcome.bound.is_empty() || outcome.folded {
            let key = match (outcome.bound.is_empty(), outcome.folded) {
                (true, _) => "nothing bound, and no inputs".to_string(),
                (false, true) => format!("{}; folded", outcome.bound.join(", ")),
                (false, false) => outcome.bound.join(", "),
            };
            cases.entry(key).or_default().push(outcome.case.path());
        }
    }
    for (bound, cases) in cases {
        let _ = writeln!(text, "- {bound}: {}", cases.join(", "));
    }
}

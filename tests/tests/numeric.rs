//! Every case on every instruction set this machine has: what the generated code gives is what onnxruntime gave.

fn every_output_is_right(case: &str) {
    let compared = kiln_tests::check(case);
    assert!(compared > 0, "{case}: nothing was compared");
}

// A test a case, by the case's name.
include!(concat!(env!("OUT_DIR"), "/numeric.rs"));

#[test]
fn every_folder_is_a_test() {
    let generated = kiln_tests::generated();
    let mut cases: Vec<&str> = generated.iter().map(|generated| generated.case).collect();
    cases.dedup();
    let wanted = option_env!("CASE").unwrap_or_default();
    let folders = std::fs::read_dir(kiln_tests::case::folder()).unwrap().map(|entry| entry.unwrap().path());
    let folders = folders.filter(|path| path.is_dir() && path.to_string_lossy().contains(wanted)).count();
    assert_eq!(cases.len(), folders, "cases that were generated, and folders");
    assert!(folders > 0);
    let isas: std::collections::BTreeSet<&str> =
        generated.iter().filter(|generated| generated.runs_here()).map(|generated| generated.isa).collect();
    println!("{folders} cases on {isas:?}");
}

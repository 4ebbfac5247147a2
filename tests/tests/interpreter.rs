//! The interpreter, which folds constants and judges kernels, agrees with onnxruntime on the same graphs, after all passes.

use kiln_codegen::cargo::ModelFile;
use kiln_codegen::{Data, Options, compile};
use kiln_tests::array::Array;
use kiln_tests::case::Case;
use kiln_tests::right;
use std::collections::BTreeMap;
use std::fmt::Write;

#[test]
fn every_case_is_interpreted_right() {
    let mut cases: Vec<&str> = kiln_tests::generated().iter().map(|generated| generated.case).collect();
    cases.dedup();
    let (mut compared, mut wrong) = (0, String::new());
    for name in &cases {
        match interpret(&Case::read(name), &mut wrong) {
            Ok(outputs) => compared += outputs,
            Err(message) => {
                let _ = writeln!(wrong, "{name}: {message}");
            }
        }
    }
    println!("{compared} outputs of {} cases", cases.len());
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(compared > 0);
}

fn interpret(case: &Case, wrong: &mut String) -> Result<usize, String> {
    let mut options = Options::default();
    let set = case.options.iter().filter(|(key, _)| key != "kernels");
    set.into_iter().try_for_each(|(key, value)| options.set(key, value))?;
    let file = ModelFile::read(&case.model())?;
    let compiled = file.with_source(|source| compile(source, &options)).map_err(|e| e.to_string())?;
    let mut compared = 0;
    for run in &case.runs {
        let data = |array: &Array| Data { shape: array.shape.clone(), bytes: array.bytes() };
        let inputs: BTreeMap<String, Data> =
            run.inputs.iter().map(|(name, array)| (name.clone(), data(array))).collect();
        let outputs = compiled.interpret(&inputs)?;
        for port in compiled.signature().outputs {
            let got = outputs.get(&port.name).ok_or_else(|| format!("no output {:?}", port.name))?;
            let got = Array::from_bytes(&port.dtype, &got.shape, &got.bytes)?;
            let want = run.outputs.get(&port.name).ok_or_else(|| format!("nothing is expected of {:?}", port.name))?;
            compared += 1;
            if let Err(message) = right(&got, want, case.tolerance) {
                let _ = writeln!(wrong, "{}: output {:?}: {message}", case.folder.display(), port.name);
            }
        }
    }
    Ok(compared)
}

//! A second opinion, made with none of our code or onnxruntime's: tract runs every case it can, and kiln agrees with it.
//!
//! Which cases tract judged is a snapshot, so that none drops out unseen.

use kiln_tests::array::{Array, Data};
use kiln_tests::case::{Case, Run};
use kiln_tests::compare::Tolerance;
use kiln_tests::{of_case, right};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::{bail, format_err};

#[test]
fn agrees_with_tract() {
    let mut cases: Vec<&str> = kiln_tests::generated().iter().map(|generated| generated.case).collect();
    cases.dedup();
    let (mut agreed, mut table, mut wrong) = (0, String::new(), String::new());
    for name in &cases {
        let case = Case::read(name);
        let verdict = match ours(&case, name) {
            None => "kiln refuses it".to_string(),
            // tract may panic: it judges what it can.
            Some(ours) => match catch_unwind(AssertUnwindSafe(|| compare(&case, &ours, &mut wrong))) {
                Err(_) => "tract panics".to_string(),
                Ok(Err(_)) => "tract cannot run it".to_string(),
                Ok(Ok(verdict)) => verdict,
            },
        };
        if verdict.is_empty() {
            agreed += 1;
        } else {
            let _ = writeln!(table, "{name}: {verdict}");
        }
    }
    println!("{agreed} of {} cases agree with tract", cases.len());
    assert!(wrong.is_empty(), "\n{wrong}");
    if option_env!("CASE").is_none() {
        insta::assert_snapshot!("cases_without_a_verdict", table);
        assert!(agreed > 0);
    }
}

/// Outputs by name.
type Outputs = BTreeMap<String, Array>;

/// What the generated code gives for each run, on this machine's simplest instruction set.
fn ours(case: &Case, name: &str) -> Option<Vec<Outputs>> {
    let generated = of_case(name).into_iter().next().filter(|generated| generated.new.is_ok())?;
    let mut model = generated.model();
    let run = |run| {
        let outputs = model.infer(&generated.arguments(run)).unwrap_or_else(|message| panic!("{name}: {message}"));
        generated.outputs.iter().map(|name| name.to_string()).zip(outputs).collect()
    };
    Some(case.runs.iter().map(run).collect())
}

/// Adds to `wrong` where kiln is alone with its answer, and says which outputs tract cannot judge.
fn compare(case: &Case, ours: &[Outputs], wrong: &mut String) -> TractResult<String> {
    let tolerance = Tolerance { relative: 1e-3, absolute: 1e-4 };
    let mut alone = BTreeSet::new();
    for (run, ours) in case.runs.iter().zip(ours) {
        for (output, theirs) in tract(case, run)? {
            let (Some(got), Some(expected)) = (ours.get(&output), run.outputs.get(&output)) else { continue };
            let Err(message) = right(got, &theirs, tolerance) else { continue };
            // Where tract and onnxruntime part, kiln follows onnxruntime.
            if right(&theirs, expected, tolerance).is_err() {
                alone.insert(output);
            } else {
                let _ = writeln!(wrong, "{}: {output:?} is not tract's: {message}", case.folder.display());
            }
        }
    }
    let alone: Vec<String> = alone.into_iter().collect();
    Ok(if alone.is_empty() { String::new() } else { format!("tract's {} is not onnxruntime's", alone.join(", ")) })
}

fn tract(case: &Case, run: &Run) -> TractResult<Vec<(String, Array)>> {
    let pins: BTreeMap<&str, &str> =
        case.options.iter().filter(|(key, _)| key == "pin").filter_map(|(_, value)| value.rsplit_once('=')).collect();
    let mut model = tract_onnx::onnx().with_ignore_output_shapes(true).model_for_path(case.model())?;
    let names: Vec<String> = model.input_outlets()?.iter().map(|outlet| model.node(outlet.node).name.clone()).collect();
    let mut feed = tvec![];
    for (i, name) in names.iter().enumerate() {
        let value = match run.inputs.get(name) {
            Some(array) => tensor(array)?,
            None => {
                let pin = pins.get(name.as_str()).ok_or_else(|| format_err!("no value for {name}"))?;
                tensor0(pin.parse::<i64>()?)
            }
        };
        model.set_input_fact(i, InferenceFact::dt_shape(value.datum_type(), value.shape()))?;
        feed.push(value.into_tvalue());
    }
    let labels: Vec<Option<String>> =
        model.output_outlets()?.iter().map(|outlet| model.outlet_label(*outlet).map(str::to_string)).collect();
    let outputs = model.into_optimized()?.into_runnable()?.run(feed)?;
    let outputs = labels.into_iter().zip(outputs);
    outputs.filter_map(|(label, value)| label.map(|label| Ok((label, array(&value)?)))).collect()
}

fn tensor(array: &Array) -> TractResult<Tensor> {
    macro_rules! each {
        ($($variant:ident),*) => {
            match &array.data {
                $(Data::$variant(elements) => Tensor::from_shape(&array.shape, elements),)*
                Data::Text(_) => bail!("strings are not given to tract"),
            }
        };
    }
    each!(F32, F64, I8, I16, I32, I64, U8, U16, U32, U64, Bool)
}

fn array(tensor: &Tensor) -> TractResult<Array> {
    let tensor =
        if tensor.datum_type() == TDim::datum_type() { tensor.cast_to::<i64>()?.into_owned() } else { tensor.clone() };
    macro_rules! each {
        ($($variant:ident($ty:ty)),*) => {
            match tensor.datum_type() {
                $(dt if dt == <$ty>::datum_type() => Data::$variant(tensor.try_as_plain_ram()?.as_slice::<$ty>()?.to_vec()),)*
                other => bail!("{other:?} is not a type of ours"),
            }
        };
    }
    let data = each!(
        F32(f32),
        F64(f64),
        I8(i8),
        I16(i16),
        I32(i32),
        I64(i64),
        U8(u8),
        U16(u16),
        U32(u32),
        U64(u64),
        Bool(bool)
    );
    Ok(Array { shape: tensor.shape().to_vec(), data })
}

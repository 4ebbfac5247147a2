//! Any bytes as a model file: compiled or refused, never a panic, never unbounded memory or time.
//!
//! `cargo xtask fuzz` makes the corpus (ONNX's own small models), sets the limits and runs this.

#![no_main]

use kiln_codegen::{Options, Source, WeightSource, compile, summary};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = summary(bytes);
    let external = |_: &str, _: u64, _: Option<u64>| Err("there is no such file".to_string());
    let source = Source { bytes, name: "fuzz.onnx", external: &external, tuning: &|| Ok(None) };
    if let Ok(compiled) = compile(&source, &Options::default()) {
        let _ = compiled.report();
        let written = compiled.emit(&WeightSource::OutDir("fuzz.weights".into()));
        // Generated code that does not parse is a bug of kiln, whatever the model.
        assert!(written.is_ok(), "{written:?}");
    }
});

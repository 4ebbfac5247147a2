//! Every model of `refusals/` is refused in words that a snapshot holds, and no file makes the compiler panic.

use kiln_codegen::cargo::ModelFile;
use kiln_codegen::{Options, Source, WeightSource, compile};
use kiln_tests::case;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("refusals")
}

fn models() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut models: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "onnx")).collect();
    models.sort();
    models
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

/// Whether a model is accepted, or what it is refused with; paths of this machine left out.
fn verdict(path: &Path, set: &[(&str, &str)]) -> Result<(), String> {
    let mut options = Options::default();
    set.iter().try_for_each(|(key, value)| options.set(key, value))?;
    let file = ModelFile::read(path)?;
    let compiled = file.with_source(|source| compile(source, &options));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).display().to_string();
    compiled.map(|_| ()).map_err(|refusal| refusal.to_string().replace(&root, "tests"))
}

#[test]
fn every_refusal_is_worded() {
    let models = models();
    let (mut accepted, mut panicked) = (Vec::new(), Vec::new());
    for path in &models {
        match catch_unwind(|| verdict(path, &[])) {
            Ok(Err(message)) => insta::assert_snapshot!(stem(path), message),
            Ok(Ok(())) => accepted.push(stem(path)),
            Err(_) => panicked.push(stem(path)),
        }
    }
    println!("{} models refused", models.len());
    assert!(panicked.is_empty(), "the compiler panics: {panicked:?}");
    // What has a meaning after all is no refusal: remove it here, or make it a case.
    assert!(accepted.is_empty(), "not refused: {accepted:?}");
    assert!(!models.is_empty());
}

#[test]
fn options_that_do_not_fit_the_model_are_refused() {
    for (name, model, set) in [
        ("option_dim_of_no_symbol", "free_batch", [("dim", "btach=2")].as_slice()),
        ("option_dim_of_fixed_axis", "mlp", &[("dim", "x:0=7")]),
        ("option_dim_of_no_axis", "mlp", &[("dim", "x:9=7")]),
        ("option_pin_of_no_input", "mlp", &[("pin", "nothing=1")]),
        ("option_pin_of_wrong_length", "mlp", &[("pin", "x=1,2,3")]),
        ("option_pin_out_of_range", "generated_values", &[("pin", "x=1,2")]),
        ("option_no_std_with_free_size", "free_batch", &[("std", "false")]),
        ("option_no_std_with_strings", "strings", &[("std", "false")]),
        ("option_pin_of_strings", "strings", &[("pin", "x=1")]),
    ] {
        let message = verdict(&case::folder().join(model).join("model.onnx"), set).expect_err(name);
        insta::assert_snapshot!(name, message);
    }
}

/// xorshift64, so that every run tries the same files.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}

#[test]
fn damaged_models_never_panic() {
    let none = |_: &str, _: u64, _: Option<u64>| Err("there is none".to_string());
    let mut tried = 0;
    let mut panicked = Vec::new();
    for (at, name) in
        ["mlp", "conv_auto_pad", "slice", "gru", "loop_known_trip_count", "computed_dims", "local_function"]
            .iter()
            .enumerate()
    {
        let bytes = std::fs::read(case::folder().join(name).join("model.onnx")).unwrap();
        let mut random = Random(0x9E37_79B9_7F4A_7C15 ^ at as u64);
        for trial in 0..150 {
            let mut damaged = bytes.clone();
            match trial % 3 {
                0 => damaged.truncate(random.below(bytes.len())),
                1 => damaged[random.below(bytes.len())] ^= 1 << random.below(8),
                _ => (0..4).for_each(|_| damaged[random.below(bytes.len())] = random.below(256) as u8),
            }
            let run = || {
                let source = Source { bytes: &damaged, name: "damaged.onnx", external: &none, tuning: &|| Ok(None) };
                let compiled = compile(&source, &Options::default());
                compiled.ok().map(|compiled| compiled.emit(&WeightSource::Literal).is_ok())
            };
            match catch_unwind(std::panic::AssertUnwindSafe(run)) {
                Ok(Some(false)) => panicked.push(format!("{name} {trial}: the emitted text does not parse")),
                Ok(_) => tried += 1,
                Err(_) => panicked.push(format!("{name} {trial}")),
            }
        }
    }
    println!("{tried} damaged models");
    assert!(panicked.is_empty(), "{panicked:?}");
}

//! The doors are equal: whichever is opened, and however often, the same bytes come out; and each notices a changed model.

use kiln_codegen::cargo::{ModelFile, tuning_path};
use kiln_codegen::{Candidate, Compiled, Line, Options, Tuning, WeightSource, compile};
use kiln_tests::array::Array;
use kiln_tests::case::Case;
use kiln_tests::right;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

kiln::include_model!("cases/mlp/model.onnx", name = Perceptron);

mod free {
    kiln::include_model!("cases/free_batch/model.onnx", name = FreeBatch, dims = { batch <= 8 }, isa = [scalar]);
}

mod shared {
    kiln::include_model!(
        "cases/if_pinned_condition/model.onnx",
        name = Branch,
        pins = { mode = 0 },
        kernels = kiln_tests::kernels
    );
}

#[test]
fn the_macro_gives_the_right_answer() {
    let case = Case::read("mlp");
    let run = &case.runs[0];
    let mut model = Perceptron::new();
    let y = model.run(run.inputs["x"].fixed().unwrap());
    right(&Array::of(y, &[3, 10]), &run.outputs["y"], case.tolerance).unwrap();
    assert_eq!(Perceptron::SOURCE, "model.onnx");

    let case = Case::read("if_pinned_condition");
    let run = &case.runs[0];
    let mut model = shared::Branch::new();
    let y = model.run(run.inputs["x"].fixed().unwrap());
    right(&Array::of(y, &[2, 3]), &run.outputs["y"], case.tolerance).unwrap();
}

#[test]
fn the_macro_takes_views_where_sizes_are_free() {
    let case = Case::read("free_batch");
    let mut model = free::FreeBatch::new();
    for run in &case.runs {
        let x = &run.inputs["x"];
        let view = free::free_batch::View::new(x.elements().unwrap(), x.sizes().unwrap()).unwrap();
        let y = model.run(view).unwrap();
        right(&Array::of(y.data, &y.shape), &run.outputs["y"], case.tolerance).unwrap();
    }
    let too_many = vec![0.0; 9 * 2 * 7 * 7];
    let view = free::free_batch::View::new(&too_many, [9, 2, 7, 7]).unwrap();
    let message = model.run(view).err().map(|e| e.to_string());
    assert_eq!(message.as_deref(), Some("axis 0 of `x` has size 9, more than the 8 the model was generated for"));
    let view = free::free_batch::View::new(&too_many, [1, 2, 7, 63]).unwrap();
    assert!(model.run(view).is_err());
}

#[test]
fn the_build_script_door_writes_what_the_library_gives() {
    let mut compared = 0;
    for generated in kiln_tests::generated().iter().filter(|generated| generated.new.is_ok()) {
        let path = Path::new(generated.source);
        let mut options = options_of(generated.case, generated.isa);
        options.name = Some(format!("{}_{}", generated.case, generated.isa));
        let weights = path.with_extension("weights");
        let name = weights.file_name().unwrap().to_string_lossy().into_owned();
        let compiled = library(&model_of(generated.case), &options);
        assert_eq!(
            std::fs::read_to_string(path).unwrap(),
            compiled.emit(&WeightSource::OutDir(name)).unwrap(),
            "{}",
            generated.case
        );
        assert_eq!(std::fs::read(weights).unwrap(), compiled.weights(), "{}", generated.case);
        compared += 1;
    }
    println!("{compared} generated sources are the library's");
    assert!(compared > 0);
}

#[test]
fn the_command_line_writes_what_the_library_gives_and_so_again() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["conv_plain", "free_batch", "transformer_block"] {
        let compiled = library(&model_of(name), &Options::default());
        let text = compiled.emit(&WeightSource::File("out.weights".into())).unwrap();
        for _ in 0..2 {
            let output = folder.path().join("out.rs");
            assert_eq!(kiln(&["compile", &text_of(&model_of(name)), "-o", &text_of(&output)]), ExitCode::SUCCESS);
            assert_eq!(std::fs::read_to_string(&output).unwrap(), text);
            assert_eq!(std::fs::read(folder.path().join("out.weights")).unwrap(), compiled.weights());
            std::fs::remove_file(output).unwrap();
        }
    }
}

#[test]
fn the_command_line_takes_every_option() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.rs");
    let mut options = Options::default();
    let set =
        [("name", "Net"), ("dim", "batch<=3"), ("isa", "scalar,avx2"), ("std", "false"), ("kernels", "crate::kernels")];
    set.iter().for_each(|(key, value)| options.set(key, value).unwrap());
    let model = text_of(&model_of("free_batch"));
    let arguments =
        ["--name", "Net", "--dim", "batch<=3", "--isa", "scalar,avx2", "--no-std", "--kernels", "crate::kernels"];
    let written = text_of(&output);
    let command = [&["compile", &model, "-o", &written], &arguments[..]].concat();
    assert_eq!(kiln(&command), ExitCode::SUCCESS);
    let want = library(&model_of("free_batch"), &options).emit(&WeightSource::File("out.weights".into())).unwrap();
    assert_eq!(std::fs::read_to_string(&output).unwrap(), want);
}

#[test]
fn check_finds_stale_files() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.rs");
    let (model, written) = (text_of(&model_of("mlp")), text_of(&output));
    let command = ["compile", &model, "-o", &written];
    let check = [&command[..], &["--check"]].concat();
    assert_eq!(kiln(&check), ExitCode::from(1), "nothing is there yet");
    assert!(!output.exists(), "--check writes nothing");
    assert_eq!(kiln(&command), ExitCode::SUCCESS);
    assert_eq!(kiln(&check), ExitCode::SUCCESS);
    let weights = folder.path().join("out.weights");
    let mut bytes = std::fs::read(&weights).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&weights, &bytes).unwrap();
    assert_eq!(kiln(&check), ExitCode::from(1), "the weights are stale");
    assert_eq!(kiln(&command), ExitCode::SUCCESS);
    let mut text = std::fs::read_to_string(&output).unwrap();
    text.push('\n');
    std::fs::write(&output, text).unwrap();
    assert_eq!(kiln(&check), ExitCode::from(1), "the source is stale");
}

#[test]
fn the_command_line_refuses_what_it_cannot_do() {
    let folder = tempfile::tempdir().unwrap();
    let output = text_of(&folder.path().join("out.rs"));
    let model = text_of(&model_of("mlp"));
    for (command, why) in [
        (vec!["check", "no/such/model.onnx"], "no such file"),
        (vec!["compile", &model, "-o", &output, "--isa", "mmx"], "no such instruction set"),
        (vec!["compile", &model, "-o", &output, "--pin", "nothing=1"], "no such input"),
        (vec!["compile", &model, "-o", &output, "--dim", "rows"], "not an assignment"),
        (vec!["compile", &model, "-o", &output, "--threads", "--no-std"], "threads need std"),
        (vec!["bench", &model, "--input", "nothing=x.npy"], "no such file"),
    ] {
        assert_eq!(kiln(&command), ExitCode::from(2), "{why}");
    }
    assert_eq!(kiln(&["check", &model]), ExitCode::SUCCESS);
    assert_eq!(kiln(&["check", &model, "--json"]), ExitCode::SUCCESS);
}

#[test]
fn the_bench_times_threads_and_draws_every_step() {
    let folder = tempfile::tempdir().unwrap();
    let (model, picture) = (text_of(&model_of("threads")), folder.path().join("steps.svg"));
    let short = ["--rounds", "1", "--time", "1", "--isa", "scalar", "--layers", "--picture"];
    let drawn = text_of(&picture);
    let bench = [&["bench", &model, "--threads", "1,3"][..], &short, &[&drawn]].concat();
    assert_eq!(kiln(&bench), ExitCode::SUCCESS);
    let drawing = std::fs::read_to_string(&picture).unwrap();
    let steps = library(&model_of("threads"), &options_of("threads", "scalar")).steps();
    // The background is a rectangle as well.
    assert_eq!(drawing.matches("<rect").count(), steps.len() + 1);
    assert!(steps.iter().any(|step| step.macs > Some(1_000_000)));
}

/// Forms that the cost model does not give the three convolutions of `conv_winograd`, as a tuning file.
fn other_forms(model: &Path) -> String {
    forms(model, |chosen| {
        let mut candidates = chosen.candidates.iter().copied();
        candidates.find(|&candidate| candidate != chosen.taken).unwrap_or(chosen.taken)
    })
}

/// A tuning file for the three convolutions of `conv_winograd`.
fn forms(model: &Path, of: impl Fn(&kiln_codegen::Chosen) -> Candidate) -> String {
    let compiled = library(model, &untuned());
    let line = |chosen: &kiln_codegen::Chosen| {
        let candidate = of(chosen);
        (Line { layer: chosen.layer.clone(), kind: chosen.kind, candidate }, "by hand".to_string())
    };
    let lines: Vec<(Line, String)> = compiled.chosen().iter().map(line).collect();
    assert_eq!(lines.len(), 3);
    Tuning::text(&[], compiled.source_sha256(), &lines)
}

fn untuned() -> Options {
    let mut options = Options::default();
    options.set("tune", "false").unwrap();
    options
}

#[test]
fn a_tuning_file_beside_the_model_is_obeyed_unless_told_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let (model, output) = (folder.path().join("model.onnx"), folder.path().join("out.rs"));
    std::fs::copy(model_of("conv_winograd"), &model).unwrap();
    let source = |options: &Options| library(&model, options).emit(&WeightSource::File("out.weights".into())).unwrap();
    let by_cost = source(&Options::default());
    std::fs::write(tuning_path(&model), other_forms(&model)).unwrap();
    let tuned = source(&Options::default());
    assert_ne!(tuned, by_cost);
    assert_eq!(source(&untuned()), by_cost);
    let command = ["compile", &text_of(&model), "-o", &text_of(&output)];
    assert_eq!(kiln(&command), ExitCode::SUCCESS);
    assert_eq!(std::fs::read_to_string(&output).unwrap(), tuned);
    assert_eq!(kiln(&[&command[..], &["--no-tune"]].concat()), ExitCode::SUCCESS);
    assert_eq!(std::fs::read_to_string(&output).unwrap(), by_cost);
}

#[test]
fn a_tuning_file_that_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.onnx");
    std::fs::copy(model_of("conv_winograd"), &model).unwrap();
    let fits = other_forms(&model);
    let stale = fits.replace("sha256 ", &format!("sha256 {}\n#", "0".repeat(64)));
    let winograd = format!("{}\nc form winograd\n", fits.lines().next().unwrap());
    let mut direct = Options::default();
    direct.set("winograd", "false").unwrap();
    for (text, options, want) in [
        (stale, Options::default(), "model.onnx.tune: error: it was written for another model: SHA-256 000000000000…"),
        (
            format!("{fits}nowhere form direct\n"),
            Options::default(),
            "model.onnx.tune:5: error: the model has no layer nowhere",
        ),
        (winograd, direct, "model.onnx.tune:2 wants the form winograd, with these options it can be direct alone"),
        (format!("{fits}c\n"), Options::default(), "model.onnx.tune:5: error: a line has the form"),
    ] {
        std::fs::write(tuning_path(&model), text).unwrap();
        let file = ModelFile::read(&model).unwrap();
        let error =
            file.with_source(|source| compile(source, &options)).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains(want) && error.contains("run `kiln tune` again"), "{error}");
        assert!(
            file.with_source(|source| compile(source, &untuned())).is_ok(),
            "nothing is asked of a file that is ignored"
        );
    }
    assert_eq!(kiln(&["check", &text_of(&model)]), ExitCode::from(2));
    assert_eq!(kiln(&["check", &text_of(&model), "--no-tune"]), ExitCode::SUCCESS);
}

#[test]
fn tuning_writes_a_file_that_is_obeyed_and_right() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.onnx");
    std::fs::copy(model_of("conv_winograd"), &model).unwrap();
    let short = ["--rounds", "1", "--time", "1", "--isa", "scalar"];
    assert_eq!(kiln(&[&["tune", &text_of(&model)][..], &short].concat()), ExitCode::SUCCESS);
    let text = std::fs::read_to_string(tuning_path(&model)).unwrap();
    assert!(text.contains("kiln tune model.onnx") && text.contains(" with scalar on "), "{text}");
    let lines: Vec<&str> = text.lines().filter(|line| line.contains(" form ")).collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(
        lines
            .iter()
            .all(|line| line.contains("# direct ") && line.contains(", winograd ") && line.contains(", winograd2 ")),
        "{text}"
    );
    assert_eq!(library(&model, &Options::default()).chosen().iter().filter(|chosen| chosen.is_tuned).count(), 3);

    // Whatever this machine found: what it did not is right as well.
    let case = model_of("conv_winograd").parent().unwrap().to_path_buf();
    let file = |name: &str, file: &str| format!("{name}={}", text_of(&case.join(file)));
    let (x, y, residual) =
        (file("x", "input_0_0.npy"), file("y", "output_0_0.npy"), file("residual", "output_0_1.npy"));
    for text in [text, other_forms(&model), forms(&model, |_| Candidate::Winograd2)] {
        std::fs::write(tuning_path(&model), text).unwrap();
        let verify = [
            "verify",
            &text_of(&model),
            "--input",
            &x,
            "--expect",
            &y,
            "--expect",
            &residual,
            "--isa",
            "scalar",
            "--time",
            "1",
        ];
        assert_eq!(kiln(&verify), ExitCode::SUCCESS);
    }

    // Nothing to tune: no file, and none of before.
    std::fs::copy(model_of("mlp"), &model).unwrap();
    assert_eq!(kiln(&[&["tune", &text_of(&model)][..], &short].concat()), ExitCode::SUCCESS);
    assert!(!tuning_path(&model).exists());
}

#[test]
fn kernels_of_the_command_line_are_the_library_s() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("kernels.rs");
    assert_eq!(kiln(&["kernels", "-o", &text_of(&output)]), ExitCode::SUCCESS);
    assert_eq!(std::fs::read_to_string(&output).unwrap(), kiln_codegen::shared_kernels(false).unwrap());
}

/// An application whose model file or its tuning changes is rebuilt, through the macro and through a build script.
#[test]
fn editing_the_model_rebuilds_the_application() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    // A folder that stays: the compiler itself is built there once.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rebuild");
    std::fs::create_dir_all(folder.join("src")).unwrap();
    let manifest = format!(
        "[package]\nname = \"rebuild\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\nkiln = {{ path = {:?} }}\n\n[build-dependencies]\nkiln-codegen = {{ path = {:?} }}\n",
        root.join("macros"),
        root.join("codegen")
    );
    std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    std::fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    std::fs::write(
        folder.join("build.rs"),
        "fn main() {\n    kiln_codegen::cargo::Builder::new(\"model.onnx\").set(\"name\", \"Built\").build();\n}\n",
    )
    .unwrap();
    std::fs::write(
        folder.join("src/main.rs"),
        "kiln::include_model!(\"model.onnx\", name = Expanded);\ninclude!(concat!(env!(\"OUT_DIR\"), \"/built.rs\"));\n\nfn main() {\n    println!(\"{}:{} {}:{}\", Expanded::SOURCE_SHA256, Expanded::WEIGHT_BYTES, Built::SOURCE_SHA256, Built::WEIGHT_BYTES);\n}\n",
    )
    .unwrap();
    let (model, tuning) = (folder.join("model.onnx"), tuning_path(&folder.join("model.onnx")));
    let _ = std::fs::remove_file(&tuning);
    // Written anew, so that its time changes.
    let put = |case: &str| std::fs::write(&model, std::fs::read(model_of(case)).unwrap()).unwrap();
    let mut seen = Vec::new();
    for step in 0..6 {
        match step {
            0 | 2 => put("mlp"),
            1 | 3 => put("conv_winograd"),
            // As `kiln tune` writes the first one: the model becomes newer. Later ones are watched.
            4 => {
                std::fs::write(&tuning, other_forms(&model)).unwrap();
                put("conv_winograd");
            }
            _ => std::fs::remove_file(&tuning).unwrap(),
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["run", "--quiet", "--offline"])
            .env("CARGO_TARGET_DIR", folder.join("target"))
            .env_remove("RUSTFLAGS")
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        seen.push(String::from_utf8(output.stdout).unwrap());
        let sums: Vec<&str> = seen.last().unwrap().split_whitespace().collect();
        assert_eq!(sums[0], sums[1], "both doors read the same file");
    }
    assert_ne!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
    assert_eq!(seen[1], seen[3]);
    assert_ne!(seen[3], seen[4], "both doors obey the tuning file");
    assert_eq!(seen[3], seen[5], "both doors notice that it is gone");
}

fn kiln(arguments: &[&str]) -> ExitCode {
    cargo_kiln::main([&["kiln"], arguments].concat())
}

fn model_of(case: &str) -> PathBuf {
    kiln_tests::case::folder().join(case).join("model.onnx")
}

fn text_of(path: &Path) -> String {
    path.display().to_string()
}

fn options_of(case: &str, isa: &str) -> Options {
    let mut options = Options::default();
    options.set("isa", isa).unwrap();
    options.set("kernels", "crate::kernels").unwrap();
    Case::read(case).options.iter().for_each(|(key, value)| options.set(key, value).unwrap());
    options
}

fn library(model: &Path, options: &Options) -> Compiled {
    let file = ModelFile::read(model).unwrap();
    file.with_source(|source| compile(source, options)).unwrap_or_else(|e| panic!("{}: {e}", model.display()))
}

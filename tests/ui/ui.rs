//! Misuse of `include_model!` is told where it stands and with what would be right.
//!
//! `TRYBUILD=overwrite cargo test -p kiln-ui-tests` writes the expected texts anew.

use std::path::Path;

#[test]
fn misuse_is_explained() {
    // Paths in the macro start at the package's root, which for these files is the one that trybuild makes.
    let package =
        Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("tests").join("trybuild").join(env!("CARGO_PKG_NAME"));
    std::fs::create_dir_all(&package).unwrap();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (name, model) in [
        ("perceptron.onnx", "cases/mlp/model.onnx"),
        ("free.onnx", "cases/free_batch/model.onnx"),
        ("unsupported.onnx", "refusals/operator_unsupported.onnx"),
    ] {
        std::fs::write(package.join(name), std::fs::read(tests.join(model)).unwrap()).unwrap();
    }
    let cases = trybuild::TestCases::new();
    cases.compile_fail("misuse/*.rs");
}

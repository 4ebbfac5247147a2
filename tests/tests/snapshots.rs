//! What a few tiny models become: the graph after all passes, the report, and the model's code without its kernels.
//!
//! `cargo insta review` shows and accepts what changed.

use kiln_codegen::cargo::ModelFile;
use kiln_codegen::{Compiled, Options, WeightSource, compile};
use kiln_tests::case::Case;

/// One model a kind of code: contraction with epilogue, fused elementwise, several outputs, free sizes, recurrence.
const MODELS: [&str; 6] = [
    "conv_batch_norm_relu_residual",
    "elementwise_chain",
    "concat_split",
    "free_batch",
    "lstm",
    "attention_from_primitives",
];

fn compiled(case: &str) -> Compiled {
    let case = Case::read(case);
    let mut options = Options::default();
    // Kernels elsewhere, so that an edit of a kernel is no edit of these snapshots.
    options.set("kernels", "crate::kernels").unwrap();
    case.options.iter().for_each(|(key, value)| options.set(key, value).unwrap());
    let file = ModelFile::read(&case.model()).unwrap();
    file.with_source(|source| compile(source, &options)).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn graphs() {
    for name in MODELS {
        insta::assert_snapshot!(format!("graph_{name}"), compiled(name).graph_text());
    }
}

#[test]
fn reports() {
    for name in MODELS {
        let report = compiled(name).report();
        insta::assert_snapshot!(format!("report_{name}"), format!("{}\n{}\n", report.text(), report.json()));
    }
}

#[test]
fn sources() {
    for name in MODELS {
        let text = compiled(name).emit(&WeightSource::File("model.weights".into())).unwrap();
        insta::assert_snapshot!(format!("source_{name}"), text);
    }
}

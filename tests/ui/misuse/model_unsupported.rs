//! A model with operators that kiln does not have.

kiln::include_model!("unsupported.onnx");

fn main() {}

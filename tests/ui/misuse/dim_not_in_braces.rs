//! Sizes without braces.

kiln::include_model!("free.onnx", dims = 4);

fn main() {}

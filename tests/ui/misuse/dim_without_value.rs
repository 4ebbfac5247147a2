//! A size without its value.

kiln::include_model!("free.onnx", dims = { batch = });

fn main() {}

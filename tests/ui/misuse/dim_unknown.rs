//! A size that the model does not have.

kiln::include_model!("free.onnx", dims = { btach = 2 });

fn main() {}

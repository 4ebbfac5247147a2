//! An option without its value.

kiln::include_model!("perceptron.onnx", name = , isa = scalar);

fn main() {}

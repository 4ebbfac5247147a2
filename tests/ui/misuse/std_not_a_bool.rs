//! A value that is no truth.

kiln::include_model!("perceptron.onnx", std = maybe);

fn main() {}

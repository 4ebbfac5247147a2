//! An option without its equals sign.

kiln::include_model!("perceptron.onnx", name Net);

fn main() {}

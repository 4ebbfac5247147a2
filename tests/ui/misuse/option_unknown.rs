//! An option that does not exist.

kiln::include_model!("perceptron.onnx", nmae = Net);

fn main() {}

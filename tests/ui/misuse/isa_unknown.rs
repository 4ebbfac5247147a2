//! An instruction set that does not exist.

kiln::include_model!("perceptron.onnx", isa = [scalar, mmx]);

fn main() {}

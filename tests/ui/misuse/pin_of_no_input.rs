//! A pin of an input that the model does not have.

kiln::include_model!("perceptron.onnx", pins = { rate = 16000 });

fn main() {}

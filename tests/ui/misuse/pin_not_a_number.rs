//! A pin to something else than numbers.

kiln::include_model!("perceptron.onnx", pins = { x = fast });

fn main() {}

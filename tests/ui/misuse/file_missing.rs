//! A path where there is no file.

kiln::include_model!("no/such/model.onnx");

fn main() {}

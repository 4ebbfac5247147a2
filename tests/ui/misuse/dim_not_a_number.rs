//! A size that is no number.

kiln::include_model!("free.onnx", dims = { batch = two });

fn main() {}

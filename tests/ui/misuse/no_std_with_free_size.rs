//! Free sizes where there is no heap.

kiln::include_model!("free.onnx", std = false);

fn main() {}

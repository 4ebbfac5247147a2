//! ONNX bytes to a graph: everything that ONNX decides at build time is decided here.
//!
//! One function an operator, found through `registry`. A node that cannot be imported is recorded and its results poisoned, so
//! that one run reports every node at fault.

mod cx;
mod model;
mod onnx;
mod registry;
mod tensor;

mod array;
mod attention;
mod control;
mod conv;
mod einsum;
mod elementwise;
mod gather;
mod matmul;
mod norm;
mod pool;
mod recurrent;
mod reduce;
mod resize;

pub use model::{DimChoice, Imported, Source, Summary, import, summary};
pub use tensor::tensor_from_proto;

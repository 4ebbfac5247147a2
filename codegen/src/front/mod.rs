//! ONNX bytes to a graph: everything that ONNX decides at build time is decided here.
//!
//! One function an operator, found through `registry`. A node that cannot be imported is recorded and its results poisoned, so
//! that one run reports every node at fault.

mod cx;
mod model;
mod onnx;
mod registry;
mod summary;
mod tensor;

#[cfg(test)]
mod build;

mod array;
mod attention;
mod blocks;
mod classic;
mod contrib;
mod control;
mod conv;
mod deform;
mod detached;
mod einsum;
mod elementwise;
mod gather;
mod loss;
mod matmul;
mod ngrams;
mod norm;
mod place;
mod pool;
mod ports;
mod quantize;
mod quantize_contrib;
mod random;
mod recurrent;
mod reduce;
mod regex;
mod resize;
mod sample;
mod select;
mod signal;
mod text;
mod training;
mod trees;

pub use model::{DimChoice, Imported, Source, import};
pub use summary::{Summary, summary};
pub use tensor::{tensor_from_proto, values_from_proto};

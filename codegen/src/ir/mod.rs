//! The graph a model is while kiln works on it.
//!
//! The contract:
//! - A *value* is written once: by the caller (an input), by the model file (a constant) or by one *node*.
//! - Nodes stand in an order in which every value is written before it is read.
//! - A value's type is what its node's rule infers from the operand types; nothing else may state it.
//! - Convolutions and pools are channels-last; the front end puts transposes around them and passes take those away.
//! - An input or output may stand for another element type (`Graph::outer`): for a narrow one it holds the bits, and inside only what
//!   was decoded is computed with; strings are numbers everywhere (`Graph::texts`).
//! - Every node is pure. There is no control flow left in a graph: branches were chosen and loops unrolled in front.
//! - Ids index plain vectors. A pass rebuilds the graph rather than editing it, so order and ids stay dense.

mod dim;
mod graph;
mod narrow;
mod outer;
mod tensor;
mod text;
mod texts;
mod types;
mod verify;

pub use dim::{Atom, Dim, MAX_SIZE};
pub use graph::{Bounds, Def, Graph, Node, NodeId, ValueId};
pub use narrow::{Narrow, Rounding, Toward};
pub use outer::Outer;
pub use tensor::{Tensor, indices, strides};
pub use texts::Texts;
pub use types::{DType, Shape, Type};

//! What a model file says of itself, whether kiln supports it or not.

use super::onnx::{DimensionProto, GraphProto, ModelProto, ValueInfoProto};
use super::ports::Shape;
use super::tensor;
use prost::Message;
use std::collections::{BTreeMap, HashSet};

/// Subgraphs deeper than this are not looked into.
const MAX_DEPTH: usize = 48;

/// What a model file says of itself, whether kiln supports it or not.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Name, and type as the file states it.
    pub inputs: Vec<(String, String)>,
    /// Name, and type as the file states it.
    pub outputs: Vec<(String, String)>,
    /// How often each operator occurs, subgraphs included.
    pub ops: BTreeMap<String, usize>,
    /// Version of each operator domain.
    pub opsets: BTreeMap<String, i64>,
}

/// Reads what a model file says of itself.
///
/// # Errors
/// If the bytes are no ONNX model.
pub fn summary(bytes: &[u8]) -> Result<Summary, String> {
    let model = ModelProto::decode(bytes).map_err(|e| format!("not an ONNX model: {e}"))?;
    let graph = model.graph.unwrap_or_default();
    let constants: HashSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    let port = |value: &ValueInfoProto| (value.name.clone(), type_text(value));
    let inputs = graph.input.iter().filter(|v| !constants.contains(v.name.as_str())).map(port).collect();
    let outputs = graph.output.iter().map(port).collect();
    let mut ops = BTreeMap::new();
    count_ops(&graph, &mut ops, 0);
    let opsets = model.opset_import.iter().map(|o| (o.domain.clone(), o.version)).collect();
    Ok(Summary { inputs, outputs, ops, opsets })
}

fn type_text(value: &ValueInfoProto) -> String {
    match Shape::of(value.r#type.as_ref()) {
        Shape::Tensor => {}
        Shape::Sequence => return "sequence of tensors".into(),
        Shape::Optional => return "optional tensor".into(),
        Shape::OptionalSequence => return "optional sequence of tensors".into(),
    }
    let Some(tensor) = value.r#type.as_ref().and_then(|t| t.tensor_type.as_ref()) else { return "not a tensor".into() };
    let dtype =
        tensor::element(tensor.elem_type).map_or_else(|_| format!("type {}", tensor.elem_type), |d| d.to_string());
    let Some(shape) = &tensor.shape else { return format!("{dtype}, of unknown shape") };
    let size = |(axis, dim): (usize, &DimensionProto)| match (dim.dim_value, &dim.dim_param) {
        (Some(value), _) if value >= 0 => value.to_string(),
        (_, Some(symbol)) if !symbol.is_empty() && symbol != "?" => symbol.clone(),
        _ => format!("{}:{axis}", value.name),
    };
    format!("{dtype} [{}]", shape.dim.iter().enumerate().map(size).collect::<Vec<_>>().join(", "))
}

/// Adds how often each operator occurs in a graph and its subgraphs.
pub fn count_ops(graph: &GraphProto, ops: &mut BTreeMap<String, usize>, depth: usize) {
    for node in &graph.node {
        *ops.entry(node.op_type.clone()).or_insert(0) += 1;
        if depth < MAX_DEPTH {
            node.attribute.iter().filter_map(|a| a.g.as_ref()).for_each(|g| count_ops(g, ops, depth + 1));
        }
    }
}

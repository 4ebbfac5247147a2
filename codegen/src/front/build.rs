//! Tiny models for tests, imported as their bytes would be.

use super::model::{Imported, Source, import};
use super::onnx::*;
use crate::diag::Diagnostics;
use crate::ir::{DType, Tensor};
use crate::options::Options;
use prost::Message;

/// A node of the default domain.
pub fn node(op: &str, inputs: &[&str], outputs: &[&str], attribute: Vec<AttributeProto>) -> NodeProto {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    NodeProto { op_type: op.into(), input: names(inputs), output: names(outputs), attribute, ..NodeProto::default() }
}

/// An attribute of an integer.
pub fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.into(), i, r#type: 2, ..AttributeProto::default() }
}

/// An attribute of a subgraph.
pub fn subgraph(name: &str, g: GraphProto) -> AttributeProto {
    AttributeProto { name: name.into(), g: Some(g), r#type: 5, ..AttributeProto::default() }
}

/// A constant.
pub fn constant(name: &str, tensor: &Tensor) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: tensor.shape().iter().map(|&d| d as i64).collect(),
        data_type: number(tensor.dtype()),
        raw_data: Some(tensor.bytes().to_vec().into()),
        ..TensorProto::default()
    }
}

fn number(dtype: DType) -> i32 {
    (1..14).find(|&n| super::tensor::element(n) == Ok(dtype.into())).unwrap_or(0)
}

/// An input or output.
pub fn port(name: &str, dtype: DType, shape: &[i64]) -> ValueInfoProto {
    let dim = |&d: &i64| DimensionProto { dim_value: Some(d), dim_param: None };
    let shape = Some(TensorShapeProto { dim: shape.iter().map(dim).collect() });
    let tensor_type = Some(TensorTypeProto { elem_type: number(dtype), shape });
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type, ..TypeProto::default() }) }
}

/// A graph of nodes and constants whose inputs and outputs have no type.
pub fn graph(inputs: &[&str], outputs: &[&str], initializer: Vec<TensorProto>, node: Vec<NodeProto>) -> GraphProto {
    let ports = |names: &[&str]| names.iter().map(|n| ValueInfoProto { name: n.to_string(), r#type: None }).collect();
    GraphProto { node, initializer, input: ports(inputs), output: ports(outputs), ..GraphProto::default() }
}

/// A model of opset 21.
pub fn model(graph: GraphProto, functions: Vec<FunctionProto>) -> ModelProto {
    let opset = |domain: &str, version| OperatorSetIdProto { domain: domain.into(), version };
    let opset_import = vec![opset("", 21), opset("com.microsoft", 1), opset("mine", 1)];
    ModelProto { ir_version: 10, graph: Some(graph), opset_import, functions }
}

/// A function of domain `mine`.
pub fn function(name: &str, inputs: &[&str], outputs: &[&str], node: Vec<NodeProto>) -> FunctionProto {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let opset_import = vec![OperatorSetIdProto { domain: String::new(), version: 21 }];
    let (input, output) = (names(inputs), names(outputs));
    FunctionProto {
        name: name.into(),
        domain: "mine".into(),
        input,
        output,
        node,
        opset_import,
        ..FunctionProto::default()
    }
}

/// A call of a function of domain `mine`.
pub fn call(name: &str, inputs: &[&str], outputs: &[&str], attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto { domain: "mine".into(), ..node(name, inputs, outputs, attribute) }
}

/// The model's graph, or why not.
pub fn imported(model: &ModelProto) -> Result<Imported, Diagnostics> {
    let bytes = model.encode_to_vec();
    let external = |_: &str, _: u64, _: Option<u64>| Err("there is no such file".into());
    let source = Source { bytes: &bytes, name: "m.onnx", external: &external, tuning: &|| Ok(None) };
    import(&source, "m", &Options::default())
}

/// The constants a model's outputs are once its own are folded.
pub fn folded(initializer: Vec<TensorProto>, outputs: &[&str], nodes: Vec<NodeProto>) -> Result<Vec<Tensor>, String> {
    let imported = imported(&model(graph(&[], outputs, initializer, nodes), Vec::new())).map_err(|e| e.to_string())?;
    let graph = imported.graph;
    let tensor = |id| graph.tensor(id).cloned().ok_or_else(|| format!("not folded:\n{graph}"));
    graph.outputs.iter().map(|(_, id)| tensor(*id)).collect()
}

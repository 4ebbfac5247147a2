//! Runs a graph by each op's reference meaning: the oracle that generated code is judged by. It never calls a kernel.

use crate::ir::{Atom, Def, Dim, Graph, Tensor, ValueId};
use crate::ops::Rules;
use std::collections::BTreeMap;

/// The outputs of `graph` by name for inputs by name. Sizes the caller chooses are taken from the inputs.
pub fn eval(graph: &Graph, inputs: &BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Tensor>, String> {
    let mut values: Vec<Option<Tensor>> = vec![None; graph.values().len()];
    for &id in &graph.inputs {
        let name = &graph.value(id).name;
        let tensor = inputs.get(name).ok_or_else(|| format!("input {name:?} is missing"))?;
        values[id.0 as usize] = Some(tensor.clone());
    }
    let values = run(graph, values)?;
    let output = |(name, id): &(String, ValueId)| {
        let value = values[id.0 as usize].clone().ok_or_else(|| format!("output {name:?} is never written"))?;
        Ok((name.clone(), value))
    };
    graph.outputs.iter().map(output).collect()
}

/// The outputs in order of a graph inside another, for inputs in order.
pub fn eval_inner(graph: &Graph, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
    let mut values: Vec<Option<Tensor>> = vec![None; graph.values().len()];
    for (id, &tensor) in graph.inputs.iter().zip(inputs) {
        values[id.0 as usize] = Some(tensor.clone());
    }
    let values = run(graph, values)?;
    let output = |(name, id): &(String, ValueId)| {
        values[id.0 as usize].clone().ok_or_else(|| format!("output {name:?} is never written"))
    };
    graph.outputs.iter().map(output).collect()
}

/// Every value, given the inputs'.
fn run(graph: &Graph, mut values: Vec<Option<Tensor>>) -> Result<Vec<Option<Tensor>>, String> {
    let mut sizes = bind(graph, &values)?;
    for (i, value) in graph.values().iter().enumerate() {
        if let Def::Const(tensor) = &value.def {
            values[i] = Some(tensor.clone());
        }
    }
    for node in graph.nodes() {
        let mut op = node.op.clone();
        for dim in op.dims_mut() {
            *dim = dim.substitute(&|name| sizes.get(name).map(|&size| Dim::from(size)));
        }
        let fail = |message: String| format!("node {:?} ({}): {message}", node.name, op.name());
        let operand = |id: &crate::ir::ValueId| {
            values[id.0 as usize].as_ref().ok_or_else(|| fail(format!("reads {id} too soon")))
        };
        let operands = node.inputs.iter().map(operand).collect::<Result<Vec<&Tensor>, _>>()?;
        let results = op.eval(&operands).map_err(fail)?;
        if let Some(count) = op.count() {
            let wanted = Dim::symbol(count);
            let shapes = node.outputs.iter().map(|&id| &graph.ty(id).shape).zip(&results);
            let mut found = shapes.flat_map(|(dims, result)| dims.iter().zip(result.shape()));
            if let Some((_, &size)) = found.find(|(dim, _)| **dim == wanted) {
                sizes.insert(count.to_string(), size as i64);
            }
        }
        for (id, result) in node.outputs.iter().zip(results) {
            values[id.0 as usize] = Some(result);
        }
    }
    Ok(values)
}

/// The value each symbol has for these inputs, which must all agree.
fn bind(graph: &Graph, values: &[Option<Tensor>]) -> Result<BTreeMap<String, i64>, String> {
    let mut sizes = BTreeMap::new();
    let given = || graph.inputs.iter().filter_map(|&id| Some((graph.value(id), values[id.0 as usize].as_ref()?)));
    for (value, tensor) in given() {
        if value.ty.dtype != tensor.dtype() || value.ty.rank() != tensor.shape().len() {
            return Err(format!("input {:?} is {}, not {}", value.name, tensor.ty(), value.ty));
        }
        for (dim, &size) in value.ty.shape.iter().zip(tensor.shape()) {
            if let Some(symbol) = symbol(dim) {
                sizes.entry(symbol.to_string()).or_insert(size as i64);
            }
        }
    }
    for (value, tensor) in given() {
        for (dim, &size) in value.ty.shape.iter().zip(tensor.shape()) {
            if dim.eval(&|name| sizes.get(name).copied()) != Some(size as i64) {
                return Err(format!("input {:?} is {}, which does not fit {}", value.name, tensor.ty(), value.ty));
            }
        }
    }
    Ok(sizes)
}

/// The symbol a size is, if it is nothing else.
fn symbol(dim: &Dim) -> Option<&str> {
    let mut terms = dim.terms();
    match (terms.next()?, terms.next()) {
        (([Atom::Symbol(name)], 1), None) => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Bounds, DType, Type};
    use crate::ops::concat::Concat;
    use crate::ops::expand::Expand;

    #[test]
    fn symbols_take_their_values_from_the_inputs() {
        let mut graph = Graph::new("g", Bounds::new());
        let n = Dim::symbol("n");
        let x = graph.add_input("x", Type { dtype: DType::F32, shape: vec![n.clone()] });
        let twice = graph.add_node1("twice", Concat { axis: 0 }, &[x, x]).unwrap();
        let shape = vec![Dim::from(2i64), n * Dim::from(2i64)];
        let y = graph.add_node1("y", Expand { shape }, &[twice]).unwrap();
        graph.outputs.push(("y".to_string(), y));
        let x = Tensor::from_f64s(DType::F32, vec![2], &[1.0, 2.0]);
        let out = eval(&graph, &BTreeMap::from([("x".to_string(), x)])).unwrap();
        assert_eq!(out["y"].shape(), [2, 4]);
        assert_eq!(out["y"].to_f64s(), [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0]);
    }
}

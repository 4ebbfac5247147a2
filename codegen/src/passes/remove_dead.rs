//! Leaves out nodes and constants that no output needs.

use super::rewrite::Rewriter;
use crate::ir::Graph;

/// The graph without what is not needed.
pub fn remove_dead(graph: &Graph) -> Result<Graph, String> {
    let mut needed = vec![false; graph.values().len()];
    graph.outputs.iter().for_each(|(_, id)| needed[id.0 as usize] = true);
    for node in graph.nodes().iter().rev() {
        if node.outputs.iter().any(|id| needed[id.0 as usize]) {
            node.inputs.iter().for_each(|id| needed[id.0 as usize] = true);
        }
    }
    let mut rewriter = Rewriter::new(graph);
    for node in graph.nodes() {
        if node.outputs.iter().any(|id| needed[id.0 as usize]) {
            rewriter.copy(node)?;
        }
    }
    rewriter.finish()
}

//! The text form of a graph: one line a value, for people, snapshots and bug reports.

use super::{Def, Graph, ValueId};
use std::fmt;

impl fmt::Display for ValueId {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "graph {:?}", self.name)?;
        for (symbol, bound) in &self.bounds {
            writeln!(f, "  {symbol} <= {bound}")?;
        }
        for (i, value) in self.values().iter().enumerate() {
            let id = ValueId(i as u32);
            match &value.def {
                Def::Input => writeln!(f, "  {id}: {} = input {:?}", value.ty, value.name)?,
                Def::Const(tensor) => writeln!(f, "  {id} = const {tensor:?} {:?}", value.name)?,
                Def::Node(..) => {}
            }
        }
        for node in self.nodes() {
            let outputs: Vec<String> = node.outputs.iter().map(|&id| format!("{id}: {}", self.ty(id))).collect();
            let inputs: Vec<String> = node.inputs.iter().map(ValueId::to_string).collect();
            writeln!(f, "  {} = {:?}({}) {:?}", outputs.join(", "), node.op, inputs.join(", "), node.name)?;
        }
        for (name, id) in &self.outputs {
            writeln!(f, "  output {name:?} = {id}")?;
        }
        Ok(())
    }
}

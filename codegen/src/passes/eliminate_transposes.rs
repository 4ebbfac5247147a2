//! Pushes transposes towards the outputs, through everything that does not care about the order of axes, until they meet their
//! inverse, a matrix product that reads its operand either way, or an op that needs the order they make.
//!
//! While the graph is rebuilt, a value may be *pending*: known only as a permutation of the axes of another, its base.

use super::rewrite::Rewriter;
use super::view::View;
use crate::ir::{Dim, Graph, Node, Shape, Tensor, ValueId, indices, strides};
use crate::ops::reshape::Reshape;
use crate::ops::transpose::Transpose;
use crate::ops::{Op, arg_reduce, concat, cum_sum, pad, reduce, resize, slice, softmax};

/// The graph with as few transposes as this pass can manage.
pub fn eliminate_transposes(graph: &Graph) -> Result<Graph, String> {
    let mut pass = Pass { rewriter: Rewriter::new(graph), pending: vec![None; graph.values().len()] };
    for node in graph.nodes() {
        if !pass.push_through(node)? {
            for &id in &node.inputs {
                pass.plain(id)?;
            }
            pass.rewriter.copy(node)?;
        }
    }
    for (_, id) in &graph.outputs {
        pass.plain(*id)?;
    }
    super::remove_dead::remove_dead(&pass.rewriter.finish()?)
}

/// Axis `i` of the value is axis `perm[i]` of its base.
type Perm = Vec<usize>;

struct Pass<'g> {
    rewriter: Rewriter<'g>,
    /// For old values: their base, a new value, and the permutation.
    pending: Vec<Option<(ValueId, Perm)>>,
}

impl Pass<'_> {
    /// The new value for `old` with its axes in order; a transpose is added where it is pending.
    fn plain(&mut self, old: ValueId) -> Result<ValueId, String> {
        if let Some((base, perm)) = self.pending[old.0 as usize].take() {
            let name = self.rewriter.old.value(old).name.clone();
            let value = self.transpose(&name, base, &perm)?;
            self.rewriter.set(old, value);
        }
        self.rewriter.get(old)
    }

    fn perm_of(&self, old: ValueId) -> Option<&Perm> {
        self.pending[old.0 as usize].as_ref().map(|(_, perm)| perm)
    }

    /// `value` with axis `i` of the result its axis `perm[i]`: nothing, another shape, other constants, or a transpose.
    fn transpose(&mut self, name: &str, value: ValueId, perm: &[usize]) -> Result<ValueId, String> {
        let new = &mut self.rewriter.new;
        if is_identity(perm) {
            return Ok(value);
        }
        if let Some(tensor) = new.tensor(value) {
            let tensor = transposed(tensor, perm);
            return Ok(new.add_const(name, tensor));
        }
        let shape = new.ty(value).shape.clone();
        let moved: Vec<usize> = perm.iter().copied().filter(|&axis| !shape[axis].is(1)).collect();
        if moved.is_sorted() {
            let shape = perm.iter().map(|&axis| shape[axis].clone()).collect();
            return new.add_node1(name, Reshape { shape }, &[value]);
        }
        new.add_node1(name, Transpose { perm: perm.to_vec() }, &[value])
    }

    /// Results of `node` computed from its operands' bases, if its kind allows.
    fn push_through(&mut self, node: &Node) -> Result<bool, String> {
        if let Op::Transpose(Transpose { perm }) = &node.op {
            let (base, inner) = match &self.pending[node.inputs[0].0 as usize] {
                Some((base, inner)) => (*base, inner.clone()),
                None => (self.rewriter.get(node.inputs[0])?, (0..perm.len()).collect()),
            };
            let perm = perm.iter().map(|&axis| inner[axis]).collect();
            self.set(node, base, perm);
            return Ok(true);
        }
        let Some(perm) = node.inputs.iter().find_map(|&id| self.perm_of(id)).cloned() else { return Ok(false) };
        if let Op::Reshape(Reshape { shape }) = &node.op {
            return self.push_through_reshape(node, &perm, shape);
        }
        if let Op::MatMul(matmul) = &node.op {
            return self.push_into_matmul(node, matmul.clone());
        }
        let rank = self.rewriter.old.ty(node.outputs[0]).rank();
        let op = match &node.op {
            Op::Map(map) if perm.len() == rank => Op::from(map.clone()),
            Op::Concat(op) => Op::from(concat::Concat { axis: perm[op.axis] }),
            Op::Softmax(op) => Op::from(softmax::Softmax { axis: perm[op.axis], ..op.clone() }),
            Op::CumSum(op) => Op::from(cum_sum::CumSum { axis: perm[op.axis], ..op.clone() }),
            Op::Slice(op) => {
                let axes = inverse(&perm).iter().map(|&axis| op.axes[axis].clone()).collect();
                Op::from(slice::Slice { axes })
            }
            Op::Pad(op) => {
                let order = inverse(&perm);
                let ordered = |sizes: &[Dim]| order.iter().map(|&axis| sizes[axis].clone()).collect();
                Op::from(pad::Pad { before: ordered(&op.before), after: ordered(&op.after), mode: op.mode })
            }
            Op::Resize(op) => {
                let axes = op.axes.iter().map(|a| resize::ResizeAxis { axis: perm[a.axis], ..a.clone() }).collect();
                Op::from(resize::Resize { axes, ..op.clone() })
            }
            Op::Reduce(op) => {
                let mut axes: Vec<usize> = op.axes.iter().map(|&axis| perm[axis]).collect();
                axes.sort_unstable();
                return self.push_through_reduction(
                    node,
                    &perm,
                    &op.axes,
                    op.keep,
                    reduce::Reduce { axes, ..op.clone() }.into(),
                );
            }
            Op::ArgReduce(op) => {
                let new = arg_reduce::ArgReduce { axis: perm[op.axis], ..op.clone() };
                return self.push_through_reduction(node, &perm, &[op.axis], op.keep, new.into());
            }
            _ => return Ok(false),
        };
        let Some(inputs) = self.bases(node, &perm)? else { return Ok(false) };
        let outputs = self.rewriter.new.add_node(&node.name, op, &inputs)?;
        self.set(node, outputs[0], perm);
        Ok(true)
    }

    fn set(&mut self, node: &Node, base: ValueId, perm: Perm) {
        let old = node.outputs[0];
        if is_identity(&perm) {
            self.rewriter.new.rename(base, &self.rewriter.old.value(old).name);
            self.rewriter.set(old, base);
        } else {
            self.pending[old.0 as usize] = Some((base, perm));
        }
    }

    /// All operands in the base's order of axes, unless more of them would have to be transposed than are spared it.
    fn bases(&mut self, node: &Node, perm: &Perm) -> Result<Option<Vec<ValueId>>, String> {
        let old = self.rewriter.old;
        let large = |id: ValueId| old.tensor(id).is_none() && !old.ty(id).len().is(1);
        let spared = node.inputs.iter().filter(|&&id| self.perm_of(id) == Some(perm)).count();
        let others = node.inputs.iter().filter(|&&id| self.perm_of(id) != Some(perm) && large(id)).count();
        if others > spared {
            return Ok(None);
        }
        let order = inverse(perm);
        let mut inputs = Vec::new();
        for &id in &node.inputs {
            if let Some((base, known)) = &self.pending[id.0 as usize]
                && known == perm
            {
                inputs.push(*base);
                continue;
            }
            let mut value = self.plain(id)?;
            let name = &old.value(id).name;
            let shape = self.rewriter.new.ty(value).shape.clone();
            if shape.len() < perm.len() {
                let mut full = vec![Dim::from(1); perm.len() - shape.len()];
                full.extend(shape);
                value = match self.rewriter.new.tensor(value) {
                    Some(tensor) => {
                        let mut full = vec![1; perm.len() - tensor.shape().len()];
                        full.extend(tensor.shape());
                        let tensor = tensor.reshaped(full);
                        self.rewriter.new.add_const(name, tensor)
                    }
                    None => self.rewriter.new.add_node1(name, Reshape { shape: full }, &[value])?,
                };
            }
            inputs.push(self.transpose(name, value, &order)?);
        }
        Ok(Some(inputs))
    }

    fn push_through_reduction(
        &mut self,
        node: &Node,
        perm: &Perm,
        axes: &[usize],
        keep: bool,
        op: Op,
    ) -> Result<bool, String> {
        let Some(inputs) = self.bases(node, perm)? else { return Ok(false) };
        let outputs = self.rewriter.new.add_node(&node.name, op, &inputs)?;
        let perm = if keep {
            perm.clone()
        } else {
            let left: Vec<usize> = (0..perm.len()).filter(|axis| !axes.contains(axis)).map(|axis| perm[axis]).collect();
            left.iter().map(|axis| left.iter().filter(|other| *other < axis).count()).collect()
        };
        self.set(node, outputs[0], perm);
        Ok(true)
    }

    /// Axes may be split, and joined where the inner one follows the outer one in the base: each is then reshaped where it lies.
    fn push_through_reshape(&mut self, node: &Node, perm: &Perm, shape: &Shape) -> Result<bool, String> {
        let Some((base, _)) = self.pending[node.inputs[0].0 as usize] else { return Ok(false) };
        let view = View::dense(&self.rewriter.new, base).permuted(perm).reshaped(shape);
        let Some(order) = view.as_ref().and_then(outer_to_inner) else { return Ok(false) };
        let base_shape: Shape = order.iter().map(|&axis| shape[axis].clone()).collect();
        let outputs = self.rewriter.new.add_node(&node.name, Reshape { shape: base_shape }, &[base])?;
        self.set(node, outputs[0], inverse(&order));
        Ok(true)
    }

    /// A product reads either operand with its last two axes swapped at no cost.
    fn push_into_matmul(&mut self, node: &Node, mut matmul: crate::ops::matmul::MatMul) -> Result<bool, String> {
        let mut inputs = Vec::new();
        let mut taken = false;
        for (i, &id) in node.inputs.iter().enumerate() {
            let swapped = self.perm_of(id).is_some_and(|perm| i < 2 && is_swap_of_last_two(perm));
            if swapped && let Some((base, _)) = self.pending[id.0 as usize] {
                inputs.push(base);
                let flag = if i == 0 { &mut matmul.trans_a } else { &mut matmul.trans_b };
                *flag = !*flag;
                taken = true;
            } else {
                inputs.push(self.plain(id)?);
            }
        }
        if taken {
            self.rewriter.replace(node, matmul, &inputs)?;
        }
        Ok(taken)
    }
}

/// The axes of a view of whole memory in the order in which they lie there; those of size one stand first.
fn outer_to_inner(view: &View) -> Option<Perm> {
    let (mut order, mut long): (Vec<usize>, Vec<usize>) =
        (0..view.axes.len()).partition(|&axis| view.axes[axis].0.is(1));
    let units = order.len();
    let mut run = Dim::from(1);
    while !long.is_empty() {
        let next = long.iter().position(|&axis| view.axes[axis].1 == run)?;
        let axis = long.remove(next);
        run = run * view.axes[axis].0.clone();
        order.insert(units, axis);
    }
    Some(order)
}

fn is_identity(perm: &[usize]) -> bool {
    perm.iter().enumerate().all(|(i, &axis)| i == axis)
}

fn is_swap_of_last_two(perm: &[usize]) -> bool {
    let n = perm.len();
    n >= 2 && is_identity(&perm[..n - 2]) && perm[n - 2] == n - 1
}

fn inverse(perm: &[usize]) -> Perm {
    let mut result = vec![0; perm.len()];
    perm.iter().enumerate().for_each(|(i, &axis)| result[axis] = i);
    result
}

fn transposed(tensor: &Tensor, perm: &[usize]) -> Tensor {
    let shape: Vec<usize> = perm.iter().map(|&axis| tensor.shape()[axis]).collect();
    let old = strides(tensor.shape());
    let picks: Vec<usize> =
        indices(&shape).map(|index| index.iter().zip(perm).map(|(i, &axis)| i * old[axis]).sum()).collect();
    tensor.picked(shape, picks.into_iter())
}

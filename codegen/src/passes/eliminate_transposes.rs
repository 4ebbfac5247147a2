//! Pushes transposes towards the outputs, through everything that does not care about the order of axes, until they meet their
//! inverse, a matrix product that reads its operand either way, or an op that needs the order they make.
//!
//! While the graph is rebuilt, a value may be *pending*: known only by how its axes lie in another, its base. An axis of it may
//! be several of the base's that do not lie together, as after a shuffle of channels or a cut into windows: what comes next
//! may part them again.

use super::order::Order;
use super::rewrite::Rewriter;
use crate::ir::{Dim, Graph, Node, Shape, Tensor, ValueId, indices, strides};
use crate::ops::reshape::Reshape;
use crate::ops::transpose::Transpose;
use crate::ops::{Op, arg_reduce, concat, cum_sum, pad, reduce, resize, slice, softmax};

/// The graph with as few transposes as this pass can manage.
pub fn eliminate_transposes(graph: &Graph) -> Result<Graph, String> {
    let mut pass = Pass {
        rewriter: Rewriter::new(graph),
        pending: vec![None; graph.values().len()],
        uses: graph.use_counts(),
        given: given(graph),
    };
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

struct Pass<'g> {
    rewriter: Rewriter<'g>,
    /// For old values: their base, a new value, and how they lie in it.
    pending: Vec<Option<(ValueId, Order)>>,
    /// How often old values are read.
    uses: Vec<usize>,
    /// Which old values are the graph's outputs, but for maps.
    given: Vec<bool>,
}

/// Values that are the graph's outputs, or become one by maps of them and constants alone.
fn given(graph: &Graph) -> Vec<bool> {
    let (uses, mut given) = (graph.use_counts(), vec![false; graph.values().len()]);
    graph.outputs.iter().for_each(|(_, id)| given[id.0 as usize] = true);
    for node in graph.nodes().iter().rev() {
        let mut operands = node.inputs.iter().filter(|&&id| graph.tensor(id).is_none());
        if let (Op::Map(_), Some(id), None) = (&node.op, operands.next(), operands.next())
            && given[node.outputs[0].0 as usize]
            && uses[id.0 as usize] == 1
        {
            given[id.0 as usize] = true;
        }
    }
    given
}

/// Whether a resize gives twice as many elements as it reads, or more.
fn enlarges(graph: &Graph, node: &Node, op: &resize::Resize) -> bool {
    let x = &graph.ty(node.inputs[0]).shape;
    let factor = |axis: &resize::ResizeAxis| match (axis.size.as_usize(), x[axis.axis].as_usize()) {
        (Some(after), Some(before)) => Some(after as f32 / before.max(1) as f32),
        _ => axis.scale,
    };
    op.axes.iter().map(factor).product::<Option<f32>>().is_some_and(|factor| factor >= 2.0)
}

impl Pass<'_> {
    /// The new value for `old` with its axes in order; a transpose is added where it is pending.
    fn plain(&mut self, old: ValueId) -> Result<ValueId, String> {
        if let Some((base, order)) = self.pending[old.0 as usize].take() {
            let old_value = self.rewriter.old.value(old);
            let value = self.transpose(&old_value.name, base, &order.perm())?;
            let value = self.reshape(&old_value.name, value, &old_value.ty.shape)?;
            self.rewriter.set(old, value);
        }
        self.rewriter.get(old)
    }

    /// The base of a value that lies in it as another does in a base of `sizes`.
    fn base_in(&self, old: ValueId, order: &Order, sizes: &[Dim]) -> Option<ValueId> {
        let (base, known) = self.pending[old.0 as usize].as_ref()?;
        (known == order && order.fits(sizes, &self.rewriter.new.ty(*base).shape)).then_some(*base)
    }

    /// `value` under another shape: nothing, other constants, or a node.
    fn reshape(&mut self, name: &str, value: ValueId, shape: &[Dim]) -> Result<ValueId, String> {
        let new = &mut self.rewriter.new;
        if new.ty(value).shape == shape {
            return Ok(value);
        }
        let known: Option<Vec<usize>> = shape.iter().map(Dim::as_usize).collect();
        if let (Some(tensor), Some(known)) = (new.tensor(value), known) {
            let tensor = tensor.reshaped(known);
            return Ok(new.add_const(name, tensor));
        }
        new.add_node1(name, Reshape { shape: shape.to_vec() }, &[value])
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
                None => (self.rewriter.get(node.inputs[0])?, Order::identity(perm.len())),
            };
            self.set(node.outputs[0], base, inner.permuted(perm));
            return Ok(true);
        }
        if let Op::MatMul(matmul) = &node.op {
            return self.push_into_matmul(node, matmul.clone());
        }
        let pending = |id: &ValueId| self.pending[id.0 as usize].clone().map(|(base, order)| (*id, base, order));
        let Some((input, base, order)) = node.inputs.iter().find_map(pending) else { return Ok(false) };
        // An output is in order in the end, and there is less to put in order before it is enlarged, unless something else wants
        // that as it is.
        if let Op::Resize(op) = &node.op
            && self.given[node.outputs[0].0 as usize]
            && self.uses[input.0 as usize] == 1
            && enlarges(self.rewriter.old, node, op)
        {
            return Ok(false);
        }
        let sizes = self.rewriter.new.ty(base).shape.clone();
        if let Op::Reshape(Reshape { shape }) = &node.op {
            let Some((base_shape, order)) = order.reshaped(&sizes, shape) else { return Ok(false) };
            // What is read more than once is perhaps written in order anyway, and then is this value as well.
            if order.whole().is_none() && self.uses[input.0 as usize] > 1 {
                return Ok(false);
            }
            let base = self.reshape(&node.name, base, &base_shape)?;
            self.set(node.outputs[0], base, order);
            return Ok(true);
        }
        let rank = self.rewriter.old.ty(node.outputs[0]).rank();
        let inputs = match in_base(&node.op, &order, &sizes, rank) {
            Some(op) => self.bases(node, &order, &sizes)?.map(|inputs| (op, inputs)),
            None => None,
        };
        let Some((op, inputs)) = inputs else {
            // With axes that are one axis each, it may do.
            let identity = Order::identity(order.rank());
            let may = in_base(&node.op, &identity, &self.rewriter.old.ty(input).shape, rank).is_some();
            return Ok(may && self.settle(node)? && self.push_through(node)?);
        };
        let outputs = self.rewriter.new.add_node(&node.name, op, &inputs)?;
        let order = match &node.op {
            Op::Reduce(op) if !op.keep => order.without(&op.axes),
            Op::ArgReduce(op) if !op.keep => order.without(&[op.axis]),
            _ => order,
        };
        self.set(node.outputs[0], outputs[0], order);
        Ok(true)
    }

    /// Puts together what is one axis of an operand and lies apart in its base; whether there was any.
    fn settle(&mut self, node: &Node) -> Result<bool, String> {
        let mut any = false;
        for &id in &node.inputs {
            let Some((base, order)) = self.pending[id.0 as usize].clone() else { continue };
            if order.whole().is_some() {
                continue;
            }
            let (perm, order) = order.settled();
            let name = self.rewriter.old.value(id).name.clone();
            let base = self.transpose(&name, base, &perm)?;
            let shape = self.rewriter.old.ty(id).shape.clone();
            let sizes = self.rewriter.new.ty(base).shape.clone();
            let (base_shape, order) = order.reshaped(&sizes, &shape).ok_or("pieces side by side are not one axis")?;
            let base = self.reshape(&name, base, &base_shape)?;
            self.set(id, base, order);
            any = true;
        }
        Ok(any)
    }

    /// Says how an old value lies in a new one.
    fn set(&mut self, old: ValueId, base: ValueId, order: Order) {
        self.pending[old.0 as usize] = None;
        if order == Order::identity(order.rank()) {
            self.rewriter.new.rename(base, &self.rewriter.old.value(old).name);
            self.rewriter.set(old, base);
        } else {
            self.pending[old.0 as usize] = Some((base, order));
        }
    }

    /// All operands in the base's order of axes, unless more of them would have to be transposed than are spared it; as many
    /// do not pay where axes are in pieces, since what comes next seldom wants them so.
    fn bases(&mut self, node: &Node, order: &Order, sizes: &[Dim]) -> Result<Option<Vec<ValueId>>, String> {
        let old = self.rewriter.old;
        let large = |id: ValueId| old.tensor(id).is_none() && !old.ty(id).len().is(1);
        let bases: Vec<Option<ValueId>> = node.inputs.iter().map(|&id| self.base_in(id, order, sizes)).collect();
        let spared = bases.iter().flatten().count();
        let others = node.inputs.iter().zip(&bases).filter(|(id, base)| base.is_none() && large(**id)).count();
        let cuts: Option<Vec<Shape>> = node.inputs.iter().map(|&id| order.cut(sizes, &old.ty(id).shape)).collect();
        let most = if order.whole().is_some() { spared } else { spared - 1 };
        let Some(cuts) = cuts.filter(|_| others <= most) else { return Ok(None) };
        let inverse = inverse(&order.perm());
        let mut inputs = Vec::new();
        for ((&id, base), cut) in node.inputs.iter().zip(bases).zip(&cuts) {
            inputs.push(match base {
                Some(base) => base,
                None => {
                    let (value, name) = (self.plain(id)?, &old.value(id).name);
                    let value = self.reshape(name, value, cut)?;
                    self.transpose(name, value, &inverse)?
                }
            });
        }
        Ok(Some(inputs))
    }

    /// A product reads either operand with its last two axes swapped at no cost.
    fn push_into_matmul(&mut self, node: &Node, mut matmul: crate::ops::matmul::MatMul) -> Result<bool, String> {
        let mut inputs = Vec::new();
        let mut taken = false;
        for (i, &id) in node.inputs.iter().enumerate() {
            let perm = self.pending[id.0 as usize].as_ref().and_then(|(_, order)| order.whole());
            let swapped = i < 2 && perm.is_some_and(|perm| is_swap_of_last_two(&perm));
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

/// What an op that does not care about the order of axes does to a base of `sizes`, where its operand has `order`.
fn in_base(op: &Op, order: &Order, sizes: &[Dim], rank: usize) -> Option<Op> {
    Some(match op {
        Op::Map(map) if order.rank() == rank => map.clone().into(),
        Op::Concat(op) => concat::Concat { axis: order.single(op.axis)? }.into(),
        Op::Softmax(op) => softmax::Softmax { axis: order.single(op.axis)?, ..op.clone() }.into(),
        Op::CumSum(op) => cum_sum::CumSum { axis: order.single(op.axis)?, ..op.clone() }.into(),
        Op::Slice(op) => slice::Slice { axes: order.sliced(sizes, &op.axes)? }.into(),
        Op::Pad(op) => {
            let (mut before, mut after) = (vec![Dim::from(0); sizes.len()], vec![Dim::from(0); sizes.len()]);
            for (axis, pads) in op.before.iter().zip(&op.after).enumerate() {
                if pads.0.is(0) && pads.1.is(0) {
                    continue;
                }
                let axis = order.single(axis)?;
                (before[axis], after[axis]) = (pads.0.clone(), pads.1.clone());
            }
            pad::Pad { before, after, mode: op.mode }.into()
        }
        Op::Resize(op) => {
            let in_base =
                |a: &resize::ResizeAxis| Some(resize::ResizeAxis { axis: order.single(a.axis)?, ..a.clone() });
            resize::Resize { axes: op.axes.iter().map(in_base).collect::<Option<_>>()?, ..op.clone() }.into()
        }
        Op::Reduce(op) => reduce::Reduce { axes: order.all(&op.axes), ..op.clone() }.into(),
        Op::ArgReduce(op) => arg_reduce::ArgReduce { axis: order.single(op.axis)?, ..op.clone() }.into(),
        _ => return None,
    })
}

fn is_identity(perm: &[usize]) -> bool {
    perm.iter().enumerate().all(|(i, &axis)| i == axis)
}

fn is_swap_of_last_two(perm: &[usize]) -> bool {
    let n = perm.len();
    n >= 2 && is_identity(&perm[..n - 2]) && perm[n - 2] == n - 1
}

fn inverse(perm: &[usize]) -> Vec<usize> {
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

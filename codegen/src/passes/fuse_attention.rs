//! Makes a product, a softmax and another product one attention, which reads its operands where projections wrote them and
//! writes its result in the order that the next one reads.

use super::rewrite::Rewriter;
use super::view::{View, linear, views};
use crate::ir::{DType, Dim, Graph, Node, Shape, ValueId};
use crate::ops::Op;
use crate::ops::attention::{Attention, Lay};
use crate::ops::map::{Binary, Inst, Map, Unary};
use crate::ops::reshape::Reshape;

/// Masks that an attention adds at most.
const MAX_MASKS: usize = 2;

/// The graph with attention in one piece wherever its parts are read by nothing else.
pub fn fuse_attention(graph: &Graph) -> Result<Graph, String> {
    let is_product = |node: &Node| matches!(node.op, Op::MatMul(_));
    if !graph.nodes().iter().any(|node| matches!(node.op, Op::Softmax(_))) || !graph.nodes().iter().any(is_product) {
        return Ok(graph.clone());
    }
    let finder = Finder::new(graph);
    let mut ends = vec![None; graph.nodes().len()];
    for (at, node) in graph.nodes().iter().enumerate().filter(|(_, node)| is_product(node)) {
        if let Some((end, found)) = finder.find(at, node) {
            ends[end] = Some(found);
        }
    }
    let mut rewriter = Rewriter::new(graph);
    for (node, found) in graph.nodes().iter().zip(ends) {
        let Some(Found { name, op, operands }) = found else {
            rewriter.copy(node)?;
            continue;
        };
        let operand = |(id, made): Made| {
            let value = rewriter.get(id)?;
            match made {
                Some(map) => rewriter.new.add_node1(&graph.value(id).name, map, &[value]),
                None => Ok(value),
            }
        };
        let operands = operands.into_iter().map(operand).collect::<Result<Vec<_>, String>>()?;
        let attention = rewriter.new.add_node1(&name, op, &operands)?;
        let out = graph.ty(node.outputs[0]);
        let mut result = attention;
        if rewriter.new.ty(attention) != out {
            result = rewriter.new.add_node1(&node.name, Reshape { shape: out.shape.clone() }, &[attention])?;
        }
        rewriter.new.rename(result, &graph.value(node.outputs[0]).name);
        rewriter.set(node.outputs[0], result);
    }
    super::remove_dead::remove_dead(&rewriter.finish()?)
}

/// An operand in the old graph, and what it goes through first.
type Made = (ValueId, Option<Map>);

/// An attention, the name of the product that ends it, and its operands.
#[derive(Clone)]
struct Found {
    name: String,
    op: Attention,
    operands: Vec<Made>,
}

/// The products that scores are made of.
struct Scores {
    queries: View,
    keys: View,
    scale: f64,
    /// What is added, as large as the scores, and what makes it of a truth value.
    masks: Vec<(View, Option<Map>)>,
    /// Sizes the scores have on the way.
    shapes: Vec<Shape>,
}

struct Finder<'g> {
    graph: &'g Graph,
    views: Vec<View>,
    uses: Vec<usize>,
    /// The last node that reads each value.
    readers: Vec<Option<usize>>,
}

impl<'g> Finder<'g> {
    fn new(graph: &'g Graph) -> Finder<'g> {
        Finder { graph, views: views(graph), uses: graph.use_counts(), readers: graph.last_readers() }
    }

    fn view(&self, id: ValueId) -> View {
        self.views[id.0 as usize].clone()
    }

    /// The node that writes `id`, if it is read once.
    fn writer(&self, id: ValueId) -> Option<&'g Node> {
        let (node, _) = self.graph.producer(id)?;
        (self.uses[id.0 as usize] == 1).then_some(node)
    }

    /// The node that reads `id`, and where it stands, if there is one.
    fn reader(&self, id: ValueId) -> Option<(usize, &'g Node)> {
        let at = self.readers[id.0 as usize].filter(|_| self.uses[id.0 as usize] == 1)?;
        Some((at, &self.graph.nodes()[at]))
    }

    fn shape(&self, id: ValueId) -> &'g Shape {
        &self.graph.ty(id).shape
    }

    /// The attention that ends with the product `last`, node `at`, and the node in whose place it stands.
    fn find(&self, at: usize, last: &Node) -> Option<(usize, Found)> {
        let Op::MatMul(product) = &last.op else { return None };
        let out = self.graph.ty(last.outputs[0]);
        if product.trans_a || product.bias || product.epilogue.is_some() || out.dtype != DType::F32 {
            return None;
        }
        let mut nan_is_zero = false;
        let mut weights = last.inputs[0];
        let softmax = loop {
            let node = self.writer(weights)?;
            match &node.op {
                Op::Reshape(_) if keeps_matrices(self.shape(node.inputs[0]), self.shape(weights)) => {}
                Op::Map(map) if is_nan_to_zero(map) => nan_is_zero = true,
                Op::Softmax(softmax) if !softmax.log && softmax.axis + 1 == self.shape(weights).len() => break node,
                _ => return None,
            }
            weights = node.inputs[0];
        };
        let scores = self.scores(softmax.inputs[0], 1.0, 8)?;
        let values = self.view(last.inputs[1]);
        let values = if product.trans_b { swapped(&values)? } else { values };

        // The last product's batch, or what it is cut into before a transpose.
        let (mut end, mut shape) = (at, out.shape.clone());
        let mut perm: Vec<usize> = (0..shape.len()).collect();
        let values = values.broadcast(&with_matrix(&shape, &matrix(&values.shape())?))?;
        let mut after = self.reader(last.outputs[0]);
        if let Some((_, node)) = after
            && let Op::Reshape(Reshape { shape: cut }) = &node.op
            && keeps_matrices(&shape, cut)
            && let Some(next) = self.reader(node.outputs[0])
            && matches!(next.1.op, Op::Transpose(_))
        {
            after = Some(next);
            shape = cut.clone();
            perm = (0..shape.len()).collect();
        }
        if let Some((at, node)) = after
            && let Op::Transpose(transpose) = &node.op
            && transpose.perm.last() == Some(&(shape.len() - 1))
        {
            (end, perm) = (at, transpose.perm.clone());
        } else if shape != out.shape {
            return None;
        }
        // Where masks are added to scores of another shape, the batch may have to be cut finer.
        let batches = std::iter::once(&shape).chain(&scores.shapes);
        let (op, operands) =
            batches.filter_map(|batch| self.attention(&scores, &values, batch, &shape, &perm)).next()?;
        Some((end, Found { name: last.name.clone(), op: Attention { nan_is_zero, ..op }, operands }))
    }

    /// All that scores are made of, where they are multiplied by `scale` after; `depth` maps and reshapes deep at most.
    fn scores(&self, id: ValueId, scale: f64, depth: usize) -> Option<Scores> {
        let node = self.writer(id).filter(|_| depth > 0)?;
        let shape = self.shape(id);
        match &node.op {
            Op::MatMul(product) if !product.bias && product.epilogue.is_none() => {
                let (queries, keys) = (self.view(node.inputs[0]), self.view(node.inputs[1]));
                let queries = if product.trans_a { swapped(&queries)? } else { queries };
                let keys = if product.trans_b { keys } else { swapped(&keys)? };
                let scale = scale * queries.scale * keys.scale;
                let full = |view: &View| view.broadcast(&with_matrix(shape, &matrix(&view.shape())?));
                let (queries, keys) = (full(&queries)?, full(&keys)?);
                Some(Scores { queries, keys, scale, masks: Vec::new(), shapes: vec![shape.clone()] })
            }
            Op::Reshape(_) if keeps_matrices(self.shape(node.inputs[0]), shape) => {
                let mut scores = self.scores(node.inputs[0], scale, depth - 1)?;
                scores.shapes.push(shape.clone());
                Some(scores)
            }
            Op::Map(map) => {
                let (at, hidden) = hides(map).map_or((map.insts.len() - 1, None), |(at, hidden)| (at, Some(hidden)));
                // What is added to all of a row alike changes no weight.
                let (factors, _) = linear(map, at)?;
                let asks = hidden.as_ref().map(|(asks, _)| *asks);
                (0..node.inputs.len()).find_map(|at| {
                    let others = || (0..node.inputs.len()).filter(|&i| i != at && Some(i) != asks);
                    let adds = others().all(|i| factors[i] * scale == 1.0) && (asks.is_none() || scale == 1.0);
                    if !adds || self.shape(node.inputs[at]) != shape || factors[at] <= 0.0 {
                        return None;
                    }
                    let mut scores = self.scores(node.inputs[at], scale * factors[at], depth - 1)?;
                    let mask = |i: usize| View::dense(self.graph, node.inputs[i]).broadcast(shape);
                    for i in others() {
                        scores.masks.push((mask(i)?, None));
                    }
                    if let Some((i, made)) = hidden.clone() {
                        scores.masks.push((mask(i)?, Some(made)));
                    }
                    Some(scores)
                })
            }
            _ => None,
        }
    }

    /// The op over the batch that `batch` starts with, and its operands; the result has the axes of `own`, in the order `perm`.
    fn attention(
        &self,
        scores: &Scores,
        values: &View,
        batch: &Shape,
        own: &Shape,
        perm: &[usize],
    ) -> Option<(Attention, Vec<Made>)> {
        let whole = |view: &View| view.reshaped(&with_matrix(batch, &matrix(&view.shape())?));
        let (queries, keys, values) = (whole(&scores.queries)?, whole(&scores.keys)?, whole(values)?);
        let masks = scores.masks.iter().map(|(mask, _)| whole(mask)).collect::<Option<Vec<_>>>()?;
        let ([rows, width], [n_keys, k_width]) = (matrix(&queries.shape())?, matrix(&keys.shape())?);
        let [v_keys, out_width] = matrix(&values.shape())?;
        let scale = scores.scale as f32;
        let agree = width == k_width && n_keys == v_keys && matrix(own)? == [rows.clone(), out_width.clone()];
        let plain = values.scale == 1.0 && scale > 0.0 && scale.is_finite();
        // Constant keys and values are weights of two layers, which are packed ahead of time.
        let given = [&keys, &values].iter().any(|view| self.graph.tensor(view.base).is_some());
        let nothing = [&n_keys, &width].iter().any(|dim| dim.is(0));
        if !agree || !plain || given || nothing || masks.len() > MAX_MASKS {
            return None;
        }
        if masks.iter().any(|mask| mask.axes.last().is_none_or(|(size, stride)| !stride.is(1) && !size.is(1))) {
            return None;
        }
        let shape = &with_matrix(batch, &[rows.clone(), out_width.clone()]);
        let perm = refined(perm, own, shape)?;
        // Axes of size one need no places in the batch.
        let lead = shape.len() - 2;
        let kept: Vec<usize> = (0..shape.len()).filter(|&axis| axis >= lead || !shape[axis].is(1)).collect();
        if kept.len() > 5 {
            return None;
        }
        let perm = perm.iter().filter_map(|axis| kept.iter().position(|kept| kept == axis)).collect();
        let lay = |view: &View, col: Option<i64>| {
            let mut strides: Vec<Dim> = kept.iter().map(|&axis| view.axes[axis].1.clone()).collect();
            if let (Some(last), Some(col)) = (strides.last_mut(), col) {
                *last = Dim::from(col);
            }
            Lay { offset: view.offset.clone(), strides }
        };
        let parts = [&queries, &keys, &values]
            .map(|view| lay(view, view.axes.last().filter(|(size, _)| size.is(1)).map(|_| 1)));
        let lays = parts.into_iter().chain(masks.iter().map(|mask| lay(mask, Some(1)))).collect();
        let op = Attention {
            batch: kept[..kept.len() - 2].iter().map(|&axis| shape[axis].clone()).collect(),
            queries: rows,
            keys: n_keys,
            width,
            out_width,
            scale,
            lays,
            nan_is_zero: false,
            perm,
        };
        let made = scores.masks.iter().map(|(_, made)| made.clone());
        let masks = masks.iter().map(|mask| mask.base).zip(made);
        let operands = [&queries, &keys, &values].into_iter().map(|view| (view.base, None)).chain(masks).collect();
        Some((op, operands))
    }
}

/// The order `perm` of the axes of `from` as one of the axes of `to`, each of which is part of one of those.
fn refined(perm: &[usize], from: &[Dim], to: &[Dim]) -> Option<Vec<usize>> {
    let mut groups = Vec::new();
    let mut next = 0;
    for size in from {
        let start = next;
        let mut held = Dim::from(1);
        while held != *size {
            held = held * to.get(next)?.clone();
            next += 1;
        }
        groups.push(start..next);
    }
    // Axes of size one go with the last.
    let last = groups.last_mut()?;
    let rest = next..to.len();
    if !to[rest].iter().all(|size| size.is(1)) {
        return None;
    }
    last.end = to.len();
    Some(perm.iter().flat_map(|&axis| groups[axis].clone()).collect())
}

/// Where a map hides scores: the instruction that gives those it shows, the operand that decides, and what makes a mask of it.
fn hides(map: &Map) -> Option<(usize, (usize, Map))> {
    let &(Inst::Select(asks, then, other), dtype) = map.insts.last()? else { return None };
    let inst = |at: usize| map.insts[at].0;
    // Added to any score, so low a number is the sum.
    let low = |at: usize| match inst(at) {
        Inst::Const(bits) => Some(f64::from_bits(bits)).filter(|&value| value < -1e30),
        _ => None,
    };
    let Inst::Input(decides) = inst(asks) else { return None };
    let mut made = Map::of(&[DType::Bool]);
    let shown = made.number(0.0, dtype);
    let (at, result) = match (low(then), low(other)) {
        (None, Some(value)) => (then, (shown, made.number(value, dtype))),
        (Some(value), None) => (other, (made.number(value, dtype), shown)),
        _ => return None,
    };
    let result = made.select(0, result.0, result.1);
    Some((at, (decides, made.finish(result))))
}

/// The last two sizes.
fn matrix(shape: &[Dim]) -> Option<[Dim; 2]> {
    let [.., rows, cols] = shape else { return None };
    Some([rows.clone(), cols.clone()])
}

/// `shape` with other sizes of the last two axes.
fn with_matrix(shape: &[Dim], matrix: &[Dim; 2]) -> Shape {
    shape[..shape.len().saturating_sub(2)].iter().chain(matrix).cloned().collect()
}

/// Whether a reshape leaves the last two axes alone.
fn keeps_matrices(from: &[Dim], to: &[Dim]) -> bool {
    from.len() >= 2 && to.len() >= 2 && from[from.len() - 2..] == to[to.len() - 2..]
}

/// The last two axes swapped.
fn swapped(view: &View) -> Option<View> {
    let rank = view.axes.len();
    let mut perm: Vec<usize> = (0..rank).collect();
    perm.swap(rank.checked_sub(2)?, rank - 1);
    Some(view.permuted(&perm))
}

/// Whether a map gives its one operand, but zero for NaN.
fn is_nan_to_zero(map: &Map) -> bool {
    let inst = |at: usize| map.insts[at].0;
    let Some(&(Inst::Select(nan, zero, other), _)) = map.insts.last() else { return false };
    let asks = matches!(inst(nan), Inst::Unary(Unary::IsNan, at) if inst(at) == Inst::Input(0))
        || matches!(inst(nan), Inst::Unary(Unary::Not, eq)
            if matches!(inst(eq), Inst::Binary(Binary::Eq, a, b) if a == b && inst(a) == Inst::Input(0)));
    map.n_inputs == 1 && asks && inst(zero) == Inst::Const(0) && inst(other) == Inst::Input(0)
}

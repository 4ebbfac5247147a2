//! Values seen as regular selections of the memory of values before them, through whatever only moves or repeats elements.

use crate::ir::{DType, Dim, Graph, Shape, ValueId};
use crate::ops::Op;
use crate::ops::map::{Binary, Inst, Map, Unary};
use crate::ops::slice::Slice;

/// A regular selection of a value's elements, all multiplied by one number.
#[derive(Clone, Debug)]
pub struct View {
    /// The value whose memory is read.
    pub base: ValueId,
    /// Position of the first element.
    pub offset: Dim,
    /// Size of each axis, and elements of the base from index to index.
    pub axes: Vec<(Dim, Dim)>,
    /// Multiplies the elements.
    pub scale: f64,
}

/// Every value as the view from as far back as it goes.
pub fn views(graph: &Graph) -> Vec<View> {
    let ids = (0..graph.values().len()).map(|i| ValueId(i as u32));
    let mut views: Vec<View> = ids.map(|id| View::dense(graph, id)).collect();
    for node in graph.nodes() {
        let Some(&input) = node.inputs.first() else { continue };
        let from = &views[input.0 as usize];
        let view = match &node.op {
            Op::Transpose(op) => Some(from.permuted(&op.perm)),
            Op::Reshape(op) => from.reshaped(&op.shape),
            Op::Slice(op) => from.sliced(op),
            Op::Map(map) => factor(map).map(|by| View { scale: from.scale * by, ..from.clone() }),
            _ => None,
        };
        if let Some(view) = view {
            views[node.outputs[0].0 as usize] = view;
        }
    }
    views
}

impl View {
    /// The value itself.
    pub fn dense(graph: &Graph, id: ValueId) -> View {
        let mut axes = Vec::new();
        let mut stride = Dim::from(1);
        for size in graph.ty(id).shape.iter().rev() {
            axes.push((size.clone(), stride.clone()));
            stride = stride * size.clone();
        }
        axes.reverse();
        View { base: id, offset: Dim::from(0), axes, scale: 1.0 }
    }

    /// Axis `i` of the result is axis `perm[i]`.
    pub fn permuted(&self, perm: &[usize]) -> View {
        View { axes: perm.iter().map(|&axis| self.axes[axis].clone()).collect(), ..self.clone() }
    }

    fn sliced(&self, slice: &Slice) -> Option<View> {
        let mut view = self.clone();
        for ((size, stride), selected) in view.axes.iter_mut().zip(&slice.axes) {
            // The first element of none may lie beyond the end.
            if selected.step < 1 || selected.len.as_const() == Some(0) {
                return None;
            }
            view.offset = view.offset + selected.start.clone() * stride.clone();
            (*size, *stride) = (selected.len.clone(), stride.clone() * Dim::from(selected.step));
        }
        Some(view)
    }

    /// The same elements under another shape, if they still lie regularly.
    pub fn reshaped(&self, shape: &[Dim]) -> Option<View> {
        let mut axes = Vec::new();
        let mut old = self.axes.iter().filter(|(size, _)| !size.is(1));
        let mut new = shape.iter().filter(|size| !size.is(1));
        while let Some((size, stride)) = old.next() {
            // Axes of both shapes until they hold as much.
            let (mut held, mut run) = (size.clone(), stride.clone());
            let mut sizes = vec![new.next()?.clone()];
            let mut wanted = sizes[0].clone();
            while held != wanted {
                if wanted.is(0) || held.is(0) {
                    return None;
                }
                if held.exact_div(&wanted).is_some() {
                    let next = new.next()?.clone();
                    wanted = wanted * next.clone();
                    sizes.push(next);
                } else {
                    // Axes join where the outer one steps over the inner one.
                    let (size, stride) = old.next()?;
                    if run != stride.clone() * size.clone() {
                        return None;
                    }
                    (held, run) = (held * size.clone(), stride.clone());
                }
            }
            let mut group = Vec::new();
            for size in sizes.into_iter().rev() {
                group.push((size.clone(), run.clone()));
                run = run * size;
            }
            axes.extend(group.into_iter().rev());
        }
        if new.next().is_some() {
            return None;
        }
        let mut axes = axes.into_iter();
        let place = |size: &Dim| if size.is(1) { Some((Dim::from(1), Dim::from(0))) } else { axes.next() };
        let axes = shape.iter().map(place).collect::<Option<_>>()?;
        Some(View { axes, ..self.clone() })
    }

    /// The same elements, repeated along axes that have size one or are missing.
    pub fn broadcast(&self, shape: &[Dim]) -> Option<View> {
        let missing = shape.len().checked_sub(self.axes.len())?;
        let axis = |(i, size): (usize, &Dim)| match i.checked_sub(missing).map(|i| &self.axes[i]) {
            Some((own, stride)) if own == size => Some((own.clone(), stride.clone())),
            Some((own, _)) if !own.is(1) => None,
            _ => Some((size.clone(), Dim::from(0))),
        };
        let axes = shape.iter().enumerate().map(axis).collect::<Option<_>>()?;
        Some(View { axes, ..self.clone() })
    }

    /// The sizes of its axes.
    pub fn shape(&self) -> Shape {
        self.axes.iter().map(|(size, _)| size.clone()).collect()
    }
}

/// The number that a map of one operand multiplies it by, if that is all it does.
fn factor(map: &Map) -> Option<f64> {
    let (factors, shift) = linear(map, map.insts.len().checked_sub(1)?)?;
    (map.n_inputs == 1 && shift == 0.0).then(|| factors[0])
}

/// What a map computes at an instruction as a number times each operand, and a number added, if it is that.
pub fn linear(map: &Map, at: usize) -> Option<(Vec<f64>, f64)> {
    let mut values: Vec<Option<(Vec<f64>, f64)>> = Vec::with_capacity(at + 1);
    for (inst, dtype) in &map.insts[..=at] {
        let value = if *dtype == DType::F32 { linear_inst(map.n_inputs, inst, &values) } else { None };
        values.push(value);
    }
    let (factors, shift) = values.pop()??;
    (shift.is_finite() && factors.iter().all(|x| x.is_finite())).then_some((factors, shift))
}

fn linear_inst(n_inputs: usize, inst: &Inst, values: &[Option<(Vec<f64>, f64)>]) -> Option<(Vec<f64>, f64)> {
    let scaled = |(of, shift): &(Vec<f64>, f64), by: f64| (of.iter().map(|x| x * by).collect(), shift * by);
    let is_number = |(of, _): &(Vec<f64>, f64)| of.iter().all(|x| *x == 0.0);
    Some(match *inst {
        Inst::Input(i) => ((0..n_inputs).map(|j| f64::from(u8::from(i == j))).collect(), 0.0),
        Inst::Const(bits) => (vec![0.0; n_inputs], f64::from_bits(bits)),
        Inst::Unary(Unary::Neg, a) => scaled(values[a].as_ref()?, -1.0),
        Inst::Binary(op, a, b) => {
            let (a, b) = (values[a].as_ref()?, values[b].as_ref()?);
            let sum = |sign: f64| {
                let of = a.0.iter().zip(&b.0).map(|(x, y)| x + sign * y);
                (of.collect(), a.1 + sign * b.1)
            };
            match op {
                Binary::Add => sum(1.0),
                Binary::Sub => sum(-1.0),
                Binary::Mul if is_number(b) => scaled(a, b.1),
                Binary::Mul if is_number(a) => scaled(b, a.1),
                Binary::Div if is_number(b) => scaled(a, 1.0 / b.1),
                _ => return None,
            }
        }
        _ => return None,
    })
}

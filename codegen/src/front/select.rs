//! Operators whose result is as large as the data says: Compress, NonMaxSuppression, NonZero and Unique.

use super::array::part;
use super::cx::{Cx, Entry, Results, one};
use crate::ir::{DType, Dim, Outer, Tensor, ValueId};
use crate::ops::compress::Compress;
use crate::ops::non_max_suppression::NonMaxSuppression;
use crate::ops::non_zero::NonZero;
use crate::ops::unique::Unique;
use crate::ops::{Op, Rules};

/// A node whose size is found out at run time, or its results if its operands are constants.
pub fn counting(cx: &mut Cx, op: impl Into<Op>, inputs: &[ValueId]) -> Result<Vec<ValueId>, String> {
    let op = op.into();
    let tensors: Option<Vec<Tensor>> = inputs.iter().map(|&id| cx.im.graph.tensor(id).cloned()).collect();
    if let Some(tensors) = tensors {
        let types: Vec<_> = tensors.iter().map(Tensor::ty).collect();
        op.infer(&types.iter().collect::<Vec<_>>())?;
        let results = op.eval(&tensors.iter().collect::<Vec<_>>())?;
        return Ok(results.into_iter().map(|tensor| cx.value(tensor)).collect());
    }
    cx.add_all(op, inputs)
}

/// NonZero.
pub fn non_zero(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let bound = cx.ty(x).len();
    // Bools are bytes of 0 and 1 to a kernel.
    let count = cx.im.graph.add_count(bound);
    let ids = counting(cx, NonZero { count }, &[x])?;
    one(ids[0])
}

/// Compress along an axis, or of all elements in order.
pub fn compress(cx: &mut Cx) -> Results {
    let (x, condition) = (cx.input(0)?, cx.input(1)?);
    let (x, axis) = match cx.has("axis") {
        true => (x, cx.axis(cx.int("axis", 0), cx.rank(x))?),
        false => {
            let all = cx.ty(x).len();
            (cx.reshape(x, vec![all])?, 0)
        }
    };
    let (len, given) = (cx.ty(x).shape[axis].clone(), cx.ty(condition).len());
    if (given.clone() - len.clone()).as_const().is_some_and(|more| more > 0) {
        return Err(format!("its condition of {given} is longer than an axis of {len}"));
    }
    let count = cx.im.graph.add_count(Dim::min(&given, &len));
    let ids = counting(cx, Compress { axis, count }, &[x, condition])?;
    one(ids[0])
}

/// Unique, of the slices along an axis or of all elements.
pub fn unique(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let shape = cx.ty(x).shape;
    let sorted = cx.flag("sorted", true);
    if sorted && cx.outer(x) == Some(Outer::Text) {
        return Err("strings are not sorted\nhelp: set sorted = 0".into());
    }
    let axis = match cx.has("axis") {
        true => Some(cx.axis(cx.int("axis", 0), shape.len())?),
        false => None,
    };
    // The slices become rows.
    let perm: Vec<usize> = match axis {
        Some(axis) => std::iter::once(axis).chain((0..shape.len()).filter(|&other| other != axis)).collect(),
        None => (0..shape.len()).collect(),
    };
    let moved = cx.transpose(x, perm.clone())?;
    let (rows, rest) = match axis {
        Some(axis) => (shape[axis].clone(), perm[1..].iter().map(|&other| shape[other].clone()).collect()),
        None => (Dim::product(&shape), Vec::new()),
    };
    let matrix = cx.reshape(moved, vec![rows.clone(), Dim::product(&rest)])?;
    let count = cx.im.graph.add_count(rows);
    let ids = counting(cx, Unique { sorted, count }, &[matrix])?;
    let mut wide = vec![cx.ty(ids[0]).shape[0].clone()];
    wide.extend(rest);
    let mut y = cx.reshape(ids[0], wide)?;
    if axis.is_some() {
        let mut back = vec![0; perm.len()];
        perm.iter().enumerate().for_each(|(to, &from)| back[from] = to);
        y = cx.transpose(y, back)?;
    }
    Ok([y, ids[1], ids[2], ids[3]].map(Entry::Value).to_vec())
}

/// NonMaxSuppression.
pub fn non_max_suppression(cx: &mut Cx) -> Results {
    let (boxes, scores) = (cx.input(0)?, cx.input(1)?);
    let number = |cx: &mut Cx, i: usize, default: f64, dtype: DType| match cx.opt(i)? {
        Some(id) => {
            let id = cx.cast(id, dtype)?;
            cx.reshape(id, vec![])
        }
        None => Ok(cx.scalar(default, dtype)),
    };
    let most = number(cx, 2, 0.0, DType::I64)?;
    let overlap = number(cx, 3, 0.0, DType::F32)?;
    let least = number(cx, 4, f64::NEG_INFINITY, DType::F32)?;
    let ty = cx.ty(scores);
    let [batches, classes, n] = ty.shape.as_slice() else {
        return Err(format!("its scores are {ty}, and should have 3 axes"));
    };
    // A limit that is known makes the bound small.
    let each = match cx.im.graph.tensor(most).and_then(|most| most.to_i64s().first().copied()) {
        Some(most) => Dim::min(n, &Dim::from(most.max(0))),
        None => n.clone(),
    };
    let bound = batches.clone() * classes.clone() * each;
    let count = cx.im.graph.add_count(bound);
    let centred = cx.int("center_point_box", 0) != 0;
    let ids = counting(cx, NonMaxSuppression { centred, count }, &[boxes, scores, most, overlap, least])?;
    let y = part(cx, ids[0], 1, Dim::from(0), Dim::from(3))?;
    one(y)
}

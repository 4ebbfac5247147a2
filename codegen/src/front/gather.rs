//! Gathering and scattering.

use super::cx::{Cx, Results, one};
use crate::ir::{DType, Dim, ValueId};
use crate::ops::gather::Gather;
use crate::ops::gather_elements::GatherElements;
use crate::ops::gather_nd::GatherNd;
use crate::ops::reverse_sequence::ReverseSequence;
use crate::ops::scatter_elements::ScatterElements;
use crate::ops::scatter_nd::{Reduction, ScatterNd};

/// Gather: of sizes by constants, a part where the index is one constant, else at run time.
pub fn gather(cx: &mut Cx) -> Results {
    let (x, indices) = (cx.input(0)?, cx.input(1)?);
    let rank = cx.rank(x);
    let axis = cx.axis(cx.int("axis", 0), rank)?;
    if let (Some(dims), Some(picks)) = (cx.im.ints(x), cx.im.graph.tensor(indices))
        && cx.im.graph.tensor(x).is_none()
        && picks.shape().len() <= 1
        && rank == 1
    {
        let scalar = picks.shape().is_empty();
        let n = dims.len() as i64;
        let pick =
            |at: i64| usize::try_from(if at < 0 { at + n } else { at }).ok().and_then(|at| dims.get(at).cloned());
        let picked: Option<Vec<Dim>> = picks.to_i64s().into_iter().map(pick).collect();
        let picked = picked.ok_or_else(|| format!("an index lies outside an operand of {n} elements"))?;
        let dtype = cx.ty(x).dtype;
        return one(cx.sizes(picked, scalar, dtype)?);
    }
    if let Some(index) = cx.im.graph.tensor(indices).filter(|t| t.len() == 1).cloned()
        && cx.im.graph.tensor(x).is_none()
    {
        let shape = cx.ty(x).shape;
        let at = index.to_i64s()[0];
        let start = if at < 0 { shape[axis].clone() + Dim::from(at) } else { Dim::from(at) };
        let outside = (shape[axis].clone() - start.clone()).as_const().is_some_and(|left| left < 1)
            || start.as_const().is_some_and(|s| s < 0);
        if outside {
            return Err(format!("index {at} lies outside axis {axis} of {}", cx.ty(x)));
        }
        let picked = super::array::part(cx, x, axis, start, Dim::from(1))?;
        let mut result = shape;
        result.splice(axis..=axis, index.shape().iter().map(|&d| Dim::from(d)));
        return one(cx.reshape(picked, result)?);
    }
    let indices = wide(cx, indices)?;
    one(cx.add(Gather { axis }, &[x, indices])?)
}

/// Indices as one of the two integer types that kernels read.
fn wide(cx: &mut Cx, indices: ValueId) -> Result<ValueId, String> {
    match cx.ty(indices).dtype {
        DType::I32 | DType::I64 => Ok(indices),
        _ => cx.cast(indices, DType::I64),
    }
}

/// GatherElements.
pub fn gather_elements(cx: &mut Cx) -> Results {
    let (x, indices) = (cx.input(0)?, cx.input(1)?);
    let axis = cx.axis(cx.int("axis", 0), cx.rank(x))?;
    one(cx.add(GatherElements { axis }, &[x, indices])?)
}

/// GatherND.
pub fn gather_nd(cx: &mut Cx) -> Results {
    let (x, indices) = (cx.input(0)?, cx.input(1)?);
    let batch_dims = usize::try_from(cx.int("batch_dims", 0)).map_err(|_| "its batch_dims are negative")?;
    one(cx.add(GatherNd { batch_dims }, &[x, indices])?)
}

fn reduction(cx: &Cx) -> Result<Reduction, String> {
    Ok(match cx.string("reduction", "none").as_str() {
        "none" => Reduction::None,
        "add" => Reduction::Add,
        "mul" => Reduction::Mul,
        "max" => Reduction::Max,
        "min" => Reduction::Min,
        other => return Err(format!("reduction {other:?} does not exist")),
    })
}

/// ScatterElements, and Scatter as it was called before.
pub fn scatter_elements(cx: &mut Cx) -> Results {
    let (x, indices, updates) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let axis = cx.axis(cx.int("axis", 0), cx.rank(x))?;
    let reduction = reduction(cx)?;
    one(cx.add(ScatterElements { axis, reduction }, &[x, indices, updates])?)
}

/// ScatterND.
pub fn scatter_nd(cx: &mut Cx) -> Results {
    let (x, indices, updates) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let reduction = reduction(cx)?;
    one(cx.add(ScatterNd { reduction }, &[x, indices, updates])?)
}

/// ReverseSequence.
pub fn reverse_sequence(cx: &mut Cx) -> Results {
    let (x, lens) = (cx.input(0)?, cx.input(1)?);
    let axis = |name: &str, default: i64| {
        usize::try_from(cx.int(name, default)).map_err(|_| format!("its {name} is negative"))
    };
    let op = ReverseSequence { batch_axis: axis("batch_axis", 1)?, time_axis: axis("time_axis", 0)? };
    one(cx.add(op, &[x, lens])?)
}

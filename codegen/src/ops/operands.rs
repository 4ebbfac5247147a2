//! What type rules ask of operands, and how they word a refusal.

use super::Rules;
use crate::ir::{DType, Dim, Shape, Tensor, Type};
use std::cmp::Ordering;

/// The operands, of which there must be `N`.
pub fn exactly<'a, const N: usize>(inputs: &[&'a Type]) -> Result<[&'a Type; N], String> {
    inputs.try_into().map_err(|_| format!("takes {N} operands, not {}", inputs.len()))
}

/// Refuses any other number of operands than `n`.
pub fn count(inputs: &[&Type], n: usize) -> Result<(), String> {
    if inputs.len() == n { Ok(()) } else { Err(format!("takes {n} operands, not {}", inputs.len())) }
}

/// Refuses an axis that the operand does not have.
pub fn has_axis(ty: &Type, axis: usize) -> Result<(), String> {
    if axis < ty.rank() { Ok(()) } else { Err(format!("axis {axis} is outside an operand of {} axes", ty.rank())) }
}

/// Refuses what cannot index.
pub fn is_index(ty: &Type) -> Result<(), String> {
    match ty.dtype {
        DType::I32 | DType::I64 => Ok(()),
        dtype => Err(format!("indices are {dtype}; i32 and i64 work")),
    }
}

/// Refuses integers and bools.
pub fn is_float(ty: &Type) -> Result<(), String> {
    if ty.dtype.is_float() { Ok(()) } else { Err(format!("elements are {}; f32 and f64 work", ty.dtype)) }
}

/// Refuses bools.
pub fn is_number(ty: &Type) -> Result<(), String> {
    if ty.dtype == DType::Bool { Err("elements are bool; numbers work".to_string()) } else { Ok(()) }
}

/// Refuses what the kernel was not written for.
pub fn is_f32(ty: &Type) -> Result<(), String> {
    if ty.dtype == DType::F32 { Ok(()) } else { Err(format!("elements are {}; only f32 works so far", ty.dtype)) }
}

/// Refuses an operand of another element type.
pub fn is_of(what: &str, ty: &Type, dtype: DType) -> Result<(), String> {
    if ty.dtype == dtype { Ok(()) } else { Err(format!("{what} is {}, not {dtype}", ty.dtype)) }
}

/// Refuses an operand of another shape.
pub fn has_shape(what: &str, ty: &Type, shape: &[Dim]) -> Result<(), String> {
    if ty.shape == shape { Ok(()) } else { Err(format!("{what} has shape {:?}, not {shape:?}", ty.shape)) }
}

/// A size that must be a number.
pub fn fixed(what: &str, dim: &Dim) -> Result<usize, String> {
    dim.as_usize().ok_or_else(|| format!("{what} is {dim}; it must be a fixed number"))
}

/// Sizes that must all be numbers.
pub fn fixed_shape(what: &str, ty: &Type) -> Result<Vec<usize>, String> {
    ty.dims().ok_or_else(|| format!("{what} is {ty}; its sizes must be fixed numbers"))
}

/// What a type rule says of constants: the results' element types and sizes, as numbers.
pub fn results(op: &impl Rules, inputs: &[&Tensor]) -> Result<Vec<(DType, Vec<usize>)>, String> {
    const LIMIT: usize = 1 << 32;
    let types: Vec<Type> = inputs.iter().map(|t| t.ty()).collect();
    op.infer(&types.iter().collect::<Vec<_>>())?
        .into_iter()
        .map(|ty| {
            let dims = ty.dims().ok_or_else(|| format!("the sizes of {ty} are not known"))?;
            match dims.iter().try_fold(ty.dtype.bytes(), |n, &d| n.checked_mul(d)) {
                Some(bytes) if bytes <= LIMIT => Ok((ty.dtype, dims)),
                _ => Err(format!("a result of {ty} is too large to compute ahead of time")),
            }
        })
        .collect()
}

/// What a type rule says of constants, for an op with one result.
pub fn result(op: &impl Rules, inputs: &[&Tensor]) -> Result<(DType, Vec<usize>), String> {
    results(op, inputs)?.into_iter().next().ok_or_else(|| "has no result".to_string())
}

/// The shape without an axis, or with size one there.
pub fn reduced(shape: &[Dim], axes: &[usize], keep: bool) -> Shape {
    let kept = |(axis, dim): (usize, &Dim)| match (axes.contains(&axis), keep) {
        (false, _) => Some(dim.clone()),
        (true, true) => Some(Dim::from(1)),
        (true, false) => None,
    };
    shape.iter().enumerate().filter_map(kept).collect()
}

/// The number of elements before an axis, along it, and after it; the last at least one.
pub fn around(shape: &[usize], axis: usize) -> [usize; 3] {
    let outer = if shape.contains(&0) { 0 } else { shape[..axis].iter().product() };
    [outer, shape[axis], shape[axis + 1..].iter().product::<usize>().max(1)]
}

/// The sizes before an axis, of it and after it, each multiplied out.
pub fn parts(shape: &[Dim], axis: usize) -> [Dim; 3] {
    [Dim::product(&shape[..axis]), shape[axis].clone(), Dim::product(&shape[axis + 1..])]
}

/// An index, which may count from the end, into an axis of `size` elements.
pub fn wrapped(index: i64, size: usize) -> Result<usize, String> {
    let from_start = if index < 0 { i128::from(index) + size as i128 } else { i128::from(index) };
    match usize::try_from(from_start) {
        Ok(at) if at < size => Ok(at),
        _ => Err(format!("index {index} is outside an axis of {size} elements")),
    }
}

/// How two elements of `x` rank, the better one less; NaN counts as greater than any number.
pub fn order(x: &Tensor, largest: bool) -> impl Fn(usize, usize) -> Ordering {
    let (floats, ints) = (x.to_f64s(), x.to_i64s());
    let (is_float, is_unsigned) = (x.dtype().is_float(), x.dtype().is_unsigned());
    move |a, b| {
        let ascending = if is_float {
            let (a, b) = (floats[a], floats[b]);
            a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
        } else if is_unsigned {
            (ints[a] as u64).cmp(&(ints[b] as u64))
        } else {
            ints[a].cmp(&ints[b])
        };
        if largest { ascending.reverse() } else { ascending }
    }
}

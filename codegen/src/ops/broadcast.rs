//! How operands of different shapes lie under one result.

use crate::ir::{Dim, Shape, strides};

/// The shape both broadcast to, by ONNX's rule: sizes match from the innermost axis, and a size of one stretches. Sizes that are
/// equal only for some values of their symbols are taken to be equal; `equalities` says which.
pub fn broadcast(a: &Shape, b: &Shape) -> Result<Shape, String> {
    let rank = a.len().max(b.len());
    let size = |shape: &Shape, axis: usize| {
        (axis + shape.len()).checked_sub(rank).map_or(Dim::from(1), |at| shape[at].clone())
    };
    (0..rank)
        .map(|axis| {
            let (x, y) = (size(a, axis), size(b, axis));
            match () {
                () if x == y || y.is(1) => Ok(x),
                () if x.is(1) => Ok(y),
                () => {
                    let agreed = x.agreed(&y);
                    agreed.ok_or_else(|| format!("shapes {a:?} and {b:?} do not broadcast: {x} against {y}"))
                }
            }
        })
        .collect()
}

/// Each size of an operand that does not have the form of the size of the result it lies under, with that size.
pub fn broadcast_equalities(operand: &[Dim], out: &[Dim]) -> Vec<(Dim, Dim)> {
    let under = out[out.len().saturating_sub(operand.len())..].iter();
    let pairs = operand.iter().zip(under).filter(|(size, out)| !size.is(1) && size != out);
    pairs.map(|(size, out)| (size.clone(), out.clone())).collect()
}

/// Strides of a tensor of `shape` read under a shape of `rank` axes it broadcasts to.
pub(super) fn broadcast_strides(shape: &[usize], rank: usize) -> Vec<usize> {
    let dense = strides(shape);
    let mut result = vec![0; rank - shape.len()];
    result.extend(dense.iter().zip(shape).map(|(&stride, &size)| if size == 1 { 0 } else { stride }));
    result
}

/// The fewest axes that walk `out` and each broadcast operand alike, and the operands' strides along them.
pub fn collapse(out: &Shape, operands: &[Shape]) -> (Vec<Dim>, Vec<Vec<Dim>>) {
    let rank = out.len();
    let stretched = |shape: &Shape, axis: usize| match (axis + shape.len()).checked_sub(rank) {
        Some(at) => shape[at].is(1) && !out[axis].is(1),
        None => !out[axis].is(1),
    };
    // Neighbouring axes join where every operand stretches along both or along neither.
    let mut dims: Vec<Dim> = Vec::new();
    let mut patterns: Vec<Vec<bool>> = Vec::new();
    for axis in (0..rank).filter(|&axis| !out[axis].is(1)) {
        let pattern: Vec<bool> = operands.iter().map(|shape| stretched(shape, axis)).collect();
        match (dims.last_mut(), patterns.last()) {
            (Some(last), Some(known)) if *known == pattern => *last = last.clone() * out[axis].clone(),
            _ => {
                dims.push(out[axis].clone());
                patterns.push(pattern);
            }
        }
    }
    if dims.is_empty() {
        return (vec![Dim::from(1)], vec![vec![Dim::from(0)]; operands.len()]);
    }
    let strides = (0..operands.len())
        .map(|operand| {
            let mut stride = Dim::from(1);
            let mut strides = vec![Dim::from(0); dims.len()];
            for axis in (0..dims.len()).rev() {
                if !patterns[axis][operand] {
                    strides[axis] = stride.clone();
                    stride = stride * dims[axis].clone();
                }
            }
            strides
        })
        .collect();
    (dims, strides)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcast_operands_share_axes_where_they_can() {
        let shape = |dims: &[usize]| dims.iter().map(|&d| Dim::from(d)).collect::<Shape>();
        let (dims, strides) = collapse(&shape(&[2, 3, 4, 5]), &[shape(&[2, 3, 4, 5]), shape(&[5]), shape(&[1])]);
        assert_eq!(dims, shape(&[24, 5]));
        assert_eq!(strides[1], shape(&[0, 1]));
        assert_eq!(strides[2], shape(&[0, 0]));
    }
}

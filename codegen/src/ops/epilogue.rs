//! The expression a contraction applies to each of its results before storing it.

use super::Rules;
use super::map::Map;
use crate::ir::{Tensor, Type};

/// Operands that the epilogue reads besides the result.
pub fn n_operands(epilogue: Option<&Map>) -> usize {
    epilogue.map_or(0, |map| map.n_inputs.saturating_sub(1))
}

/// The type a result of type `out` has after the epilogue.
pub fn infer(epilogue: Option<&Map>, out: Type, operands: &[&Type]) -> Result<Type, String> {
    let Some(map) = epilogue else { return Ok(out) };
    let all: Vec<&Type> = [&out].into_iter().chain(operands.iter().copied()).collect();
    match map.infer(&all)?.pop() {
        Some(ty) if ty.shape == out.shape => Ok(ty),
        Some(ty) => Err(format!("its epilogue would widen {out} to {ty}")),
        None => Ok(out),
    }
}

/// A result after the epilogue.
pub fn eval(epilogue: Option<&Map>, out: Tensor, operands: &[&Tensor]) -> Result<Tensor, String> {
    let Some(map) = epilogue else { return Ok(out) };
    let all: Vec<&Tensor> = [&out].into_iter().chain(operands.iter().copied()).collect();
    map.eval(&all)?.pop().ok_or_else(|| "its epilogue has no result".to_string())
}

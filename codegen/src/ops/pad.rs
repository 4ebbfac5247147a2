//! Elements added around an operand.

use super::operands::{exactly, result};
use super::walk::{Walk, dense};
use super::{Lower, Rules};
use crate::ir::{Dim, Tensor, Type, indices, strides};
use crate::plan::Arg;

/// Elements added around the operand; negative counts cut. One operand.
#[derive(Clone, PartialEq, Debug)]
pub struct Pad {
    /// Elements before each axis.
    pub before: Vec<Dim>,
    /// Elements after each axis.
    pub after: Vec<Dim>,
    /// Where they come from.
    pub mode: PadMode,
}

/// Where padding elements come from.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum PadMode {
    /// All this number.
    Constant(f64),
    /// The edge element repeated.
    Edge,
    /// Mirrored, the edge not repeated.
    Reflect,
    /// The other end.
    Wrap,
}

impl Rules for Pad {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x] = exactly(inputs)?;
        if self.before.len() != x.rank() || self.after.len() != x.rank() {
            let n = self.before.len();
            return Err(format!("padding of {n} axes does not fit an operand of {} axes", x.rank()));
        }
        let mut shape = Vec::with_capacity(x.rank());
        for (axis, size) in x.shape.iter().enumerate() {
            let wild = |count: &Dim| count.as_const().is_some_and(|count| count.unsigned_abs() > 1 << 40);
            if wild(&self.before[axis]) || wild(&self.after[axis]) {
                return Err(format!(
                    "padding of {} and {} elements is not supported",
                    self.before[axis], self.after[axis]
                ));
            }
            let padded = size.clone() + self.before[axis].clone() + self.after[axis].clone();
            if padded.as_const().is_some_and(|size| size < 0) {
                return Err(format!(
                    "cutting {} and {} leaves nothing of axis {axis} of {x}",
                    self.before[axis], self.after[axis]
                ));
            }
            if size.is(0) && !padded.is(0) && !matches!(self.mode, PadMode::Constant(_)) {
                return Err(format!("axis {axis} of {x} is empty and has nothing to repeat"));
            }
            shape.push(padded);
        }
        Ok(vec![Type { dtype: x.dtype, shape }])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let (dtype, dims) = result(self, inputs)?;
        let x = inputs[0];
        let steps = strides(x.shape());
        let before =
            self.before.iter().map(|b| b.as_const().ok_or("padding is not known")).collect::<Result<Vec<_>, _>>()?;
        let from = |index: Vec<usize>| {
            (0..dims.len()).try_fold(0, |at, axis| {
                let row = self.mode.source(index[axis] as i64 - before[axis], x.shape()[axis] as i64)?;
                Some(at + row as usize * steps[axis])
            })
        };
        // A constant is one more element, picked where there is no source.
        let constant = if let PadMode::Constant(value) = self.mode { value } else { 0.0 };
        let constant = Tensor::from_f64s(dtype, vec![1], &[constant]);
        let bytes = [x.bytes(), constant.bytes()].concat();
        let all = Tensor::from_bytes(dtype, vec![x.len() + 1], bytes).ok_or("sizes do not add up")?;
        Ok(vec![all.picked(dims.clone(), indices(&dims).map(|index| from(index).unwrap_or(x.len())))])
    }

    fn dims_mut(&mut self) -> Vec<&mut Dim> {
        self.before.iter_mut().chain(&mut self.after).collect()
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let shape = cx.ty(0).shape.clone();
        let PadMode::Constant(value) = self.mode else { return self.lower_repeating(cx) };
        let (out_strides, x_strides) = (dense(&cx.out_ty(0).shape), dense(&shape));
        let none = Dim::from(0);
        let mut walk =
            Walk { dims: Vec::new(), out_offset: none.clone(), out_strides, x_offset: none.clone(), x_strides };
        let mut adds = false;
        for (axis, size) in shape.iter().enumerate() {
            let (before, after) = (&self.before[axis], &self.after[axis]);
            // A negative count cuts elements off the operand.
            let cut = Dim::max(&-before.clone(), &none);
            walk.out_offset = walk.out_offset + Dim::max(before, &none) * walk.out_strides[axis].clone();
            walk.x_offset = walk.x_offset + cut.clone() * walk.x_strides[axis].clone();
            walk.dims.push(size.clone() - cut - Dim::max(&-after.clone(), &none));
            adds |= [before, after].iter().any(|count| count.as_const().is_none_or(|count| count > 0));
        }
        let (out, x) = (cx.output(0), cx.input(0));
        if adds {
            let value = Arg::Number(value, out.dtype);
            cx.call("strided", "Fill", vec![("out", Arg::Write(out.clone())), ("value", value)]);
        }
        walk.call(cx, out, x);
        Ok(())
    }
}

impl PadMode {
    /// The element that position `at` of an axis of `size` elements takes, if it takes one.
    fn source(self, at: i64, size: i64) -> Option<i64> {
        match self {
            PadMode::Constant(_) => (0..size).contains(&at).then_some(at),
            PadMode::Edge => Some(at.clamp(0, size - 1)),
            PadMode::Wrap => Some(at.rem_euclid(size)),
            PadMode::Reflect => {
                let period = (2 * (size - 1)).max(1);
                let at = at.rem_euclid(period);
                Some(at.min(period - at).min(size - 1))
            }
        }
    }
}

impl Pad {
    fn lower_repeating(&self, cx: &mut Lower) -> Result<(), String> {
        let mode = match self.mode {
            PadMode::Edge => "Edge",
            PadMode::Reflect => "Reflect",
            PadMode::Wrap => "Wrap",
            PadMode::Constant(_) => return Err("a constant is not repeated".to_string()),
        };
        let (x_dims, out_dims) = (cx.ty(0).shape.clone(), cx.out_ty(0).shape.clone());
        let (out, x) = (cx.output(0), cx.input(0));
        cx.call(
            "pad",
            "Pad",
            vec![
                ("out", Arg::Write(out)),
                ("x", Arg::Read(x)),
                ("x_dims", Arg::Sizes(x_dims)),
                ("out_dims", Arg::Sizes(out_dims)),
                ("before", Arg::Signeds(self.before.clone())),
                ("mode", Arg::Path(format!("pad::PadMode::{mode}"))),
            ],
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::DType;

    #[test]
    fn every_mode_fills_from_its_source() {
        let x = Tensor::from_i64s(DType::I32, vec![3], &[1, 2, 3]);
        let pad = |mode, before: i64, after: i64| {
            Pad { before: vec![Dim::from(before)], after: vec![Dim::from(after)], mode }.eval(&[&x]).unwrap()[0]
                .to_i64s()
        };
        assert_eq!(pad(PadMode::Constant(9.0), 1, -1), [9, 1, 2]);
        assert_eq!(pad(PadMode::Edge, 2, 1), [1, 1, 1, 2, 3, 3]);
        assert_eq!(pad(PadMode::Reflect, 2, 2), [3, 2, 1, 2, 3, 2, 1]);
        assert_eq!(pad(PadMode::Wrap, 1, 2), [3, 1, 2, 3, 1, 2]);
    }
}

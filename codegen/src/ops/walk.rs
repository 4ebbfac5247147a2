//! Regular selections of a dense operand: an offset, and a stride along each axis.

use super::Lower;
use crate::ir::Dim;
use crate::plan::{Arg, Operand};

/// Elements copied from one regular selection to another.
#[derive(Clone, Debug)]
pub struct Walk {
    /// How many along each axis.
    pub dims: Vec<Dim>,
    /// Where the first is written.
    pub out_offset: Dim,
    /// Elements between what is written along each axis.
    pub out_strides: Vec<Dim>,
    /// Where the first is read.
    pub x_offset: Dim,
    /// Elements between what is read along each axis; may be negative.
    pub x_strides: Vec<Dim>,
}

/// Strides of a dense operand of `shape`.
pub fn dense(shape: &[Dim]) -> Vec<Dim> {
    let mut strides = vec![Dim::from(1); shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].clone() * shape[axis].clone();
    }
    strides
}

impl Walk {
    /// A walk over all of a dense result of shape `dims`.
    pub fn to_all(dims: &[Dim], x_offset: Dim, x_strides: Vec<Dim>) -> Walk {
        Walk { dims: dims.to_vec(), out_offset: Dim::from(0), out_strides: dense(dims), x_offset, x_strides }
    }

    /// The same walk over the fewest axes: those of size one go, and neighbours that both sides step over evenly join.
    fn merged(&self) -> Walk {
        let (mut dims, mut out_strides, mut x_strides) = (Vec::<Dim>::new(), Vec::<Dim>::new(), Vec::<Dim>::new());
        for axis in (0..self.dims.len()).filter(|&axis| !self.dims[axis].is(1)) {
            let (dim, out, x) = (&self.dims[axis], &self.out_strides[axis], &self.x_strides[axis]);
            let evenly = |strides: &[Dim], step: &Dim| strides.last() == Some(&(step.clone() * dim.clone()));
            if evenly(&out_strides, out) && evenly(&x_strides, x) {
                let last = dims.len() - 1;
                dims[last] = dims[last].clone() * dim.clone();
                (out_strides[last], x_strides[last]) = (out.clone(), x.clone());
            } else {
                dims.push(dim.clone());
                out_strides.push(out.clone());
                x_strides.push(x.clone());
            }
        }
        if dims.is_empty() {
            (dims, out_strides, x_strides) = (vec![Dim::from(1)], vec![Dim::from(1)], vec![Dim::from(1)]);
        }
        Walk { dims, out_strides, x_strides, out_offset: self.out_offset.clone(), x_offset: self.x_offset.clone() }
    }

    /// Adds the kernel call that copies from `x` to `out`.
    pub fn call(&self, cx: &mut Lower, out: Operand, x: Operand) {
        if self.dims.iter().any(|dim| dim.is(0)) {
            return;
        }
        let walk = self.merged();
        if let ([len], true, true) = (walk.dims.as_slice(), walk.out_strides[0].is(1), walk.x_strides[0].is(1)) {
            let out = out.part(walk.out_offset, len.clone());
            let x = x.part(walk.x_offset, len.clone());
            cx.call("strided", "Copy1", vec![("out", Arg::Write(out)), ("x", Arg::Read(x))]);
            return;
        }
        cx.call(
            "strided",
            "Strided",
            vec![
                ("out", Arg::Write(out)),
                ("x", Arg::Read(x)),
                ("dims", Arg::Sizes(walk.dims)),
                ("out_offset", Arg::Size(walk.out_offset)),
                ("out_strides", Arg::Sizes(walk.out_strides)),
                ("x_offset", Arg::Size(walk.x_offset)),
                ("x_strides", Arg::Signeds(walk.x_strides)),
            ],
        );
    }
}

/// The flat indices a walk over `dims` meets, in row-major order.
pub fn picks(dims: &[usize], offset: usize, strides: &[isize]) -> impl Iterator<Item = usize> {
    let (dims, strides) = (dims.to_vec(), strides.to_vec());
    let len = dims.iter().product::<usize>();
    let mut index = vec![0; dims.len()];
    let mut at = offset;
    (0..len).map(move |_| {
        let here = at;
        for axis in (0..dims.len()).rev() {
            index[axis] += 1;
            at = at.wrapping_add_signed(strides[axis]);
            if index[axis] < dims[axis] {
                break;
            }
            index[axis] = 0;
            at = at.wrapping_sub((strides[axis] as usize).wrapping_mul(dims[axis]));
        }
        here
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(of: &[i64]) -> Vec<Dim> {
        of.iter().map(|&size| Dim::from(size)).collect()
    }

    #[test]
    fn axes_that_step_evenly_join() {
        // Transposing [2, 3, 4, 5] by [2, 3, 0, 1] walks two axes.
        let walk = Walk::to_all(&sizes(&[4, 5, 2, 3]), Dim::from(0), sizes(&[5, 1, 60, 20])).merged();
        assert_eq!(walk.dims, sizes(&[20, 6]));
        assert_eq!(walk.x_strides, sizes(&[1, 20]));
        assert_eq!(walk.out_strides, sizes(&[6, 1]));
    }

    #[test]
    fn axes_join_whatever_their_symbolic_size() {
        let n = Dim::symbol("n");
        let walk = Walk::to_all(&[n.clone(), Dim::from(3)], Dim::from(0), vec![Dim::from(3), Dim::from(1)]).merged();
        assert_eq!(walk.dims, [n * Dim::from(3)]);
    }

    #[test]
    fn picks_follow_negative_and_zero_strides() {
        assert_eq!(picks(&[2, 3], 2, &[0, -1]).collect::<Vec<_>>(), [2, 1, 0, 2, 1, 0]);
        assert_eq!(picks(&[], 4, &[]).collect::<Vec<_>>(), [4]);
        assert_eq!(picks(&[0, 3], 0, &[3, 1]).count(), 0);
    }
}

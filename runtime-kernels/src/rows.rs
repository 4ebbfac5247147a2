//! One row of an operand, by a number known only at run time.

use super::simd::{Simd, Task};

/// Copies `x` to the row of `out` that `at` names.
pub struct PutRow<'a, T: Copy> {
    /// Rows as long as `x`.
    pub out: &'a mut [T],
    /// The row.
    pub x: &'a [T],
    /// Its number, one element.
    pub at: &'a [i64],
}

impl<T: Copy> Task for PutRow<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { out, x, at } = self;
        out[at[0] as usize * x.len()..][..x.len()].copy_from_slice(x);
    }
}

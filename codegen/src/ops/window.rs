//! How a sliding window lies over the spatial axes of a channels-last operand.

use crate::ir::{Dim, Type};

/// The most spatial axes kernels walk.
pub const MAX_AXES: usize = 3;

/// A window that slides over spatial axes; one entry an axis everywhere.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    /// Taps along each axis.
    pub kernel: &'a [usize],
    /// Steps of the window.
    pub stride: &'a [usize],
    /// Distance between taps.
    pub dilation: &'a [usize],
    /// Rows imagined before and after the operand.
    pub pads: &'a [(usize, usize)],
    /// Whether a last window that overhangs counts.
    pub ceil: bool,
}

/// The spatial sizes of a channels-last operand `[n, spatial…, c]` a window of `n_axes` axes slides over.
pub fn spatial(ty: &Type, n_axes: usize) -> Result<&[Dim], String> {
    if n_axes == 0 || n_axes > MAX_AXES {
        return Err(format!("a window of {n_axes} axes is not supported; 1 to {MAX_AXES} work"));
    }
    match ty.rank().checked_sub(2) {
        Some(n) if n == n_axes => Ok(&ty.shape[1..=n]),
        Some(n) => Err(format!("kernel of {n_axes} axes does not fit an operand of {n} spatial axes")),
        None => Err(format!("an operand of {} axes has no spatial axes", ty.rank())),
    }
}

/// Refuses lists that do not have one sensible entry an axis.
pub fn check(kernel: &[usize], stride: &[usize], dilation: &[usize], n_pads: usize) -> Result<(), String> {
    let n = kernel.len();
    for (what, len) in [("strides", stride.len()), ("dilations", dilation.len()), ("pads", n_pads)] {
        if len != n {
            return Err(format!("{what} for {len} axes do not fit a kernel of {n} axes"));
        }
    }
    for (what, sizes) in [("kernel size", kernel), ("stride", stride), ("dilation", dilation)] {
        // The upper bound keeps products of a few such numbers exact.
        if let Some(size) = sizes.iter().find(|&&size| size == 0 || size > 1 << 20) {
            return Err(format!("a {what} of {size} is not supported; 1 to 1048576 work"));
        }
    }
    Ok(())
}

impl Window<'_> {
    /// The spatial sizes of the result for an operand of spatial sizes `input`, as many as the kernel has axes.
    pub fn output(&self, input: &[Dim]) -> Result<Vec<Dim>, String> {
        check(self.kernel, self.stride, self.dilation, self.pads.len())?;
        (0..self.kernel.len())
            .map(|axis| {
                let (before, after) = self.pads[axis];
                if before.max(after) > 1 << 31 {
                    return Err(format!("padding of {} elements is not supported", before.max(after)));
                }
                let extent = Dim::from((self.kernel[axis] - 1) * self.dilation[axis] + 1);
                let padded = input[axis].clone() + Dim::from(before) + Dim::from(after);
                let slack = padded.clone() - extent.clone();
                let stride = Dim::from(self.stride[axis]);
                if slack.as_const().is_some_and(|slack| slack < 0) {
                    return Err(format!(
                        "a window of {extent} elements does not fit an operand of {padded} with its padding"
                    ));
                }
                Ok(match self.ceil {
                    false => slack.floor_div(&stride) + Dim::from(1),
                    // The last window must begin in the operand or the padding before it.
                    true => {
                        let starts = (input[axis].clone() + Dim::from(before)).ceil_div(&stride);
                        Dim::min(&(slack.ceil_div(&stride) + Dim::from(1)), &starts)
                    }
                })
            })
            .collect()
    }
}

/// Three entries from up to three, the missing ones in front.
pub fn three<T: Clone>(list: &[T], missing: T) -> [T; MAX_AXES] {
    std::array::from_fn(|i| (i + list.len()).checked_sub(MAX_AXES).map_or(missing.clone(), |at| list[at].clone()))
}

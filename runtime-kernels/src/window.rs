//! Which taps of a sliding window fall inside its input, and how much of it stays near while windows go by.

use core::ops::Range;

/// Pixels of a spatial size.
pub const fn volume(size: [usize; 3]) -> usize {
    size[0] * size[1] * size[2]
}

/// The taps `t` with `pad <= start + t * dilation < input + pad`: those inside the input along one dimension, where
/// `start` is the window's output position times its stride.
#[inline(always)]
pub fn taps_inside(start: usize, pad: usize, input: usize, kernel: usize, dilation: usize) -> Range<usize> {
    if dilation == 1 {
        let from = pad.saturating_sub(start).min(kernel);
        return from..(input + pad).saturating_sub(start).min(kernel).max(from);
    }
    let from = pad.saturating_sub(start).div_ceil(dilation).min(kernel);
    from..(input + pad).saturating_sub(start).div_ceil(dilation).min(kernel).max(from)
}

/// Floats of an image, in and out, that stay in a second-level cache while its channels are gone through.
pub const NEAR_LEN: usize = 384 * 1024;

/// Floats of the lines behind an output line, and of that line, that stay in the first-level cache.
pub const LINES_LEN: usize = 7 * 1024;

/// Pixels of an output line and of the input lines behind it and the steps to the next, of windows along two dimensions.
#[inline(always)]
pub fn pixels_behind(
    input: [usize; 3],
    output: [usize; 3],
    kernel: [usize; 3],
    stride: [usize; 3],
    dilation: [usize; 3],
) -> usize {
    let reach = kernel[1].saturating_sub(1).saturating_mul(dilation[1]).saturating_add(1 + stride[1]);
    input[2].saturating_mul(reach).saturating_add(output[2])
}

/// Which of `n` pixels of a line, at most 31, lie inside the input, a bit each: those from `start` on, counted with the `pad` pixels
/// before it.
#[inline(always)]
pub fn mask_inside(start: usize, pad: usize, input: usize, n: usize) -> u32 {
    let end = (input + pad).saturating_sub(start).min(n);
    ((1 << end) - 1) & !((1 << pad.saturating_sub(start).min(31)) - 1)
}

#[cfg(test)]
mod tests {
    use super::{mask_inside, taps_inside};

    #[test]
    fn agrees_with_the_definition() {
        for (start, pad, input, kernel, dilation) in (0..5).flat_map(|s| {
            (0..4).flat_map(move |p| {
                (1..6).flat_map(move |i| (1..5).flat_map(move |k| (1..4).map(move |d| (s, p, i, k, d))))
            })
        }) {
            let inside = |t: &usize| (pad..input + pad).contains(&(start + t * dilation));
            let want: std::vec::Vec<usize> = (0..kernel).filter(inside).collect();
            let got: std::vec::Vec<usize> = taps_inside(start, pad, input, kernel, dilation).collect();
            assert_eq!(got, want, "{start} {pad} {input} {kernel} {dilation}");
        }
    }

    #[test]
    fn masks_agree_with_the_definition() {
        for (start, pad, input, n) in (0..50)
            .flat_map(|s| (0..42).flat_map(move |p| (1..9).flat_map(move |i| [1, 7, 31].map(move |n| (s, p, i, n)))))
        {
            let inside = |bit: usize| bit < n && (pad..pad + input).contains(&(start + bit));
            let want = (0..32).filter(|&bit| inside(bit)).fold(0, |mask, bit| mask | 1 << bit);
            assert_eq!(mask_inside(start, pad, input, n), want, "{start} {pad} {input} {n}");
        }
    }
}

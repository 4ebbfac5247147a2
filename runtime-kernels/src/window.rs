//! Which taps of a sliding window fall inside its input.

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

#[cfg(test)]
mod tests {
    use super::taps_inside;

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
}

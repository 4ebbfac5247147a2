//! A convolution's constant weights as they are best packed: without taps that never meet the operand, and with groups too
//! thin for a panel joined to groups that fill it, unless lanes have groups of their own.

use super::conv::Sizes;

/// Columns of a panel.
const PANEL: usize = 16;

/// Sizes of a kernel, and its elements `[groups * c_out][c_in][taps]`.
#[derive(Clone, PartialEq, Debug)]
pub struct Weights {
    pub kernel: Vec<usize>,
    pub pad: Vec<usize>,
    pub groups: usize,
    pub c_in: usize,
    pub c_out: usize,
    pub elements: Vec<f32>,
}

impl Weights {
    /// The weights `elements` of a convolution, slimmed.
    pub fn of(sizes: &Sizes, elements: Vec<f32>) -> Weights {
        let &Sizes { groups, c_in, c_out, .. } = sizes;
        let mut weights =
            Weights { kernel: sizes.kernel.to_vec(), pad: sizes.pad.to_vec(), groups, c_in, c_out, elements };
        for axis in 0..weights.kernel.len() {
            weights.drop_dead_taps(axis, sizes);
        }
        let slim = Sizes { kernel: &weights.kernel, ..*sizes };
        if !slim.spreads() && !slim.has_lanes() {
            weights.join_groups();
        }
        weights
    }

    /// Leaves out the first and the last taps along an axis where they meet padding alone, wherever the window is.
    fn drop_dead_taps(&mut self, axis: usize, sizes: &Sizes) {
        let (Some(input), Some(output)) = (sizes.input[axis].as_usize(), sizes.output[axis].as_usize()) else { return };
        let (n, stride, dilation, pad) = (self.kernel[axis], sizes.stride[axis], sizes.dilation[axis], self.pad[axis]);
        // Tap `t` reaches the elements from `t * dilation - pad` on, as far as the last window's.
        let meets = |tap: usize| {
            let (first, reach) = (tap * dilation, output.saturating_sub(1) * stride);
            match pad.checked_sub(first) {
                // The first window not before the operand is still one of the output's, and inside.
                Some(before) => {
                    before.div_ceil(stride) * stride <= reach && before.div_ceil(stride) * stride - before < input
                }
                None => first - pad < input,
            }
        };
        let (Some(first), Some(last)) = ((0..n).find(|&tap| meets(tap)), (0..n).rfind(|&tap| meets(tap))) else {
            return;
        };
        // The operand is never entered later than at its first element.
        let first = first.min(pad / dilation);
        if output == 0 || (first, last) == (0, n - 1) {
            return;
        }
        let inner: usize = self.kernel[axis + 1..].iter().product();
        let kept = self.elements.chunks_exact(n * inner).flat_map(|taps| &taps[first * inner..(last + 1) * inner]);
        self.elements = kept.copied().collect();
        self.kernel[axis] = last + 1 - first;
        self.pad[axis] = pad - first * dilation;
    }

    /// Joins neighbouring groups whose results together still fit one panel; between them stand zeros.
    fn join_groups(&mut self) {
        let &mut Weights { groups, c_in, c_out, .. } = self;
        if groups < 2 || c_in * c_out < 2 {
            return;
        }
        let fits = |joined: &usize| groups.is_multiple_of(*joined) && joined * c_out <= PANEL;
        let Some(joined) = (2..=groups.min(PANEL)).rfind(fits) else { return };
        let taps: usize = self.kernel.iter().product();
        let mut elements = vec![0.0; self.elements.len() * joined];
        let row = c_in * taps;
        let rows = self.elements.chunks_exact(row).zip(elements.chunks_exact_mut(row * joined));
        for (channel, (from, to)) in rows.enumerate() {
            to[channel / c_out % joined * row..][..row].copy_from_slice(from);
        }
        self.elements = elements;
        (self.groups, self.c_in, self.c_out) = (groups / joined, c_in * joined, c_out * joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Dim;

    fn slim(input: usize, output: usize, kernel: usize, [stride, dilation, pad]: [usize; 3]) -> Weights {
        let sizes = Sizes {
            input: &[Dim::from(input)],
            output: &[Dim::from(output)],
            kernel: &[kernel],
            stride: &[stride],
            dilation: &[dilation],
            pad: &[pad],
            batch: &Dim::from(1usize),
            groups: 1,
            c_in: 1,
            c_out: 1,
        };
        Weights::of(&sizes, (0..kernel).map(|tap| tap as f32).collect())
    }

    #[test]
    fn taps_that_meet_padding_alone_are_left_out() {
        // Only the middle of three taps, 36 apart, is ever above an operand of 16 elements.
        let weights = slim(16, 16, 3, [1, 36, 36]);
        assert_eq!((weights.elements, weights.kernel, weights.pad), (vec![1.0], vec![1], vec![0]));
        // At 15 apart the outer ones meet the corners.
        assert_eq!(slim(16, 16, 3, [1, 15, 15]).kernel, [3]);
        assert_eq!(slim(16, 16, 3, [1, 16, 16]).kernel, [1]);
        // With steps of 4 only the last tap, at -8, -4 and 0, meets an operand of one element.
        assert_eq!(slim(1, 3, 5, [4, 1, 12]).elements, [4.0]);
        assert_eq!(slim(5, 2, 2, [5, 20, 20]).elements, [1.0]);
    }

    #[test]
    fn what_is_left_computes_the_same() {
        for input in 1..8_usize {
            for (kernel, stride, dilation, pad) in
                [(3_usize, 1, 1, 1), (3, 1, 4, 4), (5, 2, 3, 6), (4, 3, 2, 5), (2, 2, 7, 7), (3, 5, 6, 9), (7, 1, 1, 6)]
            {
                let Some(slack) = (input + 2 * pad).checked_sub((kernel - 1) * dilation + 1) else { continue };
                let output = slack / stride + 1;
                let sum = |elements: &[f32], pad: usize, o: usize| -> f32 {
                    let at = |tap: usize| (o * stride + tap * dilation).checked_sub(pad).filter(|&at| at < input);
                    let taps = elements.iter().enumerate().filter_map(|(tap, w)| at(tap).map(|at| w * (at + 1) as f32));
                    taps.sum()
                };
                let all: Vec<f32> = (0..kernel).map(|tap| tap as f32).collect();
                let weights = slim(input, output, kernel, [stride, dilation, pad]);
                for o in 0..output {
                    assert_eq!(sum(&all, pad, o), sum(&weights.elements, weights.pad[0], o), "{input} {kernel} {o}");
                }
            }
        }
    }

    #[test]
    fn thin_groups_are_joined() {
        let mut weights = Weights {
            kernel: vec![1],
            pad: vec![0],
            groups: 6,
            c_in: 2,
            c_out: 4,
            elements: (1..=48).map(|x| x as f32).collect(),
        };
        weights.join_groups();
        assert_eq!((weights.groups, weights.c_in, weights.c_out), (2, 6, 12));
        // The first result of the second of the joined groups reads the channels of that group alone.
        assert_eq!(weights.elements[4 * 6..5 * 6], [0.0, 0.0, 9.0, 10.0, 0.0, 0.0]);
    }
}

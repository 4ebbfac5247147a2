//! The band of input pixels behind a block of output pixels, with the padding written out.

use super::conv_f32::Walk;
use super::copy::copy_run;
use super::simd::{Simd, Task};

/// Copies the input pixels of a group's channels behind a block of output pixels to `band`, `[extent][c_in]`, zero where they
/// are padding.
pub(super) struct FillBand<'a> {
    pub band: &'a mut [f32],
    /// The group's channels of an image.
    pub x: &'a [f32],
    pub walk: Walk,
    pub first: [usize; 3],
    pub extent: [usize; 3],
    pub groups: usize,
    pub c_in: usize,
}

impl Task for FillBand<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { band, x, walk, first, extent, groups, c_in } = self;
        let input = walk.input;
        let at = |dim: usize, i: usize| (first[dim] * walk.stride[dim] + i).wrapping_add_signed(-walk.pad[dim]);
        let line_len = extent[2] * c_in;
        // Of a line, the pixels `left..right` are input.
        let left = walk.pad[2] - (first[2] * walk.stride[2]) as isize;
        let left = (left.max(0) as usize).min(extent[2]);
        let end = input[2] as isize + walk.pad[2] - (first[2] * walk.stride[2]) as isize;
        let right = (end.max(0) as usize).clamp(left, extent[2]);
        for d in 0..extent[0] {
            for h in 0..extent[1] {
                let line = &mut band[(d * extent[1] + h) * line_len..][..line_len];
                let (z, y) = (at(0, d), at(1, h));
                if z >= input[0] || y >= input[1] || left == right {
                    line.fill(0.0);
                    continue;
                }
                let pixel = (z * input[1] + y) * input[2] + at(2, left);
                let from = pixel * groups * c_in;
                line[..left * c_in].fill(0.0);
                line[right * c_in..].fill(0.0);
                let line = &mut line[left * c_in..right * c_in];
                if groups == 1 {
                    line.copy_from_slice(&x[from..from + line.len()]);
                } else {
                    // A vector of all pixels after another: a loop over the few of a pixel would cost more than they do.
                    let whole = c_in - c_in % S::LANES;
                    for c in (0..whole).step_by(S::LANES) {
                        for (i, to) in line.chunks_exact_mut(c_in).enumerate() {
                            s.store(s.load(&x[from + i * groups * c_in + c..]), &mut to[c..]);
                        }
                    }
                    if whole < c_in {
                        for (i, to) in line.chunks_exact_mut(c_in).enumerate() {
                            copy_run(&mut to[whole..], &x[from + i * groups * c_in + whole..][..c_in - whole]);
                        }
                    }
                }
            }
        }
    }
}

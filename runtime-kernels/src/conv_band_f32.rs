//! The band of input pixels behind a block of output pixels, with the padding written out and channels side by side.

use super::conv_f32::Walk;
use super::simd::{Simd, Task};
use super::window::volume;

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
    fn run<S: Simd>(self, _: S) {
        let Self { band, x, walk, first, extent, groups, c_in } = self;
        let input = walk.input;
        let at = |dim: usize, i: usize| (first[dim] * walk.stride[dim] + i).wrapping_add_signed(-walk.pad[dim]);
        let line_len = extent[2] * c_in;
        // Of a line, the pixels `left..right` are input.
        let left = walk.pad[2] - (first[2] * walk.stride[2]) as isize;
        let left = (left.max(0) as usize).min(extent[2]);
        let end = input[2] as isize + walk.pad[2] - (first[2] * walk.stride[2]) as isize;
        let right = (end.max(0) as usize).clamp(left, extent[2]);
        let plane = volume(input);
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
                if walk.planes {
                    interleave(line, &x[pixel..], plane, c_in);
                } else if groups == 1 {
                    line.copy_from_slice(&x[from..from + line.len()]);
                } else {
                    for (i, to) in line.chunks_exact_mut(c_in).enumerate() {
                        to.copy_from_slice(&x[from + i * groups * c_in..][..c_in]);
                    }
                }
            }
        }
    }
}

/// Pixels of `c_in` channels from as many planes, of so many elements each.
#[inline(always)]
fn interleave(pixels: &mut [f32], x: &[f32], plane: usize, c_in: usize) {
    let n = pixels.len() / c_in;
    if c_in == 3 {
        // The compiler makes shuffles of this.
        let (red, green, blue) = (&x[..n], &x[plane..][..n], &x[2 * plane..][..n]);
        for (i, pixel) in pixels.chunks_exact_mut(3).enumerate() {
            pixel[0] = red[i];
            pixel[1] = green[i];
            pixel[2] = blue[i];
        }
        return;
    }
    for c in 0..c_in {
        for (to, &from) in pixels[c..].iter_mut().step_by(c_in).zip(&x[c * plane..][..n]) {
            *to = from;
        }
    }
}

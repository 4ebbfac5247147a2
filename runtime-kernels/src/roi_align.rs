//! Regions of an image pooled to one size each: ONNX `RoiAlign`.
//!
//! A cell of a region is sampled on a regular grid, each sample interpolated linearly between four pixels; samples more than a
//! pixel outside the image count as zero. Regions are data: an image that does not exist panics.

use super::index::Index;
use super::simd::{Simd, Task};

/// `out[r][c]` is channel `c` of region `r`, pooled to `cells`.
pub struct RoiAlign<'a> {
    /// `[count][channels][cells]`
    pub out: &'a mut [f32],
    /// `x_dims`
    pub x: &'a [f32],
    /// `[count][4]`: x1, y1, x2, y2
    pub regions: &'a [f32],
    /// The image each region lies in, `[count]`.
    pub images: &'a [i64],
    /// Number of regions.
    pub count: usize,
    /// Images, channels, height, width.
    pub x_dims: [usize; 4],
    /// Rows and columns of a result.
    pub cells: [usize; 2],
    /// Samples a cell along each axis; as many as the cell is large if 0.
    pub sampling: usize,
    /// What regions are multiplied by.
    pub scale: f32,
    /// Whether pixels are half a step from their edges, rather than regions at least one pixel large.
    pub half_pixel: bool,
    /// The greatest weighted pixel rather than the mean sample.
    pub max: bool,
}

/// Samples along an axis: where the first of a cell is, and the step between them.
#[derive(Clone, Copy)]
struct Axis {
    from: f32,
    cell: f32,
    samples: usize,
}

impl Axis {
    #[inline(always)]
    fn at(self, cell: usize, sample: usize) -> f32 {
        self.from + cell as f32 * self.cell + (sample as f32 + 0.5) * self.cell / self.samples as f32
    }
}

/// The most samples of a cell along an axis: a region's size is data, and must not make a run endless.
const MOST_SAMPLES: usize = 4096;

impl RoiAlign<'_> {
    #[inline(always)]
    fn axis(&self, from: f32, to: f32, cells: usize) -> Axis {
        let half = if self.half_pixel { 0.5 } else { 0.0 };
        let (from, to) = (from * self.scale - half, to * self.scale - half);
        let size = if self.half_pixel { to - from } else { (to - from).max(1.0) };
        let cell = size / cells as f32;
        // `ceil` is not in core; casts saturate, and NaN becomes 0.
        let whole = cell as usize;
        let ceil = whole.saturating_add(usize::from(cell > whole as f32));
        Axis { from, cell, samples: if self.sampling > 0 { self.sampling } else { ceil.min(MOST_SAMPLES) } }
    }
}

impl Task for RoiAlign<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let [n, channels, height, width] = self.x_dims;
        let [rows, cols] = self.cells;
        let (plane, cells) = (height * width, rows * cols);
        assert_eq!(self.out.len(), self.count * channels * cells);
        assert_eq!(self.x.len(), n * channels * plane);
        assert!(self.regions.len() == 4 * self.count && self.images.len() == self.count);
        if self.out.is_empty() {
            return;
        }
        assert!(plane > 0, "a region of an empty image");
        for (r, (region, image)) in self.regions.as_chunks::<4>().0.iter().zip(self.images).enumerate() {
            let x = &self.x[image.at(n) * channels * plane..][..channels * plane];
            let (down, across) = (self.axis(region[1], region[3], rows), self.axis(region[0], region[2], cols));
            let samples = down.samples * across.samples;
            let share = 1.0 / samples.max(1) as f32;
            for row in 0..rows {
                for col in 0..cols {
                    let at = r * channels * cells + row * cols + col;
                    for c in 0..channels {
                        self.out[at + c * cells] = 0.0;
                    }
                    for sample in 0..samples {
                        let y = down.at(row, sample / across.samples);
                        let x_at = across.at(col, sample % across.samples);
                        let (index, weight) = neighbours(y, x_at, height, width);
                        for (c, plane) in x.chunks_exact(plane).enumerate() {
                            let parts = [0, 1, 2, 3].map(
                                #[inline(always)]
                                |i| weight[i] * plane[index[i]],
                            );
                            let out = &mut self.out[at + c * cells];
                            if self.max {
                                let greatest = parts[0].max(parts[1]).max(parts[2]).max(parts[3]);
                                *out = if sample == 0 { greatest } else { out.max(greatest) };
                            } else {
                                *out += (parts[0] + parts[1] + parts[2] + parts[3]) * share;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The four pixels around a place, and their weights.
#[inline(always)]
fn neighbours(y: f32, x: f32, height: usize, width: usize) -> ([usize; 4], [f32; 4]) {
    if !(y >= -1.0 && y <= height as f32 && x >= -1.0 && x <= width as f32) {
        return ([0; 4], [0.0; 4]);
    }
    let ([y0, y1], ly) = along(y, height);
    let ([x0, x1], lx) = along(x, width);
    let (hy, hx) = (1.0 - ly, 1.0 - lx);
    ([y0 * width + x0, y0 * width + x1, y1 * width + x0, y1 * width + x1], [hy * hx, hy * lx, ly * hx, ly * lx])
}

/// The elements before and after a coordinate, and how far it is from the first to the second.
#[inline(always)]
fn along(at: f32, size: usize) -> ([usize; 2], f32) {
    let at = at.max(0.0);
    let low = at as usize;
    if low + 1 >= size { ([size - 1; 2], 0.0) } else { ([low, low + 1], at - low as f32) }
}

//! Regions of an image pooled to one size each.

use super::operands::{exactly, has_shape, is_f32, is_of, result};
use super::{Lower, Rules};
use crate::ir::{DType, Dim, Tensor, Type};
use crate::plan::Arg;

/// ONNX RoiAlign. Operands: images `[n, channels, height, width]`, regions `[r, 4]` as x1, y1, x2, y2, and the image of each
/// `[r]` (i64). Result `[r, channels, height, width]`.
#[derive(Clone, PartialEq, Debug)]
pub struct RoiAlign {
    /// Rows of a result.
    pub height: usize,
    /// Columns of a result.
    pub width: usize,
    /// Samples a cell along each axis; as many as the cell is large if 0.
    pub sampling: usize,
    /// What regions are multiplied by.
    pub scale: f32,
    /// Whether pixels are half a step from their edges, rather than regions at least one pixel large.
    pub half_pixel: bool,
    /// The greatest weighted pixel rather than the mean sample.
    pub max: bool,
}

impl Rules for RoiAlign {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let [x, regions, images] = exactly(inputs)?;
        is_f32(x)?;
        is_f32(regions)?;
        is_of("the regions' images", images, DType::I64)?;
        if x.rank() != 4 {
            return Err(format!("images of {} axes; 4 work", x.rank()));
        }
        let n = regions.shape.first().cloned().ok_or("the regions are one number")?;
        has_shape("the list of regions", regions, &[n.clone(), Dim::from(4)])?;
        has_shape("the regions' images", images, std::slice::from_ref(&n))?;
        let shape = vec![n, x.shape[1].clone(), Dim::from(self.height), Dim::from(self.width)];
        Ok(vec![Type { dtype: x.dtype, shape }])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let (dtype, dims) = result(self, inputs)?;
        let (x, regions, images) = (inputs[0].to_f64s(), inputs[1].to_f64s(), inputs[2].to_i64s());
        let [n, channels, height, width] = [0, 1, 2, 3].map(|axis| inputs[0].shape()[axis]);
        let mut out = Vec::with_capacity(dims.iter().product());
        for (region, &image) in regions.chunks_exact(4).zip(&images) {
            let image = super::operands::wrapped(image, n)?;
            let (rows, row_samples) = self.cells(region[1], region[3], self.height);
            let (cols, col_samples) = self.cells(region[0], region[2], self.width);
            for channel in 0..channels {
                let plane = &x[(image * channels + channel) * height * width..][..height * width];
                for row in rows.chunks(row_samples.max(1)).chain(std::iter::repeat(&[][..])).take(self.height) {
                    for col in cols.chunks(col_samples.max(1)).chain(std::iter::repeat(&[][..])).take(self.width) {
                        let samples = row.iter().flat_map(|&y| col.iter().map(move |&x| (y, x)));
                        out.push(self.pooled(plane, [height, width], samples.collect()));
                    }
                }
            }
        }
        Ok(vec![Tensor::from_f64s(dtype, dims, &out)])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let (dims, n) = (cx.ty(0).shape.clone(), cx.ty(1).shape[0].clone());
        let (out, x, regions, images) = (cx.output(0), cx.input(0), cx.input(1), cx.input(2));
        cx.call(
            "roi_align",
            "RoiAlign",
            vec![
                ("out", Arg::Write(out)),
                ("x", Arg::Read(x)),
                ("regions", Arg::Read(regions)),
                ("images", Arg::Read(images)),
                ("count", Arg::Size(n)),
                ("x_dims", Arg::Sizes(dims)),
                ("cells", Arg::Sizes(vec![Dim::from(self.height), Dim::from(self.width)])),
                ("sampling", Arg::Size(Dim::from(self.sampling))),
                ("scale", Arg::Float(f64::from(self.scale))),
                ("half_pixel", Arg::Bool(self.half_pixel)),
                ("max", Arg::Bool(self.max)),
            ],
        );
        Ok(())
    }
}

impl RoiAlign {
    /// The coordinates of all samples of `n` cells between `from` and `to`, and how many a cell has.
    fn cells(&self, from: f64, to: f64, n: usize) -> (Vec<f64>, usize) {
        let half = if self.half_pixel { 0.5 } else { 0.0 };
        let (from, to) = (from * f64::from(self.scale) - half, to * f64::from(self.scale) - half);
        let size = if self.half_pixel { to - from } else { (to - from).max(1.0) } / n as f64;
        let samples = if self.sampling > 0 { self.sampling } else { size.ceil().clamp(0.0, 4096.0) as usize };
        let at = |i: usize| from + (i / samples) as f64 * size + ((i % samples) as f64 + 0.5) * size / samples as f64;
        ((0..n * samples).map(at).collect(), samples)
    }

    fn pooled(&self, plane: &[f64], [height, width]: [usize; 2], samples: Vec<(f64, f64)>) -> f64 {
        let mut best: Option<f64> = None;
        let mut sum = 0.0;
        for &(y, x) in &samples {
            let outside = y < -1.0 || y > height as f64 || x < -1.0 || x > width as f64;
            let ([y0, y1], ly) = neighbours(y, height);
            let ([x0, x1], lx) = neighbours(x, width);
            let inside = if outside { 0.0 } else { 1.0 };
            let parts = [
                (1.0 - ly) * (1.0 - lx) * plane[y0 * width + x0],
                (1.0 - ly) * lx * plane[y0 * width + x1],
                ly * (1.0 - lx) * plane[y1 * width + x0],
                ly * lx * plane[y1 * width + x1],
            ]
            .map(|part| part * inside);
            sum += parts.iter().sum::<f64>();
            let greatest = parts.into_iter().fold(f64::NEG_INFINITY, f64::max);
            best = Some(best.map_or(greatest, |best| best.max(greatest)));
        }
        if self.max { best.unwrap_or(0.0) } else { sum / samples.len().max(1) as f64 }
    }
}

/// The elements before and after a coordinate, and how far it is from the first to the second.
fn neighbours(at: f64, size: usize) -> ([usize; 2], f64) {
    let at = at.max(0.0);
    let low = at as usize;
    if low + 1 >= size { ([size.saturating_sub(1); 2], 0.0) } else { ([low, low + 1], at - low as f64) }
}

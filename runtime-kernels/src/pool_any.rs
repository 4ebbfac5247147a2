//! Channels-last pooling of other numbers than f32, row by row of channels.

use super::number::Number;
use super::pool::{Clip, PoolShape, padded_count, windows};
use super::scalar_math_f64::pow_f64;
use super::simd::{Simd, Task};
use super::window::volume;

/// The greatest of each window, and where it lies if asked; the least number there is for a window that sees no input.
pub struct MaxPoolAny<'a, T: Number> {
    /// `[batch][output][channels]`
    pub out: &'a mut [T],
    /// `[batch][output][channels]`, each the position of the maximum in `[batch][channels][input]`.
    pub indices: Option<&'a mut [i64]>,
    /// `[batch][input][channels]`
    pub x: &'a [T],
    /// The sizes.
    pub shape: PoolShape,
    /// Whether positions within the image count its first dimension fastest.
    pub column_major: bool,
}

/// The mean of each window.
pub struct AvgPoolF64<'a> {
    /// `[batch][output][channels]`
    pub out: &'a mut [f64],
    /// `[batch][input][channels]`
    pub x: &'a [f64],
    /// The sizes.
    pub shape: PoolShape,
    /// Whether padding, all zeros, counts.
    pub count_include_pad: bool,
}

/// The p-norm of each window.
pub struct LpPoolF64<'a> {
    /// `[batch][output][channels]`
    pub out: &'a mut [f64],
    /// `[batch][input][channels]`
    pub x: &'a [f64],
    /// The sizes.
    pub shape: PoolShape,
    /// At least 1.
    pub p: u32,
}

/// Calls `each(pixel of the image)` for what a window sees, in order.
#[inline(always)]
fn seen(clip: &Clip, mut each: impl FnMut(usize)) {
    for d in 0..clip.count[0] {
        for h in 0..clip.count[1] {
            for w in 0..clip.count[2] {
                each(clip.from + d * clip.pitch[0] + h * clip.pitch[1] + w * clip.pitch[2]);
            }
        }
    }
}

impl<T: Number> Task for MaxPoolAny<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { out, mut indices, x, shape, column_major } = self;
        let (channels, pixels) = (shape.channels, volume(shape.input));
        let [depth, height, width] = shape.input;
        windows(&shape, |pixel, entry, clip, _| {
            let out = &mut out[pixel * channels..][..channels];
            out.fill(T::LOWEST);
            if let Some(indices) = &mut indices {
                let indices = &mut indices[pixel * channels..][..channels];
                indices.fill(clip.from as i64);
                seen(&clip, |at| {
                    let x = &x[(entry * pixels + at) * channels..][..channels];
                    for ((best, place), &x) in out.iter_mut().zip(&mut *indices).zip(x) {
                        if x > *best || x.is_nan() {
                            (*best, *place) = (x, at as i64);
                        }
                    }
                });
                for (c, place) in indices.iter_mut().enumerate() {
                    let at = *place as usize;
                    let (z, y, x) = (at / (height * width), at / width % height, at % width);
                    let at = if column_major { z + (y + x * height) * depth } else { at };
                    *place = ((entry * channels + c) * pixels + at) as i64;
                }
            } else {
                seen(&clip, |at| {
                    let x = &x[(entry * pixels + at) * channels..][..channels];
                    for (best, &x) in out.iter_mut().zip(x) {
                        *best = best.greater(x);
                    }
                });
            }
        });
    }
}

/// Sums `f` of what each window sees, and finishes the sums given how many elements count.
#[inline(always)]
fn sums(
    out: &mut [f64],
    x: &[f64],
    shape: &PoolShape,
    include_pad: bool,
    f: impl Fn(f64) -> f64,
    finish: impl Fn(f64, f64) -> f64,
) {
    let (channels, pixels) = (shape.channels, volume(shape.input));
    windows(shape, |pixel, entry, clip, at| {
        let out = &mut out[pixel * channels..][..channels];
        out.fill(0.0);
        let count = if include_pad { padded_count(shape, at) } else { volume(clip.count) };
        seen(&clip, |at| {
            let x = &x[(entry * pixels + at) * channels..][..channels];
            out.iter_mut().zip(x).for_each(|(sum, &x)| *sum += f(x));
        });
        out.iter_mut().for_each(|sum| *sum = finish(*sum, count.max(1) as f64));
    });
}

impl Task for AvgPoolF64<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        sums(self.out, self.x, &self.shape, self.count_include_pad, |x| x, |sum, count| sum / count);
    }
}

impl Task for LpPoolF64<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let p = f64::from(self.p);
        let power = |x: f64| if self.p == 1 { x.abs() } else { pow_f64(x.abs(), p) };
        sums(self.out, self.x, &self.shape, false, power, |sum, _| pow_f64(sum, 1.0 / p));
    }
}

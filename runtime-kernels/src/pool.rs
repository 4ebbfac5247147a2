//! Channels-last pooling in one to three spatial dimensions, vectorised over channels.
//!
//! Windows may overhang the padded input, as `ceil_mode` lets them: what lies outside never counts. A window that sees
//! no input at all gives the empty maximum, negative infinity, or 0 for the averages.

use core::ops::Range;

use super::simd::{Simd, Task};
use super::split::{Part, Split, own, parts, times, whole};
use super::window::{taps_inside, volume};

/// The sizes of a pooling; spatial dimensions are `[depth, height, width]`, those a model lacks are 1.
#[derive(Clone, Copy, Debug)]
pub struct PoolShape {
    /// Images.
    pub batch: usize,
    /// Spatial size of the input.
    pub input: [usize; 3],
    /// Spatial size of the output.
    pub output: [usize; 3],
    /// Taps.
    pub kernel: [usize; 3],
    /// Input pixels from output pixel to output pixel.
    pub stride: [usize; 3],
    /// Input pixels from tap to tap.
    pub dilation: [usize; 3],
    /// Leading padding.
    pub pad: [usize; 3],
    /// Trailing padding; only what `count_include_pad` counts depends on it.
    pub pad_end: [usize; 3],
    /// Channels.
    pub channels: usize,
}

/// The greatest of each window, NaN where one is NaN.
pub struct MaxPool<'a> {
    /// `[batch][output][channels]`
    pub out: &'a mut [f32],
    /// `[batch][input][channels]`
    pub x: &'a [f32],
    /// The sizes.
    pub shape: PoolShape,
}

/// The mean of each window.
pub struct AvgPool<'a> {
    /// `[batch][output][channels]`
    pub out: &'a mut [f32],
    /// `[batch][input][channels]`
    pub x: &'a [f32],
    /// The sizes.
    pub shape: PoolShape,
    /// Whether padding, all zeros, counts.
    pub count_include_pad: bool,
}

/// The p-norm of each window.
pub struct LpPool<'a> {
    /// `[batch][output][channels]`
    pub out: &'a mut [f32],
    /// `[batch][input][channels]`
    pub x: &'a [f32],
    /// The sizes.
    pub shape: PoolShape,
    /// At least 1.
    pub p: u32,
}

/// The greatest of each window and where it lies.
pub struct MaxPoolIndices<'a> {
    /// `[batch][output][channels]`
    pub out: &'a mut [f32],
    /// `[batch][output][channels]`, each the position of the maximum in `[batch][channels][input]`.
    pub indices: &'a mut [i64],
    /// `[batch][input][channels]`
    pub x: &'a [f32],
    /// The sizes.
    pub shape: PoolShape,
    /// Whether positions within the image count its first dimension fastest.
    pub column_major: bool,
}

/// How the elements of a window become one.
trait Fold: Copy {
    /// What is known of the elements added so far.
    type Sum<S: Simd>: Copy;
    /// That of no element.
    fn start<S: Simd>(self, s: S) -> Self::Sum<S>;
    /// Adds an element.
    fn add<S: Simd>(self, s: S, sum: Self::Sum<S>, x: S::F32) -> Self::Sum<S>;
    /// The result, where `count` elements count.
    fn finish<S: Simd>(self, s: S, sum: Self::Sum<S>, count: usize) -> S::F32;
}

#[derive(Clone, Copy)]
struct Greatest;

impl Fold for Greatest {
    /// The greatest, and where all were numbers, so that a maximum does not wait for what the one before it found of NaN.
    type Sum<S: Simd> = (S::F32, S::Mask);

    #[inline(always)]
    fn start<S: Simd>(self, s: S) -> Self::Sum<S> {
        let none = s.splat(f32::NEG_INFINITY);
        (none, s.eq(none, none))
    }

    #[inline(always)]
    fn add<S: Simd>(self, s: S, (greatest, numbers): Self::Sum<S>, x: S::F32) -> Self::Sum<S> {
        (s.max_number(greatest, x), s.and(numbers, s.eq(x, x)))
    }

    #[inline(always)]
    fn finish<S: Simd>(self, s: S, (greatest, numbers): Self::Sum<S>, _count: usize) -> S::F32 {
        s.select(numbers, greatest, s.splat(f32::NAN))
    }
}

#[derive(Clone, Copy)]
struct Mean;

impl Fold for Mean {
    type Sum<S: Simd> = S::F32;

    #[inline(always)]
    fn start<S: Simd>(self, s: S) -> S::F32 {
        s.splat(0.0)
    }

    #[inline(always)]
    fn add<S: Simd>(self, s: S, sum: S::F32, x: S::F32) -> S::F32 {
        s.add(sum, x)
    }

    #[inline(always)]
    fn finish<S: Simd>(self, s: S, sum: S::F32, count: usize) -> S::F32 {
        s.div(sum, s.splat(count.max(1) as f32))
    }
}

#[derive(Clone, Copy)]
struct Norm(u32);

impl Norm {
    /// `x` to a whole power, by squaring.
    #[inline(always)]
    fn power<S: Simd>(s: S, x: S::F32, p: u32) -> S::F32 {
        let (mut power, mut square, mut p) = (s.splat(1.0), x, p);
        while p > 0 {
            if p & 1 == 1 {
                power = s.mul(power, square);
            }
            square = s.mul(square, square);
            p >>= 1;
        }
        power
    }
}

impl Fold for Norm {
    type Sum<S: Simd> = S::F32;

    #[inline(always)]
    fn start<S: Simd>(self, s: S) -> S::F32 {
        s.splat(0.0)
    }

    #[inline(always)]
    fn add<S: Simd>(self, s: S, sum: S::F32, x: S::F32) -> S::F32 {
        match self.0 {
            1 => s.add(sum, s.abs(x)),
            2 => s.fma(x, x, sum),
            p => s.add(sum, Self::power(s, s.abs(x), p)),
        }
    }

    /// The p-th root by Newton's iteration. Dividing the bits of a float by p divides its logarithm to within 0.09, so
    /// the first guess is off by less than 0.07 / p, and three steps that square the error reach rounding.
    #[inline(always)]
    fn finish<S: Simd>(self, s: S, sum: S::F32, _count: usize) -> S::F32 {
        match self.0 {
            0 | 1 => return sum,
            2 => return s.sqrt(sum),
            _ => {}
        }
        let p = self.0 as f32;
        let one = s.to_f32(s.to_bits(s.splat(1.0)));
        let bits = s.to_f32(s.to_bits(sum));
        let guess = s.fma(s.sub(bits, one), s.splat(1.0 / p), one);
        let mut root = s.from_bits(s.to_i32(guess));
        for _ in 0..4 {
            let quotient = s.div(sum, Self::power(s, root, self.0 - 1));
            root = s.mul(s.fma(root, s.splat(p - 1.0), quotient), s.splat(1.0 / p));
        }
        // Zero, infinity and NaN are their own roots.
        let finite = s.and(s.lt(s.splat(0.0), sum), s.lt(sum, s.splat(f32::INFINITY)));
        s.select(finite, root, sum)
    }
}

/// The part of a window inside the input.
#[derive(Clone, Copy)]
pub(super) struct Clip {
    /// Offset of the first pixel in the image, in pixels.
    pub from: usize,
    /// Pixels, and the distance between them, in each dimension.
    pub count: [usize; 3],
    pub pitch: [usize; 3],
}

impl Clip {
    /// Those of the windows at a line of output pixels, whose column is not known yet.
    #[inline(always)]
    fn line(shape: &PoolShape, d: usize, h: usize) -> Self {
        let mut clip = Self { from: 0, count: [0; 3], pitch: [0; 3] };
        clip.meet(shape, 0, d, shape.input[1] * shape.input[2]);
        clip.meet(shape, 1, h, shape.input[2]);
        clip
    }

    /// That of the window at column `w` of the line.
    #[inline(always)]
    fn at(mut self, shape: &PoolShape, w: usize) -> Self {
        self.meet(shape, 2, w, 1);
        self
    }

    /// Clips dimension `dim`, whose pixels are `pitch` apart, for the windows at `at` in it.
    #[inline(always)]
    fn meet(&mut self, shape: &PoolShape, dim: usize, at: usize, pitch: usize) {
        let start = at * shape.stride[dim];
        let (pad, dilation) = (shape.pad[dim], shape.dilation[dim]);
        let taps: Range<usize> = taps_inside(start, pad, shape.input[dim], shape.kernel[dim], dilation);
        self.count[dim] = taps.len();
        self.pitch[dim] = dilation * pitch;
        self.from += (start + taps.start * dilation).saturating_sub(pad) * pitch;
    }

    /// How many pixels there are.
    #[inline(always)]
    fn len(&self) -> usize {
        volume(self.count)
    }

    /// One past the offset of the last pixel.
    #[inline(always)]
    fn end(&self) -> usize {
        if self.len() == 0 {
            return 0;
        }
        self.from + (0..3).map(|dim| (self.count[dim] - 1) * self.pitch[dim]).sum::<usize>() + 1
    }
}

/// Calls `each(output pixel, image, clip, position)` for every output pixel.
#[inline(always)]
pub(super) fn windows(shape: &PoolShape, each: impl FnMut(usize, usize, Clip, [usize; 3])) {
    let [depth, height, _] = shape.output;
    windows_of(shape, 0..shape.batch * depth * height, each);
}

/// The same for the pixels of some lines, counted over all images.
#[inline(always)]
fn windows_of(shape: &PoolShape, lines: Range<usize>, mut each: impl FnMut(usize, usize, Clip, [usize; 3])) {
    let [depth, height, width] = shape.output;
    for line in lines {
        let (entry, d, h) = (line / height / depth, line / height % depth, line % height);
        let clip = Clip::line(shape, d, h);
        for w in 0..width {
            each(line * width + w, entry, clip.at(shape, w), [d, h, w]);
        }
    }
}

/// Folds the windows of a part; an average counts the padding if `include_pad`.
///
/// # Safety
/// `out` must be valid, and this part of it used by nothing else.
#[inline(always)]
unsafe fn pool<S: Simd, F: Fold>(
    s: S,
    out: *mut [f32],
    x: &[f32],
    shape: &PoolShape,
    fold: F,
    include_pad: bool,
    part: Part,
) {
    let channels = shape.channels;
    let image = volume(shape.input) * channels;
    let lines = part.range(shape.batch * shape.output[0] * shape.output[1]);
    let first = lines.start * shape.output[2];
    // SAFETY: lines are divided among the parts.
    let out = unsafe { own(out, times(&lines, shape.output[2] * channels)) };
    let x = &x[..shape.batch * image];
    windows_of(shape, lines, |pixel, entry, clip, at| {
        let x = &x[entry * image..][..image];
        let out = &mut out[(pixel - first) * channels..][..channels];
        let count = if include_pad { padded_count(shape, at) } else { clip.len() };
        assert!(clip.end() * channels <= x.len());
        let mut c = 0;
        while c < channels {
            let left = channels - c;
            c += match left / S::LANES {
                0 => {
                    let sum = window::<S, F>(s, x, &clip, channels, c, fold);
                    s.store_part(fold.finish(s, sum, count), &mut out[c..]);
                    left
                }
                1 => vectors::<S, F, 1>(s, out, x, &clip, channels, c, fold, count),
                2 => vectors::<S, F, 2>(s, out, x, &clip, channels, c, fold, count),
                3 => vectors::<S, F, 3>(s, out, x, &clip, channels, c, fold, count),
                _ => vectors::<S, F, 4>(s, out, x, &clip, channels, c, fold, count),
            };
        }
    });
}

/// Folds `N` vectors of channels from `c` on over a window, and gives their number.
#[inline(always)]
fn vectors<S: Simd, F: Fold, const N: usize>(
    s: S,
    out: &mut [f32],
    x: &[f32],
    clip: &Clip,
    channels: usize,
    c: usize,
    fold: F,
    count: usize,
) -> usize {
    let mut sums = [fold.start(s); N];
    for d in 0..clip.count[0] {
        for h in 0..clip.count[1] {
            let mut at = (clip.from + d * clip.pitch[0] + h * clip.pitch[1]) * channels + c;
            for _ in 0..clip.count[2] {
                for (j, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: `pool` checked the window's last pixel, all channels included, and the channels from `c` on
                    // fill `N` vectors.
                    *sum = fold.add(s, *sum, unsafe { s.load_ptr(x.as_ptr().add(at + j * S::LANES)) });
                }
                at += clip.pitch[2] * channels;
            }
        }
    }
    for (j, &sum) in sums.iter().enumerate() {
        s.store(fold.finish(s, sum, count), &mut out[c + j * S::LANES..]);
    }
    N * S::LANES
}

/// Folds the channels from `c` on, fewer than a vector, over a window.
#[inline(always)]
fn window<S: Simd, F: Fold>(s: S, x: &[f32], clip: &Clip, channels: usize, c: usize, fold: F) -> F::Sum<S> {
    let mut sum = fold.start(s);
    for d in 0..clip.count[0] {
        for h in 0..clip.count[1] {
            for w in 0..clip.count[2] {
                let pixel = clip.from + d * clip.pitch[0] + h * clip.pitch[1] + w * clip.pitch[2];
                sum = fold.add(s, sum, s.load_part(&x[pixel * channels + c..(pixel + 1) * channels]));
            }
        }
    }
    sum
}

/// How many positions of a window lie within the input and its padding.
#[inline(always)]
pub(super) fn padded_count(shape: &PoolShape, at: [usize; 3]) -> usize {
    let taps = [0, 1, 2].map(|dim| {
        let size = shape.pad[dim] + shape.input[dim] + shape.pad_end[dim];
        taps_inside(at[dim] * shape.stride[dim], 0, size, shape.kernel[dim], shape.dilation[dim]).len()
    });
    volume(taps)
}

macro_rules! pools {
    ($($pool:ident: |$task:ident| $fold:expr, $include_pad:expr;)*) => {$(
        impl Task for $pool<'_> {
            type Out = ();

            #[inline(always)]
            fn run<S: Simd>(self, s: S) {
                whole(s, self);
            }
        }

        impl Split for $pool<'_> {
            #[inline(always)]
            fn parts(&self, threads: usize) -> usize {
                let PoolShape { batch, output, kernel, channels, .. } = self.shape;
                parts(4 * batch * volume(output) * volume(kernel) * channels, batch * output[0] * output[1], threads)
            }

            #[inline(always)]
            unsafe fn part<S: Simd>(task: *mut Self, s: S, part: Part, _: &mut [f32]) {
                // SAFETY: the caller vouches for the task; its output is only written through this pointer, each part's
                // elements by that part.
                unsafe {
                    let (out, $task) = (&raw mut *(*task).out, &*task);
                    pool(s, out, $task.x, &$task.shape, $fold, $include_pad, part);
                }
            }
        }
    )*};
}

pools! {
    MaxPool: |task| Greatest, false;
    AvgPool: |task| Mean, task.count_include_pad;
    LpPool: |task| Norm(task.p), false;
}

impl Task for MaxPoolIndices<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { out, indices, x, shape, column_major } = self;
        let channels = shape.channels;
        let pixels = volume(shape.input);
        let [depth, height, width] = shape.input;
        let out = &mut out[..shape.batch * volume(shape.output) * channels];
        let indices = &mut indices[..out.len()];
        windows(&shape, |pixel, entry, clip, _| {
            let mut c = 0;
            while c < channels {
                let n = (channels - c).min(S::LANES);
                let mut best = s.splat(f32::NEG_INFINITY);
                // Positions are carried as the bits of floats, which selection does not touch.
                let mut place = s.from_bits(s.splat_i32(clip.from as i32));
                for tap in 0..clip.len() {
                    let (d, h) = (tap / (clip.count[1] * clip.count[2]), tap / clip.count[2] % clip.count[1]);
                    let w = tap % clip.count[2];
                    let at = clip.from + d * clip.pitch[0] + h * clip.pitch[1] + w * clip.pitch[2];
                    let v = s.load_part(&x[(entry * pixels + at) * channels + c..][..n]);
                    let more = s.or(s.lt(best, v), s.not(s.eq(v, v)));
                    best = s.select(more, v, best);
                    place = s.select(more, s.from_bits(s.splat_i32(at as i32)), place);
                }
                s.store_part(best, &mut out[pixel * channels + c..][..n]);
                let mut places = [0.0; 16];
                s.store(place, &mut places);
                for (j, place) in places[..n].iter().enumerate() {
                    let at = place.to_bits() as usize;
                    let (z, y, x) = (at / (height * width), at / width % height, at % width);
                    let at = if column_major { z + (y + x * height) * depth } else { at };
                    indices[pixel * channels + c + j] = ((entry * channels + c + j) * pixels + at) as i64;
                }
                c += n;
            }
        });
    }
}

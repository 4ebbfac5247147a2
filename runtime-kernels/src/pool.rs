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
    /// What an empty window gives, before `finish`.
    const EMPTY: f32;
    /// Adds an element.
    fn add<S: Simd>(self, s: S, acc: S::F32, x: S::F32) -> S::F32;
    /// The result, where `count` elements count.
    fn finish<S: Simd>(self, s: S, acc: S::F32, count: usize) -> S::F32;
}

#[derive(Clone, Copy)]
struct Greatest;

impl Fold for Greatest {
    const EMPTY: f32 = f32::NEG_INFINITY;

    #[inline(always)]
    fn add<S: Simd>(self, s: S, acc: S::F32, x: S::F32) -> S::F32 {
        s.max(acc, x)
    }

    #[inline(always)]
    fn finish<S: Simd>(self, _s: S, acc: S::F32, _count: usize) -> S::F32 {
        acc
    }
}

#[derive(Clone, Copy)]
struct Mean;

impl Fold for Mean {
    const EMPTY: f32 = 0.0;

    #[inline(always)]
    fn add<S: Simd>(self, s: S, acc: S::F32, x: S::F32) -> S::F32 {
        s.add(acc, x)
    }

    #[inline(always)]
    fn finish<S: Simd>(self, s: S, acc: S::F32, count: usize) -> S::F32 {
        s.div(acc, s.splat(count.max(1) as f32))
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
    const EMPTY: f32 = 0.0;

    #[inline(always)]
    fn add<S: Simd>(self, s: S, acc: S::F32, x: S::F32) -> S::F32 {
        match self.0 {
            1 => s.add(acc, s.abs(x)),
            2 => s.fma(x, x, acc),
            p => s.add(acc, Self::power(s, s.abs(x), p)),
        }
    }

    /// The p-th root by Newton's iteration. Dividing the bits of a float by p divides its logarithm to within 0.09, so
    /// the first guess is off by less than 0.07 / p, and three steps that square the error reach rounding.
    #[inline(always)]
    fn finish<S: Simd>(self, s: S, acc: S::F32, _count: usize) -> S::F32 {
        match self.0 {
            0 | 1 => return acc,
            2 => return s.sqrt(acc),
            _ => {}
        }
        let p = self.0 as f32;
        let one = s.to_f32(s.to_bits(s.splat(1.0)));
        let bits = s.to_f32(s.to_bits(acc));
        let guess = s.fma(s.sub(bits, one), s.splat(1.0 / p), one);
        let mut root = s.from_bits(s.to_i32(guess));
        for _ in 0..4 {
            let quotient = s.div(acc, Self::power(s, root, self.0 - 1));
            root = s.mul(s.fma(root, s.splat(p - 1.0), quotient), s.splat(1.0 / p));
        }
        // Zero, infinity and NaN are their own roots.
        let finite = s.and(s.lt(s.splat(0.0), acc), s.lt(acc, s.splat(f32::INFINITY)));
        s.select(finite, root, acc)
    }
}

/// The part of a window inside the input.
pub(super) struct Clip {
    /// Offset of the first pixel in the image, in pixels.
    pub from: usize,
    /// Pixels, and the distance between them, in each dimension.
    pub count: [usize; 3],
    pub pitch: [usize; 3],
}

impl Clip {
    /// That of the window at output pixel `at`.
    #[inline(always)]
    fn new(shape: &PoolShape, at: [usize; 3]) -> Self {
        let lines = [shape.input[1] * shape.input[2], shape.input[2], 1];
        let mut clip = Self { from: 0, count: [0; 3], pitch: [0; 3] };
        for dim in 0..3 {
            let start = at[dim] * shape.stride[dim];
            let (pad, dilation) = (shape.pad[dim], shape.dilation[dim]);
            let taps: Range<usize> = taps_inside(start, pad, shape.input[dim], shape.kernel[dim], dilation);
            clip.count[dim] = taps.len();
            clip.pitch[dim] = dilation * lines[dim];
            clip.from += (start + taps.start * dilation).saturating_sub(pad) * lines[dim];
        }
        clip
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
        for w in 0..width {
            each(line * width + w, entry, Clip::new(shape, [d, h, w]), [d, h, w]);
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
        while c + 4 * S::LANES <= channels {
            let acc = vectors::<S, F, 4>(s, x, &clip, channels, c, S::LANES, fold);
            for (j, &acc) in acc.iter().enumerate() {
                s.store(fold.finish(s, acc, count), &mut out[c + j * S::LANES..]);
            }
            c += 4 * S::LANES;
        }
        while c < channels {
            let n = (channels - c).min(S::LANES);
            let [acc] = vectors::<S, F, 1>(s, x, &clip, channels, c, n, fold);
            s.store_part(fold.finish(s, acc, count), &mut out[c..c + n]);
            c += n;
        }
    });
}

/// Folds `N` vectors of channels from `c` over a window, the last one of `n` channels.
#[inline(always)]
fn vectors<S: Simd, F: Fold, const N: usize>(
    s: S,
    x: &[f32],
    clip: &Clip,
    channels: usize,
    c: usize,
    n: usize,
    fold: F,
) -> [S::F32; N] {
    let mut acc = [s.splat(F::EMPTY); N];
    for d in 0..clip.count[0] {
        for h in 0..clip.count[1] {
            let mut at = (clip.from + d * clip.pitch[0] + h * clip.pitch[1]) * channels + c;
            for _ in 0..clip.count[2] {
                for (j, acc) in acc.iter_mut().enumerate() {
                    let v = if n == S::LANES {
                        // SAFETY: `pool` checked the window's last pixel, all channels included, and the channels from
                        // `c` fill `N` vectors.
                        unsafe { s.load_ptr(x.as_ptr().add(at + j * S::LANES)) }
                    } else {
                        s.load_part(&x[at..at + n])
                    };
                    *acc = fold.add(s, *acc, v);
                }
                at += clip.pitch[2] * channels;
            }
        }
    }
    acc
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

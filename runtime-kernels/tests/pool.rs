//! Pooling against its definition, on every instruction set, with padding, dilation and overhanging windows.

mod isa;

use isa::{OnIsa, assert_close, each_isa, random};
use kiln_kernels::pool::{AvgPool, LpPool, MaxPool, MaxPoolIndices, PoolShape};
use kiln_kernels::simd::Simd;

/// Every `[d, h, w]` within a size, in order.
fn positions(size: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    (0..size[0]).flat_map(move |d| (0..size[1]).flat_map(move |h| (0..size[2]).map(move |w| [d, h, w])))
}

fn volume(size: [usize; 3]) -> usize {
    size.iter().product()
}

/// For every output element, in order: the positions of its window that lie inside, the elements there, and how many
/// positions lie inside the padding too.
fn windows(shape: &PoolShape, x: &[f32]) -> Vec<(Vec<[usize; 3]>, Vec<f32>, usize)> {
    let mut windows = Vec::new();
    for entry in 0..shape.batch {
        for o in positions(shape.output) {
            let (mut inside, mut padded) = (Vec::new(), 0);
            for t in positions(shape.kernel) {
                let at = [0, 1, 2].map(|i| o[i] * shape.stride[i] + t[i] * shape.dilation[i]);
                padded += (0..3).all(|i| at[i] < shape.pad[i] + shape.input[i] + shape.pad_end[i]) as usize;
                if (0..3).all(|i| (shape.pad[i]..shape.pad[i] + shape.input[i]).contains(&at[i])) {
                    inside.push([0, 1, 2].map(|i| at[i] - shape.pad[i]));
                }
            }
            for c in 0..shape.channels {
                let elements = inside.iter().map(|&[d, h, w]| {
                    let pixel = (d * shape.input[1] + h) * shape.input[2] + w;
                    x[(entry * volume(shape.input) + pixel) * shape.channels + c]
                });
                windows.push((inside.clone(), elements.collect(), padded));
            }
        }
    }
    windows
}

fn shapes() -> Vec<PoolShape> {
    let mut seed = 3_u64;
    let mut pick = |most: u64| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) % most
    };
    let mut shapes = Vec::new();
    while shapes.len() < 80 {
        let mut three = |least: u64, most: u64| [0; 3].map(|_: usize| (least + pick(most)) as usize);
        let (mut input, mut kernel) = (three(1, 14), three(1, 4));
        let (stride, dilation) = (three(1, 3), three(1, 2));
        let (pad, pad_end, overhang) = (three(0, 3), three(0, 3), three(0, 2));
        if pick(3) > 0 {
            (input[0], kernel[0]) = (1, 1);
        }
        let output = [0, 1, 2].map(|i| {
            let room = input[i] + pad[i] + pad_end[i] + overhang[i];
            room.checked_sub((kernel[i] - 1) * dilation[i] + 1).map_or(0, |n| n / stride[i] + 1)
        });
        let (batch, channels) = (1 + pick(2) as usize, [1, 3, 16, 24, 33, 48, 64, 75][pick(8) as usize]);
        if volume(output) > 0 {
            shapes.push(PoolShape { batch, input, output, kernel, stride, dilation, pad, pad_end, channels });
        }
    }
    shapes
}

struct Pools {
    count: usize,
}

impl OnIsa for Pools {
    fn run<S: Simd>(&mut self, s: S) {
        for shape in shapes() {
            let x = &random(shape.batch * volume(shape.input) * shape.channels, 1);
            let windows = windows(&shape, x);
            let mut out = vec![f32::NAN; windows.len()];
            let what = |name: &str| format!("{} {name} {shape:?}", S::NAME);

            s.enter(MaxPool { out: &mut out, x, shape });
            let greatest = |x: &[f32]| x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let want: Vec<f32> = windows.iter().map(|(_, x, _)| greatest(x)).collect();
            assert_close(&out, &want, 0.0, 0.0, &what("max"));

            let mean = |x: &[f32], n: usize| x.iter().sum::<f32>() / n.max(1) as f32;
            s.enter(AvgPool { out: &mut out, x, shape, count_include_pad: false });
            let want: Vec<f32> = windows.iter().map(|(_, x, _)| mean(x, x.len())).collect();
            assert_close(&out, &want, 1e-6, 1e-6, &what("mean"));
            s.enter(AvgPool { out: &mut out, x, shape, count_include_pad: true });
            let want: Vec<f32> = windows.iter().map(|(_, x, padded)| mean(x, *padded)).collect();
            assert_close(&out, &want, 1e-6, 1e-6, &what("mean with padding"));

            for p in [1, 2, 3, 5, 8] {
                s.enter(LpPool { out: &mut out, x, shape, p });
                let norm = |x: &[f32]| {
                    x.iter().map(|x| f64::from(x.abs()).powi(p as i32)).sum::<f64>().powf(1.0 / f64::from(p))
                };
                let want: Vec<f32> = windows.iter().map(|(_, x, _)| norm(x) as f32).collect();
                assert_close(&out, &want, 2e-6, 1e-30, &what("norm"));
            }

            for column_major in [false, true] {
                let mut indices = vec![-1; windows.len()];
                s.enter(MaxPoolIndices { out: &mut out, indices: &mut indices, x, shape, column_major });
                let [depth, height, width] = shape.input;
                for (i, (places, x, _)) in windows.iter().enumerate() {
                    let best = greatest(x);
                    assert_eq!(out[i], best, "{}", what("max"));
                    let Some(tap) = x.iter().position(|&x| x == best) else { continue };
                    let [d, h, w] = places[tap];
                    let at = if column_major { d + depth * (h + height * w) } else { (d * height + h) * width + w };
                    let entry = i / shape.channels / volume(shape.output);
                    let image = entry * shape.channels + i % shape.channels;
                    assert_eq!(indices[i], (image * volume(shape.input) + at) as i64, "{} {i}", what("index"));
                }
            }
            self.count += 1;
        }
    }
}

#[test]
fn pools_agree_with_their_definition() {
    let mut pools = Pools { count: 0 };
    let isas = each_isa(&mut pools);
    assert_eq!(pools.count, isas * shapes().len());
}

struct Propagates;

impl OnIsa for Propagates {
    fn run<S: Simd>(&mut self, s: S) {
        // Several vectors of channels and a part of one, two channels of three with a NaN, in each place that one may have.
        let channels = 91;
        let shape = PoolShape {
            batch: 1,
            input: [1, 1, 3],
            output: [1, 1, 1],
            kernel: [1, 1, 3],
            stride: [1; 3],
            dilation: [1; 3],
            pad: [0; 3],
            pad_end: [0; 3],
            channels,
        };
        let has_nan = |c: usize| !c.is_multiple_of(3);
        let x: Vec<f32> = (0..3 * channels)
            .map(|i| (i / channels, i % channels))
            .map(|(pixel, c)| if has_nan(c) && c / 3 % 3 == pixel { f32::NAN } else { pixel as f32 })
            .collect();
        let mut out = vec![0.0; channels];
        s.enter(MaxPool { out: &mut out, x: &x, shape });
        for (c, x) in out.iter().enumerate() {
            assert!(if has_nan(c) { x.is_nan() } else { *x == 2.0 }, "{} channel {c}: {x}", S::NAME);
        }
    }
}

#[test]
fn maximum_of_a_window_with_a_nan_is_nan() {
    each_isa(&mut Propagates);
}

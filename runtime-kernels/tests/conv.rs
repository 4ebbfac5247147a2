//! Convolutions against nested loops over the definition, on every instruction set, over awkward geometries.

mod definition;
mod isa;

use definition::{Add, naive, shape, volume};
use isa::{OnIsa, assert_close, each_isa, random};
use kiln_kernels::conv_depthwise_f32::ConvDepthwise;
use kiln_kernels::conv_f32::{Conv, ConvShape, conv_scratch_len};
use kiln_kernels::conv_planes_f32::{ConvPlanes, Step, planes_scratch_len};
use kiln_kernels::conv_separable_f32::{Pixels, Planes as OfPlanes, Reads, Separable, separable_scratch_len};
use kiln_kernels::conv_transpose_f32::{ConvTranspose, conv_transpose_scratch_len};
use kiln_kernels::conv_winograd_f32::{ConvWinograd, winograd_scratch_len};
use kiln_kernels::epilogue::Clamp;
use kiln_kernels::pack;
use kiln_kernels::panels::Panels;
use kiln_kernels::simd::Simd;
use kiln_kernels::tiles::Tiles;
use kiln_kernels::winograd::{F2x2, F4x4, Filtering};

fn shapes() -> Vec<ConvShape> {
    let one = [1; 3];
    let none = [0; 3];
    let square = [0, 1, 1];
    let mut shapes = vec![
        shape(1, [1, 1, 1], one, one, one, none, none, [1, 1, 1]),
        shape(1, [1, 5, 7], one, one, one, none, none, [1, 3, 17]),
        shape(2, [1, 9, 8], one, one, one, none, none, [2, 5, 18]),
        shape(1, [1, 9, 8], one, [1, 2, 2], one, none, none, [1, 6, 33]),
        shape(1, [1, 6, 6], one, one, one, square, square, [1, 4, 16]),
        shape(1, [1, 13, 15], [1, 3, 3], one, one, square, square, [1, 16, 40]),
        shape(2, [1, 14, 14], [1, 3, 3], one, one, square, square, [3, 4, 5]),
        shape(1, [1, 12, 31], [1, 3, 3], [1, 2, 2], one, square, square, [1, 7, 16]),
        shape(1, [1, 23, 23], [1, 7, 7], [1, 2, 2], one, [0, 3, 3], [0, 3, 3], [1, 3, 64]),
        shape(1, [1, 11, 10], [1, 3, 2], [1, 3, 1], [1, 2, 3], [0, 2, 0], [0, 1, 4], [1, 5, 19]),
        shape(1, [1, 17, 5], [1, 1, 5], one, one, [0, 0, 2], [0, 0, 2], [2, 8, 8]),
        shape(1, [1, 1, 50], [1, 1, 9], [1, 1, 4], one, [0, 0, 4], [0, 0, 3], [1, 2, 20]),
        shape(1, [1, 1, 1500], [1, 1, 3], one, one, [0, 0, 1], [0, 0, 1], [1, 20, 24]),
        shape(1, [1, 3, 700], [1, 3, 3], one, one, square, square, [1, 96, 8]),
        // Lines too narrow for a tile, gathered; windows taken in stages.
        shape(1, [1, 14, 14], [1, 1, 1], [1, 2, 2], one, none, none, [1, 700, 100]),
        shape(2, [1, 9, 9], [1, 3, 3], [1, 2, 2], one, square, square, [2, 130, 65]),
        shape(3, [1, 4, 4], [1, 3, 3], one, [1, 2, 2], [0, 2, 2], [0, 2, 2], [1, 90, 96]),
        shape(1, [1, 9, 30], [1, 3, 3], one, one, square, square, [1, 230, 33]),
        shape(1, [1, 5, 20], [1, 3, 3], one, [1, 1, 2], [0, 1, 2], [0, 1, 2], [1, 270, 20]),
        shape(1, [5, 6, 7], [3, 3, 3], one, one, one, one, [1, 3, 20]),
        shape(2, [6, 5, 9], [2, 3, 1], [2, 1, 3], [1, 2, 1], [1, 0, 0], [0, 2, 1], [2, 3, 4]),
        shape(1, [1, 4, 4], [1, 3, 3], one, [1, 4, 4], [0, 4, 4], [0, 4, 4], [1, 3, 16]),
        shape(1, [1, 2, 2], [1, 5, 5], one, one, [0, 4, 4], [0, 4, 4], [1, 3, 5]),
        shape(1, [1, 9, 9], [1, 3, 3], one, one, none, none, [1, 8, 16]),
        shape(1, [1, 30, 30], [1, 3, 3], one, one, square, square, [1, 64, 96]),
        // Whole panels on lines that strips would cut badly, in blocks of several lines, of planes, and of a line's last pixels.
        shape(2, [1, 7, 7], [1, 3, 3], one, one, square, square, [3, 16, 16]),
        shape(1, [1, 15, 13], [1, 3, 3], one, [1, 2, 1], square, square, [2, 9, 32]),
        shape(1, [4, 9, 7], [2, 3, 3], [1, 2, 1], one, none, one, [2, 5, 16]),
        shape(1, [1, 3, 260], [1, 2, 3], one, one, none, square, [1, 30, 32]),
    ];
    let mut seed = 7_u64;
    let mut pick = |most: u64| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) % most
    };
    for _ in 0..60 {
        let mut three = |least: u64, most: u64| [0; 3].map(|_: usize| (least + pick(most)) as usize);
        let (mut input, mut kernel) = (three(1, 18), three(1, 4));
        let (stride, dilation, pad, end) = (three(1, 3), three(1, 3), three(0, 3), three(0, 3));
        let channels = [(1 + pick(3)) as usize, (1 + pick(21)) as usize, (1 + pick(36)) as usize];
        (input[0], kernel[0]) = if pick(3) == 0 { (input[0].min(5), kernel[0]) } else { (1, 1) };
        shapes.push(shape(1 + pick(2) as usize, input, kernel, stride, dilation, pad, end, channels));
    }
    shapes.retain(|shape| volume(shape.output) > 0);
    shapes
}

/// `[batch][channels][pixels]` from `[batch][pixels][channels]`.
fn planes_of(x: &[f32], batch: usize, channels: usize) -> Vec<f32> {
    let mut planes = Vec::with_capacity(x.len());
    for image in x.chunks_exact((x.len() / batch).max(1)) {
        for channel in 0..channels {
            planes.extend(image[channel..].iter().step_by(channels));
        }
    }
    planes
}

struct Convs {
    count: usize,
}

impl OnIsa for Convs {
    fn run<S: Simd>(&mut self, s: S) {
        for shape in shapes() {
            let (c_in, c_out) = (shape.groups * shape.c_in, shape.groups * shape.c_out);
            let x = random(shape.batch * volume(shape.input) * c_in, 1);
            let w = random(c_out * shape.c_in * volume(shape.kernel), 2);
            let bias = random(c_out, 3);
            let residual = random(shape.batch * volume(shape.output) * c_out, 4);
            let want = naive(&shape, false, &x, &w, &bias, &residual);
            let mut packed = vec![f32::NAN; pack::conv_len(shape)];
            pack::conv(&mut packed, &w, shape);
            let mut padded = vec![f32::NAN; pack::bias_len(shape.groups, shape.c_out)];
            pack::bias(&mut padded, &bias, shape.groups, shape.c_out);
            let mut scratch = vec![f32::NAN; conv_scratch_len(shape)];
            let [out, tall, wide] = [Tiles::Auto, Tiles::Tall, Tiles::Wide].map(|tiles| {
                let mut out = vec![f32::NAN; residual.len()];
                s.enter(Conv {
                    out: &mut out,
                    x: &x,
                    w: &packed,
                    bias: Some(&padded),
                    scratch: &mut scratch,
                    shape,
                    tiles,
                    w_stride: 0,
                    ahead: Some(&packed),
                    epilogue: Add { residual: &residual, channels: c_out },
                });
                out
            });
            assert_close(&out, &want, 1e-5, 1e-4, &format!("{} {shape:?}", S::NAME));
            assert!(out == tall && out == wide, "tiles differ: {} {shape:?}", S::NAME);
            self.count += 1;
        }
    }
}

/// Convolutions of single pixels whose images have weights of their own, against those of each image alone.
struct OfEachImage;

impl OnIsa for OfEachImage {
    fn run<S: Simd>(&mut self, s: S) {
        for (batch, size, c_in, c_out) in [
            (3, [1, 3, 5], 7, 19),
            (2, [1, 14, 14], 33, 64),
            (3, [1, 7, 7], 1024, 64),
            (4, [2, 3, 1], 4, 130),
            (0, [1, 3, 5], 7, 19),
        ] {
            let one = ConvShape {
                batch: 1,
                input: size,
                output: size,
                kernel: [1; 3],
                stride: [1; 3],
                dilation: [1; 3],
                pad: [0; 3],
                groups: 1,
                c_in,
                c_out,
            };
            let shape = ConvShape { batch, ..one };
            let (pixels, w_stride) = (volume(size), pack::conv_len(one));
            let (x, bias) = (random(batch * pixels * c_in, 1), random(pack::bias_len(1, c_out), 2));
            let w = random(batch * w_stride, 3);
            let residual = random(batch * pixels * c_out, 4);
            let epilogue = Add { residual: &residual, channels: c_out };
            let mut scratch = vec![f32::NAN; conv_scratch_len(shape)];
            let (mut out, mut want) = (vec![f32::NAN; residual.len()], vec![f32::NAN; residual.len()]);
            let (bias, tiles, ahead) = (Some(&bias[..]), Tiles::Auto, Some(&w[..]));
            let (out_of, scratch) = (&mut out, &mut scratch);
            s.enter(Conv { out: out_of, x: &x, w: &w, bias, scratch, shape, tiles, w_stride, ahead, epilogue });
            for (i, want) in want.chunks_exact_mut(pixels * c_out).enumerate() {
                let (x, w) = (&x[i * pixels * c_in..][..pixels * c_in], &w[i * w_stride..][..w_stride]);
                let epilogue = Add { residual: &residual[i * pixels * c_out..], channels: c_out };
                s.enter(Conv { out: want, x, w, bias, scratch, shape: one, tiles, w_stride: 0, ahead: None, epilogue });
            }
            assert_close(&out, &want, 1e-6, 1e-5, &format!("{} images {shape:?}", S::NAME));
        }
    }
}

#[test]
fn images_may_have_weights_of_their_own() {
    assert!(each_isa(&mut OfEachImage) > 0);
}

/// Convolutions of planes with a step of their own type each.
struct Planes {
    count: usize,
}

impl Planes {
    fn check<S: Simd, const STEP: usize>(&mut self, s: S, shape: ConvShape) {
        let x = random(shape.batch * volume(shape.input) * shape.c_in, 1);
        let w = random(shape.c_out * shape.c_in * volume(shape.kernel), 2);
        let bias = random(shape.c_out, 3);
        let residual = random(shape.batch * volume(shape.output) * shape.c_out, 4);
        let want = naive(&shape, false, &x, &w, &bias, &residual);
        let mut packed = vec![f32::NAN; pack::conv_len(shape)];
        pack::planes_layout(shape).write(&mut packed, &w);
        let mut padded = vec![f32::NAN; pack::bias_len(1, shape.c_out)];
        pack::bias(&mut padded, &bias, 1, shape.c_out);
        let x = planes_of(&x, shape.batch, shape.c_in);
        let mut scratch = vec![f32::NAN; planes_scratch_len(shape)];
        let mut out = vec![f32::NAN; residual.len()];
        let epilogue = Add { residual: &residual, channels: shape.c_out };
        let (bias, step) = (Some(&padded[..]), Step::<STEP>);
        s.enter(ConvPlanes { out: &mut out, x: &x, w: &packed, bias, scratch: &mut scratch, shape, step, epilogue });
        assert_close(&out, &want, 1e-5, 1e-4, &format!("{} planes {shape:?}", S::NAME));
        self.count += 1;
    }
}

impl OnIsa for Planes {
    fn run<S: Simd>(&mut self, s: S) {
        for shape in shapes().into_iter().filter(|shape| shape.groups == 1) {
            match shape.stride[2] {
                1 => self.check::<S, 1>(s, shape),
                2 => self.check::<S, 2>(s, shape),
                3 => self.check::<S, 3>(s, shape),
                4 => self.check::<S, 4>(s, shape),
                step => panic!("no test of planes has a step of {step}"),
            }
        }
    }
}

#[test]
fn convolutions_of_planes_agree_with_their_definition() {
    let mut planes = Planes { count: 0 };
    let isas = each_isa(&mut planes);
    assert_eq!(planes.count, isas * shapes().iter().filter(|shape| shape.groups == 1).count());
}

#[test]
fn convolutions_agree_with_their_definition() {
    let mut convs = Convs { count: 0 };
    let isas = each_isa(&mut convs);
    assert_eq!(convs.count, isas * shapes().len());
}

/// Shapes that Winograd's form computes: heights and widths of every remainder by its tiles, channels that fill vectors or not.
fn winograd_shapes() -> Vec<ConvShape> {
    let square = [0, 1, 1];
    let mut shapes = Vec::new();
    for (height, width) in [(1, 1), (4, 4), (5, 8), (13, 6), (7, 31), (30, 30)] {
        for (c_in, c_out) in [(1, 1), (3, 16), (16, 24), (20, 40), (33, 7)] {
            for (pad, end) in [(square, square), ([0; 3], square), (square, [0, 0, 2]), ([0, 2, 3], [0, 2, 0])] {
                let one = [1; 3];
                shapes.push(shape(2, [1, height, width], [1, 3, 3], one, one, pad, end, [1, c_in, c_out]));
            }
        }
    }
    shapes.retain(|shape| volume(shape.output) > 0);
    shapes
}

struct Winograd<F> {
    filtering: F,
    count: usize,
}

impl<F: Filtering> OnIsa for Winograd<F> {
    fn run<S: Simd>(&mut self, s: S) {
        let filtering = self.filtering;
        for shape in winograd_shapes() {
            let x = random(shape.batch * volume(shape.input) * shape.c_in, 1);
            let w = random(shape.c_out * shape.c_in * 9, 2);
            let bias = random(shape.c_out, 3);
            let residual = random(shape.batch * volume(shape.output) * shape.c_out, 4);
            let want = naive(&shape, false, &x, &w, &bias, &residual);
            let mut packed = vec![f32::NAN; pack::winograd_len(filtering, shape)];
            pack::winograd(filtering, &mut packed, &w, shape);
            let mut padded = vec![f32::NAN; pack::bias_len(1, shape.c_out)];
            pack::bias(&mut padded, &bias, 1, shape.c_out);
            let mut out = vec![f32::NAN; residual.len()];
            let mut scratch = vec![f32::NAN; winograd_scratch_len(filtering, shape)];
            s.enter(ConvWinograd {
                out: &mut out,
                x: &x,
                w: &packed,
                bias: Some(&padded),
                scratch: &mut scratch,
                shape,
                filtering,
                epilogue: Add { residual: &residual, channels: shape.c_out },
            });
            assert_close(&out, &want, 2e-5, 2e-4, &format!("{} {shape:?}", S::NAME));
            self.count += 1;
        }
    }
}

#[test]
fn winograd_convolutions_agree_with_their_definition() {
    let (mut large, mut small) = (Winograd { filtering: F4x4, count: 0 }, Winograd { filtering: F2x2, count: 0 });
    let isas = each_isa(&mut large);
    assert_eq!(isas, each_isa(&mut small));
    assert_eq!([large.count, small.count], [isas * winograd_shapes().len(); 2]);
    assert!(winograd_shapes().len() > 80);
}

struct Transposed {
    count: usize,
}

impl OnIsa for Transposed {
    fn run<S: Simd>(&mut self, s: S) {
        for (number, forward) in shapes().into_iter().enumerate() {
            // The forward shape read backwards, with output padding now and then.
            let extra = forward.stride.map(|stride| if number % 3 == 0 { stride - 1 } else { 0 });
            let output = [0, 1, 2].map(|dim| forward.input[dim] + extra[dim]);
            let shape = ConvShape { input: forward.output, output, ..forward };
            let (c_in, c_out) = (shape.groups * shape.c_in, shape.groups * shape.c_out);
            let x = random(shape.batch * volume(shape.input) * c_in, 1);
            let w = random(c_in * shape.c_out * volume(shape.kernel), 2);
            let bias = random(c_out, 3);
            let residual = random(shape.batch * volume(shape.output) * c_out, 4);
            let want = naive(&shape, true, &x, &w, &bias, &residual);
            let mut packed = vec![f32::NAN; pack::transpose_len(shape)];
            pack::transpose(&mut packed, &w, shape);
            let mut padded = vec![f32::NAN; pack::bias_len(shape.groups, shape.c_out)];
            pack::bias(&mut padded, &bias, shape.groups, shape.c_out);
            let mut out = vec![f32::NAN; residual.len()];
            let mut scratch = vec![f32::NAN; conv_transpose_scratch_len(shape)];
            s.enter(ConvTranspose {
                out: &mut out,
                x: &x,
                w: &packed,
                bias: Some(&padded),
                scratch: &mut scratch,
                shape,
                epilogue: Add { residual: &residual, channels: c_out },
            });
            assert_close(&out, &want, 1e-5, 1e-4, &format!("{} {shape:?}", S::NAME));
            self.count += 1;
        }
    }
}

#[test]
fn transposed_convolutions_agree_with_their_definition() {
    let mut transposed = Transposed { count: 0 };
    let isas = each_isa(&mut transposed);
    assert_eq!(transposed.count, isas * shapes().len());
}

/// What networks have, beside [`shapes`]: windows that are swept along lines of any width, many channels and few.
fn depthwise_shapes() -> Vec<ConvShape> {
    let mut shapes: Vec<ConvShape> = shapes()
        .into_iter()
        .map(|shape| ConvShape { groups: shape.groups * shape.c_in, c_in: 1, c_out: 1, ..shape })
        .collect();
    let one = [1; 3];
    for (groups, width) in [(9, 5), (12, 9), (16, 9), (20, 4), (33, 7), (40, 14), (64, 1), (77, 8), (96, 15), (256, 29)]
    {
        for (kernel, stride) in [(3, 1), (3, 2), (5, 1), (5, 2), (7, 1)] {
            for pad in [0, kernel / 2] {
                let (input, step, pads) = ([1, 6, width], [1, stride, stride], [0, pad, pad]);
                shapes.push(shape(1, input, [1, kernel, kernel], step, one, pads, pads, [groups, 1, 1]));
            }
        }
    }
    // Uneven padding, on one side more than a window is wide.
    for (width, stride, before, after) in
        [(1, 1, 0, 2), (5, 1, 0, 4), (6, 2, 0, 3), (7, 2, 1, 0), (2, 1, 1, 5), (6, 1, 2, 1)]
    {
        let (pads, ends) = ([0, 1, before], [0, 1, after]);
        shapes.push(shape(1, [1, 5, width], [1, 3, 3], [1, 1, stride], one, pads, ends, [40, 1, 1]));
    }
    // Windows that lie outside altogether, and windows of which two lines or planes do.
    shapes.push(shape(1, [2, 5, 6], [1, 3, 3], one, one, [1, 2, 1], [1, 2, 1], [40, 1, 1]));
    shapes.push(shape(1, [2, 5, 6], [3, 5, 3], [1, 1, 2], one, [1, 2, 1], [1, 2, 1], [40, 1, 1]));
    // Windows with more taps than there are masks for.
    shapes.push(shape(1, [1, 2, 50], [1, 1, 40], one, one, [0, 0, 20], [0, 0, 20], [34, 1, 1]));
    // Too large to be taken in pieces.
    shapes.push(shape(2, [1, 40, 40], [1, 3, 3], one, one, [0, 1, 1], [0, 1, 1], [160, 1, 1]));
    shapes.retain(|shape| volume(shape.output) > 0);
    shapes
}

struct Depthwise {
    count: usize,
}

impl OnIsa for Depthwise {
    fn run<S: Simd>(&mut self, s: S) {
        for shape in depthwise_shapes() {
            let groups = shape.groups;
            let x = random(shape.batch * volume(shape.input) * groups, 1);
            let w = random(groups * volume(shape.kernel), 2);
            let bias = random(groups, 3);
            let residual = random(shape.batch * volume(shape.output) * groups, 4);
            let mut packed = vec![f32::NAN; pack::depthwise_len(shape)];
            pack::depthwise(&mut packed, &w, shape);
            let mut padded = vec![f32::NAN; pack::bias_len(1, groups)];
            pack::bias(&mut padded, &bias, 1, groups);
            let check = |clamp: Option<Clamp>| {
                let none = vec![0.0; residual.len()];
                let mut want = naive(&shape, false, &x, &w, &bias, if clamp.is_some() { &none } else { &residual });
                let mut out = vec![f32::NAN; residual.len()];
                let (to, x, w, bias, scratch) = (&mut out[..], &x[..], &packed[..], Some(&padded[..]), &mut [][..]);
                if let Some(epilogue) = clamp {
                    want.iter_mut().for_each(|x| *x = x.clamp(epilogue.low, epilogue.high));
                    s.enter(ConvDepthwise { out: to, x, w, bias, scratch, shape, epilogue });
                } else {
                    let epilogue = Add { residual: &residual, channels: groups };
                    s.enter(ConvDepthwise { out: to, x, w, bias, scratch, shape, epilogue });
                }
                assert_close(&out, &want, 1e-5, 1e-4, &format!("{} {shape:?}", S::NAME));
            };
            check(None);
            check(Some(Clamp { low: -0.2, high: 0.7 }));
            self.count += 1;
        }
    }
}

#[test]
fn depthwise_convolutions_agree_with_their_definition() {
    let mut depthwise = Depthwise { count: 0 };
    let isas = each_isa(&mut depthwise);
    assert_eq!(depthwise.count, isas * depthwise_shapes().len());
}

/// Depthwise convolutions with the channels of what is before and after, 0 where there is nothing.
fn separable_shapes() -> Vec<(ConvShape, usize, usize)> {
    let one = [1; 3];
    let none = [0; 3];
    let square = [0, 1, 1];
    vec![
        (shape(1, [1, 1, 1], one, one, one, none, none, [3, 1, 1]), 2, 5),
        (shape(2, [1, 9, 8], [1, 3, 3], one, one, square, square, [20, 1, 1]), 7, 0),
        (shape(2, [1, 9, 8], [1, 3, 3], [1, 2, 2], one, square, square, [33, 1, 1]), 0, 18),
        // Several bands, which the ring goes around.
        (shape(2, [1, 31, 60], [1, 3, 3], one, one, square, square, [96, 1, 1]), 16, 24),
        (shape(1, [1, 46, 90], [1, 5, 5], [1, 2, 2], one, [0, 2, 2], [0, 2, 2], [72, 1, 1]), 9, 0),
        (shape(1, [1, 30, 64], [1, 3, 3], [1, 1, 2], [1, 3, 1], [0, 3, 0], [0, 1, 1], [100, 1, 1]), 4, 6),
        (shape(1, [1, 40, 120], [1, 1, 1], [1, 3, 2], one, none, none, [130, 1, 1]), 3, 10),
        (shape(1, [1, 64, 70], [1, 3, 3], one, one, square, square, [64, 1, 1]), 0, 40),
    ]
}

struct Separables {
    count: usize,
}

impl Separables {
    /// Checks the first convolution, if there is one, as `reads` reads it, the depthwise one, and one onto `after` channels.
    fn check<S: Simd, R: Reads>(
        &mut self,
        s: S,
        expand: Option<ConvShape>,
        reads: R,
        depthwise: ConvShape,
        after: usize,
    ) {
        let ConvShape { batch, output, groups, .. } = depthwise;
        let c_in = expand.map_or(groups, |expand| expand.c_in);
        let c_out = if after > 0 { after } else { groups };
        let pixels = volume(expand.map_or(depthwise.input, |expand| expand.input));
        let project = pointwise(batch, output, groups, c_out);
        let x = random(batch * pixels * c_in, 1);
        let taps = expand.map_or(0, |expand| volume(expand.kernel));
        let (w1, w2, w3) =
            (random(taps * c_in * groups, 2), random(groups * volume(depthwise.kernel), 3), random(groups * c_out, 4));
        let (b1, b2, b3) = (random(groups, 5), random(groups, 6), random(c_out, 7));
        let middle = random(batch * volume(output) * groups, 8);
        let residual = random(batch * volume(output) * c_out, 9);
        let bounds = Clamp { low: -0.4, high: 0.6 };
        let mut want = x.clone();
        if let Some(expand) = &expand {
            let nothing = vec![0.0; batch * volume(depthwise.input) * groups];
            want = naive(expand, false, &want, &w1, &b1, &nothing);
            want.iter_mut().for_each(|x| *x = x.clamp(bounds.low, bounds.high));
        }
        want = naive(&depthwise, false, &want, &w2, &b2, &middle);
        if after > 0 {
            want = naive(&project, false, &want, &w3, &b3, &residual);
        }
        let packed = |shape: ConvShape, layout: Panels, w: &[f32]| {
            let mut packed = vec![f32::NAN; pack::conv_len(shape)];
            layout.write(&mut packed, w);
            packed
        };
        let planes = reads.planes().is_some();
        let layout = if planes { pack::planes_layout } else { pack::conv_layout };
        let w1 = expand.map(|expand| packed(expand, layout(expand), &w1));
        let w3 = packed(project, pack::conv_layout(project), &w3);
        let x = if planes { planes_of(&x, batch, c_in) } else { x };
        let mut packed = vec![f32::NAN; pack::depthwise_len(depthwise)];
        pack::depthwise(&mut packed, &w2, depthwise);
        let padded = |bias: &[f32]| {
            let mut padded = vec![f32::NAN; pack::bias_len(1, bias.len())];
            pack::bias(&mut padded, bias, 1, bias.len());
            padded
        };
        let (b1, b2, b3) = (padded(&b1), padded(&b2), padded(&b3));
        let shape = ConvShape { c_in, c_out, ..depthwise };
        let own_scratch = reads.planes().map_or(0, |&planes| planes_scratch_len(planes));
        let mut out = vec![f32::NAN; residual.len()];
        s.enter(Separable {
            out: &mut out,
            x: &x,
            reads,
            expand: w1.as_deref(),
            expand_bias: Some(&b1),
            w: &packed,
            bias: Some(&b2),
            project: (after > 0).then_some(&w3[..]),
            project_bias: Some(&b3),
            scratch: &mut vec![f32::NAN; own_scratch + separable_scratch_len(shape, expand.is_some(), after > 0)],
            shape,
            expand_epilogue: bounds,
            epilogue: Add { residual: &middle, channels: groups },
            project_epilogue: Add { residual: &residual, channels: c_out },
        });
        assert_close(&out, &want, 1e-5, 1e-4, &format!("{} {shape:?} after {expand:?}", S::NAME));
        self.count += 1;
    }
}

fn pointwise(batch: usize, size: [usize; 3], c_in: usize, c_out: usize) -> ConvShape {
    shape(batch, size, [1; 3], [1; 3], [1; 3], [0; 3], [0; 3], [1, c_in, c_out])
}

impl OnIsa for Separables {
    fn run<S: Simd>(&mut self, s: S) {
        for (depthwise, before, after) in separable_shapes() {
            let ConvShape { batch, input, groups, .. } = depthwise;
            let expand = (before > 0).then(|| pointwise(batch, input, before, groups));
            self.check(s, expand, Pixels, depthwise, after);
            if before == 0 {
                continue;
            }
            // In place of the pointwise one, a convolution of planes onto as many pixels.
            let twice = input.map(|n| 2 * n - 1);
            let (pads, size) = ([0, 1, 1], [1, twice[1], twice[2]]);
            let planes = shape(batch, size, [1, 3, 3], [1, 2, 2], [1; 3], pads, pads, [1, 3, groups]);
            assert_eq!(planes.output, input);
            self.check(s, Some(planes), OfPlanes { shape: planes, step: Step::<2> }, depthwise, after);
        }
    }
}

#[test]
fn separable_convolutions_agree_with_their_parts() {
    let mut separable = Separables { count: 0 };
    let isas = each_isa(&mut separable);
    let expanding = separable_shapes().iter().filter(|&&(_, before, _)| before > 0).count();
    assert_eq!(separable.count, isas * (separable_shapes().len() + expanding));
}

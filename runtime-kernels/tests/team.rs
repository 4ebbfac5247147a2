//! Whatever the number of threads, the result is the same, bit for bit.

mod isa;

use isa::{OnIsa, each_isa, random};
use kiln_kernels::activation::{Sigmoid, Tanh};
use kiln_kernels::attention_f32::{Attention, scratch_len as attention_scratch_len};
use kiln_kernels::conv_depthwise_f32::ConvDepthwise;
use kiln_kernels::conv_f32::{Conv, ConvShape, conv_scratch_len};
use kiln_kernels::conv_groups_f32::ConvGroups;
use kiln_kernels::conv_lanes_f32::{ConvLanes, lanes_scratch_len};
use kiln_kernels::conv_planes_f32::{ConvPlanes, Step, planes_scratch_len};
use kiln_kernels::conv_separable_f32::{Pixels, Planes, Separable, separable_scratch_len};
use kiln_kernels::conv_transpose_f32::{ConvTranspose, conv_transpose_scratch_len};
use kiln_kernels::conv_winograd_f32::{ConvWinograd, winograd_scratch_len};
use kiln_kernels::epilogue::{Clamp, Epilogue, Places};
use kiln_kernels::lstm::{self, Lstm};
use kiln_kernels::map::{Map, MapF32};
use kiln_kernels::matmul_batch_f32::{BatchMatMul, batch_scratch_len};
use kiln_kernels::matmul_f32::{MatMul, packed_len, scratch_len};
use kiln_kernels::normalize::LayerNorm;
use kiln_kernels::pack;
use kiln_kernels::pool::{MaxPool, PoolShape};
use kiln_kernels::recurrent::{Directions, product_row};
use kiln_kernels::reduce::{Norm, Reduce};
use kiln_kernels::resize::{ResizeAxis, ResizeNearest};
use kiln_kernels::simd::{Simd, Task};
use kiln_kernels::softmax::Softmax;
use kiln_kernels::split::{Alone, Crew, Part, Split, Stepwise, whole};
use kiln_kernels::strided::Strided;
use kiln_kernels::team::{Team, enter};
use kiln_kernels::tiles::Tiles;
use kiln_kernels::winograd::{F2x2, F4x4, Filtering};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Adds an operand shaped like the output, so that a part that miscounts its rows or columns is seen.
#[derive(Clone, Copy)]
struct Add<'a> {
    residual: &'a [f32],
    n: usize,
}

impl Epilogue for Add<'_> {
    #[inline(always)]
    fn apply<S: Simd, P: Places<S>>(self, s: S, v: S::F32, at: P) -> S::F32 {
        s.add(v, at.operand(s, self.residual, self.n))
    }
}

#[derive(Clone, Copy)]
struct Sum;

impl MapF32<2> for Sum {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, v: [S::F32; 2]) -> S::F32 {
        s.add(v[0], v[1])
    }
}

/// A task in as many parts as wanted, however little it is.
struct InParts<T>(T, usize);

impl<T: Split> Task for InParts<T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        whole(s, self);
    }
}

impl<T: Split> Split for InParts<T> {
    fn parts(&self, _: usize) -> usize {
        self.1
    }

    fn scratch(&mut self) -> &mut [f32] {
        self.0.scratch()
    }

    #[inline(always)]
    unsafe fn part<S: Simd>(task: *mut Self, s: S, part: Part, scratch: &mut [f32]) {
        // SAFETY: as the caller says.
        unsafe { T::part(&raw mut (*task).0, s, part, scratch) }
    }
}

struct Teams {
    teams: Vec<Team>,
    compared: usize,
}

impl Teams {
    /// Compares what every team makes of a task, in a few numbers of parts, with what one thread does.
    fn check<S: Simd>(&mut self, s: S, len: usize, mut run: impl FnMut(S, &mut [f32], Option<(&Team, usize)>)) {
        let mut want = vec![f32::NAN; len];
        run(s, &mut want, None);
        assert!(want.iter().all(|x| !x.is_nan()));
        for team in &self.teams {
            for parts in [2, team.threads(), 2 * team.threads(), 7] {
                let mut got = vec![f32::NAN; len];
                run(s, &mut got, Some((team, parts)));
                assert!(
                    want.iter().zip(&got).all(|(a, b)| a.to_bits() == b.to_bits()),
                    "{} threads, {parts} parts",
                    team.threads()
                );
                self.compared += 1;
            }
        }
    }

    /// The convolution of `x` by `weights` with bias and residual, by Winograd's filtering.
    fn winograd<S: Simd, F: Filtering>(&mut self, s: S, filtering: F, shape: ConvShape, operands: [&[f32]; 4]) {
        let [x, weights, bias, residual] = operands;
        let mut w = vec![0.0; pack::winograd_len(filtering, shape)];
        pack::winograd(filtering, &mut w, weights, shape);
        let epilogue = Add { residual, n: shape.c_out };
        self.check(s, residual.len(), |s, out, team| {
            let scratch = &mut vec![0.0; winograd_scratch_len(filtering, shape)];
            go(s, ConvWinograd { out, x, w: &w, bias: Some(bias), scratch, shape, filtering, epilogue }, team);
        });
    }
}

/// A team that shares every task in so many parts, as if it had as many threads.
#[derive(Clone, Copy)]
struct Eager<'a>(&'a Team, usize);

impl Crew for Eager<'_> {
    fn threads(self) -> usize {
        self.1
    }

    fn enter<S: Simd, T: Split>(self, s: S, task: T) {
        enter(s, Some(self.0), InParts(task, self.1));
    }
}

/// A task of steps, with a crew if there is a team.
struct With<'a, T>(T, Option<(&'a Team, usize)>);

impl<T: Stepwise> Task for With<'_, T> {
    type Out = ();

    fn run<S: Simd>(self, s: S) {
        match self.1 {
            None => self.0.with(s, Alone),
            Some((team, parts)) => self.0.with(s, Eager(team, parts)),
        }
    }
}

fn go_steps<S: Simd, T: Stepwise>(s: S, task: T, team: Option<(&Team, usize)>) {
    s.enter(With(task, team));
}

fn go<S: Simd, T: Split>(s: S, task: T, team: Option<(&Team, usize)>) {
    match team {
        None => s.enter(task),
        Some((team, parts)) => enter(s, Some(team), InParts(task, parts)),
    }
}

const CONVS: [ConvShape; 7] = [
    conv([1, 23, 17], [1, 3, 3], [1, 1, 1], [0, 1, 1], 1, 5, 40),
    conv([1, 20, 20], [1, 1, 1], [1, 1, 1], [0, 0, 0], 1, 24, 96),
    conv([1, 19, 31], [1, 5, 3], [1, 2, 2], [0, 2, 1], 1, 3, 33),
    conv([1, 7, 7], [1, 3, 3], [1, 1, 1], [0, 1, 1], 1, 32, 160),
    conv([1, 9, 9], [1, 3, 3], [1, 1, 1], [0, 1, 1], 4, 8, 20),
    conv([3, 8, 9], [2, 3, 3], [1, 2, 1], [1, 0, 1], 2, 6, 18),
    conv([1, 40, 37], [1, 3, 3], [1, 2, 2], [0, 1, 1], 5, 12, 18),
];

const fn conv(
    input: [usize; 3],
    kernel: [usize; 3],
    stride: [usize; 3],
    pad: [usize; 3],
    groups: usize,
    c_in: usize,
    c_out: usize,
) -> ConvShape {
    let mut output = [0; 3];
    let mut dim = 0;
    while dim < 3 {
        output[dim] = (input[dim] + 2 * pad[dim] - kernel[dim]) / stride[dim] + 1;
        dim += 1;
    }
    ConvShape { batch: 2, input, output, kernel, stride, dilation: [1; 3], pad, groups, c_in, c_out }
}

fn volume(size: [usize; 3]) -> usize {
    size.iter().product()
}

impl OnIsa for Teams {
    fn run<S: Simd>(&mut self, s: S) {
        for (m, k, n, transposed) in [
            (1, 64, 200, false),
            (5, 40, 300, false),
            (100, 33, 70, false),
            (60, 50, 31, true),
            (3, 9, 5, true),
            (90, 64, 450, false),
        ] {
            let (a, b, residual) = (random(m * k, 1), random(k * n, 2), random(m * n, 3));
            let mut packed = vec![0.0; pack::panels_len(k, n)];
            pack::panels(&mut packed, &b, k, n, n, 1);
            let bias = random(n.div_ceil(16) * 16, 4);
            let (a_row_stride, a_col_stride) = if transposed { (1, m) } else { (k, 1) };
            self.check(s, m * n, |s, out, team| {
                let scratch = &mut vec![0.0; scratch_len(m, k, n).max(packed_len(m, k, n))];
                let (bias, epilogue) = (Some(&bias[..]), Add { residual: &residual, n });
                let (a, b) = (&a[..], &packed[..]);
                let task = MatMul {
                    out,
                    a,
                    b,
                    bias,
                    scratch,
                    m,
                    k,
                    n,
                    a_row_stride,
                    a_col_stride,
                    tiles: Tiles::Auto,
                    ahead: None,
                    epilogue,
                };
                go(s, task, team);
            });
        }
        for (entries, m, k, n, swapped) in [(12, 20, 16, 20, true), (2, 70, 24, 40, false), (3, 1, 30, 50, false)] {
            let (a, b) = (random(entries * m * k, 1), random(entries * k * n, 2));
            let residual = random(entries * m * n, 3);
            self.check(s, entries * m * n, |s, out, team| {
                let task = BatchMatMul {
                    out,
                    a: &a,
                    b: &b,
                    scratch: &mut vec![0.0; batch_scratch_len(m, k, n)],
                    batch: [1, 1, entries],
                    m,
                    k,
                    n,
                    a_batch_strides: [0, 0, m * k],
                    a_row_stride: k,
                    a_col_stride: 1,
                    b_batch_strides: [0, 0, k * n],
                    b_row_stride: if swapped { 1 } else { n },
                    b_col_stride: if swapped { k } else { 1 },
                    epilogue: Add { residual: &residual, n },
                };
                go(s, task, team);
            });
        }
        for [entries, queries, keys, width] in [[2, 70, 33, 24], [12, 20, 20, 16], [3, 1, 30, 20], [1, 200, 130, 40]] {
            let (q, kv) = (random(entries * queries * width, 1), random(entries * keys * width, 2));
            let mask = random(queries * keys, 3);
            self.check(s, entries * queries * width, |s, out, team| {
                let (rows, one) = (entries * width, entries > 2);
                let task = Attention {
                    out,
                    q: &q,
                    k: &kv,
                    v: &kv,
                    masks: [Some(&mask), None],
                    scratch: &mut vec![0.0; attention_scratch_len(queries, keys, width, width)],
                    batch: [1, 1, entries],
                    queries,
                    keys,
                    width,
                    out_width: width,
                    scale: 0.3,
                    nan_is_zero: false,
                    out_strides: [0, 0, width, rows],
                    q_strides: [0, 0, width, rows, 1],
                    k_strides: [0, 0, keys * width, width, 1],
                    v_strides: [0, 0, if one { 0 } else { width }, if one { width } else { rows }, 1],
                    mask_strides: [[0, 0, 0, keys], [0; 4]],
                };
                go(s, task, team);
            });
        }
        for (seq, batch, hidden, directions) in [
            (9_usize, 1_usize, 20_usize, Directions::Both),
            (5, 7, 33, Directions::Forward),
            (4, 5, 16, Directions::Both),
            (6, 2, 40, Directions::Reverse),
            (5, 1, 192, Directions::Reverse),
            (4, 5, 192, Directions::Both),
            (3, 1, 330, Directions::Forward),
            (3, 4, 210, Directions::Both),
        ] {
            let (dirs, row) = (directions.count(), product_row(4, hidden));
            let (gates, r) = (random(seq * batch * dirs * 4 * hidden, 1), random(dirs * hidden * row, 2));
            let lens: Vec<i32> = (0..batch).map(|b| (seq - b % 3) as i32).collect();
            let states = dirs * batch * hidden;
            self.check(s, (seq + 2) * states, |s, out, team| {
                let (f, g, h) = (Sigmoid, Tanh, Tanh);
                let (y, last) = out.split_at_mut(seq * states);
                let (y_h, y_c) = last.split_at_mut(states);
                let task = Lstm {
                    y,
                    y_h,
                    y_c,
                    gates: &gates,
                    r: &r,
                    peephole: None,
                    h0: None,
                    c0: None,
                    lens: Some(&lens),
                    scratch: &mut vec![0.0; lstm::scratch_len(batch, hidden, dirs)],
                    seq,
                    batch,
                    hidden,
                    y_step_stride: states,
                    directions,
                    clip: None,
                    input_forget: false,
                    f,
                    g,
                    h,
                };
                go_steps(s, task, team);
            });
        }
        for shape in CONVS {
            let channels = shape.groups * shape.c_out;
            let out_len = shape.batch * volume(shape.output) * channels;
            let x = random(shape.batch * volume(shape.input) * shape.groups * shape.c_in, 1);
            let weights = random(channels * shape.c_in * volume(shape.kernel), 2);
            let bias = random(shape.groups * shape.c_out.div_ceil(16) * 16, 3);
            let residual = random(out_len, 4);
            let epilogue = Add { residual: &residual, n: channels };
            let mut w = vec![0.0; pack::conv_len(shape)];
            pack::conv(&mut w, &weights, shape);
            self.check(s, out_len, |s, out, team| {
                let scratch = &mut vec![0.0; conv_scratch_len(shape)];
                go(
                    s,
                    Conv {
                        out,
                        x: &x,
                        w: &w,
                        bias: Some(&bias),
                        scratch,
                        shape,
                        tiles: Tiles::Auto,
                        w_stride: 0,
                        ahead: None,
                        epilogue,
                    },
                    team,
                );
            });
            if shape.kernel == [1; 3] && shape.input == shape.output && shape.groups == 1 {
                // Each image with weights of its own.
                let w_stride = w.len();
                let w = random(shape.batch * w_stride, 6);
                self.check(s, out_len, |s, out, team| {
                    let (bias, scratch) = (Some(&bias[..]), &mut vec![0.0; conv_scratch_len(shape)]);
                    let (tiles, ahead) = (Tiles::Auto, None);
                    go(s, Conv { out, x: &x, w: &w, bias, scratch, shape, tiles, w_stride, ahead, epilogue }, team);
                });
            }
            if shape.kernel == [1, 3, 3] && shape.stride == [1; 3] && shape.groups == 1 {
                let operands = [&x, &weights, &bias, &residual].map(Vec::as_slice);
                self.winograd(s, F4x4, shape, operands);
                self.winograd(s, F2x2, shape, operands);
            }
            let back = ConvShape { input: shape.output, output: shape.input, ..shape };
            let out_len = back.batch * volume(back.output) * channels;
            let x = random(back.batch * volume(back.input) * back.groups * back.c_in, 1);
            let residual = random(out_len, 4);
            let epilogue = Add { residual: &residual, n: channels };
            let mut w = vec![0.0; pack::transpose_len(back)];
            pack::transpose(&mut w, &weights, back);
            self.check(s, out_len, |s, out, team| {
                let scratch = &mut vec![0.0; conv_transpose_scratch_len(back)];
                go(s, ConvTranspose { out, x: &x, w: &w, bias: Some(&bias), scratch, shape: back, epilogue }, team);
            });
        }
        let shape = ConvShape { groups: 50, c_in: 1, c_out: 1, ..CONVS[2] };
        let out_len = 2 * volume(shape.output) * 50;
        let (x, residual) = (random(2 * volume(shape.input) * 50, 1), random(out_len, 2));
        let mut w = vec![0.0; pack::depthwise_len(shape)];
        pack::depthwise(&mut w, &random(50 * 15, 3), shape);
        let epilogue = Add { residual: &residual, n: 50 };
        self.check(s, out_len, |s, out, team| {
            go(s, ConvDepthwise { out, x: &x, w: &w, bias: None, scratch: &mut [], shape, epilogue }, team);
        });
        let shape = ConvShape {
            batch: 2,
            input: [1, 40, 30],
            output: [1, 20, 15],
            kernel: [1, 3, 3],
            stride: [1, 2, 2],
            pad: [0, 1, 1],
            c_in: 20,
            c_out: 24,
            ..shape
        };
        let out_len = 2 * volume(shape.output) * 24;
        let (x, w, residual) = (random(2 * volume(shape.input) * 20, 1), random(9 * 64, 2), random(out_len, 3));
        let (expand, project) = (random(20 * 64, 4), random(50 * 32, 5));
        let middle = random(2 * volume(shape.output) * 50, 6);
        self.check(s, out_len, |s, out, team| {
            let task = Separable {
                out,
                x: &x,
                reads: Pixels,
                expand: Some(&expand),
                expand_bias: None,
                w: &w,
                bias: None,
                project: Some(&project),
                project_bias: None,
                scratch: &mut vec![0.0; separable_scratch_len(shape, true, true)],
                shape,
                expand_epilogue: Clamp { low: 0.0, high: 6.0 },
                epilogue: Add { residual: &middle, n: 50 },
                project_epilogue: Add { residual: &residual, n: 24 },
            };
            go(s, task, team);
        });
        // The same after a convolution of planes, and that alone.
        let planes = ConvShape { input: [1, 79, 60], output: shape.input, groups: 1, c_in: 3, c_out: 50, ..shape };
        let x = random(2 * volume(planes.input) * 3, 1);
        let expand = random(pack::conv_len(planes), 4);
        self.check(s, out_len, |s, out, team| {
            let task = Separable {
                out,
                x: &x,
                reads: Planes { shape: planes, step: Step::<2> },
                expand: Some(&expand),
                expand_bias: None,
                w: &w,
                bias: None,
                project: Some(&project),
                project_bias: None,
                scratch: &mut vec![0.0; separable_scratch_len(shape, true, true) + planes_scratch_len(planes)],
                shape: ConvShape { c_in: 3, ..shape },
                expand_epilogue: Clamp { low: 0.0, high: 6.0 },
                epilogue: Add { residual: &middle, n: 50 },
                project_epilogue: Add { residual: &residual, n: 24 },
            };
            go(s, task, team);
        });
        let out_len = 2 * volume(planes.output) * 50;
        let residual = random(out_len, 3);
        self.check(s, out_len, |s, out, team| {
            let (scratch, epilogue) = (&mut vec![0.0; planes_scratch_len(planes)], Add { residual: &residual, n: 50 });
            let (step, shape) = (Step::<2>, planes);
            go(s, ConvPlanes { out, x: &x, w: &expand, bias: None, scratch, shape, step, epilogue }, team);
        });
        let lanes = ConvShape {
            batch: 2,
            input: [1, 37, 33],
            output: [1, 37, 33],
            kernel: [1, 3, 3],
            stride: [1; 3],
            dilation: [1; 3],
            pad: [0, 1, 1],
            groups: 12,
            c_in: 3,
            c_out: 4,
        };
        let (x, w) = (random(2 * volume(lanes.input) * 36, 1), random(pack::lanes_len(lanes), 2));
        let out_len = 2 * volume(lanes.output) * 48;
        let residual = random(out_len, 3);
        self.check(s, out_len, |s, out, team| {
            let (scratch, epilogue) = (&mut vec![0.0; lanes_scratch_len(lanes)], Add { residual: &residual, n: 48 });
            go(s, ConvLanes { out, x: &x, w: &w, bias: None, scratch, shape: lanes, epilogue }, team);
        });
        let groups = ConvShape { c_in: 4, ..lanes };
        let (x, w) = (random(2 * volume(groups.input) * 48, 1), random(pack::lanes_len(groups), 2));
        self.check(s, out_len, |s, out, team| {
            let (scratch, epilogue) = (&mut [], Add { residual: &residual, n: 48 });
            go(s, ConvGroups { out, x: &x, w: &w, bias: None, scratch, shape: groups, epilogue }, team);
        });
        let shape = PoolShape {
            batch: 2,
            input: [1, 13, 11],
            output: [1, 7, 6],
            kernel: [1, 3, 3],
            stride: [1, 2, 2],
            dilation: [1; 3],
            pad: [0, 1, 1],
            pad_end: [0, 1, 1],
            channels: 20,
        };
        let x = random(2 * 143 * 20, 1);
        self.check(s, 2 * 42 * 20, |s, out, team| go(s, MaxPool { out, x: &x, shape }, team));
        for inner in [1, 9] {
            let x = random(13 * 21 * inner, 1);
            self.check(s, x.len(), |s, out, team| {
                go(s, Softmax { out, x: Some(&x), outer: 13, len: 21, inner }, team);
            });
        }
        let (x, gamma) = (random(13 * 21, 1), random(21, 2));
        self.check(s, x.len(), |s, out, team| {
            let (x, gamma) = (Some(&x[..]), Some(&gamma[..]));
            go(s, LayerNorm { out, x, gamma, beta: None, rows: 13, len: 21, epsilon: 1e-5 }, team);
        });
        for (outer, len, inner) in [(70, 33, 1), (2, 50, 200), (1, 49, 37), (90, 3, 5)] {
            let x = random(outer * len * inner, 1);
            self.check(s, outer * inner, |s, out, team| {
                go(s, Reduce { out, x: &x, outer, len, inner, scale: 0.5, kind: Norm }, team);
            });
        }
        // A transpose, one of pixels and channels, a reversed and repeated view.
        for (dims, out_strides, x_offset, x_strides) in [
            ([1, 70, 90], [0, 90, 1], 0, [0, 1, 70]),
            ([2, 300, 3], [900, 3, 1], 0, [900, 1, 300]),
            ([40, 5, 9], [45, 9, 1], 39 * 45, [-45, 9, 0]),
        ] {
            let x = random(7000, 1);
            self.check(s, dims.iter().product(), |s, out, team| {
                go(s, Strided { out, x: &x, dims, out_offset: 0, out_strides, x_offset, x_strides }, team);
            });
        }
        for (outer, inner) in [(50, 1), (3, 20)] {
            let (in_len, out_len, outside) = (9, 23, -1.0);
            let x = random(outer * in_len * inner, 1);
            for taps in [2, 5] {
                let index: Vec<u32> = (0..out_len * taps).map(|i| (i * 5 % in_len) as u32).collect();
                let weight = random(out_len * taps, 2);
                self.check(s, outer * out_len * inner, |s, out, team| {
                    let (x, index, weight) = (&x[..], &index[..], &weight[..]);
                    go(s, ResizeAxis { out, x, outer, in_len, out_len, inner, taps, index, weight, outside }, team);
                });
            }
        }
        let (x, x_dims, out_dims) = (random(4 * 6 * 7, 1), [4, 6, 7], [4, 13, 15]);
        let (lines, columns): (Vec<u32>, Vec<u32>) =
            ((0..13).map(|i| i * 6 / 13).collect(), (0..15).map(|i| i * 7 / 15).collect());
        self.check(s, out_dims.iter().product(), |s, out, team| {
            let index = [&[][..], &lines, &columns];
            go(s, ResizeNearest { out, x: &x, x_dims, out_dims, index, outside: 0.0 }, team);
        });
        // Dense, by rows, along one row, and gathered.
        for (dims, strides) in [
            ([2, 30, 50], [[1500, 50, 1], [1500, 50, 1]]),
            ([2, 30, 50], [[1500, 50, 1], [50, 0, 1]]),
            ([1, 3, 500], [[1500, 500, 1], [0, 0, 1]]),
            ([5, 6, 50], [[300, 1, 6], [0, 0, 0]]),
        ] {
            let (a, b) = (random(3000, 1), random(3000, 2));
            self.check(s, dims.iter().product(), |s, out, team| {
                go(s, Map { out, ins: [Some(&a[..]), Some(&b[..])], dims, strides, f: Sum }, team);
            });
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let mut teams = Teams { teams: [1, 2, 3, 5, 16].map(Team::new).into(), compared: 0 };
    each_isa(&mut teams);
    assert!(teams.compared > 500, "{}", teams.compared);
}

/// Fails in its last part.
struct Fails;

impl Task for Fails {
    type Out = ();

    fn run<S: Simd>(self, s: S) {
        whole(s, self);
    }
}

impl Split for Fails {
    fn parts(&self, threads: usize) -> usize {
        threads
    }

    unsafe fn part<S: Simd>(_: *mut Self, _: S, part: Part, _: &mut [f32]) {
        // Long enough that another thread gets this part while the caller is at the first.
        std::thread::sleep(std::time::Duration::from_millis(5));
        assert!(part.index + 1 != part.of, "the last part fails");
    }
}

struct Failing(Team);

impl OnIsa for Failing {
    fn run<S: Simd>(&mut self, s: S) {
        let failed = catch_unwind(AssertUnwindSafe(|| enter(s, Some(&self.0), Fails)));
        assert!(failed.is_err());
        // The team is as good as before.
        let (x, mut out) = (random(4000, 1), vec![0.0; 4000]);
        let task = Map { out: &mut out, ins: [Some(&x[..]); 2], dims: [4000], strides: [[1]; 2], f: Sum };
        enter(s, Some(&self.0), InParts(task, 4));
        assert!(x.iter().zip(&out).all(|(x, out)| x + x == *out));
    }
}

#[test]
fn a_panic_reaches_the_caller_and_leaves_the_team_whole() {
    each_isa(&mut Failing(Team::new(3)));
}

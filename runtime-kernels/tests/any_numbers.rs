//! Products, convolutions and pools of other numbers than f32 against their definitions, on every instruction set.

mod any_isa;

use any_isa::isas;
use kiln_kernels::conv_any::{self, ConvAny};
use kiln_kernels::conv_f32::ConvShape;
use kiln_kernels::matmul_any::{self, MatMulAny};
use kiln_kernels::number::Number;
use kiln_kernels::pool::PoolShape;
use kiln_kernels::pool_any::{AvgPoolF64, LpPoolF64, MaxPoolAny};

/// Whole numbers, so that sums of products are exact in any order.
trait Test: Number + std::fmt::Debug {
    fn of(x: i64) -> Self;
}

macro_rules! tests {
    ($($t:ty)*) => {
        $(impl Test for $t {
            fn of(x: i64) -> Self {
                x as $t
            }
        })*
    };
}

tests! { f64 i32 i64 u32 u64 i8 u8 }

fn numbers<T: Test>(n: usize, seed: i64) -> Vec<T> {
    (0..n as i64).map(|i| T::of((i * 7919 + seed * 104729) % 23 - 11)).collect()
}

fn matmul<T: Test>() {
    for (batch, m, k, n) in [
        ([1, 1, 1], 1, 1, 1),
        ([1, 2, 3], 5, 7, 19),
        ([1, 1, 1], 13, 0, 4),
        ([2, 1, 1], 4, 33, 16),
        ([1, 1, 1], 9, 5, 40),
    ] {
        for (transposed_a, transposed_b, biased) in
            [(false, false, true), (true, false, false), (false, true, true), (true, true, false)]
        {
            let entries: usize = batch.iter().product();
            let (a, b, bias) = (numbers::<T>(entries * m * k, 1), numbers::<T>(k * n, 2), numbers::<T>(n, 3));
            let (a_row_stride, a_col_stride) = if transposed_a { (1, m) } else { (k, 1) };
            let (b_row_stride, b_col_stride) = if transposed_b { (1, k) } else { (n, 1) };
            let at = |e: usize, i: usize, j: usize| {
                let start = if biased { bias[j] } else { T::ZERO };
                (0..k).fold(start, |sum, l| {
                    sum.plus(
                        a[e * m * k + i * a_row_stride + l * a_col_stride]
                            .times(b[l * b_row_stride + j * b_col_stride]),
                    )
                })
            };
            let want: Vec<T> = (0..entries * m * n).map(|o| at(o / (m * n), o / n % m, o % n)).collect();
            for isa in isas() {
                let (mut out, mut scratch) = (numbers::<T>(want.len(), 4), numbers::<T>(matmul_any::scratch_len(k), 5));
                isa.enter(MatMulAny {
                    out: &mut out,
                    a: &a,
                    b: &b,
                    bias: biased.then_some(&bias),
                    scratch: &mut scratch,
                    batch,
                    m,
                    k,
                    n,
                    a_batch_strides: [batch[1] * batch[2] * m * k, batch[2] * m * k, m * k],
                    a_row_stride,
                    a_col_stride,
                    b_batch_strides: [0; 3],
                    b_row_stride,
                    b_col_stride,
                });
                assert_eq!(out, want, "{} {batch:?} {m} {k} {n}", isa.name());
            }
        }
    }
}

#[test]
fn products_agree_with_loops() {
    matmul::<f64>();
    matmul::<i32>();
    matmul::<i64>();
    matmul::<u32>();
    matmul::<u64>();
    matmul::<i8>();
}

/// Every `[d, h, w]` within a size, in order.
fn positions(size: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    (0..size[0]).flat_map(move |d| (0..size[1]).flat_map(move |h| (0..size[2]).map(move |w| [d, h, w])))
}

fn flat(size: [usize; 3], at: [usize; 3]) -> usize {
    (at[0] * size[1] + at[1]) * size[2] + at[2]
}

fn volume(size: [usize; 3]) -> usize {
    size.iter().product()
}

fn conv<T: Test>(shape: ConvShape, transposed: bool) {
    let ConvShape { batch, input, output, kernel, groups, c_in, c_out, .. } = shape;
    let taps = volume(kernel);
    let (x, w, bias) = (
        numbers::<T>(batch * volume(input) * groups * c_in, 1),
        numbers::<T>(groups * c_in * c_out * taps, 2),
        numbers::<T>(groups * c_out, 3),
    );
    let channels = groups * c_out;
    let mut want: Vec<T> = (0..batch * volume(output) * channels).map(|i| bias[i % channels]).collect();
    let (outer, inner) = if transposed { (input, output) } else { (output, input) };
    for (o, t) in positions(outer).flat_map(|o| positions(kernel).map(move |t| (o, t))) {
        let place = [0, 1, 2].map(|i| (o[i] * shape.stride[i] + t[i] * shape.dilation[i]).checked_sub(shape.pad[i]));
        let [Some(d), Some(h), Some(w_at)] = place else { continue };
        if d >= inner[0] || h >= inner[1] || w_at >= inner[2] {
            continue;
        }
        let (o, i) = (flat(outer, o), flat(inner, [d, h, w_at]));
        let (o, i) = if transposed { (i, o) } else { (o, i) };
        for (e, g) in (0..batch).flat_map(|e| (0..groups).map(move |g| (e, g))) {
            for (ci, co) in (0..c_in).flat_map(|ci| (0..c_out).map(move |co| (ci, co))) {
                let of = if transposed { (g * c_in + ci) * c_out + co } else { (g * c_out + co) * c_in + ci };
                let weight = w[of * taps + flat(kernel, t)];
                let seen = x[((e * volume(input) + i) * groups + g) * c_in + ci];
                let to = &mut want[(e * volume(output) + o) * channels + g * c_out + co];
                *to = to.plus(seen.times(weight));
            }
        }
    }
    for isa in isas() {
        let (mut out, mut scratch) = (numbers::<T>(want.len(), 4), numbers::<T>(conv_any::scratch_len(shape), 5));
        let (out_slice, scratch) = (&mut out[..], &mut scratch[..]);
        isa.enter(ConvAny { out: out_slice, x: &x, w: &w, bias: Some(&bias), scratch, shape, transposed });
        assert_eq!(out, want, "{} {shape:?} {transposed}", isa.name());
    }
}

#[test]
fn convolutions_agree_with_their_definition() {
    let shapes = [
        (1, [1, 1, 9], [1, 1, 3], [1, 1, 1], [1, 1, 1], [0, 0, 1], 1, 3, 5),
        (2, [1, 6, 7], [1, 3, 2], [1, 2, 1], [1, 1, 3], [0, 1, 0], 2, 4, 19),
        (1, [3, 4, 5], [2, 2, 3], [1, 2, 3], [2, 1, 1], [1, 0, 2], 3, 1, 1),
        (1, [1, 5, 5], [1, 1, 1], [1, 1, 1], [1, 1, 1], [0, 0, 0], 1, 17, 33),
    ];
    for (batch, input, kernel, stride, dilation, pad, groups, c_in, c_out) in shapes {
        let reach = |i: usize| (kernel[i] - 1) * dilation[i] + 1;
        let output = [0, 1, 2].map(|i| (input[i] + 2 * pad[i] - reach(i)) / stride[i] + 1);
        let shape = ConvShape { batch, input, output, kernel, stride, dilation, pad, groups, c_in, c_out };
        conv::<f64>(shape, false);
        conv::<i32>(shape, false);
        conv::<i64>(shape, false);
        let output = [0, 1, 2].map(|i| (input[i] - 1) * stride[i] + reach(i) - pad[i]);
        conv::<f64>(ConvShape { output, ..shape }, true);
        conv::<i32>(ConvShape { output, ..shape }, true);
    }
}

/// For every output element, in order: the positions it sees with their elements, and how many positions padding adds.
fn windows<T: Test>(shape: &PoolShape, x: &[T]) -> Vec<(Vec<(usize, T)>, usize)> {
    let mut windows = Vec::new();
    for (e, o) in (0..shape.batch).flat_map(|e| positions(shape.output).map(move |o| (e, o))) {
        for c in 0..shape.channels {
            let (mut inside, mut padded) = (Vec::new(), 0);
            for t in positions(shape.kernel) {
                let at = [0, 1, 2].map(|i| o[i] * shape.stride[i] + t[i] * shape.dilation[i]);
                padded += usize::from((0..3).all(|i| at[i] < shape.pad[i] + shape.input[i] + shape.pad_end[i]));
                if (0..3).all(|i| (shape.pad[i]..shape.pad[i] + shape.input[i]).contains(&at[i])) {
                    let at = flat(shape.input, [0, 1, 2].map(|i| at[i] - shape.pad[i]));
                    inside.push((at, x[(e * volume(shape.input) + at) * shape.channels + c]));
                }
            }
            windows.push((inside, padded));
        }
    }
    windows
}

fn pool_shapes() -> [PoolShape; 3] {
    let shape = PoolShape {
        batch: 2,
        input: [1, 7, 6],
        output: [1, 4, 6],
        kernel: [1, 3, 2],
        stride: [1, 2, 1],
        dilation: [1, 1, 1],
        pad: [0, 1, 1],
        pad_end: [0, 1, 0],
        channels: 3,
    };
    let dilated = PoolShape { output: [1, 2, 2], kernel: [1, 2, 2], stride: [1, 3, 2], dilation: [1, 3, 2], ..shape };
    let solid = PoolShape {
        input: [3, 4, 5],
        output: [2, 3, 3],
        kernel: [2, 2, 3],
        stride: [1, 1, 2],
        pad: [0, 0, 1],
        ..shape
    };
    [shape, dilated, PoolShape { channels: 37, ..solid }]
}

fn max<T: Test>() {
    for shape in pool_shapes() {
        let x = numbers::<T>(shape.batch * volume(shape.input) * shape.channels, 9);
        let windows = windows(&shape, &x);
        let pixels = volume(shape.output);
        for column_major in [false, true] {
            let (mut want, mut places) = (Vec::new(), Vec::new());
            for (i, (inside, _)) in windows.iter().enumerate() {
                let first = inside.iter().fold(inside[0], |best, &next| if next.1 > best.1 { next } else { best });
                let [_, h, w] = shape.input;
                let at = first.0;
                let at = if column_major {
                    at / (h * w) + (at / w % h) * shape.input[0] + at % w * h * shape.input[0]
                } else {
                    at
                };
                let (e, c) = (i / (pixels * shape.channels), i % shape.channels);
                want.push(first.1);
                places.push(((e * shape.channels + c) * volume(shape.input) + at) as i64);
            }
            for isa in isas() {
                let (mut out, mut at) = (vec![T::ONE; want.len()], vec![-1; want.len()]);
                isa.enter(MaxPoolAny { out: &mut out, indices: Some(&mut at), x: &x, shape, column_major });
                assert_eq!((&out, &at), (&want, &places), "{} {shape:?}", isa.name());
                let mut out = vec![T::ONE; want.len()];
                isa.enter(MaxPoolAny { out: &mut out, indices: None, x: &x, shape, column_major });
                assert_eq!(out, want, "{} {shape:?}", isa.name());
            }
        }
    }
}

#[test]
fn pools_agree_with_their_definition() {
    max::<f64>();
    max::<i8>();
    max::<u8>();
    max::<i64>();
    for shape in pool_shapes() {
        let x = numbers::<f64>(shape.batch * volume(shape.input) * shape.channels, 9);
        let windows = windows(&shape, &x);
        for isa in isas() {
            for count_include_pad in [false, true] {
                let mut out = vec![f64::NAN; windows.len()];
                isa.enter(AvgPoolF64 { out: &mut out, x: &x, shape, count_include_pad });
                for (got, (inside, padded)) in out.iter().zip(&windows) {
                    let count = if count_include_pad { *padded } else { inside.len() };
                    assert_eq!(*got, inside.iter().map(|(_, x)| x).sum::<f64>() / count as f64);
                }
            }
            for p in [1, 2, 5] {
                let mut out = vec![f64::NAN; windows.len()];
                isa.enter(LpPoolF64 { out: &mut out, x: &x, shape, p });
                for (got, (inside, _)) in out.iter().zip(&windows) {
                    let want = inside.iter().map(|(_, x)| x.abs().powi(p as i32)).sum::<f64>().powf(1.0 / f64::from(p));
                    assert!((got - want).abs() <= 1e-13 * want, "{got} {want}");
                }
            }
        }
    }
}

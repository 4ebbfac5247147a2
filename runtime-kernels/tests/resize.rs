//! Resizing: the tables against ONNX's own examples and reference formulas, the kernels against naive loops.

mod any_isa;
mod isa;

use any_isa::isas;
use isa::{assert_close, random};
use kiln_kernels::resize::{ResizeAxis, ResizeNearest};
use kiln_kernels::resize_tables::{Coordinates, Filter, OUTSIDE, ResizeSpec, Rounding, resize_tables};

const COORDINATES: [Coordinates; 6] = [
    Coordinates::HalfPixel,
    Coordinates::HalfPixelSymmetric,
    Coordinates::PytorchHalfPixel,
    Coordinates::Asymmetric,
    Coordinates::AlignCorners,
    Coordinates::TfCropAndResize { start: 0.4, end: 0.8 },
];

fn tables(spec: &ResizeSpec) -> (Vec<u32>, Vec<f32>) {
    let len = spec.out_len * spec.taps();
    let (mut index, mut weight) = (vec![0; len], vec![0.0; len]);
    resize_tables(spec, &mut index, &mut weight);
    (index, weight)
}

/// Resizes an image along both axes.
fn image(
    x: &[f32],
    [h, w]: [usize; 2],
    [out_h, out_w]: [usize; 2],
    scales: [f32; 2],
    spec: ResizeSpec,
    outside: f32,
) -> Vec<f32> {
    let isa = isas().last().unwrap();
    let vertical = ResizeSpec { in_len: h, out_len: out_h, scale: scales[0], ..spec };
    let horizontal = ResizeSpec { in_len: w, out_len: out_w, scale: scales[1], ..spec };
    let (mut tall, mut out) = (vec![0.0; out_h * w], vec![0.0; out_h * out_w]);
    let (index, weight) = tables(&vertical);
    isa.enter(ResizeAxis {
        out: &mut tall,
        x,
        outer: 1,
        in_len: h,
        out_len: out_h,
        inner: w,
        taps: vertical.taps(),
        index: &index,
        weight: &weight,
        outside,
    });
    let (index, weight) = tables(&horizontal);
    let taps = horizontal.taps();
    isa.enter(ResizeAxis {
        out: &mut out,
        x: &tall,
        outer: out_h,
        in_len: w,
        out_len: out_w,
        inner: 1,
        taps,
        index: &index,
        weight: &weight,
        outside,
    });
    out
}

fn spec(coordinates: Coordinates, filter: Filter) -> ResizeSpec {
    ResizeSpec { in_len: 0, out_len: 0, scale: 0.0, coordinates, filter, antialias: false, exclude_outside: false }
}

/// The examples of ONNX's operator documentation.
#[test]
fn follows_the_examples_of_onnx() {
    let x = (1..=16).map(|i| i as f32).collect::<Vec<_>>();
    let linear = Filter::Linear;
    let cubic = Filter::Cubic { a: -0.75 };

    let got = image(&x[..8], [2, 4], [1, 2], [0.6; 2], spec(Coordinates::AlignCorners, linear), 0.0);
    assert_close(&got, &[1.0, 3.142857], 1e-6, 0.0, "downsample scales linear align corners");

    let got = image(&x[..8], [2, 4], [1, 2], [0.6; 2], spec(Coordinates::HalfPixel, linear), 0.0);
    assert_close(&got, &[2.6666665, 4.333333], 1e-6, 0.0, "downsample scales linear");

    let got = image(&x[..4], [2, 2], [4, 4], [2.0; 2], spec(Coordinates::HalfPixel, linear), 0.0);
    let want = [1.0, 1.25, 1.75, 2.0, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3.0, 3.25, 3.75, 4.0];
    assert_close(&got, &want, 1e-6, 0.0, "upsample scales linear");

    let got = image(&x, [4, 4], [3, 1], [0.75, 0.25], spec(Coordinates::PytorchHalfPixel, linear), 0.0);
    assert_close(&got, &[1.6666666, 7.0, 12.333333], 1e-6, 0.0, "downsample sizes linear pytorch half pixel");

    let got = image(&x, [4, 4], [3, 3], [0.8; 2], spec(Coordinates::HalfPixel, cubic), 0.0);
    let want = [1.4711914, 2.78125, 4.0825195, 6.711426, 8.021484, 9.322754, 11.916504, 13.2265625, 14.527832];
    assert_close(&got, &want, 1e-5, 0.0, "downsample scales cubic");

    let excluding = ResizeSpec { exclude_outside: true, ..spec(Coordinates::HalfPixel, Filter::Cubic { a: -0.5 }) };
    let got = image(&x, [4, 4], [3, 3], [0.8; 2], excluding, 0.0);
    let want = [1.3681268, 2.6695014, 4.0133367, 6.5736254, 7.875, 9.218835, 11.948967, 13.250341, 14.594176];
    assert_close(&got, &want, 1e-5, 0.0, "downsample scales cubic a half exclude outside");

    let anti = ResizeSpec { antialias: true, ..spec(Coordinates::HalfPixel, linear) };
    let got = image(&x, [4, 4], [2, 2], [0.6; 2], anti, 0.0);
    assert_close(&got, &[2.875, 4.5, 9.375, 11.0], 1e-5, 0.0, "downsample scales linear antialias");

    let anti = ResizeSpec { antialias: true, ..spec(Coordinates::HalfPixel, cubic) };
    let got = image(&x, [4, 4], [2, 2], [0.6; 2], anti, 0.0);
    assert_close(&got, &[2.5180721, 4.2858863, 9.589329, 11.357142], 1e-5, 0.0, "downsample scales cubic antialias");

    let crop = |start, end| spec(Coordinates::TfCropAndResize { start, end }, linear);
    let (index, weight) = tables(&ResizeSpec { in_len: 4, out_len: 3, scale: 0.75, ..crop(0.4, 0.6) });
    assert_eq!(index, [1, 2, 1, 2, 1, 2]);
    assert_close(&weight, &[0.8, 0.2, 0.5, 0.5, 0.2, 0.8], 1e-5, 1e-6, "crop and resize");
    let (index, _) = tables(&ResizeSpec { in_len: 4, out_len: 3, scale: 0.75, ..crop(0.6, 1.2) });
    assert_eq!(index, [1, 2, 2, 3, OUTSIDE, OUTSIDE]);
}

#[test]
fn finds_the_nearest() {
    let nearest = |in_len, out_len, coordinates, rounding, scale| {
        let spec = ResizeSpec { in_len, out_len, scale, ..spec(coordinates, Filter::Nearest(rounding)) };
        let mut index = vec![0; out_len];
        resize_tables(&spec, &mut index, &mut []);
        assert_eq!(tables(&spec), (index.clone(), vec![1.0; out_len]));
        index
    };
    assert_eq!(nearest(2, 6, Coordinates::HalfPixel, Rounding::RoundPreferFloor, 3.0), [0, 0, 0, 1, 1, 1]);
    assert_eq!(nearest(2, 4, Coordinates::Asymmetric, Rounding::Floor, 2.0), [0, 0, 1, 1]);
    assert_eq!(nearest(2, 4, Coordinates::Asymmetric, Rounding::Ceil, 2.0), [0, 1, 1, 1]);
    assert_eq!(nearest(4, 8, Coordinates::AlignCorners, Rounding::Floor, 2.0), [0, 0, 0, 1, 1, 2, 2, 3]);
    assert_eq!(nearest(4, 8, Coordinates::HalfPixel, Rounding::Ceil, 2.0), [0, 1, 1, 2, 2, 3, 3, 3]);
    assert_eq!(nearest(4, 2, Coordinates::Asymmetric, Rounding::RoundPreferCeil, 0.6), [0, 2]);
    // Halves: positions 0.5 and 2.5.
    assert_eq!(nearest(4, 2, Coordinates::HalfPixel, Rounding::RoundPreferFloor, 0.5), [0, 2]);
    assert_eq!(nearest(4, 2, Coordinates::HalfPixel, Rounding::RoundPreferCeil, 0.5), [1, 3]);
    // Single precision: 3 / 0.33333334 is 9, not a little less.
    assert_eq!(nearest(12, 4, Coordinates::Asymmetric, Rounding::Floor, 1.0 / 3.0), [0, 3, 6, 9]);
}

#[test]
fn weights_sum_to_one_and_indices_stay_inside() {
    for coordinates in COORDINATES {
        for filter in [Filter::Linear, Filter::Cubic { a: -0.75 }, Filter::Cubic { a: -0.5 }] {
            for (in_len, out_len) in [(1, 1), (1, 5), (5, 1), (7, 7), (4, 9), (9, 4), (100, 3), (3, 100), (4, 0)] {
                for bits in 0..4 {
                    let spec = ResizeSpec {
                        in_len,
                        out_len,
                        scale: out_len as f32 / in_len as f32,
                        coordinates,
                        filter,
                        antialias: bits & 1 != 0,
                        exclude_outside: bits & 2 != 0,
                    };
                    if out_len == 0 {
                        continue;
                    }
                    let (index, weight) = tables(&spec);
                    for (index, weight) in index.chunks(spec.taps()).zip(weight.chunks(spec.taps())) {
                        if index[0] != OUTSIDE {
                            assert!(index.iter().all(|&i| (i as usize) < in_len), "{spec:?}");
                            assert!((weight.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{spec:?} {weight:?}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn interpolates_along_any_axis() {
    for (outer, in_len, out_len, inner) in [
        (1, 1, 1, 1),
        (2, 5, 3, 1),
        (3, 4, 9, 2),
        (2, 3, 7, 16),
        (1, 6, 4, 37),
        (0, 2, 2, 2),
        (2, 2, 2, 0),
        (1, 2, 0, 1),
    ] {
        for taps in [1, 2, 3, 4, 6] {
            let x = random(outer * in_len * inner, 1);
            let mut index = (0..out_len * taps).map(|i| (i * 5 % in_len) as u32).collect::<Vec<_>>();
            let weight = random(out_len * taps, 2);
            if out_len > 2 {
                index[taps] = OUTSIDE;
            }
            let mut want = vec![0.0; outer * out_len * inner];
            for o in 0..outer {
                for j in 0..out_len {
                    for i in 0..inner {
                        want[(o * out_len + j) * inner + i] = if index[j * taps] == OUTSIDE {
                            5.0
                        } else {
                            (j * taps..(j + 1) * taps)
                                .map(|t| weight[t] * x[(o * in_len + index[t] as usize) * inner + i])
                                .sum()
                        };
                    }
                }
            }
            for isa in isas() {
                let mut out = vec![9.0; want.len()];
                isa.enter(ResizeAxis {
                    out: &mut out,
                    x: &x,
                    outer,
                    in_len,
                    out_len,
                    inner,
                    taps,
                    index: &index,
                    weight: &weight,
                    outside: 5.0,
                });
                assert_close(&out, &want, 1e-5, 1e-6, isa.name());
            }
        }
    }
}

#[test]
fn takes_the_nearest_along_all_axes() {
    fn check<const R: usize>(x_dims: [usize; R], out_dims: [usize; R], keep: [bool; R]) {
        let x = (1..=x_dims.iter().product::<usize>() as i16).collect::<Vec<_>>();
        let mut tables: [Vec<u32>; R] =
            core::array::from_fn(|r| (0..out_dims[r]).map(|i| (i * x_dims[r] / out_dims[r]) as u32).collect());
        if R > 1 && out_dims[1] > 3 {
            tables[1][3] = OUTSIDE;
        }
        let mut want = vec![];
        for i in 0..out_dims.iter().product::<usize>() {
            let source = (0..R).try_fold(0, |at, r| {
                let i = i / out_dims[r + 1..].iter().product::<usize>() % out_dims[r];
                let source = if keep[r] { i as u32 } else { tables[r][i] };
                (source != OUTSIDE).then_some(at * x_dims[r] + source as usize)
            });
            want.push(source.map_or(-1, |source| x[source]));
        }
        for isa in isas() {
            let mut out = vec![0; want.len()];
            let index = core::array::from_fn(|r| if keep[r] { &[][..] } else { &tables[r][..] });
            isa.enter(ResizeNearest { out: &mut out, x: &x, x_dims, out_dims, index, outside: -1 });
            assert_eq!(out, want, "{x_dims:?} {out_dims:?} on {}", isa.name());
        }
    }
    check([], [], []);
    check([4], [10], [false]);
    check([2, 3, 5, 4], [2, 3, 10, 8], [true, true, false, false]);
    check([2, 5, 4, 3], [2, 10, 3, 3], [true, false, false, true]);
    check([1, 2, 3], [1, 4, 2], [false; 3]);
    check([2, 3], [2, 0], [true, false]);
    check([3, 4, 70], [7, 9, 70], [false, false, true]);
}

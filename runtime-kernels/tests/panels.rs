//! Weights laid out while a model runs, against the layout's definition and against what is written ahead of time.

mod isa;

use isa::{OnIsa, each_isa, random};
use kiln_kernels::conv_f32::ConvShape;
use kiln_kernels::pack;
use kiln_kernels::panels::{Pack, Panels};
use kiln_kernels::scale_panels::ScalePanels;
use kiln_kernels::simd::Simd;

struct Layouts;

impl OnIsa for Layouts {
    fn run<S: Simd>(&mut self, s: S) {
        for (k, n, transposed) in
            [(1, 1, false), (7, 16, true), (9, 37, true), (64, 48, true), (5, 33, false), (0, 5, false)]
        {
            let x = random(k * n, 1);
            let (k_stride, n_stride) = if transposed { (1, k) } else { (n, 1) };
            let mut got = vec![f32::NAN; pack::panels_len(k, n)];
            s.enter(Pack { out: &mut got, x: &x, panels: pack::panels_layout(k, n, k_stride, n_stride) });
            for (at, &got) in got.iter().enumerate() {
                let (panel, row, col) = (at / (k * 16), at / 16 % k, at % 16);
                let j = panel * 16 + col;
                let want = if j < n { x[row * k_stride + j * n_stride] } else { 0.0 };
                assert_eq!(got.to_bits(), want.to_bits(), "{} {k} {n} at {at}", S::NAME);
            }
        }
        for (groups, c_in, c_out, kernel, stride) in [
            (1, 3, 20, [1, 3, 3], [1, 2, 2]),
            (3, 2, 5, [2, 2, 3], [1, 1, 1]),
            (2, 17, 16, [1, 1, 1], [1, 1, 1]),
            (1, 4, 33, [1, 4, 2], [1, 3, 1]),
        ] {
            let shape = ConvShape {
                batch: 1,
                input: [5; 3],
                output: [5; 3],
                kernel,
                stride,
                dilation: [1, 2, 1],
                pad: [0, 1, 0],
                groups,
                c_in,
                c_out,
            };
            let w = random(groups * c_in * c_out * kernel.iter().product::<usize>(), 2);
            let agrees = |want: &[f32], layouts: &[Panels]| {
                let mut got = vec![f32::NAN; want.len()];
                layouts.iter().for_each(|&panels| s.enter(Pack { out: &mut got, x: &w, panels }));
                let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&got), bits(want), "{} {shape:?}", S::NAME);
            };
            let mut want = vec![f32::NAN; pack::conv_len(shape)];
            pack::conv(&mut want, &w, shape);
            agrees(&want, &[pack::conv_layout(shape)]);
            pack::transpose(&mut want, &w, shape);
            agrees(&want, &pack::transpose_layouts(shape).collect::<Vec<_>>());
            let shape = ConvShape { groups: groups * c_in * c_out, c_in: 1, c_out: 1, ..shape };
            let mut want = vec![f32::NAN; pack::depthwise_len(shape)];
            pack::depthwise(&mut want, &w, shape);
            agrees(&want, &[pack::depthwise_layout(shape)]);
        }
    }
}

#[test]
fn a_layout_is_the_same_whenever_it_is_written() {
    assert!(each_isa(&mut Layouts) > 0);
}

struct Scaled;

impl OnIsa for Scaled {
    fn run<S: Simd>(&mut self, s: S) {
        for (k, panels, images) in [(1, 1, 1), (7, 3, 1), (40, 2, 1), (0, 1, 1), (0, 1, 2), (7, 3, 2), (40, 1, 3)] {
            let (w, scale) = (random(panels * k * 16, 1), random(images * k, 2));
            let mut out = vec![f32::NAN; images * w.len()];
            s.enter(ScalePanels { out: &mut out, w: &w, scale: &scale, k });
            for (at, &got) in out.iter().enumerate() {
                let (image, at) = (at / w.len(), at % w.len());
                let want = w[at] * scale[image * k + at / 16 % k];
                assert_eq!(got.to_bits(), want.to_bits(), "{} {k} {image} at {at}", S::NAME);
            }
        }
    }
}

#[test]
fn rows_of_panels_are_scaled() {
    assert!(each_isa(&mut Scaled) > 0);
}

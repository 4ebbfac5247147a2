//! Convolutions in thin groups against their definition, on every instruction set.

mod definition;
mod isa;

use definition::{Add, naive, shape, volume};
use isa::{OnIsa, assert_close, each_isa, random};
use kiln_kernels::conv_f32::ConvShape;
use kiln_kernels::conv_groups_f32::{ConvGroups, spreads};
use kiln_kernels::conv_lanes_f32::{ConvLanes, has_lanes, lanes_scratch_len};
use kiln_kernels::pack;
use kiln_kernels::simd::Simd;

/// Shapes of groups that share panels: lines shorter and longer than tiles, and that tiles cut.
fn lanes_shapes() -> Vec<ConvShape> {
    let (one, square) = ([1; 3], [0, 1, 1]);
    let mut shapes = Vec::new();
    for channels in [[16, 2, 1], [8, 1, 2], [4, 4, 4], [8, 3, 4], [2, 8, 8], [6, 5, 8]] {
        for (height, width) in [(1, 1), (3, 5), (6, 8), (5, 14), (9, 33)] {
            let size = [1, height, width];
            shapes.push(shape(2, size, [1, 3, 3], one, one, square, square, channels));
            shapes.push(shape(1, size, [1, 5, 5], [1, 2, 3], one, [0, 3, 2], [0, 1, 4], channels));
            shapes.push(shape(1, size, [1, 2, 4], [1, 1, 2], [1, 3, 2], [0, 2, 1], [0, 4, 5], channels));
            shapes.push(shape(1, size, [1, 4, 4], [1, 2, 2], one, [0; 3], [0; 3], channels));
            shapes.push(shape(1, size, [1, 4, 4], [1, 4, 1], one, [0; 3], [0, 9, 3], channels));
        }
    }
    shapes.retain(|shape| volume(shape.output) > 0);
    shapes
}

/// Shapes of groups with as many channels in as out: parts of a vector, whole ones and several, and channels that end within one.
fn groups_shapes() -> Vec<ConvShape> {
    let (one, square) = ([1; 3], [0, 1, 1]);
    let mut shapes = Vec::new();
    for channels in [[4, 4, 4], [10, 4, 4], [2, 8, 8], [5, 8, 8], [2, 16, 16], [3, 16, 16], [3, 24, 24]] {
        for (height, width) in [(1, 1), (3, 5), (6, 8), (5, 14), (9, 33)] {
            let size = [1, height, width];
            shapes.push(shape(2, size, [1, 3, 3], one, one, square, square, channels));
            shapes.push(shape(2, size, [1, 3, 3], [1, 2, 2], one, square, square, channels));
            shapes.push(shape(1, size, [1, 5, 3], [1, 3, 1], [1, 2, 1], [0, 5, 0], [0, 1, 4], channels));
            shapes.push(shape(1, size, [1, 1, 3], [1, 1, 2], one, [0, 0, 2], [0, 2, 1], channels));
            shapes.push(shape(1, size, [1, 2, 3], [1, 4, 1], [1, 3, 1], [0; 3], [0; 3], channels));
            shapes.push(shape(1, size, [1, 2, 3], [1, 1, 2], one, [0, 1, 40], [0, 1, 40], channels));
        }
    }
    // Too large to stay near, so that lines come before panels.
    shapes.push(shape(1, [1, 60, 60], [1, 3, 3], [1, 2, 2], one, square, square, [16, 8, 8]));
    shapes.retain(|shape| volume(shape.output) > 0);
    shapes
}

/// Which of the two kernels, whose operands are the same.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Kernel {
    Lanes,
    Groups,
}

struct Convs {
    kernel: Kernel,
    shapes: Vec<ConvShape>,
    count: usize,
}

impl OnIsa for Convs {
    fn run<S: Simd>(&mut self, s: S) {
        for &shape in &self.shapes {
            let (c_in, c_out) = (shape.groups * shape.c_in, shape.groups * shape.c_out);
            let x = &random(shape.batch * volume(shape.input) * c_in, 1)[..];
            let weights = random(c_out * shape.c_in * volume(shape.kernel), 2);
            let bias = random(c_out, 3);
            let residual = random(shape.batch * volume(shape.output) * c_out, 4);
            let want = naive(&shape, false, x, &weights, &bias, &residual);
            let w = &mut vec![f32::NAN; pack::lanes_len(shape)][..];
            pack::lanes_layout(shape).write(w, &weights);
            let padded = &mut vec![f32::NAN; pack::bias_len(1, c_out)][..];
            pack::bias(padded, &bias, 1, c_out);
            let (out, bias) = (&mut vec![f32::NAN; residual.len()][..], Some(&*padded));
            let epilogue = Add { residual: &residual, channels: c_out };
            if self.kernel == Kernel::Groups {
                assert!(spreads(&shape), "{shape:?}");
                s.enter(ConvGroups { out: &mut *out, x, w, bias, scratch: &mut [], shape, epilogue });
            } else {
                assert!(has_lanes(&shape), "{shape:?}");
                let scratch = &mut vec![f32::NAN; lanes_scratch_len(shape)][..];
                s.enter(ConvLanes { out: &mut *out, x, w, bias, scratch, shape, epilogue });
            }
            assert_close(out, &want, 1e-5, 1e-4, &format!("{} {:?} {shape:?}", S::NAME, self.kernel));
            self.count += 1;
        }
    }
}

/// Compares each shape on each instruction set.
fn agree(kernel: Kernel, shapes: Vec<ConvShape>) {
    let n = shapes.len();
    let mut convs = Convs { kernel, shapes, count: 0 };
    let isas = each_isa(&mut convs);
    assert_eq!(convs.count, isas * n);
    assert!(n > 100);
}

#[test]
fn convolutions_of_groups_in_lanes_agree_with_their_definition() {
    agree(Kernel::Lanes, lanes_shapes());
}

#[test]
fn convolutions_of_groups_agree_with_their_definition() {
    agree(Kernel::Groups, groups_shapes());
}

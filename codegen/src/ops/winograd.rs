//! Whether a convolution takes Winograd's form.

use super::{Lower, tiles};
use crate::tuning::{Candidate, Kind};
use kiln_kernels::conv_f32::ConvShape;
use kiln_kernels::conv_winograd_f32;
use kiln_kernels::conv_winograd_f32::POSITIONS;

/// Operands too few for a transform to be worth its trouble.
const LEAST_CHANNELS: usize = 16;

/// The form a convolution takes: the tuning file's choice, or else what costs less. `is_fixed` tells that its sizes are numbers.
pub fn form(cx: &mut Lower, shape: &ConvShape, is_fixed: bool) -> Result<Candidate, String> {
    let line = if is_fixed { shape.output[2] } else { usize::MAX };
    let mut candidates = tiles::candidates(cx, line, shape.c_out);
    let mut by_cost = Candidate::Direct;
    if is_fixed && fits(shape) && cx.options().winograd && cx.tensor(1).is_some() {
        candidates.push(Candidate::Winograd);
        if pays(shape) {
            by_cost = Candidate::Winograd;
        }
    }
    cx.choose(Kind::Form, &candidates, by_cost)
}

/// Whether transforms can do it, and are not out of the question.
fn fits(shape: &ConvShape) -> bool {
    shape.kernel == [1, 3, 3]
        && shape.stride == [1; 3]
        && shape.dilation == [1; 3]
        && shape.groups == 1
        && shape.input[0] == 1
        && shape.output[0] == 1
        && shape.pad[0] == 0
        && shape.c_in >= LEAST_CHANNELS
        && shape.c_out >= LEAST_CHANNELS
}

/// Whether a convolution of constant weights and fixed sizes is better done by transforms, where nobody has measured.
///
/// What either form costs is counted in multiplications: those of the products, for the transforms what they take in time on a
/// core with vectors of 16 lanes, and for the weights what it takes to fetch them, of which Winograd's form has four times
/// as many.
fn pays(shape: &ConvShape) -> bool {
    let panels = shape.c_out.div_ceil(16) * 16;
    let weights = shape.c_in.saturating_mul(panels);
    let pixels = shape.batch.saturating_mul(shape.output[1]).saturating_mul(shape.output[2]);
    let direct = weights.saturating_mul(9).saturating_mul(pixels + FETCH);
    let tiles = conv_winograd_f32::tiles(shape);
    let products = weights.saturating_mul(POSITIONS).saturating_mul(tiles + FETCH);
    let transforms = (shape.c_in + panels).saturating_mul(tiles).saturating_mul(TRANSFORM);
    // Close calls go to the form that is exact.
    products.saturating_add(transforms).saturating_mul(5) / 4 < direct
}

/// Multiplications in the time that it takes to fetch a weight.
const FETCH: usize = 16;

/// Multiplications in the time that it takes to transform a tile of one channel.
const TRANSFORM: usize = 300;

//! Whether a convolution takes one of Winograd's forms.

use super::{Lower, tiles};
use crate::plan::Arg;
use crate::tuning::{Candidate, Kind};
use kiln_kernels::conv_f32::ConvShape;
use kiln_kernels::winograd::{F2x2, F4x4, Filtering};
use kiln_kernels::{conv_winograd_f32, pack};

/// Operands too few for a transform to be worth its trouble.
const LEAST_CHANNELS: usize = 16;

/// The form a convolution takes: the tuning file's choice, or else what costs less. `is_fixed` tells that its sizes are numbers.
pub fn form(cx: &mut Lower, shape: &ConvShape, is_fixed: bool) -> Result<Candidate, String> {
    let line = if is_fixed { shape.output[2] } else { usize::MAX };
    let mut candidates = tiles::candidates(cx, line, shape.c_out);
    let mut by_cost = Candidate::Direct;
    if is_fixed && fits(shape) && cx.options().winograd && cx.tensor(1).is_some() {
        candidates.extend([Candidate::Winograd, Candidate::Winograd2]);
        by_cost = cheapest(shape);
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

/// What a convolution by transforms consists of.
pub struct Transformed {
    /// The transformed weights.
    pub w: Vec<f32>,
    /// Floats of scratch.
    pub scratch: usize,
    /// The kernel's word for the filtering.
    pub filtering: Arg,
}

/// The convolution of `weights` in a form by transforms; nothing if `form` is another.
pub fn transformed(form: Candidate, shape: ConvShape, weights: &[f32]) -> Option<Transformed> {
    match form {
        Candidate::Winograd => Some(transformed_by(F4x4, "F4x4", shape, weights)),
        Candidate::Winograd2 => Some(transformed_by(F2x2, "F2x2", shape, weights)),
        Candidate::Direct | Candidate::Tall | Candidate::Wide => None,
    }
}

fn transformed_by<F: Filtering>(filtering: F, name: &str, shape: ConvShape, weights: &[f32]) -> Transformed {
    let mut w = vec![0.0; pack::winograd_len(filtering, shape)];
    pack::winograd(filtering, &mut w, weights, shape);
    let scratch = conv_winograd_f32::winograd_scratch_len(filtering, shape);
    Transformed { w, scratch, filtering: Arg::Path(format!("winograd::{name}")) }
}

/// The form that costs least for a convolution of constant weights and fixed sizes, where nobody has measured.
///
/// What a form costs is counted in multiplications: those of the products, for the transforms what they take in time on a
/// core with vectors of 16 lanes, and for the weights what it takes to fetch them, of which the forms by transforms have
/// more.
fn cheapest(shape: &ConvShape) -> Candidate {
    let panels = shape.c_out.div_ceil(16) * 16;
    let weights = shape.c_in.saturating_mul(panels);
    let pixels = shape.batch.saturating_mul(shape.output[1]).saturating_mul(shape.output[2]);
    let direct = weights.saturating_mul(9).saturating_mul(pixels + FETCH);
    let forms = [
        // First: `min_by_key` gives the first of equals.
        (direct, Candidate::Direct),
        (by_transforms::<F4x4>(shape, weights, panels), Candidate::Winograd),
        (by_transforms::<F2x2>(shape, weights, panels), Candidate::Winograd2),
    ];
    forms.into_iter().min_by_key(|&(cost, _)| cost).map_or(Candidate::Direct, |(_, form)| form)
}

/// What a form by transforms costs, and a quarter more: close calls go to the form that is exact.
fn by_transforms<F: Filtering>(shape: &ConvShape, weights: usize, panels: usize) -> usize {
    let tiles = conv_winograd_f32::tiles::<F>(shape);
    let products = weights.saturating_mul(F::POSITIONS).saturating_mul(tiles + FETCH);
    let transforms = (shape.c_in + panels).saturating_mul(tiles).saturating_mul(F::POSITIONS * TRANSFORM);
    products.saturating_add(transforms).saturating_mul(5) / 4
}

/// Multiplications in the time that it takes to fetch a weight, from a cache that others use too.
const FETCH: usize = 32;

/// Multiplications in the time that it takes to transform one position of a tile of one channel.
const TRANSFORM: usize = 8;

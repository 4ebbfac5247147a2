//! Rows of A packed for tiles: strip after strip, four elements of k of a strip's rows together, `[strip][k / 4][row][4]`.
//!
//! A tile then needs one address for all its rows, and can multiply by what lies there without a register and an instruction for each.

use super::simd::{Simd, Task};

/// Columns from which on it is worth copying A: for convolutions of 256 and more, nothing was gained.
const LEAST_COLS: usize = 384;

/// Whether rows are worth packing for a product, where an instruction set has tiles for it.
pub const fn packing_pays(m: usize, k: usize, n: usize) -> bool {
    m >= 24 && n >= LEAST_COLS && k >= 32 && k.is_multiple_of(4)
}

/// Copies `strips` strips of [`Simd::PACKED_ROWS`] rows, `stride` floats apart at `a`, of `k` elements each.
///
/// # Safety
/// The rows must be readable, and `to` writable over as many floats; `k` must be a multiple of 4.
#[inline(always)]
pub(super) unsafe fn pack<S: Simd>(s: S, to: *mut f32, a: *const f32, stride: usize, strips: usize, k: usize) {
    s.enter(Pack { to, a, stride, strips, k });
}

/// The arguments of [`pack`], whose caller vouches for them.
struct Pack {
    to: *mut f32,
    a: *const f32,
    stride: usize,
    strips: usize,
    k: usize,
}

impl Task for Pack {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { mut to, a, stride, strips, k } = self;
        for strip in 0..strips {
            for four in 0..k / 4 {
                for r in 0..S::PACKED_ROWS {
                    // SAFETY: four elements of a row of the strip, for whose copy there is room.
                    unsafe {
                        let from = a.add((strip * S::PACKED_ROWS + r) * stride + 4 * four).cast::<[f32; 4]>();
                        to.cast::<[f32; 4]>().write_unaligned(from.read_unaligned());
                        to = to.add(4);
                    }
                }
            }
        }
    }
}

//! Winograd's minimal filterings F(n x n, 3 x 3): the transforms of tiles of the input, of the weights, and back to the output.
//!
//! They are those of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015), each a polynomial's values
//! at a few points along one axis.

use super::simd::Simd;

/// Output pixels of the largest tile along an axis.
pub const MOST_OUT: usize = 4;

/// Input pixels behind them.
pub const MOST_IN: usize = 6;

/// A filtering: `OUT` pixels along an axis from `IN`, by one multiplication for each of those `IN`.
///
/// Arrays are as long as the largest needs; elements beyond `IN` or `OUT` mean nothing.
pub trait Filtering: Copy {
    /// Output pixels of a tile along an axis.
    const OUT: usize;
    /// Input pixels behind them.
    const IN: usize;
    /// Positions of a transformed tile.
    const POSITIONS: usize = Self::IN * Self::IN;

    /// The input's transform along one axis.
    fn see<S: Simd>(s: S, d: [S::F32; MOST_IN]) -> [S::F32; MOST_IN];

    /// The output's transform along one axis.
    fn make<S: Simd>(s: S, m: [S::F32; MOST_IN]) -> [S::F32; MOST_OUT];

    /// The weights' transform along one axis, in double precision: what is lost here is lost for good.
    fn weigh(g: [f64; 3]) -> [f64; MOST_IN];
}

/// F(4x4, 3x3): four multiplications for every sixteen of the direct form, and four weights for one.
///
/// At the points 0, ±5/8, ±3/2 and infinity: polynomials through them are so tame that errors are 1.8 times those of the direct
/// form, where the customary 0, ±1, ±2 make 4.5 (root mean squares over random operands of 64 and of 512 channels).
#[derive(Clone, Copy)]
pub struct F4x4;

/// F(2x2, 3x3): four multiplications for every nine, and sixteen weights for nine; for pictures so small that fetching weights
/// takes longer than multiplying by them. At the points 0, ±1 and infinity.
#[derive(Clone, Copy)]
pub struct F2x2;

/// The points of [`F4x4`] besides 0 and infinity are these and their negatives; dyadic, so that the transforms' constants are
/// exact.
const NEAR: f64 = 5.0 / 8.0;
const FAR: f64 = 3.0 / 2.0;

impl Filtering for F4x4 {
    const OUT: usize = 4;
    const IN: usize = 6;

    #[inline(always)]
    fn see<S: Simd>(s: S, d: [S::F32; MOST_IN]) -> [S::F32; MOST_IN] {
        let by = |x: f64, v, to| s.fma(s.splat(x as f32), v, to);
        let (near, far) = const { (NEAR * NEAR, FAR * FAR) };
        let (even, odd) = (by(-far, d[2], d[4]), by(-far, d[1], d[3]));
        let (far_even, far_odd) = (by(-near, d[2], d[4]), by(-near, d[1], d[3]));
        [
            by(near * far, d[0], by(-near - far, d[2], d[4])),
            by(NEAR, odd, even),
            by(-NEAR, odd, even),
            by(FAR, far_odd, far_even),
            by(-FAR, far_odd, far_even),
            by(near * far, d[1], by(-near - far, d[3], d[5])),
        ]
    }

    #[inline(always)]
    fn make<S: Simd>(s: S, m: [S::F32; MOST_IN]) -> [S::F32; MOST_OUT] {
        let by = |x: f64, v, to| s.fma(s.splat(x as f32), v, to);
        let times = |x: f64, v| s.mul(s.splat(x as f32), v);
        let (near, near_odd) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
        let (far, far_odd) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
        [
            s.add(m[0], s.add(near, far)),
            by(FAR, far_odd, times(NEAR, near_odd)),
            by(FAR * FAR, far, times(NEAR * NEAR, near)),
            by(FAR * FAR * FAR, far_odd, by(NEAR * NEAR * NEAR, near_odd, m[5])),
        ]
    }

    fn weigh(g: [f64; 3]) -> [f64; MOST_IN] {
        let (near, far) = (NEAR * NEAR, FAR * FAR);
        // The kernel as a polynomial at a point and at its negative, over what the other points make of the product there.
        let at = |point: f64, other: f64| {
            let (even, odd, over) =
                (g[0] + point * point * g[2], point * g[1], 2.0 * point * point * (point * point - other));
            [(even + odd) / over, (even - odd) / over]
        };
        let ([a, b], [c, d]) = (at(NEAR, far), at(FAR, near));
        [g[0] / (near * far), a, b, c, d, g[2]]
    }
}

impl Filtering for F2x2 {
    const OUT: usize = 2;
    const IN: usize = 4;

    #[inline(always)]
    fn see<S: Simd>(s: S, d: [S::F32; MOST_IN]) -> [S::F32; MOST_IN] {
        let none = s.splat(0.0);
        [s.sub(d[0], d[2]), s.add(d[1], d[2]), s.sub(d[2], d[1]), s.sub(d[3], d[1]), none, none]
    }

    #[inline(always)]
    fn make<S: Simd>(s: S, m: [S::F32; MOST_IN]) -> [S::F32; MOST_OUT] {
        let none = s.splat(0.0);
        [s.add(m[0], s.add(m[1], m[2])), s.add(s.sub(m[1], m[2]), m[3]), none, none]
    }

    fn weigh(g: [f64; 3]) -> [f64; MOST_IN] {
        let even = g[0] + g[2];
        [g[0], (even + g[1]) / 2.0, (even - g[1]) / 2.0, g[2], 0.0, 0.0]
    }
}

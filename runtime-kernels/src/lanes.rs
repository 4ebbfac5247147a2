//! Walking a slice a vector at a time, the last vector perhaps in part.

use super::simd::Simd;

/// Calls `f` with the start and number of each vector's lanes.
#[inline(always)]
pub fn each<S: Simd>(_: S, len: usize, mut f: impl FnMut(usize, usize)) {
    let whole = len - len % S::LANES;
    for at in (0..whole).step_by(S::LANES) {
        f(at, S::LANES);
    }
    if whole < len {
        f(whole, len - whole);
    }
}

/// Lanes `at..at + n` of `x`, where `n` is `LANES` but at the end.
#[inline(always)]
pub fn get<S: Simd>(s: S, x: &[f32], at: usize, n: usize) -> S::F32 {
    if n == S::LANES { s.load(&x[at..][..n]) } else { s.load_part(&x[at..][..n]) }
}

/// Writes lanes `at..at + n` of `x`, where `n` is `LANES` but at the end.
#[inline(always)]
pub fn put<S: Simd>(s: S, v: S::F32, x: &mut [f32], at: usize, n: usize) {
    if n == S::LANES { s.store(v, &mut x[at..][..n]) } else { s.store_part(v, &mut x[at..][..n]) }
}

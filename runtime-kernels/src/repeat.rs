//! Bodies written out, for what a loop left standing would cost: sums would live in memory, and whether it stands is up to the
//! optimization level.

use core::marker::PhantomData;

use super::simd::Simd;

/// How often a body runs, which the compiler knows.
pub(super) trait Count {
    const N: usize;
}

/// `N` times.
pub(super) struct Times<const N: usize>;

impl<const N: usize> Count for Times<N> {
    const N: usize = N;
}

/// For each vector of `N` elements.
pub(super) struct Vectors<S, const N: usize>(PhantomData<S>);

impl<S: Simd, const N: usize> Count for Vectors<S, N> {
    const N: usize = N / S::LANES;
}

/// For each pixel under `N` windows of `TAPS` pixels, `STEP` apart.
pub(super) struct Under<const N: usize, const STEP: usize, const TAPS: usize>;

impl<const N: usize, const STEP: usize, const TAPS: usize> Count for Under<N, STEP, TAPS> {
    const N: usize = (N - 1) * STEP + TAPS;
}

/// Calls `body` with each number below `C::N`, at most 17.
#[inline(always)]
pub(super) fn written_out<C: Count>(mut body: impl FnMut(usize)) {
    const { assert!(C::N <= 17) };
    // What has debug assertions is built more often than it runs: with loops that takes about half the time, and without optimization
    // they are as fast.
    if cfg!(debug_assertions) {
        let mut i = 0;
        while i < C::N {
            body(i);
            i += 1;
        }
        return;
    }
    // Which number it is, not whether it is less: that rustc decides by itself, and code of what does not run is not made at all.
    macro_rules! calls {
        ($($i:literal)*) => {
            $(match C::N {
                $i => return,
                _ => body($i),
            })*
        };
    }
    calls!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
}

/// Repeats `body` for each number `i` of a [`Count`]. It is a closure that is always inlined: types are checked once, however often it
/// is written out. Whoever uses it has `written_out` in scope.
macro_rules! repeat {
    ($i:ident in $count:ty, $body:expr) => {
        written_out::<$count>(
            #[inline(always)]
            |$i: usize| $body,
        )
    };
}

pub(super) use repeat;

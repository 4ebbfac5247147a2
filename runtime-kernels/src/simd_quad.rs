//! Four vectors that go through each operation together.
//!
//! A function of one vector is a long chain in which every operation waits for the one before, and operations that wait fill
//! what a processor looks in for others to do meanwhile. Operations of four vectors side by side wait less.

use super::simd::{Simd, Task};

/// The operations of `S` on four vectors at once, whose lanes lie one behind another.
#[derive(Clone, Copy)]
pub struct Quad<S>(pub S);

/// A task on four vectors at once.
struct OnQuads<T>(T);

impl<T: Task> Task for OnQuads<T> {
    type Out = T::Out;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> T::Out {
        self.0.run(Quad(s))
    }
}

/// `body` for each vector `i`; written out, since a loop would keep them in memory where nothing is optimised.
macro_rules! four {
    ($i:ident, $body:expr) => {
        [
            {
                const $i: usize = 0;
                $body
            },
            {
                const $i: usize = 1;
                $body
            },
            {
                const $i: usize = 2;
                $body
            },
            {
                const $i: usize = 3;
                $body
            },
        ]
    };
}
pub(super) use four;

/// Methods that do to the four vectors, one by one, what the instruction set does to one.
macro_rules! each {
    ($($name:ident($($arg:ident: $vector:ident),*) -> $out:ident;)*) => {
        $(
            #[inline(always)]
            fn $name(self, $($arg: Self::$vector),*) -> Self::$out {
                four!(I, self.0.$name($($arg[I]),*))
            }
        )*
    };
}

impl<S: Simd> Simd for Quad<S> {
    const NAME: &'static str = S::NAME;
    const LANES: usize = 4 * S::LANES;
    const TILE_ROWS: [usize; 4] = [0; 4];

    type F32 = [S::F32; 4];
    type I32 = [S::I32; 4];
    type Mask = [S::Mask; 4];

    #[inline(always)]
    fn enter<T: Task>(self, task: T) -> T::Out {
        self.0.enter(OnQuads(task))
    }

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F32 {
        [self.0.splat(x); 4]
    }
    #[inline(always)]
    fn load(self, src: &[f32]) -> Self::F32 {
        let src = &src[..Self::LANES];
        four!(I, self.0.load(&src[I * S::LANES..]))
    }
    #[inline(always)]
    fn load_part(self, src: &[f32]) -> Self::F32 {
        let n = src.len();
        four!(I, self.0.load_part(&src[(I * S::LANES).min(n)..((I + 1) * S::LANES).min(n)]))
    }
    #[inline(always)]
    fn store(self, v: Self::F32, dst: &mut [f32]) {
        let dst = &mut dst[..Self::LANES];
        four!(I, self.0.store(v[I], &mut dst[I * S::LANES..]));
    }
    #[inline(always)]
    fn store_part(self, v: Self::F32, dst: &mut [f32]) {
        let n = dst.len();
        four!(I, self.0.store_part(v[I], &mut dst[(I * S::LANES).min(n)..((I + 1) * S::LANES).min(n)]));
    }
    #[inline(always)]
    unsafe fn load_ptr(self, src: *const f32) -> Self::F32 {
        // SAFETY: the caller vouches for the lanes of all four.
        four!(I, unsafe { self.0.load_ptr(src.add(I * S::LANES)) })
    }
    #[inline(always)]
    unsafe fn store_ptr(self, v: Self::F32, dst: *mut f32) {
        // SAFETY: the caller vouches for the lanes of all four.
        four!(I, unsafe { self.0.store_ptr(v[I], dst.add(I * S::LANES)) });
    }
    #[inline(always)]
    fn prefetch(self, src: *const f32) {
        self.0.prefetch(src);
    }

    each! {
        add(a: F32, b: F32) -> F32;
        sub(a: F32, b: F32) -> F32;
        mul(a: F32, b: F32) -> F32;
        div(a: F32, b: F32) -> F32;
        div_by_more(a: F32, e: F32) -> F32;
        fma(a: F32, b: F32, c: F32) -> F32;
        fused(a: F32, b: F32, c: F32) -> F32;
        ldexp(a: F32, n: F32) -> F32;
        copysign(a: F32, sign: F32) -> F32;
        neg(a: F32) -> F32;
        abs(a: F32) -> F32;
        min(a: F32, b: F32) -> F32;
        max(a: F32, b: F32) -> F32;
        max_number(a: F32, b: F32) -> F32;
        bounded(a: F32, low: F32, high: F32) -> F32;
        sqrt(a: F32) -> F32;
        floor(a: F32) -> F32;
        ceil(a: F32) -> F32;
        round(a: F32) -> F32;
        trunc(a: F32) -> F32;
        eq(a: F32, b: F32) -> Mask;
        lt(a: F32, b: F32) -> Mask;
        le(a: F32, b: F32) -> Mask;
        and(m: Mask, n: Mask) -> Mask;
        or(m: Mask, n: Mask) -> Mask;
        not(m: Mask) -> Mask;
        select(m: Mask, a: F32, b: F32) -> F32;
        zero_below(x: F32, low: F32, v: F32) -> F32;
        to_bits(a: F32) -> I32;
        from_bits(a: I32) -> F32;
        to_i32(a: F32) -> I32;
        to_f32(a: I32) -> F32;
        add_i32(a: I32, b: I32) -> I32;
        sub_i32(a: I32, b: I32) -> I32;
        and_i32(a: I32, b: I32) -> I32;
        or_i32(a: I32, b: I32) -> I32;
        xor_i32(a: I32, b: I32) -> I32;
        eq_i32(a: I32, b: I32) -> Mask;
    }

    #[inline(always)]
    fn div_by(self, a: Self::F32, divisor: f32) -> Self::F32 {
        four!(I, self.0.div_by(a[I], divisor))
    }
    #[inline(always)]
    fn within(self, a: Self::F32, bound: f32) -> Self::F32 {
        four!(I, self.0.within(a[I], bound))
    }
    #[inline(always)]
    fn scale_sixteenths(self, p: Self::F32, k: Self::F32, sixteenths: Self::I32) -> Option<Self::F32> {
        all(four!(I, self.0.scale_sixteenths(p[I], k[I], sixteenths[I])))
    }
    #[inline(always)]
    fn power_of_eighths(self, eighths: Self::I32) -> Option<Self::F32> {
        all(four!(I, self.0.power_of_eighths(eighths[I])))
    }
    #[inline(always)]
    fn any(self, m: Self::Mask) -> bool {
        let [p, q, r, t] = m;
        self.0.any(self.0.or(self.0.or(p, q), self.0.or(r, t)))
    }
    #[inline(always)]
    fn splat_i32(self, x: i32) -> Self::I32 {
        [self.0.splat_i32(x); 4]
    }
    #[inline(always)]
    fn shl_i32<const N: u32>(self, a: Self::I32) -> Self::I32 {
        four!(I, self.0.shl_i32::<N>(a[I]))
    }
    #[inline(always)]
    fn shr_i32<const N: u32>(self, a: Self::I32) -> Self::I32 {
        four!(I, self.0.shr_i32::<N>(a[I]))
    }
    #[inline(always)]
    fn sum(self, a: Self::F32) -> f32 {
        let [p, q, r, t] = a;
        self.0.sum(self.0.add(self.0.add(p, q), self.0.add(r, t)))
    }
    #[inline(always)]
    fn max_lane(self, a: Self::F32) -> f32 {
        let [p, q, r, t] = a;
        self.0.max_lane(self.0.max(self.0.max(p, q), self.0.max(r, t)))
    }
    #[inline(always)]
    fn min_lane(self, a: Self::F32) -> f32 {
        let [p, q, r, t] = a;
        self.0.min_lane(self.0.min(self.0.min(p, q), self.0.min(r, t)))
    }
}

/// All four, if there are.
#[inline(always)]
fn all<V>(v: [Option<V>; 4]) -> Option<[V; 4]> {
    let [p, q, r, t] = v;
    Some([p?, q?, r?, t?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::MOST_LANES;
    use crate::simd_scalar::Scalar;

    /// What goes from vector to vector; single operations are tested with the functions made of them.
    struct Across;

    impl Task for Across {
        type Out = ();

        fn run<S: Simd>(self, s: S) {
            let x: [f32; MOST_LANES] = core::array::from_fn(|i| (i * 37 % 101) as f32);
            for n in 0..=S::LANES {
                let mut out = [-1.0; MOST_LANES];
                s.store(s.load_part(&x[..n]), &mut out);
                assert_eq!((&out[..n], out[n..S::LANES].iter().sum()), (&x[..n], 0.0), "{n} of {} are read", S::NAME);
                let mut out = [-1.0; MOST_LANES];
                s.store_part(s.load(&x), &mut out[..n]);
                assert_eq!((&out[..n], out[n..].iter().all(|&out| out == -1.0)), (&x[..n], true), "{n} are written");
            }
            let (v, lanes) = (s.load(&x), &x[..S::LANES]);
            assert_eq!(s.sum(v), lanes.iter().sum());
            assert_eq!(s.max_lane(v), lanes.iter().copied().fold(0.0, f32::max));
            assert_eq!(s.min_lane(s.neg(v)), -s.max_lane(v));
            let mut out = [0.0; MOST_LANES];
            // SAFETY: as many floats as the widest vector has lanes.
            unsafe { s.store_ptr(s.load_ptr(x.as_ptr()), out.as_mut_ptr()) };
            assert_eq!(&out[..S::LANES], lanes);
            for (lane, &one) in lanes.iter().enumerate() {
                let is_one = s.eq(v, s.splat(one));
                assert!(s.any(is_one), "lane {lane} counts");
            }
            assert!(!s.any(s.lt(v, s.splat(0.0))));
            s.store(s.spread::<4>(v, s.firsts::<4>()), &mut out);
            assert!((0..S::LANES).all(|i| out[i] == x[i / 4 * 4]), "the first lane of each four stands for all");
        }
    }

    #[test]
    fn lanes_lie_one_behind_another() {
        Quad(Scalar::new()).enter(Across);
        #[cfg(target_arch = "x86_64")]
        {
            crate::simd_avx2::Avx2::detect().into_iter().for_each(|s| Quad(s).enter(Across));
            crate::simd_avx512::Avx512::detect().into_iter().for_each(|s| Quad(s).enter(Across));
        }
        #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
        Quad(crate::simd_neon::Neon::new()).enter(Across);
    }
}

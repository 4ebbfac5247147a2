//! Elementwise maps, reductions, softmax and normalisation on every instruction set, against naive loops.

mod isa;

use isa::{OnIsa, assert_close, each_isa, random};
use kiln_kernels::map::{Map, MapAny, MapEach, MapF32};
use kiln_kernels::normalize::{GroupNorm, LayerNorm, RmsNorm};
use kiln_kernels::reduce::{Max, Min, Norm, Prod, Reduce, ReduceEach, ReduceF32, Sum, SumAbs, SumSq};
use kiln_kernels::simd::Simd;
use kiln_kernels::softmax::{LogSoftmax, Softmax};

/// Row lengths about the widths of vectors, and about what is taken in one turn of a loop.
const LENGTHS: &[usize] = if cfg!(miri) { &[1, 5, 21] } else { &[1, 2, 3, 7, 8, 9, 16, 17, 31, 64, 100, 259] };

#[test]
fn operations_agree_with_plain_rust() {
    struct Operations;
    impl OnIsa for Operations {
        fn run<S: Simd>(&mut self, s: S) {
            let values = [0.0, -0.0, 1.0, -1.5, 2.5, 3.5, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-40, 3e9, -7.9];
            for a in values {
                for b in values {
                    s.enter(Operation { a, b });
                }
            }
            for len in 0..=S::LANES {
                s.enter(Parts { len });
            }
        }
    }
    assert!(each_isa(&mut Operations) > 0);
}

struct Operation {
    a: f32,
    b: f32,
}

impl kiln_kernels::simd::Task for Operation {
    type Out = ();

    fn run<S: Simd>(self, s: S) {
        let (a, b) = (self.a, self.b);
        let (va, vb) = (s.splat(a), s.splat(b));
        let is = |v: S::F32, want: f32, what: &str| {
            let mut lanes = vec![0.0; S::LANES];
            s.store(v, &mut lanes);
            let got = lanes[S::LANES - 1];
            let same =
                got.to_bits() == want.to_bits() || (got == 0.0 && want == 0.0) || (got.is_nan() && want.is_nan());
            assert!(same, "{} {what} of {a:e} and {b:e} is {got:e} and not {want:e}", S::NAME);
        };
        let nan = a.is_nan() || b.is_nan();
        is(s.add(va, vb), a + b, "add");
        is(s.sub(va, vb), a - b, "sub");
        is(s.mul(va, vb), a * b, "mul");
        is(s.div(va, vb), a / b, "div");
        is(s.min(va, vb), if nan { f32::NAN } else { a.min(b) }, "min");
        is(s.max(va, vb), if nan { f32::NAN } else { a.max(b) }, "max");
        for (low, high) in [(0.0, f32::INFINITY), (-1.5, 6.0), (f32::NEG_INFINITY, 0.5)] {
            is(s.bounded(va, s.splat(low), s.splat(high)), a.clamp(low, high), "bounded");
        }
        is(s.neg(va), -a, "neg");
        is(s.abs(va), a.abs(), "abs");
        is(s.sqrt(va), a.sqrt(), "sqrt");
        is(s.floor(va), a.floor(), "floor");
        is(s.ceil(va), a.ceil(), "ceil");
        is(s.round(va), a.round_ties_even(), "round");
        is(s.trunc(va), a.trunc(), "trunc");
        is(s.copysign(va, vb), a.copysign(b), "copysign");
        is(s.fused(va, vb, va), a.mul_add(b, a), "fused");
        is(s.ldexp(va, s.splat(-3.0)), a * 0.125, "ldexp");
        let truth = |m: S::Mask| s.select(m, s.splat(1.0), s.splat(0.0));
        let float = |is: bool| if is { 1.0 } else { 0.0 };
        is(truth(s.eq(va, vb)), float(a == b), "eq");
        is(truth(s.lt(va, vb)), float(a < b), "lt");
        is(truth(s.le(va, vb)), float(a <= b), "le");
        is(truth(s.not(s.lt(va, vb))), float(!matches!(a.partial_cmp(&b), Some(std::cmp::Ordering::Less))), "not lt");
        is(truth(s.or(s.lt(va, vb), s.eq(va, vb))), float(a <= b), "or");
        is(truth(s.and(s.le(va, vb), s.le(vb, va))), float(a == b), "and");
        is(s.zero_below(va, vb, s.splat(7.0)), if a < b { 0.0 } else { 7.0 }, "zero_below");
        assert_eq!(s.any(s.lt(va, vb)), a < b);
        if a.abs() < 1e6 {
            is(s.to_f32(s.to_i32(va)), a.trunc() + 0.0, "to_i32");
        }
        let (i, j) = (a.to_bits() as i32, b.to_bits() as i32);
        let (vi, vj) = (s.to_bits(va), s.to_bits(vb));
        let is_i32 = |v: S::I32, want: i32, what: &str| {
            assert!(s.any(s.eq_i32(v, s.splat_i32(want))), "{} {what} of {i} and {j} is not {want}", S::NAME);
        };
        is_i32(s.add_i32(vi, vj), i.wrapping_add(j), "add");
        is_i32(s.sub_i32(vi, vj), i.wrapping_sub(j), "sub");
        is_i32(s.and_i32(vi, vj), i & j, "and");
        is_i32(s.or_i32(vi, vj), i | j, "or");
        is_i32(s.xor_i32(vi, vj), i ^ j, "xor");
        is_i32(s.shl_i32::<5>(vi), i << 5, "shl");
        is_i32(s.shr_i32::<5>(vi), i >> 5, "shr");
    }
}

#[test]
fn quotients_by_numbers_are_right() {
    struct Quotients;
    impl OnIsa for Quotients {
        fn run<S: Simd>(&mut self, s: S) {
            for divisor in [3.0, 6.0, 7.0, 255.0, 0.1, 1.999_999_9, 1e10, 3e-12] {
                let step = if cfg!(miri) { 90_000_001 } else { 4_001 };
                let sweep = (0..u32::MAX).step_by(step).map(f32::from_bits);
                for a in sweep.chain([0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::NAN]) {
                    s.enter(Quotient { a, divisor });
                }
            }
        }
    }
    assert!(each_isa(&mut Quotients) > 0);
}

struct Quotient {
    a: f32,
    divisor: f32,
}

impl kiln_kernels::simd::Task for Quotient {
    type Out = ();

    fn run<S: Simd>(self, s: S) {
        let Self { a, divisor } = self;
        let want = a / divisor;
        let mut lanes = [0.0; 16];
        s.store(s.div_by(s.splat(a), divisor), &mut lanes);
        let (got, apart) = (lanes[0], lanes[0].to_bits().abs_diff(want.to_bits()));
        assert!(apart <= 1 || got.is_nan() && want.is_nan(), "{}: {a:e} / {divisor:e} is {got:e}", S::NAME);
    }
}

struct Parts {
    len: usize,
}

impl kiln_kernels::simd::Task for Parts {
    type Out = ();

    fn run<S: Simd>(self, s: S) {
        let x = random(self.len, 3);
        let v = s.load_part(&x);
        let mut all = vec![9.0; S::LANES];
        s.store(v, &mut all);
        assert_eq!(all[..self.len], x[..]);
        assert!(all[self.len..].iter().all(|&lane| lane == 0.0));
        let mut part = vec![0.0; self.len];
        s.store_part(v, &mut part);
        assert_eq!(part, x);
        let close = |got: f32, want: f32| assert!((got - want).abs() < 1e-5, "{}: {got} and not {want}", S::NAME);
        close(s.sum(v), all.iter().sum());
        assert_eq!(s.max_lane(v), all.iter().copied().fold(f32::MIN, f32::max));
        assert_eq!(s.min_lane(v), all.iter().copied().fold(f32::MAX, f32::min));
        for lane in 0..S::LANES {
            let mut with_nan = all.clone();
            with_nan[lane] = f32::NAN;
            let v = s.load(&with_nan);
            assert!(s.max_lane(v).is_nan() && s.min_lane(v).is_nan() && s.sum(v).is_nan());
        }
    }
}

struct Spread;

impl Spread {
    fn check<S: Simd, const N: usize>(s: S) {
        let x = random(S::LANES, 5);
        for k in 0..N {
            let from = s.add_i32(s.firsts::<N>(), s.splat_i32(k as i32));
            let mut got = vec![0.0; S::LANES];
            s.store(s.spread::<N>(s.load(&x), from), &mut got);
            let want: Vec<f32> = (0..S::LANES).map(|lane| x[lane / N * N + k]).collect();
            assert_eq!(got, want, "{} lane {k} of each {N}", S::NAME);
        }
    }
}

impl OnIsa for Spread {
    fn run<S: Simd>(&mut self, s: S) {
        Self::check::<S, 2>(s);
        Self::check::<S, 4>(s);
        if S::LANES >= 8 {
            Self::check::<S, 8>(s);
        }
    }
}

#[test]
fn a_lane_of_each_group_is_spread_over_it() {
    assert!(each_isa(&mut Spread) > 0);
}

struct LaneProduct;

impl LaneProduct {
    fn check<S: Simd, const LANE: i32>(s: S) {
        let [a, b, c] = [6, 7, 8].map(|seed| random(S::LANES, seed));
        let mut got = vec![0.0; S::LANES];
        s.store(s.fma_lane::<LANE>(s.load(&a), s.load(&b), s.load(&c)), &mut got);
        let mut want = vec![0.0; S::LANES];
        s.store(s.fma(s.splat(a[LANE as usize]), s.load(&b), s.load(&c)), &mut want);
        assert_eq!(got, want, "{} lane {LANE}", S::NAME);
    }
}

impl OnIsa for LaneProduct {
    fn run<S: Simd>(&mut self, s: S) {
        Self::check::<S, 0>(s);
        Self::check::<S, 1>(s);
        Self::check::<S, 2>(s);
        Self::check::<S, 3>(s);
    }
}

#[test]
fn a_lane_multiplies_a_vector() {
    assert!(each_isa(&mut LaneProduct) > 0);
}

/// `a · b + c`
#[derive(Clone, Copy)]
struct MulAdd;

impl MapF32<3> for MulAdd {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, [a, b, c]: [S::F32; 3]) -> S::F32 {
        s.fma(a, b, c)
    }
}

/// `100 · a · b` cut to an integer, plus `c`
struct Mixed<'a>(&'a [f32], &'a [f32], &'a [i64]);

impl MapAny<3> for Mixed<'_> {
    type Out = i64;

    #[inline(always)]
    fn at(&self, [a, b, c]: [usize; 3]) -> i64 {
        (self.0[a] * self.1[b] * 100.0) as i64 + self.2[c]
    }
}

/// Calls `f` with every index within `dims`, in order, and what it comes to under each operand's strides.
fn each_index<const R: usize>(dims: [usize; R], strides: [[usize; R]; 3], mut f: impl FnMut([usize; 3])) {
    for flat in 0..dims.iter().product() {
        let mut at = [0; 3];
        let mut rest = flat;
        for axis in (0..R).rev() {
            for n in 0..3 {
                at[n] += rest % dims[axis] * strides[n][axis];
            }
            rest /= dims[axis];
        }
        f(at);
    }
}

fn map_case<S: Simd, const R: usize>(s: S, dims: [usize; R], strides: [[usize; R]; 3], in_place: bool) {
    let len: usize = dims.iter().product();
    let reach = |n: usize| 1 + (0..R).map(|axis| dims[axis].saturating_sub(1) * strides[n][axis]).sum::<usize>();
    let (a, b, c) = (random(reach(0), 1), random(reach(1), 2), random(reach(2).max(len), 3));
    let mut want = Vec::new();
    each_index(dims, strides, |[i, j, k]| want.push(a[i] * b[j] + c[k]));
    let mut out = if in_place { c[..len].to_vec() } else { vec![0.0; len] };
    let ins = [Some(&a[..]), Some(&b[..]), if in_place { None } else { Some(&c[..]) }];
    s.enter(Map { out: &mut out, ins, dims, strides, f: MulAdd });
    assert_close(&out, &want, 1e-6, 1e-6, &format!("{} map {dims:?} {strides:?}", S::NAME));

    let counts: Vec<i64> = (0..c.len() as i64).collect();
    let mut want = Vec::new();
    each_index(dims, strides, |[i, j, k]| want.push((a[i] * b[j] * 100.0) as i64 + counts[k]));
    let mut out = vec![0; len];
    s.enter(MapEach { out: &mut out, dims, strides, f: Mixed(&a, &b, &counts) });
    assert_eq!(out, want, "{} map of any {dims:?} {strides:?}", S::NAME);
}

#[test]
fn maps_agree_with_naive_loops() {
    struct Maps;
    impl OnIsa for Maps {
        fn run<S: Simd>(&mut self, s: S) {
            for &n in LENGTHS {
                map_case(s, [n], [[1], [1], [1]], false);
                map_case(s, [n], [[1], [1], [1]], true);
                map_case(s, [n], [[0], [1], [1]], false);
                map_case(s, [n], [[3], [0], [1]], true);
                map_case(s, [5, n], [[n, 1], [0, 1], [n, 1]], true);
                map_case(s, [5, n], [[1, 0], [1, 5], [n, 1]], false);
                map_case(s, [37, n], [[n, 1], [0, 1], [0, 0]], false);
                map_case(s, [2, 37, n], [[37 * n, n, 1], [0, 0, 1], [0, n, 1]], false);
                map_case(s, [2, 3, n], [[3 * n, n, 1], [0, 0, 1], [0, 1, 0]], false);
                map_case(s, [2, 1, n, 3], [[3 * n, 0, 3, 1], [0, 0, 1, 0], [3 * n, 7, 3, 1]], false);
            }
            map_case(s, [3, 0, 4], [[0, 4, 1]; 3], false);
            map_case(s, [1, 1], [[0, 0]; 3], false);
        }
    }
    assert!(each_isa(&mut Maps) > 0);
}

#[test]
#[should_panic = "an operand of a map is too short"]
fn a_map_refuses_a_short_operand() {
    let (mut out, x) = (vec![0.0; 12], vec![0.0; 11]);
    let s = kiln_kernels::simd_scalar::Scalar::new();
    let ins = [Some(&x[..]), Some(&x[..1]), None];
    s.enter(Map { out: &mut out, ins, dims: [3, 4], strides: [[4, 1], [0, 0], [0, 0]], f: MulAdd });
}

fn reduce_case<S: Simd, K: ReduceF32>(s: S, kind: K, name: &str, naive: impl Fn(&[f32]) -> f64) {
    for (outer, len, inner) in
        LENGTHS.iter().flat_map(|&len| [(1, len, 1), (19, len, 1), (2, len, 5), (3, 4, len), (2, len, 70)])
    {
        let x: Vec<f32> =
            random(outer * len * inner, 5).iter().map(|x| if name == "prod" { 1.0 + x / 16.0 } else { *x }).collect();
        let mut want = Vec::new();
        for o in 0..outer {
            for i in 0..inner {
                let column: Vec<f32> = (0..len).map(|l| x[(o * len + l) * inner + i]).collect();
                want.push(naive(&column) as f32);
            }
        }
        let mut out = vec![0.0; outer * inner];
        s.enter(Reduce { out: &mut out, x: &x, outer, len, inner, scale: 1.0, kind });
        assert_close(&out, &want, 1e-5, 1e-5, &format!("{} {name} {outer} {len} {inner}", S::NAME));
    }
}

#[test]
fn reductions_agree_with_naive_loops() {
    struct Reductions;
    impl OnIsa for Reductions {
        fn run<S: Simd>(&mut self, s: S) {
            let sum = |x: &[f32], f: fn(f64) -> f64| x.iter().map(|&x| f(f64::from(x))).sum::<f64>();
            reduce_case(s, Sum, "sum", |x| sum(x, |x| x));
            reduce_case(s, SumSq, "sum of squares", |x| sum(x, |x| x * x));
            reduce_case(s, SumAbs, "sum of sizes", |x| sum(x, f64::abs));
            reduce_case(s, Norm, "norm", |x| sum(x, |x| x * x).sqrt());
            reduce_case(s, Prod, "prod", |x| x.iter().map(|&x| f64::from(x)).product());
            reduce_case(s, Max, "max", |x| x.iter().copied().map(f64::from).fold(f64::NEG_INFINITY, f64::max));
            reduce_case(s, Min, "min", |x| x.iter().copied().map(f64::from).fold(f64::INFINITY, f64::min));

            let mut out = [0.0; 2];
            s.enter(Reduce {
                out: &mut out,
                x: &[1.0, 2.0, 3.0, 4.0, 5.0, 9.0],
                outer: 2,
                len: 3,
                inner: 1,
                scale: 1.0 / 3.0,
                kind: Sum,
            });
            assert_close(&out, &[2.0, 6.0], 1e-6, 0.0, "mean");
            s.enter(Reduce { out: &mut out, x: &[], outer: 2, len: 0, inner: 1, scale: 1.0, kind: Max });
            assert_eq!(out, [f32::NEG_INFINITY; 2]);
            s.enter(Reduce { out: &mut out, x: &[], outer: 1, len: 0, inner: 2, scale: 1.0, kind: Prod });
            assert_eq!(out, [1.0; 2]);
            let mut x = random(90, 1);
            for at in [0, 15, 16, 63, 64, 80, 89] {
                let before = std::mem::replace(&mut x[at], f32::NAN);
                s.enter(Reduce { out: &mut out[..1], x: &x, outer: 1, len: 90, inner: 1, scale: 1.0, kind: Max });
                assert!(out[0].is_nan(), "{}: the greatest of NaN at {at}", S::NAME);
                x[at] = before;
            }

            let mut out = [0i64; 2];
            s.enter(ReduceEach { out: &mut out, x: &[1, -2, 3, 4, 5, 6], outer: 1, len: 3, inner: 2, kind: Sum });
            assert_eq!(out, [9, 8]);
            s.enter(ReduceEach { out: &mut out, x: &[1, -2, 3, 4, 5, 6], outer: 2, len: 3, inner: 1, kind: Max });
            assert_eq!(out, [3, 6]);
        }
    }
    assert!(each_isa(&mut Reductions) > 0);
}

#[test]
fn softmax_agrees_with_naive_loops() {
    struct Softmaxes;
    impl OnIsa for Softmaxes {
        fn run<S: Simd>(&mut self, s: S) {
            for (outer, len, inner) in
                LENGTHS.iter().flat_map(|&len| [(3, len, 1), (2, len, 5), (2, 6, len), (1, len, 33)])
            {
                let mut x = random(outer * len * inner, 7);
                x.iter_mut().for_each(|x| *x *= 20.0);
                if len > 2 {
                    x[0] = f32::NEG_INFINITY;
                }
                let (mut want, mut want_log) = (x.clone(), x.clone());
                for o in 0..outer {
                    for i in 0..inner {
                        let at = |l: usize| (o * len + l) * inner + i;
                        let greatest = (0..len).map(|l| f64::from(x[at(l)])).fold(f64::NEG_INFINITY, f64::max);
                        let sum: f64 = (0..len).map(|l| (f64::from(x[at(l)]) - greatest).exp()).sum();
                        for l in 0..len {
                            let log = f64::from(x[at(l)]) - greatest - sum.ln();
                            (want[at(l)], want_log[at(l)]) = (log.exp() as f32, log as f32);
                        }
                    }
                }
                let what = format!("{} softmax {outer} {len} {inner}", S::NAME);
                let mut out = vec![0.0; x.len()];
                s.enter(Softmax { out: &mut out, x: Some(&x), outer, len, inner });
                assert_close(&out, &want, 5e-6, 1e-37, &what);
                s.enter(LogSoftmax { out: &mut out, x: Some(&x), outer, len, inner });
                assert_close(&out, &want_log, 2e-6, 4e-6, &what);
                let mut out = x.clone();
                s.enter(Softmax { out: &mut out, x: None, outer, len, inner });
                assert_close(&out, &want, 5e-6, 1e-37, &what);
            }
            let mut out = [0.0, f32::NAN, 1.0, f32::NEG_INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY];
            s.enter(Softmax { out: &mut out, x: None, outer: 2, len: 3, inner: 1 });
            assert!(out.iter().all(|x| x.is_nan()));
        }
    }
    assert!(each_isa(&mut Softmaxes) > 0);
}

/// Rows of `x` normalised; `gamma` and `beta` by element.
fn naive_norm(
    x: &[f32],
    len: usize,
    centred: bool,
    epsilon: f32,
    gamma: impl Fn(usize) -> f32,
    beta: impl Fn(usize) -> f32,
) -> Vec<f32> {
    let normalise = |(r, row): (usize, &[f32])| {
        let mean = if centred { row.iter().map(|&x| f64::from(x)).sum::<f64>() / len as f64 } else { 0.0 };
        let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / len as f64;
        let by = 1.0 / (variance + f64::from(epsilon)).sqrt();
        let element =
            |i: usize| ((f64::from(row[i]) - mean) * by * f64::from(gamma(r * len + i))) as f32 + beta(r * len + i);
        (0..len).map(element).collect::<Vec<f32>>()
    };
    x.chunks(len).enumerate().flat_map(normalise).collect()
}

#[test]
fn norms_agree_with_naive_loops() {
    struct Norms;
    impl OnIsa for Norms {
        fn run<S: Simd>(&mut self, s: S) {
            let epsilon = 1e-5;
            for &len in LENGTHS {
                let rows = 5;
                let x: Vec<f32> = random(rows * len, 9).iter().map(|x| x * 3.0 + 10.0).collect();
                let (gamma, beta) = (random(len, 10), random(len, 11));
                let what = format!("{} norm of {len}", S::NAME);
                let want = naive_norm(&x, len, true, epsilon, |i| gamma[i % len], |i| beta[i % len]);
                let mut out = vec![0.0; x.len()];
                s.enter(LayerNorm {
                    out: &mut out,
                    x: Some(&x),
                    gamma: Some(&gamma),
                    beta: Some(&beta),
                    rows,
                    len,
                    epsilon,
                });
                assert_close(&out, &want, 2e-5, 2e-4, &what);
                let want = naive_norm(&x, len, true, epsilon, |_| 1.0, |_| 0.0);
                let mut out = x.clone();
                s.enter(LayerNorm { out: &mut out, x: None, gamma: None, beta: None, rows, len, epsilon });
                assert_close(&out, &want, 2e-5, 2e-4, &what);
                let want = naive_norm(&x, len, false, epsilon, |i| gamma[i % len], |_| 0.0);
                s.enter(RmsNorm { out: &mut out, x: Some(&x), gamma: Some(&gamma), beta: None, rows, len, epsilon });
                assert_close(&out, &want, 2e-6, 2e-6, &what);

                let (n, groups, channels_per_group, spatial) = (2, 3, 2, len);
                let x: Vec<f32> =
                    random(n * groups * channels_per_group * spatial, 12).iter().map(|x| x * 2.0 + 1.0).collect();
                let (gamma, beta) = (random(groups * channels_per_group, 13), random(groups * channels_per_group, 14));
                let channel = |i: usize| i / spatial % (groups * channels_per_group);
                let want = naive_norm(
                    &x,
                    channels_per_group * spatial,
                    true,
                    epsilon,
                    |i| gamma[channel(i)],
                    |i| beta[channel(i)],
                );
                let mut out = vec![0.0; x.len()];
                let (gamma, beta) = (Some(&gamma[..]), Some(&beta[..]));
                s.enter(GroupNorm {
                    out: &mut out,
                    x: Some(&x),
                    gamma,
                    beta,
                    n,
                    groups,
                    channels_per_group,
                    spatial,
                    epsilon,
                });
                assert_close(&out, &want, 2e-5, 2e-5, &what);
            }
        }
    }
    assert!(each_isa(&mut Norms) > 0);
}

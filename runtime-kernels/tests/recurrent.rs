//! The recurrent layers against naive loops, on every instruction set.

mod any_isa;
mod isa;

use any_isa::{AnyIsa, isas};
use isa::{assert_close, random};
use kiln_kernels::activation::{
    Activation, Affine, Elu, HardSigmoid, LeakyRelu, Relu, ScaledTanh, Sigmoid, Softplus, Softsign, Tanh,
    ThresholdedRelu,
};
use kiln_kernels::gru::{self, Gru};
use kiln_kernels::lstm::{self, Lstm};
use kiln_kernels::pack;
use kiln_kernels::recurrent::Directions;
use kiln_kernels::rnn::{self, Rnn};
use kiln_kernels::simd::{Simd, Task};

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

struct Case {
    seq: usize,
    batch: usize,
    hidden: usize,
    directions: Directions,
    initial: bool,
    lens: bool,
    clip: Option<f32>,
    variant: bool,
    peephole: bool,
}

fn cases() -> impl Iterator<Item = Case> {
    let sizes = [
        (1, 1, 1),
        (3, 1, 5),
        (4, 2, 16),
        (5, 3, 7),
        (3, 1, 64),
        (6, 1, 128),
        (3, 4, 33),
        (4, 9, 20),
        (0, 2, 3),
        (2, 0, 3),
        (2, 3, 0),
        (2, 5, 100),
        (2, 1, 131),
        (2, 4, 150),
    ];
    sizes.into_iter().flat_map(|(seq, batch, hidden)| {
        let directions = [Directions::Forward, Directions::Reverse, Directions::Both];
        let all = directions.into_iter().flat_map(|directions| (0..32).map(move |bits| (directions, bits)));
        all.map(move |(directions, bits)| Case {
            seq,
            batch,
            hidden,
            directions,
            initial: bits & 1 != 0,
            lens: bits & 2 != 0,
            clip: (bits & 4 != 0).then_some(0.6),
            variant: bits & 8 != 0,
            peephole: bits & 16 != 0,
        })
    })
}

/// Operands of a layer with `n_gates` gates, `[dirs]` of each but for the lengths and `gates`, which are `[seq][batch][dirs]`.
struct Data {
    gates: Vec<f32>,
    r: Vec<f32>,
    packed: Vec<f32>,
    h0: Option<Vec<f32>>,
    c0: Option<Vec<f32>>,
    lens: Option<Vec<i32>>,
    extra: Option<Vec<f32>>,
    what: String,
}

impl Data {
    fn new(case: &Case, n_gates: usize, extra: usize) -> Self {
        let &Case { seq, batch, hidden, directions, .. } = case;
        let (dirs, rows) = (directions.count(), n_gates * hidden);
        // R as ONNX has it: [n_gates * hidden][hidden]; small enough that errors do not grow from step to step.
        let r = random(dirs * rows * hidden, 1).iter().map(|r| r * 1.2 / (hidden as f32).sqrt()).collect::<Vec<_>>();
        let len = pack::gates_len(n_gates, hidden);
        let mut packed = vec![0.0; dirs * len];
        for dir in 0..dirs {
            pack::gates(&mut packed[dir * len..][..len], &r[dir * rows * hidden..], n_gates, hidden);
        }
        Self {
            gates: random(seq * batch * dirs * rows, 2).iter().map(|x| x * 3.0).collect(),
            r,
            packed,
            h0: case.initial.then(|| random(dirs * batch * hidden, 3)),
            c0: case.initial.then(|| random(dirs * batch * hidden, 4)),
            lens: case.lens.then(|| (0..batch).map(|b| ((b * 7 + 2) % (seq + 1)) as i32).collect()),
            extra: case.peephole.then(|| random(dirs * extra, 5)),
            what: format!(
                "seq {seq} batch {batch} hidden {hidden} {directions:?} initial {} lens {} clip {:?} variant {} peephole {}",
                case.initial, case.lens, case.clip, case.variant, case.peephole
            ),
        }
    }

    /// Row `row` of all directions' R times `h`.
    fn dot(&self, row: usize, h: &[f64]) -> f64 {
        h.iter().zip(&self.r[row * h.len()..]).map(|(h, &r)| h * f64::from(r)).sum()
    }

    fn initial(&self, state: &Option<Vec<f32>>, b: usize, hidden: usize) -> Vec<f64> {
        state
            .as_ref()
            .map_or(vec![0.0; hidden], |state| state[b * hidden..][..hidden].iter().map(|&x| f64::from(x)).collect())
    }
}

/// Runs the cell over every sequence; `cell(dir, gates, h, c)` advances the state. Gives y `[seq][dirs][batch][hidden]`, y_h and y_c.
fn naive(
    case: &Case,
    data: &Data,
    n_gates: usize,
    mut cell: impl FnMut(usize, &[f32], &mut Vec<f64>, &mut Vec<f64>),
) -> [Vec<f32>; 3] {
    let &Case { seq, batch, hidden, directions, .. } = case;
    let dirs = directions.count();
    let mut y = vec![0.0; seq * dirs * batch * hidden];
    let (mut y_h, mut y_c) = (vec![], vec![]);
    for (dir, b) in (0..dirs).flat_map(|dir| (0..batch).map(move |b| (dir, b))) {
        let row = dir * batch + b;
        let (mut h, mut c) = (data.initial(&data.h0, row, hidden), data.initial(&data.c0, row, hidden));
        let len = data.lens.as_ref().map_or(seq, |lens| lens[b] as usize);
        let reverse = directions == Directions::Reverse || dir == 1;
        for t in 0..len {
            let t = if reverse { len - 1 - t } else { t };
            let gates = &data.gates[((t * batch + b) * dirs + dir) * n_gates * hidden..][..n_gates * hidden];
            cell(dir, gates, &mut h, &mut c);
            let y = &mut y[(t * dirs * batch + row) * hidden..][..hidden];
            y.iter_mut().zip(&h).for_each(|(y, &h)| *y = h as f32);
        }
        y_h.extend(h.iter().map(|&h| h as f32));
        y_c.extend(c.iter().map(|&c| c as f32));
    }
    [y, y_h, y_c]
}

/// Runs `f(isa, y, y_h, y_c)` with steps of y that are one direction apart, and compares.
fn check(
    case: &Case,
    data: &Data,
    want: &[Vec<f32>; 3],
    mut f: impl FnMut(AnyIsa, &mut [f32], &mut [f32], &mut [f32]),
) {
    let &Case { seq, batch, hidden, directions, .. } = case;
    let dirs = directions.count();
    for isa in isas() {
        let what = format!("{} on {}", data.what, isa.name());
        let mut y = vec![9.0; (dirs + 1) * seq * batch * hidden];
        let (mut y_h, mut y_c) = (vec![9.0; dirs * batch * hidden], vec![9.0; dirs * batch * hidden]);
        f(isa, &mut y, &mut y_h, &mut y_c);
        if batch * hidden > 0 {
            let between = |i: usize| i % (dirs + 1) == dirs;
            let (rest, own): (Vec<_>, Vec<_>) =
                y.chunks_exact(batch * hidden).enumerate().partition(|&(i, _)| between(i));
            let own = own.iter().flat_map(|(_, y)| y.iter().copied()).collect::<Vec<_>>();
            assert_close(&own, &want[0], 1e-4, 1e-5, &what);
            assert!(rest.iter().all(|(_, y)| y.iter().all(|&y| y == 9.0)));
        }
        assert_close(&y_h, &want[1], 1e-4, 1e-5, &what);
        if want[2].iter().any(|&c| c != 0.0) {
            assert_close(&y_c, &want[2], 1e-4, 1e-5, &what);
        }
    }
}

#[test]
fn lstm_follows_onnx() {
    for case in cases() {
        let Case { seq, batch, hidden, directions, clip, variant, .. } = case;
        let data = Data::new(&case, 4, 3 * hidden);
        let clipped = |x: f64| clip.map_or(x, |clip| x.clamp(-f64::from(clip), f64::from(clip)));
        let want = naive(&case, &data, 4, |dir, x, h, c| {
            let p = |row: usize| data.extra.as_ref().map_or(0.0, |p| f64::from(p[dir * 3 * hidden + row]));
            let before = h.clone();
            for u in 0..hidden {
                let gate = |g: usize| f64::from(x[g * hidden + u]) + data.dot((dir * 4 + g) * hidden + u, &before);
                let i = sigmoid(clipped(gate(0) + p(u) * c[u]));
                let f = if variant { 1.0 - i } else { sigmoid(clipped(gate(2) + p(2 * hidden + u) * c[u])) };
                c[u] = f * c[u] + i * clipped(gate(3)).tanh();
                let o = sigmoid(clipped(gate(1) + p(hidden + u) * c[u]));
                h[u] = o * c[u].tanh();
            }
        });
        check(&case, &data, &want, |isa, y, y_h, y_c| {
            isa.enter(Lstm {
                y,
                y_h,
                y_c,
                gates: &data.gates,
                r: &data.packed,
                peephole: data.extra.as_deref(),
                h0: data.h0.as_deref(),
                c0: data.c0.as_deref(),
                lens: data.lens.as_deref(),
                scratch: &mut vec![f32::NAN; lstm::scratch_len(batch, hidden, directions.count())],
                seq,
                batch,
                hidden,
                y_step_stride: (directions.count() + 1) * batch * hidden,
                directions,
                clip,
                input_forget: variant,
                f: Sigmoid,
                g: Tanh,
                h: Tanh,
            });
        });
    }
}

#[test]
fn gru_follows_onnx() {
    for case in cases().filter(|case| case.variant || !case.peephole) {
        let Case { seq, batch, hidden, directions, clip, variant, .. } = case;
        let data = Data::new(&case, 3, hidden);
        let clipped = |x: f64| clip.map_or(x, |clip| x.clamp(-f64::from(clip), f64::from(clip)));
        let want = naive(&case, &data, 3, |dir, x, h, _| {
            let (before, first) = (h.clone(), dir * 3 * hidden);
            let gate = |row: usize| sigmoid(clipped(f64::from(x[row]) + data.dot(first + row, &before)));
            let reset = (0..hidden).map(|u| gate(hidden + u)).collect::<Vec<_>>();
            let reset_h = before.iter().zip(&reset).map(|(h, r)| h * r).collect::<Vec<_>>();
            for u in 0..hidden {
                let row = 2 * hidden + u;
                let bias = data.extra.as_ref().map_or(0.0, |b| f64::from(b[dir * hidden + u]));
                let recurrent = if variant {
                    reset[u] * (data.dot(first + row, &before) + bias)
                } else {
                    data.dot(first + row, &reset_h)
                };
                let new = clipped(f64::from(x[row]) + recurrent).tanh();
                h[u] = (1.0 - gate(u)) * new + gate(u) * before[u];
            }
        });
        check(&case, &data, &[want[0].clone(), want[1].clone(), vec![]], |isa, y, y_h, _| {
            isa.enter(Gru {
                y,
                y_h,
                gates: &data.gates,
                r: &data.packed,
                rbh: data.extra.as_deref(),
                rbh_stride: hidden,
                h0: data.h0.as_deref(),
                lens: data.lens.as_deref(),
                scratch: &mut vec![f32::NAN; gru::scratch_len(batch, hidden, directions.count())],
                seq,
                batch,
                hidden,
                y_step_stride: (directions.count() + 1) * batch * hidden,
                directions,
                clip,
                linear_before_reset: variant,
                f: Sigmoid,
                g: Tanh,
            });
        });
    }
}

#[test]
fn rnn_follows_onnx() {
    for case in cases().filter(|case| !case.variant && !case.peephole) {
        let Case { seq, batch, hidden, directions, clip, .. } = case;
        let data = Data::new(&case, 1, 0);
        let want = naive(&case, &data, 1, |dir, x, h, _| {
            let before = h.clone();
            for u in 0..hidden {
                let sum = f64::from(x[u]) + data.dot(dir * hidden + u, &before);
                h[u] = clip.map_or(sum, |clip| sum.clamp(-f64::from(clip), f64::from(clip))).tanh();
            }
        });
        check(&case, &data, &[want[0].clone(), want[1].clone(), vec![]], |isa, y, y_h, _| {
            isa.enter(Rnn {
                y,
                y_h,
                gates: &data.gates,
                r: &data.packed,
                h0: data.h0.as_deref(),
                lens: data.lens.as_deref(),
                scratch: &mut vec![f32::NAN; rnn::scratch_len(batch, hidden, directions.count())],
                seq,
                batch,
                hidden,
                y_step_stride: (directions.count() + 1) * batch * hidden,
                directions,
                clip,
                f: Tanh,
            });
        });
    }
}

/// Applies an activation to whole vectors.
struct Apply<'a, A>(A, &'a mut [f32]);

impl<A: Activation> Task for Apply<'_, A> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for x in self.1.chunks_exact_mut(S::LANES) {
            s.store(self.0.apply(s, s.load(x)), x);
        }
    }
}

#[test]
fn activations_follow_onnx() {
    fn check(activation: impl Activation, want: impl Fn(f64) -> f64) {
        let x = random(512, 6).iter().map(|x| x * 6.0).collect::<Vec<_>>();
        let want = x.iter().map(|&x| want(f64::from(x)) as f32).collect::<Vec<_>>();
        for isa in isas() {
            let mut got = x.clone();
            isa.enter(Apply(activation, &mut got));
            assert_close(&got, &want, 2e-6, 2e-7, isa.name());
        }
    }
    check(Sigmoid, sigmoid);
    check(Tanh, f64::tanh);
    check(Relu, |x| x.max(0.0));
    check(Affine { alpha: 0.5, beta: 0.25 }, |x| 0.5 * x + 0.25);
    check(HardSigmoid { alpha: 0.25, beta: 0.5 }, |x| (0.25 * x + 0.5).clamp(0.0, 1.0));
    check(LeakyRelu { alpha: 0.125 }, |x| if x < 0.0 { 0.125 * x } else { x });
    check(ThresholdedRelu { alpha: 1.5 }, |x| if x < 1.5 { 0.0 } else { x });
    check(ScaledTanh { alpha: 2.0, beta: 0.5 }, |x| 2.0 * (0.5 * x).tanh());
    check(Elu { alpha: 0.5 }, |x| if x < 0.0 { 0.5 * x.exp_m1() } else { x });
    check(Softsign, |x| x / (1.0 + x.abs()));
    check(Softplus, |x| x.exp().ln_1p());
}

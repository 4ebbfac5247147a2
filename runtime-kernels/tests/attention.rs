//! Attention against nested loops, on every instruction set, over awkward sizes and strides.

mod isa;

use isa::{OnIsa, assert_close, each_isa, random};
use kiln_kernels::attention_f32::{Attention, scratch_len};
use kiln_kernels::simd::Simd;

/// Queries, keys, and the widths of keys and of values.
const SIZES: [[usize; 4]; 20] = [
    [1, 1, 1, 1],
    [1, 16, 32, 32],
    [1, 37, 15, 20],
    [1, 300, 64, 64],
    [2, 3, 5, 4],
    [5, 16, 8, 16],
    [13, 40, 15, 15],
    [16, 16, 32, 32],
    [17, 33, 48, 24],
    [40, 7, 16, 1],
    [49, 49, 32, 32],
    [128, 128, 32, 32],
    [197, 197, 64, 64],
    [70, 257, 80, 72],
    [3, 1100, 33, 40],
    [60, 1700, 16, 48],
    [0, 4, 4, 4],
    [4, 0, 4, 4],
    [4, 5, 0, 4],
    [4, 5, 4, 0],
];

/// How operands lie.
#[derive(Clone, Copy, Debug)]
enum Lay {
    /// `[batch, heads, rows, columns]`
    HeadsFirst,
    /// `[batch, rows, heads, columns]`, with something between the rows.
    RowsFirst,
    /// `[batch, heads, columns, rows]`
    Turned,
    /// One entry for all.
    Shared,
}

const BATCH: [usize; 3] = [2, 1, 3];

/// Strides of an operand over batch, rows and columns, and its length.
fn strides(lay: Lay, rows: usize, cols: usize) -> ([usize; 5], usize) {
    let [b, _, h] = BATCH;
    let wide = h * cols + 5;
    match lay {
        Lay::HeadsFirst => ([h * rows * cols, 7, rows * cols, cols, 1], b * h * rows * cols),
        Lay::RowsFirst => ([rows * wide, 7, cols, wide, 1], b * rows * wide),
        Lay::Turned => ([h * rows * cols, 7, rows * cols, 1, rows], b * h * rows * cols),
        Lay::Shared => ([0, 0, 0, cols, 1], rows * cols),
    }
}

/// Both masks: whether there are any, and how much of the batch and of the rows they vary over.
const MASKS: [[Option<[bool; 3]>; 2]; 4] = [
    [None, None],
    [Some([true, false, false]), None],
    [Some([false, true, true]), Some([true, true, true])],
    [None, Some([true, true, true])],
];

struct Attentions {
    count: usize,
}

impl OnIsa for Attentions {
    fn run<S: Simd>(&mut self, s: S) {
        for [queries, keys, width, out_width] in SIZES {
            let large = queries * keys * (width + out_width) > 1_000_000;
            for (i, lays) in [
                [Lay::RowsFirst, Lay::RowsFirst, Lay::RowsFirst, Lay::RowsFirst],
                [Lay::HeadsFirst, Lay::Turned, Lay::HeadsFirst, Lay::HeadsFirst],
                [Lay::Turned, Lay::Shared, Lay::Turned, Lay::RowsFirst],
                [Lay::Shared, Lay::HeadsFirst, Lay::Shared, Lay::HeadsFirst],
            ]
            .into_iter()
            .enumerate()
            {
                if large && i > 1 {
                    continue;
                }
                let masks = MASKS[(i + queries) % 4];
                self.check(s, [queries, keys, width, out_width], lays, masks);
            }
        }
    }
}

impl Attentions {
    fn check<S: Simd>(&mut self, s: S, sizes: [usize; 4], lays: [Lay; 4], over: [Option<[bool; 3]>; 2]) {
        let [queries, keys, width, out_width] = sizes;
        let (q_strides, q_len) = strides(lays[0], queries, width);
        let (k_strides, k_len) = strides(lays[1], keys, width);
        let (v_strides, v_len) = strides(lays[2], keys, out_width);
        let (out_strides, out_len) = strides(lays[3], queries, out_width);
        let (q, k, v) = (random(q_len, 1), random(k_len, 2), random(v_len, 3));
        let entries = BATCH.iter().product::<usize>();
        let all = random(entries * queries * keys, 4);
        // A mask hides some keys, the first never.
        let all: Vec<f32> = all
            .iter()
            .enumerate()
            .map(|(i, x)| if i % keys.max(1) > 0 && *x > 0.3 { f32::NEG_INFINITY } else { 3.0 * x })
            .collect();
        let mask_strides = over.map(|over| {
            let [b, h, row] = over.unwrap_or_default();
            let row_stride = if row { keys } else { 0 };
            [if b { 3 * queries * keys } else { 0 }, 7, if h { queries * keys } else { 0 }, row_stride]
        });
        let masks = over.map(|over| over.map(|_| &all[..]));
        let scale = 1.7 / (width.max(1) as f32).sqrt();
        let mut out = vec![f32::NAN; out_len];
        let mut scratch = vec![f32::NAN; scratch_len(queries, keys, width, out_width)];
        s.enter(Attention {
            out: &mut out,
            q: &q,
            k: &k,
            v: &v,
            masks,
            scratch: &mut scratch,
            batch: BATCH,
            queries,
            keys,
            width,
            out_width,
            scale,
            nan_is_zero: false,
            out_strides: [0, 1, 2, 3].map(|i| out_strides[i]),
            q_strides,
            k_strides,
            v_strides,
            mask_strides,
        });
        let (mut want, mut got) = (Vec::new(), Vec::new());
        for entry in 0..entries {
            let at = |strides: &[usize]| entry / 3 * strides[0] + entry % 3 * strides[2];
            for i in 0..queries {
                let scores: Vec<f64> = (0..keys)
                    .map(|j| {
                        let (q, k) = (&q[at(&q_strides)..], &k[at(&k_strides)..]);
                        let product = (0..width).map(|d| {
                            let (q, k) =
                                (q[i * q_strides[3] + d * q_strides[4]], k[j * k_strides[3] + d * k_strides[4]]);
                            f64::from(q) * f64::from(k)
                        });
                        let masks = masks
                            .iter()
                            .zip(&mask_strides)
                            .filter_map(|(mask, strides)| Some(f64::from((*mask)?[at(strides) + i * strides[3] + j])));
                        product.sum::<f64>() * f64::from(scale) + masks.sum::<f64>()
                    })
                    .collect();
                let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = scores.iter().map(|x| (x - most).exp()).sum();
                for c in 0..out_width {
                    let v = |j: usize| f64::from(v[at(&v_strides) + j * v_strides[3] + c * v_strides[4]]);
                    let weighted = scores.iter().enumerate().map(|(j, x)| (x - most).exp() / sum * v(j));
                    want.push(weighted.sum::<f64>() as f32);
                    got.push(out[at(&out_strides) + i * out_strides[3] + c]);
                }
            }
        }
        assert_close(&got, &want, 2e-5, 2e-5, &format!("{} {sizes:?} {lays:?} {over:?}", S::NAME));
        self.count += 1;
    }
}

#[test]
fn attention_agrees_with_loops() {
    let mut attentions = Attentions { count: 0 };
    assert!(each_isa(&mut attentions) * SIZES.len() * 2 <= attentions.count);
}

/// A row that sees no key is NaN, or zero where that is asked for.
struct Hidden;

impl OnIsa for Hidden {
    fn run<S: Simd>(&mut self, s: S) {
        for (queries, nan_is_zero) in [(1, false), (1, true), (3, false), (3, true)] {
            let (x, mask) = (random(3 * 8, 1), [f32::NEG_INFINITY; 3]);
            let mut out = vec![1.0; queries * 8];
            s.enter(Attention {
                out: &mut out,
                q: &x,
                k: &x,
                v: &x,
                masks: [Some(&mask), None],
                scratch: &mut vec![0.0; scratch_len(queries, 3, 8, 8)],
                batch: [1; 3],
                queries,
                keys: 3,
                width: 8,
                out_width: 8,
                scale: 1.0,
                nan_is_zero,
                out_strides: [0, 0, 0, 8],
                q_strides: [0, 0, 0, 8, 1],
                k_strides: [0, 0, 0, 8, 1],
                v_strides: [0, 0, 0, 8, 1],
                mask_strides: [[0; 4]; 2],
            });
            assert!(out.iter().all(|x| if nan_is_zero { *x == 0.0 } else { x.is_nan() }), "{}: {out:?}", S::NAME);
        }
    }
}

#[test]
fn rows_that_see_no_key() {
    assert!(each_isa(&mut Hidden) > 0);
}

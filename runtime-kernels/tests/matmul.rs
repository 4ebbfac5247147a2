//! Matrix products against three nested loops, on every instruction set, over awkward sizes and strides.

mod isa;

use isa::{OnIsa, assert_close, each_isa, random};
use kiln_kernels::epilogue::{Epilogue, Identity, Places};
use kiln_kernels::matmul_batch_f32::{BatchMatMul, batch_scratch_len};
use kiln_kernels::matmul_f32::{MatMul, packed_len, scratch_len};
use kiln_kernels::pack;
use kiln_kernels::simd::Simd;
use kiln_kernels::tiles::Tiles;

/// Adds an operand shaped like the output, then clamps at zero.
#[derive(Clone, Copy)]
struct AddRelu<'a> {
    residual: &'a [f32],
    n: usize,
}

impl Epilogue for AddRelu<'_> {
    #[inline(always)]
    fn apply<S: Simd, P: Places<S>>(self, s: S, v: S::F32, at: P) -> S::F32 {
        s.max(s.add(v, at.operand(s, self.residual, self.n)), s.splat(0.0))
    }
}

/// `a[m, k] * b[k, n]`, with accesses given as closures.
fn naive(m: usize, k: usize, n: usize, a: impl Fn(usize, usize) -> f32, b: impl Fn(usize, usize) -> f32) -> Vec<f32> {
    let mut out = vec![0.0; m * n];
    for i in 0..m {
        for j in 0..n {
            out[i * n + j] = (0..k).map(|l| f64::from(a(i, l)) * f64::from(b(l, j))).sum::<f64>() as f32;
        }
    }
    out
}

const SIZES: [(usize, usize, usize); 33] = [
    (1, 1, 1),
    (1, 7, 10),
    (1, 64, 128),
    (1, 33, 17),
    (1, 1030, 40),
    (2, 3, 16),
    (3, 5, 33),
    (5, 1, 48),
    (6, 9, 15),
    (7, 4, 32),
    (8, 13, 47),
    (9, 16, 64),
    (10, 31, 1),
    (11, 8, 100),
    (12, 6, 31),
    (13, 17, 49),
    (14, 128, 32),
    (15, 2, 16),
    (29, 19, 23),
    (43, 67, 129),
    (57, 300, 300),
    (64, 1024, 33),
    (130, 513, 48),
    (300, 256, 272),
    // Taken in stages of k.
    (50, 1700, 70),
    (31, 2304, 45),
    // Rows packed, in one block and several, in one stage and several.
    (27, 36, 384),
    (40, 1024, 401),
    (155, 64, 448),
    (180, 1160, 385),
    (0, 4, 4),
    (3, 0, 20),
    (1, 0, 20),
];

struct Products {
    count: usize,
}

impl OnIsa for Products {
    fn run<S: Simd>(&mut self, s: S) {
        for (m, k, n) in SIZES {
            for (pad, transposed) in [(0, false), (3, false), (0, true), (5, true)] {
                let (a_row_stride, a_col_stride) = if transposed { (1, m + pad) } else { (k + pad, 1) };
                let a = random((m + pad) * (k + pad), 1);
                let b = random(k * n, 2);
                let bias = random(n, 3);
                let residual = random(m * n, 4);
                let mut packed = vec![f32::NAN; pack::panels_len(k, n)];
                pack::panels(&mut packed, &b, k, n, n, 1);
                let mut padded = vec![f32::NAN; pack::bias_len(1, n)];
                pack::bias(&mut padded, &bias, 1, n);
                let scratch_len = scratch_len(m, k, n).max(packed_len(m, k, n));
                let mut scratch = vec![f32::NAN; scratch_len];
                let product = naive(m, k, n, |i, l| a[i * a_row_stride + l * a_col_stride], |l, j| b[l * n + j]);
                let what = format!("{} {m}x{k}x{n} pad {pad} transposed {transposed}", S::NAME);

                let mut out = vec![f32::NAN; m * n];
                let (a, b) = (&a[..], &packed[..]);
                s.enter(MatMul {
                    out: &mut out,
                    a,
                    b,
                    bias: None,
                    scratch: &mut scratch,
                    m,
                    k,
                    n,
                    a_row_stride,
                    a_col_stride,
                    tiles: Tiles::Auto,
                    ahead: None,
                    epilogue: Identity,
                });
                assert_close(&out, &product, 1e-5, 1e-5 * (k as f32).sqrt(), &what);

                let want: Vec<f32> = (0..m * n).map(|i| (product[i] + bias[i % n] + residual[i]).max(0.0)).collect();
                let [out, tall, wide] = [Tiles::Auto, Tiles::Tall, Tiles::Wide].map(|tiles| {
                    let mut out = vec![f32::NAN; m * n];
                    s.enter(MatMul {
                        out: &mut out,
                        a,
                        b,
                        bias: Some(&padded),
                        scratch: &mut scratch,
                        m,
                        k,
                        n,
                        a_row_stride,
                        a_col_stride,
                        tiles,
                        ahead: None,
                        epilogue: AddRelu { residual: &residual, n },
                    });
                    out
                });
                assert!(out == tall && out == wide, "tiles differ: {what}");
                assert_close(&out, &want, 1e-5, 1e-5 * (k as f32).sqrt(), &what);
                self.count += 1;
            }
        }
    }
}

#[test]
fn products_of_packed_weights_agree_with_loops() {
    let mut products = Products { count: 0 };
    let isas = each_isa(&mut products);
    assert_eq!(products.count, isas * SIZES.len() * 4);
}

struct Batches {
    count: usize,
}

impl OnIsa for Batches {
    fn run<S: Simd>(&mut self, s: S) {
        for (m, k, n) in SIZES {
            // Which batch dimensions `a` and `b` are broadcast over, and which of them is transposed.
            for (batch, a_over, b_over, a_transposed, b_transposed) in [
                ([1, 1, 1], [false; 3], [false; 3], false, false),
                ([2, 1, 3], [false; 3], [true, false, false], false, true),
                ([1, 2, 2], [true; 3], [false; 3], true, false),
                ([2, 2, 1], [false; 3], [true; 3], true, true),
            ] {
                if m * k * n > 1_000_000 && batch != [1, 1, 1] {
                    continue;
                }
                let strides = |over: [bool; 3], len: usize| {
                    let full = [batch[1] * batch[2] * len, batch[2] * len, len];
                    [0, 1, 2].map(|dim| if over[dim] { 0 } else { full[dim] })
                };
                let entries = batch.iter().product::<usize>();
                let (a_batch_strides, b_batch_strides) = (strides(a_over, m * k), strides(b_over, k * n));
                let (a, b) = (random(entries * m * k, 1), random(entries * k * n, 2));
                let residual = random(entries * m * n, 3);
                let (a_row_stride, a_col_stride) = if a_transposed { (1, m) } else { (k, 1) };
                let (b_row_stride, b_col_stride) = if b_transposed { (1, k) } else { (n, 1) };
                let mut out = vec![f32::NAN; entries * m * n];
                let mut scratch = vec![f32::NAN; batch_scratch_len(m, k, n)];
                s.enter(BatchMatMul {
                    out: &mut out,
                    a: &a,
                    b: &b,
                    scratch: &mut scratch,
                    batch,
                    m,
                    k,
                    n,
                    a_batch_strides,
                    a_row_stride,
                    a_col_stride,
                    b_batch_strides,
                    b_row_stride,
                    b_col_stride,
                    epilogue: AddRelu { residual: &residual, n },
                });
                let mut want = Vec::new();
                for entry in 0..entries {
                    let at = [entry / (batch[1] * batch[2]), entry / batch[2] % batch[1], entry % batch[2]];
                    let offset = |strides: [usize; 3]| (0..3).map(|dim| at[dim] * strides[dim]).sum::<usize>();
                    let (a, b) = (&a[offset(a_batch_strides)..], &b[offset(b_batch_strides)..]);
                    let a = |i: usize, l: usize| a[i * a_row_stride + l * a_col_stride];
                    want.extend(naive(m, k, n, a, |l, j| b[l * b_row_stride + j * b_col_stride]));
                }
                want.iter_mut().zip(&residual).for_each(|(x, r)| *x = (*x + r).max(0.0));
                let what = format!("{} {batch:?}x{m}x{k}x{n} {a_transposed} {b_transposed}", S::NAME);
                assert_close(&out, &want, 1e-5, 1e-5 * (k as f32).sqrt(), &what);
                self.count += 1;
            }
        }
    }
}

#[test]
fn products_of_activations_agree_with_loops() {
    let mut batches = Batches { count: 0 };
    assert!(each_isa(&mut batches) * SIZES.len() <= batches.count);
}

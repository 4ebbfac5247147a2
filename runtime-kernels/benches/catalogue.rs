//! Times the heavy kernels on every instruction set of this machine: `cargo bench -p kiln-kernels -- [part of a name]…`.
//!
//! A line is printed for each kernel and instruction set whose names contain every argument: the median time of a call,
//! its GFLOP/s and its share of the peak, which is measured first, and the share the fastest sample reached; the last
//! lines say what it costs a team to share a step.

#[path = "../tests/isa/mod.rs"]
mod isa;

use std::hint::black_box;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use isa::{OnIsa, each_isa};
use kiln_kernels::conv_depthwise_f32::ConvDepthwise;
use kiln_kernels::conv_f32::{Conv, ConvShape, conv_scratch_len};
use kiln_kernels::conv_transpose_f32::{ConvTranspose, conv_transpose_scratch_len};
use kiln_kernels::epilogue::Identity;
use kiln_kernels::matmul_batch_f32::{BatchMatMul, batch_scratch_len};
use kiln_kernels::matmul_f32::{MatMul, scratch_len};
use kiln_kernels::pack;
use kiln_kernels::pool::{AvgPool, MaxPool, PoolShape};
use kiln_kernels::simd::{Simd, Task};
use kiln_kernels::split::{Part, Split, whole};
use kiln_kernels::team::{Team, enter};
use kiln_kernels::tiles::Tiles;

fn main() {
    let filters = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    each_isa(&mut Catalogue { filters });
}

struct Catalogue {
    filters: Vec<String>,
}

impl OnIsa for Catalogue {
    fn run<S: Simd>(&mut self, s: S) {
        if let Some(isa) = self.filters.iter().find(|filter| ISAS.contains(&filter.as_str()))
            && isa != S::NAME
        {
            return;
        }
        let flops = 2.0 * (PEAK_STEPS * PEAK_SUMS * S::LANES) as f64;
        let seconds = (0..20)
            .map(|_| {
                seconds(|| {
                    black_box(s.enter(Peak));
                })
            })
            .fold(f64::INFINITY, f64::min);
        let peak = flops / seconds / 1e9;
        println!("{:8} {:34} {:>12} {peak:8.1} GFLOP/s", S::NAME, "fma peak", "");
        let bench = Bench { filters: &self.filters, peak };
        bench.matmuls(s);
        bench.convs(s);
        bench.pools(s);
        bench.teams(s);
    }
}

const ISAS: [&str; 5] = ["scalar", "avx2", "avx512", "neon", "wasm128"];
/// More than any cache holds.
const FAR_BYTES: usize = 384 << 20;
const PEAK_STEPS: usize = 100_000;
const PEAK_SUMS: usize = 12;

/// As many independent multiply-adds as the processor can start.
struct Peak;

impl Task for Peak {
    type Out = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let (x, mut sums) = (s.splat(black_box(1.0)), [s.splat(black_box(0.0)); PEAK_SUMS]);
        for _ in 0..PEAK_STEPS {
            for sum in &mut sums {
                *sum = s.fma(x, x, *sum);
            }
        }
        sums.into_iter().map(|sum| s.sum(sum)).sum()
    }
}

/// A step in which every thread waits until all have come, and counts those that have.
struct Meet<'a>(&'a AtomicUsize);

impl Task for Meet<'_> {
    type Out = ();

    fn run<S: Simd>(self, s: S) {
        whole(s, self);
    }
}

impl Split for Meet<'_> {
    fn parts(&self, threads: usize) -> usize {
        threads
    }

    unsafe fn part<S: Simd>(task: *mut Self, _: S, part: Part, _: &mut [f32]) {
        // SAFETY: the caller vouches for the task, of which parts only read this.
        let met = unsafe { (*task).0 };
        let before = met.fetch_add(1, Ordering::AcqRel);
        while met.load(Ordering::Acquire) < (before / part.of + 1) * part.of {
            std::hint::spin_loop();
        }
    }
}

/// The seconds `call` takes.
fn seconds(call: impl FnOnce()) -> f64 {
    let start = Instant::now();
    call();
    start.elapsed().as_secs_f64()
}

/// Floats on a cache line's boundary, as in a generated model.
struct Floats {
    store: Vec<f32>,
    start: usize,
}

/// `n` floats, random unless `seed` is 0.
fn floats(n: usize, seed: u64) -> Floats {
    let mut store = if seed == 0 { vec![0.0; n + 16] } else { isa::random(n + 16, seed) };
    let start = store.as_ptr().align_offset(64);
    store.truncate(start + n);
    Floats { store, start }
}

impl Deref for Floats {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.store[self.start..]
    }
}

impl DerefMut for Floats {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.store[self.start..]
    }
}

struct Bench<'a> {
    filters: &'a [String],
    peak: f64,
}

impl Bench<'_> {
    /// Whether the arguments ask for this line.
    fn wants(&self, name: &str) -> bool {
        self.filters.iter().all(|filter| name.contains(filter.as_str()) || ISAS.contains(&filter.as_str()))
    }

    /// Times `call`, which does `flops` operations, and prints a line.
    fn time<S: Simd>(&self, _s: S, name: &str, flops: usize, mut call: impl FnMut()) {
        if !self.wants(name) {
            return;
        }
        let once = (0..3).map(|_| seconds(&mut call)).fold(f64::INFINITY, f64::min).max(1e-9);
        let repeats = (2e-3 / once).ceil().max(1.0) as usize;
        let mut samples: Vec<f64> =
            (0..21).map(|_| seconds(|| (0..repeats).for_each(|_| call())) / repeats as f64).collect();
        samples.sort_by(f64::total_cmp);
        let median = samples[samples.len() / 2];
        let micros = median * 1e6;
        if flops == 0 {
            println!("{:8} {name:34} {micros:9.2} µs", S::NAME);
            return;
        }
        let [rate, best] = [median, samples[0]].map(|seconds| flops as f64 / seconds / 1e9);
        let [share, best_share] = [rate, best].map(|rate| 100.0 * rate / self.peak);
        println!("{:8} {name:34} {micros:9.2} µs {rate:7.1} GFLOP/s {share:5.1} %, best {best_share:5.1} %", S::NAME);
    }

    /// What it costs to share a step, beside the step.
    fn teams<S: Simd>(&self, s: S) {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        for threads in [2, 4, 8, 16].into_iter().filter(|threads| *threads <= processors) {
            let (team, met) = (Team::new(threads), AtomicUsize::new(0));
            self.time(s, &format!("fork and join {threads} threads"), 0, || enter(s, Some(&team), Meet(&met)));
        }
    }

    fn matmuls<S: Simd>(&self, s: S) {
        for (m, k, n) in [
            (1024, 1024, 1024),
            (1008, 1024, 1056),
            (126, 384, 1536),
            (128, 384, 384),
            (16, 384, 1536),
            (197, 768, 3072),
            (784, 1152, 384),
            (196, 2304, 768),
            (3136, 64, 64),
            (12544, 16, 96),
            (4, 768, 768),
            (1, 64, 128),
            (1, 128, 64),
            (1, 64, 10),
            (1, 256, 256),
            (1, 768, 3072),
            (1, 2048, 1000),
        ] {
            let name = format!("matmul {m}x{k}x{n}");
            if !self.wants(&name) {
                continue;
            }
            let a = floats(m * k, 1);
            let b = floats(k * n, 2);
            let mut packed = floats(pack::panels_len(k, n), 0);
            pack::panels(&mut packed, &b, k, n, n, 1);
            let mut out = floats(m * n, 0);
            let mut scratch = floats(scratch_len(m, k, n), 0);
            let bias = floats(pack::bias_len(1, n), 3);
            self.time(s, &name, 2 * m * k * n, || {
                s.enter(MatMul {
                    out: black_box(&mut out),
                    a: &a,
                    b: &packed,
                    bias: Some(&bias),
                    scratch: &mut scratch,
                    m,
                    k,
                    n,
                    a_row_stride: k,
                    a_col_stride: 1,
                    tiles: Tiles::Auto,
                    ahead: None,
                    epilogue: Identity,
                });
            });
        }
        // As in a network, whose weights are far when their turn comes.
        for (m, k, n) in [
            (197, 768, 768),
            (197, 768, 3072),
            (197, 3072, 768),
            (128, 384, 1536),
            (128, 1536, 384),
            (16, 384, 1536),
            (49, 2048, 512),
            (196, 1024, 256),
        ] {
            let name = format!("matmul cold {m}x{k}x{n}");
            if !self.wants(&name) {
                continue;
            }
            let (a, len) = (floats(m * k, 1), pack::panels_len(k, n));
            let copies = FAR_BYTES / 4 / len + 1;
            let packed = floats(copies * len, 2);
            let mut out = floats(m * n, 0);
            let mut turn = 0;
            self.time(s, &name, 2 * m * k * n, || {
                turn = (turn + 1) % copies;
                s.enter(MatMul {
                    out: black_box(&mut out),
                    a: &a,
                    b: &packed[turn * len..][..len],
                    bias: None,
                    scratch: &mut [],
                    m,
                    k,
                    n,
                    a_row_stride: k,
                    a_col_stride: 1,
                    tiles: Tiles::Auto,
                    ahead: None,
                    epilogue: Identity,
                });
            });
        }
        let (m, k, n) = (512, 512, 512);
        let a = floats(m * k, 1);
        let mut packed = floats(pack::panels_len(k, n), 0);
        pack::panels(&mut packed, &floats(k * n, 2), k, n, n, 1);
        let (mut out, mut scratch) = (vec![0.0; m * n], vec![0.0; scratch_len(m, k, n)]);
        self.time(s, "matmul transposed a 512x512x512", 2 * m * k * n, || {
            s.enter(MatMul {
                out: black_box(&mut out),
                a: &a,
                b: &packed,
                bias: None,
                scratch: &mut scratch,
                m,
                k,
                n,
                a_row_stride: 1,
                a_col_stride: m,
                tiles: Tiles::Auto,
                ahead: None,
                epilogue: Identity,
            });
        });
        // Queries by keys, weights by values, and a step of decoding.
        for (name, heads, m, k, n, transposed) in [
            ("attention q k", 12, 197, 64, 197, true),
            ("attention p v", 12, 197, 197, 64, false),
            ("attention q k", 12, 128, 32, 128, true),
            ("attention p v", 12, 128, 128, 32, false),
            ("attention q k", 12, 1, 64, 512, true),
            ("attention p v", 12, 1, 512, 64, false),
        ] {
            let name = format!("{name} {heads}x{m}x{k}x{n}");
            if !self.wants(&name) {
                continue;
            }
            let (a, b) = (floats(heads * m * k, 1), floats(heads * k * n, 2));
            let mut out = floats(heads * m * n, 0);
            let mut scratch = floats(batch_scratch_len(m, k, n), 0);
            self.time(s, &name, 2 * heads * m * k * n, || {
                s.enter(BatchMatMul {
                    out: black_box(&mut out),
                    a: &a,
                    b: &b,
                    scratch: &mut scratch,
                    batch: [1, 1, heads],
                    m,
                    k,
                    n,
                    a_batch_strides: [0, 0, m * k],
                    a_row_stride: k,
                    a_col_stride: 1,
                    b_batch_strides: [0, 0, k * n],
                    b_row_stride: if transposed { 1 } else { n },
                    b_col_stride: if transposed { k } else { 1 },
                    epilogue: Identity,
                });
            });
        }
    }

    fn convs<S: Simd>(&self, s: S) {
        for (size, kernel, stride, c_in, c_out, groups) in [
            (224, 7, 2, 3, 64, 1),
            (224, 3, 2, 3, 32, 1),
            (56, 1, 1, 64, 256, 1),
            (56, 1, 1, 256, 64, 1),
            (56, 3, 1, 64, 64, 1),
            (28, 3, 1, 128, 128, 1),
            (14, 3, 1, 256, 256, 1),
            (7, 3, 1, 512, 512, 1),
            (56, 3, 2, 128, 128, 1),
            (56, 1, 2, 256, 512, 1),
            (14, 1, 1, 1024, 256, 1),
            (14, 1, 2, 1024, 2048, 1),
            (7, 1, 1, 512, 2048, 1),
            (7, 1, 1, 2048, 512, 1),
            (112, 1, 1, 16, 96, 1),
            (56, 1, 1, 96, 24, 1),
            (160, 3, 1, 16, 16, 1),
            (4, 3, 1, 64, 64, 1),
            (14, 3, 1, 32, 32, 4),
        ] {
            let shape = shape(size, kernel, stride, c_in, c_out, groups);
            let name = format!("conv {kernel}x{kernel}/{stride} {size}x{size} {c_in}->{c_out} g{groups}");
            if !self.wants(&name) {
                continue;
            }
            let x = floats(size * size * groups * c_in, 1);
            let mut w = floats(pack::conv_len(shape), 0);
            pack::conv(&mut w, &floats(groups * c_out * c_in * kernel * kernel, 2), shape);
            let pixels = shape.output[1] * shape.output[2];
            let mut out = floats(pixels * groups * c_out, 0);
            let bias = floats(pack::bias_len(groups, c_out), 3);
            let mut scratch = floats(conv_scratch_len(shape), 0);
            self.time(s, &name, 2 * pixels * kernel * kernel * c_in * c_out * groups, || {
                s.enter(Conv {
                    out: black_box(&mut out),
                    x: &x,
                    w: &w,
                    bias: Some(&bias),
                    scratch: &mut scratch,
                    shape,
                    tiles: Tiles::Auto,
                    w_stride: 0,
                    ahead: None,
                    epilogue: Identity,
                });
            });
        }
        for (size, kernel, stride, channels) in
            [(112, 3, 1, 32), (112, 3, 2, 96), (56, 3, 1, 144), (14, 3, 1, 576), (14, 5, 1, 480), (7, 3, 1, 960)]
        {
            let shape = shape(size, kernel, stride, 1, 1, channels);
            let name = format!("depthwise {kernel}x{kernel}/{stride} {size}x{size} {channels}");
            if !self.wants(&name) {
                continue;
            }
            let x = floats(size * size * channels, 1);
            let mut w = floats(pack::depthwise_len(shape), 0);
            pack::depthwise(&mut w, &floats(channels * kernel * kernel, 2), shape);
            let pixels = shape.output[1] * shape.output[2];
            let mut out = floats(pixels * channels, 0);
            self.time(s, &name, 2 * pixels * kernel * kernel * channels, || {
                let (out, x, w) = (black_box(&mut out[..]), &x, &w);
                s.enter(ConvDepthwise { out, x, w, bias: None, scratch: &mut [], shape, epilogue: Identity });
            });
        }
        let shape = ConvShape {
            input: [1, 28, 28],
            output: [1, 56, 56],
            kernel: [1, 4, 4],
            stride: [1, 2, 2],
            ..shape(28, 4, 1, 64, 64, 1)
        };
        let shape = ConvShape { pad: [0, 1, 1], ..shape };
        let x = floats(28 * 28 * 64, 1);
        let mut w = floats(pack::transpose_len(shape), 0);
        pack::transpose(&mut w, &floats(64 * 64 * 16, 2), shape);
        let mut out = floats(56 * 56 * 64, 0);
        let mut scratch = floats(conv_transpose_scratch_len(shape), 0);
        self.time(s, "transposed conv 4x4/2 28x28 64->64", 2 * 28 * 28 * 16 * 64 * 64, || {
            let (out, x, w) = (black_box(&mut out[..]), &x, &w);
            s.enter(ConvTranspose { out, x, w, bias: None, scratch: &mut scratch, shape, epilogue: Identity });
        });
    }

    fn pools<S: Simd>(&self, s: S) {
        for (size, kernel, stride, channels) in [(112, 3, 2, 64), (28, 2, 2, 128), (7, 7, 1, 2048)] {
            let output = (size - kernel) / stride + 1;
            let shape = PoolShape {
                batch: 1,
                input: [1, size, size],
                output: [1, output, output],
                kernel: [1, kernel, kernel],
                stride: [1, stride, stride],
                dilation: [1; 3],
                pad: [0; 3],
                pad_end: [0; 3],
                channels,
            };
            let x = floats(size * size * channels, 1);
            let mut out = floats(output * output * channels, 0);
            let name = format!("{kernel}x{kernel}/{stride} {size}x{size} {channels}");
            let flops = out.len() * kernel * kernel;
            self.time(s, &format!("max pool {name}"), flops, || {
                s.enter(MaxPool { out: black_box(&mut out), x: &x, shape });
            });
            self.time(s, &format!("average pool {name}"), flops, || {
                s.enter(AvgPool { out: black_box(&mut out), x: &x, shape, count_include_pad: false });
            });
        }
    }
}

/// A square convolution padded to keep the size, but for its stride.
fn shape(size: usize, kernel: usize, stride: usize, c_in: usize, c_out: usize, groups: usize) -> ConvShape {
    let pad = (kernel - 1) / 2;
    let output = (size + 2 * pad - kernel) / stride + 1;
    ConvShape {
        batch: 1,
        input: [1, size, size],
        output: [1, output, output],
        kernel: [1, kernel, kernel],
        stride: [1, stride, stride],
        dilation: [1; 3],
        pad: [0, pad, pad],
        groups,
        c_in,
        c_out,
    }
}

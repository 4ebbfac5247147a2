//! Kernels that move data, against naive loops, on every instruction set.

mod any_isa;

use any_isa::isas;
use kiln_kernels::arg_reduce::ArgReduce;
use kiln_kernels::compress::Compress;
use kiln_kernels::cumulative::Cumulative;
use kiln_kernels::fill::{Eye, Range};
use kiln_kernels::gather::{Gather, GatherElements, GatherNd};
use kiln_kernels::non_zero::{CountNonZero, NonZero};
use kiln_kernels::one_hot::OneHot;
use kiln_kernels::pad::{Pad, PadMode};
use kiln_kernels::reverse_sequence::ReverseSequence;
use kiln_kernels::scatter::{Reduction, ScatterElements, ScatterNd};
use kiln_kernels::strided::{Copy1, Fill, Strided};
use kiln_kernels::topk::TopK;
use kiln_kernels::tri::Trilu;

/// Every index below `dims`, in row-major order.
fn indices_of<const R: usize>(dims: [usize; R]) -> impl Iterator<Item = [usize; R]> {
    (0..dims.iter().product())
        .map(move |i| core::array::from_fn(|r| i / dims[r + 1..].iter().product::<usize>() % dims[r]))
}

/// Row-major strides.
fn dense<const R: usize>(dims: [usize; R]) -> [usize; R] {
    core::array::from_fn(|r| dims[r + 1..].iter().product())
}

/// Σ i * strides
fn at<const R: usize>(index: [usize; R], strides: [usize; R]) -> usize {
    index.iter().zip(strides).map(|(i, stride)| i * stride).sum()
}

/// Numbers that differ.
fn counting(n: usize) -> Vec<u32> {
    (1..=n as u32).collect()
}

fn check_strided<const R: usize>(
    dims: [usize; R],
    out_offset: usize,
    out_strides: [usize; R],
    x_offset: usize,
    x_strides: [isize; R],
) {
    let last = dims.map(|dim| dim.saturating_sub(1));
    let out_len = out_offset + at(last, out_strides) + 3;
    let x_len = x_offset + at(last, x_strides.map(|stride| stride.max(0) as usize)) + 1;
    let x = counting(x_len);
    let bytes: Vec<u8> = x.iter().map(|&x| x as u8).collect();
    let mut want = vec![0; out_len];
    for index in indices_of(dims) {
        let from =
            x_offset as isize + index.iter().zip(x_strides).map(|(&i, stride)| i as isize * stride).sum::<isize>();
        want[out_offset + at(index, out_strides)] = x[from as usize];
    }
    for isa in isas() {
        let mut out = vec![0; out_len];
        isa.enter(Strided { out: &mut out, x: &x, dims, out_offset, out_strides, x_offset, x_strides });
        assert_eq!(out, want, "{dims:?} {out_strides:?} {x_strides:?} on {}", isa.name());
        let mut out = vec![0u8; out_len];
        isa.enter(Strided { out: &mut out, x: &bytes, dims, out_offset, out_strides, x_offset, x_strides });
        assert!(out.iter().zip(&want).all(|(&got, &want)| got == want as u8));
    }
}

#[test]
fn strided_copies_between_any_views() {
    check_strided([], 2, [], 1, []);
    for n in [0, 1, 2, 3, 5, 8, 17, 40] {
        for step in [-3, -1, 0, 1, 2] {
            let x_offset = if step < 0 { n * 3 } else { 1 };
            check_strided([n], 1, [1], x_offset, [step]);
            check_strided([n], 0, [3], x_offset, [step]);
        }
    }
    // Transposes, into the middle of wider rows.
    for [m, n] in [
        [1, 1],
        [3, 1],
        [1, 9],
        [7, 8],
        [8, 7],
        [8, 16],
        [16, 16],
        [9, 17],
        [100, 3],
        [1, 2],
        [9, 2],
        [131, 2],
        [3, 100],
        [33, 50],
        [0, 4],
        [4, 0],
        [24, 35],
    ] {
        if cfg!(miri) && m * n > 80 {
            continue;
        }
        check_strided([m, n], 4, [n + 5, 1], 2, [1, m as isize]);
        check_strided([2, m, n], 0, [m * n, n, 1], 0, [(m * n) as isize, 1, m as isize]);
        check_strided([m, 2, n], 0, [2 * n, n, 1], 0, [1, (m * n) as isize, m as isize]);
        check_strided(
            [m, 3, 2, n],
            0,
            [6 * n, 2 * n, n, 1],
            0,
            [1, (2 * m * n) as isize, (m * n) as isize, m as isize],
        );
        check_strided([m, n], 0, [n, 1], 0, [n as isize, 1]);
        check_strided([m, n], 0, [n, 1], 0, [0, 1]);
        check_strided([m, n], 0, [n, 1], 0, [1, 0]);
        check_strided([m, n], 0, [n, 1], m * n, [-(n as isize), 1]);
        check_strided([m, n], 0, [2 * n, 2], m * n, [n as isize, -1]);
    }
    check_strided([2, 0, 3], 0, [0; 3], 0, [0; 3]);
    check_strided([2, 3, 2, 2, 5], 0, [60, 10, 30, 5, 1], 0, dense([2, 3, 2, 2, 5]).map(|stride| stride as isize));
}

#[test]
#[should_panic(expected = "inside its input")]
fn strided_refuses_to_read_outside() {
    isas().next().unwrap().enter(Strided {
        out: &mut [0; 4],
        x: &[0; 4],
        dims: [4],
        out_offset: 0,
        out_strides: [1],
        x_offset: 2,
        x_strides: [-1],
    });
}

#[test]
#[should_panic(expected = "inside its output")]
fn strided_refuses_to_write_outside() {
    let dims = [2, usize::MAX];
    isas().next().unwrap().enter(Strided {
        out: &mut [0; 4],
        x: &[0; 4],
        dims,
        out_offset: 0,
        out_strides: [4, 1],
        x_offset: 2,
        x_strides: [0; 2],
    });
}

#[test]
fn fills_and_copies() {
    for isa in isas() {
        let mut out = [0u8; 5];
        isa.enter(Fill { out: &mut out[1..], value: 7 });
        assert_eq!(out, [0, 7, 7, 7, 7]);
        isa.enter(Copy1 { out: &mut out[..2], x: &[1, 2] });
        assert_eq!(out, [1, 2, 7, 7, 7]);
    }
}

/// Some index of an axis of `len` elements, positive or negative.
fn some_index(i: usize, len: usize) -> i64 {
    let index = (i * 7 + 3) % len;
    if i % 3 == 1 { index as i64 - len as i64 } else { index as i64 }
}

/// That index, positive.
fn positive(index: i64, len: usize) -> usize {
    (if index < 0 { index + len as i64 } else { index }) as usize
}

/// A small list with ties and, if asked for, NaN.
fn ties(n: usize, nan: bool) -> Vec<f32> {
    (0..n).map(|i| if nan && i % 11 == 7 { f32::NAN } else { (i * i * 31 % 17) as f32 - 8.0 }).collect()
}

#[test]
fn gathers_along_an_axis() {
    for (outer, axis_len, inner, n) in [
        (1, 5, 1, 9),
        (3, 4, 1, 2),
        (2, 3, 2, 5),
        (2, 3, 7, 4),
        (1, 50, 64, 20),
        (0, 3, 2, 2),
        (2, 0, 3, 0),
        (2, 3, 0, 4),
        (4, 5, 1, 1),
    ] {
        let x = counting(outer * axis_len * inner);
        let indices = (0..n).map(|i| some_index(i, axis_len)).collect::<Vec<_>>();
        let narrow = indices.iter().map(|&i| i as i32).collect::<Vec<_>>();
        let want = indices_of([outer, n, inner])
            .map(|[o, j, i]| x[(o * axis_len + positive(indices[j], axis_len)) * inner + i])
            .collect::<Vec<_>>();
        for isa in isas() {
            let mut out = vec![0; want.len()];
            isa.enter(Gather { out: &mut out, x: &x, indices: &indices, outer, axis_len, inner });
            assert_eq!(out, want, "{outer} {axis_len} {inner} {n} on {}", isa.name());
            out.fill(0);
            isa.enter(Gather { out: &mut out, x: &x, indices: &narrow, outer, axis_len, inner });
            assert_eq!(out, want);
        }
    }
}

#[test]
fn gathers_and_scatters_elements() {
    fn check<const R: usize>(dims_idx: [usize; R], x_dims: [usize; R]) {
        for axis in 0..R {
            if (0..R).any(|r| r != axis && dims_idx[r] > x_dims[r]) {
                continue;
            }
            let x = counting(x_dims.iter().product()).iter().map(|&x| x as f32).collect::<Vec<_>>();
            let indices =
                indices_of(dims_idx).enumerate().map(|(i, _)| some_index(i, x_dims[axis])).collect::<Vec<_>>();
            let positions = indices_of(dims_idx)
                .zip(&indices)
                .map(|(mut index, &i)| {
                    index[axis] = positive(i, x_dims[axis]);
                    at(index, dense(x_dims))
                })
                .collect::<Vec<_>>();
            let want = positions.iter().map(|&position| x[position]).collect::<Vec<_>>();
            let updates = (0..indices.len()).map(|i| (i % 5) as f32 - 2.5).collect::<Vec<_>>();
            for isa in isas() {
                let mut out = vec![0.0; want.len()];
                isa.enter(GatherElements { out: &mut out, x: &x, indices: &indices, dims_idx, x_dims, axis });
                assert_eq!(out, want, "{dims_idx:?} {x_dims:?} {axis} on {}", isa.name());
                for reduction in [Reduction::None, Reduction::Add, Reduction::Mul, Reduction::Max, Reduction::Min] {
                    let mut want = x.clone();
                    for (&position, &update) in positions.iter().zip(&updates) {
                        want[position] = reduce(reduction, want[position], update);
                    }
                    let mut out = x.clone();
                    isa.enter(ScatterElements {
                        out: &mut out,
                        updates: &updates,
                        indices: &indices,
                        dims_idx,
                        x_dims,
                        axis,
                        reduction,
                    });
                    assert_eq!(out, want, "{dims_idx:?} {x_dims:?} {axis} {reduction:?} on {}", isa.name());
                }
            }
        }
    }
    check([3], [5]);
    check([9], [2]);
    check([2, 3], [3, 3]);
    check([3, 2], [3, 5]);
    check([2, 3, 4], [2, 3, 4]);
    check([1, 6, 2], [4, 3, 5]);
    check([2, 2, 3, 2], [3, 2, 3, 4]);
    check([0, 3], [2, 3]);
    check([2, 0], [2, 3]);
}

fn reduce(reduction: Reduction, old: f32, update: f32) -> f32 {
    match reduction {
        Reduction::None => update,
        Reduction::Add => old + update,
        Reduction::Mul => old * update,
        Reduction::Max => old.max(update),
        Reduction::Min => old.min(update),
    }
}

#[test]
fn gathers_and_scatters_by_tuples() {
    for (batch, n_idx, depth, x_dims) in [
        (1, 4, 2, &[3, 5, 2][..]),
        (2, 3, 1, &[4, 3]),
        (3, 2, 3, &[2, 3, 4]),
        (2, 5, 1, &[7]),
        (1, 0, 1, &[3]),
        (0, 2, 1, &[3]),
        (2, 2, 1, &[3, 0]),
        (2, 3, 0, &[6]),
    ] {
        let inner = x_dims[depth..].iter().product::<usize>();
        let plane = x_dims.iter().product::<usize>();
        let x = counting(batch * plane).iter().map(|&x| x as f32).collect::<Vec<_>>();
        let indices = (0..batch * n_idx)
            .flat_map(|j| (0..depth).map(move |d| some_index(j * 5 + d, x_dims[d])))
            .collect::<Vec<_>>();
        let starts = (0..batch * n_idx)
            .map(|j| {
                (0..depth).fold(j / n_idx.max(1) * x_dims[..depth].iter().product::<usize>(), |start, d| {
                    let before = if d == 0 { start / x_dims[..depth].iter().product::<usize>().max(1) } else { start };
                    before * x_dims[d] + positive(indices[j * depth + d], x_dims[d])
                }) * inner
            })
            .collect::<Vec<_>>();
        let want = starts.iter().enumerate().flat_map(|(j, &start)| {
            let start = if depth == 0 { j / n_idx * plane } else { start };
            x[start..][..inner].to_vec()
        });
        let want = want.collect::<Vec<_>>();
        let updates = (0..n_idx * inner).map(|i| (i % 5) as f32 - 2.5).collect::<Vec<_>>();
        for isa in isas() {
            let mut out = vec![0.0; want.len()];
            isa.enter(GatherNd { out: &mut out, x: &x, indices: &indices, batch, n_idx, depth, x_dims, inner });
            assert_eq!(out, want, "{batch} {n_idx} {depth} {x_dims:?} on {}", isa.name());
            if batch != 1 {
                continue;
            }
            for reduction in [Reduction::None, Reduction::Add, Reduction::Mul, Reduction::Max, Reduction::Min] {
                let mut want = x.clone();
                for (j, &start) in starts.iter().enumerate() {
                    for i in 0..inner {
                        want[start + i] = reduce(reduction, want[start + i], updates[j * inner + i]);
                    }
                }
                let mut out = x.clone();
                isa.enter(ScatterNd {
                    out: &mut out,
                    updates: &updates,
                    indices: &indices,
                    n_idx,
                    depth,
                    x_dims,
                    inner,
                    reduction,
                });
                assert_eq!(out, want, "{n_idx} {depth} {x_dims:?} {reduction:?} on {}", isa.name());
            }
        }
    }
}

#[test]
#[should_panic(expected = "index 3 is outside an axis of 3 elements")]
fn gather_refuses_indices_outside() {
    isas().last().unwrap().enter(Gather {
        out: &mut [0; 2],
        x: &[0; 3],
        indices: &[0i64, 3],
        outer: 1,
        axis_len: 3,
        inner: 1,
    });
}

#[test]
#[should_panic(expected = "index -4 is outside an axis of 3 elements")]
fn scatter_refuses_indices_outside() {
    let reduction = Reduction::None;
    isas().last().unwrap().enter(ScatterNd {
        out: &mut [0; 3],
        updates: &[1],
        indices: &[-4i64],
        n_idx: 1,
        depth: 1,
        x_dims: &[3],
        inner: 1,
        reduction,
    });
}

#[test]
fn pads_in_every_mode() {
    fn check<const R: usize>(x_dims: [usize; R], before: [isize; R], out_dims: [usize; R]) {
        let x = counting(x_dims.iter().product());
        for mode in [PadMode::Constant(0), PadMode::Reflect, PadMode::Edge, PadMode::Wrap] {
            if mode != PadMode::Constant(0) && x.is_empty() {
                continue;
            }
            let source = |i: isize, len: usize| {
                let n = len as isize;
                match mode {
                    PadMode::Constant(_) => (0..n).contains(&i).then_some(i),
                    PadMode::Edge => Some(i.clamp(0, n - 1)),
                    PadMode::Wrap => Some((i % n + n) % n),
                    PadMode::Reflect => {
                        let mut i = i;
                        while n > 1 && !(0..n).contains(&i) {
                            i = if i < 0 { -i } else { 2 * (n - 1) - i };
                        }
                        Some(if n == 1 { 0 } else { i })
                    }
                }
            };
            let want = indices_of(out_dims)
                .map(|index| {
                    let position = (0..R).try_fold(0, |at, r| {
                        Some(at * x_dims[r] + source(index[r] as isize - before[r], x_dims[r])? as usize)
                    });
                    position.map_or(0, |position| x[position])
                })
                .collect::<Vec<_>>();
            for isa in isas() {
                let mut out = vec![9; want.len()];
                isa.enter(Pad { out: &mut out, x: &x, x_dims, out_dims, before, mode });
                assert_eq!(out, want, "{x_dims:?} {before:?} {out_dims:?} {mode:?} on {}", isa.name());
            }
        }
    }
    check([], [], []);
    check([4], [2], [9]);
    check([4], [-1], [3]);
    check([4], [-2], [6]);
    check([4], [6], [20]);
    check([4], [-7], [5]);
    check([4], [9], [5]);
    check([1], [3], [7]);
    check([0], [3], [7]);
    check([4], [1], [0]);
    check([3, 5], [1, 2], [6, 9]);
    check([2, 3, 20], [0, 1, 3], [2, 6, 25]);
    check([2, 1, 3, 4], [1, 2, -1, 0], [4, 4, 2, 6]);
}

#[test]
fn one_hot_marks_one_place() {
    for (outer, depth, inner) in [(1, 3, 4), (3, 5, 1), (2, 2, 7), (0, 3, 1), (2, 0, 3)] {
        let indices = (0..outer * inner).map(|i| (i as i64 * 3) % 11 - 5).collect::<Vec<_>>();
        let want = indices_of([outer, depth, inner])
            .map(|[o, d, i]| {
                let index = indices[o * inner + i];
                u8::from(index == d as i64 || index + depth as i64 == d as i64) + 1
            })
            .collect::<Vec<_>>();
        for isa in isas() {
            let mut out = vec![0; want.len()];
            isa.enter(OneHot { out: &mut out, indices: &indices, outer, depth, inner, off: 1, on: 2 });
            assert_eq!(out, want, "{outer} {depth} {inner} on {}", isa.name());
        }
    }
}

#[test]
fn finds_the_best() {
    for (outer, len, inner) in
        [(1, 1, 1), (2, 9, 1), (1, 300, 1), (3, 8, 5), (2, 40, 33), (0, 3, 2), (2, 3, 0), (4, 33, 1)]
    {
        for bits in 0..8 {
            let (largest, last, nan) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
            let x = ties(outer * len * inner, nan);
            let above = |a: f32, b: f32| if a.is_nan() || b.is_nan() { a.is_nan() && !b.is_nan() } else { a > b };
            let lane = |o: usize, i: usize| (0..len).map(|j| x[(o * len + j) * inner + i]).collect::<Vec<_>>();
            let want = indices_of([outer, inner])
                .map(|[o, i]| {
                    let lane = lane(o, i);
                    let best = (0..len).filter(|&j| {
                        let beats =
                            |a: f32, b: f32| if largest || a.is_nan() || b.is_nan() { above(a, b) } else { a < b };
                        !lane.iter().any(|&other| beats(other, lane[j]))
                    });
                    (if last { best.max() } else { best.min() }).unwrap() as i64
                })
                .collect::<Vec<_>>();
            for isa in isas() {
                let mut out = vec![9; want.len()];
                isa.enter(ArgReduce { out: &mut out, x: &x, outer, len, inner, largest, last });
                assert_eq!(
                    out,
                    want,
                    "{outer} {len} {inner} largest {largest} last {last} nan {nan} on {}",
                    isa.name()
                );
            }
            for k in [0, 1, 2, 5, len / 2, len] {
                if k > len {
                    continue;
                }
                let mut values = vec![0.0; outer * k * inner];
                let mut indices = vec![0; outer * k * inner];
                for [o, i] in indices_of([outer, inner]) {
                    let lane = lane(o, i);
                    let mut order = (0..len).collect::<Vec<_>>();
                    let compare = |a: f32, b: f32| {
                        if above(a, b) {
                            std::cmp::Ordering::Greater
                        } else if above(b, a) {
                            std::cmp::Ordering::Less
                        } else {
                            std::cmp::Ordering::Equal
                        }
                    };
                    order.sort_by(|&a, &b| if largest { compare(lane[b], lane[a]) } else { compare(lane[a], lane[b]) });
                    for j in 0..k {
                        values[(o * k + j) * inner + i] = lane[order[j]];
                        indices[(o * k + j) * inner + i] = order[j] as i64;
                    }
                }
                for isa in isas() {
                    let (mut got, mut got_indices) = (vec![9.0; values.len()], vec![9; values.len()]);
                    isa.enter(TopK {
                        values: &mut got,
                        indices: &mut got_indices,
                        x: &x,
                        outer,
                        len,
                        inner,
                        k,
                        largest,
                        sorted: last,
                    });
                    if !last && inner == 1 && k > 0 {
                        let mut pairs = got.iter().copied().zip(got_indices.iter().copied()).collect::<Vec<_>>();
                        for (pairs, order) in pairs.chunks_mut(k).zip(indices.chunks(k)) {
                            pairs.sort_by_key(|&(_, index)| order.iter().position(|&i| i == index));
                        }
                        (got, got_indices) = pairs.into_iter().unzip();
                    } else if !last {
                        continue;
                    }
                    assert_eq!(
                        got_indices,
                        indices,
                        "{outer} {len} {inner} k {k} largest {largest} nan {nan} on {}",
                        isa.name()
                    );
                    assert!(got.iter().zip(&values).all(|(a, b)| a == b || (a.is_nan() && b.is_nan())));
                }
            }
        }
    }
}

#[test]
fn sums_cumulatively() {
    for (outer, len, inner) in [(1, 1, 1), (2, 7, 1), (3, 4, 5), (1, 6, 33), (0, 1, 1), (1, 0, 2), (2, 3, 0)] {
        for bits in 0..4 {
            let (exclusive, reverse) = (bits & 1 != 0, bits & 2 != 0);
            let x = counting(outer * len * inner);
            let want = indices_of([outer, len, inner])
                .map(|[o, j, i]| {
                    let counts =
                        |other: usize| (other == j && !exclusive) || if reverse { other > j } else { other < j };
                    (0..len).filter(|&other| counts(other)).map(|other| x[(o * len + other) * inner + i]).sum::<u32>()
                })
                .collect::<Vec<_>>();
            for isa in isas() {
                let mut out = vec![9; want.len()];
                isa.enter(Cumulative { out: &mut out, x: &x, outer, len, inner, exclusive, reverse });
                assert_eq!(
                    out,
                    want,
                    "{outer} {len} {inner} exclusive {exclusive} reverse {reverse} on {}",
                    isa.name()
                );
            }
        }
    }
}

#[test]
fn keeps_triangles_and_makes_eyes() {
    for (batch, rows, cols) in [(1, 4, 4), (2, 3, 6), (3, 5, 2), (1, 0, 3), (1, 3, 0), (0, 2, 2)] {
        for k in [-9, -2, -1, 0, 1, 3, 9, i64::MAX, i64::MIN] {
            for upper in [false, true] {
                let x = counting(batch * rows * cols);
                let diagonal = |i: usize, j: usize| j as i128 - i as i128 - i128::from(k);
                let keeps = |i, j| if upper { diagonal(i, j) >= 0 } else { diagonal(i, j) <= 0 };
                let want = indices_of([batch, rows, cols])
                    .zip(&x)
                    .map(|([_, i, j], &x)| if keeps(i, j) { x } else { 0 })
                    .collect::<Vec<_>>();
                let eye =
                    indices_of([rows, cols]).map(|[i, j]| f32::from(u8::from(diagonal(i, j) == 0))).collect::<Vec<_>>();
                for isa in isas() {
                    let mut out = vec![9; want.len()];
                    isa.enter(Trilu { out: &mut out, x: &x, batch, rows, cols, k, upper });
                    assert_eq!(out, want, "{batch} {rows} {cols} {k} upper {upper} on {}", isa.name());
                    let mut out = vec![9.0; rows * cols];
                    isa.enter(Eye { out: &mut out, rows, cols, k });
                    assert_eq!(out, eye);
                }
            }
        }
    }
}

#[test]
fn finds_what_is_not_zero() {
    fn check<const R: usize>(dims: [usize; R]) {
        let x = (0..dims.iter().product::<usize>()).map(|i| (i * 5 % 3) as f32).collect::<Vec<_>>();
        let found = indices_of(dims).zip(&x).filter(|(_, x)| **x != 0.0).map(|(index, _)| index).collect::<Vec<_>>();
        let want = (0..R).flat_map(|r| found.iter().map(move |index| index[r] as i64)).collect::<Vec<_>>();
        for isa in isas() {
            let mut out = vec![9; want.len() + 2];
            let count = isa.enter(NonZero { out: &mut out, x: &x, dims });
            assert_eq!((count, isa.enter(CountNonZero { x: &x })), (found.len(), found.len()));
            assert_eq!(out[..want.len()], want, "{dims:?} on {}", isa.name());
            assert_eq!(out[want.len()..], [9, 9]);
        }
    }
    check([]);
    check([10]);
    check([3, 5]);
    check([2, 0, 3]);
    check([2, 3, 4]);
}

#[test]
fn keeps_what_a_condition_selects() {
    for (outer, axis_len, inner, n) in
        [(1, 6, 1, 6), (2, 5, 3, 4), (3, 4, 40, 4), (1, 3, 2, 0), (0, 3, 2, 3), (2, 2, 0, 2)]
    {
        let x = counting(outer * axis_len * inner);
        let condition = (0..n).map(|i| u8::from(i % 3 != 1)).collect::<Vec<_>>();
        let want = indices_of([outer, axis_len, inner])
            .zip(&x)
            .filter(|([_, j, _], _)| condition.get(*j) == Some(&1))
            .map(|(_, &x)| x)
            .collect::<Vec<_>>();
        for isa in isas() {
            let mut out = vec![9; x.len()];
            let count = isa.enter(Compress { out: &mut out, x: &x, condition: &condition, outer, axis_len, inner });
            assert_eq!(count, condition.iter().filter(|&&keep| keep == 1).count());
            assert_eq!(out[..want.len()], want);
        }
    }
}

#[test]
fn counts_from_start_to_limit() {
    for isa in isas() {
        let (mut integers, mut floats) = ([0i64; 5], [0f32; 4]);
        isa.enter(Range { out: &mut integers, start: 10, delta: -3 });
        isa.enter(Range { out: &mut floats, start: 1.0, delta: 0.5 });
        assert_eq!((integers, floats), ([10, 7, 4, 1, -2], [1.0, 1.5, 2.0, 2.5]));
    }
}

#[test]
fn reverses_beginnings() {
    for (batch, time, inner) in [(1, 4, 1), (3, 5, 2), (2, 3, 40), (0, 3, 1), (2, 0, 1), (2, 3, 0)] {
        for time_first in [false, true] {
            let x = counting(batch * time * inner);
            let lens = (0..batch).map(|b| (b * 2 % (time + 1)) as i64).collect::<Vec<_>>();
            let position = |b: usize, t: usize, i: usize| {
                if time_first { (t * batch + b) * inner + i } else { (b * time + t) * inner + i }
            };
            let mut want = x.clone();
            for [b, t, i] in indices_of([batch, time, inner]) {
                let len = lens[b] as usize;
                want[position(b, t, i)] = x[position(b, if t < len { len - 1 - t } else { t }, i)];
            }
            for isa in isas() {
                let mut out = vec![9; want.len()];
                isa.enter(ReverseSequence { out: &mut out, x: &x, lens: &lens, batch, time, inner, time_first });
                assert_eq!(out, want, "{batch} {time} {inner} {time_first} on {}", isa.name());
            }
        }
    }
}

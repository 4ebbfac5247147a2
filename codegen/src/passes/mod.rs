//! The passes, in order. Each takes a graph and gives a better one; the contract is checked between them in debug builds.

mod drop_subnormals;
mod eliminate_transposes;
mod fuse_affine;
mod fuse_attention;
mod fuse_epilogues;
mod fuse_maps;
mod fuse_separable;
mod materialise_outputs;
mod merge_duplicates;
mod order;
mod read_planes;
mod remove_dead;
mod rewrite;
mod scale_weights;
mod view;

use crate::ir::Graph;

type Pass = fn(&Graph) -> Result<Graph, String>;

/// Name and function of each pass, in the order they run.
const PASSES: &[(&str, Pass)] = &[
    ("remove_dead", remove_dead::remove_dead),
    ("merge_duplicates", merge_duplicates::merge_duplicates),
    // First of the fusions: convolutions and what follows them meet only once the transposes between them are gone.
    ("eliminate_transposes", eliminate_transposes::eliminate_transposes),
    // Before fuse_maps: a batch normalisation that has met its activation is no longer affine.
    ("fuse_affine", fuse_affine::fuse_affine),
    // After fuse_affine: products of small weights and scales may be subnormal.
    ("drop_subnormals", drop_subnormals::drop_subnormals),
    ("fuse_maps", fuse_maps::fuse_maps),
    // After fuse_maps, so that scale and mask are one map; before fuse_epilogues, which would take it into the product.
    ("fuse_attention", fuse_attention::fuse_attention),
    // After fuse_maps: one expression goes into the epilogue, not the first of a chain.
    ("fuse_epilogues", fuse_epilogues::fuse_epilogues),
    ("read_planes", read_planes::read_planes),
    // After fuse_epilogues: convolutions meet only once nothing stands between them. After read_planes: the first of them may
    // read planes.
    ("fuse_separable", fuse_separable::fuse_separable),
    // After fuse_epilogues: until then what scales may be on its way into another expression.
    ("scale_weights", scale_weights::scale_weights),
    ("merge_duplicates", merge_duplicates::merge_duplicates),
    ("remove_dead", remove_dead::remove_dead),
    // Last: it makes copies that any other pass would take away again.
    ("materialise_outputs", materialise_outputs::materialise_outputs),
];

/// Runs all passes; an error is a bug in one of them, and names it.
pub fn run(graph: &mut Graph) -> Result<(), String> {
    verify(graph, "the front end")?;
    for inner in graph.graphs_mut() {
        run(inner)?;
    }
    for (name, pass) in PASSES {
        *graph = pass(graph).map_err(|message| format!("pass {name}: {message}; this is a bug in kiln"))?;
        verify(graph, name)?;
    }
    Ok(())
}

fn verify(graph: &Graph, after: &str) -> Result<(), String> {
    if cfg!(debug_assertions) {
        graph.verify().map_err(|message| format!("after {after}: {message}; this is a bug in kiln"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    //! Every pass keeps what a graph computes: checked against the interpreter on graphs that give each pass something to do.

    use super::*;
    use crate::eval::eval;
    use crate::ir::{Bounds, DType, Dim, Tensor, Type, ValueId};
    use crate::ops::arg_reduce::ArgReduce;
    use crate::ops::conv::{Conv, Reads};
    use crate::ops::map::{Binary, Map, Unary};
    use crate::ops::matmul::MatMul;
    use crate::ops::reduce::{Reduce, ReduceKind};
    use crate::ops::reshape::Reshape;
    use crate::ops::resize::{Coordinates, Resize, ResizeAxis, ResizeMode};
    use crate::ops::slice::{Slice, SliceAxis};
    use crate::ops::softmax::Softmax;
    use crate::ops::transpose::Transpose;
    use crate::ops::{Op, concat::Concat};
    use std::collections::BTreeMap;

    fn numbers(n: usize, seed: u64) -> Vec<f64> {
        let mut state = seed * 2 + 1;
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                f64::from((state >> 40) as f32 / (1 << 24) as f32 - 0.5)
            })
            .collect()
    }

    fn tensor(shape: &[usize], seed: u64) -> Tensor {
        Tensor::from_f64s(DType::F32, shape.to_vec(), &numbers(shape.iter().product(), seed))
    }

    fn unary(op: Unary) -> Map {
        let mut map = Map::of(&[DType::F32]);
        let result = map.unary(op, 0);
        map.finish(result)
    }

    fn binary(op: Binary) -> Map {
        let mut map = Map::of(&[DType::F32, DType::F32]);
        let result = map.binary(op, 0, 1);
        map.finish(result)
    }

    fn relu() -> Map {
        let mut map = Map::of(&[DType::F32]);
        let zero = map.number(0.0, DType::F32);
        let result = map.binary(Binary::Max, 0, zero);
        map.finish(result)
    }

    struct Builder(Graph);

    impl Builder {
        fn new() -> Builder {
            Builder(Graph::new("test", Bounds::new()))
        }
        fn input(&mut self, name: &str, shape: &[usize]) -> ValueId {
            self.0.add_input(name, Type::new(DType::F32, shape.iter().copied()))
        }
        fn constant(&mut self, shape: &[usize], seed: u64) -> ValueId {
            self.0.add_const("constant", tensor(shape, seed))
        }
        fn node(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> ValueId {
            let name = format!("node{}", self.0.nodes().len());
            self.0.add_node1(&name, op, inputs).unwrap()
        }
        fn transpose(&mut self, x: ValueId, perm: &[usize]) -> ValueId {
            self.node(Transpose { perm: perm.to_vec() }, &[x])
        }
        fn conv(&mut self, x: ValueId, c_in: usize, c_out: usize, seed: u64) -> ValueId {
            let w = self.constant(&[c_out, c_in, 3, 3], seed);
            let x = self.transpose(x, &[0, 2, 3, 1]);
            let conv = Conv {
                stride: vec![1, 1],
                dilation: vec![1, 1],
                pads: vec![(1, 1), (1, 1)],
                groups: 1,
                bias: false,
                reads: Reads::Pixels,
                epilogue: None,
            };
            let y = self.node(conv, &[x, w]);
            self.transpose(y, &[0, 3, 1, 2])
        }
        /// The graph with `outputs`, its passes run, checked against itself before them.
        fn check(mut self, outputs: &[ValueId]) -> Graph {
            self.0.outputs = outputs.iter().enumerate().map(|(i, &id)| (format!("out{i}"), id)).collect();
            let mut after = self.0.clone();
            run(&mut after).unwrap();
            let inputs: BTreeMap<String, Tensor> = self
                .0
                .inputs
                .iter()
                .enumerate()
                .map(|(i, &id)| (self.0.value(id).name.clone(), tensor(&self.0.ty(id).dims().unwrap(), 100 + i as u64)))
                .collect();
            let (want, got) = (eval(&self.0, &inputs).unwrap(), eval(&after, &inputs).unwrap());
            assert_eq!(want.len(), outputs.len());
            for (name, want) in &want {
                assert_eq!(got[name].shape(), want.shape());
                for (g, w) in got[name].to_f64s().iter().zip(want.to_f64s()) {
                    assert!((g - w).abs() <= 1e-5 * w.abs().max(1.0), "{name}: {g} against {w}\n{after}");
                }
            }
            after
        }
    }

    fn count(graph: &Graph, name: &str) -> usize {
        graph.nodes().iter().filter(|node| node.op.name() == name).count()
    }

    #[test]
    fn sizes_with_no_data_behind_them_cost_no_memory() {
        let mut builder = Builder::new();
        let x = builder.input("x", &[1, 1 << 38]);
        let shifted = builder.constant(&[1], 1);
        let y = builder.node(binary(Binary::Add), &[x, shifted]);
        let z = builder.node(binary(Binary::Mul), &[y, shifted]);
        builder.0.outputs = vec![("z".into(), z)];
        run(&mut builder.0).unwrap();
        assert_eq!(builder.0.ty(builder.0.outputs[0].1).len(), Dim::from(1i64 << 38));
    }

    #[test]
    fn a_residual_block_becomes_convolutions_with_epilogues() {
        let mut b = Builder::new();
        let x = b.input("x", &[1, 4, 6, 5]);
        let scale = b.constant(&[4, 1, 1], 7);
        let first = b.conv(x, 4, 4, 1);
        let scaled = b.node(binary(Binary::Mul), &[first, scale]);
        let active = b.node(relu(), &[scaled]);
        let second = b.conv(active, 4, 4, 2);
        let sum = b.node(binary(Binary::Add), &[second, x]);
        let out = b.node(relu(), &[sum]);
        let after = b.check(&[out]);
        assert_eq!(count(&after, "Conv"), 2);
        assert_eq!(count(&after, "Map"), 0, "{after}");
        // Into channels-last and out of it again.
        assert_eq!(count(&after, "Transpose"), 2, "{after}");
    }

    #[test]
    fn an_inverted_residual_block_is_one_node() {
        let mut b = Builder::new();
        let x = b.input("x", &[1, 128, 128, 3]);
        let conv = |b: &mut Builder, x: ValueId, weight: [usize; 4], groups: usize, stride: usize| {
            let (w, bias) = (b.constant(&weight, stride as u64), b.constant(&weight[..1], 2));
            let pad = weight[3] / 2;
            let (stride, dilation, pads) = (vec![stride; 2], vec![1; 2], vec![(pad, pad); 2]);
            b.node(
                Conv { stride, dilation, pads, groups, bias: true, reads: Reads::Pixels, epilogue: None },
                &[x, w, bias],
            )
        };
        let expanded = conv(&mut b, x, [16, 3, 1, 1], 1, 1);
        let active = b.node(relu(), &[expanded]);
        let middle = conv(&mut b, active, [16, 1, 3, 3], 16, 1);
        let scale = b.constant(&[16], 3);
        let scaled = b.node(binary(Binary::Mul), &[middle, scale]);
        let out = conv(&mut b, scaled, [3, 16, 1, 1], 1, 1);
        let sum = b.node(binary(Binary::Add), &[out, x]);
        // Little ones stay near as they are.
        let small = b.input("small", &[1, 9, 9, 16]);
        let small = conv(&mut b, small, [16, 1, 3, 3], 16, 2);
        let small = conv(&mut b, small, [3, 16, 1, 1], 1, 1);
        let after = b.check(&[sum, small]);
        assert_eq!((count(&after, "Separable"), count(&after, "Conv"), count(&after, "Map")), (1, 2, 0), "{after}");
    }

    #[test]
    fn squeeze_and_excite_needs_no_transposes_inside() {
        let mut b = Builder::new();
        let x = b.input("x", &[1, 4, 6, 6]);
        let features = b.conv(x, 4, 8, 1);
        let pooled = b.node(Reduce { kind: ReduceKind::Mean, axes: vec![2, 3], keep: true }, &[features]);
        let gate = b.conv(pooled, 8, 8, 2);
        let gate = b.node(unary(Unary::Sigmoid), &[gate]);
        let scaled = b.node(binary(Binary::Mul), &[features, gate]);
        let joined = b.node(Concat { axis: 1 }, &[scaled, features]);
        let after = b.check(&[joined]);
        // Out of channels-last; the first convolution reads planes.
        assert_eq!(count(&after, "Transpose"), 1, "{after}");
    }

    #[test]
    fn windows_that_see_much_of_a_picture_do_not_read_planes() {
        let reads = |dilation: usize, stride: usize| {
            let mut b = Builder::new();
            let planes = b.input("x", &[1, 3, 70, 9]);
            let (x, w) = (b.transpose(planes, &[0, 2, 3, 1]), b.constant(&[4, 3, 2, 2], 1));
            let (stride, dilation, pads) = (vec![stride, 1], vec![dilation, 1], vec![(0, 0); 2]);
            let conv = Conv { stride, dilation, pads, groups: 1, bias: false, reads: Reads::Pixels, epilogue: None };
            let y = b.node(conv, &[x, w]);
            let after = b.check(&[y]);
            after
                .nodes()
                .iter()
                .filter(|node| matches!(&node.op, Op::Conv(conv) if conv.reads == Reads::Planes))
                .count()
        };
        assert_eq!([reads(63, 1), reads(64, 1), reads(1, 64), reads(1, 65)], [1, 0, 1, 0]);
    }

    #[test]
    fn squeeze_and_excite_scales_weights() {
        let mut b = Builder::new();
        let (x, residual) = (b.input("x", &[1, 7, 6, 20]), b.input("residual", &[1, 7, 6, 5]));
        let pooled = b.node(Reduce { kind: ReduceKind::Mean, axes: vec![1, 2], keep: true }, &[x]);
        let gate = b.node(unary(Unary::Sigmoid), &[pooled]);
        let scaled = b.node(binary(Binary::Mul), &[gate, x]);
        let (w, bias) = (b.constant(&[5, 20, 1, 1], 1), b.constant(&[5], 2));
        let conv = |bias| Conv {
            stride: vec![1; 2],
            dilation: vec![1; 2],
            pads: vec![(0, 0); 2],
            groups: 1,
            bias,
            reads: Reads::Pixels,
            epilogue: None,
        };
        let y = b.node(conv(true), &[scaled, w, bias]);
        let y = b.node(binary(Binary::Add), &[y, residual]);
        // More results than pixels.
        let wide = b.constant(&[50, 20, 1, 1], 3);
        let twice = b.node(binary(Binary::Mul), &[x, gate]);
        let z = b.node(conv(false), &[twice, wide]);
        let after = b.check(&[y, z]);
        assert_eq!(count(&after, "Conv"), 2, "{after}");
        // The gate, and the product that the wide one reads.
        assert_eq!(count(&after, "Map"), 2, "{after}");
        let mut b = Builder::new();
        let (x, gate) = (b.input("x", &[1, 7, 6, 20]), b.input("gate", &[1, 1, 1, 20]));
        let scaled = b.node(binary(Binary::Mul), &[gate, x]);
        let w = b.constant(&[5, 20, 1, 1], 1);
        let y = b.node(conv(false), &[scaled, w]);
        let y = b.node(relu(), &[y]);
        let after = b.check(&[y]);
        assert_eq!((count(&after, "Conv"), count(&after, "Map")), (1, 0), "{after}");
    }

    #[test]
    fn swapped_operands_of_a_product_are_read_as_they_are() {
        let mut b = Builder::new();
        let (q, k) = (b.input("q", &[2, 3, 5, 4]), b.input("k", &[2, 5, 3, 4]));
        let k = b.transpose(k, &[0, 2, 3, 1]);
        let scores = b.node(MatMul::default(), &[q, k]);
        let bias = b.constant(&[5], 3);
        let out = b.node(binary(Binary::Add), &[scores, bias]);
        b.check(&[out, scores]);
        let mut b = Builder::new();
        let (q, k) = (b.input("q", &[3, 5, 4]), b.input("k", &[3, 6, 4]));
        let k = b.transpose(k, &[0, 2, 1]);
        let out = b.node(MatMul::default(), &[q, k]);
        let after = b.check(&[out]);
        assert_eq!(count(&after, "Transpose"), 0, "{after}");
    }

    #[test]
    fn transposes_vanish_across_a_squeeze() {
        let mut b = Builder::new();
        let x = b.input("x", &[1, 4, 1, 9]);
        let y = b.conv(x, 4, 6, 1);
        let y = b.node(Reshape { shape: [1, 6, 9].map(Dim::from).to_vec() }, &[y]);
        let bias = b.constant(&[6, 1], 3);
        let y = b.node(binary(Binary::Add), &[y, bias]);
        let pooled = b.node(Reduce { kind: ReduceKind::Max, axes: vec![2], keep: false }, &[y]);
        let after = b.check(&[pooled]);
        assert_eq!(count(&after, "Transpose"), 0, "{after}");
    }

    #[test]
    fn a_picture_is_put_in_order_before_it_is_enlarged_for_an_output() {
        let enlarge = |to: i64| {
            let axis = |axis: usize| ResizeAxis { axis, size: Dim::from(to), scale: None, roi: (0.0, 1.0) };
            let (mode, coordinates) = (ResizeMode::Linear { antialias: false }, Coordinates::HalfPixel);
            Resize { axes: vec![axis(2), axis(3)], mode, coordinates, extrapolation: 0.0 }
        };
        let mut b = Builder::new();
        let x = b.input("x", &[1, 4, 6, 6]);
        let features = b.conv(x, 4, 5, 1);
        let large = b.node(enlarge(24), &[features]);
        let given = b.node(unary(Unary::Sigmoid), &[large]);
        // What a convolution reads stays as convolutions have it.
        let y = b.input("y", &[1, 4, 6, 6]);
        let features = b.conv(y, 4, 5, 2);
        let large = b.node(enlarge(12), &[features]);
        let read = b.conv(large, 5, 5, 3);
        let after = b.check(&[given, read]);
        let transposed: Vec<usize> = after
            .nodes()
            .iter()
            .filter(|node| node.op.name() == "Transpose")
            .filter_map(|node| after.ty(node.inputs[0]).len().as_usize())
            .collect();
        assert_eq!(transposed, [5 * 6 * 6, 5 * 12 * 12], "{after}");
    }

    #[test]
    fn transposes_vanish_where_pictures_become_tokens_and_back() {
        let mut b = Builder::new();
        let x = b.input("x", &[1, 20, 4]);
        let tokens = |b: &mut Builder, x: ValueId| {
            let rows = b.node(Reshape { shape: [1, 4, 20].map(Dim::from).to_vec() }, &[x]);
            b.transpose(rows, &[0, 2, 1])
        };
        let picture = |b: &mut Builder, x: ValueId| {
            let columns = b.transpose(x, &[0, 2, 1]);
            b.node(Reshape { shape: [1, 4, 5, 4].map(Dim::from).to_vec() }, &[columns])
        };
        let y = picture(&mut b, x);
        let y = b.conv(y, 4, 4, 1);
        let y = tokens(&mut b, y);
        let y = b.node(Softmax { axis: 2, log: false }, &[y]);
        let y = picture(&mut b, y);
        let y = b.conv(y, 4, 4, 2);
        let y = tokens(&mut b, y);
        let after = b.check(&[y]);
        assert_eq!(count(&after, "Transpose"), 0, "{after}");
    }

    #[test]
    fn axes_that_do_not_lie_together_are_joined_after_a_transpose() {
        let mut b = Builder::new();
        let x = b.input("x", &[2, 3, 4, 5]);
        let y = b.transpose(x, &[0, 2, 3, 1]);
        let split = b.node(Reshape { shape: [2, 2, 2, 5, 3, 1].map(Dim::from).to_vec() }, &[y]);
        let split = b.node(relu(), &[split]);
        let joined = b.node(Reshape { shape: [2, 2, 2, 15].map(Dim::from).to_vec() }, &[split]);
        let after = b.check(&[split, joined]);
        assert_eq!(count(&after, "Transpose"), 1, "{after}");
    }

    #[test]
    fn channels_are_shuffled_where_they_lie() {
        let mut b = Builder::new();
        let x = b.input("x", &[1, 8, 5, 5]);
        let mut y = b.conv(x, 8, 8, 1);
        let part = |b: &mut Builder, x: ValueId, start: i64| {
            let axes = [(0, 1), (start, 4), (0, 5), (0, 5)];
            let axes = axes.map(|(start, len)| SliceAxis { start: Dim::from(start), step: 1, len: Dim::from(len) });
            b.node(Slice { axes: axes.to_vec() }, &[x])
        };
        for seed in 2..4 {
            let (left, right) = (part(&mut b, y, 0), part(&mut b, y, 4));
            let right = b.conv(right, 4, 4, seed);
            let joined = b.node(Concat { axis: 1 }, &[left, right]);
            let halves = b.node(Reshape { shape: [1, 2, 4, 5, 5].map(Dim::from).to_vec() }, &[joined]);
            let shuffled = b.transpose(halves, &[0, 2, 1, 3, 4]);
            y = b.node(Reshape { shape: [1, 8, 5, 5].map(Dim::from).to_vec() }, &[shuffled]);
        }
        let pooled = b.node(Reduce { kind: ReduceKind::Mean, axes: vec![2, 3], keep: false }, &[y]);
        let greatest = b.node(ArgReduce { axis: 1, largest: true, last: false, keep: false }, &[y]);
        let gate = b.node(Reduce { kind: ReduceKind::Max, axes: vec![1], keep: true }, &[y]);
        let gated = b.node(binary(Binary::Mul), &[y, gate]);
        let odds = b.node(Softmax { axis: 1, log: false }, &[gated]);
        let all = b.node(Reduce { kind: ReduceKind::Max, axes: vec![1, 2], keep: false }, &[odds]);
        let after = b.check(&[pooled, greatest, all]);
        // Into channels-last, of each half after the first shuffle, of the means, and of what ArgReduce and Softmax read in order.
        assert_eq!(count(&after, "Transpose"), 5, "{after}");
    }

    #[test]
    fn outputs_are_always_written() {
        let mut b = Builder::new();
        let x = b.input("x", &[2, 3]);
        let c = b.constant(&[2], 5);
        b.check(&[x, c, x]);
    }

    #[test]
    fn a_shared_value_is_computed_once() {
        let mut b = Builder::new();
        let x = b.input("x", &[2, 3]);
        let (one, two) = (b.node(unary(Unary::Exp), &[x]), b.node(unary(Unary::Exp), &[x]));
        let sum = b.node(binary(Binary::Add), &[one, two]);
        let after = b.check(&[sum, one]);
        assert_eq!(count(&after, "Map"), 2, "{after}");
    }

    #[test]
    fn reductions_of_transposed_values_keep_their_axes() {
        let mut b = Builder::new();
        let x = b.input("x", &[2, 3, 4, 5]);
        let t = b.transpose(x, &[2, 0, 3, 1]);
        let sum = b.node(Reduce { kind: ReduceKind::Sum, axes: vec![1, 2], keep: false }, &[t]);
        let max = b.node(Reduce { kind: ReduceKind::Max, axes: vec![0], keep: true }, &[t]);
        b.check(&[sum, max]);
    }

    /// `x` with 12 columns as three heads of four, `perm` their order.
    fn heads(b: &mut Builder, x: ValueId, perm: &[usize]) -> ValueId {
        let [batch, rows] = [0, 1].map(|axis| b.0.ty(x).shape[axis].clone());
        let x = b.node(Reshape { shape: vec![batch, rows, Dim::from(3), Dim::from(4)] }, &[x]);
        b.transpose(x, perm)
    }

    fn times(by: f64) -> Map {
        let mut map = Map::of(&[DType::F32]);
        let by = map.number(by, DType::F32);
        let result = map.binary(Binary::Mul, 0, by);
        map.finish(result)
    }

    #[test]
    fn attention_reads_and_writes_what_lies_between_projections() {
        let mut b = Builder::new();
        let (x, z) = (b.input("x", &[2, 5, 12]), b.input("z", &[2, 7, 12]));
        let mask = b.input("mask", &[2, 1, 1, 7]);
        let (q, k) = (heads(&mut b, x, &[0, 2, 1, 3]), heads(&mut b, z, &[0, 2, 3, 1]));
        let v = heads(&mut b, z, &[0, 2, 1, 3]);
        let q = b.node(times(0.5), &[q]);
        let scores = b.node(MatMul::default(), &[q, k]);
        let scores = b.node(times(0.75), &[scores]);
        let scores = b.node(binary(Binary::Add), &[mask, scores]);
        let weights = b.node(Softmax { axis: 3, log: false }, &[scores]);
        let out = b.node(MatMul::default(), &[weights, v]);
        let out = b.transpose(out, &[0, 2, 1, 3]);
        let out = b.node(Reshape { shape: [2, 5, 12].map(Dim::from).to_vec() }, &[out]);
        let after = b.check(&[out]);
        assert_eq!(count(&after, "Attention"), 1, "{after}");
        assert_eq!(after.nodes().len(), 2, "{after}");
    }

    #[test]
    fn attention_stays_in_parts_where_a_part_is_read() {
        let mut b = Builder::new();
        let (q, v) = (b.input("q", &[3, 5, 4]), b.input("v", &[3, 5, 6]));
        let k = b.transpose(q, &[0, 2, 1]);
        let scores = b.node(MatMul::default(), &[q, k]);
        let weights = b.node(Softmax { axis: 2, log: false }, &[scores]);
        let out = b.node(MatMul::default(), &[weights, v]);
        let after = b.check(&[out, weights]);
        assert_eq!(count(&after, "Attention"), 0, "{after}");
    }

    #[test]
    fn a_scale_below_zero_or_after_a_mask_is_no_attention() {
        for (first, second) in [(-0.5, 1.0), (0.5, 2.0)] {
            let mut b = Builder::new();
            let (q, k, mask) = (b.input("q", &[3, 5, 4]), b.input("k", &[3, 4, 6]), b.input("mask", &[5, 6]));
            let v = b.input("v", &[3, 6, 4]);
            let scores = b.node(MatMul::default(), &[q, k]);
            let scores = b.node(times(first), &[scores]);
            let scores = b.node(binary(Binary::Add), &[scores, mask]);
            let scores = b.node(times(second), &[scores]);
            let weights = b.node(Softmax { axis: 2, log: false }, &[scores]);
            let out = b.node(MatMul::default(), &[weights, v]);
            let after = b.check(&[out]);
            assert_eq!(count(&after, "Attention"), 0, "{after}");
        }
    }

    #[test]
    fn masks_of_windows_are_added_where_the_batch_is_cut() {
        let mut b = Builder::new();
        let (q, k, v) = (b.input("q", &[6, 3, 5, 4]), b.input("k", &[6, 3, 4, 5]), b.input("v", &[6, 3, 5, 4]));
        let (bias, mask) = (b.constant(&[1, 3, 5, 5], 4), b.constant(&[1, 2, 1, 5, 5], 5));
        let scores = b.node(MatMul::default(), &[q, k]);
        let scores = b.node(binary(Binary::Add), &[scores, bias]);
        let scores = b.node(Reshape { shape: [3, 2, 3, 5, 5].map(Dim::from).to_vec() }, &[scores]);
        let scores = b.node(binary(Binary::Add), &[scores, mask]);
        let scores = b.node(Reshape { shape: [6, 3, 5, 5].map(Dim::from).to_vec() }, &[scores]);
        let weights = b.node(Softmax { axis: 3, log: false }, &[scores]);
        let out = b.node(MatMul::default(), &[weights, v]);
        let out = b.transpose(out, &[0, 2, 1, 3]);
        let after = b.check(&[out]);
        assert_eq!(count(&after, "Attention"), 1, "{after}");
        assert_eq!(count(&after, "Transpose"), 0, "{after}");
    }
}

//! Random numbers. An element is a hash of its place and the node's seed, so that a model gives the same numbers in every run and
//! on every machine; a node without a seed has a fixed one of its own.

use super::cx::{Cx, Results, one};
use super::reduce::softmax_along;
use crate::ir::{DType, Dim, Shape, ValueId};
use crate::ops::cum_sum::CumSum;
use crate::ops::map::{Binary, Map, Unary};
use crate::ops::range::Range;
use crate::ops::reduce::{Reduce, ReduceKind};

/// Two words that tell the numbers of one node from those of another.
type Seed = [u32; 2];

/// RandomUniform, RandomNormal and their Like forms.
pub fn random(cx: &mut Cx) -> Results {
    let kind = cx.node.op_type.clone();
    let (shape, like) = match kind.ends_with("Like") {
        true => {
            let ty = cx.ty(cx.input(0)?);
            (ty.shape, ty.dtype)
        }
        false => {
            let shape = cx.int_list("shape").ok_or("its shape is missing")?;
            if shape.iter().any(|&size| size < 0) {
                return Err(format!("its shape {shape:?} has a negative size"));
            }
            (shape.into_iter().map(Dim::from).collect(), DType::F32)
        }
    };
    let dtype = if cx.has("dtype") { cx.stated_by("dtype", 1)? } else { like };
    if !dtype.is_float() {
        return Err(format!("random numbers of {dtype} are not supported\nhelp: f32 and f64 are"));
    }
    let seed = seed(cx);
    let (numbers, scale, shift) = if kind.starts_with("RandomNormal") {
        (normal(cx, &shape, seed)?, cx.float("scale", 1.0), cx.float("mean", 0.0))
    } else {
        let (low, high) = (cx.float("low", 0.0), cx.float("high", 1.0));
        (uniform(cx, &shape, seed)?, high - low, low)
    };
    one(cx.map1(numbers, |map, x| {
        let x = map.cast(x, dtype);
        let (scale, shift) = (map.number(f64::from(scale), dtype), map.number(f64::from(shift), dtype));
        let scaled = map.binary(Binary::Mul, x, scale);
        map.binary(Binary::Add, scaled, shift)
    })?)
}

/// Bernoulli: whether a random number is below each probability.
pub fn bernoulli(cx: &mut Cx) -> Results {
    let p = cx.input(0)?;
    let ty = cx.ty(p);
    let dtype = if cx.has("dtype") { cx.stated_by("dtype", 1)? } else { ty.dtype };
    let seed = seed(cx);
    let numbers = uniform(cx, &ty.shape, seed)?;
    let mut map = Map::of(&[DType::F32, ty.dtype]);
    let number = map.cast(0, ty.dtype);
    let hit = map.binary(Binary::Lt, number, 1);
    let result = map.cast(hit, dtype);
    one(cx.add(map.finish(result), &[numbers, p])?)
}

/// Multinomial: classes drawn by the logarithms of their weights, `[batch, classes]`.
pub fn multinomial(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let ty = cx.ty(x);
    let [batch, classes] = ty.shape.as_slice() else { return Err(format!("{ty} is not [batch, classes]")) };
    let samples = cx.int("sample_size", 1);
    if samples < 1 {
        return Err(format!("its sample_size of {samples} is not positive"));
    }
    let dtype = cx.stated_by("dtype", 6)?;
    let weights = softmax_along(cx, x, 1, false)?;
    let sums = cx.add(CumSum { axis: 1, exclusive: false, reverse: false }, &[weights])?;
    let sums = cx.reshape(sums, vec![batch.clone(), Dim::from(1), classes.clone()])?;
    let seed = seed(cx);
    let numbers = uniform(cx, &vec![batch.clone(), Dim::from(samples), Dim::from(1)], seed)?;
    // The class is the number of sums not above; rounding may leave the last sum below one.
    let last = fixed_count(classes)? - 1;
    let mut map = Map::of(&[DType::F32, ty.dtype]);
    let number = map.cast(0, ty.dtype);
    let passed = map.binary(Binary::Le, 1, number);
    let passed = map.cast(passed, DType::I64);
    let passed = cx.add(map.finish(passed), &[numbers, sums])?;
    let count = cx.add(Reduce { kind: ReduceKind::Sum, axes: vec![2], keep: false }, &[passed])?;
    one(cx.map1(count, |map, count| {
        let last = map.number(last as f64, DType::I64);
        let class = map.binary(Binary::Min, count, last);
        map.cast(class, dtype)
    })?)
}

fn fixed_count(classes: &Dim) -> Result<i64, String> {
    let count = classes.as_const().filter(|&n| n > 0);
    count.ok_or_else(|| format!("{classes} classes are not supported; a fixed number above 0 is"))
}

/// The node's seed, or one that no other node without a seed has.
fn seed(cx: &Cx) -> Seed {
    let word = match cx.has("seed") {
        true => cx.float("seed", 0.0).to_bits(),
        false => !(cx.im.graph.nodes().len() as u32),
    };
    [mixed(word), mixed(word ^ 0x5bd1_e995)]
}

/// The finaliser of MurmurHash3.
fn mixed(mut x: u32) -> u32 {
    x = (x ^ (x >> 16)).wrapping_mul(0x85eb_ca6b);
    x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}

/// The same in an expression.
fn mix(map: &mut Map, mut x: usize) -> usize {
    let fold = |map: &mut Map, x: usize, by: u32| {
        let by = map.number(f64::from(by), DType::U32);
        let high = map.binary(Binary::Shr, x, by);
        map.binary(Binary::BitXor, x, high)
    };
    for (by, factor) in [(16, 0x85eb_ca6b_u32), (13, 0xc2b2_ae35)] {
        x = fold(map, x, by);
        let factor = map.number(f64::from(factor), DType::U32);
        x = map.binary(Binary::Mul, x, factor);
    }
    fold(map, x, 16)
}

/// 24 random bits of a place, as a float in [0, 1).
fn fraction(map: &mut Map, place: usize, seed: Seed) -> usize {
    let [first, second] = seed.map(|word| map.number(f64::from(word), DType::U32));
    let sum = map.binary(Binary::Add, place, first);
    let once = mix(map, sum);
    let keyed = map.binary(Binary::BitXor, once, second);
    let bits = mix(map, keyed);
    let eight = map.number(8.0, DType::U32);
    let bits = map.binary(Binary::Shr, bits, eight);
    let whole = map.cast(bits, DType::F32);
    let step = map.number(1.0 / f64::from(1 << 24), DType::F32);
    map.binary(Binary::Mul, whole, step)
}

/// Places 0, 1, … under `shape`, which are computed at run time: as constants they would be as large as the results.
fn places(cx: &mut Cx, shape: &Shape) -> Result<ValueId, String> {
    let (start, delta) = (Dim::from(0), Dim::from(1));
    let range = Range { start, delta, len: Dim::product(shape), dtype: DType::U32, operands: false };
    let name = cx.name.clone();
    let places = cx.im.graph.add_node1(&name, range, &[])?;
    cx.reshape(places, shape.clone())
}

/// Numbers in [0, 1), all equally likely.
fn uniform(cx: &mut Cx, shape: &Shape, seed: Seed) -> Result<ValueId, String> {
    let places = places(cx, shape)?;
    cx.map1(places, |map, place| fraction(map, place, seed))
}

/// Normal numbers of mean 0 and deviation 1, by Box and Muller's transform.
fn normal(cx: &mut Cx, shape: &Shape, seed: Seed) -> Result<ValueId, String> {
    let places = places(cx, shape)?;
    let length = cx.map1(places, |map, place| {
        let u = fraction(map, place, seed);
        // One minus it is never zero.
        let (one, minus_two) = (map.number(1.0, DType::F32), map.number(-2.0, DType::F32));
        let u = map.binary(Binary::Sub, one, u);
        let log = map.unary(Unary::Log, u);
        let square = map.binary(Binary::Mul, log, minus_two);
        map.unary(Unary::Sqrt, square)
    })?;
    let angle = cx.map1(places, |map, place| {
        let u = fraction(map, place, [seed[1], seed[0]]);
        let turn = map.number(std::f64::consts::TAU, DType::F32);
        let angle = map.binary(Binary::Mul, u, turn);
        map.unary(Unary::Cos, angle)
    })?;
    cx.binary(Binary::Mul, length, angle)
}

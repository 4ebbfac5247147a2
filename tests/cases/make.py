"""Writes every case of this folder: a tiny model, its inputs, and the outputs onnxruntime gives for them.

    cargo xtask models                                     # once: makes target/python
    target/python/bin/python tests/cases/make.py           # all cases
    target/python/bin/python tests/cases/make.py conv lstm # those whose name contains a word

A case is a graph in ONNX's text form. Between `<` and `>` stand its constants: with a value, or with a type alone, and then
random numbers fill it (small ones for what starts with `w`, positive ones for what starts with `var`). Inputs are random too:
floats are normal, integers 0, 1 or 2, bools a coin's toss, unless `feed` says otherwise. `sizes` gives one run for each
choice of the free sizes. What onnxruntime has no kernel for names ONNX's reference as its `oracle`.
Arrays of narrow types are stored as their bits, strings as JSON. The seed is the case's name, so a run of this script changes no case but those
that were edited.
"""

import json
import math
import sys
import zlib
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnx.reference
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent
CASES = {}
LARGEST_MODEL = 40_000


def case(name, graph, *, opset=21, dim=(), pin=(), options=None, sizes=({},), feed=None, functions="", tolerance=None,
         edit=None, expect=None, oracle="onnxruntime"):
    """Registers a case; see the top of the file."""
    assert name not in CASES, name
    CASES[name] = dict(graph=graph, opset=opset, dim=list(dim), pin=list(pin), options=options or {}, sizes=sizes, feed=feed,
                       functions=functions, tolerance=tolerance, edit=edit, expect=expect, oracle=oracle)


# Other elements than f32 -----------------------------------------------------------------------------------------------------

case("matmul_double", """(double[2,5,7] x, double[2,7,19] z, double[5,7] c) => (double[] batched, double[] constant, double[] transposed, double[] added)
    <double[7,9] w, double[21,5] w2, double[21] b>
    { batched = MatMul(x, z)
      constant = MatMul(x, w)
      transposed = Gemm<transA=1, transB=1, alpha=0.5>(c, w2)
      added = Gemm<transA=1, transB=1, beta=2.0>(c, w2, b) }""", tolerance=[1e-12, 1e-12])
case("matmul_integers", """(int32[3,6,40] x, int32[40,33] z, int64[4,9] i, int64[9,5] j, uint32[2,3] u, uint32[3,2] v, uint64[1,3] p, uint64[3,2] q)
    => (int32[] small, int64[] wide, uint32[] unsigned, uint64[] long)
    { small = MatMul(x, z)
      wide = MatMul(i, j)
      unsigned = MatMul(u, v)
      long = MatMul(p, q) }""", feed=lambda r, s: dict(
    x=r.integers(-2**31, 2**31, (3, 6, 40)).astype(np.int32), z=r.integers(-9, 9, (40, 33)).astype(np.int32),
    i=r.integers(-2**40, 2**40, (4, 9)), j=r.integers(-99, 99, (9, 5)),
    u=r.integers(0, 2**32, (2, 3)).astype(np.uint32), p=r.integers(0, 2**63, (1, 3)).astype(np.uint64)), oracle="onnx")
case("conv_double", """(double[2,4,7,6] x, double[6,2,3,2] g) => (double[] y, double[] grouped, double[] transposed, double[] line)
    <double[19,4,3,3] w, double[19] b, double[4,5,2,3] wt, double[5] bt, double[3,2,4] wl>
    { y = Conv<pads=[1,0,2,1], strides=[2,1]>(x, w, b)
      grouped = Conv<group=2, dilations=[2,1]>(x, g)
      transposed = ConvTranspose<strides=[2,3], pads=[1,0,0,1], output_padding=[1,0]>(x, wt, bt)
      shape = Constant<value_ints=[4,2,42]>()
      flat = Reshape(x, shape)
      line = Conv<pads=[1,2], dilations=[2]>(flat, wl) }""", oracle="onnx", tolerance=[1e-12, 1e-12])
case("pool_other_elements", """(uint8[1,3,7,6] u, int8[1,3,7,6] i, double[1,3,7,6] d) => (uint8[] bytes, int8[] signed, double[] most, int64[] at, double[] mean, double[] counted, double[] norm)
    { bytes = MaxPool<kernel_shape=[3,2], strides=[2,1], pads=[1,0,1,1]>(u)
      signed = MaxPool<kernel_shape=[2,2], dilations=[2,3], ceil_mode=1, strides=[2,2]>(i)
      most, at = MaxPool<kernel_shape=[3,3], storage_order=1, strides=[2,2], pads=[1,1,1,1]>(d)
      mean = AveragePool<kernel_shape=[3,2], pads=[1,1,1,0]>(d)
      counted = AveragePool<kernel_shape=[3,2], pads=[1,1,1,0], count_include_pad=1, ceil_mode=1, strides=[2,2]>(d)
      norm = LpPool<kernel_shape=[2,2], p=3>(d) }""", feed=lambda r, s: dict(
    u=r.integers(0, 256, (1, 3, 7, 6)).astype(np.uint8), i=r.integers(-128, 0, (1, 3, 7, 6)).astype(np.int8)), oracle="onnx")
case("norms_double", """(double[2,6,5] x) => (double[] soft, double[] log, double[] layer, double[] group, double[] instance)
    <double[5] s, double[5] t, double[6] sc, double[6] bc>
    { soft = Softmax<axis=1>(x)
      log = LogSoftmax(x)
      layer = LayerNormalization(x, s, t)
      group = GroupNormalization<num_groups=3>(x, sc, bc)
      instance = InstanceNormalization(x, sc, bc) }""", oracle="onnx")

# Random numbers: the values are kiln's own, by the definition in codegen/src/front/random.rs --------------------------------


def random_fractions(n, seed, swap=False):
    def mix(x):
        for by, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
            x = ((x ^ (x >> np.uint64(by))) * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
        return x ^ (x >> np.uint64(16))

    word = np.array([np.float32(seed).view(np.uint32)], np.uint64)
    first, second = mix(word), mix(word ^ np.uint64(0x5BD1E995))
    if swap:
        first, second = second, first
    places = (np.arange(n, dtype=np.uint64) + first) & np.uint64(0xFFFFFFFF)
    return ((mix(mix(places) ^ second) >> np.uint64(8)) / 2**24).astype(np.float32)


def random_normals(n, seed):
    u, v = random_fractions(n, seed).astype(np.float64), random_fractions(n, seed, swap=True).astype(np.float64)
    return np.sqrt(-2 * np.log(1 - u)) * np.cos(2 * np.pi * v)


def random_classes(x, samples, seed):
    p = np.exp(x - x.max(1, keepdims=True))
    sums = np.cumsum(p / p.sum(1, keepdims=True), 1)
    u = random_fractions(len(x) * samples, seed).reshape(len(x), samples, 1)
    return (sums[:, None] <= u).sum(2).clip(0, x.shape[1] - 1).astype(np.int32)


case("random", """(float[3,50] x) => (float[] uniform, float[] shaped, float[] normal, double[] wide, int32[] coins, int32[] classes)
    { uniform = RandomUniformLike<seed=3.0, low=-1.0, high=2.0>(x)
      shaped = RandomUniform<seed=4.0, shape=[2,5]>()
      normal = RandomNormalLike<seed=5.0, mean=1.0, scale=0.5>(x)
      wide = RandomNormal<seed=6.0, shape=[7], dtype=11>()
      p = Sigmoid(x)
      coins = Bernoulli<seed=7.0, dtype=6>(p)
      classes = Multinomial<seed=8.0, sample_size=20>(x) }""", expect={
    "uniform": lambda x: random_fractions(150, 3).reshape(3, 50) * np.float32(3) - np.float32(1),
    "shaped": lambda x: random_fractions(10, 4).reshape(2, 5),
    "normal": lambda x: (random_normals(150, 5).reshape(3, 50) * 0.5 + 1).astype(np.float32),
    "wide": lambda x: random_normals(7, 6),
    "coins": lambda x: (random_fractions(150, 7).reshape(3, 50) < 1 / (1 + np.exp(-x))).astype(np.int32),
    "classes": lambda x: random_classes(x, 20, 8)})

# Convolution -----------------------------------------------------------------------------------------------------------------

case("conv_plain", """(float[1,3,8,7] x) => (float[] y) <float[8,3,3,3] w, float[8] b>
    { y = Conv<pads=[1,1,1,1]>(x, w, b) }""")
case("conv_many_channels", """(float[2,20,9,6] x) => (float[] y) <float[37,20,3,3] w, float[37] b>
    { y = Conv(x, w, b) }""")
case("conv_pointwise", """(float[1,24,5,7] x) => (float[] y) <float[40,24,1,1] w, float[40] b>
    { y = Conv(x, w, b) }""")
case("conv_grouped", """(float[1,6,7,5] x) => (float[] y) <float[9,2,3,3] w, float[9] b>
    { y = Conv<group=3, pads=[1,1,1,1]>(x, w, b) }""")
# Long epilogues: of few columns, where rows are taken as one, with what belongs to an element and what to a column; sines far from zero, by vectors together.
case("conv_long_epilogues", """(float[N,5,9,W] x, float[N,3,9,W] r, float[1,3,1,1] g) => (float[] one, float[] three, float[] column, float[] wide, float[] waves, float[] far)
    <float[1,5,1,1] w1, float[1] b1, float[3,5,3,3] w3, float[20,5,3,3] w20, float[20] b20, float far_off = {200000.0}>
    { c = Conv(x, w1, b1)
      one = Sigmoid(c)
      d = Conv<pads=[1,1,1,1]>(x, w3)
      e = Add(d, r)
      three = Tanh(e)
      f = Mul(d, g)
      column = Erf(f)
      h = Conv<pads=[1,1,1,1], strides=[2,1]>(x, w20, b20)
      s = Sigmoid(h)
      wide = Mul(h, s)
      k = Mul(x, far_off)
      waves = Sin(k)
      far = Cos(k) }""", dim=["N<=2", "W<=19"], sizes=({"N": 1, "W": 1}, {"N": 2, "W": 19}))
# Groups of as many channels in as out, narrower than a vector, wider, and across two: strides, pads before and behind, one dimension, any width.
case("conv_groups_along_lines", """(float[N,16,7,W] x, float[1,24,9,10] p, float[2,32,15] s, float[1,48,23] q) => (float[] y, float[] z, float[] v, float[] u)
    <float[16,4,3,3] w, float[16] b, float[24,8,3,3] w2, float[24] b2, float[32,16,3] w3, float[48,24,3] w4, float[48] b4>
    { c = Conv<group=4, pads=[1,1,1,1]>(x, w, b)
      y = Relu(c)
      d = Conv<group=3, pads=[0,2,1,1], strides=[2,2]>(p, w2, b2)
      z = HardSwish(d)
      v = Conv<group=2, pads=[1,1]>(s, w3)
      u = Conv<group=2, pads=[0,1], strides=[2]>(q, w4, b4) }""", dim=["N<=3", "W<=20"], sizes=({"N": 2, "W": 9}, {"N": 1, "W": 20}))
# Groups that share a panel, each a few lanes of it: lines longer than a tile, shorter, and of one dimension; with an epilogue.
case("conv_groups_in_lanes", """(float[1,12,9,17] x, float[2,8,21] s) => (float[] y, float[] z, float[] v) <float[16,3,3,3] w, float[16] b, float[32,2,5,5] w2, float[16,1,7] w1>
    { c = Conv<group=4, pads=[1,1,1,1]>(x, w, b)
      g = Sigmoid(c)
      y = Mul(c, g)
      d = Conv<group=4, pads=[2,1,1,2], dilations=[1,2]>(x, w)
      r = Relu(d)
      z = Conv<group=8, pads=[2,2,2,2], strides=[2,1]>(r, w2)
      v = Conv<group=8, pads=[3,3]>(s, w1) }""")
case("conv_depthwise", """(float[1,18,9,8] x) => (float[] y, float[] z) <float[18,1,3,3] w1, float[18] b1, float[36,1,5,3] w2>
    { y = Conv<group=18, pads=[1,1,1,1]>(x, w1, b1)
      z = Conv<group=18, strides=[2,1], pads=[2,1,2,1]>(x, w2) }""")
case("conv_dilated", """(float[1,4,11,13] x) => (float[] y) <float[5,4,3,3] w>
    { y = Conv<dilations=[2,3], pads=[2,1,1,3]>(x, w) }""")
case("conv_asymmetric_pads", """(float[1,3,6,9] x) => (float[] y) <float[4,3,3,2] w, float[4] b>
    { y = Conv<pads=[0,1,2,3], strides=[1,2]>(x, w, b) }""")
case("conv_auto_pad", """(float[1,2,7,10] x) => (float[] upper, float[] lower, float[] valid) <float[3,2,3,4] w>
    { upper = Conv<auto_pad="SAME_UPPER", strides=[2,2]>(x, w)
      lower = Conv<auto_pad="SAME_LOWER", strides=[2,3]>(x, w)
      valid = Conv<auto_pad="VALID", strides=[2,1]>(x, w) }""")
case("conv_stride", """(float[2,3,10,11] x) => (float[] y) <float[17,3,5,3] w>
    { y = Conv<strides=[2,3], pads=[2,0,2,1]>(x, w) }""")
case("conv_1d", """(float[2,3,17] x) => (float[] y, float[] z) <float[5,3,4] w, float[5] b, float[3,1,3] wd>
    { y = Conv<strides=[2], pads=[1,2], dilations=[2]>(x, w, b)
      z = Conv<group=3, pads=[1,1]>(x, wd) }""")
case("conv_3d", """(float[1,2,4,5,6] x) => (float[] y) <float[3,2,2,3,3] w, float[3] b>
    { y = Conv<strides=[1,2,1], pads=[0,1,1,1,1,0]>(x, w, b) }""")
case("conv_transpose", """(float[1,4,5,6] x) => (float[] plain, float[] strided, float[] grouped, float[] dilated, float[] shaped, float[] same)
    <float[4,3,3,3] w, float[3] b, float[4,2,2,3] w2>
    { plain = ConvTranspose(x, w, b)
      strided = ConvTranspose<strides=[2,3], pads=[1,0,1,2], output_padding=[1,0]>(x, w, b)
      grouped = ConvTranspose<group=2, strides=[2,2]>(x, w2)
      dilated = ConvTranspose<dilations=[2,1]>(x, w)
      shaped = ConvTranspose<strides=[2,2], output_shape=[10,13]>(x, w)
      same = ConvTranspose<strides=[2,2], auto_pad="SAME_UPPER">(x, w) }""")
case("conv_transpose_1d", """(float[2,3,7] x) => (float[] y) <float[3,18,4] w, float[18] b>
    { y = ConvTranspose<strides=[2], pads=[1,1]>(x, w, b) }""")
case("conv_transpose_side_by_side", """(float[2,5,6,7] x, float[2,3,12,14] z, float[1,4,9] line) => (float[] active, float[] added, float[] slope, float[] long, float[] one)
    <float[5,3,2,2] w, float[3] b, float[3,1,1] scale, float[4,2,3] wl, float[5,1,2,2] w1, float[1] b1>
    { up = ConvTranspose<strides=[2,2]>(x, w, b)
      active = Relu(up)
      plain = ConvTranspose<strides=[2,2]>(x, w)
      sum = Add(plain, z)
      added = Relu(sum)
      again = ConvTranspose<strides=[2,2]>(x, w, b)
      slope = PRelu(again, scale)
      long = ConvTranspose<strides=[3]>(line, wl)
      map = ConvTranspose<strides=[2,2]>(x, w1, b1)
      one = Sigmoid(map) }""")
case("conv_winograd", """(float[2,16,24,23] x) => (float[] y, float[] residual)
    <float[20,16,3,3] w, float[20] b, float[20,20,3,3] w2, float[20] b2>
    { c = Conv<pads=[1,1,1,1]>(x, w, b)
      r = Relu(c)
      y = Conv<pads=[0,2,2,1]>(r, w2)
      s = Conv<pads=[1,1,1,1]>(r, w2, b2)
      a = Add(s, r)
      residual = ReduceMean<keepdims=0>(a) }""")
case("threads", """(float[1,8,40,40] x, float[4,96,32] q) => (float[] y, float[] z)
    <float[24,8,3,3] w, float[24] b, float[24,1,3,3] wd, float[40,24,1,1] wp, float[40,24,1,1] ws, float[32,48] wm>
    { c = Conv<pads=[1,1,1,1]>(x, w, b)
      a = HardSwish(c)
      d = Conv<pads=[1,1,1,1], group=24>(a, wd)
      p = Conv(d, wp)
      side = Conv(a, ws)
      sum = Add(p, side)
      r = Relu(sum)
      m = MaxPool<kernel_shape=[3,3], strides=[2,2]>(r)
      y = GlobalAveragePool(m)
      kt = Transpose<perm=[0,2,1]>(q)
      scores = MatMul(q, kt)
      soft = Softmax(scores)
      mixed = MatMul(soft, q)
      wide = MatMul(mixed, wm)
      erf = Erf(wide)
      z = ReduceMean<keepdims=0>(erf) }""", options={"threads": "true"})
case("conv_given_weights", """(float[2,6,9,7] x, float[20,6,3,3] w, float[20] b, float[9,2,3,2] wg, float[9] bg, float[6,1,3,3] wd, float[6] bd, float[18,6,1,1] wp)
    => (float[] y, float[] grouped, float[] depthwise, float[] pointwise)
    { y = Conv<pads=[1,0,2,1], strides=[2,1]>(x, w, b)
      grouped = Conv<group=3, dilations=[2,1]>(x, wg, bg)
      depthwise = Conv<group=6, pads=[1,1,1,1]>(x, wd, bd)
      c = Conv(x, wp)
      pointwise = Relu(c) }""")
case("conv_given_weights_1d_3d", """(float[2,3,17] x, float[5,3,4] w, float[1,2,4,5,6] v, float[3,2,2,3,3] u) => (float[] y, float[] z)
    { y = Conv<strides=[2], pads=[1,2], dilations=[2]>(x, w)
      z = Conv<strides=[1,2,1], pads=[0,1,1,1,1,0]>(v, u) }""")
case("conv_transpose_given_weights", """(float[1,4,5,6] x, float[4,3,3,3] w, float[3] b, float[4,18,2,3] wg)
    => (float[] plain, float[] strided, float[] grouped, float[] dilated)
    { plain = ConvTranspose(x, w, b)
      strided = ConvTranspose<strides=[2,3], pads=[1,0,1,2], output_padding=[1,0]>(x, w, b)
      grouped = ConvTranspose<group=2, strides=[2,2]>(x, wg)
      dilated = ConvTranspose<dilations=[2,1], strides=[3,2]>(x, w) }""")
case("conv_transpose_stride_above_kernel", """(float[1,2,5,4] x, float[2,3,3,2] w, float[3] b) => (float[] upper, float[] lower)
    { upper = ConvTranspose<auto_pad="SAME_UPPER", strides=[2,3]>(x, w, b)
      lower = ConvTranspose<auto_pad="SAME_LOWER", strides=[2,3]>(x, w, b) }""", oracle="onnx")
case("conv_batch_norm_relu_residual", """(float[1,8,6,6] x) => (float[] y)
    <float[8,8,3,3] w1, float[8] scale1, float[8] b1, float[8] mean1, float[8] var1,
     float[8,8,3,3] w2, float[8] scale2, float[8] b2, float[8] mean2, float[8] var2>
    { c1 = Conv<pads=[1,1,1,1]>(x, w1)
      n1 = BatchNormalization<epsilon=0.001>(c1, scale1, b1, mean1, var1)
      r1 = Relu(n1)
      c2 = Conv<pads=[1,1,1,1]>(r1, w2)
      n2 = BatchNormalization(c2, scale2, b2, mean2, var2)
      sum = Add(n2, x)
      y = Relu(sum) }""")
def squeeze_excite_project(images):
    """A picture scaled channel by channel before convolutions of single pixels, with fewer results than pixels and with more."""
    return f"""(float[{images},3,19,23] x) => (float[] y, float[] wide)
    <float[21,3,3,3] w, float[21] b, float[6,21,1,1] w1, float[6] b1, float[21,6,1,1] w2, float[21] b2, float[9,21,1,1] w3, float[9] b3,
     float[9,9,1,1] w4, float[150,21,1,1] w5, float three={{3}}, float zero={{0}}, float six={{6}}>
    {{ c = Conv<strides=[2,2], pads=[1,1,1,1]>(x, w, b)
      c3 = Add(c, three)
      c0 = Max(c3, zero)
      c6 = Min(c0, six)
      cc = Mul(c, c6)
      swish = Div(cc, six)
      pooled = GlobalAveragePool(swish)
      h = Conv(pooled, w1, b1)
      r = Relu(h)
      g = Conv(r, w2, b2)
      gate = Sigmoid(g)
      scaled = Mul(swish, gate)
      p = Conv(scaled, w3, b3)
      q = Conv(p, w4)
      y = Add(q, p)
      again = Mul(gate, swish)
      wide = Conv(again, w5) }}"""


case("squeeze_excite_project", squeeze_excite_project(1))
case("squeeze_excite_project_images", squeeze_excite_project(3))
case("squeeze_excite_project_any", squeeze_excite_project("n"), sizes=({"n": 1}, {"n": 4}))
case("squeeze_excite", """(float[1,12,5,5] x) => (float[] y)
    <float[3,12,1,1] w1, float[3] b1, float[12,3,1,1] w2, float[12] b2>
    { pooled = GlobalAveragePool(x)
      small = Conv(pooled, w1, b1)
      active = Relu(small)
      large = Conv(active, w2, b2)
      gate = Sigmoid(large)
      y = Mul(x, gate) }""")
case("gates", """(float[3,37] x, float[3,37] y) => (float[] silu, float[] glu, float[] quick, float[] twice, float[] gelu, float[] both, float[] more)
    <float one = {1.0}, float half = {0.5}, float root = {1.4142135}, float steep = {1.702}, float two = {2.0}, float three = {3.0}>
    { a = Sigmoid(x)
      silu = Mul(a, x)
      negative = Neg(x)
      b = Sigmoid(negative)
      glu = Mul(y, b)
      steeper = Mul(x, steep)
      c = Sigmoid(steeper)
      quick = Mul(x, c)
      doubled = Mul(x, two)
      d = Sigmoid(doubled)
      scaled = Mul(d, y)
      twice = Add(scaled, d)
      u = Div(x, root)
      e = Erf(u)
      f = Add(e, one)
      g = Mul(x, f)
      gelu = Mul(g, half)
      third = Div(x, three)
      e3 = Erf(third)
      f3 = Add(one, e3)
      both = Mul(f3, e3)
      e4 = Erf(y)
      more = Add(two, e4) }""", feed=lambda r, s: dict(x=np.concatenate([
    r.normal(size=100) * 4, [-1e4, -100, -89, -88, -10, -6, 0, 6, 88, 89, 1e4]]).astype(np.float32).reshape(3, 37)))
case("inverted_bottleneck", """(float[1,8,9,9] x) => (float[] y)
    <float[24,8,1,1] w1, float[24] b1, float[24,1,3,3] w2, float[24] b2, float[8,24,1,1] w3, float[8] b3, float lo = {0.0}, float hi = {6.0}>
    { e = Conv(x, w1, b1)
      es = HardSwish(e)
      d = Conv<group=24, pads=[1,1,1,1]>(es, w2, b2)
      ds = Clip(d, lo, hi)
      p = Conv(ds, w3, b3)
      y = Add(p, x) }""")

# Pooling ---------------------------------------------------------------------------------------------------------------------

case("pool_max", """(float[1,5,9,11] x) => (float[] y, float[] dilated, float[] ceiled, float[] same)
    { y = MaxPool<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]>(x)
      dilated = MaxPool<kernel_shape=[2,3], dilations=[3,2]>(x)
      ceiled = MaxPool<kernel_shape=[2,2], strides=[2,2], ceil_mode=1>(x)
      same = MaxPool<kernel_shape=[3,2], strides=[2,3], auto_pad="SAME_UPPER">(x) }""")
case("pool_average", """(float[1,5,9,10] x) => (float[] y, float[] counted, float[] ceiled, float[] dilated)
    { y = AveragePool<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]>(x)
      counted = AveragePool<kernel_shape=[3,2], strides=[2,1], pads=[1,1,2,0], count_include_pad=1>(x)
      ceiled = AveragePool<kernel_shape=[2,2], strides=[2,2], ceil_mode=1>(x)
      dilated = AveragePool<kernel_shape=[2,2], dilations=[2,3]>(x) }""")
case("pool_global", """(float[2,5,3,7] x) => (float[] average, float[] maximum, float[] norm)
    { average = GlobalAveragePool(x)
      maximum = GlobalMaxPool(x)
      norm = GlobalLpPool<p=2>(x) }""")
case("pool_lp", """(float[1,3,8,7] x) => (float[] y, float[] z)
    { y = LpPool<kernel_shape=[2,3], strides=[2,2], p=2>(x)
      z = LpPool<kernel_shape=[3,3], pads=[1,1,1,1], p=3>(x) }""")
case("pool_1d_and_3d", """(float[1,2,13] x, float[1,2,5,4,6] v) => (float[] m1, float[] a1, float[] m3, float[] a3)
    { m1 = MaxPool<kernel_shape=[4], strides=[3], pads=[1,2]>(x)
      a1 = AveragePool<kernel_shape=[3], pads=[1,1]>(x)
      m3 = MaxPool<kernel_shape=[2,2,2], strides=[2,1,2]>(v)
      a3 = AveragePool<kernel_shape=[2,3,2]>(v) }""")
case("pool_max_indices", """(float[1,2,6,5] x) => (float[] y, int64[] at)
    { y, at = MaxPool<kernel_shape=[2,2], strides=[2,1]>(x) }""")

# Contractions ----------------------------------------------------------------------------------------------------------------

case("matmul_weights", """(float[5,33] x) => (float[] y) <float[33,47] w> { y = MatMul(x, w) }""")
case("matmul_batched", """(float[2,3,5,7] a, float[3,7,4] b, float[7,6] c) => (float[] y, float[] z)
    { y = MatMul(a, b)
      z = MatMul(a, c) }""")
case("matmul_vectors", """(float[7] v, float[7,5] m, float[2,5,7] t) => (float[] row, float[] col, float[] dot)
    { row = MatMul(v, m)
      col = MatMul(t, v)
      dot = MatMul(v, v) }""")
case("matmul_of_transposed", """(float[2,6,4] a, float[2,6,5] b, float[2,5,4] c) => (float[] y, float[] z)
    { at = Transpose<perm=[0,2,1]>(a)
      y = MatMul(at, b)
      ct = Transpose<perm=[0,2,1]>(c)
      z = MatMul(a, ct) }""")
case("gemm", """(float[5,7] a, float[7,5] at) => (float[] plain, float[] scaled, float[] turned, float[] column)
    <float[7,18] w, float[18] c, float[18,7] wt, float[5,1] d>
    { plain = Gemm(a, w, c)
      scaled = Gemm<alpha=0.5, beta=2.0>(a, w, c)
      turned = Gemm<transA=1, transB=1>(at, wt)
      column = Gemm<transB=1, beta=-1.5>(a, wt, d) }""")
case("einsum", """(float[2,3,4] a, float[2,4,5] b, float[3,4] c) => (float[] batched, float[] contracted, float[] outer, float[] turned, float[] summed, float[] heads)
    { batched = Einsum<equation="bij,bjk->bik">(a, b)
      contracted = Einsum<equation="bij,ij->b">(a, c)
      outer = Einsum<equation="bij,ij->bij">(a, c)
      turned = Einsum<equation="bij->jbi">(a)
      summed = Einsum<equation="bij->i">(a)
      heads = Einsum<equation="...ij,...jk->...ik">(a, b) }""")
case("mlp", """(float[3,20] x) => (float[] y) <float[20,32] w1, float[32] b1, float[32,10] w2, float[10] b2>
    { h = Gemm(x, w1, b1)
      r = Relu(h)
      o = MatMul(r, w2)
      z = Add(o, b2)
      y = Softmax(z) }""")

# Elementwise -----------------------------------------------------------------------------------------------------------------

case("unary_functions", """(float[3,37] x) => (float[] abs, float[] neg, float[] exp, float[] log, float[] sqrt, float[] rsqrt,
        float[] sin, float[] cos, float[] tan, float[] asin, float[] acos, float[] atan, float[] sinh, float[] cosh, float[] tanh,
        float[] asinh, float[] acosh, float[] atanh, float[] erf, float[] sigmoid, float[] floor, float[] ceil, float[] round,
        float[] sign)
    <float one = {1.0}, float half = {0.5}, float three = {3.0}>
    { abs = Abs(x)
      neg = Neg(x)
      exp = Exp(x)
      above = Add(abs, half)
      log = Log(above)
      sqrt = Sqrt(above)
      rsqrt = Reciprocal(sqrt)
      big = Mul(x, three)
      sin = Sin(big)
      cos = Cos(big)
      tan = Tan(x)
      inside = Tanh(x)
      asin = Asin(inside)
      acos = Acos(inside)
      atan = Atan(big)
      sinh = Sinh(x)
      cosh = Cosh(x)
      tanh = Tanh(big)
      asinh = Asinh(big)
      past = Add(abs, one)
      acosh = Acosh(past)
      smaller = Mul(inside, half)
      atanh = Atanh(smaller)
      erf = Erf(x)
      sigmoid = Sigmoid(big)
      floor = Floor(big)
      ceil = Ceil(big)
      round = Round(big)
      sign = Sign(x) }""")
case("unary_activations", """(float[2,5,7] x) => (float[] relu, float[] leaky, float[] prelu, float[] elu, float[] selu, float[] celu,
        float[] hard_sigmoid, float[] hard_swish, float[] mish, float[] gelu, float[] gelu_tanh, float[] softplus,
        float[] softsign, float[] thresholded, float[] shrink, float[] clip, float[] clip_low)
    <float[5,1] slope, float low = {-0.5}, float high = {0.75}>
    { relu = Relu(x)
      leaky = LeakyRelu<alpha=0.2>(x)
      prelu = PRelu(x, slope)
      elu = Elu<alpha=1.5>(x)
      selu = Selu(x)
      celu = Celu<alpha=2.0>(x)
      hard_sigmoid = HardSigmoid<alpha=0.3, beta=0.4>(x)
      hard_swish = HardSwish(x)
      mish = Mish(x)
      gelu = Gelu(x)
      gelu_tanh = Gelu<approximate="tanh">(x)
      softplus = Softplus(x)
      softsign = Softsign(x)
      thresholded = ThresholdedRelu<alpha=0.3>(x)
      shrink = Shrink<lambd=0.4, bias=0.1>(x)
      clip = Clip(x, low, high)
      clip_low = Clip(x, low) }""")
case("unary_special_values", """(float[12] x) => (float[] exp, float[] log, float[] tanh, float[] sigmoid, float[] erf, float[] sqrt,
        float[] relu, float[] abs, float[] sign, bool[] nan, bool[] inf, bool[] negative_inf, float[] clip)
    <float low = {-1.0}, float high = {1.0}>
    { exp = Exp(x)
      log = Log(x)
      tanh = Tanh(x)
      sigmoid = Sigmoid(x)
      erf = Erf(x)
      sqrt = Sqrt(x)
      relu = Relu(x)
      abs = Abs(x)
      sign = Sign(x)
      nan = IsNaN(x)
      inf = IsInf(x)
      negative_inf = IsInf<detect_positive=0>(x)
      clip = Clip(x, low, high) }""",
     feed=lambda r, s: dict(x=np.array([0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 88.9, -104, 1e-40, 3e38, -3e38], np.float32)),
     # Unlike onnxruntime's, the standard's Relu and Clip hand NaN on.
     expect={"relu": lambda x: np.maximum(x, 0), "clip": lambda x: np.clip(x, -1, 1), "sign": np.sign,
             "tanh": np.tanh, "erf": lambda x: np.array([math.erf(v) for v in x], np.float32),
             "sigmoid": lambda x: (1 / (1 + np.exp(-x.astype(np.float64)))).astype(np.float32)})
case("binary_broadcast", """(float[2,3,4,5] a, float[3,1,5] b, float[4,1] c, float d) => (float[] add, float[] sub, float[] mul, float[] div, float[] scalar,
        float[] low, float[] high, float[] many, float[] average)
    { add = Add(a, b)
      sub = Sub(c, a)
      mul = Mul(b, c)
      div = Div(a, b)
      scalar = Mul(d, a)
      low = Min(a, b, c)
      high = Max(a, c)
      many = Sum(a, b, c, d)
      average = Mean(a, b) }""")
case("elementwise_chain", """(float[2,6,5] a, float[6,1] b) => (float[] y) <float[5] c, float half = {0.5}>
    { t1 = Mul(a, b)
      t2 = Add(t1, c)
      t3 = Sigmoid(t2)
      t4 = Mul(t3, t2)
      t5 = Sub(t4, half)
      y = Div(t5, a) }""")
case("where_compare_logical", """(float[3,5] a, float[5] b, bool[3,1] p, int64[3,5] i) => (float[] chosen, bool[] eq, bool[] lt, bool[] le, bool[] gt, bool[] ge,
        bool[] both, bool[] either, bool[] one, bool[] no, bool[] same_flag, int64[] picked, bool[] int_lt)
    <int64 one_int = {1}>
    { chosen = Where(p, a, b)
      lt = Less(a, b)
      le = LessOrEqual(a, b)
      gt = Greater(a, b)
      ge = GreaterOrEqual(a, b)
      eq = Equal(i, one_int)
      both = And(lt, p)
      either = Or(lt, p)
      one = Xor(gt, p)
      no = Not(p)
      same_flag = Equal(lt, p)
      int_lt = Less(i, one_int)
      picked = Where(int_lt, one_int, i) }""")
case("cast_chain", """(float[10] x, int64[6] i, bool[4] p, uint8[5] u) => (int32[] whole, float[] back, bool[] truth, int64[] counted, float[] masked,
        uint8[] narrowed, double[] wide, int8[] signed, float[] bytes)
    { whole = Cast<to=6>(x)
      back = Cast<to=1>(whole)
      truth = Cast<to=9>(i)
      counted = Cast<to=7>(p)
      masked = Cast<to=1>(p)
      narrowed = Cast<to=2>(i)
      wide = Cast<to=11>(x)
      signed = Cast<to=3>(i)
      bytes = Cast<to=1>(u) }""",
     feed=lambda r, s: dict(x=np.array([0.4, -0.6, 1.5, 2.5, -1.5, 100.9, -7.0, 0.0, 3.999, -0.1], np.float32),
                            i=np.array([0, 1, -1, 5, 100, -100], np.int64), u=np.array([0, 1, 127, 128, 255], np.uint8)))
case("mod_pow_integer_division", """(int64[9] a, int64[9] b, float[9] x, float[9] y, int32[9] c) => (int64[] quotient, int64[] remainder, int64[] fmod, float[] float_fmod,
        float[] power, float[] square, float[] root, int32[] int_power, int32[] quotient32)
    <float two = {2.0}, float half = {0.5}, int32 three = {3}>
    { quotient = Div(a, b)
      remainder = Mod(a, b)
      fmod = Mod<fmod=1>(a, b)
      float_fmod = Mod<fmod=1>(x, y)
      positive = Abs(x)
      power = Pow(positive, y)
      square = Pow(x, two)
      root = Pow(positive, half)
      int_power = Pow(c, three)
      quotient32 = Div(c, three) }""",
     feed=lambda r, s: dict(a=np.array([7, -7, 7, -7, 0, 6, -6, 9, 1], np.int64), b=np.array([3, 3, -3, -3, 5, 2, 3, 10, -1], np.int64),
                            c=np.array([-5, -4, -3, -1, 0, 1, 2, 7, 11], np.int32)))
case("integer_elementwise", """(int32[2,4] a, int32[4] b, uint8[6] u) => (int32[] sum, int32[] product, int32[] negative, int32[] absolute, int32[] sign, int32[] low, int32[] high,
        uint8[] left, uint8[] right, uint8[] conj, uint8[] disj, uint8[] exclusive, uint8[] inverted, int32[] clipped)
    <uint8 two = {2}, uint8 mask = {12}, int32 lo = {-2}, int32 hi = {3}>
    { sum = Add(a, b)
      product = Mul(a, b)
      negative = Neg(a)
      absolute = Abs(a)
      sign = Sign(a)
      low = Min(a, b)
      high = Max(a, b)
      clipped = Clip(a, lo, hi)
      left = BitShift<direction="LEFT">(u, two)
      right = BitShift<direction="RIGHT">(u, two)
      conj = BitwiseAnd(u, mask)
      disj = BitwiseOr(u, mask)
      exclusive = BitwiseXor(u, mask)
      inverted = BitwiseNot(u) }""",
     feed=lambda r, s: dict(a=r.integers(-9, 9, (2, 4)).astype(np.int32), b=r.integers(-9, 9, 4).astype(np.int32),
                            u=r.integers(0, 256, 6).astype(np.uint8)))
case("double_precision", """(double[3,4] x, double[4] y) => (double[] sum, double[] exp, double[] quotient, float[] narrow, double[] total)
    { sum = Add(x, y)
      exp = Exp(x)
      quotient = Div(x, y)
      narrow = Cast<to=1>(exp)
      total = ReduceSum(x) }""")

# Reductions ------------------------------------------------------------------------------------------------------------------

case("reduce_kinds", """(float[3,4,5] x) => (float[] sum, float[] mean, float[] max, float[] min, float[] prod, float[] l1, float[] l2, float[] log_sum, float[] log_sum_exp, float[] sum_square)
    <int64[1] last = {-1}, int64[1] middle = {1}>
    { sum = ReduceSum(x, last)
      mean = ReduceMean(x, middle)
      max = ReduceMax(x, last)
      min = ReduceMin(x, middle)
      prod = ReduceProd(x, last)
      l1 = ReduceL1(x, last)
      l2 = ReduceL2(x, middle)
      positive = Abs(x)
      log_sum = ReduceLogSum(positive, last)
      log_sum_exp = ReduceLogSumExp(x, middle)
      sum_square = ReduceSumSquare(x, last) }""")
case("reduce_axes", """(float[2,3,4,5] x) => (float[] all, float[] first, float[] outer, float[] inner, float[] split, float[] kept, float[] nothing, float[] scalar)
    <int64[1] axis0 = {0}, int64[2] axes01 = {0,1}, int64[2] axes23 = {2,-1}, int64[2] axes13 = {1,3}, int64[0] none = {}>
    { all = ReduceSum(x)
      first = ReduceSum<keepdims=0>(x, axis0)
      outer = ReduceMean<keepdims=0>(x, axes01)
      inner = ReduceMax<keepdims=0>(x, axes23)
      split = ReduceSum<keepdims=0>(x, axes13)
      kept = ReduceMean<keepdims=1>(x, axes13)
      nothing = ReduceSum<noop_with_empty_axes=1>(x, none)
      scalar = ReduceMean<keepdims=0>(x) }""")
case("reduce_integers", """(int64[3,4] i, int32[2,5] j) => (int64[] sum, int64[] max, int32[] min, int32[] prod, int32[] mean, int32[] norm)
    <int64[1] axis = {1}>
    { sum = ReduceSum<keepdims=0>(i, axis)
      max = ReduceMax(i, axis)
      min = ReduceMin(j, axis)
      prod = ReduceProd(j, axis)
      mean = ReduceMean(j, axis)
      norm = ReduceL2(j, axis) }""")
case("reduce_axes_attribute", """(float[2,3,4] x) => (float[] y, float[] z)
    { y = ReduceMean<axes=[1,2], keepdims=0>(x)
      z = ReduceMax<axes=[-1]>(x) }""", opset=12)
case("arg_reduce", """(float[3,4,5] x, int32[6] i) => (int64[] largest, int64[] smallest, int64[] last_of_ties, int64[] first, int64[] of_ints)
    { largest = ArgMax<axis=-1, keepdims=0>(x)
      smallest = ArgMin<axis=1>(x)
      first = ArgMax<axis=0, keepdims=0>(x)
      rounded = Round(x)
      last_of_ties = ArgMax<axis=2, select_last_index=1>(rounded)
      of_ints = ArgMax<keepdims=0>(i) }""")
case("top_k", """(float[3,9] x, int64[7,2] i) => (float[] best, int64[] at, float[] least, int64[] least_at, int64[] most, int64[] most_at)
    <int64[1] three = {3}, int64[1] four = {4}>
    { best, at = TopK(x, three)
      least, least_at = TopK<largest=0>(x, four)
      most, most_at = TopK<axis=0>(i, three) }""")
case("softmax_axes", """(float[2,5,7] x) => (float[] last, float[] middle, float[] first, float[] log_last, float[] log_middle, float[] hard)
    { last = Softmax(x)
      middle = Softmax<axis=1>(x)
      first = Softmax<axis=0>(x)
      log_last = LogSoftmax<axis=-1>(x)
      log_middle = LogSoftmax<axis=1>(x)
      hard = Hardmax<axis=1>(x) }""")
case("softmax_flattened", """(float[2,3,4] x) => (float[] y, float[] z)
    { y = Softmax<axis=1>(x)
      z = LogSoftmax<axis=2>(x) }""", opset=11)

# Normalisation and attention -------------------------------------------------------------------------------------------------

case("norm_layer", """(float[2,3,20] x) => (float[] y, float[] two_axes, float[] mean, float[] deviation)
    <float[20] scale, float[20] bias, float[3,20] scale2>
    { y, mean, deviation = LayerNormalization<epsilon=0.001>(x, scale, bias)
      two_axes = LayerNormalization<axis=1>(x, scale2) }""")
case("norm_layer_from_primitives", """(float[2,3,20] x) => (float[] y) <float[20] scale, float[20] bias, int64[1] last = {-1}, float two = {2.0}, float epsilon = {0.00001}>
    { mean = ReduceMean(x, last)
      d = Sub(x, mean)
      square = Pow(d, two)
      variance = ReduceMean(square, last)
      padded = Add(variance, epsilon)
      deviation = Sqrt(padded)
      normal = Div(d, deviation)
      scaled = Mul(normal, scale)
      y = Add(scaled, bias) }""")
case("norm_instance_group_batch", """(float[2,6,4,3] x) => (float[] instance, float[] group, float[] batch)
    <float[6] scale, float[6] bias, float[6] mean, float[6] var>
    { instance = InstanceNormalization(x, scale, bias)
      group = GroupNormalization<num_groups=3>(x, scale, bias)
      batch = BatchNormalization(x, scale, bias, mean, var) }""")
case("norm_rms", """(float[2,3,18] x) => (float[] y) <float[18] scale> { y = RMSNormalization<axis=-1>(x, scale) }""", opset=23)
case("norm_local_and_lp", """(float[1,7,3,4] x) => (float[] local, float[] lp1, float[] lp2, float[] variance)
    { local = LRN<size=3, alpha=0.01, beta=0.6, bias=1.5>(x)
      lp1 = LpNormalization<axis=1, p=1>(x)
      lp2 = LpNormalization<axis=-1, p=2>(x)
      variance = MeanVarianceNormalization<axes=[0,2,3]>(x) }""")
case("attention_from_primitives", """(float[1,6,8] x, float[1,1,6,6] mask) => (float[] y)
    <float[8,8] wq, float[8,8] wk, float[8,8] wv, float[8,8] wo, int64[4] split = {1,6,2,4}, int64[3] joined = {1,6,8}, float scale = {0.5}>
    { q = MatMul(x, wq)
      k = MatMul(x, wk)
      v = MatMul(x, wv)
      qs = Reshape(q, split)
      ks = Reshape(k, split)
      vs = Reshape(v, split)
      qh = Transpose<perm=[0,2,1,3]>(qs)
      kh = Transpose<perm=[0,2,3,1]>(ks)
      vh = Transpose<perm=[0,2,1,3]>(vs)
      scores = MatMul(qh, kh)
      scaled = Mul(scores, scale)
      masked = Add(scaled, mask)
      weights = Softmax<axis=-1>(masked)
      mixed = MatMul(weights, vh)
      turned = Transpose<perm=[0,2,1,3]>(mixed)
      flat = Reshape(turned, joined)
      y = MatMul(flat, wo) }""")
case("attention_operator", """(float[1,2,5,8] q, float[1,2,7,8] k, float[1,2,7,8] v) => (float[] y, float[] causal)
    { y = Attention(q, k, v)
      causal = Attention<is_causal=1, scale=0.25>(q, k, v) }""", opset=23)
case("attention_scaled_anywhere", """(float[2,9,12] x) => (float[] on_q, float[] on_k, float[] on_both, float[] divided, float[] twice)
    <float[12,12] wq, float[12,12] wk, float[12,12] wv, int64[4] split = {2,9,3,4}, int64[3] joined = {2,9,12},
     float half = {0.5}, float root = {0.7071}, float two = {2.0}>
    { q0 = MatMul(x, wq)
      q1 = Reshape(q0, split)
      q = Transpose<perm=[0,2,1,3]>(q1)
      k0 = MatMul(x, wk)
      k1 = Reshape(k0, split)
      k = Transpose<perm=[0,2,3,1]>(k1)
      v0 = MatMul(x, wv)
      v1 = Reshape(v0, split)
      v = Transpose<perm=[0,2,1,3]>(v1)
      q_half = Mul(q, half)
      s1 = MatMul(q_half, k)
      w1 = Softmax(s1)
      y1 = MatMul(w1, v)
      t1 = Transpose<perm=[0,2,1,3]>(y1)
      on_q = Reshape(t1, joined)
      k_half = Div(k, two)
      s2 = MatMul(q, k_half)
      w2 = Softmax(s2)
      on_k = MatMul(w2, v)
      q_root = Mul(q, root)
      k_root = Mul(root, k)
      s3 = MatMul(q_root, k_root)
      w3 = Softmax(s3)
      y3 = MatMul(w3, v)
      on_both = Transpose<perm=[0,2,1,3]>(y3)
      s4 = MatMul(q, k)
      s5 = Div(s4, root)
      w4 = Softmax(s5)
      divided = MatMul(w4, v)
      s6 = MatMul(q_half, k_root)
      s7 = Mul(s6, half)
      w5 = Softmax(s7)
      y5 = MatMul(w5, v)
      twice = Transpose<perm=[2,0,1,3]>(y5) }""")
case("attention_across", """(float[2,5,40] x, float[2,19,40] z, float[2,1,40] one, float[2,1,1,19] mask, bool[5,19] shown)
    => (float[] y, float[] of_one, float[] hidden, float[] safe)
    <int64[4] split = {2,-1,2,20}, int64[3] joined = {2,5,40}, float scale = {0.2236}, float none = {-inf}, float zero = {0.0}>
    { q0 = Reshape(x, split)
      q = Transpose<perm=[0,2,1,3]>(q0)
      k0 = Reshape(z, split)
      k = Transpose<perm=[0,2,3,1]>(k0)
      v = Transpose<perm=[0,2,1,3]>(k0)
      s1 = MatMul(q, k)
      s2 = Mul(s1, scale)
      s3 = Add(mask, s2)
      w1 = Softmax<axis=3>(s3)
      y1 = MatMul(w1, v)
      y2 = Transpose<perm=[0,2,1,3]>(y1)
      y = Reshape(y2, joined)
      p0 = Reshape(one, split)
      p = Transpose<perm=[0,2,1,3]>(p0)
      s4 = MatMul(p, k)
      s5 = Mul(s4, scale)
      s6 = Add(s5, mask)
      w2 = Softmax(s6)
      of_one = MatMul(w2, v)
      zz = Mul(z, scale)
      k2 = Reshape(zz, split)
      v_turned = Transpose<perm=[0,2,3,1]>(k2)
      bias = Where(shown, zero, none)
      r = Mul(q, scale)
      s7 = MatMul(r, k)
      s8 = Add(s7, bias)
      w3 = Softmax(s8)
      hidden = MatMul(w3, v)
      s9 = MatMul(q, v_turned)
      s10 = Where(shown, s9, none)
      w4 = Softmax(s10)
      nan = IsNaN(w4)
      w5 = Where(nan, zero, w4)
      safe = MatMul(w5, v) }""", feed=lambda rng, _: {"shown": np.arange(5 * 19).reshape(5, 19) % 7 < np.array([[3], [4], [1], [7], [2]])})
case("attention_safe", """(float[1,3,4,6] q, float[1,3,9,6] k, float[1,3,9,5] v, bool[1,1,4,9] shown) => (float[] y)
    <float scale = {0.408}, float none = {-inf}, float zero = {0.0}>
    { kt = Transpose<perm=[0,1,3,2]>(k)
      raw = MatMul(q, kt)
      scores = Mul(raw, scale)
      bias = Where(shown, zero, none)
      masked = Add(scores, bias)
      weights = Softmax<axis=-1>(masked)
      nan = IsNaN(weights)
      clean = Where(nan, zero, weights)
      y = MatMul(clean, v) }""", feed=lambda rng, _: {"shown": (np.arange(36) % 4 > 1).reshape(1, 1, 4, 9) & (np.arange(4) != 2).reshape(1, 1, 4, 1)})
case("attention_packed_projection", """(float[7,2,12] x) => (float[] y, float[] z)
    <float[12,36] w, float[36] b, int64[4] parts = {7,2,3,12}, int64[3] heads = {7,6,4}, int64[4] four = {2,3,7,4}, int64[3] joined = {7,2,12},
     int64 zero = {0}, int64 one = {1}, int64 two = {2}, float scale = {0.5}, int64[1] last = {2}, int64[3] thirds = {12,12,12}>
    { p0 = MatMul(x, w)
      p = Add(p0, b)
      p1 = Reshape(p, parts)
      p2 = Transpose<perm=[2,0,1,3]>(p1)
      q0 = Gather(p2, zero)
      k0 = Gather(p2, one)
      v0 = Gather(p2, two)
      q1 = Reshape(q0, heads)
      k1 = Reshape(k0, heads)
      v1 = Reshape(v0, heads)
      q2 = Transpose<perm=[1,0,2]>(q1)
      k2 = Transpose<perm=[1,2,0]>(k1)
      v2 = Transpose<perm=[1,0,2]>(v1)
      q3 = Mul(q2, scale)
      s = MatMul(q3, k2)
      weights = Softmax(s)
      m = MatMul(weights, v2)
      m1 = Reshape(m, four)
      m2 = Transpose<perm=[2,0,1,3]>(m1)
      y = Reshape(m2, joined)
      a, c, d = Split<axis=2>(p, thirds)
      a1 = Reshape(a, heads)
      a2 = Transpose<perm=[1,0,2]>(a1)
      c1 = Reshape(c, heads)
      c2 = Transpose<perm=[1,2,0]>(c1)
      d1 = Reshape(d, heads)
      d2 = Transpose<perm=[1,0,2]>(d1)
      s1 = MatMul(a2, c2)
      weights1 = Softmax(s1)
      n = MatMul(weights1, d2)
      z = Transpose<perm=[1,0,2]>(n) }""")
# Large enough between the convolutions (1 MiB) that they go band by band.
case("conv_separable_bands", """(float[1,4,67,63] x) => (float[] y, float[] z)
    <float[64,4,1,1] we, float[64] be, float[64,1,3,3] wd, float[64] bd, float[5,64,1,1] wp, float[5] bp, float low = {0.0}, float high = {6.0},
     float[64,4,3,3] wf, float[64,1,5,3] wt, float[3,64,1,1] wq, float[3,4,1,1] wr>
    { e0 = Conv(x, we, be)
      e = Clip(e0, low, high)
      d0 = Conv<group=64, pads=[1,1,1,1], strides=[2,2]>(e, wd, bd)
      d = Clip(d0, low, high)
      y = Conv(d, wp, bp)
      f = Conv<pads=[1,1,1,1]>(x, wf)
      t0 = Conv<group=64, pads=[2,1,2,1]>(f, wt)
      t = HardSwish(t0)
      q = Conv(t, wq)
      r = Conv(x, wr)
      z = Add(q, r) }""")
case("conv_planes_bands", """(float[1,2,67,126] x) => (float[] y)
    <float[64,2,3,3] wf, float[64] bf, float[64,1,3,3] wd, float[64] bd, float[5,64,1,1] wp, float[5] bp>
    { f0 = Conv<pads=[1,1,1,1], strides=[1,2]>(x, wf, bf)
      f = HardSwish(f0)
      d0 = Conv<group=64, pads=[1,1,1,1], strides=[2,2]>(f, wd, bd)
      d = Relu(d0)
      y = Conv(d, wp, bp) }""")
case("conv_planes_of_any_size", """(float[n,3,h,w] x, float[n,2,t] line, float[1,2,5,7,9] volume) => (float[] y, float[] z, float[] v)
    <float[20,3,7,5] wy, float[20] by, float[33,2,4] wz, float[17,2,3,2,3] wv, float[17] bv>
    { y0 = Conv<pads=[3,2,3,2], strides=[2,2]>(x, wy, by)
      y = Relu(y0)
      z = Conv<pads=[2,0], strides=[3]>(line, wz)
      v0 = Conv<pads=[1,0,2,1,1,2], dilations=[1,2,3], strides=[2,1,1]>(volume, wv, bv)
      v = Sigmoid(v0) }""", sizes=[dict(n=1, h=9, w=12, t=8), dict(n=2, h=4, w=61, t=50), dict(n=1, h=23, w=1, t=5)])
case("attention_of_windows", """(float[8,9,12] x) => (float[] y)
    <float[12,36] w, float[36] b, int64[5] parts = {8,9,3,3,4}, float[1,3,9,9] bias, float[1,4,1,9,9] mask, int64[5] cut = {2,4,3,9,9},
     int64[4] whole = {8,3,9,9}, int64[3] joined = {8,9,12}, int64 zero = {0}, int64 one = {1}, int64 two = {2}, float scale = {0.5}>
    { p0 = MatMul(x, w)
      p = Add(p0, b)
      p1 = Reshape(p, parts)
      p2 = Transpose<perm=[2,0,3,1,4]>(p1)
      q0 = Gather(p2, zero)
      k = Gather(p2, one)
      v = Gather(p2, two)
      q = Mul(q0, scale)
      kt = Transpose<perm=[0,1,3,2]>(k)
      s = MatMul(q, kt)
      s1 = Add(s, bias)
      s2 = Reshape(s1, cut)
      s3 = Add(s2, mask)
      s4 = Reshape(s3, whole)
      weights = Softmax(s4)
      m = MatMul(weights, v)
      m1 = Transpose<perm=[0,2,1,3]>(m)
      y = Reshape(m1, joined) }""")
case("attention_of_any_length", """(float[batch,length,12] x, float[batch,1,1,length] mask) => (float[] y)
    <float[12,36] w, float[36] b, int64[5] parts = {0,0,3,3,4}, int64[3] joined = {0,0,12}, int64 zero = {0}, int64 one = {1}, int64 two = {2},
     float scale = {0.5}>
    { p0 = MatMul(x, w)
      p = Add(p0, b)
      p1 = Reshape(p, parts)
      p2 = Transpose<perm=[2,0,3,1,4]>(p1)
      q = Gather(p2, zero)
      k = Gather(p2, one)
      v = Gather(p2, two)
      kt = Transpose<perm=[0,1,3,2]>(k)
      s = MatMul(q, kt)
      s1 = Mul(s, scale)
      s2 = Add(s1, mask)
      weights = Softmax(s2)
      m = MatMul(weights, v)
      m1 = Transpose<perm=[0,2,1,3]>(m)
      y = Reshape(m1, joined) }""", sizes=(dict(batch=1, length=1), dict(batch=2, length=17), dict(batch=3, length=40)))
case("transformer_block", """(float[2,5,16] x) => (float[] y)
    <float[16] scale1, float[16] bias1, float[16,48] w_qkv, float[48] b_qkv, float[16,16] wo, float[16] bo, float[16] scale2, float[16] bias2,
     float[16,32] w1, float[32] b1, float[32,16] w2, float[16] b2, int64[5] split = {2,5,3,4,4}, int64[3] joined = {2,5,16},
     int64 zero = {0}, int64 one = {1}, int64 two = {2}, float scale = {0.5}>
    { n1 = LayerNormalization(x, scale1, bias1)
      qkv0 = MatMul(n1, w_qkv)
      qkv = Add(qkv0, b_qkv)
      parts = Reshape(qkv, split)
      heads = Transpose<perm=[2,0,3,1,4]>(parts)
      q = Gather(heads, zero)
      k = Gather(heads, one)
      v = Gather(heads, two)
      kt = Transpose<perm=[0,1,3,2]>(k)
      raw = MatMul(q, kt)
      scores = Mul(raw, scale)
      weights = Softmax(scores)
      mixed = MatMul(weights, v)
      turned = Transpose<perm=[0,2,1,3]>(mixed)
      flat = Reshape(turned, joined)
      projected0 = MatMul(flat, wo)
      projected = Add(projected0, bo)
      middle = Add(projected, x)
      n2 = LayerNormalization(middle, scale2, bias2)
      h0 = MatMul(n2, w1)
      h1 = Add(h0, b1)
      h2 = Gelu(h1)
      h3 = MatMul(h2, w2)
      h4 = Add(h3, b2)
      y = Add(h4, middle) }""")

# Moving data -----------------------------------------------------------------------------------------------------------------

case("gather", """(float[4,5,3] x, int64[2,2] i, int32 s) => (float[] rows, float[] columns, float[] one, float[] backwards, float[] embedded)
    <int64[3] back = {-1,-3,0}, float[7,6] w>
    { rows = Gather(x, i)
      columns = Gather<axis=1>(x, i)
      one = Gather<axis=2>(x, s)
      backwards = Gather<axis=1>(x, back)
      embedded = Gather(w, i) }""")
case("gather_nd", """(float[2,3,4] x, int64[2,2] i, int64[2,1,1] j, int64[3,3] e) => (float[] slices, float[] batched, float[] elements)
    { slices = GatherND(x, i)
      batched = GatherND<batch_dims=1>(x, j)
      elements = GatherND(x, e) }""",
     feed=lambda r, s: dict(i=np.array([[0, 2], [1, -1]], np.int64), j=np.array([[[1]], [[2]]], np.int64),
                            e=np.array([[0, 0, 0], [1, 2, 3], [-1, 0, -2]], np.int64)))
case("gather_elements", """(float[3,4] x, int64[2,4] i, int64[3,2] j) => (float[] y, float[] z)
    { y = GatherElements(x, i)
      z = GatherElements<axis=1>(x, j) }""")
case("scatter_elements", """(float[3,5] x, int64[2,3] i, float[2,3] u, int64[1,2] d, float[1,2] v) => (float[] y, float[] along, float[] added, float[] largest)
    { y = ScatterElements(x, i, u)
      along = ScatterElements<axis=1>(x, d, v)
      added = ScatterElements<reduction="add">(x, i, u)
      largest = ScatterElements<reduction="max">(x, i, u) }""",
     feed=lambda r, s: dict(i=np.array([[0, 2, -1], [1, 0, 1]], np.int64), d=np.array([[4, 1]], np.int64)))
case("scatter_nd", """(float[4,3] x, int64[2,1] i, float[2,3] u, int64[3,2] e, float[3] v) => (float[] rows, float[] elements, float[] added, float[] product)
    { rows = ScatterND(x, i, u)
      elements = ScatterND(x, e, v)
      added = ScatterND<reduction="add">(x, e, v)
      product = ScatterND<reduction="mul">(x, i, u) }""",
     feed=lambda r, s: dict(i=np.array([[3], [1]], np.int64), e=np.array([[0, 0], [3, 2], [0, -2]], np.int64)))
case("concat_split", """(float[2,3,4] a, float[2,1,4] b, float[2,3,4] c) => (float[] middle, float[] last, float[] first, float[] p, float[] q, float[] r, float[] s, float[] t, float[] turned)
    <int64[3] sizes = {1,2,1}>
    { middle = Concat<axis=1>(a, b, c)
      last = Concat<axis=-1>(a, c)
      first = Concat<axis=0>(a, c)
      p, q, r = Split<axis=2>(a, sizes)
      s, t = Split<axis=1, num_outputs=2>(a)
      turned = Concat<axis=1>(t, s) }""")
case("slice", """(float[6,7,5] x) => (float[] part, float[] stepped, float[] reversed, float[] clamped, float[] negative)
    <int64[2] starts = {1,2}, int64[2] ends = {5,6}, int64[2] axes = {0,1}, int64[2] steps = {2,3},
     int64[1] last = {-1}, int64[1] lowest = {-1000}, int64[1] axis1 = {1}, int64[1] back = {-2},
     int64[1] from = {3}, int64[1] far = {9223372036854775807}, int64[1] one = {1}, int64[1] minus_three = {-3}>
    { part = Slice(x, starts, ends)
      stepped = Slice(x, starts, ends, axes, steps)
      reversed = Slice(x, last, lowest, axis1, back)
      clamped = Slice(x, from, far, last, one)
      negative = Slice(x, minus_three, last, axis1) }""")
case("pad_modes", """(float[2,4,5] x, int32[3] i) => (float[] zeros, float[] filled, float[] reflected, float[] edges, float[] wrapped, float[] cropped, int32[] ints, float[] by_axes)
    <int64[6] pads = {0,2,1,1,1,3}, int64[6] crop = {0,-1,2,0,1,-2}, float value = {1.5}, int64[2] pads1 = {2,1}, int64[1] axis = {-2}, int32 seven = {7}>
    { zeros = Pad(x, pads)
      filled = Pad(x, pads, value)
      reflected = Pad<mode="reflect">(x, pads)
      edges = Pad<mode="edge">(x, pads)
      wrapped = Pad<mode="wrap">(x, pads)
      cropped = Pad(x, crop, value)
      ints = Pad(i, pads1, seven)
      by_axes = Pad(x, pads1, value, axis) }""")
case("transpose_reshape", """(float[2,3,4,5] x) => (float[] turned, float[] swapped, float[] reversed, float[] flat, float[] inferred, float[] kept, float[] squeezed, float[] chained, float[] flattened)
    <int64[1] minus = {-1}, int64[3] shape = {4,-1,3}, int64[3] zero = {0,0,-1}, int64[2] axes = {0,3}>
    { turned = Transpose<perm=[0,2,3,1]>(x)
      swapped = Transpose<perm=[0,1,3,2]>(x)
      reversed = Transpose(x)
      flat = Reshape(x, minus)
      inferred = Reshape(x, shape)
      kept = Reshape(x, zero)
      wide = Unsqueeze(flat, axes_front)
      squeezed = Squeeze(wide)
      again = Transpose<perm=[3,0,1,2]>(turned)
      rest = Relu(again)
      chained = Transpose<perm=[1,2,3,0]>(rest)
      flattened = Flatten<axis=2>(x) }""".replace("int64[2] axes = {0,3}", "int64[2] axes_front = {0,2}"))
case("expand_tile", """(float[3,1] x, float[2,3] y) => (float[] expanded, float[] wider, float[] tiled)
    <int64[3] shape = {2,1,4}, int64[2] same = {3,5}, int64[2] repeats = {2,3}>
    { expanded = Expand(x, shape)
      wider = Expand(x, same)
      tiled = Tile(y, repeats) }""")
case("depth_to_space", """(float[1,8,2,3] x, float[1,2,4,6] y) => (float[] dcr, float[] crd, float[] back)
    { dcr = DepthToSpace<blocksize=2>(x)
      crd = DepthToSpace<blocksize=2, mode="CRD">(x)
      back = SpaceToDepth<blocksize=2>(y) }""")
case("resize_nearest", """(float[1,2,4,5] x) => (float[] doubled, float[] floored, float[] ceiled, float[] aligned, float[] halved, float[] sized)
    <float[4] twice = {1.0,1.0,2.0,2.0}, float[4] odd = {1.0,1.0,1.7,0.6}, int64[4] sizes = {1,2,7,3}>
    { doubled = Resize<mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor">(x, , twice)
      floored = Resize<mode="nearest", nearest_mode="floor">(x, , odd)
      ceiled = Resize<mode="nearest", nearest_mode="ceil", coordinate_transformation_mode="asymmetric">(x, , odd)
      aligned = Resize<mode="nearest", coordinate_transformation_mode="align_corners">(x, , , sizes)
      halved = Resize<mode="nearest", nearest_mode="round_prefer_ceil">(x, , odd)
      sized = Resize<mode="nearest">(x, , , sizes) }""")
case("resize_linear", """(float[1,2,4,5] x) => (float[] half, float[] aligned, float[] asymmetric, float[] torch, float[] smaller)
    <float[4] scales = {1.0,1.0,2.0,1.5}, int64[4] sizes = {1,2,7,3}, float[4] less = {1.0,1.0,0.5,0.6}>
    { half = Resize<mode="linear">(x, , scales)
      aligned = Resize<mode="linear", coordinate_transformation_mode="align_corners">(x, , , sizes)
      asymmetric = Resize<mode="linear", coordinate_transformation_mode="asymmetric">(x, , scales)
      torch = Resize<mode="linear", coordinate_transformation_mode="pytorch_half_pixel">(x, , , sizes)
      smaller = Resize<mode="linear">(x, , less) }""")
case("resize_cubic", """(float[1,2,5,6] x) => (float[] half, float[] aligned, float[] excluded, float[] sharper)
    <float[4] scales = {1.0,1.0,2.0,1.5}, int64[4] sizes = {1,2,9,4}>
    { half = Resize<mode="cubic">(x, , scales)
      aligned = Resize<mode="cubic", coordinate_transformation_mode="align_corners">(x, , , sizes)
      excluded = Resize<mode="cubic", exclude_outside=1>(x, , scales)
      sharper = Resize<mode="cubic", cubic_coeff_a=-0.5>(x, , scales) }""")
case("upsample_old", """(float[1,2,3,4] x) => (float[] y) <float[4] scales = {1.0,1.0,2.0,3.0}> { y = Upsample<mode="nearest">(x, scales) }""", opset=9)
case("cumsum_trilu_onehot", """(float[4,5] x, int64[3] i) => (float[] sum, float[] exclusive, float[] reverse, float[] lower, float[] upper, float[] hot, float[] hot_first)
    <int64 axis = {1}, int64 axis0 = {0}, int64 k = {1}, int64 depth = {4}, float[2] values = {0.0,2.5}>
    { sum = CumSum(x, axis)
      exclusive = CumSum<exclusive=1>(x, axis0)
      reverse = CumSum<reverse=1, exclusive=1>(x, axis)
      lower = Trilu<upper=0>(x)
      upper = Trilu(x, k)
      hot = OneHot(i, depth, values)
      hot_first = OneHot<axis=0>(i, depth, values) }""")
case("reverse_sequence", """(float[5,3,2] x, int64[3] n, float[3,5] y) => (float[] time_first, float[] batch_first)
    { time_first = ReverseSequence(x, n)
      batch_first = ReverseSequence<batch_axis=0, time_axis=1>(y, n) }""", feed=lambda r, s: dict(n=np.array([5, 2, 3], np.int64)))
case("generated_values", """(float[3,4] x) => (float[] ramp, float[] filled, float[] eye, int64[] shape, int64[] size, int64[] part)
    <float start = {1.0}, float limit = {6.0}, float delta = {1.5}, int64[2] dims = {2,3}>
    { ramp0 = Range(start, limit, delta)
      filled0 = ConstantOfShape<value=float[1]{2.5}>(dims)
      eye0 = EyeLike(x)
      total = ReduceSum<keepdims=0>(x)
      ramp = Mul(ramp0, total)
      filled = Add(filled0, total)
      eye = Mul(eye0, x)
      shape = Shape(x)
      size = Size(x)
      part = Shape<start=1>(x) }""")

# Recurrence and control flow -------------------------------------------------------------------------------------------------

case("lstm", """(float[5,2,3] x) => (float[] y, float[] y_h, float[] y_c) <float[1,16,3] w, float[1,16,4] wr, float[1,32] wb>
    { y, y_h, y_c = LSTM<hidden_size=4>(x, w, wr, wb) }""")
case("lstm_bidirectional_initial_state", """(float[5,2,3] x, float[2,2,4] h, float[2,2,4] c) => (float[] y, float[] y_h, float[] y_c)
    <float[2,16,3] w, float[2,16,4] wr, float[2,32] wb, int32[2] lens = {5,3}>
    { y, y_h, y_c = LSTM<hidden_size=4, direction="bidirectional">(x, w, wr, wb, lens, h, c) }""")
case("lstm_reverse", """(float[4,1,3] x) => (float[] y_h) <float[1,20,3] w, float[1,20,5] wr>
    { , y_h = LSTM<hidden_size=5, direction="reverse">(x, w, wr) }""")
case("lstm_directions_of_two_kinds", """(float[5,6,3] x, float[2,6,5] h) => (float[] y, float[] y_h, float[] y_c)
    <float[2,20,3] w, float[2,20,5] wr, float[2,40] wb, int32[6] lens = {5,1,4,5,2,3}>
    { y, y_h, y_c = LSTM<hidden_size=5, direction="bidirectional", activations=["Sigmoid", "Tanh", "Tanh", "HardSigmoid", "Softsign", "Relu"],
                         activation_alpha=[0.3], activation_beta=[0.4]>(x, w, wr, wb, lens, h) }""")
case("gru", """(float[5,2,3] x, float[1,2,4] h) => (float[] y, float[] y_h, float[] after)
    <float[1,12,3] w, float[1,12,4] wr, float[1,24] wb>
    { y, y_h = GRU<hidden_size=4>(x, w, wr, wb, , h)
      after = GRU<hidden_size=4, linear_before_reset=1>(x, w, wr, wb) }""")
case("gru_bidirectional", """(float[5,2,3] x) => (float[] y, float[] y_h) <float[2,12,3] w, float[2,12,4] wr, float[2,24] wb, int32[2] lens = {2,5}>
    { y, y_h = GRU<hidden_size=4, direction="bidirectional", linear_before_reset=1>(x, w, wr, wb, lens) }""")
case("rnn", """(float[5,2,3] x, float[2,2,4] h) => (float[] y, float[] y_h, float[] relu)
    <float[2,4,3] w, float[2,4,4] wr, float[2,8] wb, float[1,4,3] w1, float[1,4,4] wr1>
    { y, y_h = RNN<hidden_size=4, direction="bidirectional">(x, w, wr, wb, , h)
      relu = RNN<hidden_size=4, activations=["Relu"]>(x, w1, wr1) }""")
case("lstm_given_weights", """(float[5,2,3] x, float[2,16,3] w, float[2,16,4] r, float[2,32] b, float[2,2,4] h, float[2,2,4] c, float[2,12] p)
    => (float[] y, float[] y_h, float[] y_c)
    { y, y_h, y_c = LSTM<hidden_size=4, direction="bidirectional">(x, w, r, b, , h, c, p) }""")
case("gru_given_weights", """(float[5,2,3] x, float[1,12,3] w, float[1,12,4] r, float[1,24] b, float[2,12,3] w2, float[2,12,4] r2, float[2,24] b2)
    => (float[] before, float[] after, float[] none)
    { before = GRU<hidden_size=4>(x, w, r, b)
      after = GRU<hidden_size=4, linear_before_reset=1, direction="bidirectional">(x, w2, r2, b2)
      none = GRU<hidden_size=4, linear_before_reset=1>(x, w, r) }""")
case("rnn_given_weights", """(float[5,2,3] x, float[2,21,3] w, float[2,21,21] r, float[2,42] b) => (float[] y, float[] y_h)
    { y, y_h = RNN<hidden_size=21, direction="bidirectional">(x, w, r, b) }""")
case("if_known_condition", """(float[2,3] x) => (float[] y) <bool yes = {1}, float two = {2.0}>
    { y = If(yes) <then_branch = doubled () => (float[2,3] t) { t = Mul(x, two) },
                   else_branch = negated () => (float[2,3] e) { e = Neg(x) }> }""")
case("if_pinned_condition", """(float[2,3] x, int64 mode) => (float[] y) <int64 one = {1}, float two = {2.0}>
    { first = Equal(mode, one)
      y = If(first) <then_branch = doubled () => (float[2,3] t) { t = Mul(x, two) },
                     else_branch = negated () => (float[2,3] e) { e = Neg(x) }> }""",
     pin=["mode=0"], feed=lambda r, s: dict(mode=np.array(0, np.int64)))
case("scan", """(float[3] start, float[4,3] x) => (float[] last, float[] partial)
    { last, partial = Scan<num_scan_inputs=1, body = step (float[3] sum_in, float[3] next) => (float[3] sum_out, float[3] copy)
        { sum_out = Add(sum_in, next)
          copy = Tanh(sum_out) }>(start, x) }""")
case("loop_known_trip_count", """(float[3] x) => (float[] last, float[] each) <int64 trips = {4}, bool go = {1}, float rate = {0.5}>
    { last, each = Loop(trips, go, x) <body = step (int64 i, bool go_in, float[3] v_in) => (bool go_out, float[3] v_out, float[3] seen)
        { go_out = Identity(go_in)
          scaled = Mul(v_in, rate)
          v_out = Sin(scaled)
          seen = Neg(v_out) }> }""")
case("local_function", """(float[2,3] x) => (float[] y) { t = local.swish<beta=1.5>(x)
      y = local.swish<beta=0.5>(t) }""",
     functions="""<domain: "local", opset_import: ["": 21]> swish <beta> (v) => (r)
    { b = Constant<value_float: float = @beta>()
      s = Mul(v, b)
      g = Sigmoid(s)
      r = Mul(v, g) }""")
case("identity_and_dropout", """(float[2,3] x) => (float[] y) <float ratio = {0.5}>
    { a = Identity(x)
      b = Dropout(a, ratio)
      y = Exp(b) }""")

# What onnxruntime's own tools write ------------------------------------------------------------------------------------------

MASK = np.array([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]], np.int32)

case("microsoft_gelu", """(float[2,4,6] x) => (float[] biased, float[] fast, float[] fast_biased, float[] plain, float[] quick) <float[6] b>
    { biased = com.microsoft.BiasGelu(x, b)
      fast = com.microsoft.FastGelu(x)
      fast_biased = com.microsoft.FastGelu(x, b)
      plain = com.microsoft.Gelu(x)
      quick = com.microsoft.QuickGelu<alpha = 1.5>(x) }""", opset=17)
case("microsoft_skip_layer_norm", """(float[2,5,12] x, float[2,5,12] skip)
    => (float[] y, float[] sum, float[] plain, float[] rms, float[] rms_sum) <float[12] g, float[12] shift, float[12] b>
    { y, mean, dev, sum = com.microsoft.SkipLayerNormalization<epsilon = 0.001>(x, skip, g, shift, b)
      plain = com.microsoft.SkipLayerNormalization(x, skip, g, shift)
      rms, m2, d2, rms_sum = com.microsoft.SkipSimplifiedLayerNormalization<epsilon = 0.00001>(x, skip, g, b) }""", opset=17)
case("microsoft_embed_layer_norm", """(int32[2,5] ids, int32[2,5] segments, int32[2,5] mask) => (float[] y, int32[] lens, float[] alone, int32[] none)
    <float[20,12] word, float[8,12] position, float[3,12] segment, float[12] g, float[12] b>
    { y, lens = com.microsoft.EmbedLayerNormalization<epsilon = 0.000001>(ids, segments, word, position, segment, g, b, mask)
      alone, none = com.microsoft.EmbedLayerNormalization<epsilon = 0.000001>(ids, , word, position, , g, b) }""", opset=17,
     feed=lambda rng, _: {"ids": rng.integers(0, 20, (2, 5)).astype(np.int32), "mask": MASK})
case("microsoft_fused_matmul", """(float[2,3,4] a, float[2,4,5] b, float[2,4,3] at, float[2,5,4] bt, float[3,2,4] ab, float[4] v)
    => (float[] plain, float[] left, float[] right, float[] both, float[] batch, float[] vector) <float[4,5] w>
    { plain = com.microsoft.FusedMatMul<alpha = 0.5>(a, b)
      left = com.microsoft.FusedMatMul<transA = 1>(at, b)
      right = com.microsoft.FusedMatMul<transB = 1>(a, bt)
      both = com.microsoft.FusedMatMul<transA = 1, transB = 1, alpha = 2.0>(at, bt)
      batch = com.microsoft.FusedMatMul<transBatchA = 1>(ab, b)
      vector = com.microsoft.FusedMatMul(v, w) }""", opset=17)
case("microsoft_fused_conv", """(float[1,3,6,6] x, float[1,8,6,6] z)
    => (float[] relu, float[] leaky, float[] clip, float[] hard, float[] tanh, float[] sigmoid, float[] sum) <float[8,3,3,3] w, float[8] b>
    { relu = com.microsoft.FusedConv<activation = "Relu", kernel_shape = [3,3], pads = [1,1,1,1]>(x, w, b)
      leaky = com.microsoft.FusedConv<activation = "LeakyRelu", activation_params = [0.1], kernel_shape = [3,3]>(x, w, b)
      clip = com.microsoft.FusedConv<activation = "Clip", activation_params = [-0.5, 0.5], kernel_shape = [3,3]>(x, w, b)
      hard = com.microsoft.FusedConv<activation = "HardSigmoid", activation_params = [0.3, 0.4], kernel_shape = [3,3]>(x, w, b)
      tanh = com.microsoft.FusedConv<activation = "Tanh", kernel_shape = [3,3]>(x, w, b)
      sigmoid = com.microsoft.FusedConv<activation = "Sigmoid", kernel_shape = [3,3]>(x, w, b)
      sum = com.microsoft.FusedConv<activation = "Relu", kernel_shape = [3,3], pads = [1,1,1,1]>(x, w, b, z) }""", opset=17)
case("microsoft_fused_gemm", """(float[3,4] x) => (float[] y, float[] leaky) <float[4,5] w, float[5] b>
    { y = com.microsoft.FusedGemm<activation = "Relu", alpha = 0.5>(x, w, b)
      leaky = com.microsoft.FusedGemm<activation = "LeakyRelu", activation_alpha = 0.2>(x, w, b) }""", opset=17)
case("microsoft_attention", """(float[2,5,12] x, int32[2,5] mask, int32[2] lens, int32[2,5,5] pairs, float[2,3,5,5] bias, float[2,2,3,3,4] past)
    => (float[] plain, float[] causal, float[] masked, float[] counted, float[] paired, float[] biased, float[] after, float[] present, float[] narrow)
    <float[12,36] w, float[36] b, float[12,30] w2, float[30] b2>
    { plain = com.microsoft.Attention<num_heads = 3>(x, w, b)
      causal = com.microsoft.Attention<num_heads = 3, unidirectional = 1>(x, w, b)
      masked = com.microsoft.Attention<num_heads = 3>(x, w, b, mask)
      counted = com.microsoft.Attention<num_heads = 3>(x, w, b, lens)
      paired = com.microsoft.Attention<num_heads = 3>(x, w, b, pairs)
      biased = com.microsoft.Attention<num_heads = 3, scale = 0.3>(x, w, b, , , bias)
      after, present = com.microsoft.Attention<num_heads = 3, unidirectional = 1>(x, w, b, , past)
      narrow = com.microsoft.Attention<num_heads = 3, qkv_hidden_sizes = [12, 12, 6]>(x, w2, b2) }""", opset=17,
     feed=lambda rng, _: {"mask": MASK, "lens": np.array([4, 2], np.int32), "pairs": np.tril(np.ones((2, 5, 5), np.int32))})
case("microsoft_multi_head_attention", """(float[2,5,12] q, float[2,7,12] k, float[2,7,12] v, int32[2,7] mask, float[2,3,5,7] bias,
     float[2,3,3,4] past_k, float[2,3,3,4] past_v, float[2,3,7,4] heads_k, float[2,3,7,4] heads_v)
    => (float[] plain, float[] with_bias, float[] masked, float[] moved, float[] causal, float[] after, float[] present_k, float[] present_v, float[] crossed)
    <float[36] b>
    { plain = com.microsoft.MultiHeadAttention<num_heads = 3>(q, k, v)
      with_bias = com.microsoft.MultiHeadAttention<num_heads = 3>(q, k, v, b)
      masked = com.microsoft.MultiHeadAttention<num_heads = 3>(q, k, v, , mask)
      moved = com.microsoft.MultiHeadAttention<num_heads = 3, scale = 0.2>(q, k, v, , , bias)
      causal = com.microsoft.MultiHeadAttention<num_heads = 3, unidirectional = 1>(q, q, q)
      after, present_k, present_v = com.microsoft.MultiHeadAttention<num_heads = 3>(q, q, q, , , , past_k, past_v)
      crossed = com.microsoft.MultiHeadAttention<num_heads = 3>(q, heads_k, heads_v) }""", opset=17,
     feed=lambda rng, _: {"mask": np.array([[1] * 6 + [0], [1] * 3 + [0] * 4], np.int32)})

# Regions, deformed convolutions, training statistics ---------------------------------------------------------------------------

case("roi_align", """(float[2,3,9,11] x, float[4,4] boxes, int64[4] image)
    => (float[] mean, float[] most, float[] whole, float[] adaptive)
    { mean = RoiAlign<output_height = 3, output_width = 2, sampling_ratio = 2, spatial_scale = 0.5>(x, boxes, image)
      most = RoiAlign<output_height = 2, output_width = 4, sampling_ratio = 1, mode = "max">(x, boxes, image)
      whole = RoiAlign<output_height = 2, output_width = 2, sampling_ratio = 3, coordinate_transformation_mode = "output_half_pixel">(x, boxes, image)
      adaptive = RoiAlign<output_height = 2, output_width = 3>(x, boxes, image) }""",
     feed=lambda rng, _: {"boxes": np.array([[0, 0, 10, 8], [2.3, 1.7, 7.9, 8.2], [-3, -2, 4, 20], [5, 5, 5.2, 5.1]], np.float32),
                          "image": np.array([0, 1, 1, 0])})
case("batch_norm_training", """(float[3,4,5,2] x, float[4] running, float[4] varying) => (float[] y, float[] mean, float[] variance)
    <float[4] g, float[4] b>
    { y, mean, variance = BatchNormalization<training_mode = 1, momentum = 0.8>(x, g, b, running, varying) }""",
     feed=lambda rng, _: {"varying": rng.uniform(0.5, 1.5, 4).astype(np.float32)})

# Classical models --------------------------------------------------------------------------------------------------------------

NODES = """nodes_treeids = [0,0,0,0,0,1,1,1], nodes_nodeids = [0,1,2,3,4,0,1,2], nodes_featureids = [0,1,0,0,0,2,0,0],
           nodes_values = [0.1,-0.4,0.0,0.0,0.0,0.2,0.0,0.0], nodes_truenodeids = [1,2,0,0,0,1,0,0], nodes_falsenodeids = [4,3,0,0,0,2,0,0],
           nodes_modes = ["BRANCH_LEQ","BRANCH_LT","LEAF","LEAF","LEAF","BRANCH_GT","LEAF","LEAF"],
           nodes_missing_value_tracks_true = [0,0,0,0,0,1,0,0]"""
case("trees_regression", f"""(float[6,3] x, float[2,3] holes) => (float[] y, float[] mean, float[] least, float[] missing)
    {{ y = ai.onnx.ml.TreeEnsembleRegressor<n_targets = 2, base_values = [0.5, -0.5], {NODES},
        target_treeids = [0,0,0,0,0,0,1,1], target_nodeids = [2,2,3,3,4,4,1,2], target_ids = [0,1,0,1,0,1,0,1],
        target_weights = [1.0,2.0,-3.0,0.5,4.0,-1.5,0.25,0.75]>(x)
      mean = ai.onnx.ml.TreeEnsembleRegressor<n_targets = 1, aggregate_function = "AVERAGE", {NODES},
        target_treeids = [0,0,0,1,1], target_nodeids = [2,3,4,1,2], target_ids = [0,0,0,0,0], target_weights = [1.0,2.0,-3.0,4.0,-1.5]>(x)
      least = ai.onnx.ml.TreeEnsembleRegressor<n_targets = 1, aggregate_function = "MIN", {NODES},
        target_treeids = [0,0,0,1,1], target_nodeids = [2,3,4,1,2], target_ids = [0,0,0,0,0], target_weights = [1.0,2.0,-3.0,4.0,-1.5]>(x)
      missing = ai.onnx.ml.TreeEnsembleRegressor<n_targets = 1, {NODES},
        target_treeids = [0,0,0,1,1], target_nodeids = [2,3,4,1,2], target_ids = [0,0,0,0,0], target_weights = [1.0,2.0,-3.0,4.0,-1.5]>(holes) }}""",
     opset=17, feed=lambda rng, _: {"holes": np.array([[0.3, 0.1, np.nan], [np.nan, 1.0, 0.1]], np.float32)})
case("trees_classification", f"""(float[6,3] x) => (int64[] label, float[] score, int64[] label2, float[] score2, int64[] label3, float[] score3)
    {{ label, score = ai.onnx.ml.TreeEnsembleClassifier<classlabels_int64s = [3, 7, 9], post_transform = "SOFTMAX", {NODES},
        class_treeids = [0,0,0,1,1], class_nodeids = [2,3,4,1,2], class_ids = [0,1,2,1,0], class_weights = [0.7,0.6,0.9,0.2,0.3]>(x)
      label2, score2 = ai.onnx.ml.TreeEnsembleClassifier<classlabels_int64s = [0, 1], {NODES},
        class_treeids = [0,0,0,1,1], class_nodeids = [2,3,4,1,2], class_ids = [0,0,0,0,0], class_weights = [0.3,0.1,0.4,0.2,0.45]>(x)
      label3, score3 = ai.onnx.ml.TreeEnsembleClassifier<classlabels_int64s = [0, 1], post_transform = "LOGISTIC", base_values = [0.25], {NODES},
        class_treeids = [0,0,0,1,1], class_nodeids = [2,3,4,1,2], class_ids = [0,0,0,0,0], class_weights = [-0.3,1.1,0.4,-0.2,0.45]>(x) }}""", opset=17)
case("classic_preparation", """(float[4,3] x, int64[5] n) => (float[] scaled, float[] most, float[] l1, float[] l2, float[] filled, int64[] mapped, float[] named)
    { scaled = ai.onnx.ml.Scaler<offset = [0.5, 0.0, -1.0], scale = [2.0, 1.0, 0.25]>(x)
      most = ai.onnx.ml.Normalizer<norm = "MAX">(x)
      l1 = ai.onnx.ml.Normalizer<norm = "L1">(x)
      l2 = ai.onnx.ml.Normalizer<norm = "L2">(x)
      filled = ai.onnx.ml.Imputer<imputed_value_floats = [9.0, 8.0, 7.0], replaced_value_float = 0.0>(x)
      mapped = ai.onnx.ml.LabelEncoder<keys_int64s = [1, 2], values_int64s = [10, 20], default_int64 = -5>(n)
      named = ai.onnx.ml.LabelEncoder<keys_int64s = [0, 2], values_floats = [0.5, 1.5], default_float = 3.0>(n) }""", opset=17,
     feed=lambda rng, _: {"x": np.array([[1, -2, 0], [0, 0.5, 3], [2, 2, -4], [0.1, 0.2, 0.3]], np.float32)})
case("classic_linear", """(float[4,3] x) => (float[] y, int64[] label, float[] score)
    { y = ai.onnx.ml.LinearRegressor<targets = 2, coefficients = [0.5, -1.0, 2.0, 0.1, 0.2, 0.3], intercepts = [1.0, -1.0]>(x)
      label, score = ai.onnx.ml.LinearClassifier<classlabels_ints = [4, 5, 6], post_transform = "SOFTMAX",
        coefficients = [0.5, -1.0, 2.0, 0.1, 0.2, 0.3, -1.0, 0.4, 0.6], intercepts = [0.1, -0.1, 0.2]>(x) }""", opset=17)
case("tokens_to_counts", """(int64[3,9] x) => (float[] counts, float[] weighted)
    { counts = TfIdfVectorizer<mode = "TF", min_gram_length = 1, max_gram_length = 2, max_skip_count = 2, ngram_counts = [0, 3],
        ngram_indexes = [1, 0, 2, 4, 3, 5], pool_int64s = [1, 2, 3, 1, 2, 2, 2, 3, 1]>(x)
      weighted = TfIdfVectorizer<mode = "TFIDF", min_gram_length = 2, max_gram_length = 2, max_skip_count = 0, ngram_counts = [0, 3],
        ngram_indexes = [1, 0, 2, 4, 3, 5], pool_int64s = [1, 2, 3, 1, 2, 2, 2, 3, 1], weights = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]>(x) }""",
     feed=lambda rng, _: {"x": rng.integers(1, 4, (3, 9))})

# Strings ------------------------------------------------------------------------------------------------------------------------


def words(*texts):
    return np.array(texts, dtype=object)


case("strings", """(string[2,3] x, string[3] z, bool[3] c, int64[2] picks, float[6] f) => (string[] joined, bool[] same, string[] chosen, string[] picked,
      bool[] matched, string[] moved, string[] written, string[] digits, string[] doubles, string[] padded)
    <string[3] k = {"-", "", "é"}>
    { first = StringConcat(x, k)
      joined = StringConcat(first, z)
      same = Equal(x, z)
      chosen = Where(c, x, z)
      picked = Gather<axis=1>(x, picks)
      matched = RegexFullMatch<pattern = "[[:alpha:]é]+(-.*)?|\\\\d{2,3}">(joined)
      t = Transpose<perm=[1,0]>(x)
      moved = Concat<axis=1>(t, t)
      written = Cast<to=8>(f)
      digits = Cast<to=8>(picks)
      wide = Cast<to=11>(f)
      doubles = Cast<to=8>(wide)
      times = Constant<value_ints=[2]>()
      padded = Tile(z, times) }""", opset=20, oracle="onnxruntime",
     feed=lambda r, s: dict(x=words("a", "Größe", "12", "", "b-c", "a").reshape(2, 3), z=words("a", "", "12"), picks=np.array([2, -1]),
                            f=np.array([0.1, -1e10, 3.0, 123456.789, 1e-5, np.inf], np.float32)))
case("strings_taken_apart", """(string[n] x, string[m] w) => (string[] pieces, int64[] counts, string[] some, string[] words_, int64[] lens, string[] lower,
      string[] left, string[] upper, float[] numbers, int64[] whole)
    { pieces, counts = StringSplit<delimiter = ", ">(x)
      some, some_counts = StringSplit<delimiter = ",", maxsplit = 1>(x)
      words_, lens = StringSplit(w)
      lower = StringNormalizer<locale = "C.UTF-8", case_change_action = "LOWER">(w)
      left = StringNormalizer<locale = "C.UTF-8", case_change_action = "NONE", is_case_sensitive = 0, stopwords = ["the", "a b"]>(w)
      upper = StringNormalizer<locale = "C.UTF-8", case_change_action = "UPPER", is_case_sensitive = 1, stopwords = ["The", "a b"]>(w)
      head = Constant<value_strings = ["-12", "2.5e3", " 7"]>()
      numbers = Cast<to=1>(head)
      most = Constant<value_string = "9223372036854775807">()
      whole = Cast<to=7>(most) }""", opset=20, oracle="onnxruntime", options={"dim": ["words_:pieces<=9"]},
     sizes=({"n": 3, "m": 4}, {"n": 1, "m": 2}),
     feed=lambda r, s: dict(x=words("a, b,c", "b", "ä, , d, e")[:s["n"]], w=words("The  quick brown", "a b", " The", "THE")[-s["m"]:]))
case("strings_read", """(string[n] x) => (float[] wide, double[] wider, int64[] whole, uint8[] small, float16[] half)
    { wide = Cast<to=1>(x)
      wider = Cast<to=11>(x)
      whole = Cast<to=7>(x)
      small = Cast<to=2>(x)
      half = Cast<to=10>(wide) }""", opset=20, feed=lambda r, s: dict(x=words("7", "250", "0")), sizes=({"n": 3},))
case("string_labels", """(string[n,2] x, int64[3] i, float[4,3] f, string[3,5] tokens) => (int64[] numbers, float[] scores, string[] named, string[] other,
      float[] hot, float[] hot_numbers, int64[] mapped, string[] back, string[] class, float[] probability, string[] tree, float[] tree_score,
      float[] grams)
    { numbers = ai.onnx.ml.LabelEncoder<keys_strings = ["red", "green", "red", ""], values_int64s = [3, 5, 7, 9], default_int64 = -7>(x)
      scores = ai.onnx.ml.LabelEncoder<keys_strings = ["blue", "green"], values_floats = [0.5, 2.5], default_float = -1.5>(x)
      named = ai.onnx.ml.LabelEncoder<keys_strings = ["red", "blue"], values_strings = ["rot", "blau"]>(x)
      other = ai.onnx.ml.LabelEncoder<keys_int64s = [0, 2], values_strings = ["none", "two"], default_string = "many">(i)
      hot = ai.onnx.ml.OneHotEncoder<cats_strings = ["blue", "red", "violet"], zeros = 1>(x)
      hot_numbers = ai.onnx.ml.OneHotEncoder<cats_int64s = [2, 0], zeros = 1>(i)
      mapped = ai.onnx.ml.CategoryMapper<cats_strings = ["green", "red"], cats_int64s = [4, 6], default_int64 = 8>(x)
      back = ai.onnx.ml.CategoryMapper<cats_strings = ["green", "red"], cats_int64s = [2, 1], default_string = "?">(i)
      class, probability = ai.onnx.ml.LinearClassifier<classlabels_strings = ["cat", "dog", "owl"], post_transform = "SOFTMAX",
        coefficients = [0.5, -1.0, 2.0, 0.1, 0.2, 0.3, -1.0, 0.4, 0.6], intercepts = [0.1, -0.1, 0.2]>(f)
      tree, tree_score = ai.onnx.ml.TreeEnsembleClassifier<classlabels_strings = ["low", "high", "none"], post_transform = "NONE",
        nodes_treeids = [0, 0, 0], nodes_nodeids = [0, 1, 2], nodes_featureids = [1, 0, 0], nodes_values = [0.1, 0.0, 0.0],
        nodes_modes = ["BRANCH_LEQ", "LEAF", "LEAF"], nodes_truenodeids = [1, 0, 0], nodes_falsenodeids = [2, 0, 0],
        class_treeids = [0, 0, 0, 0], class_nodeids = [1, 1, 2, 2], class_ids = [0, 1, 0, 1], class_weights = [0.9, 0.1, 0.2, 0.8]>(f)
      grams = TfIdfVectorizer<mode = "TF", min_gram_length = 1, max_gram_length = 2, max_skip_count = 1, ngram_counts = [0, 2],
        ngram_indexes = [0, 2, 1], pool_strings = ["red", "sea", "red", "sea"]>(tokens) }""", opset=17, sizes=({"n": 3}, {"n": 1}),
     feed=lambda r, s: dict(x=words("red", "blue", "", "green", "Red", "red").reshape(3, 2)[:s["n"]],
                            tokens=words(*["red sea red the sea".split(), "the deep red blue sea".split(), [""] * 5]).reshape(3, 5)))

# Free sizes that are equal only for some values ----------------------------------------------------------------------------------

case("sizes_equal_sometimes", """(float[1,2,height,width] x) => (float[] y, float[] joined) <float[2,2,2,2] w>
    { down = MaxPool<kernel_shape=[2,2], strides=[2,2]>(x)
      up = ConvTranspose<strides=[2,2]>(down, w)
      y = Add(up, x)
      joined = Concat<axis=1>(x, up) }""", sizes=({"height": 4, "width": 6}, {"height": 2, "width": 2}))
case("sizes_of_two_names", """(float[n,3] x, float[m,3] z, float[k,m] t) => (float[] y, float[] product)
    { y = Add(x, z)
      product = MatMul(t, x) }""", sizes=({"n": 4, "m": 4, "k": 2}, {"n": 1, "m": 1, "k": 5}))

# Sizes that depend on data ------------------------------------------------------------------------------------------------------

case("counted_non_zero", """(float[3,4] x, bool[2,3] flags) => (int64[] places, float[] picked, float[] sum, int64[] set, int64[] how_many)
    { r = Relu(x)
      places = NonZero(r)
      rows = Transpose<perm=[1,0]>(places)
      values = GatherND(x, rows)
      picked = Exp(values)
      sum = ReduceSum<keepdims=0>(picked)
      set = NonZero(flags)
      how_many = Shape(set) }""")
case("counted_free", """(float[n,3] x) => (int64[] places, float[] doubled) <float[3] w>
    { y = Mul(x, w)
      r = Relu(y)
      places = NonZero(r)
      f = Cast<to=1>(places)
      doubled = Add(f, f) }""", sizes=({"n": 4}, {"n": 1}))
case("counted_compress", """(float[3,5] x, bool[3] rows, bool[4] columns, bool[15] all) => (float[] a, float[] b, float[] c)
    { a = Compress<axis=0>(x, rows)
      b = Compress<axis=-1>(x, columns)
      c = Compress(x, all) }""")
case("counted_unique", """(int64[3,4] x, float[7] v) => (int64[] y, int64[] first, int64[] inverse, int64[] counts, float[] plain, int64[] f2, int64[] i2, int64[] c2,
     int64[] columns, int64[] f3, int64[] i3, int64[] c3)
    { y, first, inverse, counts = Unique<sorted=0>(x)
      plain, f2, i2, c2 = Unique(v)
      columns, f3, i3, c3 = Unique<axis=1>(x) }""", feed=lambda rng, _: {"v": np.array([2, 1, 1, 3, 4, 3, -1], np.float32)})
case("counted_boxes", """(float[1,6,4] boxes, float[1,2,6] scores, float[2,5,4] wide, float[2,3,5] sure) => (int64[] kept, int64[] all, float[] best)
    <int64[1] most = {3}, float[1] overlap = {0.5}, float[1] least = {0.1}, int64[1] many = {100}, int64[1] second = {2}>
    { kept = NonMaxSuppression(boxes, scores, most, overlap, least)
      all = NonMaxSuppression<center_point_box=1>(wide, sure, many, overlap)
      at = Gather<axis=1>(kept, second)
      flat = Squeeze(boxes, zero)
      best = GatherND(flat, at) }""".replace("second = {2}>", "second = {2}, int64[1] zero = {0}>"),
     feed=lambda rng, _: {"boxes": np.array([[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, -0.1, 1, 0.9], [0, 10, 1, 11], [0, 10.1, 1, 11.1], [0, 100, 1, 101]]], np.float32),
                          "scores": rng.uniform(0, 1, (1, 2, 6)).astype(np.float32), "wide": rng.uniform(0, 2, (2, 5, 4)).astype(np.float32)})

# Control flow at run time --------------------------------------------------------------------------------------------------------

case("if_at_run_time", """(float[2,3] x, bool[1] which, bool[1] other) => (float[] y, float[] z) <float[3] a, float[3] b>
    { b2 = Sub(x, a)
      y, inner = If (which) <then_branch = t () => (float[2,3] p, float[2,3] q) { s = Add(x, a)  p = Exp(s)  q = Neg(x) },
                             else_branch = e () => (float[2,3] p2, float[2,3] q2) { p2 = Mul(x, b)  q2 = Identity(b2) }>
      y2 = Abs(y)
      z = If (other) <then_branch = t2 () => (float[2,3] r) {
                          r = If (which) <then_branch = t3 () => (float[2,3] u) { u = Add(inner, b) }, else_branch = e3 () => (float[2,3] u2) { u2 = Identity(inner) }> },
                      else_branch = e2 () => (float[2,3] r2) { r2 = Sqrt(y2) }> }""",
     sizes=({"w": 1, "o": 1}, {"w": 0, "o": 1}, {"w": 1, "o": 0}, {"w": 0, "o": 0}),
     feed=lambda rng, sizes: {"which": np.array([bool(sizes["w"])]), "other": np.array([bool(sizes["o"])])})
case("loop_until", """(float[3] x, float[1] limit, int64[1] most) => (float[3] y, float[3] swapped, float[3] tail) <bool yes = {1}, float[3] step>
    { limits = Squeeze(most)
      twice = Add(x, x)
      zero = Sub(x, x)
      y, swapped, tail = Loop (limits, yes, x, twice, zero) <body = turn (int64 i, bool go, float[3] a, float[3] b, float[3] t) => (bool on, float[3] c, float[3] d, float[3] e)
        { d = Add(a, step)
          c = Identity(b)
          n = Cast<to = 1>(i)
          e = Add(t, n)
          s = ReduceSum<keepdims = 0>(d)
          m = ReduceSum<keepdims = 0>(limit)
          on = Less(s, m) }> }""",
     sizes=({"l": 10, "m": 50}, {"l": -100, "m": 50}, {"l": 1000, "m": 7}, {"l": 1000, "m": 0}),
     feed=lambda rng, sizes: {"x": np.array([0.1, 0.2, 0.3], np.float32), "limit": np.array([sizes["l"]], np.float32), "most": np.array([sizes["m"]], np.int64)})
case("loop_collects_until", """(float[2] x, float[1] limit) => (float[2] last, float[k,2] all, int64[k] numbers) <int64 most = {9}, bool yes = {1}, float[1] two = {2.0}>
    { last, all, numbers = Loop (most, yes, x) <body = turn (int64 i, bool go, float[2] a) => (bool on, float[2] b, float[2] c, int64 k)
        { b = Mul(a, two)
          c = Identity(a)
          k = Identity(i)
          s = ReduceMax<keepdims = 0>(b)
          m = ReduceSum<keepdims = 0>(limit)
          on = Less(s, m) }> }""",
     sizes=({"l": 10}, {"l": 1000000}, {"l": 0}), feed=lambda rng, sizes: {"x": np.array([0.5, 0.25], np.float32), "limit": np.array([sizes["l"]], np.float32)})
case("loop_of_many_turns", """(float[4] x) => (float[] y, float[] each) <int64[1] most = {200}, float[4] w, float[1] h = {0.5}>
    { y, each = Loop (most, , x) <body = turn (int64 i, bool go, float[4] a) => (bool on, float[4] b, float[4] c)
        { s = Mul(a, h)
          b = Add(s, w)
          b2 = Abs(b)
          c = Sqrt(b2)
          on = Identity(go) }> }""")
case("scan_of_many_turns", """(float[2] start, float[n,2] xs, float[2,n] ys) => (float[] last, float[] sums, float[] products) <float[2] w>
    { last, sums, products = Scan<num_scan_inputs = 2, scan_input_axes = [0, 1], scan_input_directions = [0, 1], body = turn (float[2] s, float[2] x, float[2] y)
        => (float[2] t, float[2] u, float[2] v) { h = Mul(s, w)  t = Add(h, x)  u = Identity(t)  v = Mul(x, y) }>(start, xs, ys) }""",
     sizes=({"n": 70}, {"n": 1}, {"n": 100}))

# The interface ---------------------------------------------------------------------------------------------------------------

case("output_is_input", """(float[2,3] x, float[3] b) => (float[2,3] x, float[] y) { y = Add(x, b) }""")
case("output_is_constant", """(float[3] x) => (float[] y, float[3] c, int64[] shape) <float[3] c = {1.0,2.0,3.0}>
    { y = Add(x, c)
      shape = Shape(x) }""")
case("output_is_output_reshaped", """(float[2,6] x) => (float[] y, float[] z) <int64[2] shape = {3,4}>
    { y = Exp(x)
      z = Reshape(y, shape) }""")
case("input_unused", """(float[3] x, float[4] ignored) => (float[] y) { y = Relu(x) }""")
case("input_of_size_zero_rank", """(float x, int64 i) => (float[] y, int64[] j) { y = Exp(x)
      j = Add(i, i) }""")
case("names_are_awkward", """(float[2] fn, float[2] a_b, float[2] input1) => (float[] type, float[] a_b_out, float[] self)
    { type = Add(fn, a_b)
      a_b_out = Mul(a_b, input1)
      self = Sub(fn, input1) }""",
     edit={"fn": "fn", "a_b": "a.b", "input1": "a/b", "a_b_out": "größe", "type": "type", "self": "self"})
case("names_clash_with_generated", """(float[2] arena, float[2] io, float[2] weights, float[2] sizes) => (float[] s, float[] marker, float[] self_)
    { s = Add(arena, io)
      marker = Mul(io, weights)
      self_ = Sub(arena, sizes) }""")
case("names_of_sizes_clash", """(float[a_b,a_c] n0_a_b, float[a_b] blocks) => (float[] data, float[] shape)
    { t = Transpose(n0_a_b)
      data = Mul(t, blocks)
      shape = Concat<axis=0>(blocks, blocks) }""", edit={"a_b": "a b", "a_c": "a.b"}, sizes=[{"a b": 2, "a.b": 3}, {"a b": 4, "a.b": 1}])
case("kernels_embedded", """(float[1,3,8,8] x) => (float[] y) <float[16,3,3,3] w, float[16] b, float[16,10] w2>
    { c = Conv<pads=[1,1,1,1]>(x, w, b)
      r = Relu(c)
      p = GlobalAveragePool(r)
      f = Flatten(p)
      m = MatMul(f, w2)
      y = Softmax(m) }""", options={"kernels": "embedded"})
case("kernels_embedded_dynamic", """(float[n,6] x) => (float[] y) <float[6,5] w, float[5] b>
    { m = Gemm(x, w, b)
      y = LogSoftmax(m) }""", options={"kernels": "embedded"}, sizes=[{"n": 1}, {"n": 5}, {"n": 2}])

# Sizes chosen later ----------------------------------------------------------------------------------------------------------

case("free_batch", """(float[batch,2,7,7] x) => (float[] y) <float[6,2,3,3] w, float[6] b, float[54,10] w2, float[10] b2, int64[2] shape = {-1,54}>
    { c = Conv<pads=[1,1,1,1]>(x, w, b)
      r = Relu(c)
      p = MaxPool<kernel_shape=[2,2], strides=[2,2]>(r)
      f = Reshape(p, shape)
      g = Gemm(f, w2, b2)
      y = Softmax(g) }""", sizes=[{"batch": 1}, {"batch": 3}, {"batch": 8}, {"batch": 2}])
case("free_image", """(float[1,3,height,width] x) => (float[] y) <float[9,3,3,3] w1, float[9] b1, float[9,1,3,3] w2, float[4,9,1,1] w3>
    { c1 = Conv<pads=[1,1,1,1], strides=[2,2]>(x, w1, b1)
      r1 = Relu(c1)
      c2 = Conv<pads=[1,1,1,1], group=9>(r1, w2)
      p = AveragePool<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]>(c2)
      y = Conv(p, w3) }""",
     sizes=[{"height": 8, "width": 8}, {"height": 9, "width": 13}, {"height": 1, "width": 5}, {"height": 16, "width": 7}])
case("free_image_skip", """(float[1,2,height,width] x) => (float[] y, float[] pooled) <float[4,2,3,3] w1, float[4,4,3,3] w2, float[2,8,1,1] w3>
    { c1 = Conv<pads=[1,1,1,1]>(x, w1)
      c2 = Conv<pads=[2,2,2,2], dilations=[2,2]>(c1, w2)
      s = Add(c2, c1)
      both = Concat<axis=1>(s, c1)
      y = Conv(both, w3)
      pooled = GlobalAveragePool(y) }""", sizes=[{"height": 4, "width": 6}, {"height": 9, "width": 1}])
case("bounded_sequence", """(int64[1,seq] tokens) => (float[] y)
    <float[11,16] w, float[16] scale, float[16] bias, float[16,16] wq, float[16,16] wk, float[16,16] wv, int64[4] split = {1,-1,2,8}, int64[3] joined = {1,-1,16}, float scale_qk = {0.35}>
    { x = Gather(w, tokens)
      n = LayerNormalization(x, scale, bias)
      q = MatMul(n, wq)
      k = MatMul(n, wk)
      v = MatMul(n, wv)
      qs = Reshape(q, split)
      ks = Reshape(k, split)
      vs = Reshape(v, split)
      qh = Transpose<perm=[0,2,1,3]>(qs)
      kh = Transpose<perm=[0,2,3,1]>(ks)
      vh = Transpose<perm=[0,2,1,3]>(vs)
      raw = MatMul(qh, kh)
      scaled = Mul(raw, scale_qk)
      weights = Softmax<axis=-1>(scaled)
      mixed = MatMul(weights, vh)
      turned = Transpose<perm=[0,2,1,3]>(mixed)
      flat = Reshape(turned, joined)
      y = Add(flat, x) }""", dim=["seq<=12"], sizes=[{"seq": 12}, {"seq": 1}, {"seq": 7}])
case("bounded_batch_fixed_rest", """(float[batch,rows,4] x) => (float[] y) <float[4,6] w>
    { m = MatMul(x, w)
      y = Tanh(m) }""", dim=["batch<=4", "rows=3"], sizes=[{"batch": 4, "rows": 3}, {"batch": 1, "rows": 3}])
case("computed_dims", """(float[n,4] x, float[m,4] y) => (float[] both, float[] crossed, float[] padded, float[] flat, float[] halved, int64[] sizes)
    <int64[4] pads = {1,0,2,0}, int64[1] minus = {-1}, int64[1] zero = {0}, int64[1] far = {2147483647}, int64[1] two = {2}>
    { both = Concat<axis=0>(x, y)
      yt = Transpose(y)
      crossed = MatMul(x, yt)
      padded = Pad(x, pads)
      flat = Reshape(x, minus)
      halved = Slice(x, zero, far, zero, two)
      sizes = Shape(both) }""", sizes=[{"n": 2, "m": 3}, {"n": 5, "m": 1}, {"n": 1, "m": 1}])
case("shape_arithmetic", """(float[b,c,h,w] x) => (float[] y) <int64 i0 = {0}, int64 i2 = {2}, int64 i3 = {3}, int64[1] axis0 = {0}, int64[1] minus = {-1}, int64 two = {2}>
    { shape = Shape(x)
      b0 = Gather(shape, i0)
      h0 = Gather(shape, i2)
      w0 = Gather(shape, i3)
      area = Mul(h0, w0)
      b1 = Unsqueeze(b0, axis0)
      area1 = Unsqueeze(area, axis0)
      target = Concat<axis=0>(b1, minus, area1)
      y = Reshape(x, target) }""", sizes=[{"b": 2, "c": 3, "h": 4, "w": 5}, {"b": 1, "c": 1, "h": 3, "w": 2}])
case("shape_product", """(float[b,c] x) => (float[] flat) <int64[1] axis0 = {0}>
    { shape = Shape(x)
      n = ReduceProd<keepdims=0>(shape)
      n1 = Unsqueeze(n, axis0)
      flat = Reshape(x, n1) }""", sizes=[{"b": 2, "c": 3}, {"b": 1, "c": 4}])
case("free_elementwise", """(float[n,m] a, float[m] b) => (float[] y, float[] total, float[] soft, int64[] at)
    { s = Add(a, b)
      y = Tanh(s)
      total = ReduceSum<keepdims=0>(y)
      soft = Softmax<axis=0>(y)
      at = ArgMax<axis=1>(a) }""", sizes=[{"n": 3, "m": 5}, {"n": 1, "m": 1}, {"n": 4, "m": 33}])
case("free_time_recurrent", """(float[time,1,3] x) => (float[] y, float[] y_h, float[] g) <float[1,16,3] w, float[1,16,4] wr, float[1,32] wb, float[1,12,4] w2, float[1,12,4] wr2, int64[1] axis = {1}>
    { y, y_h = LSTM<hidden_size=4>(x, w, wr, wb)
      s = Squeeze(y, axis)
      , g = GRU<hidden_size=4>(s, w2, wr2) }""", sizes=[{"time": 6}, {"time": 1}, {"time": 9}])
case("free_resize", """(float[1,2,h,w] x) => (float[] doubled, float[] blended) <float[4] twice = {1.0,1.0,2.0,2.0}>
    { doubled = Resize<mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor">(x, , twice)
      blended = Resize<mode="linear">(x, , twice) }""", sizes=[{"h": 3, "w": 4}, {"h": 5, "w": 2}])
case("free_moves", """(float[n,6] x, int64[k] i) => (float[] rows, float[] tiled, float[] upper, float[] summed, float[] reversed, float[] p, float[] q, float[] grown)
    <int64[2] repeats = {2,1}, int64 axis = {0}, int64[1] last = {-1}, int64[1] lowest = {-2147483648}, int64[1] axis0 = {0}, int64[1] back = {-1}, int64[2] halves = {2,4}>
    { rows = Gather(x, i)
      tiled = Tile(x, repeats)
      upper = Trilu(x)
      summed = CumSum(x, axis)
      reversed = Slice(x, last, lowest, axis0, back)
      p, q = Split<axis=1>(x, halves)
      shape = Shape(x)
      one = Unsqueeze(upper, axis0)
      grown = Expand(one, wide) }""".replace("int64[2] halves", "int64[3] wide = {2,1,1}, int64[2] halves"),
     sizes=[{"n": 3, "k": 2}, {"n": 7, "k": 5}])
case("unnamed_axis", """(float[?,3] x) => (float[] y) <float[3,4] w> { y = MatMul(x, w) }""", dim=["x:0=2"], sizes=[{"x:0": 2}])
case("sizes_of_zero", """(float[3,0] x, float[0,4] y, float[4] b, float[0,3,5,5] image, float[4,3,3,3] w, float[3,2] z)
    => (float[] product, float[] biased, float[] convolved, float[] pooled, float[] soft, float[] sum, float[] joined, float[] framed)
    <int64[1] axis = {1}, int64[4] pads = {1,1,0,2}>
    { product = MatMul(x, y)
      biased = Gemm(x, y, b)
      convolved = Conv(image, w)
      pooled = MaxPool<kernel_shape=[2,2]>(image)
      soft = Softmax(y)
      sum = ReduceSum(x, axis)
      joined = Concat<axis=1>(x, z)
      framed = Pad(x, pads) }""")
case("vectors_and_scalars", """(float[5] x, float[5] y, float[5,3] m, float[3,5] n, float[2,5,3] t, float s)
    => (float[] dot, float[] row, float[] column, float[] batch, float[] soft, int64[] at, float[] same, float[] lifted, float[] exp)
    <int64[3] ones = {1,1,1}>
    { dot = MatMul(x, y)
      row = MatMul(x, m)
      column = MatMul(n, x)
      batch = MatMul(x, t)
      soft = Softmax<axis=0>(x)
      at = ArgMax<keepdims=0>(x)
      same = Transpose(s)
      lifted = Reshape(s, ones)
      exp = Exp(s) }""")
case("size_zero", """(float[n,3] x) => (float[] y, float[] both) <float[3,4] w, float[2,3] c>
    { y = MatMul(x, w)
      both = Concat<axis=0>(x, c) }""", sizes=[{"n": 0}, {"n": 2}])


# Narrow element types --------------------------------------------------------------------------------------------------------


def hard_floats(low, high, step):
    """Floats on every scale, those in the middle between two numbers of a narrow type, and their neighbours."""
    grid = np.concatenate([np.linspace(-1, 1, 41) * 2.0**e for e in range(low, high, step)]).astype(np.float32)
    beside = np.concatenate([grid, np.nextafter(grid, np.float32(np.inf)), np.nextafter(grid, np.float32(-np.inf))])
    return np.concatenate([beside, np.float32([0.0, -0.0, np.nan, np.inf, -np.inf, 1e38, -1e38, 1e-40])])


def narrow_feed(low, high, step):
    return lambda rng, sizes: {"x": hard_floats(low, high, step)}


case("narrow_half", f"""(float[{len(hard_floats(-27, 19, 2))}] x) => (float16[] h, bfloat16[] b, float[] back_h, float[] back_b, float16[] doubled)
    {{ h = Cast<to=10>(x)
      b = Cast<to=16>(x)
      back_h = Cast<to=1>(h)
      back_b = Cast<to=1>(b)
      doubled = Add(h, h) }}""", feed=narrow_feed(-27, 19, 2), oracle="onnx")
case("narrow_float8", f"""(float[{len(hard_floats(-20, 18, 2))}] x) => (float8e4m3fn[] a, float8e4m3fnuz[] b, float8e5m2[] c, float8e5m2fnuz[] d,
        float8e4m3fn[] a1, float8e4m3fnuz[] b1, float8e5m2[] c1, float8e5m2fnuz[] d1, float[] back)
    {{ a = Cast<to=17>(x)
      b = Cast<to=18>(x)
      c = Cast<to=19>(x)
      d = Cast<to=20>(x)
      a1 = Cast<to=17, saturate=0>(x)
      b1 = Cast<to=18, saturate=0>(x)
      c1 = Cast<to=19, saturate=0>(x)
      d1 = Cast<to=20, saturate=0>(x)
      back = Cast<to=1>(a) }}""", feed=narrow_feed(-20, 18, 2), oracle="onnx")
case("narrow_inputs", """(float16[2,3] h, bfloat16[2,3] b, float8e4m3fn[4] e, float8e5m2[4] m, int8[5] i) => (float16[] y, bfloat16[] z, float16[] same, float[] wide,
        float8e4m3fn[] kept, float16[] top, int64[] at, float8e5m2[] turned, int32[] whole)
    <float16[2,3] w = {15360, 16384, 49664, 14336, 13312, 18432}, int64[1] k = {2}, int64[1] last = {-1}, int64[1] lowest = {-9223372036854775807}, int64[1] axis0 = {0}>
    { y = Mul(h, w)
      z = Neg(b)
      same = Identity(h)
      wide = CastLike(e, f)
      kept = Reshape(e, minus)
      top, at = TopK(h, k)
      turned = Slice(m, last, lowest, axis0, last)
      whole = Cast<to=6>(h) }""".replace("int64[1] k", "float f = {1.0}, int64[1] minus = {-1}, int64[1] k"), oracle="onnx")
case("narrow_quantize", """(float[4,6] x, float16[4,6] h) => (int4[] a, uint4[] b, float8e4m3fn[] c, float4e2m1[] d, float[] a1, float[] b1, float[] c1, float[] d1, int8[] e, float16[] e1)
    <float s = {0.25}, float[6] sc = {0.1,0.2,0.3,0.4,0.5,0.6}, float[4,2] sb = {0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8}, float16 sh = {12288}, int8 zero = {3}>
    { a = QuantizeLinear<output_dtype=22>(x, s)
      b = QuantizeLinear<output_dtype=21, axis=1>(x, sc)
      c = QuantizeLinear<output_dtype=17>(x, s)
      d = QuantizeLinear<output_dtype=23, axis=1, block_size=3>(x, sb)
      a1 = DequantizeLinear(a, s)
      b1 = DequantizeLinear<axis=1>(b, sc)
      c1 = DequantizeLinear(c, s)
      d1 = DequantizeLinear<axis=1, block_size=3>(d, sb)
      e = QuantizeLinear(h, sh, zero)
      e1 = DequantizeLinear(e, sh, zero) }""", opset=23, oracle="onnx")

def bytes_feed(**shapes):
    return lambda r, sizes: {name: r.integers(0, 256, shape).astype(np.uint8) for name, shape in shapes.items()}


case("microsoft_quantised", """(uint8[2,3,4,5] a, uint8[4,1] b) => (uint8[] added, uint8[] times, uint8[] sigmoid, uint8[] leaky, uint8[] pooled, uint8[] joined, uint8[] soft)
    <float sa = {0.02}, uint8 za = {120}, float sb = {0.03}, uint8 zb = {100}, float sy = {0.05}, uint8 zy = {128}, float ss = {0.00390625}, uint8 zs = {0}>
    { added = com.microsoft.QLinearAdd(a, sa, za, b, sb, zb, sy, zy)
      times = com.microsoft.QLinearMul(a, sa, za, b, sb, zb, sy, zy)
      sigmoid = com.microsoft.QLinearSigmoid(a, sa, za, ss, zs)
      leaky = com.microsoft.QLinearLeakyRelu<alpha=0.1>(a, sa, za, sb, zb)
      pooled = com.microsoft.QLinearGlobalAveragePool(a, sa, za, sb, zb)
      joined = com.microsoft.QLinearConcat<axis=1>(sy, zy, a, sa, za, a, sb, zb)
      soft = com.microsoft.QLinearSoftmax<axis=-1, opset=13>(a, sa, za, ss, zs) }""", feed=bytes_feed(a=(2, 3, 4, 5), b=(4, 1)))
case("microsoft_quantised_matmul", """(float[3,40] x, uint8[3,40] a) => (float[] y, float[] z)
    <float[7] sb = {0.01,0.02,0.03,0.04,0.05,0.06,0.07}, uint8[7] zb = {120,121,122,123,124,125,126}, float sa = {0.02}, uint8 za = {120},
     float s = {0.02}, uint8 zero = {128}, float[7] bias, uint8[40,7] w = {WEIGHTS}>
    { y = com.microsoft.DynamicQuantizeMatMul(x, w, s, zero, bias)
      z = com.microsoft.MatMulIntegerToFloat(a, w, sa, sb, za, zb, bias) }""".replace("WEIGHTS", ",".join(str(i * 37 % 256) for i in range(280))),
     feed=bytes_feed(a=(3, 40)))
case("microsoft_matmul_of_blocks", """(float[2,40] x) => (float[] y, float[] z, float[] wide)
    <uint8[5,3,8] w = {WEIGHTS}, float[15] wscale, uint8[10] zeros = {18,3,69,7,137,15,33,1,120,9}, uint8[5,3,16] w8 = {WIDE}>
    { y = com.microsoft.MatMulNBits<K=40, N=5, bits=4, block_size=16>(x, w, wscale)
      z = com.microsoft.MatMulNBits<K=40, N=5, bits=4, block_size=16>(x, w, wscale, zeros)
      wide = com.microsoft.MatMulNBits<K=40, N=5, bits=8, block_size=16>(x, w8, wscale) }""".replace(
    "WEIGHTS", ",".join(str(i * 37 % 256) for i in range(120))).replace("WIDE", ",".join(str(i * 91 % 256) for i in range(240))))


def listed(n, step):
    return ",".join(str(i * step % 256) for i in range(n))


case("microsoft_quantised_layers", """(uint8[2,3,6,5] a, bool[2,3,1,5] c, uint8[2,8] m, uint8[2,4,6] x, uint8[1,5,5,2] last) => (uint8[] pooled, uint8[] padded, uint8[] last_,
      uint8[] chosen, uint8[] gemm, float[] gemm_numbers, float[] attended, float[] causal)
    <float sa = {0.02}, uint8 za = {120}, float sb = {0.03}, uint8 zb = {100}, uint8[5] q = {10, 250, 100, 3, 77}, uint8[7,8] w = {GEMM},
     float[7] sw = {0.01,0.02,0.03,0.04,0.05,0.06,0.07}, uint8[7] zw = {120,121,122,123,124,125,126}, int32[7] bias = {100,-200,300,0,5,-6,7},
     float sy = {0.5}, uint8 zy = {128}, uint8[6,18] wa = {QKV}, float[18] ba>
    { pooled = com.microsoft.QLinearAveragePool<kernel_shape=[2,3], strides=[2,1]>(a, sa, za, sb, zb)
      padded = com.microsoft.QLinearAveragePool<kernel_shape=[3,3], pads=[1,1,1,1], count_include_pad=1>(a, sa, za, sb, zb)
      last_ = com.microsoft.QLinearAveragePool<kernel_shape=[3,2], channels_last=1>(last, sa, za, sb, zb)
      chosen = com.microsoft.QLinearWhere(c, a, sa, za, q, sb, zb, sa, zb)
      gemm = com.microsoft.QGemm<transB=1, alpha=1.0>(m, sa, za, w, sw, zw, bias, sy, zy)
      gemm_numbers = com.microsoft.QGemm<transB=1>(m, sa, za, w, sw, zw, bias)
      attended = com.microsoft.QAttention<num_heads=2>(x, wa, ba, sa, sb, , za, zb)
      causal = com.microsoft.QAttention<num_heads=3, unidirectional=1>(x, wa, ba, sa, sb, , za, zb) }""".replace("GEMM", listed(56, 37)).replace("QKV", listed(108, 91)),
     feed=bytes_feed(a=(2, 3, 6, 5), m=(2, 8), x=(2, 4, 6), last=(1, 5, 5, 2)))


def lstm_of_numbers(output):
    """onnxruntime's LSTM of the same weights as numbers: its quantised one also quantises what it reads, which the numbers do not."""
    w = np.array([i * 37 % 256 for i in range(2 * 3 * 16)], np.float32).reshape(2, 3, 16) - np.array([120, 130], np.float32).reshape(2, 1, 1)
    r = np.array([i * 91 % 256 for i in range(2 * 4 * 16)], np.float32).reshape(2, 4, 16) - 128
    numbers = {"w": w * np.array([0.004, 0.005], np.float32).reshape(2, 1, 1), "r": r * np.float32(0.003)}
    model = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["" : 17]> lstm (float[5,2,3] x, float[2,16,3] w, float[2,16,4] r) => (float[] y, float[] h, float[] c)
        { y, h, c = LSTM<hidden_size=4, direction="bidirectional">(x, w, r) }""")
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda x: session.run([output], {"x": x, **{name: np.ascontiguousarray(v.transpose(0, 2, 1)) for name, v in numbers.items()}})[0]


case("microsoft_quantised_lstm", """(float[5,2,3] x) => (float[] y, float[] h, float[] c)
    <uint8[2,3,16] w = {INPUT}, uint8[2,4,16] r = {STATE}, float[2] sw = {0.004, 0.005}, uint8[2] zw = {120, 130}, float[2] sr = {0.003, 0.003}, uint8[2] zr = {128, 128}>
    { y, h, c = com.microsoft.DynamicQuantizeLSTM<hidden_size=4, direction="bidirectional">(x, w, r, , , , , , sw, zw, sr, zr) }""".replace(
    "INPUT", listed(96, 37)).replace("STATE", listed(128, 91)), opset=17, expect={name: lstm_of_numbers(name) for name in "yhc"})
case("integer_products", """(uint8[n,k] a, uint8[k,5] b, uint8[1,4,20,20] x) => (int32[] y, int32[] conv, int32[] grouped) <uint8 za = {7}, uint8[6,4,17,17] wc = {FULL}, uint8[4,2,17,17] wg = {GROUPS}>
    { y = MatMulInteger(a, b, za)
      conv = ConvInteger(x, wc, za)
      grouped = ConvInteger<group=2>(x, wg) }""".replace("FULL", ",".join(str(i * 37 % 256) for i in range(6 * 4 * 289))).replace("GROUPS", ",".join(str(i * 91 % 256) for i in range(4 * 2 * 289))),
     sizes=[{"n": 2, "k": 700}, {"n": 1, "k": 3}],
     feed=lambda r, s: bytes_feed(a=(s["n"], s["k"]), b=(s["k"], 5), x=(1, 4, 20, 20))(r, s))

# Making them -----------------------------------------------------------------------------------------------------------------


def fill(shape, name, rng):
    if name.startswith("var"):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    values = rng.standard_normal(shape)
    if name.startswith("w"):
        fan_in = np.prod(shape[1:]) if len(shape) > 2 else shape[0]
        values /= np.sqrt(max(fan_in, 1))
    return values.astype(np.float32)


def random_input(shape, dtype, rng):
    if dtype in (np.float32, np.float64):
        return rng.standard_normal(shape).astype(dtype)
    if dtype == np.bool_:
        return rng.integers(0, 2, shape).astype(dtype)
    if dtype == np.float16 or str(dtype).startswith(("bfloat", "float8", "float4")):
        return rng.standard_normal(shape).astype(np.float32).astype(dtype)
    return rng.integers(0, 3, shape).astype(dtype)


def build(name, spec, rng):
    others = [domain for domain in ("com.microsoft", "ai.onnx.ml") if f"{domain}." in spec["graph"]]
    versions = {"com.microsoft": 1, "ai.onnx.ml": 3, "local": 1}
    domains = others + (["local"] if spec["functions"] else [])
    opsets = f'"" : {spec["opset"]}' + "".join(f', "{domain}" : {versions[domain]}' for domain in domains)
    ir = 8 if spec["opset"] < 21 else 10
    model = onnx.parser.parse_model(f"<ir_version: {ir}, opset_import: [{opsets}]> {name} {spec['graph']} {spec['functions']}")
    graph = model.graph
    made = {output for node in graph.node for output in node.output}
    constants = {constant.name for constant in graph.initializer}
    for info in list(graph.value_info):
        if info.name not in made:
            assert info.name not in constants
            shape = [d.dim_value for d in info.type.tensor_type.shape.dim]
            dtype = helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)
            graph.initializer.append(numpy_helper.from_array(fill(shape, info.name, rng).astype(dtype), info.name))
            graph.value_info.remove(info)
    if spec["edit"]:
        rename(graph, spec["edit"])
    model = onnx.shape_inference.infer_shapes(model, strict_mode=not spec["functions"] and not others, data_prop=True)
    del model.graph.value_info[:]
    return model


def rename(graph, names):
    def new(old):
        return names.get(old, old)

    for info in [*graph.input, *graph.output, *graph.initializer]:
        info.name = new(info.name)
    for info in graph.input:
        for dim in info.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_param = new(dim.dim_param)
    for node in graph.node:
        node.input[:] = [new(n) for n in node.input]
        node.output[:] = [new(n) for n in node.output]


def bits(array):
    """An array of a narrow type as the integers that `run` takes for it."""
    if array.dtype == ml_dtypes.int4:
        return array.astype(np.int8)
    if array.dtype == np.float16 or array.dtype.type.__module__ == "ml_dtypes":
        return array.view(np.uint16 if array.dtype.itemsize == 2 else np.uint8)
    return array


def make(name, spec):
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    model = build(name, spec, rng)
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    if spec["oracle"] == "onnx":
        session = onnx.reference.ReferenceEvaluator(model)
    else:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    runs = []
    for at, sizes in enumerate(spec["sizes"]):
        feed = spec["feed"](rng, sizes) if spec["feed"] else {}
        for info in model.graph.input:
            tensor = info.type.tensor_type
            dims = [sizes.get(d.dim_param or f"{info.name}:{i}", d.dim_value) for i, d in enumerate(tensor.shape.dim)]
            if info.name not in feed:
                feed[info.name] = random_input(dims, helper.tensor_dtype_to_np_dtype(tensor.elem_type), rng)
        names = [info.name for info in model.graph.output]
        results = dict(zip(names, session.run(names, feed)))
        for output, numpy_function in (spec["expect"] or {}).items():
            with np.errstate(all="ignore"):
                results[output] = numpy_function(feed[model.graph.input[0].name])
        pinned = {pin.rsplit("=", 1)[0] for pin in spec["pin"]}
        run = {"inputs": [], "outputs": []}
        for kind, arrays in (("inputs", feed), ("outputs", results)):
            for i, (array_name, array) in enumerate(arrays.items()):
                if array_name in pinned and kind == "inputs":
                    continue
                array = np.asarray(array, order="C")
                if array.dtype.kind in "OSU":
                    file = f"{kind[:-1]}_{at}_{i}.json"
                    texts = {"shape": array.shape, "texts": [str(text) for text in array.ravel()]}
                    (folder / file).write_text(json.dumps(texts, ensure_ascii=False) + "\n")
                else:
                    file = f"{kind[:-1]}_{at}_{i}.npy"
                    np.save(folder / file, bits(array))
                run[kind].append({"name": array_name, "file": file})
        runs.append(run)
        if len(spec["sizes"]) == 1:
            for info in model.graph.output:
                if not all(d.dim_value or d.dim_param for d in info.type.tensor_type.shape.dim) or not info.type.tensor_type.HasField("shape"):
                    info.CopyFrom(helper.make_tensor_value_info(info.name, info.type.tensor_type.elem_type, results[info.name].shape))
    onnx.checker.check_model(model)
    data = model.SerializeToString()
    assert len(data) < LARGEST_MODEL, f"{name}: {len(data)} bytes"
    (folder / "model.onnx").write_bytes(data)
    description = {"options": {"dim": spec["dim"], "pin": spec["pin"], **spec["options"]}, "runs": runs}
    if spec["tolerance"]:
        description["tolerance"] = spec["tolerance"]
    (folder / "case.json").write_text(json.dumps(description, indent=1, ensure_ascii=False) + "\n")


def main():
    words = sys.argv[1:]
    failed = 0
    chosen = [name for name in CASES if not words or any(word in name for word in words)]
    for name in chosen:
        try:
            make(name, CASES[name])
        except Exception as error:  # every case is tried, so that one run shows all that is wrong
            failed += 1
            print(f"{name}: {type(error).__name__}: {str(error)[:600]}")
    if not words:
        for folder in HERE.iterdir():
            if folder.is_dir() and folder.name not in CASES:
                print(f"{folder.name}: no case of this script has this name")
    print(f"{len(chosen) - failed} cases written, {failed} failed")
    sys.exit(failed > 0)


main()

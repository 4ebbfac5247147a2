"""Writes the models of this folder, each of which kiln must refuse with a message and never a panic.

    target/python/bin/python tests/refusals/make.py

Nothing here is checked by onnx: most of these files are wrong on purpose.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent
WRITTEN = set()


def write(name, data):
    path = HERE / f"{name}.onnx"
    path.write_bytes(data if isinstance(data, bytes) else data.SerializeToString())
    WRITTEN.add(path)


def text(name, graph, opset=21, functions="", domains="", edit=None):
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : {opset}{domains}]> {name} {graph} {functions}')
    if edit:
        edit(model)
    write(name, model)


# What kiln does not do.
text("operator_unsupported", """(uint8[30] file) => (uint8[] y, float[] z)
    { y = ImageDecoder(file)
      s = StringNormalizer(file)
      z = Cast<to=1>(y) }""")
text("operator_unknown", "(float[3] x) => (float[3] y) { y = Frobnicate(x) }")
text("operator_of_unknown_domain", "(float[3] x) => (float[3] y) { y = com.acme.Relu(x) }", domains=', "com.acme" : 1')
text("opset_too_new", "(float[3] x) => (float[3] y) { y = Relu(x) }", opset=99)
text("conv_transpose_strides_beyond_packing", """(float[1,2,4,4] x, float[2,2,9,9] w) => (float[] y)
    { y = ConvTranspose<strides=[9,9]>(x, w) }""")
text("square_root_of_integers", "(int32[3] x) => (int32[] y) { y = Sqrt(x) }")
text("if_branches_differ", """(float[3] x, bool c) => (float[] y)
    { y = If(c) <then_branch = a () => (float[3] t) { t = Neg(x) }, else_branch = b () => (float[1] e) { e = ReduceSum(x) }> }""")
text("loop_collects_without_limit", """(float[3] x, int64 n) => (float[3] y, float[] all) <bool go = {1}>
    { y, all = Loop(n, go, x) <body = step (int64 i, bool g, float[3] v) => (bool h, float[3] w, float[3] u) { h = Identity(g) w = Neg(v) u = Abs(v) }> }""")
text("loop_carries_what_grows", """(float[k] x, int64 n) => (float[] y) <bool go = {1}>
    { y = Loop(n, go, x) <body = step (int64 i, bool g, float[k] v) => (bool h, float[l] w) { h = Identity(g) w = Concat<axis=0>(v, v) }> }""")
text("strings_added", "(string[3] x) => (string[3] y) { y = Add(x, x) }")
text("strings_sorted", "(string[3] x) => (string[] y) { y = Unique(x) }")
text("strings_to_bools", "(string[3] x) => (bool[3] y) { y = Cast<to=9>(x) }")
text("strings_scattered_with_a_reduction", """(string[3] x, int64[1] i, string[1] u) => (string[3] y)
    { y = ScatterElements<reduction="add">(x, i, u) }""")
text("pattern_damaged", """(string[3] x) => (bool[3] y) { y = RegexFullMatch<pattern="a(b">(x) }""")
text("pattern_too_large", """(string[3] x) => (bool[3] y) { y = RegexFullMatch<pattern="(.*a.{40}){40}">(x) }""")
text("numbers_concatenated_as_strings", "(float[3] x) => (string[3] y) { y = StringConcat(x, x) }")
text("type_complex", "(complex64[3] x) => (complex64[3] y) { y = Identity(x) }")
text("sequence_as_input", "(seq(float[3]) s, int64 i) => (float[3] y) { y = SequenceAt(s, i) }")
text("reshape_to_data", "(float[6] x, int64[2] shape) => (float[] y) { y = Reshape(x, shape) }")
text("function_calls_itself", "(float[3] x) => (float[3] y) { y = local.f(x) }", domains=', "local" : 1',
     functions='<domain: "local", opset_import: ["": 21, "local": 1]> f (v) => (r) { r = local.f(v) }')
# What no one could do.
text("matmul_sizes_differ", "(float[2,3] a, float[4,5] b) => (float[] y) { y = MatMul(a, b) }")
text("conv_channels_differ", """(float[1,3,8,8] x, float[4,5,3,3] w) => (float[] y) { y = Conv(x, w) }""")
text("conv_stride_zero", """(float[1,3,8,8] x, float[4,3,3,3] w) => (float[] y) { y = Conv<strides=[0,1]>(x, w) }""")
text("conv_group_zero", """(float[1,3,8,8] x, float[4,3,3,3] w) => (float[] y) { y = Conv<group=0>(x, w) }""")
text("conv_kernel_larger_than_input", """(float[1,3,2,2] x, float[4,3,3,3] w) => (float[] y) { y = Conv(x, w) }""")
text("operand_missing", "(float[1,3,8,8] x) => (float[] y) { y = Conv(x) }")
text("operands_too_many", "(float[3] x) => (float[] y) { y = Relu(x, x) }")
text("attribute_of_wrong_type", """(float[2,3] x) => (float[] y) { y = Softmax<axis="last">(x) }""")
text("axis_outside", "(float[2,3] x) => (float[] y) { y = Softmax<axis=5>(x) }")
text("axis_smallest_integer", "(float[2,3] x) => (float[] y) { y = Softmax<axis=-9223372036854775808>(x) }")
text("reshape_impossible", "(float[2,3] x) => (float[] y) <int64[2] s = {4,2}> { y = Reshape(x, s) }")
text("concat_sizes_differ", "(float[2,3] a, float[3,3] b) => (float[] y) { y = Concat<axis=1>(a, b) }")
text("split_sum_differs", "(float[6] x) => (float[] a, float[] b) <int64[2] s = {2,3}> { a, b = Split(x, s) }")
text("sequence_split_of_free_size", "(float[n] x) => (int64 y) { s = SplitToSequence(x) y = SequenceLength(s) }")
text("transpose_repeats_axis", "(float[2,3] x) => (float[] y) { y = Transpose<perm=[0,0]>(x) }")
text("slice_step_zero", "(float[6] x) => (float[] y) <int64[1] a = {0}, int64[1] b = {6}, int64[1] s = {0}> { y = Slice(x, a, b, a, s) }")
text("slice_step_smallest_integer", """(float[6] x) => (float[] y) <int64[1] a = {5}, int64[1] z = {0}, int64[1] s = {-9223372036854775808}, int64[1] bad = {7}>
    { y = Slice(x, a, z, bad, s) }""")
text("top_k_more_than_there_are", "(float[3] x) => (float[] y, int64[] i) <int64[1] k = {4}> { y, i = TopK(x, k) }")
text("einsum_malformed", """(float[2,3] a) => (float[] y) { y = Einsum<equation="i j->->k">(a) }""")
text("pad_below_nothing", "(float[3] x) => (float[] y) <int64[2] p = {-2,-2}> { y = Pad(x, p) }")
text("resize_scale_not_a_number", "(float[1,1,4,4] x) => (float[] y) <float[4] s = {1.0,1.0,0.0,-2.0}> { y = Resize(x, , s) }")
text("types_differ", "(float[3] a, int64[3] b) => (float[] y) { y = Add(a, b) }")

# Too large to try.
text("constant_of_a_terabyte", "(float[1] x) => (float[] y) <int64[1] n = {1099511627776}> { c = ConstantOfShape(n) y = Add(c, x) }")
text("range_without_end", "(int64[1] x) => (int64[] y) <int64 a = {0}, int64 b = {9223372036854775807}, int64 s = {1}> { r = Range(a, b, s) y = Add(r, x) }")
text("tile_overflows", "(float[3] x) => (float[] y) <int64[1] n = {9223372036854775807}> { y = Tile(x, n) }")
text("expand_overflows", "(float[1] x) => (float[] y) <int64[3] s = {4294967296,4294967296,4294967296}> { y = Expand(x, s) }")
text("input_size_overflows", "(float[9223372036854775807,9223372036854775807] x) => (float[] y) { y = Relu(x) }")
text("pads_overflow", "(float[3] x) => (float[] y) <int64[2] p = {9223372036854775807,9223372036854775807}> { y = Pad(x, p) }")

# Files that are no model, or a broken one.
whole = onnx.parser.parse_model("""<ir_version: 10, opset_import: ["" : 21]> whole (float[2,3] x) => (float[2,4] y)
    <float[3,4] w = {1.0,2.0,3.0,4.0,5.0,6.0,7.0,8.0,9.0,10.0,11.0,12.0}> { y = MatMul(x, w) }""")
write("file_empty", b"")
write("file_truncated", whole.SerializeToString()[:-40])
write("file_of_text", b"This is no model at all.\n" * 5)
write("file_of_zeros", bytes(64))
write("graph_missing", helper.make_model(helper.make_graph([], "empty", [], [])).SerializeToString()[:4])


def broken(name, graph, change):
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 21]> {name} {graph}')
    change(model)
    write(name, model)


SMALL = "(float[3] x) => (float[3] y) <float[3] c = {1.0,2.0,3.0}> { t = Add(x, c) y = Neg(t) }"


def raw(model, data, dims=(3,), data_type=TensorProto.FLOAT):
    tensor = model.graph.initializer[0]
    tensor.Clear()
    tensor.name, tensor.data_type, tensor.raw_data = "c", data_type, data
    tensor.dims.extend(dims)


def external(model, **entries):
    tensor = model.graph.initializer[0]
    tensor.Clear()
    tensor.name, tensor.data_type, tensor.data_location = "c", TensorProto.FLOAT, TensorProto.EXTERNAL
    tensor.dims.extend([3])
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=str(value))


broken("raw_data_too_short", SMALL, lambda m: raw(m, bytes(11)))
broken("raw_data_too_long", SMALL, lambda m: raw(m, bytes(16)))
broken("constant_sizes_overflow", SMALL, lambda m: raw(m, bytes(12), (2**62, 2**62)))
broken("constant_size_negative", SMALL, lambda m: raw(m, bytes(12), (-3,)))
broken("constant_type_unknown", SMALL, lambda m: raw(m, bytes(12), (3,), 77))
broken("external_data_missing", SMALL, lambda m: external(m, location="nowhere.bin"))
broken("external_data_outside_the_folder", SMALL, lambda m: external(m, location="../tests/numeric.rs"))
broken("external_data_absolute_path", SMALL, lambda m: external(m, location="/etc/hostname"))
broken("external_data_past_the_end", SMALL, lambda m: external(m, location="make.py", offset=10**9))
broken("external_data_offset_overflows", SMALL, lambda m: external(m, location="make.py", offset=2**64 - 1, length=2**64 - 1))
broken("external_data_without_location", SMALL, lambda m: external(m))
broken("opset_missing", SMALL, lambda m: m.ClearField("opset_import"))
broken("node_without_operator", SMALL, lambda m: m.graph.node[0].ClearField("op_type"))
broken("nodes_in_a_cycle", SMALL, lambda m: m.graph.node[0].input.__setitem__(1, "y"))
broken("value_defined_twice", SMALL, lambda m: m.graph.node[1].output.__setitem__(0, "t"))
broken("value_undefined", SMALL, lambda m: m.graph.node[1].input.__setitem__(0, "nothing"))
broken("output_undefined", SMALL, lambda m: setattr(m.graph.output[0], "name", "nothing"))
broken("inputs_of_one_name", SMALL, lambda m: m.graph.input.append(m.graph.input[0]))
broken("outputs_missing", SMALL, lambda m: m.graph.ClearField("output"))
broken("input_without_type", SMALL, lambda m: m.graph.input[0].ClearField("type"))
broken("input_of_unknown_rank", SMALL, lambda m: m.graph.input[0].type.tensor_type.ClearField("shape"))
broken("input_size_negative", SMALL, lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[0], "dim_value", -3))

for path in HERE.glob("*.onnx"):
    if path not in WRITTEN:
        print(f"{path.name}: not written by this script")
print(f"{len(WRITTEN)} models written")

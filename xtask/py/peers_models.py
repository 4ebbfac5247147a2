"""Writes the benchmark's models: the networks' own structures, as their exporters write them, with seeded random weights.

usage: peers_models.py FOLDER [NAME ...]

Each model becomes FOLDER/NAME/model.onnx. Convolutions carry their batch normalisations folded in, as PyTorch's exporter
leaves them in evaluation mode; weights are scaled so that activations keep their size through the depth.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


class Net:
    """A graph under construction; its methods add a node and give back the name of what the node computes."""

    def __init__(self, seed=0):
        self.nodes, self.weights, self.count = [], [], 0
        self.random = np.random.default_rng(seed)

    def const(self, array, name=None):
        name = name or f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def normal(self, *shape, scale=1.0):
        return self.const((self.random.standard_normal(shape) * scale).astype(np.float32))

    def ints(self, *values):
        return self.const(np.array(values, np.int64))

    def number(self, value):
        return self.const(np.array(value, np.float32))

    def op(self, kind, *inputs, outputs=1, **attributes):
        self.count += 1
        names = [f"{kind.lower()}_{self.count}" + (f"_{i}" if outputs > 1 else "") for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=f"{kind}_{self.count}", **attributes))
        return names[0] if outputs == 1 else names

    def conv(self, x, c_in, c_out, kernel=1, stride=1, groups=1, gain=2.0):
        pad = (kernel - 1) // 2
        scale = (gain / (c_in // groups * kernel * kernel)) ** 0.5
        w = self.normal(c_out, c_in // groups, kernel, kernel, scale=scale)
        b = self.normal(c_out, scale=0.05)
        return self.op(
            "Conv", x, w, b, dilations=[1, 1], group=groups, kernel_shape=[kernel] * 2, pads=[pad] * 4, strides=[stride] * 2
        )

    def gemm(self, x, n_in, n_out):
        w, b = self.normal(n_out, n_in, scale=n_in**-0.5), self.normal(n_out, scale=0.05)
        return self.op("Gemm", x, w, b, alpha=1.0, beta=1.0, transB=1)

    def dense(self, x, n_in, n_out):
        """A linear layer over the last axis of many: MatMul and Add."""
        w, b = self.normal(n_in, n_out, scale=n_in**-0.5), self.normal(n_out, scale=0.05)
        return self.op("Add", b, self.op("MatMul", x, w))

    def relu6(self, x):
        return self.op("Clip", x, self.number(0.0), self.number(6.0))

    def silu(self, x):
        return self.op("Mul", x, self.op("Sigmoid", x))

    def gelu(self, x):
        erf = self.op("Erf", self.op("Div", x, self.number(2.0**0.5)))
        return self.op("Mul", self.op("Mul", x, self.op("Add", erf, self.number(1.0))), self.number(0.5))

    def layer_norm(self, x, n, epsilon=1e-5):
        gamma, beta = self.const(np.ones(n, np.float32)), self.const(np.zeros(n, np.float32))
        return self.op("LayerNormalization", x, gamma, beta, axis=-1, epsilon=epsilon)

    def squeeze_excite(self, x, channels, squeezed, inner, gate):
        pooled = self.op("GlobalAveragePool", x)
        hidden = inner(self.conv(pooled, channels, squeezed))
        return self.op("Mul", gate(self.conv(hidden, squeezed, channels)), x)

    def attention(self, x, tokens, width, heads, qkv):
        """Softmax(Q K^T / sqrt(d)) V over `heads`, from the names of Q, K and V, each [1, tokens, width]."""
        each = width // heads
        split = self.ints(1, tokens, heads, each)
        q, k, v = (self.op("Reshape", part, split) for part in qkv)
        q = self.op("Transpose", q, perm=[0, 2, 1, 3])
        k = self.op("Transpose", k, perm=[0, 2, 3, 1])
        v = self.op("Transpose", v, perm=[0, 2, 1, 3])
        scores = self.op("Div", self.op("MatMul", q, k), self.number(each**0.5))
        context = self.op("MatMul", self.op("Softmax", scores, axis=-1), v)
        context = self.op("Transpose", context, perm=[0, 2, 1, 3])
        return self.op("Reshape", context, self.ints(1, tokens, width))

    def save(self, folder, name, inputs, output, shape):
        infos = [helper.make_tensor_value_info(n, t, s) for n, t, s in inputs]
        result = helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)
        self.nodes.append(helper.make_node("Identity", [output], ["output"], name="Output"))
        graph = helper.make_graph(self.nodes, name, infos, [result], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="kiln-peers")
        model.ir_version = 8
        onnx.checker.check_model(model)
        path = folder / name / "model.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, path)


IMAGE = [("input", TensorProto.FLOAT, [1, 3, 224, 224])]


def resnet50(folder):
    net = Net(50)
    x = net.op("Relu", net.conv("input", 3, 64, 7, 2))
    x = net.op("MaxPool", x, kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2])
    c_in = 64
    for width, blocks, stride in [(64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)]:
        for block in range(blocks):
            stride = stride if block == 0 else 1
            y = net.op("Relu", net.conv(x, c_in, width))
            y = net.op("Relu", net.conv(y, width, width, 3, stride))
            y = net.conv(y, width, 4 * width, gain=0.3)
            if block == 0:
                x = net.conv(x, c_in, 4 * width, 1, stride, gain=1.0)
            x = net.op("Relu", net.op("Add", y, x))
            c_in = 4 * width
    x = net.op("Flatten", net.op("GlobalAveragePool", x), axis=1)
    net.save(folder, "resnet50", IMAGE, net.gemm(x, 2048, 1000), [1, 1000])


def mobilenet_v2(folder):
    net = Net(2)
    x = net.relu6(net.conv("input", 3, 32, 3, 2))
    c_in = 32
    for expand, c_out, blocks, stride in [
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ]:
        for block in range(blocks):
            stride = stride if block == 0 else 1
            hidden, y = c_in * expand, x
            if expand != 1:
                y = net.relu6(net.conv(y, c_in, hidden))
            y = net.relu6(net.conv(y, hidden, hidden, 3, stride, hidden))
            y = net.conv(y, hidden, c_out, gain=1.0)
            x = net.op("Add", x, y) if stride == 1 and c_in == c_out else y
            c_in = c_out
    x = net.relu6(net.conv(x, 320, 1280))
    x = net.op("Flatten", net.op("GlobalAveragePool", x), axis=1)
    net.save(folder, "mobilenet_v2", IMAGE, net.gemm(x, 1280, 1000), [1, 1000])


def mobilenet_v3_small(folder):
    net = Net(3)
    hard, relu = (lambda x: net.op("HardSwish", x)), (lambda x: net.op("Relu", x))
    gate = lambda x: net.op("HardSigmoid", x, alpha=1.0 / 6.0)
    x = hard(net.conv("input", 3, 16, 3, 2))
    c_in = 16
    for kernel, hidden, c_out, squeeze, act, stride in [
        (3, 16, 16, True, relu, 2), (3, 72, 24, False, relu, 2), (3, 88, 24, False, relu, 1), (5, 96, 40, True, hard, 2),
        (5, 240, 40, True, hard, 1), (5, 240, 40, True, hard, 1), (5, 120, 48, True, hard, 1), (5, 144, 48, True, hard, 1),
        (5, 288, 96, True, hard, 2), (5, 576, 96, True, hard, 1), (5, 576, 96, True, hard, 1),
    ]:
        y = act(net.conv(x, c_in, hidden)) if hidden != c_in else x
        y = act(net.conv(y, hidden, hidden, kernel, stride, hidden))
        if squeeze:
            y = net.squeeze_excite(y, hidden, (hidden // 4 + 4) // 8 * 8, relu, gate)
        y = net.conv(y, hidden, c_out, gain=1.0)
        x = net.op("Add", x, y) if stride == 1 and c_in == c_out else y
        c_in = c_out
    x = hard(net.conv(x, 96, 576))
    x = net.op("Flatten", net.op("GlobalAveragePool", x), axis=1)
    x = net.gemm(hard(net.gemm(x, 576, 1024)), 1024, 1000)
    net.save(folder, "mobilenet_v3_small", IMAGE, x, [1, 1000])


def efficientnet_b0(folder):
    net = Net(4)
    gate = lambda x: net.op("Sigmoid", x)
    x = net.silu(net.conv("input", 3, 32, 3, 2))
    c_in = 32
    for expand, kernel, stride, c_out, blocks in [
        (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1),
    ]:
        for block in range(blocks):
            stride = stride if block == 0 else 1
            hidden, y = c_in * expand, x
            if expand != 1:
                y = net.silu(net.conv(y, c_in, hidden))
            y = net.silu(net.conv(y, hidden, hidden, kernel, stride, hidden))
            y = net.squeeze_excite(y, hidden, max(1, c_in // 4), net.silu, gate)
            y = net.conv(y, hidden, c_out, gain=1.0)
            x = net.op("Add", y, x) if stride == 1 and c_in == c_out else y
            c_in = c_out
    x = net.silu(net.conv(x, 320, 1280))
    x = net.op("Flatten", net.op("GlobalAveragePool", x), axis=1)
    net.save(folder, "efficientnet_b0", IMAGE, net.gemm(x, 1280, 1000), [1, 1000])


def vit_b_16(folder):
    net, width, tokens = Net(16), 768, 197
    w, b = net.normal(width, 3, 16, 16, scale=768**-0.5), net.normal(width, scale=0.05)
    x = net.op("Conv", "input", w, b, dilations=[1, 1], group=1, kernel_shape=[16, 16], pads=[0] * 4, strides=[16, 16])
    x = net.op("Transpose", net.op("Reshape", x, net.ints(1, width, 196)), perm=[0, 2, 1])
    x = net.op("Concat", net.normal(1, 1, width, scale=0.02), x, axis=1)
    x = net.op("Add", x, net.normal(1, tokens, width, scale=0.02))
    for _ in range(12):
        y = net.layer_norm(x, width, 1e-6)
        # One projection to Q, K and V together, taken apart by axis.
        qkv = net.op("Reshape", net.dense(y, width, 3 * width), net.ints(1, tokens, 3, width))
        qkv = net.op("Transpose", qkv, perm=[2, 0, 1, 3])
        parts = [net.op("Gather", qkv, net.const(np.array(i, np.int64)), axis=0) for i in range(3)]
        x = net.op("Add", x, net.dense(net.attention(y, tokens, width, 12, parts), width, width))
        y = net.gelu(net.dense(net.layer_norm(x, width, 1e-6), width, 4 * width))
        x = net.op("Add", x, net.dense(y, 4 * width, width))
    x = net.op("Gather", net.layer_norm(x, width, 1e-6), net.const(np.array(0, np.int64)), axis=1)
    net.save(folder, "vit_b_16", IMAGE, net.gemm(x, width, 1000), [1, 1000])


def minilm(folder, tokens):
    net, width = Net(6), 384
    ids = [(n, TensorProto.INT64, [1, tokens]) for n in ("input_ids", "attention_mask", "token_type_ids")]
    mask = net.op("Unsqueeze", net.op("Unsqueeze", "attention_mask", net.ints(1)), net.ints(2))
    mask = net.op("Mul", net.op("Sub", net.number(1.0), net.op("Cast", mask, to=TensorProto.FLOAT)), net.number(-10000.0))
    words = net.op("Gather", net.normal(30522, width, scale=0.05), "input_ids", axis=0)
    types = net.op("Gather", net.normal(2, width, scale=0.05), "token_type_ids", axis=0)
    x = net.op("Add", net.op("Add", words, types), net.normal(1, tokens, width, scale=0.05))
    x = net.layer_norm(x, width, 1e-12)
    for _ in range(6):
        parts = [net.dense(x, width, width) for _ in range(3)]
        each = width // 12
        split = net.ints(1, tokens, 12, each)
        q, k, v = (net.op("Reshape", part, split) for part in parts)
        q = net.op("Transpose", q, perm=[0, 2, 1, 3])
        k = net.op("Transpose", k, perm=[0, 2, 3, 1])
        v = net.op("Transpose", v, perm=[0, 2, 1, 3])
        scores = net.op("Div", net.op("MatMul", q, k), net.number(each**0.5))
        weights = net.op("Softmax", net.op("Add", scores, mask), axis=-1)
        context = net.op("Transpose", net.op("MatMul", weights, v), perm=[0, 2, 1, 3])
        context = net.op("Reshape", context, net.ints(1, tokens, width))
        x = net.layer_norm(net.op("Add", net.dense(context, width, width), x), width, 1e-12)
        y = net.dense(net.gelu(net.dense(x, width, 4 * width)), 4 * width, width)
        x = net.layer_norm(net.op("Add", y, x), width, 1e-12)
    net.save(folder, f"minilm_{tokens}", ids, x, [1, tokens, width])


def bilstm(folder):
    net, units, steps = Net(7), 128, 100
    x, n_in = net.op("Transpose", "input", perm=[1, 0, 2]), 64
    for _ in range(2):
        w = net.normal(2, 4 * units, n_in, scale=n_in**-0.5)
        r = net.normal(2, 4 * units, units, scale=units**-0.5)
        b = net.normal(2, 8 * units, scale=0.05)
        zero = net.const(np.zeros((2, 1, units), np.float32))
        y = net.op("LSTM", x, w, r, b, "", zero, zero, outputs=3, direction="bidirectional", hidden_size=units)[0]
        x = net.op("Reshape", net.op("Transpose", y, perm=[0, 2, 1, 3]), net.ints(steps, 1, 2 * units))
        n_in = 2 * units
    x = net.op("Transpose", x, perm=[1, 0, 2])
    net.save(folder, "bilstm", [("input", TensorProto.FLOAT, [1, steps, 64])], net.dense(x, 2 * units, 20), [1, steps, 20])


def mlp(folder):
    net = Net(8)
    x = net.op("Relu", net.gemm("input", 64, 128))
    x = net.op("Relu", net.gemm(x, 128, 64))
    net.save(folder, "mlp", [("input", TensorProto.FLOAT, [1, 64])], net.op("Softmax", net.gemm(x, 64, 10), axis=-1), [1, 10])


MODELS = {
    "resnet50": resnet50,
    "mobilenet_v2": mobilenet_v2,
    "mobilenet_v3_small": mobilenet_v3_small,
    "efficientnet_b0": efficientnet_b0,
    "vit_b_16": vit_b_16,
    "minilm_128": lambda folder: minilm(folder, 128),
    "minilm_16": lambda folder: minilm(folder, 16),
    "bilstm": bilstm,
    "mlp": mlp,
}

if __name__ == "__main__":
    target = Path(sys.argv[1])
    for name in sys.argv[2:] or MODELS:
        MODELS[name](target)

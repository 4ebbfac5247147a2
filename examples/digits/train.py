"""Train the digits example's network and write what the example ships.

    cargo xtask python
    target/python/bin/python examples/digits/train.py

Reads nothing but scikit-learn's bundled copy of the UCI handwritten digits (1797
images of 8 x 8 pixels, values 0 to 16). Writes, beside this script:

    model/digits.onnx   input `image` f32 [1, 1, 8, 8], pixels divided by 16;
                        output `scores` f32 [1, 10], softmax
    data/heldout.bin    the images the network never saw, in this order:
                        u32 little-endian count, then per image 64 bytes of
                        pixels (row by row, 0..=16) and one byte of label

The network is small enough that plain numpy trains it in about a minute, so the
gradients are written out below. One seed and one BLAS thread: the same versions
write the same bytes.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import pathlib
import struct

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HERE = pathlib.Path(__file__).resolve().parent
SEED = 20
EPOCHS = 120
BATCH = 64
PEAK_RATE = 4e-3
REQUIRED_ACCURACY = 0.97


# Layers: each forward returns its output and what its backward needs.


def conv3x3(x, weight, bias):
    """3 x 3 convolution, padding 1. x [n, c, h, w], weight [o, c, 3, 3]."""
    n, c, h, w = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * h * w, c * 9)
    out = columns @ weight.reshape(len(weight), -1).T + bias
    return out.reshape(n, h, w, -1).transpose(0, 3, 1, 2), columns


def conv3x3_backward(grad, columns, weight, shape):
    n, c, h, w = shape
    flat = grad.transpose(0, 2, 3, 1).reshape(n * h * w, -1)
    d_weight = (flat.T @ columns).reshape(weight.shape)
    d_columns = (flat @ weight.reshape(len(weight), -1)).reshape(n, h, w, c, 3, 3)
    d_padded = np.zeros((n, c, h + 2, w + 2), np.float32)
    for dy in range(3):
        for dx in range(3):
            d_padded[:, :, dy : dy + h, dx : dx + w] += d_columns[..., dy, dx].transpose(0, 3, 1, 2)
    return d_padded[:, :, 1:-1, 1:-1], d_weight, flat.sum(0)


def max_pool(x):
    """2 x 2, stride 2; the backward pass wants to know which element won."""
    n, c, h, w = x.shape
    tiles = x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 2, 4, 3, 5)
    tiles = tiles.reshape(n, c, h // 2, w // 2, 4)
    winner = tiles.argmax(-1)[..., None]
    return np.take_along_axis(tiles, winner, -1)[..., 0], winner


def max_pool_backward(grad, winner):
    n, c, h, w = grad.shape
    tiles = np.zeros((n, c, h, w, 4), np.float32)
    np.put_along_axis(tiles, winner, grad[..., None], -1)
    tiles = tiles.reshape(n, c, h, w, 2, 2).transpose(0, 1, 2, 4, 3, 5)
    return tiles.reshape(n, c, h * 2, w * 2)


def softmax(logits):
    exps = np.exp(logits - logits.max(1, keepdims=True))
    return exps / exps.sum(1, keepdims=True)


# The network.


def initial_parameters(rng):
    def he(*shape):
        fan_in = np.prod(shape[1:])
        return (rng.standard_normal(shape) * np.sqrt(2 / fan_in)).astype(np.float32)

    return {
        "conv1.weight": he(16, 1, 3, 3),
        "conv1.bias": np.zeros(16, np.float32),
        "conv2.weight": he(32, 16, 3, 3),
        "conv2.bias": np.zeros(32, np.float32),
        "classify.weight": he(10, 128),
        "classify.bias": np.zeros(10, np.float32),
    }


def loss_gradients(p, x, target, rng):
    """Cross-entropy gradients of one batch, with dropout before the classifier."""
    a1, columns1 = conv3x3(x, p["conv1.weight"], p["conv1.bias"])
    h1, winner1 = max_pool(np.maximum(a1, 0))
    a2, columns2 = conv3x3(h1, p["conv2.weight"], p["conv2.bias"])
    h2, winner2 = max_pool(np.maximum(a2, 0))
    keep = (rng.random(h2.shape) > 0.25).astype(np.float32) / np.float32(0.75)
    features = (h2 * keep).reshape(len(x), -1)
    scores = softmax(features @ p["classify.weight"].T + p["classify.bias"])

    d_logits = (scores - target) / np.float32(len(x))
    grads = {
        "classify.weight": d_logits.T @ features,
        "classify.bias": d_logits.sum(0),
    }
    d_h2 = (d_logits @ p["classify.weight"]).reshape(h2.shape) * keep
    d_a2 = max_pool_backward(d_h2, winner2) * (a2 > 0)
    d_h1, grads["conv2.weight"], grads["conv2.bias"] = conv3x3_backward(
        d_a2, columns2, p["conv2.weight"], h1.shape
    )
    d_a1 = max_pool_backward(d_h1, winner1) * (a1 > 0)
    _, grads["conv1.weight"], grads["conv1.bias"] = conv3x3_backward(
        d_a1, columns1, p["conv1.weight"], x.shape
    )
    return grads


def augmented(x, rng):
    """Each image moved by up to one pixel each way, its strokes fainter or darker."""
    out = np.zeros_like(x)
    for i, (dy, dx) in enumerate(rng.integers(-1, 2, (len(x), 2))):
        out[i] = np.roll(x[i], (dy, dx), (1, 2))
        # What rolled around the edge was never there.
        if dy:
            out[i, :, 0 if dy > 0 else -1, :] = 0
        if dx:
            out[i, :, :, 0 if dx > 0 else -1] = 0
    strength = rng.uniform(0.8, 1.1, (len(x), 1, 1, 1)).astype(np.float32)
    return np.clip(out * strength, 0, 1)


def train(x, y):
    rng = np.random.default_rng(SEED)
    p = initial_parameters(rng)
    first = {k: np.zeros_like(v) for k, v in p.items()}
    second = {k: np.zeros_like(v) for k, v in p.items()}
    # A little label smoothing: the scores stay honest where strokes are ambiguous.
    targets = (np.eye(10, dtype=np.float32) * 0.95 + 0.005)[y]
    n_steps = EPOCHS * (len(x) // BATCH)
    step = 0
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        for start in range(0, len(x) - BATCH + 1, BATCH):
            batch = order[start : start + BATCH]
            grads = loss_gradients(p, augmented(x[batch], rng), targets[batch], rng)
            step += 1
            rate = PEAK_RATE * 0.5 * (1 + np.cos(np.pi * step / n_steps))
            for k, g in grads.items():
                first[k] = 0.9 * first[k] + 0.1 * g
                second[k] = 0.999 * second[k] + 0.001 * g * g
                moment = first[k] / (1 - 0.9**step)
                spread = second[k] / (1 - 0.999**step)
                p[k] = (p[k] - rate * moment / (np.sqrt(spread) + 1e-8)).astype(np.float32)
    return p


def export(p, path):
    conv = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    nodes = [
        helper.make_node("Conv", ["image", "conv1.weight", "conv1.bias"], ["conv1"], "conv1", **conv),
        helper.make_node("Relu", ["conv1"], ["relu1"], "relu1"),
        helper.make_node("MaxPool", ["relu1"], ["pool1"], "pool1", **pool),
        helper.make_node("Conv", ["pool1", "conv2.weight", "conv2.bias"], ["conv2"], "conv2", **conv),
        helper.make_node("Relu", ["conv2"], ["relu2"], "relu2"),
        helper.make_node("MaxPool", ["relu2"], ["pool2"], "pool2", **pool),
        helper.make_node("Flatten", ["pool2"], ["features"], "flatten", axis=1),
        helper.make_node(
            "Gemm", ["features", "classify.weight", "classify.bias"], ["logits"], "classify", transB=1
        ),
        helper.make_node("Softmax", ["logits"], ["scores"], "softmax", axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 10])],
        [numpy_helper.from_array(v, k) for k, v in p.items()],
    )
    model = helper.make_model(
        graph,
        producer_name="kiln examples/digits",
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(exist_ok=True)
    onnx.save(model, path)


def main():
    digits = load_digits()
    pixels, labels = digits.images.astype(np.uint8), digits.target.astype(np.uint8)
    train_idx, held_idx = train_test_split(
        np.arange(len(labels)), test_size=0.3, stratify=labels, random_state=SEED
    )
    images = (pixels[:, None] / 16).astype(np.float32)

    model_path = HERE / "model" / "digits.onnx"
    export(train(images[train_idx], labels[train_idx]), model_path)

    data_path = HERE / "data" / "heldout.bin"
    data_path.parent.mkdir(exist_ok=True)
    with data_path.open("wb") as out:
        out.write(struct.pack("<I", len(held_idx)))
        for i in held_idx:
            out.write(pixels[i].tobytes() + bytes([labels[i]]))

    session = onnxruntime.InferenceSession(model_path, providers=["CPUExecutionProvider"])
    guesses = [session.run(None, {"image": images[i : i + 1]})[0].argmax() for i in held_idx]
    accuracy = float(np.mean(guesses == labels[held_idx]))
    print(f"{len(train_idx)} training images, {len(held_idx)} held out")
    print(f"held-out accuracy {accuracy:.4f} (onnxruntime)")
    for path in (model_path, data_path):
        print(f"{path.relative_to(HERE)}: {path.stat().st_size} bytes")
    if accuracy < REQUIRED_ACCURACY:
        raise SystemExit(f"accuracy below {REQUIRED_ACCURACY}")


if __name__ == "__main__":
    main()

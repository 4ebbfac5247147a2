"""Store seeded inputs and onnxruntime's answers for every model `cargo xtask verify` compares.

    make_cases.py MODELS_FOLDER

A case is a folder MODELS_FOLDER/cases/NAME of `input_<i>.npy`, `output_<i>.npy` and

    case.json  {"model": "path, relative to MODELS_FOLDER",
                "dims": {"symbol, or input:axis where the file gives no name": 1},
                "pin": {"input fixed to a constant": 16000},
                "inputs": [{"name", "file"}], "outputs": [{"name", "file"}]}

Where a name comes several times, one compiled program is run on each in turn.
"""

import json
import pathlib
import struct
import sys

import numpy as np
import onnxruntime

import pictures
import sounds

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Maker:
    """Runs models and writes cases."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder).resolve()
        self.sessions = {}
        self.n_cases = 0

    def session(self, model):
        if model not in self.sessions:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            options.log_severity_level = 3
            path = self.folder / model
            self.sessions[model] = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        return self.sessions[model]

    def case(self, name, model, inputs, dims=None, pin=None):
        """Run the model on `inputs`, or on each of several, and write the case."""
        runs = inputs if isinstance(inputs, list) else [inputs]
        session = self.session(model)
        pin = pin or {}
        names = [output.name for output in session.get_outputs()]
        folder = self.folder / "cases" / name
        folder.mkdir(parents=True, exist_ok=True)
        meta = {"model": model, "dims": dims or {}, "pin": pin, "inputs": [], "outputs": []}
        for run, inputs in enumerate(runs):
            fed = dict(inputs)
            for key, value in pin.items():
                fed[key] = np.array(value, np.int64)
            outputs = dict(zip(names, session.run(names, fed)))
            for role, values in (("input", inputs), ("output", outputs)):
                for i, (key, value) in enumerate(values.items()):
                    file = f"{role}_{run}_{i}.npy"
                    np.save(folder / file, np.array(value, order="C"))
                    meta[role + "s"].append({"name": key, "file": file})
            shapes = ", ".join(f"{k} {list(v.shape)}" for k, v in {**inputs, **outputs}.items())
            print(f"case {name}: {shapes}", file=sys.stderr)
        (folder / "case.json").write_text(json.dumps(meta, indent=2) + "\n")
        self.n_cases += 1


def silero(maker, folder, rate, dims, pin):
    """One window in the middle of a vowel, the state as the windows before it left it."""
    model = f"{folder}/model.onnx"
    window, context = (512, 64) if rate == 16000 else (256, 32)
    audio = sounds.voice(rate, 0.5, seed=7)
    state = np.zeros((2, 1, 128), np.float32)
    session = maker.session(model)
    extra = {"sr": np.array(rate, np.int64)} if pin else {}
    for start in range(context, context + 6 * window, window):
        piece = audio[None, start - context : start + window]
        fed = {"input": piece, "state": state, **extra}
        _, state = session.run(["output", "stateN"], fed)
    piece = audio[None, start + window - context : start + 2 * window]
    inputs = {"input": piece, "state": state}
    maker.case(f"{folder}-{rate // 1000}k", model, inputs, dims(context + window), pin)
    return {**inputs, **extra}


def every_silero(maker):
    unnamed = lambda n: {"input:0": 1, "input:1": n, "state:1": 1}
    named = lambda n: {"batch": 1, "sequence": n}
    both = []
    for rate in (16000, 8000):
        both.append(silero(maker, "silero_vad", rate, unnamed, {"sr": rate}))
        silero(maker, "silero_vad_op18_ifless", rate, named, {"sr": rate})
    # One program for both rates, told which when it runs.
    maker.case("silero_vad-either", "silero_vad/model.onnx", both + both[:1], {"input:0": 1, "state:1": 1})
    silero(maker, "silero_vad_16k_op15", 16000, named, {"sr": 16000})
    silero(maker, "silero_vad_half", 16000, named, None)


def magika(maker):
    """Files as magika reads them: 1024 bytes of each end, 256 where there are none."""
    files = {
        "python": (ROOT / "xtask/py/sounds.py").read_bytes(),
        "onnx": (ROOT / "examples/digits/model/digits.onnx").read_bytes(),
        "short": b"#include <stdio.h>\nint main(void) { return puts(\"hello\"); }\n",
    }
    rows = []
    for name, content in files.items():
        content = content.strip()
        tokens = np.full((1, 2048), 256, np.int32)
        head, tail = content[:1024], content[-1024:]
        tokens[0, : len(head)] = list(head)
        tokens[0, 2048 - len(tail) :] = list(tail)
        maker.case(f"magika-{name}", "magika/model.onnx", {"bytes": tokens}, {"unk__214": 1})
        rows.append(tokens)
    batches = [np.concatenate([rows[i % 3] for i in range(n)]) for n in (1, 2, 3, 7)]
    maker.case("magika-free", "magika/model.onnx", [{"bytes": batch} for batch in batches])


def ocr(maker):
    dim = "p2o.DynamicDimension."
    for height, width in ((320, 320), (480, 640)):
        x = pictures.normalised(pictures.page(height, width, seed=11))[None]
        dims = {dim + "0": 1, dim + "1": height, dim + "2": width}
        maker.case(f"ppocr_det-{height}x{width}", "ppocr_det/model.onnx", {"x": x}, dims)
    for width, text in ((160, "kiln 2026"), (320, "No. 4711  12,50 EUR")):
        x = pictures.normalised(pictures.line(width, text, seed=12))[None]
        dims = {dim + "0": 1, "x:2": 48, dim + "1": width}
        maker.case(f"ppocr_rec-48x{width}", "ppocr_rec/model.onnx", {"x": x}, dims)
    for batch, width in ((1, 192), (6, 192), (1, 256)):
        x = np.stack(
            [
                pictures.normalised(pictures.line(width, pictures.LINES[i], 20 + i, i % 2 == 1))
                for i in range(batch)
            ]
        )
        dims = {"x:0": batch, "x:2": 48, "x:3": width}
        maker.case(f"ppocr_cls-{batch}x48x{width}", "ppocr_cls/model.onnx", {"x": x}, dims)


def ocr_free(maker):
    """One program for ten sizes of pages, and of lines."""
    sizes = [(64, 64), (32, 64), (96, 320), (160, 224), (320, 320), (480, 640), (640, 480), (32, 640), (224, 96), (736, 576)]
    pages = [pictures.normalised(pictures.page(h, w, seed=30 + i))[None] for i, (h, w) in enumerate(sizes)]
    pages[3] = np.concatenate([pages[3], pages[3] * 0.5])
    maker.case("ppocr_det-free", "ppocr_det/model.onnx", [{"x": page} for page in pages])
    widths = (32, 48, 100, 160, 320, 333, 480, 640, 96, 256)
    lines = [pictures.normalised(pictures.line(w, pictures.LINES[i % len(pictures.LINES)], 40 + i))[None] for i, w in enumerate(widths)]
    lines[8] = np.concatenate([lines[8]] * 3)
    maker.case("ppocr_rec-free", "ppocr_rec/model.onnx", [{"x": line} for line in lines])


def digits(maker):
    """The examples' model, on its first held-out image."""
    held_out = (ROOT / "examples/digits/data/heldout.bin").read_bytes()
    assert struct.unpack("<I", held_out[:4])[0] > 0
    pixels = np.frombuffer(held_out, np.uint8, 64, 4).reshape(1, 1, 8, 8)
    model = "../../examples/digits/model/digits.onnx"
    maker.case("digits", model, {"image": pixels.astype(np.float32) / 16})


def main():
    maker = Maker(sys.argv[1])
    every_silero(maker)
    magika(maker)
    ocr(maker)
    ocr_free(maker)
    digits(maker)
    print(f"{maker.n_cases} cases in {maker.folder / 'cases'}", file=sys.stderr)


if __name__ == "__main__":
    main()

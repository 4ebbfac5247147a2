"""One peer with one model, kept ready: answers requests on standard input, a line each.

`run 100` gives the median nanoseconds of a run over 100 ms, `memory` the most bytes this process ever had in memory.
The argument is a JSON object: engine, model, threads, inputs and outputs (names), dir (for the arrays' files).
"""

import sys
import time

request = json.loads(sys.argv[1])
feed = {name: load(f"{request['dir']}/in{i}") for i, name in enumerate(request["inputs"])}


def memory():
    """The high-water mark; that of getrusage would begin with the parent's."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) * 1024
    except (OSError, StopIteration):
        return 0


def onnxruntime():
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = request["threads"], 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(request["model"], options, providers=["CPUExecutionProvider"])
    names = request["outputs"]
    return onnxruntime.__version__, lambda: session.run(names, feed)


def openvino():
    import openvino

    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": request["threads"],
        "NUM_STREAMS": 1,
    }
    core = openvino.Core()
    model = core.read_model(request["model"])
    model.reshape({name: openvino.PartialShape(list(array.shape)) for name, array in feed.items()})
    compiled = core.compile_model(model, "CPU", settings)
    infer = compiled.create_infer_request()
    for name, array in feed.items():
        infer.set_tensor(name, openvino.Tensor(array))
    outputs = [compiled.output(name) for name in request["outputs"]]

    def run():
        infer.infer()
        return [infer.get_tensor(output).data for output in outputs]

    return openvino.__version__.split("-")[0], run


try:
    version, run = {"onnxruntime": onnxruntime, "openvino": openvino}[request["engine"]]()
    for i, output in enumerate(run()):
        save(f"{request['dir']}/{request['engine']}{i}", output)
except Exception as error:
    print("refused", str(error).replace("\n", " ")[:300], flush=True)
    sys.exit()
print("ready", version, flush=True)
for line in sys.stdin:
    words = line.split()
    if words[:1] == ["memory"]:
        print(memory(), flush=True)
    elif words[:1] == ["run"]:
        times, start = [], time.perf_counter_ns()
        budget = int(words[1]) * 1_000_000
        while len(times) < 3 or time.perf_counter_ns() - start < budget:
            one = time.perf_counter_ns()
            run()
            times.append(time.perf_counter_ns() - one)
        print(sorted(times)[len(times) // 2], flush=True)
    else:
        break

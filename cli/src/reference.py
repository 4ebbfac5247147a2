"""Runs a model in onnxruntime on one thread: inputs and outputs as files, the median seconds of a run on stdout."""

import sys
import time

import onnxruntime

request = json.loads(sys.argv[1])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
options.log_severity_level = 3
session = onnxruntime.InferenceSession(request["model"], options, providers=["CPUExecutionProvider"])
feed = {name: load(f"{request['dir']}/in{i}") for i, name in enumerate(request["inputs"])}
outputs = session.run(request["outputs"], feed)
for i, output in enumerate(outputs):
    save(f"{request['dir']}/out{i}", output)
times, start = [], time.perf_counter()
while len(times) < 3 or time.perf_counter() - start < request["seconds"]:
    one = time.perf_counter()
    session.run(request["outputs"], feed)
    times.append(time.perf_counter() - one)
print(sorted(times)[len(times) // 2])

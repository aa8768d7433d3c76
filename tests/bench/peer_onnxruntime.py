#!/usr/bin/env python3
"""peer_onnxruntime.py -- ONNX Runtime, which does a slice of work when told (tests/bench/peer.c).

    peer_onnxruntime.py --threads=N matmul --shape=MxNxK --dtype=f32
    peer_onnxruntime.py --threads=N model --model=FILE --shape=BATCHxSEQUENCE

The first line it writes is a JSON object that says what it is. Then each line it reads is a number of runs, and each it
writes the seconds that they took.
"""

import argparse
import json
import sys
import time

import numpy as np
import onnxruntime as ort


def matmul(shape):
    from onnx import TensorProto, helper, numpy_helper

    m, n, k = shape
    w = numpy_helper.from_array(np.random.default_rng(1).uniform(-1, 1, (k, n)).astype(np.float32), "w")
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name, size in (("x", [m, k]), ("y", [m, n])))
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "matmul", [x], [y], [w])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


def made_up(value, shape):
    size = [d if isinstance(d, int) else shape[i] for i, d in enumerate(value.shape)]
    if value.type == "tensor(float)":
        return np.random.default_rng(1).uniform(-1, 1, size).astype(np.float32)
    return np.ones(size, {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(bool)": np.bool_}[value.type])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["matmul", "model"])
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--shape", required=True)
    parser.add_argument("--dtype", default="f32")
    parser.add_argument("--model")
    a = parser.parse_args()
    if a.dtype != "f32":
        sys.exit(f"peer: ONNX Runtime has no products of {a.dtype} on processors")
    shape = [int(s) for s in a.shape.split("x")]
    options = ort.SessionOptions()
    options.intra_op_num_threads = a.threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    # Its threads spin while it runs, as they always do, and stop with its slice, so that they disturb nobody else's.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 3
    session = ort.InferenceSession(matmul(shape) if a.what == "matmul" else a.model, options, providers=["CPUExecutionProvider"])
    feed = {v.name: made_up(v, shape) for v in session.get_inputs()}
    binding = session.io_binding()
    for name, value in feed.items():
        binding.bind_cpu_input(name, value)
    for v in session.get_outputs():
        binding.bind_output(v.name)
    flags = f"CPUExecutionProvider, intra_op_num_threads={a.threads}, ORT_ENABLE_ALL, force_spinning_stop=1"
    print(json.dumps({"name": "onnxruntime", "version": ort.__version__, "flags": flags}), flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            session.run_with_iobinding(binding)
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()

"""oracle_data.py -- random inputs for a model, ONNX Runtime's answers to them, and the files that hold both."""

import os
import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

REPOSITORY = Path(__file__).resolve().parents[2]
MODELS = REPOSITORY / "tests" / "models"
CORPUS = Path(os.environ.get("LATHE_CORPUS", REPOSITORY.parent / "shared" / "corpus"))
VOCAB = 97  # of the models that we export
DTYPES = {"float": np.float32, "double": np.float64, "float16": np.float16, "bool": np.bool_, "int32": np.int32,
          "int64": np.int64}
SUMS = {"total": ("past", "seq"), "total_seq_len": ("past_seq_len", "seq_len")}  # dims that follow from others


def corpus_models():
    """{name: (path, vocabulary size)} of models made by others, which are kept outside the repository."""
    folder = CORPUS / "exported-onnx"
    return {"gpt2_past": (folder / "gpt2_past.onnx", 20),
            "bert_toy_optimized": (folder / "bert_toy_optimized.onnx", 99),
            "tiny_random_gpt2": (folder / "tiny-random-gpt2" / "past.onnx", 1000)}


def open_session(path):
    """The graph as it is written: no optimiser of ONNX Runtime's has touched it."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def session_inputs(session):
    """[(name, dtype, dims)]; a dim that is a string is dynamic."""
    return [(i.name, DTYPES[re.fullmatch(r"tensor\((\w+)\)", i.type)[1]], i.shape) for i in session.get_inputs()]


def symbols(specs):
    """The dims that a caller may choose."""
    return sorted({d for _, _, dims in specs for d in dims if isinstance(d, str)} - SUMS.keys())


def make_input(name, shape, dtype, rng, ids, past):
    """An exporter gives a tensor its meaning by name alone."""
    if np.issubdtype(dtype, np.floating):
        return rng.standard_normal(shape).astype(dtype)
    if "mask" in name:  # the last sequence is padded on the right
        mask = np.ones(shape, dtype)
        mask[-1, max(1, shape[1] - 2):] = 0
        return mask
    if "position" in name:
        return np.broadcast_to(np.arange(past, past + shape[1], dtype=dtype), shape).copy()
    return rng.integers(0, 2 if "type" in name else ids, shape, dtype)


def make_inputs(specs, sizes, rng, ids):
    """Inputs for one run: sizes gives every symbol, token ids stay below ids."""
    sizes = dict(sizes)
    for name, parts in SUMS.items():
        sizes.setdefault(name, sum(sizes.get(p, 0) for p in parts))
    past = sizes.get("past", sizes.get("past_seq_len", 0))
    return {name: make_input(name, [sizes.get(d, d) for d in dims], dtype, rng, ids, past)
            for name, dtype, dims in specs}


def run(session, inputs):
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))


def write_data_set(folder, inputs, outputs):
    folder.mkdir(parents=True, exist_ok=True)
    for kind, tensors in (("input", inputs), ("output", outputs)):
        for i, (name, value) in enumerate(tensors.items()):
            (folder / f"{kind}_{i}.pb").write_bytes(numpy_helper.from_array(value, name).SerializeToString())


def read_data_set(folder, kind):
    tensors = [onnx.load_tensor(str(p)) for p in folder.glob(f"{kind}_*.pb")]
    return {t.name: numpy_helper.to_array(t) for t in tensors}

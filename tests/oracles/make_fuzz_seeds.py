#!/usr/bin/env python3
"""make_fuzz_seeds.py -- seeds for the fuzzer of ONNX files: every operator that is imported, and the graphs of the tests.

    python tests/oracles/make_fuzz_seeds.py [--out tests/fuzz/corpus/onnx]

The operators are read from frontend/onnx_ops.def, a few to a file, with every attribute; that few of them fit their
operands is no matter, since an import goes on after an error.
"""

import argparse
import re
import shutil
from itertools import islice
from pathlib import Path

import onnx
from onnx import AttributeProto, TensorProto, helper

ROW = re.compile(r'^ONNX\((\w+), *(\w+), *(\d+), *(\d+), *(\w+), *(\d+), *(\w+), *"([^"]*)"', re.M)
NODES_A_FILE = 8
DOMAINS = {"ai": "", "ms": "com.microsoft"}
REPOSITORY = Path(__file__).resolve().parents[2]


def attribute(op, domain, since, name):
    """A value of the right kind, as far as that is known."""
    try:
        kind = onnx.defs.get_schema(op, since, domain).attributes[name].type
    except Exception:
        kind = None
    values = {AttributeProto.FLOAT: 0.5, AttributeProto.INTS: [1, 0], AttributeProto.FLOATS: [0.5, 2.0],
              AttributeProto.STRING: "linear", AttributeProto.TENSOR: helper.make_tensor("t", TensorProto.FLOAT, [2], [1, 2])}
    if kind == AttributeProto.GRAPH:
        return None
    words = ("alpha", "beta", "gamma", "epsilon", "scale", "softcap", "limit", "value")
    default = 0.5 if domain and any(w in name for w in words) else 1
    return helper.make_attribute(name, values.get(kind, default))


def node(row, number):
    domain, op, since, low, high, _, most, names = row
    count = int(low) if high == "MANY" else int(high)
    results = [f"y{number}_{i}" for i in range(1 if most == "MANY" else int(most))]
    n = helper.make_node(op, [f"x{i % 3}" for i in range(max(count, 1) if high != "0" else 0)], results, domain=DOMAINS[domain])
    made = [attribute(op, DOMAINS[domain], int(since), name) for name in names.split()]
    n.attribute.extend(a for a in made if a)
    return n


def model(nodes, opset):
    value = helper.make_tensor_value_info
    inputs = [value("x0", TensorProto.FLOAT, ["n", 4]), value("x1", TensorProto.FLOAT, [2, 4]), value("x2", TensorProto.INT64, [2])]
    outputs = [value(n.output[0], TensorProto.FLOAT, None) for n in nodes]
    return helper.make_model(helper.make_graph(nodes, "g", inputs, outputs), ir_version=10, producer_name="",
                             opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)])


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--out", type=Path, default=REPOSITORY / "tests" / "fuzz" / "corpus" / "onnx")
    out = arguments.parse_args().out
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    rows = iter(sorted(ROW.findall((REPOSITORY / "frontend" / "onnx_ops.def").read_text()), key=lambda r: (r[0], int(r[2]))))
    for k in range(1000):
        some = list(islice(rows, NODES_A_FILE))
        if not some:
            break
        opset = max([7] + [int(r[2]) for r in some if r[0] == "ai"]) if some[0][0] == "ai" else 21
        built = model([node(row, i) for i, row in enumerate(some)], opset)
        (out / f"ops_{k:02}.onnx").write_bytes(built.SerializeToString(deterministic=True))
    for folder in sorted((REPOSITORY / "tests" / "graphs").iterdir()):
        shutil.copy(folder / "model.onnx", out / f"{folder.name}.onnx")


if __name__ == "__main__":
    main()

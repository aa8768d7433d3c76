#!/usr/bin/env python3
"""make_decoder.py -- writes a decoder of a billion bf16 parameters as ONNX with external data, to measure builds.

    python3 tests/bench/make_decoder.py [--layers 16] FOLDER

Needs Python alone, and little memory. FOLDER/model.onnx is a causal language model without a cache: norms, attention with
32 heads, gated layers, tied embeddings; 1.14 billion parameters, 2.3 GB in FOLDER/model.data. The projections of the
attention are turned in the graph, as one exporter writes them, and those of the gated layers are not, as another does.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "oracles"))
from make_big_models import EXTERNAL, MIB, MODEL_HEAD, block, number  # noqa: E402

WIDTH, INNER, HEADS, WORDS = 2048, 8192, 32, 32000
INT, INTS = 2, 7  # AttributeProto.AttributeType
I64, BF16 = 7, 16  # TensorProto.DataType


class Graph:
    def __init__(self):
        self.nodes, self.tensors = [], []
        self.size = 0  # of the data
        self.count = 0

    def node(self, op, *inputs, **attributes):
        self.count += 1
        name = f"{op.lower()}_{self.count}"
        body = b"".join(block(1, x) for x in inputs) + block(2, name) + block(3, name) + block(4, op)
        for key, value in attributes.items():
            one = isinstance(value, int)
            numbers = b"".join(number(3 if one else 8, v & (1 << 64) - 1) for v in ([value] if one else value))
            body += block(5, block(1, key) + numbers + number(20, INT if one else INTS))
        self.nodes.append(block(1, body))
        return name

    def weight(self, name, *dims):
        """A tensor in the data, at a multiple of 64."""
        length = 2
        for d in dims:
            length *= d
        places = {"location": "model.data", "offset": str(self.size), "length": str(length)}
        body = b"".join(number(1, d) for d in dims) + number(2, BF16) + block(8, name)
        body += b"".join(block(13, block(1, k) + block(2, v)) for k, v in places.items()) + number(14, EXTERNAL)
        self.tensors.append(block(5, body))
        self.size += (length + 63) // 64 * 64
        return name

    def literal(self, name, dtype, raw, *dims):
        body = b"".join(number(1, d) for d in dims) + number(2, dtype) + block(8, name) + block(9, raw)
        self.tensors.append(block(5, body))
        return name


def ints(*values):
    return b"".join(v.to_bytes(8, "little", signed=True) for v in values)


def norm(g, x, name):
    mean = g.node("ReduceMean", g.node("Mul", x, x), axes=[-1], keepdims=1)
    return g.node("Mul", g.node("Div", x, g.node("Sqrt", g.node("Add", mean, "eps"))), g.weight(name, WIDTH))


def attention(g, x, layer):
    def project(name):
        return g.node("Transpose", g.weight(f"layer{layer}.{name}", WIDTH, WIDTH), perm=[1, 0])

    def heads(name, perm):
        return g.node("Transpose", g.node("Reshape", g.node("MatMul", x, project(name)), "heads"), perm=perm)

    scores = g.node("Mul", g.node("MatMul", heads("q", [0, 2, 1, 3]), heads("k", [0, 2, 3, 1])), "scale")
    mixed = g.node("MatMul", g.node("Softmax", scores, axis=-1), heads("v", [0, 2, 1, 3]))
    joined = g.node("Reshape", g.node("Transpose", mixed, perm=[0, 2, 1, 3]), "joined")
    return g.node("MatMul", joined, project("o"))


def gated(g, x, layer):
    gate = g.node("MatMul", x, g.weight(f"layer{layer}.gate", WIDTH, INNER))
    up = g.node("MatMul", x, g.weight(f"layer{layer}.up", WIDTH, INNER))
    inner = g.node("Mul", g.node("Mul", gate, g.node("Sigmoid", gate)), up)
    return g.node("MatMul", inner, g.weight(f"layer{layer}.down", INNER, WIDTH))


def value_info(name, dtype, *dims):
    sizes = b"".join(block(1, block(2, d) if isinstance(d, str) else number(1, d)) for d in dims)
    return block(1, name) + block(2, block(1, number(1, dtype) + block(2, sizes)))


def decoder(layers):
    g = Graph()
    g.literal("eps", BF16, b"\xac\x36")  # 5e-6
    g.literal("scale", BF16, b"\x00\x3e")  # 1/8
    g.literal("heads", I64, ints(0, 0, HEADS, WIDTH // HEADS), 4)
    g.literal("joined", I64, ints(0, 0, WIDTH), 3)
    words = g.weight("words", WORDS, WIDTH)
    x = g.node("Gather", words, "input_ids", axis=0)
    for i in range(layers):
        x = g.node("Add", x, attention(g, norm(g, x, f"layer{i}.before"), i))
        x = g.node("Add", x, gated(g, norm(g, x, f"layer{i}.after"), i))
    logits = g.node("MatMul", norm(g, x, "last"), g.node("Transpose", words, perm=[1, 0]))
    body = b"".join(g.nodes) + block(2, "decoder") + b"".join(g.tensors)
    body += block(11, value_info("input_ids", I64, 1, "seq")) + block(12, value_info(logits, BF16, 1, "seq", WORDS))
    return MODEL_HEAD + block(7, body), g.size


def write_data(path, size):
    """Numbers around 0.01, of either sign."""
    part = bytearray(32 * MIB)
    part[0::2] = os.urandom(len(part) // 2)
    part[1::2] = os.urandom(len(part) // 2).translate(bytes([0x3C] * 128 + [0xBC] * 128))
    with open(path, "wb") as f:
        for at in range(0, size, len(part)):
            f.write(part[: size - at])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--layers", type=int, default=16)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    model, size = decoder(args.layers)
    (args.folder / "model.onnx").write_bytes(model)
    write_data(args.folder / "model.data", size)
    print(f"{size // 2 / 1e9:.2f} billion parameters, {size} bytes")


if __name__ == "__main__":
    main()

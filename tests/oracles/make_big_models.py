#!/usr/bin/env python3
"""make_big_models.py -- writes two ONNX models of gigabytes, to check the importer's time and memory.

    python3 tests/oracles/make_big_models.py DIR [--external 8] [--inline 6]

Needs Python alone, and little memory. DIR/external/model.onnx has its weights in model.data beside it: 2 GiB of zeros,
a sparse file. DIR/inline.onnx has them in raw_data: 1.5 GiB, all 2^-11. Both are y = x W0 W1 ... with x of [seq, 8192],
so that an x of ones makes inline.onnx answer 4 to the power of the number of matrices (4096 for 6).
"""

import argparse
from pathlib import Path

MIB = 1 << 20
WIDTH = 8192
FLOAT = 1
EXTERNAL = 1  # TensorProto.DataLocation


# -- protobuf's wire format --------------------------------------------------------------------------------------------


def varint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes(out) + bytes([n])


def number(field, value):
    return varint(field << 3) + varint(value)


def head(field, size):
    """What precedes size bytes of a string, of bytes or of a message."""
    return varint(field << 3 | 2) + varint(size)


def block(field, body):
    body = body.encode() if isinstance(body, str) else body
    return head(field, len(body)) + body


# -- ONNX's messages, as far as they are needed ------------------------------------------------------------------------


def value_info(name, width):
    dims = block(1, block(2, "seq")) + block(1, number(1, width))
    return block(1, name) + block(2, block(1, number(1, FLOAT) + block(2, dims)))


def matmul(x, w, y):
    return block(1, x) + block(1, w) + block(2, y) + block(3, f"node_{y}") + block(4, "MatMul")


def tensor_head(name, width):
    return number(1, width) * 2 + number(2, FLOAT) + block(8, name)


def external_tensor(name, width, location, offset):
    places = {"location": location, "offset": str(offset), "length": str(4 * width * width)}
    return tensor_head(name, width) + b"".join(
        block(13, block(1, k) + block(2, v)) for k, v in places.items()) + number(14, EXTERNAL)


def graph_head(layers, width):
    names = ["x", *(f"h{i}" for i in range(1, layers)), "y"]
    nodes = b"".join(block(1, matmul(names[i], f"w{i}", names[i + 1])) for i in range(layers))
    return nodes + block(2, "big") + block(11, value_info("x", width)) + block(12, value_info("y", width))


MODEL_HEAD = number(1, 8) + block(8, number(2, 17))  # IR version 8, opset 17; field 7, the graph, follows


# -- the two files -----------------------------------------------------------------------------------------------------


def write_external(folder, layers, width):
    folder.mkdir(parents=True, exist_ok=True)
    size = 4 * width * width
    with open(folder / "model.data", "wb") as f:
        f.truncate(size * layers)
    tensors = (block(5, external_tensor(f"w{i}", width, "model.data", i * size)) for i in range(layers))
    (folder / "model.onnx").write_bytes(MODEL_HEAD + block(7, graph_head(layers, width) + b"".join(tensors)))
    return size * layers


def write_inline(path, layers, width):
    size = 4 * width * width
    raw = head(9, size)  # raw_data comes last in each tensor
    heads = [tensor_head(f"w{i}", width) + raw for i in range(layers)]
    heads = [head(5, len(h) + size) + h for h in heads]
    graph = graph_head(layers, width)
    total = len(graph) + sum(len(h) + size for h in heads)
    row = bytes.fromhex("0000003a") * (MIB // 4)  # 2^-11
    with open(path, "wb") as f:
        f.write(MODEL_HEAD + head(7, total) + graph)
        for h in heads:
            f.write(h)
            for _ in range(size // MIB):
                f.write(row)
    return path.stat().st_size


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--external", type=int, default=8, help="matrices of 256 MiB in external/ (default: 8)")
    parser.add_argument("--inline", type=int, default=6, help="matrices of 256 MiB in inline.onnx (default: 6)")
    args = parser.parse_args()
    print("external:", write_external(args.folder / "external", args.external, WIDTH), "bytes of weights")
    print("inline:", write_inline(args.folder / "inline.onnx", args.inline, WIDTH), "bytes")


if __name__ == "__main__":
    main()

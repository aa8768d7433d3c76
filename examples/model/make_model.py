#!/usr/bin/env python3
"""make_model.py -- writes decoder.onnx, a two-layer GPT over ASCII with random weights, and a reference run of it.

    pip install -r tests/oracles/requirements.txt && python examples/model/make_model.py

Beside it appear input_ids.npy and, from ONNX Runtime, logits.npy.
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper, parser

HERE = Path(__file__).parent
VOCAB, CONTEXT, WIDTH, HEADS, INNER, LAYERS = 128, 64, 32, 4, 56, 2
PROMPT = "Once upon a time"

HEAD = f"""<ir_version: 10, opset_import: ["" : 20], producer_name: "make_model.py">
decoder (int64[1, seq] input_ids) => (float[1, seq, {VOCAB}] logits)
<int64 zero = {{0}}, int64 one = {{1}}, float minus_inf = {{-inf}},
 int64[4] split_heads = {{1, -1, {HEADS}, {WIDTH // HEADS}}}, int64[3] join_heads = {{1, -1, {WIDTH}}},
 float scale = {{{(WIDTH // HEADS) ** -0.5}}}> {{
  seq = Shape <start = 1> (input_ids)
  seq_0d = Squeeze (seq)
  positions = Range (zero, seq_0d, one)
  square = Concat <axis = 0> (seq, seq)
  blocked = Expand (minus_inf, square)
  mask = Trilu <upper = 1> (blocked, one)
  tokens = Gather (wte, input_ids)
  places = Gather (wpe, positions)
  x0 = Add (tokens, places)
"""

LAYER = """
  normed{i} = LayerNormalization <axis = -1> (x{i}, h{i}_ln1_weight, h{i}_ln1_bias)
  qkv_product{i} = MatMul (normed{i}, h{i}_qkv_weight)
  qkv{i} = Add (qkv_product{i}, h{i}_qkv_bias)
  q_flat{i}, k_flat{i}, v_flat{i} = Split <axis = -1, num_outputs = 3> (qkv{i})
  q_heads{i} = Reshape (q_flat{i}, split_heads)
  k_heads{i} = Reshape (k_flat{i}, split_heads)
  v_heads{i} = Reshape (v_flat{i}, split_heads)
  q{i} = Transpose <perm = [0, 2, 1, 3]> (q_heads{i})
  k{i} = Transpose <perm = [0, 2, 3, 1]> (k_heads{i})
  v{i} = Transpose <perm = [0, 2, 1, 3]> (v_heads{i})
  products{i} = MatMul (q{i}, k{i})
  scaled{i} = Mul (products{i}, scale)
  scores{i} = Add (scaled{i}, mask)
  weights{i} = Softmax <axis = -1> (scores{i})
  mixed{i} = MatMul (weights{i}, v{i})
  by_row{i} = Transpose <perm = [0, 2, 1, 3]> (mixed{i})
  joined{i} = Reshape (by_row{i}, join_heads)
  out_product{i} = MatMul (joined{i}, h{i}_out_weight)
  out{i} = Add (out_product{i}, h{i}_out_bias)
  middle{i} = Add (x{i}, out{i})
  normed_again{i} = LayerNormalization <axis = -1> (middle{i}, h{i}_ln2_weight, h{i}_ln2_bias)
  up_product{i} = MatMul (normed_again{i}, h{i}_up_weight)
  up{i} = Add (up_product{i}, h{i}_up_bias)
  active{i} = Gelu <approximate = "tanh"> (up{i})
  down_product{i} = MatMul (active{i}, h{i}_down_weight)
  down{i} = Add (down_product{i}, h{i}_down_bias)
  x{next} = Add (middle{i}, down{i})
"""

TAIL = f"""
  last = LayerNormalization <axis = -1> (x{LAYERS}, ln_weight, ln_bias)
  wte_transposed = Transpose <perm = [1, 0]> (wte)
  logits = MatMul (last, wte_transposed)
}}"""


def make_weights():
    shapes = {"wte": (VOCAB, WIDTH), "wpe": (CONTEXT, WIDTH), "ln_weight": (WIDTH,), "ln_bias": (WIDTH,)}
    for i in range(LAYERS):
        for norm in ("ln1", "ln2"):
            shapes |= {f"h{i}_{norm}_weight": (WIDTH,), f"h{i}_{norm}_bias": (WIDTH,)}
        for name, (k, n) in {"qkv": (WIDTH, 3 * WIDTH), "out": (WIDTH, WIDTH), "up": (WIDTH, INNER),
                             "down": (INNER, WIDTH)}.items():
            shapes |= {f"h{i}_{name}_weight": (k, n), f"h{i}_{name}_bias": (n,)}
    rng = np.random.default_rng(20)
    return {name: make_weight(name, shape, rng) for name, shape in shapes.items()}


def make_weight(name, shape, rng):
    noise = rng.standard_normal(shape, dtype=np.float32)
    if len(shape) > 1:
        return noise / np.float32(WIDTH**0.5)
    return np.float32(0.1) * noise + np.float32("ln" in name and "weight" in name)


def make_model():
    model = parser.parse_model(HEAD + "".join(LAYER.format(i=i, next=i + 1) for i in range(LAYERS)) + TAIL)
    model.graph.initializer.extend(numpy_helper.from_array(w, name) for name, w in make_weights().items())
    for node in model.graph.node:
        node.name = node.output[0]
    onnx.checker.check_model(model, full_check=True)
    return model


def main():
    path = HERE / "decoder.onnx"
    onnx.save(make_model(), path)
    input_ids = np.frombuffer(PROMPT.encode("ascii"), np.uint8).astype(np.int64)[None]
    logits, = ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"input_ids": input_ids})
    np.save(HERE / "input_ids.npy", input_ids)
    np.save(HERE / "logits.npy", logits)
    print(f"decoder.onnx: {path.stat().st_size} bytes; logits {list(logits.shape)}")


if __name__ == "__main__":
    main()

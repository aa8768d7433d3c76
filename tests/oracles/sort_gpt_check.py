#!/usr/bin/env python3
"""sort_gpt_check.py -- recomputes the 24 activations of the corpus's sorting GPT as README.md describes them.

    LATHE_CORPUS=... python tests/oracles/sort_gpt_check.py
"""

import base64
import json
import math
import os
import sys
from pathlib import Path

import numpy as np

CORPUS = Path(os.environ.get("LATHE_CORPUS", Path(__file__).resolve().parents[3] / "shared" / "corpus"))
TOLERANCE = 1e-5
EPS = 1e-5


def load(name):
    """(config, {key: float64 array}): data is base64 of little-endian float32 in row-major order."""
    raw = json.loads((CORPUS / "gpt-nano-sort" / name).read_text())
    tensors = {k: np.frombuffer(base64.b64decode(t["data"]), "<f4").reshape(t["shape"]).astype(np.float64)
               for k, t in raw.items() if k != "config"}
    return raw["config"], tensors


def layernorm(x, w, name):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + EPS) * w[name + ".weight"] + w[name + ".bias"]


def linear(x, w, name):
    return x @ w[name + ".weight"].T + w[name + ".bias"]  # weights are [out, in]


def gelu(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def block(x, w, prefix, heads):
    """One layer; returns every intermediate under the name it has in activations.json."""
    b, t, c = x.shape
    split = lambda y: y.reshape(b, t, heads, c // heads).transpose(0, 2, 1, 3)
    s = {"ln1": layernorm(x, w, prefix + "ln_1")}
    s["qkv"] = linear(s["ln1"], w, prefix + "attn.c_attn")
    s["q"], s["k"], s["v"] = (split(y) for y in np.split(s["qkv"], 3, -1))
    mask = w[prefix + "attn.bias"][:, :, :t, :t]
    s["att"] = np.where(mask == 0, -np.inf, s["q"] @ s["k"].swapaxes(-1, -2) / math.sqrt(c // heads))
    s["attSm"] = softmax(s["att"])
    s["y"] = (s["attSm"] @ s["v"]).transpose(0, 2, 1, 3).reshape(b, t, c)
    s["yProj"] = linear(s["y"], w, prefix + "attn.c_proj")
    s["attnResid"] = x + s["yProj"]
    s["ln2"] = layernorm(s["attnResid"], w, prefix + "ln_2")
    s["fc"] = linear(s["ln2"], w, prefix + "mlp.c_fc")
    s["gelu"] = gelu(s["fc"])
    s["mlp"] = linear(s["gelu"], w, prefix + "mlp.c_proj")
    s["mlpResid"] = s["attnResid"] + s["mlp"]
    return s


def forward(config, w, ids):
    s = {"tok_emb": w["transformer.wte.weight"][ids], "pos_emb": w["transformer.wpe.weight"][None, : ids.shape[1]]}
    x = s["x"] = s["tok_emb"] + s["pos_emb"]
    for i in range(config["n_layer"]):
        inner = block(x, w, f"transformer.h.{i}.", config["n_head"])
        x = s[f"block{i}"] = inner["mlpResid"]
        s = inner | s  # what is there already is layer 0's
    s["ln_f"] = layernorm(x, w, "transformer.ln_f")
    s["lm_head"] = s["ln_f"] @ w["lm_head.weight"].T
    s["probs"] = softmax(s["lm_head"])
    return s


def main():
    config, weights = load("model.json")
    _, want = load("activations.json")
    got = forward(config, weights, want.pop("idx").astype(np.int64))
    passed = 0
    for name, b in want.items():
        finite = np.isfinite(b)
        same_kind = got[name].shape == b.shape and np.array_equal(got[name][~finite], b[~finite])
        error = np.abs(got[name][finite] - b[finite]).max() / np.abs(b[finite]).max() if same_kind else np.inf
        passed += error <= TOLERANCE
        print(f"{'pass' if error <= TOLERANCE else 'FAIL'} {name:10} {str(list(b.shape)):16} {error:.1e}")
    print(f"{passed} passed, {len(want) - passed} failed, 0 skipped")
    return passed != len(want) or want.keys() != got.keys()


if __name__ == "__main__":
    sys.exit(main())

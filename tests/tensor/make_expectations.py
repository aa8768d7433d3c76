#!/usr/bin/env python3
"""make_expectations.py -- the numbers of tests/tensor/*.ir, from models written a second time in NumPy.

Programs are written by hand; this fills in their constants and `// OUT` lines. It shares nothing with Lathe: each model
here runs over whole sequences, in float64, without caches and without batching. `--check` changes nothing and fails
where a file is not up to date."""
import os
import re
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
SPECULATIVE_SEED = 155  # with which the draft is right none, all and some of the time
NAMES = {"float64": "f64", "float32": "f32", "float16": "f16", "int64": "i64"}


# ---- numbers as text ----

def number(v):
    if isinstance(v, (int, np.integer)):
        return str(int(v))
    s = np.format_float_positional(v, trim="-", unique=True)
    return s if len(s) < 14 else repr(float(s))


def literal(a):
    return "[" + ", ".join(number(v) for v in a.reshape(-1)) + "]"


def nibbles(codes):
    """4-bit codes, two a byte, the low bits first."""
    flat = codes.reshape(-1) & 15
    return 'hex "' + bytes((flat[0::2] | flat[1::2] << 4).astype(np.uint8)).hex() + '"'


def out_line(name, a):
    a = np.asarray(a)
    a = a.astype(np.float32) if a.dtype == np.float64 else a
    return f"// OUT {name}: {NAMES[a.dtype.name]}[{','.join(map(str, a.shape))}] = {literal(a)}"


# ---- weights ----

class Weights:
    """Numbers by the constants' names: as the file has them (text), and as the models use them (value)."""

    def __init__(self, seed):
        self.rng, self.text, self.value = np.random.default_rng(seed), {}, {}

    def plain(self, name, a, dtype=np.float32):
        a = np.asarray(a, dtype)
        self.text[name], self.value[name] = literal(a), a.astype(np.float64)

    def dense(self, name, *shape, scale=0.5):
        self.plain(name, np.round(self.rng.standard_normal(shape) * scale * 64) / 64)

    def norm(self, name, n):
        self.plain(name, 1 + np.round(self.rng.standard_normal(n) * 16) / 64)

    def int4(self, name, *shape, group=8, scale=0.12):
        codes = self.rng.integers(-8, 8, shape)
        scales = (np.round((0.5 + self.rng.random((*shape[:-1], shape[-1] // group))) * scale * 256) / 256).astype(np.float32)
        self.text[name + ".codes"], self.text[name + ".scales"] = nibbles(codes), literal(scales)
        self.value[name] = codes * np.repeat(scales.astype(np.float64), group, axis=-1)

    def int4_near(self, name, a, group=8):
        blocks = a.reshape(*a.shape[:-1], -1, group)
        scales = (np.ceil(np.abs(blocks).max(-1) / 7 * 256) / 256).astype(np.float32)
        spread = np.repeat(scales.astype(np.float64), group, axis=-1)
        codes = np.round(a / spread).astype(np.int64)
        self.text[name + ".codes"], self.text[name + ".scales"] = nibbles(codes), literal(scales)
        self.value[name] = codes * spread

    def rope(self, name, positions, dim, base=10000.0):
        angle = np.arange(positions)[:, None] * base ** (-np.arange(dim // 2) * 2.0 / dim)
        self.plain(name + ".cos", np.cos(angle))
        self.plain(name + ".sin", np.sin(angle))

    def __getitem__(self, name):
        return self.value[name]


# ---- parts of models, over one whole sequence ----

def rms(x, w):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * w


def layernorm(x, w, b):
    d = x - x.mean(-1, keepdims=True)
    return d / np.sqrt((d * d).mean(-1, keepdims=True) + 1e-5) * w + b


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def silu(x):
    return x / (1 + np.exp(-x))


def gelu(x):
    from math import erf
    return 0.5 * x * (1 + np.vectorize(erf)(x / np.sqrt(2)))


def rotate(w, name, x):
    """x [t, heads, d], the halves of d being pairs."""
    t, half = x.shape[0], x.shape[2] // 2
    c, s = w[name + ".cos"][:t, None], w[name + ".sin"][:t, None]
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * c - b * s, b * c + a * s], -1)


def attention(q, k, v, causal, window=0):
    """q [s, h, d], k and v [t, g, d]."""
    s, h, d = q.shape
    k, v = (np.repeat(x, h // x.shape[1], axis=1) for x in (k, v))
    score = np.einsum("shd,thd->hst", q, k) / np.sqrt(d)
    seen = np.ones((s, k.shape[0]), bool)
    if causal:
        seen = np.tril(seen)
    if window:
        seen &= ~np.tril(np.ones_like(seen), -window)
    return np.einsum("hst,thd->shd", softmax(np.where(seen, score, -np.inf)), v).reshape(s, -1)


def heads(x, d):
    return x.reshape(x.shape[0], -1, d)


def gated(w, n, h):
    return (silu(h @ w[n + "w1"].T) * (h @ w[n + "w3"].T)) @ w[n + "w2"].T


def experts(w, n, h, k=2):
    """The k best experts of each token, weighted by the softmax of their scores alone."""
    out = np.zeros_like(h)
    for t, score in enumerate(h @ w[n + "router"].T):
        best = np.argsort(-score, kind="stable")[:k]
        for weight, e in zip(softmax(score[best]), best):
            out[t] += weight * ((silu(w[n + "w1"][e] @ h[t]) * (w[n + "w3"][e] @ h[t])) @ w[n + "w2"][e].T)
    return out


def llama(w, p, ids, layers, d=4, window=0, keep=lambda x: x, ffn=gated):
    """Logits of every token. `keep` rounds what a cache keeps."""
    x = w[p + "embed"][ids]
    for i in range(layers):
        n = f"{p}{i}."
        h = rms(x, w[n + "norm1"])
        q, k, v = (heads(h @ w[n + m].T, d) for m in ("wq", "wk", "wv"))
        q, k = rotate(w, p.rstrip("."), q), rotate(w, p.rstrip("."), k)
        x = x + attention(q, keep(k), keep(v), True, window) @ w[n + "wo"].T
        h = rms(x, w[n + "norm2"])
        x = x + ffn(w, n, h)
    return rms(x, w[p + "norm"]) @ w[p + "embed"].T


def llama_weights(w, p, layers, make, q=8, kv=4, dim=8, ffn=16, words=16, d=4):
    w.dense(p + "embed", words, dim)
    w.rope(p.rstrip("."), 16, d)
    w.norm(p + "norm", dim)
    for i in range(layers):
        n = f"{p}{i}."
        w.norm(n + "norm1", dim)
        w.norm(n + "norm2", dim)
        for m, shape in (("wq", (q, dim)), ("wk", (kv, dim)), ("wv", (kv, dim)), ("wo", (dim, q))):
            make(n + m, *shape)
        for m, shape in (("w1", (ffn, dim)), ("w3", (ffn, dim)), ("w2", (dim, ffn))) if ffn else ():
            make(n + m, *shape)


# ---- the files ----

def llama_int4():
    w = Weights(1)
    llama_weights(w, "llama.", 2, w.int4)
    ids = [3, 14, 1]
    for _ in range(2):
        ids.append(int(llama(w, "llama.", ids, 2)[-1].argmax()))
    logits = llama(w, "llama.", ids, 2)
    return w, {"prompt": logits[:3], "first": logits[3:4], "second": logits[4:5], "id": np.array(ids[4:]),
               "length": np.array([5])}


def unequal_batch():
    w = Weights(2)
    llama_weights(w, "swa.", 1, w.dense, q=16, kv=8)
    calls = {"a": [(3, 0, 0), (9, 1, 0), (7, 2, 0), (14, 0, 1), (2, 0, 2), (1, 2, 1), (8, 0, 3), (5, 0, 4)],
             "b": [(6, 1, 1), (4, 1, 2), (4, 0, 5), (10, 1, 3), (0, 1, 4)],
             "c": [(11, 0, 6), (12, 0, 7), (13, 0, 8), (15, 0, 9), (3, 1, 5), (2, 2, 2)]}
    text = [[], [], []]
    for rows in calls.values():
        for word, seq, pos in rows:
            assert pos == len(text[seq])
            text[seq].append(word)
    half = lambda x: x.astype(np.float16).astype(np.float64)
    logits = [llama(w, "swa.", ids, 1, window=4, keep=half) for ids in text]
    outs = {name: np.stack([logits[seq][pos] for _, seq, pos in rows]) for name, rows in calls.items()}
    return w, outs | {"lengths": np.array([len(t) for t in text])}


def draft_of(w):
    """One layer in 4 bits, near the target's first, so that the two agree now and then."""
    for name in ("embed", "norm", "0.norm1", "0.norm2"):
        w.plain("draft." + name, w["target." + name])
    w.rope("draft", 16, 4)
    for m in ("wq", "wk", "wv", "wo", "w1", "w3", "w2"):
        w.int4_near("draft.0." + m, w["target.0." + m])


def speculative():
    w = Weights(SPECULATIVE_SEED)
    llama_weights(w, "target.", 2, w.dense)
    draft_of(w)
    ids, agreed = [3, 14, 1], []
    greedy = lambda p, n, text: int(llama(w, p, text, n)[-1].argmax())
    token, said = greedy("target.", 2, ids), []
    for _ in range(3):
        tried = ids + [token]
        for _ in range(3):
            tried.append(greedy("draft.", 1, tried))
        logits = llama(w, "target.", tried, 2)[len(ids):]
        best = logits.argmax(-1)
        n = 0
        while n < 3 and best[n] == tried[len(ids) + 1 + n]:
            n += 1
        said += list(best[:n + 1])
        ids, token = tried[:len(ids) + 1 + n], int(best[n])
        agreed.append(n)
    plain = [3, 14, 1]
    for _ in range(1 + len(said)):
        plain.append(greedy("target.", 2, plain))
    assert plain[4:] == said, "speculation changed the text"
    return w, {"text": np.array(said), "agreed": np.array(agreed), "last": logits,
               "target_length": np.array([len(ids)]), "draft_length": np.array([len(ids)])}


def experts_int4():
    w = Weights(4)
    llama_weights(w, "moe.", 1, w.dense, ffn=0)
    w.dense("moe.0.router", 4, 8, scale=1)
    for m, shape in (("w1", (4, 16, 8)), ("w3", (4, 16, 8)), ("w2", (4, 8, 16))):
        w.int4("moe.0." + m, *shape)
    logits = llama(w, "moe.", [3, 14, 1, 6, 9], 1, ffn=experts)
    return w, {"prompt": logits[:4], "next": logits[4:]}


def encoder_decoder():
    w = Weights(5)
    w.dense("ed.embed", 16, 8)
    w.dense("ed.places", 8, 8, scale=0.25)
    for part, norms, squares in (("ed.enc.", ("norm1", "norm2", "norm"), ("wq", "wk", "wv", "wo")),
                                 ("ed.dec.", ("norm1", "norm2", "norm3", "norm"),
                                  ("wq", "wk", "wv", "wo", "cq", "ck", "cv", "co"))):
        for n in norms:
            w.norm(part + n + ".w", 8)
            w.dense(part + n + ".b", 8, scale=0.1)
        for n in squares:
            w.dense(part + n, 8, 8)
        for n, shape in (("w1", (8, 16)), ("b1", (16,)), ("w2", (16, 8)), ("b2", (8,))):
            w.dense(part + n, *shape)

    def norm(n, x):
        return layernorm(x, w[n + ".w"], w[n + ".b"])

    def mlp(p, x):
        return gelu(x @ w[p + "w1"] + w[p + "b1"]) @ w[p + "w2"] + w[p + "b2"]

    def start(ids):
        return w["ed.embed"][ids] + w["ed.places"][:len(ids)]

    def encode(ids):
        x = start(ids)
        h = norm("ed.enc.norm1", x)
        q, k, v = (heads(h @ w["ed.enc." + m], 4) for m in ("wq", "wk", "wv"))
        x = x + attention(q, k, v, False) @ w["ed.enc.wo"]
        return norm("ed.enc.norm", x + mlp("ed.enc.", norm("ed.enc.norm2", x)))

    def decode(ids, memory):
        x = start(ids)
        h = norm("ed.dec.norm1", x)
        q, k, v = (heads(h @ w["ed.dec." + m], 4) for m in ("wq", "wk", "wv"))
        x = x + attention(q, k, v, True) @ w["ed.dec.wo"]
        q = heads(norm("ed.dec.norm2", x) @ w["ed.dec.cq"], 4)
        k, v = (heads(memory @ w["ed.dec." + m], 4) for m in ("ck", "cv"))
        x = x + attention(q, k, v, False) @ w["ed.dec.co"]
        return norm("ed.dec.norm", x + mlp("ed.dec.", norm("ed.dec.norm3", x))) @ w["ed.embed"].T

    first, second = decode([1, 6], encode([4, 9, 2, 7, 7])), decode([1, 5, 8], encode([11, 3]))
    return w, {"start": np.stack([first[0], second[0], second[1]]), "next": np.stack([second[2], first[1]]),
               "sources": np.array([5, 2])}


FILES = [llama_int4, unequal_batch, speculative, experts_int4, encoder_decoder]


# ---- filling in ----

def fill(text, weights, outs):
    lines, used = [], set()
    for line in text.splitlines():
        if line.startswith("// OUT "):
            continue
        m = re.match(r"(const @(\S+)( in @\S+)? : \S+ = )(?!expr|file|bound|splat)", line)
        if m:
            used.add(m[2])
            line = m[1] + weights.text[m[2]]
        lines.append(line)
    missing = set(weights.text) - used
    assert not missing, f"no constants for {missing}"
    return "\n".join(lines + [out_line(*o) for o in outs.items()]) + "\n"


NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")


def same(a, b):
    """But for the last digits, which another NumPy may give."""
    if NUMBER.sub("#", a) != NUMBER.sub("#", b):
        return False
    x, y = ([float(v) for v in NUMBER.findall(t)] for t in (a, b))
    return np.allclose(x, y, rtol=1e-5, atol=1e-7)


def main():
    check, stale = "--check" in sys.argv, []
    for make in FILES:
        path = os.path.join(HERE, make.__name__ + ".ir")
        with open(path, encoding="ascii") as f:
            text = f.read()
        new = fill(text, *make())
        if same(new, text) if check else new == text:
            continue
        stale.append(path)
        if not check:
            with open(path, "w", encoding="ascii") as f:
                f.write(new)
    print("\n".join(f"{'stale' if check else 'wrote'} {p}" for p in stale) or "tests/tensor is up to date")
    return check and bool(stale)


if __name__ == "__main__":
    sys.exit(main())

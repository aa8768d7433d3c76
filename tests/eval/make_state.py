#!/usr/bin/env python3
"""make_state.py -- writes tests/eval/state.ir: attention over states.

Expectations come from NumPy in float64: each row's keys are gathered into a plain array first."""
import numpy as np

from cases import Case, File, floats, type_of


def weights(score, sink):
    top = max([*score, sink]) if sink is not None else max(score)
    if top == -np.inf:
        return np.zeros_like(score)
    e = np.exp(score - top)
    return e / (e.sum() + (np.exp(sink - top) if sink is not None else 0))


def attend(q, keys, values, rows, positions, scale=0, softcap=0, window=0, causal=True, sinks=None, bias=None, keep=0):
    """keys and values: of each sequence, [length, heads, d]. keep: rows of a ring; bias is by row of the state."""
    out = np.zeros((*q.shape[:2], values[0].shape[2]))
    for i, (s, p) in enumerate(zip(rows, positions)):
        length = len(keys[s])
        last = min(p, length - 1) if causal else length - 1
        first = max(p - window + 1 if window else 0, last - keep + 1 if keep else 0)
        at = np.arange(first, last + 1)
        if not len(at):
            continue
        for h in range(q.shape[1]):
            g = h // (q.shape[1] // keys[s].shape[1])
            score = keys[s][at, g] @ q[i, h] * (scale or 1 / np.sqrt(q.shape[2]))
            if softcap:
                score = softcap * np.tanh(score / softcap)
            if bias is not None:
                score = score + bias[i, h, at % keep if keep else at]
            out[i, h] = weights(score, None if sinks is None else sinks[h]) @ values[s][at, g]
    return out


def case(f, name, lengths, rows, positions, heads=4, groups=2, d=4, e=4, kind=np.float32, cache=np.float32, capacity=8,
         ring=False, sinks=False, bias=False, note="", **options):
    """Sequences of these lengths, appended in one call, and then read by the rows."""
    c = Case(f, name, note)
    c.tolerance = "1e-6" if kind == np.float32 else "1e-3"
    total = sum(lengths)
    k, v = floats(total, groups, d).astype(cache), floats(total, groups, e).astype(cache)
    q = floats(len(rows), heads, d, dtype=kind)
    sequences = np.repeat(np.arange(len(lengths)), lengths)
    places = np.concatenate([np.arange(n) for n in lengths])
    start = np.cumsum([0, *lengths])
    split = lambda x: [x[a:b].astype(np.float64) for a, b in zip(start, start[1:])]
    for key, a in (("q", q), ("k", k), ("v", v), ("at.s", sequences), ("at.p", places), ("s", np.array(rows)), ("p", np.array(positions))):
        c.input(key, a)
    extra = {}
    if sinks:
        c.input("sinks", floats(heads))
        extra["sinks"] = c.inputs["sinks"].astype(np.float64)
    if bias:
        b = floats(len(rows), heads, capacity)
        b[0, 0] = -np.inf
        c.input("bias", b)
        extra["bias"] = b.astype(np.float64)
    names = {np.float32: "f32", np.float16: "f16"}
    c.before = f"state @kv {'ring' if ring else 'linear'} batch {len(lengths)} capacity {capacity} {{ k: {names[cache]}[{groups},{d}], v: {names[cache]}[{groups},{e}] }}\n"
    c.states = {"kv": "state<@kv>"}
    want = attend(q.astype(np.float64), split(k), split(v), rows, positions, keep=capacity if ring else 0, **options, **extra)
    want = want.astype(kind)
    c.op("kv.1", "state_append %kv, %at.s, %at.p, %k, %v", "state<@kv>")
    attrs = "".join(f" {a}={str(x).lower()}" for a, x in options.items())
    tail = ", %sinks" if sinks else ", _" if bias else ""
    c.op("y", f"state_attention %q, %kv.1, %s, %p{tail}{', %bias' if bias else ''}{attrs}", type_of(want))
    c.want("y", want)


if __name__ == "__main__":
    file = File("state.ir", "Attention over states.")
    case(file, "rows_of_two_sequences", [3, 5], [0, 1, 1, 0], [2, 4, 1, 0])
    case(file, "wide_values", [3], [0, 0], [1, 2], e=6, d=2)
    case(file, "past_the_end", [3], [0], [7], note="a row sees what is there")
    case(file, "an_empty_sequence", [0, 2], [0, 1], [0, 1], note="a row that sees nothing is 0")
    case(file, "all_rows", [5, 2], [0, 1, 0], [0, 0, 3], causal=False)
    case(file, "window", [6], [0, 0, 0], [5, 2, 0], window=3)
    case(file, "scale_and_softcap", [4], [0, 0], [3, 2], scale=0.75, softcap=1.5)
    case(file, "sinks", [4, 1], [0, 1], [3, 0], sinks=True)
    case(file, "bias", [4, 3], [0, 1], [3, 1], bias=True, softcap=2.0, note="-inf everywhere leaves nothing to see")
    case(file, "bias_and_sinks", [4], [0, 0], [3, 1], bias=True, sinks=True)
    case(file, "ring", [7], [0, 0], [6, 6], capacity=4, ring=True, bias=True)
    case(file, "ring_and_window", [7], [0, 0], [6, 5], capacity=4, ring=True, window=3)
    case(file, "halves", [4], [0, 0], [3, 1], kind=np.float16, cache=np.float16)
    case(file, "cache_of_halves", [4], [0, 0], [3, 1], cache=np.float16)
    file.write()

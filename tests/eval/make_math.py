#!/usr/bin/env python3
"""make_math.py -- writes tests/eval/*.ir for products, quantisation, norms and attention.

Expectations come from NumPy and PyTorch in float64; the files are kept, so that a test run needs neither."""

import ml_dtypes
import numpy as np
import torch
import torch.nn.functional as F

from cases import Case, File, floats, ints, rng, simple, type_of

f64 = lambda a: np.asarray(a).astype(np.float64)


# ---- matmul ----
def matmul():
    f = File("matmul.ir", "Products of matrices.")
    pair = lambda x, w, out=None: (f64(x) @ f64(w)).astype(out or x.dtype)
    x, w = floats(3, 4), floats(4, 5)
    simple(f, "plain", "matmul", {"x": x, "w": w}, {"y": pair(x, w)})
    simple(f, "transposed_second", "matmul", {"x": x, "w": np.ascontiguousarray(w.T)}, {"y": pair(x, w)}, "transb=true")
    simple(f, "transposed_first", "matmul", {"x": np.ascontiguousarray(x.T), "w": w}, {"y": pair(x, w)}, "transa=true")
    x, w = floats(2, 1, 3, 4), floats(5, 4, 2)
    simple(f, "batches_broadcast", "matmul", {"x": x, "w": w}, {"y": pair(x, w)})
    x, w = floats(4), floats(4)
    simple(f, "vector_vector", "matmul", {"x": x, "w": w}, {"y": pair(x, w)})
    w = floats(2, 4, 3)
    simple(f, "vector_matrices", "matmul", {"x": x, "w": w}, {"y": pair(x, w)})
    w2 = floats(2, 3, 4)
    simple(f, "matrices_vector", "matmul", {"x": w2, "w": x}, {"y": pair(w2, x)})
    simple(f, "nothing_to_sum", "matmul", {"x": floats(2, 0), "w": floats(0, 3)}, {"y": np.zeros((2, 3), np.float32)})
    simple(f, "no_rows", "matmul", {"x": floats(0, 2), "w": floats(2, 3)}, {"y": np.zeros((0, 3), np.float32)})
    a, b = ints(-128, 128, 2, 6, dtype=np.int8), ints(0, 256, 6, 3, dtype=np.uint8)
    simple(f, "bytes", "matmul", {"x": a, "w": b}, {"y": (a.astype(np.int32) @ b.astype(np.int32)).astype(np.int32)})
    a = np.array([[2**31 - 1, 5]], np.int32)
    b = np.array([[3], [7]], np.int32)
    simple(f, "ints_wrap", "matmul", {"x": a, "w": b}, {"y": a @ b})
    a = np.array([[2**62, 5]], np.int64)
    b = np.array([[6], [7]], np.int64)
    simple(f, "wide_ints_wrap", "matmul", {"x": a, "w": b}, {"y": a @ b})
    a, b = floats(2, 3, dtype=np.float16), floats(3, 2, dtype=np.float16)
    simple(f, "halves", "matmul", {"x": a, "w": b}, {"y": pair(a, b)})
    simple(f, "halves_to_single", "matmul", {"x": a, "w": b}, {"y": pair(a, b, np.float32)}, "out=f32")
    big = np.array([[60000.0, 60000.0]], np.float16)
    simple(f, "halves_overflow", "matmul", {"x": big, "w": np.ones((2, 1), np.float16)},
           {"y": np.array([[np.inf]], np.float16)})
    codes, zeros = ints(0, 16, 3, 6, dtype=np.uint8), ints(0, 16, 3, 2, dtype=np.uint8)
    scales, x = np.abs(floats(3, 2)) + 0.5, floats(2, 6)
    group = np.array([0, 0, 0, 0, 1, 1])
    w = (codes.astype(np.float64) - zeros[:, group]) * f64(scales)[:, group]
    c = Case(f, "encoded", "int4 weights by row, in groups of 4 of which the last is cut short")
    c.input("x", x), c.input("c", codes.astype(ml_dtypes.uint4)), c.input("s", scales)
    c.input("z", zeros.astype(ml_dtypes.uint4))
    c.op("w", "encoded %c, %s, %z group=4", "u4g4<f32,u4>[3,6]")
    c.op("y", "matmul %x, %w transb=true", "f32[2,3]").op("d", "decode %w to=f32", "f32[3,6]")
    c.want("y", (f64(x) @ w.T).astype(np.float32)).want("d", w.astype(np.float32))
    c = Case(f, "tiles", "More rows, columns and depth than a tile has: every sum must be 0+1+..+k-1 times the column.")
    c.const("m", np.int64(70)), c.const("k", np.int64(300)), c.const("zero", np.int64(0)), c.const("one", np.int64(1))
    c.op("i", "range %zero, %k, %one", "i64[300]").op("if", "cast %i to=f32", "f32[300]")
    c.op("j", "range %zero, %m, %one", "i64[70]").op("jf", "cast %j to=f32", "f32[70]")
    c.const("xs", np.array([70, 300])), c.op("x", "expand %if, %xs", "f32[70,300]")
    c.const("ws", np.array([300, 70])), c.op("w", "expand %jf, %ws", "f32[300,70]")
    c.op("y", "matmul %x, %w", "f32[70,70]")
    c.const("at", np.array([0, 63, 64, 69])), c.op("rows", "gather %y, %at", "f32[4,70]")
    c.op("z", "gather %rows, %at axis=1", "f32[4,4]")
    c.want("z", np.tile(np.array([0, 63, 64, 69], np.float32) * (299 * 150), (4, 1)))
    f.write()


# ---- windows ----
def windows():
    f = File("conv.ir", "Convolution and pooling.")
    t = lambda a: torch.from_numpy(f64(a))

    def conv(name, x, w, b=None, pads=None, **kw):
        n = x.ndim - 2
        tx = t(x)
        if pads:
            flat = [v for i in reversed(range(n)) for v in (pads[i], pads[n + i])]
            tx = F.pad(tx, flat)
        fn = F.conv1d if n == 1 else F.conv2d
        y = fn(tx, t(w), None if b is None else t(b), stride=kw.get("strides", 1), dilation=kw.get("dilations", 1),
               groups=kw.get("groups", 1)).numpy().astype(x.dtype)
        attrs = [f"{k}={list(v) if isinstance(v, (list, tuple)) else v}" for k, v in kw.items()]
        attrs += [f"pads={list(pads)}"] if pads else []
        simple(f, name, "conv", {"x": x, "w": w, **({} if b is None else {"b": b})}, {"y": y}, " ".join(attrs))

    conv("line", floats(2, 3, 7), floats(4, 3, 3), floats(4))
    conv("line_padded", floats(1, 2, 5), floats(2, 2, 3), pads=[2, 0], strides=[2])
    conv("line_each_channel", floats(1, 3, 6), floats(3, 1, 4), floats(3), pads=[3, 0], groups=3)
    conv("plane", floats(1, 2, 4, 5), floats(3, 2, 3, 2), floats(3), pads=[1, 0, 2, 1])
    conv("plane_dilated", floats(1, 1, 6, 7), floats(2, 1, 2, 3), strides=[1, 2], dilations=[3, 2])
    conv("plane_groups", floats(1, 4, 3, 3), floats(6, 2, 2, 2), groups=2)
    conv("halves", floats(1, 2, 4, dtype=np.float16), floats(2, 2, 2, dtype=np.float16))

    x = floats(1, 2, 5, 6)
    y, i = F.max_pool2d(t(x), (2, 3), stride=(2, 2), padding=(1, 1), ceil_mode=False, return_indices=True)
    planes = np.arange(2).reshape(1, 2, 1, 1) * 30
    i = i.numpy()
    simple(f, "largest", "pool_max", {"x": x}, {"y": y.numpy().astype(np.float32), "i": i + planes},
           "kernel=[2, 3] strides=[2, 2] pads=[1, 1, 1, 1]")
    column = i % 6 * 5 + i // 6
    simple(f, "largest_column_major", "pool_max", {"x": x}, {"y": y.numpy().astype(np.float32), "i": column + planes},
           "kernel=[2, 3] strides=[2, 2] pads=[1, 1, 1, 1] column_major=true")
    y = F.max_pool2d(t(x), (2, 2), stride=(3, 3), dilation=(1, 2), ceil_mode=True)
    simple(f, "largest_ceil", "pool_max", {"x": x}, {"y": y.numpy().astype(np.float32)},
           "kernel=[2, 2] strides=[3, 3] dilations=[1, 2] ceil=true")
    b = ints(0, 256, 1, 1, 6, dtype=np.uint8)
    simple(f, "largest_bytes", "pool_max", {"x": b}, {"y": np.maximum(b[:, :, :-1], b[:, :, 1:])}, "kernel=[2]")
    b = b.astype(np.int8)
    simple(f, "largest_signed_bytes", "pool_max", {"x": b}, {"y": np.maximum(b[:, :, :-1], b[:, :, 1:])}, "kernel=[2]")
    for pads in (False, True):
        y = F.avg_pool2d(t(x), (3, 2), stride=(2, 2), padding=(1, 1), ceil_mode=True, count_include_pad=pads)
        simple(f, "mean_with_pads" if pads else "mean", "pool_avg", {"x": x}, {"y": y.numpy().astype(np.float32)},
               f"kernel=[3, 2] strides=[2, 2] pads=[1, 1, 1, 1] ceil=true{' count_pads=true' if pads else ''}")
    f.write()


# ---- quantisation ----
def quantisation():
    f = File("quantize.ir", "Codes from numbers and numbers from codes.")
    u4, i4, i2 = ml_dtypes.uint4, ml_dtypes.int4, ml_dtypes.int2
    x = np.array([0, 2, 3, 1000, -254, -1000], np.float32)
    simple(f, "one_scale", "quantize", {"x": x, "s": np.float32(2), "z": np.uint8(128)},
           {"y": np.array([128, 129, 130, 255, 1, 0], np.uint8)}, "to=u8")
    simple(f, "ties_to_even", "quantize",
           {"x": np.array([0.5, 1.5, 2.5, -0.5, -1.5, np.inf, -np.inf], np.float32), "s": np.float32(1)},
           {"y": np.array([0, 2, 2, 0, -2, 127, -128], np.int8)}, "to=i8")
    x, s, z = floats(2, 3, 2, scale=10), np.abs(floats(3)) + 0.5, ints(-8, 8, 3, dtype=np.int16)
    q = np.rint((x / s[None, :, None]).astype(np.float32)) + z[None, :, None]
    simple(f, "one_scale_an_index", "quantize", {"x": x, "s": s, "z": z}, {"y": q.astype(np.int16)}, "to=i16 axis=1")
    x, s = floats(2, 5, scale=4), np.abs(floats(2, 3)) + 0.5
    block = np.array([0, 0, 1, 1, 2])
    z = ints(0, 16, 2, 3, dtype=np.uint8)
    q = np.clip(np.rint((x / s[:, block]).astype(np.float32)) + z[:, block], 0, 15)
    simple(f, "blocks", "quantize", {"x": x, "s": s, "z": z.astype(u4)}, {"y": q.astype(u4)}, "to=u4 axis=-1 block=2")
    simple(f, "two_bits", "quantize", {"x": np.array([-9, -1, 0.4, 9], np.float32), "s": np.float32(1)},
           {"y": np.array([-2, -1, 0, 1]).astype(i2)}, "to=i2")
    x = np.array([0.3, -500, 1000, 17.1, np.nan], np.float32)
    e4 = ml_dtypes.float8_e4m3fn
    simple(f, "eight_bit_floats", "quantize", {"x": x, "s": np.float32(2)},
           {"y": np.array([0.15, -250, 448, 8.55, np.nan], np.float32).astype(e4)}, "to=f8e4m3fn")
    simple(f, "eight_bit_floats_unsaturated", "quantize", {"x": x, "s": np.float32(2)},
           {"y": np.array([0.15, -250, np.nan, 8.55, np.nan], np.float32).astype(e4)}, "to=f8e4m3fn saturate=false")
    simple(f, "precision", "quantize", {"x": np.array([1.0005], np.float32) * 2.5, "s": np.float32(1)},
           {"y": np.array([2], np.int8)}, "to=i8 precision=f16",
           note="2.50125 is 2.501 in f16; in bf16 it is 2.5, a tie")
    f.cases[-1].wants["y"] = np.array([3], np.int8)
    simple(f, "coarse_precision", "quantize", {"x": np.array([2.50125], np.float32), "s": np.float32(1)},
           {"y": np.array([2], np.int8)}, "to=i8 precision=bf16")

    c, s, z = ints(0, 256, 4, dtype=np.uint8), np.float32(0.25), np.uint8(100)
    simple(f, "back", "dequantize", {"x": c, "s": s, "z": z}, {"y": ((c.astype(np.float32) - 100) * s)})
    c, s, z = ints(-8, 8, 2, 3, 2, dtype=np.int8), floats(3), ints(-8, 8, 3, dtype=np.int8)
    y = (c.astype(np.float32) - z[None, :, None]) * s[None, :, None]
    simple(f, "back_by_index", "dequantize", {"x": c.astype(i4), "s": s, "z": z.astype(i4)}, {"y": y}, "axis=1")
    c, s = ints(-128, 128, 5, 2, dtype=np.int8), floats(3, 2, dtype=np.float16)
    y = f64(c) * f64(s)[block]
    simple(f, "back_by_block", "dequantize", {"x": c, "s": s}, {"y": y.astype(np.float16)}, "axis=0 block=2")
    simple(f, "back_to_other_type", "dequantize", {"x": c, "s": s}, {"y": y.astype(np.float32)},
           "axis=0 block=2 to=f32")
    c = np.array([-70000, 3], np.int32)
    simple(f, "back_from_sums", "dequantize", {"x": c, "s": np.float32(0.5)}, {"y": np.array([-35000, 1.5], np.float32)})
    f4 = ml_dtypes.float4_e2m1fn
    c = np.array([0, 0.5, -6, 4], np.float32)
    simple(f, "back_from_floats", "dequantize", {"x": c.astype(f4), "s": np.float32(3)}, {"y": c * 3})
    f.write()


# ---- norms and rope ----
def norms():
    f = File("norm.ir", "Norms and rotary positions.")

    def layernorm(x, axis, eps, scale=None, bias=None):
        axes = tuple(range(axis % x.ndim, x.ndim))
        x = f64(x)
        m = x.mean(axes, keepdims=True)
        inv = 1 / np.sqrt(((x - m) ** 2).mean(axes, keepdims=True) + eps)
        y = (x - m) * inv
        y = y if scale is None else y * f64(scale)
        return (y if bias is None else y + f64(bias)), m, inv

    x, s, b = floats(2, 3, 4), floats(4), floats(4)
    y, m, i = layernorm(x, -1, 1e-5, s, b)
    single = lambda *a: [v.astype(np.float32) for v in a]
    y, m, i = single(y, m, i)
    simple(f, "layer", "layernorm", {"x": x, "s": s, "b": b}, {"y": y, "m": m, "i": i})
    s = floats(3, 4)
    y, m, i = single(*layernorm(x, 1, 0.5, s))
    simple(f, "layer_two_axes", "layernorm", {"x": x, "s": s}, {"y": y}, "axis=1 epsilon=0.5")
    h = x.astype(np.float16)
    y, m, i = layernorm(h, -1, 1e-5)
    simple(f, "layer_halves", "layernorm", {"x": h},
           {"y": y.astype(np.float16), "m": m, "i": i}, "stash=f64")
    r = 1 / np.sqrt((f64(x) ** 2).mean(-1, keepdims=True) + 1e-6)
    s = floats(3, 1)
    simple(f, "root_mean_square", "rmsnorm", {"x": x, "s": s},
           {"y": (f64(x) * r * s).astype(np.float32), "r": r.astype(np.float32)}, "epsilon=1e-06")
    simple(f, "of_nothing", "rmsnorm", {"x": floats(0, 4)}, {"y": np.zeros((0, 4), np.float32)})

    def rope(x, cos, sin, dims, interleaved):  # cos and sin are [b, s, dims/2]
        x, y = f64(x), f64(x).copy()
        part = x[..., :dims]
        a, b = (part[..., 0::2], part[..., 1::2]) if interleaved else np.split(part, 2, axis=-1)
        c, s = f64(cos)[:, None], f64(sin)[:, None]
        re, im = a * c - b * s, a * s + b * c
        if interleaved:
            y[..., 0:dims:2], y[..., 1:dims:2] = re, im
        else:
            y[..., :dims] = np.concatenate([re, im], -1)
        return y.astype(np.float32)

    x, pos = floats(2, 3, 2, 6), np.array([[4, 0], [1, 2]])
    cos, sin = floats(5, 3), floats(5, 3)
    simple(f, "rope_positions", "rope", {"x": x, "c": cos, "s": sin, "p": pos},
           {"y": rope(x, cos[pos], sin[pos], 6, False)})
    simple(f, "rope_positions_shared", "rope", {"x": x, "c": cos, "s": sin, "p": pos[:1]},
           {"y": rope(x, cos[pos[:1]], sin[pos[:1]], 6, True)}, "interleaved=true")
    cos, sin = floats(2, 2, 2), floats(2, 2, 2)
    simple(f, "rope_some", "rope", {"x": x, "c": cos, "s": sin}, {"y": rope(x, cos, sin, 4, False)}, "dims=4")
    simple(f, "rope_some_interleaved", "rope", {"x": x, "c": cos, "s": sin}, {"y": rope(x, cos, sin, 4, True)},
           "interleaved=true dims=4")
    f.write()


# ---- attention ----
def reference_attention(q, k, v, bias=None, lengths=None, offsets=None, sinks=None, causal=False, scale=None,
                        softcap=0.0, window=0, ahead=-1):
    b, h, s, d = q.shape
    g, t = k.shape[1], k.shape[2]
    q, k, v = f64(q), np.repeat(f64(k), h // g, 1), np.repeat(f64(v), h // g, 1)
    score = np.einsum("bhsd,bhtd->bhst", q, k) * (d**-0.5 if scale is None else scale)
    if softcap:
        score = softcap * np.tanh(score / softcap)
    seen = np.ones((b, h, s, t), bool)
    pos = np.arange(s)[None, :] + (np.zeros((b, 1), int) if offsets is None else np.asarray(offsets).reshape(-1, 1))
    pos = np.broadcast_to(pos, (b, s))[:, None, :, None]
    j = np.arange(t)[None, None, None]
    if lengths is not None:
        seen &= j < np.broadcast_to(lengths, (b,)).reshape(b, 1, 1, 1)
    if causal:
        seen &= j <= pos
    if window:
        seen &= j > pos - window
    if ahead >= 0:
        seen &= j <= pos + ahead
    if bias is not None and bias.dtype == bool:
        seen &= bias
    elif bias is not None:
        score = score + f64(bias)
    score = np.where(seen, score, -np.inf)
    top = score.max(-1, keepdims=True, initial=-np.inf)
    if sinks is not None:
        top = np.maximum(top, f64(sinks).reshape(1, h, 1, 1))
    top = np.where(np.isfinite(top), top, 0)
    p = np.exp(score - top)
    total = p.sum(-1, keepdims=True)
    if sinks is not None:
        total = total + np.exp(f64(sinks).reshape(1, h, 1, 1) - top)
    return np.where(total > 0, np.einsum("bhst,bhte->bhse", p, v) / np.where(total > 0, total, 1), 0)


def attention():
    f = File("attention.ir", "Attention by softmax.")

    def case(name, q, k, v, attrs="", note="", **kw):
        inputs = {"q": q, "k": k, "v": v}
        optional = ["bias", "lengths", "offsets", "sinks"]
        last = max([i for i, o in enumerate(optional) if o in kw], default=-1)
        inputs.update({o: kw[o] for o in optional if o in kw})
        operands = "%q, %k, %v" + "".join(f", %{o}" if o in kw else ", _" for o in optional[:last + 1])
        y = reference_attention(q, k, v, **kw).astype(q.dtype)
        for key in ("softcap", "window", "ahead", "scale"):
            attrs += f" {key}={kw[key]}" if key in kw else ""
        attrs = ("causal=true" if kw.get("causal") else "") + attrs
        return simple(f, name, "attention", inputs, {"y": y}, attrs.strip(), note, operands)

    qkv = lambda b=2, h=2, g=2, s=3, t=4, d=4, e=4, dt=np.float32: (
        floats(b, h, s, d, dtype=dt), floats(b, g, t, d, dtype=dt), floats(b, g, t, e, dtype=dt))
    case("plain", *qkv())
    case("other_value_size", *qkv(e=3), scale=0.25)
    case("grouped_heads", *qkv(b=1, h=6, g=2))
    case("softcap_then_bias", *qkv(), softcap=0.5, bias=floats(3, 4))
    case("causal", *qkv(t=3), causal=True)
    case("causal_after_past", *qkv(s=2, t=5), causal=True, offsets=np.array([3]))
    case("lengths", *qkv(), lengths=np.array([4, 2]))
    case("causal_each_its_own_place", *qkv(s=2, t=5), causal=True, lengths=np.array([5, 3]), offsets=np.array([3, 1]))
    case("row_before_the_keys", *qkv(s=3, t=4), causal=True, lengths=np.array([1, 2]), offsets=np.array([-2, -1]),
         note="queries that stand before the first key see nothing, and are 0")
    case("window", *qkv(s=4, t=4), causal=True, window=2)
    case("window_both_ways", *qkv(s=4, t=6), window=3, ahead=1)
    case("ahead_only", *qkv(s=4, t=6), ahead=2, offsets=np.array([1]))
    mask = np.array([[True, False, True, True], [False] * 4, [False, True, False, False]])
    case("mask", *qkv(), bias=mask, note="one row is masked altogether, and is 0")
    case("mask_per_head", *qkv(), bias=rng.random((2, 1, 4)) < 0.6)
    q, k, v = qkv(b=1)
    bias = floats(1, 1, 1, 4)
    bias[..., 1] = -np.inf
    c = case("masked_may_hold_anything", q, k, v, bias=bias)
    c.inputs["k"], c.inputs["v"] = k.copy(), v.copy()
    c.inputs["k"][0, :, 1], c.inputs["v"][0, :, 1] = np.nan, np.inf
    case("sinks", *qkv(), sinks=floats(2), causal=True)
    case("halves", *qkv(b=1, dt=np.float16))
    case("no_keys", floats(1, 1, 2, 4), floats(1, 1, 0, 4), floats(1, 1, 0, 4))

    f2 = File("linear_attention.ir", "Attention by a linear recurrence.")

    def linear(name, rule, q, k, v, past=None, decay=None, beta=None, scale=None):
        b, h, s, d = q.shape
        g, e = k.shape[1], v.shape[3]
        S = np.zeros((b, g, d, e)) if past is None else f64(past).copy()
        y = np.zeros((b, h, s, e))
        for t in range(s):
            if decay is not None:
                S = S * np.exp(np.broadcast_to(f64(decay)[:, :, t], (b, g, d)))[..., None]
            kt, vt = f64(k)[:, :, t], f64(v)[:, :, t]
            if beta is not None:
                rate = np.broadcast_to(f64(beta)[:, :, t], (b, g, 1))
                vt = rate * (vt - np.einsum("bgde,bgd->bge", S, kt))
            S = S + np.einsum("bgd,bge->bgde", kt, vt)
            y[:, :, t] = (d**-0.5 if scale is None else scale) * np.einsum("bhd,bhde->bhe", f64(q)[:, :, t],
                                                                          np.repeat(S, h // g, 1))
        inputs = {"q": q, "k": k, "v": v}
        inputs.update({n: a for n, a in (("past", past), ("decay", decay), ("beta", beta)) if a is not None})
        names = ["past" if past is not None else "_", "decay" if decay is not None else "_",
                 "beta" if beta is not None else "_"]
        while names and names[-1] == "_":
            names.pop()
        operands = ", ".join(["%q", "%k", "%v"] + [n if n == "_" else "%" + n for n in names])
        attrs = f"rule={rule}" + (f" scale={scale}" if scale is not None else "")
        simple(f2, name, "linear_attention", inputs, {"y": y.astype(q.dtype), "S": S.astype(np.float32)}, attrs, "",
               operands)

    q, k, v = floats(2, 4, 3, 4), floats(2, 2, 3, 4), floats(2, 2, 3, 3)
    past, decay, beta = floats(2, 2, 4, 3), -np.abs(floats(2, 2, 3, 4)), np.abs(floats(2, 2, 3, 1))
    linear("linear", "linear", q, k, v)
    linear("linear_scaled", "linear", q, k, v, past, scale=2.0)
    linear("gated", "gated", q, k, v, past, decay)
    linear("gated_by_head", "gated", q, k, v, past, decay[..., :1])
    linear("delta", "delta", q, k, v, past, None, beta)
    linear("gated_delta", "gated_delta", q, k, v, past, decay, beta)
    linear("gated_delta_one_rate", "gated_delta", q, k, v, None, decay[..., :1], beta[:, :1])
    linear("no_steps", "linear", q[:, :, :0], k[:, :, :0], v[:, :, :0], past)
    f.write()
    f2.write()


# ---- mixtures ----
def mixtures():
    f = File("moe.ir", "Mixtures of experts.")
    sigmoid = lambda x: 1 / (1 + np.exp(-x))
    from math import erf
    acts = {
        "silu": lambda x: x * sigmoid(x),
        "gelu": lambda x: 0.5 * x * (1 + np.vectorize(erf)(x / np.sqrt(2))),
        "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
        "relu": lambda x: np.maximum(x, 0),
        "identity": lambda x: x,
    }

    def case(name, act, k, d=4, n=6, e=3, out=4, r=3, bias=True, up=False, mix=False, normalize=False, alpha=1.0, beta=0.0,
             limit=0.0, dt=np.float32, note=""):
        fused = act.startswith("swiglu") and not up
        m = n // 2 if fused else n
        t = {"x": floats(r, d, dtype=dt), "router": floats(r, e, dtype=dt), "w1": floats(e, n, d, dtype=dt),
             "w2": floats(e, out, m, dtype=dt)}
        if bias:
            t["b1"], t["b2"] = floats(e, n, dtype=dt), floats(e, out, dtype=dt)
        if up:
            t["w3"], t["b3"] = floats(e, n, d, dtype=dt), floats(e, n, dtype=dt)
        if mix:
            t["mix"] = np.abs(floats(r, e, dtype=dt))
        x, router = f64(t["x"]), f64(t["router"])
        p = np.exp(router - router.max(-1, keepdims=True))
        p = f64(t["mix"]) if mix else p / p.sum(-1, keepdims=True)
        y = np.zeros((r, out))
        for i in range(r):
            best = np.argsort(-router[i], kind="stable")[:k]
            share = p[i, best] / (p[i, best].sum() if normalize else 1)
            for j, w in zip(best, share):
                g = f64(t["w1"][j]) @ x[i] + (f64(t["b1"][j]) if bias else 0)
                u = f64(t["w3"][j]) @ x[i] + f64(t["b3"][j]) if up else None
                if act.startswith("swiglu"):
                    if not up:
                        g, u = (g[0::2], g[1::2]) if act == "swiglu" else (g[:m], g[m:])
                    if limit:
                        g, u = np.minimum(g, limit), np.clip(u, -limit, limit)
                    mid = g * sigmoid(alpha * g) * (u + beta)
                else:
                    mid = acts[act](g) * (u if up else 1)
                y[i] += w * (f64(t["w2"][j]) @ mid + (f64(t["b2"][j]) if bias else 0))
        order = ["x", "router", "w1", "w2", "b1", "b2", "w3", "b3", "mix"]
        last = max(i for i, o in enumerate(order) if o in t)
        operands = ", ".join(f"%{o}" if o in t else "_" for o in order[:last + 1])
        attrs = f"k={k}" + (f" act={act}" if act != "silu" else "") + (" normalize=true" if normalize else "")
        attrs += f" alpha={alpha}" if alpha != 1 else ""
        attrs += f" beta={beta}" if beta else ""
        attrs += f" limit={limit}" if limit else ""
        simple(f, name, "moe", t, {"y": y.astype(dt)}, attrs, note, operands)

    case("one_expert", "relu", 1)
    case("two_experts", "silu", 2, up=True, normalize=True)
    case("gelu", "gelu", 2, bias=False)
    case("gelu_tanh", "gelu_tanh", 3, bias=False, out=5)
    case("identity", "identity", 1, bias=False, mix=True)
    case("swiglu", "swiglu", 2, alpha=1.702, beta=1.0, limit=0.5)
    case("swiglu_halves", "swiglu_halves", 2, normalize=True)
    case("swiglu_apart", "swiglu", 2, up=True)
    case("mix", "relu", 2, mix=True, normalize=True)
    f.write()


if __name__ == "__main__":
    for make in (matmul, windows, quantisation, norms, attention, mixtures):
        make()

#!/usr/bin/env python3
"""make_operator_cases.py -- cases of single operators, with ONNX Runtime's answers, as the JSON that contrib_ops reads.

    python tests/oracles/make_operator_cases.py [--out tests/operators] [--seed 20]

What ONNX's own cases leave open: com.microsoft's operators, and how ONNX's meant something else, or took attributes
where operands are now, at older opsets. Operands are written in three decimals, so that what is read is what was run.
"""

import argparse
import json
from pathlib import Path

import ml_dtypes
import numpy as np
import onnxruntime as ort
from onnx import ValueInfoProto, helper, numpy_helper
from oracle_data import REPOSITORY

MS = "com.microsoft"
NAMES = {ml_dtypes.uint4: "uint4", ml_dtypes.int4: "int4"}
FILES = {}  # {file: [test]}
rng = None  # made in main()


# -- operands ----------------------------------------------------------------------------------------------------------


def f(*shape, scale=1.0):
    """Floats that three decimals hold."""
    return np.round(rng.standard_normal(shape) * scale, 3).astype(np.float32)


def pos(*shape, scale=1.0):
    return np.abs(f(*shape, scale=scale)) + np.float32(0.125)


def u8(*shape):
    return rng.integers(0, 256, shape).astype(np.uint8)


def i8(*shape):
    return rng.integers(-128, 128, shape).astype(np.int8)


def below(n, *shape, dtype=np.int64):
    return rng.integers(0, n, shape).astype(dtype)


def i64(*v):
    return np.array(v, np.int64)


def i32(v):
    return np.array(v, np.int32)


def num(v, dtype=np.float32):
    return np.array(v, dtype)


# -- one case ----------------------------------------------------------------------------------------------------------


def numbers(x):
    if x.dtype == np.bool_:
        return x.ravel().tolist()
    if x.dtype.kind in "iu" or x.dtype.type in NAMES:
        return [int(v) for v in x.ravel()]
    return [float(np.format_float_positional(v, unique=True)) if abs(v) < 1e9 else float(v) for v in x.ravel()]


def as_json(x):
    if x is None:
        return {"data": None, "type": "float32"}
    return {"data": numbers(x), "dims": list(x.shape), "type": NAMES.get(x.dtype.type, x.dtype.name)}


def attribute(name, v):
    kind = {int: "int", float: "float", str: "string"}
    if isinstance(v, (list, tuple)):
        return {"name": name, "data": list(v), "type": kind[type(v[0])] + "s"}
    return {"name": name, "data": v, "type": kind[type(v)]}


def run(operator, domain, opset, operands, results, attributes):
    """ONNX Runtime's answers, with None for results that are left out."""
    inputs = [f"x{i}" if x is not None else "" for i, x in enumerate(operands)]
    # Types that Python cannot hand over are constants of the model.
    kept = [numpy_helper.from_array(x, n) for n, x in zip(inputs, operands) if n and x.dtype.type in NAMES]
    given = {n: x for n, x in zip(inputs, operands) if n and x.dtype.type not in NAMES}
    node = helper.make_node(operator, inputs, results, domain=domain, **attributes)
    values = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape) for n, x in given.items()]
    graph = helper.make_graph([node], "case", values, [ValueInfoProto(name=r) for r in results if r], kept)
    imports = [helper.make_opsetid("", 13 if domain else opset), helper.make_opsetid(MS, 1)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    answers = iter(session.run(None, given))
    return [np.asarray(next(answers)) if r else None for r in results]


def case(file, operator, name, *operands, opset=13, out=1, results=None, domain="", **attributes):
    results = results or [f"y{i}" for i in range(out)]
    opset = 1 if domain else opset
    answers = run(operator, domain, opset, operands, results, attributes)
    FILES.setdefault(file, []).append({
        "name": f"{operator}-{opset}", "operator": operator, "opset": {"domain": domain, "version": opset},
        "attributes": [attribute(k, v) for k, v in attributes.items()],
        "cases": [{"name": name, "inputs": [as_json(x) for x in operands], "outputs": [as_json(x) for x in answers]}]})


# -- ONNX, at the opsets where an operator changed ---------------------------------------------------------------------


def softmaxes():
    for opset in (7, 11, 13):
        for operator in ("Softmax", "LogSoftmax", "Hardmax"):
            for axis in (0, 1, 2) + ((-1, -2) if opset > 7 else ()):
                case("softmax", operator, f"axis {axis}", f(2, 3, 4), opset=opset, axis=axis)


def reductions():
    for kind in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare"):
        x = pos(3, 4, 2)
        case("reduce", "Reduce" + kind, "attribute", x, opset=7, axes=[0, 2], keepdims=0)
        case("reduce", "Reduce" + kind, "all", x, opset=7)
        case("reduce", "Reduce" + kind, "from the end", x, opset=11, axes=[-2])
        case("reduce", "Reduce" + kind, "operand", x, i64(1), opset=18)
        case("reduce", "Reduce" + kind, "no axes, nothing done", x, opset=18, noop_with_empty_axes=1)
    case("reduce", "ReduceLogSumExp", "large", f(2, 3) + np.float32(200), opset=13, keepdims=0)
    case("reduce", "ArgMax", "rank kept", f(3, 4), opset=7, axis=1)
    case("reduce", "ArgMin", "rank dropped", f(3, 4), opset=11, axis=-1, keepdims=0)
    case("reduce", "ArgMax", "last", num([[1, 3, 3], [2, 2, 0]]), opset=13, axis=1, select_last_index=1)
    case("reduce", "TopK", "attribute", f(3, 6), opset=7, out=2, k=2)
    case("reduce", "TopK", "operand", f(3, 6), i64(2), opset=10, out=2, axis=0)
    case("reduce", "TopK", "smallest", f(3, 6), i64(4), opset=11, out=2, largest=0)
    case("reduce", "CumSum", "from the end, without itself", f(3, 4), num(1, np.int64), opset=14, exclusive=1, reverse=1)


def shapes():
    case("shape", "Squeeze", "attribute", f(1, 3, 1, 2), opset=7, axes=[0, 2])
    case("shape", "Squeeze", "all", f(1, 3, 1, 2), opset=11)
    case("shape", "Squeeze", "operand", f(1, 3, 1, 2), i64(-2), opset=13)
    case("shape", "Unsqueeze", "attribute", f(3, 2), opset=7, axes=[0, 2])
    case("shape", "Unsqueeze", "from the end", f(3, 2), opset=11, axes=[-1])
    case("shape", "Unsqueeze", "operand", f(3, 2), i64(0, 3), opset=13)
    case("shape", "Split", "equal", f(6, 4), opset=7, out=3)
    case("shape", "Split", "attribute", f(6, 4), opset=11, out=2, split=[2, 4])
    case("shape", "Split", "operand", f(4, 6), i64(1, 5), opset=13, out=2, axis=1)
    case("shape", "Split", "number", f(7, 4), opset=18, out=3, num_outputs=3)
    case("shape", "Slice", "attributes", f(5, 6), opset=9, starts=[1, -3], ends=[4, 100], axes=[0, 1])
    case("shape", "Slice", "backwards", f(5, 6), i64(4, -3), i64(0, 100), i64(0, 1), i64(-2, 1), opset=10)
    case("shape", "Pad", "attributes", f(3, 4), opset=7, pads=[1, 0, 2, 1], value=2.0)
    case("shape", "Pad", "operands", f(3, 4), i64(1, 0, 2, -1), num(2), opset=11)
    for mode in ("reflect", "edge"):
        case("shape", "Pad", mode, f(3, 4), opset=7, pads=[1, 0, 2, 1], mode=mode)
    case("shape", "Flatten", "axis 2", f(2, 3, 4), opset=9, axis=2)
    case("shape", "Reshape", "0 and -1", f(2, 3, 4), i64(0, -1), opset=7)
    case("shape", "Reshape", "0 is 0", f(0, 3), i64(3, 0), opset=14, allowzero=1)
    case("shape", "Shape", "part", f(2, 3, 4, 5), opset=15, start=1, end=-1)
    case("shape", "Shape", "out of range", f(2, 3, 4), opset=15, start=-9, end=99)
    case("shape", "OneHot", "last axis", i64(0, 2, -1, 5), num(4, np.int64), f(2), opset=9)
    case("shape", "OneHot", "axis 1", below(4, 2, 2), num(4, np.int64), f(2), opset=11, axis=1)
    for k in (-3, -1, 0, 2, 9):
        case("shape", "Trilu", f"upper {k}", f(2, 3, 4), num(k, np.int64), opset=14, upper=1)
        case("shape", "Trilu", f"lower {k}", f(4, 3), num(k, np.int64), opset=14, upper=0)
    case("shape", "ScatterND", "add", f(4, 3), np.array([[1], [3]]), f(2, 3), opset=16, reduction="add")
    case("shape", "ScatterElements", "add", f(4, 3), np.array([[0, 1, 2], [3, 3, 0]]), f(2, 3), opset=16, reduction="add")


def elementwise():
    for operator in ("Elu", "HardSigmoid", "LeakyRelu", "Relu", "Selu", "Sigmoid", "Softplus", "Softsign", "Tanh"):
        case("elementwise", operator, "default", f(3, 4), opset=7)
    case("elementwise", "Clip", "attributes", f(3, 4), opset=7, min=-0.5, max=0.5)
    case("elementwise", "Clip", "one attribute", f(3, 4), opset=9, max=0.5)
    case("elementwise", "Clip", "operands", f(3, 4), num(-0.5), num(0.5), opset=11)
    case("elementwise", "Clip", "crossed", f(3, 4), num(0.5), num(-0.5), opset=13)
    case("elementwise", "ThresholdedRelu", "alpha", f(3, 4), opset=10, alpha=0.25)
    case("elementwise", "Celu", "alpha", f(9), opset=12, alpha=0.75)
    case("elementwise", "HardSwish", "default", f(9, scale=4), opset=14)
    case("elementwise", "Mish", "default", f(9), opset=18)
    case("elementwise", "Gelu", "erf", f(9), opset=20)
    case("elementwise", "Gelu", "tanh", f(9), opset=20, approximate="tanh")
    for operator in ("Max", "Mean", "Min", "Sum"):
        case("elementwise", operator, "three", f(2, 3), f(3), f(2, 1), opset=8)
    case("elementwise", "Mod", "floats", f(9, scale=5), f(9), opset=13, fmod=1)
    case("elementwise", "Mod", "integers", i8(9).astype(np.int32), i32(rng.integers(1, 5, 9)), opset=13)
    case("elementwise", "BitShift", "left, too far", u8(9), below(11, 9, dtype=np.uint8), opset=11, direction="LEFT")
    case("elementwise", "Dropout", "inference", f(3, 4), opset=7)


def products():
    case("product", "Gemm", "all", f(3, 4), f(5, 4), f(5), opset=7, transB=1, alpha=0.5, beta=2.0)
    case("product", "Gemm", "no bias", f(4, 3), f(4, 5), opset=11, transA=1)
    for pad in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        case("product", "Conv", pad, f(1, 2, 7, 8), f(3, 2, 3, 3), opset=7, auto_pad=pad, strides=[2, 3])
        case("product", "MaxPool", pad, f(1, 2, 7, 8), opset=7, auto_pad=pad, strides=[2, 3], kernel_shape=[3, 2])
        case("product", "AveragePool", pad, f(1, 2, 7, 8), opset=7, auto_pad=pad, strides=[2, 3], kernel_shape=[3, 2])
    case("product", "Conv", "groups, one axis", f(1, 4, 9), f(6, 2, 3), f(6), opset=11, group=2, dilations=[2], pads=[1, 2])
    case("product", "MaxPool", "places", f(1, 2, 5, 6), opset=8, out=2, kernel_shape=[2, 2])
    case("product", "BatchNormalization", "inference", f(2, 3, 4), f(3), f(3), f(3), pos(3), opset=7, epsilon=1e-3)
    case("product", "InstanceNormalization", "images", f(2, 3, 4, 2), f(3), f(3), opset=7, epsilon=1e-3)
    case("product", "GroupNormalization", "a scale a group", f(2, 6, 3), f(2), f(2), opset=18, num_groups=2)
    case("product", "GroupNormalization", "a scale a channel", f(2, 6, 3), f(6), f(6), opset=21, num_groups=2)
    case("product", "LayerNormalization", "statistics", f(2, 3, 4), f(3, 4), f(3, 4), opset=17, axis=1, out=3)
    case("product", "LpNormalization", "p 1", f(2, 3, 4), opset=7, p=1, axis=-1)
    case("product", "LpNormalization", "p 2", f(2, 3, 4), opset=7, p=2, axis=1)


def einsums():
    for equation, *sizes in (
            ("ij,jk->ik", (2, 3), (3, 4)), ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)), ("...ij,...jk->...ik", (2, 3, 4), (2, 4, 5)),
            ("bhid,bhjd->bhij", (2, 3, 4, 5), (2, 3, 6, 5)), ("ii->i", (3, 3)), ("ii", (3, 3)), ("iij->ji", (3, 3, 2)),
            ("ba", (2, 3)), ("i,j->ij", (2,), (3,)), ("i,i->", (3,), (3,)), ("ij,ij->ij", (2, 3), (2, 3)),
            ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)), ("b...c,c->b...", (2, 3, 4, 5), (5,)), ("ij,kj->ik", (2, 3), (1, 3)),
            ("ijk,jil->kl", (2, 3, 4), (3, 2, 5)), ("aabb->ab", (2, 2, 3, 3)), ("ab,ab,ab->a", (2, 3), (2, 3), (2, 3)),
            ("...ii->...i", (4, 3, 3)), ("i...j->...", (2, 3, 4)), ("abc,cd,def->abef", (2, 3, 4), (4, 5), (5, 2, 3)),
            (" i j , j k -> i k ", (2, 3), (3, 4)), ("aij,aij->a", (1, 3, 2), (4, 3, 2))):
        case("einsum", "Einsum", equation, *(f(*s) for s in sizes), equation=equation)


def quantised():
    for opset in (10, 13, 21):
        case("quantise", "DequantizeLinear", "one scale", u8(4, 6), num(0.125), num(3, np.uint8), opset=opset)
        case("quantise", "QuantizeLinear", "one scale", f(4, 6, scale=9), num(0.125), num(3, np.uint8), opset=opset)
        case("quantise", "QuantizeLinear", "no zero point", f(4, 6, scale=9), num(0.125), opset=opset)
    case("quantise", "DequantizeLinear", "axis 0", u8(4, 6), pos(4), below(9, 4, dtype=np.uint8), axis=0)
    case("quantise", "QuantizeLinear", "default axis", f(4, 6, scale=9), pos(6), below(9, 6, dtype=np.uint8))
    case("quantise", "DequantizeLinear", "blocks", u8(4, 6), pos(4, 3), below(9, 4, 3, dtype=np.uint8), opset=21, axis=1,
         block_size=2)
    case("quantise", "DynamicQuantizeLinear", "both signs", f(4, 6), opset=11, out=3)
    case("quantise", "DynamicQuantizeLinear", "positive", pos(4, 6), opset=11, out=3)
    case("quantise", "MatMulInteger", "zero points", u8(4, 6), i8(6, 3), num(3, np.uint8), i8(3), opset=10)
    case("quantise", "MatMulInteger", "none", u8(4, 6), i8(6, 3), opset=10)
    case("quantise", "QLinearMatMul", "u8", u8(4, 6), num(0.02), num(3, np.uint8), u8(6, 3), num(0.03),
         num(100, np.uint8), num(0.5), num(128, np.uint8), opset=10)


# -- com.microsoft -----------------------------------------------------------------------------------------------------


def ms(file, operator, name, *operands, **more):
    case(file, operator, name, *operands, domain=MS, **more)


def ms_fused():
    ms("ms_fused", "BiasGelu", "row", f(2, 3, 8), f(8))
    ms("ms_fused", "FastGelu", "row", f(2, 8), f(8))
    ms("ms_fused", "QuickGelu", "alpha", f(2, 8), alpha=1.25)
    case("ms_fused", "SimplifiedLayerNormalization", "rms", f(2, 3, 8), f(8), axis=-1, epsilon=1e-5, stash_type=1)
    case("ms_fused", "LayerNormalization", "before it was ONNX's", f(2, 3, 8), f(8), f(8), opset=11, axis=-1, epsilon=1e-5)
    ms("ms_fused", "SkipLayerNormalization", "all", f(2, 3, 8), f(2, 3, 8), f(8), f(8), f(8),
       results=["y", "", "", "sum"], epsilon=1e-5)
    ms("ms_fused", "SkipLayerNormalization", "skip for all", f(2, 3, 8), f(1, 3, 8), f(8), epsilon=1e-5)
    ms("ms_fused", "SkipSimplifiedLayerNormalization", "all", f(2, 3, 8), f(2, 3, 8), f(8), f(8),
       results=["y", "", "", "sum"], epsilon=1e-5)
    words = below(10, 2, 4, dtype=np.int32)
    ms("ms_fused", "EmbedLayerNormalization", "mask", words, below(2, 2, 4, dtype=np.int32), f(10, 8), f(6, 8), f(2, 8),
       f(8), f(8), i32([[1, 1, 1, 0], [1, 1, 0, 0]]), out=2, epsilon=1e-12)
    ms("ms_fused", "EmbedLayerNormalization", "positions", words, None, f(10, 8), f(6, 8), None, f(8), f(8), None,
       i32([[3, 2, 1, 0], [0, 1, 2, 3]]), out=3, epsilon=1e-12)
    ms("ms_fused", "FusedMatMul", "right transposed", f(2, 3, 4), f(2, 5, 4), transB=1, alpha=0.5)
    ms("ms_fused", "FusedMatMul", "left transposed", f(2, 4, 3), f(2, 4, 5), transA=1)
    ms("ms_fused", "FusedMatMul", "batch behind, left", f(3, 2, 4), f(2, 4, 5), transBatchA=1)
    ms("ms_fused", "FusedMatMul", "batch behind, both", f(4, 2, 3), f(5, 2, 4), transBatchB=1, transBatchA=1, transA=1, transB=1)
    for activation in ("Relu", "Sigmoid", "Tanh"):
        ms("ms_fused", "FusedGemm", activation, f(3, 4), f(4, 5), f(5), activation=activation)
    ms("ms_fused", "FusedGemm", "LeakyRelu", f(3, 4), f(4, 5), f(5), activation="LeakyRelu", activation_alpha=0.25)


def ms_quantised():
    ms("ms_quantised", "MatMulIntegerToFloat", "all", u8(3, 8), i8(8, 5), num(0.02), pos(5), num(120, np.uint8), i8(5), f(5))
    ms("ms_quantised", "MatMulIntegerToFloat", "least", u8(2, 3, 8), u8(8, 5), num(0.02), num(0.01))
    for bits in (2, 4, 8):
        for zeros in ("none", "packed", "floats"):
            for k, block in ((64, 32), (80, 32), (48, 16)):
                if bits == 8 and zeros == "floats":
                    continue  # ONNX Runtime refuses it
                n, blocks = 4, -(-k // block)
                zero = {"none": (), "packed": (u8(n, -(-blocks * bits // 8)),),
                        "floats": (f(n, blocks) + np.float32(2 ** (bits - 1)),)}[zeros]
                ms("ms_quantised", "MatMulNBits", f"{bits} bits, {k} in blocks of {block}, zeros {zeros}", f(2, k),
                   u8(n, blocks, block * bits // 8), f(n, blocks, scale=0.1), *zero, K=k, N=n, bits=bits, block_size=block,
                   accuracy_level=1)
    ms("ms_quantised", "MatMulNBits", "bias", f(2, 32), u8(4, 1, 16), f(4, 1), None, None, f(4), K=32, N=4, bits=4,
       block_size=32, accuracy_level=1)
    for kind in (0, 1):
        ms("ms_quantised", "MatMulBnb4", ("fp4", "nf4")[kind], f(2, 32), u8(4 * 32 // 2), pos(4 * 32 // 16), K=32, N=4,
           block_size=16, quant_type=kind)
    for dtype in (ml_dtypes.uint4, ml_dtypes.int4):
        codes = (lambda *s: rng.integers(0, 16, s).astype(dtype) if dtype == ml_dtypes.uint4
                 else rng.integers(-8, 8, s).astype(dtype))
        rows, name = np.array([[0, 3], [5, -1]]), NAMES[dtype]
        ms("ms_quantised", "GatherBlockQuantized", f"{name} rows", codes(6, 32), rows, pos(6, 2), block_size=16)
        ms("ms_quantised", "GatherBlockQuantized", f"{name} rows, zeros", codes(6, 32), rows, pos(6, 2), codes(6, 2), block_size=16)
        ms("ms_quantised", "GatherBlockQuantized", f"{name} columns", codes(2, 32, 4), i64(0, 2, 1), pos(2, 2, 4),
           block_size=16, quantize_axis=1, gather_axis=2)
        ms("ms_quantised", "GatherBlockQuantized", f"{name} along blocks", codes(2, 32, 2), i64(0, 20, 31), pos(2, 2, 2),
           block_size=16, quantize_axis=1, gather_axis=1)
    for bits in (2, 4, 8):
        ms("ms_quantised", "GatherBlockQuantized", f"{bits} bits in bytes", u8(6, 32 * bits // 8), i64(0, 5), pos(6, 2),
           bits=bits, block_size=16)
        ms("ms_quantised", "GatherBlockQuantized", f"{bits} bits in bytes, zeros", u8(6, 32 * bits // 8), i64(0, 5), pos(6, 2),
           u8(6, -(-2 * bits // 8)), bits=bits, block_size=16)


def ms_attention():
    b, s, h, d = 2, 4, 2, 4
    w = h * d
    project = lambda: (f(b, s, 6), f(6, 3 * w), f(3 * w))
    ms("ms_attention", "Attention", "plain", *project(), num_heads=h)
    ms("ms_attention", "Attention", "causal", *project(), num_heads=h, unidirectional=1)
    ms("ms_attention", "Attention", "lengths", *project(), i32([3, 4]), num_heads=h)
    ms("ms_attention", "Attention", "ends and starts", *project(), i32([4, 4, 1, 0]), num_heads=h)
    ms("ms_attention", "Attention", "mask of keys", *project(), i32([[1, 1, 1, 0], [0, 1, 1, 1]]), num_heads=h)
    ms("ms_attention", "Attention", "mask of pairs", *project(), below(2, b, s, s, dtype=np.int32), num_heads=h)
    ms("ms_attention", "Attention", "past", *project(), None, f(2, b, h, 3, d), out=2, num_heads=h, unidirectional=1)
    ms("ms_attention", "Attention", "bias and scale", *project(), None, None, f(1, h, s, s), num_heads=h, scale=0.25)
    ms("ms_attention", "Attention", "values of another width", f(b, s, 6), f(6, 2 * w + 4), f(2 * w + 4), num_heads=h,
       qkv_hidden_sizes=[w, w, 4])
    x = lambda t=s: f(b, t, w)
    ms("ms_attention", "MultiHeadAttention", "cross", x(), x(6), f(b, 6, h * 3), num_heads=h)
    ms("ms_attention", "MultiHeadAttention", "bias of the projection", x(), x(6), x(6), f(3 * w), num_heads=h)
    ms("ms_attention", "MultiHeadAttention", "heads apart", x(), f(b, h, 6, d), f(b, h, 6, d), num_heads=h)
    ms("ms_attention", "MultiHeadAttention", "mask of keys", x(), x(6), x(6), None, i32([[1, 1, 0, 1, 1, 0], [1] * 6]), num_heads=h)
    ms("ms_attention", "MultiHeadAttention", "lengths", x(), x(6), x(6), None, i32([4, 6]), num_heads=h)
    ms("ms_attention", "MultiHeadAttention", "mask of pairs", x(), x(6), x(6), None, below(2, b, s, 6, dtype=np.int32), num_heads=h)
    ms("ms_attention", "MultiHeadAttention", "bias and scale", x(), x(6), x(6), None, None, f(1, h, s, 6), num_heads=h, scale=0.5)
    ms("ms_attention", "MultiHeadAttention", "past", x(), x(), x(), None, None, None, f(b, h, 3, d), f(b, h, 3, d), out=3,
       num_heads=h, unidirectional=1)
    for interleaved in (0, 1):
        tables = f(16, 4), f(16, 4)
        ms("ms_attention", "RotaryEmbedding", f"places, interleaved {interleaved}", f(2, 3, 16), i64(0, 1, 2, 4, 5, 6).reshape(2, 3),
           *tables, interleaved=interleaved)
        ms("ms_attention", "RotaryEmbedding", f"start, interleaved {interleaved}", f(2, 3, 16), i64(2), *tables, interleaved=interleaved)
        ms("ms_attention", "RotaryEmbedding", f"part, interleaved {interleaved}", f(2, 3, 16), i64(2), f(16, 2), f(16, 2),
           interleaved=interleaved, num_heads=2, rotary_embedding_dim=4)
        ms("ms_attention", "RotaryEmbedding", f"heads apart, interleaved {interleaved}", f(2, 2, 3, 8),
           i64(0, 1, 2, 4, 5, 6).reshape(2, 3), *tables, interleaved=interleaved)


def grouped(name, b, s, past, cache=None, last=None, packed=False, bias=False, places=False, sink=False, **more):
    """`cache`: the length of past_key, of which `past` rows hold something; None: there is none."""
    h, g, d = 4, 2, 16 if more.get("do_rotary") else 8
    total = past + s
    kept = [None, None] if cache is None else [f(b, g, cache, d), f(b, g, cache, d)]
    for k in kept:
        if k is not None:
            k[:, :, past:] = 0
    qkv = [f(b, s, (h + 2 * g) * d), None, None] if packed else [f(b, s, h * d), f(b, s, g * d), f(b, s, g * d)]
    tables = [f(16, d // 2), f(16, d // 2)] if more.get("do_rotary") else [None, None]
    tail = [np.arange(past, total)[None].repeat(b, 0) if places else None, f(b, h, s, total) if bias else None,
            f(h) if sink else None]
    while tail and tail[-1] is None:
        tail.pop()
    ends = i32(last if last else [total - 1] * b)
    ms("ms_grouped", "GroupQueryAttention", name, *qkv, *kept, ends, i32([total]), *tables, *tail, out=3, num_heads=h,
       kv_num_heads=g, **more)


def ms_grouped():
    grouped("prompt", 2, 5, 0)
    grouped("prompt, padded", 2, 5, 0, last=[4, 2])
    grouped("prompt into an empty past", 2, 3, 0, 0)
    grouped("prompt into a long cache", 2, 3, 0, 8)
    grouped("token", 2, 1, 3, 3)
    grouped("token, ragged", 2, 1, 3, 3, last=[3, 2])
    grouped("token into a long cache", 2, 1, 3, 8)
    grouped("tokens", 1, 3, 4, 4)
    grouped("tokens into a long cache", 1, 3, 4, 10)
    grouped("rotated token", 2, 1, 3, 3, do_rotary=1)
    grouped("rotated prompt, interleaved", 1, 4, 0, do_rotary=1, rotary_interleaved=1)
    grouped("rotated by places", 1, 3, 4, 4, places=True, do_rotary=1)
    grouped("packed, rotated", 2, 1, 3, 3, packed=True, do_rotary=1)
    grouped("packed prompt", 1, 4, 0, packed=True)
    for window in (1, 2, 3):
        grouped(f"window {window}, prompt", 1, 5, 0, local_window_size=window)
        grouped(f"window {window}, token", 2, 1, 5, 5, local_window_size=window)
    grouped("softcap", 1, 4, 0, softcap=2.0)
    grouped("bias", 1, 4, 0, bias=True)
    grouped("bias, tokens", 1, 2, 3, 3, bias=True)
    grouped("bias, long cache", 1, 2, 3, 8, bias=True)
    grouped("smooth softmax", 1, 4, 0, smooth_softmax=1)
    grouped("sink", 1, 4, 0, sink=True)
    grouped("sink, window, token", 2, 1, 3, 3, sink=True, local_window_size=2)
    grouped("scale", 1, 4, 0, scale=0.25)
    grouped("not causal", 1, 4, 0, causal=0)


def ms_moe():
    experts, d, w = 3, 8, 6
    oss = dict(activation_type="swiglu", swiglu_fusion=1, activation_alpha=1.702, activation_beta=1.0)
    def moe(name, k=2, **more):
        rows = 2 * w if more.get("swiglu_fusion") else w
        ms("ms_moe", "MoE", name, f(5, d), f(5, experts), f(experts, rows, d), f(experts, rows), f(experts, d, w),
           f(experts, d), k=k, **more)
    for activation in ("relu", "gelu", "silu", "identity"):
        moe(activation, activation_type=activation)
    moe("one expert", 1)
    moe("normalised", normalize_routing_weights=1)
    moe("swiglu", swiglu_limit=0.5, normalize_routing_weights=1, **oss)

    def qmoe(name, bits, block=0, zeros=False, mix=False, **more):
        d = w = 16 if not block else 32
        def layer(n, k):
            scales = pos(experts, n, k // block, scale=0.02) if block else pos(experts, n, scale=0.02)
            packed = (n, -(-(k // block) * bits // 8)) if block else (-(-n * bits // 8),)
            return u8(experts, n, k * bits // 8), scales * np.float32(0.125), u8(experts, *packed) if zeros else None
        (q1, s1, z1), (q2, s2, z2) = layer(2 * w if more.get("swiglu_fusion") else w, d), layer(d, w)
        operands = [f(3, d), f(3, experts), q1, s1, None, q2, s2, None, None, None, None, z1, z2, None,
                    pos(3, experts) if mix else None]
        while operands[-1] is None:
            operands.pop()
        # Its CPU kernel normalises always; a case that does not say so would contradict the definition.
        more.setdefault("activation_type", "silu")
        ms("ms_moe", "QMoE", name, *operands, k=2, normalize_routing_weights=1, expert_weight_bits=bits,
           **(dict(block_size=block) if block else {}), **more)
    qmoe("4 bits", 4)
    qmoe("8 bits", 8)
    qmoe("2 bits in blocks", 2, 16)
    qmoe("4 bits in blocks", 4, 16)
    qmoe("4 bits in blocks, zeros", 4, 16, True)
    qmoe("4 bits, zeros", 4, 0, True)
    qmoe("8 bits, zeros", 8, 0, True)
    qmoe("mix", 4, mix=True)
    qmoe("swiglu", 4, 16, swiglu_limit=7.0, **oss)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=REPOSITORY / "tests" / "operators")
    parser.add_argument("--seed", type=int, default=20)
    given = parser.parse_args()
    out = given.out
    global rng
    rng = np.random.default_rng(given.seed)
    for make in (softmaxes, reductions, shapes, elementwise, products, einsums, quantised, ms_fused, ms_quantised,
                 ms_attention, ms_grouped, ms_moe):
        make()
    out.mkdir(parents=True, exist_ok=True)
    for file, tests in FILES.items():
        lines = ",\n".join(json.dumps(t, separators=(",", ":")) for t in tests)
        (out / f"{file}.jsonc").write_text(f"[\n{lines}\n]\n")
        print(f"{file}: {len(tests)} cases")


if __name__ == "__main__":
    main()

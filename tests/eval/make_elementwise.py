#!/usr/bin/env python3
"""make_elementwise.py -- writes tests/eval/elementwise.ir: every elementwise op, on every class of type.

Expectations come from NumPy and SciPy's special functions in float64, rounded once; whole numbers from NumPy's own."""
import ml_dtypes
import numpy as np
import torch

from cases import Case, File, type_of

EDGES = [-np.inf, -3.0, -2.5, -1.5, -1.0, -0.75, -0.5, -1e-3, -0.0, 0.0, 1e-3, 0.25, 0.5, 1.0, 1.5, 2.5, 3.0, np.inf, np.nan]
ONE = {
    "neg": np.negative, "abs": np.abs, "sign": np.sign, "floor": np.floor, "ceil": np.ceil, "round": np.round,
    "sqrt": np.sqrt, "exp": np.exp, "log": np.log, "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin,
    "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh,
    "acosh": np.arccosh, "atanh": np.arctanh, "expm1": np.expm1,
    "erf": lambda x: torch.erf(torch.tensor(x)).numpy(),
    "sigmoid": lambda x: torch.sigmoid(torch.tensor(x)).numpy(),
    "softplus": lambda x: np.logaddexp(0, x),
}
FINITE_ONE = {
    "gelu": lambda x: torch.nn.functional.gelu(torch.tensor(x)).numpy(),
    "gelu tanh=true": lambda x: torch.nn.functional.gelu(torch.tensor(x), approximate="tanh").numpy(),
}


def case(f, name, inputs, wants, tolerance, note=""):
    """wants: {operator with its operands and attributes: array}."""
    c = Case(f, name, note)
    c.tolerance = tolerance
    for k, a in inputs.items():
        c.input(k, a)
    for i, (text, a) in enumerate(wants.items()):
        a = np.asarray(a)
        op, _, attrs = text.partition(" ")
        operands = attrs if attrs.startswith("%") else ", ".join("%" + k for k in inputs) + (" " + attrs if attrs else "")
        c.op(f"{op}.{i}", f"{op} {operands}", type_of(a))
        c.want(f"{op}.{i}", a)


def floats(f):
    for kind, tolerance in ((np.float64, "1e-12"), (np.float32, "1e-6"), (np.float16, "0"), (ml_dtypes.bfloat16, "0")):
        x = np.array(EDGES, np.float64).astype(kind)
        wide, name = x.astype(np.float64), np.dtype(kind).name
        case(f, f"one_{name}", {"x": x}, {op: fn(wide).astype(kind) for op, fn in ONE.items()}, tolerance)
        finite = np.isfinite(wide)
        case(f, f"finite_{name}", {"x": x[finite]}, {op: fn(wide[finite]).astype(kind) for op, fn in FINITE_ONE.items()}, tolerance)
        a, b = np.meshgrid(np.array([-np.inf, -3, -1.5, -0.0, 0.0, 0.5, 2.5, np.inf, np.nan]),
                           np.array([-2.0, -0.5, 0.0, 1.0, 3.0, np.inf, np.nan]))
        a, b = a.ravel().astype(kind), b.ravel().astype(kind)
        p, q = a.astype(np.float64), b.astype(np.float64)
        case(f, f"two_{name}", {"a": a, "b": b}, {
            "add": (p + q).astype(kind), "sub": (p - q).astype(kind), "mul": (p * q).astype(kind), "div": (p / q).astype(kind),
            "mod trunc=true": np.fmod(p, q).astype(kind), "pow": np.power(p, q).astype(kind),
            "min": np.minimum(p, q).astype(kind), "max": np.maximum(p, q).astype(kind),
            "eq": p == q, "lt": p < q, "le": p <= q}, tolerance)
        case(f, f"tests_{name}", {"x": x}, {
            "isnan": np.isnan(wide), "isinf": np.isinf(wide), "isinf negative=false": np.isposinf(wide),
            "isinf positive=false": np.isneginf(wide)}, "0")
    a, b = np.array([5.5, -5.5, 5.5, -5.5, 6, -6], np.float32), np.array([3, 3, -3, -3, 3, 3], np.float32)
    case(f, "mod_has_the_divisors_sign", {"a": a, "b": b}, {"mod": np.mod(a, b)}, "0")


def fused(f):
    """a*b+c is rounded once, also where a double's sum would lie just on a tie."""
    a = np.array([1 + 2**-10, 1 + 2**-10, 3, np.inf, 1], np.float16)
    b = np.array([1 - 2**-10, 1 + 2**-10, 5, 0, np.nan], np.float16)
    c = np.array([2**-24, 2**-24, -15, 1, 1], np.float16)
    from fractions import Fraction
    exact = [float(Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))) for x, y, z in zip(a[:3], b[:3], c[:3])]
    case(f, "fma_float16", {"a": a, "b": b, "c": c}, {"fma": np.array(exact + [np.nan, np.nan]).astype(np.float16)}, "0")
    a, b, c = np.array([1 + 2**-12], np.float32), np.array([1 + 2**-12], np.float32), np.array([2**-60], np.float32)
    one_up = np.nextafter(np.float32(1 + 2**-11), np.float32(2))
    case(f, "fma_float32", {"a": a, "b": b, "c": c}, {"fma": np.array([one_up])}, "0", "the tie is broken by what a double has no room for")


def whole(f):
    for kind in (np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64):
        info, name = np.iinfo(kind), np.dtype(kind).name
        values = [info.min, info.max, 0, 1, 2, 3, 7] + ([-1, -2, -7] if info.min else [info.max - 1])
        a, b = (x.ravel().astype(kind) for x in np.meshgrid(np.array(values, dtype=object), np.array(values, dtype=object)))
        bits, x, y = info.bits, [int(v) for v in a], [int(v) for v in b]

        def wrap(vs):
            return np.array([(v - info.min) % 2**bits + info.min for v in vs], dtype=object).astype(kind)

        def quotient(p, q):
            return 0 if q == 0 else abs(p) // abs(q) * (1 if (p < 0) == (q < 0) else -1)

        def shifted(p, q):
            return (0 if p >= 0 else -1) if q < 0 or q >= bits else p >> q

        def power(p, q):
            return pow(p, q, 2**bits) if q >= 0 else {1: 1, -1: 1 if q % 2 == 0 else -1}.get(p, 0)

        pairs = list(zip(x, y))
        case(f, f"two_{name}", {"a": a, "b": b}, {
            "add": wrap([p + q for p, q in pairs]), "sub": wrap([p - q for p, q in pairs]),
            "mul": wrap([p * q for p, q in pairs]), "div": wrap([quotient(p, q) for p, q in pairs]),
            "mod": wrap([p % q if q else 0 for p, q in pairs]),
            "mod trunc=true": wrap([p - q * quotient(p, q) if q else 0 for p, q in pairs]),
            "pow": wrap([power(p, q) for p, q in pairs]),
            "min": np.minimum(a, b), "max": np.maximum(a, b), "and": a & b, "or": a | b, "xor": a ^ b,
            "shl": wrap([p << q if 0 <= q < bits else 0 for p, q in pairs]), "shr": wrap([shifted(p, q) for p, q in pairs]),
            "eq": a == b, "lt": a < b, "le": a <= b}, "0")
        v = np.array(values, dtype=object)
        case(f, f"one_{name}", {"x": v.astype(kind)}, {
            "neg": wrap([-p for p in v]), "abs": wrap([abs(p) for p in v]), "sign": wrap([(p > 0) - (p < 0) for p in v]),
            "not": wrap([~p for p in v])}, "0")
    a, b = np.array([0, 0, 1, 1], bool), np.array([0, 1, 0, 1], bool)
    case(f, "two_bool", {"a": a, "b": b}, {"and": a & b, "or": a | b, "xor": a ^ b, "eq": a == b}, "0")
    case(f, "one_bool", {"x": a}, {"not": ~a}, "0")


def mixed(f):
    a, b = np.array([2, -3, 10], np.int32), np.array([0.5, 2, 3], np.float32)
    case(f, "pow_of_mixed_types", {"a": a, "b": b}, {
        "pow %a, %b": np.array([1, 9, 1000], np.int32), "pow %b, %a": np.power(b.astype(np.float64), a).astype(np.float32)}, "1e-6")
    rng = np.random.default_rng(3)
    x, y, z = (rng.integers(-9, 9, s).astype(np.float32) for s in ((2, 1, 3, 1), (4, 1, 5), (3, 5)))
    c = rng.integers(0, 2, (2, 4, 1, 1)).astype(bool)
    case(f, "broadcasting", {"x": x, "y": y, "z": z, "c": c}, {
        "add %x, %y": x + y, "sub %y, %x": y - x, "mul %x, %z": x * z, "add %z, %z": z + z,
        "lt %z, %x": z < x, "where %c, %x, %y": np.where(c, x, y), "fma %x, %y, %z": x * y + z}, "0")
    wide = np.arange(700, dtype=np.float32).reshape(2, 350)
    one = np.array([[3], [5]], np.float32)
    case(f, "long_rows", {"x": wide, "y": one}, {"mul": wide * one}, "0")
    case(f, "nothing", {"x": np.zeros((0, 3), np.float32), "y": np.ones((1, 3), np.float32)}, {"add": np.zeros((0, 3), np.float32)}, "0")
    case(f, "bitcast", {"x": np.array([1, -2, np.inf], np.float32)}, {
        "bitcast to=u32": np.array([1, -2, np.inf], np.float32).view(np.uint32)}, "0")


if __name__ == "__main__":
    np.seterr(all="ignore")
    file = File("elementwise.ir", "Elementwise ops on every class of type.")
    floats(file)
    fused(file)
    whole(file)
    mixed(file)
    file.write()

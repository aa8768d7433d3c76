"""cases.py -- cases for tests/check_ir.c, made with NumPy: a function, its inputs, and what its results must be."""
import os
import sys

import ml_dtypes  # noqa: F401 (gives NumPy the small types)
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(20)
NAMES = {
    "float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16", "int64": "i64", "int32": "i32",
    "int16": "i16", "int8": "i8", "uint64": "u64", "uint32": "u32", "uint16": "u16", "uint8": "u8", "bool": "bool", "int4": "i4", "uint4": "u4",
    "int2": "i2", "uint2": "u2", "float8_e4m3fn": "f8e4m3fn", "float8_e5m2": "f8e5m2", "float4_e2m1fn": "f4e2m1",
    "float8_e8m0fnu": "f8e8m0",
}


def floats(*shape, dtype=np.float32, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype(np.float16).astype(dtype)


def ints(low, high, *shape, dtype=np.int64):
    return rng.integers(low, high, shape).astype(dtype)


def number(v, kind):
    if kind == "bool":
        return "true" if v else "false"
    if kind[0] in "iu":
        return str(int(v))
    v = float(v)
    if v != v:
        return "nan"
    if v in (float("inf"), float("-inf")):
        return "inf" if v > 0 else "-inf"
    return np.format_float_positional(np.float32(v), trim="-") if kind == "f32" else repr(v)


def type_of(a):
    a = np.asarray(a)
    return f"{NAMES[a.dtype.name]}[{','.join(map(str, a.shape))}]"


def literal(a):
    a = np.asarray(a)
    kind = NAMES[a.dtype.name]
    values = ", ".join(number(v, kind) for v in a.reshape(-1))
    return f"[{values}]" if a.shape else values


class Case:
    """A function @main, its inputs, and what its results must be."""

    def __init__(self, file, name, note=""):
        self.name, self.note, self.inputs, self.lines, self.wants = name, note, {}, [], {}
        self.tolerance = "1e-6"
        self.before, self.states = "", {}  # declarations, and arguments of state type
        self.symbols, self.result_types = "", {}  # of results whose sizes only the data knows
        file.cases.append(self)

    def input(self, name, a):
        self.inputs[name] = np.asarray(a)

    def const(self, name, a):
        self.lines.append(f"%{name} = const {literal(a)} : {type_of(a)}")

    def op(self, results, text, *types):
        self.lines.append(f"{', '.join('%' + r for r in results.split())} = {text} : {', '.join(types)}")
        return self

    def want(self, result, a):
        self.wants[result] = np.asarray(a)
        return self

    def write(self, f):
        f.write(f"\n// ---- {self.name}{': ' + self.note if self.note else ''}\n// RUN: eval\n// TOL: {self.tolerance}\n")
        for k, a in self.inputs.items():
            f.write(f"// IN {k}: {type_of(a)} = {literal(a)}\n")
        for k, a in self.wants.items():
            f.write(f"// OUT {k}: {type_of(a)} = {literal(a)}\n")
        types = {k: type_of(a) for k, a in self.inputs.items()} | self.states
        arguments = ", ".join(f"%{k}: {t}" for k, t in types.items())
        results = ", ".join(f"{k}: {self.result_types.get(k, type_of(a))}" for k, a in self.wants.items())
        symbols = f"<{self.symbols}>" if self.symbols else ""
        f.write(f"lathe 1\n{self.before}func @main{symbols}({arguments}) -> ({results}) {{\n")
        for line in self.lines:
            f.write(f"  {line}\n")
        f.write(f"  return {', '.join('%' + k for k in self.wants)}\n}}\n")


class File:
    def __init__(self, name, title):
        self.name, self.title, self.cases = name, title, []

    def write(self):
        with open(os.path.join(HERE, self.name), "w") as f:
            f.write(f"// {self.title} Written by {os.path.basename(sys.argv[0])}.\n")
            for c in self.cases:
                c.write(f)


def simple(file, name, op, inputs, outputs, attrs="", note="", operands=None):
    """inputs: {name: array}; outputs: {name: array}."""
    c = Case(file, name, note)
    for k, v in inputs.items():
        c.input(k, v)
    operands = operands or ", ".join("%" + k for k in inputs)
    c.op(" ".join(outputs), f"{op} {operands}{' ' + attrs if attrs else ''}", *(type_of(v) for v in outputs.values()))
    for k, v in outputs.items():
        c.want(k, v)
    return c

#!/usr/bin/env python3
"""make_graph_cases.py -- small models for what the importer does with graphs, each with a data set.

    python tests/oracles/make_graph_cases.py [--out tests/graphs] [name ...]

Control flow, functions, the ways to store a tensor, and what exporters are known to write. Outputs come from ONNX
Runtime, and where that refuses a model (a branch never taken that holds an unknown operator), from NumPy.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
import oracle_data
from onnx import TensorProto, helper, numpy_helper, parser

CASES = {}


def case(make):
    CASES[make.__name__] = make
    return make


def floats(*shape, rng=np.random.default_rng(20)):
    return rng.standard_normal(shape).astype(np.float32)


def parse(text):
    return parser.parse_model(text)


HEAD = '<ir_version: 8, opset_import: ["" : 18, "local" : 1]>\n'

# -- If ----------------------------------------------------------------------------------------------------------------


@case
def if_real():
    model = parse(HEAD + """
    main (bool c, float[n, 3] x) => (float[k, 3] y, float[n, 3] z) {
      two = Constant <value_float = 2.0> ()
      both = Mul (x, two)
      y, z = If (c) <
        then_branch = yes () => (float[a, 3] y1, float[n, 3] z1) { y1 = Concat <axis = 0> (x, both)  z1 = Identity (x) },
        else_branch = no () => (float[b, 3] y2, float[n, 3] z2) { y2 = Add (x, both)  z2 = Neg (both) }
      >
    }""")
    return model, [{"c": np.array(c), "x": floats(2, 3)} for c in (True, False)]


@case
def if_folded():
    """The branch that is not taken holds an operator that nobody has, and would give another rank."""
    model = parse(HEAD + """
    main (float[n, 1, 3] x) => (float[n, 3] y) {
      shape = Shape (x)
      one = Constant <value_ints = [1]> ()
      size = Gather (shape, one)
      c = Equal (size, one)
      y = If (c) <
        then_branch = yes () => (float[n, 3] y1) { y1 = Squeeze (x, one) },
        else_branch = no () => (float[n, 1, 3] y2) { y2 = Frobnicate (x) }
      >
    }""")
    x = floats(4, 1, 3)
    return model, [{"x": x}], [{"y": x[:, 0]}]


# -- Loop --------------------------------------------------------------------------------------------------------------


@case
def loop_collect():
    """Captures an outer value, stops by its own condition, and collects."""
    model = parse(HEAD + """
    main (int64 n, float[3] x, float limit) => (float[3] last, float[t, 3] all) {
      yes = Constant <value = bool {1}> ()
      last, all = Loop (n, yes, x) <body = turn (int64 i, bool c, float[3] a) => (bool go, float[3] b, float[3] seen) {
        b = Add (a, x)
        s = ReduceSum <keepdims = 0> (b)
        go = Less (s, limit)
        seen = Mul (b, a)
      }>
    }""")
    x = np.array([1, 2, 3], np.float32)
    sets = [(10, 40), (2, 1000), (0, 10), (1, -5)]
    return model, [{"n": np.array(n), "x": x, "limit": np.array(limit, np.float32)} for n, limit in sets]


@case
def loop_growing():
    """A carried value that grows, so that no type of it but one with an open size is right; it starts empty."""
    model = parse(HEAD + """
    main (int64 n, float[2] x) => (float[k, 2] y) {
      none = Constant <value = float[0, 2] {}> ()
      y = Loop (n, , none) <body = turn (int64 i, bool c, float[m, 2] a) => (bool go, float[m1, 2] b) {
        zero = Constant <value_ints = [0]> ()
        f = Cast <to = 1> (i)
        scaled = Mul (x, f)
        row = Unsqueeze (scaled, zero)
        b = Concat <axis = 0> (a, row)
        go = Identity (c)
      }>
    }""")
    return model, [{"n": np.array(n), "x": floats(2)} for n in (0, 1, 5)]


@case
def loop_nested():
    """An If within a Loop within a Loop, which use names of every level."""
    model = parse(HEAD + """
    main (int64 n, float[2] x) => (float[2] y) {
      two = Constant <value_int = 2> ()
      y = Loop (n, , x) <body = outer (int64 i, bool c, float[2] a) => (bool go, float[2] b) {
        odd = Mod (i, two)
        is_odd = Cast <to = 9> (odd)
        b = Loop (two, , a) <body = inner (int64 j, bool d, float[2] e) => (bool more, float[2] f) {
          f = If (is_odd) <
            then_branch = yes () => (float[2] g) { g = Add (e, x) },
            else_branch = no () => (float[2] h) { sum = Add (a, x)  h = Mul (e, sum) }
          >
          more = Identity (d)
        }>
        go = Identity (c)
      }>
    }""")
    return model, [{"n": np.array(n), "x": floats(2)} for n in (1, 4)]


# -- Scan --------------------------------------------------------------------------------------------------------------


@case
def scan_directions():
    """Two inputs, along different axes and one backwards, and two outputs, one stacked last and one reversed."""
    model = parse(HEAD + """
    main (float[2] init, float[n, 2] x, float[2, n] w) => (float[2] last, float[2, n] a, float[n, 2] b) {
      last, a, b = Scan <num_scan_inputs = 2, scan_input_axes = [0, -1], scan_input_directions = [0, 1],
                         scan_output_axes = [1, 0], scan_output_directions = [0, 1],
        body = turn (float[2] s, float[2] u, float[2] v) => (float[2] t, float[2] p, float[2] q) {
          su = Add (s, u)
          t = Mul (su, v)
          p = Identity (t)
          q = Sub (u, v)
        }> (init, x, w)
    }""")
    return model, [{"init": floats(2), "x": floats(n, 2), "w": floats(2, n)} for n in (4, 1)]


@case
def scan_opset_8():
    """The first form: a batch in front, and everything along the second axis."""
    model = parse("""<ir_version: 3, opset_import: ["" : 8]>
    main (float[2, 3] init, float[2, n, 3] x) => (float[2, 3] last, float[2, n, 3] all) {
      last, all = Scan <num_scan_inputs = 1, directions = [1],
        body = turn (float[3] s, float[3] u) => (float[3] t, float[3] p) { t = Add (s, u)  p = Mul (s, u) }> ( , init, x)
    }""")
    return model, [{"init": floats(2, 3), "x": floats(2, n, 3)} for n in (4, 1)]


# -- functions -------------------------------------------------------------------------------------------------------------


@case
def functions():
    """Attributes handed down through two calls, defaults, an operand left out, and a graph in the body."""
    model = parse(HEAD + """
    main (float[2, 3] x, bool c) => (float[2, 3] y, float[2, 3] z) {
      y = local.outer <axis = 0> (x, c)
      z = local.outer <axis = 1, scale = 3.0> (x, c)
    }
    <domain: "local", opset_import: ["" : 18, "local" : 1]>
    outer <axis> (a, c) => (r) {
      m = local.shift <keep: int = @axis> (a)
      two = Constant <value_float = 2.0> ()
      r = If (c) <
        then_branch = yes () => (t) { t = Mul (m, two) },
        else_branch = no () => (e) { e = local.shift <keep: int = @axis> (m) }
      >
    }
    <domain: "local", opset_import: ["" : 18]>
    shift <keep, by: float = 0.5> (a, low, high) => (r) {
      s = Softmax <axis: int = @keep> (a)
      k = Constant <value_float: float = @by> ()
      t = Add (s, k)
      r = Clip (t, low, high)
    }""")
    del model.graph.node[1].attribute[1]
    return model, [{"x": floats(2, 3), "c": np.array(c)} for c in (True, False)]


# -- tensors -----------------------------------------------------------------------------------------------------------------


def stored(name, kind, dims, **contents):
    t = TensorProto(name=name, data_type=kind, dims=dims)
    for field, value in contents.items():
        if field == "raw_data":
            t.raw_data = value
        else:
            getattr(t, field).extend(value)
    return t


@case
def tensor_forms():
    """Each type in each field that may hold it, cast to f32."""
    half = np.array([1.5, -2, 0.25], np.float16)
    tensors = [
        stored("f_raw", TensorProto.FLOAT, [3], raw_data=np.array([1, -2, 3.5], "<f4").tobytes()),
        stored("f_data", TensorProto.FLOAT, [3], float_data=[1, -2, 3.5]),
        stored("d_raw", TensorProto.DOUBLE, [3], raw_data=np.array([1, -2, 3.5], "<f8").tobytes()),
        stored("d_data", TensorProto.DOUBLE, [3], double_data=[1, -2, 3.5]),
        stored("i64_raw", TensorProto.INT64, [3], raw_data=np.array([1, -2, 3], "<i8").tobytes()),
        stored("i64_data", TensorProto.INT64, [3], int64_data=[1, -2, 2**40]),
        stored("i32_data", TensorProto.INT32, [3], int32_data=[1, -2, 3]),
        stored("i16_data", TensorProto.INT16, [3], int32_data=[1, -2, 300]),
        stored("i8_data", TensorProto.INT8, [3], int32_data=[1, -2, 127]),
        stored("u8_data", TensorProto.UINT8, [3], int32_data=[1, 200, 255]),
        stored("u16_data", TensorProto.UINT16, [3], int32_data=[1, 2, 65535]),
        stored("u32_data", TensorProto.UINT32, [3], uint64_data=[1, 2, 2**32 - 1]),
        stored("u64_data", TensorProto.UINT64, [3], uint64_data=[1, 2, 2**63]),
        stored("bool_data", TensorProto.BOOL, [3], int32_data=[1, 0, 1]),
        stored("bool_raw", TensorProto.BOOL, [3], raw_data=b"\1\0\1"),
        stored("f16_raw", TensorProto.FLOAT16, [3], raw_data=half.tobytes()),
        stored("f16_data", TensorProto.FLOAT16, [3], int32_data=half.view(np.uint16).tolist()),
        stored("bf16_data", TensorProto.BFLOAT16, [3], int32_data=[0x3F80, 0xC000, 0x4060]),
        stored("f8_data", TensorProto.FLOAT8E4M3FN, [3], int32_data=[0x38, 0xC0, 0x46]),
        stored("empty", TensorProto.FLOAT, [0]),
        stored("scalar", TensorProto.FLOAT, [], float_data=[7]),
        stored("large", TensorProto.FLOAT, [100], raw_data=np.arange(100, dtype="<f4").tobytes()),
        stored("i4_data", TensorProto.INT4, [3], int32_data=[0xE1, 0x07]),
        stored("u4_raw", TensorProto.UINT4, [3], raw_data=b"\xe1\x07"),
    ]
    nodes = [helper.make_node("Cast", [t.name], [t.name + "_y"], to=TensorProto.FLOAT) for t in tensors]
    outputs = [helper.make_tensor_value_info(t.name + "_y", TensorProto.FLOAT, list(t.dims)) for t in tensors]
    nodes.append(helper.make_node("Neg", ["x"], ["y"]))
    outputs.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, [1]))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    model = helper.make_model(helper.make_graph(nodes, "main", [x], outputs, tensors), ir_version=10,
                              opset_imports=[helper.make_opsetid("", 21)])
    return model, [{"x": floats(1)}]


def external(t, location, offset):
    t.data_location = TensorProto.EXTERNAL
    length = len(t.raw_data)
    t.ClearField("raw_data")
    for k, v in {"location": location, "offset": str(offset), "length": str(length)}.items():
        t.external_data.add(key=k, value=v)
    return t


@case
def external_data():
    """In an initialiser, a Constant and a branch, in two files, beside one that is inline."""
    a, b, c, d = (floats(50) for _ in range(4))
    one = external(numpy_helper.from_array(a, "one"), "first.bin", 0)
    two = external(numpy_helper.from_array(b, "two"), "first.bin", 200)
    three = external(numpy_helper.from_array(c, "three"), "sub/second.bin", 16)
    v = helper.make_tensor_value_info

    def branch(name, op):
        nodes = [helper.make_node("Constant", [], [name], value=three), helper.make_node(op, ["x", name], [name + "y"])]
        return helper.make_graph(nodes, name, [], [v(name + "y", TensorProto.FLOAT, [50])])

    nodes = [
        helper.make_node("Constant", [], ["k"], value=two),
        helper.make_node("If", ["c"], ["s"], then_branch=branch("p", "Add"), else_branch=branch("q", "Mul")),
        helper.make_node("Sum", ["s", "one", "k", "inline"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "main", [v("x", 1, [50]), v("c", 9, [])], [v("y", 1, [50])],
                              [one, numpy_helper.from_array(d, "inline")])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 18)])
    files = {"first.bin": a.tobytes() + b.tobytes(), "sub/second.bin": b"\0" * 16 + c.tobytes()}
    return model, [{"x": floats(50), "c": np.array(yes)} for yes in (True, False)], None, files


# -- what exporters write ---------------------------------------------------------------------------------------------------


@case
def out_of_order():
    model = parse(HEAD + "main (float[3] x) => (float[3] y) { y = Add (a, b)  b = Neg (a)  a = Exp (x) }")
    x = floats(3)
    return model, [{"x": x}], [{"y": np.exp(x) - np.exp(x)}]


@case
def initializers_as_inputs():
    model = parse("""<ir_version: 3, opset_import: ["" : 11]>
    main (float[3] x, float[3] w) => (float[3] y) <float[3] w = {1, 2, 3}> { y = Mul (x, w) }""")
    assert len(model.graph.input) == 2
    x = floats(3)
    return model, [{"x": x}], [{"y": x * np.array([1, 2, 3], np.float32)}]


@case
def sizes_as_sums():
    model = parse(HEAD + """
    main (float["past_seq", 2] p, float["seq", 2] x, float["past_seq + seq", 1] m) => (float[k, 2] y) {
      all = Concat <axis = 0> (p, x)
      y = Add (all, m)
    }""")
    return model, [{"p": floats(p, 2), "x": floats(s, 2), "m": floats(p + s, 1)} for p, s in ((3, 2), (0, 4))]


# -- writing them -------------------------------------------------------------------------------------------------------------


def write(folder, model, inputs, outputs=None, files=None):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    for name, contents in (files or {}).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(contents)
    for i, given in enumerate(inputs):
        if outputs:
            wanted = outputs[i]
        else:
            session = oracle_data.open_session(folder / "model.onnx")
            wanted = dict(zip([o.name for o in session.get_outputs()], session.run(None, given)))
        data = folder / f"test_data_set_{i}"
        data.mkdir()
        for kind, values in (("input", given), ("output", wanted)):
            for k, (name, v) in enumerate(values.items()):
                (data / f"{kind}_{k}.pb").write_bytes(numpy_helper.from_array(np.asarray(v), name).SerializeToString())


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--out", type=Path, default=Path("tests/graphs"))
    arguments.add_argument("names", nargs="*")
    options = arguments.parse_args()
    for name, make in CASES.items():
        if options.names and name not in options.names:
            continue
        write(options.out / name, *make())
        print("wrote", name)


if __name__ == "__main__":
    main()

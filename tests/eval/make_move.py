#!/usr/bin/env python3
"""make_move.py -- writes tests/eval/{shape,index,reduce}.ir for the ops that move, index and reduce elements.

Expectations come from NumPy; the files are kept, so that a test run does not need it."""
import ml_dtypes
import numpy as np

from cases import Case, File, floats, ints, rng, simple, type_of

u4, i4, i2, bf16 = ml_dtypes.uint4, ml_dtypes.int4, ml_dtypes.int2, ml_dtypes.bfloat16
e5m2 = ml_dtypes.float8_e5m2


def of(dtype, *shape):
    """Any values of a type, all of them different where it has so many."""
    if dtype == bool:
        return rng.integers(0, 2, shape).astype(bool)
    n = int(np.prod(shape))
    return (np.arange(n) % 16 - 8).reshape(shape).astype(np.int64).astype(dtype)


def with_lists(file, name, op, x, lists, y, attrs="", note=""):
    """An op on x, with further operands that are constants."""
    c = Case(file, name, note)
    c.input("x", x)
    for k, v in lists.items():
        c.const(k, np.asarray(v, np.int64) if isinstance(v, list) else v)
    operands = ", ".join(f"%{k}" for k in ["x", *lists])
    outs = y if isinstance(y, dict) else {"y": y}
    c.op(" ".join(outs), f"{op} {operands}{' ' + attrs if attrs else ''}", *(type_of(v) for v in outs.values()))
    for k, v in outs.items():
        c.want(k, v)


# ---- shapes ----
def views(f):
    x = of(np.float32, 2, 3, 4)
    with_lists(f, "reshape", "reshape", x, {"shape": [4, -1]}, x.reshape(4, 6))
    with_lists(f, "reshape_copying", "reshape", x, {"shape": [0, -1, 2]}, x.reshape(2, 6, 2), "zero_copies=true")
    with_lists(f, "reshape_two_bits", "reshape", of(i2, 3, 5), {"shape": [5, 3]}, of(i2, 3, 5).reshape(5, 3))
    with_lists(f, "reshape_nothing", "reshape", of(np.float32, 0, 4), {"shape": [2, 0]}, np.zeros((2, 0), np.float32))
    with_lists(f, "squeeze", "squeeze", of(u4, 1, 3, 1), {"axes": [-1]}, of(u4, 1, 3, 1).reshape(1, 3))
    with_lists(f, "unsqueeze", "unsqueeze", of(np.int8, 3), {"axes": [0, -1]}, of(np.int8, 3).reshape(1, 3, 1))
    simple(f, "shape_of", "shape_of", {"x": of(u4, 3, 0, 5)}, {"y": np.array([3, 0, 5])})


def rearranged(f):
    for dtype in (np.float32, np.float64, np.int16, bool, u4, i2, e5m2):
        x = of(dtype, 2, 3, 5)
        name = np.dtype(dtype).name
        simple(f, f"transpose_{name}", "transpose", {"x": x}, {"y": x.transpose(2, 0, 1)}, "perm=[2, 0, 1]")
        with_lists(f, f"expand_{name}", "expand", x[:, :1], {"shape": [3, 1]}, np.broadcast_to(x[:, :1], (2, 3, 5)))
        with_lists(f, f"tile_{name}", "tile", x, {"repeats": [2, 1, 3]}, np.tile(x, (2, 1, 3)))
        a, b = of(dtype, 3, 3), of(dtype, 3, 4)
        simple(f, f"concat_{name}", "concat", {"a": a, "b": b}, {"y": np.concatenate([a, b], 1)}, "axis=1")
        y0, y1, y2 = x[..., :1], x[..., 1:1], x[..., 1:]
        with_lists(f, f"split_{name}", "split", x, {"sizes": [1, 0, 4]}, {"y0": y0, "y1": y1, "y2": y2}, "axis=-1")
    simple(f, "transpose_reverses", "transpose", {"x": of(np.int64, 2, 3, 4)}, {"y": of(np.int64, 2, 3, 4).transpose()})
    with_lists(f, "expand_from_nothing", "expand", of(np.float32, 1, 0), {"shape": [3, 1]}, np.zeros((3, 0), np.float32))
    with_lists(f, "expand_to_nothing", "expand", of(np.float32, 1, 2), {"shape": [0, 2]}, np.zeros((0, 2), np.float32))
    with_lists(f, "tile_to_nothing", "tile", of(np.int32, 2, 2), {"repeats": [0, 2]}, np.zeros((0, 4), np.int32))
    x = of(np.int32, 7)
    with_lists(f, "split_equal", "split", x, {}, {"y0": x[:3], "y1": x[3:6], "y2": x[6:]})


def slices(f):
    def case(name, x, cuts, note=""):
        at = [slice(None)] * x.ndim
        for axis, start, end, step in cuts:
            at[axis] = slice(start, end if end > -(2**62) else None, step)
        axes, starts, ends, steps = ([c[i] for c in cuts] for i in range(4))
        with_lists(f, name, "slice", x, {"starts": starts, "ends": ends, "axes": axes, "steps": steps}, x[tuple(at)], "", note)

    x = of(np.float32, 5, 6, 7)
    case("slice_one_axis", x, [(1, 1, 4, 1)])
    case("slice_negative_axis", x, [(-1, -3, 2**63 - 1, 1), (0, 0, -1, 2)])
    case("slice_backwards", x, [(0, -1, -(2**63), -1), (2, 5, 0, -2)])
    case("slice_past_the_end", x, [(0, 2, 100, 1), (1, -100, 3, 1)])
    case("slice_nothing", x, [(0, 4, 2, 1)])
    case("slice_huge_steps", x, [(0, 3, 2**63 - 1, 2**63 - 1), (1, 3, -(2**63), -(2**63))])
    case("slice_nothing_backwards", np.zeros(0, np.float32), [(0, -1, -(2**63), -1)])
    case("slice_four_bits", of(u4, 3, 5), [(1, 1, 4, 2)])
    for i in range(12):
        cuts = []
        for axis in range(3):
            step = int(rng.integers(1, 4)) * int(rng.choice([-1, 1]))
            start, end = int(rng.integers(-6, 7)), int(rng.integers(-6, 7))
            cuts.append((axis, max(start, -x.shape[axis]), end, step))
        case(f"slice_random_{i}", x, cuts)
    c = Case(f, "slice_starts_before_the_front", "ONNX takes a start before the front as the front, going backwards, too")
    c.input("x", np.arange(4))
    c.const("s", np.array([-9])), c.const("e", np.array([-(2**63)])), c.const("a", np.array([0])), c.const("d", np.array([-1]))
    c.op("y", "slice %x, %s, %e, %a, %d", "i64[1]").want("y", np.array([0]))


def pads(f):
    def case(name, x, widths, mode, value=None, cut=None, note=""):
        """widths: (before, after) an axis; cut: what negative pads take off first."""
        kept = x if cut is None else x[tuple(slice(b, x.shape[i] - a) for i, (b, a) in enumerate(cut))]
        cut = cut or [(0, 0)] * x.ndim
        args = {"constant_values": x.dtype.type(0 if value is None else value)} if mode == "constant" else {}
        y = np.pad(kept.astype(np.float64), widths, mode, **args).astype(x.dtype)
        lists = {"pads": [w[0] - c[0] for w, c in zip(widths, cut)] + [w[1] - c[1] for w, c in zip(widths, cut)]}
        if value is not None:
            lists["value"] = np.asarray(value, x.dtype)
        with_lists(f, name, "pad", x, lists, y, "" if mode == "constant" else f"mode={mode}", note)

    for dtype in (np.float32, np.int8, u4, bf16):
        x = of(dtype, 3, 4)
        name = np.dtype(dtype).name
        case(f"pad_{name}", x, [(1, 2), (0, 3)], "constant", 3)
        for mode in ("reflect", "edge", "wrap"):
            case(f"pad_{mode}_{name}", x, [(2, 1), (3, 2)], mode)
    x = of(np.float32, 3, 4)
    case("pad_with_zero", x, [(0, 1), (1, 0)], "constant")
    case("pad_far_reflect", x, [(7, 5), (0, 9)], "reflect")
    case("pad_far_wrap", x, [(7, 5), (0, 9)], "wrap")
    case("pad_one_reflect", x[:1], [(2, 2), (0, 0)], "reflect")
    case("pad_crops", x, [(0, 0), (0, 2)], "constant", 9, [(1, 1), (2, 0)])
    case("pad_crops_then_reflects", x, [(0, 2), (2, 0)], "reflect", None, [(1, 0), (0, 1)])
    case("pad_nothing", np.zeros((0, 2), np.float32), [(1, 1), (0, 1)], "constant", 5)
    c = Case(f, "pad_named_axes")
    c.input("x", x), c.const("p", np.array([1, 0, 0, 2])), c.const("v", np.float32(-1)), c.const("a", np.array([-1, 0]))
    c.op("y", "pad %x, %p, %v, %a", "f32[5,5]").want("y", np.pad(x, [(0, 2), (1, 0)], constant_values=-1))


def ranges(f):
    def case(name, start, limit, delta, dtype):
        c = Case(f, name)
        for k, v in (("start", start), ("limit", limit), ("delta", delta)):
            c.const(k, np.asarray(v, dtype))
        y = np.arange(np.float64(start) if dtype == np.float32 else start, limit, delta).astype(dtype)
        if dtype == np.float32:  # the length of a range of floats is known only when it runs
            c.symbols, c.result_types["y"] = "n?", "f32[n]"
        c.op("y", "range %start, %limit, %delta", c.result_types.get("y", type_of(y))).want("y", y)

    case("range_up", 3, 10, 2, np.int64)
    case("range_down", 10, -3, -4, np.int32)
    case("range_nothing", 3, 3, 1, np.int16)
    case("range_wrong_way", 3, 9, -1, np.int64)
    case("range_floats", 0.5, 2.75, 0.25, np.float32)
    case("range_floats_down", 1, -1, -0.3, np.float32)


def shapes():
    f = File("shape.ir", "Ops that rearrange elements.")
    for part in (views, rearranged, slices, pads, ranges):
        part(f)
    f.write()


# ---- by index ----
def gathers(f):
    for dtype in (np.float32, i4, bool):
        x, at = of(dtype, 4, 3, 5), np.array([[0, -1, 2], [3, 1, -4]])
        name = np.dtype(dtype).name
        for axis in (0, 1, 2):
            k = at if axis == 0 else np.clip(at, -3, 2)
            simple(f, f"gather_{name}_{axis}", "gather", {"x": x, "i": k}, {"y": np.take(x, k, axis)}, f"axis={axis}" if axis else "")
    x = of(np.float32, 4, 3)
    simple(f, "gather_one", "gather", {"x": x, "i": np.array(-2, np.int32)}, {"y": x[2]})
    simple(f, "gather_none", "gather", {"x": x, "i": np.zeros((2, 0), np.int64)}, {"y": np.zeros((2, 0, 3), np.float32)})

    x, at = of(np.int16, 3, 4), ints(-3, 3, 2, 4)
    simple(f, "gather_elements_0", "gather_elements", {"x": x, "i": at}, {"y": np.take_along_axis(x, at, 0)})
    x, at = of(u4, 3, 4), ints(-4, 4, 3, 6)
    simple(f, "gather_elements_1", "gather_elements", {"x": x, "i": at}, {"y": np.take_along_axis(x, at % 4, 1)}, "axis=1")
    x, at = of(np.float32, 3, 4), ints(0, 3, 2, 2)
    simple(f, "gather_elements_fewer", "gather_elements", {"x": x, "i": at}, {"y": np.take_along_axis(x[:, :2], at, 0)})

    x, at = of(np.float32, 2, 3, 4), np.array([[0, 1], [-1, -3]])
    simple(f, "gather_nd_rows", "gather_nd", {"x": x, "i": at}, {"y": np.stack([x[0, 1], x[-1, -3]])})
    at = np.array([[[1]], [[-1]]])
    simple(f, "gather_nd_batched", "gather_nd", {"x": x, "i": at}, {"y": np.stack([x[0, [1]], x[1, [-1]]])}, "batch_dims=1")
    at = np.array([[0, 1, 2], [1, 2, 3]])
    simple(f, "gather_nd_elements", "gather_nd", {"x": of(i4, 2, 3, 4), "i": at}, {"y": of(i4, 2, 3, 4)[[0, 1], [1, 2], [2, 3]]})
    simple(f, "gather_nd_all", "gather_nd", {"x": x, "i": np.zeros((2, 0), np.int64)}, {"y": np.stack([x, x])})


def encoded_rows(f):
    """Rows of an encoded table: scale * (code - zero), a scale for each 4 codes."""
    codes, scales = rng.integers(0, 16, (3, 8)), floats(3, 2, dtype=np.float16)
    zeros = rng.integers(0, 16, (3, 2))
    at = np.array([2, 0, -2])
    rows = np.repeat(scales.astype(np.float64), 4, 1) * (codes - np.repeat(zeros, 4, 1))
    for to, dtype in (("", np.float16), (" to=f32", np.float32)):
        c = Case(f, f"gather_encoded{to.replace(' to=', '_')}")
        c.input("c", codes.astype(u4)), c.input("s", scales), c.input("z", zeros.astype(u4)), c.input("i", at)
        c.op("t", "encoded %c, %s, %z group=4", "u4g4<f16,u4>[3,8]")
        c.op("y", f"gather %t, %i{to}", type_of(rows[at].astype(dtype))).want("y", rows[at].astype(dtype))


def scatters(f):
    def reduced(name, x, at, u, axis, reduction):
        y, ufunc = x.copy(), {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}.get(reduction)
        for k in np.ndindex(at.shape):
            place = list(k)
            place[axis] = at[k]
            y[tuple(place)] = ufunc(y[tuple(place)], u[k]) if ufunc else u[k]
        attrs = f"axis={axis}" if axis else ""
        attrs += f" reduction={reduction}" if reduction != "none" else ""
        simple(f, name, "scatter_elements", {"x": x, "i": at, "u": u}, {"y": y}, attrs.strip())

    at = np.array([[1, 0, 2, 1], [-1, 2, 0, 1]])
    for reduction in ("none", "add", "mul", "max", "min"):
        for dtype in (np.float32, np.int8):
            x, u = of(dtype, 3, 4), ints(-9, 9, 2, 4).astype(dtype)
            reduced(f"scatter_{reduction}_{np.dtype(dtype).name}", x, at, u, 0, reduction)
    reduced("scatter_along_1", of(np.float16, 2, 5), np.array([[4, 0], [1, -1]]), floats(2, 2, dtype=np.float16), 1, "add")
    reduced("scatter_four_bits", of(i4, 3, 4), at, ints(-8, 8, 2, 4).astype(i4), 0, "none")
    x = np.array([1, np.nan, 3], np.float32)
    simple(f, "scatter_max_nan", "scatter_elements",
           {"x": x, "i": np.array([0, 1, 2]), "u": np.array([np.nan, 1, 9], np.float32)},
           {"y": np.array([np.nan, np.nan, 9], np.float32)}, "reduction=max")

    x, at = of(np.float32, 3, 2, 2), np.array([[2], [0], [2]])
    u = floats(3, 2, 2)
    for reduction in ("none", "add", "mul", "max", "min"):
        y, ufunc = x.copy(), {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}.get(reduction)
        for i, k in enumerate(at[:, 0]):
            y[k] = ufunc(y[k], u[i]) if ufunc else u[i]
        simple(f, f"scatter_nd_{reduction}", "scatter_nd", {"x": x, "i": at, "u": u}, {"y": y},
               f"reduction={reduction}" if reduction != "none" else "")
    x, at, u = of(u4, 3, 3), np.array([[0, 1], [-1, -1]]), np.array([7, 9]).astype(u4)
    y = x.copy()
    y[0, 1], y[2, 2] = u
    simple(f, "scatter_nd_elements", "scatter_nd", {"x": x, "i": at, "u": u}, {"y": y})
    simple(f, "scatter_nothing", "scatter_nd", {"x": x, "i": np.zeros((0, 1), np.int64), "u": np.zeros((0, 3)).astype(u4)}, {"y": x})


def nonzeros(f):
    def case(name, x):
        c = Case(f, name)
        c.symbols, c.result_types["y"] = "n?", f"i64[{x.ndim},n]"
        c.input("x", x)
        c.op("y", "nonzero %x", c.result_types["y"])
        c.want("y", np.stack(np.nonzero(x)) if x.ndim else np.zeros((0, int(x != 0)), np.int64))

    case("nonzero_floats", np.array([[0, -0.0, 1], [np.nan, 0, -2]], np.float32))
    case("nonzero_bool", of(bool, 2, 2, 3))
    case("nonzero_four_bits", of(u4, 3, 5))
    case("nonzero_none", np.zeros((2, 3), np.int64))
    case("nonzero_scalar", np.array(3, np.int32))


def indexed():
    f = File("index.ir", "Ops that read and write by index.")
    for part in (gathers, encoded_rows, scatters, nonzeros):
        part(f)
    f.write()


# ---- reductions ----
def wide(x):
    return x.astype(np.float64) if np.dtype(x.dtype).kind not in "iub" else x


def reductions(f):
    ops = {"sum": np.sum, "mean": np.mean, "prod": np.prod, "max": np.max, "min": np.min}
    for op, of_axes in ops.items():
        for dtype in (np.float32, np.float16, bf16, np.int32, np.uint8):
            x = floats(2, 3, 4, dtype=dtype) if np.dtype(dtype).kind not in "iu" else ints(0, 9, 2, 3, 4, dtype=dtype)
            y = of_axes(wide(x), (0, 2), keepdims=True)
            y = np.trunc(y).astype(np.int64).astype(dtype) if np.dtype(dtype).kind in "iu" else y.astype(dtype)
            with_lists(f, f"{op}_{np.dtype(dtype).name}", f"reduce_{op}", x, {"axes": [0, -1]}, y)
        x = floats(2, 3, 4)
        simple(f, f"{op}_all", f"reduce_{op}", {"x": x}, {"y": of_axes(wide(x)).astype(np.float32)}, "keep=false")
        x = np.array([[1, np.nan, 2], [np.inf, 3, -np.inf]], np.float32)
        with np.errstate(invalid="ignore"):
            with_lists(f, f"{op}_nan", f"reduce_{op}", x, {"axes": [1]}, of_axes(x, 1).astype(np.float32), "keep=false")
    x = ints(-(2**63), 2**63 - 1, 2, 3)
    with np.errstate(over="ignore"):
        with_lists(f, "sum_wraps", "reduce_sum", x, {"axes": [1]}, x.sum(1), "keep=false")
        with_lists(f, "prod_wraps", "reduce_prod", x, {"axes": [1]}, x.prod(1), "keep=false")
    x = np.array([-7, 2], np.int32)
    simple(f, "mean_truncates", "reduce_mean", {"x": x}, {"y": np.array(-2, np.int32)}, "keep=false")
    x = np.array([2**63 + 5, 3], np.uint64)
    simple(f, "max_unsigned", "reduce_max", {"x": x}, {"y": np.array(2**63 + 5, np.uint64)}, "keep=false")
    simple(f, "max_bool", "reduce_max", {"x": np.array([False, True])}, {"y": np.array(True)}, "keep=false")
    simple(f, "min_bool", "reduce_min", {"x": np.array([False, True])}, {"y": np.array(False)}, "keep=false")
    simple(f, "noop", "reduce_sum", {"x": x}, {"y": x}, "noop_empty=true")


def reductions_of_nothing(f):
    least = {np.float32: (-np.inf, np.inf), np.int8: (-128, 127), np.uint16: (0, 65535), np.int64: (-(2**63), 2**63 - 1)}
    for dtype, (low, high) in least.items():
        x, name = np.zeros((2, 0), dtype), np.dtype(dtype).name
        for op, v in (("max", low), ("min", high), ("sum", 0), ("prod", 1)):
            with_lists(f, f"{op}_of_nothing_{name}", f"reduce_{op}", x, {"axes": [1]}, np.full(2, v, dtype), "keep=false")
    x = np.zeros((2, 0), np.float32)
    with_lists(f, "mean_of_nothing", "reduce_mean", x, {"axes": [1]}, np.full(2, np.nan, np.float32), "keep=false")
    with_lists(f, "mean_of_no_ints", "reduce_mean", x.astype(np.int32), {"axes": [1]}, np.zeros(2, np.int32), "keep=false")
    with_lists(f, "sum_to_nothing", "reduce_sum", x, {"axes": [0]}, np.zeros(0, np.float32), "keep=false")


def places(f):
    x = np.array([[3, 1, 3, 2], [0, np.nan, 5, np.nan], [-0.0, 0, -1, 0], [np.inf, -np.inf, np.inf, 0]], np.float32)
    for op, at in (("argmax", np.argmax), ("argmin", np.argmin)):
        for axis in (0, 1):
            flipped = x.shape[axis] - 1 - at(np.flip(x, axis), axis)
            simple(f, f"{op}_{axis}", op, {"x": x}, {"y": at(x, axis)}, f"axis={axis} keep=false" if axis else "keep=false")
            simple(f, f"{op}_{axis}_last", op, {"x": x}, {"y": flipped}, ("axis=1 " if axis else "") + "keep=false last=true")
    big = np.array([2**63, 1, 2**64 - 1], np.uint64)
    simple(f, "argmax_unsigned", "argmax", {"x": big}, {"y": np.array([2])})
    simple(f, "argmin_i4", "argmin", {"x": of(i4, 3, 3)}, {"y": np.array([[0], [0], [0]])}, "axis=1")


def running(f):
    for op, run, one in (("cumsum", np.cumsum, 0), ("cumprod", np.cumprod, 1)):
        for dtype in (np.float32, np.int32, np.int8):
            x = ints(-4, 5, 2, 3, 2).astype(dtype)
            for axis in (1, -1):
                for exclusive in (False, True):
                    for reverse in (False, True):
                        t = np.flip(x, axis) if reverse else x
                        if exclusive:
                            t = np.concatenate([np.full_like(np.take(t, [0], axis), one), np.take(t, range(t.shape[axis] - 1), axis)], axis)
                        y = run(t, axis, dtype=dtype)
                        y = np.flip(y, axis) if reverse else y
                        c = Case(f, f"{op}_{np.dtype(dtype).name}_{axis % 3}{'_exclusive' * exclusive}{'_reverse' * reverse}")
                        c.input("x", x), c.const("axis", np.int64(axis))
                        attrs = " exclusive=true" * exclusive + " reverse=true" * reverse
                        c.op("y", f"{op} %x, %axis{attrs}", type_of(y)).want("y", y)


def best(f):
    def case(name, x, k, axis=-1, largest=True):
        keys = np.where(np.isnan(x), np.inf, x).astype(np.float64) if x.dtype.kind == "f" else x.astype(np.float64)
        nan = np.isnan(x) if x.dtype.kind == "f" else np.zeros(x.shape, bool)
        order = np.lexsort((-keys if largest else keys, ~nan if largest else nan), axis)
        at = np.take(order, range(k), axis)
        attrs = (f"axis={axis}" if axis != -1 else "") + (" largest=false" if not largest else "")
        with_lists(f, name, "topk", x, {"k": [k]}, {"v": np.take_along_axis(x, at, axis), "i": at}, attrs.strip())

    x = np.array([[3, 1, 3, np.nan, 2], [np.inf, -np.inf, np.nan, 0, -0.0]], np.float32)
    case("topk_largest", x, 4)
    case("topk_smallest", x, 5, largest=False)
    case("topk_along_0", ints(-3, 4, 4, 3, dtype=np.int8), 2, 0)
    case("topk_equals_by_index", np.ones((2, 4), np.float16), 3)
    case("topk_none", x, 0)


def softmaxes(f):
    for dtype in (np.float32, np.float16, bf16, np.float64):
        x = floats(2, 3, 4, dtype=dtype, scale=3)
        for axis in (-1, 0, 1):
            e = np.exp(wide(x) - wide(x).max(axis, keepdims=True))
            p = e / e.sum(axis, keepdims=True)
            name, attrs = f"{np.dtype(dtype).name}_{axis % 3}", f"axis={axis}" if axis != -1 else ""
            simple(f, f"softmax_{name}", "softmax", {"x": x}, {"y": p.astype(dtype)}, attrs)
            simple(f, f"log_softmax_{name}", "log_softmax", {"x": x}, {"y": np.log(p).astype(dtype)}, attrs)
    x = np.array([[1e30, -1e30, 1e30], [-np.inf, 0, 0], [-np.inf] * 3, [np.nan, 0, 1]], np.float32)
    half, no = [0.5, 0, 0.5], [np.nan] * 3
    simple(f, "softmax_extremes", "softmax", {"x": x}, {"y": np.array([half, [0, 0.5, 0.5], no, no], np.float32)})
    simple(f, "softmax_nothing", "softmax", {"x": np.zeros((2, 0), np.float32)}, {"y": np.zeros((2, 0), np.float32)})


def reduced():
    f = File("reduce.ir", "Reductions, scans, sorting and softmax.")
    for part in (reductions, reductions_of_nothing, places, running, best, softmaxes):
        part(f)
    f.write()


if __name__ == "__main__":
    for make in (shapes, indexed, reduced):
        make()

/* onnx_shape.c -- importers of the operators that make and change shapes, and move elements about. */
#include "frontend/onnx_build.h"
#include "ir/fatal.h"
#include "ir/infer.h"

/* ---- sizes ---- */

static int64_t clamp(int64_t v, int64_t low, int64_t high) { return v < low ? low : v > high ? high : v; }

bool onnx_import_shape(OnnxCall *c) {
  Value *s = build_unary(c->b, OP_shape_of, c->in[0]);
  int64_t rank = b_rank(c->in[0]), from = onnx_int(c, "start", 0), to = onnx_int(c, "end", rank);
  if (!b_typed(s)) return onnx_result(c, s);
  from = clamp(from < 0 ? from + rank : from, 0, rank);
  to = clamp(to < 0 ? to + rank : to, 0, rank);
  if (from == 0 && to == rank) return onnx_result(c, s);
  return onnx_result(c, b_slice(c->b, s, 0, b_size(c->b, from), b_size(c->b, to < from ? from : to)));
}

bool onnx_import_size(OnnxCall *c) {
  return onnx_result(c, b_size_scalar(c->b, b_size_of_axes(c->b, c->in[0], 0, b_rank(c->in[0]))));
}

/* The first element of a constant, as a scalar; ConstantOfShape's default is 0 in f32. */
static Value *element_of(OnnxCall *c, Constant *k) {
  if (!k) return build_scalar_f(c->b, DT_f32, 0);
  uint64_t bits;
  if (k->kind == CONSTANT_SPLAT)
    bits = dtype_get_bits(k->type->dtype, k->bytes, 0);
  else {
    const void *data = constant_data(c->b->module, k, c->b->loc);
    if (!data) return NULL;
    bits = dtype_get_bits(k->type->dtype, data, 0);
  }
  return build_const(c->b,
                     constant_splat(c->b->module, type_tensor(c->b->module->types, k->type->dtype, 0, NULL), bits));
}

bool onnx_import_constant_of_shape(OnnxCall *c) {
  Constant *k = onnx_tensor(c, "value");
  if (k && !dim_is(type_elements(c->b->module->dims, k->type), 1))
    return onnx_invalid(c, "value has more than one element");
  Value *x = element_of(c, k);
  if (!x) return false;
  return onnx_result(c, build(c->b, OP_expand, 1, INS(x, c->in[0]), NO_ATTRS));
}

/* ---- the same elements in another shape ---- */

bool onnx_import_reshape(OnnxCall *c) {
  Value *v = build(c->b, OP_reshape, 1, INS(c->in[0], c->in[1]),
                   ATTRS(at_i(reshape, zero_copies, !onnx_flag(c, "allowzero", 0))));
  return onnx_result(c, v);
}

bool onnx_import_flatten(OnnxCall *c) {
  Value *x = c->in[0];
  int rank = b_rank(x);
  int64_t axis = onnx_int(c, "axis", 1);
  if (axis < -rank || axis > rank)
    return onnx_invalid(c, "axis %lld is outside a tensor of rank %d", (long long)axis, rank);
  int at = axis_of(axis, rank);
  const Dim d[] = {b_size_of_axes(c->b, x, 0, at), b_size_of_axes(c->b, x, at, rank)};
  return onnx_result(c, b_reshape(c->b, x, 2, d));
}

/* Without axes, all those of size 1 go, so every size must be known. */
static bool squeeze(OnnxCall *c, Value *axes) {
  for (int i = 0; !axes && i < b_rank(c->in[0]); i++)
    if (!dim_is_const(b_dim(c->b, c->in[0], i)))
      return onnx_refuse(c, "name the axes, or fix the size with -d name=value", "axis %d has a symbolic size", i);
  return onnx_result(c, build(c->b, OP_squeeze, 1, INS(c->in[0], axes), NO_ATTRS));
}

bool onnx_import_squeeze_1(OnnxCall *c) { return squeeze(c, onnx_ints_value(c, "axes")); }
bool onnx_import_squeeze(OnnxCall *c) { return squeeze(c, onnx_in(c, 1)); }

static bool unsqueeze(OnnxCall *c, Value *axes) {
  if (!axes) return onnx_invalid(c, "axes are missing");
  return onnx_result(c, build(c->b, OP_unsqueeze, 1, INS(c->in[0], axes), NO_ATTRS));
}

bool onnx_import_unsqueeze_1(OnnxCall *c) { return unsqueeze(c, onnx_ints_value(c, "axes")); }
bool onnx_import_unsqueeze(OnnxCall *c) { return unsqueeze(c, onnx_in(c, 1)); }

bool onnx_import_transpose(OnnxCall *c) {
  const int64_t *perm;
  int64_t reverse[MAX_RANK];
  int n = onnx_ints(c, "perm", &perm), rank = b_rank(c->in[0]);
  if (onnx_has(c, "perm")) {
    if (n != rank) return onnx_invalid(c, "perm has %d axes, the operand %d", n, rank);
  } else {
    for (int i = 0; i < rank; i++) reverse[i] = rank - 1 - i;
    perm = reverse;
  }
  return onnx_result(c, build_transpose(c->b, c->in[0], rank, perm));
}

/* ---- copies ---- */

bool onnx_import_expand(OnnxCall *c) {
  return onnx_result(c, build(c->b, OP_expand, 1, INS(c->in[0], c->in[1]), NO_ATTRS));
}

bool onnx_import_tile(OnnxCall *c) {
  return onnx_result(c, build(c->b, OP_tile, 1, INS(c->in[0], c->in[1]), NO_ATTRS));
}

bool onnx_import_concat(OnnxCall *c) {
  const AttrArg a = at_i(concat, axis, onnx_int(c, "axis", 0));
  return onnx_result(c, build_values(c->b, OP_concat, 1, c->n_in, c->in, 1, &a));
}

static bool split(OnnxCall *c, Value *sizes) {
  Value *first =
      build(c->b, OP_split, c->n_out, INS(c->in[0], sizes), ATTRS(at_i(split, axis, onnx_int(c, "axis", 0))));
  if (!onnx_result(c, first)) return false;
  for (int i = 1; i < c->n_out; i++) c->out[i] = value_sibling(first, i);
  return true;
}

bool onnx_import_split_2(OnnxCall *c) { return split(c, onnx_ints_value(c, "split")); }

bool onnx_import_split(OnnxCall *c) {
  int64_t n = onnx_int(c, "num_outputs", c->n_out);
  if (n != c->n_out) return onnx_invalid(c, "num_outputs is %lld, but there are %d", (long long)n, c->n_out);
  return split(c, onnx_in(c, 1));
}

bool onnx_import_slice_1(OnnxCall *c) {
  Value *v = build(c->b, OP_slice, 1,
                   INS(c->in[0], onnx_ints_value(c, "starts"), onnx_ints_value(c, "ends"), onnx_ints_value(c, "axes")),
                   NO_ATTRS);
  return onnx_result(c, v);
}

bool onnx_import_slice(OnnxCall *c) {
  Value *v = build(c->b, OP_slice, 1, INS(c->in[0], c->in[1], c->in[2], onnx_in(c, 3), onnx_in(c, 4)), NO_ATTRS);
  return onnx_result(c, v);
}

static bool pad(OnnxCall *c, const char *modes, Value *pads, Value *value, Value *axes) {
  const char *mode;
  if (!onnx_word(c, "mode", "constant", modes, &mode)) return false;
  if (value && b_typed(value)) value = b_scalar(c->b, value);
  Value *v = build(c->b, OP_pad, 1, INS(c->in[0], pads, value, axes), ATTRS(at_s(pad, mode, mode)));
  return onnx_result(c, v);
}

bool onnx_import_pad_2(OnnxCall *c) {
  Value *value = b_num(c->b, c->in[0], onnx_float(c, "value", 0));
  return pad(c, "constant reflect edge", onnx_ints_value(c, "pads"), value, NULL);
}

bool onnx_import_pad_11(OnnxCall *c) { return pad(c, "constant reflect edge", c->in[1], onnx_in(c, 2), onnx_in(c, 3)); }
bool onnx_import_pad(OnnxCall *c) {
  return pad(c, "constant reflect edge wrap", c->in[1], onnx_in(c, 2), onnx_in(c, 3));
}

/* ---- by index ---- */

bool onnx_import_gather(OnnxCall *c) {
  Value *v = build(c->b, OP_gather, 1, INS(c->in[0], c->in[1]), ATTRS(at_i(gather, axis, onnx_int(c, "axis", 0))));
  return onnx_result(c, v);
}

bool onnx_import_gather_elements(OnnxCall *c) {
  Value *v = build(c->b, OP_gather_elements, 1, INS(c->in[0], c->in[1]),
                   ATTRS(at_i(gather_elements, axis, onnx_int(c, "axis", 0))));
  return onnx_result(c, v);
}

/* How long the tuples of indices are decides the result's rank. */
static bool tuples_are_static(OnnxCall *c) {
  int64_t n;
  return !b_typed(c->in[1]) || b_rank(c->in[1]) == 0 ||
         onnx_need_static(c, c->in[1], -1, "the last axis of the indices", &n);
}

bool onnx_import_gather_nd(OnnxCall *c) {
  if (!tuples_are_static(c)) return false;
  Value *v = build(c->b, OP_gather_nd, 1, INS(c->in[0], c->in[1]),
                   ATTRS(at_i(gather_nd, batch_dims, onnx_int(c, "batch_dims", 0))));
  return onnx_result(c, v);
}

static bool reduction(OnnxCall *c, const char **out) {
  return onnx_word(c, "reduction", "none", "none add mul max min", out);
}

bool onnx_import_scatter_elements(OnnxCall *c) {
  const char *how;
  if (!reduction(c, &how)) return false;
  Value *v = build(c->b, OP_scatter_elements, 1, INS(c->in[0], c->in[1], c->in[2]),
                   ATTRS(at_i(scatter_elements, axis, onnx_int(c, "axis", 0)), at_s(scatter_elements, reduction, how)));
  return onnx_result(c, v);
}

bool onnx_import_scatter_nd(OnnxCall *c) {
  const char *how;
  if (!reduction(c, &how) || !tuples_are_static(c)) return false;
  Value *v = build(c->b, OP_scatter_nd, 1, INS(c->in[0], c->in[1], c->in[2]), ATTRS(at_s(scatter_nd, reduction, how)));
  return onnx_result(c, v);
}

/* [b, 1.., s at `axis`, 1..] of positions [b, s] (or [1, s]), over the sizes of `update`. */
static Value *positions_over(OnnxCall *c, Value *positions, Value *update, int axis) {
  Dim d[MAX_RANK];
  for (int i = 0; i < b_rank(update); i++) d[i] = b_size(c->b, 1);
  d[0] = b_dim(c->b, positions, 0);
  d[axis] = b_dim(c->b, update, axis);
  return b_expand(c->b, b_reshape(c->b, positions, b_rank(update), d), b_rank(update), update->type->dim);
}

/* A cache written from a position of each sequence's own on: scatter_elements along the sequence axis. */
bool onnx_import_tensor_scatter(OnnxCall *c) {
  const char *mode;
  int axis;
  if (!onnx_word(c, "mode", "linear", "linear circular", &mode)) return false;
  Builder *b = c->b;
  Value *cache = c->in[0], *update = c->in[1], *start = onnx_in(c, 2);
  if (!onnx_need_rank(c, update, b_rank(cache), "update") ||
      !onnx_axis(c, onnx_int(c, "axis", -2), b_rank(cache), &axis))
    return false;
  if (axis == 0) return onnx_invalid(c, "axis is the batch");
  Value *positions = b_unsqueeze(b, b_iota(b, b_dim(b, update, axis)), 0);
  if (start) positions = b_add(b, positions, b_unsqueeze(b, build_cast(b, start, DT_i64), 1));
  if (*mode == 'c') positions = build_binary(b, OP_mod, positions, b_size_scalar(b, b_dim(b, cache, axis)));
  Value *v = build(b, OP_scatter_elements, 1, INS(cache, positions_over(c, positions, update, axis), update),
                   ATTRS(at_i(scatter_elements, axis, axis)));
  return onnx_result(c, v);
}

/* ---- made from numbers ---- */

bool onnx_import_range(OnnxCall *c) {
  int64_t stash = onnx_int(c, "stash_type", 1);
  /* The op computes each element at once, which no stash type makes more exact. */
  if (stash != 1 && stash != 11) return onnx_refuse(c, NULL, "stash_type is %lld, not float", (long long)stash);
  Value *v = build(c->b, OP_range, 1, INS(b_scalar(c->b, c->in[0]), b_scalar(c->b, c->in[1]), b_scalar(c->b, c->in[2])),
                   NO_ATTRS);
  return onnx_result(c, v);
}

bool onnx_import_nonzero(OnnxCall *c) { return onnx_result(c, build_unary(c->b, OP_nonzero, c->in[0])); }

/* where(index == 0..depth-1 along the new axis, on, off) */
bool onnx_import_one_hot(OnnxCall *c) {
  int axis;
  Builder *b = c->b;
  Value *index = build_cast(b, c->in[0], DT_i64), *depth = b_scalar(b, build_cast(b, c->in[1], DT_i64)),
        *values = c->in[2];
  int rank = b_rank(index) + 1;
  if (rank > MAX_RANK) return onnx_refuse(c, NULL, "more than %d axes", MAX_RANK);
  if (!onnx_need_rank(c, values, 1, "values") || !onnx_axis(c, onnx_int(c, "axis", -1), rank, &axis)) return false;
  Value *negative = build_binary(b, OP_lt, index, b_num(b, index, 0));
  index = b_unsqueeze(b, b_where(b, negative, b_add(b, index, depth), index), axis);
  Value *codes = build(b, OP_range, 1, INS(b_num(b, depth, 0), depth, b_num(b, depth, 1)), NO_ATTRS);
  Dim d[MAX_RANK];
  for (int i = 0; i < rank; i++) d[i] = b_size(b, 1);
  d[axis] = b_dim(b, codes, 0);
  Value *hit = build_binary(b, OP_eq, index, b_reshape(b, codes, rank, d));
  Value *off = b_scalar(b, b_slice(b, values, 0, b_size(b, 0), b_size(b, 1)));
  Value *on = b_scalar(b, b_slice(b, values, 0, b_size(b, 1), b_size(b, 2)));
  return onnx_result(c, b_where(b, hit, on, off));
}

/* Keeps what is on the wanted side of the k-th diagonal: columns >= row + k for the upper triangle, <= for the lower. */
bool onnx_import_trilu(OnnxCall *c) {
  Builder *b = c->b;
  Value *x = c->in[0], *k = onnx_in(c, 1);
  if (b_rank(x) < 2) return onnx_invalid(c, "the operand has rank %d; a triangle needs 2", b_rank(x));
  Value *row = b_unsqueeze(b, b_iota(b, b_dim(b, x, -2)), 1), *column = b_iota(b, b_dim(b, x, -1));
  if (k) row = b_add(b, row, b_scalar(b, build_cast(b, k, DT_i64)));
  Value *keep = onnx_flag(c, "upper", 1) ? build_binary(b, OP_le, row, column) : build_binary(b, OP_le, column, row);
  Value *zero = b_dtype(x) == DT_bool ? build_scalar_i(b, DT_bool, 0) : b_num(b, x, 0);
  return onnx_result(c, b_where(b, keep, x, zero));
}

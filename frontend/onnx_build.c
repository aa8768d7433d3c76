/* onnx_build.c -- short words for what the importers build. */
#include "frontend/onnx_build.h"

#include <string.h>

/* ---- the call ---- */

bool onnx_result(OnnxCall *c, Value *v) {
  c->out[0] = v;
  return b_typed(v);
}

bool onnx_axis(OnnxCall *c, int64_t axis, int rank, int *out) {
  if (axis < -rank || axis >= rank)
    return onnx_invalid(c, "axis %lld is outside a tensor of rank %d", (long long)axis, rank);
  *out = axis_of(axis, rank);
  return true;
}

bool onnx_flag(const OnnxCall *c, const char *name, bool dflt) { return onnx_int(c, name, dflt) != 0; }

bool onnx_word(OnnxCall *c, const char *name, const char *dflt, const char *words, const char **out) {
  *out = onnx_string(c, name, dflt);
  if (onnx_among(*out, words)) return true;
  return onnx_refuse(c, NULL, "%s is \"%s\"; supported: %s", name, *out, words);
}

Value *onnx_ints_value(OnnxCall *c, const char *name) {
  const int64_t *v;
  int n = onnx_ints(c, name, &v);
  return onnx_has(c, name) ? build_ints(c->b, n, v) : NULL;
}

bool onnx_need_rank(OnnxCall *c, const Value *v, int rank, const char *what) {
  if (b_rank(v) == rank) return true;
  return onnx_invalid(c, "%s has rank %d, not %d", what, b_rank(v), rank);
}

bool onnx_need_static(OnnxCall *c, const Value *v, int axis, const char *what, int64_t *out) {
  Dim d = b_dim(c->b, v, axis);
  if (!dim_is_const(d)) return onnx_refuse(c, "fix the size with -d name=value", "a size of %s is symbolic", what);
  *out = d->constant;
  return true;
}

/* ---- sizes ---- */

Dim b_dim(Builder *b, const Value *v, int axis) {
  int rank = b_rank(v);
  if (axis < 0) axis += rank;
  return axis >= 0 && axis < rank ? v->type->dim[axis] : dim_unknown(b->module->dims);
}

Dim b_size_of_axes(Builder *b, const Value *v, int from, int to) {
  Dim n = b_size(b, 1);
  for (int i = from; i < to; i++) n = b_size_mul(b, n, b_dim(b, v, i));
  return n;
}

Value *b_size_scalar(Builder *b, Dim d) {
  if (dim_is_const(d)) return build_scalar_i(b, DT_i64, d->constant);
  return b_squeeze(b, build_dims(b, 1, &d), 0);
}

/* ---- literals ---- */

Value *b_num(Builder *b, const Value *x, double v) { return build_scalar_f(b, b_typed(x) ? b_dtype(x) : DT_f32, v); }

Value *b_iota(Builder *b, Dim n) {
  Value *zero = build_scalar_i(b, DT_i64, 0), *one = build_scalar_i(b, DT_i64, 1);
  return build(b, OP_range, 1, INS(zero, b_size_scalar(b, n), one), NO_ATTRS);
}

Value *b_full(Builder *b, const Value *like, double v, int rank, const Dim *d) {
  return b_expand(b, b_num(b, like, v), rank, d);
}

/* ---- arithmetic ---- */

Value *b_silu(Builder *b, Value *x, double alpha) {
  return b_mul(b, x, build_unary(b, OP_sigmoid, b_mul_num(b, x, alpha)));
}

Value *b_matmul(Builder *b, Value *x, Value *y, bool transb) {
  return build(b, OP_matmul, 1, INS(x, y), ATTRS(at_i(matmul, transb, transb)));
}

/* The reductions share one layout of attributes. */
_Static_assert(attr_slot(reduce_sum, keep) == 0 && attr_slot(reduce_mean, keep) == 0 &&
                   attr_slot(reduce_prod, keep) == 0 && attr_slot(reduce_max, keep) == 0 &&
                   attr_slot(reduce_min, keep) == 0,
               "reduce_*.keep is the first attribute");

Value *b_reduce(Builder *b, Op op, Value *x, int n, const int64_t *axes, bool keep) {
  return build(b, op, 1, INS(x, n ? build_ints(b, n, axes) : NULL), ATTRS(at_i(reduce_sum, keep, keep)));
}

/* ---- shapes ---- */

Value *b_reshape(Builder *b, Value *x, int rank, const Dim *d) { return b_typed(x) ? build_reshape(b, x, rank, d) : x; }

Value *b_transpose(Builder *b, Value *x, int rank, const int64_t *perm) {
  bool same = true;
  for (int i = 0; i < rank; i++) same = same && perm[i] == i;
  return same || !b_typed(x) ? x : build_transpose(b, x, rank, perm);
}

Value *b_unsqueeze(Builder *b, Value *x, int axis) {
  return build(b, OP_unsqueeze, 1, INS(x, build_ints(b, 1, &(int64_t){axis})), NO_ATTRS);
}

Value *b_squeeze(Builder *b, Value *x, int axis) {
  return build(b, OP_squeeze, 1, INS(x, build_ints(b, 1, &(int64_t){axis})), NO_ATTRS);
}

Value *b_scalar(Builder *b, Value *x) { return b_rank(x) == 0 ? x : b_reshape(b, x, 0, NULL); }

Value *b_expand(Builder *b, Value *x, int rank, const Dim *d) {
  return b_typed(x) ? build(b, OP_expand, 1, INS(x, build_dims(b, rank, d)), NO_ATTRS) : x;
}

Value *b_slice(Builder *b, Value *x, int axis, Dim from, Dim to) {
  if (!b_typed(x)) return x;
  return build(b, OP_slice, 1,
               INS(x, build_dims(b, 1, &from), build_dims(b, 1, &to), build_ints(b, 1, &(int64_t){axis})), NO_ATTRS);
}

Value *b_concat(Builder *b, Value *x, Value *y, int axis) {
  return build(b, OP_concat, 1, INS(x, y), ATTRS(at_i(concat, axis, axis)));
}

Value *b_split_heads(Builder *b, Value *x, int64_t heads) {
  if (!b_typed(x)) return x;
  const Dim d[] = {b_dim(b, x, 0), b_dim(b, x, 1), b_size(b, heads), b_size_div(b, b_dim(b, x, 2), heads)};
  return b_transpose(b, b_reshape(b, x, 4, d), 4, (const int64_t[]){0, 2, 1, 3});
}

Value *b_join_heads(Builder *b, Value *x) {
  if (!b_typed(x)) return x;
  const Dim d[] = {b_dim(b, x, 0), b_dim(b, x, 2), b_size_mul(b, b_dim(b, x, 1), b_dim(b, x, 3))};
  return b_reshape(b, b_transpose(b, x, 4, (const int64_t[]){0, 2, 1, 3}), 3, d);
}

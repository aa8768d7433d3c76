/* onnx_build.h -- short words for what the importers build: literals, sizes, slices, and the ops between them.
 *
 * A value that could not be typed (its node was refused, or broke a rule) passes through each of these untouched, so an
 * importer need not look after every step. */
#ifndef LATHE_ONNX_BUILD_H
#define LATHE_ONNX_BUILD_H

#include "frontend/onnx_op.h"

static inline bool b_typed(const Value *v) { return v && v->type; }
static inline int b_rank(const Value *v) { return b_typed(v) ? v->type->rank : 0; }
static inline Dtype b_dtype(const Value *v) { return b_typed(v) ? v->type->dtype : DT_none; }

/* ---- the call ---- */

/* The node's first result, and whether it could be made. */
bool onnx_result(OnnxCall *c, Value *v);
/* axis in [-rank, rank) to [0, rank), or an error. */
bool onnx_axis(OnnxCall *c, int64_t axis, int rank, int *out);
/* An integer attribute that must be 0 or 1. */
bool onnx_flag(const OnnxCall *c, const char *name, bool dflt);
/* Is the string attribute one of these words (separated by spaces)? An error names them. */
bool onnx_word(OnnxCall *c, const char *name, const char *dflt, const char *words, const char **out);
/* Operand i, or the list attribute of that name as a constant; NULL where neither is there. */
Value *onnx_ints_value(OnnxCall *c, const char *name);
/* The operand must be of this rank, which the error message calls `what`. */
bool onnx_need_rank(OnnxCall *c, const Value *v, int rank, const char *what);
/* The operand's size along an axis must be a plain number. */
bool onnx_need_static(OnnxCall *c, const Value *v, int axis, const char *what, int64_t *out);

/* ---- sizes ---- */

/* A size of a value; a negative axis counts from the end. UNKNOWN for a value without a type. */
Dim b_dim(Builder *b, const Value *v, int axis);
static inline Dim b_size(Builder *b, int64_t n) { return dim_const(b->module->dims, n); }
static inline Dim b_size_mul(Builder *b, Dim x, Dim y) { return dim_mul(b->module->dims, x, y); }
static inline Dim b_size_add(Builder *b, Dim x, Dim y) { return dim_add(b->module->dims, x, y); }
static inline Dim b_size_sub(Builder *b, Dim x, Dim y) { return dim_sub(b->module->dims, x, y); }
static inline Dim b_size_div(Builder *b, Dim x, int64_t n) { return dim_floordiv(b->module->dims, x, b_size(b, n)); }
/* The product of the sizes from axis `from` up to `to`. */
Dim b_size_of_axes(Builder *b, const Value *v, int from, int to);
Value *b_size_scalar(Builder *b, Dim d); /* i64[] */

/* ---- literals ---- */

/* A scalar of x's element type. */
Value *b_num(Builder *b, const Value *x, double v);
/* 0, 1, ..., n-1 as i64. */
Value *b_iota(Builder *b, Dim n);
/* One element everywhere, of the element type of `like`. */
Value *b_full(Builder *b, const Value *like, double v, int rank, const Dim *d);

/* ---- arithmetic ---- */

static inline Value *b_add(Builder *b, Value *x, Value *y) { return build_binary(b, OP_add, x, y); }
static inline Value *b_sub(Builder *b, Value *x, Value *y) { return build_binary(b, OP_sub, x, y); }
static inline Value *b_mul(Builder *b, Value *x, Value *y) { return build_binary(b, OP_mul, x, y); }
static inline Value *b_div(Builder *b, Value *x, Value *y) { return build_binary(b, OP_div, x, y); }
static inline Value *b_max(Builder *b, Value *x, Value *y) { return build_binary(b, OP_max, x, y); }
static inline Value *b_min(Builder *b, Value *x, Value *y) { return build_binary(b, OP_min, x, y); }
static inline Value *b_where(Builder *b, Value *c, Value *x, Value *y) {
  return build(b, OP_where, 1, INS(c, x, y), NO_ATTRS);
}
static inline Value *b_add_num(Builder *b, Value *x, double v) { return b_add(b, x, b_num(b, x, v)); }
static inline Value *b_mul_num(Builder *b, Value *x, double v) { return v == 1 ? x : b_mul(b, x, b_num(b, x, v)); }
/* x + y where y may be left out. */
static inline Value *b_add_opt(Builder *b, Value *x, Value *y) { return y ? b_add(b, x, y) : x; }
Value *b_silu(Builder *b, Value *x, double alpha); /* x * sigmoid(alpha * x) */
Value *b_matmul(Builder *b, Value *x, Value *y, bool transb);
/* A reduction over axes (none: all of them); op is one of the reduce_* family. */
Value *b_reduce(Builder *b, Op op, Value *x, int n, const int64_t *axes, bool keep);

/* ---- shapes ---- */

Value *b_reshape(Builder *b, Value *x, int rank, const Dim *d);
Value *b_transpose(Builder *b, Value *x, int rank, const int64_t *perm);
Value *b_unsqueeze(Builder *b, Value *x, int axis);
Value *b_squeeze(Builder *b, Value *x, int axis);
Value *b_scalar(Builder *b, Value *x); /* one element, of whatever rank, as a scalar */
Value *b_expand(Builder *b, Value *x, int rank, const Dim *d);
Value *b_slice(Builder *b, Value *x, int axis, Dim from, Dim to);
Value *b_concat(Builder *b, Value *x, Value *y, int axis);
/* [b,s,h*d] to [b,h,s,d], and back. */
Value *b_split_heads(Builder *b, Value *x, int64_t heads);
Value *b_join_heads(Builder *b, Value *x);

#endif

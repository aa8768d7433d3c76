/* onnx_reduce.c -- importers of reductions, running sums, the largest of many, and softmax. */
#include <string.h>

#include "frontend/onnx_build.h"

/* ---- reductions ---- */

typedef struct Axes {
  Value *at; /* or NULL: all of them */
  bool keep, noop;
} Axes;

static Axes axes_of_attribute(const OnnxCall *c) {
  return (Axes){onnx_ints_value((OnnxCall *)c, "axes"), onnx_flag(c, "keepdims", 1), 0};
}

static Axes axes_of_operand(const OnnxCall *c) {
  return (Axes){onnx_in(c, 1), onnx_flag(c, "keepdims", 1), onnx_flag(c, "noop_with_empty_axes", 0)};
}

/* The reductions share one layout of attributes. */
_Static_assert(attr_slot(reduce_sum, noop_empty) == 1 && attr_slot(reduce_mean, noop_empty) == 1 &&
                   attr_slot(reduce_prod, noop_empty) == 1 && attr_slot(reduce_max, noop_empty) == 1 &&
                   attr_slot(reduce_min, noop_empty) == 1,
               "reduce_*.noop_empty is the second attribute");

static Value *reduce(Builder *b, Op op, Value *x, Axes a) {
  return build(b, op, 1, INS(x, a.at), ATTRS(at_i(reduce_sum, keep, a.keep), at_i(reduce_sum, noop_empty, a.noop)));
}

static Value *square(Builder *b, Value *x) { return b_mul(b, x, x); }

/* log(sum(exp(x - m))) + m, where m is the largest that is reduced: exp can't overflow. An infinite m is left out, for
 * inf - inf is NaN. */
static Value *log_sum_exp(Builder *b, Value *x, Axes a) {
  Axes kept = a;
  kept.keep = 1;
  Value *m = reduce(b, OP_reduce_max, x, kept);
  m = b_where(b, build_unary(b, OP_isinf, m), b_num(b, x, 0), m);
  Value *sum = reduce(b, OP_reduce_sum, build_unary(b, OP_exp, b_sub(b, x, m)), a);
  if (!a.keep) m = reduce(b, OP_reduce_sum, m, a);
  return b_add(b, build_unary(b, OP_log, sum), m);
}

/* Roots and logarithms of integers go through f64, which then rounds toward zero. */
static Value *reduce_named(Builder *b, const char *what, Value *x, Axes a) {
  Dtype t = b_dtype(x);
  bool log = strncmp(what, "Log", 3) == 0;
  if ((log || strcmp(what, "L2") == 0) && dtype_is_int(t))
    return build_cast(b, reduce_named(b, what, build_cast(b, x, DT_f64), a), t);
  if (strcmp(what, "LogSumExp") == 0) return log_sum_exp(b, x, a);
  if (log) return build_unary(b, OP_log, reduce(b, OP_reduce_sum, x, a));
  if (strcmp(what, "L1") == 0) return reduce(b, OP_reduce_sum, build_unary(b, OP_abs, x), a);
  Value *squares = reduce(b, OP_reduce_sum, square(b, x), a);
  return strcmp(what, "L2") == 0 ? build_unary(b, OP_sqrt, squares) : squares;
}

static bool reduce_call(OnnxCall *c, Axes a) {
  static const struct {
    const char *what;
    Op op;
  } plain[] = {
      {"Sum", OP_reduce_sum}, {"Mean", OP_reduce_mean}, {"Prod", OP_reduce_prod},
      {"Max", OP_reduce_max}, {"Min", OP_reduce_min},
  };
  const char *what = c->type + strlen("Reduce");
  for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
    if (strcmp(what, plain[i].what) == 0) return onnx_result(c, reduce(c->b, plain[i].op, c->in[0], a));
  return onnx_result(c, reduce_named(c->b, what, c->in[0], a));
}

bool onnx_import_reduce_1(OnnxCall *c) { return reduce_call(c, axes_of_attribute(c)); }
bool onnx_import_reduce(OnnxCall *c) { return reduce_call(c, axes_of_operand(c)); }

/* The two share one layout of attributes. */
_Static_assert(attr_slot(argmax, axis) == attr_slot(argmin, axis) &&
                   attr_slot(argmax, keep) == attr_slot(argmin, keep) &&
                   attr_slot(argmax, last) == attr_slot(argmin, last),
               "argmax and argmin have the same attributes");

bool onnx_import_arg(OnnxCall *c) {
  Op op = strcmp(c->type, "ArgMax") == 0 ? OP_argmax : OP_argmin;
  Value *v = build(c->b, op, 1, INS(c->in[0]),
                   ATTRS(at_i(argmax, axis, onnx_int(c, "axis", 0)), at_i(argmax, keep, onnx_flag(c, "keepdims", 1)),
                         at_i(argmax, last, onnx_flag(c, "select_last_index", 0))));
  return onnx_result(c, v);
}

_Static_assert(attr_slot(cumsum, exclusive) == attr_slot(cumprod, exclusive) &&
                   attr_slot(cumsum, reverse) == attr_slot(cumprod, reverse),
               "cumsum and cumprod have the same attributes");

bool onnx_import_cumulate(OnnxCall *c) {
  Op op = strcmp(c->type, "CumSum") == 0 ? OP_cumsum : OP_cumprod;
  Value *v = build(
      c->b, op, 1, INS(c->in[0], b_scalar(c->b, c->in[1])),
      ATTRS(at_i(cumsum, exclusive, onnx_flag(c, "exclusive", 0)), at_i(cumsum, reverse, onnx_flag(c, "reverse", 0))));
  return onnx_result(c, v);
}

static bool topk(OnnxCall *c, Value *k) {
  Value *v = build(c->b, OP_topk, 2, INS(c->in[0], k),
                   ATTRS(at_i(topk, axis, onnx_int(c, "axis", -1)), at_i(topk, largest, onnx_flag(c, "largest", 1)),
                         at_i(topk, sorted, onnx_flag(c, "sorted", 1))));
  if (!onnx_result(c, v)) return false;
  if (c->n_out > 1) c->out[1] = value_sibling(v, 1);
  return true;
}

bool onnx_import_topk_1(OnnxCall *c) { return topk(c, build_ints(c->b, 1, &(int64_t){onnx_int(c, "k", 0)})); }
bool onnx_import_topk(OnnxCall *c) { return topk(c, c->in[1]); }

/* ---- softmax and its kin ---- */

/* 1 at the first of the largest along the axis, else 0. */
static Value *hardmax(Builder *b, Value *x, int axis) {
  Value *first = build(b, OP_argmax, 1, INS(x), ATTRS(at_i(argmax, axis, axis)));
  Dim d[MAX_RANK];
  for (int i = 0; i < b_rank(x); i++) d[i] = b_size(b, 1);
  d[axis] = b_dim(b, x, axis);
  Value *places = b_reshape(b, b_iota(b, d[axis]), b_rank(x), d);
  return build_cast(b, build_binary(b, OP_eq, places, first), b_dtype(x));
}

static Value *along(OnnxCall *c, Value *x, int axis) {
  if (strcmp(c->type, "Hardmax") == 0) return hardmax(c->b, x, axis);
  if (strcmp(c->type, "Softmax") == 0) return build(c->b, OP_softmax, 1, INS(x), ATTRS(at_i(softmax, axis, axis)));
  return build(c->b, OP_log_softmax, 1, INS(x), ATTRS(at_i(log_softmax, axis, axis)));
}

bool onnx_import_softmax(OnnxCall *c) {
  int axis;
  if (!onnx_axis(c, onnx_int(c, "axis", -1), b_rank(c->in[0]), &axis)) return false;
  return onnx_result(c, along(c, c->in[0], axis));
}

/* Before opset 13 the operand was flattened to two axes at `axis`, and each row normalised as a whole. */
bool onnx_import_softmax_1(OnnxCall *c) {
  int axis;
  Value *x = c->in[0];
  int rank = b_rank(x);
  if (!onnx_axis(c, onnx_int(c, "axis", 1), rank, &axis)) return false;
  if (axis == rank - 1) return onnx_result(c, along(c, x, axis));
  const Dim d[] = {b_size_of_axes(c->b, x, 0, axis), b_size_of_axes(c->b, x, axis, rank)};
  return onnx_result(c, b_reshape(c->b, along(c, b_reshape(c->b, x, 2, d), 1), rank, x->type->dim));
}

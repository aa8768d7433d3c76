/* eval_reduce.c -- reference semantics of reductions, scans, sorting and softmax.
 *
 * Floats are reduced in double, integers in 64 bits, and the result is rounded or wrapped to its type once. */
#include <stdlib.h>

#include "ir/fatal.h"
#include "ir/move.h"

/* ---- order ---- */

/* A key that orders an element among those of its type as an unsigned integer: NaN last, -0 and 0 alike. */
static uint64_t order_key(const Tensor *t, int64_t i) {
  const uint64_t sign = (uint64_t)1 << 63;
  if (!dtype_is_float(t->dtype)) {
    uint64_t v = (uint64_t)tensor_i(t, i);
    return dtype_is_signed(t->dtype) ? v ^ sign : v;
  }
  double v = tensor_f(t, i);
  uint64_t bits;
  if (isnan(v)) return UINT64_MAX;
  if (v == 0) v = 0;
  memcpy(&bits, &v, sizeof bits);
  return bits & sign ? ~bits : bits | sign;
}

static bool is_nan(const Tensor *t, int64_t i) { return dtype_is_float(t->dtype) && isnan(tensor_f(t, i)); }

/* ---- reductions over a set of axes ---- */

/* What is carried while elements are folded into one: a double or 64 bits, as the type asks. */
typedef struct Acc {
  double f;
  uint64_t i;
  int64_t best; /* max and min: the place of the element so far, or -1 */
} Acc;

static void fold(Op op, Acc *a, const Tensor *x, int64_t i) {
  bool product = op == OP_reduce_prod;
  if (op == OP_reduce_max || op == OP_reduce_min) {
    if (a->best >= 0 && is_nan(x, a->best)) return; /* NaN stays */
    uint64_t key = order_key(x, i), best = a->best >= 0 ? order_key(x, a->best) : 0;
    if (a->best < 0 || is_nan(x, i) || (op == OP_reduce_max ? key > best : key < best)) a->best = i;
  } else if (dtype_is_float(x->dtype)) {
    a->f = product ? a->f * tensor_f(x, i) : a->f + tensor_f(x, i);
  } else {
    uint64_t v = (uint64_t)tensor_i(x, i);
    a->i = product ? a->i * v : a->i + v;
  }
}

/* Of no elements: the least (or greatest) number of the type. */
static void set_extreme(Tensor *out, int64_t i, bool greatest) {
  Dtype t = out->dtype;
  if (dtype_is_float(t)) {
    dtype_set_f(t, out->data, i, greatest ? INFINITY : -INFINITY);
    return;
  }
  int bits = t == DT_bool ? 1 : dtype_bits(t);
  uint64_t ones = UINT64_MAX >> (64 - bits), top = (uint64_t)1 << (bits - 1);
  uint64_t least = dtype_is_signed(t) ? top : 0;
  dtype_set_bits(t, out->data, i, greatest ? ones ^ least : least);
}

static int64_t mean_of_ints(Dtype t, uint64_t sum, int64_t count) {
  if (count == 0) return 0;
  return dtype_is_signed(t) ? (int64_t)sum / count : (int64_t)(sum / (uint64_t)count);
}

static void finish(Op op, const Acc *a, const Tensor *x, int64_t count, Tensor *out, int64_t i) {
  Dtype t = out->dtype;
  bool mean = op == OP_reduce_mean;
  if (op == OP_reduce_max || op == OP_reduce_min) {
    if (a->best >= 0)
      move_elements(t, out->data, i, x->data, a->best, 1);
    else
      set_extreme(out, i, op == OP_reduce_min);
  } else if (dtype_is_float(t)) {
    dtype_set_f(t, out->data, i, mean ? a->f / (double)count : a->f);
  } else {
    dtype_set_i(t, out->data, i, mean ? mean_of_ints(t, a->i, count) : (int64_t)a->i);
  }
}

static void reduced_axes(const EvalCall *c, bool *reduced) {
  const Tensor *axes = c->n_in > 1 ? c->in[1] : NULL;
  int64_t list[MAX_RANK];
  int rank = c->in[0]->rank, n = axes ? tensor_numbers(axes, MAX_RANK, list) : 0;
  bool all = n == 0 && !node_bool(c->node, reduce_sum, noop_empty);
  for (int i = 0; i < rank; i++) reduced[i] = all;
  for (int i = 0; i < n; i++) reduced[axis_of(list[i], rank)] = true;
}

/* The elements that fold into one result: all that differ from element `at` along reduced axes only. */
static void fold_axis(Op op, Acc *a, const Tensor *x, const bool *reduced, const int64_t *stride, int axis,
                      int64_t at) {
  if (axis == x->rank) {
    fold(op, a, x, at);
  } else if (!reduced[axis]) {
    fold_axis(op, a, x, reduced, stride, axis + 1, at);
  } else {
    for (int64_t i = 0; i < x->dim[axis]; i++) fold_axis(op, a, x, reduced, stride, axis + 1, at + i * stride[axis]);
  }
}

bool eval_reduce(EvalCall *c) {
  const Tensor *x = c->in[0];
  Tensor *out = c->out[0];
  Op op = c->node->op;
  bool reduced[MAX_RANK];
  int64_t stride[MAX_RANK], count = x->count && out->count ? x->count / out->count : 0;
  reduced_axes(c, reduced);
  tensor_strides(x, stride);
  for (int64_t o = 0; o < out->count; o++) {
    int64_t at = 0, left = o;
    for (int i = x->rank - 1; i >= 0; i--) {
      if (reduced[i]) continue;
      at += left % x->dim[i] * stride[i];
      left /= x->dim[i];
    }
    Acc a = {.f = op == OP_reduce_prod, .i = op == OP_reduce_prod, .best = -1};
    if (count) fold_axis(op, &a, x, reduced, stride, 0, at);
    finish(op, &a, x, count, out, o);
  }
  return true;
}

/* ---- along one axis ---- */

/* The lines of a tensor along an axis: line l starts at line_start(), its n elements are `step` apart. */
typedef struct Lines {
  int64_t count, n, step;
} Lines;

static Lines lines_of(const Tensor *t, int axis) {
  if (t->count == 0) return (Lines){0};
  return (Lines){t->count / t->dim[axis], t->dim[axis], tensor_span(t, axis + 1, t->rank)};
}

static int64_t line_start(const Lines *lines, int64_t l) {
  return l / lines->step * lines->step * lines->n + l % lines->step;
}

/* As in NumPy, the first NaN is both the largest and the smallest. */
static bool beats(Op op, bool last, const Tensor *x, int64_t i, int64_t best) {
  if (is_nan(x, best)) return last && is_nan(x, i);
  if (is_nan(x, i)) return true;
  uint64_t a = order_key(x, i), b = order_key(x, best);
  return (op == OP_argmax ? a > b : a < b) || (last && a == b);
}

bool eval_arg(EvalCall *c) {
  const Tensor *x = c->in[0];
  Lines lines = lines_of(x, axis_of(node_int(c->node, argmax, axis), x->rank));
  bool last = node_bool(c->node, argmax, last);
  for (int64_t l = 0; l < lines.count; l++) {
    int64_t start = line_start(&lines, l), best = 0;
    for (int64_t i = 1; i < lines.n; i++)
      if (beats(c->node->op, last, x, start + i * lines.step, start + best * lines.step)) best = i;
    dtype_set_i(DT_i64, c->out[0]->data, l, best);
  }
  return true;
}

_Static_assert(attr_slot(cumprod, exclusive) == attr_slot(cumsum, exclusive) &&
                   attr_slot(cumprod, reverse) == attr_slot(cumsum, reverse),
               "cumprod as cumsum");

/* One line; exclusive: each result is that of the elements before it. */
static void cumulate_line(const EvalCall *c, int64_t start, int64_t n, int64_t step) {
  const Tensor *x = c->in[0];
  Tensor *out = c->out[0];
  Op op = c->node->op == OP_cumprod ? OP_reduce_prod : OP_reduce_sum;
  bool exclusive = node_bool(c->node, cumsum, exclusive);
  Acc a = {.f = op == OP_reduce_prod, .i = op == OP_reduce_prod};
  for (int64_t i = 0; i < n; i++) {
    int64_t at = start + i * step;
    if (exclusive) finish(op, &a, x, 1, out, at);
    fold(op, &a, x, at);
    if (!exclusive) finish(op, &a, x, 1, out, at);
  }
}

bool eval_cumulate(EvalCall *c) {
  const Tensor *x = c->in[0];
  Lines lines = lines_of(x, axis_of(tensor_i(c->in[1], 0), x->rank));
  bool reverse = node_bool(c->node, cumsum, reverse);
  for (int64_t l = 0; l < lines.count; l++) {
    int64_t start = line_start(&lines, l);
    if (reverse)
      cumulate_line(c, start + (lines.n - 1) * lines.step, lines.n, -lines.step);
    else
      cumulate_line(c, start, lines.n, lines.step);
  }
  return true;
}

typedef struct Ranked {
  uint64_t key;
  int64_t index;
} Ranked;

static int compare_ranked(const void *pa, const void *pb) {
  const Ranked *a = pa, *b = pb;
  if (a->key != b->key) return a->key < b->key ? -1 : 1;
  return a->index < b->index ? -1 : a->index > b->index;
}

bool eval_topk(EvalCall *c) {
  const Tensor *x = c->in[0];
  int axis = axis_of(node_int(c->node, topk, axis), x->rank);
  bool largest = node_bool(c->node, topk, largest);
  Lines from = lines_of(x, axis), to = lines_of(c->out[0], axis);
  if (to.count == 0) return true;
  Ranked *r = calloc((size_t)from.n, sizeof *r);
  if (!r) fatal_resource("out of memory");
  for (int64_t l = 0; l < to.count; l++) {
    int64_t start = line_start(&from, l), out = line_start(&to, l);
    for (int64_t i = 0; i < from.n; i++) {
      uint64_t key = order_key(x, start + i * from.step);
      r[i] = (Ranked){largest ? ~key : key, i};
    }
    qsort(r, (size_t)from.n, sizeof *r, compare_ranked);
    for (int64_t i = 0; i < to.n; i++) {
      move_elements(x->dtype, c->out[0]->data, out + i * to.step, x->data, start + r[i].index * from.step, 1);
      dtype_set_i(DT_i64, c->out[1]->data, out + i * to.step, r[i].index);
    }
  }
  free(r);
  return true;
}

bool eval_softmax(EvalCall *c) {
  const Tensor *x = c->in[0];
  Tensor *out = c->out[0];
  bool logarithm = c->node->op == OP_log_softmax;
  Lines lines = lines_of(x, axis_of(node_int(c->node, softmax, axis), x->rank));
  for (int64_t l = 0; l < lines.count; l++) {
    int64_t start = line_start(&lines, l);
    double largest = -INFINITY, sum = 0;
    for (int64_t i = 0; i < lines.n; i++) largest = fmax(largest, tensor_f(x, start + i * lines.step));
    for (int64_t i = 0; i < lines.n; i++) sum += exp(tensor_f(x, start + i * lines.step) - largest);
    for (int64_t i = 0; i < lines.n; i++) {
      double v = tensor_f(x, start + i * lines.step) - largest;
      dtype_set_f(out->dtype, out->data, start + i * lines.step, logarithm ? v - log(sum) : exp(v) / sum);
    }
  }
  return true;
}

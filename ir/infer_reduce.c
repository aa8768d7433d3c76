/* infer_reduce.c -- result types of reductions, scans, sorting and softmax. */
#include <inttypes.h>

#include "ir/infer.h"

/* Arithmetic needs numbers; bool has an order, and so a largest and a smallest. */
static bool numeric(Infer *c, bool or_bool) {
  if (!infer_plain(c, 0)) return false;
  Dtype t = c->in[0]->dtype;
  if (dtype_is_float(t) || dtype_is_int(t) || (or_bool && t == DT_bool)) return true;
  return infer_error(c, "cannot be applied to %s", dtype_name(t));
}

/* ---- reductions over a set of axes ---- */

/* The five reductions have the same attributes in the same places. */
#define SAME_SLOTS(op)                                                                                                 \
  _Static_assert(attr_slot(op, keep) == attr_slot(reduce_sum, keep) &&                                                 \
                     attr_slot(op, noop_empty) == attr_slot(reduce_sum, noop_empty),                                   \
                 #op)
SAME_SLOTS(reduce_mean);
SAME_SLOTS(reduce_prod);
SAME_SLOTS(reduce_max);
SAME_SLOTS(reduce_min);
#undef SAME_SLOTS

/* Which axes are reduced: their number, or -1 where it is not known; `unknown` where they themselves are not. */
typedef struct Reduced {
  int n;
  bool unknown;
  bool axis[MAX_RANK];
} Reduced;

static bool reduced_axes(Infer *c, Reduced *r) {
  int rank = c->in[0]->rank;
  Dim list[MAX_RANK];
  *r = (Reduced){0};
  if (infer_in(c, 1)) {
    if (!infer_plain(c, 1)) return false;
    Type t = c->in[1];
    if (t->rank > 1 || !dtype_is_int(t->dtype))
      return infer_error(c, "the axes are %s, and must be a list of integers", type_text(c->module->arena, t));
    if (!infer_ints(c, 1, MAX_RANK, list, &r->n)) r->n = -1;
  }
  if (r->n < 0) return c->value ? infer_error(c, "more than %d axes", MAX_RANK) : true;
  for (int i = 0; i < r->n; i++) {
    int axis;
    if (!dim_is_const(list[i])) {
      r->unknown = true;
      continue;
    }
    if (!infer_axis(c, list[i]->constant, rank, &axis)) return false;
    if (r->axis[axis]) return infer_error(c, "axis %" PRId64 " is named twice", list[i]->constant);
    r->axis[axis] = true;
  }
  if (r->n > rank) return infer_error(c, "%d axes are named for a rank of %d", r->n, rank);
  if (r->n == 0 && !node_bool(c->node, reduce_sum, noop_empty)) {
    for (int i = 0; i < rank; i++) r->axis[i] = true;
    r->n = rank;
  }
  return true;
}

bool infer_reduce(Infer *c) {
  Reduced r;
  Op op = c->node->op;
  if (!numeric(c, op == OP_reduce_max || op == OP_reduce_min) || !reduced_axes(c, &r)) return false;
  Type x = c->in[0];
  Dim dim[MAX_RANK], one = dim_const(c->module->dims, 1), unknown = dim_unknown(c->module->dims);
  bool keep = node_bool(c->node, reduce_sum, keep), vague = r.unknown || r.n < 0;
  if (r.n < 0 && !keep) return infer_error(c, "the number of axes (operand 1) must be known where they are not kept");
  int n = 0;
  for (int i = 0; i < x->rank && !vague; i++)
    if (!r.axis[i] || keep) dim[n++] = r.axis[i] ? one : x->dim[i];
  if (vague) n = keep ? x->rank : x->rank - r.n;
  for (int i = 0; i < n && vague; i++) dim[i] = unknown;
  return infer_result(c, 0, x->dtype, n, dim);
}

/* ---- along one axis ---- */

_Static_assert(attr_slot(argmin, axis) == attr_slot(argmax, axis) && attr_slot(argmin, keep) == attr_slot(argmax, keep),
               "argmin as argmax");

bool infer_arg(Infer *c) {
  int axis, n = 0;
  if (!numeric(c, true) || !infer_axis(c, node_int(c->node, argmax, axis), c->in[0]->rank, &axis)) return false;
  Type x = c->in[0];
  Dim dim[MAX_RANK];
  if (dim_is(x->dim[axis], 0)) return infer_error(c, "axis %d has no elements", axis);
  for (int i = 0; i < x->rank; i++) {
    if (i != axis)
      dim[n++] = x->dim[i];
    else if (node_bool(c->node, argmax, keep))
      dim[n++] = dim_const(c->module->dims, 1);
  }
  return infer_result(c, 0, DT_i64, n, dim);
}

/* A number given as an integer tensor of one element. Unknown where it cannot be traced. */
static bool one_number(Infer *c, int operand, const char *what, Dim *out) {
  int n;
  if (!infer_plain(c, operand)) return false;
  Type t = c->in[operand];
  if (t->rank > 1 || !dtype_is_int(t->dtype) || (t->rank == 1 && dim_is_const(t->dim[0]) && !dim_is(t->dim[0], 1)))
    return infer_error(c, "%s is %s, and must be one integer", what, type_text(c->module->arena, t));
  if (!infer_ints(c, operand, 1, out, &n)) *out = dim_unknown(c->module->dims);
  return true;
}

bool infer_cumulate(Infer *c) {
  Dim at;
  int axis;
  if (!numeric(c, false) || !one_number(c, 1, "the axis", &at)) return false;
  if (dim_is_const(at) && !infer_axis(c, at->constant, c->in[0]->rank, &axis)) return false;
  return infer_result(c, 0, c->in[0]->dtype, c->in[0]->rank, c->in[0]->dim);
}

bool infer_topk(Infer *c) {
  Dim k, dim[MAX_RANK];
  int axis;
  if (!numeric(c, true) || !one_number(c, 1, "k", &k)) return false;
  Type x = c->in[0];
  if (!infer_axis(c, node_int(c->node, topk, axis), x->rank, &axis)) return false;
  Dim have = x->dim[axis];
  if (dim_is_const(k) && (k->constant < 0 || (dim_is_const(have) && k->constant > have->constant)))
    return infer_error(c, "k is %s, and axis %d has %s elements", dim_text(c->module->arena, k), axis,
                       dim_text(c->module->arena, have));
  memcpy(dim, x->dim, sizeof dim);
  dim[axis] = k;
  return infer_result(c, 0, x->dtype, x->rank, dim) && infer_result(c, 1, DT_i64, x->rank, dim);
}

_Static_assert(attr_slot(log_softmax, axis) == attr_slot(softmax, axis), "log_softmax as softmax");

bool infer_softmax(Infer *c) {
  int axis;
  if (!infer_plain(c, 0)) return false;
  Type x = c->in[0];
  if (!dtype_is_float(x->dtype)) return infer_error(c, "cannot be applied to %s", dtype_name(x->dtype));
  if (!infer_axis(c, node_int(c->node, softmax, axis), x->rank, &axis)) return false;
  c->out[0] = x;
  return true;
}

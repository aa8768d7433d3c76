/* uniform.c -- rules for values that hold one number everywhere: a number that has been broadcast.
 *
 * Masks that hide nothing are such values, and what exporters do with masks (look them up by batch and place, count what they keep)
 * moves and adds them. */
#include "passes/uniform.h"

#include "ir/infer.h"

/* The number, as a scalar, where v is the `expand` of one; else NULL. */
static Value *number_of(Builder *b, const Value *v) {
  Node *n = v ? match_op(v, OP_expand) : NULL;
  Value *x = n ? node_in(n, 0) : NULL;
  if (!x || x->type->encoded) return NULL;
  for (int i = 0; i < x->type->rank; i++)
    if (!dim_is(x->type->dim[i], 1)) return NULL;
  return x->type->rank == 0 ? x : build_reshape(b, x, 0, NULL);
}

static Value *everywhere(Builder *b, Value *number, Type t) {
  return build(b, OP_expand, 1, INS(number, build_dims(b, t->rank, t->dim)), NO_ATTRS);
}

static bool moves(Op op) {
  switch (op) {
  case OP_reshape: case OP_squeeze: case OP_unsqueeze: case OP_transpose: case OP_expand: case OP_slice: case OP_tile:
  case OP_gather: case OP_gather_nd: case OP_gather_elements: case OP_reduce_max: case OP_reduce_min: return true;
  default: return false;
  }
}

/* Of no number at all there is no largest, and nothing to say. */
static bool has_elements(Type t) {
  for (int i = 0; i < t->rank; i++)
    if (!dim_at_least(t->dim[i], 1)) return false;
  return true;
}

static Value *joined(Builder *b, const Node *n) {
  uint64_t first, bits;
  Value *x = number_of(b, node_in(n, 0));
  if (!x || !match_bits(x, &first)) return NULL;
  for (int i = 1; i < n->n_in; i++)
    if (!match_op(node_in(n, i), OP_expand) || !match_bits(node_in(n, i), &bits) || bits != first) return NULL;
  return x;
}

Value *uniform_moved(Builder *b, Node *n) {
  bool reduces = n->op == OP_reduce_max || n->op == OP_reduce_min;
  if (n->n_out != 1 || n->n_in == 0 || (!moves(n->op) && n->op != OP_concat) || !infer_sizes_known(n)) return NULL;
  if (reduces && !has_elements(node_in(n, 0)->type)) return NULL;
  if (n->op == OP_expand && !match_op(node_in(n, 0), OP_expand)) return NULL;
  Value *x = n->op == OP_concat ? joined(b, n) : number_of(b, node_in(n, 0));
  return x ? everywhere(b, x, n->out[0]->type) : NULL;
}

/* A count of type t. */
static Value *count(Builder *b, Dim d, Dtype t) { return build_cast(b, build_reshape(b, build_dims(b, 1, &d), 0, NULL), t); }

static bool is_wide(Dtype t) { return t == DT_i64 || t == DT_i32; }

/* x, 2x, 3x, ... along the axis. */
Value *uniform_cumsum(Builder *b, Node *n) {
  Type t = n->out[0]->type;
  Dim at;
  int one;
  Value *x = is_wide(t->dtype) && infer_sizes_known(n) ? number_of(b, node_in(n, 0)) : NULL;
  if (!x || node_bool(n, cumsum, exclusive) || node_bool(n, cumsum, reverse)) return NULL;
  if (!value_dims(b->module, node_in(n, 1), 1, &at, &one) || one != 1 || !dim_is_const(at)) return NULL;
  int axis = axis_of(at->constant, t->rank);
  Dim shape[MAX_RANK], end = dim_add(b->module->dims, t->dim[axis], dim_const(b->module->dims, 1));
  for (int i = 0; i < t->rank; i++) shape[i] = i == axis ? t->dim[i] : dim_const(b->module->dims, 1);
  Value *step = build_scalar_i(b, DT_i64, 1), *to = build_reshape(b, build_dims(b, 1, &end), 0, NULL);
  Value *steps = build_cast(b, build(b, OP_range, 1, INS(step, to, step), NO_ATTRS), t->dtype);
  steps = build_binary(b, OP_mul, build_reshape(b, steps, t->rank, shape), x);
  return build(b, OP_expand, 1, INS(steps, build_dims(b, t->rank, t->dim)), NO_ATTRS);
}

Value *uniform_sum(Builder *b, Node *n) {
  Type from = node_in(n, 0)->type, to = n->out[0]->type;
  Dim axis[MAX_RANK], times = dim_const(b->module->dims, 1);
  int n_axes;
  Value *x = is_wide(to->dtype) && infer_sizes_known(n) ? number_of(b, node_in(n, 0)) : NULL;
  if (!x || !node_in(n, 1) || !value_dims(b->module, node_in(n, 1), MAX_RANK, axis, &n_axes) || n_axes == 0) return NULL;
  for (int i = 0; i < n_axes; i++) {
    if (!dim_is_const(axis[i])) return NULL;
    times = dim_mul(b->module->dims, times, from->dim[axis_of(axis[i]->constant, from->rank)]);
  }
  if (dim_is_unknown(times)) return NULL;
  return everywhere(b, build_binary(b, OP_mul, x, count(b, times, to->dtype)), to);
}

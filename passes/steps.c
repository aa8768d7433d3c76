/* steps.c -- integers that stand for places: numbers that grow by one along an axis. */
#include "passes/steps.h"

#include "ir/infer.h"
#include "passes/rewrite.h"

enum { DEEP = 16, WORK = 400 }; /* how far back a value is followed, and how many are looked at */

/* ---- axes ---- */

static Dim elements_behind(DimPool *p, Type t, int axis) {
  Dim n = dim_const(p, 1);
  for (int i = axis + 1; i < t->rank; i++) n = dim_mul(p, n, t->dim[i]);
  return n;
}

int axis_after_reshape(DimPool *p, Type from, int axis, Type to) {
  Dim behind = elements_behind(p, from, axis);
  for (int i = 0; i < to->rank && !dim_is_unknown(behind); i++)
    if (to->dim[i] == from->dim[axis] && elements_behind(p, to, i) == behind) return i;
  return -1;
}

/* ---- slices ---- */

typedef struct Cuts {
  int n;
  Dim start[MAX_RANK], axis[MAX_RANK], step[MAX_RANK];
} Cuts;

static bool read_cuts(Module *m, const Node *n, Cuts *c) {
  int count;
  if (!value_dims(m, node_in(n, 1), MAX_RANK, c->start, &c->n)) return false;
  for (int i = 0; i < c->n; i++) c->axis[i] = dim_const(m->dims, i), c->step[i] = dim_const(m->dims, 1);
  if (node_in(n, 3) && (!value_dims(m, node_in(n, 3), MAX_RANK, c->axis, &count) || count != c->n)) return false;
  return !node_in(n, 4) || (value_dims(m, node_in(n, 4), MAX_RANK, c->step, &count) && count == c->n);
}

bool slice_start(Module *m, const Node *n, int from_end, Dim *start) {
  int rank = n->out[0]->type->rank;
  Cuts c;
  *start = dim_const(m->dims, 0);
  if (!read_cuts(m, n, &c)) return false;
  for (int i = 0; i < c.n; i++) {
    if (!dim_is_const(c.axis[i])) return false;
    if (rank - axis_of(c.axis[i]->constant, rank) != from_end) continue;
    if (!dim_is(c.step[i], 1) || dim_is_unknown(c.start[i])) return false;
    *start = c.start[i];
    if (dim_at_least(*start, 0)) return true;
    *start = dim_add(m->dims, node_in(n, 0)->type->dim[rank - from_end], *start);
    return dim_is_const(c.start[i]) && !dim_is_unknown(*start);
  }
  return true;
}

/* ---- values ---- */

typedef struct Follow {
  Module *module;
  int depth, work;
} Follow;

static bool follow(Follow *f, const Value *v, Steps *s);

static bool one_size(Module *m, const Value *v, Dim *d) {
  int n;
  return v && value_dims(m, v, 1, d, &n) && n == 1 && !dim_is_unknown(*d);
}

/* A step of an axis of size 1 is none. */
static bool along(const Value *v, int axis, Steps *s) {
  s->axis = dim_is(v->type->dim[v->type->rank - axis], 1) ? 0 : axis;
  return true;
}

static bool of_range(Follow *f, const Node *n, Steps *s) {
  Dim step;
  if (!one_size(f->module, node_in(n, 0), &s->from) || !one_size(f->module, node_in(n, 2), &step) || !dim_is(step, 1)) return false;
  return along(n->out[0], 1, s);
}

static bool of_reshape(Follow *f, const Node *n, Steps *s) {
  const Value *x = node_in(n, 0);
  if (!follow(f, x, s)) return false;
  if (s->axis == 0) return true;
  int axis = axis_after_reshape(f->module->dims, x->type, x->type->rank - s->axis, n->out[0]->type);
  s->axis = n->out[0]->type->rank - axis;
  return axis >= 0;
}

static bool of_transpose(Follow *f, const Node *n, Steps *s) {
  int rank = n->out[0]->type->rank, axis;
  if (!follow(f, node_in(n, 0), s)) return false;
  if (node_ints(n, transpose, perm).n != rank) return s->axis == 0;
  for (axis = 0; s->axis && node_ints(n, transpose, perm).at[axis] != rank - s->axis; axis++) continue;
  if (s->axis) s->axis = rank - axis;
  return true;
}

static bool of_sum(Follow *f, const Node *n, Steps *s) {
  DimPool *p = f->module->dims;
  Steps y;
  if (!follow(f, node_in(n, 0), s) || !follow(f, node_in(n, 1), &y)) return false;
  if (y.axis && (s->axis || n->op == OP_sub)) return false;
  s->from = n->op == OP_add ? dim_add(p, s->from, y.from) : dim_sub(p, s->from, y.from);
  s->axis += y.axis;
  return !dim_is_unknown(s->from);
}

static bool of_slice(Follow *f, const Node *n, Steps *s) {
  Dim start;
  if (!follow(f, node_in(n, 0), s)) return false;
  if (s->axis == 0) return true;
  if (!slice_start(f->module, n, s->axis, &start)) return false;
  s->from = dim_add(f->module->dims, s->from, start);
  return !dim_is_unknown(s->from) && along(n->out[0], s->axis, s);
}

/* Places looked up among places. */
static bool of_gather(Follow *f, const Node *n, Steps *s) {
  Steps at;
  if (node_in(n, 0)->type->rank != 1 || !follow(f, node_in(n, 0), s)) return false;
  if (s->axis == 0) return true;
  if (!follow(f, node_in(n, 1), &at) || !dim_at_least(at.from, 0)) return false;
  s->axis = at.axis;
  s->from = dim_add(f->module->dims, s->from, at.from);
  return !dim_is_unknown(s->from);
}

/* where(a == b, y, x) is x, where x - y is a - b: they differ only where the condition does not hold. */
static bool of_choice(Follow *f, const Node *n, Steps *s) {
  Node *test = match_op(node_in(n, 0), OP_eq);
  DimPool *p = f->module->dims;
  Steps a, b, y;
  if (!test || !follow(f, node_in(test, 0), &a) || !follow(f, node_in(test, 1), &b)) return false;
  if (!follow(f, node_in(n, 1), &y) || !follow(f, node_in(n, 2), s) || a.axis || b.axis || y.axis != s->axis) return false;
  Dim differ = dim_sub(p, s->from, y.from);
  return !dim_is_unknown(differ) && (differ == dim_sub(p, a.from, b.from) || differ == dim_sub(p, b.from, a.from));
}

static bool of_node(Follow *f, const Node *n, Steps *s) {
  switch (n->op) {
  case OP_range: return of_range(f, n, s);
  case OP_cast: return follow(f, node_in(n, 0), s);
  case OP_expand: return follow(f, node_in(n, 0), s) && infer_sizes_known(n);
  case OP_reshape: case OP_unsqueeze: case OP_squeeze: return of_reshape(f, n, s);
  case OP_transpose: return of_transpose(f, n, s);
  case OP_add: case OP_sub: return of_sum(f, n, s);
  case OP_slice: return of_slice(f, n, s);
  case OP_gather: return of_gather(f, n, s);
  case OP_where: return of_choice(f, n, s);
  default: return false;
  }
}

static bool follow(Follow *f, const Value *v, Steps *s) {
  if (!type_is_tensor(v->type) || v->type->encoded || !dtype_is_int(v->type->dtype)) return false;
  if (one_size(f->module, v, &s->from)) return s->axis = 0, true;
  if (!v->def || f->depth == DEEP || f->work++ == WORK) return false;
  f->depth++;
  bool found = of_node(f, v->def, s);
  f->depth--;
  return found;
}

bool steps_of(Module *m, const Value *v, Steps *s) { return follow(&(Follow){.module = m}, v, s); }

/* recover_rope.c -- finds rotary positions: pairs of numbers of a head that are turned by the angles of their position.
 *
 * The pairs are i and i + d/2 (halves) or 2i and 2i + 1 (interleaved). Exporters write either
 *
 *     x * C + turned(x) * S       where turned(x) is (-x2, x1), and C and S hold each cosine and sine twice, or
 *     (x1 * c - x2 * s, x2 * c + x1 * s)
 *
 * How the angles came about does not matter: all scalings of positions end in cosines and sines. That C and S repeat is shown by what
 * made them, or seen in a table. */
#include "ir/infer.h"
#include "passes/recover.h"
#include "passes/steps.h"

enum { DEEP = 12 };

static Dim last_size(const Value *v) { return v->type->rank ? v->type->dim[v->type->rank - 1] : NULL; }

static bool last_known(const Value *v, int64_t *n) {
  Dim d = last_size(v);
  return d && dim_is_const(d) && (*n = d->constant, true);
}

/* ---- parts of x ---- */

/* v as part of another value along its last axis: elements from `from` on, `step` apart. */
typedef struct Part {
  Value *of;
  int64_t from, step, n;
} Part;

static bool number_at(Module *m, const Value *v, int i, int64_t *x) {
  Dim d[MAX_RANK];
  int n;
  return v && value_dims(m, v, MAX_RANK, d, &n) && i < n && dim_is_const(d[i]) && (*x = d[i]->constant, true);
}

static bool part_of_slice(Module *m, Node *n, Part *p) {
  int64_t axis, end, size, start;
  int rank = n->out[0]->type->rank;
  p->of = node_in(n, 0);
  p->step = 1;
  if (!number_at(m, node_in(n, 1), 0, &start) || !number_at(m, node_in(n, 2), 0, &end) || !number_at(m, node_in(n, 3), 0, &axis)) return false;
  if (!dim_is(node_in(n, 1)->type->dim[0], 1) || axis_of(axis, rank) != rank - 1 || !last_known(p->of, &size)) return false;
  if (node_in(n, 4) && !number_at(m, node_in(n, 4), 0, &p->step)) return false;
  p->from = start < 0 ? start + size : start;
  return p->step > 0 && p->from >= 0 && last_known(n->out[0], &p->n);
}

static bool part_of_split(Node *n, const Value *v, Part *p) {
  int64_t size;
  int rank = v->type->rank;
  if (axis_of(node_int(n, split, axis), rank) != rank - 1) return false;
  *p = (Part){.of = node_in(n, 0), .step = 1};
  for (int i = 0; i < v->index; i++) {
    if (!last_known(n->out[i], &size)) return false;
    p->from += size;
  }
  return last_known(v, &p->n);
}

/* x[.., 2i + k], where x is seen as [.., n, 2]. */
static bool part_of_pair(Module *m, Node *n, Part *p) {
  const Value *v = n->out[0];
  Node *pairs = match_op(node_in(n, 0), OP_reshape);
  int rank = node_in(n, 0)->type->rank;
  int64_t at, width;
  if (!pairs || !dim_is(last_size(node_in(n, 0)), 2) || !last_known(node_in(pairs, 0), &width) || width % 2) return false;
  if (n->op == OP_gather ? axis_of(node_int(n, gather, axis), rank) != rank - 1 || !number_at(m, node_in(n, 1), 0, &at) : true) return false;
  if (node_in(pairs, 0)->type->rank != rank - 1 || !dim_is(node_in(pairs, 0)->type->dim[rank - 2], width)) return false;
  if (v->type->rank != rank - 1) return false;
  *p = (Part){.of = node_in(pairs, 0), .from = at < 0 ? at + 2 : at, .step = 2, .n = width / 2};
  return p->from < 2;
}

static bool part_of(Module *m, const Value *v, Part *p) {
  Node *n = v->def;
  if (!n || !v->type->rank) return false;
  switch (n->op) {
  case OP_slice: return part_of_slice(m, n, p);
  case OP_split: return part_of_split(n, v, p);
  case OP_gather: return part_of_pair(m, n, p);
  case OP_reshape: /* an axis of size 1 behind */
    return dim_is(last_size(v), 1) && v->type->rank == node_in(n, 0)->type->rank + 1 && part_of(m, node_in(n, 0), p);
  default: return false;
  }
}

/* Are the two the first and the second number of each pair of one value? */
static bool are_pairs(const Part *a, const Part *b, bool *interleaved) {
  if (a->of != b->of || a->n != b->n || a->step != b->step || a->from != 0) return false;
  *interleaved = a->step == 2;
  return *interleaved ? b->from == 1 : a->step == 1 && b->from == a->n;
}

static bool parts_of(Module *m, const Value *first, const Value *second, Value **x, bool *interleaved) {
  Part a, b;
  int64_t width;
  if (!part_of(m, first, &a) || !part_of(m, second, &b) || !are_pairs(&a, &b, interleaved)) return false;
  *x = a.of;
  return last_known(a.of, &width) && width == 2 * a.n;
}

/* ---- pairs put together ---- */

/* The two that v joins: as halves, or alternating. The latter are [.., n, 1] each, joined and flattened. */
static bool joined(const Value *v, Value **first, Value **second, bool *interleaved) {
  Node *flat = match_op(v, OP_reshape), *n = match_op(flat ? node_in(flat, 0) : v, OP_concat);
  *interleaved = flat != NULL;
  if (!n || n->n_in != 2) return false;
  int rank = n->out[0]->type->rank;
  if (axis_of(node_int(n, concat, axis), rank) != rank - 1 || last_size(node_in(n, 0)) != last_size(node_in(n, 1))) return false;
  *first = node_in(n, 0);
  *second = node_in(n, 1);
  if (!flat) return true;
  return rank >= 2 && dim_is(last_size(*first), 1) && dim_is_const(n->out[0]->type->dim[rank - 2]) &&
         dim_is(last_size(v), 2 * n->out[0]->type->dim[rank - 2]->constant);
}

/* Without the axis of size 1 that pairs are joined along. */
static Value *unstacked(Value *v, bool interleaved) {
  Node *n = interleaved ? match_op(v, OP_reshape) : NULL;
  bool only = n && v->type->rank == node_in(n, 0)->type->rank + 1 && dim_is(last_size(v), 1);
  return only ? node_in(n, 0) : interleaved ? NULL : v;
}

/* (-x2, x1) */
static bool turned(Module *m, const Value *v, Value **x, bool *interleaved) {
  Value *a, *b;
  bool pairs;
  if (!joined(v, &a, &b, interleaved) || !(a = unstacked(a, *interleaved)) || !(b = unstacked(b, *interleaved))) return false;
  Node *minus = match_op(a, OP_neg);
  if (!minus && match_op(a, OP_reshape)) minus = match_op(node_in(a->def, 0), OP_neg);
  if (!minus || !parts_of(m, b, node_in(minus, 0), x, &pairs)) return false;
  return pairs == *interleaved && (*x)->type == v->type;
}

/* ---- angles ---- */

static bool table_repeats(Module *m, const Constant *c, bool interleaved) {
  int64_t bytes, n = c->type->rank ? c->type->dim[c->type->rank - 1]->constant : 0;
  if (c->type->encoded || n < 2 || n % 2 || !constant_size(c, &bytes) || bytes > 64 << 20) return false;
  const void *data = c->kind == CONSTANT_BYTES || c->kind == CONSTANT_FILE ? constant_data(m, c, (Loc){0}) : NULL;
  if (!data) return false;
  Dtype t = c->type->dtype;
  int64_t all = bytes * 8 / dtype_bits(t);
  for (int64_t i = 0; i < all; i++) {
    int64_t k = i % n, twin = interleaved ? i - k % 2 : k < n / 2 ? i : i - n / 2;
    if (dtype_get_bits(t, data, i) != dtype_get_bits(t, data, twin)) return false;
  }
  return true;
}

/* Every second number, or the first half. */
static Value *halved(Builder *b, Value *v, bool interleaved) {
  int64_t n = last_size(v)->constant, zero = 0, step = interleaved ? 2 : 1, end = interleaved ? n : n / 2, axis = v->type->rank - 1;
  return build(b, OP_slice, 1, INS(v, build_ints(b, 1, &zero), build_ints(b, 1, &end), build_ints(b, 1, &axis), build_ints(b, 1, &step)), NO_ATTRS);
}

static Value *half_of(Builder *b, Value *v, bool interleaved, int depth);

/* a reshape that keeps the last axis */
static Value *half_of_reshape(Builder *b, Value *v, bool interleaved, int depth) {
  Node *n = v->def;
  Value *x = node_in(n, 0), *half;
  Dim dim[MAX_RANK];
  if (!x->type->rank || last_size(x) != last_size(v) || !(half = half_of(b, x, interleaved, depth))) return NULL;
  for (int i = 0; i < v->type->rank; i++) dim[i] = i == v->type->rank - 1 ? last_size(half) : v->type->dim[i];
  return n->op == OP_expand ? build(b, OP_expand, 1, INS(half, build_dims(b, v->type->rank, dim)), NO_ATTRS)
                            : build_reshape(b, half, v->type->rank, dim);
}

/* Numbers of which each half is one. */
static Value *half_of_product(Builder *b, Value *v, bool interleaved, int depth) {
  double number;
  Node *n = v->def;
  Value *x = match_with_number(v, n->op, true, &number), *half = x ? half_of(b, x, interleaved, depth) : NULL;
  return half ? build_binary(b, OP_mul, half, build_scalar_f(b, half->type->dtype, number)) : NULL;
}

/* x with the axes of v, and half of its last. */
static Value *shaped_as_half(Builder *b, Value *x, const Value *v) {
  Dim dim[MAX_RANK];
  for (int i = 0; i < v->type->rank; i++) dim[i] = v->type->dim[i];
  dim[v->type->rank - 1] = dim_const(b->module->dims, last_size(v)->constant / 2);
  return build_reshape(b, x, v->type->rank, dim);
}

/* reshape(expand(a[.., n, 1], [.., n, 2])): each number twice */
static Value *repeated(Builder *b, const Value *v) {
  Node *flat = match_op(v, OP_reshape), *wide = flat ? match_op(node_in(flat, 0), OP_expand) : NULL;
  Value *a = wide ? node_in(wide, 0) : NULL;
  int rank = a ? a->type->rank : 0;
  if (rank < 2 || wide->out[0]->type->rank != rank || !dim_is(last_size(wide->out[0]), 2) || !dim_is(last_size(a), 1)) return NULL;
  for (int i = 0; i < rank - 1; i++)
    if (a->type->dim[i] != wide->out[0]->type->dim[i]) return NULL;
  return dim_is(a->type->dim[rank - 2], last_size(v)->constant / 2) ? shaped_as_half(b, a, v) : NULL;
}

/* The value whose numbers v holds twice each; NULL where that cannot be seen. */
static Value *half_of(Builder *b, Value *v, bool interleaved, int depth) {
  Node *n = v->def;
  Value *x, *y;
  bool how;
  int64_t size;
  if (!n || depth == 0 || !last_known(v, &size) || size % 2) return NULL;
  if (joined(v, &x, &y, &how) && x == y && how == interleaved) return shaped_as_half(b, x, v);
  if (interleaved && (x = repeated(b, v))) return x;
  switch (n->op) {
  case OP_cos: case OP_sin: case OP_cast:
    if (!(x = half_of(b, node_in(n, 0), interleaved, depth - 1))) return NULL;
    return build_like(b, n, &x);
  case OP_mul: return half_of_product(b, v, interleaved, depth - 1);
  case OP_reshape: case OP_squeeze: case OP_unsqueeze: case OP_expand: return half_of_reshape(b, v, interleaved, depth - 1);
  case OP_gather:
    if (axis_of(node_int(n, gather, axis), node_in(n, 0)->type->rank) == node_in(n, 0)->type->rank - 1) return NULL;
    x = half_of(b, node_in(n, 0), interleaved, depth - 1);
    return x ? build(b, OP_gather, 1, INS(x, node_in(n, 1)), ATTRS(at_i(gather, axis, node_int(n, gather, axis)))) : NULL;
  case OP_const: return table_repeats(b->module, value_constant(v), interleaved) ? halved(b, v, interleaved) : NULL;
  default: return NULL;
  }
}

/* Cosines or sines [b, 1, s, n], [1, s, n], [s, n] as [b, s, n]; NULL where heads have their own. */
static Value *angles(Builder *b, Value *v, Type x) {
  Type t = v->type;
  Dim one = dim_const(b->module->dims, 1), dim[3] = {one, x->dim[2], t->dim[t->rank - 1]};
  if (t->rank < 2 || t->rank > 4 || t->dim[t->rank - 2] != x->dim[2]) return NULL;
  if (t->rank >= 3 && !dim_is(t->dim[t->rank - 3], 1)) return NULL;
  if (t->rank == 4) dim[0] = t->dim[0];
  return dim[0] == one || dim[0] == x->dim[0] ? build_reshape(b, v, 3, dim) : NULL;
}

static Value *rotated(Builder *b, Value *x, Value *cos, Value *sin, bool interleaved) {
  if (x->type->rank != 4 || !(cos = angles(b, cos, x->type)) || !(sin = angles(b, sin, x->type)) || cos->type != sin->type) return NULL;
  if (cos->type->dtype != x->type->dtype) return NULL;
  return build(b, OP_rope, 1, INS(x, cos, sin), ATTRS(at_i(rope, interleaved, interleaved)));
}

/* ---- the rules ---- */

/* a * b, of which one is `x`: the other. */
static Value *factor(const Node *n, const Value *x) { return node_in(n, 0) == x ? node_in(n, 1) : node_in(n, 1) == x ? node_in(n, 0) : NULL; }

/* x * C + turned(x) * S */
Value *recover_rope(Builder *b, Node *n) {
  for (int i = 0; i < 2; i++) {
    Node *straight = match_op(node_in(n, i), OP_mul), *crossed = match_op(node_in(n, 1 - i), OP_mul);
    for (int k = 0; straight && crossed && k < 2; k++) {
      Value *x, *c, *s = node_in(crossed, 1 - k);
      bool interleaved;
      if (!turned(b->module, node_in(crossed, k), &x, &interleaved) || !(c = factor(straight, x)) || x->type != n->out[0]->type) continue;
      c = half_of(b, c, interleaved, DEEP);
      s = c ? half_of(b, s, interleaved, DEEP) : NULL;
      Value *v = s ? rotated(b, x, c, s, interleaved) : NULL;
      if (v) return v;
    }
  }
  return NULL;
}

/* p * c and q * s, where p and q are parts of x */
typedef struct Turn {
  Value *p, *c, *q, *s;
} Turn;

static bool read_turn(const Node *n, int order, Turn *t) {
  Node *a = match_op(node_in(n, 0), OP_mul), *b = match_op(node_in(n, 1), OP_mul);
  if (!a || !b) return false;
  int i = order & 1, k = order >> 1;
  *t = (Turn){node_in(a, i), node_in(a, 1 - i), node_in(b, k), node_in(b, 1 - k)};
  return true;
}

/* x1 * c - x2 * s, and x2 * c + x1 * s in any order */
static bool is_turn(Module *m, const Node *less, const Node *more, int order, Value **x, Turn *t, bool *interleaved) {
  Turn u;
  if (!read_turn(less, order, t) || !parts_of(m, t->p, t->q, x, interleaved)) return false;
  for (int i = 0; i < 4; i++) {
    if (!read_turn(more, i, &u)) return false;
    if (u.p == t->q && u.c == t->c && u.q == t->p && u.s == t->s) return true;
    if (u.p == t->p && u.c == t->s && u.q == t->q && u.s == t->c) return true;
  }
  return false;
}

/* (x1 * c - x2 * s, x2 * c + x1 * s) joined */
static Value *rope_of_parts(Builder *b, const Value *v) {
  Value *first, *second, *x;
  bool joins, interleaved;
  Turn t;
  if (!joined(v, &first, &second, &joins) || !(first = unstacked(first, joins)) || !(second = unstacked(second, joins))) return NULL;
  Node *less = match_op(first, OP_sub), *more = match_op(second, OP_add);
  for (int i = 0; less && more && i < 4; i++)
    if (is_turn(b->module, less, more, i, &x, &t, &interleaved) && interleaved == joins && x->type == v->type)
      return rotated(b, x, t.c, t.s, interleaved);
  return NULL;
}

/* What of a head is not turned, behind what is. */
static Value *rope_of_part(Builder *b, const Node *n) {
  Node *r = n->n_in == 2 ? match_op(node_in(n, 0), OP_rope) : NULL;
  Part a, rest;
  int64_t width;
  if (!r || node_in(r, 3) || node_int(r, rope, dims) || !part_of(b->module, node_in(r, 0), &a) || !part_of(b->module, node_in(n, 1), &rest)) return NULL;
  if (a.of != rest.of || a.from != 0 || a.step != 1 || rest.step != 1 || rest.from != a.n || !last_known(a.of, &width) || rest.from + rest.n != width)
    return NULL;
  if (axis_of(node_int(n, concat, axis), n->out[0]->type->rank) != n->out[0]->type->rank - 1 || a.of->type != n->out[0]->type) return NULL;
  return build(b, OP_rope, 1, INS(a.of, node_in(r, 1), node_in(r, 2)),
               ATTRS(at_i(rope, interleaved, node_bool(r, rope, interleaved)), at_i(rope, dims, a.n)));
}

Value *recover_rope_joined(Builder *b, Node *n) {
  Value *v = n->op == OP_concat ? rope_of_part(b, n) : NULL;
  return v ? v : rope_of_parts(b, n->out[0]);
}

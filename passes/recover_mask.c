/* recover_mask.c -- which keys a mask lets queries see, where it is made by comparing their places. */
#include "passes/recover_mask.h"

#include "ir/infer.h"
#include "passes/rewrite.h"
#include "passes/steps.h"

enum { KEYS = 1, QUERIES = 2, DEEP = 12 }; /* axes, counted from the end; how far back a mask is followed */

/* Of two bounds neither is known to be the narrower, unless they are one. */
static bool set_bound(Dim *side, Dim bound) {
  if (dim_is_unknown(bound) || (*side && *side != bound)) return false;
  *side = bound;
  return true;
}

/* Key and query are compared; where `negated`, what the comparison says is not so. In any form it says that the key is at
 * most, or more than, the query plus a number. */
static bool narrow_by_comparison(Module *m, const Node *n, bool negated, Band *band) {
  Steps x, y;
  if (!steps_of(m, node_in(n, 0), &x) || !steps_of(m, node_in(n, 1), &y)) return false;
  if (band->one_query && x.axis == 0) x.axis = QUERIES;
  if (band->one_query && y.axis == 0) y.axis = QUERIES;
  bool key_first = x.axis == KEYS && y.axis == QUERIES;
  if (!key_first && !(x.axis == QUERIES && y.axis == KEYS)) return false;
  Dim bound = key_first ? dim_sub(m->dims, y.from, x.from) : dim_sub(m->dims, x.from, y.from);
  if ((n->op == OP_lt) == key_first) bound = dim_sub(m->dims, bound, dim_const(m->dims, 1));
  Dim *side = key_first == negated ? &band->before : &band->last;
  return set_bound(side, bound);
}

/* ---- masks that are constants ---- */

typedef bool (*SeenAt)(const Constant *c, const void *bytes, int64_t i, double hidden, bool *seen);

static bool seen_bool(const Constant *c, const void *bytes, int64_t i, double hidden, bool *seen) {
  (void)hidden;
  Dtype t = c->type->dtype;
  *seen = dtype_is_float(t) ? dtype_get_f(t, bytes, i) != 0 : dtype_get_i(t, bytes, i) != 0;
  return true;
}

static bool seen_bias(const Constant *c, const void *bytes, int64_t i, double hidden, bool *seen) {
  double v = dtype_get_f(c->type->dtype, bytes, i);
  *seen = v == 0;
  return v == 0 || v <= hidden;
}

/* A triangle: all keys up to the query's own and `reach` more. */
static bool is_triangle(const Constant *c, const void *bytes, SeenAt at, double hidden, int64_t *reach) {
  int64_t queries = c->type->dim[c->type->rank - 2]->constant, keys = c->type->dim[c->type->rank - 1]->constant;
  bool seen;
  *reach = -1;
  for (int64_t j = 0; j < keys && at(c, bytes, j, hidden, &seen) && seen; j++) *reach = j;
  for (int64_t i = 0; i < queries; i++)
    for (int64_t j = 0; j < keys; j++)
      if (!at(c, bytes, i * keys + j, hidden, &seen) || seen != (j <= i + *reach)) return false;
  return queries > 1;
}

static bool triangle_constant(Module *m, const Value *v, SeenAt at, double hidden, Dim *last) {
  const Constant *c = value_constant(v);
  int64_t reach, bytes;
  enum { MOST = 4 << 20 };
  if (!c || (c->kind != CONSTANT_BYTES && c->kind != CONSTANT_FILE) || c->type->encoded) return false;
  if (c->type->rank < 2 || !constant_size(c, &bytes) || bytes > MOST) return false;
  for (int i = 0; i < c->type->rank - 2; i++)
    if (!dim_is(c->type->dim[i], 1)) return false;
  const void *data = constant_data(m, c, (Loc){0});
  if (!data || !is_triangle(c, data, at, hidden, &reach)) return false;
  *last = dim_const(m->dims, reach);
  return true;
}

/* Queries or keys cut off at the front move what is seen. */
static bool shift_by_slice(Module *m, const Node *n, Dim *last) {
  Dim queries, keys;
  if (!slice_start(m, n, QUERIES, &queries) || !slice_start(m, n, KEYS, &keys)) return false;
  *last = dim_sub(m->dims, dim_add(m->dims, *last, queries), keys);
  return !dim_is_unknown(*last);
}

/* A triangle that is a constant, or cut out of one: GPT-2 keeps it for all positions that it was trained for. */
static bool triangle_of(Module *m, const Value *v, SeenAt at, double hidden, int depth, Dim *last) {
  const Node *n = v->def;
  if (!n || depth == 0) return false;
  if (n->op == OP_const) return triangle_constant(m, v, at, hidden, last);
  bool cast = n->op == OP_cast && at == seen_bool;
  if (!cast && n->op != OP_slice) return false;
  return triangle_of(m, node_in(n, 0), at, hidden, depth - 1, last) && (cast || shift_by_slice(m, n, last));
}

static bool narrow_by_triangle(Module *m, const Value *v, SeenAt at, double hidden, Band *band) {
  Dim last;
  return triangle_of(m, v, at, hidden, DEEP, &last) && set_bound(&band->last, last);
}

/* ---- masks ---- */

/* Are the last two axes those of the operand, and any before them of size 1? */
static bool keeps_places(const Node *n) {
  Type from = node_in(n, 0)->type, to = n->out[0]->type;
  if (from->rank < 2 || to->rank < 2) return false;
  for (int i = 1; i <= from->rank || i <= to->rank; i++) {
    bool place = i <= 2;
    if (place && from->dim[from->rank - i] != to->dim[to->rank - i]) return false;
    if (!place && i <= from->rank && !dim_is(from->dim[from->rank - i], 1)) return false;
  }
  return true;
}

static bool number_of(const Value *v, double *x) {
  uint64_t bits;
  if (match_float(v, x)) return true;
  if (!match_bits(v, &bits)) return false;
  return *x = (double)dtype_get_i(v->type->dtype, match_constant(v)->bytes, 0), true;
}

/* c, where v is one number where c holds, and another where it does not: a triangle cut out of ones, say. */
static const Value *choice_of(const Value *v, double *yes, double *no) {
  const Node *n = v->def;
  for (int depth = DEEP; n && depth > 0 && (n->op == OP_expand || n->op == OP_reshape) && keeps_places(n); depth--) n = node_in(n, 0)->def;
  if (!n || n->op != OP_where || !number_of(node_in(n, 1), yes) || !number_of(node_in(n, 2), no)) return NULL;
  return node_in(n, 0);
}

/* The condition that a comparison of a choice with a number, or its cast to bool, stands for; NULL where there is none. */
static const Value *condition_of(const Node *n, bool *negated) {
  double yes, no, number;
  for (int i = 0; n->op == OP_eq && i < 2; i++) {
    const Value *c = number_of(node_in(n, i), &number) ? choice_of(node_in(n, 1 - i), &yes, &no) : NULL;
    if (!c || (yes == number) == (no == number)) continue;
    *negated ^= no == number;
    return c;
  }
  if (n->op != OP_cast) return NULL;
  if (node_in(n, 0)->type->dtype == DT_bool) return node_in(n, 0);
  const Value *c = choice_of(node_in(n, 0), &yes, &no);
  if (!c || (yes != 0) == (no != 0)) return NULL;
  *negated ^= yes == 0;
  return c;
}

static bool narrow(Module *m, const Value *v, bool negated, int depth, Band *band) {
  const Node *n = v->def;
  uint64_t bits;
  if (!n || depth == 0 || v->type->kind != TYPE_TENSOR || v->type->dtype != DT_bool) return false;
  if (match_bits(v, &bits)) return (bits != 0) != negated;
  switch (n->op) {
  case OP_const: case OP_slice: return !negated && narrow_by_triangle(m, v, seen_bool, 0, band);
  case OP_le: case OP_lt: return narrow_by_comparison(m, n, negated, band);
  case OP_not: return narrow(m, node_in(n, 0), !negated, depth - 1, band);
  case OP_and: case OP_or:
    if ((n->op == OP_or) != negated) return false;
    return narrow(m, node_in(n, 0), negated, depth - 1, band) && narrow(m, node_in(n, 1), negated, depth - 1, band);
  case OP_where: /* a triangle cut out of what is true everywhere */
    return !negated && match_is(node_in(n, 1), 1) && match_is(node_in(n, 2), 0) && narrow(m, node_in(n, 0), negated, depth - 1, band);
  case OP_expand: case OP_reshape: case OP_unsqueeze: case OP_squeeze:
    return keeps_places(n) && narrow(m, node_in(n, 0), negated, depth - 1, band);
  case OP_cast: case OP_eq: {
    if (!negated && n->op == OP_cast && narrow_by_triangle(m, v, seen_bool, 0, band)) return true;
    const Value *c = condition_of(n, &negated);
    return c && narrow(m, c, negated, depth - 1, band);
  }
  default: return false;
  }
}

bool band_of(Module *m, const Value *v, bool negated, Band *band) {
  Band next = *band;
  if (!narrow(m, v, negated, DEEP, &next)) return false;
  *band = next;
  return true;
}

bool band_of_bias(Module *m, const Value *v, double hidden, Band *band) {
  const Node *n = v->def;
  double no = 0;
  for (int depth = DEEP; n && depth > 0 && (n->op == OP_expand || n->op == OP_reshape) && keeps_places(n); depth--) v = node_in(n, 0), n = v->def;
  if (!n) return false;
  if (n->op == OP_const || n->op == OP_slice) return narrow_by_triangle(m, v, seen_bias, hidden, band);
  if (n->op != OP_where) return false;
  for (int seen = 1; seen <= 2; seen++)
    if (match_is(node_in(n, seen), 0) && match_float(node_in(n, 3 - seen), &no) && no <= hidden)
      return band_of(m, node_in(n, 0), seen == 2, band);
  return false;
}

/* recover_attention.c -- finds attention: two products with a softmax between them, and what exporters put around these.
 *
 * From the second product the chain is followed inwards: the softmax, what is added to the scores, by what they are
 * multiplied, where they are masked, until the first product. What was found on the way becomes operands and attributes.
 *
 * A mask that puts -inf in a score's place, or adds it, hides the key; a row whose keys are all hidden is 0 then, where the
 * plain graph has NaN (or guards itself against that, as PyTorch's exporters do). Lesser numbers hide keys only as long as
 * some key is seen: if none is, all weigh the same. They stay numbers that are added, unless each row sees a key for
 * certain: its own. */
#include <math.h>

#include "ir/infer.h"
#include "passes/recover.h"
#include "passes/recover_mask.h"

/* A number that hides a score in f32: what is added to it is lost, and its weight is 0 beside any other. */
static const double hiding = -1e9;

typedef struct Chain {
  Builder *b;
  const Node *last;  /* the product with v */
  const Node *first; /* the product that makes scores */
  Type scores;       /* [.., s, t] of the softmax */
  Type cut;          /* [b, h, s, t], where batch and heads are one axis elsewhere; or NULL */
  double scale;      /* by what the scores are multiplied */
  double softcap;
  Value *bias;    /* what is added, or NULL */
  Value *visible; /* a bool a score: keys are hidden where it is false; or NULL */
  Band band;
} Chain;

static Dim from_end(Type t, int i) { return t->dim[t->rank - i]; }

static bool same_places(Type a, Type b) {
  return a->rank >= 2 && b->rank >= 2 && from_end(a, 1) == from_end(b, 1) && from_end(a, 2) == from_end(b, 2);
}

/* ---- what is added, and what is hidden ---- */

static Value *scaled(Chain *c, Value *v) {
  return c->scale == 1 ? v : build_binary(c->b, OP_mul, v, build_scalar_f(c->b, v->type->dtype, c->scale));
}

static void add_bias(Chain *c, Value *v) {
  v = scaled(c, v);
  c->bias = c->bias ? build_binary(c->b, OP_add, c->bias, v) : v;
}

static void also_visible(Chain *c, Value *v, bool negated) {
  if (negated) v = build_unary(c->b, OP_not, v);
  c->visible = c->visible ? build_binary(c->b, OP_and, c->visible, v) : v;
}

/* Keys are hidden for good where v does not hold: what compares places goes into the band, the rest stays a mask. */
static void hide(Chain *c, Value *v, bool negated) {
  Node *n = v->def;
  bool both = n && (n->op == OP_and || n->op == OP_or) && (n->op == OP_or) == negated && v->type->dtype == DT_bool;
  if (band_of(c->b->module, v, negated, &c->band)) return;
  for (int i = 0; both && i < 2; i++) hide(c, node_in(n, i), negated);
  if (n && n->op == OP_not && !both) hide(c, node_in(n, 0), !negated);
  else if (!both) also_visible(c, v, negated);
}

/* Does the band let each query see a key, so that it does not matter by what number the others are hidden? */
static bool sees_own(const Chain *c, const Band *band) {
  DimPool *p = c->b->module->dims;
  if (!band->last || !dim_at_least(band->last, 0)) return false;
  if (!band->before) return true;
  Dim own = dim_add(p, from_end(c->scores, 2), band->last); /* the last query's, plus 1 */
  return dim_at_least(dim_sub(p, dim_sub(p, band->last, band->before), dim_const(p, 1)), 0) &&
         dim_at_least(dim_sub(p, from_end(c->scores, 1), own), 0);
}

static bool take_band(Chain *c, const Band *band) {
  if (!sees_own(c, band)) return false;
  c->band = *band;
  return true;
}

/* What is left of a bias when what only hides keys is gone: NULL for nothing. */
static Value *rest_of_bias(Chain *c, Value *v) {
  Module *m = c->b->module;
  Node *n = v->def;
  Band next = c->band;
  double no;
  if (!n) return v;
  if (band_of_bias(m, v, -INFINITY, &c->band)) return NULL;
  if (band_of_bias(m, v, hiding, &next) && take_band(c, &next)) return NULL;
  if (n->op == OP_expand && infer_sizes_known(n)) return rest_of_bias(c, node_in(n, 0));
  if (n->op == OP_add) {
    Value *x = rest_of_bias(c, node_in(n, 0)), *y = rest_of_bias(c, node_in(n, 1));
    if (x == node_in(n, 0) && y == node_in(n, 1)) return v;
    return x && y ? build_binary(c->b, OP_add, x, y) : x ? x : y;
  }
  for (int seen = 1; n->op == OP_where && seen <= 2; seen++) {
    if (!match_is(node_in(n, seen), 0) || !match_float(node_in(n, 3 - seen), &no) || no != -INFINITY) continue;
    hide(c, node_in(n, 0), seen == 2);
    return NULL;
  }
  return v;
}

static void take_bias(Chain *c, Value *v) {
  Value *rest = c->scale > 0 ? rest_of_bias(c, v) : v;
  if (rest) add_bias(c, rest);
}

/* where(condition, scores, number), or the other way around */
static bool take_mask(Chain *c, const Node *n, int seen) {
  Value *condition = node_in(n, 0);
  Band next = c->band;
  double no;
  if (!match_float(node_in(n, 3 - seen), &no) || c->scale <= 0) return false;
  if (no == -INFINITY) return hide(c, condition, seen == 2), true;
  if (no <= -1e4 && band_of(c->b->module, condition, seen == 2, &next) && take_band(c, &next)) return true;
  if (no > hiding) return false;
  Value *zero = build_scalar_f(c->b, n->out[0]->type->dtype, 0), *in[3] = {condition, zero, zero};
  in[3 - seen] = node_in(n, 3 - seen);
  add_bias(c, build_values(c->b, OP_where, 1, 3, in, 0, NULL));
  return true;
}

/* ---- from the softmax to the first product ---- */

enum { DEEP = 16 };

/* Is v made of a product, by what may stand between it and the softmax? */
static bool is_score(const Value *v, int depth) {
  const Node *n = v->def;
  if (!n || depth == 0) return false;
  switch (n->op) {
  case OP_matmul: return true;
  case OP_add: case OP_mul: case OP_div: return is_score(node_in(n, 0), depth - 1) || is_score(node_in(n, 1), depth - 1);
  case OP_where: return is_score(node_in(n, 1), depth - 1) || is_score(node_in(n, 2), depth - 1);
  case OP_reshape: case OP_cast: case OP_tanh: return is_score(node_in(n, 0), depth - 1);
  default: return false;
  }
}

/* Which operand of n, from `from` on, is the scores; -1 where none is. */
static int score_operand(const Node *n, int from) {
  for (int i = from; i < n->n_in; i++)
    if (type_same_dims(node_in(n, i)->type, n->out[0]->type) && is_score(node_in(n, i), DEEP)) return i;
  return -1;
}

/* Scores cut from [b*h, s, t] to [b, h, s, t], or the other way around. */
static bool take_cut(Chain *c, const Node *n) {
  Type from = node_in(n, 0)->type, to = n->out[0]->type;
  if (!infer_sizes_known(n) || !same_places(from, to) || from->rank + to->rank != 7 || (from->rank != 3 && to->rank != 3)) return false;
  Type cut = from->rank == 4 ? from : to;
  if (c->cut && !type_same_dims(c->cut, cut)) return false;
  c->cut = cut;
  return true;
}

/* cap * tanh(x / cap) */
static Value *uncapped(const Value *v, double *cap) {
  double by;
  Value *bent = match_with_number(v, OP_mul, true, cap), *x = bent && match_op(bent, OP_tanh) ? node_in(bent->def, 0) : NULL;
  Value *whole = x ? match_with_number(x, OP_div, false, &by) : NULL;
  if (x && !whole && (whole = match_with_number(x, OP_mul, true, &by))) by = 1 / by;
  return whole && fabs(by - *cap) <= 1e-6 * fabs(*cap) && *cap > 0 ? whole : NULL;
}

/* One node inwards; NULL where it is none that belongs here. */
static Value *step_inwards(Chain *c, const Value *v) {
  Node *n = v->def;
  double number;
  Value *x;
  int at;
  switch (n->op) {
  case OP_add:
    if ((at = score_operand(n, 0)) < 0 || c->softcap != 0) return NULL;
    take_bias(c, node_in(n, 1 - at));
    return node_in(n, at);
  case OP_where:
    if ((at = score_operand(n, 1)) < 0 || c->softcap != 0) return NULL;
    return take_mask(c, n, at) ? node_in(n, at) : NULL;
  case OP_mul:
    if (c->scale == 1 && c->softcap == 0 && (x = uncapped(v, &number))) return c->softcap = number, x;
    if (!(x = match_with_number(v, OP_mul, true, &number))) return NULL;
    c->scale *= number;
    return x;
  case OP_div:
    if (!(x = match_with_number(v, OP_div, false, &number))) return NULL;
    c->scale /= number;
    return x;
  case OP_reshape: return take_cut(c, n) ? node_in(n, 0) : NULL;
  case OP_cast: return dtype_is_float(node_in(n, 0)->type->dtype) && v->type->dtype == DT_f32 ? node_in(n, 0) : NULL;
  default: return NULL;
  }
}

static bool walk_inwards(Chain *c, const Value *v) {
  for (int depth = DEEP; v && v->def && depth > 0; depth--) {
    if (v->def->op == OP_matmul) return c->first = v->def, true;
    v = step_inwards(c, v);
  }
  return false;
}

/* ---- from the second product to the softmax ---- */

/* where(isnan(p), 0, p) is p: attention gives 0 where there is nothing to see. */
static Value *unguarded(Value *v) {
  Node *n = match_op(v, OP_where), *test = n ? match_op(node_in(n, 0), OP_isnan) : NULL;
  bool guard = test && match_is(node_in(n, 1), 0) && node_in(test, 0) == node_in(n, 2) && node_in(n, 2)->type == v->type;
  return guard ? node_in(n, 2) : v;
}

/* Is p read only for the value that n makes of it, and its guard? What else reads the weights needs them in memory. */
static bool is_private(const Value *p, const Node *n) {
  for (const Use *u = p->uses; u; u = u->next) {
    const Node *user = u->user;
    bool guard = user->op == OP_isnan && user->out[0]->uses && match_only_use(user->out[0], n);
    if (user != n && !guard) return false;
  }
  return true;
}

static const Node *find_softmax(Chain *c, const Node *product) {
  const Node *reader = product;
  Value *v = node_in(product, 0);
  for (int depth = DEEP; v->def && depth > 0; depth--) {
    Node *n = v->def;
    Value *inner = unguarded(v);
    if (!is_private(v, reader)) return NULL;
    if (n->op == OP_softmax) return axis_of(node_int(n, softmax, axis), v->type->rank) == v->type->rank - 1 ? n : NULL;
    if (n->op == OP_cast && dtype_is_float(node_in(n, 0)->type->dtype)) inner = node_in(n, 0);
    else if (n->op == OP_reshape && take_cut(c, n)) inner = node_in(n, 0);
    if (inner == v) return NULL;
    reader = n;
    v = inner;
  }
  return NULL;
}

/* ---- operands ---- */

static Value *swapped(Builder *b, Value *v) {
  int64_t perm[MAX_RANK];
  int rank = v->type->rank;
  bool same = true;
  Node *t = match_op(v, OP_transpose);
  if (t && node_ints(t, transpose, perm).n != rank) t = NULL;
  for (int i = 0; i < rank; i++) {
    int from = i == rank - 2 ? rank - 1 : i == rank - 1 ? rank - 2 : i;
    perm[i] = t ? node_ints(t, transpose, perm).at[from] : from;
    same &= perm[i] == i;
  }
  v = t ? node_in(t, 0) : v;
  return same ? v : build_transpose(b, v, rank, perm);
}

static Value *unscaled(Chain *c, Value *v) {
  double number;
  for (Value *x = v; x; v = x) {
    if ((x = match_with_number(v, OP_mul, true, &number))) c->scale *= number;
    else if ((x = match_with_number(v, OP_div, false, &number))) c->scale /= number;
    else break;
  }
  return v;
}

/* A product's operand as [.., rows, k]. Axes are turned around again where the op has turned them. */
static Value *product_operand(Chain *c, const Node *n, int i, bool turned) {
  Value *v = unscaled(c, node_in(n, i));
  return turned ? unscaled(c, swapped(c->b, v)) : v;
}

/* [b, h, .., ..]: where batch and heads are one axis, as the scores are cut; without any, one of each. */
static Value *with_heads(Chain *c, Value *v) {
  Dim one = dim_const(c->b->module->dims, 1), dim[4] = {one, one, from_end(v->type, 2), from_end(v->type, 1)};
  if (v->type->rank == 4) return v;
  if (v->type->rank > 4) return NULL;
  if (c->cut) dim[0] = c->cut->dim[0], dim[1] = c->cut->dim[1];
  else if (v->type->rank == 3) dim[1] = v->type->dim[0];
  return build_reshape(c->b, v, 4, dim);
}

/* Keys or values before they were repeated for the queries of a group; v itself where they were not.
 *
 * Exporters write reshape(expand(k[b, g, 1, t, d] to [b, g, n, t, d]) to [b, g*n, t, d]), or expand [b, 1, t, d]. */
static Value *ungrouped(Builder *b, Value *v) {
  Node *join = match_op(v, OP_reshape), *e = match_op(join ? node_in(join, 0) : v, OP_expand);
  if (!e || !infer_sizes_known(e) || v->type->rank != 4) return v;
  Type from = node_in(e, 0)->type, to = e->out[0]->type, all = v->type;
  if (!join) {
    bool heads = from->rank == 4 && dim_is(from->dim[1], 1) && from->dim[0] == all->dim[0] && same_places(from, all);
    return heads ? node_in(e, 0) : v;
  }
  bool groups = from->rank == 5 && to->rank == 5 && dim_is(from->dim[2], 1) && from->dim[0] == all->dim[0] && from->dim[1] == to->dim[1] &&
                to->dim[0] == all->dim[0] && same_places(from, all) && same_places(to, all) &&
                dim_mul(b->module->dims, to->dim[1], to->dim[2]) == all->dim[1];
  return groups ? build_reshape(b, node_in(e, 0), 4, (Dim[]){from->dim[0], from->dim[1], from->dim[3], from->dim[4]}) : v;
}

typedef struct Operands {
  Value *q, *k, *v;
} Operands;

/* Do the sizes fit an attention with these scores? Products broadcast where attention does not. */
static bool operands_fit(const Chain *c, const Operands *o) {
  Type q = o->q->type, k = o->k->type, v = o->v->type, s = c->scores;
  Dim h = q->dim[1], g = k->dim[1];
  bool float_types = q->dtype == k->dtype && q->dtype == v->dtype && q->dtype == c->last->out[0]->type->dtype && dtype_is_float(q->dtype);
  bool heads = h == g || dim_is(g, 1) || (dim_is_const(h) && dim_is_const(g) && g->constant > 0 && h->constant % g->constant == 0);
  return float_types && heads && q->dim[0] == k->dim[0] && k->dim[0] == v->dim[0] && g == v->dim[1] && q->dim[2] == from_end(s, 2) &&
         k->dim[2] == from_end(s, 1) && v->dim[2] == k->dim[2] && q->dim[3] == k->dim[3] &&
         (s->rank < 4 || (s->dim[0] == q->dim[0] && s->dim[1] == h));
}

static bool find_operands(Chain *c, Operands *o) {
  const Node *first = c->first, *last = c->last;
  for (int i = 0; i < 2; i++)
    if (node_in(first, i)->type->rank < 2 || node_in(first, i)->type->encoded || node_in(last, 1)->type->rank < 2) return false;
  o->q = with_heads(c, product_operand(c, first, 0, node_bool(first, matmul, transa)));
  o->k = with_heads(c, product_operand(c, first, 1, !node_bool(first, matmul, transb)));
  Value *v = node_in(last, 1);
  o->v = with_heads(c, node_bool(last, matmul, transb) ? swapped(c->b, v) : v);
  if (!o->q || !o->k || !o->v || !operands_fit(c, o)) return false;
  Operands less = {o->q, ungrouped(c->b, o->k), ungrouped(c->b, o->v)};
  if (operands_fit(c, &less)) *o = less;
  return true;
}

/* ---- the op ---- */

/* What the bias and the mask are together: floats that are added, or a mask alone. */
static Value *whole_bias(Chain *c) {
  if (!c->visible || !c->bias) return c->visible ? c->visible : c->bias;
  return build(c->b, OP_where, 1, INS(c->visible, c->bias, build_scalar_f(c->b, c->bias->type->dtype, -INFINITY)), NO_ATTRS);
}

/* The attributes and the operand that say what the band says; false where they cannot. */
static bool band_attributes(Chain *c, Value **offsets, int64_t *window) {
  DimPool *p = c->b->module->dims;
  Dim at = c->band.last ? c->band.last : dim_const(p, 0);
  *offsets = dim_is(at, 0) ? NULL : build_dims(c->b, 1, &at);
  *window = 0;
  if (!c->band.before) return true;
  Dim seen = dim_sub(p, at, c->band.before);
  if (!dim_is_const(seen) || seen->constant <= 0) return false;
  *window = seen->constant;
  return true;
}

static double attention_scale(const Chain *c, Dim d) {
  double usual = dim_is_const(d) && d->constant > 0 ? 1 / sqrt((double)d->constant) : 0;
  return fabs(c->scale - usual) <= 1e-6 * usual ? 0 : c->scale;
}

Value *recover_attention(Builder *b, Node *n) {
  Chain c = {.b = b, .last = n, .scale = 1};
  Operands o;
  if (node_bool(n, matmul, transa) || node_dtype(n, matmul, out) != DT_none || n->out[0]->type->rank < 2) return NULL;
  const Node *softmax = find_softmax(&c, n);
  if (!softmax) return NULL;
  c.scores = node_in(softmax, 0)->type;
  c.band.one_query = c.scores->rank >= 2 && dim_is(from_end(c.scores, 2), 1);
  Value *offsets;
  int64_t window;
  if (!walk_inwards(&c, node_in(softmax, 0)) || !find_operands(&c, &o) || c.scale == 0 || !band_attributes(&c, &offsets, &window)) return NULL;
  Value *v = build(b, OP_attention, 1, INS(o.q, o.k, o.v, whole_bias(&c), NULL, offsets),
                   ATTRS(at_i(attention, causal, c.band.last != NULL), at_f(attention, scale, attention_scale(&c, o.q->type->dim[3])),
                         at_f(attention, softcap, c.softcap), at_i(attention, window, window)));
  return v->type ? build_reshape(b, v, n->out[0]->type->rank, n->out[0]->type->dim) : NULL;
}

/* ---- masks of attention that came as one op ---- */

/* The same attention, with what is left of its bias after the band. */
static Value *rebiased(Builder *b, const Node *n, Value *bias, Value *offsets, const Chain *c, int64_t window) {
  Value **in = ARENA_ARRAY(b->module->arena, Value *, 8);
  for (int i = 0; i < n->n_in; i++) in[i] = node_in(n, i);
  in[3] = bias;
  if (c && c->band.last) in[5] = offsets;
  Value *v = build_values(b, OP_attention, 1, c && n->n_in < 6 ? 6 : n->n_in, in, 0, NULL);
  for (int k = 0; k < op_info(OP_attention)->n_attrs; k++) v->def->attr[k] = n->attr[k];
  if (c && c->band.last) node_attr(v->def, attr_slot(attention, causal))->i = 1;
  if (c && c->band.last) node_attr(v->def, attr_slot(attention, window))->i = window;
  return v;
}

static bool limits_nothing(const Node *n) {
  return !node_bool(n, attention, causal) && node_int(n, attention, window) == 0 && node_int(n, attention, ahead) < 0 && !node_in(n, 5) &&
         !node_bool(n, attention, ring);
}

/* Keys and values that were repeated for the queries of a group, which the op does by itself. */
static Value *with_groups(Builder *b, const Node *n) {
  Value *in[8], *k = ungrouped(b, node_in(n, 1)), *v = ungrouped(b, node_in(n, 2));
  Dim g = k->type->dim[1], h = node_in(n, 0)->type->dim[1];
  if (k == node_in(n, 1) || v == node_in(n, 2) || g != v->type->dim[1] || n->n_in > 8) return NULL;
  if (!dim_is_const(g) || !dim_is_const(h) || g->constant < 1 || h->constant % g->constant) return NULL;
  for (int i = 0; i < n->n_in; i++) in[i] = i == 1 ? k : i == 2 ? v : node_in(n, i);
  return build_like(b, n, in);
}

static Value *unmasked(Builder *b, const Node *n) {
  Value *bias = node_in(n, 3), *offsets;
  int64_t window;
  if (!bias) return NULL;
  bool mask = bias->type->dtype == DT_bool;
  if (match_is(bias, mask ? 1 : 0)) return rebiased(b, n, NULL, NULL, NULL, 0);
  if (!limits_nothing(n)) return NULL;
  Type q = node_in(n, 0)->type, k = node_in(n, 1)->type;
  Chain c = {.b = b, .last = n, .scale = 1};
  c.scores = type_tensor(b->module->types, q->dtype, 4, (Dim[]){q->dim[0], q->dim[1], q->dim[2], k->dim[2]});
  c.band.one_query = dim_is(q->dim[2], 1);
  if (mask) hide(&c, bias, false);
  else take_bias(&c, bias);
  return c.band.last && band_attributes(&c, &offsets, &window) ? rebiased(b, n, whole_bias(&c), offsets, &c, window) : NULL;
}

Value *recover_attention_mask(Builder *b, Node *n) {
  Value *v = unmasked(b, n), *less = with_groups(b, v ? v->def : n);
  return less ? less : v;
}

/* sizes.c -- computes the sizes that only the data tells before they are needed, and checks those that types alone do not
 * show to fit.
 *
 * While a model is evaluated, each node says how large its results are when it runs. A kernel is launched over sizes that
 * are known, so here ordinary nodes compute them first: a `bind` gives them to the symbols of the result's type, and the node
 * behind it is like any other. Reductions along axes that only the data knows become reductions along fixed axes of a view.
 *
 * What inference has only assumed, that two symbolic sizes are equal, say, becomes a `check`. A number of the data that
 * cannot be right (an axis out of range) is turned into the size -1, which no symbol can have. */
#include "ir/fatal.h"
#include "ir/infer.h"
#include "passes/pass.h"

typedef struct Sizes {
  Module *module;
  Func *func;
  Arena *scratch;
  Builder b; /* before the node that is looked at */
  VEC(const Node *) checks; /* that stand before it */
} Sizes;

/* ---- arithmetic on lists of i64 ---- */

static Value *number(Sizes *s, int64_t v) { return build_scalar_i(&s->b, DT_i64, v); }
static Value *add(Sizes *s, Value *x, Value *y) { return build_binary(&s->b, OP_add, x, y); }
static Value *sub(Sizes *s, Value *x, Value *y) { return build_binary(&s->b, OP_sub, x, y); }
static Value *mul(Sizes *s, Value *x, Value *y) { return build_binary(&s->b, OP_mul, x, y); }
static Value *quotient(Sizes *s, Value *x, Value *y) { return build_binary(&s->b, OP_div, x, y); }
static Value *least(Sizes *s, Value *x, Value *y) { return build_binary(&s->b, OP_min, x, y); }
static Value *most(Sizes *s, Value *x, Value *y) { return build_binary(&s->b, OP_max, x, y); }
static Value *less(Sizes *s, Value *x, Value *y) { return build_binary(&s->b, OP_lt, x, y); }
static Value *equal(Sizes *s, Value *x, Value *y) { return build_binary(&s->b, OP_eq, x, y); }
static Value *both(Sizes *s, Value *x, Value *y) { return build_binary(&s->b, OP_and, x, y); }
static Value *either(Sizes *s, Value *x, Value *y) { return build_binary(&s->b, OP_or, x, y); }
static Value *pick(Sizes *s, Value *c, Value *x, Value *y) { return build(&s->b, OP_where, 1, INS(c, x, y), NO_ATTRS); }
static Value *sizes_of(Sizes *s, Type t) { return build_dims(&s->b, t->rank, t->dim); }

static Value *shaped(Sizes *s, Value *x, int64_t rows, int64_t columns) {
  Dim dim[] = {dim_const(s->module->dims, rows), dim_const(s->module->dims, columns)};
  return build_reshape(&s->b, x, 2, dim);
}

static Value *fold(Sizes *s, Op op, Value *x, int64_t axis) {
  return build(&s->b, op, 1, INS(x, build_ints(&s->b, 1, &axis)), ATTRS(at_i(reduce_sum, keep, 0)));
}

static Value *joined(Sizes *s, Value *x, Value *y) { return build(&s->b, OP_concat, 1, INS(x, y), ATTRS(at_i(concat, axis, 0))); }

/* 0, 1, 2, ... */
static Value *counted(Sizes *s, int n) {
  int64_t *at = ARENA_ARRAY(s->scratch, int64_t, n);
  for (int i = 0; i < n; i++) at[i] = i;
  return build_ints(&s->b, n, at);
}

static Value *repeated(Sizes *s, int n, int64_t v) {
  int64_t *at = ARENA_ARRAY(s->scratch, int64_t, n);
  for (int i = 0; i < n; i++) at[i] = v;
  return build_ints(&s->b, n, at);
}

/* An operand as i64[n]; NULL where its length is not known. */
static Value *list(Sizes *s, const Node *n, int operand, int *length) {
  Value *v = node_in(n, operand);
  Dim count = type_elements(s->module->dims, v->type);
  if (!dim_is_const(count)) return NULL;
  *length = (int)count->constant;
  v = build_cast(&s->b, v, DT_i64);
  return v->type->rank == 1 ? v : build_reshape(&s->b, v, 1, &count);
}

/* Numbers behind ones, so that there are `rank` of them. */
static Value *right_aligned(Sizes *s, Value *v, int n, int rank) { return n == rank ? v : joined(s, repeated(s, rank - n, 1), v); }

/* ---- lists by axis ---- */

/* Which number of a list is meant for which axis. */
typedef struct ByAxis {
  int n, rank;
  Value *hot;   /* bool[n, rank] */
  Value *has;   /* bool[rank]: some number is */
  Value *valid; /* bool[]: all are, and no axis twice */
} ByAxis;

/* The axes are an operand, or the first ones. */
static bool by_axis(Sizes *s, const Node *n, int operand, int count, int rank, ByAxis *a) {
  *a = (ByAxis){.n = count, .rank = rank};
  Value *axes = node_in(n, operand) ? list(s, n, operand, &a->n) : counted(s, count);
  if (!axes || (count >= 0 && a->n != count)) return false;
  axes = pick(s, less(s, axes, number(s, 0)), add(s, axes, number(s, rank)), axes);
  a->hot = equal(s, shaped(s, axes, a->n, 1), shaped(s, counted(s, rank), 1, rank));
  a->has = fold(s, OP_reduce_max, a->hot, 0);
  a->valid = equal(s, fold(s, OP_reduce_sum, build_cast(&s->b, a->has, DT_i64), 0), number(s, a->n));
  return true;
}

/* The list's numbers in the places of their axes, and another for the other axes. */
static Value *spread(Sizes *s, const ByAxis *a, Value *list, int64_t other) {
  Value *placed = pick(s, a->hot, shaped(s, list, a->n, 1), number(s, 0));
  return pick(s, a->has, fold(s, OP_reduce_sum, placed, 0), number(s, other));
}

/* Those of `of` where `kept`, one behind another: the first m. */
static Value *compressed(Sizes *s, Value *kept, Value *of, int rank, int m) {
  Value *one = build_cast(&s->b, kept, DT_i64);
  Value *place = build(&s->b, OP_cumsum, 1, INS(one, number(s, 0)), ATTRS(at_i(cumsum, exclusive, 1)));
  Value *here = equal(s, shaped(s, place, 1, rank), shaped(s, counted(s, m), m, 1));
  Value *chosen = pick(s, both(s, here, shaped(s, kept, 1, rank)), shaped(s, of, 1, rank), number(s, 0));
  return fold(s, OP_reduce_sum, chosen, 1);
}

/* ---- symbols ---- */

static void bind(Sizes *s, Value *vector, int n, const Dim *dim) {
  Dim *copy = ARENA_ARRAY(s->module->arena, Dim, n);
  memcpy(copy, dim, (size_t)n * sizeof *dim);
  build(&s->b, OP_bind, 0, INS(vector), ATTRS(at_dims(bind, sizes, n, copy)));
}

static Dim fresh(Sizes *s, const char *hint) { return dim_symbol(s->module->dims, func_fresh_symbol(s->func, hint)); }

static void bind_result(Sizes *s, Value *vector, const Node *n) { bind(s, vector, n->out[0]->type->rank, n->out[0]->type->dim); }

static bool is_checked(const Sizes *s, Dim a, Dim b, bool broadcast) {
  for (int i = 0; i < s->checks.n; i++) {
    const Attr *sizes = node_attr(s->checks.at[i], attr_slot(check, sizes));
    bool same = node_bool(s->checks.at[i], check, broadcast) == broadcast;
    for (int k = 0; k < sizes->dims.n && same; k += 2)
      if (sizes->dims.at[k] == a && sizes->dims.at[k + 1] == b) return true;
  }
  return false;
}

static bool check(Sizes *s, Dim a, Dim b, bool broadcast) {
  if (is_checked(s, a, b, broadcast)) return false;
  Dim *pair = ARENA_ARRAY(s->module->arena, Dim, 2);
  pair[0] = a, pair[1] = b;
  build(&s->b, OP_check, 0, 0, NULL, ATTRS(at_dims(check, sizes, 2, pair), at_i(check, broadcast, broadcast)));
  vec_push(s->scratch, &s->checks, s->b.before->prev);
  return true;
}

static Value *or_wrong(Sizes *s, Value *good, Value *v) { return pick(s, good, v, number(s, -1)); }

/* ---- what each op's results are ---- */

/* A size of -1 is what the others leave; 0 may copy one. */
static bool tell_reshape(Sizes *s, Node *n) {
  Type x = node_in(n, 0)->type;
  int count;
  Value *want = list(s, n, 1, &count);
  if (!want || count == 0) return false;
  if (node_bool(n, reshape, zero_copies)) {
    Dim dim[MAX_RANK];
    for (int i = 0; i < count; i++) dim[i] = i < x->rank ? x->dim[i] : dim_const(s->module->dims, 0);
    want = pick(s, equal(s, want, number(s, 0)), build_dims(&s->b, count, dim), want);
  }
  Dim elements = type_elements(s->module->dims, x);
  Value *open = equal(s, want, number(s, -1));
  Value *rest = fold(s, OP_reduce_prod, pick(s, open, number(s, 1), want), 0);
  Value *left = quotient(s, build_dims(&s->b, 1, &elements), rest);
  bind_result(s, pick(s, open, left, want), n);
  return true;
}

static bool tell_expand(Sizes *s, Node *n) {
  Type x = node_in(n, 0)->type, t = n->out[0]->type;
  int count;
  Value *want = list(s, n, 1, &count), *one = number(s, 1);
  if (!want) return false;
  Value *have = right_aligned(s, sizes_of(s, x), x->rank, t->rank);
  want = right_aligned(s, want, count, t->rank);
  Value *fits = either(s, equal(s, want, one), equal(s, want, have));
  bind_result(s, pick(s, equal(s, have, one), want, or_wrong(s, fits, have)), n);
  return true;
}

static bool tell_tile(Sizes *s, Node *n) {
  int count;
  Value *times = list(s, n, 1, &count);
  if (!times || count != node_in(n, 0)->type->rank) return false;
  bind_result(s, or_wrong(s, less(s, number(s, -1), times), mul(s, times, sizes_of(s, node_in(n, 0)->type))), n);
  return true;
}

static bool tell_split(Sizes *s, Node *n) {
  int count, axis = axis_of(node_int(n, split, axis), n->out[0]->type->rank);
  Value *sizes = node_in(n, 1) ? list(s, n, 1, &count) : NULL;
  Dim *dim = ARENA_ARRAY(s->scratch, Dim, n->n_out), sum = dim_const(s->module->dims, 0);
  if (!sizes || count != n->n_out) return false;
  for (int i = 0; i < count; i++) {
    dim[i] = n->out[i]->type->dim[axis];
    sum = dim_add(s->module->dims, sum, dim[i]);
  }
  bind(s, sizes, count, dim);
  if (sum != node_in(n, 0)->type->dim[axis]) check(s, sum, node_in(n, 0)->type->dim[axis], false);
  return true;
}

static bool tell_topk(Sizes *s, Node *n) {
  int count, axis = axis_of(node_int(n, topk, axis), n->out[0]->type->rank);
  Value *k = list(s, n, 1, &count);
  Dim have = node_in(n, 0)->type->dim[axis];
  if (!k || count != 1) return false;
  k = or_wrong(s, build_binary(&s->b, OP_le, k, build_dims(&s->b, 1, &have)), k);
  for (int i = 0; i < n->n_out; i++) bind(s, k, 1, &n->out[i]->type->dim[axis]);
  return true;
}

static bool tell_nonzero(Sizes *s, Node *n) {
  Value *x = node_in(n, 0);
  Dim elements = type_elements(s->module->dims, x->type);
  Value *is_zero = equal(s, x, build_cast(&s->b, number(s, 0), x->type->dtype));
  Value *one = build_cast(&s->b, build_unary(&s->b, OP_not, is_zero), DT_i64);
  bind(s, fold(s, OP_reduce_sum, build_reshape(&s->b, one, 1, &elements), 0), 1, &n->out[0]->type->dim[1]);
  return true;
}

/* ceil((limit - start) / delta); in f64 for floats, as evaluation does. */
static bool tell_range(Sizes *s, Node *n) {
  bool is_float = dtype_is_float(node_in(n, 0)->type->dtype);
  Value *in[3], *zero = is_float ? build_scalar_f(&s->b, DT_f64, 0) : number(s, 0), *length;
  Dim one = dim_const(s->module->dims, 1);
  for (int i = 0; i < 3; i++) in[i] = build_reshape(&s->b, build_cast(&s->b, node_in(n, i), zero->type->dtype), 1, &one);
  Value *span = sub(s, in[1], in[0]), *by = in[2];
  if (is_float) {
    length = build_cast(&s->b, most(s, build_unary(&s->b, OP_ceil, quotient(s, span, by)), zero), DT_i64);
  } else {
    Value *up = less(s, zero, by);
    span = most(s, pick(s, up, span, sub(s, zero, span)), zero);
    by = pick(s, up, by, sub(s, zero, by));
    length = quotient(s, add(s, span, sub(s, by, number(s, 1))), by);
  }
  Value *stays = equal(s, in[2], zero);
  bind(s, pick(s, stays, number(s, -1), length), 1, n->out[0]->type->dim);
  return true;
}

/* As slice_resolve(). A slice whose axes only the data knows becomes one along all of them. */
static bool tell_slice(Sizes *s, Node *n) {
  Type x = node_in(n, 0)->type;
  ByAxis a;
  int count, n_ends, n_steps;
  Value *start = list(s, n, 1, &count), *end = start ? list(s, n, 2, &n_ends) : NULL;
  if (!end || n_ends != count || !by_axis(s, n, 3, count, x->rank, &a)) return false;
  Value *step = node_in(n, 4) ? list(s, n, 4, &n_steps) : repeated(s, count, 1), *zero = number(s, 0), *one = number(s, 1);
  if (!step || (node_in(n, 4) && n_steps != count)) return false;
  start = spread(s, &a, start, 0), end = spread(s, &a, end, INT64_MAX), step = spread(s, &a, step, 1);
  Value *d = sizes_of(s, x), *up = less(s, zero, step), *top = pick(s, up, d, sub(s, d, one));
  Value *from = pick(s, less(s, start, zero), add(s, start, d), start), *to = pick(s, less(s, end, zero), add(s, end, d), end);
  from = least(s, most(s, from, zero), top);
  to = least(s, most(s, to, pick(s, up, zero, number(s, -1))), top);
  Value *span = pick(s, up, sub(s, to, from), sub(s, from, to)), *by = build_unary(&s->b, OP_abs, step);
  Value *size = pick(s, less(s, zero, span), add(s, quotient(s, sub(s, span, one), by), one), zero);
  bind_result(s, or_wrong(s, both(s, a.valid, build_unary(&s->b, OP_not, equal(s, step, zero))), size), n);
  Value *list[] = {start, end, counted(s, x->rank), step};
  for (int i = node_in(n, 3) ? 0 : 4; i < 4 && i + 1 < n->n_in; i++) node_set_in(n, i + 1, list[i]);
  return true;
}

/* Pads that take more than there is are wrong. Pads whose axes only the data knows become pads of all axes. */
static bool tell_pad(Sizes *s, Node *n) {
  Type x = node_in(n, 0)->type;
  ByAxis a;
  int count;
  Value *pads = list(s, n, 1, &count), *zero = number(s, 0);
  if (!pads || count % 2 || !by_axis(s, n, 3, count / 2, x->rank, &a)) return false;
  Value *half[2];
  for (int i = 0; i < 2; i++) {
    int64_t from = i * (count / 2), to = from + count / 2;
    Value *part = build(&s->b, OP_slice, 1, INS(pads, build_ints(&s->b, 1, &from), build_ints(&s->b, 1, &to)), NO_ATTRS);
    half[i] = spread(s, &a, part, 0);
  }
  Value *d = sizes_of(s, x), *kept = add(s, d, add(s, least(s, half[0], zero), least(s, half[1], zero)));
  Value *good = both(s, a.valid, less(s, number(s, -1), kept));
  bind_result(s, or_wrong(s, good, add(s, d, add(s, half[0], half[1]))), n);
  if (!node_in(n, 3)) return true;
  node_set_in(n, 1, joined(s, half[0], half[1]));
  node_set_in(n, 3, counted(s, x->rank));
  return true;
}

static bool tell_squeeze(Sizes *s, Node *n) {
  Type x = node_in(n, 0)->type, t = n->out[0]->type;
  ByAxis a;
  if (!node_in(n, 1) || !by_axis(s, n, 1, x->rank - t->rank, x->rank, &a)) return false;
  Value *sizes = compressed(s, build_unary(&s->b, OP_not, a.has), sizes_of(s, x), x->rank, t->rank);
  bind_result(s, or_wrong(s, a.valid, sizes), n);
  return true;
}

static bool tell_unsqueeze(Sizes *s, Node *n) {
  Type x = node_in(n, 0)->type, t = n->out[0]->type;
  ByAxis a;
  if (!by_axis(s, n, 1, t->rank - x->rank, t->rank, &a)) return false;
  if (x->rank == 0) return false;
  Value *old = build_cast(&s->b, build_unary(&s->b, OP_not, a.has), DT_i64);
  Value *place = build(&s->b, OP_cumsum, 1, INS(old, number(s, 0)), ATTRS(at_i(cumsum, exclusive, 1)));
  Value *size = build(&s->b, OP_gather, 1, INS(sizes_of(s, x), least(s, place, number(s, x->rank - 1))), NO_ATTRS);
  bind_result(s, or_wrong(s, a.valid, pick(s, a.has, number(s, 1), size)), n);
  return true;
}

/* Each axis is cut in a part that is kept and one that is reduced, one of which has size 1: a view, whose axes are known. */
static bool tell_reduce(Sizes *s, Node *n) {
  Value *x = node_in(n, 0);
  Type t = n->out[0]->type;
  int rank = x->type->rank;
  bool keep = node_bool(n, reduce_sum, keep);
  ByAxis a;
  if (2 * rank > MAX_RANK || !node_in(n, 1) || !by_axis(s, n, 1, keep ? -1 : rank - t->rank, rank, &a)) return false;
  if (a.n == 0) return false;
  Value *d = sizes_of(s, x->type), *one = number(s, 1);
  Dim dim[MAX_RANK], pair[MAX_RANK];
  int64_t axes[MAX_RANK];
  for (int i = 0; i < rank; i++) {
    dim[i] = pair[2 * i] = keep ? t->dim[i] : fresh(s, "kept");
    dim[rank + i] = pair[2 * i + 1] = fresh(s, "reduced");
    axes[i] = 2 * i + 1;
  }
  Value *kept = pick(s, a.has, one, d), *reduced = pick(s, a.has, d, one);
  bind(s, or_wrong(s, a.valid, joined(s, kept, reduced)), 2 * rank, dim);
  if (!keep) bind_result(s, compressed(s, build_unary(&s->b, OP_not, a.has), d, rank, t->rank), n);
  Value *view = build_reshape(&s->b, x, 2 * rank, pair);
  Value *y = build(&s->b, n->op, 1, INS(view, build_ints(&s->b, rank, axes)), ATTRS(at_i(reduce_sum, keep, 0)));
  if (!keep) y = build_reshape(&s->b, y, t->rank, t->dim);
  value_replace(n->out[0], y);
  node_remove(n);
  return true;
}

/* Two sizes where either may be 1: b where a is 1, which is a + (b - a) * (1 - min(1, |a - 1|)). */
static Dim broadcast(DimPool *p, Dim a, Dim b) {
  Dim one = dim_const(p, 1), off = dim_sub(p, dim_max(p, a, one), dim_min(p, a, one));
  return dim_add(p, a, dim_mul(p, dim_sub(p, b, a), dim_sub(p, one, dim_min(p, one, off))));
}

/* Results that are as large as their operands, aligned at the right, where these are not 1. */
static bool tell_broadcast(Sizes *s, Node *n) {
  Type t = n->out[0]->type;
  DimPool *p = s->module->dims;
  int inner = n->op == OP_matmul ? 2 : 0;
  if (n->op == OP_matmul && (node_in(n, 0)->type->rank < 2 || node_in(n, 1)->type->rank < 2)) return false;
  for (int i = 0; i < t->rank - inner; i++) {
    Dim size = dim_const(p, 1);
    for (int k = 0; k < n->n_in; k++) {
      Type x = node_in(n, k)->type;
      int at = i - (t->rank - x->rank);
      if (at >= 0) size = dim_is(size, 1) ? x->dim[at] : x->dim[at] == size || dim_is(x->dim[at], 1) ? size : broadcast(p, size, x->dim[at]);
    }
    if (dim_is_unknown(size)) return false;
    const Symbol *symbol = dim_as_symbol(t->dim[i]);
    if (!symbol || !symbol->derived || size == t->dim[i]) continue;
    bind(s, build_dims(&s->b, 1, &size), 1, &t->dim[i]);
    for (int k = 0; k < n->n_in; k++) {
      Type x = node_in(n, k)->type;
      int at = i - (t->rank - x->rank);
      if (at >= 0 && !dim_is(x->dim[at], 1)) check(s, x->dim[at], t->dim[i], true);
    }
  }
  return true;
}

static bool tell(Sizes *s, Node *n) {
  switch (n->op) {
  case OP_reshape: return tell_reshape(s, n);
  case OP_squeeze: return tell_squeeze(s, n);
  case OP_unsqueeze: return tell_unsqueeze(s, n);
  case OP_expand: return tell_expand(s, n);
  case OP_split: return tell_split(s, n);
  case OP_slice: return tell_slice(s, n);
  case OP_pad: return tell_pad(s, n);
  case OP_tile: return tell_tile(s, n);
  case OP_range: return tell_range(s, n);
  case OP_nonzero: return tell_nonzero(s, n);
  case OP_topk: return tell_topk(s, n);
  case OP_reduce_sum:
  case OP_reduce_mean:
  case OP_reduce_prod:
  case OP_reduce_max:
  case OP_reduce_min: return tell_reduce(s, n);
  case OP_matmul: return tell_broadcast(s, n);
  default: return op_info(n->op)->level == LEVEL_ANY && n->n_in > 1 && tell_broadcast(s, n);
  }
}

/* ---- what is assumed ---- */

static bool check_assumptions(Sizes *s, Node *n) {
  Assumptions assumed = {.arena = s->scratch};
  Type *in = ARENA_ARRAY(s->scratch, Type, n->n_in), *out = ARENA_ARRAY(s->scratch, Type, n->n_out);
  for (int i = 0; i < n->n_in; i++) in[i] = node_in(n, i) ? node_in(n, i)->type : NULL;
  if (!infer_run(&(Infer){.module = s->module, .node = n, .diag = s->module->diag, .in = in, .out = out, .assumed = &assumed})) return false;
  bool changed = false;
  for (int i = 0; i < assumed.list.n; i++)
    changed |= check(s, assumed.list.at[i].a, assumed.list.at[i].b, assumed.list.at[i].broadcast);
  return changed;
}

/* ---- the walk ---- */

static bool walk_block(Sizes *s, Block *b) {
  bool changed = false;
  int mark = s->checks.n;
  for (Node *n = b->first, *next; n; n = next) {
    next = n->next;
    if (n->op == OP_check) vec_push(s->scratch, &s->checks, n);
    s->b = (Builder){.module = s->module, .func = s->func, .block = b, .before = n, .loc = n->loc};
    for (int i = 0; i < n->n_regions; i++) changed |= walk_block(s, n->region[i]);
    if (n->n_regions) continue;
    changed |= check_assumptions(s, n);
    if (!infer_sizes_known(n)) changed |= tell(s, n); /* which may remove it */
  }
  s->checks.n = mark;
  return changed;
}

bool pass_sizes(PassCall *c, Func *f) {
  Sizes s = {.module = c->module, .func = f, .scratch = c->scratch};
  return walk_block(&s, f->body);
}

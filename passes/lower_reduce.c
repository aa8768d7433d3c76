/* lower_reduce.c -- how reductions, scans and sorting are lowered. */
#include "ir/fatal.h"
#include "ir/infer.h"
#include "passes/lower.h"

/* An operand of sizes or axes, where there is one, is constant. */
bool need_constant_axes(Module *m, const Node *n) {
  int64_t list[MAX_RANK];
  int count;
  return !node_in(n, 1) || kernel_ints(m, node_in(n, 1), MAX_RANK, list, &count);
}

/* ---- reductions over a set of axes ---- */

static void reduced_axes(Kernel *k, const Node *n, int rank, bool *reduced) {
  int64_t list[MAX_RANK];
  int count = 0;
  if (node_in(n, 1)) ensure(kernel_ints(k->module, node_in(n, 1), MAX_RANK, list, &count));
  bool all = count == 0 && !node_bool(n, reduce_sum, noop_empty);
  for (int i = 0; i < rank; i++) reduced[i] = all;
  for (int i = 0; i < count; i++) reduced[axis_of(list[i], rank)] = true;
}

static Op fold_op(Op op, Dtype t) {
  switch (op) {
  case OP_reduce_prod: return OP_mul;
  case OP_reduce_max: return t == DT_bool ? OP_or : OP_max;
  case OP_reduce_min: return t == DT_bool ? OP_and : OP_min;
  default: return OP_add;
  }
}

/* Integers wrap, whatever they are summed in; but a mean divides the sum, so that must not. */
static Dtype fold_type(Op op, Dtype t) {
  if (dtype_is_float(t) || op != OP_reduce_mean) return kernel_wide(t);
  return dtype_is_signed(t) ? DT_i64 : DT_u64;
}

typedef struct Operand {
  const Value *v;
  Dtype t;
} Operand;

static Value *operand_element(Kernel *k, void *ctx, Value **index) {
  const Operand *o = ctx;
  return kb_cast(&k->b, kernel_widen(k, kernel_pull(k, o->v, index)), o->t);
}

static Value *divide_by_count(Kernel *k, Value *sum, Type x, const bool *reduced) {
  Value *count = kb_index(&k->b, 1);
  for (int i = 0; i < x->rank; i++)
    if (reduced[i]) count = kb_mul(&k->b, count, kernel_size(k, x->dim[i]));
  return build_binary(&k->b, OP_div, sum, kb_cast(&k->b, count, sum->type->dtype));
}

/* Each result by itself: along rows, what is folded lies together. */
static Value *reduce_element(Kernel *k, const Node *n, int result, Value *const *index) {
  Operand o = {node_in(n, 0), fold_type(n->op, node_in(n, 0)->type->dtype)};
  Type x = o.v->type;
  bool reduced[MAX_RANK], keep = node_bool(n, reduce_sum, keep);
  Value *at[MAX_RANK];
  reduced_axes(k, n, x->rank, reduced);
  for (int i = 0, from = 0; i < x->rank; i++) {
    if (!reduced[i]) at[i] = index[from];
    from += !reduced[i] || keep;
  }
  Value *v = kernel_fold_axes(k, fold_op(n->op, x->dtype), o.t, x, reduced, at, operand_element, &o);
  if (n->op == OP_reduce_mean) v = divide_by_count(k, v, x, reduced);
  return kernel_narrow(k, v, n->out[result]->type->dtype);
}

/* Where the last axis stays, a piece of it is folded at once: row after row is added to what is in memory. A sum takes a
 * stretch of rows first, and adds that. */
enum { PIECE = 256, ROWS = 512 };

typedef struct Columns {
  const Node *node;
  Operand operand;
  Op op;
  bool reduced[MAX_RANK];
  Value *at[MAX_RANK]; /* the place in x */
  Value *first, *count;
  Value *total, *part; /* memory: [PIECE]; part is NULL where there is nothing to cut */
} Columns;

static Value *no_fold(Kernel *k, void *ctx, Value *j) {
  const Columns *c = ctx;
  (void)j;
  return kernel_identity(k, c->op, c->operand.t);
}

/* to[j] = to[j] op x[.., first + j] */
static void fold_row(Kernel *k, Columns *c, Value *to) {
  int last = c->operand.v->type->rank - 1;
  KernelFor f = kb_for(&k->b, kb_index(&k->b, 0), c->count, 0, NULL);
  c->at[last] = kb_add(&k->b, c->first, f.i);
  Value *x = operand_element(k, &c->operand, c->at);
  kb_store(&k->b, to, f.i, build_binary(&k->b, c->op, kb_load(&k->b, to, f.i), x));
  kb_for_end(&k->b, &f, 0, NULL);
}

static void fold_parts(Kernel *k, Columns *c) {
  KernelFor f = kb_for(&k->b, kb_index(&k->b, 0), c->count, 0, NULL);
  Value *sum = build_binary(&k->b, c->op, kb_load(&k->b, c->total, f.i), kb_load(&k->b, c->part, f.i));
  kb_store(&k->b, c->total, f.i, sum);
  kb_for_end(&k->b, &f, 0, NULL);
}

static int next_reduced(const Columns *c, int axis) {
  while (axis < c->operand.v->type->rank && !c->reduced[axis]) axis++;
  return axis;
}

static void fold_rows(Kernel *k, Columns *c, int axis) {
  Type x = c->operand.v->type;
  if (axis == x->rank) {
    fold_row(k, c, c->total);
    return;
  }
  Value *zero = kb_index(&k->b, 0), *size = kernel_size(k, x->dim[axis]);
  bool innermost = next_reduced(c, axis + 1) == x->rank;
  if (!innermost || !c->part) {
    KernelFor f = kb_for(&k->b, zero, size, 0, NULL);
    c->at[axis] = f.i;
    fold_rows(k, c, next_reduced(c, axis + 1));
    kb_for_end(&k->b, &f, 0, NULL);
    return;
  }
  KernelFor blocks = kb_for_step(&k->b, zero, size, ROWS, 0, NULL);
  kernel_fill(k, c->part, c->count, no_fold, c);
  Value *end = kb_min(&k->b, kb_add(&k->b, blocks.i, kb_index(&k->b, ROWS)), size);
  KernelFor rows = kb_for(&k->b, blocks.i, end, 0, NULL);
  c->at[axis] = rows.i;
  fold_row(k, c, c->part);
  kb_for_end(&k->b, &rows, 0, NULL);
  fold_parts(k, c);
  kb_for_end(&k->b, &blocks, 0, NULL);
}

static void store_columns(Kernel *k, Columns *c, Value **index) {
  const Node *n = c->node;
  Type t = n->out[0]->type;
  KernelFor f = kb_for(&k->b, kb_index(&k->b, 0), c->count, 0, NULL);
  Value *v = kb_load(&k->b, c->total, f.i);
  if (n->op == OP_reduce_mean) v = divide_by_count(k, v, c->operand.v->type, c->reduced);
  index[t->rank - 1] = kb_add(&k->b, c->first, f.i);
  kernel_store(k, 0, index, kernel_narrow(k, v, t->dtype));
  kb_for_end(&k->b, &f, 0, NULL);
}

static void reduce_columns(Kernel *k, Columns *c) {
  const Node *n = c->node;
  Type x = c->operand.v->type, t = n->out[0]->type;
  Value *index[MAX_RANK], *size = kernel_size(k, t->dim[t->rank - 1]);
  bool keep = node_bool(n, reduce_sum, keep), is_sum = c->op == OP_add && dtype_is_float(c->operand.t);
  c->total = kb_memory(&k->b, c->operand.t, PIECE);
  c->part = is_sum ? kb_memory(&k->b, c->operand.t, PIECE) : NULL;
  kernel_spread(k, t, t->rank - 1, t->rank, index);
  for (int i = 0, from = 0; i < x->rank - 1; i++) {
    if (!c->reduced[i]) c->at[i] = index[from];
    from += !c->reduced[i] || keep;
  }
  KernelFor pieces = kb_for_step(&k->b, kb_index(&k->b, 0), size, PIECE, 0, NULL);
  c->first = pieces.i;
  c->count = kb_min(&k->b, kb_sub(&k->b, size, pieces.i), kb_index(&k->b, PIECE));
  kernel_fill(k, c->total, c->count, no_fold, c);
  fold_rows(k, c, next_reduced(c, 0));
  store_columns(k, c, index);
  kb_for_end(&k->b, &pieces, 0, NULL);
}

bool lower_reduce(Kernel *k, const Node *n) {
  const Value *x = node_in(n, 0);
  Columns c = {.node = n, .operand = {x, fold_type(n->op, x->type->dtype)}, .op = fold_op(n->op, x->type->dtype)};
  int last = x->type->rank - 1;
  reduced_axes(k, n, x->type->rank, c.reduced);
  if (last < 0 || c.reduced[last] || dim_is(x->type->dim[last], 1))
    kernel_elements(k, n, reduce_element);
  else
    reduce_columns(k, &c);
  return true;
}

/* ---- order ---- */

static Value *is_nan(Kernel *k, Value *x) {
  return dtype_is_float(x->type->dtype) ? build_unary(&k->b, OP_isnan, x) : NULL;
}

static Value *both(Kernel *k, Value *x, Value *y) { return build_binary(&k->b, OP_and, x, y); }
static Value *either(Kernel *k, Value *x, Value *y) { return build_binary(&k->b, OP_or, x, y); }

/* The bytes of bools and numbers in the same order. */
static Value *comparable(Kernel *k, Value *x) {
  x = kernel_widen(k, x);
  return x->type->dtype == DT_bool ? kb_cast(&k->b, x, DT_u8) : x;
}

/* ---- along one axis ---- */

static void index_but(Type t, int axis, bool axis_is_there, Value *const *index, Value **at) {
  for (int i = 0, from = 0; i < t->rank; i++) {
    at[i] = i == axis ? NULL : index[from];
    from += i != axis || axis_is_there;
  }
}

/* The first NaN is both the largest and the smallest. */
static Value *beats(Kernel *k, const Node *n, Value *x, Value *best) {
  bool last = node_bool(n, argmax, last), largest = n->op == OP_argmax;
  Op compare = last ? OP_le : OP_lt;
  Value *wins = largest ? build_binary(&k->b, compare, best, x) : build_binary(&k->b, compare, x, best);
  Value *x_nan = is_nan(k, x), *best_nan = is_nan(k, best);
  if (!x_nan) return wins;
  return either(k, wins, last ? x_nan : both(k, x_nan, kb_not(&k->b, best_nan)));
}

Value *element_arg(Kernel *k, const Node *n, int result, Value *const *index) {
  const Value *x = node_in(n, 0);
  int axis = axis_of(node_int(n, argmax, axis), x->type->rank);
  Value *at[MAX_RANK];
  (void)result;
  index_but(x->type, axis, node_bool(n, argmax, keep), index, at);
  at[axis] = kb_index(&k->b, 0);
  Value *start[] = {comparable(k, kernel_pull(k, x, at)), kb_index(&k->b, 0)};
  KernelFor loop = kb_for(&k->b, kb_index(&k->b, 1), kernel_size(k, x->type->dim[axis]), 2, start);
  at[axis] = loop.i;
  Value *v = comparable(k, kernel_pull(k, x, at)), *wins = beats(k, n, v, loop.carried[0]);
  Value *next[] = {kb_where(&k->b, wins, v, loop.carried[0]), kb_where(&k->b, wins, loop.i, loop.carried[1])};
  kb_for_end(&k->b, &loop, 2, next);
  return kb_cast(&k->b, loop.out[1], DT_i64);
}

/* ---- scans ---- */

typedef struct Scan {
  const Node *node;
  Value *axis;   /* where only the run knows it, or NULL */
  Value **index; /* of the line's first element */
  int fixed;
} Scan;

/* The axis that is an operand, as an index. */
static Value *axis_operand(Kernel *k, const Node *n, int rank) {
  Value *axis = kb_cast(&k->b, kernel_pull(k, node_in(n, 1), (Value *[]){kb_index(&k->b, 0)}), DT_i64);
  Value *negative = kb_less(&k->b, axis, kb_int(&k->b, DT_i64, 0));
  Value *from_end = build_binary(&k->b, OP_add, axis, kb_int(&k->b, DT_i64, rank));
  return kb_cast(&k->b, kb_where(&k->b, negative, from_end, axis), DT_index);
}

/* Of numbers by axis, the scanned axis's. */
static Value *at_axis(Kernel *k, const Scan *s, int rank, Value *const *of) {
  if (!s->axis) return of[s->fixed];
  Value *v = of[0];
  for (int i = 1; i < rank; i++) v = kb_where(&k->b, kb_equal(&k->b, s->axis, kb_index(&k->b, i)), of[i], v);
  return v;
}

static void place_on_line(Kernel *k, const Scan *s, int rank, Value *at, Value **place) {
  for (int i = 0; i < rank; i++) {
    if (s->axis)
      place[i] = kb_where(&k->b, kb_equal(&k->b, s->axis, kb_index(&k->b, i)), at, s->index[i]);
    else
      place[i] = i == s->fixed ? at : s->index[i];
  }
}

/* One after another, each sum the one before and its element: rounded as often as there are elements. */
static void scan_line(Kernel *k, const Scan *s, Value *size) {
  const Node *n = s->node;
  Type t = n->out[0]->type;
  bool exclusive = node_bool(n, cumsum, exclusive), reverse = node_bool(n, cumsum, reverse);
  bool product = n->op == OP_cumprod;
  Dtype wide = kernel_wide(t->dtype);
  Value *place[MAX_RANK], *one = kb_index(&k->b, 1), *start = kb_zero(&k->b, wide);
  if (product) start = dtype_is_float(wide) ? kb_float(&k->b, wide, 1) : kb_int(&k->b, wide, 1);
  KernelFor loop = kb_for(&k->b, kb_index(&k->b, 0), size, 1, &start);
  place_on_line(k, s, t->rank, reverse ? kb_sub(&k->b, kb_sub(&k->b, size, one), loop.i) : loop.i, place);
  Value *v = kernel_widen(k, kernel_pull(k, node_in(n, 0), place));
  Value *next = build_binary(&k->b, product ? OP_mul : OP_add, loop.carried[0], v);
  kernel_store(k, 0, place, kernel_narrow(k, exclusive ? loop.carried[0] : next, t->dtype));
  kb_for_end(&k->b, &loop, 1, &next);
}

/* Where only the run knows the axis, there is a workgroup for each element, and those where a line begins take it. */
bool lower_cumulate(Kernel *k, const Node *n) {
  Type t = n->out[0]->type;
  Value *index[MAX_RANK], *size[MAX_RANK];
  Scan s = {.node = n, .index = index};
  int64_t axis;
  int count;
  for (int i = 0; i < t->rank; i++) size[i] = kernel_size(k, t->dim[i]);
  if (kernel_ints(k->module, node_in(n, 1), 1, &axis, &count)) {
    s.fixed = axis_of(axis, t->rank);
    kernel_spread(k, t, s.fixed, s.fixed + 1, index);
    scan_line(k, &s, size[s.fixed]);
    return true;
  }
  kernel_spread(k, t, 0, 0, index);
  s.axis = axis_operand(k, n, t->rank);
  KernelWhen w = kb_when(&k->b, kb_equal(&k->b, at_axis(k, &s, t->rank, index), kb_index(&k->b, 0)), 0);
  scan_line(k, &s, at_axis(k, &s, t->rank, size));
  kb_else(&k->b, &w, 0, NULL);
  kb_when_end(&k->b, &w, 0, NULL);
  return true;
}

/* ---- the k best ---- */

typedef struct TopK {
  const Node *node;
  int axis;
  Value **index; /* of the line; [axis] is free */
} TopK;

/* Does x come before y, where NaN is the largest number? Equals stay in their order. */
static Value *comes_before(Kernel *k, bool largest, Value *x, Value *y) {
  Value *wins = largest ? kb_less(&k->b, y, x) : kb_less(&k->b, x, y);
  Value *x_nan = is_nan(k, x), *y_nan = is_nan(k, y);
  if (!x_nan) return wins;
  return either(k, wins, largest ? both(k, x_nan, kb_not(&k->b, y_nan)) : both(k, y_nan, kb_not(&k->b, x_nan)));
}

static Value *place_in(Kernel *k, const TopK *t, int result, Value *at) {
  t->index[t->axis] = at;
  return kernel_linear(k, t->node->out[result]->type, t->index);
}

static Value *kept(Kernel *k, const TopK *t, int result, Value *at) {
  return kb_load(&k->b, k->out_memory[result], place_in(k, t, result, at));
}

static void keep(Kernel *k, const TopK *t, int result, Value *at, Value *x) {
  kb_store(&k->b, k->out_memory[result], place_in(k, t, result, at), x);
}

/* Puts element i behind the kept ones that come no later, and moves the others on: `room` is the last place they have. */
static void insert(Kernel *k, const TopK *t, Value *x, Value *wide, Value *i, Value *room) {
  bool largest = node_bool(t->node, topk, largest);
  Value *one = kb_index(&k->b, 1), *at = kb_index(&k->b, 0);
  KernelFor count = kb_for(&k->b, at, room, 1, &at);
  Value *before = comes_before(k, largest, wide, comparable(k, kept(k, t, 0, count.i)));
  Value *next = kb_add(&k->b, count.carried[0], kb_where(&k->b, before, kb_index(&k->b, 0), one));
  kb_for_end(&k->b, &count, 1, &next);
  Value *place = count.out[0];
  KernelFor move = kb_for(&k->b, kb_index(&k->b, 0), kb_sub(&k->b, room, place), 0, NULL);
  Value *to = kb_sub(&k->b, room, move.i), *from = kb_sub(&k->b, to, one);
  for (int r = 0; r < 2; r++) keep(k, t, r, to, kept(k, t, r, from));
  kb_for_end(&k->b, &move, 0, NULL);
  keep(k, t, 0, place, x);
  keep(k, t, 1, place, kb_cast(&k->b, i, DT_i64));
}

/* One walk along the line: what comes before the last that is kept is put in its place. */
static void select_line(Kernel *k, TopK *t, Value *want) {
  const Value *x = node_in(t->node, 0);
  Value *one = kb_index(&k->b, 1), *last = kb_sub(&k->b, want, one), *size = kernel_size(k, x->type->dim[t->axis]);
  KernelFor loop = kb_for(&k->b, kb_index(&k->b, 0), size, 0, NULL);
  t->index[t->axis] = loop.i;
  Value *v = kernel_pull(k, x, t->index), *wide = comparable(k, v);
  Value *before = comes_before(k, node_bool(t->node, topk, largest), wide, comparable(k, kept(k, t, 0, last)));
  KernelWhen w = kb_when(&k->b, either(k, kb_less(&k->b, loop.i, want), before), 0);
  insert(k, t, v, wide, loop.i, kb_min(&k->b, loop.i, last));
  kb_else(&k->b, &w, 0, NULL);
  kb_when_end(&k->b, &w, 0, NULL);
  kb_for_end(&k->b, &loop, 0, NULL);
}

bool lower_topk(Kernel *k, const Node *n) {
  Type t = n->out[0]->type;
  Value *index[MAX_RANK];
  TopK line = {n, axis_of(node_int(n, topk, axis), t->rank), index};
  Value *want = kernel_size(k, t->dim[line.axis]), *zero = kb_index(&k->b, 0);
  kernel_spread(k, t, line.axis, line.axis + 1, index);
  if (dim_is(t->dim[line.axis], 0)) return true;
  KernelWhen w = kb_when(&k->b, kb_less(&k->b, zero, want), 0);
  select_line(k, &line, want);
  kb_else(&k->b, &w, 0, NULL);
  kb_when_end(&k->b, &w, 0, NULL);
  return true;
}

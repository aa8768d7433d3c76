/* kernel_loop.c -- the loops that kernels are made of: folds in a fixed order, and walks over axes. */
#include "ir/fatal.h"
#include "passes/kernel.h"

enum { WAYS = 8, BLOCK = 4096 };

/* ---- folds ---- */

Value *kernel_identity(Kernel *k, Op op, Dtype t) {
  switch (op) {
  case OP_add:
  case OP_or: return kb_zero(&k->b, t);
  case OP_mul: return dtype_is_float(t) ? kb_float(&k->b, t, 1) : kb_int(&k->b, t, 1);
  case OP_and: return kb_int(&k->b, t, t == DT_bool ? 1 : -1);
  default: ensure(op == OP_max || op == OP_min); return kb_extreme(&k->b, t, op == OP_min, t);
  }
}

typedef struct Fold {
  Op op;
  Dtype t;
  KernelTerm term;
  void *ctx;
} Fold;

/* Elements from `from` up to `to`, a multiple of WAYS of them. */
static Value *fold_ways(Kernel *k, const Fold *f, Value *from, Value *to) {
  Value *start[WAYS], *next[WAYS];
  for (int i = 0; i < WAYS; i++) start[i] = kernel_identity(k, f->op, f->t);
  KernelFor loop = kb_for_step(&k->b, from, to, WAYS, WAYS, start);
  for (int i = 0; i < WAYS; i++) {
    Value *x = f->term(k, f->ctx, kb_add(&k->b, loop.i, kb_index(&k->b, i)));
    next[i] = build_binary(&k->b, f->op, loop.carried[i], x);
  }
  kb_for_end(&k->b, &loop, WAYS, next);
  memcpy(next, loop.out, sizeof next);
  for (int half = WAYS / 2; half; half /= 2)
    for (int i = 0; i < half; i++) next[i] = build_binary(&k->b, f->op, next[i], next[i + half]);
  return next[0];
}

static Value *fold_one_by_one(Kernel *k, const Fold *f, Value *from, Value *to, Value *start) {
  KernelFor loop = kb_for(&k->b, from, to, 1, &start);
  Value *next = build_binary(&k->b, f->op, loop.carried[0], f->term(k, f->ctx, loop.i));
  kb_for_end(&k->b, &loop, 1, &next);
  return loop.out[0];
}

static Value *fold_block(Kernel *k, const Fold *f, Value *from, Value *count) {
  int64_t n;
  bool known = kb_known(count, &n);
  Value *to = kb_add(&k->b, from, count);
  if (known && n < 2 * WAYS) return fold_one_by_one(k, f, from, to, kernel_identity(k, f->op, f->t));
  Value *ways = kb_index(&k->b, WAYS);
  Value *whole = kb_add(&k->b, from, kb_mul(&k->b, kb_div(&k->b, count, ways), ways));
  Value *sum = fold_ways(k, f, from, whole);
  return known && n % WAYS == 0 ? sum : fold_one_by_one(k, f, whole, to, sum);
}

Value *kernel_fold(Kernel *k, Op op, Dtype t, Value *count, KernelTerm term, void *ctx) {
  Fold f = {op, t, term, ctx};
  int64_t n;
  bool is_sum = op == OP_add && dtype_is_float(t);
  if (!is_sum || (kb_known(count, &n) && n <= BLOCK)) return fold_block(k, &f, kb_index(&k->b, 0), count);
  Value *start = kernel_identity(k, op, t);
  KernelFor loop = kb_for_step(&k->b, kb_index(&k->b, 0), count, BLOCK, 1, &start);
  Value *size = kb_min(&k->b, kb_sub(&k->b, count, loop.i), kb_index(&k->b, BLOCK));
  Value *next = build_binary(&k->b, op, loop.carried[0], fold_block(k, &f, loop.i, size));
  kb_for_end(&k->b, &loop, 1, &next);
  return loop.out[0];
}

/* ---- folds of vectors ---- */

enum { LANES = 32 };

/* The largest passes over NaN. */
static Value *combine(Kernel *k, Op op, Value *x, Value *y) {
  return op == OP_max ? kb_larger(&k->b, y, x) : build_binary(&k->b, op, x, y);
}

/* A loop over vectors is not to be written out for each of a row's. */
static void unroll_little(const KernelFor *loop) { node_attr(loop->node, attr_slot(for, unroll))->i = 2; }

/* Elements `from` up to `to`, a multiple of LANES of them. */
static Value *fold_lanes(Kernel *k, const Fold *f, int64_t lanes, Value *from, Value *to) {
  Value *acc[LANES] = {0};
  int n = (int)(LANES / lanes);
  for (int i = 0; i < n; i++) acc[i] = kb_splat(&k->b, kernel_identity(k, f->op, f->t), lanes);
  ensure(f->op == OP_add || f->op == OP_max);
  KernelFor loop = kb_for_step(&k->b, from, to, LANES, n, acc);
  unroll_little(&loop);
  k->lanes = lanes;
  for (int i = 0; i < n; i++) {
    Value *x = f->term(k, f->ctx, kb_add(&k->b, loop.i, kb_index(&k->b, i * lanes)));
    acc[i] = combine(k, f->op, loop.carried[i], x);
  }
  k->lanes = 0;
  kb_for_end(&k->b, &loop, n, acc);
  memcpy(acc, loop.out, (size_t)n * sizeof *acc);
  for (int half = n / 2; half; half /= 2)
    for (int i = 0; i < half; i++) acc[i] = combine(k, f->op, acc[i], acc[i + half]);
  return f->op == OP_max ? kb_largest_lane(&k->b, acc[0]) : build_unary(&k->b, OP_lanes_sum, acc[0]);
}

static Value *fold_lanes_block(Kernel *k, const Fold *f, int64_t lanes, Value *from, Value *count) {
  int64_t n;
  Value *width = kb_index(&k->b, LANES), *to = kb_add(&k->b, from, count);
  Value *whole = kb_add(&k->b, from, kb_mul(&k->b, kb_div(&k->b, count, width), width));
  Value *v = fold_lanes(k, f, lanes, from, whole);
  return kb_known(count, &n) && n % LANES == 0 ? v : fold_one_by_one(k, f, whole, to, v);
}

Value *kernel_fold_vectors(Kernel *k, int64_t lanes, Op op, Value *count, KernelTerm term, void *ctx) {
  Fold f = {op, DT_f32, term, ctx};
  int64_t n;
  if (op != OP_add || (kb_known(count, &n) && n <= BLOCK)) return fold_lanes_block(k, &f, lanes, kb_index(&k->b, 0), count);
  Value *start = kernel_identity(k, op, DT_f32);
  KernelFor loop = kb_for_step(&k->b, kb_index(&k->b, 0), count, BLOCK, 1, &start);
  Value *size = kb_min(&k->b, kb_sub(&k->b, count, loop.i), kb_index(&k->b, BLOCK));
  Value *next = build_binary(&k->b, op, loop.carried[0], fold_lanes_block(k, &f, lanes, loop.i, size));
  kb_for_end(&k->b, &loop, 1, &next);
  return loop.out[0];
}

void kernel_each_vector(Kernel *k, int64_t lanes, Value *count, KernelSpan body, void *ctx) {
  Value *width = kb_index(&k->b, lanes), *whole = kb_mul(&k->b, kb_div(&k->b, count, width), width);
  int64_t n;
  KernelFor loop = kb_for_step(&k->b, kb_index(&k->b, 0), whole, lanes, 0, NULL);
  unroll_little(&loop);
  k->lanes = lanes;
  body(k, ctx, loop.i);
  k->lanes = 0;
  kb_for_end(&k->b, &loop, 0, NULL);
  if (kb_known(count, &n) && n % lanes == 0) return;
  bool stream = k->stream;
  k->stream = false;
  KernelFor rest = kb_for(&k->b, whole, count, 0, NULL);
  body(k, ctx, rest.i);
  kb_for_end(&k->b, &rest, 0, NULL);
  k->stream = stream;
}

/* ---- folds in stretches ---- */

typedef struct Stretch {
  KernelTerm term;
  void *ctx;
  Value *memory, *from;
} Stretch;

static Value *stretch_term(Kernel *k, void *ctx, Value *i) {
  const Stretch *s = ctx;
  return s->term(k, s->ctx, kb_add(&k->b, s->from, i));
}

static Value *stretch_element(Kernel *k, void *ctx, Value *i) {
  return kb_load(&k->b, ((const Stretch *)ctx)->memory, i);
}

Value *kernel_fold_staged(Kernel *k, Op op, Dtype t, Value *count, KernelTerm term, void *ctx, Value *memory) {
  Stretch s = {.term = term, .ctx = ctx, .memory = memory};
  Fold f = {op, t, stretch_element, &s};
  Value *start = kernel_identity(k, op, t);
  KernelFor loop = kb_for_step(&k->b, kb_index(&k->b, 0), count, KERNEL_STRETCH, 1, &start);
  Value *size = kb_min(&k->b, kb_sub(&k->b, count, loop.i), kb_index(&k->b, KERNEL_STRETCH));
  s.from = loop.i;
  kernel_fill(k, memory, size, stretch_term, &s);
  Value *next = build_binary(&k->b, op, loop.carried[0], fold_block(k, &f, kb_index(&k->b, 0), size));
  kb_for_end(&k->b, &loop, 1, &next);
  return loop.out[0];
}

/* ---- over axes ---- */

typedef struct AxesFold {
  Op op;
  Dtype dtype;
  Type t;
  const bool *axes;
  Value **index;
  KernelPlaceTerm term;
  void *ctx;
  int last; /* the innermost axis */
} AxesFold;

static Value *fold_place(Kernel *k, void *ctx, Value *i) {
  AxesFold *f = ctx;
  f->index[f->last] = i;
  return f->term(k, f->ctx, f->index);
}

static Value *fold_from(Kernel *k, AxesFold *f, int axis) {
  while (axis < f->last && !f->axes[axis]) axis++;
  Value *size = kernel_size(k, f->t->dim[axis]);
  if (axis == f->last) return kernel_fold(k, f->op, f->dtype, size, fold_place, f);
  Value *start = kernel_identity(k, f->op, f->dtype);
  KernelFor loop = kb_for(&k->b, kb_index(&k->b, 0), size, 1, &start);
  f->index[axis] = loop.i;
  Value *next = build_binary(&k->b, f->op, loop.carried[0], fold_from(k, f, axis + 1));
  kb_for_end(&k->b, &loop, 1, &next);
  return loop.out[0];
}

Value *kernel_fold_axes(Kernel *k, Op op, Dtype dtype, Type t, const bool *axes, Value **index, KernelPlaceTerm term,
                        void *ctx) {
  AxesFold f = {op, dtype, t, axes, index, term, ctx, t->rank - 1};
  while (f.last >= 0 && !axes[f.last]) f.last--;
  if (f.last >= 0) return fold_from(k, &f, 0);
  return build_binary(&k->b, op, kernel_identity(k, op, dtype), term(k, ctx, index));
}

void kernel_each(Kernel *k, Type t, int from, Value **index, KernelPlace body, void *ctx) {
  if (from == t->rank) {
    body(k, ctx, index);
    return;
  }
  KernelFor loop = kb_for(&k->b, kb_index(&k->b, 0), kernel_size(k, t->dim[from]), 0, NULL);
  index[from] = loop.i;
  kernel_each(k, t, from + 1, index, body, ctx);
  kb_for_end(&k->b, &loop, 0, NULL);
}

void kernel_fill(Kernel *k, Value *memory, Value *count, KernelTerm term, void *ctx) {
  KernelFor loop = kb_for(&k->b, kb_index(&k->b, 0), count, 0, NULL);
  kb_store(&k->b, memory, loop.i, term(k, ctx, loop.i));
  kb_for_end(&k->b, &loop, 0, NULL);
}

void kernel_elements(Kernel *k, const Node *n, KernelElement element) {
  Type t = n->out[0]->type;
  Value *index[MAX_RANK] = {0};
  int last = t->rank - 1;
  if (last < 0) {
    kernel_store(k, 0, index, element(k, n, 0, index));
    return;
  }
  kernel_spread(k, t, last, t->rank, index);
  KernelFor loop = kb_for(&k->b, kb_index(&k->b, 0), kernel_size(k, t->dim[last]), 0, NULL);
  index[last] = loop.i;
  kernel_store(k, 0, index, element(k, n, 0, index));
  kb_for_end(&k->b, &loop, 0, NULL);
}

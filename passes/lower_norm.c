/* lower_norm.c -- how layernorm, rmsnorm and rope are lowered. */
#include "ir/fatal.h"
#include "passes/lower.h"

/* ---- norms ---- */

typedef struct Norm {
  const Node *node;
  Type t;    /* of x */
  Dtype sum; /* what is computed in */
  bool centred;
  int64_t lanes; /* of vectors along the last axis, or 0 */
  Value *mean, *inverse;
} Norm;

static Value *element(Kernel *k, void *ctx, Value **index) {
  const Norm *m = ctx;
  return kb_cast(&k->b, kernel_pull(k, node_in(m->node, 0), index), m->sum);
}

static Value *deviation(Kernel *k, void *ctx, Value **index) {
  const Norm *m = ctx;
  Value *x = element(k, ctx, index);
  return m->centred ? build_binary(&k->b, OP_sub, x, kernel_all_lanes(k, m->mean)) : x;
}

static Value *square(Kernel *k, void *ctx, Value **index) {
  Value *x = deviation(k, ctx, index);
  return build_binary(&k->b, OP_mul, x, x);
}

/* Along the last axis alone, on vectors. */
typedef struct NormRow {
  Norm *norm;
  Value **index;
  int axis;
  void (*store)(Kernel *k, void *ctx, Value **index);
} NormRow;

static Value *row_element(Kernel *k, void *ctx, Value *i) {
  const NormRow *r = ctx;
  r->index[r->axis] = i;
  return element(k, r->norm, r->index);
}

static Value *row_square(Kernel *k, void *ctx, Value *i) {
  const NormRow *r = ctx;
  r->index[r->axis] = i;
  return square(k, r->norm, r->index);
}

static void row_store(Kernel *k, void *ctx, Value *i) {
  const NormRow *r = ctx;
  r->index[r->axis] = i;
  r->store(k, r->norm, r->index);
}

/* The sum of the elements, or of the squares of what differs from the mean. */
static Value *row_sum(Kernel *k, Norm *m, const bool *axes, Value **index, bool squares) {
  NormRow r = {.norm = m, .index = index, .axis = m->t->rank - 1};
  Value *size = kernel_size(k, m->t->dim[r.axis]);
  if (m->lanes) return kernel_fold_vectors(k, m->lanes, OP_add, size, squares ? row_square : row_element, &r);
  return kernel_fold_axes(k, OP_add, m->sum, m->t, axes, index, squares ? square : element, m);
}

/* The mean first, then the mean square about it: no difference of large numbers. */
static void row_moments(Kernel *k, Norm *m, const bool *axes, Value **index, double epsilon) {
  Value *count = kb_index(&k->b, 1);
  for (int i = 0; i < m->t->rank; i++)
    if (axes[i]) count = kb_mul(&k->b, count, kernel_size(k, m->t->dim[i]));
  count = kb_cast(&k->b, count, m->sum);
  if (m->centred)
    m->mean = build_binary(&k->b, OP_div, row_sum(k, m, axes, index, false), count);
  Value *squares = row_sum(k, m, axes, index, true);
  Value *mean_square = build_binary(&k->b, OP_div, squares, count);
  Value *root = build_binary(&k->b, OP_add, mean_square, kb_float(&k->b, m->sum, epsilon));
  m->inverse = build_binary(&k->b, OP_div, kb_float(&k->b, m->sum, 1), build_unary(&k->b, OP_sqrt, root));
}

static void store_normalised(Kernel *k, void *ctx, Value **index) {
  const Norm *m = ctx;
  const Value *scale = node_in(m->node, 1), *bias = node_in(m->node, 2);
  Value *v = build_binary(&k->b, OP_mul, deviation(k, ctx, index), kernel_all_lanes(k, m->inverse));
  if (scale) v = build_binary(&k->b, OP_mul, v, kb_cast(&k->b, kernel_pull_broadcast(k, scale, m->t, index), m->sum));
  if (bias) v = build_binary(&k->b, OP_add, v, kb_cast(&k->b, kernel_pull_broadcast(k, bias, m->t, index), m->sum));
  kernel_store(k, 0, index, kernel_narrow(k, v, m->t->dtype));
}

static void store_row(Kernel *k, Norm *m, Value **index) {
  NormRow r = {.norm = m, .index = index, .axis = m->t->rank - 1, .store = store_normalised};
  Value *size = kernel_size(k, m->t->dim[r.axis]);
  Dim total = type_elements(k->module->dims, m->t);
  int64_t n, most;
  k->stream = dim_is_const(total) && kernel_is_large(m->t, total, &most) && kb_known(size, &n) && n % m->lanes == 0;
  kernel_each_vector(k, m->lanes, size, row_store, &r);
  k->stream = false;
}

/* A layernorm's further results are mean and 1/deviation, an rmsnorm's is 1/rms. */
static void store_moments(Kernel *k, const Norm *m, int axis, Value **index) {
  Value *moment[] = {m->centred ? m->mean : m->inverse, m->inverse};
  for (int i = axis; i < m->t->rank; i++) index[i] = kb_index(&k->b, 0);
  for (int i = 1; i < m->node->n_out; i++)
    kernel_store(k, i, index, kernel_narrow(k, moment[i - 1], m->node->out[i]->type->dtype));
}

bool lower_norm(Kernel *k, const Node *n) {
  Norm m = {.node = n, .t = n->out[0]->type, .sum = kernel_float(n), .centred = n->op == OP_layernorm};
  int64_t from = m.centred ? node_int(n, layernorm, axis) : node_int(n, rmsnorm, axis);
  double epsilon = m.centred ? node_float(n, layernorm, epsilon) : node_float(n, rmsnorm, epsilon);
  int axis = (int)(from < 0 ? from + m.t->rank : from);
  bool axes[MAX_RANK];
  Value *index[MAX_RANK];
  for (int i = 0; i < m.t->rank; i++) axes[i] = i >= axis;
  m.lanes = axis == m.t->rank - 1 && m.sum == DT_f32 ? kernel_row_lanes(k, n) : 0;
  kernel_spread(k, m.t, axis, m.t->rank, index);
  row_moments(k, &m, axes, index, epsilon);
  if (m.lanes) store_row(k, &m, index);
  else kernel_each(k, m.t, axis, index, store_normalised, &m);
  store_moments(k, &m, axis, index);
  return true;
}

/* ---- rope ---- */

typedef struct Rope {
  const Node *node;
  Dtype t;
  Value *index[4]; /* b, h, s; the last is free */
  Value *row;      /* of cos and sin, where there are positions */
} Rope;

static Value *rope_element(Kernel *k, Rope *r, Value *at) {
  r->index[3] = at;
  return kb_cast(&k->b, kernel_pull(k, node_in(r->node, 0), r->index), r->t);
}

static void rope_store(Kernel *k, Rope *r, Value *at, Value *x) {
  r->index[3] = at;
  kernel_store(k, 0, r->index, kernel_narrow(k, x, r->node->out[0]->type->dtype));
}

/* A position that the table does not have takes the nearest that it has. */
static Value *table_row(Kernel *k, const Rope *r) {
  const Value *positions = node_in(r->node, 3);
  Type x = r->node->out[0]->type;
  Value *place[] = {kernel_broadcast_place(k, positions->type->dim[0], x->dim[0], r->index[0]), r->index[2]};
  Value *last = kb_sub(&k->b, kernel_size(k, node_in(r->node, 1)->type->dim[0]), kb_index(&k->b, 1));
  Value *at = kb_cast(&k->b, kernel_pull(k, positions, place), DT_i64);
  at = build_binary(&k->b, OP_max, at, kb_int(&k->b, DT_i64, 0));
  return kb_cast(&k->b, build_binary(&k->b, OP_min, at, kb_cast(&k->b, last, DT_i64)), DT_index);
}

static Value *angle(Kernel *k, const Rope *r, int operand, Value *pair) {
  const Value *table = node_in(r->node, operand);
  Type x = r->node->out[0]->type;
  if (r->row) return kb_cast(&k->b, kernel_pull(k, table, (Value *[]){r->row, pair}), r->t);
  Value *b = kernel_broadcast_place(k, table->type->dim[0], x->dim[0], r->index[0]);
  return kb_cast(&k->b, kernel_pull(k, table, (Value *[]){b, r->index[2], pair}), r->t);
}

static void rotate_pair(Kernel *k, Rope *r, Value *pair, Value *half) {
  bool interleaved = node_bool(r->node, rope, interleaved);
  Value *first = interleaved ? kb_mul(&k->b, pair, kb_index(&k->b, 2)) : pair;
  Value *second = kb_add(&k->b, first, interleaved ? kb_index(&k->b, 1) : half);
  Value *x = rope_element(k, r, first), *y = rope_element(k, r, second);
  Value *co = angle(k, r, 1, pair), *si = angle(k, r, 2, pair);
  Value *a = build_binary(&k->b, OP_sub, build_binary(&k->b, OP_mul, co, x), build_binary(&k->b, OP_mul, si, y));
  Value *b = build_binary(&k->b, OP_add, build_binary(&k->b, OP_mul, si, x), build_binary(&k->b, OP_mul, co, y));
  rope_store(k, r, first, a);
  rope_store(k, r, second, b);
}

/* A row of x: its pairs are rotated, and what stands behind them is copied. */
bool lower_rope(Kernel *k, const Node *n) {
  Type t = n->out[0]->type;
  Rope r = {.node = n, .t = kernel_float(n)};
  int64_t dims = node_int(n, rope, dims);
  Value *size = kernel_size(k, t->dim[3]), *rotated = dims ? kb_index(&k->b, dims) : size;
  Value *half = kb_div(&k->b, rotated, kb_index(&k->b, 2));
  kernel_spread(k, t, 3, 4, r.index);
  if (node_in(n, 3)) r.row = table_row(k, &r);
  KernelFor pairs = kb_for(&k->b, kb_index(&k->b, 0), half, 0, NULL);
  rotate_pair(k, &r, pairs.i, half);
  kb_for_end(&k->b, &pairs, 0, NULL);
  if (!dims) return true;
  KernelFor rest = kb_for(&k->b, rotated, size, 0, NULL);
  rope_store(k, &r, rest.i, rope_element(k, &r, rest.i));
  kb_for_end(&k->b, &rest, 0, NULL);
  return true;
}

/* lower_matmul.c -- how products of matrices are lowered: in general, one row of the result at a time. */
#include "ir/fatal.h"
#include "passes/lower.h"

/* sum over k of a[.., m, k] * b[.., k, n], in f32 for narrower floats, in 32 bits for narrower integers */
static Dtype sum_type(Dtype t) {
  if (dtype_is_float(t)) return kernel_wide(t);
  return dtype_bits(t) < 32 ? DT_i32 : t;
}

typedef struct Product {
  const Node *node;
  Value *const *index;
  Value *row, *column; /* NULL: that operand is a vector */
  int batch;
  Dtype sum;
} Product;

/* The batch dims broadcast; a vector has no row, or no column, of the result's. */
static Value *matmul_operand(Kernel *k, const Product *p, int operand, Value *row, Value *column) {
  const Value *v = node_in(p->node, operand);
  Type to = p->node->out[0]->type;
  Value *own[MAX_RANK];
  int rank = v->type->rank, own_batch = rank - 2;
  for (int i = 0; i < own_batch; i++) {
    int at = p->batch - own_batch + i;
    own[i] = kernel_broadcast_place(k, v->type->dim[i], to->dim[at], p->index[at]);
  }
  if (row) own[rank - (column ? 2 : 1)] = row;
  if (column) own[rank - 1] = column;
  return kb_cast(&k->b, kernel_pull(k, v, own), p->sum);
}

static Value *matmul_term(Kernel *k, void *ctx, Value *i) {
  const Product *p = ctx;
  bool ta = p->row && node_bool(p->node, matmul, transa), tb = p->column && node_bool(p->node, matmul, transb);
  Value *a = matmul_operand(k, p, 0, ta ? i : p->row, ta ? p->row : i);
  Value *b = matmul_operand(k, p, 1, tb ? p->column : i, tb ? i : p->column);
  return build_binary(&k->b, OP_mul, a, b);
}

static Product product_of(const Node *n, Value *const *index) {
  Type x = node_in(n, 0)->type, w = node_in(n, 1)->type, t = n->out[0]->type;
  bool rows = x->rank > 1, columns = w->rank > 1;
  Product p = {.node = n, .index = index, .batch = t->rank - rows - columns, .sum = sum_type(t->dtype)};
  p.row = rows ? index[p.batch] : NULL;
  p.column = columns ? index[p.batch + rows] : NULL;
  return p;
}

static Dim product_depth(const Node *n) {
  Type x = node_in(n, 0)->type;
  return x->dim[x->rank - (x->rank > 1 && node_bool(n, matmul, transa) ? 2 : 1)];
}

static Value *matmul_element(Kernel *k, const Node *n, int result, Value *const *index) {
  Product p = product_of(n, index);
  Value *sum = kernel_fold(k, OP_add, p.sum, kernel_size(k, product_depth(n)), matmul_term, &p);
  return kernel_narrow(k, sum, n->out[result]->type->dtype);
}

/* ---- rows ----
 *
 * Where a row of the second matrix lies together, a piece of the result's row is summed in memory: rows of the second matrix,
 * times elements of the first, a few at once. Each sum is in the order of k. */

enum { PIECE = 256, AT_ONCE = 4 };

typedef struct RowSum {
  Product p;
  Value *first, *count, *sums;
} RowSum;

static Value *no_sum(Kernel *k, void *ctx, Value *j) {
  (void)j;
  return kb_zero(&k->b, ((const RowSum *)ctx)->p.sum);
}

/* sums[j] += x[i] * w[i, first + j], for n rows i from `from` on. */
static void add_rows(Kernel *k, const RowSum *r, Value *from, int n) {
  Value *x[AT_ONCE], *row[AT_ONCE];
  bool ta = r->p.row && node_bool(r->p.node, matmul, transa);
  for (int i = 0; i < n; i++) {
    row[i] = kb_add(&k->b, from, kb_index(&k->b, i));
    x[i] = matmul_operand(k, &r->p, 0, ta ? row[i] : r->p.row, ta ? r->p.row : row[i]);
  }
  KernelFor f = kb_for(&k->b, kb_index(&k->b, 0), r->count, 0, NULL);
  Value *column = kb_add(&k->b, r->first, f.i), *sum = kb_load(&k->b, r->sums, f.i);
  for (int i = 0; i < n; i++) {
    Value *w = matmul_operand(k, &r->p, 1, row[i], column);
    sum = build_binary(&k->b, OP_add, sum, build_binary(&k->b, OP_mul, x[i], w));
  }
  kb_store(&k->b, r->sums, f.i, sum);
  kb_for_end(&k->b, &f, 0, NULL);
}

static void add_all_rows(Kernel *k, const RowSum *r, Value *depth) {
  Value *step = kb_index(&k->b, AT_ONCE), *whole = kb_mul(&k->b, kb_div(&k->b, depth, step), step);
  KernelFor many = kb_for_step(&k->b, kb_index(&k->b, 0), whole, AT_ONCE, 0, NULL);
  add_rows(k, r, many.i, AT_ONCE);
  kb_for_end(&k->b, &many, 0, NULL);
  KernelFor one = kb_for(&k->b, whole, depth, 0, NULL);
  add_rows(k, r, one.i, 1);
  kb_for_end(&k->b, &one, 0, NULL);
}

static void multiply_rows(Kernel *k, RowSum *r, Value **index, Value *depth) {
  Type t = r->p.node->out[0]->type;
  int last = t->rank - 1;
  Value *size = kernel_size(k, t->dim[last]);
  r->sums = kb_memory(&k->b, r->p.sum, PIECE);
  KernelFor pieces = kb_for_step(&k->b, kb_index(&k->b, 0), size, PIECE, 0, NULL);
  r->first = pieces.i;
  r->count = kb_min(&k->b, kb_sub(&k->b, size, pieces.i), kb_index(&k->b, PIECE));
  kernel_fill(k, r->sums, r->count, no_sum, r);
  add_all_rows(k, r, depth);
  KernelFor f = kb_for(&k->b, kb_index(&k->b, 0), r->count, 0, NULL);
  index[last] = kb_add(&k->b, r->first, f.i);
  kernel_store(k, 0, index, kernel_narrow(k, kb_load(&k->b, r->sums, f.i), t->dtype));
  kb_for_end(&k->b, &f, 0, NULL);
  kb_for_end(&k->b, &pieces, 0, NULL);
}

bool lower_matmul(Kernel *k, const Node *n) {
  Type w = node_in(n, 1)->type, t = n->out[0]->type;
  Value *index[MAX_RANK] = {0};
  if (w->rank == 1 || node_bool(n, matmul, transb)) {
    kernel_elements(k, n, matmul_element);
    return true;
  }
  kernel_spread(k, t, t->rank - 1, t->rank, index);
  RowSum r = {.p = product_of(n, index)};
  multiply_rows(k, &r, index, kernel_size(k, product_depth(n)));
  return true;
}

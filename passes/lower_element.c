/* lower_element.c -- how the ops that compute one element at a time are lowered. */
#include "ir/fatal.h"
#include "passes/lower.h"

/* ---- arithmetic ---- */

/* The exponent may be of another type than the base: both are brought to one that holds them. */
static Dtype power_type(Dtype base, Dtype exponent) {
  if (base == exponent || dtype_is_float(base)) return kernel_wide(base);
  return dtype_is_float(exponent) ? DT_f64 : DT_i64;
}

/* An integer to the power of a float is cut off after the point: what misses a whole number by a rounding error is one. */
static Value *whole_power(Kernel *k, Value *x) {
  Value *whole = build_unary(&k->b, OP_round, x);
  Value *error = build_unary(&k->b, OP_abs, build_binary(&k->b, OP_sub, x, whole));
  Value *slack = build_binary(&k->b, OP_mul, build_unary(&k->b, OP_abs, whole), kb_float(&k->b, DT_f64, 0x1p-40));
  return kb_where(&k->b, kb_at_most(&k->b, error, slack), whole, x);
}

/* The op itself, on scalars. 16-bit floats are computed in f32 and rounded after each op, as the reference does. */
Value *element_arithmetic(Kernel *k, const Node *n, int result, Value *const *index) {
  Type t = n->out[result]->type;
  Value *x[3];
  AttrArg attr[8];
  ensure(n->n_in <= 3 && op_info(n->op)->n_attrs <= 8);
  for (int i = 0; i < n->n_in; i++) x[i] = kernel_widen(k, kernel_pull_broadcast(k, node_in(n, i), t, index));
  Dtype power = n->op == OP_pow ? power_type(node_in(n, 0)->type->dtype, node_in(n, 1)->type->dtype) : DT_none;
  for (int i = 0; i < n->n_in && power; i++) x[i] = kb_cast(&k->b, x[i], power);
  for (int i = 0; i < op_info(n->op)->n_attrs; i++) attr[i] = (AttrArg){i, n->attr[i]};
  Value *v = build_values(&k->b, n->op, 1, n->n_in, x, op_info(n->op)->n_attrs, attr);
  if (power == DT_f64 && dtype_is_int(t->dtype)) v = whole_power(k, v);
  return kernel_narrow(k, v, t->dtype);
}

static Rounding rounding_of(const char *s) {
  if (!s || strcmp(s, "even") == 0) return ROUND_EVEN;
  return strcmp(s, "up") == 0 ? ROUND_UP : strcmp(s, "down") == 0 ? ROUND_DOWN : ROUND_NEAREST;
}

Value *element_cast(Kernel *k, const Node *n, int result, Value *const *index) {
  Value *x = kernel_pull(k, node_in(n, 0), index);
  if (node_in(n, 0)->type->dtype == n->out[result]->type->dtype) return x;
  return kernel_convert(k, x, n->out[result]->type->dtype, node_bool(n, cast, saturate), rounding_of(node_str(n, cast, round)));
}

Value *element_bits(Kernel *k, const Node *n, int result, Value *const *index) {
  Dtype to = n->out[result]->type->dtype;
  return build(&k->b, OP_bitcast, 1, INS(kernel_pull(k, node_in(n, 0), index)), ATTRS(at_i(bitcast, to, (int64_t)to)));
}

Value *element_same(Kernel *k, const Node *n, int result, Value *const *index) {
  (void)result;
  return kernel_pull(k, node_in(n, 0), index);
}

/* ---- movement ---- */

Value *element_expand(Kernel *k, const Node *n, int result, Value *const *index) {
  return kernel_pull_broadcast(k, node_in(n, 0), n->out[result]->type, index);
}

Value *element_transpose(Kernel *k, const Node *n, int result, Value *const *index) {
  Value *from[MAX_RANK];
  int rank = n->out[result]->type->rank;
  for (int i = 0; i < rank; i++) {
    int64_t axis = node_ints(n, transpose, perm).n ? node_ints(n, transpose, perm).at[i] : rank - 1 - i;
    from[axis] = index[i];
  }
  return kernel_pull(k, node_in(n, 0), from);
}

/* ---- products and sums ---- */

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

Value *element_matmul(Kernel *k, const Node *n, int result, Value *const *index) {
  Type x = node_in(n, 0)->type, w = node_in(n, 1)->type, t = n->out[result]->type;
  bool rows = x->rank > 1, columns = w->rank > 1;
  Product p = {.node = n, .index = index, .batch = t->rank - rows - columns, .sum = sum_type(t->dtype)};
  p.row = rows ? index[p.batch] : NULL;
  p.column = columns ? index[p.batch + rows] : NULL;
  Dim depth = x->dim[x->rank - (rows && node_bool(n, matmul, transa) ? 2 : 1)];
  return kernel_narrow(k, kernel_fold(k, OP_add, p.sum, kernel_size(k, depth), matmul_term, &p), t->dtype);
}

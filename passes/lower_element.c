/* lower_element.c -- how the ops that compute one element at a time are lowered. */
#include "ir/fatal.h"
#include "passes/lower.h"

/* ---- arithmetic ---- */

/* The exponent may be of another type than the base: both are brought to one that holds them. */
static Dtype power_type(Dtype base, Dtype exponent) {
  if (base == exponent || dtype_is_float(base)) return kernel_wide(kernel_register(base));
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

/* Of what no register holds, and of a bool, the bits are those in memory. */
Value *element_bits(Kernel *k, const Node *n, int result, Value *const *index) {
  Dtype from = node_in(n, 0)->type->dtype, to = n->out[result]->type->dtype, memory = kernel_memory(to);
  Value *x = kernel_pull(k, node_in(n, 0), index);
  if (kernel_is_narrow(from)) x = kernel_encode(k, from, x, false, ROUND_EVEN);
  if (from == DT_bool) x = kb_cast(&k->b, x, DT_u8);
  if (to == DT_bool) return kb_cast(&k->b, build(&k->b, OP_bitcast, 1, INS(x), ATTRS(at_i(bitcast, to, DT_u8))), DT_bool);
  x = build(&k->b, OP_bitcast, 1, INS(x), ATTRS(at_i(bitcast, to, (int64_t)memory)));
  return kernel_is_narrow(to) ? kernel_decode(k, to, x) : x;
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

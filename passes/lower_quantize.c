/* lower_quantize.c -- how scales and zero points are applied, element by element. */
#include "ir/fatal.h"
#include "passes/lower.h"

/* Where an element's scale is. */
static Value *scale_pull(Kernel *k, const Node *n, int operand, int64_t axis, int64_t block, Value *const *index) {
  const Value *s = node_in(n, operand), *x = node_in(n, 0);
  Value *own[MAX_RANK];
  int rank = x->type->rank, at = axis_of(axis, rank);
  if (s->type->rank == 0) return kernel_pull(k, s, NULL);
  if (s->type->rank == 1) {
    bool single = dim_is(s->type->dim[0], 1) && !block;
    own[0] = single ? kb_index(&k->b, 0) : block ? kb_div(&k->b, index[at], kb_index(&k->b, block)) : index[at];
    return kernel_pull(k, s, own);
  }
  for (int i = 0; i < rank; i++) own[i] = i == at && block ? kb_div(&k->b, index[i], kb_index(&k->b, block)) : index[i];
  return kernel_pull(k, s, own);
}

/* A zero point is of the codes' type, and enters as a float. */
Value *element_dequantize(Kernel *k, const Node *n, int result, Value *const *index) {
  int64_t axis = node_int(n, dequantize, axis), block = node_int(n, dequantize, block);
  Dtype to = n->out[result]->type->dtype, wide = kernel_wide(kernel_register(to));
  Value *x = kb_cast(&k->b, kernel_widen(k, kernel_pull(k, node_in(n, 0), index)), wide);
  if (node_in(n, 2)) {
    Value *zero = kernel_widen(k, scale_pull(k, n, 2, axis, block, index));
    x = build_binary(&k->b, OP_sub, x, kb_cast(&k->b, zero, wide));
  }
  Value *scale = kb_cast(&k->b, kernel_widen(k, scale_pull(k, n, 1, axis, block, index)), wide);
  return kernel_narrow(k, build_binary(&k->b, OP_mul, x, scale), to);
}

/* The quotient is rounded to the precision of the division before it is rounded to a code, as the reference does. */
static Dtype division_type(const Node *n) {
  Dtype named = node_dtype(n, quantize, precision), scale = node_in(n, 1)->type->dtype;
  return named != DT_none ? named : dtype_bits(scale) >= 16 ? scale : DT_f32;
}

static Value *to_code(Kernel *k, Value *q, Dtype to, Dtype wide) {
  bool is_signed = dtype_is_signed(to);
  int bits = dtype_bits(to);
  double least = is_signed ? -ldexp(1, bits - 1) : 0, greatest = ldexp(1, is_signed ? bits - 1 : bits) - 1;
  q = kb_where(&k->b, kb_less(&k->b, kb_float(&k->b, wide, least), q), q, kb_float(&k->b, wide, least));
  q = build_binary(&k->b, OP_min, q, kb_float(&k->b, wide, greatest));
  return kb_cast(&k->b, kb_cast(&k->b, q, DT_i32), kernel_register(to));
}

Value *element_quantize(Kernel *k, const Node *n, int result, Value *const *index) {
  int64_t axis = node_int(n, quantize, axis), block = node_int(n, quantize, block);
  Dtype to = n->out[result]->type->dtype, division = division_type(n), wide = kernel_wide(division);
  bool saturate = node_bool(n, quantize, saturate);
  Value *x = kernel_convert(k, kernel_pull(k, node_in(n, 0), index), division, true, ROUND_EVEN);
  Value *scale = kernel_convert(k, scale_pull(k, n, 1, axis, block, index), division, true, ROUND_EVEN);
  Value *q = build_binary(&k->b, OP_div, kernel_widen(k, x), kernel_widen(k, scale));
  q = kernel_widen(k, kernel_narrow(k, q, division));
  if (!dtype_is_float(to)) q = build_unary(&k->b, OP_round, q);
  if (node_in(n, 2)) q = build_binary(&k->b, OP_add, q, kb_cast(&k->b, kernel_widen(k, scale_pull(k, n, 2, axis, block, index)), wide));
  return dtype_is_float(to) ? kernel_convert(k, q, to, saturate, ROUND_EVEN) : to_code(k, q, to, wide);
}

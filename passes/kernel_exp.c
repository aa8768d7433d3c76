/* kernel_exp.c -- the weights of softmax: e to the power of what is not above 0. */
#include "passes/kernel.h"

static Value *everywhere(Kernel *k, double v, Value *like) {
  return kb_splat(&k->b, kb_float(&k->b, DT_f32, v), like->type->lanes);
}

/* x = n ln2 + r with |r| <= ln2/2, and e^r by the polynomial of degree 6 that is off by the least (0.05 units in the last
 * place). n comes out of the low bits of x/ln2 + 1.5*2^23, and ln2 is in two parts, the first of which ends in zeros.
 * Fewer steps than the general e^x, which has arguments of both signs and results below the normal numbers. */
Value *kernel_exp_below(Kernel *k, Value *x, double least) {
  static const double c[] = {1.381454e-3, 8.36874511e-3, 4.16683908e-2, 0.166665204, 0.499999934, 1, 1};
  Builder *b = &k->b;
  int64_t lanes = x->type->lanes;
  bool fma = k->target && target_has(k->target, FEATURE_fma);
  Value *magic = everywhere(k, 0x1.8p23, x), *one = kb_splat(b, kb_int(b, DT_i32, 0x3f800000), lanes);
  Value *t = kb_multiply_add(b, fma, x, everywhere(k, 1.44269504088896340736, x), magic);
  Value *n = build_binary(b, OP_sub, t, magic);
  Value *r = kb_multiply_add(b, fma, n, everywhere(k, -0.693359375, x), x);
  r = kb_multiply_add(b, fma, n, everywhere(k, 2.12194440054690582767e-4, x), r);
  Value *p = everywhere(k, c[0], x);
  for (int i = 1; i < 7; i++) p = kb_multiply_add(b, fma, p, r, everywhere(k, c[i], x));
  Value *bits = build(b, OP_bitcast, 1, INS(t), ATTRS(at_i(bitcast, to, (int64_t)DT_i32)));
  bits = build_binary(b, OP_add, build_binary(b, OP_shl, bits, kb_splat(b, kb_int(b, DT_i32, 23), lanes)), one);
  Value *power = build(b, OP_bitcast, 1, INS(bits), ATTRS(at_i(bitcast, to, (int64_t)DT_f32)));
  Value *y = build_binary(b, OP_mul, p, power);
  return kb_where(b, kb_less(b, x, everywhere(k, -86.64, x)), everywhere(k, least, x), y);
}

/* expand.c -- rewrites functions that no processor computes into arithmetic: exp, tanh, erf, sin and their kin, as
 * polynomials, on scalars and vectors of f32 and f64.
 *
 * Errors, in units in the last place of f32, measured over all of the argument's range by tests/test_expand.c: exp, tanh,
 * erf, sin and cos (to 2^20) at most 2; the others are listed there. All arguments are taken: infinities and NaN give
 * what the reference gives. Each function is written once for both types; they differ in constants and in the number of
 * terms. Narrowing an argument comes first, so that every step is exact or harmless: n*hi below is exact because hi ends in
 * zeros, or because fma rounds once. */
#include <math.h>

#include "ir/fatal.h"
#include "passes/kernel_build.h"
#include "passes/pass.h"

/* What is being written: the type of the argument (f32 or f64, so many lanes), and where. */
typedef struct Math {
  Builder *b;
  Type type;
  bool wide; /* f64 */
  bool fused; /* the target multiplies and adds with one rounding */
} Math;

/* ---- arithmetic ---- */

static Dtype int_type(const Math *m) { return m->wide ? DT_i64 : DT_i32; }

static Value *immediate(Math *m, Dtype t, const void *bytes) {
  Type scalar = type_scalar(m->b->module->types, t);
  Value *v = build(m->b, OP_imm, 1, 0, NULL,
                   ATTRS(at_c(imm, value, constant_bytes(m->b->module, scalar, bytes, dtype_bits(t) / 8))));
  if (m->type->lanes == 1) return v;
  return build(m->b, OP_splat, 1, INS(v), ATTRS(at_i(splat, lanes, m->type->lanes)));
}

static Value *num(Math *m, double v) {
  unsigned char bytes[8];
  dtype_set_f(m->type->dtype, bytes, 0, v);
  return immediate(m, m->type->dtype, bytes);
}

static Value *int_num(Math *m, int64_t v) {
  unsigned char bytes[8];
  dtype_set_i(int_type(m), bytes, 0, v);
  return immediate(m, int_type(m), bytes);
}

static Value *un(Math *m, Op op, Value *x) { return build_unary(m->b, op, x); }
static Value *bin(Math *m, Op op, Value *x, Value *y) { return build_binary(m->b, op, x, y); }
static Value *add(Math *m, Value *x, Value *y) { return bin(m, OP_add, x, y); }
static Value *sub(Math *m, Value *x, Value *y) { return bin(m, OP_sub, x, y); }
static Value *mul(Math *m, Value *x, Value *y) { return bin(m, OP_mul, x, y); }
static Value *divide(Math *m, Value *x, Value *y) { return bin(m, OP_div, x, y); }
static Value *less(Math *m, Value *x, Value *y) { return bin(m, OP_lt, x, y); }
static Value *absolute(Math *m, Value *x) { return un(m, OP_abs, x); }
/* x*y + z: rounded twice where the target has nothing better, so that what must not be has to be exact otherwise. */
static Value *fma3(Math *m, Value *x, Value *y, Value *z) {
  return m->fused ? build(m->b, OP_fma, 1, INS(x, y, z), NO_ATTRS) : add(m, mul(m, x, y), z);
}
static Value *choose(Math *m, Value *c, Value *x, Value *y) { return build(m->b, OP_where, 1, INS(c, x, y), NO_ATTRS); }
static Value *square_root(Math *m, Value *x) { return un(m, OP_sqrt, x); }
static Value *to_bits(Math *m, Value *x) {
  return build(m->b, OP_bitcast, 1, INS(x), ATTRS(at_i(bitcast, to, (int64_t)int_type(m))));
}
static Value *from_bits(Math *m, Value *x) {
  return build(m->b, OP_bitcast, 1, INS(x), ATTRS(at_i(bitcast, to, (int64_t)m->type->dtype)));
}
static Value *to_int(Math *m, Value *x) { return build_cast(m->b, x, int_type(m)); }
static Value *to_float(Math *m, Value *x) { return build_cast(m->b, x, m->type->dtype); }
static Value *negative(Math *m, Value *x) { return less(m, x, num(m, 0)); }

/* x's magnitude with y's sign, of zeros, too. */
static Value *with_sign(Math *m, Value *magnitude, Value *y) {
  Value *sign = bin(m, OP_and, to_bits(m, y), int_num(m, m->wide ? INT64_MIN : INT32_MIN));
  return from_bits(m, bin(m, OP_or, to_bits(m, magnitude), sign));
}

/* c[0] + x*(c[1] + x*(... c[n-1])) */
static Value *polynomial(Math *m, Value *x, int n, const double *c) {
  Value *p = num(m, c[n - 1]);
  for (int i = n - 2; i >= 0; i--) p = fma3(m, p, x, num(m, c[i]));
  return p;
}

/* ---- exp ---- */

/* 2^n, for n as an integer in the range of normal numbers. */
static Value *power_of_two(Math *m, Value *n) {
  Value *biased = add(m, n, int_num(m, m->wide ? 1023 : 127));
  return from_bits(m, bin(m, OP_shl, biased, int_num(m, m->wide ? 52 : 23)));
}

/* x = n*ln2 + r with |r| <= ln2/2; n is whole. */
static void reduce_exp(Math *m, Value *x, Value **n, Value **r) {
  double hi = m->wide ? 6.93147180369123816490e-01 : 0.693359375, lo = m->wide ? 1.90821492927058770002e-10 : -2.12194440054690582767e-4;
  *n = un(m, OP_round, mul(m, x, num(m, 1.44269504088896340736)));
  *r = fma3(m, *n, num(m, -lo), fma3(m, *n, num(m, -hi), x));
}

/* (e^r - 1 - r) / r^2 = 1/2! + r/3! + ... for |r| <= ln2/2 */
static Value *exp_tail(Math *m, Value *r) {
  double c[14], f = 2;
  int n = m->wide ? 13 : 6;
  for (int i = 0; i < n; i++, f *= i + 2) c[i] = 1 / f;
  return polynomial(m, r, n, c);
}

static Value *expm1_of_rest(Math *m, Value *r) { return fma3(m, mul(m, r, r), exp_tail(m, r), r); }

/* 2^n is applied in two halves, so that results below the least normal number and at the very top come out right. */
static Value *expand_exp(Math *m, Value *x) {
  Value *n, *r, *low = num(m, m->wide ? -750 : -105), *high = num(m, m->wide ? 711 : 90);
  reduce_exp(m, bin(m, OP_min, bin(m, OP_max, x, low), high), &n, &r);
  Value *p = add(m, expm1_of_rest(m, r), num(m, 1));
  Value *half = un(m, OP_floor, mul(m, n, num(m, 0.5)));
  Value *first = power_of_two(m, to_int(m, half)), *second = power_of_two(m, to_int(m, sub(m, n, half)));
  Value *y = mul(m, mul(m, p, first), second);
  return choose(m, un(m, OP_isnan, x), x, y);
}

/* 2^n*expm1(r) + (2^n - 1); where that would pass the top, e^x itself, and far below 0, -1. */
static Value *expand_expm1(Math *m, Value *x) {
  Value *n, *r, *top = num(m, m->wide ? 50 : 20);
  Value *held = bin(m, OP_min, bin(m, OP_max, x, num(m, m->wide ? -50 : -25)), top);
  reduce_exp(m, held, &n, &r);
  Value *scale = power_of_two(m, to_int(m, n));
  Value *y = fma3(m, scale, expm1_of_rest(m, r), sub(m, scale, num(m, 1)));
  y = choose(m, less(m, x, top), y, expand_exp(m, x));
  Value *tiny = less(m, absolute(m, x), num(m, m->wide ? 1e-20 : 1e-10));
  return choose(m, tiny, x, y);
}

/* ---- log ---- */

/* log(1+f) with s = f/(2+f): 2s + 2s^3/3 + 2s^5/5 + ... The sum without its first term, over s. */
static Value *log_tail(Math *m, Value *z) {
  double c[12];
  int n = m->wide ? 11 : 5;
  for (int i = 0; i < n; i++) c[i] = 2.0 / (2 * i + 3);
  return mul(m, z, polynomial(m, z, n, c));
}

/* x = 2^e * (1+f), with 1+f between sqrt(1/2) and sqrt(2). Numbers below the least normal one are first made larger. */
static Value *expand_log(Math *m, Value *x) {
  double least = m->wide ? 0x1p-1022 : 0x1p-126, grow = m->wide ? 0x1p54 : 0x1p25;
  int mantissa = m->wide ? 52 : 23;
  int64_t root = m->wide ? 0x3fe6a09e667f3bcd : 0x3f3504f3; /* the bits of sqrt(1/2) */
  Value *small = less(m, x, num(m, least));
  Value *bits = to_bits(m, choose(m, small, mul(m, x, num(m, grow)), x));
  /* counted from sqrt(1/2), the exponent is what is to be taken away */
  Value *above = sub(m, bits, int_num(m, root));
  Value *e = bin(m, OP_shr, above, int_num(m, mantissa));
  Value *f = sub(m, from_bits(m, sub(m, bits, bin(m, OP_shl, e, int_num(m, mantissa)))), num(m, 1));
  Value *k = sub(m, to_float(m, e), choose(m, small, num(m, m->wide ? 54 : 25), num(m, 0)));
  Value *s = divide(m, f, add(m, f, num(m, 2)));
  /* 2s = f - s*f, in which f is exact */
  Value *tail = sub(m, mul(m, s, log_tail(m, mul(m, s, s))), mul(m, s, f));
  double hi = m->wide ? 6.93147180369123816490e-01 : 0.693359375, lo = m->wide ? 1.90821492927058770002e-10 : -2.12194440054690582767e-4;
  Value *y = fma3(m, k, num(m, hi), add(m, f, fma3(m, k, num(m, lo), tail)));
  y = choose(m, less(m, x, num(m, INFINITY)), y, x); /* +inf and NaN stay */
  y = choose(m, negative(m, x), num(m, NAN), y);
  return choose(m, bin(m, OP_eq, x, num(m, 0)), num(m, -INFINITY), y);
}

/* log(1+u) = log(y) + (u - (y-1))/y with y = 1+u rounded: what rounding took is put back. */
static Value *log1p_of(Math *m, Value *u) {
  Value *y = add(m, u, num(m, 1)), *lost = divide(m, sub(m, u, sub(m, y, num(m, 1))), y);
  Value *good = bin(m, OP_and, less(m, num(m, 0), y), less(m, y, num(m, INFINITY)));
  Value *log = expand_log(m, y);
  return choose(m, good, add(m, log, choose(m, good, lost, num(m, 0))), log);
}

/* ---- around exp and log ---- */

/* tanh|x| = t/(t+2) with t = e^(2|x|) - 1; in f32, below 0.4, its series, which rounds less often. */
static Value *expand_tanh(Math *m, Value *x) {
  static const double series[] = {-1.0 / 3, 2.0 / 15, -17.0 / 315, 62.0 / 2835, -1382.0 / 155925, 21844.0 / 6081075};
  Value *a = absolute(m, x), *t = expand_expm1(m, bin(m, OP_min, mul(m, a, num(m, 2)), num(m, 45)));
  Value *y = divide(m, t, add(m, t, num(m, 2)));
  if (!m->wide) {
    Value *z = mul(m, x, x), *near = fma3(m, mul(m, z, a), polynomial(m, z, 6, series), a);
    y = choose(m, less(m, a, num(m, 0.4)), near, y);
  }
  return choose(m, un(m, OP_isnan, x), x, with_sign(m, y, x));
}

static Value *expand_sigmoid(Math *m, Value *x) {
  Value *e = expand_exp(m, un(m, OP_neg, absolute(m, x)));
  Value *upper = divide(m, num(m, 1), add(m, e, num(m, 1)));
  return choose(m, negative(m, x), mul(m, e, upper), upper);
}

static Value *expand_silu(Math *m, Value *x) { return mul(m, x, expand_sigmoid(m, x)); }

static Value *expand_softplus(Math *m, Value *x) {
  Value *e = expand_exp(m, un(m, OP_neg, absolute(m, x)));
  return add(m, bin(m, OP_max, x, num(m, 0)), log1p_of(m, e));
}

/* Near the top e^|x| is past it though half of it is not: (e^(|x|/2))^2 / 2. */
static Value *half_exp(Math *m, Value *magnitude) {
  Value *root = expand_exp(m, mul(m, magnitude, num(m, 0.5)));
  return mul(m, mul(m, root, num(m, 0.5)), root);
}

static Value *expand_sinh(Math *m, Value *x) {
  Value *magnitude = absolute(m, x), *top = num(m, 40), *t = expand_expm1(m, bin(m, OP_min, magnitude, top));
  Value *y = mul(m, num(m, 0.5), add(m, t, divide(m, t, add(m, t, num(m, 1)))));
  return with_sign(m, choose(m, less(m, magnitude, top), y, half_exp(m, magnitude)), x);
}

static Value *expand_cosh(Math *m, Value *x) {
  Value *magnitude = absolute(m, x), *top = num(m, 40), *e = expand_exp(m, bin(m, OP_min, magnitude, top));
  Value *y = mul(m, num(m, 0.5), add(m, e, divide(m, num(m, 1), e)));
  return choose(m, less(m, magnitude, top), y, half_exp(m, magnitude));
}

/* log1p(a + a^2/(1 + sqrt(1 + a^2))); where a^2 would pass the top, log(a) + log(2) */
static Value *expand_asinh(Math *m, Value *x) {
  Value *a = absolute(m, x), *large = num(m, 1e9), *held = bin(m, OP_min, a, large), *square = mul(m, held, held);
  Value *rest = divide(m, square, add(m, num(m, 1), square_root(m, add(m, square, num(m, 1)))));
  Value *far = add(m, expand_log(m, a), num(m, 0.69314718055994530942));
  return with_sign(m, choose(m, less(m, a, large), log1p_of(m, add(m, held, rest)), far), x);
}

/* log1p(t + sqrt(t(t+2))) with t = x-1 */
static Value *expand_acosh(Math *m, Value *x) {
  Value *large = num(m, 1e9), *t = sub(m, bin(m, OP_min, x, large), num(m, 1));
  Value *near = log1p_of(m, add(m, t, square_root(m, mul(m, t, add(m, t, num(m, 2))))));
  Value *far = add(m, expand_log(m, x), num(m, 0.69314718055994530942));
  return choose(m, less(m, x, num(m, 1)), num(m, NAN), choose(m, less(m, x, large), near, far));
}

static Value *expand_atanh(Math *m, Value *x) {
  Value *a = absolute(m, x);
  Value *y = log1p_of(m, divide(m, add(m, a, a), sub(m, num(m, 1), a)));
  return with_sign(m, mul(m, num(m, 0.5), y), x);
}

/* ---- circular ---- */

/* In whole numbers of 32 bits, also for f64. */
static Value *quadrant_of(Math *m, Value *n) {
  return build_cast(m->b, choose(m, less(m, absolute(m, n), num(m, 0x1p30)), n, num(m, 0)), DT_i32);
}

static Value *take_parts(Math *m, Value *x, Value *n, int n_parts, const double *part) {
  for (int i = 0; i < n_parts; i++) x = fma3(m, n, num(m, -part[i]), x);
  return x;
}

static Value *count_of(Math *m, Value *x) { return un(m, OP_round, mul(m, x, num(m, 0.63661977236758134308))); }

/* Where products are rounded: by parts of pi/2 of 33 bits, whose products with n are exact to |n| = 2^20 in f64; f32 goes through
 * f64 for it. */
static Value *reduce_circle_twice_rounded(Math *m, Value *x, Value **quadrant) {
  static const double part[] = {1.57079632673412561417e+00, 6.07710050630396597660e-11, 2.02226624879595063154e-21};
  Value *wide = build_cast(m->b, x, DT_f64);
  Math w = {.b = m->b, .type = wide->type, .wide = true};
  Value *n = count_of(&w, wide);
  *quadrant = quadrant_of(&w, n);
  return build_cast(m->b, take_parts(&w, wide, n, 3, part), m->type->dtype);
}

/* x = n*pi/2 + r with |r| <= pi/4: pi/2 in three parts, each product rounded once. Good to |x| = 2^20 and beyond. */
static Value *reduce_circle(Math *m, Value *x, Value **quadrant) {
  static const double f32_part[] = {1.57079637050628662109375, -4.37113900018624283e-8, -1.71512449e-15};
  static const double f64_part[] = {1.57079632679489655800e+00, 6.12323399573676603587e-17, -1.49738490485916983e-33};
  if (!m->fused) return reduce_circle_twice_rounded(m, x, quadrant);
  Value *n = count_of(m, x);
  *quadrant = quadrant_of(m, n);
  return take_parts(m, x, n, 3, m->wide ? f64_part : f32_part);
}

static Value *odd_series(Math *m, Value *r) {
  double c[9], f = -6;
  int n = m->wide ? 8 : 4;
  for (int i = 0; i < n; i++, f *= -(2 * i + 2) * (2 * i + 3)) c[i] = 1 / f;
  Value *z = mul(m, r, r);
  return fma3(m, mul(m, z, r), polynomial(m, z, n, c), r);
}

static Value *even_series(Math *m, Value *r) {
  double c[9], f = 24;
  int n = m->wide ? 8 : 4;
  for (int i = 0; i < n; i++, f *= -(2 * i + 3) * (2 * i + 4)) c[i] = 1 / f;
  Value *z = mul(m, r, r);
  return add(m, fma3(m, mul(m, z, z), polynomial(m, z, n, c), mul(m, z, num(m, -0.5))), num(m, 1));
}

static Value *quadrant_num(Math *m, int32_t v) {
  Math q = *m;
  q.wide = false;
  return int_num(&q, v);
}

static Value *bit_set(Math *m, Value *n, int32_t bit) {
  return bin(m, OP_eq, bin(m, OP_and, n, quadrant_num(m, bit)), quadrant_num(m, bit));
}

/* sin in quadrants 0 and 2, cos in 1 and 3, of the other sign in 2 and 3; cos is a quadrant ahead. */
static Value *circular(Math *m, Value *x, int32_t ahead) {
  Value *q, *r = reduce_circle(m, x, &q);
  q = add(m, q, quadrant_num(m, ahead));
  Value *y = choose(m, bit_set(m, q, 1), even_series(m, r), odd_series(m, r));
  y = choose(m, bit_set(m, q, 2), un(m, OP_neg, y), y);
  return choose(m, less(m, absolute(m, x), num(m, INFINITY)), y, num(m, NAN));
}

static Value *expand_sin(Math *m, Value *x) {
  return choose(m, bin(m, OP_eq, x, num(m, 0)), x, circular(m, x, 0));
}
static Value *expand_cos(Math *m, Value *x) { return circular(m, x, 1); }

static Value *expand_tan(Math *m, Value *x) {
  Value *q, *r = reduce_circle(m, x, &q), *s = odd_series(m, r), *c = even_series(m, r);
  Value *y = choose(m, bit_set(m, q, 1), un(m, OP_neg, divide(m, c, s)), divide(m, s, c));
  y = choose(m, less(m, absolute(m, x), num(m, INFINITY)), y, num(m, NAN));
  return choose(m, bin(m, OP_eq, x, num(m, 0)), x, y);
}

/* atan|x|: above tan(3pi/8) by -1/x from pi/2, above tan(pi/8) by (x-1)/(x+1) from pi/4, then its series. */
static Value *atan_magnitude(Math *m, Value *a) {
  Value *far = less(m, num(m, 2.41421356237309504880), a), *mid = less(m, num(m, 0.41421356237309504880), a);
  Value *r = choose(m, mid, divide(m, sub(m, a, num(m, 1)), add(m, a, num(m, 1))), a);
  r = choose(m, far, divide(m, num(m, -1), a), r);
  Value *base = choose(m, mid, num(m, 0.78539816339744830962), num(m, 0));
  base = choose(m, far, num(m, 1.57079632679489661923), base);
  double c[21];
  int n = m->wide ? 20 : 9;
  for (int i = 0; i < n; i++) c[i] = (i % 2 ? 1.0 : -1.0) / (2 * i + 3);
  Value *z = mul(m, r, r);
  return add(m, base, fma3(m, mul(m, z, r), polynomial(m, z, n, c), r));
}

static Value *expand_atan(Math *m, Value *x) { return with_sign(m, atan_magnitude(m, absolute(m, x)), x); }

/* atan(x / sqrt((1-x)(1+x))) */
static Value *expand_asin(Math *m, Value *x) {
  Value *a = absolute(m, x), *one = num(m, 1);
  Value *side = square_root(m, mul(m, sub(m, one, a), add(m, one, a)));
  return with_sign(m, atan_magnitude(m, divide(m, a, side)), x);
}

/* 2 atan(sqrt((1-x)/(1+x))) */
static Value *expand_acos(Math *m, Value *x) {
  Value *one = num(m, 1), *half = atan_magnitude(m, square_root(m, divide(m, sub(m, one, x), add(m, one, x))));
  return add(m, half, half);
}

/* ---- erf ---- */

/* W. J. Cody's rational approximations (1969): erf near 0, and erfc(a) e^(a^2) from there on. */
static Value *ratio(Math *m, Value *x, int n, const double *top, const double *bottom) {
  return divide(m, polynomial(m, x, n, top), polynomial(m, x, n, bottom));
}

/* Where the second takes over; in f32 the first is the series, which is good for longer. */
static double erf_edge(const Math *m) { return m->wide ? 0.46875 : 1; }

/* x + x*(2/sqrt(pi)*(1 - z/3 + z^2/10 - ...) - 1) with z = x^2: what is rounded last but one is small beside x. */
static Value *erf_series(Math *m, Value *x) {
  enum { N = 12 };
  double c[N], factorial = 1;
  for (int i = 0; i < N; i++) {
    if (i) factorial *= -i;
    c[i] = 1.12837916709551257390 / (factorial * (2 * i + 1));
  }
  c[0] -= 1;
  return fma3(m, x, polynomial(m, mul(m, x, x), N, c), x);
}

static Value *erf_near(Math *m, Value *x) {
  static const double top[] = {3.20937758913846947e03, 3.77485237685302021e02, 1.13864154151050156e02, 3.16112374387056560e00,
                               1.85777706184603153e-1};
  static const double bottom[] = {2.84423683343917062e03, 1.28261652607737228e03, 2.44024637934444173e02,
                                  2.36012909523441209e01, 1.0};
  return m->wide ? mul(m, x, ratio(m, mul(m, x, x), 5, top, bottom)) : erf_series(m, x);
}

/* x^2 as the square of x's upper half, which is exact, and what is left. */
static void square_parts(Math *m, Value *x, Value **square, Value **rest) {
  int64_t upper = m->wide ? ~(int64_t)0x7ffffff : ~(int64_t)0xfff;
  Value *high = from_bits(m, bin(m, OP_and, to_bits(m, x), int_num(m, upper)));
  *square = mul(m, high, high);
  *rest = mul(m, sub(m, x, high), add(m, x, high));
}

/* e^(-k*x^2), k a power of two. */
static Value *gaussian(Math *m, Value *x, double k) {
  Value *square, *rest, *minus = num(m, -k);
  square_parts(m, x, &square, &rest);
  return mul(m, expand_exp(m, mul(m, minus, square)), expand_exp(m, mul(m, minus, rest)));
}

/* erfc(a) e^(a^2) for a >= 0.46875 */
static Value *erfc_scaled(Math *m, Value *a) {
  static const double top[] = {1.23033935479799725e03, 2.05107837782607147e03, 1.71204761263407058e03,
                               8.81952221241769090e02, 2.98635138197400131e02, 6.61191906371416295e01,
                               8.88314979438837594e00, 5.64188496988670089e-1, 2.15311535474403846e-8};
  static const double bottom[] = {1.23033935480374942e03, 3.43936767414372164e03, 4.36261909014324716e03,
                                  3.29079923573345963e03, 1.62138957456669019e03, 5.37181101862009858e02,
                                  1.17693950891312499e02, 1.57449261107098347e01, 1.0};
  return ratio(m, a, 9, top, bottom);
}

/* From 6 on (f32: 4) erfc is nothing beside 1, and arguments are held there. */
static Value *expand_erf(Math *m, Value *x) {
  Value *a = bin(m, OP_min, absolute(m, x), num(m, 6));
  Value *far = with_sign(m, sub(m, num(m, 1), mul(m, gaussian(m, a, 1), erfc_scaled(m, a))), x);
  return choose(m, less(m, a, num(m, erf_edge(m))), erf_near(m, x), choose(m, un(m, OP_isnan, x), x, far));
}

/* In f32, max(x, 0) - a q(a) with a = |x| and q(a) = Phi(-a) = e^(-a^2/2) t p(t), where t = 1/(1 + 0.35 a): a polynomial of degree
 * 8, fitted to be off by 3e-8 of q at most. Nothing is chosen between, and e is raised once; what a^2 has beyond an exact square
 * is added to the exponent's remainder. At 13.27 the power is 2^-127, which has no normal number, and comes out as 0. */
static Value *gelu_erf_narrow(Math *m, Value *x) {
  static const double p[] = {0.1396218281,  0.1398547493, 0.1198827584,  0.1053169383,  -0.02267085988,
                             0.1585524107, -0.2551823143, 0.1437195751, -0.02909510152};
  Value *a = bin(m, OP_min, absolute(m, x), num(m, 13.27)), *half = num(m, -0.5), *square, *rest, *n, *r;
  square_parts(m, a, &square, &rest);
  Value *t = divide(m, num(m, 1), fma3(m, a, num(m, 0.35), num(m, 1)));
  reduce_exp(m, mul(m, square, half), &n, &r);
  r = fma3(m, rest, half, r);
  Value *power = mul(m, add(m, expm1_of_rest(m, r), num(m, 1)), power_of_two(m, to_int(m, n)));
  Value *tail = mul(m, mul(m, a, t), mul(m, power, polynomial(m, t, 9, p)));
  return sub(m, bin(m, OP_max, x, num(m, 0)), tail);
}

/* x*Phi(x): erfc keeps the digits that 1 + erf would lose on the left, and e^(-x^2/2) those that x/sqrt(2) would. */
static Value *gelu_erf(Math *m, Value *x) {
  if (!m->wide) return gelu_erf_narrow(m, x);
  Value *bound = num(m, 40), *held = bin(m, OP_min, absolute(m, x), bound);
  Value *root = num(m, 0.70710678118654752440), *a = mul(m, held, root), *edge = num(m, 0.46875);
  Value *tail = mul(m, gaussian(m, held, 0.5), erfc_scaled(m, bin(m, OP_max, a, edge)));
  Value *far = choose(m, negative(m, x), tail, sub(m, num(m, 2), tail));
  Value *near = add(m, erf_near(m, mul(m, x, root)), num(m, 1));
  Value *y = mul(m, mul(m, x, num(m, 0.5)), choose(m, less(m, a, edge), near, far));
  return choose(m, bin(m, OP_eq, x, num(m, -INFINITY)), num(m, 0), y);
}

/* 0.5x(1 + tanh u) = x*sigmoid(2u), with u = sqrt(2/pi)(x + 0.044715 x^3) */
static Value *gelu_tanh(Math *m, Value *x) {
  Value *cube = mul(m, mul(m, x, x), x);
  Value *u = mul(m, fma3(m, cube, num(m, 0.044715), x), num(m, 1.59576912160573071176));
  Value *y = mul(m, x, expand_sigmoid(m, u));
  return choose(m, bin(m, OP_eq, x, num(m, -INFINITY)), num(m, 0), y);
}

/* ---- powers and remainders ---- */

/* In f64 for f32, whose last place e^(b log a) would lose to the size of b log a. */
static Value *float_power(Math *m, Value *a, Value *b) {
  Value *one = num(m, 1), *y = expand_exp(m, mul(m, b, expand_log(m, absolute(m, a))));
  Value *whole = bin(m, OP_eq, un(m, OP_floor, b), b), *half = mul(m, b, num(m, 0.5));
  Value *odd = bin(m, OP_and, whole, un(m, OP_not, bin(m, OP_eq, un(m, OP_floor, half), half)));
  Value *below = less(m, to_float(m, bin(m, OP_shr, to_bits(m, a), int_num(m, m->wide ? 63 : 31))), num(m, 0));
  y = choose(m, bin(m, OP_and, odd, below), un(m, OP_neg, y), y);
  Value *finite = less(m, num(m, -INFINITY), a);
  Value *bad = bin(m, OP_and, bin(m, OP_and, negative(m, a), finite), un(m, OP_not, whole));
  y = choose(m, bad, num(m, NAN), y);
  Value *unit = bin(m, OP_and, bin(m, OP_eq, absolute(m, a), one), bin(m, OP_eq, absolute(m, b), num(m, INFINITY)));
  Value *sure = bin(m, OP_or, bin(m, OP_or, bin(m, OP_eq, a, one), bin(m, OP_eq, b, num(m, 0))), unit);
  return choose(m, sure, one, y);
}

static bool is_fused(const Builder *b) {
  const Target *t = b->func->target;
  return !t || t->kind != TARGET_CPU || target_has(t, FEATURE_fma);
}

static Value *expand_pow_float(Builder *b, Value *x, Value *y, Dtype to) {
  Value *wide_x = build_cast(b, x, DT_f64), *wide_y = build_cast(b, y, DT_f64);
  Math m = {.b = b, .type = wide_x->type, .wide = true, .fused = is_fused(b)};
  return build_cast(b, float_power(&m, wide_x, wide_y), to);
}

/* Squaring, as many times as the exponent has bits. */
static Value *expand_pow_int(Builder *b, Value *x, Value *y) {
  Dtype t = x->type->dtype, e = y->type->dtype;
  Value *one = kb_int(b, t, 1), *start[] = {one, x, y};
  KernelFor f = kb_for(b, kb_index(b, 0), kb_index(b, dtype_bits(e)), 3, start);
  Value *low = build_binary(b, OP_and, f.carried[2], kb_int(b, e, 1));
  Value *odd = build_binary(b, OP_eq, low, kb_int(b, e, 1));
  Value *next[] = {kb_where(b, odd, build_binary(b, OP_mul, f.carried[0], f.carried[1]), f.carried[0]),
                   build_binary(b, OP_mul, f.carried[1], f.carried[1]), build_binary(b, OP_shr, f.carried[2], kb_int(b, e, 1))};
  kb_for_end(b, &f, 3, next);
  if (!dtype_is_signed(e)) return f.out[0];
  /* to a negative power: 1, -1 and 0 for all else */
  Value *is_one = build_binary(b, OP_eq, x, one), *zero = kb_int(b, t, 0), *below = zero;
  if (dtype_is_signed(t)) {
    Value *minus = kb_int(b, t, -1), *y_odd = build_binary(b, OP_eq, build_binary(b, OP_and, y, kb_int(b, e, 1)), kb_int(b, e, 1));
    below = kb_where(b, build_binary(b, OP_eq, x, minus), kb_where(b, y_odd, minus, one), zero);
  }
  below = kb_where(b, is_one, one, below);
  return kb_where(b, build_binary(b, OP_lt, y, kb_int(b, e, 0)), below, f.out[0]);
}

/* x - n*y with one rounding at the end: where the target would round the product, what it lost is computed from halves. */
static Value *take_product(Math *m, Value *x, Value *n, Value *y) {
  if (m->fused) return fma3(m, un(m, OP_neg, n), y, x);
  Value *upper = int_num(m, ~(int64_t)0x7ffffff), *product = mul(m, n, y);
  Value *nh = from_bits(m, bin(m, OP_and, to_bits(m, n), upper)), *nl = sub(m, n, nh);
  Value *yh = from_bits(m, bin(m, OP_and, to_bits(m, y), upper)), *yl = sub(m, y, yh);
  Value *lost = add(m, add(m, sub(m, mul(m, nh, yh), product), add(m, mul(m, nh, yl), mul(m, nl, yh))), mul(m, nl, yl));
  return sub(m, sub(m, x, product), lost);
}

/* a - trunc(a/b)*b, in f64: exact while the quotient is below 2^29 for f32. */
static Value *expand_mod_float(Builder *b, const Node *n, Value *x, Value *y) {
  Dtype to = x->type->dtype;
  Value *wide_x = build_cast(b, x, DT_f64), *wide_y = build_cast(b, y, DT_f64);
  Math m = {.b = b, .type = wide_x->type, .wide = true, .fused = is_fused(b)};
  Value *quotient = divide(&m, absolute(&m, wide_x), absolute(&m, wide_y));
  Value *r = take_product(&m, absolute(&m, wide_x), un(&m, OP_floor, quotient), absolute(&m, wide_y));
  r = choose(&m, less(&m, absolute(&m, wide_x), absolute(&m, wide_y)), absolute(&m, wide_x), r);
  r = with_sign(&m, r, wide_x);
  if (!node_bool(n, mod, trunc)) {
    Value *differ = un(&m, OP_not, bin(&m, OP_eq, negative(&m, r), negative(&m, wide_y)));
    Value *not_zero = un(&m, OP_not, bin(&m, OP_eq, r, num(&m, 0)));
    r = choose(&m, bin(&m, OP_and, differ, not_zero), add(&m, r, wide_y), r);
  }
  return build_cast(b, r, to);
}

/* ---- which ops ---- */

typedef Value *(*Expansion)(Math *m, Value *x);

// clang-format off
static const Expansion expansions[OP_count] = {
  [OP_exp]   = expand_exp,   [OP_expm1] = expand_expm1, [OP_log]      = expand_log,
  [OP_tanh]  = expand_tanh,  [OP_sinh]  = expand_sinh,  [OP_cosh]     = expand_cosh,
  [OP_asinh] = expand_asinh, [OP_acosh] = expand_acosh, [OP_atanh]    = expand_atanh,
  [OP_sin]   = expand_sin,   [OP_cos]   = expand_cos,   [OP_tan]      = expand_tan,
  [OP_asin]  = expand_asin,  [OP_acos]  = expand_acos,  [OP_atan]     = expand_atan,
  [OP_erf]   = expand_erf,   [OP_sigmoid] = expand_sigmoid, [OP_softplus] = expand_softplus,
  [OP_silu]  = expand_silu,
};
// clang-format on

static Value *expand_node(Builder *b, const Node *n) {
  Value *x = node_in(n, 0), *y = node_in(n, 1);
  Dtype t = n->out[0]->type->dtype;
  bool floats = t == DT_f32 || t == DT_f64;
  if (n->op == OP_pow && dtype_is_int(t) && dtype_is_int(y->type->dtype)) return x->type->lanes == 1 ? expand_pow_int(b, x, y) : NULL;
  if (n->op == OP_pow) return expand_pow_float(b, x, y, t);
  if (n->op == OP_mod && floats) return expand_mod_float(b, n, x, y);
  Math m = {.b = b, .type = n->out[0]->type, .wide = t == DT_f64, .fused = is_fused(b)};
  if (n->op == OP_gelu && floats) return node_bool(n, gelu, tanh) ? gelu_tanh(&m, x) : gelu_erf(&m, x);
  return expansions[n->op] && floats ? expansions[n->op](&m, x) : NULL;
}

/* New nodes stand in a block of their own while they are written, since loops can only be written at a block's end. */
static bool replace(Module *m, Node *n) {
  Block *aside = block_new(n->block->func, n->block->parent);
  Builder b = {.module = m, .func = n->block->func, .block = aside, .loc = n->loc};
  Value *v = expand_node(&b, n);
  if (!v) return false;
  for (Node *made = aside->first, *next; made; made = next) {
    next = made->next;
    node_detach(made);
    node_insert_before(n, made);
  }
  value_replace(n->out[0], v);
  node_remove(n);
  return true;
}

static bool expand_block(Module *m, Block *b) {
  bool changed = false;
  for (Node *n = b->first, *next; n; n = next) {
    next = n->next;
    for (int i = 0; i < n->n_regions; i++) changed |= expand_block(m, n->region[i]);
    if (op_info(n->op)->level == LEVEL_ANY && n->n_out == 1) changed |= replace(m, n);
  }
  return changed;
}

bool pass_expand(PassCall *c, Func *f) { return expand_block(c->module, f->body); }

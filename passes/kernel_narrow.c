/* kernel_narrow.c -- element types that no register holds: packed integers, and floats of 8 and 4 bits.
 *
 * In a kernel their numbers are i8, u8 or f32, exactly; memory is read and written as bytes. Codes are made and read by
 * integer arithmetic on the bits of an f32, by the same description (a row of dtypes.def) that the reference uses. */
#include <math.h>

#include "ir/fatal.h"
#include "passes/kernel.h"

Dtype kernel_register(Dtype t) {
  const DtypeInfo *d = dtype_info(t);
  if (d->cls == DTC_INT && d->bits < 8) return DT_i8;
  if (d->cls == DTC_UINT && d->bits < 8) return DT_u8;
  return dtype_is_float(t) && d->bits <= 8 ? DT_f32 : t;
}

bool kernel_is_narrow(Dtype t) { return kernel_register(t) != t; }

Dtype kernel_memory(Dtype t) { return kernel_is_narrow(t) ? DT_u8 : t; }

/* ---- arithmetic on codes, in i32 ---- */

typedef struct Code {
  Kernel *k;
  const DtypeInfo *d;
} Code;

static Value *num(Code *c, int64_t v) { return kb_int(&c->k->b, DT_i32, v); }
static Value *real(Code *c, double v) { return kb_float(&c->k->b, DT_f32, v); }
static Value *op(Code *c, Op o, Value *x, Value *y) { return build_binary(&c->k->b, o, x, y); }
static Value *pick(Code *c, Value *when, Value *x, Value *y) { return kb_where(&c->k->b, when, x, y); }
static Value *bits_of(Code *c, Value *x) {
  return build(&c->k->b, OP_bitcast, 1, INS(x), ATTRS(at_i(bitcast, to, DT_i32)));
}
static Value *float_of(Code *c, Value *x) {
  return build(&c->k->b, OP_bitcast, 1, INS(x), ATTRS(at_i(bitcast, to, DT_f32)));
}
static Value *is_nan(Code *c, Value *x) { return build_unary(&c->k->b, OP_isnan, x); }

static int64_t ones(int n) { return ((int64_t)1 << n) - 1; }

/* What the reference makes of one number, so that special codes are said in one place. */
static int64_t code_of(const Code *c, double v, bool saturate) {
  return (int64_t)dtype_encode((Dtype)(c->d - dtype_info((Dtype)0)), v, saturate, ROUND_EVEN);
}

/* ---- floats to codes ---- */

/* |x| in the format's units, rounded to even. Above the least normal number, the f32's exponent and mantissa are rounded
 * together and its bias exchanged; below, the code is the number of units. */
static Value *magnitude_code(Code *c, Value *a) {
  int cut = 23 - c->d->mantissa;
  Value *bits = bits_of(c, a), *odd = op(c, OP_and, op(c, OP_shr, bits, num(c, cut)), num(c, 1));
  Value *rounded = op(c, OP_shr, op(c, OP_add, bits, op(c, OP_add, num(c, ones(cut - 1)), odd)), num(c, cut));
  Value *normal = op(c, OP_sub, rounded, num(c, (int64_t)(127 - c->d->bias) << c->d->mantissa));
  double unit = ldexp(1, c->d->bias - 1 + c->d->mantissa), least = ldexp(1, 1 - c->d->bias);
  Value *held = op(c, OP_min, a, real(c, least));
  Value *units = kb_cast(&c->k->b, build_unary(&c->k->b, OP_round, op(c, OP_mul, held, real(c, unit))), DT_i32);
  return pick(c, op(c, OP_lt, a, real(c, least)), units, normal);
}

static Value *encode_float(Code *c, Value *x, bool saturate) {
  int64_t sign = (int64_t)1 << (c->d->bits - 1), nan = code_of(c, NAN, true), past = code_of(c, INFINITY, saturate);
  int64_t largest = c->d->cls == DTC_FLOAT ? (ones(c->d->exponent) << c->d->mantissa) - 1
                    : c->d->cls == DTC_FN  ? sign - 2
                                           : sign - 1;
  bool unsigned_zero = c->d->cls == DTC_FNUZ;
  Value *m = magnitude_code(c, build_unary(&c->k->b, OP_abs, x));
  Value *code = pick(c, op(c, OP_lt, num(c, largest), m), num(c, past), m);
  Value *negative = op(c, OP_lt, bits_of(c, x), num(c, 0)), *with_sign = op(c, OP_or, code, num(c, sign));
  if (unsigned_zero) negative = op(c, OP_and, negative, build_unary(&c->k->b, OP_not, op(c, OP_eq, code, num(c, 0))));
  code = pick(c, negative, with_sign, code);
  return pick(c, is_nan(c, x), num(c, nan), code);
}

/* A power of two: the exponent, rounded as asked by the mantissa. The least of them, 2^-127, is half of f32's least normal
 * number: there the mantissa's first bit is the number's own. */
static Value *encode_exponent(Code *c, Value *x, bool saturate, Rounding mode) {
  Value *bits = op(c, OP_and, bits_of(c, x), num(c, INT32_MAX));
  Value *above = op(c, OP_shr, bits, num(c, 23)), *rest = op(c, OP_and, bits, num(c, ones(23)));
  Value *edge = pick(c, op(c, OP_eq, above, num(c, 0)), num(c, mode == ROUND_UP ? (1 << 22) + 1 : 3 << 21),
                     num(c, mode == ROUND_UP ? 1 : 1 << 22));
  Value *code = above;
  if (mode != ROUND_DOWN) code = op(c, OP_add, above, pick(c, op(c, OP_lt, rest, edge), num(c, 0), num(c, 1)));
  code = pick(c, op(c, OP_lt, num(c, 254), code), num(c, saturate ? 254 : 255), code);
  return pick(c, is_nan(c, x), num(c, 255), code);
}

/* The nearest of a table that rises; of two that are equally near, the lower. */
static Value *encode_table(Code *c, Dtype t, Value *x) {
  const float *table = dtype_table(t);
  Value *code = num(c, 0);
  for (int i = 1; i < 1 << c->d->bits; i++)
    code = pick(c, op(c, OP_lt, real(c, ((double)table[i - 1] + table[i]) / 2), x), num(c, i), code);
  return code;
}

static Value *encode(Code *c, Dtype t, Value *x, bool saturate, Rounding mode) {
  switch (c->d->cls) {
  case DTC_EXP: return encode_exponent(c, x, saturate, mode);
  case DTC_TABLE: return encode_table(c, t, x);
  default: return encode_float(c, x, saturate);
  }
}

Value *kernel_encode(Kernel *k, Dtype t, Value *x, bool saturate, Rounding mode) {
  Code c = {k, dtype_info(t)};
  if (!dtype_is_float(t)) return kb_cast(&k->b, x, DT_u8);
  return kb_cast(&k->b, encode(&c, t, x, saturate, mode), DT_u8);
}

/* ---- codes to floats ---- */

static Value *decode_float(Code *c, Value *code) {
  int m = c->d->mantissa;
  int64_t sign = (int64_t)1 << (c->d->bits - 1);
  Value *low = op(c, OP_and, code, num(c, sign - 1)), *exponent = op(c, OP_shr, low, num(c, m));
  Value *normal = float_of(c, op(c, OP_add, op(c, OP_shl, low, num(c, 23 - m)), num(c, (int64_t)(127 - c->d->bias) << 23)));
  Value *small = op(c, OP_mul, kb_cast(&c->k->b, low, DT_f32), real(c, ldexp(1, 1 - c->d->bias - m)));
  Value *x = pick(c, op(c, OP_eq, exponent, num(c, 0)), small, normal);
  if (c->d->cls == DTC_FLOAT) {
    int64_t infinity = ones(c->d->exponent) << m;
    x = pick(c, op(c, OP_eq, low, num(c, infinity)), real(c, INFINITY), x);
    x = pick(c, op(c, OP_lt, num(c, infinity), low), real(c, NAN), x);
  }
  if (c->d->cls == DTC_FN) x = pick(c, op(c, OP_eq, low, num(c, sign - 1)), real(c, NAN), x);
  Value *negative = op(c, OP_lt, num(c, sign - 1), code);
  x = pick(c, negative, build_unary(&c->k->b, OP_neg, x), x);
  if (c->d->cls == DTC_FNUZ) x = pick(c, op(c, OP_eq, code, num(c, sign)), real(c, NAN), x);
  return x;
}

/* 2^(code-127); of code 0, half the least normal number. */
static Value *decode_exponent(Code *c, Value *code) {
  Value *x = float_of(c, op(c, OP_shl, code, num(c, 23)));
  x = pick(c, op(c, OP_eq, code, num(c, 0)), real(c, 0x1p-127), x);
  return pick(c, op(c, OP_eq, code, num(c, 255)), real(c, NAN), x);
}

static Value *decode_table(Code *c, Dtype t, Value *code) {
  Value *x = real(c, dtype_table(t)[0]);
  for (int i = 1; i < 1 << c->d->bits; i++)
    x = pick(c, op(c, OP_eq, code, num(c, i)), real(c, dtype_table(t)[i]), x);
  return x;
}

/* The upper bits of a signed code are its sign. */
static Value *decode_int(Code *c, Value *code) {
  int up = 32 - c->d->bits;
  if (c->d->cls == DTC_INT) code = op(c, OP_shr, op(c, OP_shl, code, num(c, up)), num(c, up));
  return kb_cast(&c->k->b, code, c->d->cls == DTC_INT ? DT_i8 : DT_u8);
}

Value *kernel_decode(Kernel *k, Dtype t, Value *code) {
  Code c = {k, dtype_info(t)};
  code = kb_cast(&k->b, code, DT_i32);
  switch (c.d->cls) {
  case DTC_EXP: return decode_exponent(&c, code);
  case DTC_TABLE: return decode_table(&c, t, code);
  case DTC_INT: case DTC_UINT: return decode_int(&c, code);
  default: return decode_float(&c, code);
  }
}

/* ---- memory ---- */

Value *kernel_load(Kernel *k, Dtype t, Value *memory, Value *i) {
  int bits = dtype_bits(t);
  if (!kernel_is_narrow(t)) return kb_load(&k->b, memory, i);
  Value *each = kb_index(&k->b, 8 / bits), *code = kb_load(&k->b, memory, kb_div(&k->b, i, each));
  if (bits < 8) {
    Value *shift = kb_cast(&k->b, kb_mul(&k->b, kb_mod(&k->b, i, each), kb_index(&k->b, bits)), DT_u8);
    code = build_binary(&k->b, OP_and, build_binary(&k->b, OP_shr, code, shift), kb_int(&k->b, DT_u8, ones(bits)));
  }
  return kernel_decode(k, t, code);
}

/* ---- conversions ---- */

/* The lowest bits, as a packed integer of that width holds them. */
static Value *wrap(Kernel *k, Value *x, Dtype to) {
  const DtypeInfo *d = dtype_info(to);
  Dtype wide = d->cls == DTC_INT ? DT_i64 : DT_u64;
  Value *up = kb_int(&k->b, wide, 64 - d->bits), *v = kb_cast(&k->b, kb_cast(&k->b, x, DT_i64), wide);
  return kb_cast(&k->b, build_binary(&k->b, OP_shr, build_binary(&k->b, OP_shl, v, up), up), kernel_register(to));
}

Value *kernel_convert(Kernel *k, Value *x, Dtype to, bool saturate, Rounding mode) {
  Value *wide = kernel_widen(k, x);
  if (!kernel_is_narrow(to)) return kb_cast(&k->b, kb_cast(&k->b, wide, kernel_wide(to)), to);
  if (!dtype_is_float(to)) return wrap(k, wide, to);
  return kernel_decode(k, to, kernel_encode(k, to, kb_cast(&k->b, wide, DT_f32), saturate, mode));
}

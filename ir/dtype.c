/* dtype.c -- element types: their table, and how their values are read, written and rounded. */
#include "ir/dtype.h"

#include <math.h>
#include <string.h>

#include "ir/checked.h"
#include "ir/fatal.h"

static const DtypeInfo dtypes[DT_count] = {
    [DT_none] = {"none", DTC_NONE, 0, 0, 0, 0, 0, ""},
#define DTYPE(name, cls, bits, exponent, mantissa, bias, onnx, doc)                                                    \
  [DT_##name] = {#name, DTC_##cls, bits, exponent, mantissa, bias, onnx, doc},
#include "ir/dtypes.def"
#undef DTYPE
};

/* The 16 quantiles of a normal distribution that QLoRA's NF4 codes stand for. */
static const float nf4_values[16] = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};

const DtypeInfo *dtype_info(Dtype t) {
  ensure(t >= 0 && t < DT_count);
  return &dtypes[t];
}

const char *dtype_name(Dtype t) { return dtype_info(t)->name; }
int dtype_bits(Dtype t) { return dtype_info(t)->bits; }

Dtype dtype_find(const char *name, size_t n) {
  for (int t = 1; t < DT_count; t++)
    if (strlen(dtypes[t].name) == n && !memcmp(dtypes[t].name, name, n)) return (Dtype)t;
  return DT_none;
}

Dtype dtype_from_onnx(int code) {
  for (int t = 1; t < DT_count; t++)
    if (code && dtypes[t].onnx == code) return (Dtype)t;
  return DT_none;
}

static bool class_is_float(DtypeClass c) { return c >= DTC_FLOAT && c <= DTC_TABLE; }

bool dtype_is_float(Dtype t) { return class_is_float(dtype_info(t)->cls); }

bool dtype_is_int(Dtype t) {
  DtypeClass c = dtype_info(t)->cls;
  return c == DTC_INT || c == DTC_UINT || c == DTC_INDEX;
}

bool dtype_is_signed(Dtype t) {
  DtypeClass c = dtype_info(t)->cls;
  return c == DTC_INT || c == DTC_INDEX || class_is_float(c);
}

const float *dtype_table(Dtype t) {
  ensure(t == DT_nf4);
  return nf4_values;
}

bool dtype_size(Dtype t, int64_t n, int64_t *bytes) {
  int64_t bits;
  if (n < 0 || !checked_mul(n, dtype_bits(t), &bits) || !checked_add(bits, 7, &bits)) return false;
  *bytes = bits / 8;
  return true;
}

/* ---- packed access: mapped data may lie at any address, so elements are copied ---- */

uint64_t dtype_get_bits(Dtype t, const void *at, int64_t i) {
  const unsigned char *p = at;
  switch (dtype_bits(t)) {
  case 64: {
    uint64_t v;
    memcpy(&v, p + i * 8, 8);
    return v;
  }
  case 32: {
    uint32_t v;
    memcpy(&v, p + i * 4, 4);
    return v;
  }
  case 16: {
    uint16_t v;
    memcpy(&v, p + i * 2, 2);
    return v;
  }
  case 8: return p[i];
  case 4: return (uint64_t)(p[i >> 1] >> ((i & 1) * 4)) & 15;
  default: return (uint64_t)(p[i >> 2] >> ((i & 3) * 2)) & 3;
  }
}

static void set_packed(unsigned char *p, int shift, unsigned mask, uint64_t bits) {
  *p = (unsigned char)((*p & ~(mask << shift)) | (((unsigned)bits & mask) << shift));
}

void dtype_set_bits(Dtype t, void *at, int64_t i, uint64_t bits) {
  unsigned char *p = at;
  switch (dtype_bits(t)) {
  case 64: memcpy(p + i * 8, &bits, 8); break;
  case 32: {
    uint32_t v = (uint32_t)bits;
    memcpy(p + i * 4, &v, 4);
    break;
  }
  case 16: {
    uint16_t v = (uint16_t)bits;
    memcpy(p + i * 2, &v, 2);
    break;
  }
  case 8: p[i] = (unsigned char)bits; break;
  case 4: set_packed(p + (i >> 1), (int)(i & 1) * 4, 15, bits); break;
  default: set_packed(p + (i >> 2), (int)(i & 3) * 2, 3, bits); break;
  }
}

/* ---- floats ---- */

static uint64_t ones(int n) { return n >= 64 ? UINT64_MAX : ((uint64_t)1 << n) - 1; }

/* The pattern of NaN, without its sign; FINITE has none, and gives the negative zero, as ml_dtypes does. */
static uint64_t nan_bits(const DtypeInfo *d) {
  switch (d->cls) {
  case DTC_FLOAT: return ones(d->exponent) << d->mantissa | (uint64_t)1 << (d->mantissa - 1);
  case DTC_FN: return ones(d->bits - 1);
  case DTC_FNUZ:
  case DTC_FINITE: return (uint64_t)1 << (d->bits - 1);
  default: return ones(d->bits);
  }
}

static uint64_t largest_bits(const DtypeInfo *d) {
  if (d->cls == DTC_FLOAT) return (ones(d->exponent) << d->mantissa) - 1;
  return d->cls == DTC_FN ? ones(d->bits - 1) - 1 : ones(d->bits - 1);
}

static uint64_t overflow_bits(const DtypeInfo *d, bool saturate) {
  bool can = d->bits == 8 || d->cls == DTC_FINITE;
  if (d->cls == DTC_FINITE || (can && saturate)) return largest_bits(d);
  return d->cls == DTC_FLOAT ? ones(d->exponent) << d->mantissa : nan_bits(d);
}

/* |v| in units of its last place, rounded to even; the exponent field is added as a number, so that a carry out of
 * the mantissa moves to the next exponent, and a subnormal to the normals, by itself. */
static uint64_t round_magnitude(const DtypeInfo *d, double v) {
  int e;
  if (v == 0) return 0; /* frexp gives no exponent */
  frexp(v, &e);
  e = e - 1 < 1 - d->bias ? 1 - d->bias : e - 1;
  double units = nearbyint(ldexp(v, d->mantissa - e));
  return ((uint64_t)(e + d->bias - 1) << d->mantissa) + (uint64_t)units;
}

static uint64_t encode_float(const DtypeInfo *d, double v, bool saturate) {
  uint64_t sign = signbit(v) ? (uint64_t)1 << (d->bits - 1) : 0;
  if (isnan(v)) return nan_bits(d) | (d->cls == DTC_FNUZ ? 0 : sign);
  uint64_t max = largest_bits(d), bits = isinf(v) ? max + 1 : round_magnitude(d, fabs(v));
  if (bits > max) bits = overflow_bits(d, saturate);
  return d->cls == DTC_FNUZ && (bits == 0 || bits == nan_bits(d)) ? bits : bits | sign;
}

/* f8e8m0 keeps no sign and no zero: what is too small becomes the smallest. Rounding up or to nearest past the largest
 * is NaN unless it saturates. */
static uint64_t encode_exponent(const DtypeInfo *d, double v, bool saturate, Rounding mode) {
  if (isnan(v)) return 255;
  if (isinf(v)) return saturate ? 254 : 255;
  if (v == 0) return 0;
  int e;
  double f = frexp(fabs(v), &e); /* f in [1/2, 1) */
  int64_t code = (int64_t)e - 1 + d->bias;
  if (mode == ROUND_UP ? f > 0.5 : mode != ROUND_DOWN && f >= 0.75) code++;
  if (code > 254) return saturate ? 254 : 255;
  return code < 0 ? 0 : (uint64_t)code;
}

static uint64_t encode_table(const float *table, int n, double v) {
  int best = 0;
  if (v > (double)table[n - 1]) return (uint64_t)(n - 1); /* infinity is equally far from all */
  for (int i = 1; i < n; i++)
    if (fabs(v - (double)table[i]) < fabs(v - (double)table[best])) best = i;
  return (uint64_t)best;
}

uint64_t dtype_encode(Dtype t, double v, bool saturate, Rounding mode) {
  const DtypeInfo *d = dtype_info(t);
  if (t == DT_f32) {
    float f = (float)v;
    uint32_t bits;
    memcpy(&bits, &f, 4);
    return bits;
  }
  if (t == DT_f64) {
    uint64_t bits;
    memcpy(&bits, &v, 8);
    return bits;
  }
  if (d->cls == DTC_EXP) return encode_exponent(d, v, saturate, mode);
  if (d->cls == DTC_TABLE) return encode_table(dtype_table(t), 1 << d->bits, v);
  ensure(class_is_float(d->cls));
  return encode_float(d, v, saturate);
}

static double decode_float(const DtypeInfo *d, uint64_t bits) {
  bool negative = bits >> (d->bits - 1) & 1;
  if (d->cls == DTC_FNUZ && bits == nan_bits(d)) return NAN;
  int e = (int)(bits >> d->mantissa & ones(d->exponent));
  uint64_t m = bits & ones(d->mantissa);
  double v;
  if (d->cls == DTC_FLOAT && e == (int)ones(d->exponent))
    v = m ? NAN : INFINITY;
  else if (d->cls == DTC_FN && (bits & ones(d->bits - 1)) == nan_bits(d))
    v = NAN;
  else
    v = e ? ldexp((double)(m | (uint64_t)1 << d->mantissa), e - d->bias - d->mantissa)
          : ldexp((double)m, 1 - d->bias - d->mantissa);
  return negative ? -v : v;
}

double dtype_decode(Dtype t, uint64_t bits) {
  const DtypeInfo *d = dtype_info(t);
  if (t == DT_f32) {
    uint32_t b = (uint32_t)bits;
    float f;
    memcpy(&f, &b, 4);
    return f;
  }
  if (t == DT_f64) {
    double v;
    memcpy(&v, &bits, 8);
    return v;
  }
  if (d->cls == DTC_EXP) return bits == 255 ? NAN : ldexp(1, (int)bits - d->bias);
  if (d->cls == DTC_TABLE) return dtype_table(t)[bits];
  ensure(class_is_float(d->cls));
  return decode_float(d, bits);
}

/* ---- integers ---- */

/* Truncated toward zero; NaN is 0, and what does not fit becomes the nearest that does. */
static int64_t to_i64(double v) {
  if (isnan(v)) return 0;
  if (v >= 0x1p63) return INT64_MAX;
  return v < -0x1p63 ? INT64_MIN : (int64_t)v;
}

static uint64_t to_u64(double v) {
  if (v < 0x1p63) return (uint64_t)to_i64(v);
  return v < 0x1p64 ? (uint64_t)v : isnan(v) ? 0 : UINT64_MAX;
}

int64_t dtype_extend(Dtype t, uint64_t bits) {
  const DtypeInfo *d = dtype_info(t);
  if (d->cls == DTC_BOOL) return bits != 0;
  if (d->cls == DTC_UINT || d->bits == 64) return (int64_t)bits;
  uint64_t top = (uint64_t)1 << (d->bits - 1);
  return (int64_t)((bits ^ top) - top);
}

/* An integer as a double that rounds to any narrower float as the integer itself would: what a double has no room for
 * becomes one sticky bit. */
static double sticky_double(bool negative, uint64_t magnitude) {
  if (magnitude >> 53) magnitude = (magnitude >> 11 | ((magnitude & 0x7ff) != 0)) << 11;
  return negative ? -(double)magnitude : (double)magnitude;
}

static uint64_t encode_int(Dtype to, bool is_unsigned, int64_t v, bool saturate, Rounding mode) {
  bool negative = !is_unsigned && v < 0;
  if (to == DT_f64) return dtype_encode(to, is_unsigned ? (double)(uint64_t)v : (double)v, saturate, mode);
  return dtype_encode(to, sticky_double(negative, negative ? 0 - (uint64_t)v : (uint64_t)v), saturate, mode);
}

uint64_t dtype_narrow(Dtype t, int64_t v) {
  const DtypeInfo *d = dtype_info(t);
  return d->cls == DTC_BOOL ? v != 0 : (uint64_t)v & ones(d->bits);
}

static uint64_t truncate_float(Dtype t, double v) {
  if (t == DT_bool) return v != 0;
  return dtype_narrow(t, t == DT_u64 ? (int64_t)to_u64(v) : to_i64(v));
}

double dtype_get_f(Dtype t, const void *at, int64_t i) {
  uint64_t bits = dtype_get_bits(t, at, i);
  if (dtype_is_float(t)) return dtype_decode(t, bits);
  return t == DT_u64 ? (double)bits : (double)dtype_extend(t, bits);
}

int64_t dtype_get_i(Dtype t, const void *at, int64_t i) {
  uint64_t bits = dtype_get_bits(t, at, i);
  return dtype_is_float(t) ? to_i64(dtype_decode(t, bits)) : dtype_extend(t, bits);
}

void dtype_set_f(Dtype t, void *at, int64_t i, double v) {
  const DtypeInfo *d = dtype_info(t);
  bool f = class_is_float(d->cls);
  dtype_set_bits(t, at, i, f ? dtype_encode(t, v, d->cls != DTC_FLOAT, ROUND_EVEN) : truncate_float(t, v));
}

void dtype_set_i(Dtype t, void *at, int64_t i, int64_t v) {
  const DtypeInfo *d = dtype_info(t);
  bool f = class_is_float(d->cls);
  dtype_set_bits(t, at, i, f ? encode_int(t, false, v, d->cls != DTC_FLOAT, ROUND_EVEN) : dtype_narrow(t, v));
}

uint64_t dtype_cast(Dtype from, uint64_t bits, Dtype to, bool saturate, Rounding mode) {
  if (from == to) return bits;
  const DtypeInfo *f = dtype_info(from), *t = dtype_info(to);
  if (class_is_float(f->cls)) {
    double v = dtype_decode(from, bits);
    return class_is_float(t->cls) ? dtype_encode(to, v, saturate, mode) : truncate_float(to, v);
  }
  int64_t v = dtype_extend(from, bits);
  return class_is_float(t->cls) ? encode_int(to, from == DT_u64, v, saturate, mode) : dtype_narrow(to, v);
}

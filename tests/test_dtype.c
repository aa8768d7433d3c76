/* test_dtype.c -- numbers of every type: every bit pattern there and back, known roundings, packing and casts. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ir/dtype.h"

static int failures;

static void check(bool ok, int line, const char *what, Dtype t, uint64_t bits) {
  if (ok) return;
  fprintf(stderr, "test_dtype.c:%d: %s: %s 0x%" PRIx64 "\n", line, what, dtype_name(t), bits);
  failures++;
}
#define CHECK(ok, what, t, bits) check((ok), __LINE__, (what), (t), (bits))

/* ---- every pattern ---- */

/* A pattern decodes to a number that encodes to the pattern again; of NaN there is one a sign. */
static void round_trip(Dtype t, uint64_t bits) {
  double v = dtype_decode(t, bits);
  uint64_t back = dtype_encode(t, v, true, ROUND_EVEN);
  if (isnan(v)) CHECK(isnan(dtype_decode(t, back)), "NaN stays NaN", t, bits);
  else if (isinf(v) && dtype_bits(t) == 8) CHECK(isfinite(dtype_decode(t, back)), "Inf saturates", t, bits);
  else CHECK(back == bits, "there and back", t, bits);
  CHECK(isnan(v) || dtype_encode(t, v, false, ROUND_EVEN) == bits, "there and back unsaturated", t, bits);
}

/* Between neighbours: nearest, and the even one from the middle. */
static void halfway(Dtype t, uint64_t bits) {
  double a = dtype_decode(t, bits), b = dtype_decode(t, bits + 1), mid = (a + b) / 2;
  if (!isfinite(a) || !isfinite(b) || signbit(a) != signbit(b) || fabs(b) <= fabs(a)) return;
  uint64_t even = bits & 1 ? bits + 1 : bits;
  CHECK(dtype_encode(t, mid, true, ROUND_EVEN) == even, "ties to even", t, bits);
  CHECK(dtype_encode(t, nextafter(mid, a), true, ROUND_EVEN) == bits, "below the middle", t, bits);
  CHECK(dtype_encode(t, nextafter(mid, b), true, ROUND_EVEN) == bits + 1, "above the middle", t, bits);
}

static void every_pattern(void) {
  for (int i = DT_none + 1; i < DT_count; i++) {
    Dtype t = (Dtype)i;
    const DtypeInfo *d = dtype_info(t);
    if (d->bits > 16 || t == DT_bool) continue;
    for (uint64_t bits = 0; bits < (uint64_t)1 << d->bits; bits++) {
      if (dtype_is_int(t)) {
        CHECK(dtype_narrow(t, dtype_extend(t, bits)) == bits, "there and back", t, bits);
        continue;
      }
      round_trip(t, bits);
      bool graded = d->cls != DTC_EXP && d->cls != DTC_TABLE;
      if (graded && bits + 1 < (uint64_t)1 << d->bits) halfway(t, bits);
    }
  }
}

/* ---- known values ---- */

static void known_encodings(void) {
  static const struct Known {
    Dtype t;
    double v;
    bool saturate;
    Rounding mode;
    uint64_t bits;
  } known[] = {
      {DT_f16, 1, true, 0, 0x3c00},
      {DT_f16, 65504, true, 0, 0x7bff},
      {DT_f16, 65519.99, true, 0, 0x7bff},
      {DT_f16, 65520, true, 0, 0x7c00},
      {DT_f16, 0x1p-24, true, 0, 0x0001},
      {DT_f16, 0x1p-25, true, 0, 0x0000},
      {DT_f16, 0x1.000002p-25, true, 0, 0x0001},
      {DT_f16, -0.0, true, 0, 0x8000},
      {DT_bf16, 1.00390625, true, 0, 0x3f80},
      {DT_bf16, 3.4e38, true, 0, 0x7f80},
      {DT_f32, 0.1, true, 0, 0x3dcccccd},
      {DT_f8e4m3fn, 448, true, 0, 0x7e},
      {DT_f8e4m3fn, 464, false, 0, 0x7e},
      {DT_f8e4m3fn, 465, true, 0, 0x7e},
      {DT_f8e4m3fn, 465, false, 0, 0x7f},
      {DT_f8e4m3fn, -INFINITY, true, 0, 0xfe},
      {DT_f8e4m3fn, INFINITY, false, 0, 0x7f},
      {DT_f8e4m3fn, NAN, true, 0, 0x7f},
      {DT_f8e4m3fnuz, 240, true, 0, 0x7f},
      {DT_f8e4m3fnuz, 1e9, true, 0, 0x7f},
      {DT_f8e4m3fnuz, 1e9, false, 0, 0x80},
      {DT_f8e4m3fnuz, -0.0, true, 0, 0x00},
      {DT_f8e4m3fnuz, NAN, true, 0, 0x80},
      {DT_f8e5m2, 57344, true, 0, 0x7b},
      {DT_f8e5m2, 1e9, true, 0, 0x7b},
      {DT_f8e5m2, 1e9, false, 0, 0x7c},
      {DT_f8e5m2fnuz, -1e9, true, 0, 0xff},
      {DT_f8e5m2fnuz, -1e9, false, 0, 0x80},
      {DT_f8e8m0, 1, true, ROUND_EVEN, 127},
      {DT_f8e8m0, 1.4, true, ROUND_UP, 128},
      {DT_f8e8m0, 1.4, true, ROUND_DOWN, 127},
      {DT_f8e8m0, 1.4, true, ROUND_NEAREST, 127},
      {DT_f8e8m0, 1.5, true, ROUND_NEAREST, 128},
      {DT_f8e8m0, NAN, true, ROUND_UP, 255},
      {DT_f8e8m0, 0x1.8p127, true, ROUND_UP, 254},
      {DT_f8e8m0, 0x1.8p127, false, ROUND_UP, 255},
      {DT_f4e2m1, 5, true, 0, 6},
      {DT_f4e2m1, 2.5, true, 0, 4},
      {DT_f4e2m1, 100, true, 0, 7},
      {DT_f4e2m1, -INFINITY, true, 0, 15},
      {DT_f4e2m1, -0.1, true, 0, 8},
      {DT_nf4, 0.72, true, 0, 14},
      {DT_nf4, -3, true, 0, 0},
      {DT_nf4, INFINITY, true, 0, 15},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    const struct Known *k = &known[i];
    uint64_t bits = dtype_encode(k->t, k->v, k->saturate, k->mode);
    if (bits != k->bits) fprintf(stderr, "%.17g gives 0x%" PRIx64 "\n", k->v, bits);
    CHECK(bits == k->bits, "encodes", k->t, k->bits);
  }
}

static void casts(void) {
  static const struct Cast {
    Dtype from;
    uint64_t bits;
    Dtype to;
    uint64_t want;
  } cast[] = {
      {DT_f32, 0x40400000, DT_i4, 3},                            /* 3 */
      {DT_f32, 0xc0200000, DT_i8, 0xfe},                         /* -2.5 truncates */
      {DT_f32, 0x7fc00000, DT_bool, 1},                          /* NaN is not 0 */
      {DT_f32, 0x80000000, DT_bool, 0},                          /* -0 is */
      {DT_i64, (uint64_t)-1, DT_u8, 255},                        /* wraps */
      {DT_i8, 0x80, DT_i32, 0xffffff80},                         /* extends its sign */
      {DT_u8, 0x80, DT_i32, 0x80},
      {DT_i4, 0xf, DT_f32, 0xbf800000},
      {DT_i2, 2, DT_f32, 0xc0000000},
      {DT_u64, UINT64_MAX, DT_f32, 0x5f800000},                  /* 2^64 */
      {DT_i64, (1LL << 60) + (1LL << 36) + 1, DT_f32, 0x5d800001}, /* a double on the way would round to a tie */
      {DT_f32, 0x5f000000, DT_u64, (uint64_t)1 << 63},           /* 2^63 */
      {DT_bool, 1, DT_f16, 0x3c00},
      {DT_f8e5m2, 0x7c, DT_f32, 0x7f800000},                     /* Inf */
      {DT_f32, 0x7fc00001, DT_f32, 0x7fc00001},                  /* the same type keeps every bit */
  };
  for (size_t i = 0; i < sizeof cast / sizeof *cast; i++) {
    const struct Cast *k = &cast[i];
    uint64_t bits = dtype_cast(k->from, k->bits, k->to, true, ROUND_EVEN);
    if (bits != k->want) fprintf(stderr, "to %s: 0x%" PRIx64 ", not 0x%" PRIx64 "\n", dtype_name(k->to), bits, k->want);
    CHECK(bits == k->want, "casts", k->from, k->bits);
  }
}

/* ---- packing and names ---- */

static void packing(void) {
  for (int i = DT_none + 1; i < DT_count; i++) {
    Dtype t = (Dtype)i;
    unsigned char at[9 * 8 + 1] = {0}; /* odd addresses are fine */
    int64_t bytes;
    for (int k = 0; k < 9; k++) dtype_set_bits(t, at + 1, k, (uint64_t)(k * 7 + 1) & 3);
    dtype_set_bits(t, at + 1, 4, 1);
    for (int k = 0; k < 9; k++)
      CHECK(dtype_get_bits(t, at + 1, k) == (k == 4 ? 1 : (uint64_t)(k * 7 + 1) & 3), "packs", t, (uint64_t)k);
    CHECK(dtype_size(t, 9, &bytes) && bytes == (9 * dtype_bits(t) + 7) / 8, "takes bytes", t, 9);
    CHECK(dtype_bits(t) == 2 || !dtype_size(t, INT64_MAX / 2, &bytes), "overflows", t, 0);
    CHECK(!dtype_size(t, -1, &bytes), "negative size", t, 0);
    CHECK(dtype_find(dtype_name(t), strlen(dtype_name(t))) == t, "is found by name", t, 0);
    CHECK(!dtype_info(t)->onnx || dtype_from_onnx(dtype_info(t)->onnx) == t, "is found by ONNX's code", t, 0);
  }
  CHECK(dtype_find("f3", 2) == DT_none && dtype_from_onnx(0) == DT_none && dtype_from_onnx(8) == DT_none, "unknown",
        DT_none, 0);
  unsigned char low_first[] = {0x21};
  CHECK(dtype_get_i(DT_i4, low_first, 0) == 1 && dtype_get_i(DT_i4, low_first, 1) == 2, "low bits first", DT_i4, 0);
}

int main(void) {
  every_pattern();
  known_encodings();
  casts();
  packing();
  return failures != 0;
}

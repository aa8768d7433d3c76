/* exact_math.c -- exponentials and logarithms that are the same on every machine: sums and products of doubles, and no library. */
#include "runtime/exact_math.h"

#include <stdint.h>

static double power_of_two(int64_t n) { /* of a normal number */
  union { uint64_t bits; double v; } u = {(uint64_t)(n + 1023) << 52};
  return u.v;
}

/* ln 2 in two parts; the first has zeros at its end, so that a product with a small whole number is exact */
static const double LN2_HIGH = 6.93147180369123816490e-01, LN2_LOW = 1.90821492927058770002e-10;

/* 2^k e^r, where r is at most ln 2 / 2: of the series for e^r, 14 terms are below half a unit in the last place. */
double exact_exp(double x) {
  if (x != x) return x;
  if (x > 709) return __builtin_inf();
  if (x < -708) return 0;
  int64_t k = (int64_t)(x * 1.44269504088896338700 + (x < 0 ? -0.5 : 0.5));
  double r = (x - (double)k * LN2_HIGH) - (double)k * LN2_LOW, sum = 1;
  for (int i = 14; i > 0; i--) sum = 1 + sum * r / i;
  return k > 1000 ? sum * power_of_two(1000) * power_of_two(k - 1000) : sum * power_of_two(k);
}

/* x = 2^k m with m about 1, and ln m = 2 (s + s^3/3 + s^5/5 + ...) where s = (m - 1) / (m + 1). */
double exact_log(double x) {
  union { double v; uint64_t bits; } u = {x};
  if (x <= 0) return x == 0 ? -__builtin_inf() : __builtin_nan("");
  if (u.bits >> 52 == 0x7ff) return x;
  int64_t k = 0;
  if (u.bits >> 52 == 0) u.v = x * power_of_two(60), k = -60;
  k += (int64_t)(u.bits >> 52) - 1023;
  u.bits = (u.bits & (((uint64_t)1 << 52) - 1)) | (uint64_t)1023 << 52;
  if (u.v > 1.41421356237309504880) u.v *= 0.5, k++;
  double s = (u.v - 1) / (u.v + 1), square = s * s, sum = 0;
  for (int i = 23; i > 0; i -= 2) sum = sum * square + 1.0 / i;
  return (double)k * LN2_HIGH + (2 * s * sum + (double)k * LN2_LOW);
}

/* Newton's steps from a power of two. */
double exact_sqrt(double x) {
  union { double v; uint64_t bits; } u = {x};
  if (!(x > 0) || u.bits >> 52 == 0x7ff) return x;
  double y = power_of_two(((int64_t)(u.bits >> 52) - 1023) / 2);
  for (int i = 0; i < 7; i++) y = 0.5 * (y + x / y);
  return y;
}

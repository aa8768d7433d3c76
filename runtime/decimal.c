/* decimal.c -- floats as decimal digits, exactly, and back to the nearest float.
 *
 * A number is doubled and halved in decimal, many times at once, until what a float keeps of it can be read off. */
#include "runtime/decimal.h"

enum { MOST = 56 }; /* as many halvings at once: 10 * 2^56 has room in 64 bits */

static void trim(Decimal *d) {
  while (d->n && d->digit[d->n - 1] == 0) d->n--;
  if (d->n == 0) d->point = 0;
}

static void put(Decimal *d, int at, uint64_t digit) {
  if (at < DECIMAL_DIGITS) d->digit[at] = (uint8_t)digit;
  else if (digit) d->more = true;
}

static void halve(Decimal *d, int times) {
  uint64_t rest = 0, mask = ((uint64_t)1 << times) - 1;
  int in = 0, out = 0;
  for (; rest >> times == 0; in++) { /* up to the first digit that is not 0 */
    if (in >= d->n && rest == 0) return;
    rest = rest * 10 + (in < d->n ? d->digit[in] : 0);
  }
  d->point -= in - 1;
  for (; in < d->n || rest; in++) {
    put(d, out++, rest >> times);
    rest = (rest & mask) * 10 + (in < d->n ? d->digit[in] : 0);
    if (in >= d->n && (rest >> times) == 0 && (rest & mask) == 0) break;
  }
  d->n = out < DECIMAL_DIGITS ? out : DECIMAL_DIGITS;
  trim(d);
}

/* The product is written from its end, behind room for as many digits as it may get longer. */
static void redouble(Decimal *d, int times) {
  uint64_t carry = 0;
  uint8_t front[24];
  int extra = 0;
  for (int i = d->n; i-- > 0;) {
    carry += (uint64_t)d->digit[i] << times;
    d->digit[i] = (uint8_t)(carry % 10);
    carry /= 10;
  }
  for (; carry; carry /= 10) front[extra++] = (uint8_t)(carry % 10);
  for (int i = d->n; i-- > 0;) {
    uint8_t digit = d->digit[i];
    put(d, i + extra, digit);
  }
  for (int i = 0; i < extra; i++) d->digit[i] = front[extra - 1 - i];
  d->n = d->n + extra < DECIMAL_DIGITS ? d->n + extra : DECIMAL_DIGITS;
  d->point += extra;
  trim(d);
}

static void scale(Decimal *d, int twos) {
  for (; d->n && twos > 0; twos -= twos < MOST ? twos : MOST) redouble(d, twos < MOST ? twos : MOST);
  for (; d->n && twos < 0; twos += -twos < MOST ? -twos : MOST) halve(d, -twos < MOST ? -twos : MOST);
}

static uint64_t bits_of(double v) {
  union { double f; uint64_t u; } x = {v};
  return x.u;
}

static double of_bits(uint64_t u) {
  union { uint64_t u; double f; } x = {u};
  return x.f;
}

void decimal_of(Decimal *d, double v) {
  uint64_t bits = bits_of(v), mantissa = bits & (((uint64_t)1 << 52) - 1);
  int exponent = (int)(bits >> 52 & 0x7ff);
  if (exponent) mantissa |= (uint64_t)1 << 52;
  else exponent = 1;
  uint8_t digit[20];
  int n = 0;
  for (; mantissa; mantissa /= 10) digit[n++] = (uint8_t)(mantissa % 10);
  *d = (Decimal){.n = n, .point = n};
  for (int i = 0; i < n; i++) d->digit[i] = digit[n - 1 - i];
  trim(d);
  scale(d, exponent - 1075);
}

static bool rounds_up(const Decimal *d, int n) {
  if (n < 0 || n >= d->n) return false;
  if (d->digit[n] != 5 || n + 1 < d->n || d->more) return d->digit[n] >= 5;
  return n > 0 && d->digit[n - 1] % 2;
}

/* To n digits, up or down. */
static void cut(Decimal *d, int n, bool up) {
  if (n < 0) n = 0, up = false;
  if (n < d->n) d->n = n, d->more = false;
  for (; up && d->n && d->digit[d->n - 1] == 9; d->n--) {}
  if (up && d->n) d->digit[d->n - 1]++;
  else if (up) d->digit[0] = 1, d->n = 1, d->point++;
  trim(d);
}

void decimal_round(Decimal *d, int n) { cut(d, n, rounds_up(d, n)); }

/* The whole part of what is below 2^54, ties to even. */
static uint64_t whole(const Decimal *d) {
  uint64_t v = 0;
  for (int i = 0; i < d->point; i++) v = v * 10 + (i < d->n ? d->digit[i] : 0);
  return v + rounds_up(d, d->point);
}

/* How many halvings take a number of so many digits before the point surely not below 1/2. */
static int steps_of(int digits) { return digits > 16 ? MOST - 3 : digits > 1 ? digits * 3 : 1; }

double decimal_double(const Decimal *from) {
  Decimal d = *from;
  int exponent = 0;
  if (d.n == 0 || d.point < -330) return 0;
  if (d.point > 310) return of_bits((uint64_t)0x7ff << 52);
  while (d.point > 0) { int s = steps_of(d.point); scale(&d, -s), exponent += s; }
  while (d.point < 0 || d.digit[0] < 5) { int s = steps_of(-d.point); scale(&d, s), exponent -= s; }
  while (d.point > 0) scale(&d, -1), exponent++;
  if (--exponent < -1022) scale(&d, exponent + 1022), exponent = -1022;
  scale(&d, 53);
  uint64_t mantissa = whole(&d);
  if (mantissa >> 53) mantissa >>= 1, exponent++;
  if (exponent > 1023) return of_bits((uint64_t)0x7ff << 52);
  if (mantissa >> 52 == 0) return of_bits(mantissa);
  return of_bits((uint64_t)(exponent + 1023) << 52 | (mantissa & (((uint64_t)1 << 52) - 1)));
}

void decimal_shortest(Decimal *d, double v) {
  Decimal all;
  decimal_of(&all, v);
  for (int n = 1; n <= 17; n++) {
    bool up = rounds_up(&all, n);
    for (int way = 0; way < 2; way++) {
      *d = all;
      cut(d, n, way ? !up : up);
      if (decimal_double(d) == v) return;
    }
  }
}

/* ---- reading ---- */

static bool is_digit(const char *s, size_t i, size_t n) { return i < n && s[i] >= '0' && s[i] <= '9'; }

static void add_digit(Decimal *d, uint8_t digit, bool fraction) {
  if (d->n == 0 && digit == 0) {
    d->point -= fraction;
    return;
  }
  if (d->n < DECIMAL_DIGITS) d->digit[d->n++] = digit;
  else if (digit) d->more = true;
  if (!fraction) d->point++;
}

static size_t read_exponent(const char *s, size_t i, size_t n, int *exponent) {
  size_t start = i;
  bool minus = i + 1 < n && s[i + 1] == '-';
  if (i >= n || (s[i] != 'e' && s[i] != 'E')) return start;
  i += i + 1 < n && (s[i + 1] == '-' || s[i + 1] == '+') ? 2 : 1;
  if (!is_digit(s, i, n)) return start;
  for (*exponent = 0; is_digit(s, i, n); i++)
    if (*exponent < 100000000) *exponent = *exponent * 10 + (s[i] - '0');
  if (minus) *exponent = -*exponent;
  return i;
}

/* Numbers of few digits are the quotient or product of two that are exact. */
static bool simple(const Decimal *d, double *out) {
  static const double power[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  int up = d->point - d->n;
  if (d->n > 15 || up > 15 || up < -15) return false;
  uint64_t v = 0;
  for (int i = 0; i < d->n; i++) v = v * 10 + d->digit[i];
  *out = up < 0 ? (double)v / power[-up] : (double)v * power[up];
  return true;
}

size_t decimal_read(const char *s, size_t n, double *out) {
  Decimal d;
  size_t i = 0, digits = 0;
  int exponent = 0;
  bool minus = n && s[0] == '-';
  d.n = d.point = 0, d.more = false;
  i += minus;
  for (; is_digit(s, i, n); i++, digits++) add_digit(&d, (uint8_t)(s[i] - '0'), false);
  if (i < n && s[i] == '.' && (digits || is_digit(s, i + 1, n)))
    for (i++; is_digit(s, i, n); i++, digits++) add_digit(&d, (uint8_t)(s[i] - '0'), true);
  if (!digits) return 0;
  i = read_exponent(s, i, n, &exponent);
  if (__builtin_add_overflow(d.point, exponent, &d.point)) d.point = exponent < 0 ? -1000 : 1000;
  trim(&d);
  if (!simple(&d, out)) *out = decimal_double(&d);
  if (minus) *out = -*out;
  return i;
}

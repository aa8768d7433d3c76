/* text_number.c -- numbers as text: the shortest form that reads back as the same bits. */
#include "ir/text_number.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char not_a_number[] = "is not a number of type", out_of_range[] = "is out of the range of";

enum { LONGEST = 127 }; /* characters of a number: plenty for every double written out in full digits */

static uint64_t width_mask(Dtype t) {
  int bits = dtype_bits(t);
  return bits >= 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
}

static bool is_word(const char *s, size_t n, const char *word) { return n == strlen(word) && memcmp(s, word, n) == 0; }

static const char *read_hex(Dtype t, const char *s, size_t n, uint64_t *bits) {
  uint64_t v = 0;
  if (n < 3 || n > 18) return not_a_number;
  for (size_t i = 2; i < n; i++) {
    const char *digits = "0123456789abcdef", *d = strchr(digits, s[i] >= 'A' && s[i] <= 'F' ? s[i] + 32 : s[i]);
    if (!d || !*d) return not_a_number;
    v = v << 4 | (uint64_t)(d - digits);
  }
  if (v & ~width_mask(t)) return "has more bits than";
  *bits = v;
  return NULL;
}

static const char *read_integer(Dtype t, bool negative, const char *s, size_t n, uint64_t *bits) {
  uint64_t v = 0;
  for (size_t i = 0; i < n; i++) {
    if (s[i] < '0' || s[i] > '9') return not_a_number;
    unsigned digit = (unsigned)(s[i] - '0');
    if (__builtin_mul_overflow(v, (uint64_t)10, &v) || __builtin_add_overflow(v, (uint64_t)digit, &v))
      return out_of_range;
  }
  uint64_t largest = width_mask(t) >> (dtype_is_signed(t) ? 1 : 0);
  if (t == DT_bool) largest = 1;
  if (negative && dtype_is_signed(t)) largest++;
  if (v > largest || (negative && v && !dtype_is_signed(t))) return out_of_range;
  *bits = (negative ? 0 - v : v) & width_mask(t);
  return NULL;
}

/* digits [. digits] [e [sign] digits]: what strtod takes for a number, and no more. */
static bool is_decimal(const char *s, size_t n) {
  size_t i = 0, start = 0;
  while (i < n && s[i] >= '0' && s[i] <= '9') i++;
  if (i == start) return false;
  if (i < n && s[i] == '.') {
    start = ++i;
    while (i < n && s[i] >= '0' && s[i] <= '9') i++;
    if (i == start) return false;
  }
  if (i < n && (s[i] == 'e' || s[i] == 'E')) {
    i++;
    if (i < n && (s[i] == '+' || s[i] == '-')) i++;
    start = i;
    while (i < n && s[i] >= '0' && s[i] <= '9') i++;
    if (i == start) return false;
  }
  return i == n;
}

static const char *read_float(Dtype t, bool negative, const char *s, size_t n, uint64_t *bits) {
  bool infinite = is_word(s, n, "inf"), nan = is_word(s, n, "nan");
  char copy[LONGEST + 1];
  double v = infinite ? INFINITY : NAN;
  if (!infinite && !nan) {
    if (n > LONGEST || !is_decimal(s, n)) return not_a_number;
    memcpy(copy, s, n);
    copy[n] = 0;
    v = strtod(copy, NULL);
    if (isinf(v)) return out_of_range;
  }
  if (nan && negative) return not_a_number;
  *bits = dtype_encode(t, negative ? -v : v, false, ROUND_EVEN) & width_mask(t);
  double back = dtype_decode(t, *bits);
  if (nan) return isnan(back) ? NULL : not_a_number;
  if (infinite) return isinf(back) && signbit(back) == negative ? NULL : not_a_number;
  return isfinite(back) ? NULL : out_of_range;
}

const char *number_read(Dtype t, bool negative, const char *s, size_t n, uint64_t *bits) {
  if (n > 1 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) return negative ? not_a_number : read_hex(t, s, n, bits);
  if (dtype_is_float(t)) return read_float(t, negative, s, n, bits);
  bool yes = is_word(s, n, "true"), no = is_word(s, n, "false");
  if (t == DT_bool && !negative && (yes || no)) {
    *bits = yes;
    return NULL;
  }
  return read_integer(t, negative, s, n, bits);
}

static bool reads_back(Dtype t, const char *text, uint64_t bits) {
  uint64_t back;
  bool negative = *text == '-';
  text += negative;
  return !number_read(t, negative, text, strlen(text), &back) && back == bits;
}

/* From printf's d.ddde+xx to what people write: 0.001, 12.5, 100000, 1e-5, 2.5e20. */
static void write_decimal(const char *scientific, char out[NUMBER_TEXT]) {
  char digits[24];
  int n = 0, exponent = atoi(strchr(scientific, 'e') + 1);
  const char *sign = *scientific == '-' ? "-" : "";
  for (const char *s = scientific; *s != 'e'; s++)
    if (*s >= '0' && *s <= '9') digits[n++] = *s;
  digits[n] = 0;
  if (exponent >= 0 && exponent < 15) {
    int whole = exponent + 1, zeros = n < whole ? whole - n : 0;
    int cut = n < whole ? n : whole;
    snprintf(out, NUMBER_TEXT, "%s%.*s%.*s%s%s", sign, cut, digits, zeros, "000000000000000", n > cut ? "." : "",
             digits + cut);
  } else if (exponent < 0 && exponent >= -4) {
    snprintf(out, NUMBER_TEXT, "%s0.%.*s%s", sign, -exponent - 1, "0000", digits);
  } else {
    snprintf(out, NUMBER_TEXT, "%s%c%s%se%d", sign, digits[0], n > 1 ? "." : "", digits + 1, exponent);
  }
}

/* Seventeen digits tell any two doubles apart, so the loop ends for every format that rounds from double. */
static bool write_float(Dtype t, uint64_t bits, char out[NUMBER_TEXT]) {
  double v = dtype_decode(t, bits);
  if (!isfinite(v)) {
    strcpy(out, isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
    return reads_back(t, out, bits);
  }
  for (int precision = 0; precision < 17; precision++) {
    char scientific[NUMBER_TEXT];
    snprintf(scientific, sizeof scientific, "%.*e", precision, v);
    write_decimal(scientific, out);
    if (reads_back(t, out, bits)) return true;
  }
  return false;
}

void number_text(Dtype t, uint64_t bits, char out[NUMBER_TEXT]) {
  bits &= width_mask(t);
  uint64_t sign = (uint64_t)1 << (dtype_bits(t) - 1);
  if (dtype_is_float(t)) {
    if (write_float(t, bits, out)) return;
  } else if (dtype_is_signed(t) && (bits & sign)) {
    snprintf(out, NUMBER_TEXT, "-%" PRIu64, (0 - bits) & width_mask(t));
    return;
  } else if (t != DT_bool || bits <= 1) {
    snprintf(out, NUMBER_TEXT, "%" PRIu64, bits);
    return;
  }
  snprintf(out, NUMBER_TEXT, "0x%" PRIx64, bits);
}

/* words.c -- strings and numbers without a C library. */
#include "runtime/words.h"

#include "runtime/os.h"

size_t text_length(const char *s) {
  size_t n = 0;
  while (s[n]) n++;
  return n;
}

bool text_same_n(const char *a, const char *b, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (!b[i] || a[i] != b[i]) return false;
  return !b[n];
}

bool text_same(const char *a, const char *b) { return text_same_n(a, b, text_length(a)); }

bool text_begins(const char *s, const char *with) {
  while (*with && *s == *with) s++, with++;
  return !*with;
}

const char *text_number(const char *s, int64_t *out) {
  int64_t n = 0;
  if (*s < '0' || *s > '9') return NULL;
  for (; *s >= '0' && *s <= '9'; s++)
    if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *s - '0', &n)) return NULL;
  *out = n;
  return s;
}

/* ---- formatting ---- */

typedef struct Output {
  char *at;
  size_t n, size;
} Output;

static void put(Output *o, char c) {
  if (o->n + 1 < o->size) o->at[o->n++] = c;
}

static void put_unsigned(Output *o, uint64_t v, unsigned base, int least) {
  char digit[20];
  int n = 0;
  do digit[n++] = "0123456789abcdef"[v % base];
  while ((v /= base) != 0);
  while (n < least) digit[n++] = '0';
  while (n) put(o, digit[--n]);
}

static void put_string(Output *o, const char *s) {
  while (*s) put(o, *s++);
}

static void put_signed(Output *o, int64_t v) {
  if (v < 0) put(o, '-');
  put_unsigned(o, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10, 1);
}

/* Six digits, with an exponent where the number is far from 1: for people, and no exact form. */
static void put_double(Output *o, double v) {
  int exponent = 0;
  if (v != v) return put_string(o, "nan");
  if (v < 0) put(o, '-'), v = -v;
  if (v > 1.7976931348623157e308) return put_string(o, "inf");
  if (v == 0) return put(o, '0');
  bool far = v >= 1e6 || v < 1e-4;
  while (far && v >= 10) v /= 10, exponent++;
  while (far && v < 1) v *= 10, exponent--;
  uint64_t scale = 1000000, whole = (uint64_t)(v * 1e6 + 0.5), part = whole % scale;
  put_unsigned(o, whole / scale, 10, 1);
  if (part) {
    int digits = 6;
    while (part % 10 == 0) part /= 10, digits--;
    put(o, '.');
    put_unsigned(o, part, 10, digits);
  }
  if (exponent) put(o, 'e'), put_signed(o, exponent);
}

size_t text_format_list(char *out, size_t size, const char *fmt, va_list ap) {
  Output o = {.at = out, .size = size};
  for (; *fmt; fmt++) {
    if (*fmt != '%') {
      put(&o, *fmt);
      continue;
    }
    switch (*++fmt) {
    case 's': put_string(&o, va_arg(ap, const char *)); break;
    case 'd': put_signed(&o, va_arg(ap, int64_t)); break;
    case 'x': put_unsigned(&o, va_arg(ap, uint64_t), 16, 16); break;
    case 'g': put_double(&o, va_arg(ap, double)); break;
    default: put(&o, *fmt);
    }
  }
  if (size) out[o.n] = 0;
  return o.n;
}

size_t text_format(char *out, size_t size, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  size_t n = text_format_list(out, size, fmt, ap);
  va_end(ap);
  return n;
}

void text_say(int stream, const char *fmt, ...) {
  char line[4096];
  va_list ap;
  va_start(ap, fmt);
  size_t n = text_format_list(line, sizeof line, fmt, ap);
  va_end(ap);
  os_write(stream, line, n);
}

bool text_flush(TextOut *o) {
  if (o->n && !os_write(o->stream, o->at, o->n)) o->failed = true;
  o->n = 0;
  return !o->failed;
}

void text_bytes(TextOut *o, const char *at, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (o->n == sizeof o->at) text_flush(o);
    o->at[o->n++] = at[i];
  }
}

void text_put(TextOut *o, const char *fmt, ...) {
  enum { LONGEST = sizeof o->at / 2 };
  va_list ap;
  if (o->n > sizeof o->at - LONGEST) text_flush(o);
  va_start(ap, fmt);
  o->n += text_format_list(o->at + o->n, LONGEST, fmt, ap);
  va_end(ap);
}

/* template_number.c -- arithmetic of templates, as Python's; but whole numbers have 64 bits, and what needs more is an error. */
#include "runtime/decimal.h"
#include "runtime/template_part.h"
#include "runtime/utf8.h"

static bool is_infinite(double v) { return v > 1.7976931348623157e308 || v < -1.7976931348623157e308; }

double number_floor(double v) {
  if (!(v < 4503599627370496.0 && v > -4503599627370496.0)) return v;
  double t = (double)(int64_t)v;
  return t > v ? t - 1 : t == 0 ? __builtin_copysign(t, v) : t;
}

Json number_of_float(Eval *e, double v) {
  if (v != v || is_infinite(v)) return eval_fail(e, "what is no number, or infinite, is no whole number");
  if (!(v < 9223372036854775808.0 && v >= -9223372036854775808.0)) return eval_fail(e, "a whole number of more than 64 bits");
  return value_int((int64_t)v);
}

/* ---- whole numbers ---- */

static Json overflow(Eval *e) { return eval_fail(e, "a whole number of more than 64 bits"); }
static Json by_zero(Eval *e) { return eval_fail(e, "division by zero"); }

static Json int_power(Eval *e, int64_t a, int64_t b) {
  int64_t v = 1;
  bool out = false;
  for (; b > 0; b >>= 1) {
    if (b & 1) out |= __builtin_mul_overflow(v, a, &v);
    if (b > 1 && __builtin_mul_overflow(a, a, &a)) out |= true;
  }
  return out ? overflow(e) : value_int(v);
}

static Json float_power(Eval *e, double a, double b) {
  double v = 1;
  if (b != number_floor(b) || b > 1e15 || b < -1e15) return eval_fail(e, "powers that are no whole numbers are not supported");
  if (a == 0 && b < 0) return by_zero(e);
  uint64_t n = (uint64_t)(b < 0 ? -b : b);
  for (double square = a; n; n >>= 1, square *= square)
    if (n & 1) v *= square;
  v = b < 0 ? 1 / v : v;
  return is_infinite(v) && !is_infinite(a) ? eval_fail(e, "the result is too large") : value_float(v);
}

static Json int_divide(Eval *e, int64_t a, int64_t b, bool rest) {
  if (b == 0) return by_zero(e);
  if (b == -1) {
    int64_t v;
    if (rest) return value_int(0);
    return __builtin_sub_overflow(0, a, &v) ? overflow(e) : value_int(v);
  }
  int64_t q = a / b, r = a % b;
  if (r && (r < 0) != (b < 0)) q--, r += b;
  return value_int(rest ? r : q);
}

static Json int_binary(Eval *e, TemplateNode op, int64_t a, int64_t b) {
  int64_t v = 0;
  switch (op) {
  case NODE_add: return __builtin_add_overflow(a, b, &v) ? overflow(e) : value_int(v);
  case NODE_sub: return __builtin_sub_overflow(a, b, &v) ? overflow(e) : value_int(v);
  case NODE_mul: return __builtin_mul_overflow(a, b, &v) ? overflow(e) : value_int(v);
  case NODE_div: return b == 0 ? by_zero(e) : value_float((double)a / (double)b);
  case NODE_floordiv: return int_divide(e, a, b, false);
  case NODE_mod: return int_divide(e, a, b, true);
  default: return b < 0 ? float_power(e, (double)a, (double)b) : int_power(e, a, b);
  }
}

/* ---- floats ---- */

/* The rest of |a| by |b|, exact. */
static double float_rest(double a, double b) {
  double r = a < 0 ? -a : a, part = b < 0 ? -b : b, least = part;
  if (is_infinite(r)) return r - r;
  if (is_infinite(part)) return r;
  while (part <= r / 2) part *= 2;
  for (;; part /= 2) {
    if (r >= part) r -= part;
    if (part <= least) return r;
  }
}

static Json float_divide(Eval *e, double a, double b, bool want_rest) {
  if (b == 0) return by_zero(e);
  double rest = float_rest(a, b);
  if (a < 0) rest = -rest;
  double q = (a - rest) / b;
  if (rest != 0) {
    if ((b < 0) != (rest < 0)) rest += b, q -= 1;
  } else rest = __builtin_copysign(0.0, b);
  if (want_rest) return value_float(rest);
  if (q == 0) return value_float(__builtin_copysign(0.0, a / b));
  double whole = number_floor(q);
  return value_float(q - whole > 0.5 ? whole + 1 : whole);
}

static Json float_binary(Eval *e, TemplateNode op, double a, double b) {
  switch (op) {
  case NODE_add: return value_float(a + b);
  case NODE_sub: return value_float(a - b);
  case NODE_mul: return value_float(a * b);
  case NODE_div: return b == 0 ? by_zero(e) : value_float(a / b);
  case NODE_floordiv: return float_divide(e, a, b, false);
  case NODE_mod: return float_divide(e, a, b, true);
  default: return float_power(e, a, b);
  }
}

/* ---- texts and lists ---- */

static Json join_lists(Eval *e, Json a, Json b) {
  Json *at = eval_charge(e, (size_t)a.n + b.n) ? eval_take(e, (size_t)a.n + b.n, sizeof *at) : NULL;
  if (!at) return NOTHING;
  for (uint32_t i = 0; i < a.n; i++) at[i] = a.at[i];
  for (uint32_t i = 0; i < b.n; i++) at[a.n + i] = b.at[i];
  Json v = value_list(at, (size_t)a.n + b.n);
  return v.flags = a.flags & JSON_TUPLE, v;
}

static Json repeat_text(Eval *e, Json v, int64_t times) {
  TextRoom o = text_begin(e);
  for (; times > 0 && v.n && !o.full; times--) room_bytes(&o, v.text, v.n);
  Json out = text_end(e, &o);
  return out.flags = v.flags, out;
}

static Json repeat_list(Eval *e, Json v, int64_t times) {
  size_t n;
  if (times < 0) times = 0;
  if (__builtin_mul_overflow(v.n, (uint64_t)times, &n) || n > UINT32_MAX) return eval_fail(e, "the template needs more memory than it may have");
  Json *at = eval_charge(e, n) ? eval_take(e, n, sizeof *at) : NULL;
  for (size_t i = 0; at && i < n; i++) at[i] = v.at[i % v.n];
  Json out = value_list(at, at ? n : 0);
  return out.flags = v.flags & JSON_TUPLE, out;
}

static bool is_sequence(Json v) { return v.kind == JSON_TEXT || v.kind == JSON_LIST; }

static Json no_operator(Eval *e, TemplateNode op, Json a, Json b) {
  static const char *const signs[] = {[NODE_add] = "+", [NODE_sub] = "-", [NODE_mul] = "*", [NODE_div] = "/", [NODE_floordiv] = "//", [NODE_mod] = "%", [NODE_pow] = "**"};
  Json undefined = a.kind == VALUE_UNDEFINED ? a : b;
  if (undefined.kind == VALUE_UNDEFINED && undefined.n) {
    char name[200];
    TextRoom o = {.at = name, .size = sizeof name - 1};
    room_bytes(&o, undefined.text, undefined.n);
    name[o.n] = 0;
    return eval_fail(e, "%s", name);
  }
  return eval_fail(e, "`%s` cannot join a %s and a %s", signs[op], value_type(a), value_type(b));
}

Json number_binary(Eval *e, TemplateNode op, Json a, Json b) {
  if (value_is_int(a) && value_is_int(b)) return int_binary(e, op, value_whole(a), value_whole(b));
  if (value_is_number(a) && value_is_number(b)) return float_binary(e, op, value_number(a), value_number(b));
  if (op == NODE_add && a.kind == JSON_TEXT && b.kind == JSON_TEXT) return text_join(e, a, b);
  if (op == NODE_add && a.kind == JSON_LIST && b.kind == JSON_LIST && (a.flags & JSON_TUPLE) == (b.flags & JSON_TUPLE)) return join_lists(e, a, b);
  if (op == NODE_mod && a.kind == JSON_TEXT) return format_percent(e, a, b, NULL);
  if (op == NODE_mul && value_is_int(a) && is_sequence(b)) return number_binary(e, op, b, a);
  if (op == NODE_mul && a.kind == JSON_TEXT && value_is_int(b)) return repeat_text(e, a, value_whole(b));
  if (op == NODE_mul && a.kind == JSON_LIST && value_is_int(b)) return repeat_list(e, a, value_whole(b));
  return no_operator(e, op, a, b);
}

/* ---- rounding and reading ---- */

static Json round_int(Eval *e, int64_t v, int64_t digits) {
  int64_t unit = 1, rest;
  if (digits >= 0) return value_int(v);
  for (; digits < 0; digits++)
    if (__builtin_mul_overflow(unit, 10, &unit)) return value_int(0);
  rest = int_divide(e, v, unit, true).i;
  bool up = rest > unit - rest || (rest == unit - rest && (v - rest) / unit % 2 != 0);
  return __builtin_add_overflow(v - rest, up ? unit : 0, &v) ? overflow(e) : value_int(v);
}

/* As Python's round() with so many digits behind the point, ties to even. */
Json number_round(Eval *e, Json v, int64_t digits) {
  Decimal d;
  if (value_is_int(v)) return round_int(e, value_whole(v), digits);
  if (v.kind != JSON_FLOAT) return eval_fail(e, "a %s cannot be rounded", value_type(v));
  if (v.f != v.f || is_infinite(v.f) || digits > 400) return v;
  bool minus = __builtin_signbit(v.f);
  decimal_of(&d, minus ? -v.f : v.f);
  if (digits < -400) d.n = d.point = 0;
  else decimal_round(&d, d.point + (int)digits);
  double r = decimal_double(&d);
  return value_float(minus ? -r : r);
}

static bool is_word(Json v, size_t at, const char *word) {
  size_t i = 0;
  for (; word[i]; i++)
    if (at + i >= v.n || (v.text[at + i] | 32) != word[i]) return false;
  return at + i == v.n;
}

/* A text as Python's float() reads it. */
bool text_float(Json v, double *out) {
  char plain[512];
  size_t n = 0, sign = v.n && (v.text[0] == '-' || v.text[0] == '+');
  bool minus = sign && v.text[0] == '-';
  if (is_word(v, sign, "inf") || is_word(v, sign, "infinity")) return *out = minus ? -__builtin_inf() : __builtin_inf(), true;
  if (is_word(v, sign, "nan")) return *out = __builtin_nan(""), true;
  for (size_t i = sign; i < v.n; i++) {
    bool between = v.text[i] == '_' && i > sign && i + 1 < v.n && (uint8_t)(v.text[i - 1] - '0') < 10 && (uint8_t)(v.text[i + 1] - '0') < 10;
    if (v.text[i] == '_' && !between) return false;
    if (v.text[i] == '_') continue;
    if (n == sizeof plain) return false;
    plain[n++] = v.text[i];
  }
  if (n == 0 || plain[0] == '-' || decimal_read(plain, n, out) != n) return false;
  if (minus) *out = -*out;
  return true;
}

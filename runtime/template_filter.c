/* template_filter.c -- Jinja's filters on texts, numbers and single values. */
#include "runtime/template_filter.h"

#include "runtime/characters.h"
#include "runtime/utf8.h"

/* ---- texts ---- */

#define TEXT(name, how) \
  Json filter_##name(Eval *e, Json v, const Args *a, const Json *p) { return (void)a, (void)p, text_case(e, value_str(e, v), how); }
TEXT(capitalize, CASE_CAPITALIZE)
TEXT(lower, CASE_LOWER)
TEXT(upper, CASE_UPPER)
#undef TEXT

static bool ends_word(uint32_t c) { return c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || character_is_space(c); }

/* What follows a blank, a hyphen or a bracket begins with an upper-case letter. */
Json filter_title(Eval *e, Json v, const Args *a, const Json *p) {
  (void)a, (void)p;
  Json all = json_text("", 0);
  v = value_str(e, v);
  for (size_t i = 0; i < v.n && !e->failed;) {
    uint32_t c = 0;
    size_t end = i, first = utf8_read(v.text + i, v.n - i, &c);
    bool ends = ends_word(c);
    for (size_t size = first; end < v.n && size; end += size) {
      size = utf8_read(v.text + end, v.n - end, &c);
      if (!size || ends_word(c) != ends) break;
    }
    if (end == i) end = v.n;
    Json head = text_case(e, json_text(v.text + i, first), CASE_UPPER);
    all = text_join(e, all, e->failed ? NOTHING : text_copy(e, head.text, head.n));
    if (e->failed) break;
    Json rest = text_case(e, json_text(v.text + i + first, end - i - first), CASE_LOWER);
    all = e->failed ? NOTHING : text_join(e, all, rest);
    i = end;
  }
  return e->failed ? NOTHING : all;
}

Json filter_string(Eval *e, Json v, const Args *a, const Json *p) { return (void)a, (void)p, value_str(e, v); }

Json filter_escape(Eval *e, Json v, const Args *a, const Json *p) { return (void)a, (void)p, value_escape(e, v); }

Json filter_forceescape(Eval *e, Json v, const Args *a, const Json *p) {
  (void)a, (void)p;
  v = value_str(e, v);
  return v.flags = 0, value_escape(e, v);
}

Json filter_safe(Eval *e, Json v, const Args *a, const Json *p) {
  (void)a, (void)p;
  v = value_str(e, v);
  return v.flags = JSON_MARKUP, v;
}

Json filter_trim(Eval *e, Json v, const Args *a, const Json *p) {
  (void)a;
  bool blanks = p[0].kind == VALUE_UNSET || p[0].kind == JSON_NULL;
  if (!blanks && p[0].kind != JSON_TEXT) return eval_fail(e, "a text is wanted, and not a %s", value_type(p[0]));
  return text_strip(e, value_str(e, v), blanks ? NULL : &p[0], true, true);
}

Json filter_replace(Eval *e, Json v, const Args *a, const Json *p) {
  int64_t count = -1;
  (void)a;
  if (p[2].kind != VALUE_UNSET && p[2].kind != JSON_NULL && !value_index(e, p[2], &count)) return NOTHING;
  Json text = value_str(e, v), old = value_str(e, p[0]), new = value_str(e, p[1]);
  text.flags = 0;
  return e->failed ? NOTHING : text_replace(e, text, old, new, count);
}

Json filter_center(Eval *e, Json v, const Args *a, const Json *p) {
  Json width = p[0].kind == VALUE_UNSET ? value_int(80) : p[0], text = value_str(e, v);
  Args one = {.at = &width, .n = 1};
  (void)a;
  Json method = e->failed ? NOTHING : method_find(e, text, "center", 6);
  return e->failed ? NOTHING : call_value(e, method, &one);
}

Json filter_format(Eval *e, Json v, const Args *a, const Json *p) {
  (void)p;
  if (a->n && a->n_named) return eval_fail(e, "`format` takes arguments with names, or without, and not both");
  return format_percent(e, value_str(e, v), value_tuple(a->at, a->n), a->n_named ? a : NULL);
}

Json filter_indent(Eval *e, Json v, const Args *a, const Json *p) {
  Json by = p[0].kind == VALUE_UNSET ? value_int(4) : p[0];
  bool first = p[1].kind != VALUE_UNSET && value_true(e, p[1]), blank = p[2].kind != VALUE_UNSET && value_true(e, p[2]);
  (void)a;
  if (v.kind != JSON_TEXT) return eval_fail(e, "a %s cannot be indented", value_type(v));
  if (by.kind != JSON_TEXT) by = number_binary(e, NODE_mul, value_c(" "), by);
  Json lines = e->failed ? NOTHING : text_lines(e, v, false);
  bool ends = false; /* with a line break: then there is one more line, which is empty */
  if (!e->failed && v.n && v.text[v.n - 1] != '\r') {
    Json kept = text_lines(e, v, true);
    ends = !e->failed && kept.at[kept.n - 1].n != lines.at[lines.n - 1].n;
  }
  if (e->failed || by.kind != JSON_TEXT) return e->failed ? NOTHING : eval_fail(e, "a text is indented by a number or a text");
  TextRoom o = text_begin(e);
  uint32_t n = lines.n + (ends || !v.n);
  for (uint32_t i = 0; i < n && !o.full; i++) {
    Json line = i < lines.n ? lines.at[i] : json_text("", 0);
    if (i) room_text(&o, "\n");
    if (i ? blank || line.n : first) room_bytes(&o, by.text, by.n);
    room_bytes(&o, line.text, line.n);
  }
  return text_end(e, &o);
}

Json filter_truncate(Eval *e, Json v, const Args *a, const Json *p) {
  int64_t length = 255, leeway = 5, n = value_length(e, v);
  Json end = p[2].kind == VALUE_UNSET ? value_c("...") : p[2];
  (void)a;
  if ((p[0].kind != VALUE_UNSET && !value_index(e, p[0], &length)) || (p[3].kind != VALUE_UNSET && p[3].kind != JSON_NULL && !value_index(e, p[3], &leeway))) return NOTHING;
  if (v.kind != JSON_TEXT || end.kind != JSON_TEXT) return eval_fail(e, "a %s cannot be truncated", value_type(v));
  int64_t n_end = (int64_t)utf8_count(end.text, end.n);
  if (length < n_end || leeway < 0) return eval_fail(e, "a text is truncated to %d characters at least", n_end);
  if (n - leeway <= length) return v;
  Json cut = text_slice(e, v, 0, length - n_end, 1);
  bool words = p[1].kind == VALUE_UNSET || !value_true(e, p[1]);
  for (uint32_t i = cut.n; words && i-- > 0;)
    if (cut.text[i] == ' ') {
      cut.n = i;
      break;
    }
  return text_join(e, text_copy(e, cut.text, cut.n), end);
}

Json filter_wordcount(Eval *e, Json v, const Args *a, const Json *p) {
  int64_t n = 0;
  bool inside = false;
  (void)a, (void)p;
  v = value_str(e, v);
  for (size_t i = 0, size; i < v.n && eval_charge(e, 1); i += size) {
    uint32_t c = 0;
    size = utf8_read(v.text + i, v.n - i, &c);
    bool word = c == '_' || character_is(c, CHARACTER_alpha) || character_is(c, CHARACTER_decimal) || character_is(c, CHARACTER_digit) || character_is(c, CHARACTER_numeric);
    n += word && !inside;
    inside = word;
    if (!size) size = 1;
  }
  return value_int(n);
}

static void put_url(TextRoom *o, Json v, bool query) {
  for (uint32_t i = 0; i < v.n; i++) {
    uint8_t c = (uint8_t)v.text[i];
    bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == '-' || c == '~' || (c == '/' && !query);
    if (plain) room_bytes(o, v.text + i, 1);
    else if (c == ' ' && query) room_text(o, "+");
    else room_text(o, "%"), room_bytes(o, &"0123456789ABCDEF"[c >> 4], 1), room_bytes(o, &"0123456789ABCDEF"[c & 15], 1);
  }
}

Json filter_urlencode(Eval *e, Json v, const Args *a, const Json *p) {
  (void)a, (void)p;
  if (v.kind != JSON_TEXT && value_iterable(v) && v.kind != VALUE_UNDEFINED) return eval_fail(e, "`urlencode` of a %s is not supported", value_type(v));
  Json text = value_str(e, v);
  TextRoom o = text_begin(e);
  put_url(&o, text, false);
  return text_end(e, &o);
}

/* ---- JSON ---- */

static bool separator(Eval *e, Json v, JsonStyle *s) {
  if (v.kind == VALUE_UNSET || v.kind == JSON_NULL) return true;
  if (v.kind != JSON_LIST || v.n != 2 || v.at[0].kind != JSON_TEXT || v.at[1].kind != JSON_TEXT) return eval_fail(e, "separators of JSON are two texts"), false;
  s->between = v.at[0].text, s->n_between = v.at[0].n;
  s->then = v.at[1].text, s->n_then = v.at[1].n;
  return true;
}

/* Transformers' own: no escapes for HTML. */
Json filter_tojson(Eval *e, Json v, const Args *a, const Json *p) {
  JsonStyle s = {.ascii = p[0].kind != VALUE_UNSET && value_true(e, p[0]), .sorted = p[3].kind != VALUE_UNSET && value_true(e, p[3])};
  Json indent = p[1];
  (void)a;
  if (!separator(e, p[2], &s)) return NOTHING;
  if (indent.kind != VALUE_UNSET && indent.kind != JSON_NULL) {
    if (indent.kind != JSON_TEXT) indent = number_binary(e, NODE_mul, value_c(" "), indent);
    if (e->failed || indent.kind != JSON_TEXT) return eval_fail(e, "JSON is indented by a number or a text");
    s.lines = true, s.indent = indent.text, s.n_indent = indent.n;
  }
  TextRoom o = text_begin(e);
  if (!json_write(&o, &v, &s) && !o.full) return eval_fail(e, "JSON has no such value as a %s holds or is", value_type(v));
  eval_charge(e, o.n / 8);
  return text_end(e, &o);
}

/* ---- numbers ---- */

Json filter_abs(Eval *e, Json v, const Args *a, const Json *p) {
  (void)a, (void)p;
  if (v.kind == JSON_FLOAT) return value_float(v.f < 0 || __builtin_signbit(v.f) ? -v.f : v.f);
  if (!value_is_int(v)) return eval_fail(e, "a %s has no absolute value", value_type(v));
  return value_whole(v) < 0 ? number_binary(e, NODE_sub, value_int(0), v) : value_int(value_whole(v));
}

Json filter_float(Eval *e, Json v, const Args *a, const Json *p) {
  double f;
  (void)a;
  if (value_is_number(v)) return value_float(value_number(v));
  if (v.kind == VALUE_UNDEFINED) return number_binary(e, NODE_add, v, v);
  if (v.kind == JSON_BIG || v.kind == JSON_TEXT) {
    Json s = text_strip(e, v, NULL, true, true);
    if (text_float(s, &f)) return value_float(f);
  }
  return p[0].kind == VALUE_UNSET ? value_float(0) : p[0];
}

static int digit_of(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'z' ? c - 'a' + 10 : c >= 'A' && c <= 'Z' ? c - 'A' + 10 : 99; }

/* A text as Python's int() reads it. */
static bool text_int(Eval *e, Json v, int64_t base, int64_t *out) {
  size_t i = v.n && (v.text[0] == '-' || v.text[0] == '+'), digits = 0;
  bool minus = i && v.text[0] == '-', too_large = false;
  char mark = i + 1 < v.n && v.text[i] == '0' ? (char)(v.text[i + 1] | 32) : 0;
  int64_t marked = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
  if (marked && (base == marked || base == 0)) i += 2, base = marked, i += i < v.n && v.text[i] == '_';
  if (base == 0) base = 10;
  for (*out = 0; i < v.n; i++) {
    if (v.text[i] == '_' && digits && i + 1 < v.n && v.text[i - 1] != '_') continue;
    int digit = digit_of(v.text[i]);
    if (digit >= base) return false;
    too_large |= __builtin_mul_overflow(*out, base, out) || __builtin_sub_overflow(*out, digit, out);
    digits++;
  }
  if (!minus) too_large |= __builtin_sub_overflow(0, *out, out);
  if (digits && too_large) eval_fail(e, "a whole number of more than 64 bits");
  return digits > 0;
}

Json filter_int(Eval *e, Json v, const Args *a, const Json *p) {
  int64_t base = 10, out;
  double f;
  (void)a;
  if (p[1].kind != VALUE_UNSET && !value_index(e, p[1], &base)) return NOTHING;
  if (value_is_int(v)) return value_int(value_whole(v));
  if (v.kind == JSON_BIG) return v;
  if (v.kind == JSON_FLOAT && v.f == v.f) return number_of_float(e, v.f);
  if (v.kind == VALUE_UNDEFINED) return number_binary(e, NODE_add, v, v);
  if (v.kind == JSON_TEXT) {
    Json s = text_strip(e, v, NULL, true, true);
    if ((base == 0 || (base >= 2 && base <= 36)) && text_int(e, s, base, &out)) return value_int(out);
    if (text_float(s, &f) && f == f && f - f == 0) return number_of_float(e, f);
  }
  return p[0].kind == VALUE_UNSET ? value_int(0) : p[0];
}

static double power_of_ten(int64_t n) {
  double v = 1;
  for (; n > 0 && n < 400; n--) v *= 10;
  return v;
}

Json filter_round(Eval *e, Json v, const Args *a, const Json *p) {
  int64_t digits = 0;
  Json method = p[1].kind == VALUE_UNSET ? value_c("common") : p[1];
  (void)a;
  if (p[0].kind != VALUE_UNSET && !value_index(e, p[0], &digits)) return NOTHING;
  bool up = method.kind == JSON_TEXT && name_is(method.text, method.n, "ceil"), down = method.kind == JSON_TEXT && name_is(method.text, method.n, "floor");
  if (method.kind != JSON_TEXT || (!up && !down && !name_is(method.text, method.n, "common"))) return eval_fail(e, "rounding goes to `common`, `ceil` or `floor`");
  if (!up && !down) return number_round(e, v, digits);
  if (!value_is_number(v)) return eval_fail(e, "a %s cannot be rounded", value_type(v));
  if (digits < 0 || digits > 300) return eval_fail(e, "rounding up or down to %d digits is not supported", digits);
  double unit = power_of_ten(digits), x = value_number(v) * unit;
  if (x != x || x - x != 0) return eval_fail(e, "what is no number, or infinite, cannot be rounded up or down");
  double r = up ? -number_floor(-x) : number_floor(x);
  return value_float((r == 0 ? 0 : r) / unit);
}

/* ---- values of any kind ---- */

Json filter_default(Eval *e, Json v, const Args *a, const Json *p) {
  bool falsy = p[1].kind != VALUE_UNSET && value_true(e, p[1]);
  (void)a;
  if (v.kind != VALUE_UNDEFINED && !(falsy && !value_true(e, v))) return v;
  return p[0].kind == VALUE_UNSET ? json_text("", 0) : p[0];
}

/* As an attribute alone: not as an item. */
Json filter_attr(Eval *e, Json v, const Args *a, const Json *p) {
  (void)a;
  if (p[0].kind != JSON_TEXT) return eval_fail(e, "an attribute's name is a text");
  if (v.kind == JSON_OBJECT) {
    Json method = method_find(e, v, p[0].text, p[0].n);
    return method.kind == VALUE_UNSET ? value_undefined("there is no such attribute") : method;
  }
  return item_attr(e, v, p[0].text, p[0].n);
}

/* ---- the table ---- */

static const struct {
  const char *name;
  FilterCall *call;
  uint32_t least;
  const char *parameters;
} filters[] = {
#define FILTER(name, function, least, parameters) {#name, filter_##function, least, parameters},
#include "runtime/template_filters.def"
};

bool filter_find(Json name, uint32_t *which) {
  for (*which = 0; *which < FILTER_kinds; ++*which)
    if (name.kind == JSON_TEXT && name_is(name.text, name.n, filters[*which].name)) return true;
  return false;
}

Json call_filter(Eval *e, uint32_t which, Json v, const Args *a) {
  Json p[MOST_PARAMETERS];
  if (which >= FILTER_kinds) return eval_fail(e, "the template is damaged");
  bool bound = filters[which].parameters[0] == '*' || args_bind(e, filters[which].name, filters[which].parameters, filters[which].least, a, p);
  return bound ? filters[which].call(e, v, a, p) : NOTHING;
}

/* template_item.c -- attributes, items and slices of values, by the rules of Jinja's sandbox. */
#include "runtime/characters.h"
#include "runtime/template_part.h"
#include "runtime/utf8.h"

static bool is_unset(Json v) { return v.kind == VALUE_UNSET; }

static Json fail_undefined(Eval *e, Json v) {
  char why[200];
  TextRoom o = {.at = why, .size = sizeof why - 1};
  room_bytes(&o, v.text, v.n);
  why[o.n] = 0;
  return eval_fail(e, "%s", o.n ? why : "what is undefined has no attributes");
}

static Json absent(Eval *e, const char *name, size_t n) { return value_undefined_name(e, name, n, "` is undefined: there is no such attribute or item"); }

/* ---- attributes ---- */

/* What would change a value is there and may not be used. */
static bool changes(Json v, const char *name, size_t n) {
  static const char *const lists[] = {"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"};
  static const char *const dicts[] = {"clear", "pop", "popitem", "setdefault", "update"};
  if (v.kind == JSON_LIST && v.flags & JSON_TUPLE) return false;
  const char *const *names = v.kind == JSON_LIST ? lists : dicts;
  size_t count = v.kind == JSON_LIST ? 8 : v.kind == JSON_OBJECT ? 5 : 0;
  for (size_t i = 0; i < count; i++)
    if (name_is(name, n, names[i])) return true;
  return false;
}

/* Methods that Python has and this has not. */
static bool is_unsupported(Json v, const char *name, size_t n) {
  static const char *const texts[] = {"casefold", "encode", "expandtabs", "format_map", "isidentifier", "isprintable", "istitle", "maketrans", "translate"};
  for (size_t i = 0; v.kind == JSON_TEXT && i < sizeof texts / sizeof *texts; i++)
    if (name_is(name, n, texts[i])) return true;
  return v.kind == JSON_OBJECT && name_is(name, n, "fromkeys");
}

static Json range_attr(const Range *r, const char *name, size_t n) {
  if (name_is(name, n, "start")) return value_int(r->start);
  if (name_is(name, n, "stop")) return value_int(r->stop);
  if (name_is(name, n, "step")) return value_int(r->step);
  return (Json){.kind = VALUE_UNSET};
}

static Json namespace_attr(const Namespace *ns, const char *name, size_t n) {
  Json key = json_text(name, n);
  for (uint32_t i = 0; i < ns->n; i++)
    if (json_same_text(&ns->member[i].key, &key)) return ns->member[i].value;
  return (Json){.kind = VALUE_UNSET};
}

static Json macro_attr(Eval *e, const Macro *m, const char *name, size_t n) {
  const uint32_t *w = e->at + m->node + 2;
  if (!name_is(name, n, "name")) return (Json){.kind = VALUE_UNSET};
  return w[1] && w[0] <= e->n_text && w[1] <= e->n_text - w[0] ? json_text(e->text + w[0], w[1]) : NOTHING;
}

/* What getattr() finds. */
static Json python_attr(Eval *e, Json v, const char *name, size_t n) {
  if (v.kind == VALUE_NAMESPACE) return namespace_attr(v.other, name, n);
  if (n >= 4 && name[0] == '_' && name[1] == '_' && name[n - 1] == '_') return value_undefined_name(e, name, n, "` is out of bounds for templates");
  if (changes(v, name, n)) return value_undefined_name(e, name, n, "` is out of bounds for templates: it changes a value");
  if (is_unsupported(v, name, n)) return eval_fail(e, "the method of texts or dicts is not supported");
  if (v.kind == VALUE_RANGE) return range_attr(v.other, name, n);
  if (v.kind == VALUE_MACRO) return macro_attr(e, v.other, name, n);
  if (v.kind == VALUE_CYCLER && name_is(name, n, "current")) return ((const Cycler *)v.other)->at[((const Cycler *)v.other)->i];
  if (v.kind == JSON_LIST && v.flags & VALUE_GROUP && v.n == 2 && name_is(name, n, "grouper")) return v.at[0];
  if (v.kind == JSON_LIST && v.flags & VALUE_GROUP && v.n == 2 && name_is(name, n, "list")) return v.at[1];
  if (v.kind == VALUE_LOOP) {
    Json found = loop_attr(e, (Loop *)(uintptr_t)v.other, name, n);
    if (!is_unset(found)) return found;
  }
  return method_find(e, v, name, n);
}

Json item_attr(Eval *e, Json v, const char *name, size_t n) {
  if (v.kind == VALUE_UNDEFINED) return fail_undefined(e, v);
  Json found = python_attr(e, v, name, n);
  if (!is_unset(found)) return found;
  const Json *member = v.kind == JSON_OBJECT ? value_member(e, v, json_text(name, n)) : NULL;
  return member ? *member : absent(e, name, n);
}

/* ---- items ---- */

static Json sequence_item(Eval *e, Json v, int64_t i) {
  int64_t n = value_length(e, v);
  if (i < 0) i += n;
  if (i < 0 || i >= n) return absent(e, "index", 5);
  if (v.kind == JSON_LIST) return v.at[i];
  if (v.kind == VALUE_RANGE) return value_int(((const Range *)v.other)->start + i * ((const Range *)v.other)->step);
  Json out = text_char(v, i);
  return out.flags = v.flags, out;
}

static bool is_sequence(Json v) { return v.kind == JSON_TEXT || v.kind == JSON_LIST || v.kind == VALUE_RANGE; }

Json item_get(Eval *e, Json v, Json key) {
  if (v.kind == VALUE_UNDEFINED) return fail_undefined(e, v);
  if (is_sequence(v) && value_is_int(key)) return sequence_item(e, v, value_whole(key));
  if (v.kind == JSON_OBJECT && value_hashable(key)) {
    const Json *member = value_member(e, v, key);
    if (member) return *member;
  }
  if (key.kind != JSON_TEXT) return absent(e, "item", 4);
  Json found = python_attr(e, v, key.text, key.n);
  return is_unset(found) ? absent(e, key.text, key.n) : found;
}

/* ---- slices ---- */

static bool bound(Eval *e, Json v, int64_t n, int64_t otherwise, bool down, int64_t *out) {
  if (v.kind == JSON_NULL) return *out = otherwise, true;
  if (!value_index(e, v, out)) return false;
  if (*out < 0) *out = *out < -n ? -1 : *out + n;
  if (*out < 0) *out = down ? -1 : 0;
  if (*out >= n) *out = down ? n - 1 : n;
  return true;
}

static Json slice_range(Eval *e, const Range *r, int64_t from, int64_t n, int64_t step) {
  Range *made = eval_take(e, 1, sizeof *made);
  if (!made) return NOTHING;
  int64_t each;
  if (__builtin_mul_overflow(r->step, step, &each)) return eval_fail(e, "a whole number of more than 64 bits");
  *made = (Range){.start = r->start + from * r->step, .step = each, .n = n};
  if (__builtin_mul_overflow(n, each, &made->stop) || __builtin_add_overflow(made->stop, made->start, &made->stop)) return eval_fail(e, "a whole number of more than 64 bits");
  return value_other(VALUE_RANGE, made);
}

static Json slice_list(Eval *e, Json v, int64_t from, int64_t n, int64_t step) {
  Json out = value_list(v.at + (n ? from : 0), (size_t)n);
  if (step != 1) {
    Json *at = eval_charge(e, (size_t)n) ? eval_take(e, (size_t)n, sizeof *at) : NULL;
    for (int64_t i = 0; at && i < n; i++) at[i] = v.at[from + i * step];
    out = value_list(at, at ? (size_t)n : 0);
  }
  return out.flags = v.flags & JSON_TUPLE, out;
}

Json item_slice(Eval *e, Json v, Json from, Json to, Json step) {
  int64_t by = 1, a, b, n, count = 0;
  if (v.kind == VALUE_UNDEFINED) return fail_undefined(e, v);
  if (!is_sequence(v)) return eval_fail(e, "a %s cannot be cut", value_type(v));
  if (step.kind != JSON_NULL && !value_index(e, step, &by)) return NOTHING;
  if (by == 0) return eval_fail(e, "the step of a slice cannot be zero");
  n = value_length(e, v);
  if (!bound(e, from, n, by > 0 ? 0 : n - 1, by < 0, &a) || !bound(e, to, n, by > 0 ? n : -1, by < 0, &b)) return NOTHING;
  if (by < -n - 1) by = -n - 1;
  if (by > n + 1) by = n + 1;
  if (by > 0 && a < b) count = (b - a - 1) / by + 1;
  if (by < 0 && a > b) count = (a - b - 1) / -by + 1;
  if (v.kind == JSON_TEXT) return text_slice(e, v, a, count, by);
  return v.kind == JSON_LIST ? slice_list(e, v, a, count, by) : slice_range(e, v.other, a, count, by);
}

/* ---- paths ---- */

static bool is_number(const char *s, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (s[i] < '0' || s[i] > '9') return false;
  return n > 0 && n < 19;
}

static Json path_part(const char *s, size_t n) {
  int64_t v = 0;
  if (!is_number(s, n)) return json_text(s, n);
  for (size_t i = 0; i < n; i++) v = v * 10 + (s[i] - '0');
  return value_int(v);
}

Json item_path(Eval *e, Json v, Json path, const Json *otherwise) {
  if (path.kind == JSON_NULL) return v;
  if (path.kind != JSON_TEXT) {
    v = item_get(e, v, path);
    return otherwise && v.kind == VALUE_UNDEFINED ? *otherwise : v;
  }
  for (uint32_t i = 0, end; i <= path.n && !e->failed; i = end + 1) {
    for (end = i; end < path.n && path.text[end] != '.'; end++) {}
    v = item_get(e, v, path_part(path.text + i, end - i));
    if (otherwise && v.kind == VALUE_UNDEFINED) v = *otherwise;
  }
  return v;
}

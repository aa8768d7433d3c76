/* template_value.c -- what values of templates are: true, equal, in order, made of items; as Python has it. */
#include "runtime/template_part.h"
#include "runtime/utf8.h"
#include "runtime/words.h"

Json eval_fail(Eval *e, const char *fmt, ...) {
  va_list ap;
  if (!e->failed) {
    va_start(ap, fmt);
    text_format_list(e->why->text, sizeof e->why->text, fmt, ap);
    va_end(ap);
    e->why->line = e->line;
  }
  e->failed = true;
  return value_undefined("");
}

bool eval_charge(Eval *e, size_t steps) {
  e->steps += steps < TEMPLATE_STEPS ? (int64_t)steps : TEMPLATE_STEPS;
  if (e->steps >= TEMPLATE_STEPS) eval_fail(e, "the template takes too long");
  return !e->failed;
}

void *eval_take(Eval *e, size_t n, size_t size) {
  void *p = e->failed ? NULL : room_take_many(e->room, n, size);
  if (!p) eval_fail(e, "the template needs more memory than it may have");
  return p;
}

Json value_c(const char *text) { return json_text(text, text_length(text)); }

Json value_undefined(const char *why) {
  Json v = value_c(why);
  v.kind = VALUE_UNDEFINED;
  return v;
}

/* `name` is undefined; with `why`, and that why. */
Json value_undefined_name(Eval *e, const char *name, size_t n, const char *why) {
  TextRoom o = text_begin(e);
  room_text(&o, "`");
  room_bytes(&o, name, n < 100 ? n : 100);
  room_text(&o, why);
  Json v = text_end(e, &o);
  v.kind = VALUE_UNDEFINED;
  return v;
}

Json value_iterator(Eval *e, Json list, const char *type) {
  Iterator *it = eval_take(e, 1, sizeof *it);
  if (!it) return NOTHING;
  *it = (Iterator){.type = type, .list = list};
  return value_other(VALUE_ITERATOR, it);
}

const char *value_type(Json v) {
  static const char *const names[] = {[JSON_NULL] = "None", [JSON_BOOL] = "bool", [JSON_INT] = "int", [JSON_BIG] = "int", [JSON_FLOAT] = "float",
                                      [JSON_TEXT] = "str", [JSON_LIST] = "list", [JSON_OBJECT] = "dict", [VALUE_UNDEFINED] = "undefined",
                                      [VALUE_UNSET] = "undefined", [VALUE_RANGE] = "range", [VALUE_ITERATOR] = "generator",
                                      [VALUE_VIEW] = "dict view", [VALUE_NAMESPACE] = "namespace", [VALUE_MACRO] = "macro",
                                      [VALUE_FUNCTION] = "function", [VALUE_METHOD] = "method", [VALUE_LOOP] = "loop",
                                      [VALUE_JOINER] = "joiner", [VALUE_CYCLER] = "cycler"};
  return v.kind == JSON_LIST && v.flags & JSON_TUPLE ? "tuple" : names[v.kind];
}

/* ---- lengths ---- */

bool value_has_length(Json v) {
  return v.kind == JSON_TEXT || v.kind == JSON_LIST || v.kind == JSON_OBJECT || v.kind == VALUE_RANGE || v.kind == VALUE_VIEW ||
         v.kind == VALUE_UNDEFINED || v.kind == VALUE_LOOP;
}

int64_t value_length(Eval *e, Json v) {
  switch (v.kind) {
  case JSON_TEXT: return eval_charge(e, v.n / 8), (int64_t)utf8_count(v.text, v.n);
  case JSON_LIST: return v.n;
  case JSON_OBJECT:
  case VALUE_VIEW: return v.object->n;
  case VALUE_RANGE: return ((const Range *)v.other)->n;
  case VALUE_UNDEFINED: return 0;
  case VALUE_LOOP: return loop_length(e, (Loop *)(uintptr_t)v.other);
  default: eval_fail(e, "a %s has no length", value_type(v)); return -1;
  }
}

bool value_true(Eval *e, Json v) {
  switch (v.kind) {
  case JSON_NULL:
  case VALUE_UNDEFINED:
  case VALUE_UNSET: return false;
  case JSON_BOOL: return v.b;
  case JSON_INT: return v.i != 0;
  case JSON_FLOAT: return v.f != 0;
  case JSON_TEXT: return v.n > 0;
  default: return !value_has_length(v) || value_length(e, v) > 0;
  }
}

bool value_index(Eval *e, Json v, int64_t *out) {
  if (value_is_int(v)) return *out = value_whole(v), true;
  eval_fail(e, "a whole number is wanted, and not a %s", value_type(v));
  return false;
}

/* ---- going through items ---- */

bool value_iterable(Json v) {
  return v.kind == JSON_TEXT || v.kind == JSON_LIST || v.kind == JSON_OBJECT || v.kind == VALUE_RANGE || v.kind == VALUE_ITERATOR ||
         v.kind == VALUE_VIEW || v.kind == VALUE_UNDEFINED || v.kind == VALUE_LOOP;
}

bool cursor_open(Eval *e, Json v, Cursor *c) {
  *c = (Cursor){.of = v};
  if (v.kind == VALUE_UNSET || !value_iterable(v)) eval_fail(e, "a %s has no items", value_type(v));
  if (v.kind == VALUE_LOOP) eval_fail(e, "going through `loop` is not supported");
  return !e->failed;
}

static Json pair_of(Eval *e, Json a, Json b) {
  Json *at = eval_take(e, 2, sizeof *at);
  if (!at) return NOTHING;
  at[0] = a, at[1] = b;
  return value_tuple(at, 2);
}

static Json view_item(Eval *e, Json v, size_t i) {
  const JsonMember *m = &v.object->member[i];
  int what = v.kind == JSON_OBJECT ? VIEW_KEYS : v.of;
  return what == VIEW_KEYS ? m->key : what == VIEW_VALUES ? m->value : pair_of(e, m->key, m->value);
}

static bool next_character(Cursor *c, Json *out) {
  uint32_t code;
  size_t size = utf8_read(c->of.text + c->i, c->of.n - c->i, &code);
  if (!size) size = 1;
  *out = json_text(c->of.text + c->i, size);
  c->i += size;
  return true;
}

bool cursor_next(Eval *e, Cursor *c, Json *out) {
  Json v = c->of;
  bool more = v.kind == JSON_TEXT ? c->i < v.n : cursor_left(c) > 0;
  if (!eval_charge(e, 1) || !more) return false;
  switch (v.kind) {
  case JSON_TEXT: return next_character(c, out);
  case JSON_LIST: *out = v.at[c->i++]; return true;
  case JSON_OBJECT:
  case VALUE_VIEW: *out = view_item(e, v, c->i++); return !e->failed;
  case VALUE_RANGE: *out = value_int(((const Range *)v.other)->start + (int64_t)c->i++ * ((const Range *)v.other)->step); return true;
  case VALUE_ITERATOR: {
    Iterator *it = (Iterator *)(uintptr_t)v.other;
    *out = it->list.at[it->i++];
    return true;
  }
  default: return false;
  }
}

size_t cursor_left(const Cursor *c) {
  Json v = c->of;
  switch (v.kind) {
  case JSON_TEXT: return utf8_count(v.text + c->i, v.n - c->i);
  case JSON_LIST: return v.n - c->i;
  case JSON_OBJECT:
  case VALUE_VIEW: return v.object->n - c->i;
  case VALUE_RANGE: return (size_t)((const Range *)v.other)->n - c->i;
  case VALUE_ITERATOR: return ((const Iterator *)v.other)->list.n - ((const Iterator *)v.other)->i;
  default: return 0;
  }
}

Json value_collect(Eval *e, Json v) {
  Cursor c;
  if (!cursor_open(e, v, &c)) return NOTHING;
  size_t n = cursor_left(&c), i = 0;
  Json *at = eval_take(e, n, sizeof *at);
  while (at && i < n && cursor_next(e, &c, &at[i])) i++;
  return e->failed ? NOTHING : value_list(at, n);
}

/* ---- members ---- */

bool value_hashable(Json v) {
  if (v.kind == JSON_LIST && v.flags & JSON_TUPLE) {
    for (uint32_t i = 0; i < v.n; i++)
      if (!value_hashable(v.at[i])) return false;
    return true;
  }
  return v.kind != JSON_LIST && v.kind != JSON_OBJECT && v.kind != VALUE_VIEW;
}

const Json *value_member(Eval *e, Json object, Json key) {
  if (key.kind == JSON_TEXT) {
    int64_t at = eval_charge(e, object.object->slot ? 2 : object.object->n) ? json_find(object.object, &key) : -1;
    return at < 0 ? NULL : &object.object->member[at].value;
  }
  for (uint32_t i = 0; i < object.object->n && eval_charge(e, 1); i++)
    if (value_equal(e, object.object->member[i].key, key)) return &object.object->member[i].value;
  return NULL;
}

/* ---- equal ---- */

static bool same_bytes(Json a, Json b) {
  if (a.n != b.n) return false;
  for (uint32_t i = 0; i < a.n; i++)
    if (a.text[i] != b.text[i]) return false;
  return true;
}

static bool equal_lists(Eval *e, Json a, Json b) {
  if (a.n != b.n || (a.flags & JSON_TUPLE) != (b.flags & JSON_TUPLE)) return false;
  for (uint32_t i = 0; i < a.n && !e->failed; i++)
    if (!value_equal(e, a.at[i], b.at[i])) return false;
  return true;
}

static bool equal_objects(Eval *e, Json a, Json b) {
  if (a.object->n != b.object->n) return false;
  for (uint32_t i = 0; i < a.object->n && !e->failed; i++) {
    const Json *other = value_member(e, b, a.object->member[i].key);
    if (!other || !value_equal(e, a.object->member[i].value, *other)) return false;
  }
  return true;
}

static bool equal_ranges(const Range *a, const Range *b) {
  return a->n == b->n && (a->n == 0 || (a->start == b->start && (a->n == 1 || a->step == b->step)));
}

static bool equal_nested(Eval *e, Json a, Json b) {
  if (++e->depth > 4 * TEMPLATE_DEPTH) eval_fail(e, "values are nested too deep to be compared");
  bool same = !e->failed && (a.kind == JSON_LIST ? equal_lists(e, a, b) : equal_objects(e, a, b));
  e->depth--;
  return same;
}

bool value_equal(Eval *e, Json a, Json b) {
  if (value_is_number(a) && value_is_number(b))
    return a.kind == JSON_FLOAT || b.kind == JSON_FLOAT ? value_number(a) == value_number(b) : value_whole(a) == value_whole(b);
  if (a.kind != b.kind || !eval_charge(e, 1)) return false;
  switch (a.kind) {
  case JSON_NULL:
  case VALUE_UNDEFINED: return true;
  case JSON_BIG:
  case JSON_TEXT: return eval_charge(e, a.n / 16) && same_bytes(a, b);
  case JSON_LIST:
  case JSON_OBJECT: return equal_nested(e, a, b);
  case VALUE_RANGE: return equal_ranges(a.other, b.other);
  case VALUE_FUNCTION: return a.of == b.of;
  default: return a.other == b.other && a.of == b.of;
  }
}

/* ---- in order ---- */

static int order_texts(Json a, Json b) {
  for (uint32_t i = 0; i < a.n && i < b.n; i++)
    if (a.text[i] != b.text[i]) return (uint8_t)a.text[i] < (uint8_t)b.text[i] ? -1 : 1;
  return a.n < b.n ? -1 : a.n > b.n;
}

static int order_lists(Eval *e, Json a, Json b) {
  int order = 0;
  if (++e->depth > 4 * TEMPLATE_DEPTH) eval_fail(e, "values are nested too deep to be compared");
  for (uint32_t i = 0; i < a.n && i < b.n && !e->failed && order == 0; i++)
    if (!value_equal(e, a.at[i], b.at[i])) order = value_order(e, a.at[i], b.at[i]);
  e->depth--;
  return order ? order : a.n < b.n ? -1 : a.n > b.n;
}

int value_order(Eval *e, Json a, Json b) {
  if (a.kind == VALUE_UNDEFINED || b.kind == VALUE_UNDEFINED) eval_fail(e, "%s", a.kind == VALUE_UNDEFINED ? "what is undefined has no order" : "nothing is less or more than what is undefined");
  else if (value_is_int(a) && value_is_int(b)) return value_whole(a) < value_whole(b) ? -1 : value_whole(a) > value_whole(b);
  else if (value_is_number(a) && value_is_number(b)) {
    double x = value_number(a), y = value_number(b);
    return x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
  } else if (a.kind == JSON_TEXT && b.kind == JSON_TEXT) return eval_charge(e, a.n / 16), order_texts(a, b);
  else if (a.kind == JSON_LIST && b.kind == JSON_LIST && (a.flags & JSON_TUPLE) == (b.flags & JSON_TUPLE)) return order_lists(e, a, b);
  else eval_fail(e, "a %s is neither less nor more than a %s", value_type(a), value_type(b));
  return 0;
}

/* ---- in ---- */

static bool contains_item(Eval *e, Json all, Json one) {
  Cursor c;
  Json item;
  if (!cursor_open(e, all, &c)) return false;
  while (cursor_next(e, &c, &item))
    if (value_equal(e, item, one)) return true;
  return false;
}

bool value_contains(Eval *e, Json all, Json one) {
  if (all.kind == JSON_TEXT) {
    if (one.kind == JSON_TEXT) return text_find(e, all, one, 0) >= 0;
    eval_fail(e, "a %s is never in a text", value_type(one));
    return false;
  }
  bool keys = all.kind == JSON_OBJECT || (all.kind == VALUE_VIEW && all.of == VIEW_KEYS);
  if (!keys) return contains_item(e, all, one);
  if (!value_hashable(one)) eval_fail(e, "a %s is never a key", value_type(one));
  return !e->failed && value_member(e, (Json){.kind = JSON_OBJECT, .object = all.object}, one);
}

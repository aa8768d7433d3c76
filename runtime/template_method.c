/* template_method.c -- methods that texts, lists and dicts have in Python. */
#include "runtime/characters.h"
#include "runtime/template_part.h"
#include "runtime/utf8.h"

typedef Json MethodCall(Eval *e, Json self, const Args *a, const Json *p);

static bool given(Json v) { return v.kind != VALUE_UNSET; }
static Json flagged(Json v, uint8_t flags) { return v.flags = flags, v; }

static bool want_text(Eval *e, Json v) {
  if (v.kind != JSON_TEXT) eval_fail(e, "a text is wanted, and not a %s", value_type(v));
  return !e->failed;
}

/* A whole number that may be left out. */
static bool number(Eval *e, Json v, int64_t otherwise, int64_t *out) {
  *out = otherwise;
  return !given(v) || value_index(e, v, out);
}

/* ---- changing ---- */

#define CASE(name, how) \
  static Json method_text_##name(Eval *e, Json self, const Args *a, const Json *p) { return (void)a, (void)p, text_case(e, self, how); }
CASE(capitalize, CASE_CAPITALIZE)
CASE(lower, CASE_LOWER)
CASE(swapcase, CASE_SWAP)
CASE(title, CASE_TITLE)
CASE(upper, CASE_UPPER)
#undef CASE

static Json strip(Eval *e, Json self, Json chars, bool left, bool right) {
  bool all = !given(chars) || chars.kind == JSON_NULL;
  return all || want_text(e, chars) ? text_strip(e, self, all ? NULL : &chars, left, right) : NOTHING;
}

static Json method_text_strip(Eval *e, Json self, const Args *a, const Json *p) { return (void)a, strip(e, self, p[0], true, true); }
static Json method_text_lstrip(Eval *e, Json self, const Args *a, const Json *p) { return (void)a, strip(e, self, p[0], true, false); }
static Json method_text_rstrip(Eval *e, Json self, const Args *a, const Json *p) { return (void)a, strip(e, self, p[0], false, true); }

static Json method_text_replace(Eval *e, Json self, const Args *a, const Json *p) {
  int64_t count;
  (void)a;
  if (!want_text(e, p[0]) || !want_text(e, p[1]) || !number(e, p[2], -1, &count)) return NOTHING;
  return text_replace(e, self, p[0], p[1], count);
}

static Json pad(Eval *e, Json self, const Json *p, int where) {
  int64_t width, n = value_length(e, self);
  Json fill = given(p[1]) ? p[1] : value_c(" ");
  if (!value_index(e, p[0], &width) || !want_text(e, fill)) return NOTHING;
  if (utf8_count(fill.text, fill.n) != 1) return eval_fail(e, "what fills a text up is one character");
  int64_t more = width > n ? width - n : 0, left = where < 0 ? 0 : where > 0 ? more : more / 2 + (more & width & 1);
  TextRoom o = text_begin(e);
  for (int64_t i = 0; i < left && !o.full; i++) room_bytes(&o, fill.text, fill.n);
  room_bytes(&o, self.text, self.n);
  for (int64_t i = left; i < more && !o.full; i++) room_bytes(&o, fill.text, fill.n);
  return flagged(text_end(e, &o), self.flags);
}

static Json method_text_center(Eval *e, Json self, const Args *a, const Json *p) { return (void)a, pad(e, self, p, 0); }
static Json method_text_ljust(Eval *e, Json self, const Args *a, const Json *p) { return (void)a, pad(e, self, p, -1); }
static Json method_text_rjust(Eval *e, Json self, const Args *a, const Json *p) { return (void)a, pad(e, self, p, 1); }

static Json method_text_zfill(Eval *e, Json self, const Args *a, const Json *p) {
  int64_t width, n = value_length(e, self);
  (void)a;
  if (!value_index(e, p[0], &width)) return NOTHING;
  bool sign = self.n && (self.text[0] == '-' || self.text[0] == '+');
  TextRoom o = text_begin(e);
  room_bytes(&o, self.text, sign);
  for (; width > n && !o.full; width--) room_text(&o, "0");
  room_bytes(&o, self.text + sign, self.n - sign);
  return flagged(text_end(e, &o), self.flags);
}

static bool begins(Json v, Json with) {
  for (uint32_t i = 0; i < with.n; i++)
    if (i >= v.n || v.text[i] != with.text[i]) return false;
  return true;
}

static bool ends(Json v, Json with) { return with.n <= v.n && begins(json_text(v.text + v.n - with.n, with.n), with); }

static Json method_text_removeprefix(Eval *e, Json self, const Args *a, const Json *p) {
  (void)a;
  return want_text(e, p[0]) && begins(self, p[0]) ? flagged(json_text(self.text + p[0].n, self.n - p[0].n), self.flags) : self;
}

static Json method_text_removesuffix(Eval *e, Json self, const Args *a, const Json *p) {
  (void)a;
  return want_text(e, p[0]) && ends(self, p[0]) ? flagged(json_text(self.text, self.n - p[0].n), self.flags) : self;
}

static Json method_text_join(Eval *e, Json self, const Args *a, const Json *p) {
  (void)a;
  Json all = value_collect(e, p[0]);
  return e->failed ? NOTHING : text_join_all(e, self, all, true);
}

static Json method_text_format(Eval *e, Json self, const Args *a, const Json *p) { return (void)p, format_braces(e, self, a); }

/* ---- searching ---- */

/* The part of a text between two places, as find() and its kin take them, and the number of its first character. False: it lies outside. */
static bool part_of(Eval *e, Json self, const Json *p, Json *part, int64_t *first) {
  int64_t n = value_length(e, self), from, to;
  Json start = given(p[1]) && p[1].kind != JSON_NULL ? p[1] : value_int(0), end = given(p[2]) && p[2].kind != JSON_NULL ? p[2] : value_int(n);
  if (!value_index(e, start, &from) || !value_index(e, end, &to)) return false;
  if (from < 0) from = from < -n ? 0 : from + n;
  if (to < 0) to = to < -n ? 0 : to + n;
  if (to > n) to = n;
  *first = from;
  if (from > to) return false;
  *part = text_slice(e, self, from, to - from, 1);
  return !e->failed;
}

static int64_t find_last(Eval *e, Json in, Json part) {
  if (part.n > in.n || !eval_charge(e, (in.n - part.n) / 8)) return -1;
  for (size_t i = in.n - part.n + 1; i-- > 0;)
    if (begins(json_text(in.text + i, in.n - i), part) && eval_charge(e, 1)) return (int64_t)i;
  return -1;
}

static int64_t find(Eval *e, Json self, const Json *p, bool last) {
  Json part;
  int64_t first;
  if (!want_text(e, p[0]) || !part_of(e, self, p, &part, &first)) return -1;
  int64_t at = last ? find_last(e, part, p[0]) : text_find(e, part, p[0], 0);
  return at < 0 ? -1 : first + (int64_t)utf8_count(part.text, (size_t)at);
}

static Json want_found(Eval *e, int64_t at) { return at < 0 ? eval_fail(e, "a text is not in another, where it should be") : value_int(at); }

static Json method_text_find(Eval *e, Json self, const Args *a, const Json *p) { return (void)a, value_int(find(e, self, p, false)); }
static Json method_text_rfind(Eval *e, Json self, const Args *a, const Json *p) { return (void)a, value_int(find(e, self, p, true)); }
static Json method_text_index(Eval *e, Json self, const Args *a, const Json *p) { return (void)a, want_found(e, find(e, self, p, false)); }
static Json method_text_rindex(Eval *e, Json self, const Args *a, const Json *p) { return (void)a, want_found(e, find(e, self, p, true)); }

static Json method_text_count(Eval *e, Json self, const Args *a, const Json *p) {
  Json part;
  int64_t first, n = 0;
  (void)a;
  if (!want_text(e, p[0]) || !part_of(e, self, p, &part, &first)) return value_int(0);
  if (p[0].n == 0) return value_int((int64_t)utf8_count(part.text, part.n) + 1);
  for (int64_t at = 0; (at = text_find(e, part, p[0], (size_t)at)) >= 0; at += p[0].n) n++;
  return value_int(n);
}

/* One text, or any of a tuple. */
static Json at_edge(Eval *e, Json self, const Json *p, bool end) {
  Json part, one = p[0], all = value_list(&one, 1);
  int64_t first;
  if (p[0].kind == JSON_LIST && p[0].flags & JSON_TUPLE) all = p[0];
  bool inside = part_of(e, self, p, &part, &first), found = false;
  for (uint32_t i = 0; i < all.n && want_text(e, all.at[i]); i++)
    if (inside && (end ? ends(part, all.at[i]) : begins(part, all.at[i]))) found = true;
  return value_bool(found);
}

static Json method_text_startswith(Eval *e, Json self, const Args *a, const Json *p) { return (void)a, at_edge(e, self, p, false); }
static Json method_text_endswith(Eval *e, Json self, const Args *a, const Json *p) { return (void)a, at_edge(e, self, p, true); }

/* ---- what all characters are ---- */

static bool is_alnum(uint32_t c) {
  return character_is(c, CHARACTER_alpha) || character_is(c, CHARACTER_decimal) || character_is(c, CHARACTER_digit) || character_is(c, CHARACTER_numeric);
}
static bool is_alpha(uint32_t c) { return character_is(c, CHARACTER_alpha); }
static bool is_decimal(uint32_t c) { return character_is(c, CHARACTER_decimal); }
static bool is_digit(uint32_t c) { return is_decimal(c) || character_is(c, CHARACTER_digit); }
static bool is_numeric(uint32_t c) { return is_digit(c) || character_is(c, CHARACTER_numeric); }
static bool is_space(uint32_t c) { return character_is_space(c); }
static bool is_ascii(uint32_t c) { return c < 0x80; }

static bool all_are(Eval *e, Json v, bool (*is)(uint32_t)) {
  for (size_t i = 0, size; i < v.n && eval_charge(e, 1); i += size) {
    uint32_t c = 0;
    size = utf8_read(v.text + i, v.n - i, &c);
    if (!size || !is(c)) return false;
  }
  return true;
}

/* There are cased characters, and none is of the others. */
static bool is_case(Eval *e, Json v, CharacterKind kind) {
  bool any = false;
  for (size_t i = 0, size; i < v.n && eval_charge(e, 1); i += size) {
    uint32_t c = 0;
    size = utf8_read(v.text + i, v.n - i, &c);
    if (!size || (character_is_cased(c) && !character_is(c, kind))) return false;
    any |= character_is(c, kind);
  }
  return any;
}

#define IS(name, is) \
  static Json method_text_##name(Eval *e, Json self, const Args *a, const Json *p) { return (void)a, (void)p, value_bool(self.n && all_are(e, self, is)); }
IS(isalnum, is_alnum)
IS(isalpha, is_alpha)
IS(isdecimal, is_decimal)
IS(isdigit, is_digit)
IS(isnumeric, is_numeric)
IS(isspace, is_space)
#undef IS
static Json method_text_isascii(Eval *e, Json self, const Args *a, const Json *p) { return (void)a, (void)p, value_bool(all_are(e, self, is_ascii)); }
static Json method_text_islower(Eval *e, Json self, const Args *a, const Json *p) { return (void)a, (void)p, value_bool(is_case(e, self, CHARACTER_lower)); }
static Json method_text_isupper(Eval *e, Json self, const Args *a, const Json *p) { return (void)a, (void)p, value_bool(is_case(e, self, CHARACTER_upper)); }

/* ---- splitting ---- */

typedef struct Parts {
  Json *at; /* as many as there may be */
  size_t n, room;
  uint8_t flags;
} Parts;

static void add(Eval *e, Parts *parts, const char *at, size_t n) {
  if (parts->n == parts->room) {
    Json *more = eval_take(e, parts->room * 2 + 8, sizeof *more);
    for (size_t i = 0; more && i < parts->n; i++) more[i] = parts->at[i];
    if (!more) return;
    parts->at = more, parts->room = parts->room * 2 + 8;
  }
  parts->at[parts->n++] = flagged(json_text(at, n), parts->flags);
}

static void split_by(Eval *e, Json v, Json by, int64_t most, Parts *parts) {
  size_t from = 0;
  for (int64_t at; most != 0 && (at = text_find(e, v, by, from)) >= 0 && eval_charge(e, 1); most--, from = (size_t)at + by.n)
    add(e, parts, v.text + from, (size_t)at - from);
  add(e, parts, v.text + from, v.n - from);
}

static void rsplit_by(Eval *e, Json v, Json by, int64_t most, Parts *parts) {
  size_t end = v.n;
  for (int64_t at; most != 0 && (at = find_last(e, json_text(v.text, end), by)) >= 0; most--, end = (size_t)at)
    add(e, parts, v.text + at + by.n, end - (size_t)at - by.n);
  add(e, parts, v.text, end);
}

static void split_blanks(Eval *e, Json v, int64_t most, Parts *parts) {
  for (Json rest = text_strip(e, v, NULL, true, false); rest.n && !e->failed;) {
    uint32_t c;
    size_t n = 0, size;
    if (most-- == 0) {
      rest = text_strip(e, rest, NULL, false, true);
      return add(e, parts, rest.text, rest.n);
    }
    while (n < rest.n && (size = utf8_read(rest.text + n, rest.n - n, &c)) > 0 && !character_is_space(c)) n += size;
    add(e, parts, rest.text, n);
    rest = text_strip(e, json_text(rest.text + n, rest.n - n), NULL, true, false);
    eval_charge(e, 1 + n / 8);
  }
}

static void rsplit_blanks(Eval *e, Json v, int64_t most, Parts *parts) {
  for (Json rest = text_strip(e, v, NULL, false, true); rest.n && !e->failed;) {
    uint32_t c;
    size_t n = rest.n;
    if (most-- == 0) {
      rest = text_strip(e, rest, NULL, true, false);
      return add(e, parts, rest.text, rest.n);
    }
    while (n > 0) {
      size_t start = n - 1;
      while (start > 0 && ((uint8_t)rest.text[start] & 0xc0) == 0x80) start--;
      if (utf8_read(rest.text + start, rest.n - start, &c) && character_is_space(c)) break;
      n = start;
    }
    add(e, parts, rest.text + n, rest.n - n);
    rest = text_strip(e, json_text(rest.text, n), NULL, false, true);
    eval_charge(e, 1);
  }
}

static Json split(Eval *e, Json self, const Json *p, bool from_end) {
  Parts parts = {.flags = self.flags};
  int64_t most;
  bool blanks = !given(p[0]) || p[0].kind == JSON_NULL;
  if ((!blanks && !want_text(e, p[0])) || !number(e, p[1], -1, &most)) return NOTHING;
  if (!blanks && p[0].n == 0) return eval_fail(e, "a text cannot be split by an empty one");
  if (most < 0) most = INT64_MAX;
  if (blanks) from_end ? rsplit_blanks(e, self, most, &parts) : split_blanks(e, self, most, &parts);
  else from_end ? rsplit_by(e, self, p[0], most, &parts) : split_by(e, self, p[0], most, &parts);
  for (size_t i = 0; from_end && i < parts.n / 2; i++) {
    Json t = parts.at[i];
    parts.at[i] = parts.at[parts.n - 1 - i];
    parts.at[parts.n - 1 - i] = t;
  }
  return e->failed ? NOTHING : value_list(parts.at, parts.n);
}

static Json method_text_split(Eval *e, Json self, const Args *a, const Json *p) { return (void)a, split(e, self, p, false); }
static Json method_text_rsplit(Eval *e, Json self, const Args *a, const Json *p) { return (void)a, split(e, self, p, true); }

static Json partition(Eval *e, Json self, Json by, bool last) {
  if (!want_text(e, by)) return NOTHING;
  if (by.n == 0) return eval_fail(e, "a text cannot be split by an empty one");
  Json *part = eval_take(e, 3, sizeof *part), nothing = json_text("", 0);
  if (!part) return NOTHING;
  int64_t at = last ? find_last(e, self, by) : text_find(e, self, by, 0);
  part[0] = at >= 0 ? json_text(self.text, (size_t)at) : last ? nothing : self;
  part[1] = at >= 0 ? by : nothing;
  part[2] = at >= 0 ? json_text(self.text + at + by.n, self.n - (size_t)at - by.n) : last ? self : nothing;
  return value_tuple(part, 3);
}

static Json method_text_partition(Eval *e, Json self, const Args *a, const Json *p) { return (void)a, partition(e, self, p[0], false); }
static Json method_text_rpartition(Eval *e, Json self, const Args *a, const Json *p) { return (void)a, partition(e, self, p[0], true); }

static Json method_text_splitlines(Eval *e, Json self, const Args *a, const Json *p) {
  return (void)a, text_lines(e, self, given(p[0]) && value_true(e, p[0]));
}

/* ---- lists ---- */

static Json method_list_copy(Eval *e, Json self, const Args *a, const Json *p) { return (void)e, (void)a, (void)p, self; }

static Json method_list_count(Eval *e, Json self, const Args *a, const Json *p) {
  int64_t n = 0;
  (void)a;
  for (uint32_t i = 0; i < self.n && eval_charge(e, 1); i++) n += value_equal(e, self.at[i], p[0]);
  return value_int(n);
}

static Json method_list_index(Eval *e, Json self, const Args *a, const Json *p) {
  int64_t from, to;
  (void)a;
  if (!number(e, p[1], 0, &from) || !number(e, p[2], self.n, &to)) return NOTHING;
  if (from < 0) from = from < -(int64_t)self.n ? 0 : from + self.n;
  if (to < 0) to += self.n;
  for (int64_t i = from; i < self.n && i < to && eval_charge(e, 1); i++)
    if (value_equal(e, self.at[i], p[0])) return value_int(i);
  return eval_fail(e, "a value is not in a list, where it should be");
}

/* ---- dicts ---- */

static Json method_dict_copy(Eval *e, Json self, const Args *a, const Json *p) { return (void)e, (void)a, (void)p, self; }

static Json method_dict_get(Eval *e, Json self, const Args *a, const Json *p) {
  (void)a;
  if (!value_hashable(p[0])) return eval_fail(e, "a %s is never a key", value_type(p[0]));
  const Json *v = value_member(e, self, p[0]);
  return v ? *v : given(p[1]) ? p[1] : NOTHING;
}

static Json view(Json self, uint16_t of) { return (Json){.kind = VALUE_VIEW, .of = of, .object = self.object}; }
static Json method_dict_items(Eval *e, Json self, const Args *a, const Json *p) { return (void)e, (void)a, (void)p, view(self, VIEW_ITEMS); }
static Json method_dict_keys(Eval *e, Json self, const Args *a, const Json *p) { return (void)e, (void)a, (void)p, view(self, VIEW_KEYS); }
static Json method_dict_values(Eval *e, Json self, const Args *a, const Json *p) { return (void)e, (void)a, (void)p, view(self, VIEW_VALUES); }

/* ---- loops and cyclers ---- */

static Json method_loop_changed(Eval *e, Json self, const Args *a, const Json *p) {
  Loop *l = (Loop *)(uintptr_t)self.other;
  Json now = value_tuple(a->at, a->n);
  (void)p;
  if (a->n_named) return eval_fail(e, "`changed` takes no named arguments");
  if (l->has_changed && value_equal(e, l->changed, now)) return value_bool(false);
  l->has_changed = true;
  l->changed = now;
  return value_bool(true);
}

static Json method_loop_cycle(Eval *e, Json self, const Args *a, const Json *p) {
  (void)p;
  if (!a->n || a->n_named) return eval_fail(e, "there are no items to cycle through");
  return a->at[((const Loop *)self.other)->index0 % a->n];
}

static Json method_cycler_next(Eval *e, Json self, const Args *a, const Json *p) {
  Cycler *c = (Cycler *)(uintptr_t)self.other;
  (void)e, (void)a, (void)p;
  Json v = c->at[c->i];
  return c->i = (c->i + 1) % c->n, v;
}

static Json method_cycler_reset(Eval *e, Json self, const Args *a, const Json *p) {
  (void)e, (void)a, (void)p;
  return ((Cycler *)(uintptr_t)self.other)->i = 0, NOTHING;
}

/* ---- the table ---- */

enum { TYPE_text, TYPE_list, TYPE_dict, TYPE_loop, TYPE_cycler };

static const struct {
  int type;
  const char *name;
  MethodCall *call;
  uint32_t least;
  const char *parameters;
} methods[] = {
#define METHOD(type, name, least, parameters) {TYPE_##type, #name, method_##type##_##name, least, parameters},
#include "runtime/template_methods.def"
};
enum { N_METHODS = sizeof methods / sizeof *methods };

static int type_of(Json v) {
  switch (v.kind) {
  case JSON_TEXT: return TYPE_text;
  case JSON_LIST: return TYPE_list;
  case JSON_OBJECT: return TYPE_dict;
  case VALUE_LOOP: return TYPE_loop;
  case VALUE_CYCLER: return TYPE_cycler;
  default: return -1;
  }
}

Json method_find(Eval *e, Json v, const char *name, size_t n) {
  int type = type_of(v);
  for (uint32_t i = 0; type >= 0 && i < N_METHODS; i++) {
    if (methods[i].type != type || !name_is(name, n, methods[i].name)) continue;
    if (v.kind == JSON_LIST && v.flags & JSON_TUPLE && name_is(name, n, "copy")) break;
    Json *self = eval_take(e, 1, sizeof *self);
    if (!self) return NOTHING;
    *self = v;
    return (Json){.kind = VALUE_METHOD, .of = (uint16_t)i, .other = self};
  }
  return (Json){.kind = VALUE_UNSET};
}

Json call_method(Eval *e, uint32_t which, Json self, const Args *a) {
  Json p[MOST_PARAMETERS];
  if (which >= N_METHODS) return eval_fail(e, "there is no such method");
  bool bound = methods[which].parameters[0] == '*' || args_bind(e, methods[which].name, methods[which].parameters, methods[which].least, a, p);
  return bound ? methods[which].call(e, self, a, p) : NOTHING;
}

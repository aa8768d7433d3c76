/* template_text.c -- texts of templates: made, printed as Python prints values, searched, cut and changed. */
#include "runtime/characters.h"
#include "runtime/template_part.h"
#include "runtime/utf8.h"

/* ---- making ---- */

TextRoom text_begin(Eval *e) {
  e->text_end = NULL;
  return (TextRoom){.at = e->room->at + e->room->used, .size = e->failed ? 0 : e->room->top - e->room->used};
}

static Json commit(Eval *e, const char *start, size_t added) {
  if (e->failed || !room_take(e->room, added) || !eval_charge(e, added / 16)) return json_text("", 0);
  e->text_end = start + added;
  return json_text(start, added);
}

Json text_end(Eval *e, const TextRoom *o) {
  if (o->full || o->n > o->size / 8 * 8) eval_fail(e, "the template needs more memory than it may have");
  return commit(e, o->at, o->n);
}

Json text_copy(Eval *e, const char *at, size_t n) {
  TextRoom o = text_begin(e);
  room_bytes(&o, at, n);
  return text_end(e, &o);
}

/* Is the text what was made last? Then it is made longer where it is, so that texts which grow piece by piece take linear time. */
static bool is_last(const Eval *e, Json a) {
  size_t end = (size_t)(e->text_end - e->room->at);
  return a.n && e->text_end && a.text + a.n == e->text_end && (end + 7) / 8 * 8 == e->room->used;
}

Json text_join(Eval *e, Json a, Json b) {
  uint8_t flags = a.flags | b.flags;
  if (a.flags != b.flags && (flags & JSON_MARKUP)) a = value_escape(e, a), b = value_escape(e, b);
  if (b.n == 0 || a.n == 0) {
    Json one = b.n == 0 ? a : b;
    return one.flags = flags, one;
  }
  bool longer = is_last(e, a);
  if (longer) e->room->used = (size_t)(e->text_end - e->room->at) / 8 * 8;
  size_t skip = longer ? (size_t)(e->text_end - (e->room->at + e->room->used)) : 0;
  TextRoom o = text_begin(e);
  if (longer) o.n = skip;
  else room_bytes(&o, a.text, a.n);
  room_bytes(&o, b.text, b.n);
  Json made = text_end(e, &o);
  if (longer) made = json_text(a.text, (size_t)a.n + b.n);
  made.flags = flags;
  return made;
}

/* ---- printing ---- */

static void put_code(TextRoom *o, uint32_t c) {
  static const char hex[] = "0123456789abcdef";
  int n = c < 0x100 ? 2 : c < 0x10000 ? 4 : 8;
  room_text(o, n == 2 ? "\\x" : n == 4 ? "\\u" : "\\U");
  for (int i = n; i-- > 0;) room_bytes(o, &hex[c >> 4 * i & 15], 1);
}

static bool has_byte(Json v, char c) {
  for (uint32_t i = 0; i < v.n; i++)
    if (v.text[i] == c) return true;
  return false;
}

static void put_quoted(TextRoom *o, Json v) {
  const char *quote = has_byte(v, '\'') && !has_byte(v, '"') ? "\"" : "'";
  room_text(o, quote);
  for (uint32_t i = 0; i < v.n && !o->full;) {
    uint32_t c = 0xfffd;
    size_t size = utf8_read(v.text + i, v.n - i, &c);
    if (!size) size = 1;
    if (c == '\n' || c == '\r' || c == '\t') room_text(o, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
    else if (c == '\\' || c == (uint8_t)*quote) room_text(o, "\\"), room_bytes(o, v.text + i, 1);
    else if (character_is(c, CHARACTER_hidden) && c != ' ') put_code(o, c);
    else room_bytes(o, v.text + i, size);
    i += (uint32_t)size;
  }
  room_text(o, quote);
}

static void put_items(Eval *e, TextRoom *o, Json v) {
  bool tuple = v.flags & JSON_TUPLE;
  room_text(o, tuple ? "(" : "[");
  for (uint32_t i = 0; i < v.n && !o->full && !e->failed; i++) {
    if (i) room_text(o, ", ");
    put_repr(e, o, v.at[i]);
  }
  room_text(o, tuple ? v.n == 1 ? ",)" : ")" : "]");
}

static void put_members(Eval *e, TextRoom *o, const JsonMember *m, uint32_t n) {
  room_text(o, "{");
  for (uint32_t i = 0; i < n && !o->full && !e->failed; i++) {
    if (i) room_text(o, ", ");
    put_repr(e, o, m[i].key);
    room_text(o, ": ");
    put_repr(e, o, m[i].value);
  }
  room_text(o, "}");
}

static void put_view(Eval *e, TextRoom *o, Json v) {
  room_text(o, v.of == VIEW_KEYS ? "dict_keys([" : v.of == VIEW_VALUES ? "dict_values([" : "dict_items([");
  for (uint32_t i = 0; i < v.object->n && !o->full && !e->failed; i++) {
    const JsonMember *m = &v.object->member[i];
    if (i) room_text(o, ", ");
    if (v.of == VIEW_ITEMS) room_text(o, "(");
    if (v.of != VIEW_VALUES) put_repr(e, o, m->key);
    if (v.of == VIEW_ITEMS) room_text(o, ", ");
    if (v.of != VIEW_KEYS) put_repr(e, o, m->value);
    if (v.of == VIEW_ITEMS) room_text(o, ")");
  }
  room_text(o, "])");
}

static void put_range(TextRoom *o, const Range *r) {
  room_text(o, "range(");
  room_whole(o, r->start);
  room_text(o, ", ");
  room_whole(o, r->stop);
  if (r->step != 1) room_text(o, ", "), room_whole(o, r->step);
  room_text(o, ")");
}

static void put_namespace(Eval *e, TextRoom *o, const Namespace *n) {
  room_text(o, "<Namespace ");
  put_members(e, o, n->member, n->n);
  room_text(o, ">");
}

static void put_macro(Eval *e, TextRoom *o, const Macro *m) {
  Json name = item_attr(e, value_other(VALUE_MACRO, m), "name", 4);
  room_text(o, "<Macro ");
  if (name.kind == JSON_TEXT) put_quoted(o, name);
  else room_text(o, "anonymous");
  room_text(o, ">");
}

static void put_loop(Eval *e, TextRoom *o, Loop *l) {
  int64_t n = loop_length(e, l);
  room_text(o, "<LoopContext ");
  room_whole(o, l->index0 + 1);
  room_text(o, "/");
  room_whole(o, n);
  room_text(o, ">");
}

static void put_value(Eval *e, TextRoom *o, Json v) {
  switch (v.kind) {
  case JSON_NULL: room_text(o, "None"); break;
  case JSON_BOOL: room_text(o, v.b ? "True" : "False"); break;
  case JSON_INT: room_whole(o, v.i); break;
  case JSON_BIG: room_bytes(o, v.text, v.n); break;
  case JSON_FLOAT: room_float(o, v.f); break;
  case JSON_TEXT: put_quoted(o, v); break;
  case JSON_LIST: put_items(e, o, v); break;
  case JSON_OBJECT: put_members(e, o, v.object->member, v.object->n); break;
  case VALUE_UNDEFINED: room_text(o, "Undefined"); break;
  case VALUE_RANGE: put_range(o, v.other); break;
  case VALUE_VIEW: put_view(e, o, v); break;
  case VALUE_NAMESPACE: put_namespace(e, o, v.other); break;
  case VALUE_MACRO: put_macro(e, o, v.other); break;
  case VALUE_LOOP: put_loop(e, o, (Loop *)(uintptr_t)v.other); break;
  default: eval_fail(e, "a %s cannot be printed: what it is called changes from run to run", value_type(v));
  }
}

void put_repr(Eval *e, TextRoom *o, Json v) {
  if (++e->depth > 4 * TEMPLATE_DEPTH) eval_fail(e, "a value is nested too deep to be printed");
  if (v.kind == JSON_TEXT && v.flags & JSON_MARKUP) room_text(o, "Markup(");
  if (eval_charge(e, 1 + (v.kind == JSON_TEXT ? v.n / 8 : 0))) put_value(e, o, v);
  if (v.kind == JSON_TEXT && v.flags & JSON_MARKUP) room_text(o, ")");
  e->depth--;
}

void put_str(Eval *e, TextRoom *o, Json v) {
  if (v.kind == JSON_TEXT) room_bytes(o, v.text, v.n), eval_charge(e, v.n / 16);
  else if (v.kind != VALUE_UNDEFINED) put_repr(e, o, v);
}

Json value_str(Eval *e, Json v) {
  if (v.kind == JSON_TEXT) return v;
  TextRoom o = text_begin(e);
  put_str(e, &o, v);
  return text_end(e, &o);
}

Json value_escape(Eval *e, Json v) {
  static const char from[] = "&<>'\"";
  static const char *const to[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
  if (v.kind == JSON_TEXT && v.flags & JSON_MARKUP) return v;
  v = value_str(e, v);
  TextRoom o = text_begin(e);
  for (uint32_t i = 0; i < v.n; i++) {
    int k = 0;
    while (from[k] && from[k] != v.text[i]) k++;
    if (from[k]) room_text(&o, to[k]);
    else room_bytes(&o, v.text + i, 1);
  }
  v = text_end(e, &o);
  v.flags = JSON_MARKUP;
  return v;
}

/* ---- searching ---- */

static bool matches(const char *a, Json part) {
  for (uint32_t i = 0; i < part.n; i++)
    if (a[i] != part.text[i]) return false;
  return true;
}

int64_t text_find(Eval *e, Json in, Json part, size_t from) {
  size_t tried = 0;
  for (size_t i = from; i + part.n <= in.n; i++) {
    tried += part.n && in.text[i] == part.text[0] ? part.n : 1;
    if (tried >= 4096 && (tried -= 4096, !eval_charge(e, 256))) return -1;
    if (matches(in.text + i, part)) return eval_charge(e, tried / 16) ? (int64_t)i : -1;
  }
  eval_charge(e, tried / 16);
  return -1;
}

static bool in_set(uint32_t c, const Json *chars) {
  uint32_t other;
  if (!chars) return character_is_space(c);
  for (size_t i = 0, size; i < chars->n; i += size) {
    size = utf8_read(chars->text + i, chars->n - i, &other);
    if (!size) return false;
    if (other == c) return true;
  }
  return false;
}

static size_t last_start(const char *s, size_t n) {
  size_t i = n - 1;
  while (i > 0 && ((uint8_t)s[i] & 0xc0) == 0x80) i--;
  return i;
}

Json text_strip(Eval *e, Json v, const Json *chars, bool left, bool right) {
  uint32_t c = 0;
  size_t from = 0, to = v.n, size;
  while (left && from < to && (size = utf8_read(v.text + from, to - from, &c)) > 0 && in_set(c, chars) && eval_charge(e, 1)) from += size;
  while (right && to > from && utf8_read(v.text + last_start(v.text, to), 4, &c) && in_set(c, chars) && eval_charge(e, 1)) to = last_start(v.text, to);
  Json out = json_text(v.text + from, to - from);
  return out.flags = v.flags, out;
}

/* ---- upper and lower case ---- */

static bool is_ignored(uint32_t c) { return character_is(c, CHARACTER_ignored); }

/* A capital sigma behind a letter, and before none. */
static bool is_final(Json v, size_t at) {
  uint32_t c = 0;
  size_t i = at;
  bool behind = false;
  while (i > 0) {
    i = last_start(v.text, i);
    if (!utf8_read(v.text + i, v.n - i, &c) || !is_ignored(c)) {
      behind = character_is_cased(c);
      break;
    }
  }
  for (i = at + 2; behind && i < v.n;) {
    size_t size = utf8_read(v.text + i, v.n - i, &c);
    if (!size || !is_ignored(c)) return !character_is_cased(c);
    i += size;
  }
  return behind;
}

enum { SIGMA = 0x3a3, FINAL_SIGMA = 0x3c2 };

static void put_case(TextRoom *o, Json v, size_t at, uint32_t c, CharacterCase to) {
  uint32_t codes[3];
  char bytes[4];
  int n = character_case(c, to, codes);
  if (to == CHARACTER_TO_lower && c == SIGMA && is_final(v, at)) codes[0] = FINAL_SIGMA;
  for (int i = 0; i < n; i++) room_bytes(o, bytes, utf8_write(codes[i], bytes));
}

Json text_case(Eval *e, Json v, int how) {
  bool cased = false;
  uint8_t flags = v.flags;
  TextRoom o = text_begin(e);
  for (size_t i = 0, size; i < v.n && !o.full; i += size) {
    uint32_t c = 0xfffd;
    size = utf8_read(v.text + i, v.n - i, &c);
    if (!size) size = 1;
    CharacterCase to = how == CASE_UPPER ? CHARACTER_TO_upper : how == CASE_LOWER ? CHARACTER_TO_lower : CHARACTER_TO_title;
    if (how == CASE_TITLE && cased) to = CHARACTER_TO_lower;
    if (how == CASE_CAPITALIZE && i > 0) to = CHARACTER_TO_lower;
    if (how == CASE_SWAP) to = character_is(c, CHARACTER_upper) ? CHARACTER_TO_lower : CHARACTER_TO_upper;
    cased = character_is_cased(c);
    put_case(&o, v, i, c, to);
  }
  eval_charge(e, v.n / 4);
  Json out = text_end(e, &o);
  return out.flags = flags, out;
}

/* ---- cutting and changing ---- */

/* Between all characters where the old text is empty. */
static void spread(TextRoom *o, Json v, Json new, int64_t count) {
  size_t i = 0;
  for (; count != 0; count--) {
    uint32_t c;
    room_bytes(o, new.text, new.n);
    if (i >= v.n || o->full) break;
    size_t size = utf8_read(v.text + i, v.n - i, &c);
    room_bytes(o, v.text + i, size ? size : 1);
    i += size ? size : 1;
  }
  room_bytes(o, v.text + i, v.n - i);
}

Json text_replace(Eval *e, Json v, Json old, Json new, int64_t count) {
  TextRoom o = text_begin(e);
  size_t at = 0;
  if (count < 0) count = INT64_MAX;
  if (old.n == 0) return spread(&o, v, new, count), text_end(e, &o);
  for (int64_t found; count != 0 && (found = text_find(e, v, old, at)) >= 0 && !o.full; count--) {
    room_bytes(&o, v.text + at, (size_t)found - at);
    room_bytes(&o, new.text, new.n);
    at = (size_t)found + old.n;
    if (!eval_charge(e, 1 + new.n / 16)) break;
  }
  room_bytes(&o, v.text + at, v.n - at);
  return text_end(e, &o);
}

static size_t byte_of(Json v, int64_t character) {
  size_t i = 0;
  while (character > 0 && i < v.n) {
    i++;
    while (i < v.n && ((uint8_t)v.text[i] & 0xc0) == 0x80) i++;
    character--;
  }
  return i;
}

Json text_char(Json v, int64_t i) {
  size_t from = byte_of(v, i), to = from + (from < v.n);
  while (to < v.n && ((uint8_t)v.text[to] & 0xc0) == 0x80) to++;
  return json_text(v.text + from, to - from);
}

/* n characters from one on, each so many further than the last. */
Json text_slice(Eval *e, Json v, int64_t from, int64_t n, int64_t step) {
  if (!eval_charge(e, v.n / 8)) return NOTHING;
  if (step == 1) {
    size_t a = byte_of(v, from), b = a + byte_of(json_text(v.text + a, v.n - a), n);
    Json out = json_text(v.text + a, b - a);
    return out.flags = v.flags, out;
  }
  uint32_t *start = eval_take(e, v.n + 1, sizeof *start), count = 0;
  for (uint32_t i = 0; start && i < v.n; i++)
    if (((uint8_t)v.text[i] & 0xc0) != 0x80) start[count++] = i;
  if (!start) return NOTHING;
  start[count] = v.n;
  TextRoom o = text_begin(e);
  for (int64_t k = 0; k < n; k++) {
    int64_t i = from + k * step;
    room_bytes(&o, v.text + start[i], start[i + 1] - start[i]);
  }
  Json out = text_end(e, &o);
  return out.flags = v.flags, out;
}

static size_t line_break(const char *s, size_t n) {
  uint32_t c;
  size_t size = utf8_read(s, n, &c);
  if (!size) return 0;
  if (c == '\r' && n > 1 && s[1] == '\n') return 2;
  bool is = (c >= 10 && c <= 13) || (c >= 28 && c <= 30) || c == 0x85 || c == 0x2028 || c == 0x2029;
  return is ? size : 0;
}

Json text_lines(Eval *e, Json v, bool keep) {
  size_t n = 0, from = 0;
  for (size_t i = 0, size; i < v.n; i += size ? size : 1) n += (size = line_break(v.text + i, v.n - i)) > 0;
  Json *at = eval_charge(e, v.n / 4) ? eval_take(e, n + 1, sizeof *at) : NULL;
  if (!at) return NOTHING;
  n = 0;
  for (size_t i = 0, size; i < v.n; i += size ? size : 1) {
    size = line_break(v.text + i, v.n - i);
    if (!size) continue;
    at[n] = json_text(v.text + from, i + (keep ? size : 0) - from);
    at[n++].flags = v.flags;
    from = i + size;
  }
  if (from < v.n) at[n] = json_text(v.text + from, v.n - from), at[n++].flags = v.flags;
  return value_list(at, n);
}

/* strict: items must be texts. */
Json text_join_all(Eval *e, Json between, Json list, bool strict) {
  TextRoom o = text_begin(e);
  for (uint32_t i = 0; i < list.n && !o.full && !e->failed; i++) {
    if (i) room_bytes(&o, between.text, between.n);
    if (strict && list.at[i].kind != JSON_TEXT) eval_fail(e, "join() takes texts, and not a %s", value_type(list.at[i]));
    put_str(e, &o, list.at[i]);
  }
  return text_end(e, &o);
}

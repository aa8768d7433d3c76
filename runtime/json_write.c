/* json_write.c -- writes JSON as Python's json module does. */
#include "runtime/decimal.h"
#include "runtime/json.h"
#include "runtime/utf8.h"

void room_bytes(TextRoom *o, const char *at, size_t n) {
  if (n > o->size - o->n) n = o->size - o->n, o->full = true;
  for (size_t i = 0; i < n; i++) o->at[o->n + i] = at[i];
  o->n += n;
}

void room_text(TextRoom *o, const char *text) {
  size_t n = 0;
  while (text[n]) n++;
  room_bytes(o, text, n);
}

void room_whole(TextRoom *o, int64_t v) {
  char digit[24];
  size_t n = sizeof digit;
  uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
  do digit[--n] = (char)('0' + u % 10);
  while ((u /= 10) != 0);
  if (v < 0) digit[--n] = '-';
  room_bytes(o, digit + n, sizeof digit - n);
}

static void put_digits(TextRoom *o, const Decimal *d, int from, int to) {
  for (int i = from; i < to; i++) {
    char c = (char)('0' + (i >= 0 && i < d->n ? d->digit[i] : 0));
    room_bytes(o, &c, 1);
  }
}

/* 1e+16, 1.5e-07 */
static void put_far(TextRoom *o, const Decimal *d) {
  int exponent = d->point - 1;
  put_digits(o, d, 0, 1);
  if (d->n > 1) room_text(o, "."), put_digits(o, d, 1, d->n);
  room_text(o, exponent < 0 ? "e-" : "e+");
  if (exponent < 0) exponent = -exponent;
  if (exponent < 10) room_text(o, "0");
  room_whole(o, exponent);
}

void room_float(TextRoom *o, double v) {
  Decimal d;
  if (v != v) return room_text(o, "nan");
  if (__builtin_signbit(v)) room_text(o, "-"), v = -v;
  if (v > 1.7976931348623157e308) return room_text(o, "inf");
  if (v == 0) return room_text(o, "0.0");
  decimal_shortest(&d, v);
  if (d.point > 16 || d.point < -3) return put_far(o, &d);
  put_digits(o, &d, d.point > 0 ? 0 : -1, d.point > 0 ? d.point : 0);
  room_text(o, ".");
  put_digits(o, &d, d.point, d.n > d.point ? d.n : d.point + 1);
}

/* ---- texts ---- */

static void put_unit(TextRoom *o, uint32_t unit) {
  char s[6] = {'\\', 'u'};
  for (int i = 0; i < 4; i++) s[2 + i] = "0123456789abcdef"[unit >> (12 - 4 * i) & 15];
  room_bytes(o, s, sizeof s);
}

static void put_escaped(TextRoom *o, uint32_t c) {
  static const char from[] = "\"\\\n\r\t\f\b", to[] = "\"\\nrtfb";
  for (int i = 0; from[i]; i++)
    if ((uint8_t)from[i] == c) return room_text(o, "\\"), room_bytes(o, &to[i], 1);
  if (c < 0x10000) return put_unit(o, c);
  put_unit(o, 0xd800 + ((c - 0x10000) >> 10));
  put_unit(o, 0xdc00 + ((c - 0x10000) & 0x3ff));
}

void json_write_text(TextRoom *o, const char *text, size_t n, bool ascii) {
  room_text(o, "\"");
  for (size_t i = 0, size; i < n; i += size) {
    uint32_t c = 0xfffd;
    size = utf8_read(text + i, n - i, &c);
    if (!size) size = 1;
    if (c < 32 || c == '"' || c == '\\' || (ascii && c > 126)) put_escaped(o, c);
    else room_bytes(o, text + i, size);
  }
  room_text(o, "\"");
}

/* ---- values ---- */

typedef struct Writer {
  TextRoom *o;
  const JsonStyle *style;
  int depth;
} Writer;

static bool write_value(Writer *w, const Json *v);

static void put_float(TextRoom *o, double v) {
  if (v != v) room_text(o, "NaN");
  else if (v > 1.7976931348623157e308 || v < -1.7976931348623157e308) room_text(o, v > 0 ? "Infinity" : "-Infinity");
  else room_float(o, v);
}

static void new_line(Writer *w) {
  if (!w->style->lines) return;
  room_text(w->o, "\n");
  for (int i = 0; i < w->depth && !w->o->full; i++) room_bytes(w->o, w->style->indent, w->style->n_indent);
}

static void put_between(Writer *w) {
  if (w->style->between) room_bytes(w->o, w->style->between, w->style->n_between);
  else room_text(w->o, w->style->lines ? "," : ", ");
  new_line(w);
}

static void put_then(Writer *w) {
  if (w->style->then) room_bytes(w->o, w->style->then, w->style->n_then);
  else room_text(w->o, ": ");
}

static bool write_list(Writer *w, const Json *v) {
  if (v->n == 0) return room_text(w->o, "[]"), true;
  room_text(w->o, "[");
  w->depth++;
  new_line(w);
  for (uint32_t i = 0; i < v->n && !w->o->full; i++) {
    if (i) put_between(w);
    if (!write_value(w, &v->at[i])) return false;
  }
  w->depth--;
  new_line(w);
  room_text(w->o, "]");
  return true;
}

/* Keys that are no texts become such. */
static bool write_key(Writer *w, const Json *key) {
  if (key->kind == JSON_TEXT) return write_value(w, key);
  if (key->kind > JSON_FLOAT) return false;
  room_text(w->o, "\"");
  bool good = write_value(w, key);
  room_text(w->o, "\"");
  return good;
}

static int compare_text(const Json *a, const Json *b) {
  for (uint32_t i = 0; i < a->n && i < b->n; i++)
    if (a->text[i] != b->text[i]) return (uint8_t)a->text[i] < (uint8_t)b->text[i] ? -1 : 1;
  return a->n < b->n ? -1 : a->n > b->n;
}

static bool is_number(const Json *v) { return v->kind == JSON_BOOL || v->kind == JSON_INT || v->kind == JSON_FLOAT; }
static double number(const Json *v) { return v->kind == JSON_FLOAT ? v->f : v->kind == JSON_INT ? (double)v->i : v->b; }

static bool sortable(const JsonObject *o) {
  for (uint32_t i = 0; i < o->n; i++) {
    bool text = o->member[i].key.kind == JSON_TEXT;
    if (o->n > 1 && ((!text && !is_number(&o->member[i].key)) || text != (o->member[0].key.kind == JSON_TEXT))) return false;
  }
  return true;
}

static bool comes_before(const Json *a, const Json *b) {
  return a->kind == JSON_TEXT ? compare_text(a, b) < 0 : number(a) < number(b);
}

/* The member that comes after the last one. NULL: the first of all. Quadratic: it is for the few parameters of tools. */
static const JsonMember *next_in_order(const JsonObject *o, const JsonMember *last) {
  const JsonMember *next = NULL;
  for (uint32_t i = 0; i < o->n; i++) {
    const JsonMember *m = &o->member[i];
    if (last && !comes_before(&last->key, &m->key)) continue;
    if (!next || comes_before(&m->key, &next->key)) next = m;
  }
  return next;
}

enum { MOST_SORTED = 4096 };

static bool write_object(Writer *w, const JsonObject *o) {
  const JsonMember *m = NULL;
  if (o->n == 0) return room_text(w->o, "{}"), true;
  if (w->style->sorted && (o->n > MOST_SORTED || !sortable(o))) return false;
  room_text(w->o, "{");
  w->depth++;
  new_line(w);
  for (uint32_t i = 0; i < o->n && !w->o->full; i++) {
    m = w->style->sorted ? next_in_order(o, m) : &o->member[i];
    if (i) put_between(w);
    if (!m || !write_key(w, &m->key)) return false;
    put_then(w);
    if (!write_value(w, &m->value)) return false;
  }
  w->depth--;
  new_line(w);
  room_text(w->o, "}");
  return true;
}

static bool write_value(Writer *w, const Json *v) {
  if (w->depth > 2 * JSON_DEPTH) return false;
  switch (v->kind) {
  case JSON_NULL: return room_text(w->o, "null"), true;
  case JSON_BOOL: return room_text(w->o, v->b ? "true" : "false"), true;
  case JSON_INT: return room_whole(w->o, v->i), true;
  case JSON_BIG: return room_bytes(w->o, v->text, v->n), true;
  case JSON_FLOAT: return put_float(w->o, v->f), true;
  case JSON_TEXT: return json_write_text(w->o, v->text, v->n, w->style->ascii), true;
  case JSON_LIST: return write_list(w, v);
  case JSON_OBJECT: return write_object(w, v->object);
  default: return false;
  }
}

bool json_write(TextRoom *o, const Json *v, const JsonStyle *style) {
  Writer w = {.o = o, .style = style};
  return write_value(&w, v);
}

/* json.c -- reads JSON: whole, with bounds, into memory of the caller's. */
#include "runtime/json.h"

#include "runtime/decimal.h"
#include "runtime/utf8.h"

typedef struct Reader {
  const char *text;
  size_t at, n;
  int depth;
  Room *room;
  JsonError *why;
} Reader;

static bool fail_at(Reader *r, size_t at, const char *what) {
  r->why->offset = at;
  r->why->what = what;
  return false;
}

static bool fail(Reader *r, const char *what) { return fail_at(r, r->at, what); }
static bool full(Reader *r) { return fail(r, "there is no memory for so much JSON"); }

static char now(const Reader *r) { return r->at < r->n ? r->text[r->at] : 0; }

static void skip_blanks(Reader *r) {
  while (r->at < r->n && (r->text[r->at] == ' ' || r->text[r->at] == '\n' || r->text[r->at] == '\t' || r->text[r->at] == '\r')) r->at++;
}

/* ---- objects ---- */

static bool same(const char *a, const char *b, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (a[i] != b[i]) return false;
  return true;
}

bool json_same_text(const Json *a, const Json *b) {
  return a->kind == JSON_TEXT && b->kind == JSON_TEXT && a->n == b->n && same(a->text, b->text, a->n);
}

static uint32_t hash(const Json *key) {
  uint32_t h = 2166136261u;
  for (uint32_t i = 0; i < key->n; i++) h = (h ^ (uint8_t)key->text[i]) * 16777619u;
  return h ^ h >> 15;
}

int64_t json_find(const JsonObject *o, const Json *key) {
  if (key->kind != JSON_TEXT) return -1;
  if (o->slot) {
    for (uint32_t i = hash(key) & o->mask; o->slot[i]; i = (i + 1) & o->mask)
      if (json_same_text(&o->member[o->slot[i] - 1].key, key)) return o->slot[i] - 1;
    return -1;
  }
  for (uint32_t i = 0; i < o->n; i++)
    if (json_same_text(&o->member[i].key, key)) return i;
  return -1;
}

const Json *json_get(const Json *object, const char *name) {
  size_t n = 0;
  while (name[n]) n++;
  Json key = json_text(name, n);
  int64_t at = object->kind == JSON_OBJECT ? json_find(object->object, &key) : -1;
  return at < 0 ? NULL : &object->object->member[at].value;
}

enum { SMALL = 8 };

static bool give_slots(JsonObject *o, Room *room, uint32_t n) {
  uint32_t size = 16;
  while (size < n * 2) size *= 2;
  o->mask = size - 1;
  o->slot = room_take_many(room, size, sizeof *o->slot);
  for (uint32_t i = 0; o->slot && i < size; i++) o->slot[i] = 0;
  return o->slot;
}

static void note(JsonObject *o, uint32_t member) {
  const Json *key = &o->member[member].key;
  if (!o->slot || key->kind != JSON_TEXT) return;
  uint32_t i = hash(key) & o->mask;
  while (o->slot[i]) i = (i + 1) & o->mask;
  o->slot[i] = member + 1;
}

JsonObject *json_object_of(Room *room, JsonMember *member, uint32_t n) {
  JsonObject *o = room_take(room, sizeof *o);
  if (!o || n > (uint32_t)1 << 30) return NULL;
  *o = (JsonObject){.member = member};
  if (n > SMALL && !give_slots(o, room, n)) return NULL;
  for (uint32_t i = 0; i < n; i++) {
    int64_t before = json_find(o, &member[i].key);
    if (before >= 0) {
      member[before].value = member[i].value;
      continue;
    }
    member[o->n] = member[i];
    note(o, o->n++);
  }
  return o;
}

/* ---- texts ---- */

static int hex_of(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; }

/* The four digits behind \u, or -1. */
static int32_t unit_at(const Reader *r, size_t at) {
  int32_t v = 0;
  if (r->n - at < 4) return -1;
  for (size_t i = 0; i < 4; i++) {
    int digit = hex_of(r->text[at + i]);
    if (digit < 0) return -1;
    v = v * 16 + digit;
  }
  return v;
}

/* Characters past U+FFFF are escaped as two. */
static bool read_unit(Reader *r, uint32_t *c) {
  int32_t high = unit_at(r, r->at + 2), low = -1;
  if (high < 0) return fail(r, "\\u wants four hexadecimal digits");
  *c = (uint32_t)high;
  if (high < 0xd800 || high > 0xdfff) return r->at += 6, true;
  if (high < 0xdc00 && r->n - r->at >= 12 && r->text[r->at + 6] == '\\' && r->text[r->at + 7] == 'u') low = unit_at(r, r->at + 8);
  if (low < 0xdc00 || low > 0xdfff) return fail(r, "half of a surrogate pair");
  *c = 0x10000 + (((uint32_t)high - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
  return r->at += 12, true;
}

static bool read_escape(Reader *r, uint32_t *c) {
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  char e = r->at + 1 < r->n ? r->text[r->at + 1] : 0;
  if (e == 'u') return read_unit(r, c);
  for (int i = 0; from[i]; i++)
    if (from[i] == e) return *c = (uint8_t)to[i], r->at += 2, true;
  return fail(r, "no such escape");
}

/* Up to the quote that ends it; whether there are escapes in it, too. */
static bool check_text(Reader *r, bool *escapes) {
  uint32_t c;
  for (*escapes = false; r->at < r->n && r->text[r->at] != '"';) {
    size_t size = utf8_read(r->text + r->at, r->n - r->at, &c);
    if (!size) return fail(r, "no UTF-8");
    if (c < 32) return fail(r, "a control character in a text");
    if (c == '\\') {
      *escapes = true;
      if (!read_escape(r, &c)) return false;
    } else r->at += size;
  }
  return r->at < r->n || fail(r, "the text has no end");
}

static bool read_text(Reader *r, Json *out) {
  size_t start = ++r->at, n = 0;
  bool escapes;
  uint32_t c;
  if (!check_text(r, &escapes)) return false;
  size_t end = r->at;
  *out = json_text(r->text + start, end - start);
  if (!escapes) return r->at++, true;
  char *to = room_take(r->room, end - start); /* what is escaped gets shorter */
  if (!to) return full(r);
  for (r->at = start; r->at < end;) {
    if (r->text[r->at] == '\\' && read_escape(r, &c)) n += utf8_write(c, to + n);
    else to[n++] = r->text[r->at++];
  }
  *out = json_text(to, n);
  return r->at++, true;
}

/* ---- numbers ---- */

static size_t digits_at(const Reader *r, size_t at) {
  size_t n = 0;
  while (at + n < r->n && r->text[at + n] >= '0' && r->text[at + n] <= '9') n++;
  return n;
}

static bool read_whole(Reader *r, size_t start, size_t end, Json *out) {
  const char *s = r->text + start;
  bool minus = *s == '-';
  int64_t v = 0;
  for (size_t i = minus; i < end - start; i++)
    if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, s[i] - '0', &v)) goto big;
  if (!minus && v == INT64_MIN) goto big;
  *out = (Json){.kind = JSON_INT, .i = minus ? v : -v};
  return true;
big:
  if (end - start > JSON_DIGITS + (size_t)minus) return fail_at(r, start, "a whole number of more than 4300 digits");
  *out = json_text(s, end - start);
  out->kind = JSON_BIG;
  return true;
}

static bool read_number(Reader *r, Json *out) {
  size_t start = r->at, at = start + (now(r) == '-'), whole = digits_at(r, at), end = at + whole, more;
  if (!whole) return fail(r, "a value is missing");
  if (whole > 1 && r->text[at] == '0') return fail(r, "a number begins with 0");
  if (end < r->n && r->text[end] == '.' && (more = digits_at(r, end + 1)) > 0) end += 1 + more;
  if (end < r->n && (r->text[end] == 'e' || r->text[end] == 'E')) {
    size_t sign = end + 1 < r->n && (r->text[end + 1] == '-' || r->text[end + 1] == '+');
    if ((more = digits_at(r, end + 1 + sign)) > 0) end += 1 + sign + more;
  }
  r->at = end;
  if (end == at + whole) return read_whole(r, start, end, out);
  *out = (Json){.kind = JSON_FLOAT};
  decimal_read(r->text + start, end - start, &out->f);
  return true;
}

/* ---- values ---- */

static bool read_value(Reader *r, Json *out);

/* A comma, then another one: true; or the end. */
static bool goes_on(Reader *r, char end, bool *good) {
  skip_blanks(r);
  *good = true;
  if (now(r) == end && r->at < r->n) return r->at++, false;
  if (now(r) == ',') return r->at++, skip_blanks(r), true;
  *good = fail(r, end == ']' ? "a comma or ] is missing" : "a comma or } is missing");
  return false;
}

static bool read_member(Reader *r, JsonMember *m) {
  if (now(r) != '"') return fail(r, "the name of a member is missing");
  if (!read_text(r, &m->key)) return false;
  skip_blanks(r);
  if (now(r) != ':') return fail(r, "a colon is missing");
  r->at++;
  skip_blanks(r);
  return read_value(r, &m->value);
}

/* What is read waits at the top of the room, the last one lowest, until it is known how many there are. */
static bool read_many(Reader *r, char end, size_t size, void **at, uint32_t *n) {
  size_t top = r->room->top;
  bool more, good = true;
  r->at++;
  skip_blanks(r);
  more = !(r->at < r->n && now(r) == end);
  if (!more) r->at++;
  for (*n = 0; more && good; ++*n) {
    Json one[2] = {{0}};
    good = size == sizeof *one ? read_value(r, one) : read_member(r, (JsonMember *)one);
    Json *to = good ? room_push(r->room, size) : NULL;
    if (good && !to) good = full(r);
    for (size_t i = 0; to && i < size / sizeof *one; i++) to[i] = one[i];
    if (good) more = goes_on(r, end, &good);
  }
  *at = good ? room_take_many(r->room, *n, size) : NULL;
  if (good && !*at) good = full(r);
  for (size_t i = 0; good && i < *n * size; i++) ((char *)*at)[i] = (r->room->at + top - (i / size + 1) * size)[i % size];
  r->room->top = top;
  return good;
}

static bool read_list(Reader *r, Json *out) {
  void *at;
  *out = (Json){.kind = JSON_LIST};
  if (!read_many(r, ']', sizeof(Json), &at, &out->n)) return false;
  out->at = at;
  return true;
}

static bool read_object(Reader *r, Json *out) {
  void *at;
  uint32_t n;
  if (!read_many(r, '}', sizeof(JsonMember), &at, &n)) return false;
  *out = (Json){.kind = JSON_OBJECT, .object = json_object_of(r->room, at, n)};
  return out->object || full(r);
}

static bool read_word(Reader *r, Json *out) {
  static const struct {
    const char *word;
    Json value;
  } words[] = {{"null", {.kind = JSON_NULL}}, {"true", {.kind = JSON_BOOL, .b = true}}, {"false", {.kind = JSON_BOOL}}};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    size_t n = i == 2 ? 5 : 4;
    if (r->n - r->at < n || !same(r->text + r->at, words[i].word, n)) continue;
    return *out = words[i].value, r->at += n, true;
  }
  return fail(r, r->at < r->n ? "no value begins like this" : "a value is missing");
}

static bool read_value(Reader *r, Json *out) {
  bool nested = now(r) == '[' || now(r) == '{', good;
  if (now(r) == '"') return read_text(r, out);
  if (now(r) == '-' || (now(r) >= '0' && now(r) <= '9')) return read_number(r, out);
  if (!nested) return read_word(r, out);
  if (++r->depth > JSON_DEPTH) return fail(r, "more than 128 lists and objects within one another");
  good = now(r) == '[' ? read_list(r, out) : read_object(r, out);
  r->depth--;
  return good;
}

bool json_read(const char *text, size_t n, Room *room, Json *out, JsonError *why) {
  Reader r = {.text = text, .n = n, .room = room, .why = why};
  if (n > INT32_MAX) return fail_at(&r, n, "more than 2 GiB");
  skip_blanks(&r);
  if (!read_value(&r, out)) return false;
  skip_blanks(&r);
  return r.at == n || fail(&r, "something follows the value");
}

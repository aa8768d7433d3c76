/* mutate_wire.c -- damage to a file in protobuf's wire form that leaves it well-formed: fields, and not bytes, are changed,
 * and the lengths around them are written anew. Bytes alone rarely get past the first length. */
#include "mutate.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 70, MAX_FIELDS = 5000, WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

typedef struct Field {
  uint64_t number, value; /* value: of a varint */
  unsigned wire;
  int depth;
  const uint8_t *body;
  size_t n;
  bool is_message;
} Field;

/* All fields of a file, in order, those of a message right behind it. */
typedef struct Fields {
  Field at[MAX_FIELDS];
  int n;
} Fields;

/* ---- reading ---- */

static bool read_number(const uint8_t **at, const uint8_t *end, uint64_t *v) {
  *v = 0;
  for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
    uint8_t b = *(*at)++;
    *v |= (uint64_t)(b & 0x7f) << shift;
    if (!(b & 0x80)) return true;
  }
  return false;
}

static bool read_field(const uint8_t **at, const uint8_t *end, Field *f) {
  uint64_t tag, n;
  if (!read_number(at, end, &tag) || tag >> 3 == 0 || tag >> 32) return false;
  *f = (Field){.number = tag >> 3, .wire = tag & 7, .body = *at};
  if (f->wire == WIRE_VARINT) return read_number(at, end, &f->value);
  if (f->wire == WIRE_BYTES && !read_number(at, end, &n)) return false;
  if (f->wire == WIRE_64)
    n = 8;
  else if (f->wire == WIRE_32)
    n = 4;
  else if (f->wire != WIRE_BYTES)
    return false;
  if (n > (uint64_t)(end - *at)) return false;
  f->body = *at;
  f->n = (size_t)n;
  *at += n;
  return true;
}

/* What parses as fields is taken to be a message, which a short string may be by chance; no harm is done. */
static bool is_message(const Field *f) {
  if (f->wire != WIRE_BYTES || f->n < 2) return false;
  Field inner;
  for (const uint8_t *at = f->body; at < f->body + f->n;)
    if (!read_field(&at, f->body + f->n, &inner)) return false;
  return true;
}

static void list_fields(Fields *l, const uint8_t *at, const uint8_t *end, int depth) {
  Field f;
  while (at < end && l->n < MAX_FIELDS && read_field(&at, end, &f)) {
    f.depth = depth;
    f.is_message = depth < MAX_DEPTH && is_message(&f);
    l->at[l->n++] = f;
    if (f.is_message) list_fields(l, f.body, f.body + f.n, depth + 1);
  }
}

/* ---- writing ---- */

static void put(Input *out, const void *bytes, size_t n) {
  if (out->n + n > out->cap) {
    out->cap = 2 * (out->n + n) + 64;
    out->at = realloc(out->at, out->cap);
    if (!out->at) abort();
  }
  if (n) memcpy(out->at + out->n, bytes, n);
  out->n += n;
}

static void put_number(Input *out, uint64_t v) {
  for (; v > 0x7f; v >>= 7) put(out, &(uint8_t){(uint8_t)(v | 0x80)}, 1);
  put(out, &(uint8_t){(uint8_t)v}, 1);
}

static void put_field(Input *out, const Field *f, const uint8_t *body, size_t n) {
  put_number(out, f->number << 3 | f->wire);
  if (f->wire == WIRE_VARINT) put_number(out, f->value);
  if (f->wire == WIRE_BYTES) put_number(out, n);
  if (f->wire != WIRE_VARINT) put(out, body, n);
}

/* ---- changes ---- */

typedef struct Change {
  const Fields *all, *other;
  int target, next; /* the field to change, and the number of the next one that is seen */
  Random *random;
} Change;

static uint64_t odd_number(Random *r, uint64_t v) {
  static const uint64_t odd[] = {
      0,   1,     2,         3,          7,          12,         13,        16,         64,         255,
      256, 65536, INT32_MAX, 1ull << 31, 1ull << 32, 1ull << 62, INT64_MAX, 1ull << 63, UINT64_MAX, UINT64_MAX - 1};
  if (random_index(r, 3) == 0) return v + (random_index(r, 2) ? 1 : UINT64_MAX);
  return odd[random_index(r, sizeof odd / sizeof *odd)];
}

static const Field *any_like(const Fields *l, const Field *f, Random *r) {
  for (int tries = 0; tries < 50 && l->n; tries++) {
    const Field *g = &l->at[random_index(r, (size_t)l->n)];
    if (g->wire == f->wire && (g->number == f->number || tries > 30)) return g;
  }
  return f;
}

/* A string or packed numbers: a byte of it changes, goes or comes. */
static void put_damaged(Input *out, const Field *f, Random *r) {
  Input copy = {0};
  input_set(&copy, f->body, f->n);
  size_t at = random_index(r, copy.n + 1);
  if (at < copy.n && random_index(r, 2))
    copy.at[at] ^= (uint8_t)(1u << random_index(r, 8));
  else if (at < copy.n && f->wire == WIRE_BYTES)
    copy.n = at;
  else if (f->wire == WIRE_BYTES)
    put(&copy, &(uint8_t){(uint8_t)random_next(r)}, 1);
  put_field(out, f, copy.at, copy.n);
  free(copy.at);
}

static void put_changed(Input *out, const Field *f, Change *c) {
  const Field *like = any_like(random_index(c->random, 3) ? c->all : c->other, f, c->random);
  Field g = *f;
  switch (random_index(c->random, 6)) {
  case 0: return;
  case 1:
    put_field(out, f, f->body, f->n);
    put_field(out, f, f->body, f->n);
    return;
  case 2:
    put_field(out, f, f->body, f->n);
    put_field(out, like, like->body, like->n);
    return;
  case 3:
    g.value = like->value;
    put_field(out, &g, like->body, like->n);
    return;
  default:
    g.value = odd_number(c->random, f->value);
    if (f->wire == WIRE_VARINT)
      put_field(out, &g, NULL, 0);
    else
      put_damaged(out, f, c->random);
  }
}

/* In the order of list_fields, so that numbers agree. */
static void rewrite(Input *out, Change *c, const uint8_t *at, const uint8_t *end, int depth) {
  Field f;
  while (at < end && read_field(&at, end, &f)) {
    int number = c->next++;
    bool message = depth < MAX_DEPTH && is_message(&f);
    if (number == c->target) {
      put_changed(out, &f, c);
      continue;
    }
    if (!message) {
      put_field(out, &f, f.body, f.n);
      continue;
    }
    Input inner = {0};
    rewrite(&inner, c, f.body, f.body + f.n, depth + 1);
    put_field(out, &f, inner.at, inner.n);
    free(inner.at);
  }
}

void mutate_wire(Input *in, const Input *other, Random *r) {
  Fields *all = calloc(2, sizeof *all);
  if (!all) abort();
  size_t n = 1 + random_index(r, 4);
  if (other->n) list_fields(&all[1], other->at, other->at + other->n, 0);
  for (; n > 0; n--) {
    all[0].n = 0;
    if (in->n) list_fields(&all[0], in->at, in->at + in->n, 0);
    if (all[0].n == 0) break;
    Input out = {0};
    Change c = {.all = &all[0], .other = &all[1], .random = r};
    c.target = (int)random_index(r, (size_t)all[0].n);
    rewrite(&out, &c, in->at, in->at + in->n, 0);
    input_set(in, out.at, out.n);
    free(out.at);
  }
  free(all);
}

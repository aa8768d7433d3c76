/* wire.h -- writes protobuf's wire form, well-formed or not, for tests of the importer. */
#ifndef LATHE_TESTS_WIRE_H
#define LATHE_TESTS_WIRE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ir/fatal.h"

typedef struct Wire {
  unsigned char *at;
  size_t n, cap;
} Wire;

static inline void wire_free(Wire *w) {
  free(w->at);
  *w = (Wire){0};
}

static inline void wire_raw(Wire *w, const void *bytes, size_t n) {
  if (w->n + n > w->cap) {
    w->cap = 2 * (w->n + n) + 64;
    w->at = realloc(w->at, w->cap);
    ensure(w->at);
  }
  if (n) memcpy(w->at + w->n, bytes, n);
  w->n += n;
}

static inline void wire_number(Wire *w, uint64_t v) {
  do {
    unsigned char b = (unsigned char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
    wire_raw(w, &b, 1);
    v >>= 7;
  } while (v);
}

static inline void wire_tag(Wire *w, int field, unsigned type) { wire_number(w, (uint64_t)field << 3 | type); }

static inline void wire_int(Wire *w, int field, int64_t v) {
  wire_tag(w, field, 0);
  wire_number(w, (uint64_t)v);
}

static inline void wire_bytes(Wire *w, int field, const void *bytes, size_t n) {
  wire_tag(w, field, 2);
  wire_number(w, n);
  wire_raw(w, bytes, n);
}

static inline void wire_string(Wire *w, int field, const char *s) { wire_bytes(w, field, s, strlen(s)); }

/* A message within, which is freed. */
static inline void wire_message(Wire *w, int field, Wire inner) {
  wire_bytes(w, field, inner.at, inner.n);
  wire_free(&inner);
}

/* ---- ONNX ---- */

enum { WIRE_FLOAT = 1, WIRE_INT64 = 7, WIRE_STRING = 8, WIRE_BOOL = 9 };

/* A tensor's name, type and dims; the contents are the caller's to add. */
static inline Wire wire_tensor(const char *name, int type, int rank, const int64_t *dim) {
  Wire t = {0};
  for (int i = 0; i < rank; i++) wire_int(&t, 1, dim[i]);
  wire_int(&t, 2, type);
  wire_string(&t, 8, name);
  return t;
}

/* A graph's input or output; a dim of -2 is left without a value. */
static inline Wire wire_value(const char *name, int type, int rank, const int64_t *dim) {
  Wire shape = {0}, tensor = {0}, all = {0}, v = {0};
  for (int i = 0; i < rank; i++) {
    Wire d = {0};
    if (dim[i] != -2) wire_int(&d, 1, dim[i]);
    wire_message(&shape, 1, d);
  }
  wire_int(&tensor, 1, type);
  wire_message(&tensor, 2, shape);
  wire_message(&all, 1, tensor);
  wire_string(&v, 1, name);
  wire_message(&v, 2, all);
  return v;
}

/* Operands and results are words separated by spaces. */
static inline void wire_words(Wire *w, int field, const char *words) {
  for (const char *p = words; *p;) {
    size_t n = strcspn(p, " ");
    wire_bytes(w, field, p, n);
    p += n + strspn(p + n, " ");
  }
}

static inline Wire wire_node(const char *op, const char *in, const char *out) {
  Wire n = {0};
  wire_words(&n, 1, in);
  wire_words(&n, 2, out);
  wire_string(&n, 4, op);
  return n;
}

static inline Wire wire_opset(const char *domain, int64_t version) {
  Wire o = {0};
  wire_string(&o, 1, domain);
  wire_int(&o, 2, version);
  return o;
}

static inline Wire wire_model_of(Wire graph, int64_t opset) {
  Wire m = {0};
  wire_int(&m, 1, 8);
  wire_message(&m, 8, wire_opset("", opset));
  wire_message(&m, 7, graph);
  return m;
}

static inline Wire wire_model(Wire graph) { return wire_model_of(graph, 17); }

#endif

/* onnx_scan.c -- the wire form of an ONNX file: checked first, then unpacked without the tensors' contents.
 *
 * protobuf-c copies every byte field, keeps what it does not know and recurses as deep as the file says. So this scanner
 * goes over the file twice, touching only tags and lengths of tensors' contents: once to check and count, and once to
 * write the skeleton, in which the contents are replaced by Spans (onnx.proto) and unknown fields are gone. A message's
 * length in the skeleton is known after its fields are written; five bytes are kept for it, a varint's longest form. */
#include "frontend/onnx_scan.h"

#include <inttypes.h>
#include <stdlib.h>

#include "ir/fatal.h"
#include "onnx.pb-c.h"

typedef struct Scan {
  Diag *diag;
  Loc loc;
  const uint8_t *wire;
  uint64_t messages, payload;
  uint8_t *out; /* NULL: only count */
  size_t used;
} Scan;

typedef struct Cursor {
  const uint8_t *at, *end;
} Cursor;

typedef struct WireField {
  uint64_t number;
  unsigned wire;
  const uint8_t *tag, *body, *end; /* body: behind the tag and, if there is one, the length */
} WireField;

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5, LENGTH_BYTES = 5, SPAN_FIELD = 1000000 };

__attribute__((format(printf, 3, 4))) static bool fail(Scan *s, const uint8_t *at, const char *fmt, ...) {
  char text[200];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  return diag_error(s->diag, s->loc, "at byte %td: %s", at - s->wire, text);
}

/* ---- reading ---- */

static bool read_varint(Scan *s, Cursor *c, uint64_t *v) {
  const uint8_t *start = c->at;
  *v = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (c->at == c->end) return fail(s, start, "the file is cut short in a number");
    uint8_t b = *c->at++;
    *v |= shift < 63 ? (uint64_t)(b & 0x7f) << shift : (uint64_t)(b & 1) << 63;
    if (!(b & 0x80)) return true;
  }
  return fail(s, start, "a number has more than ten bytes");
}

static bool skip(Scan *s, Cursor *c, uint64_t n) {
  if (n > (uint64_t)(c->end - c->at))
    return fail(s, c->at, "a field of %" PRIu64 " bytes, and %td are left", n, c->end - c->at);
  c->at += n;
  return true;
}

static bool read_body(Scan *s, Cursor *c, WireField *f) {
  uint64_t n;
  f->body = c->at;
  switch (f->wire) {
  case WIRE_VARINT: return read_varint(s, c, &n);
  case WIRE_64: return skip(s, c, 8);
  case WIRE_32: return skip(s, c, 4);
  case WIRE_BYTES:
    if (!read_varint(s, c, &n)) return false;
    f->body = c->at;
    return skip(s, c, n);
  default: return fail(s, f->tag, "wire type %u, which ONNX does not use", f->wire);
  }
}

static bool read_field(Scan *s, Cursor *c, WireField *f) {
  uint64_t tag;
  f->tag = c->at;
  if (!read_varint(s, c, &tag)) return false;
  f->number = tag >> 3;
  f->wire = tag & 7;
  if (f->number == 0 || f->number >= 1u << 29) return fail(s, f->tag, "field number %" PRIu64, f->number);
  if (!read_body(s, c, f)) return false;
  f->end = c->at;
  return true;
}

/* ---- writing ---- */

static void put(Scan *s, const void *bytes, size_t n) {
  if (s->out) memcpy(s->out + s->used, bytes, n);
  s->used += n;
}

static void put_number(Scan *s, uint64_t v, int least) {
  uint8_t b[10];
  size_t n = 0;
  while (v >= 0x80 || least > 1) b[n++] = (uint8_t)(v | 0x80), v >>= 7, least--;
  b[n++] = (uint8_t)v;
  put(s, b, n);
}

static void put_fixed64(Scan *s, uint64_t tag, uint64_t v) {
  put_number(s, tag << 3 | WIRE_64, 1);
  put(s, &v, sizeof v);
}

/* Span's fields by their numbers, in 22 bytes. */
static void put_span(Scan *s, uint64_t field, bool tagged, const uint8_t *at, const uint8_t *end) {
  put_number(s, (uint64_t)SPAN_FIELD << 3 | WIRE_BYTES, 1);
  put_number(s, 22, 1);
  put_number(s, 1 << 3 | WIRE_VARINT, 1);
  put_number(s, field, 1);
  put_number(s, 2 << 3 | WIRE_VARINT, 1);
  put_number(s, tagged, 1);
  put_fixed64(s, 3, (uint64_t)(at - s->wire));
  put_fixed64(s, 4, (uint64_t)(end - at));
}

/* ---- messages ---- */

/* The fields of TensorProto that hold its contents, and the wire type of one element outside a packed field. */
// clang-format off
static const struct { uint8_t field, wire; } payloads[] = {
    {4, WIRE_32},     /* float_data */
    {5, WIRE_VARINT}, /* int32_data */
    {6, WIRE_BYTES},  /* string_data */
    {7, WIRE_VARINT}, /* int64_data */
    {9, WIRE_BYTES},  /* raw_data */
    {10, WIRE_64},    /* double_data */
    {11, WIRE_VARINT} /* uint64_data */
};
// clang-format on

static int payload_wire(const ProtobufCMessageDescriptor *d, uint64_t field) {
  if (d != &lathe__onnx__tensor_proto__descriptor) return -1;
  for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++)
    if (payloads[i].field == field) return payloads[i].wire;
  return -1;
}

static bool count_message(Scan *s, const uint8_t *at) {
  if (++s->messages <= ONNX_MAX_MESSAGES) return true;
  return fail(s, at, "more than %d messages", ONNX_MAX_MESSAGES);
}

/* A packed field is one span, and so is a run of elements that are not packed. */
static bool scan_payload(Scan *s, Cursor *c, const WireField *f, int wire) {
  bool tagged = f->wire != WIRE_BYTES;
  if (tagged && f->wire != (unsigned)wire)
    return fail(s, f->tag, "field %" PRIu64 " of TensorProto has wire type %u", f->number, f->wire);
  const uint8_t *end = f->end;
  for (WireField next; tagged && c->at < c->end; end = next.end) {
    const uint8_t *before = c->at;
    if (!read_field(s, c, &next)) return false;
    if (next.number == f->number && next.wire == f->wire) continue;
    c->at = before;
    break;
  }
  const uint8_t *start = tagged ? f->tag : f->body;
  put_span(s, f->number, tagged, start, end);
  bool as_is = !tagged && wire != WIRE_VARINT; /* the rest must be decoded, into memory */
  if (as_is) s->payload += (uint64_t)(end - start);
  return count_message(s, f->tag);
}

static bool wire_fits(const ProtobufCFieldDescriptor *d, unsigned wire) {
  bool packable = d->label == PROTOBUF_C_LABEL_REPEATED;
  switch (d->type) {
  case PROTOBUF_C_TYPE_STRING:
  case PROTOBUF_C_TYPE_BYTES:
  case PROTOBUF_C_TYPE_MESSAGE: return wire == WIRE_BYTES;
  case PROTOBUF_C_TYPE_FLOAT: return wire == WIRE_32 || (packable && wire == WIRE_BYTES);
  case PROTOBUF_C_TYPE_FIXED64: return wire == WIRE_64;
  default: return wire == WIRE_VARINT || (packable && wire == WIRE_BYTES);
  }
}

static bool scan_message(Scan *s, const ProtobufCMessageDescriptor *d, Cursor c, int depth);

static bool scan_child(Scan *s, const ProtobufCMessageDescriptor *d, const WireField *f, int depth) {
  put_number(s, f->number << 3 | WIRE_BYTES, 1);
  size_t length = s->used, end;
  put_number(s, 0, LENGTH_BYTES);
  if (!scan_message(s, d, (Cursor){f->body, f->end}, depth + 1)) return false;
  end = s->used;
  s->used = length;
  put_number(s, end - length - LENGTH_BYTES, LENGTH_BYTES);
  s->used = end;
  return true;
}

static bool scan_field(Scan *s, const ProtobufCMessageDescriptor *d, Cursor *c, const WireField *f, int depth) {
  int wire = payload_wire(d, f->number);
  if (wire >= 0) return scan_payload(s, c, f, wire);
  const ProtobufCFieldDescriptor *fd =
      f->number < SPAN_FIELD ? protobuf_c_message_descriptor_get_field(d, (unsigned)f->number) : NULL;
  if (!fd) return true;
  if (!wire_fits(fd, f->wire)) return fail(s, f->tag, "%s.%s has wire type %u", d->short_name, fd->name, f->wire);
  if (fd->type == PROTOBUF_C_TYPE_MESSAGE) return scan_child(s, fd->descriptor, f, depth);
  if (fd->type == PROTOBUF_C_TYPE_STRING && memchr(f->body, 0, (size_t)(f->end - f->body)))
    return fail(s, f->body, "%s.%s holds a NUL", d->short_name, fd->name);
  put(s, f->tag, (size_t)(f->end - f->tag));
  return true;
}

static bool scan_message(Scan *s, const ProtobufCMessageDescriptor *d, Cursor c, int depth) {
  if (depth > ONNX_MAX_DEPTH) return fail(s, c.at, "messages are nested more than %d deep", ONNX_MAX_DEPTH);
  if (!count_message(s, c.at)) return false;
  while (c.at < c.end) {
    WireField f;
    if (!read_field(s, &c, &f) || !scan_field(s, d, &c, &f, depth)) return false;
  }
  return true;
}

/* ---- unpacking ---- */

/* What protobuf-c may take: many times what models need, and a bound for the file that is all tiny parts. */
typedef struct Bound {
  Arena *arena;
  size_t left;
} Bound;

static void *bound_alloc(void *data, size_t n) {
  Bound *b = data;
  if (n + 16 > b->left) return NULL;
  b->left -= n + 16;
  return arena_alloc(b->arena, n);
}

static void bound_free(void *data, void *p) { (void)data, (void)p; }

ProtobufCMessage *onnx_unpack(Arena *a, Diag *d, Loc loc, const ProtobufCMessageDescriptor *root, const void *wire,
                              size_t size, size_t *structure) {
  Scan s = {.diag = d, .loc = loc, .wire = wire};
  Cursor all = {wire, (const uint8_t *)wire + size};
  if (!scan_message(&s, root, all, 1)) return NULL;
  size_t bytes = size - (size_t)s.payload, total = s.used;
  if (bytes > ONNX_MAX_STRUCTURE) {
    diag_error(d, loc, "%zu bytes of structure beside the tensors, and at most %d are read", bytes, ONNX_MAX_STRUCTURE);
    return NULL;
  }
  s.messages = s.used = 0;
  s.out = malloc(total + 1);
  if (!s.out) fatal_resource("out of memory (asked for %zu bytes)", total);
  ensure(scan_message(&s, root, all, 1) && s.used == total);
  Bound bound = {a, ((size_t)16 << 20) + 56 * bytes};
  ProtobufCAllocator allocator = {bound_alloc, bound_free, &bound};
  ProtobufCMessage *m = protobuf_c_message_unpack(root, &allocator, total, s.out);
  free(s.out);
  if (structure) *structure = bytes;
  if (!m) diag_error(d, loc, bound.left < 4096 ? "too many small parts" : "not a well-formed %s", root->short_name);
  return m;
}

/* onnx_tensor.c -- tensors as ONNX stores them: in the model, in files beside it, or each in a file of its own. */
#include "frontend/onnx_tensor.h"

#include <ctype.h>
#include <inttypes.h>

#include "frontend/onnx_scan.h"
#include "ir/checked.h"
#include "ir/fatal.h"
#include "onnx.pb-c.h"

typedef Lathe__Onnx__TensorProto PbTensor;
typedef Lathe__Onnx__Span PbSpan;

/* Up to this many bytes a constant is printed where it is used: scalars, axes, shapes. */
enum { LITERAL_BYTES = 128 };

/* TensorProto's fields of contents. */
enum { FLOAT_DATA = 4, INT32_DATA = 5, INT64_DATA = 7, RAW_DATA = 9, DOUBLE_DATA = 10, UINT64_DATA = 11 };

/* ---- element types ---- */

const char *onnx_type_name(int64_t code) {
  static const char *const name[] = {"UNDEFINED",      "FLOAT",    "UINT8",        "INT8",           "UINT16",
                                     "INT16",          "INT32",    "INT64",        "STRING",         "BOOL",
                                     "FLOAT16",        "DOUBLE",   "UINT32",       "UINT64",         "COMPLEX64",
                                     "COMPLEX128",     "BFLOAT16", "FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2",
                                     "FLOAT8E5M2FNUZ", "UINT4",    "INT4",         "FLOAT4E2M1",     "FLOAT8E8M0",
                                     "UINT2",          "INT2",     "FLOAT6E2M3",   "FLOAT6E3M2"};
  return code >= 0 && code < (int64_t)(sizeof name / sizeof *name) ? name[code] : NULL;
}

Dtype onnx_element_type(Diag *d, Loc loc, int64_t code) {
  Dtype t = code > 0 && code < 1000 ? dtype_from_onnx((int)code) : DT_none;
  if (t != DT_none) return t;
  const char *name = onnx_type_name(code);
  if (name && code > 0)
    diag_error(d, loc, "elements of type %s are not supported", name);
  else
    diag_error(d, loc, "unknown element type %" PRId64, code);
  return DT_none;
}

/* ---- sizes ---- */

static bool read_shape(OnnxStore *s, const PbTensor *t, Loc loc, OnnxData *out) {
  if (t->n_dims > MAX_RANK)
    return diag_error(s->diag, loc, "a tensor of rank %zu, and at most %d is supported", t->n_dims, MAX_RANK);
  out->rank = (int)t->n_dims;
  out->count = 1;
  for (int i = 0; i < out->rank; i++) {
    out->dim[i] = t->dims[i];
    if (out->dim[i] < 0) return diag_error(s->diag, loc, "dim %d of a tensor is %" PRId64, i, out->dim[i]);
    if (!checked_mul(out->count, out->dim[i], &out->count))
      return diag_error(s->diag, loc, "the product of a tensor's dims overflows 64 bits at dim %d, %" PRId64, i,
                        out->dim[i]);
  }
  if (!dtype_size(out->dtype, out->count, &out->size))
    return diag_error(s->diag, loc, "the size of a tensor of %" PRId64 " elements overflows 64 bits", out->count);
  return true;
}

static bool wrong_size(OnnxStore *s, Loc loc, const OnnxData *d, const char *what, int64_t bytes) {
  return diag_error(s->diag, loc, "%s has %" PRId64 " bytes, and the shape says %" PRId64 " (%" PRId64 " of %s)", what,
                    bytes, d->size, d->count, dtype_name(d->dtype));
}

/* ---- external data ---- */

static const char *folder_of(Arena *a, const char *path) {
  const char *slash = strrchr(path, '/');
  if (!slash) return ".";
  return slash == path ? "/" : arena_string(a, path, (size_t)(slash - path));
}

/* NULL after a diag_error. */
static OnnxExternal *find_external(OnnxStore *s, Loc loc, const char *location) {
  OnnxExternal *e = strmap_get(&s->locations, location);
  if (e) return e;
  e = ARENA_NEW(s->arena, OnnxExternal);
  e->location = arena_string(s->arena, location, strlen(location));
  if (!onnx_map_beneath(s->diag, loc, folder_of(s->arena, s->path), location, &e->bytes)) return NULL;
  strmap_add(s->arena, &s->locations, e->location, e);
  vec_push(s->arena, &s->external, e);
  return e;
}

/* A decimal number, the way that external_data writes offset and length. */
static bool read_number(OnnxStore *s, Loc loc, const char *key, const char *text, int64_t *out) {
  int64_t v = 0;
  const char *p = text;
  for (; isdigit((unsigned char)*p); p++)
    if (!checked_mul(v, 10, &v) || !checked_add(v, *p - '0', &v))
      return diag_error(s->diag, loc, "external data's %s %s overflows 64 bits", key, text);
  if (*p || p == text)
    return diag_error(s->diag, loc, "external data's %s is `%s`, which is not a number from 0 on", key, text);
  *out = v;
  return true;
}

static bool read_external(OnnxStore *s, const PbTensor *t, Loc loc, OnnxData *out) {
  const char *location = "";
  int64_t offset = 0, length = -1, end;
  if (t->n_payload) return diag_error(s->diag, loc, "a tensor has both external data and contents of its own");
  for (size_t i = 0; i < t->n_external_data; i++) {
    const char *key = t->external_data[i]->key, *value = t->external_data[i]->value;
    if (!key || !value) return diag_error(s->diag, loc, "external data with a key or value missing");
    if (strcmp(key, "location") == 0) location = value;
    if (strcmp(key, "offset") == 0 && !read_number(s, loc, key, value, &offset)) return false;
    if (strcmp(key, "length") == 0 && !read_number(s, loc, key, value, &length)) return false;
  }
  if (length >= 0 && length != out->size) return wrong_size(s, loc, out, "external data", length);
  out->external = find_external(s, loc, location);
  if (!out->external) return false;
  const OnnxBytes *file = &out->external->bytes;
  if (!checked_add(offset, out->size, &end) || end > file->size)
    return diag_error(s->diag, loc,
                      "external data at %" PRId64 " of %" PRId64 " bytes lies beyond the %" PRId64 " of `%s`", offset,
                      out->size, file->size, location);
  out->at = file->at + offset;
  out->place = ONNX_IN_EXTERNAL;
  return true;
}

/* ---- contents in the model ---- */

static unsigned field_of(Dtype t) {
  switch (t) {
  case DT_f32: return FLOAT_DATA;
  case DT_f64: return DOUBLE_DATA;
  case DT_i64: return INT64_DATA;
  case DT_u64:
  case DT_u32: return UINT64_DATA;
  default: return INT32_DATA;
  }
}

static const char *field_name(unsigned field) {
  switch (field) {
  case FLOAT_DATA: return "float_data";
  case INT32_DATA: return "int32_data";
  case INT64_DATA: return "int64_data";
  case RAW_DATA: return "raw_data";
  case DOUBLE_DATA: return "double_data";
  case UINT64_DATA: return "uint64_data";
  default: return "string_data";
  }
}

/* The scanner has walked over a tagged run, but has not looked into a packed field. */
static bool next_varint(const uint8_t **at, const uint8_t *end, uint64_t *v) {
  *v = 0;
  for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
    uint8_t b = *(*at)++;
    *v |= (uint64_t)(b & 0x7f) << shift;
    if (!(b & 0x80)) return true;
  }
  return false;
}

static bool next_fixed(const uint8_t **at, const uint8_t *end, size_t n, uint64_t *v) {
  *v = 0;
  if ((size_t)(end - *at) < n) return false;
  memcpy(v, *at, n);
  *at += n;
  return true;
}

/* Elements are stored one by one: `unit` bytes of each number, which is the element or, for types narrower than a byte,
 * a byte of them. */
typedef struct Decode {
  uint8_t *out;
  int64_t n, have;
  size_t unit, fixed; /* fixed: bytes of a number in the file; 0: a varint */
  bool is_bool;
} Decode;

/* False: the span is malformed. Numbers past the expected count are counted, not stored. */
static bool decode_span(Decode *d, const uint8_t *at, const uint8_t *end, bool tagged) {
  while (at < end) {
    uint64_t v;
    if (tagged && !next_varint(&at, end, &v)) return false;
    if (!(d->fixed ? next_fixed(&at, end, d->fixed, &v) : next_varint(&at, end, &v))) return false;
    if (d->is_bool) v = v != 0;
    if (d->have < d->n) memcpy(d->out + (size_t)d->have * d->unit, &v, d->unit);
    d->have++;
  }
  return true;
}

static bool decode(OnnxStore *s, const PbTensor *t, Loc loc, OnnxData *out, unsigned field) {
  size_t width = (size_t)dtype_bits(out->dtype) / 8;
  Decode d = {.unit = width ? width : 1, .is_bool = out->dtype == DT_bool};
  d.n = width ? out->count : out->size;
  d.fixed = field == FLOAT_DATA ? 4 : field == DOUBLE_DATA ? 8 : 0;
  int64_t wire = 0;
  for (size_t i = 0; i < t->n_payload; i++) wire += (int64_t)t->payload[i]->length;
  if (d.n > wire) return wrong_size(s, loc, out, field_name(field), wire); /* before memory is taken */
  d.out = arena_alloc(s->arena, (size_t)out->size);
  for (size_t i = 0; i < t->n_payload; i++) {
    const PbSpan *p = t->payload[i];
    const uint8_t *at = s->bytes.at + p->offset;
    if (!decode_span(&d, at, at + p->length, p->tagged))
      return diag_error(s->diag, loc, "malformed %s", field_name(field));
  }
  if (d.have != d.n)
    return diag_error(s->diag, loc, "%s has %" PRId64 " numbers, and the shape says %" PRId64, field_name(field),
                      d.have, d.n);
  out->at = d.out;
  return true;
}

static bool read_contents(OnnxStore *s, const PbTensor *t, Loc loc, OnnxData *out) {
  out->at = "";
  if (t->n_payload == 0 && out->size == 0) return true;
  if (t->n_payload == 0)
    return diag_error(s->diag, loc, "a tensor of %" PRId64 " elements has no contents", out->count);
  const PbSpan *first = t->payload[0];
  unsigned want = field_of(out->dtype);
  for (size_t i = 0; i < t->n_payload; i++)
    if (t->payload[i]->field != first->field)
      return diag_error(s->diag, loc, "a tensor has both %s and %s", field_name(first->field),
                        field_name(t->payload[i]->field));
  if (first->field != RAW_DATA && first->field != want)
    return diag_error(s->diag, loc, "a tensor of %s has its contents in %s, and not in %s", dtype_name(out->dtype),
                      field_name(first->field), field_name(want));
  bool as_is = first->field == RAW_DATA || (!first->tagged && (want == FLOAT_DATA || want == DOUBLE_DATA));
  if (first->field == RAW_DATA && t->n_payload > 1) return diag_error(s->diag, loc, "a tensor has raw_data twice");
  if (!as_is || t->n_payload > 1) return decode(s, t, loc, out, first->field);
  if ((int64_t)first->length != out->size)
    return wrong_size(s, loc, out, field_name(first->field), (int64_t)first->length);
  out->at = s->bytes.at + first->offset;
  out->place = ONNX_IN_MODEL;
  return true;
}

bool onnx_read_tensor(OnnxStore *s, const PbTensor *t, Loc loc, OnnxData *out) {
  *out = (OnnxData){.place = ONNX_IN_ARENA};
  out->dtype = onnx_element_type(s->diag, loc, t->data_type);
  if (out->dtype == DT_none) return false;
  if (t->segment) return diag_error(s->diag, loc, "tensors in segments are not supported");
  if (!read_shape(s, t, loc, out)) return false;
  if (t->data_location == 1) return read_external(s, t, loc, out);
  if (t->data_location != 0) return diag_error(s->diag, loc, "unknown data_location %d", t->data_location);
  return read_contents(s, t, loc, out);
}

/* ---- constants ---- */

/* The module's file for what was mapped here: from now on the module's to unmap. */
static File *module_file(OnnxStore *s, const char *path, OnnxBytes bytes) {
  const char *name = arena_printf(s->arena, "f%d", s->module->files.n);
  File *f = module_add_file(s->module, name, path, bytes.size);
  f->map = bytes.at;
  return f;
}

static File *file_of(OnnxStore *s, const OnnxData *d) {
  if (d->place == ONNX_IN_MODEL) {
    if (!s->mapped) return NULL;
    if (!s->file) s->file = module_file(s, s->path, s->bytes);
    return s->file;
  }
  OnnxExternal *e = d->external;
  if (!e->file)
    e->file = module_file(s, arena_printf(s->arena, "%s/%s", folder_of(s->arena, s->path), e->location), e->bytes);
  return e->file;
}

static const uint8_t *start_of(OnnxStore *s, const OnnxData *d) {
  return d->place == ONNX_IN_MODEL ? s->bytes.at : d->external->bytes.at;
}

/* A name that the text form can write without quotes. */
static const char *constant_name(OnnxStore *s, const char *wish) {
  char *name = arena_printf(s->arena, "main.%s", wish);
  for (char *p = name; *p; p++)
    if (!isalnum((unsigned char)*p) && *p != '_' && *p != '.') *p = '_';
  return module_free_name(s->module, name);
}

static Constant *make_constant(OnnxStore *s, const PbTensor *t, Loc loc, const char *wish) {
  OnnxData d;
  Dim dim[MAX_RANK];
  if (!onnx_read_tensor(s, t, loc, &d)) return NULL;
  for (int i = 0; i < d.rank; i++) dim[i] = dim_const(s->module->dims, d.dim[i]);
  Type type = type_tensor(s->module->types, d.dtype, d.rank, dim);
  if (d.size <= LITERAL_BYTES) return constant_bytes(s->module, type, d.at, d.size);
  Constant *c = module_add_constant(s->module, constant_name(s, wish), type);
  c->loc = loc;
  c->weights = s->weights;
  c->file = d.place == ONNX_IN_ARENA ? NULL : file_of(s, &d);
  c->kind = c->file ? CONSTANT_FILE : CONSTANT_BYTES;
  if (c->file)
    c->offset = (const uint8_t *)d.at - start_of(s, &d);
  else
    c->bytes = d.place == ONNX_IN_ARENA ? d.at : arena_string(s->arena, d.at, (size_t)d.size);
  return c;
}

Constant *onnx_constant(OnnxStore *s, const PbTensor *t, Loc loc, const char *wish) {
  const char *key = arena_printf(s->arena, "%p", (const void *)t);
  Constant *c = strmap_get(&s->constants, key);
  if (c) return c;
  c = make_constant(s, t, loc, wish);
  if (c) strmap_add(s->arena, &s->constants, key, c);
  return c;
}

void onnx_store_close(OnnxStore *s) {
  if (s->mapped && !s->file) onnx_unmap(s->bytes);
  for (int i = 0; i < s->external.n; i++)
    if (!s->external.at[i]->file) onnx_unmap(s->external.at[i]->bytes);
}

/* ---- files of one tensor ---- */

static bool load_tensor(OnnxStore *s, Arena *scratch, const char **name, Tensor **out) {
  OnnxData data;
  Loc loc = {.file = s->path};
  const PbTensor *t = (const PbTensor *)onnx_unpack(scratch, s->diag, loc, &lathe__onnx__tensor_proto__descriptor,
                                                    s->bytes.at, (size_t)s->bytes.size, NULL);
  if (!t || !onnx_read_tensor(s, t, loc, &data)) return false;
  *name = t->name ? arena_string(s->arena, t->name, strlen(t->name)) : "";
  *out = tensor_new(NULL, data.dtype, data.rank, data.dim);
  if (!*out) return diag_error(s->diag, loc, "%" PRId64 " bytes are too many", data.size);
  if (data.size) memcpy((*out)->data, data.at, (size_t)data.size);
  return true;
}

bool onnx_load_tensor(Arena *a, Diag *d, const char *path, const char **name, Tensor **out) {
  OnnxStore s = {.arena = a, .diag = d, .path = path, .mapped = true};
  if (!onnx_map(d, (Loc){.file = path}, path, &s.bytes)) return false;
  Arena *scratch = arena_new();
  bool ok = load_tensor(&s, scratch, name, out);
  arena_free(scratch);
  onnx_store_close(&s);
  return ok;
}

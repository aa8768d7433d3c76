/* safetensors.c -- reads a folder of safetensors: one file, or the shards that an index lists. */
#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "frontend/checkpoint.h"
#include "ir/checked.h"

/* A header of more bytes than this is no model's. */
enum { MAX_HEADER = 100 << 20 };

typedef struct Shard {
  Checkpoint *c;
  File *file;
  int64_t begin; /* of the data */
  Loc loc;
} Shard;

/* ---- one tensor ---- */

static bool wrong(const Shard *s, const char *name, const char *why) {
  return diag_error(s->c->module->diag, s->loc, "tensor `%s` %s", name, why);
}

static Dtype dtype_of(const char *name) {
  static const struct {
    const char *name;
    Dtype dtype;
  } types[] = {{"F64", DT_f64}, {"F32", DT_f32}, {"F16", DT_f16}, {"BF16", DT_bf16}, {"I64", DT_i64}, {"I32", DT_i32},
               {"I16", DT_i16}, {"I8", DT_i8},   {"U64", DT_u64}, {"U32", DT_u32},   {"U16", DT_u16}, {"U8", DT_u8},
               {"BOOL", DT_bool}, {"F8_E4M3", DT_f8e4m3fn}, {"F8_E5M2", DT_f8e5m2}};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (name && strcmp(types[i].name, name) == 0) return types[i].dtype;
  return DT_none;
}

static bool read_shape(const Shard *s, CheckpointTensor *t, const json_t *shape, int64_t *count) {
  *count = 1;
  if (!json_is_array(shape) || json_array_size(shape) >= MAX_RANK) return wrong(s, t->name, "has no shape of up to 11 axes");
  t->rank = (int)json_array_size(shape);
  for (int i = 0; i < t->rank; i++) {
    const json_t *d = json_array_get(shape, (size_t)i);
    t->dim[i] = json_integer_value(d);
    if (!json_is_integer(d) || t->dim[i] < 0 || !checked_mul(*count, t->dim[i], count))
      return wrong(s, t->name, "has a size that is no number of elements");
  }
  return true;
}

static bool read_tensor(const Shard *s, const char *name, const json_t *v) {
  CheckpointTensor t = {.name = name, .file = s->file};
  const json_t *offsets = json_object_get(v, "data_offsets");
  const char *type = json_string_value(json_object_get(v, "dtype"));
  int64_t count, from = json_integer_value(json_array_get(offsets, 0)), to = json_integer_value(json_array_get(offsets, 1));
  if ((t.dtype = dtype_of(type)) == DT_none)
    return wrong(s, name, arena_printf(s->c->module->arena, "is of type %s, which is not read", type ? type : "(none)"));
  if (!read_shape(s, &t, json_object_get(v, "shape"), &count)) return false;
  if (json_array_size(offsets) != 2 || from < 0 || to < from) return wrong(s, name, "has no data_offsets [from, to]");
  if (!dtype_size(t.dtype, count, &t.size) || t.size != to - from)
    return wrong(s, name, arena_printf(s->c->module->arena, "has %" PRId64 " bytes, and its shape is not of so many", to - from));
  return checked_add(s->begin, from, &t.offset) ? checkpoint_add(s->c, &t) : wrong(s, name, "lies past 63 bits");
}

/* ---- one file ---- */

static bool read_header(Shard *s, const uint8_t *at, int64_t size) {
  Diag *d = s->c->module->diag;
  json_error_t error;
  uint64_t n = 0;
  for (int i = 0; size >= 8 && i < 8; i++) n |= (uint64_t)at[i] << 8 * i;
  if (size < 8 || n > (uint64_t)size - 8 || n > MAX_HEADER)
    return diag_error(d, s->loc, "this is no safetensors file: its header is said to have %" PRIu64 " bytes, and the file has %" PRId64, n, size);
  s->begin = 8 + (int64_t)n;
  json_t *header = json_loadb((const char *)at + 8, (size_t)n, JSON_REJECT_DUPLICATES, &error);
  if (!json_is_object(header)) {
    json_decref(header);
    return diag_error(d, s->loc, "the header is no JSON object: %s, at byte %d", header ? "it is of another type" : error.text, error.position);
  }
  bool good = true;
  const char *name;
  json_t *v;
  json_object_foreach(header, name, v)
    if (strcmp(name, "__metadata__") != 0) good &= read_tensor(s, arena_string(s->c->module->arena, name, strlen(name)), v);
  json_decref(header);
  return good;
}

static bool read_shard(Checkpoint *c, const char *path) {
  Module *m = c->module;
  Shard s = {.c = c, .loc = {.file = path}};
  struct stat st;
  if (stat(path, &st) != 0) return diag_error(m->diag, s.loc, "cannot open: %s", strerror(errno));
  s.file = module_add_file(m, module_free_name(m, "f0"), path, st.st_size);
  const uint8_t *at = file_map(m, s.file, s.loc);
  return at && read_header(&s, at, st.st_size);
}

/* ---- all shards ---- */

/* A name in the folder, and nowhere else. */
static bool is_plain(const char *name) { return *name && !strchr(name, '/') && strcmp(name, "..") != 0; }

static bool read_index(Checkpoint *c, const char *folder, const char *path) {
  Module *m = c->module;
  json_error_t error;
  json_t *index = json_load_file(path, 0, &error), *map = json_object_get(index, "weight_map"), *v;
  StrMap seen = {0};
  const char *tensor;
  bool good = json_is_object(map) ||
              diag_error(m->diag, (Loc){.file = path}, "the index is no JSON object with a `weight_map`%s%s", index ? "" : ": ", index ? "" : error.text);
  json_object_foreach(map, tensor, v) {
    const char *name = json_string_value(v);
    if (!name || !is_plain(name)) {
      good = diag_error(m->diag, (Loc){.file = path}, "tensor `%s` is said to be in no file of this folder", tensor);
      break;
    }
    name = arena_string(m->arena, name, strlen(name));
    if (strmap_add(m->arena, &seen, name, c))
      good &= read_shard(c, arena_printf(m->arena, "%s/%s", folder, name));
  }
  json_decref(index);
  return good;
}

bool safetensors_read(Checkpoint *c, const char *folder) {
  const char *one = arena_printf(c->module->arena, "%s/model.safetensors", folder);
  const char *index = arena_printf(c->module->arena, "%s/model.safetensors.index.json", folder);
  if (access(index, F_OK) == 0) return read_index(c, folder, index);
  if (access(one, F_OK) == 0) return read_shard(c, one);
  diag_error(c->module->diag, (Loc){.file = folder}, "there is no model.safetensors, and no model.safetensors.index.json");
  return diag_hint(c->module->diag, "weights in .bin files are not read: save the model once with safe_serialization=True");
}

/* ---- settings ---- */

static bool add_object(Checkpoint *c, const char *prefix, const json_t *object);

static Setting setting_of(Checkpoint *c, const json_t *v) {
  Arena *a = c->module->arena;
  if (json_is_boolean(v)) return (Setting){.kind = SETTING_BOOL, .i = json_is_true(v)};
  if (json_is_integer(v)) return (Setting){.kind = SETTING_INT, .i = json_integer_value(v), .f = json_number_value(v)};
  if (json_is_real(v)) return (Setting){.kind = SETTING_FLOAT, .f = json_real_value(v)};
  if (json_is_string(v)) {
    size_t n = json_string_length(v);
    return (Setting){.kind = SETTING_TEXT, .text = arena_string(a, json_string_value(v), n), .n = (int64_t)n};
  }
  Setting s = {.kind = SETTING_NONE};
  if (!json_is_array(v)) return s;
  s = (Setting){.kind = SETTING_LIST, .n = (int64_t)json_array_size(v)};
  s.at = ARENA_ARRAY(a, Setting, s.n);
  for (int64_t i = 0; i < s.n; i++) {
    const json_t *e = json_array_get(v, (size_t)i);
    if (!json_is_array(e)) s.at[i] = setting_of(c, e);
  }
  return s;
}

static bool add_object(Checkpoint *c, const char *prefix, const json_t *object) {
  bool good = true;
  const char *name;
  json_t *v;
  json_object_foreach((json_t *)(uintptr_t)object, name, v) {
    const char *key = arena_printf(c->module->arena, "%s%s", prefix, name);
    if (json_is_object(v)) {
      good &= add_object(c, arena_printf(c->module->arena, "%s.", key), v);
    } else if (!json_is_null(v)) {
      Setting s = setting_of(c, v);
      good &= checkpoint_set(c, key, &s);
    }
  }
  return good;
}

bool settings_read_json(Checkpoint *c, const char *path) {
  json_error_t error;
  json_t *v = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
  bool good = json_is_object(v) ? add_object(c, "", v)
                                : diag_error(c->module->diag, (Loc){.file = path, .line = v ? 0 : error.line}, "%s", v ? "this is no JSON object" : error.text);
  json_decref(v);
  return good;
}

/* gguf.c -- reads GGUF files, versions 2 and 3: settings, and where the tensors are. */
#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "frontend/blocks.h"
#include "frontend/checkpoint.h"
#include "ir/checked.h"

typedef struct Reader {
  Checkpoint *c;
  File *file;
  const uint8_t *at;
  int64_t size, next; /* of the file; what is read next */
  Loc loc;
} Reader;

/* ---- words ---- */

static bool truncated(const Reader *r) {
  return diag_error(r->c->module->diag, r->loc, "the file ends at byte %" PRId64 ", in the middle of its header", r->size);
}

static bool take(Reader *r, int64_t n, const uint8_t **out) {
  if (n < 0 || n > r->size - r->next) return truncated(r);
  *out = r->at + r->next;
  r->next += n;
  return true;
}

static bool take_word(Reader *r, int bytes, uint64_t *out) {
  const uint8_t *p;
  if (!take(r, bytes, &p)) return false;
  *out = 0;
  for (int i = 0; i < bytes; i++) *out |= (uint64_t)p[i] << 8 * i;
  return true;
}

static bool take_count(Reader *r, const char *what, int64_t *out) {
  int64_t at = r->next;
  uint64_t n;
  if (!take_word(r, 8, &n)) return false;
  if (n > (uint64_t)r->size) /* each takes a byte at least */
    return diag_error(r->c->module->diag, r->loc, "at byte %" PRId64 " the file says %" PRIu64 " %s, and it has %" PRId64 " bytes", at, n, what, r->size);
  *out = (int64_t)n;
  return true;
}

static bool take_text(Reader *r, Setting *s) {
  int64_t n;
  const uint8_t *p;
  if (!take_count(r, "bytes of text", &n) || !take(r, n, &p)) return false;
  *s = (Setting){.kind = SETTING_TEXT, .text = arena_string(r->c->module->arena, (const char *)p, (size_t)n), .n = n};
  return true;
}

/* ---- settings ---- */

enum { MAX_LIST = 1 << 22 };
enum { TYPE_BOOL = 7, TYPE_STRING = 8, TYPE_ARRAY = 9 };

/* GGUF's number types by their number: bytes, and whether they are signed or floats. */
static const struct {
  int bytes;
  char kind;
} number_types[] = {{1, 'u'}, {1, 'i'}, {2, 'u'}, {2, 'i'}, {4, 'u'}, {4, 'i'}, {4, 'f'}, {1, 'u'}, {0, 0}, {0, 0}, {8, 'u'}, {8, 'i'}, {8, 'f'}};
enum { N_TYPES = sizeof number_types / sizeof *number_types };

static bool take_number(Reader *r, uint32_t type, Setting *s) {
  uint64_t bits;
  int bytes = number_types[type].bytes;
  if (!take_word(r, bytes, &bits)) return false;
  *s = (Setting){.kind = type == TYPE_BOOL ? SETTING_BOOL : SETTING_INT};
  if (number_types[type].kind == 'f') {
    s->kind = SETTING_FLOAT;
    s->f = dtype_get_f(bytes == 4 ? DT_f32 : DT_f64, &bits, 0);
    return true;
  }
  int unused = 64 - 8 * bytes;
  s->i = number_types[type].kind == 'i' ? (int64_t)(bits << unused) >> unused : (int64_t)bits;
  s->f = (double)s->i;
  return true;
}

static bool take_value(Reader *r, uint32_t type, bool in_list, Setting *s);

static bool take_list(Reader *r, Setting *s) {
  uint64_t type;
  int64_t n;
  if (!take_word(r, 4, &type) || !take_count(r, "elements of a list", &n)) return false;
  if (n > MAX_LIST)
    return diag_error(r->c->module->diag, r->loc, "a list of %" PRId64 " elements, and at most %d are read", n, MAX_LIST);
  *s = (Setting){.kind = SETTING_LIST, .n = n, .at = ARENA_ARRAY(r->c->module->arena, Setting, n)};
  for (int64_t i = 0; i < n; i++)
    if (!take_value(r, (uint32_t)type, true, &s->at[i])) return false;
  return true;
}

static bool take_value(Reader *r, uint32_t type, bool in_list, Setting *s) {
  if (type == TYPE_STRING) return take_text(r, s);
  if (type == TYPE_ARRAY && !in_list) return take_list(r, s);
  if (type < N_TYPES && number_types[type].bytes) return take_number(r, type, s);
  return diag_error(r->c->module->diag, r->loc, "at byte %" PRId64 " the file names a value of type %" PRIu32 ", which is %s", r->next, type,
                    type == TYPE_ARRAY ? "a list in a list" : "unknown");
}

static bool take_setting(Reader *r) {
  Setting key, value;
  uint64_t type;
  return take_text(r, &key) && take_word(r, 4, &type) && take_value(r, (uint32_t)type, false, &value) &&
         checkpoint_set(r->c, key.text, &value);
}

/* ---- tensors ---- */

static bool wrong(const Reader *r, const CheckpointTensor *t, const char *why) {
  return diag_error(r->c->module->diag, r->loc, "tensor `%s` %s", t->name, why);
}

/* Dims are written from the fastest on. */
static bool take_shape(Reader *r, CheckpointTensor *t) {
  uint64_t rank, dim;
  if (!take_word(r, 4, &rank)) return false;
  if (rank > 4) return wrong(r, t, "has more than 4 axes");
  t->rank = (int)rank;
  for (int i = t->rank - 1; i >= 0; i--) {
    if (!take_word(r, 8, &dim)) return false;
    if (dim > INT64_MAX) return wrong(r, t, "has a size past 63 bits");
    t->dim[i] = (int64_t)dim;
  }
  return true;
}

static bool known_type(const Reader *r, const CheckpointTensor *t, uint64_t number, const BlockType **type) {
  *type = block_type((int64_t)number);
  if (!*type) return wrong(r, t, "is of a type that is not known");
  if ((*type)->dtype != DT_none || (*type)->elements) return true;
  wrong(r, t, arena_printf(r->c->module->arena, "is of type %s, which is not read yet", (*type)->name));
  return diag_hint(r->c->module->diag, "F32, F16, BF16, Q8_0, Q4_0, Q4_K and Q6_K are");
}

static bool sized(const Reader *r, CheckpointTensor *t, const BlockType *type) {
  int64_t n = 1;
  for (int i = 0; i < t->rank; i++)
    if (!checked_mul(n, t->dim[i], &n)) return wrong(r, t, "has more elements than 63 bits count");
  t->dtype = type->dtype;
  t->blocks = (int)type->number;
  if (type->dtype != DT_none) return dtype_size(type->dtype, n, &t->size) || wrong(r, t, "has more bytes than 63 bits count");
  if (t->rank == 0 || t->dim[t->rank - 1] % type->elements)
    return wrong(r, t, arena_printf(r->c->module->arena, "is of type %s, and its rows are no multiple of %" PRId64, type->name, type->elements));
  return checked_mul(n / type->elements, type->bytes, &t->size) || wrong(r, t, "has more bytes than 63 bits count");
}

/* False where no more can be read; `good` where this one can be used. */
static bool take_tensor(Reader *r, CheckpointTensor *t, bool *good) {
  Setting name;
  const BlockType *type;
  uint64_t number, offset;
  if (!take_text(r, &name)) return false;
  *t = (CheckpointTensor){.name = name.text, .file = r->file};
  if (!take_shape(r, t) || !take_word(r, 4, &number) || !take_word(r, 8, &offset)) return false;
  t->offset = (int64_t)offset;
  if (offset > INT64_MAX) *good = wrong(r, t, "begins past 63 bits");
  else if (!known_type(r, t, number, &type) || !sized(r, t, type)) *good = false;
  return true;
}

enum { TENSOR_BYTES = 24 }; /* that a tensor's record takes at least */

/* Offsets count from where the header ends, filled up to the alignment. All tensors of types that are not read are named. */
static bool take_tensors(Reader *r, int64_t n) {
  const Setting *align = checkpoint_setting(r->c, "general.alignment");
  int64_t to = align && align->kind == SETTING_INT ? align->i : 32, begin;
  if (n > (r->size - r->next) / TENSOR_BYTES) return truncated(r);
  CheckpointTensor *all = ARENA_ARRAY(r->c->module->arena, CheckpointTensor, n);
  bool good = true;
  if (to <= 0 || (to & (to - 1)) || to > 1 << 20)
    return diag_error(r->c->module->diag, r->loc, "general.alignment is %" PRId64 ", and not a power of two", to);
  for (int64_t i = 0; i < n; i++)
    if (!take_tensor(r, &all[i], &good)) return false;
  if (!good || !checked_add(r->next, to - 1, &begin)) return false;
  begin = begin / to * to;
  for (int64_t i = 0; i < n; i++)
    if (!checked_add(all[i].offset, begin, &all[i].offset)) good = wrong(r, &all[i], "begins past 63 bits");
    else good &= checkpoint_add(r->c, &all[i]);
  return good;
}

/* ---- the file ---- */

static bool take_header(Reader *r, int64_t *n_tensors, int64_t *n_settings) {
  const uint8_t *magic = NULL;
  uint64_t version;
  Diag *d = r->c->module->diag;
  if (!take(r, 4, &magic)) return false;
  if (memcmp(magic, "GGUF", 4) != 0) return diag_error(d, r->loc, "this is no GGUF file: it does not begin with `GGUF`");
  if (!take_word(r, 4, &version)) return false;
  if (version == 0x02000000 || version == 0x03000000) return diag_error(d, r->loc, "this GGUF file is big-endian, which is not read");
  if (version != 2 && version != 3) return diag_error(d, r->loc, "this is version %" PRIu64 " of GGUF, and 2 and 3 are read", version);
  return take_count(r, "tensors", n_tensors) && take_count(r, "settings", n_settings);
}

static bool take_settings(Reader *r, const char *path, int64_t *n_tensors) {
  struct stat st;
  int64_t n_settings;
  Module *m = r->c->module;
  if (stat(path, &st) != 0) return diag_error(m->diag, r->loc, "cannot open: %s", strerror(errno));
  r->file = module_add_file(m, module_free_name(m, "f0"), path, st.st_size);
  r->size = st.st_size;
  if (!(r->at = file_map(m, r->file, r->loc)) || !take_header(r, n_tensors, &n_settings)) return false;
  for (int64_t i = 0; i < n_settings; i++)
    if (!take_setting(r)) return false;
  return true;
}

bool gguf_read_settings(Checkpoint *c, const char *path) {
  Reader r = {.c = c, .loc = {.file = path}};
  int64_t n_tensors;
  return take_settings(&r, path, &n_tensors);
}

bool gguf_read(Checkpoint *c, const char *path) {
  Reader r = {.c = c, .loc = {.file = path}};
  int64_t n_tensors;
  return take_settings(&r, path, &n_tensors) && take_tensors(&r, n_tensors);
}

/* module.c -- modules and what they declare: files, weights, constants, states, models, functions. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ir/checked.h"
#include "ir/fatal.h"
#include "ir/ir.h"

/* ---- names ---- */

typedef enum NameKind { NAME_FILE, NAME_WEIGHTS, NAME_CONSTANT, NAME_STATE, NAME_MODEL, NAME_FUNC } NameKind;

/* What a name of the module stands for. */
typedef struct Declared {
  NameKind kind;
  void *what;
} Declared;

static const char *declare(Module *m, const char *name, NameKind kind, void *what) {
  Declared *d = ARENA_NEW(m->arena, Declared);
  *d = (Declared){kind, what};
  name = arena_string(m->arena, name, strlen(name));
  bool added = strmap_add(m->arena, &m->names, name, d);
  ensure(added);
  return name;
}

static void *find(const Module *m, const char *name, NameKind kind) {
  const Declared *d = strmap_get(&m->names, name);
  return d && d->kind == kind ? d->what : NULL;
}

bool module_has(const Module *m, const char *name) { return strmap_get(&m->names, name); }

/* Suffixes double until one is free and are then halved in on, so that a thousand equal wishes are not quadratic. */
const char *module_free_name(Module *m, const char *wish) {
  if (!module_has(m, wish)) return wish;
  size_t hi = 1, lo = 0;
  while (module_has(m, arena_printf(m->arena, "%s.%zu", wish, hi))) lo = hi, hi *= 2;
  while (hi - lo > 1) {
    size_t mid = lo + (hi - lo) / 2;
    if (module_has(m, arena_printf(m->arena, "%s.%zu", wish, mid))) lo = mid;
    else hi = mid;
  }
  return arena_printf(m->arena, "%s.%zu", wish, hi);
}

/* ---- declarations ---- */

Module *module_new(Arena *a, Diag *d) {
  Module *m = ARENA_NEW(a, Module);
  m->arena = a;
  m->diag = d;
  m->dims = dim_pool_new(a);
  m->types = type_pool_new(a);
  return m;
}

void module_close(Module *m) {
  for (int i = 0; i < m->files.n; i++) {
    File *f = m->files.at[i];
    if (f->map && f->size) munmap((void *)(uintptr_t)f->map, (size_t)f->size);
    f->map = NULL;
  }
}

File *module_add_file(Module *m, const char *name, const char *path, int64_t size) {
  File *f = ARENA_NEW(m->arena, File);
  f->name = declare(m, name, NAME_FILE, f);
  f->path = arena_string(m->arena, path, strlen(path));
  f->size = size;
  vec_push(m->arena, &m->files, f);
  return f;
}

void module_anchor_files(Module *m) {
  for (int i = 0; i < m->files.n; i++) {
    File *f = m->files.at[i];
    char *path = *f->path == '/' ? NULL : realpath(f->path, NULL);
    if (path) f->path = arena_string(m->arena, path, strlen(path));
    free(path);
  }
}

Weights *module_add_weights(Module *m, const char *name) {
  Weights *w = ARENA_NEW(m->arena, Weights);
  w->name = declare(m, name, NAME_WEIGHTS, w);
  vec_push(m->arena, &m->weights, w);
  return w;
}

void module_name_constant(Module *m, Constant *c, const char *name) {
  c->name = declare(m, name, NAME_CONSTANT, c);
  vec_push(m->arena, &m->constants, c);
}

Constant *module_add_constant(Module *m, const char *name, Type t) {
  Constant *c = ARENA_NEW(m->arena, Constant);
  c->type = t;
  module_name_constant(m, c, name);
  return c;
}

State *module_add_state(Module *m, const char *name) {
  State *s = ARENA_NEW(m->arena, State);
  s->name = declare(m, name, NAME_STATE, s);
  vec_push(m->arena, &m->states, s);
  return s;
}

Model *module_add_model(Module *m, const char *name) {
  Model *model = ARENA_NEW(m->arena, Model);
  model->name = declare(m, name, NAME_MODEL, model);
  vec_push(m->arena, &m->models, model);
  return model;
}

void model_add_fact(Module *m, Model *model, const char *name, Constant *value) {
  module_name_constant(m, value, module_free_name(m, arena_printf(m->arena, "%s.%s", model->name, name)));
  vec_push(m->arena, &model->facts, ((Fact){arena_string(m->arena, name, strlen(name)), value}));
}

void module_set_numerics(Module *m, Numerics n) {
  for (int i = 0; i < m->funcs.n; i++)
    if (m->funcs.at[i]->level == LEVEL_TENSOR) m->funcs.at[i]->numerics = n;
}

Func *module_add_func(Module *m, const char *name, OpLevel level) {
  Func *f = ARENA_NEW(m->arena, Func);
  f->module = m;
  f->name = declare(m, name, NAME_FUNC, f);
  f->level = level;
  f->launch = (Launch){.local = {1, 1, 1}};
  f->body = block_new(f, NULL);
  vec_push(m->arena, &m->funcs, f);
  return f;
}

void module_drop_func(Module *m, Func *f) {
  ensure(m->funcs.n > 0 && m->funcs.at[m->funcs.n - 1] == f);
  m->funcs.n--;
  strmap_remove(&m->names, f->name);
}

File *module_find_file(const Module *m, const char *name) { return find(m, name, NAME_FILE); }
Weights *module_find_weights(const Module *m, const char *name) { return find(m, name, NAME_WEIGHTS); }
Constant *module_find_constant(const Module *m, const char *name) { return find(m, name, NAME_CONSTANT); }
State *module_find_state(const Module *m, const char *name) { return find(m, name, NAME_STATE); }
Func *module_find_func(const Module *m, const char *name) { return find(m, name, NAME_FUNC); }

/* ---- files ---- */

static const void *map_open_file(Module *m, File *f, int fd, Loc loc) {
  struct stat st;
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
    diag_error(m->diag, loc, "`%s` is not a regular file", f->path);
    return NULL;
  }
  if (st.st_size != f->size) {
    diag_error(m->diag, loc, "`%s` has %" PRId64 " bytes, and %" PRId64 " were declared", f->path, (int64_t)st.st_size,
               f->size);
    return NULL;
  }
  if (f->size == 0) return f->map = "";
  void *map = mmap(NULL, (size_t)f->size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (map == MAP_FAILED) fatal_resource("cannot map `%s`: %s", f->path, strerror(errno));
  return f->map = map;
}

const void *file_map(Module *m, File *f, Loc loc) {
  if (f->map) return f->map;
  int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    diag_error(m->diag, loc, "cannot open `%s`: %s", f->path, strerror(errno));
    return NULL;
  }
  const void *map = map_open_file(m, f, fd, loc);
  close(fd);
  return map;
}

/* ---- constants ---- */

bool constant_size(const Constant *c, int64_t *bytes) { return type_size(c->type, bytes); }

const void *constant_data(Module *m, const Constant *c, Loc loc) {
  if (c->kind == CONSTANT_BYTES) return c->bytes;
  if (c->kind != CONSTANT_FILE) return NULL;
  int64_t size, end;
  const unsigned char *map = file_map(m, c->file, loc);
  if (!map) return NULL;
  if (!constant_size(c, &size) || c->offset < 0 || !checked_add(c->offset, size, &end) || end > c->file->size) {
    diag_error(m->diag, loc, "%s at %" PRId64 " lies beyond the %" PRId64 " bytes of `%s`", type_text(m->arena, c->type),
               c->offset, c->file->size, c->file->path);
    return NULL;
  }
  return map + c->offset;
}

static Constant *literal(Module *m, Type t, ConstantKind kind, const void *bytes, int64_t size) {
  Constant *c = ARENA_NEW(m->arena, Constant);
  c->type = t;
  c->kind = kind;
  c->bytes = arena_string(m->arena, bytes, (size_t)size);
  return c;
}

Constant *constant_bytes(Module *m, Type t, const void *bytes, int64_t size) {
  return literal(m, t, CONSTANT_BYTES, bytes, size);
}

Constant *constant_splat(Module *m, Type t, uint64_t bits) {
  unsigned char one[8] = {0};
  dtype_set_bits(t->dtype, one, 0, bits);
  return literal(m, t, CONSTANT_SPLAT, one, sizeof one);
}

Constant *constant_ints(Module *m, int64_t n, const int64_t *v) {
  Dim d = dim_const(m->dims, n);
  return constant_bytes(m, type_tensor(m->types, DT_i64, 1, &d), v, n * (int64_t)sizeof *v);
}

Constant *constant_scalar_i(Module *m, Dtype t, int64_t v) {
  unsigned char one[8] = {0};
  dtype_set_i(t, one, 0, v);
  return constant_bytes(m, type_tensor(m->types, t, 0, NULL), one, (dtype_bits(t) + 7) / 8);
}

Constant *constant_scalar_f(Module *m, Dtype t, double v) {
  unsigned char one[8] = {0};
  dtype_set_f(t, one, 0, v);
  return constant_bytes(m, type_tensor(m->types, t, 0, NULL), one, (dtype_bits(t) + 7) / 8);
}

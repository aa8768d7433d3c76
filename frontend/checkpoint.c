/* checkpoint.c -- a model's tensors by name, and its settings by key, wherever they are kept. */
#include "frontend/checkpoint.h"

#include <inttypes.h>

#include "frontend/blocks.h"
#include "ir/checked.h"

/* ---- tensors ---- */

bool checkpoint_add(Checkpoint *c, const CheckpointTensor *t) {
  Module *m = c->module;
  Loc loc = {.file = t->file->path};
  int64_t end;
  if (!checked_add(t->offset, t->size, &end) || end > t->file->size)
    return diag_error(m->diag, loc, "tensor `%s` ends at byte %" PRId64 ", and the file has %" PRId64, t->name,
                      t->offset + (int64_t)((uint64_t)t->size & INT32_MAX), t->file->size);
  CheckpointTensor *own = ARENA_NEW(m->arena, CheckpointTensor);
  *own = *t;
  if (!strmap_add(m->arena, &c->by_name, own->name, own)) return diag_error(m->diag, loc, "tensor `%s` is there twice", t->name);
  vec_push(m->arena, &c->tensors, own);
  return true;
}

CheckpointTensor *checkpoint_tensor(const Checkpoint *c, const char *name) { return strmap_get(&c->by_name, name); }

static Type tensor_type(Module *m, Dtype t, int rank, const int64_t *size) {
  Dim dim[MAX_RANK];
  for (int i = 0; i < rank; i++) dim[i] = dim_const(m->dims, size[i]);
  return type_tensor(m->types, t, rank, dim);
}

/* A tensor's bytes as they lie in the file. */
static Constant *file_constant(Checkpoint *c, const CheckpointTensor *t, const char *name, Type type) {
  Constant *k = module_add_constant(c->module, module_free_name(c->module, name), type);
  k->loc = (Loc){.name = t->name};
  k->kind = CONSTANT_FILE;
  k->file = t->file;
  k->offset = t->offset;
  return k;
}

/* The bytes of a tensor in blocks: [.., blocks, bytes]. */
static Constant *raw_constant(Checkpoint *c, const CheckpointTensor *t, const BlockType *type, const char *name) {
  int64_t dim[MAX_RANK];
  memcpy(dim, t->dim, sizeof dim);
  dim[t->rank - 1] /= type->elements;
  dim[t->rank] = type->bytes;
  Module *m = c->module;
  return file_constant(c, t, arena_printf(m->arena, "%s.%s", name, type->name), tensor_type(m, DT_u8, t->rank + 1, dim));
}

/* Decoded numbers become bf16, in which a program multiplies as fast as in any 16-bit type. What an expression uses stands before it. */
static Constant *decoded_constant(Checkpoint *c, const CheckpointTensor *t, const char *name) {
  Module *m = c->module;
  const BlockType *type = block_type(t->blocks);
  Constant *raw = raw_constant(c, t, type, name);
  Constant *k = module_add_constant(m, module_free_name(m, name), tensor_type(m, DT_bf16, t->rank, t->dim));
  Func *f = ARENA_NEW(m->arena, Func);
  *f = (Func){.module = m, .name = k->name, .level = LEVEL_TENSOR, .launch = {.local = {1, 1, 1}}};
  Builder b = {.module = m, .func = f, .block = block_new(f, NULL)};
  f->body = b.block;
  Value *v = build_cast(&b, type->decode(&b, build_const(&b, raw)), DT_bf16);
  v = build_reshape(&b, v, t->rank, k->type->dim);
  build(&b, OP_yield, 0, INS(v), NO_ATTRS);
  k->loc = (Loc){.name = t->name};
  k->kind = CONSTANT_EXPR;
  k->body = b.block;
  return k;
}

Constant *checkpoint_constant(Checkpoint *c, CheckpointTensor *t, const char *name) {
  if (t->constant) return t->constant;
  if (t->dtype == DT_none) return t->constant = decoded_constant(c, t, name);
  return t->constant = file_constant(c, t, name, tensor_type(c->module, t->dtype, t->rank, t->dim));
}

/* ---- settings ---- */

bool checkpoint_set(Checkpoint *c, const char *key, const Setting *s) {
  Setting *own = ARENA_NEW(c->module->arena, Setting);
  *own = *s;
  const char *name = arena_string(c->module->arena, key, strlen(key));
  return strmap_add(c->module->arena, &c->settings, name, own) ||
         diag_error(c->module->diag, (Loc){.file = c->path}, "setting `%s` is there twice", key);
}

const Setting *checkpoint_setting(const Checkpoint *c, const char *key) { return strmap_get(&c->settings, key); }

/* ---- in the end ---- */

static void warn_decoded(const Checkpoint *c, int64_t kept, int64_t now) {
  if (kept)
    diag_warn(c->module->diag, (Loc){.file = c->path}, "%.1f MB of quantised weights are decoded to bf16, %.1f MB", (double)kept * 1e-6,
              (double)now * 1e-6);
}

static void warn_unused(const Checkpoint *c, int n, const char *first) {
  if (n == 1) diag_warn(c->module->diag, (Loc){.file = c->path}, "tensor `%s` is not used", first);
  if (n > 1) diag_warn(c->module->diag, (Loc){.file = c->path}, "%d tensors are not used, `%s` among them", n, first);
}

void checkpoint_close(Checkpoint *c) {
  int64_t kept = 0, now = 0, size;
  int unused = 0;
  const char *first = NULL;
  for (int i = 0; i < c->tensors.n; i++) {
    const CheckpointTensor *t = c->tensors.at[i];
    if (!t->constant && unused++ == 0) first = t->name;
    if (!t->constant || t->dtype != DT_none || !constant_size(t->constant, &size)) continue;
    kept += t->size, now += size;
  }
  warn_decoded(c, kept, now);
  warn_unused(c, unused, first);
}

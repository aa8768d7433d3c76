/* write_weights.c -- copies a program's weights from their source to where they belong, and marks their end. */
#define _GNU_SOURCE
#include "codegen/write_weights.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "ir/eval.h"
#include "ir/fatal.h"
#include "runtime/abi.h"

typedef struct WeightsOut {
  const WeightsJob *job;
  const OutFile *file;
  lrt_hash hash;
  int64_t done;
} WeightsOut;

enum { CHUNK = 4 << 20 };

/* The blocks' sizes are multiples of LRT_ALIGN, so that each part is whole words; the end of one is filled with zeros. */
static void write_part(WeightsOut *o, const void *bytes, int64_t size) {
  for (int64_t at = 0; at < size; at += CHUNK) {
    int64_t n = size - at < CHUNK ? size - at : CHUNK, whole = n / LRT_ALIGN * LRT_ALIGN;
    uint64_t rest[LRT_ALIGN / 8] = {0}, words[CHUNK / 8 / 1024];
    const char *from = (const char *)bytes + at;
    for (int64_t i = 0; i < whole;) { /* sources are aligned as their files please */
      int64_t part = whole - i < (int64_t)sizeof words ? whole - i : (int64_t)sizeof words;
      memcpy(words, from + i, (size_t)part);
      lrt_hash_words(&o->hash, words, (uint64_t)part / 8);
      i += part;
    }
    out_write(o->file, from, (size_t)whole);
    if (n > whole) {
      memcpy(rest, from + whole, (size_t)(n - whole));
      lrt_hash_words(&o->hash, rest, LRT_ALIGN / 8);
      out_write(o->file, rest, LRT_ALIGN);
    }
    o->done += n;
    sync_file_range(o->file->fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* begin to write what the sync at the end waits for */
    if (o->job->progress) o->job->progress(o->job->progress_ctx, o->done, o->job->info->weights_size);
  }
}

/* A file's part is mapped by itself, and let go: its pages are the file's, and no memory of ours. */
static bool write_mapped(WeightsOut *o, const ProgramWeight *w) {
  const char *at = constant_data(o->job->module, w->constant, w->constant->loc);
  if (!at) return false;
  write_part(o, at, w->size);
  uintptr_t from = ((uintptr_t)at + 4095) & ~(uintptr_t)4095, to = ((uintptr_t)at + (uintptr_t)w->size) & ~(uintptr_t)4095;
  if (w->constant->kind == CONSTANT_FILE && to > from) madvise((void *)from, to - from, MADV_DONTNEED);
  return true;
}

static bool write_computed(WeightsOut *o, const ProgramWeight *w) {
  Evaluator *e = eval_new(o->job->module, (EvalOptions){0});
  Tensor *t = eval_constant(e, w->constant);
  if (!t && eval_exhausted(e)) fatal_resource("%s", diag_first(o->job->module->diag));
  if (t) write_part(o, t->data, w->size);
  if (t) tensor_release(t);
  eval_free(e);
  return t;
}

bool weights_write(const WeightsJob *j, const OutFile *to, uint64_t *hash) {
  const ProgramInfo *info = j->info;
  WeightsOut out = {.job = j, .file = to}, *o = &out;
  for (int i = 0; i < info->weights.n; i++) {
    const ProgramWeight *w = &info->weights.at[i];
    bool at_hand = w->constant->kind == CONSTANT_BYTES || w->constant->kind == CONSTANT_FILE;
    if (!(at_hand ? write_mapped(o, w) : write_computed(o, w))) return false;
  }
  *hash = lrt_hash_end(&o->hash);
  lrt_end_mark end = {.size = (uint64_t)info->weights_size, .hash = *hash};
  memcpy(end.magic, LRT_MAGIC, sizeof end.magic);
  out_write(o->file, &end, sizeof end);
  return true;
}

bool weights_write_file(const WeightsJob *j, const char *path, uint64_t *hash) {
  Arena *a = arena_new();
  OutFile o = out_open(a, path, 0666);
  bool good = weights_write(j, &o, hash);
  if (good) out_sync(&o), out_close(&o);
  else out_discard(&o);
  arena_free(a);
  return good;
}

/* write_weights.c -- takes a program's weights from their source to where they belong, and marks their end.
 *
 * One thread moves elements to their places and hashes them, part by part, while they are in its cache; another writes, which
 * takes longer. */
#define _GNU_SOURCE
#include "codegen/write_weights.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

#include "ir/eval.h"
#include "ir/fatal.h"
#include "ir/view.h"
#include "runtime/abi.h"

enum { CHUNK = 4 << 20, PAGE = 4096, PARTS = 3 };

typedef struct Part {
  const char *bytes;
  int64_t n;
} Part;

typedef struct Writing {
  const WeightsJob *job;
  const OutFile *to;
  lrt_hash hash;
  int64_t done;
  char *buffer[PARTS]; /* [CHUNK] each */
  pthread_mutex_t lock; /* of all that follows */
  pthread_cond_t changed;
  Part part[PARTS];
  int64_t made, written; /* parts: part i is in place i mod PARTS */
  bool ended;
} Writing;

/* ---- hashing ---- */

/* Sources are aligned as their files please; what is no whole word is filled up with zeros. */
static void hash_bytes(lrt_hash *h, const char *bytes, int64_t n) {
  uint64_t word[512];
  for (int64_t i = 0, part; i < n; i += part) {
    part = n - i < (int64_t)sizeof word ? n - i : (int64_t)sizeof word;
    if (part % 8) word[part / 8] = 0;
    memcpy(word, bytes + i, (size_t)part);
    lrt_hash_words(h, word, (uint64_t)(part + 7) / 8);
  }
}

/* Blocks begin at multiples of LRT_ALIGN, and all parts of one but the last are as long. What fills a block up counts as zeros. */
static void hash_part(lrt_hash *h, const char *bytes, int64_t n) {
  int64_t whole = n - n % LRT_ALIGN;
  char last[LRT_ALIGN] = {0};
  hash_bytes(h, bytes, whole);
  if (whole == n) return;
  memcpy(last, bytes + whole, (size_t)(n - whole));
  hash_bytes(h, last, LRT_ALIGN);
}

/* ---- writing ---- */

static void write_part(Writing *w, const char *bytes, int64_t n) {
  static const char zeros[LRT_ALIGN];
  const WeightsJob *j = w->job;
  out_write(w->to, bytes, (size_t)n);
  out_write(w->to, zeros, (size_t)((LRT_ALIGN - n % LRT_ALIGN) % LRT_ALIGN));
  w->done += n;
  sync_file_range(w->to->fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* begin to write what the sync at the end waits for */
  if (j->progress) j->progress(j->progress_ctx, w->done, j->info->weights_size);
}

static void *write_parts(void *context) {
  Writing *w = context;
  pthread_mutex_lock(&w->lock);
  for (;;) {
    while (w->made == w->written && !w->ended) pthread_cond_wait(&w->changed, &w->lock);
    if (w->made == w->written) break;
    Part p = w->part[w->written % PARTS];
    pthread_mutex_unlock(&w->lock);
    write_part(w, p.bytes, p.n);
    pthread_mutex_lock(&w->lock);
    w->written++;
    pthread_cond_broadcast(&w->changed);
  }
  pthread_mutex_unlock(&w->lock);
  return NULL;
}

/* ---- making ---- */

/* Waits until so many parts at most are not written yet. */
static void wait_for_room(Writing *w, int64_t most) {
  pthread_mutex_lock(&w->lock);
  while (w->made - w->written > most) pthread_cond_wait(&w->changed, &w->lock);
  pthread_mutex_unlock(&w->lock);
}

/* The place of the next part, when it is free. */
static char *free_buffer(Writing *w) {
  wait_for_room(w, PARTS - 1);
  return w->buffer[w->made % PARTS];
}

static void give(Writing *w, const char *bytes, int64_t n) {
  hash_part(&w->hash, bytes, n);
  pthread_mutex_lock(&w->lock);
  w->part[w->made++ % PARTS] = (Part){bytes, n};
  pthread_cond_broadcast(&w->changed);
  pthread_mutex_unlock(&w->lock);
}

/* A file's part is mapped by itself, and let go: its pages are the file's, and no memory of ours. */
static void let_go(const View *v, const char *source) {
  int64_t size;
  if (v->source->kind != CONSTANT_FILE || !constant_size(v->source, &size)) return;
  uintptr_t from = ((uintptr_t)source + PAGE - 1) & ~(uintptr_t)(PAGE - 1), to = ((uintptr_t)source + (uintptr_t)size) & ~(uintptr_t)(PAGE - 1);
  if (to > from) madvise((void *)from, to - from, MADV_DONTNEED);
}

/* Parts are whole panels where they can be, and blocks of LRT_ALIGN bytes anyway. */
static void write_view(Writing *w, const View *v, const char *source) {
  int64_t element = dtype_bits(v->dtype) / 8, part = view_part(v, CHUNK / element);
  if (part * element % LRT_ALIGN) part = CHUNK / element;
  for (int64_t at = 0; at < v->count; at += part) {
    int64_t n = v->count - at < part ? v->count - at : part;
    char *buffer = free_buffer(w);
    const char *there = view_in_place(v, source, at);
    if (!there) view_read(v, source, at, n, buffer);
    give(w, there ? there : buffer, n * element);
  }
  let_go(v, source);
}

/* Takes arithmetic, or has elements of less than a byte. */
static bool write_computed(Writing *w, Constant *c, int64_t size) {
  Evaluator *e = eval_new(w->job->module, (EvalOptions){0});
  Tensor *t = eval_constant(e, c);
  if (!t && eval_exhausted(e)) fatal_resource("%s", diag_first(w->job->module->diag));
  for (int64_t at = 0; t && at < size; at += CHUNK) {
    free_buffer(w);
    give(w, (char *)t->data + at, size - at < CHUNK ? size - at : CHUNK);
  }
  wait_for_room(w, 0);
  if (t) tensor_release(t);
  eval_free(e);
  return t;
}

static bool write_weight(Writing *w, const ProgramWeight *p) {
  View v;
  Module *m = w->job->module;
  if (!view_of(m, p->constant, &v) || v.source->kind == CONSTANT_EXPR) return write_computed(w, p->constant, p->size);
  const char *source = v.source->kind == CONSTANT_FILE ? constant_data(m, v.source, p->constant->loc) : v.source->bytes;
  if (source) write_view(w, &v, source);
  return source;
}

bool weights_write(const WeightsJob *j, const OutFile *to, uint64_t *hash) {
  Arena *a = arena_new();
  Writing w = {.job = j, .to = to, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
  for (int i = 0; i < PARTS; i++) w.buffer[i] = arena_alloc(a, CHUNK);
  pthread_t writer;
  int failed = pthread_create(&writer, NULL, write_parts, &w);
  if (failed) fatal_resource("cannot start a thread: %s", strerror(failed));
  bool good = true;
  for (int i = 0; i < j->info->weights.n && good; i++) good = write_weight(&w, &j->info->weights.at[i]);
  pthread_mutex_lock(&w.lock);
  w.ended = true;
  pthread_cond_broadcast(&w.changed);
  pthread_mutex_unlock(&w.lock);
  pthread_join(writer, NULL);
  *hash = lrt_hash_end(&w.hash);
  lrt_end_mark end = {.size = (uint64_t)j->info->weights_size, .hash = *hash};
  memcpy(end.magic, LRT_MAGIC, sizeof end.magic);
  if (good) out_write(to, &end, sizeof end);
  arena_free(a);
  return good;
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

/* weights.c -- the weights of a model: where they are, and whether they are the right ones. */
#include "runtime/weights.h"

#include "runtime/os.h"
#include "runtime/words.h"

static bool fail(lrt_error *why, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  text_format_list(why->text, sizeof why->text, fmt, ap);
  va_end(ap);
  return false;
}

const lrt_end_mark *weights_mark(const lrt_weights *w, const lrt_model *m) {
  return (const lrt_end_mark *)(const void *)(w->bytes + m->weights_size);
}

/* A build knows the hash of weights that it has written before. */
static bool is_marked(const lrt_weights *w, const lrt_model *m, lrt_error *why) {
  const lrt_end_mark *end = weights_mark(w, m);
  if (!text_same_n(end->magic, LRT_MAGIC, sizeof end->magic) || end->size != (uint64_t)m->weights_size)
    return fail(why, "the weights are damaged: they do not end where they should");
  if (m->weights_hash && end->hash != m->weights_hash)
    return fail(why, "these are the weights of another build: their hash is %x, and this one's is %x", end->hash, m->weights_hash);
  return true;
}

bool weights_given(lrt_weights *w, const lrt_model *m, const void *bytes, size_t size, lrt_error *why) {
  *w = (lrt_weights){0};
  if (m->weights_size == 0) return true;
  uint64_t want = (uint64_t)m->weights_size + sizeof(lrt_end_mark);
  if (!bytes) return fail(why, "the model `%s` needs its weights, and none are given", m->name);
  if ((uintptr_t)bytes % LRT_ALIGN) return fail(why, "the weights must begin at a multiple of %d bytes", (int64_t)LRT_ALIGN);
  if (size < want) return fail(why, "the weights are incomplete: %d bytes of %d", (int64_t)size, (int64_t)want);
  w->bytes = bytes;
  return is_marked(w, m, why);
}

static bool map_file(lrt_weights *w, int64_t file, const char *path, lrt_error *why) {
  int64_t size = os_size(file);
  if (size <= 0) return fail(why, size == 0 ? "%s: it is empty" : "%s: it is no file that can be mapped", path);
  w->map = (uint64_t)size > SIZE_MAX ? NULL : os_map(file, (size_t)size);
  w->map_size = (size_t)size;
  w->no_memory = !w->map;
  return w->map || fail(why, "%s: there is no memory to map it", path);
}

bool weights_open(lrt_weights *w, const lrt_model *m, const char *path, lrt_error *why) {
  lrt_error what;
  lrt_weights mapped = {0}, given;
  *w = mapped;
  if (m->weights_size == 0) return true;
  if (!path) return fail(why, "the model `%s` needs the file with its weights, and none is named", m->name);
  int64_t file = os_open(path);
  if (file < 0) return fail(why, file == -2 ? "%s: there is no such file" : "%s: it cannot be opened (error %d)", path, -file);
  bool good = map_file(&mapped, file, path, why);
  os_close(file);
  if (good && !weights_given(&given, m, mapped.map, mapped.map_size, &what)) good = fail(why, "%s: %s", path, what.text);
  w->no_memory = mapped.no_memory;
  if (good) *w = (lrt_weights){.bytes = given.bytes, .map = mapped.map, .map_size = mapped.map_size};
  else weights_close(&mapped);
  return good;
}

void weights_close(lrt_weights *w) {
  if (w->map) os_release((void *)(uintptr_t)w->map, w->map_size);
  *w = (lrt_weights){0};
}

bool weights_check(const lrt_weights *w, const lrt_model *m, lrt_error *why) {
  lrt_hash h = {0};
  if (!w->bytes) return true;
  lrt_hash_words(&h, (const uint64_t *)(const void *)w->bytes, (uint64_t)m->weights_size / 8);
  uint64_t is = lrt_hash_end(&h), was = weights_mark(w, m)->hash;
  return is == was || fail(why, "the weights are damaged: their hash is %x, and was %x", is, was);
}

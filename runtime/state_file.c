/* state_file.c -- a text and what the caches hold of it, in a file that is written whole or not at all. */
#include "runtime/language.h"
#include "runtime/os.h"

/* A file of whole words, whose hash follows. */
typedef struct Stream {
  int64_t file;
  bool reads;
  lrt_hash hash;
  size_t n, end; /* of what is in `at` */
  uint64_t at[512];
} Stream;

/* ---- words ---- */

static bool write_out(Stream *s) {
  size_t words = (s->n + 7) / 8;
  for (size_t i = s->n; i < words * 8; i++) ((char *)s->at)[i] = 0;
  lrt_hash_words(&s->hash, s->at, words);
  s->n = 0;
  return os_write(s->file, s->at, words * 8);
}

static bool read_in(Stream *s) {
  int64_t got = os_read(s->file, s->at, sizeof s->at);
  s->n = 0;
  s->end = got > 0 ? (size_t)got : 0;
  return s->end > 0;
}

/* The last 8 bytes are the hash's, so it is taken piece by piece as the pieces are asked for: a whole buffer when it is used up. */
static bool move(void *context, void *bytes, size_t n) {
  Stream *s = context;
  for (size_t done = 0, part; done < n; done += part) {
    if (s->reads && s->n == s->end) {
      lrt_hash_words(&s->hash, s->at, s->end / 8);
      if (!read_in(s)) return false;
    }
    if (!s->reads && s->n == sizeof s->at && !write_out(s)) return false;
    part = (s->reads ? s->end : sizeof s->at) - s->n;
    if (part > n - done) part = n - done;
    char *here = (char *)s->at + s->n, *there = (char *)bytes + done;
    __builtin_memcpy(s->reads ? there : here, s->reads ? here : there, part);
    s->n += part;
  }
  return true;
}

/* What was used of the last buffer is hashed; then comes the hash, and the end. */
static bool ends_well(Stream *s) {
  size_t used = (s->n + 7) / 8;
  uint64_t is, was;
  lrt_hash_words(&s->hash, s->at, used);
  is = lrt_hash_end(&s->hash);
  s->n = used * 8;
  if (s->n == s->end && !read_in(s)) return false;
  if (s->end - s->n != sizeof was) return false;
  was = s->at[s->n / 8];
  return was == is && os_read(s->file, &was, 1) == 0;
}

/* ---- saving ---- */

static bool write_all(Language *l, Stream *s) {
  const Program *p = l->program;
  if (!generator_save(&l->generator, p->model, &p->weights, move, s) || !write_out(s)) return false;
  uint64_t hash = lrt_hash_end(&s->hash);
  return os_write(s->file, &hash, sizeof hash);
}

int state_save(Language *l, const char *path) {
  char aside[4096];
  size_t n = text_format(aside, sizeof aside, "%s.part", path);
  Stream s = {.file = n < sizeof aside - 1 ? os_create(aside) : -36};
  if (s.file < 0) return complain(l->program, NO_RESOURCE, "%s: it cannot be written (error %d)", path, -s.file);
  bool good = write_all(l, &s);
  os_close(s.file);
  if (good && os_rename(aside, path)) return DONE;
  os_remove(aside);
  return complain(l->program, NO_RESOURCE, "%s: it cannot be written: is the disk full?", path);
}

/* ---- loading ---- */

static int read_all(Language *l, Stream *s, const char *path) {
  const Program *p = l->program;
  Generator *g = &l->generator;
  if (!generator_load(g, p->model, &p->weights, l->sampler.words, move, s)) return complain(p, BAD_INPUT, "%s: %s", path, g->why.text);
  return ends_well(s) ? DONE : complain(p, BAD_INPUT, "%s: it is damaged, or not whole", path);
}

int state_load(Language *l, const char *path) {
  Stream s = {.file = os_open(path), .reads = true};
  if (s.file < 0) return complain(l->program, BAD_INPUT, s.file == -2 ? "%s: there is no such file" : "%s: it cannot be opened (error %d)", path, -s.file);
  int status = read_all(l, &s, path);
  os_close(s.file);
  return status;
}

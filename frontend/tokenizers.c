/* tokenizers.c -- finds a model's tokenizer, and reads it by its kind. */
#include "frontend/tokenizers.h"

#include <sys/stat.h>
#include <unistd.h>

#include "frontend/tokenizer_spec.h"

static const char *inside(Arena *a, const char *folder, const char *name) { return arena_printf(a, "%s/%s", folder, name); }

static bool is_file(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

static bool is_folder(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* In the order in which they are preferred. */
static const char *const names[] = {"tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model"};

static const char *find(Arena *a, const char *folder) {
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *path = inside(a, folder, names[i]);
    if (is_file(path)) return path;
  }
  return NULL;
}

bool tokenizer_in_folder(Arena *a, const char *folder) { return find(a, folder) != NULL; }

/* ---- kinds of files ---- */

static bool read_gguf(Spec *s, const char *path) {
  Module *m = module_new(s->arena, s->diag);
  Checkpoint c = {.module = m, .path = path};
  bool good = gguf_read_settings(&c, path) && tokenizer_read_settings(s, &c);
  module_close(m);
  return good;
}

/* By what the file begins with: a brace, the magic of GGUF, or anything else. */
static bool read_file(Spec *s, const char *path) {
  char start[4] = {0};
  FILE *f = fopen(path, "rb");
  size_t n = f ? fread(start, 1, sizeof start, f) : 0;
  if (f) fclose(f);
  if (n == 4 && memcmp(start, "GGUF", 4) == 0) return read_gguf(s, path);
  for (size_t i = 0; i < n; i++) {
    if (start[i] == '{') return tokenizer_read_json(s, path);
    if (!tokenizer_is_space((uint8_t)start[i])) break;
  }
  return tokenizer_read_pieces(s, path);
}

bool tokenizer_load(Arena *a, Diag *d, const char *path, TokenizerBytes *out) {
  const char *file = is_folder(path) ? find(a, path) : path;
  if (!file) {
    diag_error(d, (Loc){.file = path}, "there is no tokenizer in this folder");
    return diag_hint(d, "tokenizer.json and tokenizer.model are looked for");
  }
  Spec *s = spec_new(a, d, arena_string(a, file, strlen(file)));
  return read_file(s, file) && spec_finish(s, out);
}

bool tokenizer_from_settings(const Checkpoint *c, TokenizerBytes *out) {
  Spec *s = spec_new(c->module->arena, c->module->diag, c->path);
  return tokenizer_read_settings(s, c) && spec_finish(s, out);
}

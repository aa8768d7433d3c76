/* lm.c -- language models: Hugging Face folders and GGUF files become functions over rows. */
#include "frontend/lm.h"

#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/path.h"

/* How much of a context is kept where nobody says: what fits most machines. */
enum { USUAL_CONTEXT = 4096, MAX_SEQUENCES = 4096 };

static bool begins_as_gguf(const char *path) {
  char magic[4] = {0};
  FILE *f = fopen(path, "rb");
  if (!f) return false;
  bool read = fread(magic, 1, sizeof magic, f) == sizeof magic;
  fclose(f);
  return read && memcmp(magic, "GGUF", 4) == 0;
}

static bool is_gguf(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISREG(st.st_mode) && (path_ends_with(path, ".gguf") || begins_as_gguf(path));
}

static const char *inside(Arena *a, const char *folder, const char *name) { return arena_printf(a, "%s/%s", folder, name); }

static bool is_folder(Arena *a, const char *path) { return access(inside(a, path, "config.json"), R_OK) == 0; }

bool lm_knows(Arena *a, const char *path) { return is_gguf(path) || is_folder(a, path); }

/* ---- sizes from outside ---- */

static const Binding *bound(const LmOptions *o, const char *name) {
  for (int i = 0; i < o->n_dims; i++)
    if (strcmp(o->dim[i].name, name) == 0) return &o->dim[i];
  return NULL;
}

/* -d context=N and -d sequences=N say how large the caches are. */
static bool cache_sizes(Diag *d, const LmOptions *o, LmConfig *c) {
  const Binding *context = bound(o, "context"), *sequences = bound(o, "sequences");
  c->rows = context ? context->value : c->context < USUAL_CONTEXT ? (int64_t)c->context : USUAL_CONTEXT;
  c->sequences = sequences ? sequences->value : 1;
  if (c->rows < 1 || (double)c->rows > c->context)
    return diag_misuse(d, "-d context=%" PRId64 ": the model was made for 1 to %.0f", c->rows, c->context);
  if (c->sequences >= 1 && c->sequences <= MAX_SEQUENCES) return true;
  return diag_misuse(d, "-d sequences=%" PRId64 ": from 1 to %d", c->sequences, MAX_SEQUENCES);
}

static bool bind_others(Module *m, const LmOptions *o) {
  for (int i = 0; i < o->n_dims; i++)
    if (strcmp(o->dim[i].name, "context") != 0 && strcmp(o->dim[i].name, "sequences") != 0 && !module_bind(m, &o->dim[i])) return false;
  return true;
}

/* ---- the whole ---- */

Module *lm_import(Arena *a, Diag *d, const char *path, const LmOptions *o) {
  Module *m = module_new(a, d);
  bool gguf = is_gguf(path);
  Checkpoint c = {.module = m, .path = arena_string(a, path, strlen(path))};
  LmConfig config;
  m->source = c.path;
  bool good = gguf ? gguf_read(&c, path) : settings_read_json(&c, inside(a, path, "config.json"));
  good = good && lm_config(&c, gguf, &config) && (gguf || safetensors_read(&c, path));
  if (good && lm_family(config.family)->kind == LM_DECODER) good = cache_sizes(d, o, &config);
  good = good && lm_build(&c, &config) && bind_others(m, o);
  if (good) checkpoint_close(&c);
  else module_close(m);
  return good ? m : NULL;
}

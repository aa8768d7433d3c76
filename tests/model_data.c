/* model_data.c -- finds models that tests run, and what others computed for them. */
#include "model_data.h"

#include <stdlib.h>
#include <unistd.h>

#include "frontend/onnx_tensor.h"

/* ---- finding models ---- */

static const struct {
  const char *name, *path; /* below LATHE_CORPUS */
} corpus_models[] = {
    {"gpt2_past", "exported-onnx/gpt2_past.onnx"},
    {"bert_toy_optimized", "exported-onnx/bert_toy_optimized.onnx"},
    {"tiny_random_gpt2", "exported-onnx/tiny-random-gpt2/past.onnx"},
};

const char *data_model(Arena *a, const char *dir) {
  char *own = arena_printf(a, "%s/model.onnx", dir);
  if (access(own, R_OK) == 0) return own;
  const char *slash = strrchr(dir, '/'), *name = slash ? slash + 1 : dir, *corpus = getenv("LATHE_CORPUS");
  for (size_t i = 0; i < sizeof corpus_models / sizeof *corpus_models; i++) {
    char *path = arena_printf(a, "%s/%s", corpus ? corpus : "../shared/corpus", corpus_models[i].path);
    if (strcmp(name, corpus_models[i].name) == 0 && access(path, R_OK) == 0) return path;
  }
  return NULL;
}

/* ---- one set of data ---- */

static int load_series(Arena *a, Diag *d, const char *dir, const char *kind, const char **name, Tensor **t) {
  int n = 0;
  for (; n < MAX_TENSORS; n++) {
    char *path = arena_printf(a, "%s/%s_%d.pb", dir, kind, n);
    if (access(path, R_OK) != 0) break;
    if (!onnx_load_tensor(a, d, path, &name[n], &t[n])) return -1;
  }
  return n;
}

static bool load_set(Arena *a, Diag *d, const char *dir, DataSet *s) {
  *s = (DataSet){.dir = dir};
  s->n_in = load_series(a, d, dir, "input", s->in_name, s->in);
  s->n_out = load_series(a, d, dir, "output", s->out_name, s->out);
  return s->n_in >= 0 && s->n_out > 0;
}

void data_release(DataSet *s) {
  for (int i = 0; i < s->n_in; i++) tensor_release(s->in[i]);
  for (int i = 0; i < s->n_out; i++) tensor_release(s->out[i]);
}

int data_load(Arena *a, Diag *d, const char *dir, DataSet set[MAX_SETS]) {
  int n = 0;
  for (; n < MAX_SETS; n++) {
    char *path = arena_printf(a, "%s/test_data_set_%d", dir, n);
    if (access(path, R_OK) != 0 || !load_set(a, d, path, &set[n])) break;
  }
  return n;
}

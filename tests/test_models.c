/* test_models.c -- whole models against what others computed for them, before and after every pass.
 *
 *   test_models DIR...   each has model.onnx and test_data_set_*; or, under a folder called `corpus`, only the data,
 *                        for a model that is found through LATHE_CORPUS.
 * A module must print, parse and print the same, and evaluate to the outputs, as imported and after each pass. */
#include <stdlib.h>
#include <unistd.h>

#include "frontend/onnx.h"
#include "frontend/onnx_tensor.h"
#include "ir/fatal.h"
#include "ir/text.h"
#include "passes/pass.h"
#include "tolerance.h"

/* ---- finding models ---- */

static const struct {
  const char *name, *path; /* below LATHE_CORPUS */
} corpus_models[] = {
    {"gpt2_past", "exported-onnx/gpt2_past.onnx"},
    {"bert_toy_optimized", "exported-onnx/bert_toy_optimized.onnx"},
    {"tiny_random_gpt2", "exported-onnx/tiny-random-gpt2/past.onnx"},
};

static const char *model_file(Arena *a, const char *dir) {
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

enum { MAX_TENSORS = 64 };

typedef struct DataSet {
  const char *dir;
  int n_in, n_out;
  const char *in_name[MAX_TENSORS], *out_name[MAX_TENSORS];
  Tensor *in[MAX_TENSORS], *out[MAX_TENSORS];
} DataSet;

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

static void release_set(DataSet *s) {
  for (int i = 0; i < s->n_in; i++) tensor_release(s->in[i]);
  for (int i = 0; i < s->n_out; i++) tensor_release(s->out[i]);
}

/* ---- one model ---- */

typedef struct Case {
  Arena *arena;
  Diag *diag;
  const char *dir;
  int n_sets;
  DataSet set[16];
  bool failed;
} Case;

static void fail(Case *c, const char *when, const char *what, const char *why) {
  printf("FAIL %s, %s: %s: %s\n", c->dir, when, what, why);
  c->failed = true;
}

static void check_set(Case *c, const char *when, Module *m, const DataSet *s) {
  Func *f = m->funcs.at[0];
  Tensor *arg[MAX_TENSORS] = {0}, *result[MAX_TENSORS] = {0};
  ensure(f->body->n_args <= MAX_TENSORS && f->n_results <= MAX_TENSORS);
  for (int i = 0; i < f->body->n_args; i++)
    for (int k = 0; k < s->n_in; k++)
      if (strcmp(f->body->arg[i]->name, s->in_name[k]) == 0) arg[i] = s->in[k];
  Evaluator *e = eval_new(m, (EvalOptions){.max_memory = (int64_t)1 << 30});
  if (!eval_func(e, f, f->body->n_args, arg, result)) fail(c, when, s->dir, diag_first(m->diag) ? diag_first(m->diag) : "?");
  for (int i = 0; i < f->n_results && !c->failed; i++)
    for (int k = 0; k < s->n_out; k++) {
      if (!f->result_name[i] || strcmp(f->result_name[i], s->out_name[k]) != 0) continue;
      Comparison r = compare_scaled(result[i], s->out[k], 1e-4);
      if (!r.good) fail(c, when, s->out_name[k], r.why);
    }
  for (int i = 0; i < f->n_results; i++)
    if (result[i]) tensor_release(result[i]);
  eval_free(e);
}

static char *printed(const Module *m, size_t *size) {
  char *text = NULL;
  FILE *f = open_memstream(&text, size);
  text_print(m, f);
  fclose(f);
  return text;
}

static void check_round_trip(Case *c, const char *when, const Module *m) {
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  size_t n, again_n;
  char *text = printed(m, &n);
  Module *again = text_parse(a, d, "printed", text, n);
  if (!again) fail(c, when, "its text does not parse", diag_first(d));
  else {
    char *second = printed(again, &again_n);
    if (n != again_n || memcmp(text, second, n) != 0) fail(c, when, "its text", "reads back as another");
    free(second);
  }
  free(text);
  arena_free(a);
}

static void check_module(void *ctx, const char *when, Module *m) {
  Case *c = ctx;
  check_round_trip(c, when, m);
  for (int i = 0; i < c->n_sets && !c->failed; i++) check_set(c, when, m, &c->set[i]);
}

static bool run_case(Arena *a, const char *dir, const char *file) {
  Case c = {.arena = a, .diag = diag_new(a), .dir = dir};
  for (int i = 0; i < 16; i++) {
    char *path = arena_printf(a, "%s/test_data_set_%d", dir, i);
    if (access(path, R_OK) != 0 || !load_set(a, c.diag, path, &c.set[c.n_sets])) break;
    c.n_sets++;
  }
  Module *m = onnx_import(a, c.diag, file, NULL);
  if (!m || !c.n_sets) fail(&c, "import", "nothing to compare", diag_first(c.diag) ? diag_first(c.diag) : "no data");
  if (m && !c.failed) {
    check_module(&c, "as imported", m);
    PassOptions o = {.out = stdout, .err = stderr, .changed = check_module, .changed_ctx = &c};
    if (!c.failed && !pass_run(m, &o)) fail(&c, "passes", "default pipeline", diag_first(m->diag));
  }
  if (m) module_close(m);
  for (int i = 0; i < c.n_sets; i++) release_set(&c.set[i]);
  if (!c.failed) printf("ok %s (%d data sets)\n", dir, c.n_sets);
  return !c.failed;
}

int main(int argc, char **argv) {
  int passed = 0, failed = 0, skipped = 0;
  for (int i = 1; i < argc; i++) {
    Arena *a = arena_new();
    const char *file = model_file(a, argv[i]);
    if (!file) printf("skipped %s: its model is not there (LATHE_CORPUS)\n", argv[i]), skipped++;
    else if (run_case(a, argv[i], file)) passed++;
    else failed++;
    arena_free(a);
  }
  printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  return failed ? 1 : passed ? 0 : 77;
}

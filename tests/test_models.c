/* test_models.c -- whole models against what others computed for them, before and after every pass.
 *
 *   test_models DIR...   each has model.onnx and test_data_set_*; or, under a folder called `corpus`, only the data,
 *                        for a model that is found through LATHE_CORPUS.
 * A module must print, parse and print the same, and evaluate to the outputs, as imported and after each pass; and the ops
 * that its family is made of must have been recovered. */
#include <stdlib.h>

#include "frontend/onnx.h"
#include "ir/fatal.h"
#include "ir/text.h"
#include "passes/pass.h"
#include "model_data.h"
#include "ir/tolerance.h"

/* ---- one model ---- */

typedef struct Case {
  Arena *arena;
  Diag *diag;
  const char *dir;
  int n_sets;
  DataSet set[MAX_SETS];
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

/* ---- what is recovered ---- */

static const Op model_ops[] = {OP_attention, OP_layernorm, OP_rmsnorm, OP_gelu, OP_silu, OP_softmax};
enum { N_MODEL_OPS = sizeof model_ops / sizeof *model_ops };

/* How many of these each family has, as its authors wrote it. */
static const struct {
  const char *family;
  int count[N_MODEL_OPS];
} families[] = {
    {"bert_toy_optimized", {5, 12, 0, 6, 0, 0}}, /* five layers and a head */
    {"gpt2_past_dynamo", {2, 5, 0, 2, 0, 0}},    {"gpt2_past_torchscript", {2, 5, 0, 2, 0, 0}},
    {"tiny_random_gpt2", {5, 11, 0, 5, 0, 0}},
    {"gpt2_past", {0, 25, 0, 12, 0, 12}}, /* its masks are cut out of a table of 8 rows, and may have fewer rows than queries */
    {"bert_", {2, 5, 0, 2, 0, 0}},               {"gpt2_", {2, 5, 0, 2, 0, 0}},
    {"gemma2_", {2, 0, 9, 2, 0, 0}},             {"llama_", {2, 0, 5, 0, 2, 0}},
    {"qwen2_", {2, 0, 5, 0, 2, 0}},              {"t5_encoder_", {2, 0, 5, 2, 0, 0}},
    {"t5_decoder_", {4, 0, 7, 2, 0, 0}},         {"whisper_encoder_", {2, 5, 0, 4, 0, 0}},
    {"whisper_decoder_", {4, 7, 0, 2, 0, 0}},
};

static int count_op(const Module *m, Op op) {
  int count = 0;
  for (const Node *n = m->funcs.at[0]->body->first; n; n = n->next) count += n->op == op;
  return count;
}

static void check_recovered(Case *c, const Module *m) {
  for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
    if (!strstr(c->dir, families[i].family)) continue;
    for (int k = 0; k < N_MODEL_OPS; k++) {
      int got = count_op(m, model_ops[k]), want = families[i].count[k];
      if (got != want) fail(c, "recovered", op_name(model_ops[k]), arena_printf(c->arena, "%d, not %d", got, want));
    }
    return;
  }
  fail(c, "recovered", "family", "the table does not have it");
}

static bool run_case(Arena *a, const char *dir, const char *file) {
  Case c = {.arena = a, .diag = diag_new(a), .dir = dir};
  c.n_sets = data_load(a, c.diag, dir, c.set);
  Module *m = onnx_import(a, c.diag, file, NULL);
  if (!m || !c.n_sets) fail(&c, "import", "nothing to compare", diag_first(c.diag) ? diag_first(c.diag) : "no data");
  if (m && !c.failed) {
    check_module(&c, "as imported", m);
    PassOptions o = {.out = stdout, .err = stderr, .changed = check_module, .changed_ctx = &c};
    if (!c.failed && !pass_run(m, &o)) fail(&c, "passes", "default pipeline", diag_first(m->diag));
    if (!c.failed) check_recovered(&c, m);
  }
  if (m) module_close(m);
  for (int i = 0; i < c.n_sets; i++) data_release(&c.set[i]);
  if (!c.failed) printf("ok %s (%d data sets)\n", dir, c.n_sets);
  return !c.failed;
}

int main(int argc, char **argv) {
  int passed = 0, failed = 0, skipped = 0;
  for (int i = 1; i < argc; i++) {
    Arena *a = arena_new();
    const char *file = data_model(a, argv[i]);
    if (!file) printf("skipped %s: its model is not there (LATHE_CORPUS)\n", argv[i]), skipped++;
    else if (run_case(a, argv[i], file)) passed++;
    else failed++;
    arena_free(a);
  }
  printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  return failed ? 1 : passed ? 0 : 77;
}

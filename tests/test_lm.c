/* test_lm.c -- language models from Hugging Face folders and GGUF files, and decoders from ONNX, give what transformers computes for them.
 *
 *   test_lm [--via eval|lowered|native] [--kv f32|f16|bf16] DIR|FILE...   made by make_language_models.py, make_gguf_models.py and
 * make_decoders.py of tests/oracles
 * What is expected of a file lies beside it.
 * A decoder's rows come one by one, in chunks of several sizes, and as three unequal sequences in one call; an encoder's as a
 * batch with padding. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/lm.h"
#include "frontend/npy.h"
#include "frontend/onnx.h"
#include "ir/fatal.h"
#include "ir/tolerance.h"
#include "ir/verify.h"
#include "model_data.h"
#include "passes/caches.h"
#include "passes/pass.h"
#include "via.h"

enum { SEQUENCES = 3, MAX_STATES = 64 };

typedef struct Case {
  Arena *arena;
  Diag *diag;
  const char *path, *dir; /* of the model, and of what is expected */
  Module *module;
  Func *func;
  Program *program;
  Evaluator *ev; /* for tensors */
  Tensor *ids, *want; /* [SEQUENCES, length], [SEQUENCES, length, words] */
  Tensor *state[MAX_STATES];
  int n_states, checks;
  double tolerance;
  bool failed;
} Case;

static void fail(Case *c, const char *what, const char *why) {
  printf("FAIL %s: %s: %s\n", c->path, what, why ? why : "?");
  c->failed = true;
}

/* An ONNX decoder tests/decoders/MODEL.HOW was made of the folder tests/lm/MODEL, which has its arrays. */
static const char *array_dir(Case *c) {
  const char *slash = strrchr(c->dir, '/'), *dot = slash ? strchr(slash, '.') : NULL;
  if (!dot) return c->dir;
  return arena_printf(c->arena, "tests/lm/%s", arena_string(c->arena, slash + 1, (size_t)(dot - slash - 1)));
}

static Tensor *read_array(Case *c, const char *name) { return npy_read(c->diag, arena_printf(c->arena, "%s/%s.npy", array_dir(c), name)); }

/* ---- decoders ---- */

/* Rows of a call: which position of which sequence. */
typedef struct Rows {
  int64_t n, at[256], sequence[256];
} Rows;

static void add_rows(Rows *r, int64_t sequence, int64_t from, int64_t to) {
  for (int64_t i = from; i < to; i++, r->n++) {
    ensure(r->n < 256);
    r->at[r->n] = i, r->sequence[r->n] = sequence;
  }
}

static Tensor *vector(Case *c, int64_t n) {
  Tensor *t = tensor_new(c->ev, DT_i64, 1, &n);
  ensure(t);
  return t;
}

static void compare_rows(Case *c, const Rows *r, const Tensor *logits, const char *how) {
  int64_t words = c->want->dim[2], length = c->want->dim[1];
  for (int64_t i = 0; i < r->n && !c->failed; i++) {
    Tensor *got = tensor_new(c->ev, DT_f32, 1, &words), *want = tensor_new(c->ev, DT_f32, 1, &words);
    memcpy(got->data, (const float *)logits->data + i * words, (size_t)words * sizeof(float));
    memcpy(want->data, (const float *)c->want->data + (r->sequence[i] * length + r->at[i]) * words, (size_t)words * sizeof(float));
    Comparison x = compare_scaled(got, want, c->tolerance);
    if (!x.good) fail(c, arena_printf(c->arena, "%s, sequence %d, position %d", how, (int)r->sequence[i], (int)r->at[i]), x.why);
    tensor_release(got);
    tensor_release(want);
    c->checks++;
  }
}

static void call(Case *c, const Rows *r, const char *how) {
  Tensor *arg[4 + MAX_STATES], *result[1 + MAX_STATES];
  for (int i = 0; i < 4; i++) arg[i] = vector(c, r->n);
  for (int64_t i = 0; i < r->n; i++) {
    dtype_set_i(DT_i64, arg[0]->data, i, tensor_i(c->ids, r->sequence[i] * c->ids->dim[1] + r->at[i]));
    dtype_set_i(DT_i64, arg[1]->data, i, r->at[i]);
    dtype_set_i(DT_i64, arg[2]->data, i, r->sequence[i]);
    dtype_set_i(DT_i64, arg[3]->data, i, i);
  }
  memcpy(arg + 4, c->state, (size_t)c->n_states * sizeof *arg);
  bool good = via_run(c->program, c->func, arg, result);
  for (int i = 0; i < 4 + c->n_states; i++) tensor_release(arg[i]);
  memset(c->state, 0, sizeof c->state);
  if (!good) return fail(c, how, diag_first(c->diag));
  memcpy(c->state, result + 1, (size_t)c->n_states * sizeof *result);
  compare_rows(c, r, result[0], how);
  tensor_release(result[0]);
}

static void forget(Case *c) {
  for (int i = 0; i < c->n_states; i++) tensor_release(c->state[i]);
  memset(c->state, 0, sizeof c->state);
}

static void run_chunks(Case *c, int64_t chunk) {
  int64_t length = c->ids->dim[1];
  for (int64_t from = 0; from < length && !c->failed; from += chunk) {
    Rows r = {0};
    add_rows(&r, 1, from, from + chunk < length ? from + chunk : length);
    call(c, &r, arena_printf(c->arena, "in chunks of %d", (int)chunk));
  }
  forget(c);
}

/* Prompts of unequal lengths in one call, then all go on together, two tokens and one at a time. */
static void run_batch(Case *c) {
  int64_t length = c->ids->dim[1], begin[SEQUENCES] = {(length * 11 + 39) / 40, (length * 3 + 39) / 40, length / 2}, steps = length / 2 < 8 ? length / 2 : 8;
  Rows r = {0};
  for (int i = 0; i < SEQUENCES; i++) add_rows(&r, i, 0, begin[i]);
  call(c, &r, "unequal prompts");
  for (int64_t step = 0; step < steps && !c->failed; step++) {
    Rows next = {0};
    for (int i = 0; i < SEQUENCES; i++) add_rows(&next, SEQUENCES - 1 - i, begin[SEQUENCES - 1 - i] + step, begin[SEQUENCES - 1 - i] + step + 1);
    call(c, &next, "a batch of steps");
  }
  forget(c);
}

static void check_decoder(Case *c) {
  static const int64_t chunk[] = {40, 1, 7, 3};
  c->n_states = c->func->body->n_args - 4;
  c->want = read_array(c, "logits");
  if (!c->want) return fail(c, "logits.npy", diag_first(c->diag));
  ensure(c->n_states <= MAX_STATES);
  for (size_t i = 0; i < sizeof chunk / sizeof *chunk && !c->failed; i++) run_chunks(c, chunk[i]);
  if (!c->failed) run_batch(c);
  tensor_release(c->want);
}

/* ---- encoders ---- */

/* Where the mask is 0, a row may be anything. */
static void blank(Tensor *x, const Tensor *mask) {
  int64_t n = x->dim[2];
  for (int64_t i = 0; i < mask->count; i++)
    if (!tensor_i(mask, i)) memset((float *)x->data + i * n, 0, (size_t)n * sizeof(float));
}

static void check_encoder(Case *c) {
  Tensor *in[] = {c->ids, read_array(c, "attention_mask"), read_array(c, "token_type_ids")}, *out[2];
  Tensor *want[] = {read_array(c, "last_hidden_state"), read_array(c, "pooler_output")};
  if (!in[1] || !in[2] || !want[0] || !want[1]) return fail(c, "its arrays", diag_first(c->diag));
  ensure(c->func->n_results == (c->path == c->dir ? 2 : 1)); /* GGUF has no pooler */
  if (!via_run(c->program, c->func, in, out)) return fail(c, "eval", diag_first(c->diag));
  blank(out[0], in[1]);
  for (int i = 0; i < c->func->n_results; i++) {
    Comparison x = compare_scaled(out[i], want[i], c->tolerance);
    if (!x.good) fail(c, c->func->result_name[i], x.why);
    tensor_release(out[i]);
    c->checks++;
  }
  for (int i = 0; i < 2; i++) tensor_release(want[i]), tensor_release(in[1 + i]);
}

/* ---- the cases ---- */

/* Caches of another type: what they round is a little of what a layer adds. */
static bool keep_caches_in(Case *c, Dtype kv) {
  if (kv == DT_f32 || caches_type(c->module->funcs.at[0]) == DT_none) return true;
  c->tolerance = kv == DT_f16 ? 2e-3 : 1.6e-2;
  return pass_run(c->module, &(PassOptions){.passes = "caches", .cache = &kv, .n_caches = 1, .out = stdout, .err = stderr});
}

/* A graph becomes a function over rows. */
static Module *import_graph(Case *c, const char *path) {
  Module *m = onnx_import(c->arena, c->diag, path, NULL);
  PassOptions o = {.out = stdout, .err = stderr, .decoder = {.mode = CACHE_on, .sequences = SEQUENCES}};
  return m && pass_run(m, &o) ? m : NULL;
}

static bool check(Via via, Dtype kv, const char *path) {
  Case c = {.arena = arena_new(), .path = path, .dir = path, .tolerance = 1e-4};
  const char *end = strrchr(path, '.'), *graph = data_model(c.arena, path);
  if (end && strcmp(end, ".gguf") == 0) c.dir = arena_string(c.arena, path, (size_t)(strrchr(path, '/') - path));
  c.diag = diag_new(c.arena);
  const Binding sizes[] = {{"sequences", SEQUENCES, false}};
  c.module = graph ? import_graph(&c, graph) : lm_import(c.arena, c.diag, path, &(LmOptions){0, NULL});
  bool encoder = c.module && strcmp(c.module->funcs.at[0]->body->arg[0]->name, "input_ids") == 0;
  if (c.module && !encoder && !graph) {
    module_close(c.module);
    c.module = lm_import(c.arena, c.diag, path, &(LmOptions){1, sizes});
  }
  if (!c.module || !verify_module(c.module) || !keep_caches_in(&c, kv)) {
    fail(&c, "import", diag_first(c.diag));
  } else if (!(c.func = c.module->funcs.at[0], c.program = via_prepare(via, c.module))) {
    fail(&c, "lowering", diag_first(c.diag));
    module_close(c.module);
  } else {
    c.ev = eval_new(c.module, (EvalOptions){.max_memory = 1 << 28});
    c.ids = read_array(&c, encoder ? "input_ids" : "ids");
    if (!c.ids) fail(&c, "ids.npy", diag_first(c.diag));
    else if (encoder) check_encoder(&c);
    else check_decoder(&c);
    tensor_release(c.ids);
    eval_free(c.ev);
    via_free(c.program);
    module_close(c.module);
  }
  diag_flush(c.diag, stdout, false);
  if (!c.failed) printf("ok %s (%d comparisons)\n", path, c.checks);
  arena_free(c.arena);
  return !c.failed;
}

/* A folder of arrays, whose graph is in a corpus that is not here. */
static bool is_missing(const char *dir) {
  Arena *a = arena_new();
  bool missing = !data_model(a, dir) && !lm_knows(a, dir);
  if (missing) printf("skip %s: its graph is not here\n", dir);
  arena_free(a);
  return missing;
}

int main(int argc, char **argv) {
  int passed = 0, failed = 0, skipped = 0, from = 1;
  Via via = VIA_EVAL;
  Dtype kv = DT_f32;
  for (; from + 1 < argc && argv[from][0] == '-'; from += 2)
    if (strcmp(argv[from], "--via") == 0) via = via_find(argv[from + 1]);
    else if (!(kv = dtype_find(argv[from + 1], strlen(argv[from + 1])))) return printf("%s: it is no type\n", argv[from + 1]), 2;
  for (int i = from; i < argc; i++) *(is_missing(argv[i]) ? &skipped : check(via, kv, argv[i]) ? &passed : &failed) += 1;
  printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  return failed || !passed;
}

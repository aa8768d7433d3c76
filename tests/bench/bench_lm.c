/* bench_lm.c -- language models: the next token, a prompt, and what a long past costs.
 *
 * tests/bench/bench makes the models with make_lm.py where they are not there. A run is a whole call, as a program makes it: inputs,
 * sizes and places included. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "frontend/lm.h"
#include "ir/fatal.h"

enum { PROMPT = 512, MADE = 128, DEPTH = 4096, INPUTS = 4 };

/* ---- the model ---- */

typedef struct Lm {
  const char *shape, *dtype, *gguf; /* dtype: or NULL, that of the first matrix; gguf: or NULL, there is no peer */
  Module *module;
  double matrices, head; /* elements of matrices that a token is multiplied with; of the head, which is only with the last row's */
  double bytes;          /* of all of these */
  double row;            /* bytes of a row in all caches */
  double words;
} Lm;

static Module *import(Arena *a, const char *path, int64_t context) {
  Diag *d = diag_new(a);
  Binding rows = {.name = "context", .value = context};
  Module *m = lm_import(a, d, path, &(LmOptions){1, &rows});
  if (!m) diag_flush(d, stderr, false), exit(EXIT_INPUT);
  return m;
}

static double elements(Type t) {
  double n = 1;
  for (int i = 0; i < t->rank; i++) n *= (double)t->dim[i]->constant;
  return n;
}

static void count_matrix(Lm *l, const Node *n) {
  Type w = node_in(n, 1)->type;
  double size = elements(w);
  bool last = n->out[0]->uses && n->out[0]->uses->user->op == OP_return;
  *(last ? &l->head : &l->matrices) += size;
  if (last) l->words = (double)n->out[0]->type->dim[1]->constant;
  l->bytes += size * dtype_bits(w->dtype) / 8;
  if (!l->dtype) l->dtype = dtype_name(w->dtype);
}

static void count(Lm *l, bool fast) {
  const Block *b = l->module->funcs.at[0]->body;
  for (const Node *n = b->first; n; n = n->next)
    if (n->op == OP_matmul && value_constant(node_in(n, 1))) count_matrix(l, n);
  for (int i = 0; i < b->n_args; i++)
    for (int k = 0; b->arg[i]->type->kind == TYPE_STATE && k < b->arg[i]->type->state->n_fields; k++) {
      const Field *f = &b->arg[i]->type->state->field[k];
      double row = fast ? 2 : dtype_bits(f->dtype) / 8; /* f16 */
      for (int axis = 0; axis < f->rank; axis++) row *= (double)f->dim[axis];
      l->row += row;
    }
}

/* ---- calls ---- */

typedef struct Calls {
  lrt_session session;
  int64_t input[INPUTS];
  int64_t rows, depth, wrap, calls, words;
  int64_t *row[INPUTS];
} Calls;

/* The rows from `position` on, of which the last's logits are wanted. */
static void call(Calls *c, int64_t position, int64_t rows) {
  int64_t one = 1;
  for (int64_t i = 0; i < rows; i++) c->row[0][i] = (position + i) * 7919 % c->words, c->row[1][i] = position + i, c->row[2][i] = 0;
  c->row[3][0] = rows - 1;
  for (int i = 0; i < INPUTS; i++) session_input(&c->session, c->input[i], i == 3 ? &one : &rows, c->row[i]);
  if (!session_prepare(&c->session) || !session_run(&c->session)) fatal_resource("a language model: %s", c->session.error);
}

static void run_calls(void *ctx) {
  Calls *c = ctx;
  call(c, c->depth + c->calls * c->rows, c->rows);
  c->calls = (c->calls + 1) % c->wrap;
}

static int64_t input_of(const lrt_program *p, const char *name) {
  for (int64_t i = 0; i < p->n_inputs; i++)
    if (strcmp(p->input[i].name, name) == 0) return i;
  fatal_resource("the model has no input `%s`", name);
}

/* The cache holds `depth` rows when the first call comes. */
static void open_calls(Bench *b, const Lm *l, const BenchProgram *p, int64_t threads, Calls *c) {
  static const char *const inputs[INPUTS] = {"ids", "positions", "sequences", "outputs"};
  int64_t most = c->rows > PROMPT ? c->rows : PROMPT;
  bench_session(p, threads, &c->session);
  c->words = (int64_t)l->words;
  for (int i = 0; i < INPUTS; i++) {
    c->input[i] = input_of(c->session.program, inputs[i]);
    c->row[i] = ARENA_ARRAY(b->arena, int64_t, (int)most);
  }
  for (int64_t at = 0; at < c->depth; at += PROMPT) call(c, at, c->depth - at < PROMPT ? c->depth - at : PROMPT);
}

/* ---- figures ---- */

static const char *const *peer_words(Bench *b, const Lm *l, int64_t rows, int64_t depth, int64_t wrap) {
  const char **w = ARENA_ARRAY(b->arena, const char *, 8);
  w[0] = "llama", w[1] = "rows";
  w[2] = arena_printf(b->arena, "--model=%s", l->gguf);
  w[3] = arena_printf(b->arena, "--rows=%lld", (long long)rows);
  w[4] = arena_printf(b->arena, "--depth=%lld", (long long)depth);
  w[5] = arena_printf(b->arena, "--wrap=%lld", (long long)wrap);
  w[6] = "--cache=f16";
  return l->gguf ? w : NULL;
}

typedef void Measure(Bench *b, const Lm *l, const BenchProgram *p, int64_t threads);

static void measure_decode(Bench *b, const Lm *l, const BenchProgram *p, int64_t threads) {
  Figure f = {.name = "decode", .shape = l->shape, .dtype = l->dtype, .memory = PEAK_read, .unit = "tok/s", .count = 1};
  f.bytes = l->bytes + l->row * MADE / 2;
  f.peer = peer_words(b, l, 1, 0, MADE);
  Calls c = {.rows = 1, .wrap = MADE};
  open_calls(b, l, p, threads, &c);
  bench_run(b, &f, threads, run_calls, &c);
  session_close(&c.session);
}

/* Weights of f32 are rounded to bf16 where numerics are fast; f16 stays, and is multiplied as f32. */
static void measure_prefill(Bench *b, const Lm *l, const BenchProgram *p, int64_t threads) {
  bool narrow = strcmp(b->numerics, "fast") == 0 && strcmp(l->dtype, "f16") != 0 && peak_here(PEAK_bf16);
  Figure f = {.name = "prefill", .shape = l->shape, .dtype = l->dtype, .arithmetic = narrow ? PEAK_bf16 : PEAK_fma, .unit = "tok/s", .count = PROMPT};
  f.operations = 2 * l->matrices * PROMPT;
  f.peer = peer_words(b, l, PROMPT, 0, 1);
  Calls c = {.rows = PROMPT, .wrap = 1};
  open_calls(b, l, p, threads, &c);
  bench_run(b, &f, threads, run_calls, &c);
  session_close(&c.session);
}

static void measure_depth(Bench *b, const Lm *l, const BenchProgram *p, int64_t threads) {
  Figure f = {.name = "depth", .shape = l->shape, .dtype = l->dtype, .memory = PEAK_read, .bytes = l->row * DEPTH};
  f.peer = peer_words(b, l, 1, DEPTH, MADE);
  Calls near = {.rows = 1, .wrap = MADE}, far = {.rows = 1, .wrap = MADE, .depth = DEPTH};
  open_calls(b, l, p, threads, &near);
  open_calls(b, l, p, threads, &far);
  bench_run_less(b, &f, threads, run_calls, &far, &(Less){run_calls, &near, peer_words(b, l, 1, 0, MADE)});
  session_close(&near.session);
  session_close(&far.session);
}

/* ---- models ---- */

static void measure_model(Bench *b, const char *shape, const char *dtype, const char *path, const char *gguf, int64_t context, Measure *measure) {
  Arena *a = arena_new();
  Lm l = {.shape = shape, .dtype = dtype, .gguf = gguf, .module = import(a, path, context)};
  count(&l, strcmp(b->numerics, "fast") == 0);
  BenchProgram *p = bench_open(b, l.module);
  int64_t threads[2];
  int n = bench_threads(b, threads);
  for (int i = 0; i < n; i++) measure(b, &l, p, threads[i]);
  bench_close(p);
  module_close(l.module);
  arena_free(a);
}

static void each_model(Bench *b, int64_t context, Measure *measure) {
  if (b->model) {
    bool gguf = strlen(b->model) > 5 && strcmp(b->model + strlen(b->model) - 5, ".gguf") == 0;
    measure_model(b, "model", NULL, b->model, gguf ? b->model : NULL, context, measure);
    return;
  }
  const char *dtype, *shape, *at = b->dtype ? b->dtype : "bf16 f16";
  while ((dtype = bench_word(b->arena, &at)))
    for (const char *shapes = b->shape ? b->shape : "1b 135m"; (shape = bench_word(b->arena, &shapes));) {
      const char *path = arena_printf(b->arena, "build/bench/lm_%s_%s", shape, dtype), *gguf = arena_printf(b->arena, "%s.gguf", path);
      if (access(gguf, R_OK) == 0) measure_model(b, shape, dtype, path, gguf, context, measure);
      else fprintf(stderr, "bench: there is no %s: tests/bench/bench makes it\n", gguf), b->good = false;
    }
}

void bench_decode(Bench *b) { each_model(b, MADE, measure_decode); }
void bench_prefill(Bench *b) { each_model(b, PROMPT, measure_prefill); }
void bench_depth(Bench *b) { each_model(b, DEPTH + MADE, measure_depth); }

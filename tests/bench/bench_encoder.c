/* bench_encoder.c -- whole encoders, as the exporters write them, against arithmetic and ONNX Runtime.
 *
 * tests/bench/bench makes the models with make_encoder.py where they are not there. Inputs are [batch, sequence]. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"
#include "frontend/onnx.h"
#include "ir/cost.h"
#include "ir/fatal.h"
#include "passes/pass.h"

static Module *import(Arena *a, const char *file) {
  Diag *d = diag_new(a);
  Module *m = onnx_import(a, d, file, NULL);
  if (!m) diag_flush(d, stderr, false), exit(EXIT_INPUT);
  return m;
}

/* Of the products and the attention: a second copy of the model is asked, with sizes in the places of symbols. */
static double operations(Arena *a, const char *file, const Shape *s) {
  Module *m = import(a, file);
  Func *f = m->funcs.at[0];
  for (int i = 0; i < f->body->n_args; i++)
    for (int k = 0; k < f->body->arg[i]->type->rank && k < s->n; k++) {
      const Symbol *symbol = dim_as_symbol(f->body->arg[i]->type->dim[k]);
      if (symbol && !module_bind(m, &(Binding){.name = symbol->name, .value = s->at[k]})) diag_flush(m->diag, stderr, false), exit(EXIT_INPUT);
    }
  if (!pass_run(m, &(PassOptions){.out = stdout, .err = stderr})) diag_flush(m->diag, stderr, false), exit(EXIT_INPUT);
  double sum = 0;
  for (const Node *n = f->body->first; n; n = n->next) {
    Cost c;
    cost_node(n, &c);
    if (n->op == OP_matmul || n->op == OP_attention) sum += c.flops;
  }
  module_close(m);
  return sum;
}

static void measure(Bench *b, const char *name, const char *file, const Shape *s) {
  Arena *a = arena_new();
  Module *m = import(a, file);
  const char *peer[] = {"onnxruntime", "model", arena_printf(a, "--model=%s", file), arena_printf(a, "--shape=%s", s->text), NULL};
  Figure f = {.name = name, .shape = s->text, .dtype = "f32", .arithmetic = PEAK_fma, .peer = peer};
  f.operations = operations(a, file, s);
  bench_module(b, &f, m, s);
  module_close(m);
  arena_free(a);
}

static void encoder(Bench *b, const Shape *s, const char *dtype) {
  static const char *const exporters[] = {"torchscript", "dynamo"};
  (void)dtype;
  if (b->model) return measure(b, "encoder", b->model, s);
  for (size_t i = 0; i < sizeof exporters / sizeof *exporters; i++) {
    const char *file = arena_printf(b->arena, "build/bench/encoder_%s.onnx", exporters[i]);
    if (access(file, R_OK) == 0) measure(b, arena_printf(b->arena, "encoder.%s", exporters[i]), file, s);
    else fprintf(stderr, "bench: there is no %s: tests/bench/bench makes it\n", file), b->good = false;
  }
}

void bench_encoder(Bench *b) { bench_each(b, "1x128 1x512", 2, "f32", encoder); }

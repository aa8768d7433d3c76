/* bench_program.c -- a module as a program in this process: compiled, loaded, and given weights and inputs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "codegen/jit_llvm.h"
#include "codegen/llvm_module.h"
#include "codegen/program.h"
#include "ir/eval.h"
#include "ir/fatal.h"
#include "ir/text.h"
#include "ir/view.h"
#include "passes/pass.h"
#include "runtime/session.h"
#include "runtime/size.h"

struct BenchProgram {
  Module *module;
  LlvmModule *llvm;
  Jit *jit;
  ProgramInfo info;
  const lrt_program *program;
  char *weights;
};

static _Noreturn void refuse(const Module *m) {
  diag_flush(m->diag, stderr, false);
  exit(EXIT_INPUT);
}

/* ---- compiling ---- */

static void compile(BenchProgram *l) {
  Module *m = l->module;
  const Target *host = jit_host_target();
  if (!host) diag_error(m->diag, (Loc){0}, "this machine is none of the targets"), refuse(m);
  PassOptions o = {.pipeline = "native", .target = &host, .n_targets = 1, .out = stdout, .err = stderr};
  static const Dtype f16 = DT_f16; /* as `lathe build` keeps caches */
  if (m->funcs.at[0]->numerics == NUMERICS_fast) o.cache = &f16, o.n_caches = 1;
  if (!pass_run(m, &o)) refuse(m);
  l->info = (ProgramInfo){.name = "bench", .made_by = "bench", .n_levels = 1, .level = {m->funcs.at[0]}};
  l->llvm = llvm_module_new(host, "bench");
  bool good = true;
  for (int i = 0; i < m->funcs.n; i++)
    if (m->funcs.at[i]->level == LEVEL_KERNEL) good &= llvm_emit_kernel(l->llvm, m->funcs.at[i], m->diag);
  if (!good || !program_emit(l->llvm, &l->info, m->diag)) refuse(m);
}

/* The program is for its own file alone; here it is looked up, and its weights are elsewhere. */
static void load(BenchProgram *l) {
  LLVMSetVisibility(LLVMGetNamedGlobal(l->llvm->module, "lrt_model_data"), LLVMDefaultVisibility);
  LLVMValueRef place = LLVMGetNamedGlobal(l->llvm->module, "lrt_weights_place");
  if (place) LLVMDeleteGlobal(place);
  l->jit = jit_new(l->llvm);
  l->program = &((const lrt_model *)jit_symbol(l->jit, "lrt_model_data"))->level[0];
}

static void compute_weight(BenchProgram *l, const ProgramWeight *w) {
  Evaluator *e = eval_new(l->module, (EvalOptions){0});
  Tensor *t = eval_constant(e, w->constant);
  if (!t) refuse(l->module);
  memcpy(l->weights + w->offset, t->data, (size_t)w->size);
  tensor_release(t);
  eval_free(e);
}

/* Most are elements of a file in another order; evaluation would take each of them by itself. */
static void copy_weight(BenchProgram *l, const ProgramWeight *w) {
  View v;
  if (!view_of(l->module, w->constant, &v) || v.source->kind == CONSTANT_EXPR) {
    compute_weight(l, w);
    return;
  }
  const char *source = v.source->kind == CONSTANT_FILE ? constant_data(l->module, v.source, w->constant->loc) : v.source->bytes;
  if (!source) refuse(l->module);
  view_read(&v, source, 0, v.count, l->weights + w->offset);
}

static void copy_weights(BenchProgram *l) {
  l->weights = roofline_memory((size_t)l->info.weights_size);
  for (int i = 0; i < l->info.weights.n; i++) copy_weight(l, &l->info.weights.at[i]);
}

BenchProgram *bench_open(Bench *b, Module *m) {
  BenchProgram *l = ARENA_NEW(b->arena, BenchProgram);
  Numerics n = NUMERICS_exact;
  if (!numerics_find(b->numerics, &n)) fatal_resource("--numerics %s: it is exact or fast", b->numerics);
  module_set_numerics(m, n);
  *l = (BenchProgram){.module = m};
  compile(l);
  load(l);
  copy_weights(l);
  return l;
}

void bench_close(BenchProgram *l) {
  roofline_release(l->weights, (size_t)l->info.weights_size);
  jit_free(l->jit);
  llvm_module_free(l->llvm);
}

void bench_session(const BenchProgram *l, int64_t threads, lrt_session *s) {
  if (!session_open(s, l->program, l->weights, threads)) fatal_resource("%s", s->error);
}

/* ---- running ---- */

static size_t port_bytes(const lrt_port *p, const int64_t *dim) {
  static const size_t bytes[] = {
#define DTYPE(name, numpy, size) [LRT_##name] = size,
      LRT_DTYPES(DTYPE)
#undef DTYPE
  };
  size_t n = bytes[p->dtype];
  for (int64_t i = 0; i < p->rank; i++) n *= (size_t)dim[i];
  return n;
}

static void fill(const lrt_port *p, void *data, size_t bytes) {
  static const Dtype dtype[] = {
#define DTYPE(name, numpy, size) [LRT_##name] = DT_##name,
      LRT_DTYPES(DTYPE)
#undef DTYPE
  };
  Dtype t = dtype[p->dtype];
  uint64_t x = 1;
  for (int64_t i = 0; i < (int64_t)bytes * 8 / dtype_bits(t); i++) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    if (dtype_is_float(t)) dtype_set_f(t, data, i, (double)(int64_t)(x >> 11) * 0x1p-52 - 1);
    else dtype_set_i(t, data, i, 1);
  }
}

static void port_shape(const lrt_program *p, const lrt_port *port, const Shape *sizes, int64_t *dim) {
  for (int64_t i = 0; i < port->rank; i++)
    if (size_symbol(p->words, port->dim[i]) < 0) size_value(p->words, port->dim[i], NULL, &dim[i]);
    else ensure(sizes && i < sizes->n), dim[i] = sizes->at[i];
}

static void run_session(void *ctx) { ensure(session_run(ctx)); }

static void measure(Bench *b, const Figure *f, const BenchProgram *l, const Shape *sizes, int64_t threads) {
  const lrt_program *p = l->program;
  lrt_session s;
  void **data = ARENA_ARRAY(b->arena, void *, (int)p->n_inputs);
  size_t *bytes = ARENA_ARRAY(b->arena, size_t, (int)p->n_inputs);
  bool good = true;
  bench_session(l, threads, &s);
  for (int64_t i = 0, dim[LRT_RANK]; good && i < p->n_inputs; i++) {
    port_shape(p, &p->input[i], sizes, dim);
    bytes[i] = port_bytes(&p->input[i], dim);
    data[i] = roofline_memory(bytes[i]);
    fill(&p->input[i], data[i], bytes[i]);
    good = session_input(&s, i, dim, data[i]);
  }
  if (!good || !session_prepare(&s)) fatal_resource("%s %s: %s", f->name, f->shape, s.error);
  bench_run(b, f, threads, run_session, &s);
  session_close(&s);
  for (int64_t i = 0; i < p->n_inputs; i++) roofline_release(data[i], bytes[i]);
}

void bench_module(Bench *b, const Figure *f, Module *m, const Shape *sizes) {
  BenchProgram *l = bench_open(b, m);
  int64_t threads[2];
  int n_threads = bench_threads(b, threads);
  for (int i = 0; i < n_threads; i++) measure(b, f, l, sizes, threads[i]);
  bench_close(l);
}

void bench_text(Bench *b, const Figure *f, const char *text) {
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  Module *m = text_parse(a, d, f->name, text, strlen(text));
  if (!m) diag_flush(d, stderr, false), exit(EXIT_INPUT);
  bench_module(b, f, m, NULL);
  arena_free(a);
}

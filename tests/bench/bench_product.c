/* bench_product.c -- products as they are lowered and compiled, against this machine's rooflines.
 *
 * bench_product [PERCENT [M N K]]: fails where a median is below so many percent of its roofline. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/jit_llvm.h"
#include "ir/eval.h"
#include "ir/fatal.h"
#include "ir/text.h"
#include "passes/pass.h"
#include "roofline.h"

typedef struct Shape {
  int64_t m, n, k;
} Shape;

typedef struct Bench {
  Shape shape;
  double least;
  bool good;
  Jit *jit;
} Bench;

/* ---- one launch, run again and again ---- */

typedef struct Job {
  lrt_kernel *run;
  lrt_arg arg[8];
  int64_t grid[3];
  double work;
  int64_t next, pieces; /* a slice runs so many pieces of the grid, from where the last one ended */
} Job;

static double run_slice(void *ctx) {
  Job *j = ctx;
  int64_t total = j->grid[0] * j->grid[1] * j->grid[2], begin = j->next, end = begin + j->pieces;
  if (end > total) end = total;
  j->next = end == total ? 0 : end;
  double start = roofline_now();
  j->run(j->arg, j->grid, begin, end);
  return j->work * (double)(end - begin) / (double)total / (roofline_now() - start);
}

static void report(Bench *b, const char *name, Ratio r, double unit, const char *units) {
  char shape[64];
  snprintf(shape, sizeof shape, "%s %lldx%lldx%lld", name, (long long)b->shape.m, (long long)b->shape.n, (long long)b->shape.k);
  printf("%-28s %5.1f %% of %.1f %s (p10 %.1f, p90 %.1f)\n", shape, 100 * r.median, r.roof / unit, units, 100 * r.p10, 100 * r.p90);
  fflush(stdout);
  b->good &= 100 * r.median >= b->least;
}

/* The evaluator launches the product once; it is measured there, on memory like the roofline's. The operands are x and the
 * panels, in this order, then what follows them. */
static bool measure(void *ctx, Func *kernel, const int64_t grid[3], int n_args, const KernelArg *arg) {
  Bench *b = ctx;
  Job j = {.run = jit_kernel(b->jit, kernel->name), .grid = {grid[0], grid[1], grid[2]}};
  ensure(n_args <= 8);
  for (int i = 0; i < n_args; i++) {
    if (arg[i].memory) j.arg[i].memory = arg[i].memory;
    else j.arg[i].bits = arg[i].bits;
  }
  j.run(j.arg, j.grid, 0, grid[0] * grid[1] * grid[2]);
  size_t bytes = (size_t)(b->shape.n * b->shape.k) * sizeof(float);
  void *panels = roofline_memory(bytes);
  memcpy(panels, arg[1].memory, bytes);
  j.arg[1].memory = panels;
  double flops = 2.0 * (double)b->shape.m * (double)b->shape.n * (double)b->shape.k;
  j.work = b->shape.m == 1 ? (double)bytes : flops;
  double slices = b->shape.m == 1 ? 1 : flops / 1e9;
  int64_t columns = (int64_t)((double)grid[1] / (slices > 1 ? slices : 1));
  j.pieces = grid[0] * (columns > 1 ? columns : 1); /* all rows: the last group has fewer */
  Span span = {panels, bytes};
  if (b->shape.m == 1) report(b, "gemv f32", roofline_compare(run_slice, &j, roofline_read, &span), 1e9, "GB/s read");
  else report(b, "matmul f32", roofline_compare(run_slice, &j, roofline_fma, NULL), 1e9, "GFLOP/s");
  roofline_release(panels, bytes);
  return true;
}

/* ---- the module ---- */

static Module *product(Arena *a, Shape s) {
  Module *m = module_new(a, diag_new(a));
  Func *f = module_add_func(m, "main", LEVEL_TENSOR);
  Dim rows = dim_const(m->dims, s.m), n = dim_const(m->dims, s.n), k = dim_const(m->dims, s.k);
  Constant *w = module_add_constant(m, "w", type_tensor(m->types, DT_f32, 2, (Dim[]){k, n}));
  Builder b = {.module = m, .func = f, .block = f->body};
  Value *x = block_add_arg(f->body, type_tensor(m->types, DT_f32, 2, (Dim[]){rows, k}), "x");
  w->kind = CONSTANT_SPLAT;
  w->bytes = &(float){0.01f};
  Value *y = build(&b, OP_matmul, 1, INS(x, build_const(&b, w)), NO_ATTRS);
  build(&b, OP_return, 0, INS(y), NO_ATTRS);
  func_set_results(f, 1, &y->type, NULL);
  return m;
}

static bool bench(Shape s, double least) {
  Arena *a = arena_new();
  Module *m = product(a, s);
  const Target *host = jit_host_target();
  LlvmModule *llvm = llvm_module_new(host, "product");
  bool good = pass_run(m, &(PassOptions){.passes = "levels pack lower expand cse dce", .target = &host, .n_targets = 1, .out = stdout, .err = stderr});
  for (int i = 0; good && i < m->funcs.n; i++)
    if (m->funcs.at[i]->level == LEVEL_KERNEL) good = llvm_emit_kernel(llvm, m->funcs.at[i], m->diag);
  Bench b = {.shape = s, .least = least, .good = good};
  Tensor *x = tensor_new(NULL, DT_f32, 2, (int64_t[]){s.m, s.k}), *y = NULL;
  for (int64_t i = 0; i < x->count; i++) dtype_set_f(DT_f32, x->data, i, 0.001 * (double)(i % 997));
  if (good) {
    b.jit = jit_new(llvm);
    Evaluator *e = eval_new(m, (EvalOptions){.launch = measure, .launch_ctx = &b});
    b.good &= eval_func(e, m->funcs.at[0], 1, &x, &y);
    eval_free(e);
    jit_free(b.jit);
  }
  diag_flush(m->diag, stderr, false);
  if (y) tensor_release(y);
  tensor_release(x);
  llvm_module_free(llvm);
  arena_free(a);
  return b.good;
}

int main(int argc, char **argv) {
  static const Shape shapes[] = {{128, 576, 576},   {128, 1536, 576},  {128, 768, 768},   {128, 3072, 768},  {512, 768, 3072},
                                 {512, 2048, 2048}, {512, 8192, 2048}, {512, 2048, 8192}, {1, 8192, 8192}, {1, 2048, 32768}};
  double least = argc > 1 ? atof(argv[1]) : 0;
  const Target *host = jit_host_target();
  if (!roofline_here() || !host || !target_has(host, FEATURE_avx512vnni)) {
    printf("no AVX-512 with VNNI here: nothing to measure\n");
    return 77;
  }
  if (argc > 4) return bench((Shape){atoll(argv[2]), atoll(argv[3]), atoll(argv[4])}, least) ? EXIT_OK : EXIT_INPUT;
  bool good = true;
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) good = bench(shapes[i], least) && good;
  return good ? EXIT_OK : EXIT_INPUT;
}

/* bench_kernel.c -- the kernels in tests/kernel that are written by hand in the processor's own shape. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "codegen/jit_llvm.h"
#include "ir/fatal.h"
#include "ir/target.h"
#include "ir/text.h"
#include "runtime/pool.h"

/* ---- compiling a text ---- */

typedef struct Compiled {
  LlvmModule *module;
  Jit *jit;
  lrt_kernel *run;
} Compiled;

static Compiled compile(const char *path) {
  enum { MOST = 1 << 16 };
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  FILE *f = fopen(path, "rb");
  if (!f) fatal_resource("cannot open %s", path);
  char *text = arena_alloc(a, MOST);
  Module *m = text_parse(a, d, path, text, fread(text, 1, MOST, f));
  fclose(f);
  Compiled c = {.module = llvm_module_new(jit_host_target(), path)};
  if (!m || !llvm_emit_kernel(c.module, m->funcs.at[0], d)) diag_flush(d, stderr, false), exit(EXIT_INPUT);
  c.jit = jit_new(c.module);
  c.run = jit_kernel(c.jit, m->funcs.at[0]->name);
  arena_free(a);
  return c;
}

static void discard(Compiled c) {
  jit_free(c.jit);
  llvm_module_free(c.module);
}

/* ---- running it ---- */

typedef struct Job {
  lrt_pool *pool;
  lrt_launch launch;
} Job;

static void run_job(void *ctx) {
  Job *j = ctx;
  pool_run(j->pool, 1, &j->launch);
}

static void measure(Bench *b, const Figure *f, const char *path, const lrt_arg *arg, const int64_t grid[3]) {
  int64_t threads[2];
  int n = bench_threads(b, threads);
  Compiled c = compile(path);
  for (int i = 0; i < n; i++) {
    Job j = {pool_open(threads[i]), {.kernel = c.run, .arg = arg, .grid = {grid[0], grid[1], grid[2]}, .groups = grid[0] * grid[1] * grid[2]}};
    bench_run(b, f, threads[i], run_job, &j);
    pool_close(j.pool);
  }
  discard(c);
}

static void fill(float *x, int64_t n, float scale) {
  for (int64_t i = 0; i < n; i++) x[i] = scale * (float)((int)((uint64_t)i * 2654435761u >> 24 & 255) - 128);
}

/* ---- the kernels ---- */

static void matmul_gelu(Bench *b, const Shape *s, const char *dtype) {
  enum { MR = 12, NR = 32 };
  int64_t m = s->at[0], n = s->at[1], k = s->at[2];
  size_t x_bytes = (size_t)(m * k) * sizeof(float), w_bytes = (size_t)(n * k) * sizeof(float), y_bytes = (size_t)(m * n) * sizeof(float);
  float *x = roofline_memory(x_bytes), *w = roofline_memory(w_bytes), *y = roofline_memory(y_bytes), *bias = roofline_memory((size_t)n * sizeof *bias);
  if (m % MR || n % NR) fprintf(stderr, "bench: the kernel has tiles of %dx%d\n", MR, NR), exit(EXIT_USAGE);
  fill(x, m * k, 0.01f), fill(w, n * k, 0.001f), fill(bias, n, 0);
  lrt_arg arg[] = {{.memory = x}, {.memory = w}, {.memory = bias}, {.memory = y}, {.bits = (uint64_t)n}, {.bits = (uint64_t)k}};
  Figure f = {.name = "kernel.matmul_gelu", .shape = s->text, .dtype = dtype, .arithmetic = PEAK_fma};
  f.operations = 2.0 * (double)m * (double)n * (double)k;
  measure(b, &f, "tests/kernel/matmul_gelu.cpu.ir", arg, (int64_t[3]){m / MR, n / NR, 1});
  roofline_release(x, x_bytes), roofline_release(w, w_bytes), roofline_release(y, y_bytes);
  roofline_release(bias, (size_t)n * sizeof *bias);
}

static void gemv_i4(Bench *b) {
  enum { GROUPS = 128, BLOCK = 288, TILE = 16 };
  int64_t tiles = (int64_t)roofline_bytes() / (GROUPS * BLOCK) + 1;
  size_t bytes = (size_t)(tiles * GROUPS * BLOCK), y_bytes = (size_t)(tiles * TILE) * sizeof(float);
  char *w = roofline_memory(bytes);
  for (char *block = w; block < w + bytes; block += BLOCK) memset(block, 0x1C, 2 * TILE); /* scales that are numbers */
  float *y = roofline_memory(y_bytes), xs[GROUPS];
  int8_t xq[GROUPS * 32] __attribute__((aligned(64)));
  int32_t xo[GROUPS] = {0};
  memset(xq, 3, sizeof xq);
  fill(xs, GROUPS, 0.01f);
  lrt_arg arg[] = {{.memory = w}, {.memory = xq}, {.memory = xs}, {.memory = xo}, {.memory = y}, {.bits = GROUPS}};
  Figure f = {.name = "kernel.gemv_i4", .shape = arena_printf(b->arena, "%lldx%d", (long long)(tiles * TILE), GROUPS * 32), .dtype = "i4",
              .arithmetic = PEAK_int8, .memory = PEAK_read, .bytes = (double)bytes};
  measure(b, &f, "tests/kernel/gemv_i4.cpu.ir", arg, (int64_t[3]){tiles, 1, 1});
  roofline_release(w, bytes), roofline_release(y, y_bytes);
}

void bench_kernel(Bench *b) {
  const Target *host = jit_host_target();
  if (!host || !target_has(host, FEATURE_avx512vnni)) {
    fprintf(stderr, "bench: no AVX-512 with VNNI here, which the kernels are written for\n");
    return;
  }
  bench_each(b, "240x2048x384 240x2048x1536", 3, "f32", matmul_gelu);
  gemv_i4(b);
}

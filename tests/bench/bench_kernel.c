/* bench_kernel.c -- the native CPU texts of the matmul and the int4 GEMV against this machine's rooflines.
 *
 * bench_kernel [PERCENT]: fails where a median is below so many percent of its roofline. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/jit_llvm.h"
#include "ir/fatal.h"
#include "ir/text.h"
#include "roofline.h"

/* ---- compiling a text ---- */

typedef struct Compiled {
  LlvmModule *module;
  Jit *jit;
  lrt_kernel *run;
} Compiled;

static char *read_text(Arena *a, const char *path, size_t *size) {
  enum { MOST = 1 << 16 };
  FILE *f = fopen(path, "rb");
  if (!f) fatal_resource("cannot open %s", path);
  char *text = arena_alloc(a, MOST);
  *size = fread(text, 1, MOST, f);
  fclose(f);
  return text;
}

static Compiled compile(const char *path) {
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  size_t size;
  char *text = read_text(a, path, &size);
  Module *m = text_parse(a, d, path, text, size);
  Compiled c = {.module = llvm_module_new(jit_host_target(), path)};
  if (!m || !llvm_emit_kernel(c.module, m->funcs.at[0], d)) {
    diag_flush(d, stderr, false);
    exit(EXIT_INPUT);
  }
  c.jit = jit_new(c.module);
  c.run = jit_kernel(c.jit, m->funcs.at[0]->name);
  arena_free(a);
  return c;
}

static void discard(Compiled c) {
  jit_free(c.jit);
  llvm_module_free(c.module);
}

static void *aligned(size_t bytes) {
  void *p = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
  if (!p) fatal_resource("no memory for a benchmark of %zu bytes", bytes);
  return memset(p, 0, bytes);
}

static void fill(float *x, size_t n, float scale) {
  for (size_t i = 0; i < n; i++) x[i] = scale * (float)((int)(i * 2654435761u >> 24) - 128);
}

/* ---- one kernel, run whole ---- */

typedef struct Job {
  Compiled code;
  lrt_arg arg[8];
  int64_t grid[3];
  double work; /* operations or bytes of one run */
} Job;

static double run_job(void *ctx) {
  Job *j = ctx;
  double start = roofline_now();
  j->code.run(j->arg, j->grid, 0, j->grid[0] * j->grid[1] * j->grid[2]);
  return j->work / (roofline_now() - start);
}

static bool report(const char *name, Ratio r, double unit, const char *units, double least) {
  printf("%-28s %5.1f %% of %.1f %s (p10 %.1f, p90 %.1f)\n", name, 100 * r.median, r.roof / unit, units, 100 * r.p10,
         100 * r.p90);
  return 100 * r.median >= least;
}

/* ---- the kernels ---- */

static bool bench_matmul(int64_t k, double least) {
  enum { MR = 12, NR = 32, M = 240, N = 2048 };
  float *a = aligned((size_t)(M * k) * sizeof *a), *b = aligned((size_t)(N * k) * sizeof *b);
  float *bias = aligned(N * sizeof *bias), *y = aligned(M * N * sizeof *y);
  fill(a, (size_t)(M * k), 0.01f);
  fill(b, (size_t)(N * k), 0.001f);
  Job j = {.code = compile("tests/kernel/matmul_gelu.cpu.ir"),
           .arg = {{.memory = a}, {.memory = b}, {.memory = bias}, {.memory = y}, {.bits = N}, {.bits = (uint64_t)k}},
           .grid = {M / MR, N / NR, 1},
           .work = 2.0 * M * N * (double)k};
  char name[64];
  snprintf(name, sizeof name, "matmul_gelu.cpu k=%lld", (long long)k);
  bool good = report(name, roofline_compare(run_job, &j, roofline_fma, NULL), 1e9, "GFLOP/s", least);
  discard(j.code);
  free(a), free(b), free(bias), free(y);
  return good;
}

static bool bench_gemv(double least) {
  enum { GROUPS = 128, BLOCK = 288, TILE = 16 };
  int64_t tiles = 4 * roofline_last_cache() / (GROUPS * BLOCK) + 1;
  size_t bytes = (size_t)(tiles * GROUPS * BLOCK);
  char *w = roofline_memory(bytes);
  for (char *block = w; block < w + bytes; block += BLOCK) memset(block, 0x1C, 2 * TILE); /* scales that are numbers */
  int8_t *xq = aligned(GROUPS * 32);
  memset(xq, 3, GROUPS * 32);
  float *xs = aligned(GROUPS * sizeof *xs), *y = aligned((size_t)(tiles * TILE) * sizeof *y);
  int32_t *xo = aligned(GROUPS * sizeof *xo);
  fill(xs, GROUPS, 0.01f);
  Job j = {.code = compile("tests/kernel/gemv_i4.cpu.ir"),
           .arg = {{.memory = w}, {.memory = xq}, {.memory = xs}, {.memory = xo}, {.memory = y}, {.bits = GROUPS}},
           .grid = {tiles, 1, 1},
           .work = (double)bytes};
  Span span = {w, bytes};
  bool good = report("gemv_i4.cpu", roofline_compare(run_job, &j, roofline_read, &span), 1e9, "GB/s read", least);
  discard(j.code);
  roofline_release(w, bytes);
  free(xq), free(xs), free(y), free(xo);
  return good;
}

int main(int argc, char **argv) {
  double least = argc > 1 ? atof(argv[1]) : 0;
  const Target *host = jit_host_target();
  if (!roofline_here() || !host || !target_has(host, FEATURE_avx512vnni)) {
    printf("no AVX-512 with VNNI here: nothing to measure\n");
    return 77;
  }
  bool good = bench_matmul(384, least);
  good = bench_matmul(1536, least) && good;
  good = bench_gemv(least) && good;
  return good ? EXIT_OK : EXIT_INPUT;
}

/* bench_matmul.c -- products with weights: of many rows, against arithmetic; of one row, against memory. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static bool is_fast(const Bench *b) { return strcmp(b->numerics, "fast") == 0; }

/* Where arithmetic need not be exact, both operands are rounded to bf16, which has dot products of its own. */
static Peak arithmetic(const Bench *b) { return is_fast(b) && peak_here(PEAK_bf16) ? PEAK_bf16 : PEAK_fma; }

static void bench_product(Bench *b, const char *name, const char *shape, int64_t m, int64_t n, int64_t k, const char *dtype) {
  long long M = m, N = n, K = k;
  double element = strcmp(dtype, "bf16") == 0 || is_fast(b) ? 2 : 4;
  const char *peer[] = {"onnxruntime", "matmul", arena_printf(b->arena, "--shape=%lldx%lldx%lld", M, N, K), arena_printf(b->arena, "--dtype=%s", dtype), NULL};
  Figure f = {.name = name, .shape = shape, .dtype = dtype, .arithmetic = arithmetic(b), .peer = peer};
  f.operations = 2.0 * (double)m * (double)n * (double)k;
  if (m == 1) f.memory = PEAK_read, f.bytes = element * (double)n * (double)k;
  bench_text(b, &f, arena_printf(b->arena,
    "lathe 1\n"
    "weights @w\n"
    "const @w.b in @w : %s[%lld,%lld] = splat 0.01\n"
    "func @main(%%x: %s[%lld,%lld]) -> (y: %s[%lld,%lld]) {\n"
    "  %%w = const @w.b : %s[%lld,%lld]\n"
    "  %%y = matmul %%x, %%w : %s[%lld,%lld]\n"
    "  return %%y\n"
    "}\n", dtype, K, N, dtype, M, K, dtype, M, N, dtype, K, N, dtype, M, N));
}

static void matmul(Bench *b, const Shape *s, const char *dtype) {
  bench_product(b, "matmul", s->text, s->at[0], s->at[1], s->at[2], dtype);
}

static void gemv(Bench *b, const Shape *s, const char *dtype) {
  bench_product(b, "gemv", s->text, 1, s->at[0], s->at[1], dtype);
}

void bench_matmul(Bench *b) {
  bench_each(b, "128x576x576 128x1536x576 128x768x768 128x3072x768 128x768x3072 256x1536x1536 512x768x3072 512x2048x2048 512x8192x2048 512x2048x8192", 3, "f32 bf16", matmul);
}

void bench_gemv(Bench *b) { bench_each(b, "8192x8192 2048x32768", 2, "f32 bf16", gemv); }

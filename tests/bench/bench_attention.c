/* bench_attention.c -- attention: many queries, against arithmetic; one query over a long cache, against memory. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static double element_bytes(const char *dtype) { return strcmp(dtype, "f32") == 0 ? 4 : 2; }

/* What is scored twice, by a product with the keys and one with the values; causally, half of it. */
static void attention(Bench *b, const Shape *s, const char *dtype) {
  long long h = s->at[0], g = s->at[1], d = s->at[2], q = s->at[3], t = s->at[4];
  double element = element_bytes(dtype), rows = (double)(h * q + g * t * 2 + h * q) * (double)d;
  double seen = q > 1 ? (double)q * (double)(2 * t - q + 1) / 2 : (double)t;
  Figure f = {.name = "attention", .shape = s->text, .dtype = dtype, .arithmetic = PEAK_fma, .memory = PEAK_read};
  f.operations = 4.0 * (double)(h * d) * seen;
  f.bytes = rows * element;
  bench_text(b, &f, arena_printf(b->arena,
    "lathe 1\n"
    "func @main(%%q: %s[1,%lld,%lld,%lld], %%k: %s[1,%lld,%lld,%lld], %%v: %s[1,%lld,%lld,%lld]) -> (y: %s[1,%lld,%lld,%lld]) {\n"
    "  %%o = const [%lld] : i64[1]\n"
    "  %%y = attention %%q, %%k, %%v, _, _, %%o causal=true : %s[1,%lld,%lld,%lld]\n"
    "  return %%y\n"
    "}\n", dtype, h, q, d, dtype, g, t, d, dtype, g, t, d, dtype, h, q, d, t - q, dtype, h, q, d));
}

/* Rows of one sequence over its cache, as decoders have it: keys in panels, queries in f32. The last rows of the cache are theirs. */
static void over_cache(Bench *b, const Shape *s, const char *dtype) {
  long long h = s->at[0], g = s->at[1], d = s->at[2], q = s->at[3], t = s->at[4];
  Figure f = {.name = "attention_cache", .shape = s->text, .dtype = dtype, .arithmetic = PEAK_fma, .memory = PEAK_read};
  f.operations = 4.0 * (double)(h * d) * (double)q * (double)(2 * t - q + 1) / 2;
  f.bytes = 2.0 * (double)(g * t * d) * element_bytes(dtype) + 8.0 * (double)(h * q * d);
  bench_text(b, &f, arena_printf(b->arena,
    "lathe 1\n"
    "func @main(%%q: f32[%lld,%lld,1,%lld], %%k: %s[1,%lld,%lld,%lld,32], %%v: %s[1,%lld,%lld,%lld]) -> (y: f32[%lld,%lld,1,%lld]) {\n"
    "  %%first = const [%lld] : i64[1]\n"
    "  %%one = const [1] : i64[1]\n"
    "  %%end = const [%lld] : i64[1]\n"
    "  %%o = range %%first, %%end, %%one : i64[%lld]\n"
    "  %%zero = const [0] : i64[1]\n"
    "  %%rows = const [%lld] : i64[1]\n"
    "  %%sequences = expand %%zero, %%rows : i64[%lld]\n"
    "  %%y = attention %%q, %%k, %%v, _, _, %%o, _, %%sequences causal=true : f32[%lld,%lld,1,%lld]\n"
    "  return %%y\n"
    "}\n", q, h, d, dtype, g, t / 32, d, dtype, g, t, d, q, h, d, t - q, t, q, q, q, q, h, d));
}

void bench_attention(Bench *b) {
  bench_each(b, "32x8x64x2048x2048 32x8x128x2048x2048 32x8x64x1x32768 32x8x128x1x16384", 5, "f32", attention);
  bench_each(b, "32x8x64x1x32768 32x8x128x1x16384", 5, "f32", over_cache);
  bench_each(b, "32x8x64x1x65536 32x8x128x1x32768 32x8x64x512x2048", 5, "f16 bf16", over_cache);
}

/* bench_attention.c -- attention: many queries, against arithmetic; one query over a long cache, against memory. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

/* What is scored twice, by a product with the keys and one with the values; causally, half of it. */
static void attention(Bench *b, const Shape *s, const char *dtype) {
  long long h = s->at[0], g = s->at[1], d = s->at[2], q = s->at[3], t = s->at[4];
  double element = strcmp(dtype, "bf16") == 0 ? 2 : 4, rows = (double)(h * q + g * t * 2 + h * q) * (double)d;
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

void bench_attention(Bench *b) {
  bench_each(b, "32x8x64x2048x2048 32x8x128x2048x2048 32x8x64x1x32768 32x8x128x1x16384", 5, "f32", attention);
}

/* test_cost.c -- what nodes cost, against figures counted by hand. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir/cost.h"
#include "ir/eval.h"
#include "ir/text.h"

/* The first node of @main that is no constant. Sizes without a capacity count as 1. */
static const struct {
  const char *text;
  double flops, read, written;
} cases[] = {
    {"func @main(%a: f32[2,3,4], %b: f32[4,5]) -> (f32[2,3,5]) {\n"
     "%y = matmul %a, %b : f32[2,3,5]\nreturn %y }",
     2 * 4 * 30, 4 * (24 + 20), 4 * 30},
    {"func @main(%a: f16[7,4], %b: i4g32<f16>[5,4]) -> (f16[7,5]) {\n"
     "%y = matmul %a, %b transb=true : f16[7,5]\nreturn %y }",
     2 * 4 * 35, 2 * 28 + 10 + 5 * 2, 2 * 35},
    {"func @main<rows <= 8, n>(%a: f32[rows,4], %b: f32[4,n]) -> (f32[rows,n]) {\n"
     "%y = matmul %a, %b : f32[rows,n]\nreturn %y }",
     2 * 4 * 8, 4 * (32 + 4), 4 * 8},
    {"func @main(%a: f32[1,4,9], %b: f32[6,2,3]) -> (f32[1,6,7]) {\n"
     "%y = conv %a, %b groups=2 : f32[1,6,7]\nreturn %y }",
     2 * 42 * 6, 4 * (36 + 36), 4 * 42},
    {"func @main(%a: f32[1,2,4,4]) -> (f32[1,2,3,3]) {\n"
     "%y = pool_avg %a kernel=[2, 2] : f32[1,2,3,3]\nreturn %y }",
     4 * 18, 4 * 32, 4 * 18},
    {"func @main(%q: f32[1,4,3,8], %k: f32[1,2,5,8], %v: f32[1,2,5,6]) -> (f32[1,4,3,6]) {\n"
     "%y = attention %q, %k, %v : f32[1,4,3,6]\nreturn %y }",
     60 * (16 + 12 + 5), 4 * (96 + 80 + 60), 4 * 72},
    {"func @main(%a: f32[1000,16], %i: i64[3]) -> (f32[3,16]) {\n"
     "%y = gather %a, %i : f32[3,16]\nreturn %y }",
     0, 4 * 48 + 24, 4 * 48},
    {"func @main(%x: f32[2,4], %r: f32[2,8], %w: f32[8,6,4], %v: f32[8,4,6]) -> (f32[2,4]) {\n"
     "%y = moe %x, %r, %w, %v k=2 : f32[2,4]\nreturn %y }",
     2 * 2 * 2 * 48, 4 * (8 + 16 + 384.0 / 2), 4 * 8},
    {"func @main(%a: f32[2,3]) -> (f32[2,3]) {\n%y = exp %a : f32[2,3]\nreturn %y }", 6, 24, 24},
    {"func @main(%a: f32[2,3]) -> (f32[2,3]) {\n%y = softmax %a : f32[2,3]\nreturn %y }", 30, 24, 24},
};

static bool near(double a, double b) { return fabs(a - b) <= 1e-9 * fabs(b); }

static bool check(size_t i) {
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  char *text = arena_printf(a, "lathe 1\n%s\n", cases[i].text);
  Module *m = text_parse(a, d, "case", text, strlen(text));
  Cost c = {0};
  if (m) cost_node(m->funcs.at[0]->body->first, &c);
  bool good = m && near(c.flops, cases[i].flops) && near(c.bytes_read, cases[i].read) &&
              near(c.bytes_written, cases[i].written);
  if (!m) diag_flush(d, stdout, false);
  if (!good)
    printf("FAIL case %zu: %g flops, %g bytes read, %g written; wanted %g, %g, %g\n", i, c.flops, c.bytes_read,
           c.bytes_written, cases[i].flops, cases[i].read, cases[i].written);
  arena_free(a);
  return good;
}

int main(void) {
  int failed = 0;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) failed += !check(i);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* bench_elementwise.c -- chains of elementwise ops, which become one loop: against copying what they read and write. */
#include <string.h>

#include "bench.h"

/* %x and %z are [rows,columns], %b is [columns]; the result is %y. */
static const struct {
  const char *name, *body;
  int operands; /* of [rows,columns] */
} chains[] = {
    {"elementwise.bias_relu", "%a = add %x, %b : T\n %zero = const 0 : E[]\n %y = max %a, %zero : T\n", 1},
    {"elementwise.residual", "%a = add %x, %b : T\n %y = add %a, %z : T\n", 2},
    {"elementwise.swiglu", "%s = sigmoid %x : T\n %a = mul %x, %s : T\n %y = mul %a, %z : T\n", 2},
    {"elementwise.gelu", "%a = add %x, %b : T\n %y = gelu %a : T\n", 1},
};

/* Puts the matrices' type in the place of each T, and the elements' in that of each E. */
static const char *with_types(Arena *a, const char *text, const char *type, const char *dtype) {
  char *out = "";
  for (size_t n; text[n = strcspn(text, "TE")]; text += n + 1)
    out = arena_printf(a, "%s%.*s%s", out, (int)n, text, text[n] == 'T' ? type : dtype);
  return arena_printf(a, "%s%s", out, text);
}

static void elementwise(Bench *b, const Shape *s, const char *dtype) {
  long long rows = s->at[0], columns = s->at[1];
  const char *type = arena_printf(b->arena, "%s[%lld,%lld]", dtype, rows, columns);
  for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
    double element = strcmp(dtype, "bf16") == 0 ? 2 : 4;
    Figure f = {.name = chains[i].name, .shape = s->text, .dtype = dtype, .memory = PEAK_copy};
    f.bytes = (double)(chains[i].operands + 1) * element * (double)rows * (double)columns;
    bench_text(b, &f, arena_printf(b->arena, "lathe 1\nfunc @main(%%x: %s, %%z: %s, %%b: %s[%lld]) -> (y: %s) {\n %s return %%y\n}\n",
                                   type, type, dtype, columns, type, with_types(b->arena, chains[i].body, type, dtype)));
  }
}

void bench_elementwise(Bench *b) { bench_each(b, "16384x4096", 2, "f32 bf16", elementwise); }

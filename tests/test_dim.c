/* test_dim.c -- sizes: one canonical form, values, bounds, and an end to growing. */
#include <stdio.h>

#include "ir/fatal.h"
#include "ir/dim.h"

typedef struct Sizes {
  Arena *arena;
  DimPool *pool;
  Symbol symbol[3];
  Dim a, b, c;
} Sizes;

static void same_text(Sizes *s, Dim d, const char *text) {
  const char *got = dim_text(s->arena, d);
  if (strcmp(got, text) == 0) return;
  printf("FAIL got `%s`, and `%s` was wanted\n", got, text);
  ensure(!"a size prints as it should");
}

static Dim num(Sizes *s, int64_t v) { return dim_const(s->pool, v); }

static void test_canonical(Sizes *s) {
  DimPool *p = s->pool;
  Dim sum = dim_add(p, dim_mul(p, s->a, s->b), dim_add(p, s->c, num(s, 3)));
  ensure(sum == dim_add(p, num(s, 3), dim_add(p, s->c, dim_mul(p, s->b, s->a))));
  same_text(s, sum, "a*b+c+3");
  ensure(dim_sub(p, sum, sum) == num(s, 0));
  ensure(dim_sub(p, dim_add(p, s->a, s->b), s->b) == s->a);
  ensure(dim_mul(p, dim_add(p, s->a, num(s, 1)), dim_sub(p, s->a, num(s, 1))) ==
         dim_sub(p, dim_mul(p, s->a, s->a), num(s, 1)));
  ensure(dim_floordiv(p, dim_mul(p, s->a, s->b), s->b) == s->a);
  ensure(dim_mod(p, dim_mul(p, s->a, num(s, 6)), num(s, 3)) == num(s, 0));
  ensure(dim_min(p, s->a, s->b) == dim_min(p, s->b, s->a));
  same_text(s, dim_floordiv(p, dim_add(p, s->a, num(s, 1)), num(s, 2)), "floordiv(a+1,2)");
}

static void test_values(Sizes *s) {
  DimPool *p = s->pool;
  int64_t v;
  Dim d = dim_ceildiv(p, dim_add(p, s->a, dim_mul(p, num(s, 2), s->b)), num(s, 4));
  ensure(dim_eval(d, (int64_t[]){5, 3, -1}, 3, &v) && v == 3);
  ensure(!dim_eval(s->c, (int64_t[]){5, 3, -1}, 3, &v));
  ensure(!dim_eval(dim_mul(p, s->a, s->b), (int64_t[]){INT64_MAX, 3, 0}, 3, &v));
  ensure(dim_capacity(dim_mul(p, s->a, num(s, 2))) == 16);
  ensure(dim_capacity(s->b) == DIM_NO_CAPACITY);
}

/* a^8 within a^8 within ...: the parts are shared, so only what is written out grows. */
static void test_growth(Sizes *s) {
  Dim d = s->a;
  for (int i = 0; i < 20; i++) {
    Dim power = dim_mul(s->pool, d, d);
    power = dim_mul(s->pool, power, power);
    power = dim_mul(s->pool, power, power);
    d = dim_floordiv(s->pool, dim_add(s->pool, power, s->b), num(s, 3));
  }
  ensure(dim_is_unknown(d));
  ensure(dim_is_unknown(dim_add(s->pool, num(s, INT64_MAX), num(s, 1))));
  ensure(dim_is_unknown(dim_floordiv(s->pool, s->a, num(s, 0))));
}

int main(void) {
  Sizes s = {.arena = arena_new(), .symbol = {{"a", 0, 8, false}, {"b", 1, DIM_NO_CAPACITY, false}, {"c", 2, 4, true}}};
  s.pool = dim_pool_new(s.arena);
  s.a = dim_symbol(s.pool, &s.symbol[0]);
  s.b = dim_symbol(s.pool, &s.symbol[1]);
  s.c = dim_symbol(s.pool, &s.symbol[2]);
  test_canonical(&s);
  test_values(&s);
  test_growth(&s);
  arena_free(s.arena);
  puts("sizes: passed");
}

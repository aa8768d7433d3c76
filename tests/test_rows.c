/* test_rows.c -- what is computed along rows, on vectors: softmax and norms of random lengths and types, and what surrounds
 * them; and results so large that they pass the caches by. Compiled, against the reference.
 *
 * test_rows [COUNT [SEED]] */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir/verify.h"
#include "random.h"
#include "ir/tolerance.h"
#include "via.h"

typedef struct Shape {
  Dtype dtype;
  Op op;
  int64_t rows, size;
  bool scale, bias, narrow, before, after, symbolic, odd; /* narrow: one scale a row */
} Shape;

static const Op ops[] = {OP_softmax, OP_log_softmax, OP_layernorm, OP_rmsnorm, OP_neg};

static Shape random_shape(Random *r) {
  static const Dtype types[] = {DT_f32, DT_f32, DT_bf16, DT_f16, DT_f64};
  static const int64_t near[] = {16, 32, 64, 512, 4096, 8192};
  Shape s = {.dtype = types[random_below(r, 5)], .op = ops[random_below(r, 4)], .rows = 1 + random_below(r, 5)};
  s.size = random_chance(r, 50) ? 1 + random_below(r, 70) : near[random_below(r, 6)] + random_below(r, 5) - 2;
  s.scale = random_chance(r, 70), s.bias = random_chance(r, 50), s.narrow = random_chance(r, 20);
  s.before = random_chance(r, 30), s.after = random_chance(r, 40), s.symbolic = random_chance(r, 40);
  s.odd = random_chance(r, 15);
  return s;
}

typedef struct Trial {
  uint64_t seed;
  Shape s;
  int n_in;
  Tensor *in[4];
  Module *m;
  Func *f;
} Trial;

static Value *argument(Trial *t, Random *r, int rank, const int64_t *size, const Dim *dim) {
  Tensor *x = tensor_new(NULL, t->s.dtype, rank, size);
  static const double odd[] = {NAN, INFINITY, -INFINITY};
  for (int64_t i = 0; i < x->count; i++) dtype_set_f(x->dtype, x->data, i, 4 * random_unit(r));
  if (t->s.odd && x->count) dtype_set_f(x->dtype, x->data, random_below(r, (int)x->count), odd[random_below(r, 3)]);
  t->in[t->n_in++] = x;
  return block_add_arg(t->f->body, type_tensor(t->m->types, t->s.dtype, rank, dim), arena_printf(t->m->arena, "x%d", t->n_in));
}

static Value *row_op(Trial *t, Builder *b, Random *r, Value *x, Dim size) {
  const Shape *s = &t->s;
  DimPool *p = t->m->dims;
  if (s->op == OP_neg) return x;
  if (s->op == OP_softmax || s->op == OP_log_softmax) return build(b, s->op, 1, INS(x), ATTRS(at_i(softmax, axis, -1)));
  int64_t narrow[] = {s->rows, 1}, n = s->size;
  Value *scale = NULL, *bias = NULL;
  if (s->scale && s->narrow && s->op == OP_rmsnorm) scale = argument(t, r, 2, narrow, (Dim[]){dim_const(p, s->rows), dim_const(p, 1)});
  else if (s->scale) scale = argument(t, r, 1, &n, &size);
  if (s->op == OP_rmsnorm) return build(b, OP_rmsnorm, 1, INS(x, scale), ATTRS(at_i(rmsnorm, axis, -1), at_f(rmsnorm, epsilon, 1e-5)));
  if (s->bias) bias = argument(t, r, 1, &n, &size);
  return build(b, OP_layernorm, 1, INS(x, scale, bias), ATTRS(at_i(layernorm, axis, -1), at_f(layernorm, epsilon, 1e-5)));
}

/* The same module, and the same numbers, each time. */
static void make(Trial *t, Arena *a) {
  Random r = {t->seed * 16 + 3};
  const Shape *s = &t->s;
  t->n_in = 0;
  t->m = module_new(a, diag_new(a));
  t->f = module_add_func(t->m, "main", LEVEL_TENSOR);
  Builder b = {.module = t->m, .func = t->f, .block = t->f->body};
  Dim size = s->symbolic ? dim_symbol(t->m->dims, func_add_symbol(t->f, "size", -1)) : dim_const(t->m->dims, s->size);
  Dim dim[] = {dim_const(t->m->dims, s->rows), size};
  Value *x = argument(t, &r, 2, (int64_t[]){s->rows, s->size}, dim), *y = x;
  if (s->before) y = build_binary(&b, OP_add, y, y);
  y = row_op(t, &b, &r, y, size);
  if (s->after) y = build_binary(&b, OP_add, build_binary(&b, OP_mul, y, x), x);
  build(&b, OP_return, 0, INS(y), NO_ATTRS);
  if (y) func_set_results(t->f, 1, &y->type, NULL);
}

static bool complain(const Trial *t, const char *why) {
  const Shape *s = &t->s;
  printf("FAIL seed %" PRIu64 " (%s of %s[%" PRId64 ", %" PRId64 "]%s%s%s%s%s%s%s): %s\n", t->seed, op_name(s->op), dtype_name(s->dtype),
         s->rows, s->size, s->scale ? ", scale" : "", s->narrow ? ", narrow" : "", s->bias ? ", bias" : "", s->before ? ", before" : "",
         s->after ? ", after" : "", s->symbolic ? ", symbolic" : "", s->odd ? ", odd" : "", why);
  return false;
}

static bool run(Trial *t, Via via, Tensor **out) {
  Arena *a = arena_new();
  make(t, a);
  bool good = diag_errors(t->m->diag) == 0 && verify_module(t->m);
  Program *p = good ? via_prepare(via, t->m) : NULL;
  good = p && via_run(p, t->f, t->in, out);
  if (!good) complain(t, diag_first(t->m->diag));
  if (p) via_free(p);
  for (int i = 0; i < t->n_in; i++) tensor_release(t->in[i]);
  arena_free(a);
  return good;
}

static bool trial(uint64_t seed, Shape s) {
  Trial t = {.seed = seed, .s = s};
  Tensor *want = NULL, *got = NULL;
  bool good = run(&t, VIA_EVAL, &want) && run(&t, VIA_NATIVE, &got);
  if (good) {
    Comparison c = compare_scaled(got, want, s.dtype == DT_f32 || s.dtype == DT_f64 ? 1e-5 : s.dtype == DT_f16 ? 4e-3 : 3e-2);
    if (!c.good) good = complain(&t, c.why);
  }
  if (want) tensor_release(want);
  if (got) tensor_release(got);
  return good;
}

/* Larger than what is streamed: rows of whole vectors, and not; of one size for each axis, and told by the arguments. */
static const Shape large[] = {
    {.dtype = DT_f32, .op = OP_neg, .rows = 33, .size = 1 << 18, .before = true, .after = true},
    {.dtype = DT_f32, .op = OP_neg, .rows = 9, .size = (1 << 20) + 5, .after = true, .symbolic = true},
    {.dtype = DT_f32, .op = OP_softmax, .rows = 2049, .size = 4096, .after = true},
    {.dtype = DT_bf16, .op = OP_rmsnorm, .rows = 8200, .size = 2080, .scale = true},
};

int main(int argc, char **argv) {
  int count = argc > 1 ? atoi(argv[1]) : 60, failed = 0, n = (int)(sizeof large / sizeof *large);
  uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  for (int i = 0; i < count && failed < 5; i++) {
    Random r = {seed + (uint64_t)i};
    failed += !trial(seed + (uint64_t)i, random_shape(&r));
  }
  for (int i = 0; i < n; i++) failed += !trial((uint64_t)i, large[i]);
  printf("%d passed, %d failed, 0 skipped\n", count + n - failed, failed);
  return failed > 0;
}

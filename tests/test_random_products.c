/* test_random_products.c -- products of random shapes, types and batches, and what follows them, compiled and by reference.
 *
 * test_random_products [COUNT [SEED]] */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "codegen/jit_llvm.h"
#include "ir/verify.h"
#include "random.h"
#include "ir/tolerance.h"
#include "via.h"

typedef enum Follow { FOLLOW_NONE, FOLLOW_BIAS, FOLLOW_BIAS_GELU, FOLLOW_RESIDUAL, FOLLOW_GATE, FOLLOW_MASK, FOLLOW_COUNT } Follow;

typedef struct Shape {
  Dtype dtype;
  int64_t batch, m, n, k;
  bool batched, batched_weight, one_matrix, transa, transb, weight, symbolic;
  Follow follow;
  Numerics numerics;
  const Target *level;
} Shape;

/* Small sizes often, for the edges of tiles. */
static int64_t random_size(Random *r) { return random_chance(r, 8) ? 0 : 1 + random_below(r, random_chance(r, 30) ? 5 : 70); }

/* Half the time the machine's best; else one that it includes. */
static const Target *random_level(Random *r) {
  const Target *host = jit_host_target(), *level[64];
  int n = 0;
  for (int i = 0; i < target_count() && target_at(i) != host && n < 64; i++)
    if (target_at(i)->system == host->system) level[n++] = target_at(i);
  return n == 0 || random_chance(r, 50) ? host : level[random_below(r, n)];
}

/* So that rows are copied: in blocks, or because they lie pages apart. */
static int64_t long_depth(Random *r) { return random_chance(r, 30) ? 1024 << random_below(r, 3) : 16 * (200 + random_below(r, 60)); }

static Shape random_shape(Random *r) {
  static const Dtype types[] = {DT_f32, DT_f32, DT_f32, DT_bf16, DT_f16};
  Shape s = {.dtype = types[random_below(r, 5)], .batch = 1 + random_below(r, 3)};
  s.m = random_size(r), s.n = random_size(r), s.k = random_chance(r, 10) ? long_depth(r) : random_size(r);
  s.batched = random_chance(r, 40);
  s.batched_weight = s.batched && random_chance(r, 50);
  s.one_matrix = random_chance(r, 30);
  s.transa = random_chance(r, 20), s.transb = random_chance(r, 50);
  s.weight = random_chance(r, 60), s.symbolic = random_chance(r, 50);
  s.follow = (Follow)random_below(r, FOLLOW_COUNT);
  s.numerics = random_chance(r, 40) ? NUMERICS_fast : NUMERICS_exact;
  s.level = random_level(r);
  return s;
}

static Tensor *random_tensor(Random *r, Dtype t, int rank, const int64_t *dim) {
  Tensor *x = tensor_new(NULL, t, rank, dim);
  for (int64_t i = 0; i < x->count; i++) dtype_set_f(t, x->data, i, random_unit(r));
  return x;
}

/* ---- the module ---- */

typedef struct Trial {
  uint64_t seed;
  Shape s;
  int n_in;
  Tensor *in[4];
  Module *m;
  Func *f;
  int made;     /* tensors: each has numbers of its own, so that fewer rows begin as more rows do */
  bool one_row; /* the first alone */
} Trial;

static Tensor *next_tensor(Trial *t, int rank, const int64_t *size) {
  Random r = {t->seed * 16 + (uint64_t)++t->made};
  return random_tensor(&r, t->s.dtype, rank, size);
}

static Value *argument(Trial *t, int rank, const int64_t *size, const Dim *dim) {
  Tensor *x = next_tensor(t, rank, size);
  t->in[t->n_in++] = x;
  return block_add_arg(t->f->body, type_tensor(t->m->types, t->s.dtype, rank, dim), arena_printf(t->m->arena, "x%d", t->n_in));
}

static Value *weight(Trial *t, Builder *b, int rank, const int64_t *size, const Dim *dim) {
  Tensor *x = next_tensor(t, rank, size);
  Type type = type_tensor(t->m->types, t->s.dtype, rank, dim);
  Constant *c = constant_bytes(t->m, type, x->data, x->count * dtype_bits(t->s.dtype) / 8);
  tensor_release(x);
  return build_const(b, c);
}

static Value *follow(Trial *t, Builder *b, Value *y, Dim n, Value *residual) {
  DimPool *p = t->m->dims;
  if (t->s.follow == FOLLOW_NONE) return y;
  if (t->s.follow == FOLLOW_RESIDUAL) return build_binary(b, OP_add, residual, y);
  if (t->s.follow == FOLLOW_GATE) return build_binary(b, OP_mul, residual, build_binary(b, OP_mul, y, build_unary(b, OP_sigmoid, y)));
  if (t->s.follow == FOLLOW_MASK) {
    Value *zero = weight(t, b, 1, (int64_t[]){1}, (Dim[]){dim_const(p, 1)});
    return build(b, OP_where, 1, INS(build_binary(b, OP_lt, y, zero), zero, y), NO_ATTRS);
  }
  Value *bias = weight(t, b, 1, (int64_t[]){t->s.n}, &n);
  y = build_binary(b, OP_add, y, bias);
  return t->s.follow == FOLLOW_BIAS ? y : build_unary(b, OP_gelu, y);
}

/* The same module, and the same numbers, each time. */
static void make(Trial *t, Arena *a) {
  Random r = {t->seed};
  Shape s = random_shape(&r);
  if (t->one_row) s.m = 1;
  t->s = s;
  t->n_in = t->made = 0;
  t->m = module_new(a, diag_new(a));
  t->f = module_add_func(t->m, "main", LEVEL_TENSOR);
  t->f->numerics = s.numerics;
  DimPool *p = t->m->dims;
  Dim rows = s.symbolic ? dim_symbol(p, func_add_symbol(t->f, "rows", 128)) : dim_const(p, s.m);
  Dim n = dim_const(p, s.n), k = dim_const(p, s.k), batch = dim_const(p, s.batch);
  Dim wbatch = dim_const(p, s.one_matrix ? 1 : s.batch);
  int from = s.batched ? 0 : 1, wfrom = s.batched_weight ? 0 : 1;
  int64_t xs[] = {s.batch, s.transa ? s.k : s.m, s.transa ? s.m : s.k};
  int64_t ws[] = {s.one_matrix ? 1 : s.batch, s.transb ? s.n : s.k, s.transb ? s.k : s.n}, ys[] = {s.batch, s.m, s.n};
  Dim xd[] = {batch, s.transa ? k : rows, s.transa ? rows : k}, wd[] = {wbatch, s.transb ? n : k, s.transb ? k : n};
  Dim yd[] = {batch, rows, n};
  Builder b = {.module = t->m, .func = t->f, .block = t->f->body};
  Value *x = argument(t, 3 - from, xs + from, xd + from);
  Value *w = s.weight ? weight(t, &b, 3 - wfrom, ws + wfrom, wd + wfrom) : argument(t, 3 - wfrom, ws + wfrom, wd + wfrom);
  Value *residual = argument(t, 3 - from, ys + from, yd + from);
  Value *y = build(&b, OP_matmul, 1, INS(x, w), ATTRS(at_i(matmul, transa, s.transa), at_i(matmul, transb, s.transb)));
  y = follow(t, &b, y, n, residual);
  build(&b, OP_return, 0, INS(y), NO_ATTRS);
  if (y) func_set_results(t->f, 1, &y->type, NULL);
}

/* ---- comparing ---- */

static bool complain(const Trial *t, const char *why) {
  const Shape *s = &t->s;
  printf("FAIL seed %" PRIu64 " (%s, batch %" PRId64 "%s%s, m %" PRId64 ", n %" PRId64 ", k %" PRId64 "%s%s%s%s, follow %d, %s for %s): %s\n",
         t->seed, dtype_name(s->dtype), s->batch, s->batched ? " of x" : "", s->batched_weight ? " and w" : "", s->m, s->n, s->k,
         s->transa ? ", transa" : "", s->transb ? ", transb" : "", s->weight ? ", weight" : "", s->symbolic ? ", symbolic" : "",
         (int)s->follow, numerics_name(s->numerics), s->level->name, why);
  return false;
}

static bool run(Trial *t, Via via, Tensor **out) {
  Arena *a = arena_new();
  make(t, a);
  bool good = diag_errors(t->m->diag) == 0 && verify_module(t->m);
  Program *p = good ? via_prepare_level(via, t->m, t->s.level) : NULL;
  good = p && via_run(p, t->f, t->in, out);
  if (!good) complain(t, diag_first(t->m->diag));
  if (p) via_free(p);
  for (int i = 0; i < t->n_in; i++) tensor_release(t->in[i]);
  arena_free(a);
  return good;
}

/* A row of the product with a weight is the same to the bit, whatever comes with it. */
static bool same_alone(Trial *t, Tensor *all) {
  const Shape s = t->s;
  if (!s.weight || s.batched || s.transa || s.m < 2) return true;
  Tensor *alone = NULL;
  t->one_row = true;
  if (!run(t, VIA_NATIVE, &alone)) return false;
  Tensor *first = tensor_over(s.dtype, alone->rank, alone->dim, all->data);
  Comparison c = compare_exact(alone, first);
  tensor_release(first);
  tensor_release(alone);
  return c.good || complain(t, c.why);
}

static bool trial(uint64_t seed) {
  Trial t = {.seed = seed};
  Tensor *want = NULL, *got = NULL;
  bool good = run(&t, VIA_EVAL, &want) && run(&t, VIA_NATIVE, &got);
  if (good) {
    Comparison c = compare_scaled(got, want, t.s.dtype == DT_f32 ? 1e-5 : t.s.dtype == DT_f16 ? 4e-3 : 3e-2);
    if (!c.good) good = complain(&t, c.why);
    good = good && same_alone(&t, got);
  }
  if (want) tensor_release(want);
  if (got) tensor_release(got);
  return good;
}

int main(int argc, char **argv) {
  int count = argc > 1 ? atoi(argv[1]) : 150, failed = 0;
  uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  for (int i = 0; i < count && failed < 5; i++) failed += !trial(seed + (uint64_t)i);
  printf("%d passed, %d failed, 0 skipped\n", count - failed, failed);
  return failed > 0;
}

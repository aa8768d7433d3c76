/* test_view.c -- constants that are others moved about, read in random parts, against what the evaluator makes of them. */
#include <stdio.h>
#include <stdlib.h>

#include "ir/eval.h"
#include "ir/fatal.h"
#include "ir/view.h"
#include "random.h"

enum { MOST = 20000 };

typedef struct Case {
  Arena *arena;
  Module *module;
  Random *random;
  Builder b;
} Case;

static const Dtype types[] = {DT_f32, DT_bf16, DT_u8, DT_f64};

static Value *reshaped(Case *c, Value *v, int rank, const int64_t *dim) {
  Dim d[MAX_RANK];
  for (int i = 0; i < rank; i++) d[i] = dim_const(c->module->dims, dim[i]);
  return build_reshape(&c->b, v, rank, d);
}

/* Cuts an axis in two, or joins two neighbours. */
static Value *cut_or_join(Case *c, Value *v) {
  int rank = v->type->rank, at = random_below(c->random, rank), n = 0;
  int64_t dim[MAX_RANK + 1];
  bool cut = rank < 5 && random_chance(c->random, 60);
  for (int i = 0; i < rank; i++) {
    int64_t d = v->type->dim[i]->constant, by = 1 + random_below(c->random, 8);
    if (i == at && cut && d % by == 0) dim[n++] = d / by, dim[n++] = by;
    else if (i == at && !cut && i + 1 < rank) dim[n++] = d * v->type->dim[++i]->constant;
    else dim[n++] = d;
  }
  return reshaped(c, v, n, dim);
}

static Value *turned(Case *c, Value *v) {
  int64_t perm[MAX_RANK];
  int rank = v->type->rank;
  for (int i = 0; i < rank; i++) {
    int k = random_below(c->random, i + 1);
    perm[i] = perm[k], perm[k] = i;
  }
  return build_transpose(&c->b, v, rank, perm);
}

static Value *filled_up(Case *c, Value *v) {
  int64_t axis = random_below(c->random, v->type->rank);
  Value *pads = build_ints(&c->b, 2, (int64_t[]){random_below(c->random, 5), random_below(c->random, 9)});
  Value *with = build_scalar_f(&c->b, v->type->dtype, random_chance(c->random, 50) ? 0 : 3);
  return build(&c->b, OP_pad, 1, INS(v, pads, with, build_ints(&c->b, 1, &axis)), NO_ATTRS);
}

static int64_t elements(Type t) {
  int64_t n = 1;
  for (int i = 0; i < t->rank; i++) n *= t->dim[i]->constant;
  return n;
}

static Constant *moved(Case *c) {
  Random *r = c->random;
  Dtype t = types[random_below(r, 4)];
  int rank = 1 + random_below(r, 3);
  Dim dim[MAX_RANK];
  for (int i = 0; i < rank; i++) dim[i] = dim_const(c->module->dims, 1 + random_below(r, 24));
  Type type = type_tensor(c->module->types, t, rank, dim);
  int64_t size = elements(type) * dtype_bits(t) / 8;
  unsigned char *bytes = arena_alloc(c->arena, (size_t)size);
  for (int64_t i = 0; i < size; i++) bytes[i] = (unsigned char)random_next(r);
  Constant *source = random_chance(r, 90) ? constant_bytes(c->module, type, bytes, size) : constant_splat(c->module, type, 0x4040);
  Func *f = module_add_func(c->module, "f", LEVEL_TENSOR);
  Constant *out = module_add_constant(c->module, "moved", type);
  c->b = (Builder){.module = c->module, .func = f, .block = block_new(f, NULL)};
  Value *v = build_const(&c->b, source);
  for (int i = random_below(r, 6); i > 0 && elements(v->type) < MOST; i--)
    v = random_chance(r, 40) ? cut_or_join(c, v) : random_chance(r, 60) ? turned(c, v) : filled_up(c, v);
  build(&c->b, OP_yield, 0, INS(v), NO_ATTRS);
  out->type = v->type;
  out->kind = CONSTANT_EXPR;
  out->body = c->b.block;
  return out;
}

/* Reads all of it in parts; the room behind each must stay as it was. */
static bool same(Case *c, const View *v, const char *all, int64_t count) {
  int64_t size = dtype_bits(v->dtype) / 8;
  if (v->count != count) return false;
  for (int64_t at = 0, n; at < v->count; at += n) {
    n = random_chance(c->random, 30) ? view_part(v, 1 + random_below(c->random, 999)) : 1 + random_below(c->random, 300);
    if (n > v->count - at) n = v->count - at;
    const char *there = view_in_place(v, v->source->bytes, at);
    char *part = calloc(1, (size_t)((n + 1) * size));
    ensure(part);
    view_read(v, v->source->bytes, at, n, part);
    bool good = memcmp(part, all + at * size, (size_t)(n * size)) == 0 && (!there || memcmp(there, part, (size_t)(n * size)) == 0);
    for (int64_t i = n * size; i < (n + 1) * size; i++) good &= part[i] == 0;
    free(part);
    if (!good) return false;
  }
  return true;
}

/* 1: a view that reads as it evaluates; 0: no view, but the constant itself; -1: wrong. */
static int try(uint64_t seed) {
  Random random = {seed};
  Arena *a = arena_new();
  Case c = {.arena = a, .random = &random, .module = module_new(a, diag_new(a))};
  Constant *constant = moved(&c);
  Evaluator *e = eval_new(c.module, (EvalOptions){0});
  Tensor *want = eval_constant(e, constant);
  View v;
  bool is_view = want && view_of(c.module, constant, &v);
  int result = !is_view ? -1 : v.source == constant ? 0 : same(&c, &v, want->data, want->count) ? 1 : -1;
  if (want) tensor_release(want);
  eval_free(e);
  arena_free(a);
  return result;
}

/* ---- panels ---- */

typedef struct Panels {
  int64_t k, n, width, steps, panels;
  bool turned; /* the matrix is [n, k] */
} Panels;

/* As the kernels of products read bf16 weights: [panels, steps, width, 2] of a matrix that is filled up with zeros. */
static Value *laid_out(Case *c, Value *v, const Panels *p) {
  Value *zero = build_scalar_f(&c->b, DT_bf16, 0);
  int64_t more[] = {p->steps * 2 - p->k, p->panels * p->width - p->n};
  for (int i = 0; i < 2; i++) {
    int64_t axis = p->turned ? 1 - i : i;
    v = build(&c->b, OP_pad, 1, INS(v, build_ints(&c->b, 2, (int64_t[]){0, more[i]}), zero, build_ints(&c->b, 1, &axis)), NO_ATTRS);
  }
  v = p->turned ? reshaped(c, v, 4, (int64_t[]){p->panels, p->width, p->steps, 2})
                : reshaped(c, v, 4, (int64_t[]){p->steps, 2, p->panels, p->width});
  return build_transpose(&c->b, v, 4, p->turned ? (int64_t[]){0, 2, 1, 3} : (int64_t[]){2, 0, 3, 1});
}

static uint16_t *panels_one_by_one(Arena *a, const Panels *p, const uint16_t *matrix) {
  uint16_t *out = arena_alloc(a, (size_t)(p->panels * p->steps * p->width * 2) * sizeof *out);
  int64_t at = 0;
  for (int64_t panel = 0; panel < p->panels; panel++)
    for (int64_t step = 0; step < p->steps; step++)
      for (int64_t i = 0; i < p->width * 2; i++, at++) {
        int64_t k = step * 2 + i % 2, n = panel * p->width + i / 2;
        out[at] = k < p->k && n < p->n ? matrix[p->turned ? n * p->k + k : k * p->n + n] : 0;
      }
  return out;
}

/* A matrix of any size, odd ones, too. */
static bool try_panels(uint64_t seed) {
  Random random = {seed};
  Arena *a = arena_new();
  Case c = {.arena = a, .random = &random, .module = module_new(a, diag_new(a))};
  Panels p = {.k = 1 + random_below(&random, 40), .n = 1 + random_below(&random, 150), .width = 1 + random_below(&random, 70)};
  if (random_chance(&random, 70)) p.width = 16 * (1 + random_below(&random, 4));
  p.turned = random_chance(&random, 50), p.steps = (p.k + 1) / 2, p.panels = (p.n + p.width - 1) / p.width;
  uint16_t *matrix = arena_alloc(a, (size_t)(p.k * p.n) * sizeof *matrix);
  for (int64_t i = 0; i < p.k * p.n; i++) matrix[i] = (uint16_t)random_next(&random);
  Dim dim[] = {dim_const(c.module->dims, p.turned ? p.n : p.k), dim_const(c.module->dims, p.turned ? p.k : p.n)};
  Type type = type_tensor(c.module->types, DT_bf16, 2, dim);
  Func *f = module_add_func(c.module, "f", LEVEL_TENSOR);
  c.b = (Builder){.module = c.module, .func = f, .block = block_new(f, NULL)};
  Value *v = laid_out(&c, build_const(&c.b, constant_bytes(c.module, type, (unsigned char *)matrix, p.k * p.n * 2)), &p);
  build(&c.b, OP_yield, 0, INS(v), NO_ATTRS);
  Constant *panels = module_add_constant(c.module, "panels", v->type);
  panels->kind = CONSTANT_EXPR, panels->body = c.b.block;
  View view;
  bool good = view_of(c.module, panels, &view) && view.source != panels &&
              same(&c, &view, (const char *)panels_one_by_one(a, &p, matrix), p.panels * p.steps * p.width * 2);
  arena_free(a);
  return good;
}

int main(void) {
  int n[3] = {0}, wrong_panels = 0;
  for (uint64_t seed = 0; seed < 4000; seed++) {
    int result = try(seed);
    if (result < 0) printf("FAIL seed %llu: read in parts, it is something else\n", (unsigned long long)seed);
    n[result + 1]++;
  }
  for (uint64_t seed = 0; seed < 1000; seed++) {
    if (try_panels(seed)) continue;
    printf("FAIL seed %llu: panels in pairs are something else\n", (unsigned long long)seed);
    wrong_panels++;
  }
  printf("%d views read as they evaluate, %d constants were no views, %d wrong; 1000 matrices in panels, %d wrong\n", n[2], n[1], n[0],
         wrong_panels);
  return n[0] > 0 || n[2] < 3000 || wrong_panels > 0;
}

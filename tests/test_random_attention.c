/* test_random_attention.c -- attention of random shapes, types, masks and windows, over caches and not, compiled and by
 * reference; and rows alone.
 *
 * test_random_attention [COUNT [SEED]] */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir/verify.h"
#include "random.h"
#include "ir/tolerance.h"
#include "via.h"

typedef enum Bias { BIAS_NONE, BIAS_ADDED, BIAS_MASK } Bias;

typedef struct Shape {
  Dtype dtype;
  int64_t b, g, share, s, t, d, e;
  bool causal, lengths, offsets, sinks, symbolic, follow, odd;
  bool moved; /* heads lie within rows, as projections write them: transposes are around the attention */
  int64_t sequences; /* of a cache, whose rows name theirs; 0: no cache */
  bool ring, turned; /* turned: keys lie in panels */
  int64_t window, ahead, past;
  double softcap, scale;
  Bias bias;
  bool whole[4]; /* the axes of the bias that are not 1 */
  int bias_rank;
} Shape;

typedef struct Trial {
  uint64_t seed;
  Shape s;
  int64_t skip; /* queries left away from the front; of a cache, rows */
  int n_in;
  Tensor *in[9];
  Module *m;
  Func *f;
} Trial;

/* ---- the shape ---- */

/* Around what fills vectors, tiles, blocks and parts. */
static int64_t random_keys(Random *r) {
  static const int64_t near[] = {8, 16, 128, 256};
  if (random_chance(r, 4)) return 0;
  if (random_chance(r, 4)) return 1020 + random_below(r, 40);
  if (random_chance(r, 50)) return 1 + random_below(r, 40);
  return near[random_below(r, 4)] + random_below(r, 5) - 2;
}

static int64_t random_head(Random *r) {
  static const int64_t usual[] = {16, 32, 64, 80};
  return random_chance(r, 50) ? usual[random_below(r, 4)] : 1 + random_below(r, 40);
}

/* Rows of several sequences: a few, or a chunk of each, one query a row for the most part. */
static void over_cache(Random *r, Shape *s) {
  s->sequences = 1 + random_below(r, 3);
  s->s = random_chance(r, 85) ? 1 : 1 + random_below(r, 3);
  s->b = random_chance(r, 30) ? 1 + random_below(r, 2) : 1 + random_below(r, random_chance(r, 30) ? 120 : 40);
  s->ring = s->t > 0 && random_chance(r, 40);
  s->turned = random_chance(r, 60);
  if (s->turned) s->t = (s->t + STATE_PANEL - 1) / STATE_PANEL * STATE_PANEL;
  s->lengths |= s->ring;
  s->offsets = true, s->past = s->ring ? 2 * s->t : s->t;
  s->moved = false;
  if (s->window && s->ring && s->window > s->t) s->window = s->t;
}

static Shape random_shape(Random *r) {
  static const Dtype types[] = {DT_f32, DT_f32, DT_f32, DT_bf16, DT_f16, DT_f64};
  Shape s = {.dtype = types[random_below(r, 6)], .b = 1 + random_below(r, 2), .g = 1 + random_below(r, 2)};
  s.share = random_chance(r, 40) ? 1 : 1 + random_below(r, 5);
  s.t = random_keys(r);
  s.s = random_chance(r, 40) ? 1 + random_below(r, 3) : random_chance(r, 5) ? 0 : 1 + random_below(r, random_chance(r, 30) ? 120 : 30);
  s.d = random_head(r), s.e = random_chance(r, 70) ? s.d : random_head(r);
  s.causal = random_chance(r, 60), s.lengths = random_chance(r, 25), s.sinks = random_chance(r, 20);
  s.offsets = random_chance(r, 50), s.past = s.t > s.s ? s.t - s.s : 0;
  s.symbolic = random_chance(r, 40), s.follow = random_chance(r, 20);
  s.window = random_chance(r, 25) ? 1 + random_below(r, 60) : 0;
  s.ahead = random_chance(r, 15) ? random_below(r, 10) : -1;
  s.softcap = random_chance(r, 15) ? 3 : 0;
  s.scale = random_chance(r, 30) ? 0.7 : 0;
  s.bias = random_chance(r, 40) ? BIAS_ADDED + random_below(r, 2) : BIAS_NONE;
  s.bias_rank = random_below(r, 5);
  for (int i = 0; i < 4; i++) s.whole[i] = random_chance(r, 60);
  s.odd = random_chance(r, 25);
  s.moved = random_chance(r, 40);
  if (random_chance(r, 50)) over_cache(r, &s);
  return s;
}

/* ---- the operands ---- */

static void fill(Random *r, Tensor *x) {
  for (int64_t i = 0; i < x->count; i++) dtype_set_f(x->dtype, x->data, i, 2 * random_unit(r));
}

/* What no row sees may hold anything; and what some see reaches those alone. */
static void spoil(Random *r, Tensor *x) {
  static const double odd[] = {NAN, INFINITY, -INFINITY};
  for (int i = 0; i < 3 && x->count; i++)
    dtype_set_f(x->dtype, x->data, random_below(r, (int)x->count), odd[random_below(r, 3)]);
}

/* Of queries, those that are left: along an axis. */
static Tensor *without_first(const Trial *t, Tensor *x, int axis) {
  int64_t dim[MAX_RANK], bytes = dtype_bits(x->dtype) / 8, outer = 1, inner = bytes, skip = t->skip;
  if (skip == 0) return x;
  memcpy(dim, x->dim, sizeof dim);
  dim[axis] -= skip;
  for (int i = 0; i < x->rank; i++) *(i < axis ? &outer : &inner) *= i == axis ? 1 : x->dim[i];
  Tensor *less = tensor_new(NULL, x->dtype, x->rank, dim);
  for (int64_t i = 0; i < outer; i++)
    memcpy((char *)less->data + i * dim[axis] * inner, (char *)x->data + (i * x->dim[axis] + skip) * inner, (size_t)(dim[axis] * inner));
  tensor_release(x);
  return less;
}

/* The axis of the result that is made shorter. */
static int skip_axis(const Trial *t) { return t->s.sequences ? 0 : 2; }

/* [b, h, s, d] as [b, s, h, d]. */
static Tensor *moved(Tensor *x) {
  int64_t dim[4] = {x->dim[0], x->dim[2], x->dim[1], x->dim[3]}, row = x->dim[3] * dtype_bits(x->dtype) / 8;
  Tensor *y = tensor_new(NULL, x->dtype, 4, dim);
  for (int64_t i = 0; i < dim[0] * dim[1] * dim[2]; i++) {
    int64_t h = i % dim[2], s = i / dim[2] % dim[1], b = i / dim[2] / dim[1];
    memcpy((char *)y->data + i * row, (char *)x->data + ((b * dim[2] + h) * dim[1] + s) * row, (size_t)row);
  }
  tensor_release(x);
  return y;
}

static Value *move(Builder *b, Value *v) { return build_transpose(b, v, 4, (int64_t[]){0, 2, 1, 3}); }

static Value *argument(Trial *t, Tensor *x, const Dim *dim) {
  Dim own[5];
  t->in[t->n_in++] = x;
  for (int i = 0; i < x->rank; i++) own[i] = dim && dim[i] ? dim[i] : dim_const(t->m->dims, x->dim[i]);
  return block_add_arg(t->f->body, type_tensor(t->m->types, x->dtype, x->rank, own), arena_printf(t->m->arena, "x%d", t->n_in));
}

/* `size`: symbol of the axis that may grow, of a cache's queries the first, else the last but one. */
static Value *floats(Trial *t, Builder *b, Random *r, Dtype type, const int64_t dims[4], Dim size, bool queries) {
  Tensor *x = tensor_new(NULL, type, 4, dims);
  fill(r, x);
  if (!queries && t->s.odd) spoil(r, x);
  if (queries) x = without_first(t, x, skip_axis(t));
  if (t->s.moved) return move(b, argument(t, moved(x), (Dim[]){NULL, size, NULL, NULL}));
  Dim own[4] = {NULL};
  own[queries ? skip_axis(t) : 2] = size;
  return argument(t, x, own);
}

static Value *integers(Trial *t, Random *r, int64_t most, int64_t more) {
  int64_t n = random_chance(r, 50) ? 1 : t->s.b;
  Tensor *x = tensor_new(NULL, DT_i64, 1, &n);
  for (int64_t i = 0; i < n; i++) ((int64_t *)x->data)[i] = (most > 0 ? random_below(r, (int)most + 1) : 0) + more;
  return argument(t, x, NULL);
}

/* ---- rows over a cache ---- */

/* A number for each row, of the last ones. */
static Value *by_row(Trial *t, const int64_t *number, Dim rows) {
  Tensor *x = tensor_new(NULL, DT_i64, 1, &t->s.b);
  memcpy(x->data, number, (size_t)t->s.b * sizeof *number);
  return argument(t, without_first(t, x, 0), &rows);
}

/* Runs of all lengths; rows stand where they like, mostly one behind another; a ring is as long as the farthest of its rows. */
static void cache_rows(Trial *t, Random *r, Dim rows, Value **in) {
  const Shape *s = &t->s;
  int64_t of[128], at[128], length[128], end[8] = {0};
  for (int64_t i = 0; i < s->b; i++) {
    of[i] = i == 0 || random_chance(r, 12) ? random_below(r, (int)s->sequences) : of[i - 1];
    bool follows = i > 0 && of[i] == of[i - 1] && !random_chance(r, 5) && at[i - 1] + 1 <= s->past;
    at[i] = follows ? at[i - 1] + 1 : random_below(r, (int)s->past + 1);
    if (at[i] + s->s > end[of[i]]) end[of[i]] = at[i] + s->s;
  }
  for (int64_t i = 0; i < s->b; i++) length[i] = s->ring ? end[of[i]] : random_chance(r, 5) ? random_below(r, (int)s->t + 1) : s->t;
  if (s->lengths) in[4] = by_row(t, length, rows);
  in[5] = by_row(t, at, rows);
  in[7] = by_row(t, of, rows);
}

/* Some of its elements are -inf, and some rows altogether. */
static Value *bias(Trial *t, Random *r, Dim rows, Dim keys) {
  const Shape *s = &t->s;
  int64_t size[4] = {s->b, s->g * s->share, s->s, s->t}, *own = size + 4 - s->bias_rank;
  Dim sym[4] = {s->sequences ? rows : NULL, NULL, s->sequences ? NULL : rows, keys}, *dim = sym + 4 - s->bias_rank;
  for (int i = 0; i < 4; i++)
    if (!s->whole[i]) size[i] = 1, sym[i] = NULL;
  Tensor *x = tensor_new(NULL, s->bias == BIAS_MASK ? DT_bool : s->dtype, s->bias_rank, own);
  int64_t last = s->bias_rank && size[3] ? size[3] : 1;
  bool gone = false;
  for (int64_t i = 0; i < x->count; i++) {
    if (i % last == 0) gone = random_chance(r, 8);
    bool masked = gone || random_chance(r, 20);
    double v = random_unit(r);
    if (s->bias == BIAS_MASK) ((uint8_t *)x->data)[i] = !masked;
    else dtype_set_f(s->dtype, x->data, i, masked ? -INFINITY : v);
  }
  int axis = skip_axis(t) - 4 + s->bias_rank;
  if (axis >= 0 && s->whole[skip_axis(t)]) x = without_first(t, x, axis); /* as queries */
  return argument(t, x, dim);
}

/* Keys [c, g, t, d] as [c, g, t/32, d, 32]. */
static Value *panels(Trial *t, Random *r, const int64_t size[4]) {
  int64_t n = STATE_PANEL, dim[] = {size[0], size[1], size[2] / n, size[3], n}, bytes = dtype_bits(t->s.dtype) / 8;
  Tensor *x = tensor_new(NULL, t->s.dtype, 4, size), *y = tensor_new(NULL, t->s.dtype, 5, dim);
  fill(r, x);
  if (t->s.odd) spoil(r, x);
  for (int64_t i = 0; i < x->count; i++) {
    int64_t at = i % size[3], key = i / size[3], panel = key / n;
    memcpy((char *)y->data + ((panel * size[3] + at) * n + key % n) * bytes, (char *)x->data + i * bytes, (size_t)bytes);
  }
  tensor_release(x);
  return argument(t, y, NULL);
}

/* The same module, and the same numbers, each time; but fewer rows. */
static void make(Trial *t, Arena *a) {
  Random r = {t->seed};
  Shape s = random_shape(&r);
  t->s = s;
  t->n_in = 0;
  t->m = module_new(a, diag_new(a));
  t->f = module_add_func(t->m, "main", LEVEL_TENSOR);
  DimPool *p = t->m->dims;
  Dim rows = s.symbolic ? dim_symbol(p, func_add_symbol(t->f, "rows", 256)) : NULL;
  Dim keys = s.symbolic ? dim_symbol(p, func_add_symbol(t->f, "keys", 2048)) : NULL;
  if (s.turned) keys = NULL; /* as the capacity of a state */
  int64_t c = s.sequences ? s.sequences : s.b;
  int64_t qs[] = {s.b, s.g * s.share, s.s, s.d}, ks[] = {c, s.g, s.t, s.d}, vs[] = {c, s.g, s.t, s.e}, heads = qs[1];
  Builder b = {.module = t->m, .func = t->f, .block = t->f->body};
  Value *q = floats(t, &b, &r, s.dtype, qs, rows, true), *k = s.turned ? panels(t, &r, ks) : floats(t, &b, &r, s.dtype, ks, keys, false);
  Value *in[8] = {q, k, floats(t, &b, &r, s.dtype, vs, keys, false)};
  if (s.bias) in[3] = bias(t, &r, rows, keys);
  if (s.sequences) cache_rows(t, &r, rows, in);
  else if (s.lengths) in[4] = integers(t, &r, s.t, 0);
  uint64_t after_lengths = r.state;
  if (!s.sequences && (s.offsets || t->skip)) in[5] = integers(t, &r, s.offsets ? s.past : 0, t->skip);
  r.state = after_lengths ^ 1;
  if (s.sinks) {
    Tensor *x = tensor_new(NULL, s.dtype, 1, &heads);
    fill(&r, x);
    if (random_chance(&r, 30)) dtype_set_f(s.dtype, x->data, 0, -INFINITY);
    in[6] = argument(t, x, NULL);
  }
  Value *y = build(&b, OP_attention, 1, s.sequences ? 8 : 7, in,
                   ATTRS(at_i(attention, causal, s.causal), at_f(attention, scale, s.scale), at_f(attention, softcap, s.softcap),
                         at_i(attention, window, s.window), at_i(attention, ahead, s.ahead), at_i(attention, ring, s.ring)));
  if (s.follow) y = build_unary(&b, OP_neg, y);
  if (s.moved) y = move(&b, y);
  build(&b, OP_return, 0, INS(y), NO_ATTRS);
  if (y) func_set_results(t->f, 1, &y->type, NULL);
}

/* ---- comparing ---- */

static bool complain(const Trial *t, const char *why) {
  const Shape *s = &t->s;
  printf("FAIL seed %" PRIu64 " (%s, %s%" PRId64 " sequences, b %" PRId64 ", g %" PRId64 " of %" PRId64 ", s %" PRId64 " less %" PRId64 ", t %" PRId64 ", d %" PRId64
         ", e %" PRId64 "%s%s%s%s%s, window %" PRId64 ", ahead %" PRId64 ", cap %g, bias %d of rank %d %d%d%d%d): %s\n",
         t->seed, dtype_name(s->dtype), s->ring ? s->turned ? "turned ring of " : "ring of " : s->turned ? "turned, " : "", s->sequences, s->b, s->g, s->share, s->s, t->skip, s->t, s->d, s->e, s->causal ? ", causal" : "",
         s->lengths ? ", lengths" : "", s->offsets ? ", offsets" : "", s->sinks ? ", sinks" : "", s->symbolic ? ", symbolic" : s->moved ? ", moved" : "",
         s->window, s->ahead, s->softcap, (int)s->bias, s->bias_rank, s->whole[0], s->whole[1], s->whole[2], s->whole[3], why);
  return false;
}

static bool run(Trial *t, Via via, Tensor **out) {
  Arena *a = arena_new();
  make(t, a);
  bool good = diag_errors(t->m->diag) == 0 && verify_module(t->m);
  Program *p = good ? via_prepare(via, t->m) : NULL;
  good = p && via_run(p, t->f, t->in, out);
  if (good && t->s.moved) *out = moved(*out);
  if (!good) complain(t, diag_first(t->m->diag));
  if (p) via_free(p);
  for (int i = 0; i < t->n_in; i++) tensor_release(t->in[i]);
  arena_free(a);
  return good;
}

/* The last queries come out the same to the bit without those before them. */
static bool same_alone(Trial *t, Tensor *all) {
  Tensor *alone = NULL;
  int64_t rows = t->s.sequences ? t->s.b : t->s.s;
  if (rows < 2) return true;
  Random r = {t->seed + 1};
  t->skip = rows - 1 - random_below(&r, rows > 4 ? 4 : 1);
  if (!run(t, VIA_NATIVE, &alone)) return false;
  Tensor *last = tensor_new(NULL, all->dtype, 4, all->dim);
  memcpy(last->data, all->data, (size_t)(all->count * dtype_bits(all->dtype) / 8));
  last = without_first(t, last, skip_axis(t));
  Comparison c = compare_exact(alone, last);
  tensor_release(last);
  tensor_release(alone);
  return c.good || complain(t, c.why);
}

static bool trial(uint64_t seed) {
  Trial t = {.seed = seed};
  Tensor *want = NULL, *got = NULL;
  bool good = run(&t, VIA_EVAL, &want) && run(&t, VIA_NATIVE, &got);
  if (good) {
    Comparison c = compare_scaled(got, want, t.s.dtype == DT_f32 || t.s.dtype == DT_f64 ? 1e-5 : t.s.dtype == DT_f16 ? 4e-3 : 3e-2);
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

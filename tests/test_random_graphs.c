/* test_random_graphs.c -- random graphs give the same results before and after every pass and pipeline.
 *
 *   test_random_graphs [--native] [COUNT] [SEED]
 * --native: compiled, instead of after each pass. Graphs have symbolic sizes, shapes computed by tensors, constants to fold, branches and loops. Each module must verify,
 * and print to a text that reads back the same. A failure prints the seed and the module. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "ir/fatal.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "passes/pass.h"
#include "random.h"
#include "via.h"
#include "ir/tolerance.h"

/* ---- randomness ---- */

/* Small numbers, among them those that rules look for. */
static double number(Random *r) {
  static const double special[] = {0.0, -0.0, 1.0, 2.0, -1.0, 0.5};
  if (random_chance(r, 30)) return special[random_below(r, 6)];
  return (double)random_below(r, 4001) / 1000 - 2;
}

/* ---- growing a graph ---- */

enum { MAX_VALUES = 200 };

typedef struct Graph {
  Random *random;
  Module *module;
  Builder b;
  int n;
  Value *value[MAX_VALUES]; /* tensors of floats, of rank up to 4 */
} Graph;

static void add(Graph *g, Value *v) {
  if (v && v->type && v->type->dtype == DT_f32 && v->type->rank <= 4 && g->n < MAX_VALUES) g->value[g->n++] = v;
}

/* Mostly one of the newest, so that little of the graph is dead. */
static Value *any(Graph *g) {
  int recent = g->n < 4 ? g->n : 4;
  return g->value[random_chance(g->random, 75) ? g->n - 1 - random_below(g->random, recent) : random_below(g->random, g->n)];
}

static Value *literal(Graph *g, int rank, const int64_t *size) {
  Dim dim[4];
  float data[64];
  int64_t n = 1;
  for (int i = 0; i < rank; i++) dim[i] = dim_const(g->module->dims, size[i]), n *= size[i];
  for (int i = 0; i < n; i++) data[i] = (float)number(g->random);
  Type t = type_tensor(g->module->types, DT_f32, rank, dim);
  if (random_chance(g->random, 30)) {
    uint64_t bits = dtype_encode(DT_f32, number(g->random), true, ROUND_EVEN);
    return build_const(&g->b, constant_splat(g->module, t, bits));
  }
  return build_const(&g->b, constant_bytes(g->module, t, data, n * 4));
}

static Value *grow_literal(Graph *g) {
  int64_t size[3] = {1 + random_below(g->random, 4), 1 + random_below(g->random, 4), 1 + random_below(g->random, 4)};
  return literal(g, random_below(g->random, 4), size);
}

static Value *grow_unary(Graph *g) {
  static const Op op[] = {OP_neg, OP_abs, OP_sign, OP_floor, OP_ceil, OP_round, OP_tanh, OP_sigmoid, OP_silu, OP_erf, OP_gelu,
                          OP_debug_name, OP_sin};
  return build_unary(&g->b, op[random_below(g->random, (int)(sizeof op / sizeof *op))], any(g));
}

/* Two of the pool that broadcast, or one and a literal of one element. */
static bool broadcasts(Value *x, Value *y) {
  for (int i = 1; i <= x->type->rank && i <= y->type->rank; i++) {
    Dim a = x->type->dim[x->type->rank - i], b = y->type->dim[y->type->rank - i];
    if (a != b && !dim_is(a, 1) && !dim_is(b, 1)) return false;
  }
  return true;
}

static Value *partner(Graph *g, Value *x) {
  for (int i = 0; i < 8; i++) {
    Value *y = any(g);
    if (broadcasts(x, y)) return y;
  }
  return literal(g, 0, NULL);
}

static Value *grow_binary(Graph *g) {
  static const Op op[] = {OP_add, OP_sub, OP_mul, OP_min, OP_max, OP_add, OP_mul, OP_div, OP_pow};
  Value *x = any(g), *y = random_chance(g->random, 40) ? literal(g, 0, NULL) : partner(g, x);
  Op o = op[random_below(g->random, (int)(sizeof op / sizeof *op))];
  if (o == OP_div || o == OP_pow) y = build_scalar_f(&g->b, DT_f32, o == OP_div ? 1 + random_below(g->random, 3) : 1 + random_below(g->random, 2));
  return build_binary(&g->b, o, x, y);
}

static Value *grow_where(Graph *g) {
  Value *x = any(g), *y = partner(g, x);
  Value *c = random_chance(g->random, 40) ? build_scalar_i(&g->b, DT_bool, random_below(g->random, 2)) : build_binary(&g->b, OP_lt, x, y);
  return build(&g->b, OP_where, 1, INS(c, x, y), NO_ATTRS);
}

static Value *grow_cast(Graph *g) {
  static const Dtype via[] = {DT_f64, DT_f16, DT_i32, DT_bf16, DT_f32};
  return build_cast(&g->b, build_cast(&g->b, any(g), via[random_below(g->random, 5)]), DT_f32);
}

static Value *grow_transpose(Graph *g) {
  Value *x = any(g);
  int64_t perm[MAX_RANK];
  int rank = x->type->rank;
  for (int i = 0; i < rank; i++) perm[i] = i;
  for (int i = rank - 1; i > 0; i--) {
    int k = random_below(g->random, i + 1);
    int64_t t = perm[i];
    perm[i] = perm[k], perm[k] = t;
  }
  return build_transpose(&g->b, x, rank, perm);
}

/* A shape computed as exporters do: Shape, Gather, Concat, with the first two axes joined, or one split off. */
static Value *grow_reshape(Graph *g) {
  Value *x = any(g);
  int rank = x->type->rank;
  if (rank < 2) return build(&g->b, OP_unsqueeze, 1, INS(x, build_ints(&g->b, 1, (int64_t[]){0})), NO_ATTRS);
  Value *shape = build_unary(&g->b, OP_shape_of, x), *part[4];
  for (int i = 0; i < rank; i++)
    part[i] = build(&g->b, OP_gather, 1, INS(shape, build_ints(&g->b, 1, (int64_t[]){i})), ATTRS(at_i(gather, axis, 0)));
  part[0] = random_chance(g->random, 50) ? build_ints(&g->b, 1, (int64_t[]){-1}) : build_binary(&g->b, OP_mul, part[0], part[1]);
  for (int i = 1; i + 1 < rank; i++) part[i] = part[i + 1];
  Value *joined = build(&g->b, OP_concat, 1, rank - 1, part, ATTRS(at_i(concat, axis, 0)));
  return build(&g->b, OP_reshape, 1, INS(x, joined), NO_ATTRS);
}

static Value *grow_slice(Graph *g) {
  Value *x = any(g);
  if (x->type->rank == 0) return NULL;
  int64_t axis = random_below(g->random, x->type->rank);
  bool several = dim_is_const(x->type->dim[axis]) && x->type->dim[axis]->constant > 1; /* nothing is cut to no size */
  int64_t from = several ? random_below(g->random, 2) : 0, to = random_chance(g->random, 50) ? INT64_MAX : from + 1 + random_below(g->random, 2);
  int64_t step = random_chance(g->random, 20) ? -1 : 1;
  if (step < 0) from = INT64_MAX, to = INT64_MIN;
  Value *v = build(&g->b, OP_slice, 1, INS(x, build_ints(&g->b, 1, &from), build_ints(&g->b, 1, &to), build_ints(&g->b, 1, &axis),
                   build_ints(&g->b, 1, &step)), NO_ATTRS);
  return v->type && type_has_unknown(v->type) ? NULL : v;
}

static Value *grow_pad(Graph *g) {
  Value *x = any(g);
  int64_t pads[8];
  for (int i = 0; i < 2 * x->type->rank; i++) pads[i] = random_below(g->random, 2);
  return build(&g->b, OP_pad, 1, INS(x, build_ints(&g->b, 2 * x->type->rank, pads)), NO_ATTRS);
}

static Value *grow_concat(Graph *g) {
  Value *x = any(g);
  if (x->type->rank == 0) return NULL;
  int64_t axis = random_below(g->random, x->type->rank);
  if (random_chance(g->random, 20)) return build(&g->b, OP_concat, 1, INS(x), ATTRS(at_i(concat, axis, axis)));
  return build(&g->b, OP_concat, 1, INS(x, build_unary(&g->b, OP_neg, x)), ATTRS(at_i(concat, axis, axis)));
}

static Value *grow_reduce(Graph *g) {
  static const Op op[] = {OP_reduce_sum, OP_reduce_mean, OP_reduce_max, OP_reduce_min};
  Value *x = any(g);
  if (x->type->rank == 0) return NULL;
  int64_t axis = random_below(g->random, x->type->rank);
  return build(&g->b, op[random_below(g->random, 4)], 1, INS(x, build_ints(&g->b, 1, &axis)),
               ATTRS(at_i(reduce_sum, keep, random_below(g->random, 2))));
}

static Value *grow_softmax(Graph *g) {
  Value *x = any(g);
  return x->type->rank ? build(&g->b, OP_softmax, 1, INS(x), ATTRS(at_i(softmax, axis, -1))) : NULL;
}

/* x times its own transpose: the sizes always fit. */
static Value *grow_matmul(Graph *g) {
  Value *x = any(g);
  int rank = x->type->rank;
  if (rank < 2 || rank > 3) return NULL;
  int64_t perm[3] = {0, 1, 2};
  perm[rank - 1] = rank - 2, perm[rank - 2] = rank - 1;
  return build_binary(&g->b, OP_matmul, x, build_transpose(&g->b, x, rank, perm));
}

/* With weights, which are laid out for the kernels. */
static Value *grow_product(Graph *g) {
  Value *x = any(g);
  int rank = x->type->rank;
  if (rank < 2 || !dim_is_const(x->type->dim[rank - 1]) || x->type->dim[rank - 1]->constant > 16) return NULL;
  int64_t k = x->type->dim[rank - 1]->constant, n = 1 + random_below(g->random, 4);
  bool turned = random_chance(g->random, 50);
  Value *w = literal(g, 2, turned ? (int64_t[]){n, k} : (int64_t[]){k, n});
  return build(&g->b, OP_matmul, 1, INS(x, w), ATTRS(at_i(matmul, transb, turned)));
}

/* Attention of x to itself, as exporters write it, or by the op. */
static Value *grow_attention(Graph *g) {
  Value *x = any(g);
  if (x->type->rank != 3) return NULL;
  Value *scale = build_scalar_f(&g->b, DT_f32, 0.5);
  if (random_chance(g->random, 50)) {
    Value *scores = build_binary(&g->b, OP_matmul, x, build_transpose(&g->b, x, 3, (int64_t[]){0, 2, 1}));
    return build_binary(&g->b, OP_matmul, build_unary(&g->b, OP_softmax, build_binary(&g->b, OP_mul, scores, scale)), x);
  }
  Value *q = build(&g->b, OP_unsqueeze, 1, INS(x, build_ints(&g->b, 1, (int64_t[]){0})), NO_ATTRS);
  return build(&g->b, OP_attention, 1, INS(q, q, q), ATTRS(at_i(attention, causal, random_below(g->random, 2))));
}

static Value *grow_norm(Graph *g) {
  Value *x = any(g);
  if (x->type->rank == 0) return NULL;
  /* a large epsilon: what is zero but for rounding stays so */
  if (random_chance(g->random, 50)) return build(&g->b, OP_layernorm, 1, INS(x), ATTRS(at_f(layernorm, epsilon, 1)));
  return build(&g->b, OP_rmsnorm, 1, INS(x), ATTRS(at_f(rmsnorm, epsilon, 1)));
}

static Value *grow_cumsum(Graph *g) {
  Value *x = any(g);
  if (x->type->rank == 0) return NULL;
  return build_binary(&g->b, OP_cumsum, x, build_scalar_i(&g->b, DT_i64, random_below(g->random, x->type->rank)));
}

static Value *grow_tile(Graph *g) {
  Value *x = any(g);
  int64_t times[4];
  if (x->type->rank == 0) return NULL;
  for (int i = 0; i < x->type->rank; i++) times[i] = 1 + random_below(g->random, 2);
  return build_binary(&g->b, OP_tile, x, build_ints(&g->b, x->type->rank, times));
}

/* Those that choose among the elements of an axis, which is known not to be empty. */
static Value *grow_choice(Graph *g) {
  Value *x = any(g);
  int axis = x->type->rank ? random_below(g->random, x->type->rank) : 0;
  if (x->type->rank == 0 || !dim_is_const(x->type->dim[axis]) || x->type->dim[axis]->constant < 1) return NULL;
  switch (random_below(g->random, 3)) {
  case 0: return build(&g->b, OP_gather, 1, INS(x, build_ints(&g->b, 2, (int64_t[]){0, -1})), ATTRS(at_i(gather, axis, axis)));
  case 1: return build_cast(&g->b, build(&g->b, OP_argmax, 1, INS(x), ATTRS(at_i(argmax, axis, axis))), DT_f32);
  default: return build(&g->b, OP_topk, 2, INS(x, build_ints(&g->b, 1, (int64_t[]){1})), ATTRS(at_i(topk, axis, axis)));
  }
}

static Value *grow_expand(Graph *g) {
  Value *x = any(g), *like = any(g);
  if (!broadcasts(x, like)) return NULL;
  return build(&g->b, OP_expand, 1, INS(x, build_unary(&g->b, OP_shape_of, like)), NO_ATTRS);
}

static Value *grow_split(Graph *g) {
  Value *x = any(g);
  if (x->type->rank == 0 || !dim_is_const(x->type->dim[0]) || x->type->dim[0]->constant < 2) return NULL;
  int64_t sizes[2] = {1, x->type->dim[0]->constant - 1};
  Value *v = build(&g->b, OP_split, 2, INS(x, build_ints(&g->b, 2, sizes)), NO_ATTRS);
  add(g, value_sibling(v, 1));
  return v;
}

static Value *grow(Graph *g);

/* Nodes with regions are put together by hand: the regions are there before types are inferred. */
static Value *finish(Node *n) { return node_infer(n) ? n->out[0] : NULL; }

static void fill_region(Graph *g, Block *inner, Value *(*body)(Graph *)) {
  Block *outer = g->b.block;
  int n = g->n;
  g->b.block = inner;
  Value *v = body(g);
  build(&g->b, OP_yield, 0, INS(v), NO_ATTRS);
  g->b.block = outer;
  g->n = n;
}

static Value *branch_body(Graph *g) {
  Value *x = g->value[0];
  add(g, build_unary(&g->b, OP_neg, x));
  return build_binary(&g->b, OP_mul, g->value[g->n - 1], build_scalar_f(&g->b, DT_f32, number(g->random)));
}

static Value *grow_if(Graph *g) {
  Value *c = random_chance(g->random, 50) ? build_scalar_i(&g->b, DT_bool, random_below(g->random, 2)) : NULL;
  if (!c) {
    Value *x = any(g), *all = build(&g->b, OP_reduce_max, 1, INS(x), ATTRS(at_i(reduce_max, keep, 0)));
    c = build_binary(&g->b, OP_lt, all, build_scalar_f(&g->b, DT_f32, 1));
  }
  Node *n = node_new(g->b.func, OP_if, 1, 1, 2, g->b.loc);
  node_append(g->b.block, n);
  node_set_in(n, 0, c);
  fill_region(g, n->region[0], branch_body);
  fill_region(g, n->region[1], branch_body);
  return finish(n);
}

static Value *grow_loop(Graph *g) {
  Value *start = g->value[0];
  Node *n = node_new(g->b.func, OP_loop, 3, 1, 1, g->b.loc);
  Block *body = n->region[0], *outer = g->b.block;
  Value *trips = build_scalar_i(&g->b, DT_i64, random_below(g->random, 4));
  node_append(outer, n);
  node_set_in(n, 0, trips);
  node_set_in(n, 2, start);
  block_add_arg(body, type_tensor(g->module->types, DT_i64, 0, NULL), NULL);
  Value *cond = block_add_arg(body, type_tensor(g->module->types, DT_bool, 0, NULL), NULL);
  Value *carried = block_add_arg(body, start->type, NULL);
  g->b.block = body;
  Value *half = build_binary(&g->b, OP_mul, carried, build_scalar_f(&g->b, DT_f32, 0.5));
  Value *sum = build_binary(&g->b, OP_add, half, build_unary(&g->b, OP_tanh, start));
  build(&g->b, OP_yield, 0, INS(cond, sum), NO_ATTRS);
  g->b.block = outer;
  return finish(n);
}

static Value *grow(Graph *g) {
  static Value *(*const way[])(Graph *) = {
      grow_literal, grow_unary,  grow_binary, grow_binary,  grow_where,  grow_cast,   grow_transpose, grow_transpose, grow_reshape,
      grow_slice,   grow_pad,    grow_concat, grow_reduce,  grow_softmax, grow_matmul, grow_expand,    grow_split,     grow_if,
      grow_loop,    grow_binary, grow_unary,  grow_reshape, grow_product, grow_attention, grow_norm,   grow_cumsum,   grow_tile,
      grow_choice,
  };
  return way[random_below(g->random, (int)(sizeof way / sizeof *way))](g);
}

/* f32[n,m], f32[n,3] and f32[2,3,m], all grown upon; the newest few values are the results. */
static Module *random_module(Arena *a, Random *r) {
  Module *m = module_new(a, diag_new(a));
  Func *f = module_add_func(m, "main", LEVEL_TENSOR);
  Dim n = dim_symbol(m->dims, func_add_symbol(f, "n", 64)), k = dim_symbol(m->dims, func_add_symbol(f, "m", DIM_NO_CAPACITY));
  Dim two = dim_const(m->dims, 2), three = dim_const(m->dims, 3);
  Graph g = {.random = r, .module = m, .b = {.module = m, .func = f, .block = f->body}};
  add(&g, block_add_arg(f->body, type_tensor(m->types, DT_f32, 2, (Dim[]){n, k}), "x"));
  add(&g, block_add_arg(f->body, type_tensor(m->types, DT_f32, 2, (Dim[]){n, three}), "y"));
  add(&g, block_add_arg(f->body, type_tensor(m->types, DT_f32, 3, (Dim[]){two, three, k}), "z"));
  for (int i = 3 + random_below(r, 40); i > 0; i--) add(&g, grow(&g));
  Value *out[3];
  Type type[3];
  for (int i = 0; i < 3; i++) out[i] = g.value[g.n - 1 - i], type[i] = out[i]->type;
  build(&g.b, OP_return, 0, 3, out, NO_ATTRS);
  func_set_results(f, 3, type, NULL);
  return m;
}

/* ---- comparing ---- */

typedef struct Trial {
  uint64_t seed;
  Tensor *in[3], *want[3];
  bool failed;
  bool lowered; /* kernels compute in f32, and the reference in double; what is recovered rounds less often */
} Trial;

static void complain(Trial *t, Module *m, const char *when, const char *why) {
  if (t->failed) return;
  printf("FAIL seed %" PRIu64 ", %s: %s\n", t->seed, when, why);
  text_print(m, stdout);
  t->failed = true;
}

/* Without elements a -1 in a shape can mean anything: then, and only then, a graph may fail before it is changed. */
static bool run(Trial *t, Module *m, const char *when, Tensor **out) {
  Evaluator *e = eval_new(m, (EvalOptions){.max_memory = 64 << 20, .max_steps = 100000});
  bool good = eval_func(e, m->funcs.at[0], 3, t->in, out);
  bool excused = t->in[0]->dim[0] == 0 && strcmp(when, "before passes") == 0;
  if (!good && !excused) complain(t, m, when, diag_first(m->diag));
  eval_free(e);
  return good;
}

static void compare(Trial *t, Module *m, const char *when, Tensor *const *out) {
  for (int i = 0; i < 3; i++) {
    Comparison c = t->lowered ? compare_scaled(out[i], t->want[i], 1e-4) : compare_exact(out[i], t->want[i]);
    bool rounding = t->lowered && fabs(c.got - c.want) < 1e-5; /* in sums that come to nothing */
    if (!c.good && !rounding) complain(t, m, when, c.why);
  }
}

static void release(Tensor **t) {
  for (int i = 0; i < 3; i++) tensor_release(t[i]);
}

static void check(void *ctx, const char *when, Module *m) {
  Trial *t = ctx;
  Tensor *out[3] = {0};
  t->lowered |= strcmp(when, "lower") == 0 || strcmp(when, "recover") == 0;
  if (run(t, m, when, out)) compare(t, m, when, out);
  release(out);
}

static Tensor *random_input(Random *r, int rank, const int64_t *dim) {
  Tensor *t = tensor_new(NULL, DT_f32, rank, dim);
  for (int64_t i = 0; i < t->count; i++) dtype_set_f(DT_f32, t->data, i, number(r));
  return t;
}

static void random_inputs(Trial *t, Random *r) {
  int64_t n = random_below(r, 4), k = 1 + random_below(r, 4);
  t->in[0] = random_input(r, 2, (int64_t[]){n, k});
  t->in[1] = random_input(r, 2, (int64_t[]){n, 3});
  t->in[2] = random_input(r, 3, (int64_t[]){2, 3, k});
}

/* One list of passes over the graph of a seed, compared after each that changed something. */
static bool trial(uint64_t seed, const char *passes) {
  Arena *a = arena_new();
  Random r = {seed};
  Module *m = random_module(a, &r);
  Trial t = {.seed = seed};
  random_inputs(&t, &r);
  if (diag_errors(m->diag)) complain(&t, m, "building", diag_first(m->diag));
  else if (!verify_module(m)) complain(&t, m, "verifying", diag_first(m->diag));
  else if (run(&t, m, "before passes", t.want)) {
    PassOptions o = {.passes = passes, .out = stdout, .err = stderr, .changed = check, .changed_ctx = &t};
    if (!pass_run(m, &o)) complain(&t, m, passes, diag_first(m->diag));
  }
  release(t.in), release(t.want);
  arena_free(a);
  return !t.failed;
}

/* The graph of a seed, compiled for this machine. */
static bool trial_native(uint64_t seed) {
  Arena *a = arena_new();
  Random r = {seed};
  Module *m = random_module(a, &r);
  Trial t = {.seed = seed, .lowered = true};
  Tensor *out[3] = {0};
  Program *p = NULL;
  random_inputs(&t, &r);
  if (run(&t, m, "before passes", t.want)) {
    if (!(p = via_prepare(VIA_NATIVE, m)) || !via_run(p, m->funcs.at[0], t.in, out)) complain(&t, m, "compiled", diag_first(m->diag));
    else compare(&t, m, "compiled", out);
  }
  if (p) via_free(p);
  release(t.want), release(t.in), release(out);
  arena_free(a);
  return !t.failed;
}

/* Every pass alone, every pipeline, and the passes of the first rows in an order that no pipeline has. */
static bool trials(uint64_t seed) {
  int n_passes, n_pipelines;
  const Pass *pass = pass_list(&n_passes);
  const Pipeline *pipeline = pipeline_list(&n_pipelines);
  bool good = trial(seed, "cse,dce,simplify,fold,shapes,dce");
  for (int i = 0; i < n_passes && good; i++) good = trial(seed, pass[i].name);
  for (int i = 0; i < n_pipelines && good; i++) good = trial(seed, pipeline[i].passes);
  return good;
}

int main(int argc, char **argv) {
  bool native = argc > 1 && strcmp(argv[1], "--native") == 0;
  int at = 1 + native, count = argc > at ? atoi(argv[at]) : 300, failed = 0;
  uint64_t seed = argc > at + 1 ? strtoull(argv[at + 1], NULL, 10) : 1;
  for (int i = 0; i < count && failed < 5; i++) failed += !(native ? trial_native : trials)(seed + (uint64_t)i);
  printf("%d passed, %d failed, 0 skipped\n", count - failed, failed);
  return failed > 0;
}

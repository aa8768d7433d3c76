/* test_sort_gpt.c -- a trained GPT, built from its weights through the builder, against 24 recorded activations.
 *
 * Found through LATHE_CORPUS; tests/oracles/README.md describes the two files. The activations are the function's
 * results, so they are compared again after each pass. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "ir/fatal.h"
#include "passes/pass.h"
#include "ir/tolerance.h"

/* ---- the files ---- */

static json_t *load_json(Arena *a, const char *name) {
  const char *corpus = getenv("LATHE_CORPUS");
  return json_load_file(arena_printf(a, "%s/gpt-nano-sort/%s", corpus ? corpus : "../shared/corpus", name), 0, NULL);
}

static size_t decode_base64(const char *s, unsigned char *out) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  uint32_t bits = 0;
  int have = 0;
  size_t n = 0;
  for (const char *at; *s && (at = strchr(digits, *s)); s++) {
    bits = bits << 6 | (uint32_t)(at - digits);
    have += 6;
    if (have >= 8) out[n++] = (unsigned char)(bits >> (have -= 8));
  }
  return n;
}

static Tensor *read_tensor(json_t *file, const char *key) {
  json_t *t = json_object_get(file, key), *shape = json_object_get(t, "shape");
  int64_t dim[MAX_RANK];
  ensure(t && shape);
  int rank = (int)json_array_size(shape);
  for (int i = 0; i < rank; i++) dim[i] = json_integer_value(json_array_get(shape, (size_t)i));
  Tensor *x = tensor_new(NULL, DT_f32, rank, dim);
  const char *data = json_string_value(json_object_get(t, "data"));
  unsigned char *bytes = malloc(strlen(data));
  ensure(bytes && decode_base64(data, bytes) == (size_t)x->count * 4);
  memcpy(x->data, bytes, (size_t)x->count * 4);
  free(bytes);
  return x;
}

/* ---- the model ---- */

enum { HEADS = 3, WIDTH = 48, HEAD = WIDTH / HEADS, LAYERS = 3, MAX_SHOWN = 32 };

typedef struct Gpt {
  json_t *weights;
  Builder b;
  int n;
  const char *name[MAX_SHOWN]; /* of the activations */
  Value *value[MAX_SHOWN];
} Gpt;

/* Gives the value that name among the activations. */
static Value *show(Gpt *g, const char *name, Value *v) {
  ensure(g->n < MAX_SHOWN);
  g->name[g->n] = name;
  return g->value[g->n++] = v;
}

static Value *weight(Gpt *g, const char *prefix, const char *name) {
  Module *m = g->b.module;
  const char *key = arena_printf(m->arena, "%s%s", prefix, name);
  Tensor *t = read_tensor(g->weights, key);
  Constant *c = module_find_constant(m, key);
  if (!c) {
    c = module_add_constant(m, key, tensor_type(m, t));
    c->kind = CONSTANT_BYTES;
    c->bytes = arena_string(m->arena, t->data, (size_t)t->count * 4);
  }
  tensor_release(t);
  return build_const(&g->b, c);
}

static Value *linear(Gpt *g, Value *x, const char *prefix, const char *name) {
  Value *w = weight(g, prefix, arena_printf(g->b.module->arena, "%s.weight", name));
  Value *bias = weight(g, prefix, arena_printf(g->b.module->arena, "%s.bias", name));
  return build_binary(&g->b, OP_add, build(&g->b, OP_matmul, 1, INS(x, w), ATTRS(at_i(matmul, transb, 1))), bias);
}

static Value *layernorm(Gpt *g, Value *x, const char *prefix, const char *name) {
  Value *w = weight(g, prefix, arena_printf(g->b.module->arena, "%s.weight", name));
  Value *bias = weight(g, prefix, arena_printf(g->b.module->arena, "%s.bias", name));
  return build(&g->b, OP_layernorm, 1, INS(x, w, bias), NO_ATTRS);
}

static Value *constants(Gpt *g, int n, const int64_t *v) { return build_ints(&g->b, n, v); }

/* [batch, seq, width] to [batch, head, seq, head width] */
static Value *split_heads(Gpt *g, Value *x) {
  Value *four = build(&g->b, OP_reshape, 1, INS(x, constants(g, 4, (int64_t[]){0, -1, HEADS, HEAD})), ATTRS(at_i(reshape, zero_copies, 1)));
  return build_transpose(&g->b, four, 4, (int64_t[]){0, 2, 1, 3});
}

static Value *attention(Gpt *g, Value *x, const char *prefix, bool shown) {
  Builder *b = &g->b;
  Value *qkv = linear(g, x, prefix, "attn.c_attn");
  Value *q = build(b, OP_split, 3, INS(qkv), ATTRS(at_i(split, axis, -1)));
  Value *k = split_heads(g, value_sibling(q, 1)), *v = split_heads(g, value_sibling(q, 2));
  q = split_heads(g, q);
  Value *scores = build_binary(b, OP_div, build(b, OP_matmul, 1, INS(q, k), ATTRS(at_i(matmul, transb, 1))),
                               build_scalar_f(b, DT_f32, sqrt(HEAD)));
  Value *masked = build_binary(b, OP_eq, weight(g, prefix, "attn.bias"), build_scalar_f(b, DT_f32, 0));
  Value *att = build(b, OP_where, 1, INS(masked, build_scalar_f(b, DT_f32, -INFINITY), scores), NO_ATTRS);
  Value *soft = build_unary(b, OP_softmax, att);
  Value *joined = build_transpose(b, build_binary(b, OP_matmul, soft, v), 4, (int64_t[]){0, 2, 1, 3});
  Value *y = build(b, OP_reshape, 1, INS(joined, constants(g, 3, (int64_t[]){0, -1, WIDTH})), ATTRS(at_i(reshape, zero_copies, 1)));
  Value *projected = linear(g, y, prefix, "attn.c_proj");
  if (!shown) return projected;
  show(g, "qkv", qkv), show(g, "q", q), show(g, "k", k), show(g, "v", v);
  show(g, "att", att), show(g, "attSm", soft), show(g, "y", y);
  return show(g, "yProj", projected);
}

static Value *layer(Gpt *g, Value *x, int i) {
  Builder *b = &g->b;
  const char *prefix = arena_printf(b->module->arena, "transformer.h.%d.", i);
  bool shown = i == 0;
  Value *ln1 = layernorm(g, x, prefix, "ln_1");
  Value *resid = build_binary(b, OP_add, x, attention(g, ln1, prefix, shown));
  Value *ln2 = layernorm(g, resid, prefix, "ln_2");
  Value *fc = linear(g, ln2, prefix, "mlp.c_fc");
  Value *gelu = build(b, OP_gelu, 1, INS(fc), ATTRS(at_i(gelu, tanh, 1)));
  Value *mlp = linear(g, gelu, prefix, "mlp.c_proj");
  Value *out = build_binary(b, OP_add, resid, mlp);
  if (shown) {
    show(g, "ln1", ln1), show(g, "attnResid", resid), show(g, "ln2", ln2), show(g, "fc", fc);
    show(g, "gelu", gelu), show(g, "mlp", mlp), show(g, "mlpResid", out);
  }
  return show(g, arena_printf(b->module->arena, "block%d", i), out);
}

static void build_gpt(Gpt *g) {
  Builder *b = &g->b;
  Module *m = b->module;
  Dim batch = dim_symbol(m->dims, func_add_symbol(b->func, "batch", DIM_NO_CAPACITY)), seq = dim_const(m->dims, 11);
  Value *ids = block_add_arg(b->block, type_tensor(m->types, DT_i64, 2, (Dim[]){batch, seq}), "ids");
  Value *tokens = show(g, "tok_emb", build_binary(b, OP_gather, weight(g, "", "transformer.wte.weight"), ids));
  Value *places = show(g, "pos_emb", build(b, OP_unsqueeze, 1, INS(weight(g, "", "transformer.wpe.weight"), constants(g, 1, (int64_t[]){0})), NO_ATTRS));
  Value *x = show(g, "x", build_binary(b, OP_add, tokens, places));
  for (int i = 0; i < LAYERS; i++) x = layer(g, x, i);
  Value *last = show(g, "ln_f", layernorm(g, x, "", "transformer.ln_f"));
  Value *logits = build(b, OP_matmul, 1, INS(last, weight(g, "", "lm_head.weight")), ATTRS(at_i(matmul, transb, 1)));
  show(g, "probs", build_unary(b, OP_softmax, show(g, "lm_head", logits)));
  build(b, OP_return, 0, g->n, g->value, NO_ATTRS);
  Type type[MAX_SHOWN];
  for (int i = 0; i < g->n; i++) type[i] = g->value[i]->type;
  func_set_results(b->func, g->n, type, g->name);
}

/* ---- comparing ---- */

typedef struct Check {
  json_t *activations;
  Tensor *ids;
  int passed, failed;
} Check;

static Tensor *read_ids(json_t *activations) {
  Tensor *stored = read_tensor(activations, "idx"), *ids = tensor_new(NULL, DT_i64, stored->rank, stored->dim);
  for (int64_t i = 0; i < ids->count; i++) dtype_set_i(DT_i64, ids->data, i, (int64_t)tensor_f(stored, i));
  tensor_release(stored);
  return ids;
}

static void check(void *ctx, const char *when, Module *m) {
  Check *c = ctx;
  Func *f = m->funcs.at[0];
  Tensor *out[MAX_SHOWN] = {0};
  Evaluator *e = eval_new(m, (EvalOptions){0});
  if (!eval_func(e, f, 1, &c->ids, out)) printf("FAIL %s: %s\n", when, diag_first(m->diag)), c->failed++;
  for (int i = 0; i < f->n_results && out[i]; i++) {
    Tensor *want = read_tensor(c->activations, f->result_name[i]);
    Comparison r = compare_scaled(out[i], want, 1e-5);
    if (r.good) c->passed++;
    else printf("FAIL %s: %s: %s\n", when, f->result_name[i], r.why), c->failed++;
    tensor_release(want);
    tensor_release(out[i]);
  }
  eval_free(e);
}

int main(void) {
  Arena *a = arena_new();
  Gpt g = {.weights = load_json(a, "model.json")};
  Check c = {.activations = load_json(a, "activations.json")};
  if (!g.weights || !c.activations) {
    puts("skipped: gpt-nano-sort is not there (LATHE_CORPUS)");
    arena_free(a);
    return 77;
  }
  Module *m = module_new(a, diag_new(a));
  Func *f = module_add_func(m, "main", LEVEL_TENSOR);
  g.b = (Builder){.module = m, .func = f, .block = f->body};
  build_gpt(&g);
  c.ids = read_ids(c.activations);
  if (g.n != (int)json_object_size(c.activations) - 2) printf("FAIL %d activations are built\n", g.n), c.failed++; /* less config, idx */
  check(&c, "as built", m);
  PassOptions o = {.out = stdout, .err = stderr, .changed = check, .changed_ctx = &c};
  if (!pass_run(m, &o)) printf("FAIL passes: %s\n", diag_first(m->diag)), c.failed++;
  tensor_release(c.ids);
  json_decref(g.weights);
  json_decref(c.activations);
  arena_free(a);
  printf("%d passed, %d failed, 0 skipped\n", c.passed, c.failed);
  return c.failed > 0;
}

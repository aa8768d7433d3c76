/* lm_build.c -- a language model as a function: what its tensors are multiplied with, and in which order. */
#include <inttypes.h>
#include <math.h>

#include "frontend/lm.h"
#include "ir/fatal.h"

/* A ring of keys has room for a window and for the rows of one call, since the first of these still sees its whole window. */
enum { RING_ROWS = 512 };

typedef struct Lm {
  Checkpoint *c;
  const LmConfig *config;
  const LmFamilyInfo *family;
  Weights *weights;
  Builder b;
  int64_t layer; /* that is being built, or -1 */
  bool good;
} Lm;

static Dim size(const Lm *l, double n) { return dim_const(l->c->module->dims, (int64_t)n); }

/* ---- tensors ---- */

static const char *constant_name(const Lm *l, LmRole role, bool bias) {
  Arena *a = l->c->module->arena;
  const char *end = bias ? ".bias" : "";
  return l->layer < 0 ? arena_printf(a, "%s%s", lm_role_name(role), end)
                      : arena_printf(a, "layer.%" PRId64 ".%s%s", l->layer, lm_role_name(role), end);
}

static const char *shape_text(const Lm *l, int rank, const int64_t *dim) {
  char *s = "";
  for (int i = 0; i < rank; i++) s = arena_printf(l->c->module->arena, "%s%s%" PRId64, s, i ? "," : "", dim[i]);
  return s;
}

static bool same_shape(const CheckpointTensor *t, int rank, const int64_t *dim) {
  bool same = t->rank == rank;
  for (int i = 0; same && i < rank; i++) same = t->dim[i] == dim[i];
  return same;
}

/* What stands for a tensor that cannot be used: a value without a type, of which nothing is built, and nothing said again. */
static Value *nothing(Lm *l) {
  l->good = false;
  return ARENA_NEW(l->c->module->arena, Value);
}

/* A tensor of this shape as a value. */
static Value *constant(Lm *l, CheckpointTensor *t, LmRole role, bool bias, int rank, const int64_t *dim) {
  if (!same_shape(t, rank, dim)) {
    diag_error(l->c->module->diag, (Loc){.file = l->c->path}, "tensor `%s` is [%s], and the settings make it [%s]", t->name,
                         shape_text(l, t->rank, t->dim), shape_text(l, rank, dim));
    return nothing(l);
  }
  if (t->dtype != DT_none && !dtype_is_float(t->dtype)) {
    diag_error(l->c->module->diag, (Loc){.file = l->c->path}, "tensor `%s` is of type %s, and not of floats", t->name, dtype_name(t->dtype));
    return nothing(l);
  }
  Constant *k = checkpoint_constant(l->c, t, constant_name(l, role, bias));
  k->weights = l->weights;
  return build_const(&l->b, k);
}

static bool has(const Lm *l, LmRole role) { return lm_tensor(l->c, l->config, role, l->layer, false) != NULL; }

static Value *weight(Lm *l, LmRole role, int rank, const int64_t *dim) {
  CheckpointTensor *t = lm_tensor(l->c, l->config, role, l->layer, false);
  if (t) return constant(l, t, role, false, rank, dim);
  diag_error(l->c->module->diag, (Loc){.file = l->c->path}, "tensor `%s` is missing", lm_tensor_name(l->c, l->config, role, l->layer));
  return nothing(l);
}
#define WEIGHT(l, role, ...) \
  weight((l), (role), (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})

/* As f32, or NULL if there is none. */
static Value *bias_of(Lm *l, LmRole role, int64_t n) {
  CheckpointTensor *t = lm_tensor(l->c, l->config, role, l->layer, true);
  Value *v = t ? constant(l, t, role, true, 1, &n) : NULL;
  return v ? build_cast(&l->b, v, DT_f32) : NULL;
}

/* ---- parts ---- */

static Value *binary(Lm *l, Op op, Value *x, Value *y) { return build_binary(&l->b, op, x, y); }

static Value *reshape(Lm *l, Value *x, int rank, const Dim *dim) { return build_reshape(&l->b, x, rank, dim); }
#define RESHAPE(l, x, ...) reshape((l), (x), (int)(sizeof((Dim[]){__VA_ARGS__}) / sizeof(Dim)), (Dim[]){__VA_ARGS__})

/* x times a matrix, in f32 whatever the matrix is kept in. */
static Value *linear(Lm *l, LmRole role, Value *x, double in, double out) {
  bool columns = !l->config->gguf && l->family->layout == LM_COLUMNS && l->layer >= 0;
  Value *w = columns ? WEIGHT(l, role, (int64_t)in, (int64_t)out) : WEIGHT(l, role, (int64_t)out, (int64_t)in);
  Value *y = build(&l->b, OP_matmul, 1, INS(x, w), ATTRS(at_i(matmul, transb, !columns), at_i(matmul, out, DT_f32)));
  Value *bias = bias_of(l, role, (int64_t)out);
  return bias ? binary(l, OP_add, y, bias) : y;
}

static Value *norm(Lm *l, LmRole role, Value *x, double n) {
  Value *scale = build_cast(&l->b, WEIGHT(l, role, (int64_t)n), DT_f32);
  double e = l->config->epsilon;
  if (l->family->norm == LM_RMS) return build(&l->b, OP_rmsnorm, 1, INS(x, scale), ATTRS(at_f(rmsnorm, epsilon, e)));
  Value *in[] = {x, scale, bias_of(l, role, (int64_t)n)};
  return build_values(&l->b, OP_layernorm, 1, in[2] ? 3 : 2, in, ATTRS(at_f(layernorm, epsilon, e)));
}

static Value *activate(Lm *l, Value *x) {
  const char *act = l->config->act;
  if (strcmp(act, "relu") == 0) return binary(l, OP_max, x, build_scalar_f(&l->b, DT_f32, 0));
  if (strncmp(act, "gelu", 4) != 0) return binary(l, OP_mul, x, build_unary(&l->b, OP_sigmoid, x));
  return build(&l->b, OP_gelu, 1, INS(x), ATTRS(at_i(gelu, tanh, strcmp(act, "gelu") != 0)));
}

static double ffn_size(const Lm *l) {
  const CheckpointTensor *t = lm_tensor(l->c, l->config, ROLE_up, l->layer, false);
  bool columns = !l->config->gguf && l->family->layout == LM_COLUMNS;
  return t && t->rank == 2 ? (double)t->dim[columns ? 1 : 0] : 4 * l->config->hidden;
}

static Value *feed_forward(Lm *l, Value *x) {
  double n = ffn_size(l), hidden = l->config->hidden;
  Value *up = linear(l, ROLE_up, x, hidden, n);
  Value *mid = has(l, ROLE_gate) ? binary(l, OP_mul, activate(l, linear(l, ROLE_gate, x, hidden, n)), up) : activate(l, up);
  return linear(l, ROLE_down, mid, n, hidden);
}

/* Query, key and value, of `heads`, `groups` and `groups` heads side by side; some keep the three matrices as one. */
static void project(Lm *l, Value *x, Value **q, Value **k, Value **v) {
  const LmConfig *c = l->config;
  double nq = c->heads * c->head, nk = c->groups * c->head;
  if (!has(l, ROLE_qkv)) {
    *q = linear(l, ROLE_q, x, c->hidden, nq);
    *k = linear(l, ROLE_k, x, c->hidden, nk);
    *v = linear(l, ROLE_v, x, c->hidden, nk);
    return;
  }
  Value *all = linear(l, ROLE_qkv, x, c->hidden, nq + 2 * nk), *sizes = build_ints(&l->b, 3, (int64_t[]){(int64_t)nq, (int64_t)nk, (int64_t)nk});
  *q = build(&l->b, OP_split, 3, INS(all, sizes), ATTRS(at_i(split, axis, -1)));
  *k = value_sibling(*q, 1);
  *v = value_sibling(*q, 2);
}

/* The number of words is the embedding's. */
static int64_t words(Lm *l) {
  const CheckpointTensor *t = lm_tensor(l->c, l->config, ROLE_embed, -1, false);
  return t && t->rank == 2 ? t->dim[0] : 0;
}

static Value *embed(Lm *l, LmRole role, int64_t n, Value *at) {
  Value *table = WEIGHT(l, role, n, (int64_t)l->config->hidden);
  return build_cast(&l->b, build(&l->b, OP_gather, 1, INS(table, at), ATTRS(at_i(gather, axis, 0))), DT_f32);
}

/* ---- decoders ---- */

typedef struct Decoder {
  Dim rows, wanted;
  Value *ids, *positions, *sequences, *outputs;
  Value *cos, *sin; /* [rows, 1, pairs] */
  State *full, *ring;
} Decoder;

static State *cache(Lm *l, const char *name, Addressing addressing, int64_t rows) {
  Module *m = l->c->module;
  State *s = module_add_state(m, module_free_name(m, name));
  s->addressing = addressing;
  s->batch = l->config->sequences;
  s->capacity = rows;
  s->n_fields = 2;
  s->field = ARENA_ARRAY(m->arena, Field, 2);
  for (int i = 0; i < 2; i++)
    s->field[i] = (Field){.name = i ? "v" : "k", .dtype = DT_f32, .rank = 2, .dim = {(int64_t)l->config->groups, (int64_t)l->config->head}};
  return s;
}

/* The cache that a layer keeps its keys in. */
static State *cache_of(Lm *l, Decoder *d, int64_t layer) {
  int64_t ring = (int64_t)l->config->window + RING_ROWS;
  if (lm_windowed(l->c, l->config, layer) && ring < l->config->rows)
    return d->ring ? d->ring : (d->ring = cache(l, "window", ADDRESS_RING, ring));
  return d->full ? d->full : (d->full = cache(l, "kv", ADDRESS_LINEAR, l->config->rows));
}

/* A file may say by how much each pair's frequency is divided. */
static Value *frequencies(Lm *l) {
  const LmConfig *c = l->config;
  Module *m = l->c->module;
  int n = (int)c->rotated / 2;
  float *f = ARENA_ARRAY(m->arena, float, n);
  lm_frequencies(c, f);
  Type t = type_tensor(m->types, DT_f32, 1, (Dim[]){dim_const(m->dims, n)});
  Value *v = build_const(&l->b, constant_bytes(m, t, f, (int64_t)sizeof *f * n));
  return has(l, ROLE_rope_freqs) ? binary(l, OP_div, v, build_cast(&l->b, WEIGHT(l, ROLE_rope_freqs, n), DT_f32)) : v;
}

/* Sines and cosines of the rows' positions, once for all layers. */
static void turn(Lm *l, Decoder *d) {
  Value *at = build_cast(&l->b, RESHAPE(l, d->positions, d->rows, size(l, 1), size(l, 1)), DT_f32);
  Value *angle = binary(l, OP_mul, at, frequencies(l)), *by = build_scalar_f(&l->b, DT_f32, lm_rope_factor(l->config));
  d->cos = binary(l, OP_mul, build_unary(&l->b, OP_cos, angle), by);
  d->sin = binary(l, OP_mul, build_unary(&l->b, OP_sin, angle), by);
}

/* [rows, heads * head] as [rows, heads, head], turned by the row's position where the family does that. */
static Value *heads(Lm *l, const Decoder *d, Value *x, double n, bool turned) {
  Dim count = size(l, n), head = size(l, l->config->head);
  if (!turned || !d->cos) return RESHAPE(l, x, d->rows, count, head);
  x = RESHAPE(l, x, d->rows, count, size(l, 1), head);
  x = build(&l->b, OP_rope, 1, INS(x, d->cos, d->sin),
            ATTRS(at_i(rope, interleaved, l->config->pairs), at_i(rope, dims, (int64_t)l->config->rotated)));
  return RESHAPE(l, x, d->rows, count, head);
}

/* One layer; the state goes in and comes out. */
static Value *decoder_layer(Lm *l, const Decoder *d, Value *x, Value **state) {
  const LmConfig *c = l->config;
  Value *q, *k, *v, *h = norm(l, ROLE_attn_norm, x, c->hidden);
  project(l, h, &q, &k, &v);
  q = heads(l, d, q, c->heads, true);
  k = heads(l, d, k, c->groups, true);
  v = heads(l, d, v, c->groups, false);
  *state = build(&l->b, OP_state_append, 1, INS(*state, d->sequences, d->positions, k, v), NO_ATTRS);
  int64_t window = lm_windowed(l->c, c, l->layer) ? (int64_t)c->window : 0;
  Value *a = build(&l->b, OP_state_attention, 1, INS(q, *state, d->sequences, d->positions), ATTRS(at_i(state_attention, window, window)));
  a = RESHAPE(l, a, d->rows, size(l, c->heads * c->head));
  x = binary(l, OP_add, x, linear(l, ROLE_o, a, c->heads * c->head, c->hidden));
  return binary(l, OP_add, x, feed_forward(l, norm(l, ROLE_ffn_norm, x, c->hidden)));
}

/* The rows of which logits are wanted go on alone. */
static Value *logits(Lm *l, const Decoder *d, Value *x) {
  double hidden = l->config->hidden;
  x = build(&l->b, OP_gather, 1, INS(x, d->outputs), ATTRS(at_i(gather, axis, 0)));
  x = norm(l, ROLE_final_norm, x, hidden);
  LmRole role = has(l, ROLE_head) && !l->config->tied ? ROLE_head : ROLE_embed;
  CheckpointTensor *unread = l->config->tied ? lm_tensor(l->c, l->config, ROLE_head, -1, false) : NULL;
  if (unread) unread->constant = checkpoint_constant(l->c, lm_tensor(l->c, l->config, ROLE_embed, -1, false), "embed"); /* its twin */
  return linear(l, role, x, hidden, (double)words(l));
}

static Value *argument(Lm *l, const char *name, int rank, const Dim *dim) {
  return block_add_arg(l->b.block, type_tensor(l->c->module->types, DT_i64, rank, dim), name);
}

static void decoder_arguments(Lm *l, Decoder *d) {
  DimPool *p = l->c->module->dims;
  int64_t most = l->config->window > 0 ? RING_ROWS : DIM_NO_CAPACITY;
  d->rows = dim_symbol(p, func_add_symbol(l->b.func, "rows", most));
  d->wanted = dim_symbol(p, func_add_symbol(l->b.func, "outputs", DIM_NO_CAPACITY));
  d->ids = argument(l, "ids", 1, &d->rows);
  d->positions = argument(l, "positions", 1, &d->rows);
  d->sequences = argument(l, "sequences", 1, &d->rows);
  d->outputs = argument(l, "outputs", 1, &d->wanted);
}

static void finish(Lm *l, int n, Value *const *v, const char *const *name) {
  Type *type = ARENA_ARRAY(l->c->module->arena, Type, n);
  for (int i = 0; i < n; i++) type[i] = v[i] ? v[i]->type : NULL;
  if (!l->good || diag_errors(l->c->module->diag)) return;
  func_set_results(l->b.func, n, type, name);
  build_values(&l->b, OP_return, 0, n, v, NO_ATTRS);
}

static void build_decoder(Lm *l) {
  Module *m = l->c->module;
  Decoder d = {0};
  int layers = (int)l->config->layers;
  Value **v = ARENA_ARRAY(m->arena, Value *, layers + 1);
  const char **name = ARENA_ARRAY(m->arena, const char *, layers + 1);
  decoder_arguments(l, &d);
  for (int i = 0; i < layers; i++) {
    name[i + 1] = arena_printf(m->arena, "s%d", i);
    v[i + 1] = block_add_arg(l->b.block, type_state(m->types, cache_of(l, &d, i)), name[i + 1]);
  }
  Value *x = embed(l, ROLE_embed, words(l), d.ids);
  if (l->family->positions == LM_ROPE) turn(l, &d);
  else x = binary(l, OP_add, x, embed(l, ROLE_positions, (int64_t)l->config->context, d.positions));
  for (l->layer = 0; l->layer < layers && l->good; l->layer++) x = decoder_layer(l, &d, x, &v[l->layer + 1]);
  l->layer = -1;
  v[0] = l->good ? logits(l, &d, x) : NULL;
  name[0] = "logits";
  finish(l, layers + 1, v, name);
}

/* ---- encoders ---- */

typedef struct Encoder {
  Dim batch, seq;
  Value *ids, *types, *mask; /* mask: bool[batch, 1, 1, seq] */
} Encoder;

static Value *spread(Lm *l, const Encoder *e, Value *x, double n) {
  x = RESHAPE(l, x, e->batch, e->seq, size(l, n), size(l, l->config->head));
  return build_transpose(&l->b, x, 4, (int64_t[]){0, 2, 1, 3});
}

static Value *encoder_layer(Lm *l, const Encoder *e, Value *x) {
  const LmConfig *c = l->config;
  Value *q, *k, *v;
  project(l, x, &q, &k, &v);
  q = spread(l, e, q, c->heads), k = spread(l, e, k, c->groups), v = spread(l, e, v, c->groups);
  Value *a = build_transpose(&l->b, build(&l->b, OP_attention, 1, INS(q, k, v, e->mask), NO_ATTRS), 4, (int64_t[]){0, 2, 1, 3});
  a = linear(l, ROLE_o, RESHAPE(l, a, e->batch, e->seq, size(l, c->heads * c->head)), c->heads * c->head, c->hidden);
  x = norm(l, ROLE_attn_after, binary(l, OP_add, x, a), c->hidden);
  return norm(l, ROLE_ffn_after, binary(l, OP_add, x, feed_forward(l, x)), c->hidden);
}

static void encoder_arguments(Lm *l, Encoder *e) {
  DimPool *p = l->c->module->dims;
  e->batch = dim_symbol(p, func_add_symbol(l->b.func, "batch", DIM_NO_CAPACITY));
  e->seq = dim_symbol(p, func_add_symbol(l->b.func, "seq", (int64_t)l->config->context));
  Dim dim[] = {e->batch, e->seq};
  e->ids = argument(l, "input_ids", 2, dim);
  Value *mask = argument(l, "attention_mask", 2, dim);
  e->types = has(l, ROLE_types) ? argument(l, "token_type_ids", 2, dim) : NULL;
  mask = build_unary(&l->b, OP_not, binary(l, OP_eq, mask, build_scalar_i(&l->b, DT_i64, 0)));
  e->mask = RESHAPE(l, mask, e->batch, size(l, 1), size(l, 1), e->seq);
}

static Value *encoder_embedding(Lm *l, const Encoder *e) {
  const CheckpointTensor *types = lm_tensor(l->c, l->config, ROLE_types, -1, false);
  Value *x = embed(l, ROLE_embed, words(l), e->ids), *table = WEIGHT(l, ROLE_positions, (int64_t)l->config->context, (int64_t)l->config->hidden);
  Value *zero = build_ints(&l->b, 1, (int64_t[]){0}), *end = build_dims(&l->b, 1, &e->seq);
  Value *position = build_cast(&l->b, build(&l->b, OP_slice, 1, INS(table, zero, end, zero), NO_ATTRS), DT_f32);
  if (types) x = binary(l, OP_add, x, embed(l, ROLE_types, types->rank == 2 ? types->dim[0] : 0, e->types));
  return norm(l, ROLE_embed_norm, binary(l, OP_add, x, position), l->config->hidden);
}

static void build_encoder(Lm *l) {
  static const char *const name[] = {"last_hidden_state", "pooler_output"};
  Encoder e = {0};
  encoder_arguments(l, &e);
  Value *x = encoder_embedding(l, &e), *v[2] = {0};
  for (l->layer = 0; l->layer < (int64_t)l->config->layers && l->good; l->layer++) x = encoder_layer(l, &e, x);
  l->layer = -1;
  v[0] = x;
  if (has(l, ROLE_pooler)) {
    Value *first = build(&l->b, OP_gather, 1, INS(x, build_scalar_i(&l->b, DT_i64, 0)), ATTRS(at_i(gather, axis, 1)));
    v[1] = build_unary(&l->b, OP_tanh, linear(l, ROLE_pooler, first, l->config->hidden, l->config->hidden));
  }
  finish(l, v[1] ? 2 : 1, v, name);
}

bool lm_build(Checkpoint *c, const LmConfig *config) {
  Module *m = c->module;
  Lm l = {.c = c, .config = config, .family = lm_family(config->family), .layer = -1, .good = true};
  l.weights = module_add_weights(m, "w");
  Func *f = module_add_func(m, "main", LEVEL_TENSOR);
  f->loc = (Loc){.file = c->path};
  l.b = (Builder){.module = m, .func = f, .block = f->body};
  if (l.family->kind == LM_DECODER) build_decoder(&l);
  else build_encoder(&l);
  Model *model = module_add_model(m, "lm");
  vec_push(m->arena, &model->funcs, f);
  vec_push(m->arena, &model->weights, l.weights);
  for (int i = 0; i < m->states.n; i++) vec_push(m->arena, &model->states, m->states.at[i]);
  l.good &= l.family->kind == LM_DECODER ? lm_add_facts(c, config, model, words(&l)) : lm_add_tokenizer(c, config, model);
  return l.good && diag_errors(m->diag) == 0;
}

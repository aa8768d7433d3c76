/* lower_attention.c -- how attention is lowered: by softmax, block of keys by block, and by a linear recurrence. */
#include "ir/fatal.h"
#include "passes/attention.h"

/* ---- softmax attention ----
 *
 * A workgroup computes one row of the result. The keys that the row sees are taken in blocks: their scores, the largest so
 * far, and the sums so far rescaled to it. So memory does not grow with the keys. */

enum { KEYS = 64, WIDTH = 1024 };

typedef struct Attention {
  const Node *node;
  Type scores_type; /* [b, h, s, t], for the bias to broadcast to */
  Dtype t;
  Value *b, *h, *g, *i;         /* the row's sequence, head, the head's of k and v, and its place */
  Value *c;                     /* the sequence of k and v */
  Value *from, *to;             /* the keys it sees; of a ring, all that there are */
  Value *low, *high;            /* of a ring: the positions it sees */
  Value *scores, *sums;         /* memory: [KEYS], [least of e and WIDTH] */
  Value *block, *first, *width; /* the first key of the block; the elements of v that are summed */
  Value *most;
  Value *key; /* within the block */
} Attention;

static Value *zero(Kernel *k) { return kb_index(&k->b, 0); }
static Value *binary(Kernel *k, Op op, Value *x, Value *y) { return build_binary(&k->b, op, x, y); }
static Value *lowest(Kernel *k, Dtype t) { return kb_float(&k->b, t, -INFINITY); }

bool attention_turned(const Node *n) { return node_in(n, 1)->type->rank == 5; }
Dim attention_keys(const Node *n) { return node_in(n, attention_turned(n) ? 2 : 1)->type->dim[2]; }

Type attention_scores_type(Kernel *k, const Node *n) {
  Type q = node_in(n, 0)->type;
  return type_tensor(k->module->types, DT_f32, 4, (Dim[]){q->dim[0], q->dim[1], q->dim[2], attention_keys(n)});
}

/* A number of an integer operand that is there for each sequence, or once for all. */
static Value *per_sequence(Kernel *k, const Node *n, int operand, Value *b) {
  const Value *v = node_in(n, operand);
  Value *at = kernel_broadcast_place(k, v->type->dim[0], node_in(n, 0)->type->dim[0], b);
  return kb_cast(&k->b, kernel_pull(k, v, &at), DT_i64);
}

static Value *int64(Kernel *k, int64_t v) { return kb_int(&k->b, DT_i64, v); }

Value *attention_sequence(Kernel *k, const Node *n, Value *b) {
  if (!node_in(n, 7)) return b;
  Value *last = kb_sub(&k->b, kernel_size(k, node_in(n, 1)->type->dim[0]), kb_index(&k->b, 1));
  Value *c = binary(k, OP_max, per_sequence(k, n, 7, b), int64(k, 0));
  return kb_cast(&k->b, binary(k, OP_min, c, kb_cast(&k->b, last, DT_i64)), DT_index);
}

/* Positions are far from overflow unless the operands are absurd: those are clamped. */
void attention_visible_keys(Kernel *k, const Node *n, Value *b, Value *i, Value **first, Value **end) {
  const int64_t far = INT64_MAX / 4, window = node_int(n, attention, window), ahead = node_int(n, attention, ahead);
  Value *keys = kb_cast(&k->b, kernel_size(k, attention_keys(n)), DT_i64), *from = int64(k, 0), *to = keys;
  Value *at = kb_cast(&k->b, i, DT_i64);
  if (node_bool(n, attention, ring)) to = keys = binary(k, OP_max, per_sequence(k, n, 4, b), int64(k, 0));
  else if (node_in(n, 4)) to = binary(k, OP_min, to, per_sequence(k, n, 4, b));
  if (node_in(n, 5)) {
    Value *offset = binary(k, OP_max, binary(k, OP_min, per_sequence(k, n, 5, b), int64(k, far)), int64(k, -far));
    at = binary(k, OP_add, at, offset);
  }
  if (node_bool(n, attention, causal)) to = binary(k, OP_min, to, binary(k, OP_add, at, int64(k, 1)));
  if (ahead >= 0 && ahead < far) to = binary(k, OP_min, to, binary(k, OP_add, at, int64(k, ahead + 1)));
  if (window > 0 && window < far) from = binary(k, OP_max, from, binary(k, OP_add, at, int64(k, 1 - window)));
  *first = binary(k, OP_min, from, keys);
  *end = binary(k, OP_max, to, int64(k, 0));
}

Value *attention_ring_start(Kernel *k, const Node *n, Value *b) {
  Value *keys = kb_cast(&k->b, kernel_size(k, attention_keys(n)), DT_i64);
  return binary(k, OP_max, binary(k, OP_sub, per_sequence(k, n, 4, b), keys), int64(k, 0));
}

typedef struct Dot {
  const Attention *a;
  Value *key;
} Dot;

static Value *dot_term(Kernel *k, void *ctx, Value *i) {
  const Dot *d = ctx;
  const Attention *a = d->a;
  Value *q = kernel_pull(k, node_in(a->node, 0), (Value *[]){a->b, a->h, a->i, i});
  Value *panel = kb_index(&k->b, STATE_PANEL), *place[] = {a->c, a->g, d->key, i, NULL};
  if (attention_turned(a->node)) place[2] = kb_div(&k->b, d->key, panel), place[4] = kb_mod(&k->b, d->key, panel);
  Value *key = kernel_pull(k, node_in(a->node, 1), place);
  return binary(k, OP_mul, kb_cast(&k->b, q, a->t), kb_cast(&k->b, key, a->t));
}

Value *attention_scale(Kernel *k, const Node *n, Dtype t) {
  double scale = node_float(n, attention, scale);
  if (scale != 0) return kb_float(&k->b, t, scale);
  Value *d = kb_cast(&k->b, kernel_size(k, node_in(n, 0)->type->dim[3]), t);
  return binary(k, OP_div, kb_float(&k->b, t, 1), build_unary(&k->b, OP_sqrt, d));
}

static Value *scaled_dot(Kernel *k, const Attention *a, Value *key) {
  Dot d = {a, key};
  double cap = node_float(a->node, attention, softcap);
  Value *x = kernel_fold(k, OP_add, a->t, kernel_size(k, node_in(a->node, 0)->type->dim[3]), dot_term, &d);
  x = binary(k, OP_mul, x, attention_scale(k, a->node, a->t));
  if (cap == 0) return x;
  Value *c = kb_float(&k->b, a->t, cap);
  return binary(k, OP_mul, c, build_unary(&k->b, OP_tanh, binary(k, OP_div, x, c)));
}

/* Does the row see the position that a ring's key holds? */
static Value *ring_sees(Kernel *k, const Attention *a, Value *key) {
  Value *last = binary(k, OP_sub, per_sequence(k, a->node, 4, a->b), int64(k, 1)), *j = kb_cast(&k->b, key, DT_i64);
  Value *keys = kb_cast(&k->b, kernel_size(k, attention_keys(a->node)), DT_i64), *behind = binary(k, OP_sub, last, j);
  Value *turns = build(&k->b, OP_mod, 1, INS(behind, keys), ATTRS(at_i(mod, trunc, 1)));
  Value *position = kb_cast(&k->b, binary(k, OP_sub, last, turns), DT_index);
  Value *there = kb_and(&k->b, kb_at_most(&k->b, j, last), kb_at_most(&k->b, a->low, position));
  return kb_and(&k->b, there, kb_less(&k->b, position, a->high));
}

/* -inf where the key is masked, in which case it is not looked at: it may hold anything. */
static Value *key_score(Kernel *k, const Attention *a, Value *key) {
  const Value *bias = node_in(a->node, 3);
  Value *add = NULL, *seen = a->low ? ring_sees(k, a, key) : NULL;
  if (!bias && !seen) return scaled_dot(k, a, key);
  bool is_mask = !bias || bias->type->dtype == DT_bool;
  if (bias) {
    add = kernel_pull_broadcast(k, bias, a->scores_type, (Value *[]){a->b, a->h, a->i, key});
    if (!is_mask) add = kb_cast(&k->b, add, a->t);
    Value *kept = is_mask ? add : kb_not(&k->b, kb_equal(&k->b, add, lowest(k, a->t)));
    seen = seen ? kb_and(&k->b, seen, kept) : kept;
  }
  KernelWhen w = kb_when(&k->b, seen, 1);
  Value *score = scaled_dot(k, a, key), *none;
  if (!is_mask) score = binary(k, OP_add, score, add);
  kb_else(&k->b, &w, 1, &score);
  none = lowest(k, a->t);
  kb_when_end(&k->b, &w, 1, &none);
  return w.out[0];
}

/* The scores of a block's keys, and the largest of all so far. */
static Value *score_block(Kernel *k, const Attention *a, Value *block, Value *count, Value *most) {
  KernelFor f = kb_for(&k->b, zero(k), count, 1, &most);
  Value *score = key_score(k, a, kb_add(&k->b, block, f.i));
  kb_store(&k->b, a->scores, f.i, score);
  Value *next = binary(k, OP_max, f.carried[0], score);
  kb_for_end(&k->b, &f, 1, &next);
  return f.out[0];
}

/* What a masked key weighs, so that it is told from one whose weight is as good as 0. */
static const double masked = -1;

static Value *weight_of(Kernel *k, void *ctx, Value *i) {
  const Attention *a = ctx;
  Value *score = kb_load(&k->b, a->scores, i);
  Value *weight = build_unary(&k->b, OP_exp, binary(k, OP_sub, score, a->most));
  return kb_where(&k->b, kb_equal(&k->b, score, lowest(k, a->t)), kb_float(&k->b, a->t, masked), weight);
}

static void scale_sums(Kernel *k, const Attention *a, Value *by) {
  KernelFor f = kb_for(&k->b, zero(k), a->width, 0, NULL);
  kb_store(&k->b, a->sums, f.i, binary(k, OP_mul, kb_load(&k->b, a->sums, f.i), by));
  kb_for_end(&k->b, &f, 0, NULL);
}

/* sums += weight * v, for one key. */
static void add_value(Kernel *k, const Attention *a, Value *key, Value *weight) {
  KernelFor f = kb_for(&k->b, zero(k), a->width, 0, NULL);
  Value *place[] = {a->c, a->g, key, kb_add(&k->b, a->first, f.i)};
  Value *v = kb_cast(&k->b, kernel_pull(k, node_in(a->node, 2), place), a->t);
  Value *sum = binary(k, OP_add, kb_load(&k->b, a->sums, f.i), binary(k, OP_mul, weight, v));
  kb_store(&k->b, a->sums, f.i, sum);
  kb_for_end(&k->b, &f, 0, NULL);
}

/* Adds a block's values; the sum of the weights so far. */
static Value *mix_block(Kernel *k, const Attention *a, Value *block, Value *count, Value *total) {
  KernelFor f = kb_for(&k->b, zero(k), count, 1, &total);
  Value *weight = kb_load(&k->b, a->scores, f.i);
  KernelWhen w = kb_when(&k->b, kb_equal(&k->b, weight, kb_float(&k->b, a->t, masked)), 1);
  kb_else(&k->b, &w, 1, &f.carried[0]);
  add_value(k, a, kb_add(&k->b, block, f.i), weight);
  Value *next = binary(k, OP_add, f.carried[0], weight);
  kb_when_end(&k->b, &w, 1, &next);
  kb_for_end(&k->b, &f, 1, &w.out[0]);
  return f.out[0];
}

/* All keys, for `width` elements of v from `first` on: sums, and what they are to be divided by. A sink is a score that the
 * row begins with. */
static Value *attend(Kernel *k, Attention *a) {
  const Value *sinks = node_in(a->node, 6);
  Value *start[] = {lowest(k, a->t), kb_float(&k->b, a->t, 0)}, *one = kb_float(&k->b, a->t, 1);
  if (sinks) {
    start[0] = kb_cast(&k->b, kernel_pull(k, sinks, &a->h), a->t);
    start[1] = kb_where(&k->b, kb_equal(&k->b, start[0], lowest(k, a->t)), start[1], one);
  }
  KernelFor clear = kb_for(&k->b, zero(k), a->width, 0, NULL);
  kb_store(&k->b, a->sums, clear.i, kb_float(&k->b, a->t, 0));
  kb_for_end(&k->b, &clear, 0, NULL);
  KernelFor f = kb_for_step(&k->b, a->from, a->to, KEYS, 2, start);
  Value *count = kb_min(&k->b, kb_sub(&k->b, a->to, f.i), kb_index(&k->b, KEYS)), *had = f.carried[0];
  a->most = score_block(k, a, f.i, count, had);
  Value *keep = build_unary(&k->b, OP_exp, binary(k, OP_sub, had, a->most));
  keep = kb_where(&k->b, kb_equal(&k->b, had, a->most), kb_float(&k->b, a->t, 1), keep); /* both may be -inf */
  kernel_fill(k, a->scores, count, weight_of, a);
  scale_sums(k, a, keep);
  Value *next[] = {a->most, mix_block(k, a, f.i, count, binary(k, OP_mul, f.carried[1], keep))};
  kb_for_end(&k->b, &f, 2, next);
  return kb_where(&k->b, kb_equal(&k->b, f.out[1], kb_float(&k->b, a->t, 0)), one, f.out[1]);
}

static void store_row(Kernel *k, const Attention *a, Value *divisor) {
  KernelFor f = kb_for(&k->b, zero(k), a->width, 0, NULL);
  Value *place[] = {a->b, a->h, a->i, kb_add(&k->b, a->first, f.i)};
  Value *v = binary(k, OP_div, kb_load(&k->b, a->sums, f.i), divisor);
  kernel_store(k, 0, place, kernel_narrow(k, v, a->node->out[0]->type->dtype));
  kb_for_end(&k->b, &f, 0, NULL);
}

/* Rows of v that are long, or of no known length, are cut, and the scores computed again for each piece. */
bool lower_attention(Kernel *k, const Node *n) {
  Type q = node_in(n, 0)->type, key = node_in(n, 1)->type, out = n->out[0]->type;
  Attention a = {.node = n, .t = kernel_float(n), .scores_type = attention_scores_type(k, n)};
  if (lower_attention_tiles(k, n)) return true;
  Value *index[4], *e = kernel_size(k, out->dim[3]);
  int64_t size;
  if (!kb_known(e, &size) || size > WIDTH) size = WIDTH;
  a.scores = kb_memory(&k->b, a.t, KEYS);
  a.sums = kb_memory(&k->b, a.t, size > 0 ? size : 1);
  kernel_spread(k, out, 3, 4, index);
  a.b = index[0], a.h = index[1], a.i = index[2];
  a.g = kb_div(&k->b, a.h, kb_div(&k->b, kernel_size(k, q->dim[1]), kernel_size(k, key->dim[1])));
  a.c = attention_sequence(k, n, a.b);
  attention_visible_keys(k, n, a.b, a.i, &a.from, &a.to);
  a.from = kb_cast(&k->b, a.from, DT_index), a.to = kb_cast(&k->b, a.to, DT_index);
  if (node_bool(n, attention, ring)) {
    a.low = a.from, a.high = a.to;
    a.from = zero(k), a.to = kernel_size(k, attention_keys(n));
  }
  KernelFor f = kb_for_step(&k->b, zero(k), e, WIDTH, 0, NULL);
  a.first = f.i;
  a.width = kb_min(&k->b, kb_sub(&k->b, e, f.i), kb_index(&k->b, WIDTH));
  store_row(k, &a, attend(k, &a));
  kb_for_end(&k->b, &f, 0, NULL);
  return true;
}

/* ---- linear attention ----
 *
 * The columns of the state go their own ways: a workgroup takes some of one head's, through all steps. */

enum { COLUMNS = 16, MAX_KEY = 1024 };

bool need_constant_key(Module *m, const Node *n) {
  Dim d = node_in(n, 1)->type->dim[3];
  (void)m;
  return dim_is_const(d) && d->constant <= MAX_KEY;
}

typedef struct Recurrence {
  const Node *node;
  Dtype t;
  Type keys, rates; /* [b, g, s, d], [b, g, s, 1], for decay and beta to broadcast to */
  Value *b, *g, *s;
  Value *first, *columns; /* of e */
  Value *size;            /* d */
  Value *state, *value;   /* memory: [d, COLUMNS], [COLUMNS] */
} Recurrence;

static Value *at_column(Kernel *k, Value *row, Value *column) {
  return kb_add(&k->b, kb_mul(&k->b, row, kb_index(&k->b, COLUMNS)), column);
}

static Value *step_element(Kernel *k, const Recurrence *r, int operand, Value *head, Value *i) {
  return kb_cast(&k->b, kernel_pull(k, node_in(r->node, operand), (Value *[]){r->b, head, r->s, i}), r->t);
}

typedef enum Each { START, KEEP, READ_KEY, WRITE_KEY, READ_QUERY, FINISH } Each;

/* One row of the state, and a number that goes with it. */
static void state_element(Kernel *k, const Recurrence *r, Each what, Value *row, Value *x, Value *j) {
  Value *at = at_column(k, row, j), *place[] = {r->b, r->g, row, kb_add(&k->b, r->first, j)};
  const Value *past = node_in(r->node, 3);
  Value *s = what == START ? NULL : kb_load(&k->b, r->state, at);
  Value *v = what == READ_KEY || what == WRITE_KEY || what == READ_QUERY ? kb_load(&k->b, r->value, j) : NULL;
  switch (what) {
  case START: s = past ? kb_cast(&k->b, kernel_pull(k, past, place), r->t) : kb_float(&k->b, r->t, 0); break;
  case KEEP: s = binary(k, OP_mul, s, x); break;
  case WRITE_KEY: s = binary(k, OP_add, s, binary(k, OP_mul, x, v)); break;
  case READ_KEY:
  case READ_QUERY: kb_store(&k->b, r->value, j, binary(k, OP_add, v, binary(k, OP_mul, x, s))); return;
  case FINISH: kernel_store(k, 1, place, kernel_narrow(k, s, r->node->out[1]->type->dtype)); return;
  }
  kb_store(&k->b, r->state, at, s);
}

/* What goes with row i of the state. */
static Value *row_number(Kernel *k, const Recurrence *r, Each what, Value *head, Value *scale, Value *i) {
  switch (what) {
  case KEEP: {
    Value *place[] = {r->b, r->g, r->s, i};
    Value *decay = kernel_pull_broadcast(k, node_in(r->node, 4), r->keys, place);
    return build_unary(&k->b, OP_exp, kb_cast(&k->b, decay, r->t));
  }
  case READ_KEY:
  case WRITE_KEY: return step_element(k, r, 1, r->g, i);
  case READ_QUERY: return binary(k, OP_mul, scale, step_element(k, r, 0, head, i));
  default: return NULL;
  }
}

static void each_row(Kernel *k, const Recurrence *r, Each what, Value *head, Value *scale) {
  KernelFor rows = kb_for(&k->b, zero(k), r->size, 0, NULL);
  Value *x = row_number(k, r, what, head, scale, rows.i);
  KernelFor columns = kb_for(&k->b, zero(k), r->columns, 0, NULL);
  state_element(k, r, what, rows.i, x, columns.i);
  kb_for_end(&k->b, &columns, 0, NULL);
  kb_for_end(&k->b, &rows, 0, NULL);
}

static Value *no_value(Kernel *k, void *ctx, Value *j) {
  (void)j;
  return kb_float(&k->b, ((const Recurrence *)ctx)->t, 0);
}

/* What the step adds: beta (v - S.k), of which S.k stands in `value`. */
static Value *new_value(Kernel *k, void *ctx, Value *j) {
  const Recurrence *r = ctx;
  const Value *beta = node_in(r->node, 5);
  Value *v = step_element(k, r, 2, r->g, kb_add(&k->b, r->first, j));
  if (!beta) return v;
  Value *rate = kernel_pull_broadcast(k, beta, r->rates, (Value *[]){r->b, r->g, r->s, zero(k)});
  return binary(k, OP_mul, kb_cast(&k->b, rate, r->t), binary(k, OP_sub, v, kb_load(&k->b, r->value, j)));
}

static void store_output(Kernel *k, const Recurrence *r, Value *head) {
  KernelFor f = kb_for(&k->b, zero(k), r->columns, 0, NULL);
  Value *place[] = {r->b, head, r->s, kb_add(&k->b, r->first, f.i)};
  kernel_store(k, 0, place, kernel_narrow(k, kb_load(&k->b, r->value, f.i), r->node->out[0]->type->dtype));
  kb_for_end(&k->b, &f, 0, NULL);
}

static Value *read_scale(Kernel *k, const Recurrence *r) {
  double scale = node_float(r->node, linear_attention, scale);
  if (scale != 0) return kb_float(&k->b, r->t, scale);
  Value *d = kb_cast(&k->b, r->size, r->t);
  return binary(k, OP_div, kb_float(&k->b, r->t, 1), build_unary(&k->b, OP_sqrt, d));
}

/* S = exp(decay) S + k (x) beta (v - S.k), then what the query heads that share the state read. */
static void one_step(Kernel *k, Recurrence *r, Value *share) {
  if (node_in(r->node, 4)) each_row(k, r, KEEP, NULL, NULL);
  kernel_fill(k, r->value, r->columns, no_value, r);
  if (node_in(r->node, 5)) each_row(k, r, READ_KEY, NULL, NULL);
  kernel_fill(k, r->value, r->columns, new_value, r);
  each_row(k, r, WRITE_KEY, NULL, NULL);
  Value *head = kb_mul(&k->b, r->g, share), *scale = read_scale(k, r);
  KernelFor heads = kb_for(&k->b, head, kb_add(&k->b, head, share), 0, NULL);
  kernel_fill(k, r->value, r->columns, no_value, r);
  each_row(k, r, READ_QUERY, heads.i, scale);
  store_output(k, r, heads.i);
  kb_for_end(&k->b, &heads, 0, NULL);
}

bool lower_linear_attention(Kernel *k, const Node *n) {
  Type q = node_in(n, 0)->type, key = node_in(n, 1)->type, state = n->out[1]->type;
  Dim one = dim_const(k->module->dims, 1);
  Recurrence r = {.node = n, .t = kernel_float(n), .keys = key};
  r.rates = type_tensor(k->module->types, key->dtype, 4, (Dim[]){key->dim[0], key->dim[1], key->dim[2], one});
  int64_t d = key->dim[3]->constant;
  r.state = kb_memory(&k->b, r.t, (d > 0 ? d : 1) * COLUMNS);
  r.value = kb_memory(&k->b, r.t, COLUMNS);
  Value *index[4], *e = kernel_size(k, state->dim[3]);
  kernel_spread(k, state, 2, 4, index);
  k->grid[1] = dim_ceildiv(k->module->dims, state->dim[3], dim_const(k->module->dims, COLUMNS));
  r.b = index[0], r.g = index[1], r.size = kernel_size(k, key->dim[3]);
  r.first =
      kb_mul(&k->b, build(&k->b, OP_group_id, 1, 0, NULL, ATTRS(at_i(group_id, axis, 1))), kb_index(&k->b, COLUMNS));
  r.columns = kb_min(&k->b, kb_sub(&k->b, e, r.first), kb_index(&k->b, COLUMNS));
  Value *share = kb_div(&k->b, kernel_size(k, q->dim[1]), kernel_size(k, key->dim[1]));
  each_row(k, &r, START, NULL, NULL);
  KernelFor steps = kb_for(&k->b, zero(k), kernel_size(k, key->dim[2]), 0, NULL);
  r.s = steps.i;
  one_step(k, &r, share);
  kb_for_end(&k->b, &steps, 0, NULL);
  each_row(k, &r, FINISH, NULL, NULL);
  return true;
}

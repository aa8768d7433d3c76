/* eval_attention.c -- reference attention, by softmax and by a linear recurrence. */
#include <math.h>

#include "ir/eval.h"

/* ---- softmax attention ---- */

typedef struct Attention {
  EvalCall *call;
  int64_t b, h, g, s, t, d, e;
  double scale, softcap;
  bool causal, ring, turned;
  int64_t window, ahead;
  const Tensor *bias, *lengths, *offsets, *sinks, *sequences;
  const double *q, *k, *v;
  double *score; /* [t] */
  double *out;   /* [e] */
} Attention;

static void attention_init(Attention *a, EvalCall *c) {
  const Tensor *q = c->in[0], *k = c->in[1], *v = c->in[2];
  const Node *n = c->node;
  *a = (Attention){.call = c, .b = q->dim[0], .h = q->dim[1], .s = q->dim[2], .d = q->dim[3]};
  a->g = k->dim[1];
  a->t = v->dim[2];
  a->turned = k->rank == 5;
  a->e = v->dim[3];
  a->scale = node_float(n, attention, scale);
  if (a->scale == 0) a->scale = 1 / sqrt((double)a->d);
  a->softcap = node_float(n, attention, softcap);
  a->causal = node_bool(n, attention, causal);
  a->window = node_int(n, attention, window);
  a->ahead = node_int(n, attention, ahead);
  a->bias = eval_in(c, 3);
  a->lengths = eval_in(c, 4);
  a->offsets = eval_in(c, 5);
  a->sinks = eval_in(c, 6);
  a->sequences = eval_in(c, 7);
  a->ring = node_bool(n, attention, ring);
}

/* A number that is there for each sequence, or once for all. */
static int64_t per_sequence(const Tensor *t, int64_t b, int64_t dflt) {
  return t ? tensor_i(t, t->count == 1 ? 0 : b) : dflt;
}

/* The positions [*from, *to) that lengths, causality and window let query i see. They are far from overflow unless the
 * operands are absurd: those are clamped. */
static void visible_keys(const Attention *a, int64_t b, int64_t i, int64_t *from, int64_t *to) {
  int64_t length = per_sequence(a->lengths, b, a->t), offset = per_sequence(a->offsets, b, 0);
  const int64_t far = INT64_MAX / 4;
  offset = offset < -far ? -far : offset > far ? far : offset;
  int64_t p = i + offset;
  *from = 0;
  *to = length < a->t || a->ring ? length : a->t;
  if (a->causal && p + 1 < *to) *to = p + 1;
  if (a->ahead >= 0 && a->ahead < far && p + a->ahead + 1 < *to) *to = p + a->ahead + 1;
  if (a->window > 0 && a->window < far && p - a->window + 1 > *from) *from = p - a->window + 1;
}

static int64_t bias_index(const Attention *a, int64_t b, int64_t h, int64_t i, int64_t j) {
  const int64_t at[4] = {b, h, i, j};
  const Tensor *t = a->bias;
  int64_t index = 0;
  for (int axis = 0; axis < t->rank; axis++) {
    int64_t size = t->dim[axis];
    index = index * size + (size == 1 ? 0 : at[4 - t->rank + axis]);
  }
  return index;
}

/* Where key j begins; its elements are next to each other, or in a panel a panel's keys apart. */
static const double *key_at(const Attention *a, int64_t head, int64_t j) {
  if (!a->turned) return a->k + (head * a->t + j) * a->d;
  return a->k + (head * a->t + j / STATE_PANEL * STATE_PANEL) * a->d + j % STATE_PANEL;
}

/* -inf where the key is masked, in which case it is not looked at: it may hold anything. */
static double key_score(const Attention *a, int64_t b, int64_t c, int64_t h, int64_t i, int64_t j) {
  double bias = 0, dot = 0;
  if (a->bias) {
    int64_t at = bias_index(a, b, h, i, j);
    bias = a->bias->dtype == DT_bool ? (tensor_i(a->bias, at) ? 0 : -INFINITY) : tensor_f(a->bias, at);
    if (bias == -INFINITY) return -INFINITY;
  }
  const double *q = a->q + ((b * a->h + h) * a->s + i) * a->d;
  const double *k = key_at(a, c * a->g + h / (a->h / a->g), j);
  for (int64_t x = 0; x < a->d; x++) dot += q[x] * k[a->turned ? x * STATE_PANEL : x];
  dot *= a->scale;
  if (a->softcap != 0) dot = a->softcap * tanh(dot / a->softcap);
  return dot + bias;
}

/* out = softmax(score) v, over the keys whose score is not -inf. */
static void mix_values(Attention *a, const double *v, int64_t from, int64_t to, double most, double sink) {
  double sum = sink == -INFINITY ? 0 : exp(sink - most);
  memset(a->out, 0, (size_t)a->e * sizeof *a->out);
  for (int64_t j = from; j < to; j++) {
    if (a->score[j] == -INFINITY) continue;
    double p = exp(a->score[j] - most);
    sum += p;
    for (int64_t x = 0; x < a->e; x++) a->out[x] += p * v[j * a->e + x];
  }
  for (int64_t x = 0; sum != 0 && x < a->e; x++) a->out[x] /= sum;
}

/* The position that a key of a ring holds, or -1. */
static int64_t ring_position(const Attention *a, int64_t b, int64_t j) {
  int64_t last = per_sequence(a->lengths, b, 0) - 1;
  return last < j ? -1 : last - (last - j) % a->t;
}

/* Which keys and values go with row b; false where there are none of that number. */
static bool sequence_of(const Attention *a, int64_t b, int64_t *c) {
  int64_t n = a->call->in[1]->dim[0];
  *c = a->sequences ? tensor_i(a->sequences, b) : b;
  return (*c >= 0 && *c < n) || eval_error(a->call, "row %lld is of sequence %lld, and there are %lld", (long long)b, (long long)*c, (long long)n);
}

static bool attend(Attention *a, int64_t b, int64_t h, int64_t i) {
  double sink = a->sinks ? tensor_f(a->sinks, h) : -INFINITY, most = sink;
  int64_t first, end, c;
  if (!sequence_of(a, b, &c)) return false;
  visible_keys(a, b, i, &first, &end);
  int64_t from = a->ring ? 0 : first, to = a->ring ? a->t : end;
  for (int64_t j = from; j < to; j++) {
    int64_t p = a->ring ? ring_position(a, b, j) : j;
    a->score[j] = p >= first && p < end && p >= 0 ? key_score(a, b, c, h, i, j) : -INFINITY;
    if (a->score[j] > most) most = a->score[j];
  }
  mix_values(a, a->v + (c * a->g + h / (a->h / a->g)) * a->t * a->e, from, to, most, sink);
  tensor_write_f(a->call->out[0], ((b * a->h + h) * a->s + i) * a->e, a->e, a->out);
  return true;
}

bool eval_attention(EvalCall *c) {
  Attention a;
  attention_init(&a, c);
  if (c->out[0]->count == 0) return true;
  Tensor *q = eval_doubles(c, c->in[0]), *k = eval_doubles(c, c->in[1]), *v = eval_doubles(c, c->in[2]);
  Tensor *score = eval_scratch(c, a.t), *out = eval_scratch(c, a.e);
  bool ok = q && k && v && score && out;
  if (ok) {
    a.q = q->data;
    a.k = k->data;
    a.v = v->data;
    a.score = score->data;
    a.out = out->data;
    for (int64_t i = 0; ok && i < a.b * a.h * a.s; i++) ok = attend(&a, i / a.s / a.h, i / a.s % a.h, i % a.s);
  }
  Tensor *const scratch[] = {q, k, v, score, out};
  for (int i = 0; i < 5; i++) tensor_release(scratch[i]);
  return ok;
}

/* ---- linear attention ---- */

typedef struct Recurrence {
  EvalCall *call;
  int64_t b, h, g, s, d, e;
  double scale;
  const Tensor *q, *k, *v, *decay, *beta;
  double *state; /* [d, e] of one head */
  double *value; /* [e] */
} Recurrence;

/* Element of [b, g, s, n]. */
static int64_t step_index(const Recurrence *r, const Tensor *t, int64_t b, int64_t g, int64_t s) {
  int64_t heads = t->dim[1];
  return ((b * heads + (heads == 1 ? 0 : g)) * r->s + s) * t->dim[3];
}

/* S = exp(decay) S + k (x) beta (v - S.k), where the rule has these terms. */
static void step_state(Recurrence *r, int64_t b, int64_t g, int64_t s) {
  int64_t k = step_index(r, r->k, b, g, s), v = step_index(r, r->v, b, g, s);
  for (int64_t i = 0; r->decay && i < r->d; i++) {
    int64_t at = step_index(r, r->decay, b, g, s) + (r->decay->dim[3] == 1 ? 0 : i);
    double keep = exp(tensor_f(r->decay, at));
    for (int64_t j = 0; j < r->e; j++) r->state[i * r->e + j] *= keep;
  }
  double rate = r->beta ? tensor_f(r->beta, step_index(r, r->beta, b, g, s)) : 1;
  for (int64_t j = 0; j < r->e; j++) {
    double known = 0;
    for (int64_t i = 0; r->beta && i < r->d; i++) known += r->state[i * r->e + j] * tensor_f(r->k, k + i);
    r->value[j] = rate * (tensor_f(r->v, v + j) - known);
  }
  for (int64_t i = 0; i < r->d; i++) {
    double key = tensor_f(r->k, k + i);
    for (int64_t j = 0; j < r->e; j++) r->state[i * r->e + j] += key * r->value[j];
  }
}

/* The outputs of the query heads that share head g. */
static void read_state(Recurrence *r, int64_t b, int64_t g, int64_t s) {
  int64_t share = r->h / r->g;
  for (int64_t h = g * share; h < (g + 1) * share; h++) {
    int64_t q = step_index(r, r->q, b, h, s);
    memset(r->value, 0, (size_t)r->e * sizeof *r->value);
    for (int64_t i = 0; i < r->d; i++) {
      double x = r->scale * tensor_f(r->q, q + i);
      for (int64_t j = 0; j < r->e; j++) r->value[j] += x * r->state[i * r->e + j];
    }
    tensor_write_f(r->call->out[0], ((b * r->h + h) * r->s + s) * r->e, r->e, r->value);
  }
}

static void run_head(Recurrence *r, const Tensor *past, int64_t b, int64_t g) {
  int64_t size = r->d * r->e, at = (b * r->g + g) * size;
  memset(r->state, 0, (size_t)size * sizeof *r->state);
  if (past) tensor_read_f(past, at, size, r->state);
  for (int64_t s = 0; s < r->s; s++) {
    step_state(r, b, g, s);
    read_state(r, b, g, s);
  }
  tensor_write_f(r->call->out[1], at, size, r->state);
}

bool eval_linear_attention(EvalCall *c) {
  if (c->out[0]->count == 0 && c->out[1]->count == 0) return true;
  const Tensor *q = c->in[0], *k = c->in[1], *v = c->in[2];
  Recurrence r = {.call = c, .q = q, .k = k, .v = v, .decay = eval_in(c, 4), .beta = eval_in(c, 5)};
  r.b = q->dim[0];
  r.h = q->dim[1];
  r.s = q->dim[2];
  r.d = q->dim[3];
  r.g = k->dim[1];
  r.e = v->dim[3];
  r.scale = node_float(c->node, linear_attention, scale);
  if (r.scale == 0) r.scale = 1 / sqrt((double)r.d);
  Tensor *state = eval_scratch(c, r.d * r.e), *value = eval_scratch(c, r.e);
  bool ok = state && value;
  if (ok) {
    r.state = state->data;
    r.value = value->data;
    for (int64_t i = 0; i < r.b * r.g; i++) run_head(&r, eval_in(c, 3), i / r.g, i % r.g);
  }
  tensor_release(state);
  tensor_release(value);
  return ok;
}

/* eval_state.c -- states as values: what appends, reads, rolls back and attends to them means. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "ir/eval.h"
#include "ir/fatal.h"

/* The operand's state, to be changed: itself where nobody else reads it or a view of it, else a copy. */
static StateValue *take_state(EvalCall *c) {
  Tensor *s = c->in[0];
  bool alone = s->refs == 1;
  for (int i = 0; i < s->state->decl->n_fields; i++) alone &= s->state->field[i]->refs == 1;
  c->out[0] = alone ? tensor_ref(s) : tensor_state_copy(c->ev, s->state);
  return c->out[0] ? c->out[0]->state : NULL;
}

static bool check_sequence(EvalCall *c, const StateValue *s, int64_t seq) {
  if (seq >= 0 && seq < s->decl->batch) return true;
  return eval_error(c, "sequence %" PRId64 " of @%s, which has %" PRId64, seq, s->decl->name, s->decl->batch);
}

/* ---- rows ---- */

static int64_t elements_of_row(const Field *f) {
  int64_t n = 1;
  for (int i = 0; i < f->rank; i++) n *= f->dim[i];
  return n;
}

static void copy_element(Tensor *to, int64_t at, const Tensor *from, int64_t from_at) {
  dtype_set_bits(to->dtype, to->data, at, dtype_get_bits(from->dtype, from->data, from_at));
}

static bool append_row(EvalCall *c, StateValue *s, int64_t i) {
  const State *decl = s->decl;
  int64_t seq = tensor_i(c->in[1], i), position = tensor_i(c->in[2], i);
  if (!check_sequence(c, s, seq)) return false;
  int64_t had = s->length[seq];
  if (position < 0 || position > had)
    return eval_error(c, "position %" PRId64 " in sequence %" PRId64 " of @%s, whose length is %" PRId64, position, seq,
                      decl->name, had);
  int64_t length = position == had ? had + 1 : had, row = state_row(decl, length, position);
  if (row < 0 || position < s->first[seq])
    return eval_error(c, "sequence %" PRId64 " of @%s has no row for position %" PRId64 ": its capacity is %" PRId64,
                      seq, decl->name, position, decl->capacity);
  for (int k = 0; k < decl->n_fields; k++) {
    const Field *f = &decl->field[k];
    int64_t n = elements_of_row(f);
    for (int64_t j = 0; j < n; j++) copy_element(s->field[k], state_offset(decl, f, seq, row, j), c->in[k + 3], i * n + j);
  }
  s->length[seq] = length;
  if (state_row(decl, length, s->first[seq]) < 0)
    s->first[seq] = length - (decl->addressing == ADDRESS_FIXED ? 1 : decl->capacity);
  return true;
}

bool eval_state_append(EvalCall *c) {
  StateValue *s = take_state(c);
  if (!s) return false;
  for (int64_t i = 0; i < c->in[1]->count; i++)
    if (!append_row(c, s, i)) return false;
  return true;
}

bool eval_state_read(EvalCall *c) {
  const StateValue *s = c->in[0]->state;
  int k = (int)node_int(c->node, state_read, field);
  const Field *f = &s->decl->field[k];
  int64_t n = elements_of_row(f);
  for (int64_t b = 0; b < s->decl->batch; b++) {
    for (int64_t p = s->first[b]; p < s->length[b]; p++) {
      int64_t row = state_row(s->decl, s->length[b], p), at = (b * s->decl->capacity + row) * n;
      for (int64_t j = 0; j < n; j++) copy_element(c->out[0], at + j, s->field[k], state_offset(s->decl, f, b, row, j));
    }
  }
  return true;
}

bool eval_state_view(EvalCall *c) {
  Tensor *t = c->in[0]->state->field[node_int(c->node, state_view, field)];
  tensor_release(c->out[0]);
  c->out[0] = tensor_view(t, t->rank, t->dim);
  return c->out[0] != NULL;
}

bool eval_state_lengths(EvalCall *c) {
  const StateValue *s = c->in[0]->state;
  for (int64_t b = 0; b < s->decl->batch; b++) dtype_set_i(DT_i64, c->out[0]->data, b, s->length[b]);
  return true;
}

/* ---- rolling back, forking, forgetting ---- */

bool eval_state_truncate(EvalCall *c) {
  StateValue *s = take_state(c);
  if (!s) return false;
  for (int64_t b = 0; b < s->decl->batch; b++) {
    int64_t to = tensor_i(c->in[1], b);
    if (to < 0) return eval_error(c, "sequence %" PRId64 " of @%s to length %" PRId64, b, s->decl->name, to);
    if (to >= s->length[b]) continue;
    if (to && to <= s->first[b])
      return eval_error(
          c, "sequence %" PRId64 " of @%s to length %" PRId64 ": it keeps only positions from %" PRId64 " on", b,
          s->decl->name, to, s->first[b]);
    s->length[b] = to;
    if (to == 0) s->first[b] = 0;
  }
  return true;
}

/* All are copied from what was before: so sequences can be exchanged. */
bool eval_state_copy(EvalCall *c) {
  Tensor *before = tensor_ref(c->in[0]);
  StateValue *s = take_state(c);
  bool ok = s;
  for (int64_t i = 0; ok && i < c->in[1]->count; i++) {
    int64_t from = tensor_i(c->in[1], i), to = tensor_i(c->in[2], i);
    ok = check_sequence(c, s, from) && check_sequence(c, s, to);
    if (!ok) break;
    s->length[to] = before->state->length[from];
    s->first[to] = before->state->first[from];
    for (int k = 0; k < s->decl->n_fields; k++) {
      int64_t n = s->decl->capacity * elements_of_row(&s->decl->field[k]);
      for (int64_t j = 0; j < n; j++) copy_element(s->field[k], to * n + j, before->state->field[k], from * n + j);
    }
  }
  tensor_release(before);
  return ok;
}

bool eval_state_clear(EvalCall *c) {
  StateValue *s = take_state(c);
  if (!s) return false;
  for (int64_t i = 0; i < c->in[1]->count; i++) {
    int64_t seq = tensor_i(c->in[1], i);
    if (!check_sequence(c, s, seq)) return false;
    s->length[seq] = s->first[seq] = 0;
  }
  return true;
}

/* ---- attention over a state ---- */

typedef struct Span { /* the positions that a row attends to */
  int64_t seq, from, to;
} Span;

typedef struct Attend {
  EvalCall *call;
  const StateValue *s;
  const Tensor *q, *sinks, *bias;
  int64_t heads, d, e, group; /* group: query heads that share a key head */
  double scale, softcap;
  double *score; /* [capacity] */
} Attend;

/* A ring is asked for what it can hold at most; what it should hold but has overwritten is an error, since the result
 * would depend on how many rows came in one call. */
static bool row_span(EvalCall *c, const StateValue *s, int64_t i, Span *out) {
  int64_t seq = tensor_i(c->in[2], i), position = tensor_i(c->in[3], i),
          window = node_int(c->node, state_attention, window);
  if (!check_sequence(c, s, seq)) return false;
  if (position < 0) return eval_error(c, "row %" PRId64 " is at position %" PRId64, i, position);
  int64_t last = s->length[seq] - 1, from = 0, held = s->decl->addressing == ADDRESS_FIXED ? 1 : s->decl->capacity;
  if (node_bool(c->node, state_attention, causal) && position < last) last = position;
  if (window > 0 && position - window + 1 > from) from = position - window + 1;
  if (last - held + 1 > from) from = last - held + 1;
  *out = (Span){seq, from, last};
  if (from > last || from >= s->first[seq]) return true;
  return eval_error(
      c, "row %" PRId64 " needs position %" PRId64 " of sequence %" PRId64 ", and @%s keeps only %" PRId64 " and later",
      i, from, seq, s->decl->name, s->first[seq]);
}

static int64_t element_at(const StateValue *s, int field, Span span, int64_t position, int64_t head) {
  const Field *f = &s->decl->field[field];
  return state_offset(s->decl, f, span.seq, state_row(s->decl, s->length[span.seq], position), head * f->dim[1]);
}

static double score(const Attend *a, Span span, int64_t i, int64_t h, int64_t position) {
  int64_t k = element_at(a->s, 0, span, position, h / a->group), q = (i * a->heads + h) * a->d;
  double sum = 0;
  for (int64_t j = 0; j < a->d; j++) sum += tensor_f(a->q, q + j) * tensor_f(a->s->field[0], k + j);
  sum *= a->scale;
  if (a->softcap != 0) sum = a->softcap * tanh(sum / a->softcap);
  if (!a->bias) return sum;
  int64_t row = state_row(a->s->decl, a->s->length[span.seq], position);
  return sum + tensor_f(a->bias, (i * a->heads + h) * a->s->decl->capacity + row);
}

/* Scores become weights that sum to 1 with the sink's; false where the row sees nothing. */
static bool weigh(const Attend *a, int64_t h, int64_t n) {
  double max = a->sinks ? tensor_f(a->sinks, h) : -INFINITY, sum;
  for (int64_t t = 0; t < n; t++) max = a->score[t] > max || isnan(a->score[t]) ? a->score[t] : max;
  if (max == -INFINITY) return false;
  sum = a->sinks ? exp(tensor_f(a->sinks, h) - max) : 0;
  for (int64_t t = 0; t < n; t++) sum += a->score[t] = exp(a->score[t] - max);
  for (int64_t t = 0; t < n; t++) a->score[t] /= sum;
  return true;
}

static void attend(const Attend *a, Span span, int64_t i, int64_t h) {
  Tensor *out = a->call->out[0];
  int64_t n = span.to - span.from + 1;
  for (int64_t t = 0; t < n; t++) a->score[t] = score(a, span, i, h, span.from + t);
  if (!weigh(a, h, n)) return;
  for (int64_t j = 0; j < a->e; j++) {
    double sum = 0;
    for (int64_t t = 0; t < n; t++)
      sum += a->score[t] * tensor_f(a->s->field[1], element_at(a->s, 1, span, span.from + t, h / a->group) + j);
    dtype_set_f(out->dtype, out->data, (i * a->heads + h) * a->e + j, sum);
  }
}

bool eval_state_attention(EvalCall *c) {
  const Tensor *q = c->in[0];
  const StateValue *s = c->in[1]->state;
  double scale = node_float(c->node, state_attention, scale);
  Attend a = {.call = c,
              .s = s,
              .q = q,
              .sinks = eval_in(c, 4),
              .bias = eval_in(c, 5),
              .heads = q->dim[1],
              .d = q->dim[2],
              .e = s->decl->field[1].dim[1],
              .group = q->dim[1] / s->decl->field[0].dim[0],
              .scale = scale != 0 ? scale : 1 / sqrt((double)q->dim[2]),
              .softcap = node_float(c->node, state_attention, softcap)};
  a.score = calloc((size_t)s->decl->capacity, sizeof *a.score);
  if (!a.score) return eval_error(c, "@%s: no memory for %" PRId64 " scores", s->decl->name, s->decl->capacity);
  bool ok = true;
  for (int64_t i = 0; ok && i < q->dim[0]; i++) {
    Span span = {0};
    ok = row_span(c, s, i, &span);
    for (int64_t h = 0; ok && h < a.heads; h++) attend(&a, span, i, h);
  }
  free(a.score);
  return ok;
}

/* tensor.c -- concrete values of the reference evaluation: made, shared, counted and released. */
#include <inttypes.h>
#include <stdlib.h>

#include "ir/checked.h"
#include "ir/eval_budget.h"
#include "ir/fatal.h"

/* ---- memory ---- */

Budget *budget_new(int64_t limit) {
  Budget *b = calloc(1, sizeof *b);
  if (!b) fatal_resource("out of memory");
  *b = (Budget){.refs = 1, .limit = limit};
  return b;
}

void budget_release(Budget *b) {
  if (b && --b->refs == 0) free(b);
}

static void *no_memory(Evaluator *e, int64_t bytes, bool bounded) {
  Budget *b = eval_budget(e);
  b->exhausted = true;
  b->no_memory = !bounded;
  if (bounded)
    eval_blame(e, "needs %" PRId64 " bytes beside the %" PRId64 " in use; --max-memory is %" PRId64, bytes, b->used,
               b->limit);
  else
    eval_blame(e, "needs %" PRId64 " bytes, and there is not so much memory", bytes);
  return NULL;
}

/* Zeroed, and with room to align it, so that an empty tensor has an address, too. */
static void *take(Evaluator *e, int64_t bytes) {
  Budget *b = e ? eval_budget(e) : NULL;
  int64_t total;
  if (b && b->limit && (!checked_add(b->used, bytes, &total) || total > b->limit)) return no_memory(e, bytes, true);
  void *p = bytes < INT64_MAX / 2 ? calloc(1, (size_t)bytes + TENSOR_ALIGN) : NULL;
  if (!p && !e) fatal_resource("out of memory (asked for %" PRId64 " bytes)", bytes);
  if (!p) return no_memory(e, bytes, false);
  if (b) b->used += bytes;
  return p;
}

static Tensor *tensor_blank(Dtype t, int rank, const int64_t *dim) {
  ensure(rank >= 0 && rank <= MAX_RANK);
  Tensor *x = calloc(1, sizeof *x);
  if (!x) fatal_resource("out of memory");
  *x = (Tensor){.refs = 1, .dtype = t, .rank = rank, .count = 1};
  for (int i = 0; i < rank; i++) x->dim[i] = dim[i];
  return x;
}

/* The number of elements and of the bytes that they take. */
static bool measure(Dtype t, int rank, const int64_t *dim, int64_t *count, int64_t *bytes) {
  *count = 1;
  for (int i = 0; i < rank; i++)
    if (dim[i] < 0 || !checked_mul(*count, dim[i], count)) return false;
  return dtype_size(t, *count, bytes);
}

/* ---- making ---- */

Tensor *tensor_new(Evaluator *e, Dtype t, int rank, const int64_t *dim) {
  int64_t count, bytes;
  if (!measure(t, rank, dim, &count, &bytes)) {
    if (!e) fatal_resource("a tensor is larger than memory can be");
    eval_blame(e, "a result is larger than memory can be");
    return NULL;
  }
  void *data = take(e, bytes);
  if (!data) return NULL;
  Tensor *x = tensor_blank(t, rank, dim);
  x->count = count;
  x->data = (char *)data + (TENSOR_ALIGN - (uintptr_t)data % TENSOR_ALIGN) % TENSOR_ALIGN;
  x->owned = data;
  x->budget = e ? eval_budget(e) : NULL;
  if (x->budget) x->budget->refs++;
  return x;
}

Tensor *tensor_over(Dtype t, int rank, const int64_t *dim, const void *data) {
  int64_t bytes;
  Tensor *x = tensor_blank(t, rank, dim);
  ensure(measure(t, rank, dim, &x->count, &bytes));
  x->data = (void *)(uintptr_t)data; /* read only, by agreement */
  return x;
}

Tensor *tensor_view(Tensor *t, int rank, const int64_t *dim) {
  ensure(!t->encoded && !t->state);
  Tensor *x = tensor_over(t->dtype, rank, dim, t->data);
  ensure(x->count == t->count);
  x->owner = tensor_ref(t->owner ? t->owner : t);
  return x;
}

/* The scales' shape of an encoded tensor: a group has one. */
static void group_dims(const Encoding *enc, int rank, const int64_t *dim, int64_t *out) {
  for (int i = 0; i < rank; i++) out[i] = dim[i];
  out[rank - 1] = dim[rank - 1] / enc->group + (dim[rank - 1] % enc->group != 0);
}

static bool add_scales(Evaluator *e, Tensor *x, const Encoding *enc) {
  int64_t dim[MAX_RANK];
  x->encoded = true;
  x->enc = *enc;
  group_dims(enc, x->rank, x->dim, dim);
  x->scale = tensor_new(e, enc->scale, x->rank, dim);
  if (x->scale && enc->zero != DT_none) x->zero = tensor_new(e, enc->zero, x->rank, dim);
  return x->scale && (x->zero || enc->zero == DT_none);
}

Tensor *tensor_like(Evaluator *e, Type t) {
  int64_t dim[MAX_RANK];
  ensure(type_is_tensor(t) && type_is_static(t));
  for (int i = 0; i < t->rank; i++) dim[i] = t->dim[i]->constant;
  Tensor *x = tensor_new(e, t->dtype, t->rank, dim);
  if (x && t->encoded && !add_scales(e, x, &t->enc)) {
    tensor_release(x);
    return NULL;
  }
  return x;
}

/* ---- states ---- */

static Tensor *state_blank(State *s) {
  Tensor *x = tensor_blank(DT_none, 0, NULL);
  StateValue *v = calloc(1, sizeof *v);
  x->state = v;
  if (!v) fatal_resource("out of memory");
  v->decl = s;
  v->length = calloc((size_t)s->batch + 1, sizeof *v->length);
  v->first = calloc((size_t)s->batch + 1, sizeof *v->first);
  v->field = calloc((size_t)s->n_fields + 1, sizeof *v->field);
  if (!v->length || !v->first || !v->field) fatal_resource("out of memory");
  return x;
}

static Tensor *new_field(Evaluator *e, const State *s, const Field *f) {
  int64_t dim[MAX_RANK] = {s->batch, f->rank ? f->dim[0] : s->capacity, s->capacity};
  for (int i = 1; i < f->rank; i++) dim[i + 2] = f->dim[i];
  if (f->turned) dim[2] = s->capacity / STATE_PANEL, dim[4] = STATE_PANEL;
  return tensor_new(e, f->dtype, f->rank + 2 + f->turned, dim);
}

/* A state is small beside its fields, but its batch is the file's word: refuse what no machine could hold. */
static bool plausible(Evaluator *e, const State *s) {
  for (int i = 0; i < s->n_fields; i++)
    if (s->field[i].rank + 2 > MAX_RANK)
      return eval_blame(e, "@%s: field %s has too many axes", s->name, s->field[i].name);
  if (s->batch > 0 && s->batch <= 1 << 20 && s->capacity > 0) return true;
  return eval_blame(e, "@%s: batch %" PRId64 " and capacity %" PRId64 " are not possible", s->name, s->batch,
                    s->capacity);
}

Tensor *tensor_state(Evaluator *e, State *s) {
  if (!plausible(e, s)) return NULL;
  Tensor *x = state_blank(s);
  for (int i = 0; i < s->n_fields; i++) {
    x->state->field[i] = new_field(e, s, &s->field[i]);
    if (x->state->field[i]) continue;
    tensor_release(x);
    return NULL;
  }
  return x;
}

Tensor *tensor_state_copy(Evaluator *e, const StateValue *s) {
  Tensor *x = tensor_state(e, s->decl);
  if (!x) return NULL;
  for (int64_t b = 0; b < s->decl->batch; b++) {
    x->state->length[b] = s->length[b];
    x->state->first[b] = s->first[b];
  }
  for (int i = 0; i < s->decl->n_fields; i++) {
    int64_t bytes;
    ensure(dtype_size(s->field[i]->dtype, s->field[i]->count, &bytes));
    memcpy(x->state->field[i]->data, s->field[i]->data, (size_t)bytes);
  }
  return x;
}

static void state_free(StateValue *v) {
  for (int i = 0; i < v->decl->n_fields; i++) tensor_release(v->field[i]);
  free(v->field);
  free(v->length);
  free(v->first);
  free(v);
}

/* ---- sharing ---- */

Tensor *tensor_ref(Tensor *t) {
  if (t) t->refs++;
  return t;
}

static void give_back(Tensor *t) {
  int64_t bytes;
  ensure(dtype_size(t->dtype, t->count, &bytes));
  free(t->owned);
  if (t->budget) t->budget->used -= bytes;
}

void tensor_release(Tensor *t) {
  if (!t || --t->refs > 0) return;
  if (t->owned) give_back(t);
  budget_release(t->budget);
  tensor_release(t->owner);
  tensor_release(t->scale);
  tensor_release(t->zero);
  if (t->state) state_free(t->state);
  free(t);
}

/* ---- reading ---- */

Type tensor_type(Module *m, const Tensor *t) {
  if (t->state) return type_state(m->types, t->state->decl);
  Dim dim[MAX_RANK];
  for (int i = 0; i < t->rank; i++) dim[i] = dim_const(m->dims, t->dim[i]);
  if (t->encoded) return type_encoded(m->types, t->enc, t->rank, dim);
  return type_tensor(m->types, t->dtype, t->rank, dim);
}

double tensor_decoded(const Tensor *t, int64_t i) {
  double code = tensor_f(t, i);
  if (!t->encoded) return code;
  int64_t width = t->dim[t->rank - 1], groups = t->scale->dim[t->scale->rank - 1];
  int64_t at = i / width * groups + i % width / t->enc.group;
  return tensor_f(t->scale, at) * (t->zero ? code - tensor_f(t->zero, at) : code);
}

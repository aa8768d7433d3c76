/* infer_state.c -- result types of the ops on states. */
#include <inttypes.h>

#include "ir/infer.h"

static const char *text(Infer *c, int i) { return type_text(c->module->arena, c->in[i]); }

static const State *state_operand(Infer *c, int i) {
  if (c->in[i]->kind == TYPE_STATE) return c->in[i]->state;
  infer_error(c, "operand %d is %s, and must be a state", i, text(c, i));
  return NULL;
}

/* A vector of integers, whose length is *n; or sets *n. */
static bool int_vector(Infer *c, int i, const char *what, Dim *n) {
  Type t = c->in[i];
  if (!infer_plain(c, i)) return false;
  if (!dtype_is_int(t->dtype) || t->rank != 1) return infer_error(c, "%s are %s, and must be i64[n]", what, text(c, i));
  if (*n && !infer_same_dim(c, t->dim[0], *n, what)) return false;
  *n = t->dim[0];
  return true;
}

static bool rows_match(Infer *c, int i, const State *s, const Field *f, Dim rows) {
  Type t = c->in[i];
  if (!t) return infer_error(c, "the rows of @%s's %s are left out", s->name, f->name);
  bool ok = t->kind == TYPE_TENSOR && !t->encoded && t->dtype == f->dtype && t->rank == f->rank + 1;
  for (int k = 0; ok && k < f->rank; k++) ok = !dim_is_const(t->dim[k + 1]) || dim_is(t->dim[k + 1], f->dim[k]);
  if (ok) return infer_same_dim(c, t->dim[0], rows, f->name);
  const char *want = dtype_name(f->dtype);
  for (int k = 0; k < f->rank; k++)
    want = arena_printf(c->module->arena, "%s%s%" PRId64, want, k ? "," : "[rows,", f->dim[k]);
  return infer_error(c, "rows of @%s's %s are %s, and must be %s]", s->name, f->name, text(c, i),
                     f->rank ? want : arena_printf(c->module->arena, "%s[rows", want));
}

bool infer_state_append(Infer *c) {
  const State *s = state_operand(c, 0);
  Dim rows = NULL;
  if (!s || !int_vector(c, 1, "sequences", &rows) || !int_vector(c, 2, "positions", &rows)) return false;
  if (c->node->n_in != 3 + s->n_fields)
    return infer_error(c, "has rows for %d fields, and @%s has %d", c->node->n_in - 3, s->name, s->n_fields);
  for (int i = 0; i < s->n_fields; i++)
    if (!rows_match(c, i + 3, s, &s->field[i], rows)) return false;
  c->out[0] = c->in[0];
  return true;
}

bool infer_state_read(Infer *c) {
  const State *s = state_operand(c, 0);
  if (!s) return false;
  int64_t i = node_int(c->node, state_read, field);
  if (i < 0 || i >= s->n_fields)
    return infer_error(c, "field %" PRId64 " of @%s, which has %d", i, s->name, s->n_fields);
  const Field *f = &s->field[i];
  Dim dim[MAX_RANK + 2] = {dim_const(c->module->dims, s->batch), dim_const(c->module->dims, s->capacity)};
  for (int k = 0; k < f->rank; k++) dim[k + 2] = dim_const(c->module->dims, f->dim[k]);
  return infer_result(c, 0, f->dtype, f->rank + 2, dim);
}

/* A field as it lies: state_offset() says so. */
bool infer_state_view(Infer *c) {
  const State *s = state_operand(c, 0);
  if (!s) return false;
  int64_t i = node_int(c->node, state_view, field);
  if (i < 0 || i >= s->n_fields)
    return infer_error(c, "field %" PRId64 " of @%s, which has %d", i, s->name, s->n_fields);
  const Field *f = &s->field[i];
  DimPool *p = c->module->dims;
  Dim dim[MAX_RANK + 2] = {dim_const(p, s->batch), dim_const(p, f->rank ? f->dim[0] : s->capacity), dim_const(p, s->capacity)};
  for (int k = 1; k < f->rank; k++) dim[k + 2] = dim_const(p, f->dim[k]);
  if (f->turned) dim[2] = dim_const(p, s->capacity / STATE_PANEL), dim[4] = dim_const(p, STATE_PANEL);
  return infer_result(c, 0, f->dtype, f->rank + 2 + f->turned, dim);
}

bool infer_state_lengths(Infer *c) {
  const State *s = state_operand(c, 0);
  Dim batch = s ? dim_const(c->module->dims, s->batch) : NULL;
  return s && infer_result(c, 0, DT_i64, 1, &batch);
}

/* Ops that give the state after them: truncate, copy and clear. */
bool infer_state_next(Infer *c) {
  const State *s = state_operand(c, 0);
  if (!s) return false;
  bool cut = c->node->op == OP_state_truncate;
  Dim n = cut ? dim_const(c->module->dims, s->batch) : NULL;
  for (int i = 1; i < c->node->n_in; i++)
    if (!int_vector(c, i, cut ? "lengths" : "sequences", &n)) return false;
  c->out[0] = c->in[0];
  return true;
}

static bool heads_match(Infer *c, const State *s) {
  Type q = c->in[0];
  const Field *k = s->field, *v = s->field + 1;
  Dim h = q->dim[1], d = q->dim[2];
  if (s->n_fields < 2 || k->rank != 2 || v->rank != 2 || k->dim[0] != v->dim[0] || k->dim[0] < 1 ||
      !dtype_is_float(k->dtype) || !dtype_is_float(v->dtype))
    return infer_error(c, "@%s does not hold k[g,d] and v[g,e]", s->name);
  if (dim_is_const(d) && !dim_is(d, k->dim[1]))
    return infer_error(c, "q is %s, and @%s's k has rows of %" PRId64, text(c, 0), s->name, k->dim[1]);
  if (dim_is_const(h) && h->constant % k->dim[0])
    return infer_error(c, "%" PRId64 " heads are no multiple of the %" PRId64 " of @%s", h->constant, k->dim[0],
                       s->name);
  return true;
}

static bool float_operand(Infer *c, int i, int rank, const char *what) {
  if (!infer_plain(c, i)) return false;
  if (dtype_is_float(c->in[i]->dtype) && c->in[i]->rank == rank) return true;
  return infer_error(c, "%s is %s, and must be floats of rank %d", what, text(c, i), rank);
}

bool infer_state_attention(Infer *c) {
  const State *s = state_operand(c, 1);
  if (!s || !float_operand(c, 0, 3, "q") || !heads_match(c, s)) return false;
  Type q = c->in[0];
  Dim rows = q->dim[0];
  if (!int_vector(c, 2, "sequences", &rows) || !int_vector(c, 3, "positions", &rows)) return false;
  if (c->node->n_in > 4 && c->in[4])
    if (!float_operand(c, 4, 1, "sinks") || !infer_same_dim(c, c->in[4]->dim[0], q->dim[1], "sinks")) return false;
  if (c->node->n_in > 5 && c->in[5]) {
    Dim want[] = {q->dim[0], q->dim[1], dim_const(c->module->dims, s->capacity)};
    if (!float_operand(c, 5, 3, "bias")) return false;
    for (int i = 0; i < 3; i++)
      if (!infer_same_dim(c, c->in[5]->dim[i], want[i], "bias")) return false;
  }
  Dim out[] = {q->dim[0], q->dim[1], dim_const(c->module->dims, s->field[1].dim[1])};
  return infer_result(c, 0, q->dtype, 3, out);
}

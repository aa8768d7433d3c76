/* view.c -- constants that hold another one's elements in another order, read part by part. */
#include "ir/view.h"

#include "ir/checked.h"
#include "ir/fatal.h"
#include "ir/infer.h"
#include "ir/move.h"

/* ---- from an expression to a view ---- */

/* While a view is made, each axis of the result has digits of its own. */
typedef struct Making {
  Module *module;
  View *view;
  int rank;
  int end[MAX_RANK]; /* of the axis's digits */
  int depth;
} Making;

static int begin_of(const Making *m, int axis) { return axis ? m->end[axis - 1] : 0; }

static bool static_dims(Type t, int64_t *dim) {
  for (int i = 0; i < t->rank; i++) {
    if (!dim_is_const(t->dim[i])) return false;
    dim[i] = t->dim[i]->constant;
  }
  return true;
}

static bool push_digit(Making *m, ViewDigit d) {
  View *v = m->view;
  if (v->n_digits == VIEW_DIGITS) return false;
  v->digit[v->n_digits++] = d;
  return true;
}

/* The constant as it is. A splat has one element, which all places show. */
static bool start(Making *m, Constant *c) {
  View *v = m->view;
  int64_t dim[MAX_RANK], step = 1;
  if (!type_is_tensor(c->type) || c->type->encoded || c->kind == CONSTANT_BOUND || !static_dims(c->type, dim)) return false;
  *v = (View){.source = c, .dtype = c->type->dtype, .n_axes = c->type->rank, .count = 1};
  m->rank = c->type->rank;
  for (int i = 0; i < m->rank; i++) {
    if (!checked_mul(v->count, dim[i], &v->count) || !push_digit(m, (ViewDigit){dim[i], 1, i})) return false;
    m->end[i] = v->n_digits;
  }
  for (int i = m->rank - 1; i >= 0; i--) {
    v->axis[i] = (ViewAxis){0, dim[i], c->kind == CONSTANT_SPLAT ? 0 : step};
    step = v->count ? step * dim[i] : 0;
  }
  return true;
}

/* The digits stay in their order, and are cut where the new axes end. */
static bool reshape(Making *m, Type t) {
  View *v = m->view;
  ViewDigit old[VIEW_DIGITS];
  int64_t dim[MAX_RANK];
  int n = v->n_digits, at = 0;
  if (!static_dims(t, dim)) return false;
  memcpy(old, v->digit, sizeof old);
  v->n_digits = 0;
  m->rank = t->rank;
  for (int i = 0; i < t->rank; i++) {
    for (int64_t need = dim[i]; need > 1;) {
      while (at < n && old[at].dim == 1) at++;
      if (at == n) return false;
      int64_t have = old[at].dim;
      if (have <= need ? need % have : have % need) return false;
      int64_t rest = have <= need ? 1 : have / need;
      if (!push_digit(m, (ViewDigit){have / rest, old[at].by * rest, old[at].axis})) return false;
      need = have <= need ? need / have : 1;
      old[at].dim = rest;
    }
    m->end[i] = v->n_digits;
  }
  return true;
}

static bool transpose(Making *m, const Node *n) {
  View *v = m->view;
  Making was = *m;
  ViewDigit old[VIEW_DIGITS];
  int given = node_ints(n, transpose, perm).n;
  const int64_t *perm = node_ints(n, transpose, perm).at;
  memcpy(old, v->digit, sizeof old);
  v->n_digits = 0;
  for (int i = 0; i < m->rank; i++) {
    int from = given ? (int)perm[i] : m->rank - 1 - i;
    for (int k = begin_of(&was, from); k < was.end[from]; k++) push_digit(m, old[k]);
    m->end[i] = v->n_digits;
  }
  return true;
}

/* The axis, if it is a whole one of the source that nothing else moves along. */
static ViewDigit *whole_axis(Making *m, int axis) {
  View *v = m->view;
  if (m->end[axis] - begin_of(m, axis) != 1) return NULL;
  ViewDigit *d = &v->digit[begin_of(m, axis)];
  const ViewAxis *a = &v->axis[d->axis];
  return d->by == 1 && a->first == 0 && d->dim == a->size ? d : NULL;
}

/* The contents of an integer operand, all of which must be known. */
static bool numbers(Making *m, const Value *v, int64_t *out, int *n) {
  Dim dim[2 * MAX_RANK];
  if (!value_dims(m->module, v, 2 * MAX_RANK, dim, n)) return false;
  for (int i = 0; i < *n; i++) {
    if (!dim_is_const(dim[i])) return false;
    out[i] = dim[i]->constant;
  }
  return true;
}

/* The axes that an operand names, or all. */
static bool named_axes(Making *m, const Value *v, int n, int64_t *axis) {
  int named = n;
  for (int i = 0; i < n; i++) axis[i] = i;
  if (v && (!numbers(m, v, axis, &named) || named != n)) return false;
  for (int i = 0; i < n; i++) {
    if (axis[i] < 0) axis[i] += m->rank;
    if (axis[i] < 0 || axis[i] >= m->rank) return false;
  }
  return true;
}

/* Does every index of the axis lie inside? */
static bool is_inside(const View *v, int axis) {
  int64_t last = v->axis[axis].first;
  for (int i = 0; i < v->n_digits; i++)
    if (v->digit[i].axis == axis) last += v->digit[i].by * (v->digit[i].dim - 1);
  return v->axis[axis].first >= 0 && last < v->axis[axis].size;
}

/* Where something is filled in twice, it must be the same. */
static bool fill_with(Making *m, const Value *value) {
  View *v = m->view;
  const Constant *c = value ? value_constant(value) : NULL;
  uint64_t bits = dtype_is_float(v->dtype) ? dtype_encode(v->dtype, 0, true, ROUND_EVEN) : 0;
  if (value && (!c || (c->kind != CONSTANT_BYTES && c->kind != CONSTANT_SPLAT))) return false;
  if (c) bits = dtype_get_bits(v->dtype, c->bytes, 0);
  if (v->padded && bits != v->fill) return false;
  v->fill = bits;
  return true;
}

static bool pad(Making *m, const Node *n) {
  int64_t by[2 * MAX_RANK], axis[MAX_RANK];
  int n_pads;
  const char *mode = node_str(n, pad, mode);
  if ((mode && strcmp(mode, "constant") != 0) || !numbers(m, node_in(n, 1), by, &n_pads) || n_pads % 2) return false;
  if (!named_axes(m, node_in(n, 3), n_pads / 2, axis) || !fill_with(m, node_in(n, 2))) return false;
  for (int i = 0; i < n_pads / 2; i++) {
    int64_t low = by[i], high = by[n_pads / 2 + i];
    if (low == 0 && high == 0) continue;
    ViewDigit *d = whole_axis(m, (int)axis[i]);
    if (!d || low < 0 || high < 0) return false;
    m->view->axis[d->axis].first = -low;
    m->view->padded = true;
    d->dim += low + high;
  }
  return true;
}

static bool make_value(Making *m, const Value *v);

static bool make_constant(Making *m, Constant *c) {
  const Node *end = c->kind == CONSTANT_EXPR ? block_terminator(c->body) : NULL;
  return (end && end->n_in == 1 && make_value(m, node_in(end, 0))) || start(m, c);
}

static bool make_value(Making *m, const Value *v) {
  enum { MAX_DEPTH = 64 };
  const Node *n = v->def;
  Constant *c = value_constant(v);
  if (++m->depth > MAX_DEPTH) return false;
  if (c) return make_constant(m, c);
  if (!n || n->n_in == 0 || !type_is_tensor(v->type)) return false;
  switch (n->op) {
  case OP_reshape: case OP_squeeze: case OP_unsqueeze: return make_value(m, node_in(n, 0)) && reshape(m, v->type);
  case OP_transpose: return make_value(m, node_in(n, 0)) && transpose(m, n);
  case OP_pad: return make_value(m, node_in(n, 0)) && pad(m, n);
  default: return false;
  }
}

/* Neighbours that one step leads through become one digit. */
static void merge_digits(View *v) {
  int n = 0;
  for (int i = 0; i < v->n_digits; i++) {
    ViewDigit d = v->digit[i], *last = n ? &v->digit[n - 1] : NULL;
    if (d.dim == 1) continue;
    if (last && last->axis == d.axis && last->by == d.by * d.dim) *last = (ViewDigit){last->dim * d.dim, d.by, d.axis};
    else v->digit[n++] = d;
  }
  v->n_digits = n;
}

/* Axes that nothing falls out of become one, of all elements. */
static void join_axes(View *v) {
  int all = v->n_axes++;
  v->axis[all] = (ViewAxis){0, INT64_MAX, 1};
  v->padded = false;
  for (int i = 0; i < all; i++) {
    ViewAxis *a = &v->axis[i];
    if (!is_inside(v, i)) {
      v->padded = true;
      continue;
    }
    for (int k = 0; k < v->n_digits; k++)
      if (v->digit[k].axis == i) v->digit[k].by *= a->stride, v->digit[k].axis = all;
    *a = (ViewAxis){0, 1, 0};
  }
  merge_digits(v);
}

bool view_of(Module *m, Constant *c, View *v) {
  Making making = {.module = m, .view = v};
  if (!make_constant(&making, c) || dtype_bits(v->dtype) < 8) return false;
  v->count = 1;
  for (int i = 0; i < v->n_digits; i++)
    if (!checked_mul(v->count, v->digit[i].dim, &v->count)) return false;
  if (v->count > 0) join_axes(v);
  return true;
}

/* ---- reading ---- */

int64_t view_part(const View *v, int64_t most) {
  int64_t n = 1;
  for (int i = v->n_digits - 1; i >= 0; i--) {
    int64_t fit = most / n;
    if (fit < v->digit[i].dim) return fit > 1 ? n * fit : n;
    n *= v->digit[i].dim;
  }
  return n;
}

const void *view_in_place(const View *v, const void *source, int64_t from) {
  int64_t first = 0;
  for (int i = 0; i < v->n_axes; i++) first += v->axis[i].first * v->axis[i].stride;
  bool same = !v->padded && v->n_digits == 1 && v->digit[0].by == 1 && v->axis[v->digit[0].axis].stride == 1;
  return same ? (const char *)source + (first + from) * (dtype_bits(v->dtype) / 8) : NULL;
}

/* A part of the result in which each digit has a range of its own. */
typedef struct Part {
  int64_t from[VIEW_DIGITS], n[VIEW_DIGITS], to[VIEW_DIGITS]; /* to: distance of neighbours in the result */
  int64_t at;                                                 /* of the first, in what is written */
} Part;

typedef struct Reading {
  const View *view;
  const void *source;
  void *to;
  int64_t inner[VIEW_DIGITS]; /* elements that a step of the digit passes over */
} Reading;

/* Copies with the source's neighbours next to each other: the outer loops are those with the longest steps in it. */
static void copy_part(const Reading *r, const Part *p) {
  const View *v = r->view;
  int64_t from = 0, step[VIEW_DIGITS];
  int order[VIEW_DIGITS];
  for (int i = 0; i < v->n_axes; i++) from += v->axis[i].first * v->axis[i].stride;
  for (int i = 0; i < v->n_digits; i++) {
    step[i] = v->digit[i].by * v->axis[v->digit[i].axis].stride;
    from += p->from[i] * step[i];
    int at = i;
    for (; at > 0 && step[order[at - 1]] < step[i]; at--) order[at] = order[at - 1];
    order[at] = i;
  }
  Box b = {0};
  for (int i = 0; i < v->n_digits; i++) box_push(&b, p->n[order[i]], p->to[order[i]], step[order[i]]);
  move_box(&b, v->dtype, r->to, p->at, r->source, from);
}

/* Halves what lies inside and outside, until each half does only one of both. */
static void read_part(const Reading *r, const Part *p) {
  const View *v = r->view;
  for (int a = 0; a < v->n_axes; a++) {
    int64_t low = v->axis[a].first, high;
    int widest = -1;
    for (int i = 0; i < v->n_digits; i++)
      if (v->digit[i].axis == a) low += p->from[i] * v->digit[i].by;
    high = low;
    for (int i = 0; i < v->n_digits; i++) {
      if (v->digit[i].axis != a || p->n[i] == 1) continue;
      high += (p->n[i] - 1) * v->digit[i].by;
      if (widest < 0 || v->digit[i].by > v->digit[widest].by) widest = i;
    }
    if (high < 0 || low >= v->axis[a].size) return; /* filled before */
    if (low >= 0 && high < v->axis[a].size) continue;
    Part one = *p, other = *p;
    int64_t half = p->n[widest] / 2;
    one.n[widest] = half;
    other.n[widest] -= half;
    other.from[widest] += half;
    other.at += half * p->to[widest];
    read_part(r, &one);
    read_part(r, &other);
    return;
  }
  copy_part(r, p);
}

/* A range is at most two parts a digit: what fills digits of this one, and what is left before and behind. */
static void read_range(const Reading *r, Part *p, int digit, int64_t from, int64_t n, int64_t at) {
  const View *v = r->view;
  for (int64_t inner = digit < v->n_digits ? r->inner[digit] : 1; n > 0;) {
    int64_t whole = from % inner ? 0 : n / inner, part = inner - from % inner < n ? inner - from % inner : n;
    if (digit < v->n_digits) p->from[digit] = from / inner, p->n[digit] = whole ? whole : 1, p->to[digit] = inner;
    if (whole || digit == v->n_digits) {
      for (int i = digit + 1; i < v->n_digits; i++) p->from[i] = 0, p->n[i] = v->digit[i].dim, p->to[i] = r->inner[i];
      p->at = at;
      read_part(r, p);
      part = whole ? whole * inner : 1;
    } else {
      read_range(r, p, digit + 1, from % inner, part, at);
    }
    from += part, n -= part, at += part;
  }
}

static void fill(const View *v, int64_t n, void *to) {
  if (v->fill == 0) memset(to, 0, (size_t)(n * dtype_bits(v->dtype) / 8));
  else
    for (int64_t i = 0; i < n; i++) dtype_set_bits(v->dtype, to, i, v->fill);
}

void view_read(const View *v, const void *source, int64_t from, int64_t n, void *to) {
  Reading r = {.view = v, .source = source, .to = to};
  int64_t inner = 1;
  Part p;
  ensure(from >= 0 && n >= 0 && from <= v->count && n <= v->count - from);
  for (int i = v->n_digits - 1; i >= 0; i--) r.inner[i] = inner, inner *= v->digit[i].dim;
  if (v->padded) fill(v, n, to);
  read_range(&r, &p, 0, from, n, 0);
}

/* lower_conv.c -- how convolution and pooling are lowered, in two spatial axes; one axis is two of which the first is 1. */
#include "ir/fatal.h"
#include "ir/window.h"
#include "passes/lower.h"

typedef struct Planes {
  const Node *node;
  Window w;
  int axes;
  Value *in[2]; /* sizes of x */
} Planes;

static Value *literal(Kernel *k, int64_t v) { return kb_index(&k->b, v); }
static Value *binary(Kernel *k, Op op, Value *x, Value *y) { return build_binary(&k->b, op, x, y); }

static Planes planes_of(Kernel *k, const Node *n, const int64_t *kernel) {
  Type x = node_in(n, 0)->type;
  Planes p = {.node = n, .axes = x->rank - 2};
  ensure(!window_read(n, p.axes, kernel, &p.w));
  p.w = window_as_2d(p.w);
  p.in[0] = p.axes == 2 ? kernel_size(k, x->dim[2]) : literal(k, 1);
  p.in[1] = kernel_size(k, x->dim[x->rank - 1]);
  return p;
}

/* Where window i begins along an axis; before the data it is negative. */
static Value *window_start(Kernel *k, const Planes *p, int axis, Value *i) {
  return kb_sub(&k->b, kb_mul(&k->b, i, literal(k, p->w.stride[axis])), literal(k, p->w.before[axis]));
}

/* ceil(max(x, 0) / by) */
static Value *ceil_div(Kernel *k, Value *x, int64_t by) {
  return kb_div(&k->b, kb_add(&k->b, kb_max(&k->b, x, literal(k, 0)), literal(k, by - 1)), literal(k, by));
}

/* How many taps of a window that begins at `start` stand before `end`. */
static Value *taps_before(Kernel *k, const Planes *p, int axis, Value *start, Value *end) {
  return kb_min(&k->b, ceil_div(k, kb_sub(&k->b, end, start), p->w.dilation[axis]), literal(k, p->w.kernel[axis]));
}

/* The taps [from, to) of a window that fall on the data. Where nothing is padded, that is all. */
typedef struct Taps {
  Value *start, *from, *to;
} Taps;

static Taps taps_inside(Kernel *k, const Planes *p, int axis, Value *i) {
  Taps t = {window_start(k, p, axis, i), literal(k, 0), literal(k, p->w.kernel[axis])};
  if (p->w.before[axis]) t.from = taps_before(k, p, axis, t.start, literal(k, 0));
  if (p->w.before[axis] || p->w.after[axis] || p->w.ceil) t.to = taps_before(k, p, axis, t.start, p->in[axis]);
  return t;
}

static Value *tap_place(Kernel *k, const Planes *p, int axis, const Taps *t, Value *tap) {
  return kb_add(&k->b, t->start, kb_mul(&k->b, tap, literal(k, p->w.dilation[axis])));
}

/* ---- pooling ---- */

static Value *plane_element(Kernel *k, const Planes *p, Value *const *out, Value *y, Value *x) {
  Value *at[4] = {out[0], out[1], p->axes == 2 ? y : x, x};
  return kernel_widen(k, kernel_pull(k, node_in(p->node, 0), at));
}

typedef struct Pool {
  Planes p;
  Taps taps[2];
  Value *const *out; /* the place of the result */
} Pool;

static Pool pool_of(Kernel *k, const Node *n, Value *const *out) {
  Pool p = {.p = planes_of(k, n, NULL), .out = out};
  p.taps[0] = taps_inside(k, &p.p, 0, p.p.axes == 2 ? out[2] : literal(k, 0));
  p.taps[1] = taps_inside(k, &p.p, 1, out[p.p.axes + 1]);
  return p;
}

/* Rows first, then the rows' sums or largest. */
static Value *fold_window(Kernel *k, const Pool *p, Op op, Value *start) {
  KernelFor rows = kb_for(&k->b, p->taps[0].from, p->taps[0].to, 1, &start);
  Value *y = tap_place(k, &p->p, 0, &p->taps[0], rows.i);
  KernelFor row = kb_for(&k->b, p->taps[1].from, p->taps[1].to, 1, &start);
  Value *x = plane_element(k, &p->p, p->out, y, tap_place(k, &p->p, 1, &p->taps[1], row.i));
  Value *next = binary(k, op, row.carried[0], x);
  kb_for_end(&k->b, &row, 1, &next);
  next = binary(k, op, rows.carried[0], row.out[0]);
  kb_for_end(&k->b, &rows, 1, &next);
  return rows.out[0];
}

/* ONNX numbers the places in the whole tensor; column major swaps the two spatial axes in that number. */
static Value *place_number(Kernel *k, const Planes *p, Value *const *out, Value *y, Value *x) {
  bool column_major = node_bool(p->node, pool_max, column_major);
  Value *plane = kb_add(&k->b, kb_mul(&k->b, out[0], kernel_size(k, node_in(p->node, 0)->type->dim[1])), out[1]);
  Value *size = kb_mul(&k->b, p->in[0], p->in[1]);
  Value *within =
      column_major ? kb_add(&k->b, kb_mul(&k->b, x, p->in[0]), y) : kb_add(&k->b, kb_mul(&k->b, y, p->in[1]), x);
  return kb_cast(&k->b, kb_add(&k->b, kb_mul(&k->b, plane, size), within), DT_i64);
}

/* The first of the largest; NaN is larger than any number, and nothing is larger than NaN. */
static Value *is_larger(Kernel *k, Value *x, Value *best) {
  Value *larger = kb_less(&k->b, best, x);
  if (!dtype_is_float(x->type->dtype)) return larger;
  Value *to_nan = binary(k, OP_and, build_unary(&k->b, OP_isnan, x), kb_not(&k->b, build_unary(&k->b, OP_isnan, best)));
  return binary(k, OP_or, larger, to_nan);
}

static Value *largest_place(Kernel *k, const Pool *p, Value *lowest) {
  Value *start[] = {lowest, kb_int(&k->b, DT_i64, -1)};
  KernelFor rows = kb_for(&k->b, p->taps[0].from, p->taps[0].to, 2, start);
  Value *y = tap_place(k, &p->p, 0, &p->taps[0], rows.i);
  KernelFor row = kb_for(&k->b, p->taps[1].from, p->taps[1].to, 2, rows.carried);
  Value *x = tap_place(k, &p->p, 1, &p->taps[1], row.i), *v = plane_element(k, &p->p, p->out, y, x);
  Value *wins = is_larger(k, v, row.carried[0]);
  wins = binary(k, OP_or, wins, kb_less(&k->b, row.carried[1], kb_int(&k->b, DT_i64, 0)));
  Value *next[] = {kb_where(&k->b, wins, v, row.carried[0]),
                   kb_where(&k->b, wins, place_number(k, &p->p, p->out, y, x), row.carried[1])};
  kb_for_end(&k->b, &row, 2, next);
  kb_for_end(&k->b, &rows, 2, row.out);
  return rows.out[1];
}

Value *element_pool_max(Kernel *k, const Node *n, int result, Value *const *out) {
  Pool p = pool_of(k, n, out);
  Dtype t = node_in(n, 0)->type->dtype;
  Value *lowest = kb_extreme(&k->b, t, false, kernel_wide(t));
  if (result == 1) return largest_place(k, &p, lowest);
  return kernel_narrow(k, fold_window(k, &p, OP_max, lowest), t);
}

/* With the padding counted, taps count up to the end of the padding, not beyond it, where `ceil` may lead. */
static Value *taps_counted(Kernel *k, const Pool *p, int axis) {
  const Taps *t = &p->taps[axis];
  if (!node_bool(p->p.node, pool_avg, count_pads)) return kb_sub(&k->b, t->to, t->from);
  return taps_before(k, &p->p, axis, t->start, kb_add(&k->b, p->p.in[axis], literal(k, p->p.w.after[axis])));
}

Value *element_pool_avg(Kernel *k, const Node *n, int result, Value *const *out) {
  Pool p = pool_of(k, n, out);
  Dtype t = n->out[result]->type->dtype, wide = kernel_wide(t);
  Value *zero = kb_float(&k->b, wide, 0), *sum = fold_window(k, &p, OP_add, zero);
  Value *count = kb_mul(&k->b, taps_counted(k, &p, 0), taps_counted(k, &p, 1));
  Value *mean = binary(k, OP_div, sum, kb_cast(&k->b, count, wide));
  return kernel_narrow(k, kb_where(&k->b, kb_less(&k->b, literal(k, 0), count), mean, zero), t);
}

/* ---- convolution ----
 *
 * A workgroup makes a row of one output channel, in pieces: for each input channel and tap, the piece of the input's row that
 * the tap falls on is added, times the weight. */

enum { PIECE = 64 };

bool need_constant_kernel(Module *m, const Node *n) {
  Type w = node_in(n, 1)->type;
  (void)m;
  for (int i = 2; i < w->rank; i++)
    if (!dim_is_const(w->dim[i])) return false;
  return true;
}

typedef struct Conv {
  Planes p;
  Dtype t;
  Value *out[4];       /* n, o, y; the last is free */
  Value *first, *last; /* of the piece: x from.. to */
  Value *sums;         /* memory: [PIECE] */
} Conv;

static Value *start_sum(Kernel *k, void *ctx, Value *i) {
  const Conv *c = ctx;
  const Value *bias = node_in(c->p.node, 2);
  (void)i;
  return bias ? kb_cast(&k->b, kernel_pull(k, bias, &c->out[1]), c->t) : kb_float(&k->b, c->t, 0);
}

/* sums += weight * x, where the tap falls on the data. */
static void add_tap(Kernel *k, const Conv *c, Value *channel, Value *y, Value *tap, Value *weight) {
  const Window *w = &c->p.w;
  Value *shift = kb_sub(&k->b, kb_mul(&k->b, tap, literal(k, w->dilation[1])), literal(k, w->before[1]));
  Value *from = c->first, *to = c->last, *stride = literal(k, w->stride[1]);
  if (w->before[1]) from = kb_max(&k->b, from, ceil_div(k, kb_sub(&k->b, literal(k, 0), shift), w->stride[1]));
  if (w->before[1] || w->after[1]) to = kb_min(&k->b, to, ceil_div(k, kb_sub(&k->b, c->p.in[1], shift), w->stride[1]));
  KernelFor f = kb_for(&k->b, from, to, 0, NULL);
  Value *x = kb_add(&k->b, kb_mul(&k->b, f.i, stride), shift), *at = kb_sub(&k->b, f.i, c->first);
  Value *place[4] = {c->out[0], channel, c->p.axes == 2 ? y : x, x};
  Value *v = kb_cast(&k->b, kernel_pull(k, node_in(c->p.node, 0), place), c->t);
  kb_store(&k->b, c->sums, at, binary(k, OP_add, kb_load(&k->b, c->sums, at), binary(k, OP_mul, weight, v)));
  kb_for_end(&k->b, &f, 0, NULL);
}

static void add_channels(Kernel *k, const Conv *c) {
  const Node *n = c->p.node;
  const Value *w = node_in(n, 1);
  Value *per_group = kernel_size(k, w->type->dim[1]), *groups = literal(k, node_int(n, conv, groups));
  Value *share = kb_div(&k->b, kernel_size(k, w->type->dim[0]), groups);
  Value *before = kb_mul(&k->b, kb_div(&k->b, c->out[1], share), per_group);
  Taps rows = taps_inside(k, &c->p, 0, c->p.axes == 2 ? c->out[2] : literal(k, 0));
  KernelFor channel = kb_for(&k->b, literal(k, 0), per_group, 0, NULL);
  KernelFor ty = kb_for(&k->b, rows.from, rows.to, 0, NULL);
  KernelFor tx = kb_for(&k->b, literal(k, 0), literal(k, c->p.w.kernel[1]), 0, NULL);
  Value *tap[4] = {c->out[1], channel.i, c->p.axes == 2 ? ty.i : tx.i, tx.i};
  Value *weight = kb_cast(&k->b, kernel_pull(k, w, tap), c->t);
  add_tap(k, c, kb_add(&k->b, before, channel.i), tap_place(k, &c->p, 0, &rows, ty.i), tx.i, weight);
  kb_for_end(&k->b, &tx, 0, NULL);
  kb_for_end(&k->b, &ty, 0, NULL);
  kb_for_end(&k->b, &channel, 0, NULL);
}

static void store_piece(Kernel *k, Conv *c, int axis) {
  KernelFor f = kb_for(&k->b, c->first, c->last, 0, NULL);
  c->out[axis] = f.i;
  Value *sum = kb_load(&k->b, c->sums, kb_sub(&k->b, f.i, c->first));
  kernel_store(k, 0, c->out, kernel_narrow(k, sum, c->p.node->out[0]->type->dtype));
  kb_for_end(&k->b, &f, 0, NULL);
}

bool lower_conv(Kernel *k, const Node *n) {
  Type w = node_in(n, 1)->type, t = n->out[0]->type;
  int64_t kernel[WINDOW_AXES];
  int axis = t->rank - 1;
  for (int i = 2; i < w->rank; i++) kernel[i - 2] = w->dim[i]->constant;
  Conv c = {.p = planes_of(k, n, kernel), .t = kernel_float(n)};
  c.sums = kb_memory(&k->b, c.t, PIECE);
  kernel_spread(k, t, axis, t->rank, c.out);
  Value *size = kernel_size(k, t->dim[axis]);
  KernelFor f = kb_for_step(&k->b, literal(k, 0), size, PIECE, 0, NULL);
  c.first = f.i;
  c.last = kb_min(&k->b, kb_add(&k->b, f.i, literal(k, PIECE)), size);
  kernel_fill(k, c.sums, kb_sub(&k->b, c.last, c.first), start_sum, &c);
  add_channels(k, &c);
  store_piece(k, &c, axis);
  kb_for_end(&k->b, &f, 0, NULL);
  return true;
}

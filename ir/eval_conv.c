/* eval_conv.c -- reference convolution and pooling, in two spatial axes; one axis is two of which the first is 1. */
#include <math.h>

#include "ir/eval.h"
#include "ir/window.h"

/* Sizes of operand and result, [n, c, h, w] each. */
typedef struct Planes {
  Window w;
  int64_t n, c; /* of x */
  int64_t in[2];
  int64_t out[2];
  int64_t in_size, out_size;
} Planes;

static Planes planes_of(const EvalCall *c, const int64_t *kernel) {
  const Tensor *x = c->in[0], *out = c->out[0];
  Planes p = {.n = x->dim[0], .c = x->dim[1]};
  int axes = x->rank - 2;
  window_read(c->node, axes, kernel, &p.w);
  p.w = window_as_2d(p.w);
  for (int i = 0; i < 2; i++) {
    p.in[i] = axes == 2 ? x->dim[2 + i] : i ? x->dim[2] : 1;
    p.out[i] = axes == 2 ? out->dim[2 + i] : i ? out->dim[2] : 1;
  }
  p.in_size = p.in[0] * p.in[1];
  p.out_size = p.out[0] * p.out[1];
  return p;
}

/* Where tap `tap` of the window `i` falls along an axis; may be outside. */
static int64_t place(const Planes *p, int axis, int64_t i, int64_t tap) {
  return i * p->w.stride[axis] - p->w.before[axis] + tap * p->w.dilation[axis];
}

/* ---- convolution ---- */

/* sum += weight * x, for one channel of x and one tap of the kernel. */
static void add_tap(const Planes *p, const double *x, double weight, int64_t ky, int64_t kx, double *sum) {
  for (int64_t y = 0; y < p->out[0]; y++) {
    int64_t iy = place(p, 0, y, ky);
    if (iy < 0 || iy >= p->in[0]) continue;
    const double *row = x + iy * p->in[1];
    for (int64_t i = 0, ix = place(p, 1, 0, kx); i < p->out[1]; i++, ix += p->w.stride[1])
      if (ix >= 0 && ix < p->in[1]) sum[y * p->out[1] + i] += weight * row[ix];
  }
}

static void convolve(EvalCall *c, const Planes *p, const double *x, const double *w, double *sum) {
  const Tensor *bias = eval_in(c, 2);
  int64_t outputs = c->out[0]->dim[1], per_group = c->in[1]->dim[1], taps = p->w.kernel[0] * p->w.kernel[1];
  int64_t share = outputs / node_int(c->node, conv, groups); /* output channels a group */
  for (int64_t n = 0; n < p->n; n++)
    for (int64_t o = 0; o < outputs; o++) {
      double start = bias ? tensor_f(bias, o) : 0;
      for (int64_t i = 0; i < p->out_size; i++) sum[i] = start;
      for (int64_t k = 0; k < per_group; k++) {
        int64_t channel = o / share * per_group + k;
        for (int64_t tap = 0; tap < taps; tap++)
          add_tap(p, x + (n * p->c + channel) * p->in_size, w[(o * per_group + k) * taps + tap], tap / p->w.kernel[1],
                  tap % p->w.kernel[1], sum);
      }
      tensor_write_f(c->out[0], (n * outputs + o) * p->out_size, p->out_size, sum);
    }
}

bool eval_conv(EvalCall *c) {
  if (c->out[0]->count == 0) return true;
  Planes p = planes_of(c, c->in[1]->dim + 2);
  Tensor *x = eval_doubles(c, c->in[0]), *w = eval_doubles(c, c->in[1]), *sum = eval_scratch(c, p.out_size);
  bool ok = x && w && sum;
  if (ok) convolve(c, &p, x->data, w->data, sum->data);
  tensor_release(x);
  tensor_release(w);
  tensor_release(sum);
  return ok;
}

/* ---- pooling ---- */

static bool is_larger(const Tensor *t, int64_t a, int64_t b) {
  if (dtype_is_int(t->dtype) && dtype_is_signed(t->dtype)) return tensor_i(t, a) > tensor_i(t, b);
  if (dtype_is_int(t->dtype)) return (uint64_t)tensor_i(t, a) > (uint64_t)tensor_i(t, b);
  double va = tensor_f(t, a), vb = tensor_f(t, b);
  return va > vb || (isnan(va) && !isnan(vb));
}

/* The taps [from, to) of a window along an axis that fall on the data. */
typedef struct Taps {
  int64_t from, to;
} Taps;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* How many taps from the first on stand before `end`. */
static int64_t taps_before(const Planes *p, int axis, int64_t start, int64_t end) {
  return start < end ? least(p->w.kernel[axis], (end - 1 - start) / p->w.dilation[axis] + 1) : 0;
}

static Taps taps_inside(const Planes *p, int axis, int64_t i) {
  int64_t start = place(p, axis, i, 0);
  return (Taps){taps_before(p, axis, start, 0), taps_before(p, axis, start, p->in[axis])};
}

/* The element of plane `plane` with the largest number in the window at (y, x), or -1 where all is padding. */
static int64_t window_largest(const Planes *p, const Tensor *t, int64_t plane, int64_t y, int64_t x) {
  Taps ty = taps_inside(p, 0, y), tx = taps_inside(p, 1, x);
  int64_t best = -1;
  for (int64_t ky = ty.from; ky < ty.to; ky++)
    for (int64_t kx = tx.from; kx < tx.to; kx++) {
      int64_t at = plane * p->in_size + place(p, 0, y, ky) * p->in[1] + place(p, 1, x, kx);
      if (best < 0 || is_larger(t, at, best)) best = at;
    }
  return best;
}

/* A window that sees only padding: nothing is smaller. */
static void set_lowest(Tensor *t, int64_t i) {
  if (dtype_is_float(t->dtype))
    dtype_set_f(t->dtype, t->data, i, -INFINITY);
  else if (dtype_is_signed(t->dtype))
    dtype_set_bits(t->dtype, t->data, i, UINT64_C(1) << (dtype_bits(t->dtype) - 1));
}

/* ONNX numbers the places in the whole tensor; column major swaps the two spatial axes in that number. */
static int64_t place_number(const Planes *p, int64_t at, bool column_major) {
  if (!column_major || at < 0) return at;
  int64_t plane = at / p->in_size, y = at % p->in_size / p->in[1], x = at % p->in[1];
  return plane * p->in_size + x * p->in[0] + y;
}

bool eval_pool_max(EvalCall *c) {
  if (c->out[0]->count == 0) return true;
  const Tensor *t = c->in[0];
  Tensor *out = c->out[0], *places = c->n_out > 1 ? c->out[1] : NULL;
  Planes p = planes_of(c, NULL);
  for (int64_t i = 0; i < out->count; i++) {
    int64_t within = i % p.out_size, best = window_largest(&p, t, i / p.out_size, within / p.out[1], within % p.out[1]);
    if (best < 0)
      set_lowest(out, i);
    else
      dtype_set_bits(out->dtype, out->data, i, dtype_get_bits(t->dtype, t->data, best));
    if (places)
      dtype_set_i(DT_i64, places->data, i, place_number(&p, best, node_bool(c->node, pool_max, column_major)));
  }
  return true;
}

/* With the padding counted, taps count up to the end of the padding, not beyond it, where `ceil` may lead. */
static double taps_counted(const Planes *p, int axis, int64_t i, Taps inside, bool count_pads) {
  int64_t end = p->in[axis] + p->w.after[axis];
  return (double)(count_pads ? taps_before(p, axis, place(p, axis, i, 0), end) : inside.to - inside.from);
}

static double window_mean(const Planes *p, const Tensor *t, int64_t plane, int64_t y, int64_t x, bool count_pads) {
  Taps ty = taps_inside(p, 0, y), tx = taps_inside(p, 1, x);
  double sum = 0, n = taps_counted(p, 0, y, ty, count_pads) * taps_counted(p, 1, x, tx, count_pads);
  for (int64_t ky = ty.from; ky < ty.to; ky++)
    for (int64_t kx = tx.from; kx < tx.to; kx++)
      sum += tensor_f(t, plane * p->in_size + place(p, 0, y, ky) * p->in[1] + place(p, 1, x, kx));
  return n > 0 ? sum / n : 0;
}

bool eval_pool_avg(EvalCall *c) {
  if (c->out[0]->count == 0) return true;
  Tensor *out = c->out[0];
  Planes p = planes_of(c, NULL);
  for (int64_t i = 0; i < out->count; i++) {
    int64_t within = i % p.out_size;
    double mean = window_mean(&p, c->in[0], i / p.out_size, within / p.out[1], within % p.out[1],
                              node_bool(c->node, pool_avg, count_pads));
    dtype_set_f(out->dtype, out->data, i, mean);
  }
  return true;
}

/* eval_norm.c -- reference layernorm, rmsnorm and rope. */
#include <math.h>

#include "ir/eval.h"

/* ---- norms ---- */

/* The element of an operand that broadcasts to x, for element i of x. */
static int64_t broadcast_index(const Tensor *x, const Tensor *t, int64_t i) {
  int64_t at = 0, stride = 1;
  for (int axis = 1; axis <= t->rank; axis++) { /* from the right */
    int64_t size = t->dim[t->rank - axis], place = i % x->dim[x->rank - axis];
    i /= x->dim[x->rank - axis];
    at += (size == 1 ? 0 : place) * stride;
    stride *= size;
  }
  return at;
}

typedef struct Moments {
  double mean, inverse; /* of the deviation, or of the root of the mean square */
} Moments;

static Moments row_moments(const double *x, int64_t n, double epsilon, bool centred) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; centred && i < n; i++) sum += x[i];
  double mean = centred ? sum / (double)n : 0;
  for (int64_t i = 0; i < n; i++) squares += (x[i] - mean) * (x[i] - mean);
  return (Moments){mean, 1 / sqrt(squares / (double)n + epsilon)};
}

static void normalise_row(EvalCall *c, int64_t from, int64_t n, const double *x, Moments m) {
  const Tensor *scale = eval_in(c, 1), *bias = eval_in(c, 2);
  Tensor *out = c->out[0];
  for (int64_t i = 0; i < n; i++) {
    double v = (x[i] - m.mean) * m.inverse;
    if (scale) v *= tensor_f(scale, broadcast_index(out, scale, from + i));
    if (bias) v += tensor_f(bias, broadcast_index(out, bias, from + i));
    dtype_set_f(out->dtype, out->data, from + i, v);
  }
}

static void set_number(Tensor *t, int64_t i, double v) { dtype_set_f(t->dtype, t->data, i, v); }

/* A layernorm's further results are mean and 1/deviation, an rmsnorm's is 1/rms. */
static void stash_moments(EvalCall *c, int64_t row, Moments m, bool centred) {
  if (centred && c->n_out > 1) set_number(c->out[1], row, m.mean);
  int inverse = centred ? 2 : 1;
  if (c->n_out > inverse) set_number(c->out[inverse], row, m.inverse);
}

bool eval_norm(EvalCall *c) {
  const Tensor *x = c->in[0];
  bool centred = c->node->op == OP_layernorm;
  int64_t axis = centred ? node_int(c->node, layernorm, axis) : node_int(c->node, rmsnorm, axis), n = 1;
  double epsilon = centred ? node_float(c->node, layernorm, epsilon) : node_float(c->node, rmsnorm, epsilon);
  if (x->count == 0) return true;
  for (int i = axis_of(axis, x->rank); i < x->rank; i++) n *= x->dim[i];
  Tensor *row = eval_scratch(c, n);
  if (!row) return false;
  for (int64_t r = 0; r < x->count / n; r++) {
    tensor_read_f(x, r * n, n, row->data);
    Moments m = row_moments(row->data, n, epsilon, centred);
    normalise_row(c, r * n, n, row->data, m);
    stash_moments(c, r, m, centred);
  }
  tensor_release(row);
  return true;
}

/* ---- rope ---- */

/* The row of cos and sin for sequence b at step s; false after an error. */
static bool angle_row(EvalCall *c, int64_t b, int64_t s, int64_t *row) {
  const Tensor *table = c->in[1], *positions = eval_in(c, 3);
  if (!positions) {
    *row = (table->dim[0] == 1 ? 0 : b) * table->dim[1] + s;
    return true;
  }
  *row = tensor_i(positions, (positions->dim[0] == 1 ? 0 : b) * positions->dim[1] + s);
  if (*row >= 0 && *row < table->dim[0]) return true;
  return eval_error(c, "position %lld is not among the %lld rows of cos and sin", (long long)*row,
                    (long long)table->dim[0]);
}

/* One row of d numbers, of which the first 2*half are rotated. */
static void rotate(EvalCall *c, int64_t from, int64_t half, int64_t angle) {
  const Tensor *x = c->in[0], *cosine = c->in[1], *sine = c->in[2];
  Tensor *out = c->out[0];
  bool interleaved = node_bool(c->node, rope, interleaved);
  for (int64_t i = 0; i < half; i++) {
    int64_t a = from + (interleaved ? 2 * i : i), b = interleaved ? a + 1 : a + half;
    double xa = tensor_f(x, a), xb = tensor_f(x, b);
    double co = tensor_f(cosine, angle * half + i), si = tensor_f(sine, angle * half + i);
    set_number(out, a, co * xa - si * xb);
    set_number(out, b, si * xa + co * xb);
  }
}

bool eval_rope(EvalCall *c) {
  const Tensor *x = c->in[0];
  int64_t heads = x->dim[1], steps = x->dim[2], d = x->dim[3], dims = node_int(c->node, rope, dims), angle;
  if (dims == 0) dims = d;
  if (x->count == 0) return true;
  for (int64_t row = 0; row < x->count / d; row++) {
    if (!angle_row(c, row / steps / heads, row % steps, &angle)) return false;
    rotate(c, row * d, dims / 2, angle);
    for (int64_t i = row * d + dims; i < (row + 1) * d; i++) set_number(c->out[0], i, tensor_f(x, i));
  }
  return true;
}

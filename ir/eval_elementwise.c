/* eval_elementwise.c -- elementwise ops on tensors: broadcasting around runs of scalar_block(). */
#include "ir/eval.h"
#include "ir/fatal.h"
#include "ir/scalar.h"

enum { MAX_SIDES = 3 };

/* The result's axes, as few as the operands' layouts allow: neighbours that all operands walk alike are one. */
typedef struct Walk {
  int rank, sides;
  int64_t dim[MAX_RANK];
  int64_t step[MAX_SIDES][MAX_RANK]; /* of an operand along an axis; 0 where it broadcasts */
} Walk;

static void side_steps(const Tensor *out, const Tensor *x, int64_t *step) {
  int64_t n = 1;
  int skip = out->rank - x->rank;
  for (int i = out->rank - 1; i >= 0; i--) {
    int64_t dim = i < skip ? 1 : x->dim[i - skip];
    step[i] = dim == 1 ? 0 : n;
    n *= dim;
  }
}

static bool joins(const Walk *w, int outer, int64_t steps[][MAX_RANK], int axis, int64_t dim) {
  for (int k = 0; k < w->sides; k++)
    if (w->step[k][outer] != steps[k][axis] * dim) return false;
  return true;
}

static void walk_start(Walk *w, const Tensor *out, int n, Tensor *const *in) {
  int64_t steps[MAX_SIDES][MAX_RANK];
  *w = (Walk){.sides = n};
  for (int k = 0; k < n; k++) side_steps(out, in[k], steps[k]);
  for (int i = 0; i < out->rank; i++) {
    if (out->dim[i] == 1) continue;
    bool join = w->rank && joins(w, w->rank - 1, steps, i, out->dim[i]);
    if (join)
      w->dim[w->rank - 1] *= out->dim[i];
    else
      w->dim[w->rank++] = out->dim[i];
    for (int k = 0; k < n; k++) w->step[k][w->rank - 1] = steps[k][i];
  }
  if (w->rank == 0) w->dim[w->rank++] = 1;
}

static void load(const Tensor *t, int64_t at, int64_t step, int n, uint64_t *bits) {
  for (int i = 0; i < n; i++) {
    if (i && step == 0)
      bits[i] = bits[0];
    else
      bits[i] = dtype_get_bits(t->dtype, t->data, at + i * step);
  }
}

static void store(Tensor *t, int64_t at, int n, const uint64_t *bits) {
  for (int i = 0; i < n; i++) dtype_set_bits(t->dtype, t->data, at + i, bits[i]);
}

/* One run along the last axis, from where `at` says. */
static void walk_run(EvalCall *c, const Walk *w, const Dtype *type, const int64_t *at, int64_t out_at) {
  uint64_t bits[MAX_SIDES + 1][SCALAR_BLOCK];
  const uint64_t *side[MAX_SIDES] = {bits[0], bits[1], bits[2]};
  int64_t last = w->dim[w->rank - 1];
  for (int64_t i = 0; i < last; i += SCALAR_BLOCK) {
    int n = (int)(last - i < SCALAR_BLOCK ? last - i : SCALAR_BLOCK);
    for (int k = 0; k < w->sides; k++) {
      int64_t step = w->step[k][w->rank - 1];
      load(c->in[k], at[k] + i * step, step, n, bits[k]);
    }
    scalar_block(c->node, w->sides, type, side, c->out[0]->dtype, bits[MAX_SIDES], n);
    store(c->out[0], out_at + i, n, bits[MAX_SIDES]);
  }
}

/* Moves to the next run: counts the outer axes up like an odometer. */
static void walk_next(const Walk *w, int64_t *index, int64_t *at) {
  for (int i = w->rank - 2; i >= 0; i--) {
    bool carry = ++index[i] == w->dim[i];
    for (int k = 0; k < w->sides; k++) at[k] += w->step[k][i] * (carry ? 1 - w->dim[i] : 1);
    if (!carry) return;
    index[i] = 0;
  }
}

bool eval_elementwise(EvalCall *c) {
  Walk w;
  Dtype type[MAX_SIDES];
  int64_t index[MAX_RANK] = {0}, at[MAX_SIDES] = {0};
  Tensor *out = c->out[0];
  ensure(c->n_in <= MAX_SIDES);
  if (out->count == 0) return true;
  for (int k = 0; k < c->n_in; k++) type[k] = c->in[k]->dtype;
  walk_start(&w, out, c->n_in, c->in);
  for (int64_t done = 0; done < out->count; done += w.dim[w.rank - 1]) {
    walk_run(c, &w, type, at, done);
    walk_next(&w, index, at);
  }
  return true;
}

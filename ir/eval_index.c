/* eval_index.c -- reference semantics of the ops that read and write by index. */
#include <inttypes.h>

#include "ir/fatal.h"
#include "ir/move.h"
#include "ir/scalar.h"

/* Index i of a list, counted from the front of an axis of size d. */
static bool index_at(EvalCall *c, const Tensor *indices, int64_t i, int64_t d, int64_t *out) {
  int64_t k = tensor_i(indices, i);
  if (k < -d || k >= d) return eval_error(c, "index %" PRId64 " of an axis of size %" PRId64, k, d);
  *out = k < 0 ? k + d : k;
  return true;
}

/* ---- gather ---- */

/* n elements, decoded where the source is encoded. */
static void gather_run(Tensor *to, int64_t di, const Tensor *from, int64_t si, int64_t n) {
  if (!from->encoded) {
    move_elements(to->dtype, to->data, di, from->data, si, n);
    return;
  }
  for (int64_t i = 0; i < n; i++) dtype_set_f(to->dtype, to->data, di + i, tensor_decoded(from, si + i));
}

bool eval_gather(EvalCall *c) {
  const Tensor *x = c->in[0], *indices = c->in[1];
  Tensor *out = c->out[0];
  int axis = axis_of(node_int(c->node, gather, axis), x->rank);
  int64_t k = 0;
  if (out->count == 0) { /* indices are checked even if rows are empty */
    for (int64_t i = 0; i < indices->count; i++)
      if (!index_at(c, indices, i, x->dim[axis], &k)) return false;
    return true;
  }
  if (x->count == 0) return eval_error(c, "index %" PRId64 " of an axis of size 0", tensor_i(indices, 0));
  int64_t outer = tensor_span(x, 0, axis), run = tensor_span(x, axis + 1, x->rank), d = x->dim[axis];
  for (int64_t o = 0; o < outer; o++)
    for (int64_t i = 0; i < indices->count; i++) {
      if (!index_at(c, indices, i, d, &k)) return false;
      gather_run(out, (o * indices->count + i) * run, x, (o * d + k) * run, run);
    }
  return true;
}

/* Where element `at` of `indices` points in a tensor of the same rank: the same coordinates, but for the axis. */
static bool element_place(EvalCall *c, const Tensor *x, const Tensor *indices, int axis, int64_t at, int64_t *place) {
  int64_t stride[MAX_RANK], left = at, k = 0;
  if (!index_at(c, indices, at, x->dim[axis], &k)) return false;
  tensor_strides(x, stride);
  *place = k * stride[axis];
  for (int i = indices->rank - 1; i >= 0; i--) {
    if (i != axis) *place += left % indices->dim[i] * stride[i];
    left /= indices->dim[i];
  }
  return true;
}

bool eval_gather_elements(EvalCall *c) {
  const Tensor *x = c->in[0], *indices = c->in[1];
  int axis = axis_of(node_int(c->node, gather_elements, axis), x->rank);
  for (int64_t i = 0; i < indices->count; i++) {
    int64_t from;
    if (!element_place(c, x, indices, axis, i, &from)) return false;
    move_elements(x->dtype, c->out[0]->data, i, x->data, from, 1);
  }
  return true;
}

/* Where tuple number `tuple` of k indices points in a tensor, behind `batch` axes. */
static bool tuple_place(EvalCall *c, const Tensor *x, const Tensor *indices, int batch, int k, int64_t tuple,
                        int64_t *place) {
  int64_t stride[MAX_RANK], at = 0;
  tensor_strides(x, stride);
  *place = 0;
  for (int i = 0; i < k; i++) {
    if (!index_at(c, indices, tuple * k + i, x->dim[batch + i], &at)) return false;
    *place += at * stride[batch + i];
  }
  return true;
}

/* The number of tuples, which the type of indices without elements says, too. */
static int64_t tuple_count(const Tensor *indices) {
  int64_t n = 1;
  for (int i = 0; i < indices->rank - 1; i++) n *= indices->dim[i];
  return n;
}

bool eval_gather_nd(EvalCall *c) {
  const Tensor *x = c->in[0], *indices = c->in[1];
  Tensor *out = c->out[0];
  int batch = (int)node_int(c->node, gather_nd, batch_dims), k = (int)indices->dim[indices->rank - 1];
  if (out->count == 0) return true;
  if (x->count == 0) return eval_error(c, "there is nothing to index");
  int64_t run = tensor_span(x, batch + k, x->rank), block = tensor_span(x, batch, x->rank);
  int64_t tuples = out->count / run, each = tuples / tensor_span(x, 0, batch);
  for (int64_t i = 0; i < tuples; i++) {
    int64_t from;
    if (!tuple_place(c, x, indices, batch, k, i, &from)) return false;
    move_elements(x->dtype, out->data, i * run, x->data, i / each * block + from, run);
  }
  return true;
}

/* ---- scatter ---- */

static void copy_all(Tensor *to, const Tensor *from) {
  move_elements(to->dtype, to->data, 0, from->data, 0, from->count);
}

/* OP_return: the update replaces what is there. */
static Op reduction_op(const char *name) {
  if (!name || strcmp(name, "none") == 0) return OP_return;
  return strcmp(name, "add") == 0   ? OP_add
         : strcmp(name, "mul") == 0 ? OP_mul
         : strcmp(name, "max") == 0 ? OP_max
                                    : OP_min;
}

static void update(Op op, Tensor *to, int64_t di, const Tensor *from, int64_t si, int64_t n) {
  Dtype t = to->dtype;
  if (op == OP_return) {
    move_elements(t, to->data, di, from->data, si, n);
    return;
  }
  for (int64_t i = 0; i < n; i++) {
    uint64_t in[2] = {dtype_get_bits(t, to->data, di + i), dtype_get_bits(t, from->data, si + i)};
    dtype_set_bits(t, to->data, di + i, scalar_apply(&(Node){.op = op}, 2, (Dtype[]){t, t}, in, t));
  }
}

bool eval_scatter_elements(EvalCall *c) {
  const Tensor *indices = c->in[1];
  Tensor *out = c->out[0];
  int axis = axis_of(node_int(c->node, scatter_elements, axis), out->rank);
  Op op = reduction_op(node_str(c->node, scatter_elements, reduction));
  copy_all(out, c->in[0]);
  for (int64_t i = 0; i < indices->count; i++) {
    int64_t at;
    if (!element_place(c, out, indices, axis, i, &at)) return false;
    update(op, out, at, c->in[2], i, 1);
  }
  return true;
}

bool eval_scatter_nd(EvalCall *c) {
  const Tensor *indices = c->in[1];
  Tensor *out = c->out[0];
  int k = (int)indices->dim[indices->rank - 1];
  Op op = reduction_op(node_str(c->node, scatter_nd, reduction));
  copy_all(out, c->in[0]);
  if (c->in[2]->count == 0) return true;
  if (out->count == 0) return eval_error(c, "there is nothing to update");
  int64_t run = tensor_span(out, k, out->rank), tuples = tuple_count(indices);
  for (int64_t i = 0; i < tuples; i++) {
    int64_t at;
    if (!tuple_place(c, out, indices, 0, k, i, &at)) return false;
    update(op, out, at, c->in[2], i * run, run);
  }
  return true;
}

bool eval_nonzero(EvalCall *c) {
  const Tensor *x = c->in[0];
  Tensor *out = c->out[0];
  int64_t count = out->dim[1], n = 0;
  for (int64_t i = 0; i < x->count; i++) {
    if (!tensor_is_nonzero(x, i)) continue;
    int64_t left = i;
    for (int a = x->rank - 1; a >= 0; a--) {
      dtype_set_i(DT_i64, out->data, a * count + n, left % x->dim[a]);
      left /= x->dim[a];
    }
    n++;
  }
  return true;
}

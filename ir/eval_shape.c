/* eval_shape.c -- reference semantics of the ops that rearrange elements without looking at them. */
#include "ir/fatal.h"
#include "ir/move.h"

/* ---- the same elements, seen otherwise ---- */

bool eval_copy(EvalCall *c) {
  Tensor *as = c->out[0];
  c->out[0] = tensor_view(c->in[0], as->rank, as->dim);
  tensor_release(as);
  return true;
}

bool eval_shape_of(EvalCall *c) {
  for (int i = 0; i < c->in[0]->rank; i++) dtype_set_i(DT_i64, c->out[0]->data, i, c->in[0]->dim[i]);
  return true;
}

bool eval_range(EvalCall *c) {
  Tensor *out = c->out[0];
  Dtype t = out->dtype;
  for (int64_t i = 0; i < out->count; i++) {
    if (dtype_is_float(t)) {
      dtype_set_f(t, out->data, i, tensor_f(c->in[0], 0) + (double)i * tensor_f(c->in[2], 0));
    } else {
      uint64_t v = (uint64_t)tensor_i(c->in[0], 0) + (uint64_t)i * (uint64_t)tensor_i(c->in[2], 0);
      dtype_set_i(t, out->data, i, (int64_t)v);
    }
  }
  return true;
}

/* ---- boxes ---- */

/* A box over all of `t`, from or to `other`: the strides of the one are its own, those of the other are given. */
static void copy_in(Tensor *to, int64_t at, const int64_t *stride, const Tensor *from) {
  int64_t own[MAX_RANK];
  Box b = {0};
  if (from->count == 0) return;
  tensor_strides(from, own);
  for (int i = 0; i < from->rank; i++) box_push(&b, from->dim[i], stride[i], own[i]);
  move_box(&b, to->dtype, to->data, at, from->data, 0);
}

static void copy_out(Tensor *to, const Tensor *from, int64_t at, const int64_t *stride) {
  int64_t own[MAX_RANK];
  Box b = {0};
  if (to->count == 0) return;
  tensor_strides(to, own);
  for (int i = 0; i < to->rank; i++) box_push(&b, to->dim[i], own[i], stride[i]);
  move_box(&b, to->dtype, to->data, 0, from->data, at);
}

bool eval_transpose(EvalCall *c) {
  int64_t stride[MAX_RANK], permuted[MAX_RANK];
  int rank = c->in[0]->rank, n = node_ints(c->node, transpose, perm).n;
  const int64_t *perm = node_ints(c->node, transpose, perm).at;
  tensor_strides(c->in[0], stride);
  for (int i = 0; i < rank; i++) permuted[i] = stride[n ? perm[i] : rank - 1 - i];
  copy_out(c->out[0], c->in[0], 0, permuted);
  return true;
}

bool eval_expand(EvalCall *c) {
  const Tensor *x = c->in[0];
  Tensor *out = c->out[0];
  int64_t own[MAX_RANK], stride[MAX_RANK] = {0};
  int skip = out->rank - x->rank;
  tensor_strides(x, own);
  for (int i = 0; i < x->rank; i++) stride[i + skip] = x->dim[i] == 1 ? 0 : own[i];
  copy_out(out, x, 0, stride);
  return true;
}

bool eval_concat(EvalCall *c) {
  int64_t stride[MAX_RANK], at = 0;
  int axis = axis_of(node_int(c->node, concat, axis), c->out[0]->rank);
  tensor_strides(c->out[0], stride);
  for (int i = 0; i < c->n_in; i++) {
    copy_in(c->out[0], at * stride[axis], stride, c->in[i]);
    at += c->in[i]->dim[axis];
  }
  return true;
}

bool eval_split(EvalCall *c) {
  int64_t stride[MAX_RANK], at = 0;
  int axis = axis_of(node_int(c->node, split, axis), c->in[0]->rank);
  tensor_strides(c->in[0], stride);
  for (int i = 0; i < c->n_out; i++) {
    copy_out(c->out[i], c->in[0], at * stride[axis], stride);
    at += c->out[i]->dim[axis];
  }
  return true;
}

static const Tensor *operand(const EvalCall *c, int i) { return i < c->n_in ? c->in[i] : NULL; }

bool eval_slice(EvalCall *c) {
  const Tensor *x = c->in[0], *axes = operand(c, 3), *steps = operand(c, 4);
  int64_t start[MAX_RANK], end[MAX_RANK], axis[MAX_RANK], step[MAX_RANK], stride[MAX_RANK], at = 0;
  int n = tensor_numbers(c->in[1], MAX_RANK, start);
  tensor_numbers(c->in[2], MAX_RANK, end);
  if (axes) tensor_numbers(axes, MAX_RANK, axis);
  if (steps) tensor_numbers(steps, MAX_RANK, step);
  if (c->out[0]->count == 0) return true;
  tensor_strides(x, stride);
  for (int i = 0; i < n; i++) {
    int a = axes ? axis_of(axis[i], x->rank) : i;
    int64_t first, count, by = steps ? step[i] : 1;
    slice_resolve(x->dim[a], start[i], end[i], by, &first, &count);
    at += first * stride[a];
    stride[a] = count > 1 ? stride[a] * by : 0; /* a step over a single element may be as large as it likes */
  }
  copy_out(c->out[0], x, at, stride);
  return true;
}

/* Each axis is two of the box: the repeats, which read the same elements again, and the elements. */
bool eval_tile(EvalCall *c) {
  const Tensor *x = c->in[0];
  Tensor *out = c->out[0];
  int64_t from[MAX_RANK], to[MAX_RANK];
  Box b = {0};
  if (out->count == 0) return true;
  tensor_strides(x, from);
  tensor_strides(out, to);
  for (int i = 0; i < x->rank; i++) {
    box_push(&b, out->dim[i] / x->dim[i], x->dim[i] * to[i], 0);
    box_push(&b, x->dim[i], to[i], from[i]);
  }
  move_box(&b, out->dtype, out->data, 0, x->data, 0);
  return true;
}

/* ---- pad ---- */

typedef enum PadMode { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP } PadMode;

static PadMode pad_mode(const Node *n) {
  const char *mode = node_str(n, pad, mode);
  if (!mode || strcmp(mode, "constant") == 0) return PAD_CONSTANT;
  return strcmp(mode, "reflect") == 0 ? PAD_REFLECT : strcmp(mode, "edge") == 0 ? PAD_EDGE : PAD_WRAP;
}

static int64_t modulo(int64_t a, int64_t n) { return a % n + (a % n < 0 ? n : 0); }

/* Which of n elements stands at place i of the padded axis, counted from the first of them; -1: the padding value. */
static int64_t padded_from(PadMode mode, int64_t i, int64_t n) {
  if (i >= 0 && i < n) return i;
  switch (mode) {
  case PAD_CONSTANT: return -1;
  case PAD_EDGE: return i < 0 ? 0 : n - 1;
  case PAD_WRAP: return modulo(i, n);
  case PAD_REFLECT: break;
  }
  if (n == 1) return 0;
  int64_t k = modulo(i, 2 * (n - 1)); /* there and back again, the ends once */
  return k < n ? k : 2 * (n - 1) - k;
}

/* What is kept of each axis, after pads below 0 have cut something off, and what stands before it. */
typedef struct Pads {
  PadMode mode;
  int64_t first[MAX_RANK], kept[MAX_RANK], before[MAX_RANK], stride[MAX_RANK];
  uint64_t value;
} Pads;

static void pads_read(const EvalCall *c, Pads *p) {
  const Tensor *x = c->in[0], *value = operand(c, 2), *axes = operand(c, 3);
  int64_t pads[2 * MAX_RANK], axis[MAX_RANK];
  int n = tensor_numbers(c->in[1], 2 * MAX_RANK, pads) / 2;
  if (axes) tensor_numbers(axes, MAX_RANK, axis);
  *p = (Pads){.mode = pad_mode(c->node), .value = value ? dtype_get_bits(value->dtype, value->data, 0) : 0};
  if (!value && dtype_is_float(x->dtype)) p->value = dtype_encode(x->dtype, 0, true, ROUND_EVEN);
  tensor_strides(x, p->stride);
  for (int i = 0; i < x->rank; i++) p->kept[i] = x->dim[i];
  for (int i = 0; i < n; i++) {
    int a = axes ? axis_of(axis[i], x->rank) : i;
    int64_t begin = pads[i], end = pads[i + n];
    p->first[a] = begin < 0 ? -begin : 0;
    p->kept[a] += (begin < 0 ? begin : 0) + (end < 0 ? end : 0);
    p->before[a] = begin > 0 ? begin : 0;
  }
}

/* One element or one axis of them, from place `si` of the operand on; `si` is -1 in the padding. */
static void pad_axis(const EvalCall *c, const Pads *p, int axis, int64_t di, int64_t si) {
  Tensor *out = c->out[0];
  if (axis == out->rank) {
    if (si < 0)
      dtype_set_bits(out->dtype, out->data, di, p->value);
    else
      move_elements(out->dtype, out->data, di, c->in[0]->data, si, 1);
    return;
  }
  for (int64_t i = 0; i < out->dim[axis]; i++) {
    int64_t from = si < 0 ? -1 : padded_from(p->mode, i - p->before[axis], p->kept[axis]);
    pad_axis(c, p, axis + 1, di * out->dim[axis] + i, from < 0 ? -1 : si + (p->first[axis] + from) * p->stride[axis]);
  }
}

bool eval_pad(EvalCall *c) {
  Pads p;
  if (c->out[0]->count == 0) return true;
  pads_read(c, &p);
  pad_axis(c, &p, 0, 0, 0);
  return true;
}

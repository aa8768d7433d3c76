/* infer_index.c -- result types of the ops that read and write by index: gather, scatter and their kin. */
#include <inttypes.h>

#include "ir/infer.h"
#include "ir/move.h"

static const char *text(Infer *c, Dim d) { return dim_text(c->module->arena, d); }

static bool index_operand(Infer *c, int operand) {
  if (!infer_plain(c, operand)) return false;
  Dtype t = c->in[operand]->dtype;
  return dtype_is_int(t) || infer_error(c, "the indices are of %s, and must be integers", dtype_name(t));
}

static int append(Dim *out, int n, const Dim *from, int count) {
  if (count > 0) memcpy(out + n, from, (size_t)count * sizeof *out);
  return n + count;
}

/* What an encoded table's rows decode to: numbers in the type of their scales, if these are of a type to compute in. */
static Dtype decoded_type(Infer *c) {
  Type table = c->in[0];
  Dtype to = node_dtype(c->node, gather, to);
  if (to != DT_none || !table->encoded) return to != DT_none ? to : table->dtype;
  return dtype_bits(table->enc.scale) >= 16 ? table->enc.scale : DT_f32;
}

bool infer_gather(Infer *c) {
  Type x = c->in[0], indices = c->in[1];
  Dim dim[2 * MAX_RANK];
  int axis;
  if (!type_is_tensor(x)) return infer_plain(c, 0);
  if (!index_operand(c, 1) || !infer_axis(c, node_int(c->node, gather, axis), x->rank, &axis)) return false;
  Dtype t = decoded_type(c);
  if (x->encoded && axis != 0)
    return infer_error(c, "rows of an encoded table are gathered along axis 0, not %d", axis);
  if (x->encoded && x->rank < 2) return infer_error(c, "%s has no rows to gather", type_text(c->module->arena, x));
  if (x->encoded ? !dtype_is_float(t) : t != x->dtype)
    return infer_error(c, "%s cannot be gathered as %s", type_text(c->module->arena, x), dtype_name(t));
  int n = append(dim, 0, x->dim, axis);
  n = append(dim, n, indices->dim, indices->rank);
  n = append(dim, n, x->dim + axis + 1, x->rank - axis - 1);
  return infer_result(c, 0, t, n, dim);
}

/* One index an element: ranks agree, and beside the axis there are no more indices than elements. */
static bool element_indices(Infer *c, int axis) {
  Type x = c->in[0], indices = c->in[1];
  if (indices->rank != x->rank)
    return infer_error(c, "the indices have rank %d, and the operand has %d", indices->rank, x->rank);
  for (int i = 0; i < x->rank; i++) {
    Dim have = x->dim[i], want = indices->dim[i];
    if (i != axis && dim_is_const(have) && dim_is_const(want) && want->constant > have->constant)
      return infer_error(c, "axis %d has %s indices for a size of %s", i, text(c, want), text(c, have));
  }
  return true;
}

bool infer_gather_elements(Infer *c) {
  int axis;
  if (!infer_plain(c, 0) || !index_operand(c, 1)) return false;
  if (!infer_axis(c, node_int(c->node, gather_elements, axis), c->in[0]->rank, &axis)) return false;
  return element_indices(c, axis) && infer_result(c, 0, c->in[0]->dtype, c->in[1]->rank, c->in[1]->dim);
}

/* How many numbers an index tuple has: the size of the last axis of the indices, which addresses as many axes. */
static bool tuple_length(Infer *c, int batch, int *k) {
  Type x = c->in[0], indices = c->in[1];
  if (indices->rank < 1) return infer_error(c, "the indices must have an axis for their tuples");
  Dim last = indices->dim[indices->rank - 1];
  if (!dim_is_const(last))
    return infer_error(c, "the last axis of the indices has the size %s, and must be a known number", text(c, last));
  if (last->constant > x->rank - batch)
    return infer_error(c, "tuples of %s indices into %d axes", text(c, last), x->rank - batch);
  *k = (int)last->constant;
  return true;
}

bool infer_gather_nd(Infer *c) {
  if (!infer_plain(c, 0) || !index_operand(c, 1)) return false;
  Type x = c->in[0], indices = c->in[1];
  int64_t batch = node_int(c->node, gather_nd, batch_dims);
  Dim dim[2 * MAX_RANK];
  int k;
  if (batch < 0 || batch > x->rank || batch >= indices->rank)
    return infer_error(c, "batch_dims is %" PRId64 " for ranks %d and %d", batch, x->rank, indices->rank);
  int b = (int)batch;
  if (!tuple_length(c, b, &k)) return false;
  for (int i = 0; i < b; i++)
    if (!infer_same_dim(c, x->dim[i], indices->dim[i], "sizes of the batch axes")) return false;
  int n = append(dim, 0, indices->dim, indices->rank - 1);
  n = append(dim, n, x->dim + b + k, x->rank - b - k);
  return infer_result(c, 0, x->dtype, n, dim);
}

/* ---- scatter ---- */

static bool reduction_known(Infer *c, const char *reduction) {
  static const char *const names[] = {"none", "add", "mul", "max", "min"};
  if (!reduction) return true;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strcmp(reduction, names[i])) continue;
    if (i == 0 || c->in[0]->dtype != DT_bool) return true;
    return infer_error(c, "bool has no reduction `%s`", reduction);
  }
  return infer_error(c, "there is no reduction `%s` (none, add, mul, max, min)", reduction);
}

static bool updates_fit(Infer *c, int rank, const Dim *dim) {
  Type updates = c->in[2];
  if (updates->dtype != c->in[0]->dtype)
    return infer_error(c, "the updates are of %s, and the operand of %s", dtype_name(updates->dtype),
                       dtype_name(c->in[0]->dtype));
  if (updates->rank != rank) return infer_error(c, "the updates have rank %d, and must have %d", updates->rank, rank);
  for (int i = 0; i < rank; i++)
    if (!infer_same_dim(c, updates->dim[i], dim[i], "sizes of the updates and of what they go to")) return false;
  return true;
}

static bool scatter_operands(Infer *c, const char *reduction) {
  return infer_plain(c, 0) && index_operand(c, 1) && infer_plain(c, 2) && reduction_known(c, reduction);
}

bool infer_scatter_elements(Infer *c) {
  int axis;
  if (!scatter_operands(c, node_str(c->node, scatter_elements, reduction))) return false;
  Type x = c->in[0], indices = c->in[1];
  if (!infer_axis(c, node_int(c->node, scatter_elements, axis), x->rank, &axis) || !element_indices(c, axis))
    return false;
  return updates_fit(c, indices->rank, indices->dim) && infer_result(c, 0, x->dtype, x->rank, x->dim);
}

bool infer_scatter_nd(Infer *c) {
  int k;
  if (!scatter_operands(c, node_str(c->node, scatter_nd, reduction)) || !tuple_length(c, 0, &k)) return false;
  Type x = c->in[0], indices = c->in[1];
  Dim dim[2 * MAX_RANK];
  int n = append(dim, 0, indices->dim, indices->rank - 1);
  n = append(dim, n, x->dim + k, x->rank - k);
  return updates_fit(c, n, dim) && infer_result(c, 0, x->dtype, x->rank, x->dim);
}

bool infer_nonzero(Infer *c) {
  if (!infer_plain(c, 0)) return false;
  DimPool *p = c->module->dims;
  Dim count = dim_unknown(p);
  if (c->value) {
    const Tensor *x = c->value[0];
    int64_t n = 0;
    for (int64_t i = 0; i < x->count; i++) n += tensor_is_nonzero(x, i);
    count = dim_const(p, n);
  }
  return infer_result(c, 0, DT_i64, 2, (Dim[]){dim_const(p, c->in[0]->rank), count});
}

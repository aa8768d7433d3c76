/* infer_product.c -- result types of matmul, convolution and pooling. */
#include "ir/infer.h"
#include "ir/window.h"

/* ---- matmul ---- */

/* Two axes of a matmul's operand; a vector is one row on the left and one column on the right. */
typedef struct MatrixDims {
  int batch_rank;
  Dim rows, cols;
} MatrixDims;

static MatrixDims matrix_dims(Infer *c, Type t, bool transposed, bool left) {
  Dim one = dim_const(c->module->dims, 1), last = t->dim[t->rank - 1];
  if (t->rank == 1) return left ? (MatrixDims){0, one, last} : (MatrixDims){0, last, one};
  Dim other = t->dim[t->rank - 2];
  return transposed ? (MatrixDims){t->rank - 2, last, other} : (MatrixDims){t->rank - 2, other, last};
}

/* The element type of the product: the floats' own; 32 bits for narrower integers; or what `out` says. */
static bool matmul_dtype(Infer *c, Type a, Type b, Dtype *out) {
  Dtype ta = a->dtype, tb = b->encoded ? a->dtype : b->dtype, to = node_dtype(c->node, matmul, out);
  Arena *arena = c->module->arena;
  bool ints = dtype_is_int(ta) && dtype_is_int(tb), floats = dtype_is_float(ta) && dtype_is_float(tb);
  if (a->encoded) return infer_error(c, "the first operand must not be encoded, but is %s", type_text(arena, a));
  if (!ints && !floats) return infer_error(c, "no product of %s and %s", type_text(arena, a), type_text(arena, b));
  if (to != DT_none && to != DT_bool) {
    *out = to;
    return true;
  }
  if (to == DT_bool || (ints && b->encoded))
    return infer_error(c, "`out` must say of which number type the product of %s and %s is", type_text(arena, a),
                       type_text(arena, b));
  bool narrow = ints && dtype_bits(ta) < 32 && dtype_bits(tb) < 32;
  if (!narrow && ta != tb)
    return infer_error(c, "operands are %s and %s: make them equal, or name the result's type in `out`", dtype_name(ta),
                       dtype_name(tb));
  *out = narrow ? DT_i32 : ta;
  return true;
}

/* Batch axes broadcast, counted from the right. */
static bool batch_dims(Infer *c, Type a, int ra, Type b, int rb, int *rank, Dim *dim) {
  *rank = ra > rb ? ra : rb;
  Dim one = dim_const(c->module->dims, 1);
  for (int i = 0; i < *rank; i++) {
    int ia = i - (*rank - ra), ib = i - (*rank - rb);
    if (!infer_broadcast_dim(c, ia < 0 ? one : a->dim[ia], ib < 0 ? one : b->dim[ib], &dim[i])) return false;
  }
  return true;
}

bool infer_matmul(Infer *c) {
  Type a = c->in[0], b = c->in[1];
  Dtype dtype = DT_none;
  int rank = 0;
  Dim dim[MAX_RANK];
  if (a->rank < 1 || b->rank < 1)
    return infer_error(c, "operands must have axes, but are %s and %s", type_text(c->module->arena, a),
                       type_text(c->module->arena, b));
  if (!matmul_dtype(c, a, b, &dtype)) return false;
  MatrixDims ma = matrix_dims(c, a, node_bool(c->node, matmul, transa), true);
  MatrixDims mb = matrix_dims(c, b, node_bool(c->node, matmul, transb), false);
  if (!infer_same_dim(c, ma.cols, mb.rows, "the axis that is summed over")) return false;
  if (!batch_dims(c, a, ma.batch_rank, b, mb.batch_rank, &rank, dim)) return false;
  if (a->rank > 1) dim[rank++] = ma.rows;
  if (b->rank > 1) dim[rank++] = mb.cols;
  return infer_result(c, 0, dtype, rank, dim);
}

/* ---- a matrix in panels ---- */

/* The axes of w: how many go with a matrix, and what k is. */
typedef struct PanelAxes {
  int own;
  Dim panels, tile, depth;
} PanelAxes;

static bool panel_axes(Infer *c, Type x, Type w, PanelAxes *a) {
  DimPool *p = c->module->dims;
  bool pairs = node_bool(c->node, matmul_panels, pairs);
  int last = w->rank - 1 - pairs;
  *a = (PanelAxes){.own = 3 + pairs};
  if (x->rank < 2 || w->rank < a->own || (pairs && !dim_is(w->dim[w->rank - 1], 2)))
    return infer_error(c, "x must be [..,m,k] and w [..,panels,k,tile], or as `pairs` says, but are %s and %s",
                       type_text(c->module->arena, x), type_text(c->module->arena, w));
  a->panels = w->dim[last - 2];
  a->tile = w->dim[last];
  a->depth = pairs ? dim_mul(p, w->dim[last - 1], dim_const(p, 2)) : w->dim[last - 1];
  return true;
}

/* `columns` is a list of one size. */
bool infer_matmul_panels(Infer *c) {
  Type x = c->in[0], w = c->in[1];
  Dtype to = node_dtype(c->node, matmul_panels, out);
  DimPool *p = c->module->dims;
  int rank = 0, n = 0;
  Dim dim[MAX_RANK], columns;
  PanelAxes a;
  if (!infer_float(c, 0, "x") || !infer_float(c, 1, "w") || !panel_axes(c, x, w, &a)) return false;
  if (!infer_same_dim(c, x->dim[x->rank - 1], a.depth, "the axis that is summed over")) return false;
  if (!infer_ints(c, 2, 1, &columns, &n) || n != 1) return infer_error(c, "`columns` must be a list of one size");
  if (!infer_same_dim(c, dim_ceildiv(p, columns, a.tile), a.panels, "the panels of the columns")) return false;
  if (!batch_dims(c, x, x->rank - 2, w, w->rank - a.own, &rank, dim)) return false;
  dim[rank++] = x->dim[x->rank - 2];
  dim[rank++] = columns;
  return infer_result(c, 0, to == DT_none ? x->dtype : to, rank, dim);
}

/* ---- windows ---- */

/* x is [n, c, spatial..] with one or two spatial axes. */
static bool spatial_axes(Infer *c, Type x, int *axes) {
  *axes = x->rank - 2;
  if (*axes >= 1 && *axes <= WINDOW_AXES) return true;
  return infer_error(c, "x must be [n,c,w] or [n,c,h,w], but is %s", type_text(c->module->arena, x));
}

static bool window_counts(Infer *c, const Window *w, Dim *dim) {
  for (int i = 0; i < w->axes; i++)
    if (!window_count(c, w, i, c->in[0]->dim[2 + i], &dim[2 + i])) return false;
  return true;
}

/* Channels: w is [o, c/groups, kernel..], and groups divides o and c. */
static bool conv_channels(Infer *c, Type x, Type w) {
  DimPool *p = c->module->dims;
  int64_t groups = node_int(c->node, conv, groups);
  if (groups < 1) return infer_error(c, "groups must be positive, not %lld", (long long)groups);
  if (dim_is_const(w->dim[0]) && w->dim[0]->constant % groups)
    return infer_error(c, "%lld output channels do not divide into %lld groups", (long long)w->dim[0]->constant,
                       (long long)groups);
  return infer_same_dim(c, x->dim[1], dim_mul(p, w->dim[1], dim_const(p, groups)), "the input channels");
}

bool infer_conv(Infer *c) {
  Type x = c->in[0], w = c->in[1], bias = infer_in(c, 2);
  Window window;
  int axes = 0;
  int64_t kernel[WINDOW_AXES];
  Dim dim[MAX_RANK];
  if (!infer_float(c, 0, "x") || !infer_float(c, 1, "w") || !infer_float(c, 2, "bias")) return false;
  if (!spatial_axes(c, x, &axes)) return false;
  if (w->rank != x->rank)
    return infer_error(c, "x and w must have equally many axes, but are %s and %s", type_text(c->module->arena, x),
                       type_text(c->module->arena, w));
  for (int i = 0; i < axes; i++) {
    if (!dim_is_const(w->dim[2 + i]))
      return infer_error(c, "the kernel's size must be known, but w is %s", type_text(c->module->arena, w));
    kernel[i] = w->dim[2 + i]->constant;
  }
  const char *wrong = window_read(c->node, axes, kernel, &window);
  if (wrong) return infer_error(c, "%s", wrong);
  if (!conv_channels(c, x, w)) return false;
  if (bias && bias->rank != 1) return infer_error(c, "bias must be [o], but is %s", type_text(c->module->arena, bias));
  if (bias && !infer_same_dim(c, bias->dim[0], w->dim[0], "the output channels")) return false;
  dim[0] = x->dim[0];
  dim[1] = w->dim[0];
  if (!window_counts(c, &window, dim)) return false;
  return infer_result(c, 0, x->dtype, x->rank, dim);
}

bool infer_pool(Infer *c) {
  Type x = c->in[0];
  Window window;
  int axes = 0;
  Dim dim[MAX_RANK];
  bool number = !x->encoded && (dtype_is_float(x->dtype) || (c->node->op == OP_pool_max && dtype_is_int(x->dtype)));
  if (!number) return infer_error(c, "cannot pool %s", type_text(c->module->arena, x));
  if (!spatial_axes(c, x, &axes)) return false;
  const char *wrong = window_read(c->node, axes, NULL, &window);
  if (wrong) return infer_error(c, "%s", wrong);
  dim[0] = x->dim[0];
  dim[1] = x->dim[1];
  if (!window_counts(c, &window, dim)) return false;
  return infer_result(c, 0, x->dtype, x->rank, dim) && (c->node->n_out < 2 || infer_result(c, 1, DT_i64, x->rank, dim));
}

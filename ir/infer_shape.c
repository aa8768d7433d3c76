/* infer_shape.c -- result types of the ops that rearrange elements: reshape, transpose, concat, slice, pad and others. */
#include <inttypes.h>

#include "ir/fatal.h"
#include "ir/infer.h"
#include "ir/move.h"

/* ---- shared ---- */

static Dim number(Infer *c, int64_t v) { return dim_const(c->module->dims, v); }
static Dim unknown(Infer *c) { return dim_unknown(c->module->dims); }
static const char *text(Infer *c, Dim d) { return dim_text(c->module->arena, d); }

/* A split may have thousands of parts; the first ones say enough. */
static const char *list_text(Infer *c, int n, const Dim *dim) {
  enum { SHOWN = 16 };
  char *s = "";
  for (int i = 0; i < n && i < SHOWN; i++)
    s = arena_printf(c->module->arena, "%s%s%s", s, i ? "," : "", text(c, dim[i]));
  return arena_printf(c->module->arena, "[%s%s]", s, n > SHOWN ? ",..." : "");
}

/* The contents of a list. Elements may be unknown; where the length is, too, `n` is -1. */
static bool list_operand(Infer *c, int operand, const char *what, int max, Dim *out, int *n) {
  Type t = infer_in(c, operand);
  if (!t) return infer_error(c, "operand %d (%s) is missing", operand, what);
  if (!type_is_tensor(t) || t->encoded || t->rank > 1 || !dtype_is_int(t->dtype))
    return infer_error(c, "operand %d (%s) is %s, and must be a list of integers", operand, what,
                       type_text(c->module->arena, t));
  if (t->rank == 1 && dim_is_const(t->dim[0]) && t->dim[0]->constant > max)
    return infer_error(c, "operand %d (%s) lists %s numbers, and %d are the most", operand, what, text(c, t->dim[0]),
                       max);
  for (int i = 0; i < max; i++) out[i] = unknown(c);
  if (!infer_ints(c, operand, max, out, n)) *n = -1;
  return true;
}

/* The same for a list whose length decides a rank. */
static bool known_length(Infer *c, int operand, const char *what, Dim *out, int *n) {
  if (!list_operand(c, operand, what, MAX_RANK, out, n)) return false;
  return *n >= 0 || infer_error(c, "the length of operand %d (%s) must be known", operand, what);
}

/* A list of axes as a set. Where a value is not known, `unknown` is set and the set holds those that are. */
typedef struct Axes {
  int n;
  bool unknown;
  int axis[MAX_RANK];
  bool has[MAX_RANK];
} Axes;

static bool axes_add(Infer *c, Axes *axes, Dim d, int rank) {
  if (!dim_is_const(d)) {
    axes->unknown = true;
    axes->axis[axes->n++] = -1;
    return true;
  }
  int axis;
  if (!infer_axis(c, d->constant, rank, &axis)) return false;
  if (axes->has[axis]) return infer_error(c, "axis %" PRId64 " is named twice", d->constant);
  axes->has[axis] = true;
  axes->axis[axes->n++] = axis;
  return true;
}

static bool known_axes(Infer *c, int operand, int rank, Axes *axes) {
  Dim list[MAX_RANK];
  int n;
  *axes = (Axes){0};
  if (!known_length(c, operand, "axes", list, &n)) return false;
  if (n > rank) return infer_error(c, "%d axes are named for a rank of %d", n, rank);
  for (int i = 0; i < n; i++)
    if (!axes_add(c, axes, list[i], rank)) return false;
  return true;
}

/* The axes that an optional operand names; all of them, or the first `n`, where it is left out. */
static bool axes_or_first(Infer *c, int operand, int rank, int n, Axes *axes) {
  if (infer_in(c, operand)) return known_axes(c, operand, rank, axes);
  *axes = (Axes){0};
  if (n > rank) return infer_error(c, "%d axes are meant, but the operand has rank %d", n, rank);
  for (int i = 0; i < n; i++) axes->axis[axes->n++] = i, axes->has[i] = true;
  return true;
}

/* Of two sizes that are the same, the one that says more. */
static Dim better(Dim a, Dim b) { return dim_is_unknown(a) || (dim_is_const(b) && !dim_is_const(a)) ? b : a; }

/* ---- sizes ---- */

bool infer_shape_of(Infer *c) {
  if (!infer_in(c, 0) || !type_is_tensor(c->in[0])) return infer_error(c, "operand 0 must be a tensor");
  return infer_result(c, 0, DT_i64, 1, (Dim[]){number(c, c->in[0]->rank)});
}

/* What a shape operand asks for, with copied sizes filled in. `hole` is the place of the -1, or of the only size that is
 * not known: the number of elements then decides it. -1 where there is none. */
typedef struct Wanted {
  int n, hole;
  Dim dim[MAX_RANK];
} Wanted;

static bool wanted_size(Infer *c, Wanted *w, int i, bool zero_copies) {
  Type x = c->in[0];
  Dim d = w->dim[i];
  if (dim_is(d, 0) && zero_copies) {
    if (i >= x->rank)
      return infer_error(c, "size 0 at place %d copies an axis of %s, which has none there", i,
                         list_text(c, x->rank, x->dim));
    w->dim[i] = x->dim[i];
  }
  if (!dim_is_const(d) || d->constant >= -1) return true;
  return infer_error(c, "the shape %s has the negative size %s", list_text(c, w->n, w->dim), text(c, d));
}

static bool find_hole(Infer *c, Wanted *w) {
  int asked = 0, open = 0, last_open = -1;
  w->hole = -1;
  for (int i = 0; i < w->n; i++) {
    if (dim_is(w->dim[i], -1)) asked++, w->hole = i;
    if (dim_is_unknown(w->dim[i])) open++, last_open = i;
  }
  if (asked > 1) return infer_error(c, "the shape %s has more than one -1", list_text(c, w->n, w->dim));
  if (!asked && open == 1) w->hole = last_open;
  return true;
}

static bool mismatch(Infer *c, const Wanted *w) {
  return infer_error(c, "cannot reshape %s to %s", list_text(c, c->in[0]->rank, c->in[0]->dim),
                     list_text(c, w->n, w->dim));
}

/* The hole is what the other sizes leave of the elements. */
static bool fill_hole(Infer *c, Wanted *w, Dim have, Dim rest) {
  Dim *hole = &w->dim[w->hole];
  bool asked = dim_is(*hole, -1);
  if (dim_is(rest, 0)) {
    if (asked)
      return infer_error(c, "cannot tell what -1 is in the shape %s, which holds no elements",
                         list_text(c, w->n, w->dim));
    return !dim_is_const(have) || dim_is(have, 0) || mismatch(c, w);
  }
  if (dim_is_const(have) && dim_is_const(rest) && have->constant % rest->constant) return mismatch(c, w);
  *hole = dim_floordiv(c->module->dims, have, rest);
  infer_assume(c, dim_mul(c->module->dims, *hole, rest), have, false);
  return true;
}

bool infer_reshape(Infer *c) {
  Wanted w = {0};
  if (!infer_plain(c, 0) || !known_length(c, 1, "shape", w.dim, &w.n)) return false;
  bool zero_copies = node_bool(c->node, reshape, zero_copies);
  for (int i = 0; i < w.n; i++)
    if (!wanted_size(c, &w, i, zero_copies)) return false;
  if (!find_hole(c, &w)) return false;
  Dim have = type_elements(c->module->dims, c->in[0]), rest = number(c, 1);
  for (int i = 0; i < w.n; i++)
    if (i != w.hole) rest = dim_mul(c->module->dims, rest, w.dim[i]);
  if (c->value && dim_is_unknown(rest)) return mismatch(c, &w); /* past 64 bits */
  if (w.hole >= 0) {
    if (!fill_hole(c, &w, have, rest)) return false;
  } else if (dim_is_const(have) && dim_is_const(rest) && have != rest) {
    return mismatch(c, &w);
  } else {
    infer_assume(c, rest, have, false);
  }
  return infer_result(c, 0, c->in[0]->dtype, w.n, w.dim);
}

/* ---- axes of size 1 ---- */

bool infer_squeeze(Infer *c) {
  if (!infer_plain(c, 0)) return false;
  Type x = c->in[0];
  Axes axes = {0};
  if (infer_in(c, 1) && !known_axes(c, 1, x->rank, &axes)) return false;
  Dim dim[MAX_RANK];
  if (axes.unknown) {
    for (int i = 0; i < x->rank; i++) dim[i] = unknown(c);
    return infer_result(c, 0, x->dtype, x->rank - axes.n, dim);
  }
  int n = 0;
  for (int i = 0; i < x->rank; i++) {
    bool one = dim_is(x->dim[i], 1), drop = infer_in(c, 1) ? axes.has[i] : one;
    if (!infer_in(c, 1) && !dim_is_const(x->dim[i]))
      return infer_error(c, "whether axis %d is dropped depends on its size %s; name the axes", i, text(c, x->dim[i]));
    if (drop && dim_is_const(x->dim[i]) && !one)
      return infer_error(c, "axis %d cannot be dropped: its size is %s", i, text(c, x->dim[i]));
    if (drop) infer_assume(c, x->dim[i], number(c, 1), false);
    else dim[n++] = x->dim[i];
  }
  return infer_result(c, 0, x->dtype, n, dim);
}

bool infer_unsqueeze(Infer *c) {
  if (!infer_plain(c, 0)) return false;
  Type x = c->in[0];
  Dim list[MAX_RANK], dim[MAX_RANK];
  Axes axes = {0};
  int n;
  if (!known_length(c, 1, "axes", list, &n)) return false;
  int rank = x->rank + n;
  if (rank > MAX_RANK) return infer_error(c, "the result has rank %d, and at most %d is supported", rank, MAX_RANK);
  for (int i = 0; i < n; i++)
    if (!axes_add(c, &axes, list[i], rank)) return false;
  for (int i = 0, from = 0; i < rank; i++)
    dim[i] = axes.unknown ? unknown(c) : axes.has[i] ? number(c, 1) : x->dim[from++];
  return infer_result(c, 0, x->dtype, rank, dim);
}

/* ---- transpose, expand, concat, split ---- */

bool infer_transpose(Infer *c) {
  if (!infer_plain(c, 0)) return false;
  Type x = c->in[0];
  int n = node_ints(c->node, transpose, perm).n;
  const int64_t *perm = node_ints(c->node, transpose, perm).at;
  bool seen[MAX_RANK] = {false};
  Dim dim[MAX_RANK];
  if (n && n != x->rank) return infer_error(c, "perm names %d axes of an operand of rank %d", n, x->rank);
  for (int i = 0; i < x->rank; i++) {
    int64_t p = n ? perm[i] : x->rank - 1 - i;
    if (p < 0 || p >= x->rank)
      return infer_error(c, "perm names axis %" PRId64 " of an operand of rank %d", p, x->rank);
    if (seen[p]) return infer_error(c, "perm names axis %" PRId64 " twice", p);
    seen[p] = true;
    dim[i] = x->dim[p];
  }
  return infer_result(c, 0, x->dtype, x->rank, dim);
}

bool infer_expand(Infer *c) {
  Dim want[MAX_RANK], dim[MAX_RANK];
  int n;
  if (!infer_plain(c, 0) || !known_length(c, 1, "shape", want, &n)) return false;
  Type x = c->in[0];
  int rank = x->rank > n ? x->rank : n;
  for (int i = 0; i < rank; i++) {
    int from = i - (rank - x->rank), to = i - (rank - n);
    Dim a = from >= 0 ? x->dim[from] : number(c, 1), b = to >= 0 ? want[to] : number(c, 1);
    if (dim_is_const(b) && b->constant < 0)
      return infer_error(c, "the shape %s has the negative size %s", list_text(c, n, want), text(c, b));
    if (!infer_broadcast_dim(c, a, b, &dim[i])) return false;
  }
  return infer_result(c, 0, x->dtype, rank, dim);
}

static bool concat_operand(Infer *c, int operand, int axis, Dim *dim) {
  if (!infer_plain(c, operand)) return false;
  Type first = c->in[0], x = c->in[operand];
  if (x->dtype != first->dtype)
    return infer_error(c, "operand %d is of %s, and operand 0 of %s", operand, dtype_name(x->dtype),
                       dtype_name(first->dtype));
  if (x->rank != first->rank)
    return infer_error(c, "operand %d has rank %d, and operand 0 has %d", operand, x->rank, first->rank);
  for (int i = 0; i < x->rank; i++) {
    if (i == axis)
      dim[i] = dim_add(c->module->dims, dim[i], x->dim[i]);
    else if (!infer_same_dim(c, dim[i], x->dim[i], "the sizes beside the axis that is joined"))
      return false;
    else
      dim[i] = better(dim[i], x->dim[i]);
  }
  return true;
}

bool infer_concat(Infer *c) {
  int axis;
  Dim dim[MAX_RANK];
  if (!infer_plain(c, 0) || !infer_axis(c, node_int(c->node, concat, axis), c->in[0]->rank, &axis)) return false;
  memcpy(dim, c->in[0]->dim, sizeof dim);
  for (int i = 1; i < c->node->n_in; i++)
    if (!concat_operand(c, i, axis, dim)) return false;
  return infer_result(c, 0, c->in[0]->dtype, c->in[0]->rank, dim);
}

/* n parts of ceil(d/n); the last ones get what is left, maybe nothing. */
static void equal_parts(Infer *c, Dim d, int n, Dim *size) {
  DimPool *p = c->module->dims;
  Dim part = dim_ceildiv(p, d, number(c, n));
  bool even = dim_mul(p, part, number(c, n)) == d;
  for (int i = 0; i < n; i++) {
    Dim left = dim_max(p, dim_sub(p, d, dim_mul(p, part, number(c, i))), number(c, 0));
    size[i] = even || i == 0 ? part : dim_min(p, part, left);
  }
}

/* The sizes must add up to d; a single one that is not known is what the others leave. */
static bool check_parts(Infer *c, Dim d, int n, Dim *size) {
  DimPool *p = c->module->dims;
  Dim sum = number(c, 0);
  int open = 0, last = -1;
  for (int i = 0; i < n; i++) {
    if (dim_is_unknown(size[i]))
      open++, last = i;
    else
      sum = dim_add(p, sum, size[i]);
  }
  if (open == 1) size[last] = dim_sub(p, d, sum);
  if (open == 0) infer_assume(c, sum, d, false);
  if (open == 0 && dim_is_const(d) && (c->value || dim_is_const(sum)) && d != sum)
    return infer_error(c, "the parts %s add up to %s, but the axis has %s", list_text(c, n, size), text(c, sum),
                       text(c, d));
  return true;
}

bool infer_split(Infer *c) {
  int axis, n = c->node->n_out, listed;
  if (!infer_plain(c, 0) || !infer_axis(c, node_int(c->node, split, axis), c->in[0]->rank, &axis)) return false;
  Type x = c->in[0];
  Dim *size = ARENA_ARRAY(c->module->arena, Dim, n), dim[MAX_RANK];
  if (!infer_in(c, 1)) {
    equal_parts(c, x->dim[axis], n, size);
  } else {
    if (!list_operand(c, 1, "sizes", n, size, &listed)) return false;
    if (listed >= 0 && listed != n) return infer_error(c, "%d sizes are given for %d results", listed, n);
  }
  if (!check_parts(c, x->dim[axis], n, size)) return false;
  memcpy(dim, x->dim, sizeof dim);
  for (int i = 0; i < n; i++) {
    dim[axis] = size[i];
    if (!infer_result(c, i, x->dtype, x->rank, dim)) return false;
  }
  return true;
}

/* ---- slice ---- */

/* Exporters write "to the end" as a number this large, and "from the start" as one this small. */
static bool past_any_end(Dim d) { return dim_is_const(d) && d->constant >= INT32_MAX; }
static bool before_any_start(Dim d) { return dim_is_const(d) && d->constant <= -INT32_MAX; }

/* A start or an end of a forward slice: so far from the front, or (`back`, and then at most 0) from the end. */
typedef struct Bound {
  bool known, back;
  Dim at;
} Bound;

/* A size with a minus before it counts from the end: x[-seq:] is written for a seq of 1 or more. */
static Bound slice_bound(Infer *c, Dim at) {
  DimPool *p = c->module->dims;
  if (past_any_end(at)) return (Bound){true, true, number(c, 0)};
  if (before_any_start(at)) return (Bound){true, false, number(c, 0)};
  if (dim_at_least(at, 0)) return (Bound){true, false, at};
  return (Bound){dim_at_least(dim_sub(p, number(c, 0), at), 0), true, at};
}

/* Each form holds for all values; min(n, ..) where the bounds are in order, since n is what is nearly always meant. */
static Dim slice_forward(Infer *c, Dim d, Bound s, Bound e) {
  DimPool *p = c->module->dims;
  Dim zero = number(c, 0), n = dim_sub(p, e.at, s.at);
  if (!s.known || !e.known) return unknown(c);
  if (!s.back && e.back) return dim_max(p, dim_add(p, d, n), zero);
  Dim room = dim_max(p, s.back ? dim_add(p, d, e.at) : dim_sub(p, d, s.at), zero);
  if (s.back == e.back && dim_at_least(n, 0)) return dim_min(p, n, room);
  Dim first = s.back ? dim_max(p, dim_add(p, d, s.at), zero) : s.at;
  Dim end = e.back ? room : dim_min(p, e.at, d);
  return dim_max(p, dim_sub(p, end, first), zero);
}

static Dim slice_size(Infer *c, Dim d, Dim start, Dim end, Dim step) {
  DimPool *p = c->module->dims;
  if (!dim_is_const(step)) return unknown(c);
  if (dim_is_const(d) && dim_is_const(start) && dim_is_const(end)) {
    int64_t first, count;
    slice_resolve(d->constant, start->constant, end->constant, step->constant, &first, &count);
    return number(c, count);
  }
  if (step->constant > 0)
    return dim_ceildiv(p, slice_forward(c, d, slice_bound(c, start), slice_bound(c, end)), step);
  bool all = (dim_is(start, -1) || past_any_end(start)) && before_any_start(end);
  return all ? dim_ceildiv(p, d, dim_sub(p, number(c, 0), step)) : unknown(c);
}

/* The four lists of a slice. What is not known of them is DIM_UNKNOWN. */
typedef struct Cuts {
  int n;
  Dim start[MAX_RANK], end[MAX_RANK], step[MAX_RANK];
  Axes axes;
} Cuts;

/* One list, which must be as long as those before it (n < 0: there was none). */
static bool cut_list(Infer *c, int operand, const char *what, Dim *out, int *n) {
  int length;
  if (!list_operand(c, operand, what, MAX_RANK, out, &length)) return false;
  if (length < 0) return true;
  if (*n >= 0 && length != *n)
    return infer_error(c, "operand %d (%s) has %d numbers, where the others have %d", operand, what, length, *n);
  *n = length;
  return true;
}

static bool cuts_read(Infer *c, Cuts *cuts) {
  Dim axes[MAX_RANK];
  cuts->n = -1;
  if (!cut_list(c, 1, "starts", cuts->start, &cuts->n) || !cut_list(c, 2, "ends", cuts->end, &cuts->n)) return false;
  if (infer_in(c, 3) && !cut_list(c, 3, "axes", axes, &cuts->n)) return false;
  if (infer_in(c, 4)) {
    if (!cut_list(c, 4, "steps", cuts->step, &cuts->n)) return false;
  } else {
    for (int i = 0; i < MAX_RANK; i++) cuts->step[i] = number(c, 1);
  }
  if (cuts->n > c->in[0]->rank)
    return infer_error(c, "%d axes are cut of an operand of rank %d", cuts->n, c->in[0]->rank);
  if (cuts->n < 0) {
    cuts->axes.unknown = true;
    return true;
  }
  return axes_or_first(c, 3, c->in[0]->rank, cuts->n, &cuts->axes);
}

bool infer_slice(Infer *c) {
  Cuts cuts = {0};
  if (!infer_plain(c, 0) || !cuts_read(c, &cuts)) return false;
  Type x = c->in[0];
  Dim dim[MAX_RANK];
  for (int i = 0; i < x->rank; i++) dim[i] = cuts.axes.unknown ? unknown(c) : x->dim[i];
  for (int i = 0; i < cuts.n; i++) {
    int axis = cuts.axes.axis[i];
    if (dim_is(cuts.step[i], 0)) return infer_error(c, "the step of axis %d is 0", axis);
    if (!cuts.axes.unknown) dim[axis] = slice_size(c, x->dim[axis], cuts.start[i], cuts.end[i], cuts.step[i]);
  }
  return infer_result(c, 0, x->dtype, x->rank, dim);
}

/* ---- pad, tile, range ---- */

static bool pad_value(Infer *c) {
  if (!infer_in(c, 2)) return true;
  if (!infer_plain(c, 2)) return false;
  Dim n = type_elements(c->module->dims, c->in[2]);
  if (dim_is_const(n) && !dim_is(n, 1)) return infer_error(c, "the padding value has %s elements, not one", text(c, n));
  if (c->in[2]->dtype == c->in[0]->dtype) return true;
  return infer_error(c, "the padding value is of %s, and the operand of %s", dtype_name(c->in[2]->dtype),
                     dtype_name(c->in[0]->dtype));
}

static bool pad_mode(Infer *c) {
  static const char *const modes[] = {"constant", "reflect", "edge", "wrap"};
  const char *mode = node_str(c->node, pad, mode);
  for (size_t i = 0; mode && i < sizeof modes / sizeof *modes; i++)
    if (strcmp(mode, modes[i]) == 0) return true;
  return !mode || infer_error(c, "there is no mode `%s` (constant, reflect, edge, wrap)", mode);
}

/* What is cut off comes off the operand before the other side is filled, so there must be something left of it. */
static bool pad_axis(Infer *c, int axis, Dim begin, Dim end, Dim *d) {
  DimPool *p = c->module->dims;
  const char *mode = node_str(c->node, pad, mode);
  Dim zero = number(c, 0), kept = dim_add(p, *d, dim_add(p, dim_min(p, begin, zero), dim_min(p, end, zero)));
  if (dim_is_const(kept) && kept->constant < 0)
    return infer_error(c, "pads %s and %s take more than axis %d has, which is %s", text(c, begin), text(c, end), axis,
                       text(c, *d));
  *d = dim_add(p, *d, dim_add(p, begin, end));
  if (mode && strcmp(mode, "constant") != 0 && dim_is(kept, 0) && dim_is_const(*d) && d[0]->constant > 0)
    return infer_error(c, "axis %d has nothing to %s", axis, mode);
  return true;
}

bool infer_pad(Infer *c) {
  if (!infer_plain(c, 0) || !pad_value(c) || !pad_mode(c)) return false;
  Type x = c->in[0];
  Dim pads[2 * MAX_RANK], dim[MAX_RANK];
  Axes axes;
  int n;
  if (!axes_or_first(c, 3, x->rank, x->rank, &axes)) return false;
  if (!list_operand(c, 1, "pads", 2 * MAX_RANK, pads, &n)) return false;
  bool known = n >= 0;
  if (known && n != 2 * axes.n) return infer_error(c, "%d pads are given for %d axes: it takes two each", n, axes.n);
  for (int i = 0; i < x->rank; i++) dim[i] = axes.unknown || (!known && axes.has[i]) ? unknown(c) : x->dim[i];
  for (int i = 0; i < axes.n && known && !axes.unknown; i++)
    if (!pad_axis(c, axes.axis[i], pads[i], pads[i + axes.n], &dim[axes.axis[i]])) return false;
  return infer_result(c, 0, x->dtype, x->rank, dim);
}

bool infer_tile(Infer *c) {
  Dim times[MAX_RANK], dim[MAX_RANK];
  int n;
  if (!infer_plain(c, 0) || !list_operand(c, 1, "repeats", MAX_RANK, times, &n)) return false;
  Type x = c->in[0];
  bool known = n >= 0;
  if (known && n != x->rank) return infer_error(c, "%d repeats are given for an operand of rank %d", n, x->rank);
  for (int i = 0; i < x->rank; i++) {
    if (known && dim_is_const(times[i]) && times[i]->constant < 0)
      return infer_error(c, "axis %d is repeated %s times", i, text(c, times[i]));
    dim[i] = known ? dim_mul(c->module->dims, x->dim[i], times[i]) : unknown(c);
  }
  return infer_result(c, 0, x->dtype, x->rank, dim);
}

/* A range of floats; its length is known only when it is evaluated. */
static bool float_range(Infer *c, Dim *length) {
  *length = unknown(c);
  if (!c->value) return true;
  double start = tensor_f(c->value[0], 0), limit = tensor_f(c->value[1], 0), delta = tensor_f(c->value[2], 0);
  double n = (limit - start) / delta;
  if (delta == 0) return infer_error(c, "delta is 0");
  if (!(n < 0x1p62)) return infer_error(c, "a range from %g to %g by %g has no end", start, limit, delta);
  *length = number(c, n > 0 ? (int64_t)ceil(n) : 0);
  return true;
}

static bool int_range(Infer *c, Dim *length) {
  DimPool *p = c->module->dims;
  Dim start, limit, delta;
  int n;
  *length = unknown(c);
  if (!infer_ints(c, 0, 1, &start, &n) || !infer_ints(c, 1, 1, &limit, &n) || !infer_ints(c, 2, 1, &delta, &n))
    return true;
  if (dim_is(delta, 0)) return infer_error(c, "delta is 0");
  if (!dim_is_const(delta)) return true;
  bool up = delta->constant > 0;
  Dim span = up ? dim_sub(p, limit, start) : dim_sub(p, start, limit);
  *length = dim_ceildiv(p, dim_max(p, span, number(c, 0)), up ? delta : dim_sub(p, number(c, 0), delta));
  if (!dim_is_unknown(*length) || !c->value) return true;
  return infer_error(c, "a range from %s to %s by %s is too long", text(c, start), text(c, limit), text(c, delta));
}

bool infer_range(Infer *c) {
  static const char *const names[] = {"start", "limit", "delta"};
  Dim length;
  for (int i = 0; i < 3; i++) {
    if (!infer_plain(c, i)) return false;
    Dim n = type_elements(c->module->dims, c->in[i]);
    if (c->in[i]->rank > 1 || (dim_is_const(n) && !dim_is(n, 1)))
      return infer_error(c, "%s is %s, not one number", names[i], type_text(c->module->arena, c->in[i]));
    if (c->in[i]->dtype != c->in[0]->dtype)
      return infer_error(c, "%s is of %s, and start of %s", names[i], dtype_name(c->in[i]->dtype),
                         dtype_name(c->in[0]->dtype));
  }
  Dtype t = c->in[0]->dtype;
  if (!dtype_is_float(t) && !dtype_is_int(t)) return infer_error(c, "there is no range of %s", dtype_name(t));
  if (!(dtype_is_float(t) ? float_range(c, &length) : int_range(c, &length))) return false;
  return infer_result(c, 0, t, 1, &length);
}

/* window.c -- reads and counts the sliding windows of convolution and pooling. */
#include "ir/window.h"

#include "ir/fatal.h"

/* Beyond this no size makes sense, and below it no sum or product of two overflows. */
static const int64_t window_limit = INT32_MAX;

typedef struct WindowAttrs {
  const Attr *kernel, *strides, *dilations, *pads;
  bool ceil;
} WindowAttrs;

static WindowAttrs window_attrs(const Node *n) {
  switch (n->op) {
  case OP_conv:
    return (WindowAttrs){NULL, node_attr(n, attr_slot(conv, strides)), node_attr(n, attr_slot(conv, dilations)),
                         node_attr(n, attr_slot(conv, pads)), false};
  case OP_pool_max:
    return (WindowAttrs){node_attr(n, attr_slot(pool_max, kernel)), node_attr(n, attr_slot(pool_max, strides)),
                         node_attr(n, attr_slot(pool_max, dilations)), node_attr(n, attr_slot(pool_max, pads)),
                         node_bool(n, pool_max, ceil)};
  default:
    ensure(n->op == OP_pool_avg);
    return (WindowAttrs){node_attr(n, attr_slot(pool_avg, kernel)), node_attr(n, attr_slot(pool_avg, strides)),
                         node_attr(n, attr_slot(pool_avg, dilations)), node_attr(n, attr_slot(pool_avg, pads)),
                         node_bool(n, pool_avg, ceil)};
  }
}

/* An empty list means `dflt` everywhere. */
static bool read_list(const Attr *a, int n, int64_t least, int64_t dflt, int64_t *out) {
  if (a->ints.n != 0 && a->ints.n != n) return false;
  for (int i = 0; i < n; i++) {
    out[i] = a->ints.n ? a->ints.at[i] : dflt;
    if (out[i] < least || out[i] > window_limit) return false;
  }
  return true;
}

const char *window_read(const Node *n, int axes, const int64_t *kernel, Window *w) {
  if (axes < 1 || axes > WINDOW_AXES) return "a window slides along one or two axes";
  WindowAttrs a = window_attrs(n);
  int64_t pads[2 * WINDOW_AXES];
  *w = (Window){.axes = axes, .ceil = a.ceil};
  if (!read_list(a.strides, axes, 1, 1, w->stride)) return "strides must be one positive number a spatial axis";
  if (!read_list(a.dilations, axes, 1, 1, w->dilation)) return "dilations must be one positive number a spatial axis";
  if (!read_list(a.pads, 2 * axes, 0, 0, pads)) return "pads must be two numbers a spatial axis, none negative";
  if (a.kernel) {
    if (a.kernel->ints.n == 0 || !read_list(a.kernel, axes, 1, 1, w->kernel))
      return "kernel must be one positive number a spatial axis";
  }
  for (int i = 0; i < axes; i++) {
    w->before[i] = pads[i];
    w->after[i] = pads[axes + i];
    if (!a.kernel) w->kernel[i] = kernel[i];
    if (w->kernel[i] < 1 || w->kernel[i] > window_limit) return "the kernel is empty or too large";
  }
  return NULL;
}

Window window_as_2d(Window w) {
  if (w.axes == 2) return w;
  return (Window){2, {1, w.kernel[0]}, {1, w.stride[0]}, {1, w.dilation[0]}, {0, w.before[0]}, {0, w.after[0]}, w.ceil};
}

/* With `ceil`, a last window that would start in the padding behind the data is not counted. */
static Dim count_ceil(DimPool *p, const Window *w, int axis, Dim size, Dim slack) {
  Dim stride = dim_const(p, w->stride[axis]), one = dim_const(p, 1);
  Dim n = dim_add(p, dim_ceildiv(p, slack, stride), one);
  Dim most = dim_ceildiv(p, dim_add(p, size, dim_const(p, w->before[axis])), stride);
  return dim_min(p, n, most);
}

bool window_count(Infer *c, const Window *w, int axis, Dim size, Dim *out) {
  DimPool *p = c->module->dims;
  Dim slack = dim_add(p, size, dim_const(p, w->before[axis] + w->after[axis] - window_span(w, axis)));
  if (dim_is_const(slack) && slack->constant < 0)
    return infer_error(c, "a window of %lld does not fit into an axis of %lld with padding %lld and %lld",
                       (long long)window_span(w, axis), (long long)size->constant, (long long)w->before[axis],
                       (long long)w->after[axis]);
  if (w->ceil)
    *out = count_ceil(p, w, axis, size, slack);
  else
    *out = dim_add(p, dim_floordiv(p, slack, dim_const(p, w->stride[axis])), dim_const(p, 1));
  if (dim_is_unknown(*out) && dim_is_const(size))
    return infer_error(c, "an axis of %lld is too large for a window", (long long)size->constant);
  return true;
}

/* window.h -- the sliding window of convolution and pooling: read from a node once, for inference, evaluation and cost. */
#ifndef LATHE_WINDOW_H
#define LATHE_WINDOW_H

#include "ir/infer.h"

enum { WINDOW_AXES = 2 };

typedef struct Window {
  int axes; /* spatial axes: 1 or 2 */
  int64_t kernel[WINDOW_AXES], stride[WINDOW_AXES], dilation[WINDOW_AXES];
  int64_t before[WINDOW_AXES], after[WINDOW_AXES]; /* padding */
  bool ceil;
} Window;

/* `kernel` is given where it is an operand's shape (conv), else NULL. Returns NULL, or what is wrong in words. */
const char *window_read(const Node *n, int axes, const int64_t *kernel, Window *w);

/* How many elements one window spans, dilation included. */
static inline int64_t window_span(const Window *w, int axis) { return w->dilation[axis] * (w->kernel[axis] - 1) + 1; }

/* The window with a first axis of size 1 put in front where there is only one axis, so that evaluation knows two. */
Window window_as_2d(Window w);

/* How many windows there are along an axis of this size; an error where none fits. */
bool window_count(Infer *c, const Window *w, int axis, Dim size, Dim *out);

#endif

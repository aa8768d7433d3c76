/* move.h -- copying elements of any type between packed arrays: what the data movement ops are made of. */
#ifndef LATHE_MOVE_H
#define LATHE_MOVE_H

#include "ir/eval.h"

/* n elements from place `si` on to place `di` on, by their bits. */
void move_elements(Dtype t, void *dst, int64_t di, const void *src, int64_t si, int64_t n);

/* A box of elements, and how far apart (in elements) neighbours along each axis are on either side; 0 repeats. */
typedef struct Box {
  int rank;
  int64_t dim[2 * MAX_RANK], to[2 * MAX_RANK], from[2 * MAX_RANK];
} Box;

void box_push(Box *b, int64_t dim, int64_t to, int64_t from); /* the next inner axis */
void move_box(const Box *b, Dtype t, void *dst, int64_t di, const void *src, int64_t si);

/* Row-major distances; all 0 for a tensor without elements, whose sizes may have no product. */
void tensor_strides(const Tensor *t, int64_t *stride);
/* The product of the sizes of axes [from, to); the tensor must have elements. */
int64_t tensor_span(const Tensor *t, int from, int to);

/* Is it anything but 0 (or false, or -0)? NaN is. */
static inline bool tensor_is_nonzero(const Tensor *t, int64_t i) {
  return dtype_is_float(t->dtype) ? tensor_f(t, i) != 0 : tensor_i(t, i) != 0;
}
/* The numbers of an integer operand whose length inference has checked. */
int tensor_numbers(const Tensor *t, int max, int64_t *out);

/* ONNX's Slice along one axis of size d: which element is first, and how many there are. The step is not 0. */
void slice_resolve(int64_t d, int64_t start, int64_t end, int64_t step, int64_t *first, int64_t *count);

#endif

/* view.h -- constants that hold another one's elements in another order, read part by part.
 *
 * What `pack` makes of a weight is an expression over it: filled up, cut, turned. Such expressions move elements about
 * and compute nothing, so that any part of the result is read straight from the source, and all of it is never made. */
#ifndef LATHE_VIEW_H
#define LATHE_VIEW_H

#include "ir/ir.h"

/* The index of the result's elements is split in digits: in each of them, a step moves one axis of the source by `by`. */
typedef struct ViewDigit {
  int64_t dim, by;
  int axis;
} ViewDigit;

/* An axis of the source: an index outside [0, size) is that of a filled element. */
typedef struct ViewAxis {
  int64_t first, size, stride; /* index = first + the sum of digits * by */
} ViewAxis;

enum { VIEW_DIGITS = 4 * MAX_RANK };

typedef struct View {
  Constant *source;
  Dtype dtype;
  uint64_t fill; /* bits of what lies outside */
  int64_t count;
  bool padded;   /* are there such? */
  int n_digits, n_axes;
  ViewDigit digit[VIEW_DIGITS]; /* the last one changes first */
  ViewAxis axis[MAX_RANK + 1];  /* the last one has all digits that need no looking after; it is in elements */
} View;

/* What a constant is a view of: itself, where it is not one of another. False: an element has no bytes of its own. */
bool view_of(Module *m, Constant *c, View *v);

/* As many elements as fill whole digits, and `most` at most: parts of this size are read the fastest. */
int64_t view_part(const View *v, int64_t most);

/* Where the elements from `from` on are, if all follow each other in the source; else NULL. */
const void *view_in_place(const View *v, const void *source, int64_t from);

/* The elements [from, from + n); `source` are those of v->source. */
void view_read(const View *v, const void *source, int64_t from, int64_t n, void *to);

#endif

/* steps.h -- integers that stand for places: numbers that grow by one along an axis. */
#ifndef LATHE_STEPS_H
#define LATHE_STEPS_H

#include "ir/ir.h"

/* Numbers that grow by one along an axis, counted from the end, from `from` on, and are the same along all others; along none
 * where that is 0. */
typedef struct Steps {
  int axis;
  Dim from;
} Steps;

/* False where v is none, or it cannot be seen. */
bool steps_of(Module *m, const Value *v, Steps *s);

/* Where a slice begins on an axis, counted from the end: 0 where it does not cut that one; false where that is not known, or elements are
 * left out in between. */
bool slice_start(Module *m, const Node *n, int from_end, Dim *start);

/* The axis of `to`, a reshape of `from`, on which the same elements lie one behind another as on this one; -1 where there is none. */
int axis_after_reshape(DimPool *p, Type from, int axis, Type to);

#endif

/* recover_mask.h -- which keys a mask lets queries see, where it is made by comparing their places. */
#ifndef LATHE_RECOVER_MASK_H
#define LATHE_RECOVER_MASK_H

#include "ir/ir.h"

/* Key j is seen by query i where i + last >= j > i + before; NULL: no such bound. */
typedef struct Band {
  Dim last, before;
  bool one_query; /* there is no more than one, so a number that all keys are compared with is its place */
} Band;

/* Narrows the band to where v is true (or false, if `negated`); false, and the band is as it was, where v says more than a
 * band can. The last two axes of v are queries and keys. */
bool band_of(Module *m, const Value *v, bool negated, Band *band);
/* The same of floats that are added to scores: 0 where the key is seen, and -inf, or at most `hidden`, where it is not. */
bool band_of_bias(Module *m, const Value *v, double hidden, Band *band);

#endif

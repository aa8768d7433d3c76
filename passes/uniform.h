/* uniform.h -- rules for values that hold one number everywhere: a number that has been broadcast. */
#ifndef LATHE_UNIFORM_H
#define LATHE_UNIFORM_H

#include "passes/rewrite.h"

/* Moved, taken from or reduced, it is the same number over other sizes. */
Value *uniform_moved(Builder *b, Node *n);
/* Sums of integers: as many times the number as there are. */
Value *uniform_cumsum(Builder *b, Node *n);
Value *uniform_sum(Builder *b, Node *n);

#endif

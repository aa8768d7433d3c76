/* tolerance.h -- when two tensors are the same: the rules that tests and `lathe verify` share. */
#ifndef LATHE_TOLERANCE_H
#define LATHE_TOLERANCE_H

#include "ir/eval.h"

/* What a comparison found: the element that is farthest off, by the rule's own measure. */
typedef struct Comparison {
  bool good;
  char why[160];   /* of two that differ */
  int64_t worst;   /* the element, or -1: types or shapes differ */
  double got, want;
  double excess;   /* its error over what the rule allows it: above 1 is too much */
  double cosine;   /* of all finite elements */
} Comparison;

/* How far a compiled result of the type may be from the reference, as compare_scaled() counts: 0 is exact. Where operands
 * are rounded to bf16 (NUMERICS_fast), all floats are as far off as those. */
double tolerance_of(Dtype t, Numerics n);

/* ONNX's rule: |a-b| <= atol + rtol*|b| for each element, by one table of both for the types. */
Comparison compare_onnx(const Tensor *got, const Tensor *want);
/* The same with an absolute tolerance of its own, where the wanted numbers were written down in so few digits. */
Comparison compare_written(const Tensor *got, const Tensor *want, double atol);
/* Ours: max|a-b| <= tol * max|b| over a tensor's finite elements (absolute where that is 0). */
Comparison compare_scaled(const Tensor *got, const Tensor *want, double tol);
/* The same number in every element, and NaN in the same places. */
Comparison compare_exact(const Tensor *got, const Tensor *want);

/* In both, integers, booleans and shapes are exact, and NaN and infinities are equal in place. */

#endif

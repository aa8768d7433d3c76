/* exact_math.h -- exponentials and logarithms that are the same on every machine: sums and products of doubles, and no library. */
#ifndef LRT_EXACT_MATH_H
#define LRT_EXACT_MATH_H

/* Within a few units in the last place. */
double exact_exp(double x);
double exact_log(double x); /* of a positive number */
double exact_sqrt(double x);

#endif

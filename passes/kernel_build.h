/* kernel_build.h -- writes the bodies of kernels: numbers, index arithmetic, loops and branches.
 *
 * Arithmetic on indices folds as it is written, so that lowering may say `row * 1 + 0` and leave nothing behind. */
#ifndef LATHE_KERNEL_BUILD_H
#define LATHE_KERNEL_BUILD_H

#include "ir/ir.h"

/* ---- numbers ---- */

Value *kb_index(Builder *b, int64_t v);
Value *kb_int(Builder *b, Dtype t, int64_t v);
Value *kb_float(Builder *b, Dtype t, double v);
/* 0 of any type; the type's least or greatest number, as one of type `in`. */
Value *kb_zero(Builder *b, Dtype t);
Value *kb_extreme(Builder *b, Dtype t, bool greatest, Dtype in);
/* The number of an `imm` of index type. */
bool kb_known(const Value *v, int64_t *out);

Value *kb_add(Builder *b, Value *x, Value *y);
Value *kb_sub(Builder *b, Value *x, Value *y);
Value *kb_mul(Builder *b, Value *x, Value *y);
Value *kb_div(Builder *b, Value *x, Value *y); /* of indices that are not negative */
Value *kb_mod(Builder *b, Value *x, Value *y);
Value *kb_min(Builder *b, Value *x, Value *y);
Value *kb_max(Builder *b, Value *x, Value *y);

Value *kb_cast(Builder *b, Value *x, Dtype to);
Value *kb_where(Builder *b, Value *c, Value *x, Value *y);
Value *kb_and(Builder *b, Value *x, Value *y); /* NULL stands for true */
Value *kb_less(Builder *b, Value *x, Value *y);
Value *kb_at_most(Builder *b, Value *x, Value *y);
Value *kb_equal(Builder *b, Value *x, Value *y);
Value *kb_not(Builder *b, Value *x);

/* ---- memory ---- */

Value *kb_load(Builder *b, Value *memory, Value *i);
void kb_store(Builder *b, Value *memory, Value *i, Value *x);
/* Memory of the workgroup; to be asked for before any loop begins. */
Value *kb_memory(Builder *b, Dtype t, int64_t elements);

/* ---- vectors ---- */

/* Of one lane: scalars. */
Value *kb_splat(Builder *b, Value *x, int64_t lanes);
Value *kb_load_lanes(Builder *b, Value *memory, Value *i, int64_t lanes);
/* v[i][j] becomes v[j][i], for 4, 8 or 16 vectors of as many lanes. */
void kb_transpose(Builder *b, Value **v, int lanes);
/* x where it is larger: unlike `max` it passes over an x that is NaN, and is one instruction. The largest lane, by halves. */
Value *kb_larger(Builder *b, Value *x, Value *than);
Value *kb_largest_lane(Builder *b, Value *v);
Value *kb_extract(Builder *b, Value *v, int64_t lane, int64_t lanes);
/* x*y + z, rounded once where the target has it. */
Value *kb_multiply_add(Builder *b, bool fma, Value *x, Value *y, Value *z);

/* ---- control ---- */

/* for (i = from; i < to; i += step, or 1): between begin and end, nodes go to the body, whose counter and carried values are the
 * loop's. `end` gives the carried values' next; the results are then `out`. */
typedef struct KernelFor {
  Node *node;
  Block *outer;
  Value *i;
  Value **carried;
  Value **out;
} KernelFor;

KernelFor kb_for(Builder *b, Value *from, Value *to, int n_carried, Value *const *start);
KernelFor kb_for_step(Builder *b, Value *from, Value *to, int64_t step, int n_carried, Value *const *start);
void kb_for_end(Builder *b, KernelFor *loop, int n_carried, Value *const *next);

/* if (condition) {...} else {...}: `else` gives the first branch's values, `end` the second's, and the results are `out`. */
typedef struct KernelWhen {
  Node *node;
  Block *outer;
  Value **out;
} KernelWhen;

KernelWhen kb_when(Builder *b, Value *condition, int n_out);
void kb_else(Builder *b, KernelWhen *w, int n, Value *const *value);
void kb_when_end(Builder *b, KernelWhen *w, int n, Value *const *value);

#endif

/* lower.h -- from ops on tensors to kernels: what the lowering of one op gets, and the tables that list them.
 *
 * An element op says how to compute one element of its result, given the element's place, from elements of its operands:
 * `kernel_pull` gives those, by loading them, or, within a fused region, by asking the op that makes them. So fusing
 * needs no code of its own. A row op makes a whole kernel. */
#ifndef LATHE_LOWER_H
#define LATHE_LOWER_H

#include "ir/ir.h"
#include "passes/kernel_build.h"

typedef struct Kernel Kernel;

/* One element of result `result` at `index` (one a dim), as a scalar of the result's type. */
typedef Value *(*LowerElement)(Kernel *k, const Node *n, int result, Value *const *index);
/* The whole kernel: it stores the results, and gives the grid. False: it cannot, and the op stays as it is. */
typedef bool (*LowerKernel)(Kernel *k, const Node *n);

/* A row of lower.def: one of the two, or neither where the op is not lowered. */
typedef struct LowerRow {
  LowerElement element;
  LowerKernel kernel;
} LowerRow;

#define ELEMENT(op, name) Value *element_##name(Kernel *k, const Node *n, int result, Value *const *index);
#define KERNEL(op, name) bool lower_##name(Kernel *k, const Node *n);
#include "passes/lower.def"
#undef ELEMENT
#undef KERNEL

const LowerRow *lower_row(Op op);

/* An element that has been computed, or loaded: good in its block and those within. */
typedef struct Known {
  const Value *value;
  Value **index;
  Value *element;
  const Block *block;
} Known;

struct Kernel {
  Module *module;
  Arena *scratch;
  Builder b;
  const Node *root;
  Block *inside; /* of a fused region: its values are computed, not loaded */
  const Node *anchor; /* the one op of the region that makes its own kernel, or NULL */
  bool flat;     /* all is of one shape: an index is the element's number */
  VEC(Known) known;
  VEC(const Value *) in; /* the operands in memory, each with its parameter */
  VEC(Value *) in_memory;
  Value **out_memory; /* [root's results] */
  VEC(Dim) sizes; /* what the launch passes, each with its parameter */
  VEC(Value *) size_index;
  Dim grid[3];
};

/* ---- for the rows ---- */

/* A size as an index: a number, or a parameter that the launch gives. */
Value *kernel_size(Kernel *k, Dim d);
/* The number of the element at `index`, row by row. */
Value *kernel_linear(Kernel *k, Type t, Value *const *index);
/* The indices of the element with a number. */
void kernel_delinear(Kernel *k, Type t, Value *number, Value **index);
/* An operand's element: loaded, computed, or, of a constant with one number, that number. */
Value *kernel_pull(Kernel *k, const Value *v, Value *const *index);
/* The same where v is broadcast to a result of `rank` dims, whose types are `to`'s. */
Value *kernel_pull_broadcast(Kernel *k, const Value *v, Type to, Value *const *index);
/* Stores an element of the op's result; within a fused region, what follows is computed from it first. */
void kernel_store(Kernel *k, int result, Value *const *index, Value *x);

/* The numbers of an operand that is constant. */
bool lower_ints(Kernel *k, const Value *v, int max, int64_t *out, int *n);

/* Runs `body` for each place of all dims of t but `axis` (-1: but none), one workgroup a place: index[axis] is left
 * to the body. */
typedef void (*KernelBody)(Kernel *k, const Node *n, Value **index);
void kernel_each(Kernel *k, const Node *n, Type t, int axis, KernelBody body);

/* In double and the integers as it stands; 16-bit floats are computed in f32: the type to compute in, and there and back. */
Dtype kernel_wide(Dtype t);
Value *kernel_widen(Kernel *k, Value *x);
Value *kernel_narrow(Kernel *k, Value *x, Dtype to);

#endif

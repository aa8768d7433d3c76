/* lower.h -- from ops on tensors to kernels: the tables that say how each op is lowered.
 *
 * An element op says how to compute one element of its result, given the element's place, from elements of its operands. A
 * row op makes a whole kernel. */
#ifndef LATHE_LOWER_H
#define LATHE_LOWER_H

#include "passes/kernel.h"

/* The whole kernel: it stores the results, and gives the grid. False: it cannot, and the op stays as it is. */
typedef bool (*LowerKernel)(Kernel *k, const Node *n);

/* What must hold of a node for its row to apply. */
typedef bool (*LowerNeed)(Module *m, const Node *n);

/* The rows of lower.def for one op: element or kernel, or neither where it is not lowered. */
typedef struct LowerRow {
  KernelElement element;
  LowerKernel kernel;
  LowerNeed need; /* or NULL */
} LowerRow;

#define ELEMENT(op, name) Value *element_##name(Kernel *k, const Node *n, int result, Value *const *index);
#define KERNEL(op, name) bool lower_##name(Kernel *k, const Node *n);
#define NEED(op, name) bool need_##name(Module *m, const Node *n);
#include "passes/lower.def"
#undef ELEMENT
#undef KERNEL
#undef NEED

const LowerRow *lower_row(Op op);
/* Is there a row, and does what it needs hold? */
bool lower_can(const Node *n);

#endif

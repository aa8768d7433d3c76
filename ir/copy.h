/* copy.h -- copies of functions. */
#ifndef LATHE_COPY_H
#define LATHE_COPY_H

#include "ir/ir.h"

/* The same function once more, as the module's newest, under a name that is free: with symbols, values and nodes of its
 * own. Constants, states and the functions that it calls are shared. */
Func *func_copy(Func *f, const char *name);

/* Puts what the callee does in front of a node of another function, whose operands are the arguments: without names, and with the
 * sizes `with` (by the symbol's index) for the callee's own. `result` gets what it returns. */
void block_copy_before(Node *at, Func *callee, const Dim *with, Value **result);

#endif

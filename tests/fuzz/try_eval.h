/* try_eval.h -- runs a function of tensors on small numbers: to a result or to an error. */
#ifndef LATHE_TRY_EVAL_H
#define LATHE_TRY_EVAL_H

#include "ir/ir.h"

void try_eval(Module *m, Func *f);

#endif

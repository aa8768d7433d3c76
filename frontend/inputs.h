/* inputs.h -- what a model is run on, as the command line gives it: files, or numbers made up. */
#ifndef LATHE_INPUTS_H
#define LATHE_INPUTS_H

#include "frontend/driver.h"
#include "ir/eval.h"

/* --max-memory and --max-steps. */
bool inputs_limits(Driver *d, EvalOptions *o);

/* Each is false after a diag_error. Arguments are the caller's to release, also then. */
bool inputs_read(Driver *d, const Func *f, Tensor **arg);                   /* --in NAME=FILE */
bool inputs_complete(Driver *d, Evaluator *e, const Func *f, Tensor **arg); /* the others, by --random */
bool inputs_bind(Driver *d, Module *m, Evaluator *e);                       /* --in @NAME=FILE: constants bound at run time */

#endif

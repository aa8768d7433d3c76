/* via.h -- the ways to run a model that tests compare: by reference, lowered and interpreted, or compiled. */
#ifndef LATHE_VIA_H
#define LATHE_VIA_H

#include "ir/eval.h"

/* From VIA_PROGRAM on: as a program, on one of via_program.h's machines. */
typedef enum Via { VIA_NONE, VIA_EVAL, VIA_LOWERED, VIA_NATIVE, VIA_PROGRAM } Via;

/* VIA_NONE if there is none of that name. */
Via via_find(const char *name);
/* What has to be installed for it, or NULL. */
const char *via_missing(Via via);

/* A module in the form that the way needs. */
typedef struct Program Program;

/* Passes run on the module, which the program then refers to. NULL after a diag_error: it cannot be brought into the form.
 * An op that is left to the reference, or that the target cannot do, is such an error, by its name. */
Program *via_prepare(Via via, Module *m);
/* Compiled for a level of this machine's processor, which reads what is laid out for the machine's best; by reference, as the
 * passes up to `narrow` leave it, which round where numerics are fast. */
Program *via_prepare_level(Via via, Module *m, const Target *level);
bool via_run(Program *p, Func *f, Tensor *const *arg, Tensor **result);
/* Whether a run failed by an emulator's own fault. */
bool via_machine_failed(const Program *p);
void via_free(Program *p);

#endif

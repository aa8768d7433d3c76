/* via_program.h -- models as programs that run on another processor, by an emulator or an engine. */
#ifndef LATHE_VIA_PROGRAM_H
#define LATHE_VIA_PROGRAM_H

#include "ir/eval.h"

typedef struct Machine Machine;

int machine_count(void);
const Machine *machine_at(int i);
const char *machine_name(const Machine *m);
/* What has to be installed, or NULL. */
const char *machine_missing(const Machine *m);

typedef struct Built Built;

/* Compiles and links the module's first function; NULL after a diag_error. */
Built *built_new(Module *m, const Machine *on);
/* Runs it with 1 and with 3 threads, which must agree to the last bit; false after a diag_error. */
bool built_run(Built *b, Func *f, Tensor *const *arg, Tensor **result);
/* Whether it was the emulator that failed, and not the program: qemu 7.2 does on vfcvt.rtz.x.f.v. */
bool built_machine_failed(const Built *b);
void built_free(Built *b);

#endif

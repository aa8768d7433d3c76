/* jit_llvm.h -- runs compiled kernels in this process: for `lathe verify`, tests and benchmarks. */
#ifndef LATHE_JIT_LLVM_H
#define LATHE_JIT_LLVM_H

#include "codegen/emit_llvm.h"
#include "runtime/abi.h"

typedef struct Jit Jit;

/* The last target of the table that this machine can run; NULL if there is none. */
const Target *jit_host_target(void);
bool jit_runs(const Target *t);

/* Loads the module's object file. A symbol that nothing gives is a bug of ours, here as in a linked program. */
Jit *jit_new(LlvmModule *m);
lrt_kernel *jit_kernel(Jit *j, const char *name);
/* Whatever else has a name. */
void *jit_symbol(Jit *j, const char *name);
void jit_free(Jit *j);

#endif

/* native.h -- a lowered module's kernels as code in this process, which evaluation runs in the interpreter's place. */
#ifndef LATHE_NATIVE_H
#define LATHE_NATIVE_H

#include "codegen/jit_llvm.h"
#include "ir/interp.h"

typedef struct Native Native;

/* Compiles all kernels of the module; NULL after a diag_error: the target cannot do them. */
Native *native_new(Module *m, const Target *t);
/* EvalOptions.launch, with the Native as its context. */
bool native_launch(void *native, Func *kernel, const int64_t grid[3], int n_args, const KernelArg *arg);
void native_free(Native *n);

#endif

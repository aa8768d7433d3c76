/* native.c -- a lowered module's kernels as code in this process, which evaluation runs in the interpreter's place. */
#include "codegen/native.h"

#include "ir/fatal.h"

struct Native {
  LlvmModule *llvm;
  Jit *jit;
};

Native *native_new(Module *m, const Target *t) {
  Native *n = ARENA_NEW(m->arena, Native);
  bool good = true;
  n->llvm = llvm_module_new(t, "native");
  for (int i = 0; i < m->funcs.n; i++)
    if (m->funcs.at[i]->level == LEVEL_KERNEL) good &= llvm_emit_kernel(n->llvm, m->funcs.at[i], m->diag);
  if (good) return n->jit = jit_new(n->llvm), n;
  native_free(n);
  return NULL;
}

void native_free(Native *n) {
  if (!n) return;
  jit_free(n->jit);
  llvm_module_free(n->llvm);
}

bool native_launch(void *native, Func *kernel, const int64_t grid[3], int n_args, const KernelArg *arg) {
  enum { MAX_ARGS = 256 };
  lrt_arg a[MAX_ARGS];
  ensure(n_args <= MAX_ARGS);
  for (int i = 0; i < n_args; i++) {
    if (arg[i].memory) a[i].memory = arg[i].memory;
    else a[i].bits = arg[i].bits;
  }
  jit_kernel(((Native *)native)->jit, kernel->name)(a, grid, 0, grid[0] * grid[1] * grid[2]);
  return true;
}

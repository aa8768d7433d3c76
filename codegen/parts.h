/* parts.h -- a program's code in parts, which threads compile side by side. */
#ifndef LATHE_PARTS_H
#define LATHE_PARTS_H

#include "codegen/emit_llvm.h"

/* Modules for kernels, and one for the program: the first. How many there are follows from the number of kernels alone, so
 * that the same model gives the same code with any number of threads. */
typedef struct CodeParts {
  int n;
  LlvmModule **part;
  struct Compiling *compiling; /* or NULL */
} CodeParts;

/* `one`: all in one module, as its text or a library needs it. */
CodeParts parts_new(Arena *a, const Target *t, const char *name, int kernels, bool one);
/* Waits for what is still compiled. */
void parts_free(CodeParts *p);
/* Where a kernel goes. */
LlvmModule *parts_kernel(const CodeParts *p, int kernel);
/* Begins to make the object of each, with nobody but these threads to touch them until parts_wait() has come back;
 * llvm_module_object() then has it at once. */
void parts_start(CodeParts *p, Arena *a, int threads);
void parts_wait(CodeParts *p);

#endif

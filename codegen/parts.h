/* parts.h -- a program's code in parts, which threads compile side by side. */
#ifndef LATHE_PARTS_H
#define LATHE_PARTS_H

#include "codegen/emit_llvm.h"

/* Modules for kernels, and one for the program: the first. How many there are follows from the number of kernels alone, so
 * that the same model gives the same code with any number of threads. */
typedef struct CodeParts {
  int n;
  LlvmModule **part;
} CodeParts;

/* `one`: all in one module, as its text or a library needs it. */
CodeParts parts_new(Arena *a, const Target *t, const char *name, int kernels, bool one);
void parts_free(CodeParts *p);
/* Where a kernel goes. */
LlvmModule *parts_kernel(const CodeParts *p, int kernel);
/* Makes the object of each; llvm_module_object() then has it at once. */
void parts_compile(const CodeParts *p, int threads);

#endif

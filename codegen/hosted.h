/* hosted.h -- makes a module a library: the runtime comes in, and only the model's own functions go out. */
#ifndef LATHE_HOSTED_H
#define LATHE_HOSTED_H

#include "codegen/emit_llvm.h"

/* Adds the runtime for libraries (runtime/library.c and what it calls) to a module that has the program; its functions are
 * exported as `<name>_open` and so on, and all else becomes the module's own. */
void hosted_add(LlvmModule *m, const char *name, bool speaks);

/* The names of what is exported; speaks: of a language model. */
const char *const *hosted_exports(Arena *a, const char *name, bool speaks, int *n);

/* The runtime as bitcode for the target's system, or NULL: it is none whose C library is known. */
const void *hosted_bitcode(const Target *t, size_t *size);

#endif

/* emit_llvm.h -- kernels to native code, through LLVM's C interface. */
#ifndef LATHE_EMIT_LLVM_H
#define LATHE_EMIT_LLVM_H

#include "ir/ir.h"
#include "ir/target.h"

/* Kernels on their way to one object file, for targets of one family. */
typedef struct LlvmModule LlvmModule;

LlvmModule *llvm_module_new(const Target *t, const char *name);
void llvm_module_free(LlvmModule *m);

/* Adds a kernel as a global function of its name that is an lrt_kernel (runtime/abi.h), for the kernel's own target, or else
 * the module's. What this target cannot do is refused before anything is emitted, all of it, each with the node's name; then
 * false. */
bool llvm_emit_kernel(LlvmModule *m, const Func *f, Diag *d);

/* From here on, kernels say which lines of the text `file` their code comes from: those that their nodes' locations name. */
void llvm_module_debug(LlvmModule *m, const char *file, const char *producer);

/* The module as LLVM's text; nothing may follow. */
char *llvm_module_text(LlvmModule *m, Arena *a);

/* The optimised module as assembly; nothing may follow. */
char *llvm_module_assembly(LlvmModule *m, Arena *a);

/* Optimises what has been added and makes the object file of it; the bytes live as long as the module. */
void llvm_module_object(LlvmModule *m, const void **bytes, size_t *size);

#endif

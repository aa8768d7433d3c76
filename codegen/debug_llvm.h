/* debug_llvm.h -- debug information: which line of the IR's text code comes from, and where its values are. */
#ifndef LATHE_DEBUG_LLVM_H
#define LATHE_DEBUG_LLVM_H

#include "codegen/llvm_builder.h"

/* What a module's functions share. */
typedef struct LlvmDebug LlvmDebug;

/* `file` is the name of the text, as a debugger looks for it. */
LlvmDebug *debug_new(LLVMModuleRef m, const char *file, const char *producer);
/* All functions are there: makes the records whole, once. */
void debug_finish(LlvmDebug *d);
void debug_free(LlvmDebug *d);

/* Each does nothing where the emitter has no debug information. A function's code comes from lines of e->func, until the
 * next one begins. */
void debug_function(Emitter *e, LLVMValueRef f, const char *name);
void debug_line(Emitter *e, Loc loc);
/* The value, which the block that is being built has just made, under the name that its text has; %12 is v12. */
void debug_value(Emitter *e, const Value *v);

#endif

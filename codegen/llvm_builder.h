/* llvm_builder.h -- what the emitter of kernels and its table of ops share. */
#ifndef LATHE_LLVM_BUILDER_H
#define LATHE_LLVM_BUILDER_H

#include <llvm-c/Core.h>

#include "ir/ir.h"
#include "ir/target.h"

typedef struct Emitter {
  const Target *target;
  const Func *func;
  Arena *arena;
  LLVMContextRef context;
  LLVMModuleRef module;
  LLVMBuilderRef b;
  LLVMValueRef *value; /* by Value.number */
  LLVMValueRef group[3], groups[3];
  bool streams; /* are there stores that pass the caches by */
  struct LlvmDebug *debug; /* or NULL */
  LLVMMetadataRef scope;   /* with `debug`: of the function that is being built */
} Emitter;

/* How the target's ops are emitted. */
typedef struct LlvmRow {
  LLVMValueRef (*emit)(Emitter *, const Node *);        /* the result, if the op has one */
  const char *(*refuse)(const Emitter *, const Node *); /* why the target cannot, or NULL; no function: it always can */
} LlvmRow;

/* The row of an op that neither controls nor ends a block; without `emit` where the CPU has nothing like it. */
const LlvmRow *llvm_row(Op op);

/* ---- types ---- */

/* Registers: bf16 and f16 are carried as integers, a bool is a bit. NULL where there is no such register. */
LLVMTypeRef llvm_element_type(const Emitter *e, Dtype t);
LLVMTypeRef llvm_type(const Emitter *e, Type t);
/* Memory: a bool is a byte. */
LLVMTypeRef llvm_memory_type(const Emitter *e, Dtype t);
LLVMTypeRef llvm_vector_of(LLVMTypeRef element, int64_t lanes); /* one lane: the element */
int64_t llvm_lanes(LLVMValueRef v);

/* ---- values ---- */

LLVMValueRef llvm_operand(const Emitter *e, const Node *n, int i);
LLVMValueRef llvm_everywhere(LLVMTypeRef t, LLVMValueRef constant); /* in every lane */
LLVMValueRef llvm_int(LLVMTypeRef t, int64_t v);
LLVMValueRef llvm_float(LLVMTypeRef t, double v);
LLVMValueRef llvm_splat(Emitter *e, LLVMValueRef scalar, int64_t lanes);
/* Lanes of v, or of v and w joined; w may be NULL. */
LLVMValueRef llvm_shuffle(Emitter *e, LLVMValueRef v, LLVMValueRef w, int64_t n, const int64_t *lane);
LLVMValueRef llvm_slice(Emitter *e, LLVMValueRef v, int64_t from, int64_t lanes);
LLVMValueRef llvm_join(Emitter *e, int n, const LLVMValueRef *v); /* vectors of one type */

/* Calls an intrinsic; `of` is the type that its name is completed with, or NULL; or there are several. */
LLVMValueRef llvm_intrinsic(Emitter *e, const char *name, LLVMTypeRef of, int n, LLVMValueRef *arg);
LLVMValueRef llvm_intrinsic_of(Emitter *e, const char *name, int n_types, LLVMTypeRef *of, int n, LLVMValueRef *arg);

#endif

/* program.h -- a lowered function as the data that the runtime walks (runtime/abi.h). */
#ifndef LATHE_PROGRAM_H
#define LATHE_PROGRAM_H

#include "codegen/emit_llvm.h"

/* A constant's elements in the weights. */
typedef struct ProgramWeight {
  Constant *constant;
  int64_t offset, size;
} ProgramWeight;

typedef struct ProgramInfo {
  const char *name, *made_by;
  VEC(ProgramWeight) weights; /* in the order of their offsets */
  int64_t weights_size;       /* a multiple of LRT_ALIGN */
} ProgramInfo;

/* Adds the function to the module that has its kernels, as `lrt_program_data`, and fills in the weights that it counts
 * on. What no program can run is refused, all of it, by name; then false. */
bool program_emit(LlvmModule *m, Func *f, ProgramInfo *p, Diag *d);

#endif

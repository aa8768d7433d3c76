/* program.h -- a lowered function as the data that the runtime walks (runtime/abi.h). */
#ifndef LATHE_PROGRAM_H
#define LATHE_PROGRAM_H

#include "codegen/emit_llvm.h"

/* A constant's elements in the weights. */
typedef struct ProgramWeight {
  Constant *constant;
  int64_t offset, size;
} ProgramWeight;

enum { MAX_LEVELS = 8 };

typedef struct ProgramInfo {
  const char *name, *made_by;
  int n_levels;
  const Target *level[MAX_LEVELS]; /* a later one does what an earlier one does */
  int n_launches, n_phases, n_blocks; /* of the plan */
  VEC(ProgramWeight) weights; /* in the order of their offsets */
  int64_t weights_size;       /* a multiple of LRT_ALIGN */
} ProgramInfo;

/* What the names of a level's kernels end with. */
const char *program_suffix(Arena *a, const Target *t);

/* Adds the function to the module that has its kernels for all levels, as `lrt_program_data`, and fills in the weights that it counts
 * on. What no program can run is refused, all of it, by name; then false. */
bool program_emit(LlvmModule *m, Func *f, ProgramInfo *p, Diag *d);

#endif

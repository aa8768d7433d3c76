/* program.h -- a lowered function as the data that the runtime walks (runtime/abi.h). */
#ifndef LATHE_PROGRAM_H
#define LATHE_PROGRAM_H

#include "codegen/emit_llvm.h"

/* A constant's elements in the weights. */
typedef struct ProgramWeight {
  Constant *constant;
  int64_t offset, size;
} ProgramWeight;

enum { MAX_LEVELS = 8, MAX_CACHES = 3 };

typedef struct ProgramInfo {
  const char *name, *made_by;
  int n_levels;
  Func *level[MAX_LEVELS * MAX_CACHES]; /* the function as it was lowered for each; a later one does what an earlier one does */
  int n_caches;                         /* types of caches, of each of which every level has one function, in this order; 0: none */
  Dtype cache[MAX_CACHES];
  int n_launches, n_phases, n_blocks; /* of the last level's plan */
  VEC(ProgramWeight) weights; /* in the order of their offsets */
  int64_t weights_size;       /* a multiple of LRT_ALIGN */
  const char *weights_file;   /* the name of a file of their own, or NULL: they are in the program's */
  int64_t stack_bytes;        /* what a run takes of it */
  bool no_files; /* inputs and outputs may be of types that NumPy's files do not have, and weights are elsewhere: for a caller in this process */
} ProgramInfo;

static inline bool program_holds_weights(const ProgramInfo *p) { return p->weights_size > 0 && !p->weights_file; }

/* As the program calls them: by their own names, or by their places. */
const char *program_input_name(const Func *f, int i);
const char *program_output_name(const Func *f, int i);

/* Is it a language model's: tokens in rows, logits, and a context? Programs and libraries then go on with texts. */
bool program_speaks(const ProgramInfo *p);

/* Adds the function's levels to the module that has their kernels, as `lrt_model_data`, and fills in the weights that they
 * count on. What no program can run is refused, all of it, by name; then false. */
bool program_emit(LlvmModule *m, ProgramInfo *p, Diag *d);

/* Weights in a file of their own are written first; then the program can tell them from others. */
void program_set_weights_hash(LlvmModule *m, uint64_t hash);

#endif

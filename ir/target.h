/* target.h -- what the machine that a program is made for can do: plain data, which passes ask, and never a backend. */
#ifndef LATHE_TARGET_H
#define LATHE_TARGET_H

#include <stdbool.h>
#include <stdint.h>

typedef enum TargetKind { TARGET_CPU, TARGET_GPU } TargetKind;

/* What a kernel can require by name, and what lowering and emission ask for. `round`: to whole numbers, by an instruction;
 * `extremes`: minima and maxima of f64, too; `f16`: converts it; `idot`: a GPU's dot product of four bytes each; the others are what processors' makers call them. */
#define TARGET_FEATURES(F) \
  F(round) F(extremes) F(fma) F(f16) F(avx2) F(avx512f) F(avx512vl) F(avx512vnni) F(avx512bf16) \
  F(dotprod) F(i8mm) F(bf16) \
  F(idot)

enum {
#define FEATURE(name) FEATURE_BIT_##name,
  TARGET_FEATURES(FEATURE)
#undef FEATURE
  FEATURE_count
};
#define FEATURE(name) FEATURE_##name = 1 << FEATURE_BIT_##name,
typedef enum Feature { TARGET_FEATURES(FEATURE) } Feature;
#undef FEATURE

typedef enum FileFormat { FILE_ELF64, FILE_ELF32, FILE_WASM } FileFormat;

/* Where a program runs: an architecture and what is around the program. */
typedef struct System {
  const char *name, *about;
  const char *triple, *abi; /* as LLVM names them */
  FileFormat format;
  int page;             /* bytes of the largest page that its kernels use, to which parts of a program are aligned */
  bool shared;          /* has shared libraries that Lathe makes */
  int64_t most_weights; /* bytes that fit beside all else into its addresses */
} System;

int system_count(void);
const System *system_at(int i);
const System *system_find(const char *name); /* NULL if there is none */

typedef struct Target {
  const char *name;
  TargetKind kind;
  const System *system; /* a CPU's */
  const char *about;
  const char *cpu, *attributes; /* as LLVM names them */
  bool usual;           /* programs for the system carry it where nobody says */
  uint32_t features;
  int index_bits;
  int vector_bytes;     /* of the widest register; of a GPU, of one invocation's */
  int vector_registers; /* 0: nobody knows */
  int64_t level1, level2; /* bytes of data cache, typically */
  int64_t workgroup_memory; /* bytes that every device has; that a CPU keeps on the stack */
  int workgroup;        /* invocations that every device takes; a CPU takes one */
  int buffers;          /* arguments in memory that a kernel takes; 0: any number */
  int argument_bytes;   /* of a kernel's other arguments; 0: any number */
} Target;

/* The targets of a system stand in order: a later one does what an earlier one does. So do the GPUs. */
int target_count(void);
const Target *target_at(int i);
const Target *target_find(const char *name); /* NULL if there is none */

static inline bool target_has(const Target *t, Feature f) { return (t->features & f) != 0; }
/* Does one instruction multiply and add pairs of bf16. */
static inline bool target_dots_pairs(const Target *t) { return target_has(t, FEATURE_avx512bf16) || target_has(t, FEATURE_bf16); }
const char *feature_name(int bit);
/* The first word of a comma-separated list that the target has not, as the place where it begins, or NULL. */
const char *target_lacks(const Target *t, const char *requires);

#endif

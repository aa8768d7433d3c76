/* emit_spirv.h -- kernels to SPIR-V modules for Vulkan. */
#ifndef LATHE_EMIT_SPIRV_H
#define LATHE_EMIT_SPIRV_H

#include "ir/ir.h"
#include "ir/target.h"

/* A module with one entry point, `main`. Its memory arguments are storage buffers of set 0, bound by number in their
 * order among themselves; its other arguments are push constants, 32 bits each in their order among themselves: an
 * integer's low ones, a narrower type's bits with zeros above. An invocation is an invocation. */
typedef struct SpirvKernel {
  const uint32_t *word;
  size_t n_words;
  int n_buffers, n_push;
} SpirvKernel;

/* Emits a kernel into the arena. What this target cannot do is refused before anything is emitted, all of it, each with
 * the node's name; then false. */
bool spirv_emit_kernel(const Func *f, const Target *t, Arena *a, Diag *d, SpirvKernel *out);

#endif

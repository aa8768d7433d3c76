/* interp.h -- runs kernel functions: every invocation of a workgroup in step, one workgroup after another. */
#ifndef LATHE_INTERP_H
#define LATHE_INTERP_H

#include "ir/ir.h"

/* One argument of a kernel: memory of so many elements, or a scalar's bits. */
typedef struct KernelArg {
  void *memory;
  int64_t elements;
  uint64_t bits;
} KernelArg;

/* Runs a grid of workgroups. Out-of-bounds accesses, divergent barriers and races between invocations of a workgroup
 * on workgroup memory are errors with the node's name. */
bool interp_kernel(Func *f, const int64_t grid[3], int n_args, const KernelArg *arg, Diag *d);

#endif

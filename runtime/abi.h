/* abi.h -- what compiled kernels and the runtime agree on. */
#ifndef LRT_ABI_H
#define LRT_ABI_H

#include <stdint.h>

/* One argument of a kernel: where its memory is, or a scalar's bits. */
typedef union lrt_arg {
  void *memory;
  uint64_t bits;
} lrt_arg;

/* Runs the workgroups [begin, end) of a grid, which are numbered along its first axis first. */
typedef void lrt_kernel(const lrt_arg *arg, const int64_t grid[3], int64_t begin, int64_t end);

#endif

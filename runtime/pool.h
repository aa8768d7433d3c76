/* pool.h -- the threads that run kernels together. */
#ifndef LRT_POOL_H
#define LRT_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/abi.h"

typedef struct lrt_pool lrt_pool;

/* One kernel over a grid, whose workgroups are cut in pieces: by the grid alone, never by the number of threads. */
typedef struct lrt_launch {
  lrt_kernel *kernel;
  const lrt_arg *arg;
  int64_t grid[3], groups, piece;
} lrt_launch;

enum { POOL_THREADS = 256 };

/* So many threads, the caller among them; fewer where the system gives no more. NULL: no memory. */
lrt_pool *pool_open(int64_t threads);
int64_t pool_threads(const lrt_pool *p);
void pool_close(lrt_pool *p);

/* Runs up to LRT_PHASE launches, in no order; returns when all are done. */
void pool_run(lrt_pool *p, int n, const lrt_launch *launch);

#endif

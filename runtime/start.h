/* start.h -- how a program begins. */
#ifndef LRT_START_H
#define LRT_START_H

#include <stdint.h>

#include "runtime/cpu.h"

/* What the system tells a program about its own file. */
typedef struct lrt_image {
  const void *headers; /* ELF program headers, in memory */
  int64_t n_headers;
  const char *path; /* or NULL */
  const char *const *environment; /* NAME=value, ending with NULL; or NULL */
  const uint8_t *weights; /* where there are no headers that tell */
  lrt_cpu cpu;
} lrt_image;

int lrt_main(int argc, char **argv, const lrt_image *image);

#endif

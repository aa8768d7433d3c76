/* start.h -- how a program begins. */
#ifndef LRT_START_H
#define LRT_START_H

#include <stdint.h>

#include "runtime/cpu.h"

typedef struct lrt_elf_segment { /* ELF's program header, of one word size or the other */
#if __SIZEOF_POINTER__ == 8
  uint32_t type, flags;
  uint64_t offset, address, physical, file_size, size, align;
#else
  uint32_t type, offset, address, physical, file_size, size, flags, align;
#endif
} lrt_elf_segment;

enum { LRT_ELF_LOADED = 1 };

/* What the system tells a program about its own file. */
typedef struct lrt_image {
  const lrt_elf_segment *headers; /* in memory */
  int64_t n_headers;
  const char *const *environment; /* NAME=value, ending with NULL; or NULL */
  const uint8_t *weights; /* where there are no headers that tell */
  lrt_cpu cpu;
} lrt_image;

int lrt_main(int argc, char **argv, const lrt_image *image);

#endif

/* opened.h -- a linked file, opened up at the place of the weights. */
#ifndef LATHE_OPENED_H
#define LATHE_OPENED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/arena.h"

/* The weights go between the two parts; headers speak of them already. */
typedef struct Opened {
  const char *before, *after;
  size_t before_size, after_size;
  uint64_t weights_at; /* their place in the file, behind the first part */
  uint64_t after_at;   /* the second part's, at most 63 bytes behind the weights */
} Opened;

/* `size` is the weights', with their end mark. An ELF file has an empty segment for them, and they are at `wish` where that is behind
 * the first part, a multiple of LRT_WEIGHTS_ALIGN; a module of WebAssembly gets a segment of data behind all that the linker placed. */
Opened opened_elf(char *file, size_t file_size, uint64_t size, uint64_t wish);
Opened opened_wasm(Arena *a, const char *file, size_t file_size, uint64_t size);

#endif

/* size.h -- evaluates sizes, and places the blocks of an arena. */
#ifndef LRT_SIZE_H
#define LRT_SIZE_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/abi.h"

/* The size at words[at], given the symbols' values; false when it does not fit, is negative, or divides by zero. */
bool size_value(const int64_t *words, int64_t at, const int64_t *symbol, int64_t *out);
/* The symbol that the size is and nothing else, or -1. */
int64_t size_symbol(const int64_t *words, int64_t at);

/* Gives each block its offset, so that no two that live in the same phase overlap; `total` is what the arena then
 * takes. `scratch` holds a number a block. False: it does not fit 63 bits. */
bool size_place(const lrt_block *block, int64_t n, const int64_t *bytes, int64_t *offset, int64_t *scratch, int64_t *total);

#endif

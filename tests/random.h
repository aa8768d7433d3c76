/* random.h -- numbers that are the same on every machine, for tests. */
#ifndef LATHE_TESTS_RANDOM_H
#define LATHE_TESTS_RANDOM_H

#include <stdbool.h>
#include <stddef.h>

#include "ir/splitmix.h"

typedef struct Random {
  uint64_t state;
} Random;

static inline uint64_t random_next(Random *r) { return splitmix(&r->state); }
static inline size_t random_index(Random *r, size_t n) { return (size_t)(random_next(r) % n); } /* n > 0 */
static inline int random_below(Random *r, int n) { return (int)(random_next(r) % (uint64_t)n); }
static inline bool random_chance(Random *r, int percent) { return random_below(r, 100) < percent; }
/* In [-1, 1). */
static inline double random_unit(Random *r) { return splitmix_unit(&r->state); }

#endif

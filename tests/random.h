/* random.h -- numbers that are the same on every machine, for tests. */
#ifndef LATHE_RANDOM_H
#define LATHE_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Random {
  uint64_t state;
} Random;

/* splitmix64 */
static inline uint64_t random_next(Random *r) {
  uint64_t z = r->state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

static inline int random_below(Random *r, int n) { return (int)(random_next(r) % (uint64_t)n); }
static inline bool random_chance(Random *r, int percent) { return random_below(r, 100) < percent; }
/* In [-1, 1). */
static inline double random_unit(Random *r) { return (double)(int64_t)(random_next(r) >> 11) * 0x1p-52 - 1; }

#endif

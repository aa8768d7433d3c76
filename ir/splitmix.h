/* splitmix.h -- random numbers that are the same on every machine. */
#ifndef LATHE_SPLITMIX_H
#define LATHE_SPLITMIX_H

#include <stdint.h>

/* The next 64 bits of the sequence that `state` began with. runtime/array.c, which includes nothing from here, has the same. */
static inline uint64_t splitmix(uint64_t *state) {
  uint64_t z = *state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

/* In [-1, 1). */
static inline double splitmix_unit(uint64_t *state) { return (double)(int64_t)(splitmix(state) >> 11) * 0x1p-52 - 1; }

#endif

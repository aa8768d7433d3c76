/* intern.h -- sets of equal things kept once, so that equality is that of pointers; and how things are hashed. */
#ifndef LATHE_INTERN_H
#define LATHE_INTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/arena.h"

static inline uint64_t hash_mix(uint64_t h, uint64_t v) { return ((h ^ v) * 0x9E3779B97F4A7C15u) ^ (h >> 29); }

static inline uint64_t hash_bytes(uint64_t h, const void *at, size_t n) {
  for (size_t i = 0; i < n; i++) h = hash_mix(h, ((const unsigned char *)at)[i]);
  return h;
}

typedef struct Interner {
  Arena *arena;
  uint64_t (*hash)(const void *);
  bool (*same)(const void *, const void *);
  const void *(*keep)(Arena *, const void *); /* a copy that lives as long as the arena */
  const void **slot;
  size_t n, cap; /* cap is a power of two */
} Interner;

/* The one that is equal to `candidate`: found, or a copy of it. */
const void *intern_find(Interner *t, const void *candidate);

#endif

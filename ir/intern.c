/* intern.c -- sets of equal things kept once, so that equality is that of pointers. */
#include "ir/intern.h"

static size_t place(const Interner *t, const void *x) {
  uint64_t h = t->hash(x);
  return (size_t)(h ^ (h >> 32)) & (t->cap - 1);
}

static void grow(Interner *t) {
  const void **had = t->slot;
  size_t had_cap = t->cap;
  t->cap = had_cap ? had_cap * 2 : 64;
  t->slot = ARENA_ARRAY(t->arena, const void *, t->cap);
  for (size_t i = 0; i < had_cap; i++) {
    if (!had[i]) continue;
    size_t at = place(t, had[i]);
    while (t->slot[at]) at = (at + 1) & (t->cap - 1);
    t->slot[at] = had[i];
  }
}

const void *intern_find(Interner *t, const void *candidate) {
  if (t->n * 2 >= t->cap) grow(t);
  size_t at = place(t, candidate);
  for (; t->slot[at]; at = (at + 1) & (t->cap - 1))
    if (t->same(t->slot[at], candidate)) return t->slot[at];
  t->n++;
  return t->slot[at] = t->keep(t->arena, candidate);
}

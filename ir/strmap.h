/* strmap.h -- from names to pointers, in an arena. */
#ifndef LATHE_STRMAP_H
#define LATHE_STRMAP_H

#include <stdbool.h>

#include "ir/arena.h"

/* Zeroed, it is empty. Names are kept by reference. */
typedef struct StrMap {
  struct StrSlot *slot;
  size_t n, cap; /* cap is 0 or a power of two */
} StrMap;

void *strmap_get(const StrMap *m, const char *name); /* NULL if there is none */
/* False, and nothing changes, where the name is taken. `what` is not NULL. */
bool strmap_add(Arena *a, StrMap *m, const char *name, void *what);
void strmap_remove(StrMap *m, const char *name); /* which is there */

#endif

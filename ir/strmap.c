/* strmap.c -- from names to pointers, in an arena. */
#include "ir/strmap.h"

#include <stdint.h>

#include "ir/fatal.h"

struct StrSlot {
  const char *name;
  void *what;
};

static size_t hash(const char *s) {
  uint64_t h = 0xcbf29ce484222325u;
  for (; *s; s++) h = (h ^ (unsigned char)*s) * 0x100000001b3u;
  return (size_t)(h ^ (h >> 32));
}

static struct StrSlot *find(struct StrSlot *slot, size_t cap, const char *name) {
  size_t at = hash(name) & (cap - 1);
  while (slot[at].name && strcmp(slot[at].name, name) != 0) at = (at + 1) & (cap - 1);
  return &slot[at];
}

static void grow(Arena *a, StrMap *m) {
  size_t cap = m->cap ? m->cap * 2 : 16;
  struct StrSlot *slot = ARENA_ARRAY(a, struct StrSlot, cap);
  for (size_t i = 0; i < m->cap; i++)
    if (m->slot[i].name) *find(slot, cap, m->slot[i].name) = m->slot[i];
  m->slot = slot;
  m->cap = cap;
}

void *strmap_get(const StrMap *m, const char *name) { return m->cap ? find(m->slot, m->cap, name)->what : NULL; }

bool strmap_add(Arena *a, StrMap *m, const char *name, void *what) {
  ensure(what);
  if (m->n * 2 >= m->cap) grow(a, m);
  struct StrSlot *s = find(m->slot, m->cap, name);
  if (s->name) return false;
  *s = (struct StrSlot){name, what};
  m->n++;
  return true;
}

/* What stands behind it without a gap may have been put off by it, and is put in again. */
void strmap_remove(StrMap *m, const char *name) {
  struct StrSlot *s = find(m->slot, m->cap, name);
  ensure(s->name);
  *s = (struct StrSlot){0};
  for (size_t at = (size_t)(s - m->slot + 1) & (m->cap - 1); m->slot[at].name; at = (at + 1) & (m->cap - 1)) {
    struct StrSlot moved = m->slot[at];
    m->slot[at] = (struct StrSlot){0};
    *find(m->slot, m->cap, moved.name) = moved;
  }
  m->n--;
}

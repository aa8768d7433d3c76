/* room.h -- memory that a caller gives: it is taken from its bottom, and by those who do not know yet how much, from its top. */
#ifndef LRT_ROOM_H
#define LRT_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Room {
  char *at; /* at a multiple of 8 */
  size_t used, top; /* what lies between is free */
} Room;

static inline Room room_of(void *at, size_t n) { return (Room){.at = at, .top = n / 8 * 8}; }

/* NULL: it is full. */
static inline void *room_take(Room *r, size_t n) {
  if (n > r->top - r->used || (n + 7) / 8 * 8 > r->top - r->used) return NULL;
  void *p = r->at + r->used;
  r->used += (n + 7) / 8 * 8;
  return p;
}

static inline void *room_take_many(Room *r, size_t n, size_t size) {
  size_t all;
  return __builtin_mul_overflow(n, size, &all) ? NULL : room_take(r, all);
}

/* From the top, `n` bytes (a multiple of 8); the caller puts `top` back where it was. */
static inline void *room_push(Room *r, size_t n) {
  if (n > r->top - r->used) return NULL;
  return r->at + (r->top -= n);
}

#endif

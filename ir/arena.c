/* arena.c -- memory that is freed all at once, and the growing arrays that live in it. */
#include "ir/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir/fatal.h"

typedef struct Chunk Chunk;
struct Chunk {
  Chunk *next;
  size_t used, size;
  _Alignas(16) unsigned char data[];
};

struct Arena {
  Chunk *head;
  size_t bytes;
};

enum { CHUNK_MIN = 32 * 1024, CHUNK_MAX = 1024 * 1024 };

Arena *arena_new(void) {
  Arena *a = calloc(1, sizeof *a);
  if (!a) fatal_resource("out of memory");
  return a;
}

void arena_free(Arena *a) {
  if (!a) return;
  for (Chunk *c = a->head, *next; c; c = next) {
    next = c->next;
    free(c);
  }
  free(a);
}

/* Chunks grow with the arena, so a small arena is cheap and a large one makes few calls. A request over half a chunk
 * gets a chunk of its own behind the head, whose free room stays in use. */
static Chunk *chunk_new(Arena *a, size_t need) {
  size_t size = a->bytes / 2;
  if (size < CHUNK_MIN) size = CHUNK_MIN;
  if (size > CHUNK_MAX) size = CHUNK_MAX;
  int own = need > size / 2;
  if (own) size = need;
  Chunk *c = calloc(1, sizeof *c + size);
  if (!c) fatal_resource("out of memory (asked for %zu bytes)", size);
  c->size = size;
  a->bytes += size;
  if (own && a->head) {
    c->next = a->head->next;
    a->head->next = c;
  } else {
    c->next = a->head;
    a->head = c;
  }
  return c;
}

void *arena_alloc(Arena *a, size_t size) {
  if (size > SIZE_MAX / 4) fatal_resource("out of memory (asked for %zu bytes)", size);
  size = (size + 15) & ~(size_t)15;
  Chunk *c = a->head;
  if (!c || c->size - c->used < size) c = chunk_new(a, size);
  void *p = c->data + c->used;
  c->used += size;
  return p;
}

void *arena_array(Arena *a, size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) fatal_resource("out of memory (%zu items of %zu bytes)", count, size);
  return arena_alloc(a, bytes);
}

char *arena_string(Arena *a, const char *s, size_t n) {
  char *p = arena_alloc(a, n + 1);
  if (n) memcpy(p, s, n);
  return p;
}

char *arena_vprintf(Arena *a, const char *fmt, va_list ap) {
  va_list again;
  va_copy(again, ap);
  int n = vsnprintf(NULL, 0, fmt, again);
  va_end(again);
  ensure(n >= 0);
  char *p = arena_alloc(a, (size_t)n + 1);
  vsnprintf(p, (size_t)n + 1, fmt, ap);
  return p;
}

char *arena_printf(Arena *a, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  char *p = arena_vprintf(a, fmt, ap);
  va_end(ap);
  return p;
}

size_t arena_bytes(const Arena *a) { return a->bytes; }

/* The old array is left behind: doubling bounds the waste by the array's own size. */
void vec_grow(Arena *a, void **at, int *cap, size_t size) {
  ensure(*cap < INT32_MAX / 2);
  int next = *cap ? *cap * 2 : 8;
  void *p = arena_array(a, (size_t)next, size);
  if (*cap) memcpy(p, *at, (size_t)*cap * size);
  *at = p;
  *cap = next;
}

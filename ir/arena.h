/* arena.h -- memory that is freed all at once, and the growing arrays that live in it. */
#ifndef LATHE_ARENA_H
#define LATHE_ARENA_H

#include <stdarg.h>
#include <stddef.h>
#include <string.h>

typedef struct Arena Arena;

Arena *arena_new(void);
void arena_free(Arena *a);

/* Zeroed and aligned to 16 bytes; leaves through fatal_resource when there is no memory. */
void *arena_alloc(Arena *a, size_t size);
void *arena_array(Arena *a, size_t count, size_t size);
char *arena_string(Arena *a, const char *s, size_t n);
char *arena_printf(Arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(Arena *a, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
size_t arena_bytes(const Arena *a);

#define ARENA_NEW(a, T) ((T *)arena_alloc((a), sizeof(T)))
#define ARENA_ARRAY(a, T, n) ((T *)arena_array((a), (size_t)(n), sizeof(T)))

/* A growing array of T in an arena: VEC(Node *) nodes = {0}; vec_push(a, &nodes, n). */
#define VEC(T) struct { T *at; int n, cap; }
#define vec_push(a, v, x) \
  (*(((v)->n == (v)->cap ? vec_grow((a), (void **)&(v)->at, &(v)->cap, sizeof *(v)->at) : (void)0), \
     &(v)->at[(v)->n++]) = (x))
void vec_grow(Arena *a, void **at, int *cap, size_t size);

#endif

/* interp_memory.h -- the memories of a kernel that is interpreted, with every access checked. */
#ifndef LATHE_INTERP_MEMORY_H
#define LATHE_INTERP_MEMORY_H

#include "ir/ir.h"

/* Who touched an element of workgroup memory since the last barrier. */
typedef struct Touch {
  int64_t written, read; /* in which period between barriers; 0: never */
  int writer, reader;
} Touch;

typedef struct Memory {
  Dtype dtype;
  unsigned char *bytes;
  int64_t elements;
  Touch *touch; /* [elements] of workgroup memory, else NULL */
} Memory;

/* Elements of type `dtype` that stand where element `at` of the memory does. */
typedef struct Access {
  Memory *memory;
  int64_t at, lanes;
  Dtype dtype;
  int64_t align; /* 0: an element's */
  int invocation;
  int64_t period; /* between which barriers, from 1 on */
} Access;

/* Each returns NULL, or what is wrong, in the arena. */
const char *memory_read(const Access *a, uint64_t *bits, Arena *arena);
const char *memory_write(const Access *a, const uint64_t *bits, Arena *arena);

/* Workgroup memory that holds nothing. */
Memory memory_shared(Arena *a, Dtype t, int64_t elements);
void memory_forget(Memory *m);

#endif

/* runtime_object.h -- the runtime, compiled when Lathe was built, as it is linked into programs. */
#ifndef LATHE_RUNTIME_OBJECT_H
#define LATHE_RUNTIME_OBJECT_H

#include <stddef.h>

typedef struct RuntimeObject {
  const void *at;
  size_t size;
} RuntimeObject;

RuntimeObject runtime_object(const char *system);

#endif

/* link.h -- makes one file of a program's object, the runtime and the weights. */
#ifndef LATHE_LINK_H
#define LATHE_LINK_H

#include <stddef.h>

#include "codegen/write_weights.h"

typedef struct LinkObject {
  const void *bytes;
  size_t size;
} LinkObject;

typedef struct LinkJob {
  WeightsJob weights;
  const char *linker; /* ld.lld */
  const char *out;
  int n_objects;
  const LinkObject *object; /* [n_objects]; link_end() needs them */
} LinkJob;

typedef struct Linking {
  Arena *arena;
  OutFile out;
  uint64_t weights_at; /* their place in the file, or 0: they are not written */
} Linking;

/* The ld.lld that was there when Lathe was built. */
const char *link_default_linker(void);

/* Writes an executable aside, syncs it, and renames it: `out` is whole or not there. The first step writes the weights where it
 * can, while the code may still be compiled; link_end() follows if it was true. Each leaves through fatal_resource on an I/O error,
 * and is false after a diag_error: a weight that cannot be computed, or where the linker refuses, naming what is missing. */
bool link_begin(const LinkJob *j, Linking *l);
bool link_end(const LinkJob *j, Linking *l);

/* A shared library of an object that has its runtime (hosted.h); its weights lie elsewhere. */
bool link_shared(const LinkJob *j);

#endif

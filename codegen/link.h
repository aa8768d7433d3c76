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
  const LinkObject *object; /* [n_objects] */
} LinkJob;

/* The ld.lld that was there when Lathe was built. */
const char *link_default_linker(void);

/* Writes the executable aside, syncs it, and renames it: `out` is whole or not there. Leaves through fatal_resource on an
 * I/O error; false after a diag_error where the linker refuses, naming what is missing. */
bool link_program(const LinkJob *j);

/* A shared library of an object that has its runtime (hosted.h); its weights lie elsewhere. */
bool link_shared(const LinkJob *j);

#endif

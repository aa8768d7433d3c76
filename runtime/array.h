/* array.h -- NumPy's .npy files, as a program reads and writes them, and inputs made up. */
#ifndef LRT_ARRAY_H
#define LRT_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/abi.h"
#include "runtime/session.h"

typedef struct Array {
  int64_t dtype, rank, dim[LRT_RANK];
  const void *data;
} Array;

typedef struct ArrayError {
  bool resource; /* it is for want of memory, and not the file's fault */
  char text[256];
} ArrayError;

const char *array_dtype_name(int64_t dtype);

/* What a file's bytes hold: elements where they are, or where they were copied to, as kernels read them. */
bool array_parse(const uint8_t *file, size_t size, const lrt_port *port, Array *a, ArrayError *why);
/* Maps the file, which stays mapped; its elements must be of the port's type and axes. Else false, with why in `why`. */
bool array_read(const char *path, const lrt_port *port, Array *a, ArrayError *why);
/* Writes aside and renames: there is never half a file. */
bool array_write(const char *path, const Array *a, ArrayError *why);
/* Numbers in [-1, 1), or 0 and 1 for integers. False: no memory. */
bool array_random(const lrt_port *port, const int64_t *dim, uint64_t *seed, Array *a);
/* The bytes of all elements; false when they do not fit. */
bool array_bytes(const Array *a, int64_t *count, int64_t *bytes);
/* Element i as a number. */
double array_number(const Array *a, int64_t i);

#endif

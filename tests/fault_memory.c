/* fault_memory.c -- makes one allocation of ours fail: this is linked with --wrap for malloc and its kin. */
#include "fault_memory.h"

#include <errno.h>
#include <stdio.h>

static long left;
static bool *seen;

void fault_memory_at(long nth, bool *hit) { left = nth, seen = hit; }

static bool fails(void) {
  if (left == 0 || --left > 0) return false;
  errno = ENOMEM;
  return *seen = true;
}

/* The linker sends calls of NAME from our code to __wrap_NAME, and those of __real_NAME to the C library. */
#define WRAP(result, name, parameters, arguments) \
  result __real_##name parameters; \
  result __wrap_##name parameters; \
  result __wrap_##name parameters { return fails() ? NULL : __real_##name arguments; }
WRAP(void *, malloc, (size_t n), (n))
WRAP(void *, calloc, (size_t n, size_t size), (n, size))
WRAP(void *, realloc, (void *p, size_t n), (p, n))
WRAP(FILE *, open_memstream, (char **text, size_t *size), (text, size))
#undef WRAP

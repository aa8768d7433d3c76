/* archive.h -- a static library with one object in it. */
#ifndef LATHE_ARCHIVE_H
#define LATHE_ARCHIVE_H

#include <stddef.h>

#include "ir/arena.h"

/* The bytes of an archive with the object, and with an index of the symbols that linkers look for in it. The same gives the
 * same: there is no time and no owner in it. */
char *archive_bytes(Arena *a, const char *object_name, const void *object, size_t size, int n, const char *const *symbol,
                    size_t *archive_size);

#endif

/* path.h -- what a file is, as far as its path says. */
#ifndef LATHE_PATH_H
#define LATHE_PATH_H

#include <stdbool.h>
#include <string.h>

static inline bool path_ends_with(const char *path, const char *end) {
  size_t n = strlen(path), m = strlen(end);
  return n >= m && strcmp(path + n - m, end) == 0;
}

#endif

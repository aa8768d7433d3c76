/* archive.c -- a static library with one object in it: the format that ar writes on Linux. */
#include "codegen/archive.h"

#include <stdio.h>

#include "ir/fatal.h"

enum { HEADER = 60 };

/* Members begin at even places. */
static size_t even(size_t n) { return n + n % 2; }

/* name, time, owner, group, mode, size: decimal numbers, the mode octal, all filled up with spaces. */
static char *put_header(char *to, const char *name, size_t size) {
  char line[HEADER + 1];
  int n = snprintf(line, sizeof line, "%-16s%-12d%-6d%-6d%-8s%-10zu`\n", name, 0, 0, 0, "644", size);
  ensure(n == HEADER);
  memcpy(to, line, HEADER);
  return to + HEADER;
}

static char *put_number(char *to, size_t v) { /* 32 bits, the highest byte first */
  for (int i = 0; i < 4; i++) to[i] = (char)(v >> (24 - 8 * i));
  return to + 4;
}

/* A name of up to 15 characters is in the header itself, ended by a slash. */
static const char *member_name(Arena *a, const char *name) {
  return strlen(name) <= 15 ? arena_printf(a, "%s/", name) : "model.o/";
}

char *archive_bytes(Arena *a, const char *object_name, const void *object, size_t size, int n, const char *const *symbol,
                    size_t *archive_size) {
  static const char magic[] = "!<arch>\n";
  size_t index = 4 + 4 * (size_t)n, member = strlen(magic) + HEADER;
  for (int i = 0; i < n; i++) index += strlen(symbol[i]) + 1;
  member += even(index);
  *archive_size = member + HEADER + even(size);
  char *bytes = arena_alloc(a, *archive_size), *to = bytes;
  memcpy(to, magic, strlen(magic));
  to = put_header(to + strlen(magic), "/", even(index));
  to = put_number(to, (size_t)n);
  for (int i = 0; i < n; i++) to = put_number(to, member);
  for (int i = 0; i < n; i++) to = strcpy(to, symbol[i]) + strlen(symbol[i]) + 1;
  to = put_header(bytes + member, member_name(a, object_name), size);
  memcpy(to, object, size);
  if (size % 2) to[size] = '\n';
  return bytes;
}

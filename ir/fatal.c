/* fatal.c -- the one way out for bugs of ours and for exhausted resources. */
#include "ir/fatal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The only mutable global of the compiler: what to remove when there is no caller left to do it. */
enum { MAX_FILES = 16 };
static const char *files[MAX_FILES];

void fatal_remove_file(const char *path) {
  for (int i = 0; i < MAX_FILES; i++)
    if (!files[i]) { files[i] = path; return; }
}

void fatal_keep_file(const char *path) {
  for (int i = 0; i < MAX_FILES; i++)
    if (files[i] && strcmp(files[i], path) == 0) files[i] = NULL;
}

static _Noreturn void leave(int status) {
  for (int i = 0; i < MAX_FILES; i++)
    if (files[i]) unlink(files[i]);
  fflush(stderr);
  _exit(status);
}

_Noreturn void fatal_bug(const char *file, int line, const char *what) {
  fprintf(stderr, "lathe: internal error at %s:%d: %s\n", file, line, what);
  fprintf(stderr, "hint: this is a bug in Lathe; please report it with the command line and the input\n");
  leave(EXIT_BUG);
}

_Noreturn void fatal_resource(const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  fputs("lathe: ", stderr);
  vfprintf(stderr, fmt, ap);
  fputc('\n', stderr);
  va_end(ap);
  leave(EXIT_RESOURCE);
}

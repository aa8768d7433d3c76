/* header.h -- the C header of a model that is compiled into a library. */
#ifndef LATHE_HEADER_H
#define LATHE_HEADER_H

#include <stdio.h>

#include "codegen/program.h"

/* A C identifier made of a file's name. */
const char *header_name(Arena *a, const char *wish);

typedef struct Header {
  const char *name; /* of functions and types begin so */
  const char *levels, *weights; /* what a reader is told: processors; the weights' file, or NULL */
  const ProgramInfo *info;
} Header;

/* Declares what runtime/library.c does. */
void header_print(const Header *h, Arena *a, FILE *out);

#endif

/* out_file.h -- files that are whole or not there: written aside, and renamed when they are done.
 *
 * All of these leave through fatal_resource when something cannot be written; what is aside is removed then. A process
 * that is killed leaves PATH.part at most, which the next one clears. */
#ifndef LATHE_OUT_FILE_H
#define LATHE_OUT_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "ir/arena.h"

typedef struct OutFile {
  const char *path, *aside;
  FILE *stream; /* NULL until asked for */
  int fd;
  bool named; /* `aside` is in the folder */
} OutFile;

/* `mode` as open() takes it; strings are kept in the arena. */
OutFile out_open(Arena *a, const char *path, unsigned mode);
void out_write(const OutFile *o, const void *bytes, size_t size);
/* Into what is there; the place of the next out_write() stays. */
void out_write_at(const OutFile *o, uint64_t at, const void *bytes, size_t size);
/* Leaves a hole, or cuts off. */
void out_seek(const OutFile *o, uint64_t to);
/* For what is printed; from then on nothing else may write. */
FILE *out_stream(OutFile *o);
/* Waits until the disk has it, which a file that is dear to make is worth. */
void out_sync(const OutFile *o);
void out_close(OutFile *o);
void out_discard(OutFile *o);

/* The folder that outputs go to is made, or there. */
void out_folder(const char *path);

/* A whole file at once. */
void out_write_file(const char *path, const void *bytes, size_t size);

#endif

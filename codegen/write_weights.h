/* write_weights.h -- copies a program's weights from their source to where they belong, and marks their end. */
#ifndef LATHE_WRITE_WEIGHTS_H
#define LATHE_WRITE_WEIGHTS_H

#include "codegen/program.h"
#include "ir/out_file.h"

typedef struct WeightsJob {
  Module *module;
  const ProgramInfo *info;
  void (*progress)(void *ctx, int64_t done, int64_t of); /* bytes, or NULL */
  void *progress_ctx;
} WeightsJob;

/* Each is false after a diag_error where a weight cannot be computed. `hash` is the one in the mark. */
bool weights_write(const WeightsJob *j, const OutFile *to, uint64_t *hash);
/* A file of their own, written aside and synced. */
bool weights_write_file(const WeightsJob *j, const char *path, uint64_t *hash);

#endif

/* onnx_file.h -- the files that a model is made of: mapped, never read into memory. */
#ifndef LATHE_ONNX_FILE_H
#define LATHE_ONNX_FILE_H

#include <stdint.h>

#include "ir/diag.h"

typedef struct OnnxBytes {
  const uint8_t *at; /* mapped; "" where the size is 0 */
  int64_t size;
} OnnxBytes;

/* False after a diag_error. */
bool onnx_map(Diag *d, Loc loc, const char *path, OnnxBytes *out);

/* Maps `location`, which comes from a model, strictly beneath the model's folder: a regular file with one name, reached
 * without leaving the folder and through no symbolic link. */
bool onnx_map_beneath(Diag *d, Loc loc, const char *folder, const char *location, OnnxBytes *out);

void onnx_unmap(OnnxBytes b);

#endif

/* fuzz_gguf.c -- a fuzz target: any bytes are a model in a GGUF file or an error; a model verifies, and its text reads back as the same. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "frontend/lm.h"
#include "ir/fatal.h"
#include "mutate.h"
#include "try_import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char path[64];
  int fd = memfd_create("gguf", 0);
  ensure(fd >= 0 && write(fd, data, size) == (ssize_t)size);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  try_import(path);
  close(fd);
  return 0;
}

void fuzz_mutate(Input *in, const Input *other, Random *r) { mutate(in, other, r); }

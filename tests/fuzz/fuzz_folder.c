/* fuzz_folder.c -- a fuzz target: any bytes are a model in a Hugging Face folder or an error. What is before the first byte of 255, which
 * no JSON text has, is config.json, and what is behind it model.safetensors. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ir/fatal.h"
#include "mutate.h"
#include "try_import.h"

typedef struct Folder {
  char path[64];
  int config, weights; /* in memory; the folder has links to them */
} Folder;

static int file_in_memory(const char *name) {
  char path[64];
  int fd = memfd_create(name, 0);
  ensure(fd >= 0);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  unlink(name);
  ensure(symlink(path, name) == 0);
  return fd;
}

static void fill(int fd, const uint8_t *data, size_t size) {
  ensure(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
}

static void remove_folder(Folder *f) {
  ensure(chdir(f->path) == 0);
  unlink("config.json");
  unlink("model.safetensors");
  ensure(chdir("/") == 0 && rmdir(f->path) == 0);
}

static Folder make_folder(void) {
  Folder f = {"/tmp/lathe-fuzz-XXXXXX", -1, -1};
  char *before = get_current_dir_name();
  ensure(before && mkdtemp(f.path) && chdir(f.path) == 0);
  f.config = file_in_memory("config.json");
  f.weights = file_in_memory("model.safetensors");
  ensure(chdir(before) == 0);
  free(before);
  return f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t *cut = size ? memchr(data, 0xff, size) : NULL;
  size_t n = cut ? (size_t)(cut - data) : size;
  char *before = get_current_dir_name();
  Folder f = make_folder();
  fill(f.config, data, n);
  fill(f.weights, cut ? cut + 1 : data, cut ? size - n - 1 : 0);
  try_import(f.path);
  remove_folder(&f);
  close(f.config), close(f.weights);
  ensure(before && chdir(before) == 0);
  free(before);
  return 0;
}

void fuzz_mutate(Input *in, const Input *other, Random *r) { mutate(in, other, r); }

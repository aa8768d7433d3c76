/* fuzz_npy.c -- a fuzz target: any bytes are an array or an error, to the compiler's reader and to that of programs; and what
 * programs take, the compiler takes for the same. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "frontend/npy.h"
#include "ir/fatal.h"
#include "mutate.h"
#include "runtime/array.h"
#include "runtime/os.h"

static Tensor *read_by_compiler(const uint8_t *data, size_t size) {
  char path[64];
  int fd = memfd_create("npy", 0);
  Arena *a = arena_new();
  ensure(fd >= 0 && write(fd, data, size) == (ssize_t)size);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  Tensor *t = npy_read(diag_new(a), path);
  close(fd);
  arena_free(a);
  return t;
}

static void check_same(const Tensor *t, const Array *a, const void *data, size_t bytes) {
  ensure(t && t->rank == a->rank);
  for (int i = 0; i < t->rank; i++) ensure(t->dim[i] == a->dim[i]);
  ensure(memcmp(t->data, data, bytes) == 0);
}

static void read_by_program(const uint8_t *data, size_t size, int64_t dtype, int64_t rank, const Tensor *t) {
  static const int64_t dim[LRT_RANK];
  lrt_port port = {.name = "x", .dtype = dtype, .rank = rank, .dim = dim};
  ArrayError why = {0};
  Array a;
  int64_t count, bytes;
  if (!array_parse(data, size, &port, &a, &why)) {
    ensure(why.text[0]);
    return;
  }
  ensure(array_bytes(&a, &count, &bytes));
  if (dtype != LRT_bf16) check_same(t, &a, a.data, (size_t)bytes);
  for (int64_t i = 0; i < count && i < 64; i++) (void)array_number(&a, i);
  if ((const uint8_t *)a.data < data || (const uint8_t *)a.data >= data + size) os_release((void *)(uintptr_t)a.data, (size_t)bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const int64_t types[] = {LRT_f32, LRT_i64, LRT_bool, LRT_bf16};
  Tensor *t = read_by_compiler(data, size);
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    for (int64_t rank = 0; rank < 4; rank++) read_by_program(data, size, types[i], rank, t);
  if (t) tensor_release(t);
  return 0;
}

void fuzz_mutate(Input *in, const Input *other, Random *r) { mutate(in, other, r); }

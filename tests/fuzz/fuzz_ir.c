/* fuzz_ir.c -- a fuzz target: IR text is read and verified, and what is printed of it reads back as the same. */
#include <stdint.h>
#include <stdlib.h>

#include "ir/fatal.h"
#include "ir/text.h"
#include "ir/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *print(const Module *m, size_t *size) {
  char *text;
  FILE *out = open_memstream(&text, size);
  ensure(out);
  text_print(m, out);
  fclose(out);
  return text;
}

static void check_round_trip(const Module *m, Arena *a) {
  size_t size, size_again;
  char *text = print(m, &size);
  Diag *d = diag_new(a);
  Module *again = text_parse(a, d, "printed", text, size);
  ensure(again);
  bool valid = verify_module(again);
  ensure(valid);
  char *text_again = print(again, &size_again);
  ensure(size == size_again && memcmp(text, text_again, size) == 0);
  module_close(again);
  free(text);
  free(text_again);
}

/* Reading and verifying together may take 64 MB and 128 times the text. */
static void check_memory(const Arena *a, size_t size) { ensure(arena_bytes(a) <= ((size_t)64 << 20) + 128 * size); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Arena *a = arena_new();
  Module *m = text_parse(a, diag_new(a), "input", (const char *)data, size);
  bool valid = m && verify_module(m);
  check_memory(a, size);
  if (valid) check_round_trip(m, a);
  if (m) module_close(m);
  arena_free(a);
  return 0;
}

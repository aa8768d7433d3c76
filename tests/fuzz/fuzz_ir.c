/* fuzz_ir.c -- a fuzz target: IR text is read and verified, and what is printed of it reads back as the same. */
#include "ir/fatal.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "mutate.h"
#include "round_trip.h"

/* Reading and verifying together may take 64 MB and 128 times the text. */
static void check_memory(const Arena *a, size_t size) { ensure(arena_bytes(a) <= ((size_t)64 << 20) + 128 * size); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Arena *a = arena_new();
  Module *m = text_parse(a, diag_new(a), "input", (const char *)data, size);
  bool valid = m && verify_module(m);
  check_memory(a, size);
  if (valid) check_round_trip(a, m);
  if (m) module_close(m);
  arena_free(a);
  return 0;
}

void fuzz_mutate(Input *in, const Input *other, Random *r) { mutate(in, other, r); }

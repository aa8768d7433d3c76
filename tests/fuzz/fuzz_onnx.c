/* fuzz_onnx.c -- any bytes are a model or an error; a model verifies, and prints to text that parses to itself. */
#include <stdio.h>
#include <stdlib.h>

#include "frontend/onnx.h"
#include "ir/fatal.h"
#include "ir/text.h"
#include "ir/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *text_of(const Module *m, size_t *size) {
  char *text = NULL;
  FILE *f = open_memstream(&text, size);
  ensure(f);
  text_print(m, f);
  ensure(fclose(f) == 0);
  return text;
}

static void check_round_trip(Arena *a, Diag *d, const Module *m) {
  size_t n, again_n;
  char *text = text_of(m, &n);
  Module *again = text_parse(a, d, "printed", text, n);
  if (!again) diag_flush(d, stderr, false);
  ensure(again);
  char *second = text_of(again, &again_n);
  ensure(n == again_n && memcmp(text, second, n) == 0);
  module_close(again);
  free(text);
  free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  Module *m = onnx_import_memory(a, d, "/nonexistent/fuzz.onnx", data, size, NULL);
  ensure(m || diag_errors(d));
  if (m) {
    if (!verify_module(m)) diag_flush(d, stderr, false);
    ensure(diag_errors(d) == 0);
    check_round_trip(a, d, m);
    module_close(m);
  }
  arena_free(a);
  return 0;
}

/* round_trip.c -- what every valid module must keep, whichever way it was made. */
#include "round_trip.h"

#include <stdio.h>
#include <stdlib.h>

#include "ir/fatal.h"
#include "ir/text.h"
#include "ir/verify.h"

static char *print(const Module *m, size_t *size) {
  char *text;
  FILE *out = open_memstream(&text, size);
  ensure(out);
  text_print(m, out);
  fclose(out);
  return text;
}

void check_round_trip(Arena *a, const Module *m) {
  size_t size, size_again;
  char *text = print(m, &size);
  Diag *d = diag_new(a);
  Module *again = text_parse(a, d, "printed", text, size);
  bool valid = again && verify_module(again);
  if (!valid) diag_flush(d, stderr, false);
  ensure(valid);
  char *text_again = print(again, &size_again);
  ensure(size == size_again && memcmp(text, text_again, size) == 0);
  module_close(again);
  free(text);
  free(text_again);
}

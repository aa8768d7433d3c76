/* kept.c -- states belong to sessions: two at once, each with rows of its own (kept.ir). */
#include <stdio.h>

#include "kept.h"

/* Appends two rows behind those that the session has; what it has then, or -1. */
static int append(kept_session *s, int64_t had) {
  const float x[] = {1, 2, 3, 4};
  const int64_t which[] = {0, 0}, places[] = {had, had + 1};
  kept_outputs out;
  kept_error error = {""};
  if (kept_run(s, &(kept_inputs){.n = 2, .x = x, .which = which, .places = places}, &out, &error)) return (int)*out.count;
  return puts(error.text), -1;
}

int main(void) {
  kept_model *m = kept_open(NULL, NULL);
  kept_session *a = kept_session_open(m, 2, NULL), *b = kept_session_open(m, 1, NULL);
  bool good = append(a, 0) == 2 && append(a, 2) == 4 && append(b, 0) == 2 && append(a, 4) == 6 && append(b, 2) == 4;
  kept_session_close(a);
  a = kept_session_open(m, 2, NULL); /* and a new one has none */
  good = good && append(a, 0) == 2;
  kept_session_close(a);
  kept_session_close(b);
  kept_close(m);
  return puts(good ? "states are kept" : "FAIL states"), !good;
}

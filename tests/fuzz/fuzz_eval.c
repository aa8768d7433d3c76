/* fuzz_eval.c -- a fuzz target: what verifies can be evaluated, to a result or to an error. */
#include "ir/text.h"
#include "ir/verify.h"
#include "mutate.h"
#include "try_eval.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Arena *a = arena_new();
  Module *m = text_parse(a, diag_new(a), "input", (const char *)data, size);
  if (m && verify_module(m))
    for (int i = 0; i < m->funcs.n; i++)
      if (m->funcs.at[i]->level == LEVEL_TENSOR) try_eval(m, m->funcs.at[i]);
  if (m) module_close(m);
  arena_free(a);
  return 0;
}

void fuzz_mutate(Input *in, const Input *other, Random *r) { mutate(in, other, r); }

/* fuzz_onnx.c -- a fuzz target: any bytes are a model or an error; a model verifies, its text reads back as the
 * same, and it can be evaluated. */
#include "frontend/onnx.h"
#include "ir/fatal.h"
#include "ir/verify.h"
#include "mutate.h"
#include "round_trip.h"
#include "try_eval.h"

/* What comes from the file and is not tensors' contents counts 128-fold; that they are counted here, too, leaves the bound
 * looser than what is promised by their size alone. */
static void check_memory(const Arena *a, size_t size) { ensure(arena_bytes(a) <= ((size_t)64 << 20) + 128 * size); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  Module *m = onnx_import_memory(a, d, "/nonexistent/fuzz.onnx", data, size, NULL);
  bool valid = m && verify_module(m);
  if (m && !valid) diag_flush(d, stderr, false);
  ensure(m ? valid : diag_errors(d) > 0);
  check_memory(a, size);
  if (m) {
    check_round_trip(a, m);
    try_eval(m, m->funcs.at[0]);
    module_close(m);
  }
  arena_free(a);
  return 0;
}

void fuzz_mutate(Input *in, const Input *other, Random *r) {
  if (random_index(r, 5))
    mutate_wire(in, other, r);
  else
    mutate(in, other, r);
}

/* try_import.c -- imports a language model: to a module that is valid, or to an error. */
#include "try_import.h"

#include "frontend/lm.h"
#include "ir/fatal.h"
#include "ir/verify.h"
#include "round_trip.h"

void try_import(const char *path) {
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  Module *m = lm_import(a, d, path, &(LmOptions){0, NULL});
  bool valid = m && verify_module(m);
  if (m && !valid) diag_flush(d, stderr, false);
  ensure(m ? valid : diag_errors(d) > 0);
  if (m) {
    check_round_trip(a, m);
    module_close(m);
  }
  arena_free(a);
}

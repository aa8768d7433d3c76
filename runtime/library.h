/* library.h -- a model as C functions: what a generated header declares under the model's name.
 *
 * lrt_api_open is exported as `<model>_open`, and so on; the structs are declared there with the names of inputs and
 * outputs, and here with what is common to all of them. */
#ifndef LRT_LIBRARY_H
#define LRT_LIBRARY_H

#include "runtime/session.h"
#include "runtime/weights.h"

typedef struct lrt_library {
  const lrt_program *program; /* the level that this processor runs */
  lrt_weights weights;
} lrt_library;

typedef struct lrt_library_session {
  lrt_session session;
  int64_t *given; /* [n_symbols]: what the caller says */
  size_t bytes;   /* of this */
} lrt_library_session;

lrt_library *lrt_api_open(const char *weights, lrt_error *error);
lrt_library *lrt_api_open_bytes(const void *weights, size_t size, lrt_error *error);
bool lrt_api_check(const lrt_library *l, lrt_error *error);
void lrt_api_close(lrt_library *l);
lrt_library_session *lrt_api_session_open(lrt_library *l, int threads, lrt_error *error);
void lrt_api_session_close(lrt_library_session *s);

/* in: the sizes that are axes of inputs, in the symbols' order; then where each input is.
 * out, for each output: where it is, then its shape. */
bool lrt_api_run(lrt_library_session *s, const void *in, void *out, lrt_error *error);

#endif

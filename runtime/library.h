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
  const lrt_library *library;
  lrt_session session;
  struct lrt_library_text *text; /* of a language model; NULL before it is asked for */
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

/* ---- language models: library_text.c ---- */

/* How the next token is chosen (runtime/sampler.h); zeros leave a filter out. */
typedef struct lrt_library_sampling {
  double temperature, top_p, min_p, repeat;
  int64_t top_k;
  uint64_t seed; /* of the session's first draw */
} lrt_library_sampling;

int64_t lrt_api_tokenize(const lrt_library *l, const char *text, size_t n, bool whole, int32_t *token, int64_t room, lrt_error *error);
int64_t lrt_api_detokenize(const lrt_library *l, const int32_t *token, int64_t n, char *text, size_t room, lrt_error *error);
bool lrt_api_ends(const lrt_library *l, int32_t token);
bool lrt_api_feed(lrt_library_session *s, const int32_t *token, int64_t n, lrt_error *error);
const float *lrt_api_logits(lrt_library_session *s, int64_t *words, lrt_error *error);
int32_t lrt_api_next(lrt_library_session *s, const lrt_library_sampling *how, lrt_error *error);
size_t lrt_api_piece(lrt_library_session *s, int32_t token, char *text, size_t room);
int64_t lrt_api_length(const lrt_library_session *s);
bool lrt_api_truncate(lrt_library_session *s, int64_t length, lrt_error *error);
bool lrt_api_copy(lrt_library_session *to, lrt_library_session *from, lrt_error *error);
size_t lrt_api_save(lrt_library_session *s, void *state, size_t room, lrt_error *error);
bool lrt_api_load(lrt_library_session *s, const void *state, size_t size, lrt_error *error);

/* For library.c: NULL is let pass. */
void library_text_close(struct lrt_library_text *text);

#endif

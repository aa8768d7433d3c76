/* generator.h -- a text of a language model, token by token: what the caches hold of it, and logits of what comes next. Nothing here knows of
 * words, files or terminals. */
#ifndef LRT_GENERATE_H
#define LRT_GENERATE_H

#include "runtime/session.h"
#include "runtime/weights.h"

enum { GENERATOR_IDS, GENERATOR_POSITIONS, GENERATOR_SEQUENCES, GENERATOR_OUTPUTS, GENERATOR_INPUTS };

/* One sequence of a session, whose other sequences may have generators of their own. */
typedef struct Generator {
  lrt_session *session;
  int64_t sequence, context, chunk;
  int64_t words;                    /* logits of a row; 0: not known before the first call */
  int64_t back;                     /* rows that can be taken back where a cache keeps a window only */
  int64_t input[GENERATOR_INPUTS];  /* which of the program's each is */
  int64_t *row[GENERATOR_INPUTS];   /* [chunk] of each */
  int32_t *token;                   /* [context]: the text */
  int64_t n, fed;                   /* its length, and how much of it the caches hold */
  int64_t most;                     /* the most that they have held */
  bool (*stop)(void *);             /* asked between calls; or NULL */
  void *stop_context;
  bool stopped;                     /* it said so */
  lrt_error why;                    /* what went wrong */
} Generator;

/* Does the model take tokens and give logits? */
bool generator_can(const lrt_model *m, const lrt_program *p);

/* context: positions in use, 0: all; chunk: rows of one call at most, 0: 256, or what the program takes. */
bool generator_open(Generator *g, const lrt_model *m, lrt_session *s, int64_t context, int64_t chunk);
void generator_close(Generator *g);

/* Puts tokens behind the text; false: the context is full. */
bool generator_add(Generator *g, const int32_t *token, int64_t n);
/* Has the caches take what is new, and gives the logits of what comes next; they last until the next call. The text is not empty. */
bool generator_next(Generator *g, const float **logits);
/* The same, but the logits [count, words] that follow each of the last tokens, `chunk` at most, none of which is held yet. */
bool generator_each(Generator *g, int64_t count, const float **logits);
/* Back to the first n tokens. */
bool generator_rewind(Generator *g, int64_t n);

/* How many tokens the model knows. */
int64_t generator_words(const lrt_program *p);

/* ---- text_state.c ---- */

/* False where `write` is. */
bool generator_save(Generator *g, const lrt_model *m, const lrt_weights *w, lrt_move *write, void *context);
/* Where that fails, the text is empty. */
bool generator_load(Generator *g, const lrt_model *m, const lrt_weights *w, int64_t words, lrt_move *read, void *context);
/* The same text in another session of the program, or another sequence. */
bool generator_copy(Generator *to, const Generator *from);

#endif

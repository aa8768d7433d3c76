/* speak.h -- a language model goes on with a text. */
#ifndef LRT_SPEAK_H
#define LRT_SPEAK_H

#include "runtime/session.h"
#include "runtime/weights.h"
#include "runtime/words.h"

typedef struct Speak {
  const char *ids;    /* the prompt as tokens, 1,2,3; or NULL */
  const char *prompt; /* or as text; NULL: an empty one */
  int64_t n;          /* how many tokens to make; -1: until the context is full */
  int64_t chunk;      /* rows of the prompt in one call */
  int64_t context;    /* positions in use; 0: all that there are */
} Speak;

/* Does the model take tokens and give logits? */
bool speak_can(const lrt_model *m, const lrt_program *p);

/* Writes what the model makes of the prompt: tokens if that is how it was given, else text, as it is made. The prompt is not
 * repeated. */
bool speak(const Speak *g, const lrt_model *m, lrt_session *s, TextOut *out, lrt_error *why);

#endif

/* vocabulary.h -- text to tokens and back, by a vocabulary of the kind that SentencePiece makes. */
#ifndef LRT_VOCABULARY_H
#define LRT_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/abi.h"

typedef struct Vocabulary {
  int64_t n;
  const uint8_t *text; /* the words, one behind another */
  const int32_t *end;  /* [n] */
  const float *score;
  const uint8_t *kind;
  const int32_t *order; /* [n]: words by their bytes */
  int64_t unknown;
  bool space_first; /* a text begins with a blank */
} Vocabulary;

/* False where the model has none. */
bool vocabulary_open(Vocabulary *v, const lrt_model *m);

/* A token's bytes, at most `size` of them; returns how many. `first`: nothing is before it, and its blank is left out. */
size_t vocabulary_bytes(const Vocabulary *v, int64_t token, bool first, char *out, size_t size);

/* Cuts a text in tokens: the pair of neighbours that makes the likeliest word is joined, until none does. `to` has room for
 * 3 n + 3. Returns how many. */
int64_t vocabulary_cut(const Vocabulary *v, const char *text, int64_t n, int64_t *to);

#endif

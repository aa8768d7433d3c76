/* tokenizer_part.h -- what the parts of the runtime's tokenizer share. */
#ifndef LRT_TOKENIZER_PART_H
#define LRT_TOKENIZER_PART_H

#include "runtime/tokenizer.h"
#include "runtime/tokenizer_tables.h"

#define TABLE(t, T, at) ((const T *)(const void *)((const uint8_t *)(t) + (at)))

/* Memory that grows. */
typedef struct Room {
  uint8_t *at;
  size_t n, room; /* bytes */
} Room;

bool room_make(Room *r, size_t bytes); /* for so many in all; what is in use is kept */
bool room_add(Room *r, const uint8_t *s, size_t n);
void room_release(Room *r);

/* Words that were cut before, and what they became. */
enum { KNOWN_BYTES = 22, KNOWN_TOKENS = 10, KNOWN_SLOTS = 1 << 14 };
typedef struct Known {
  uint8_t n, n_tokens, text[KNOWN_BYTES];
  int32_t token[KNOWN_TOKENS];
} Known;

/* One text on its way. */
typedef struct Work {
  const TokenizerTables *t;
  TokenList *out;
  Room normal[2];            /* a text before and after a step */
  Room marks, codes, sorted; /* runs of characters in NORMAL_ORDER */
  Room *cut;                 /* [n_cuts]: a text that a step changed */
  Room symbols, queue, best; /* of one word */
  Known *known;              /* or NULL */
  float score;               /* TOKENIZER_FLOAT: of what is done */
  bool unknown;              /* the token before was unknown */
} Work;

bool work_token(Work *w, int32_t token);
bool work_unknown(Work *w, const uint8_t *s, size_t n); /* a character that is no token */

/* The token of a piece, or -1. */
int32_t piece_find(const TokenizerTables *t, const uint8_t *s, size_t n);
/* The same, or -1 where text is never cut in that piece. */
int32_t piece_find_word(const TokenizerTables *t, const uint8_t *s, size_t n);
const uint8_t *piece_of(const TokenizerTables *t, int64_t token, size_t *n);

/* The unit below `unit`, or 0. */
static inline uint32_t trie_child(const TokenizerUnit *u, uint32_t unit, uint8_t byte) {
  uint32_t next = u[unit].base + byte;
  return next && u[next].parent == unit ? next : 0;
}

static inline uint32_t class_of(const TokenizerTables *t, TokenizerClasses k, uint32_t c) {
  return TABLE(t, uint8_t, k.block)[(size_t)TABLE(t, uint16_t, k.at)[c >> 8] * 256 + (c & 255)];
}

/* A text that an automaton reads: what it needs to know from behind is found out first. */
typedef struct Reading {
  const TokenizerTables *t;
  const TokenizerAutomaton *a;
  const uint8_t *s;
  size_t n;
  const uint8_t *ahead; /* [n + 1], or NULL */
} Reading;

/* False where there is no memory. */
bool reading_open(Reading *r, const TokenizerTables *t, uint32_t automaton, const uint8_t *s, size_t n, Room *room);
/* The next match from `from` on, in [*begin, *end); false if there is none. */
bool reading_find(const Reading *r, size_t from, size_t *begin, size_t *end);

/* The steps; each is false where there is no memory. A normalised text is in w->normal[0]. */
bool normalise(Work *w, const uint8_t *s, size_t n);
bool cut_words(Work *w, const uint8_t *s, size_t n, bool first);
bool word_bpe(Work *w, const uint8_t *s, size_t n);
bool word_unigram(Work *w, const uint8_t *s, size_t n);
bool word_wordpiece(Work *w, const uint8_t *s, size_t n);

#endif

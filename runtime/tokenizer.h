/* tokenizer.h -- text to tokens and back, by tables that the compiler made of a model's tokenizer. */
#ifndef LRT_TOKENIZER_H
#define LRT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/abi.h"

/* A view of the tables, which several may share: nothing in it changes. */
typedef struct Tokenizer {
  const struct TokenizerTables *tables;
} Tokenizer;

/* The model's fact "tokenizer", or such bytes in memory, at a multiple of 8. False where there are none. */
bool tokenizer_open(Tokenizer *t, const lrt_model *m);
bool tokenizer_open_bytes(Tokenizer *t, const void *at, size_t n);

/* Tokens have the numbers from 0 on; some may have no piece. */
int64_t tokenizer_count(const Tokenizer *t);
/* A piece as the vocabulary writes it ("Ġthe", "▁the", "<|im_end|>"), NULL if there is none; and the token of one, or -1. */
const char *tokenizer_piece(const Tokenizer *t, int64_t token, size_t *n);
int64_t tokenizer_find(const Tokenizer *t, const char *piece, size_t n);
/* A token that is no text but a sign: it begins or ends something. */
bool tokenizer_is_special(const Tokenizer *t, int64_t token);
/* Is text of this kind read without looking for signs in it, where nobody says? It is so for SentencePiece's own files. */
bool tokenizer_is_plain(const Tokenizer *t);

/* ---- to tokens ---- */

enum {
  TOKENIZER_ADD = 1,  /* the tokens that the model wants before and behind a text are added */
  TOKENIZER_SIGNS = 2 /* the pieces of special tokens are such in the text, too */
};

/* Zeroed, it is empty; it grows as is needed. */
typedef struct TokenList {
  int32_t *at;
  int64_t n, room;
} TokenList;

/* Appends a text's tokens. The text is any bytes. False: there is no memory. */
bool tokenizer_encode(const Tokenizer *t, const char *text, size_t n, unsigned how, TokenList *out);
void token_list_release(TokenList *l);

/* ---- to text ---- */

typedef void TokenizerPut(void *context, const char *at, size_t n);

/* Half a character is held back until its other half is there. */
typedef struct TokenizerDecode {
  const Tokenizer *tokenizer;
  bool first;   /* nothing is before it: what only separates words is left out */
  bool signs;   /* special tokens are written, too */
  bool blank;   /* a blank is due before whatever comes next */
  uint8_t n, held[4];
} TokenizerDecode;

void tokenizer_decode_start(TokenizerDecode *d, const Tokenizer *t, bool first, bool signs);
void tokenizer_decode(TokenizerDecode *d, int64_t token, TokenizerPut *put, void *context);
/* What is still held back is half a character, for which U+FFFD is written. */
void tokenizer_decode_end(TokenizerDecode *d, TokenizerPut *put, void *context);

#endif

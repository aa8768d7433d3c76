/* tokenizer_spec.h -- a tokenizer while it is read: its vocabulary as lists, its steps as tables already. */
#ifndef LATHE_TOKENIZER_SPEC_H
#define LATHE_TOKENIZER_SPEC_H

#include "frontend/regex.h"
#include "frontend/tokenizers.h"
#include "ir/diag.h"
#include "runtime/tokenizer_tables.h"

typedef struct SpecText {
  const char *at;
  size_t n;
} SpecText;

typedef struct SpecToken {
  SpecText piece; /* at is NULL where there is no such token */
  SpecText write; /* what is written for it */
  double score;
  uint8_t flags;  /* TOKEN_... */
} SpecToken;

typedef struct SpecSign {
  SpecText text;
  TokenizerSign sign;
} SpecSign;

typedef struct Spec {
  Arena *arena;
  Diag *diag;
  Loc loc;
  TokenizerTables head;
  VEC(SpecToken) token;
  StrMap by_name; /* of pieces without a zero in them, to the token's SpecToken */
  VEC(TokenizerPair) pair; /* in the order of ranks, and rank tells */
  VEC(TokenizerNormal) normal;
  VEC(TokenizerCut) cut;
  VEC(SpecSign) early, late;
  bool late_as_is; /* late ones are not normalised themselves */
  VEC(int32_t) before, behind;
  int32_t byte[256]; /* tokens of bytes, or -1 */
  SpecText inner, last; /* in front of pieces within words; behind those at their ends */
  TokenizerBytes bytes; /* all that is done, behind the header */
} Spec;

Spec *spec_new(Arena *a, Diag *d, const char *path);
bool spec_wrong(const Spec *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- the vocabulary ---- */

enum { MAX_TOKENS = 1 << 24, MAX_PIECE = 1 << 12 };

/* False after a diag_error: the number is out of range or taken, the piece too long. */
bool spec_token(Spec *s, int64_t id, SpecText piece, double score, uint8_t flags);
int32_t spec_find(const Spec *s, SpecText piece); /* or -1 */
bool spec_pair(Spec *s, int32_t a, int32_t b, int32_t both, uint32_t rank);
/* <0x0A>: the byte, or -1. */
int spec_byte_of(SpecText piece);
/* All pairs that make tokens, the likeliest first, as SentencePiece joins them. False after a diag_error. */
bool spec_pairs_by_score(Spec *s);

static inline SpecText spec_text(const char *s) { return (SpecText){s, strlen(s)}; }

/* ---- the pieces of tables ---- */

uint32_t spec_put(Spec *s, const void *at, size_t n); /* where it is */
TokenizerText spec_put_text(Spec *s, SpecText t);
uint32_t spec_put_trie(Spec *s, const SpecText *word, const int32_t *value, int n);

/* ---- steps ---- */

/* Where the pattern's automaton is; false after a diag_error. */
bool spec_pattern(Spec *s, const char *pattern, size_t n, RegexDialect dialect, uint32_t *at);
bool spec_cut(Spec *s, const char *pattern, RegexDialect dialect, uint32_t how, uint32_t flags);

/* What a character becomes: so many code points, or one of these: it stays as it is, or with blanks around it. */
enum { MAP_STAYS = -1, MAP_APART = -2 };
typedef int SpecMap(uint32_t c, const void *context, uint32_t out[CODE_TEXT]); 
void spec_map(Spec *s, SpecMap *map, const void *context, uint32_t flags);

typedef enum SpecForm { FORM_NFC, FORM_NFD, FORM_NFKC, FORM_NFKD } SpecForm;
void spec_form(Spec *s, SpecForm form);
void spec_lower(Spec *s);
void spec_strip_accents(Spec *s);
void spec_bert(Spec *s, bool clean, bool chinese, bool accents, bool lower);
void spec_prepend(Spec *s, SpecText text);
/* A charsmap as SentencePiece keeps it; false after a diag_error. */
bool spec_charsmap(Spec *s, const void *at, size_t n, TokenizerNormal *k);
bool spec_graphemes(Spec *s, const void *at, size_t n);
TokenizerClasses spec_classes(Spec *s, const uint8_t *class_of);
void spec_mark_cut(Spec *s); /* where marks always begin pieces, words end before them */

/* The patterns that byte-level BPE and BERT are known for. */
extern const char spec_gpt2_pattern[];

/* ---- the whole ---- */

bool spec_finish(Spec *s, TokenizerBytes *out);

bool tokenizer_read_json(Spec *s, const char *path);
bool tokenizer_read_pieces(Spec *s, const char *path);
bool tokenizer_read_settings(Spec *s, const Checkpoint *c);

/* Gives the bytes that pieces are in letters for, and tokens for single bytes. */
void spec_letters(Spec *s);
/* Bytes that are no part of any other token are tokens <0x00> to <0xFF>, if all are there. */
bool spec_fallback(Spec *s);

/* Hugging Face's letters for bytes: the byte of a code point, or -1; and the text of pieces in bytes. */
int letter_byte(uint32_t c);
bool letters_bytes(Arena *a, SpecText piece, SpecText *out);

#endif

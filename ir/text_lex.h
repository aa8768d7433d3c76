/* text_lex.h -- the words of the text form: cutting text into tokens, and quoting. */
#ifndef LATHE_TEXT_LEX_H
#define LATHE_TEXT_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "ir/arena.h"

/* Below 256: that character. */
typedef enum TokenKind {
  TK_END = 256,
  TK_WORD,   /* letters, digits, `_`, `.`, `$`, and no digit first */
  TK_NUMBER, /* a digit first; the sign is a token of its own */
  TK_STRING, /* "..." */
  TK_VALUE,  /* %name, %"..." */
  TK_NAME,   /* @name, @"..." */
  TK_ARROW,  /* -> */
  TK_LE,     /* <= */
  TK_BAD,    /* what cannot be a token: an unclosed string, a stray byte */
} TokenKind;

typedef struct Token {
  int kind;
  int line;
  const char *at; /* without the sign and the quotes; escapes as they are written */
  size_t n;
  bool quoted;
  bool first; /* on its line */
} Token;

typedef struct Lexer {
  const char *at, *begin, *end;
  int line;
} Lexer;

Lexer lex_start(const char *text, size_t size);
Token lex_next(Lexer *l);
bool token_is(Token t, const char *word); /* is it this WORD */
/* The token as the reader wrote it, for messages: `'%x'`, `the end of the file`. */
const char *token_text(Arena *a, Token t);

/* What a quoted token says; false where an escape is unknown or makes a zero byte. Unquoted tokens are copied. */
bool token_decode(Arena *a, Token t, const char **out);

/* May be written without quotes behind % and @. */
bool text_is_plain(const char *s);
/* Is read as one word. */
bool text_is_word(const char *s);
/* In quotes, with escapes for quotes, backslashes, control characters and what is not UTF-8. */
void text_quote(FILE *out, const char *s);
/* Without quotes where it is a word. */
void text_word(FILE *out, const char *s);
/* sigil and name, quoted where needed. */
void text_name(FILE *out, char sigil, const char *s);

enum { TEXT_MOST = 300 }; /* bytes of a node, type or size in a message */

/* Prints to a string: open, print to `out`, close. */
typedef struct TextBuffer {
  FILE *out;
  char *text;
  size_t size;
} TextBuffer;

void text_buffer_open(TextBuffer *b);
/* What is longer than `most` bytes is cut and ends in `...`. */
char *text_buffer_close(TextBuffer *b, Arena *a, size_t most);

#endif

/* text_parser.h -- what the parts of the parser share: text_parse.c (declarations, functions, nodes), text_parse_type.c
 * (tokens, sizes, types), text_parse_value.c (literals, attributes). */
#ifndef LATHE_TEXT_PARSER_H
#define LATHE_TEXT_PARSER_H

#include "ir/ir.h"
#include "ir/text_lex.h"

enum { MAX_DEPTH = 64, MAX_ERRORS = 100 };

/* What a name in a function stands for. It stays when its block ends, for the message. */
typedef struct Entry {
  bool gone;    /* its block has ended */
  bool missing; /* used without being defined, which is reported once */
  int line;
  void *what; /* Value or Symbol; NULL: it had an error, which has been reported */
} Entry;

/* A call of a function that may come later. */
typedef struct Fixup {
  Attr *attr;
  const char *name;
  int line;
} Fixup;

typedef struct Parser {
  Lexer lex;
  Token tok;
  const char *file;
  Arena *arena, *scratch;
  Diag *diag;
  Module *m;
  StrMap names;         /* of that function; each begins with its kind: % a value, # one by its number, < a symbol */
  VEC(Entry *) visible; /* a stack: the values of the blocks being read */
  int depth, errors;
  size_t memory; /* the most that the arenas may hold */
  bool stopped;  /* too many errors, or too much memory: nothing more is read or reported */
  VEC(Fixup) calls;
  VEC(Token) results;  /* a stack: of the nodes being read, from the outermost on */
  VEC(Value *) in;     /* operands of the node being read */
  VEC(uint64_t) words; /* elements of the list being read */
  VEC(double) floats;
  VEC(Dim) dims;
} Parser;

/* ---- tokens ---- */

bool parse_fail(Parser *p, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void parse_stop(Parser *p);
void parse_advance(Parser *p);
/* expected `what`, found the token. */
bool parse_unexpected(Parser *p, const char *what);
bool parse_expect(Parser *p, int kind, const char *what);
bool parse_accept(Parser *p, int kind);
bool parse_accept_word(Parser *p, const char *word);
bool parse_decode(Parser *p, Token t, const char **out);
bool parse_module_name(Parser *p, const char **out); /* @name */
bool parse_word_or_string(Parser *p, const char *what, const char **out);
bool parse_integer(Parser *p, const char *what, int64_t *out); /* with a sign */
/* Reports a number that number_read() has refused. */
bool parse_bad_number(Parser *p, Token t, bool negative, const char *wrong, Dtype type);
const char *parse_shown(Parser *p); /* the token, for a message */

Entry *names_find(Parser *p, char kind, const char *name);
/* Reports a name that is taken. */
bool names_add(Parser *p, char kind, const char *name, int line, void *what);

/* ---- types ---- */

bool parse_dim(Parser *p, Dim *out);
bool parse_dtype(Parser *p, Dtype *out);
bool parse_type(Parser *p, Type *out);

/* ---- values ---- */

/* Behind the type: `[1, 2]`, `0.5`, `splat 1`, `hex "00"`, `file @f 0`. */
bool parse_literal(Parser *p, Constant *c);
/* Goes over a literal whose type is still to come. */
bool parse_skip_literal(Parser *p);
bool parse_attr(Parser *p, const OpInfo *info, int slot, Attr *out);

#endif

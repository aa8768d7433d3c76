/* regex.h -- patterns of pre-tokenisers: parsed here, and made automata by regex_automaton.c. */
#ifndef LATHE_REGEX_H
#define LATHE_REGEX_H

#include "frontend/code_set.h"

typedef enum RegexKind {
  REGEX_EMPTY,
  REGEX_SET,    /* one character */
  REGEX_CAT,    /* left, then right */
  REGEX_ALT,    /* left, or else right */
  REGEX_REPEAT, /* left, at least `least` times and at most `most` (-1: any number) */
  REGEX_NEXT,   /* the next character is in the set, which may hold CODE_END, the end of the text */
  REGEX_AHEAD   /* what follows begins with left; or does not */
} RegexKind;

typedef struct Regex {
  RegexKind kind;
  struct Regex *left, *right;
  CodeSet set;
  int least, most;
  bool lazy, negative;
} Regex;

/* How a pattern is meant where libraries differ. */
typedef enum RegexDialect { REGEX_ONIGURUMA, REGEX_RUST, REGEX_USUAL, REGEX_PLAIN /* the text itself */ } RegexDialect;

/* NULL where it cannot be compiled; *why then says so. */
Regex *regex_parse(Arena *a, const char *pattern, size_t n, RegexDialect dialect, const char **why);

#endif

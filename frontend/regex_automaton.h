/* regex_automaton.h -- automata of patterns: what matches first in the order of the pattern, without going back. */
#ifndef LATHE_REGEX_AUTOMATON_H
#define LATHE_REGEX_AUTOMATON_H

#include "frontend/regex.h"

typedef VEC(uint32_t) Steps;

typedef struct Automaton {
  uint8_t *class_of; /* [CODE_END] */
  uint32_t n_classes; /* the last is the end of the text */
  uint32_t start;
  Steps step; /* [states][n_classes << n_ahead], as runtime/tokenizer_tables.h has it */
  int n_ahead;
  struct AutomatonAhead {
    uint32_t start;
    Steps step; /* [states][n_classes] */
  } ahead[4];
} Automaton;

/* NULL where it becomes too large; *why then says so. */
Automaton *automaton_make(Arena *a, const Regex *r, const char **why);

#endif

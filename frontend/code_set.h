/* code_set.h -- sets of code points, and what Unicode says of characters. */
#ifndef LATHE_CODE_SET_H
#define LATHE_CODE_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/arena.h"

enum { CODE_END = 0x110000 };

/* Ranges from lo to hi, both in it, in order and apart. */
typedef struct CodeRange {
  uint32_t lo, hi;
} CodeRange;

typedef VEC(CodeRange) CodeSet;

CodeSet set_range(Arena *a, uint32_t lo, uint32_t hi);
CodeSet set_or(Arena *a, const CodeSet *x, const CodeSet *y);
CodeSet set_and(Arena *a, const CodeSet *x, const CodeSet *y);
CodeSet set_not(Arena *a, const CodeSet *x);
bool set_has(const CodeSet *s, uint32_t c);

/* A category, a script or a property by its name ("L", "Lu", "Han", "White_Space"); false if there is none. */
bool set_property(Arena *a, const char *name, CodeSet *out);
/* One that is known to be there. */
CodeSet set_named(Arena *a, const char *name);
/* With all that differs only in case. */
CodeSet set_fold(Arena *a, const CodeSet *s);

/* ---- characters ---- */

enum { CODE_TEXT = 32 };

/* Each writes what a character becomes, and returns how many code points; 0 where it stays. */
int code_lower(uint32_t c, uint32_t out[CODE_TEXT]);
int code_decompose(uint32_t c, bool compatible, uint32_t out[CODE_TEXT]);
uint8_t code_class(uint32_t c);
/* What a character is composed of, if of two. */
bool code_pair(uint32_t c, uint32_t out[2]);

#endif

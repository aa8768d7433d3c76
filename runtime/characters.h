/* characters.h -- what Python's texts know of characters: which are letters, digits or white space, and their upper and lower case. */
#ifndef LRT_CHARACTERS_H
#define LRT_CHARACTERS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum CharacterKind {
  CHARACTER_space,
  CHARACTER_hidden, /* repr() escapes it */
  CHARACTER_alpha,
  CHARACTER_decimal,
  CHARACTER_digit,   /* and no decimal */
  CHARACTER_numeric, /* and no digit */
  CHARACTER_lower,
  CHARACTER_upper,
  CHARACTER_titled,
  CHARACTER_ignored /* between letters of a word and its end */
} CharacterKind;

typedef enum CharacterCase { CHARACTER_TO_upper, CHARACTER_TO_lower, CHARACTER_TO_title } CharacterCase;

bool character_is(uint32_t c, CharacterKind kind);
/* What it becomes: one to three characters; returns how many. */
int character_case(uint32_t c, CharacterCase to, uint32_t out[3]);

static inline bool character_is_space(uint32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13) || (c >= 28 && c <= 31);
  return character_is(c, CHARACTER_space);
}

static inline bool character_is_cased(uint32_t c) {
  return character_is(c, CHARACTER_lower) || character_is(c, CHARACTER_upper) || character_is(c, CHARACTER_titled);
}

#endif

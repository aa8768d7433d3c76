/* mutate.c -- small damage to an input, the same for the same seed.
 *
 * Bytes alone rarely get past a parser, so most changes are of lines, words and numbers, which texts are made of. On
 * binary files these are runs of bytes like any other. */
#include "mutate.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SIZE = 1 << 20 };

/* ---- editing ---- */

/* [from, from+cut) becomes the n bytes at `with`, which do not lie in the input. */
static void replace(Input *in, size_t from, size_t cut, const uint8_t *with, size_t n) {
  size_t size = in->n - cut + n;
  if (size > MAX_SIZE) return;
  if (size > in->cap) {
    in->cap = size * 2;
    in->at = realloc(in->at, in->cap);
    if (!in->at) abort();
  }
  size_t behind = in->n - from - cut;
  if (behind) memmove(in->at + from + n, in->at + from + cut, behind);
  if (n) memcpy(in->at + from, with, n);
  in->n = size;
}

void input_set(Input *in, const uint8_t *at, size_t n) {
  in->n = 0;
  replace(in, 0, 0, at, n);
}

typedef struct Span {
  size_t at, n;
} Span;

typedef bool (*IsPart)(uint8_t c);
static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }
static bool is_line(uint8_t c) { return c != '\n'; }
static bool is_word(uint8_t c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == '%' ||
         c == '@';
}

/* A run of such bytes, found from a random place on; empty where there is none. */
static Span find(const Input *in, Random *r, IsPart is) {
  if (in->n == 0) return (Span){0, 0};
  size_t i = random_index(r, in->n);
  while (i < in->n && !is(in->at[i])) i++;
  size_t from = i, to = i;
  while (from > 0 && is(in->at[from - 1])) from--;
  while (to < in->n && is(in->at[to])) to++;
  return (Span){from, to - from};
}

/* A line with its newline. */
static Span find_line(const Input *in, Random *r) {
  Span s = find(in, r, is_line);
  if (s.at + s.n < in->n) s.n++;
  return s;
}

static void copy_over(Input *in, Span to, const Input *from, Span piece) {
  uint8_t *copy = malloc(piece.n + 1);
  if (!copy) abort();
  memcpy(copy, from->at + piece.at, piece.n);
  replace(in, to.at, to.n, copy, piece.n);
  free(copy);
}

/* ---- changes ---- */

static void flip_bit(Input *in, const Input *other, Random *r) {
  (void)other;
  if (in->n) in->at[random_index(r, in->n)] ^= (uint8_t)(1u << random_index(r, 8));
}

static void insert_byte(Input *in, const Input *other, Random *r) {
  static const char often[] = "(){}[]<>=:,+-*?%@\"_ \n0";
  (void)other;
  bool any = random_index(r, 4) == 0;
  uint8_t c = any ? (uint8_t)random_next(r) : (uint8_t)often[random_index(r, sizeof often - 1)];
  replace(in, random_index(r, in->n + 1), 0, &c, 1);
}

static void delete_bytes(Input *in, const Input *other, Random *r) {
  (void)other;
  if (in->n == 0) return;
  size_t at = random_index(r, in->n), most = in->n - at;
  replace(in, at, 1 + random_index(r, most < 8 ? most : 8), NULL, 0);
}

static void edit_number(Input *in, const Input *other, Random *r) {
  static const char *const numbers[] = {"0",
                                        "1",
                                        "2",
                                        "7",
                                        "12",
                                        "13",
                                        "64",
                                        "255",
                                        "256",
                                        "1024",
                                        "65536",
                                        "2147483647",
                                        "2147483648",
                                        "4294967296",
                                        "4611686018427387904",
                                        "9223372036854775807",
                                        "9223372036854775808",
                                        "18446744073709551615",
                                        "99999999999999999999",
                                        "1e999",
                                        "0x7fc00001",
                                        "-1"};
  (void)other;
  Span s = find(in, r, is_digit);
  const char *with = numbers[random_index(r, sizeof numbers / sizeof *numbers)];
  if (s.n) replace(in, s.at, s.n, (const uint8_t *)with, strlen(with));
}

/* Names of values, names of the module, numbers and words. */
static int word_kind(uint8_t c) { return c == '%' || c == '@' ? c : is_digit(c) ? '0' : 'a'; }

/* Mostly by a word of the same kind, which leaves more of a text readable: another value, type, op or size. */
static void replace_word(Input *in, const Input *other, Random *r) {
  const Input *from = random_index(r, 3) ? in : other;
  Span to = find(in, r, is_word), piece = find(from, r, is_word);
  for (int tries = 0; tries < 8 && to.n && piece.n && word_kind(in->at[to.at]) != word_kind(from->at[piece.at]);
       tries++)
    piece = find(from, r, is_word);
  if (to.n && piece.n) copy_over(in, to, from, piece);
}

static void delete_word(Input *in, const Input *other, Random *r) {
  (void)other;
  Span s = find(in, r, is_word);
  replace(in, s.at, s.n, NULL, 0);
}

static void delete_line(Input *in, const Input *other, Random *r) {
  (void)other;
  Span s = find_line(in, r);
  replace(in, s.at, s.n, NULL, 0);
}

static void copy_line(Input *in, const Input *other, Random *r) {
  const Input *from = random_index(r, 3) ? in : other;
  Span piece = find_line(from, r), to = find_line(in, r);
  to.n = 0;
  copy_over(in, to, from, piece);
}

static void repeat_piece(Input *in, const Input *other, Random *r) {
  (void)other;
  if (in->n == 0) return;
  size_t at = random_index(r, in->n), most = in->n - at;
  Span piece = {at, 1 + random_index(r, most < 64 ? most : 64)};
  for (size_t k = random_index(r, 20); k > 0; k--) copy_over(in, (Span){at, 0}, in, piece);
}

static void splice(Input *in, const Input *other, Random *r) {
  Span at = find_line(in, r), from = find_line(other, r);
  copy_over(in, (Span){at.at, in->n - at.at}, other, (Span){from.at, other->n - from.at});
}

static void truncate_input(Input *in, const Input *other, Random *r) {
  (void)other;
  if (in->n && random_index(r, 4) == 0) in->n = random_index(r, in->n);
}

typedef void (*Change)(Input *, const Input *, Random *);

void mutate(Input *in, const Input *other, Random *r) {
  static const Change changes[] = {flip_bit,     insert_byte,  delete_bytes, edit_number, edit_number,
                                   replace_word, replace_word, replace_word, delete_word, delete_line,
                                   copy_line,    copy_line,    repeat_piece, splice,      truncate_input};
  size_t n = random_index(r, 2) ? 1 : 1 + random_index(r, 5);
  for (; n > 0; n--) changes[random_index(r, sizeof changes / sizeof *changes)](in, other, r);
}

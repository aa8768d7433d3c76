/* regex.c -- parses patterns of pre-tokenisers: what automata can do of the syntax of Oniguruma and of Rust's `regex`. */
#include "frontend/regex.h"

#include <inttypes.h>
#include <stdlib.h>

#include "runtime/tokenizer_tables.h"

enum { MAX_DEPTH = 100, MAX_REPEAT = 1000 };

typedef struct Parser {
  Arena *arena;
  const uint8_t *at, *end;
  RegexDialect dialect;
  const char *why; /* the first thing that is wrong */
  int depth;
  bool fold; /* (?i) */
} Parser;

static Regex *refuse(Parser *p, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  if (!p->why) p->why = arena_vprintf(p->arena, fmt, ap);
  va_end(ap);
  p->at = p->end;
  return NULL;
}

static Regex *make(Parser *p, RegexKind kind, Regex *left, Regex *right) {
  Regex *r = ARENA_NEW(p->arena, Regex);
  *r = (Regex){.kind = kind, .left = left, .right = right};
  return r;
}

static Regex *make_set(Parser *p, CodeSet s) {
  Regex *r = make(p, REGEX_SET, NULL, NULL);
  r->set = p->fold ? set_fold(p->arena, &s) : s;
  return r;
}

static bool is_next(const Parser *p, const char *s) {
  size_t n = strlen(s);
  return (size_t)(p->end - p->at) >= n && memcmp(p->at, s, n) == 0;
}

static bool take(Parser *p, const char *s) {
  if (!is_next(p, s)) return false;
  p->at += strlen(s);
  return true;
}

static uint32_t take_character(Parser *p) {
  uint32_t c;
  int good;
  p->at += tokenizer_take(p->at, (uint64_t)(p->end - p->at), &c, &good);
  return c;
}

/* ---- escapes ---- */

static CodeSet inverted(Parser *p, CodeSet s, bool yes) { return yes ? set_not(p->arena, &s) : s; }

static CodeSet any_of(Parser *p, const char *const *names) {
  CodeSet all = {0};
  for (; *names; names++) {
    CodeSet one = set_named(p->arena, *names);
    all = set_or(p->arena, &all, &one);
  }
  return all;
}

/* \w: what the two mean by a character of words. */
static CodeSet word_set(Parser *p) {
  static const char *const oniguruma[] = {"L", "M", "Nd", "Pc", NULL};
  static const char *const rust[] = {"Alphabetic", "M", "Nd", "Pc", "Join_Control", NULL};
  return any_of(p, p->dialect == REGEX_RUST ? rust : oniguruma);
}

static bool take_hex(Parser *p, int least, int most, uint32_t *out) {
  int n = 0;
  *out = 0;
  for (; n < most && p->at < p->end; n++, p->at++) {
    int c = *p->at, v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (v < 0) break;
    *out = *out * 16 + (uint32_t)v;
  }
  if (n >= least && *out < CODE_END) return true;
  return refuse(p, "an escape has no code point"), false;
}

/* \x41, \x{1F600}, A */
static bool take_code(Parser *p, int digits, uint32_t *c) {
  if (!take(p, "{")) return take_hex(p, digits, digits, c);
  if (!take_hex(p, 1, 8, c)) return false;
  return take(p, "}") || (refuse(p, "an escape \\x{ does not end"), false);
}

/* \p{Lu}, \p{^Lu}, \pL behind the p. */
static bool take_property(Parser *p, bool negative, CodeSet *out) {
  const char *name;
  if (take(p, "{")) {
    negative ^= take(p, "^");
    const uint8_t *begin = p->at;
    while (p->at < p->end && *p->at != '}') p->at++;
    name = arena_string(p->arena, (const char *)begin, (size_t)(p->at - begin));
    if (!take(p, "}")) return refuse(p, "\\p{%s does not end", name), false;
  } else {
    if (p->at == p->end) return refuse(p, "\\p names no property"), false;
    name = arena_string(p->arena, (const char *)p->at++, 1);
  }
  if (!set_property(p->arena, name, out)) return refuse(p, "there is no property \\p{%s}", name), false;
  *out = inverted(p, *out, negative);
  return true;
}

static const struct {
  char letter;
  uint32_t c;
} controls[] = {{'n', '\n'}, {'r', '\r'}, {'t', '\t'}, {'f', '\f'}, {'v', '\v'}, {'a', 7}, {'e', 27}, {'0', 0}};

/* What stands behind a backslash, as a set. */
static bool take_escape(Parser *p, CodeSet *out) {
  uint32_t c;
  if (p->at == p->end) return refuse(p, "the pattern ends with a backslash"), false;
  uint8_t letter = *p->at++;
  switch (letter) {
  case 's': case 'S': return *out = inverted(p, set_named(p->arena, "White_Space"), letter == 'S'), true;
  case 'd': case 'D': return *out = inverted(p, set_named(p->arena, "Nd"), letter == 'D'), true;
  case 'w': case 'W': return *out = inverted(p, word_set(p), letter == 'W'), true;
  case 'p': case 'P': return take_property(p, letter == 'P', out);
  case 'x': if (!take_code(p, 2, &c)) return false; return *out = set_range(p->arena, c, c), true;
  case 'u': if (!take_code(p, 4, &c)) return false; return *out = set_range(p->arena, c, c), true;
  case 'U': if (!take_code(p, 8, &c)) return false; return *out = set_range(p->arena, c, c), true;
  default: break;
  }
  for (size_t i = 0; i < sizeof controls / sizeof *controls; i++)
    if (controls[i].letter == (char)letter) return *out = set_range(p->arena, controls[i].c, controls[i].c), true;
  bool word = (letter >= '1' && letter <= '9') || (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z');
  if (word) return refuse(p, "\\%c is not known", letter), false;
  p->at--;
  c = take_character(p);
  return *out = set_range(p->arena, c, c), true;
}

/* ---- classes ---- */

static bool take_class(Parser *p, CodeSet *out);

/* One member, and whether it is one character, which may begin a range. */
static bool take_member(Parser *p, CodeSet *out, bool *single) {
  *single = false;
  if (is_next(p, "[:")) return refuse(p, "POSIX brackets [: :] are not known"), false;
  if (take(p, "[")) return take_class(p, out);
  if (take(p, "\\")) {
    if (!take_escape(p, out)) return false;
    *single = out->n == 1 && out->at[0].lo == out->at[0].hi;
    return true;
  }
  uint32_t c = take_character(p);
  *out = set_range(p->arena, c, c);
  return *single = true;
}

/* Members up to && or the end. */
static bool take_members(Parser *p, CodeSet *all) {
  bool first = true;
  *all = (CodeSet){0};
  for (; p->at < p->end && (first || !is_next(p, "]")) && !is_next(p, "&&"); first = false) {
    CodeSet one, last;
    bool single;
    if (!take_member(p, &one, &single)) return false;
    if (single && is_next(p, "-") && p->at + 1 < p->end && p->at[1] != ']') {
      p->at++;
      if (!take_member(p, &last, &single)) return false;
      if (!single || last.at[0].lo < one.at[0].lo) return refuse(p, "a range in a class has no two ends in order"), false;
      one = set_range(p->arena, one.at[0].lo, last.at[0].lo);
    }
    *all = set_or(p->arena, all, &one);
  }
  return true;
}

/* Behind the opening bracket. */
static bool take_class(Parser *p, CodeSet *out) {
  if (++p->depth > MAX_DEPTH) return refuse(p, "it is nested more than %d deep", MAX_DEPTH), false;
  bool negative = take(p, "^");
  CodeSet more;
  if (!take_members(p, out)) return false;
  while (take(p, "&&")) {
    if (!take_members(p, &more)) return false;
    *out = set_and(p->arena, out, &more);
  }
  if (!take(p, "]")) return refuse(p, "a class [ does not end"), false;
  if (p->fold) *out = set_fold(p->arena, out);
  *out = inverted(p, *out, negative);
  p->depth--;
  return true;
}

/* ---- what looks ahead ---- */

static Regex *next_in(Parser *p, CodeSet s, bool or_end) {
  Regex *r = make(p, REGEX_NEXT, NULL, NULL);
  if (or_end) {
    CodeSet end = set_range(p->arena, CODE_END, CODE_END);
    s = set_or(p->arena, &s, &end);
  }
  r->set = s;
  return r;
}

static Regex *end_of_text(Parser *p) { return next_in(p, (CodeSet){0}, true); }

/* $: Oniguruma, as it is built for tokenisers, means the end of a line. */
static Regex *end_of_line(Parser *p) {
  return next_in(p, p->dialect == REGEX_ONIGURUMA ? set_range(p->arena, '\n', '\n') : (CodeSet){0}, true);
}

static Regex *look_ahead(Parser *p, Regex *r, bool negative) {
  if (r && r->kind == REGEX_SET) return next_in(p, inverted(p, r->set, negative), negative);
  Regex *ahead = make(p, REGEX_AHEAD, r, NULL);
  ahead->negative = negative;
  return ahead;
}

/* ---- groups ---- */

static Regex *take_alternatives(Parser *p);

static Regex *close_group(Parser *p, Regex *r) {
  if (p->why || take(p, ")")) return r;
  return refuse(p, "a group ( does not end");
}

/* A repeat of one character which gives nothing back ends where that character does not follow. */
static Regex *keep(Parser *p, Regex *r) {
  Regex *of = r && r->kind == REGEX_REPEAT ? r->left : NULL;
  if (!of || of->kind != REGEX_SET) return refuse(p, "only a repeated character or class can be possessive or atomic");
  Regex *stop = next_in(p, inverted(p, of->set, true), true), *all = NULL;
  if (r->most < 0) return make(p, REGEX_CAT, r, stop);
  for (int n = r->least; n <= r->most; n++) { /* shorter ones stop where they must; the longest anywhere */
    Regex *exact = make(p, REGEX_REPEAT, of, NULL);
    exact->least = exact->most = n;
    if (n < r->most) exact = make(p, REGEX_CAT, exact, stop);
    all = all ? make(p, REGEX_ALT, exact, all) : exact;
  }
  return all;
}

/* (?i:...) and (?i), behind the question mark. */
static Regex *take_flags(Parser *p) {
  bool fold = p->fold, on = true;
  for (; p->at < p->end && *p->at != ')' && *p->at != ':'; p->at++) {
    if (*p->at == '-') on = false;
    else if (*p->at == 'i') fold = on;
    else return refuse(p, "(?%c is not known", *p->at);
  }
  if (take(p, ")")) return p->fold = fold, make(p, REGEX_EMPTY, NULL, NULL);
  bool before = p->fold;
  if (!take(p, ":")) return refuse(p, "a group ( does not end");
  p->fold = fold;
  Regex *r = take_alternatives(p);
  p->fold = before;
  return close_group(p, r);
}

static Regex *take_group(Parser *p) {
  bool fold = p->fold;
  Regex *r;
  if (take(p, "?:")) r = close_group(p, take_alternatives(p));
  else if (take(p, "?=")) r = look_ahead(p, close_group(p, take_alternatives(p)), false);
  else if (take(p, "?!")) r = look_ahead(p, close_group(p, take_alternatives(p)), true);
  else if (take(p, "?>")) r = keep(p, close_group(p, take_alternatives(p)));
  else if (is_next(p, "?<=") || is_next(p, "?<!")) r = refuse(p, "it looks behind, (?<");
  else if (take(p, "?")) return take_flags(p);
  else r = close_group(p, take_alternatives(p));
  p->fold = fold;
  return r;
}

/* ---- sequences ---- */

static Regex *take_atom(Parser *p) {
  CodeSet s;
  if (take(p, "(")) {
    if (++p->depth > MAX_DEPTH) return refuse(p, "it is nested more than %d deep", MAX_DEPTH);
    Regex *r = take_group(p);
    p->depth--;
    return r;
  }
  if (take(p, "[")) return take_class(p, &s) ? make_set(p, s) : NULL;
  if (take(p, ".")) return s = set_range(p->arena, '\n', '\n'), make_set(p, set_not(p->arena, &s));
  if (take(p, "$")) return end_of_line(p);
  if (take(p, "\\z")) return end_of_text(p);
  if (is_next(p, "^") || is_next(p, "\\A") || is_next(p, "\\b") || is_next(p, "\\B") || is_next(p, "\\G"))
    return refuse(p, "`%.*s` looks behind", *p->at == '^' ? 1 : 2, (const char *)p->at);
  if (take(p, "\\")) return take_escape(p, &s) ? make_set(p, s) : NULL;
  if (is_next(p, "*") || is_next(p, "+") || is_next(p, "?")) return refuse(p, "`%c` repeats nothing", *p->at);
  uint32_t c = take_character(p);
  return make_set(p, set_range(p->arena, c, c));
}

static bool take_digits(Parser *p, int *out) {
  const uint8_t *begin = p->at;
  for (*out = 0; p->at < p->end && *p->at >= '0' && *p->at <= '9' && *out <= MAX_REPEAT; p->at++) *out = *out * 10 + (*p->at - '0');
  return p->at > begin;
}

/* {2}, {2,}, {,3}, {2,3}; anything else in braces is text. */
static bool take_braces(Parser *p, int *least, int *most) {
  const uint8_t *begin = p->at;
  if (!take(p, "{")) return false;
  bool low = take_digits(p, least), comma = take(p, ","), high = comma && take_digits(p, most);
  if (!comma) *most = *least;
  else if (!high) *most = -1;
  if ((low || high) && take(p, "}")) return true;
  p->at = begin;
  return false;
}

static bool take_quantity(Parser *p, int *least, int *most) {
  if (take(p, "*")) return *least = 0, *most = -1, true;
  if (take(p, "+")) return *least = 1, *most = -1, true;
  if (take(p, "?")) return *least = 0, *most = 1, true;
  return take_braces(p, least, most);
}

static Regex *take_repeated(Parser *p) {
  Regex *r = take_atom(p);
  int least, most;
  while (r && take_quantity(p, &least, &most)) {
    if (least > MAX_REPEAT || most > MAX_REPEAT) return refuse(p, "it repeats more than %d times", MAX_REPEAT);
    if (most >= 0 && most < least) return refuse(p, "{%d,%d} has no two numbers in order", least, most);
    Regex *all = make(p, REGEX_REPEAT, r, NULL);
    all->least = least, all->most = most;
    bool braces = p->at[-1] == '}';
    if (take(p, "?")) all->lazy = true;
    else if (!(braces && p->dialect == REGEX_ONIGURUMA) && take(p, "+")) all = keep(p, all);
    r = all;
  }
  return r;
}

static Regex *take_sequence(Parser *p) {
  Regex *all = make(p, REGEX_EMPTY, NULL, NULL);
  while (p->at < p->end && !is_next(p, "|") && !is_next(p, ")")) {
    Regex *one = take_repeated(p);
    if (!one) return NULL;
    all = all->kind == REGEX_EMPTY ? one : make(p, REGEX_CAT, all, one);
  }
  return all;
}

static Regex *take_alternatives(Parser *p) {
  Regex *first = take_sequence(p);
  if (!first || !take(p, "|")) return first;
  Regex *all = make(p, REGEX_ALT, first, NULL), *last = all;
  do {
    Regex *one = take_sequence(p);
    if (!one) return NULL;
    last->right = make(p, REGEX_ALT, one, NULL);
    last = last->right;
  } while (take(p, "|"));
  *last = *last->left;
  return all;
}

static Regex *plain_text(Parser *p) {
  Regex *all = make(p, REGEX_EMPTY, NULL, NULL);
  while (p->at < p->end) {
    uint32_t c = take_character(p);
    all = make(p, REGEX_CAT, all, make_set(p, set_range(p->arena, c, c)));
  }
  return all;
}

Regex *regex_parse(Arena *a, const char *pattern, size_t n, RegexDialect dialect, const char **why) {
  Parser p = {.arena = a, .at = (const uint8_t *)pattern, .end = (const uint8_t *)pattern + n, .dialect = dialect};
  Regex *r = dialect == REGEX_PLAIN ? plain_text(&p) : take_alternatives(&p);
  if (r && p.at < p.end) r = refuse(&p, "a group ends that has not begun");
  *why = p.why;
  return p.why ? NULL : r;
}

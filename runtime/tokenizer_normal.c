/* tokenizer_normal.c -- normalises a text, step by step: each reads one buffer and writes another. */
#include "runtime/tokenizer_part.h"

static const uint8_t lost[] = {0xef, 0xbf, 0xbd}; /* U+FFFD */

static bool add_text(Work *w, Room *to, TokenizerText x) { return room_add(to, TABLE(w->t, uint8_t, x.at), x.n); }

static bool add_character(Room *to, uint32_t c) {
  uint8_t s[4];
  return room_add(to, s, (size_t)tokenizer_put(s, c));
}

/* ---- characters one by one ---- */

/* Hangul syllables are made of two or three letters, by arithmetic. */
enum { SYLLABLES = 0xac00, LEADS = 0x1100, VOWELS = 0x1161, TAILS = 0x11a7, N_VOWELS = 21, N_TAILS = 28, N_SYLLABLES = 11172, N_LEADS = 19 };

static bool add_apart(Room *to, uint32_t c) {
  uint32_t i = c - SYLLABLES;
  if (!add_character(to, LEADS + i / (N_VOWELS * N_TAILS)) || !add_character(to, VOWELS + i / N_TAILS % N_VOWELS)) return false;
  return i % N_TAILS == 0 || add_character(to, TAILS + i % N_TAILS);
}

static bool add_alone(Room *to, const uint8_t *s, size_t n) {
  return room_add(to, (const uint8_t *)" ", 1) && room_add(to, s, n) && room_add(to, (const uint8_t *)" ", 1);
}

static bool map(Work *w, const TokenizerNormal *k, const uint8_t *s, size_t n, Room *to) {
  const uint16_t *at = TABLE(w->t, uint16_t, k->map), *block = TABLE(w->t, uint16_t, k->blocks);
  const TokenizerText *strings = TABLE(w->t, TokenizerText, k->strings);
  size_t done = 0;
  uint32_t c;
  int good;
  for (size_t i = 0, length; i < n; i += length) {
    length = (size_t)tokenizer_take(s + i, n - i, &c, &good);
    uint16_t string = block[(size_t)at[c >> 8] * 256 + (c & 255)];
    bool hangul = (k->flags & NORMAL_HANGUL) && c - SYLLABLES < N_SYLLABLES;
    if (good && !string && !hangul) continue;
    if (!room_add(to, s + done, i - done)) return false;
    if (string == NORMAL_APART ? !add_alone(to, s + i, length) : hangul ? !add_apart(to, c) : string ? !add_text(w, to, strings[string]) : !room_add(to, lost, 3)) return false;
    done = i + length;
  }
  return room_add(to, s + done, n - done);
}

/* ---- marks in canonical order, and composition ---- */

/* A character and its combining class. */
typedef struct Mark {
  uint32_t c, class;
} Mark;

static bool add_mark(Room *r, uint32_t c, uint32_t class) {
  Mark m = {c, class};
  return room_add(r, (const uint8_t *)&m, sizeof m);
}

/* Stable, and by counting where there are many. */
static bool sort_marks(Work *w, Mark *m, size_t n) {
  if (n <= 32) {
    for (size_t i = 1; i < n; i++) {
      Mark one = m[i];
      size_t k = i;
      for (; k > 0 && m[k - 1].class > one.class; k--) m[k] = m[k - 1];
      m[k] = one;
    }
    return true;
  }
  size_t count[257] = {0};
  if (!room_make(&w->sorted, n * sizeof *m)) return false;
  Mark *to = (Mark *)(void *)w->sorted.at;
  for (size_t i = 0; i < n; i++) count[m[i].class + 1]++;
  for (int i = 0; i < 256; i++) count[i + 1] += count[i];
  for (size_t i = 0; i < n; i++) to[count[m[i].class]++] = m[i];
  __builtin_memcpy(m, to, n * sizeof *m);
  return true;
}

/* What two characters are together, or 0. */
static uint32_t composed(const TokenizerTables *t, const TokenizerNormal *k, uint32_t a, uint32_t b) {
  if (a - LEADS < N_LEADS && b - VOWELS < N_VOWELS) return SYLLABLES + ((a - LEADS) * N_VOWELS + (b - VOWELS)) * N_TAILS;
  if (a - SYLLABLES < N_SYLLABLES && (a - SYLLABLES) % N_TAILS == 0 && b - TAILS - 1 < N_TAILS - 1) return a + (b - TAILS);
  const uint32_t *pair = TABLE(t, uint32_t, k->pairs);
  uint32_t low = 0, high = k->n_pairs;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    const uint32_t *p = pair + (size_t)3 * middle;
    if (p[0] == a && p[1] == b) return p[2];
    if (p[0] < a || (p[0] == a && p[1] < b)) low = middle + 1;
    else high = middle;
  }
  return 0;
}

/* Joins to the first of a run, a letter, what can be; a mark is blocked by one of its own class before it that stays. */
static size_t compose(const TokenizerTables *t, const TokenizerNormal *k, Mark *m, size_t n) {
  size_t left = 1;
  for (size_t i = 1; i < n; i++) {
    bool blocked = left > 1 && m[left - 1].class >= m[i].class;
    uint32_t both = blocked || m[0].class ? 0 : composed(t, k, m[0].c, m[i].c);
    if (both) m[0].c = both;
    else m[left++] = m[i];
  }
  return left;
}

/* Marks stand sorted; the letter is joined with them. */
static bool end_run(Work *w, const TokenizerNormal *k, bool *done) {
  Mark *m = (Mark *)(void *)w->marks.at;
  size_t n = w->marks.n / sizeof *m, letters = n && m[0].class == 0;
  if (*done || n == 0) return true;
  if (!sort_marks(w, m + letters, n - letters)) return false;
  if (k->flags & NORMAL_COMPOSED) w->marks.n = compose(w->t, k, m, n) * sizeof *m;
  return *done = true;
}

static bool write_run(Work *w, Room *to) {
  const Mark *m = (const Mark *)(void *)w->marks.at;
  for (size_t i = 0; i < w->marks.n / sizeof *m; i++)
    if (!add_character(to, m[i].c)) return false;
  w->marks.n = 0;
  return true;
}

/* A letter ends a run, unless the run is one letter and the two are joined. */
static bool take_letter(Work *w, const TokenizerNormal *k, uint32_t c, Room *to, bool *done) {
  if (!end_run(w, k, done)) return false;
  Mark *m = (Mark *)(void *)w->marks.at;
  bool alone = w->marks.n == sizeof *m && m[0].class == 0 && (k->flags & NORMAL_COMPOSED);
  uint32_t both = alone ? composed(w->t, k, m[0].c, c) : 0;
  *done = false;
  if (both) return m[0].c = both, true;
  return write_run(w, to) && add_mark(&w->marks, c, 0);
}

static bool order(Work *w, const TokenizerNormal *k, const uint8_t *s, size_t n, Room *to) {
  uint32_t c;
  int good;
  bool done = false;
  w->marks.n = 0;
  for (size_t i = 0, length; i < n; i += length) {
    length = (size_t)tokenizer_take(s + i, n - i, &c, &good);
    if (c < 0x80 && (i + 1 == n || s[i + 1] < 0x80)) { /* no mark follows */
      if (!end_run(w, k, &done) || !write_run(w, to) || !room_add(to, s + i, 1)) return false;
      done = false;
      continue;
    }
    uint32_t class = class_of(w->t, k->classes, c);
    if (class ? !add_mark(&w->marks, c, class) : !take_letter(w, k, c, to, &done)) return false;
  }
  return end_run(w, k, &done) && write_run(w, to);
}

/* ---- texts ---- */

static bool replace(Work *w, const TokenizerNormal *k, const uint8_t *s, size_t n, Room *to) {
  Reading r;
  size_t done = 0, begin, end;
  uint32_t c;
  int good;
  if (!reading_open(&r, w->t, k->automaton, s, n, &w->marks)) return false;
  for (size_t from = 0; from <= n && reading_find(&r, from, &begin, &end);) {
    if (!room_add(to, s + done, begin - done) || !add_text(w, to, k->text)) return false;
    done = from = end;
    if (begin == end) from += end < n ? (size_t)tokenizer_take(s + end, n - end, &c, &good) : 1;
  }
  return room_add(to, s + done, n - done);
}

static bool strip(const TokenizerNormal *k, const uint8_t *s, size_t n, Room *to) {
  size_t begin = 0, end = 0, length;
  uint32_t c;
  int good;
  for (size_t i = 0; i < n; i += length) {
    length = (size_t)tokenizer_take(s + i, n - i, &c, &good);
    bool space = tokenizer_is_space(c);
    if (space && begin == i && (k->flags & NORMAL_LEFT)) begin = i + length;
    if (!space || !(k->flags & NORMAL_RIGHT)) end = i + length;
  }
  return end <= begin || room_add(to, s + begin, end - begin);
}

/* ---- tables of SentencePiece ---- */

/* One unit of a darts trie. */
static uint32_t darts_offset(uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); }

/* The text for the longest match at s, or for the shortest; NULL if there is none. */
static const uint8_t *darts_find(Work *w, const TokenizerNormal *k, const uint8_t *s, size_t n, bool longest, size_t *length) {
  const uint32_t *unit = TABLE(w->t, uint32_t, k->map);
  const uint8_t *texts = TABLE(w->t, uint8_t, k->text.at), *found = NULL;
  uint32_t at = 0;
  if (!k->blocks) return NULL;
  at ^= darts_offset(unit[0]);
  for (size_t i = 0; i < n && s[i] && at < k->blocks; i++) {
    at ^= s[i];
    if (at >= k->blocks || (unit[at] & (1u << 31 | 0xff)) != s[i]) break;
    bool leaf = unit[at] >> 8 & 1;
    at ^= darts_offset(unit[at]);
    uint32_t value = leaf && at < k->blocks ? unit[at] & 0x7fffffff : UINT32_MAX;
    if (value >= k->text.n) continue;
    found = texts + value;
    *length = i + 1;
    if (!longest) break;
  }
  return found;
}

static size_t length_of(const uint8_t *s) {
  size_t n = 0;
  while (s[n]) n++;
  return n;
}

/* What the text at s begins with becomes; returns how many bytes of it. */
static size_t piece_at(Work *w, const TokenizerNormal *k, const uint8_t *s, size_t n, const uint8_t **to, size_t *to_n) {
  const TokenizerUnit *kept = TABLE(w->t, TokenizerUnit, k->kept);
  size_t length = 0;
  uint32_t unit = 0, c;
  int good;
  for (size_t i = 0; k->kept && i < n && (unit = trie_child(kept, unit, s[i])) != 0; i++)
    if (kept[unit].value >= 0) length = i + 1;
  *to = s;
  *to_n = length;
  if (length) return length;
  const uint8_t *text = darts_find(w, k, s, n, true, &length);
  if (text) return *to = text, *to_n = length_of(text), length;
  length = (size_t)tokenizer_take(s, n, &c, &good);
  *to_n = good ? length : 3;
  if (!good) *to = lost;
  return length;
}

/* A blank, marked or not. */
static bool add_blank(Work *w, const TokenizerNormal *k, Room *to) {
  (void)w;
  return k->flags & PIECES_MARK ? room_add(to, (const uint8_t *)"\xe2\x96\x81", 3) : room_add(to, (const uint8_t *)" ", 1);
}

static bool pieces(Work *w, const TokenizerNormal *k, const uint8_t *s, size_t n, Room *to) {
  const uint8_t *text;
  size_t length, at = 0, blank = k->flags & PIECES_MARK ? 3 : 1;
  bool trim = k->flags & PIECES_TRIM, before = trim; /* before: a blank is */
  while (trim && at < n) {
    size_t used = piece_at(w, k, s + at, n - at, &text, &length);
    if (length != 1 || *text != ' ') break;
    at += used;
  }
  if (at == n) return true;
  if ((k->flags & PIECES_FIRST) && !add_blank(w, k, to)) return false;
  while (at < n) {
    at += piece_at(w, k, s + at, n - at, &text, &length);
    for (; before && length && *text == ' '; length--) text++;
    for (size_t i = 0; i < length; i++)
      if (text[i] == ' ' ? !add_blank(w, k, to) : !room_add(to, text + i, 1)) return false;
    if (length) before = trim && text[length - 1] == ' ';
  }
  while (trim && to->n >= blank && (blank == 1 ? to->at[to->n - 1] == ' ' : to->at[to->n - 3] == 0xe2 && to->at[to->n - 2] == 0x96 && to->at[to->n - 1] == 0x81))
    to->n -= blank;
  return !(k->flags & PIECES_LAST) || add_blank(w, k, to);
}

enum { SHORT_GRAPHEME = 6 };

static bool character_by_table(Work *w, const TokenizerNormal *k, const uint8_t *s, size_t n, bool good, Room *to) {
  size_t length;
  const uint8_t *text = darts_find(w, k, s, n, false, &length);
  if (text) return room_add(to, text, length_of(text));
  return good ? room_add(to, s, n) : room_add(to, lost, 3);
}

static bool grapheme(Work *w, const TokenizerNormal *k, const uint8_t *s, size_t n, Room *to) {
  size_t length;
  const uint8_t *text = n < SHORT_GRAPHEME ? darts_find(w, k, s, n, false, &length) : NULL;
  uint32_t c;
  int good;
  if (text) return room_add(to, text, length_of(text));
  for (size_t i = 0, used; i < n; i += used) {
    used = (size_t)tokenizer_take(s + i, n - i, &c, &good);
    if (!character_by_table(w, k, s + i, used, good, to)) return false;
  }
  return true;
}

static bool graphemes(Work *w, const TokenizerNormal *k, const uint8_t *s, size_t n, Room *to) {
  Reading r;
  size_t begin, end;
  if (!reading_open(&r, w->t, k->automaton, s, n, &w->marks)) return false;
  for (size_t at = 0; at < n; at = end) {
    if (!reading_find(&r, at, &begin, &end) || begin != at || end == at) end = n;
    if (!grapheme(w, k, s + at, end - at, to)) return false;
  }
  return true;
}

/* ---- all ---- */

static bool step(Work *w, const TokenizerNormal *k, const uint8_t *s, size_t n, Room *to) {
  switch (k->kind) {
  case NORMAL_MAP: return map(w, k, s, n, to);
  case NORMAL_ORDER: return order(w, k, s, n, to);
  case NORMAL_REPLACE: return replace(w, k, s, n, to);
  case NORMAL_PREPEND: return (n == 0 || add_text(w, to, k->text)) && room_add(to, s, n);
  case NORMAL_STRIP: return strip(k, s, n, to);
  case NORMAL_PIECES: return pieces(w, k, s, n, to);
  default: return graphemes(w, k, s, n, to);
  }
}

bool normalise(Work *w, const uint8_t *s, size_t n) {
  const TokenizerNormal *k = TABLE(w->t, TokenizerNormal, w->t->normal);
  for (uint32_t i = 0; i < w->t->n_normal; i++) {
    Room from = w->normal[0];
    w->normal[0] = w->normal[1];
    w->normal[1] = from;
    w->normal[0].n = 0;
    if (!step(w, &k[i], i ? w->normal[1].at : s, i ? w->normal[1].n : n, &w->normal[0])) return false;
  }
  return true;
}

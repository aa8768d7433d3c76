/* vocabulary.c -- text to tokens and back, by a vocabulary of the kind that SentencePiece makes. */
#include "runtime/vocabulary.h"

#include "runtime/facts.h"
#include "runtime/words.h"

/* What SentencePiece says of a word. */
enum { NORMAL = 1, UNKNOWN, CONTROL, USER, UNUSED, BYTE };

/* U+2581, which stands for a blank. */
static const uint8_t blank[3] = {0xe2, 0x96, 0x81};

static bool list(const lrt_model *m, const char *name, int64_t dtype, int64_t n, const void **at) {
  const lrt_fact *f = fact_find(m, name, dtype);
  if (f) *at = f->at;
  return f && (n < 0 || f->n == n);
}

bool vocabulary_open(Vocabulary *v, const lrt_model *m) {
  const lrt_fact *end = fact_find(m, "word_ends", LRT_i32);
  const void *text, *score, *kind, *order;
  if (!end || !list(m, "words", LRT_u8, -1, &text) || !list(m, "word_scores", LRT_f32, end->n, &score) ||
      !list(m, "word_kinds", LRT_u8, end->n, &kind) || !list(m, "word_order", LRT_i32, end->n, &order))
    return false;
  *v = (Vocabulary){.n = end->n, .text = text, .end = end->at, .score = score, .kind = kind, .order = order};
  v->unknown = fact_number(m, "unknown", 0);
  v->space_first = fact_number(m, "space_first", 1);
  return true;
}

static const uint8_t *word(const Vocabulary *v, int64_t i, size_t *n) {
  int32_t from = i ? v->end[i - 1] : 0;
  *n = (size_t)(v->end[i] - from);
  return v->text + from;
}

/* ---- to text ---- */

static int hex(uint8_t c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

/* <0x0A>, or -1. */
static int byte_of(const uint8_t *s, size_t n) {
  bool form = n == 6 && s[0] == '<' && s[1] == '0' && s[2] == 'x' && s[5] == '>';
  return form && hex(s[3]) >= 0 && hex(s[4]) >= 0 ? hex(s[3]) * 16 + hex(s[4]) : -1;
}

static bool is_blank(const uint8_t *s, size_t n) { return n >= 3 && s[0] == blank[0] && s[1] == blank[1] && s[2] == blank[2]; }

size_t vocabulary_bytes(const Vocabulary *v, int64_t token, bool first, char *out, size_t size) {
  size_t n, made = 0;
  if (token < 0 || token >= v->n || v->kind[token] == CONTROL) return 0;
  const uint8_t *s = word(v, token, &n);
  int byte = v->kind[token] == BYTE ? byte_of(s, n) : -1;
  if (byte >= 0 && size) return out[0] = (char)byte, 1;
  for (size_t i = 0; i < n && made < size;) {
    bool space = is_blank(s + i, n - i);
    if (!(first && i == 0 && (space || s[0] == ' '))) out[made++] = space ? ' ' : (char)s[i];
    i += space ? 3 : 1;
  }
  return made;
}

/* ---- to tokens ---- */

static int compare(const uint8_t *a, size_t n, const uint8_t *b, size_t m) {
  for (size_t i = 0; i < n && i < m; i++)
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  return n < m ? -1 : n > m;
}

/* The token of these bytes, or -1. */
static int64_t find(const Vocabulary *v, const uint8_t *s, size_t n) {
  int64_t low = 0, high = v->n;
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    size_t m;
    const uint8_t *w = word(v, v->order[middle], &m);
    int order = compare(s, n, w, m);
    if (order == 0) return v->order[middle];
    if (order < 0) high = middle;
    else low = middle + 1;
  }
  return -1;
}

enum { LONGEST = 1 << 10 }; /* a word of more bytes is never made */

/* The token that two make together, or -1. */
static int64_t joined(const Vocabulary *v, int64_t a, int64_t b) {
  uint8_t both[LONGEST];
  size_t n, m;
  const uint8_t *s = word(v, a, &n), *t = word(v, b, &m);
  if (n + m > LONGEST) return -1;
  for (size_t i = 0; i < n; i++) both[i] = s[i];
  for (size_t i = 0; i < m; i++) both[n + i] = t[i];
  return find(v, both, n + m);
}

static size_t character_length(uint8_t c) { return c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4; }

/* A character is a token, or its bytes are. */
static int64_t add_character(const Vocabulary *v, const uint8_t *s, size_t n, int64_t *to) {
  static const char digit[] = "0123456789ABCDEF";
  int64_t token = find(v, s, n), count = 0;
  if (token >= 0) return to[0] = token, 1;
  for (size_t i = 0; i < n; i++) {
    uint8_t name[6] = {'<', '0', 'x', (uint8_t)digit[s[i] >> 4], (uint8_t)digit[s[i] & 15], '>'};
    token = find(v, name, 6);
    to[count++] = token >= 0 ? token : v->unknown;
  }
  return count;
}

static int64_t cut_characters(const Vocabulary *v, const char *text, int64_t n, int64_t *to) {
  int64_t count = 0;
  if (v->space_first) count += add_character(v, blank, 3, to);
  for (int64_t i = 0; i < n;) {
    const uint8_t *s = (const uint8_t *)text + i;
    size_t length = character_length(*s);
    if ((int64_t)length > n - i) length = (size_t)(n - i);
    count += *s == ' ' ? add_character(v, blank, 3, to + count) : add_character(v, s, length, to + count);
    i += (int64_t)length;
  }
  return count;
}

int64_t vocabulary_cut(const Vocabulary *v, const char *text, int64_t n, int64_t *to) {
  int64_t count = n ? cut_characters(v, text, n, to) : 0;
  for (;;) {
    int64_t best = -1, at = 0;
    for (int64_t i = 0; i + 1 < count; i++) {
      int64_t token = joined(v, to[i], to[i + 1]);
      if (token >= 0 && (best < 0 || v->score[token] > v->score[best])) best = token, at = i;
    }
    if (best < 0) return count;
    to[at] = best;
    for (int64_t i = at + 1; i + 1 < count; i++) to[i] = to[i + 1];
    count--;
  }
}

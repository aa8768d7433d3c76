/* tokenizer_pieces.c -- words as pieces of a vocabulary: the likeliest ones (Unigram), or always the longest (WordPiece). */
#include "runtime/tokenizer_part.h"

/* ---- the likeliest ---- */

/* The best way to a place in the word. */
typedef struct Way {
  double score;
  uint32_t length; /* of its last piece, in bytes; 0: there is no way yet */
  int32_t token;   /* -1: unknown */
} Way;

/* SentencePiece has sums in f32, where near equals are equals, of which the first counts. */
static void offer(const TokenizerTables *t, Way *way, double score, uint32_t length, int32_t token) {
  if (t->flags & TOKENIZER_FLOAT) score = (double)(float)score;
  if (way->length && !(score > way->score)) return;
  way->score = score;
  way->length = length;
  way->token = token;
}

/* Offers each piece that begins here. */
static void offer_pieces(const TokenizerTables *t, Way *way, const uint8_t *s, size_t n, size_t at) {
  const TokenizerUnit *u = TABLE(t, TokenizerUnit, t->trie);
  const double *score = TABLE(t, double, t->scores);
  uint32_t unit = 0, c;
  int good;
  size_t whole = (size_t)tokenizer_take(s + at, n - at, &c, &good);
  bool alone = false;
  for (size_t i = at; i < n && (unit = trie_child(u, unit, s[i])) != 0; i++) {
    if (u[unit].value < 0) continue;
    uint32_t length = (uint32_t)(i + 1 - at);
    offer(t, &way[i + 1], score[u[unit].value] + way[at].score, length, u[unit].value);
    alone |= length == whole;
  }
  if (!alone) offer(t, &way[at + whole], (double)t->unknown_score + way[at].score, (uint32_t)whole, -1);
}

/* From the end, which turns the order around; `length` of a place becomes that of the piece that begins there. */
static void turn_around(Way *way, size_t n) {
  Way later = way[n];
  for (size_t at = n; at > 0;) {
    at -= later.length;
    Way here = way[at];
    way[at] = later;
    later = here;
  }
}

static bool take_way(Work *w, const Way *way, const uint8_t *s, size_t n) {
  for (size_t at = 0; at < n; at += way[at].length) {
    bool unknown = way[at].token < 0 || way[at].token == w->t->unknown;
    if (!(unknown ? work_unknown(w, s + at, way[at].length) : work_token(w, way[at].token))) return false;
    if (!unknown) w->unknown = false;
  }
  return true;
}

static bool unigram_part(Work *w, const uint8_t *s, size_t n) {
  const TokenizerTables *t = w->t;
  if (n > SIZE_MAX / sizeof(Way) - 1 || !room_make(&w->best, (n + 1) * sizeof(Way))) return false;
  Way *way = (Way *)(void *)w->best.at;
  uint32_t c;
  int good;
  if (!(t->flags & TOKENIZER_RUNS)) w->unknown = false;
  for (size_t i = 0; i <= n; i++) way[i].length = 0;
  way[0].score = t->flags & TOKENIZER_FLOAT ? (double)w->score : 0;
  for (size_t at = 0; at < n; at += (size_t)tokenizer_take(s + at, n - at, &c, &good)) offer_pieces(t, way, s, n, at);
  w->score = (float)way[n].score;
  turn_around(way, n);
  return take_way(w, way, s, n);
}

/* Longer words are cut anywhere: nothing else counts so far. */
enum { LONGEST_PART = 1 << 30 };

bool word_unigram(Work *w, const uint8_t *s, size_t n) {
  for (size_t done = 0, k; done < n; done += k) {
    k = n - done < LONGEST_PART ? n - done : LONGEST_PART;
    if (!unigram_part(w, s + done, k)) return false;
  }
  return true;
}

/* ---- the longest ---- */

static bool too_long(const TokenizerTables *t, const uint8_t *s, size_t n) {
  int64_t characters = 0;
  for (size_t i = 0; i < n && characters <= t->longest; i++) characters += (s[i] & 0xc0) != 0x80;
  return characters > t->longest;
}

bool word_wordpiece(Work *w, const uint8_t *s, size_t n) {
  const TokenizerTables *t = w->t;
  int64_t before = w->out->n;
  bool good = !too_long(t, s, n);
  for (size_t at = 0, length = 0; good && at < n; at += length) {
    const TokenizerUnit *u = TABLE(t, TokenizerUnit, at ? t->inner : t->trie);
    uint32_t unit = 0;
    int32_t token = -1;
    for (size_t i = at; i < n && (unit = trie_child(u, unit, s[i])) != 0; i++)
      if (u[unit].value >= 0) token = u[unit].value, length = i + 1 - at;
    good = token >= 0;
    if (good && !work_token(w, token)) return false;
  }
  if (good) return true;
  w->out->n = before;
  return t->unknown < 0 || work_token(w, t->unknown);
}

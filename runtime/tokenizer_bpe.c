/* tokenizer_bpe.c -- byte-pair encoding of a word: of all neighbours that make a token together, those of the lowest rank are
 * joined, the first of equals, until there are none.
 *
 * Short words are searched again for each pair; long ones are cut where no token reaches over, and what is still long keeps its
 * pairs in a heap, so that n characters take n log n steps. */
#include "runtime/tokenizer_part.h"

enum { SHORT = 24 };

/* Of a long word: neighbours are linked by their numbers. */
typedef struct Symbol {
  int32_t token, made; /* what this and the next would make */
  uint32_t rank;
  uint32_t before, next; /* or none */
} Symbol;

#define NONE UINT32_MAX

static const TokenizerPair *pair_of(const TokenizerTables *t, int32_t a, int32_t b) {
  const TokenizerPair *slot = TABLE(t, TokenizerPair, t->pair);
  for (uint64_t h = tokenizer_pair_hash(a, b);; h++) {
    const TokenizerPair *p = &slot[h & (t->n_pairs - 1)];
    if (p->first == a && p->second == b) return p;
    if (p->first == -1) return NULL;
  }
}

/* ---- characters ---- */

static bool add_symbol(Work *w, int32_t token) {
  Room *r = &w->symbols;
  if (r->n + sizeof token > r->room && !room_make(r, r->n + sizeof token)) return false;
  *(int32_t *)(void *)(r->at + r->n) = token;
  r->n += sizeof token;
  return true;
}

/* A character's piece: inside of a word and at its end it may be marked. */
static int32_t character(Work *w, const uint8_t *s, size_t n, bool first, bool last) {
  const TokenizerTables *t = w->t;
  TokenizerText before = first ? (TokenizerText){0} : t->inner_prefix, behind = last ? t->last_suffix : (TokenizerText){0};
  if (!before.n && !behind.n) return piece_find_word(t, s, n);
  Room *r = &w->best;
  r->n = 0;
  bool good = room_add(r, TABLE(t, uint8_t, before.at), before.n) && room_add(r, s, n) && room_add(r, TABLE(t, uint8_t, behind.at), behind.n);
  return good ? piece_find_word(t, r->at, r->n) : -1;
}

/* A character that is no token: its bytes are, or it is unknown: -1, or -2 where that goes with the one before. */
static bool add_unknown(Work *w, const uint8_t *s, size_t n) {
  const TokenizerTables *t = w->t;
  bool again = w->unknown && (t->flags & TOKENIZER_FUSE);
  if (t->flags & TOKENIZER_FALLBACK) {
    for (size_t i = 0; i < n; i++)
      if (!add_symbol(w, TABLE(t, int32_t, t->byte)[s[i]])) return false;
    return true;
  }
  w->unknown = true;
  return again || t->unknown < 0 || add_symbol(w, t->unknown);
}

static bool add_characters(Work *w, const uint8_t *s, size_t n) {
  const TokenizerTables *t = w->t;
  uint32_t c;
  int good;
  if (!(t->flags & TOKENIZER_RUNS)) w->unknown = false;
  for (size_t at = 0, k; at < n; at += k) {
    k = (size_t)tokenizer_take(s + at, n - at, &c, &good);
    int32_t token = character(w, s + at, k, at == 0, at + k == n);
    if (token < 0 ? !add_unknown(w, s + at, k) : !add_symbol(w, token)) return false;
    if (token >= 0) w->unknown = false;
  }
  return true;
}

static bool add_bytes(Work *w, const uint8_t *s, size_t n) {
  const int32_t *of = TABLE(w->t, int32_t, w->t->byte);
  if (n > SIZE_MAX / 8 || !room_make(&w->symbols, n * sizeof *of)) return false;
  int32_t *to = (int32_t *)(void *)w->symbols.at;
  size_t count = 0;
  for (size_t i = 0; i < n; i++) {
    int32_t token = of[s[i]] >= 0 ? of[s[i]] : w->t->unknown;
    if (token >= 0) to[count++] = token;
  }
  w->symbols.n = count * sizeof *of;
  return true;
}

/* ---- short words ---- */

static void short_rank(const TokenizerTables *t, const int32_t *token, int n, int i, uint32_t *rank, int32_t *made) {
  const TokenizerPair *p = i + 1 < n ? pair_of(t, token[i], token[i + 1]) : NULL;
  rank[i] = p ? p->rank : UINT32_MAX;
  made[i] = p ? p->both : 0;
}

static int join_short(const TokenizerTables *t, int32_t *token, int n) {
  uint32_t rank[SHORT];
  int32_t made[SHORT];
  for (int i = 0; i < n; i++) short_rank(t, token, n, i, rank, made);
  for (;;) {
    int best = 0;
    for (int i = 1; i < n; i++)
      if (rank[i] < rank[best]) best = i;
    if (n == 0 || rank[best] == UINT32_MAX) return n;
    token[best] = made[best];
    n--;
    for (int i = best + 1; i < n; i++) token[i] = token[i + 1], rank[i] = rank[i + 1], made[i] = made[i + 1];
    short_rank(t, token, n, best, rank, made);
    if (best) short_rank(t, token, n, best - 1, rank, made);
  }
}

/* ---- long words ---- */

/* A heap of rank and place in one number; of four children each, which are neighbours in memory. */
static bool queue_add(Room *q, uint64_t key) {
  if (q->n + 8 > q->room && !room_make(q, q->n + 8)) return false;
  uint64_t *heap = (uint64_t *)(void *)q->at;
  size_t i = q->n / 8;
  for (; i && heap[(i - 1) / 4] > key; i = (i - 1) / 4) heap[i] = heap[(i - 1) / 4];
  heap[i] = key;
  q->n += 8;
  return true;
}

static uint64_t queue_take(Room *q) {
  uint64_t *heap = (uint64_t *)(void *)q->at, first = heap[0];
  size_t n = (q->n -= 8) / 8, i = 0;
  uint64_t key = heap[n];
  for (;;) {
    size_t child = 4 * i + 1, least = child, end = child + 4 < n ? child + 4 : n;
    if (child >= n) break;
    for (size_t k = child + 1; k < end; k++)
      if (heap[k] < heap[least]) least = k;
    if (heap[least] >= key) break;
    heap[i] = heap[least];
    i = least;
  }
  heap[i] = key;
  return first;
}

/* Notes what a symbol and its next make. */
static bool look(Work *w, Symbol *all, uint32_t i) {
  Symbol *s = &all[i];
  const TokenizerPair *p = s->next == NONE ? NULL : pair_of(w->t, s->token, all[s->next].token);
  s->rank = p ? p->rank : UINT32_MAX;
  s->made = p ? p->both : 0;
  return !p || queue_add(&w->queue, (uint64_t)p->rank << 32 | i);
}

static bool join(Work *w, Symbol *all, uint32_t i) {
  Symbol *s = &all[i], *gone = &all[s->next];
  s->token = s->made;
  s->next = gone->next;
  gone->rank = UINT32_MAX;
  if (s->next != NONE) all[s->next].before = i;
  return look(w, all, i) && (s->before == NONE || look(w, all, s->before));
}

static bool join_all(Work *w, Symbol *all, uint32_t n) {
  w->queue.n = 0;
  for (uint32_t i = 0; i < n; i++)
    if (!look(w, all, i)) return false;
  while (w->queue.n) {
    uint64_t key = queue_take(&w->queue);
    uint32_t i = (uint32_t)key;
    if (all[i].rank == key >> 32 && !join(w, all, i)) return false;
  }
  for (uint32_t i = 0; i != NONE; i = all[i].next)
    if (!work_token(w, all[i].token)) return false;
  return true;
}

/* Could a token reach over the place between these two? */
static bool near(const TokenizerTables *t, int32_t a, int32_t b) {
  size_t n, m;
  const uint8_t *p = piece_of(t, a, &n), *q = piece_of(t, b, &m);
  return !n || !m || (TABLE(t, uint8_t, t->near)[p[n - 1] * 32 + *q / 8] >> (*q & 7) & 1);
}

/* Words of 2^30 characters and more are joined part by part: nothing else counts so far. */
enum { LONGEST_PART = 1 << 30 };

static bool join_part(Work *w, int32_t *token, size_t n) {
  if (n <= SHORT) {
    int left = join_short(w->t, token, (int)n);
    for (int i = 0; i < left; i++)
      if (!work_token(w, token[i])) return false;
    return true;
  }
  if (!room_make(&w->best, n * sizeof(Symbol))) return false;
  Symbol *all = (Symbol *)(void *)w->best.at;
  for (size_t i = 0; i < n; i++)
    all[i] = (Symbol){.token = token[i], .before = i ? (uint32_t)i - 1 : NONE, .next = i + 1 < n ? (uint32_t)i + 1 : NONE};
  return join_all(w, all, (uint32_t)n);
}

static bool join_long(Work *w, int32_t *token, size_t n) {
  for (size_t done = 0, k; done < n; done += k) {
    for (k = 1; done + k < n && k < LONGEST_PART && near(w->t, token[done + k - 1], token[done + k]);) k++;
    if (!join_part(w, token + done, k)) return false;
  }
  return true;
}

/* ---- a word ---- */

bool word_bpe(Work *w, const uint8_t *s, size_t n) {
  const TokenizerTables *t = w->t;
  if (t->flags & TOKENIZER_WHOLE) {
    int32_t token = piece_find_word(t, s, n);
    if (token >= 0) return work_token(w, token);
  }
  w->symbols.n = 0;
  if (t->flags & TOKENIZER_BYTES ? !add_bytes(w, s, n) : !add_characters(w, s, n)) return false;
  int32_t *token = (int32_t *)(void *)w->symbols.at;
  size_t count = w->symbols.n / sizeof *token;
  return count <= SHORT ? join_part(w, token, count) : join_long(w, token, count);
}

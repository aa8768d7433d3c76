/* tokenizer_cut.c -- cuts a text in words, by automata that the compiler made of patterns, and looks the words up. */
#include "runtime/tokenizer_part.h"

/* ---- automata ---- */

/* One pass from the end for each thing that may follow. */
static void look_behind(const Reading *r, int k, uint8_t *bits) {
  const TokenizerAhead *ahead = &TABLE(r->t, TokenizerAhead, r->a->ahead)[k];
  const uint32_t *step = TABLE(r->t, uint32_t, ahead->step);
  uint32_t state = ahead->start, c;
  int good;
  bits[r->n] |= (uint8_t)((state & TOKENIZER_ENDS ? 1 : 0) << k);
  for (size_t at = r->n; at > 0;) {
    size_t from = at - 1;
    while (from > 0 && at - from < 4 && (r->s[from] & 0xc0) == 0x80) from--;
    if (tokenizer_take(r->s + from, at - from, &c, &good) != at - from) from = at - 1, c = 0xfffd;
    state = step[(size_t)(state & ~TOKENIZER_ENDS) * r->a->n_classes + class_of(r->t, r->a->of, c)];
    at = from;
    bits[at] |= (uint8_t)((state & TOKENIZER_ENDS ? 1 : 0) << k);
  }
}

bool reading_open(Reading *r, const TokenizerTables *t, uint32_t automaton, const uint8_t *s, size_t n, Room *room) {
  *r = (Reading){.t = t, .a = TABLE(t, TokenizerAutomaton, automaton), .s = s, .n = n};
  if (!r->a->n_ahead) return true;
  room->n = 0;
  if (n == SIZE_MAX || !room_make(room, n + 1)) return false;
  for (size_t i = 0; i <= n; i++) room->at[i] = 0;
  for (uint32_t k = 0; k < r->a->n_ahead; k++) look_behind(r, (int)k, room->at);
  r->ahead = room->at;
  return true;
}

/* Where the match at `from` ends, or -1. */
static int64_t match(const Reading *r, size_t from) {
  const TokenizerAutomaton *a = r->a;
  const uint8_t *s = r->s, *ascii = TABLE(r->t, uint8_t, a->of.block) + (size_t)TABLE(r->t, uint16_t, a->of.at)[0] * 256;
  const uint32_t *step = TABLE(r->t, uint32_t, a->step);
  uint32_t state = a->start, row = a->n_classes << a->n_ahead, c;
  int64_t end = -1;
  int good;
  for (size_t at = from, k;; at += k) {
    uint32_t class = a->n_classes - 1;
    k = 1;
    if (at < r->n && s[at] < 0x80) class = ascii[s[at]];
    else if (at < r->n) k = (size_t)tokenizer_take(s + at, r->n - at, &c, &good), class = class_of(r->t, a->of, c);
    if (r->ahead) class += a->n_classes * r->ahead[at];
    uint32_t word = step[(size_t)state * row + class];
    if (word & TOKENIZER_ENDS) end = (int64_t)at;
    state = word & ~TOKENIZER_ENDS;
    if (!state || at >= r->n) return end;
  }
}

bool reading_find(const Reading *r, size_t from, size_t *begin, size_t *end) {
  uint32_t c;
  int good;
  for (size_t at = from; at <= r->n; at += at < r->n ? (size_t)tokenizer_take(r->s + at, r->n - at, &c, &good) : 1) {
    int64_t to = match(r, at);
    if (to < 0) continue;
    *begin = at;
    *end = (size_t)to;
    return true;
  }
  return false;
}

/* ---- the model ---- */

static bool look_up(Work *w, const uint8_t *s, size_t n) {
  static bool (*const of[])(Work *, const uint8_t *, size_t) = {word_bpe, word_unigram, word_wordpiece};
  return of[w->t->kind](w, s, n);
}

static bool same(const Known *k, const uint8_t *s, size_t n) { return k->n == n && __builtin_memcmp(k->text, s, n) == 0; }

static void remember(Known *k, const uint8_t *s, size_t n, const int32_t *token, int64_t count) {
  if (count > KNOWN_TOKENS) return;
  k->n = (uint8_t)n;
  k->n_tokens = (uint8_t)count;
  for (size_t i = 0; i < n; i++) k->text[i] = s[i];
  for (int64_t i = 0; i < count; i++) k->token[i] = token[i];
}

static bool word(Work *w, const uint8_t *s, size_t n) {
  if (n == 0) return true;
  if (!w->known || n > KNOWN_BYTES || (w->t->flags & TOKENIZER_RUNS)) return look_up(w, s, n);
  Known *k = &w->known[tokenizer_hash(s, n) & (KNOWN_SLOTS - 1)];
  if (same(k, s, n)) {
    for (int i = 0; i < k->n_tokens; i++)
      if (!work_token(w, k->token[i])) return false;
    return true;
  }
  int64_t before = w->out->n;
  if (!look_up(w, s, n)) return false;
  remember(k, s, n, w->out->at + before, w->out->n - before);
  return true;
}

/* ---- steps ---- */

static bool cut(Work *w, uint32_t step, const uint8_t *s, size_t n, bool first);

/* Puts matches and what is between them together as the step says, and hands pieces on. */
typedef struct Pieces {
  Work *w;
  uint32_t step, how;
  bool inverted, first;
  const uint8_t *s;
  size_t begin, end; /* what waits */
  bool waits, match; /* whether something does; whether it ends with a match */
} Pieces;

static bool hand_on(Pieces *p, size_t begin, size_t end) {
  return begin == end || cut(p->w, p->step + 1, p->s + begin, end - begin, p->first && begin == 0);
}

static bool joins(const Pieces *p, bool match) {
  switch (p->how) {
  case MATCHES_BEFORE: return match && !p->match;
  case MATCHES_AFTER: return p->match && !match;
  case MATCHES_TOGETHER: return match == p->match;
  default: return false;
  }
}

static bool take_piece(Pieces *p, size_t begin, size_t end, bool match) {
  match ^= p->inverted;
  if (p->how == MATCHES_REMOVED) return match || hand_on(p, begin, end);
  if (p->how == MATCHES_ALONE) return hand_on(p, begin, end);
  if (p->waits && joins(p, match)) {
    p->end = end;
    p->match = match;
    return true;
  }
  if (p->waits && !hand_on(p, p->begin, p->end)) return false;
  p->begin = begin;
  p->end = end;
  p->match = match;
  return p->waits = true;
}

static bool cut_matches(Work *w, uint32_t step, const TokenizerCut *c, const uint8_t *s, size_t n, bool first) {
  Reading r;
  if (!reading_open(&r, w->t, c->automaton, s, n, &w->cut[step])) return false;
  Pieces p = {.w = w, .step = step, .how = c->how, .inverted = c->flags & CUT_INVERTED, .first = first, .s = s};
  size_t done = 0, begin, end, from = 0;
  uint32_t u;
  int good;
  while (from <= n && reading_find(&r, from, &begin, &end)) {
    if (begin > done && !take_piece(&p, done, begin, false)) return false;
    if (!take_piece(&p, begin, end, true)) return false;
    done = from = end;
    if (begin == end) from += end < n ? (size_t)tokenizer_take(s + end, n - end, &u, &good) : 1;
  }
  if (done < n && !take_piece(&p, done, n, false)) return false;
  return !p.waits || hand_on(&p, p.begin, p.end);
}

static bool starts_with(const uint8_t *s, size_t n, const uint8_t *start, size_t k) { return n >= k && __builtin_memcmp(s, start, k) == 0; }

static bool mark_blanks(Room *to, const uint8_t *s, size_t n, const uint8_t *mark, size_t k) {
  size_t done = 0;
  for (size_t i = 0; i < n; i++) {
    if (s[i] != ' ') continue;
    if (!room_add(to, s + done, i - done) || !room_add(to, mark, k)) return false;
    done = i + 1;
  }
  return room_add(to, s + done, n - done);
}

/* Hands on the pieces that begin with a mark. `runs`: a mark behind another does not begin one. */
static bool cut_at_marks(Work *w, uint32_t step, const uint8_t *s, size_t n, bool first, const uint8_t *mark, size_t k, bool runs) {
  size_t done = 0, before = 0; /* before: where the mark before ends */
  for (size_t i = 0; i + k <= n;) {
    if (s[i] != mark[0] || !starts_with(s + i, n - i, mark, k)) {
      i++;
      continue;
    }
    if (i > done && !(runs && before == i)) {
      if (!cut(w, step + 1, s + done, i - done, first && done == 0)) return false;
      done = i;
    }
    i = before = i + k;
  }
  return done == n || cut(w, step + 1, s + done, n - done, first && done == 0);
}

static bool cut_marks(Work *w, uint32_t step, const TokenizerCut *c, const uint8_t *s, size_t n, bool first) {
  const uint8_t *mark = TABLE(w->t, uint8_t, c->text.at);
  size_t k = c->text.n;
  Room *r = &w->cut[step];
  r->n = 0;
  bool marked = starts_with(s, n, mark, k) || (n && s[0] == ' ');
  bool put = !marked && ((c->flags & CUT_ALWAYS) || ((c->flags & CUT_FIRST) && first));
  if ((put && !room_add(r, mark, k)) || !mark_blanks(r, s, n, mark, k)) return false;
  if (!(c->flags & CUT_SPLIT)) return cut(w, step + 1, r->at, r->n, first);
  return cut_at_marks(w, step, r->at, r->n, first, mark, k, false);
}

static bool cut_blank(Work *w, uint32_t step, const uint8_t *s, size_t n, bool first) {
  if (n == 0 || *s == ' ') return cut(w, step + 1, s, n, first);
  Room *r = &w->cut[step];
  r->n = 0;
  return room_add(r, (const uint8_t *)" ", 1) && room_add(r, s, n) && cut(w, step + 1, r->at, r->n, first);
}

static bool cut(Work *w, uint32_t step, const uint8_t *s, size_t n, bool first) {
  if (step == w->t->n_cuts) return word(w, s, n);
  const TokenizerCut *c = &TABLE(w->t, TokenizerCut, w->t->cut)[step];
  switch (c->kind) {
  case CUT_MATCHES: return cut_matches(w, step, c, s, n, first);
  case CUT_MARKS: return cut_marks(w, step, c, s, n, first);
  case CUT_BLANK: return cut_blank(w, step, s, n, first);
  default: return cut_at_marks(w, step, s, n, first, TABLE(w->t, uint8_t, c->text.at), c->text.n, true);
  }
}

bool cut_words(Work *w, const uint8_t *s, size_t n, bool first) { return cut(w, 0, s, n, first); }

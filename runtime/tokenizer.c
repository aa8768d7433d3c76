/* tokenizer.c -- text to tokens: signs are found, and what is between them is normalised, cut in words, and looked up. */
#include "runtime/tokenizer_part.h"

#include "runtime/facts.h"
#include "runtime/os.h"
#include "runtime/words.h"

/* ---- memory ---- */

bool room_make(Room *r, size_t bytes) {
  size_t room = r->room ? r->room : 1 << 12;
  if (bytes <= r->room) return true;
  while (room < bytes && room <= SIZE_MAX / 2) room *= 2;
  uint8_t *at = room < bytes ? NULL : os_memory(room);
  if (!at) return false;
  if (r->n) __builtin_memcpy(at, r->at, r->n);
  if (r->at) os_release(r->at, r->room);
  r->at = at;
  r->room = room;
  return true;
}

bool room_add(Room *r, const uint8_t *s, size_t n) {
  if (n > SIZE_MAX - r->n || !room_make(r, r->n + n)) return false;
  if (n) __builtin_memcpy(r->at + r->n, s, n);
  r->n += n;
  return true;
}

void room_release(Room *r) {
  if (r->at) os_release(r->at, r->room);
  *r = (Room){0};
}

static bool list_grow(TokenList *l) {
  Room r = {(uint8_t *)l->at, (size_t)l->n * sizeof *l->at, (size_t)l->room * sizeof *l->at};
  if (!room_make(&r, r.n + sizeof *l->at)) return false;
  l->at = (int32_t *)(void *)r.at;
  l->room = (int64_t)(r.room / sizeof *l->at);
  return true;
}

void token_list_release(TokenList *l) {
  if (l->at) os_release(l->at, (size_t)l->room * sizeof *l->at);
  *l = (TokenList){0};
}

/* ---- the tables ---- */

bool tokenizer_open_bytes(Tokenizer *t, const void *at, size_t n) {
  const TokenizerTables *tables = at;
  if (n < sizeof *tables || __builtin_memcmp(tables->magic, TOKENIZER_MAGIC, sizeof tables->magic) != 0 || tables->size > n) return false;
  t->tables = tables;
  return true;
}

bool tokenizer_open(Tokenizer *t, const lrt_model *m) {
  const lrt_fact *f = fact_find(m, "tokenizer", LRT_u8);
  return f && tokenizer_open_bytes(t, f->at, (size_t)f->n);
}

static bool is_there(const TokenizerTables *t, int64_t token) {
  return token >= 0 && token < t->n && (TABLE(t, uint8_t, t->token)[token] & TOKEN_THERE);
}

const uint8_t *piece_of(const TokenizerTables *t, int64_t token, size_t *n) {
  const uint32_t *end = TABLE(t, uint32_t, t->ends);
  uint32_t begin = token ? end[token - 1] : 0;
  *n = end[token] - begin;
  return TABLE(t, uint8_t, t->text) + begin;
}

int32_t piece_find(const TokenizerTables *t, const uint8_t *s, size_t n) {
  const int32_t *slot = TABLE(t, int32_t, t->slots);
  size_t m;
  for (uint64_t h = tokenizer_hash(s, n);; h++) {
    int32_t token = slot[h & (t->n_slots - 1)];
    if (token < 0) return -1;
    const uint8_t *p = piece_of(t, token, &m);
    if (m == n && __builtin_memcmp(p, s, n) == 0) return token;
  }
}

int32_t piece_find_word(const TokenizerTables *t, const uint8_t *s, size_t n) {
  int32_t token = piece_find(t, s, n);
  return token >= 0 && (TABLE(t, uint8_t, t->token)[token] & TOKEN_HIDDEN) ? -1 : token;
}

int64_t tokenizer_count(const Tokenizer *t) { return t->tables->n; }

const char *tokenizer_piece(const Tokenizer *t, int64_t token, size_t *n) {
  *n = 0;
  return is_there(t->tables, token) ? (const char *)piece_of(t->tables, token, n) : NULL;
}

int64_t tokenizer_find(const Tokenizer *t, const char *piece, size_t n) { return piece_find(t->tables, (const uint8_t *)piece, n); }

bool tokenizer_is_special(const Tokenizer *t, int64_t token) {
  return is_there(t->tables, token) && (TABLE(t->tables, uint8_t, t->tables->token)[token] & TOKEN_SPECIAL);
}

bool tokenizer_is_plain(const Tokenizer *t) { return t->tables->flags & TOKENIZER_PLAIN; }

/* ---- tokens ---- */

bool work_token(Work *w, int32_t token) {
  TokenList *l = w->out;
  if (l->n == l->room && !list_grow(l)) return false;
  l->at[l->n++] = token;
  return true;
}

bool work_unknown(Work *w, const uint8_t *s, size_t n) {
  const TokenizerTables *t = w->t;
  if (t->flags & TOKENIZER_FALLBACK) {
    for (size_t i = 0; i < n; i++)
      if (!work_token(w, TABLE(t, int32_t, t->byte)[s[i]])) return false;
    return true;
  }
  bool again = w->unknown && (t->flags & TOKENIZER_FUSE);
  w->unknown = true;
  return again || t->unknown < 0 || work_token(w, t->unknown);
}

static bool all_tokens(Work *w, uint32_t at, uint32_t n) {
  for (uint32_t i = 0; i < n; i++)
    if (!work_token(w, TABLE(w->t, int32_t, at)[i])) return false;
  return true;
}

/* ---- signs ---- */

/* The longest sign at s, or -1. */
static int32_t sign_at(const TokenizerTables *t, const TokenizerSigns *k, unsigned how, const uint8_t *s, size_t n, size_t *length) {
  const TokenizerUnit *u = TABLE(t, TokenizerUnit, k->trie);
  int32_t found = -1;
  uint32_t unit = 0;
  for (size_t i = 0; i < n && (unit = trie_child(u, unit, s[i])) != 0; i++) {
    int32_t sign = u[unit].value;
    if (sign < 0 || (!(how & TOKENIZER_SIGNS) && (TABLE(t, TokenizerSign, k->sign)[sign].flags & SIGN_SPECIAL))) continue;
    found = sign;
    *length = i + 1;
  }
  return found;
}

/* The character before s[at]; 0 bytes long at the beginning. */
static size_t character_before(const uint8_t *s, size_t at, uint32_t *c) {
  int good;
  for (size_t n = 1; n <= 4 && n <= at; n++)
    if (tokenizer_take(s + at - n, n, c, &good) == n && (good || n == 1) && (good || (s[at - 1] & 0xc0) != 0x80 || n == at)) return n;
  *c = 0xfffd;
  return at ? 1 : 0;
}

static bool in_word(const TokenizerTables *t, uint32_t c) { return class_of(t, t->word, c) == 1; }

static bool stands_alone(const TokenizerTables *t, const uint8_t *s, size_t n, size_t from, size_t to) {
  uint32_t c;
  int good;
  if (from > 0 && character_before(s, from, &c) && in_word(t, c)) return false;
  return to >= n || (tokenizer_take(s + to, n - to, &c, &good), !in_word(t, c));
}

static size_t spaces_before(const uint8_t *s, size_t least, size_t at) {
  uint32_t c;
  for (size_t n; at > least && (n = character_before(s, at, &c)) != 0 && tokenizer_is_space(c) && at - n >= least;) at -= n;
  return at;
}

static size_t spaces_behind(const uint8_t *s, size_t n, size_t at) {
  uint32_t c;
  int good;
  for (size_t k; at < n && (k = (size_t)tokenizer_take(s + at, n - at, &c, &good)) != 0 && tokenizer_is_space(c);) at += k;
  return at;
}

typedef bool Between(Work *w, const uint8_t *s, size_t n, bool first, unsigned how);

/* Gives what is between signs to `between`, and takes the signs. */
static bool part(Work *w, const TokenizerSigns *k, const uint8_t *s, size_t n, bool first, unsigned how, Between *between) {
  const TokenizerTables *t = w->t;
  size_t done = 0, length = 0;
  for (size_t at = 0; k->n && at < n;) {
    int32_t sign = sign_at(t, k, how, s + at, n - at, &length);
    if (sign < 0) {
      at++;
      continue;
    }
    const TokenizerSign *g = &TABLE(t, TokenizerSign, k->sign)[sign];
    size_t from = at, to = at + length;
    at = to;
    if ((g->flags & SIGN_WORD) && !stands_alone(t, s, n, from, to)) continue;
    if (g->flags & SIGN_LEFT) from = spaces_before(s, done, from);
    if (g->flags & SIGN_RIGHT) to = spaces_behind(s, n, to);
    if (from < done) from = done;
    if (from > done && !between(w, s + done, from - done, first && done == 0, how)) return false;
    w->unknown = false;
    if (!work_token(w, g->token)) return false;
    if (to > done) done = to;
    if (at < done) at = done;
  }
  return done == n || between(w, s + done, n - done, first && done == 0, how);
}

static bool words(Work *w, const uint8_t *s, size_t n, bool first, unsigned how) {
  (void)how;
  return cut_words(w, s, n, first);
}

static bool normal_words(Work *w, const uint8_t *s, size_t n, bool first, unsigned how) {
  if (w->t->n_normal) {
    if (!normalise(w, s, n)) return false;
    s = w->normal[0].at;
    n = w->normal[0].n;
  }
  return part(w, &w->t->late, s, n, first, how, words);
}

/* ---- a text ---- */

enum { WORTH_KNOWING = 1 << 12 }; /* shorter texts have few words twice */

static bool work_open(Work *w, const TokenizerTables *t, size_t n, TokenList *out) {
  *w = (Work){.t = t, .out = out};
  if (n >= WORTH_KNOWING && t->kind != TOKENIZER_UNIGRAM) w->known = os_memory(KNOWN_SLOTS * sizeof *w->known);
  return t->n_cuts == 0 || (w->cut = os_memory(t->n_cuts * sizeof *w->cut)) != NULL;
}

static void work_close(Work *w) {
  Room *all[] = {&w->normal[0], &w->normal[1], &w->marks, &w->codes, &w->sorted, &w->symbols, &w->queue, &w->best};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) room_release(all[i]);
  for (uint32_t i = 0; w->cut && i < w->t->n_cuts; i++) room_release(&w->cut[i]);
  if (w->cut) os_release(w->cut, w->t->n_cuts * sizeof *w->cut);
  if (w->known) os_release(w->known, KNOWN_SLOTS * sizeof *w->known);
}

bool tokenizer_encode(const Tokenizer *t, const char *text, size_t n, unsigned how, TokenList *out) {
  const TokenizerTables *k = t->tables;
  Work w;
  bool good = work_open(&w, k, n, out);
  good = good && (!(how & TOKENIZER_ADD) || all_tokens(&w, k->before, k->n_before));
  good = good && part(&w, &k->early, (const uint8_t *)text, n, true, how, normal_words);
  good = good && (!(how & TOKENIZER_ADD) || all_tokens(&w, k->behind, k->n_behind));
  work_close(&w);
  return good;
}

/* tokenizer_write.c -- puts a tokenizer's tables together: one piece of memory, found by offsets. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdlib.h>

#include "frontend/tokenizer_spec.h"
#include "ir/fatal.h"
#include "runtime/tokenizer_part.h"

Spec *spec_new(Arena *a, Diag *d, const char *path) {
  Spec *s = ARENA_NEW(a, Spec);
  *s = (Spec){.arena = a, .diag = d, .loc = {.file = path}};
  s->head.unknown = -1;
  for (int i = 0; i < 256; i++) s->byte[i] = -1;
  spec_put(s, &s->head, sizeof s->head);
  return s;
}

bool spec_wrong(const Spec *s, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  const char *what = arena_vprintf(s->arena, fmt, ap);
  va_end(ap);
  return diag_error(s->diag, s->loc, "%s", what);
}

/* ---- bytes ---- */

static void put_more(Spec *s, const void *at, size_t n) {
  const uint8_t *from = at;
  if ((uint64_t)s->bytes.n + n > INT32_MAX - 64) fatal_resource("the tables of a tokenizer take more than 2 GB");
  for (size_t i = 0; i < n; i++) vec_push(s->arena, &s->bytes, from[i]);
}

uint32_t spec_put(Spec *s, const void *at, size_t n) {
  static const uint8_t zero[8];
  put_more(s, zero, (size_t)(-s->bytes.n & 7));
  uint32_t offset = (uint32_t)s->bytes.n;
  put_more(s, at, n);
  return offset;
}

TokenizerText spec_put_text(Spec *s, SpecText t) { return (TokenizerText){spec_put(s, t.at, t.n), (uint32_t)t.n}; }

/* ---- the vocabulary ---- */

bool spec_token(Spec *s, int64_t id, SpecText piece, double score, uint8_t flags) {
  if (id < 0 || id >= MAX_TOKENS) return spec_wrong(s, "the token `%.40s` has the number %" PRId64 "; from 0 to %d are read", piece.at, id, MAX_TOKENS - 1);
  if (piece.n > MAX_PIECE) return spec_wrong(s, "the token %" PRId64 " is %zu bytes long, and %d are read", id, piece.n, MAX_PIECE);
  while (s->token.n <= id) vec_push(s->arena, &s->token, ((SpecToken){0}));
  SpecToken *t = &s->token.at[id];
  if (t->piece.at && (t->piece.n != piece.n || memcmp(t->piece.at, piece.at, piece.n) != 0))
    return spec_wrong(s, "the tokens `%.40s` and `%.40s` have the same number %" PRId64, t->piece.at, piece.at, id);
  *t = (SpecToken){.piece = {arena_string(s->arena, piece.at, piece.n), piece.n}, .score = score, .flags = flags | TOKEN_THERE};
  t->write = t->piece;
  int32_t *number = ARENA_NEW(s->arena, int32_t);
  *number = (int32_t)id;
  if (!memchr(t->piece.at, 0, piece.n)) (void)strmap_add(s->arena, &s->by_name, t->piece.at, number);
  return true;
}

int32_t spec_find(const Spec *s, SpecText piece) {
  char name[MAX_PIECE + 1];
  if (piece.n > MAX_PIECE || memchr(piece.at, 0, piece.n)) return -1;
  memcpy(name, piece.at, piece.n);
  name[piece.n] = 0;
  const int32_t *id = strmap_get(&s->by_name, name);
  return id ? *id : -1;
}

bool spec_pair(Spec *s, int32_t a, int32_t b, int32_t both, uint32_t rank) {
  vec_push(s->arena, &s->pair, ((TokenizerPair){a, b, rank, both}));
  return true;
}

static int hex(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

int spec_byte_of(SpecText p) {
  bool form = p.n == 6 && memcmp(p.at, "<0x", 3) == 0 && p.at[5] == '>' && hex(p.at[3]) >= 0 && hex(p.at[4]) >= 0;
  return form ? hex(p.at[3]) * 16 + hex(p.at[4]) : -1;
}

/* ---- pairs by score ---- */

static bool is_hidden(const Spec *s, int32_t i) { return s->token.at[i].flags & TOKEN_HIDDEN; }

static int32_t *by_score(const Spec *s, int *n) {
  int32_t *all = ARENA_ARRAY(s->arena, int32_t, s->token.n + 1);
  *n = 0;
  for (int i = 0; i < s->token.n; i++)
    if (s->token.at[i].piece.at && !is_hidden(s, i)) all[(*n)++] = i;
  return all;
}

static int compare_scores(const void *a, const void *b, void *spec) {
  const Spec *s = spec;
  int32_t i = *(const int32_t *)a, k = *(const int32_t *)b;
  double x = s->token.at[i].score, y = s->token.at[k].score;
  return x > y ? -1 : x < y ? 1 : (i > k) - (i < k);
}

static bool pairs_of(Spec *s, int32_t id, uint32_t rank) {
  SpecText p = s->token.at[id].piece;
  if (p.n > 1024) return true;
  for (size_t k = 1; k < p.n; k++) {
    if (((uint8_t)p.at[k] & 0xc0) == 0x80) continue;
    int32_t a = spec_find(s, (SpecText){p.at, k}), b = a < 0 ? -1 : spec_find(s, (SpecText){p.at + k, p.n - k});
    if (b >= 0 && !is_hidden(s, a) && !is_hidden(s, b)) spec_pair(s, a, b, id, rank);
  }
  return true;
}

bool spec_pairs_by_score(Spec *s) {
  int n;
  int32_t *order = by_score(s, &n);
  uint32_t rank = 0;
  qsort_r(order, (size_t)n, sizeof *order, compare_scores, s);
  for (int i = 0; i < n; i++) {
    if (i && s->token.at[order[i]].score < s->token.at[order[i - 1]].score) rank++;
    pairs_of(s, order[i], rank);
  }
  return true;
}

/* ---- bytes as letters, and as tokens ---- */

void spec_letters(Spec *s) {
  for (int32_t i = 0; i < s->token.n; i++) {
    SpecToken *t = &s->token.at[i];
    if (!t->piece.at || is_hidden(s, i) || !letters_bytes(s->arena, t->piece, &t->piece)) continue;
    if (t->piece.n == 1 && s->byte[(uint8_t)t->piece.at[0]] < 0) s->byte[(uint8_t)t->piece.at[0]] = i;
  }
  s->head.flags |= TOKENIZER_BYTES;
}

bool spec_fallback(Spec *s) {
  for (int32_t i = 0; i < s->token.n; i++) {
    int b = s->token.at[i].piece.at ? spec_byte_of(s->token.at[i].piece) : -1;
    if (b >= 0 && s->byte[b] < 0) s->byte[b] = i;
  }
  for (int b = 0; b < 256; b++)
    if (s->byte[b] < 0) return spec_wrong(s, "bytes are to be tokens (byte_fallback), and there is no token <0x%02X>", (unsigned)b);
  s->head.flags |= TOKENIZER_FALLBACK;
  return true;
}

/* ---- tries ---- */

typedef struct Trie {
  Spec *s;
  VEC(TokenizerUnit) unit;
  uint32_t free; /* no unit before it is free */
  const SpecText *word;
  const int32_t *value;
  int *order;
} Trie;

enum { TAKEN_ROOT = UINT32_MAX - 1, FREE = UINT32_MAX };

static void grow(Trie *t, uint32_t n) {
  while ((uint32_t)t->unit.n < n) vec_push(t->s->arena, &t->unit, ((TokenizerUnit){0, FREE, -1}));
}

/* A base at which all these children are free. */
static uint32_t find_base(Trie *t, const uint8_t *child, int n) {
  while (t->free < (uint32_t)t->unit.n && t->unit.at[t->free].parent != FREE) t->free++;
  int tries = 0;
  for (uint32_t at = t->free;; at++) {
    grow(t, at + 512);
    if (at < child[0] || at == child[0] || t->unit.at[at].parent != FREE) continue; /* base 0 would make the root a child */
    uint32_t base = at - child[0];
    int i = 1;
    while (i < n && t->unit.at[base + child[i]].parent == FREE) i++;
    if (i == n) return base;
    if (++tries == 64 && n > 1) t->free = at; /* crowded: what is left free before is not worth the search */
  }
}

/* Words that share what leads to a unit. */
typedef struct Below {
  uint32_t unit;
  int from, to;
  size_t depth;
} Below;

typedef VEC(Below) Pending;

static void fill_one(Trie *t, Below b, Pending *more) {
  while (b.from < b.to && t->word[t->order[b.from]].n == b.depth) t->unit.at[b.unit].value = t->value[t->order[b.from++]];
  uint8_t child[256];
  int begin[257], n = 0;
  for (int i = b.from; i < b.to; i++) {
    uint8_t byte = (uint8_t)t->word[t->order[i]].at[b.depth];
    if (n == 0 || child[n - 1] != byte) begin[n] = i, child[n++] = byte;
  }
  begin[n] = b.to;
  if (n == 0) return;
  uint32_t base = find_base(t, child, n);
  t->unit.at[b.unit].base = base;
  for (int i = 0; i < n; i++) {
    t->unit.at[base + child[i]].parent = b.unit;
    vec_push(t->s->arena, more, ((Below){base + child[i], begin[i], begin[i + 1], b.depth + 1}));
  }
}

static void fill(Trie *t, int n) {
  Pending pending = {0};
  vec_push(t->s->arena, &pending, ((Below){0, 0, n, 0}));
  while (pending.n) {
    Below b = pending.at[--pending.n];
    fill_one(t, b, &pending);
  }
}

static int compare_words(const void *a, const void *b, void *words) {
  const SpecText *w = words, *x = &w[*(const int *)a], *y = &w[*(const int *)b];
  int order = memcmp(x->at, y->at, x->n < y->n ? x->n : y->n);
  if (!order) order = (x->n > y->n) - (x->n < y->n);
  return order ? order : *(const int *)b - *(const int *)a; /* of equal words the first counts: it is filled in last */
}

uint32_t spec_put_trie(Spec *s, const SpecText *word, const int32_t *value, int n) {
  Trie t = {.s = s, .word = word, .value = value, .order = ARENA_ARRAY(s->arena, int, n + 1), .free = 1};
  for (int i = 0; i < n; i++) t.order[i] = i;
  qsort_r(t.order, (size_t)n, sizeof *t.order, compare_words, (void *)(uintptr_t)word);
  grow(&t, 512);
  t.unit.at[0].parent = TAKEN_ROOT;
  fill(&t, n);
  uint32_t last = (uint32_t)t.unit.n;
  while (last > 1 && t.unit.at[last - 1].parent == FREE) last--;
  grow(&t, last + 256);
  return spec_put(s, t.unit.at, (size_t)(last + 256) * sizeof *t.unit.at);
}

/* ---- classes ---- */

enum { BLOCKS = CODE_END >> 8 };

TokenizerClasses spec_classes(Spec *s, const uint8_t *class_of) {
  uint16_t at[BLOCKS];
  VEC(int) kept = {0};
  for (int i = 0; i < BLOCKS; i++) {
    int k = 0;
    while (k < kept.n && memcmp(class_of + 256 * kept.at[k], class_of + 256 * i, 256) != 0) k++;
    if (k == kept.n) vec_push(s->arena, &kept, i);
    at[i] = (uint16_t)k;
  }
  TokenizerClasses c = {.at = spec_put(s, at, sizeof at)};
  c.block = spec_put(s, NULL, 0);
  for (int k = 0; k < kept.n; k++) put_more(s, class_of + 256 * kept.at[k], 256);
  return c;
}

/* ---- the whole ---- */

/* The next power of two that is at least half empty. */
static uint32_t slots_for(int n) {
  uint32_t slots = 8;
  while (slots < 2 * (uint32_t)n) slots *= 2;
  return slots;
}

static void put_pieces(Spec *s) {
  TokenizerTables *h = &s->head;
  int n = s->token.n;
  uint32_t *end = ARENA_ARRAY(s->arena, uint32_t, n + 1), *written = ARENA_ARRAY(s->arena, uint32_t, n + 1), at = 0;
  uint8_t *flags = ARENA_ARRAY(s->arena, uint8_t, n + 1);
  h->text = spec_put(s, NULL, 0);
  for (int i = 0; i < n; end[i++] = at) put_more(s, s->token.at[i].piece.at, s->token.at[i].piece.n), at += (uint32_t)s->token.at[i].piece.n;
  h->write_text = spec_put(s, NULL, 0);
  at = 0;
  for (int i = 0; i < n; written[i++] = at) put_more(s, s->token.at[i].write.at, s->token.at[i].write.n), at += (uint32_t)s->token.at[i].write.n;
  for (int i = 0; i < n; i++) flags[i] = s->token.at[i].flags;
  h->ends = spec_put(s, end, (size_t)n * sizeof *end);
  h->write_ends = spec_put(s, written, (size_t)n * sizeof *written);
  h->token = spec_put(s, flags, (size_t)n);
}

static void put_slot(const Spec *s, int32_t *slot, uint32_t n, int32_t i) {
  const SpecToken *t = &s->token.at[i];
  uint64_t h = tokenizer_hash((const uint8_t *)t->piece.at, t->piece.n);
  while (slot[h & (n - 1)] >= 0) h++;
  slot[h & (n - 1)] = i;
}

/* Of two tokens with the same piece the first is found, and those of words before those that are not. */
static void put_slots(Spec *s) {
  uint32_t n = s->head.n_slots = slots_for(s->token.n);
  int32_t *slot = ARENA_ARRAY(s->arena, int32_t, n);
  for (uint32_t i = 0; i < n; i++) slot[i] = -1;
  for (int hidden = 0; hidden < 2; hidden++)
    for (int32_t i = 0; i < s->token.n; i++)
      if (s->token.at[i].piece.at && is_hidden(s, i) == hidden) put_slot(s, slot, n, i);
  s->head.slots = spec_put(s, slot, n * sizeof *slot);
}

static void put_pairs(Spec *s) {
  uint32_t n = s->head.n_pairs = slots_for(s->pair.n);
  TokenizerPair *slot = ARENA_ARRAY(s->arena, TokenizerPair, n);
  for (uint32_t i = 0; i < n; i++) slot[i].first = -1;
  for (int i = 0; i < s->pair.n; i++) {
    const TokenizerPair *p = &s->pair.at[i];
    uint64_t h = tokenizer_pair_hash(p->first, p->second);
    while (slot[h & (n - 1)].first >= 0 && (slot[h & (n - 1)].first != p->first || slot[h & (n - 1)].second != p->second)) h++;
    slot[h & (n - 1)] = *p; /* the last of a pair that is there twice, as in Hugging Face's tokenizers */
  }
  s->head.pair = spec_put(s, slot, n * sizeof *slot);
}

/* Where two bytes never stand side by side in a token, no token reaches over the place between them. */
static void put_near(Spec *s) {
  uint8_t near[256 * 32];
  memset(near, s->inner.n ? 0xff : 0, sizeof near); /* pieces within words are written otherwise than they stand in tokens */
  for (int i = 0; i < s->token.n; i++) {
    const SpecText *p = &s->token.at[i].piece;
    for (size_t k = 1; k < p->n; k++) near[(uint8_t)p->at[k - 1] * 32 + (uint8_t)p->at[k] / 8] |= (uint8_t)(1 << ((uint8_t)p->at[k] & 7));
  }
  s->head.near = spec_put(s, near, sizeof near);
}

/* Pieces that begin words, or those within. */
static uint32_t put_piece_trie(Spec *s, bool inner) {
  SpecText *word = ARENA_ARRAY(s->arena, SpecText, s->token.n + 1);
  int32_t *id = ARENA_ARRAY(s->arena, int32_t, s->token.n + 1);
  int n = 0;
  for (int32_t i = 0; i < s->token.n; i++) {
    const SpecToken *t = &s->token.at[i];
    size_t skip = inner ? s->inner.n : 0;
    if (!t->piece.at || is_hidden(s, i) || t->piece.n <= skip || memcmp(t->piece.at, s->inner.at ? s->inner.at : "", skip) != 0) continue;
    word[n] = (SpecText){t->piece.at + skip, t->piece.n - skip};
    id[n++] = i;
  }
  return spec_put_trie(s, word, id, n);
}

static void put_scores(Spec *s) {
  double *score = ARENA_ARRAY(s->arena, double, s->token.n + 1);
  for (int i = 0; i < s->token.n; i++) score[i] = s->token.at[i].score;
  s->head.scores = spec_put(s, score, (size_t)s->token.n * sizeof *score);
}

static TokenizerSigns put_signs(Spec *s, const SpecSign *sign, int n) {
  SpecText *word = ARENA_ARRAY(s->arena, SpecText, n + 1);
  int32_t *value = ARENA_ARRAY(s->arena, int32_t, n + 1);
  TokenizerSign *all = ARENA_ARRAY(s->arena, TokenizerSign, n + 1);
  int count = 0;
  for (int i = 0; i < n; i++) {
    if (sign[i].text.n == 0) continue;
    word[count] = sign[i].text, all[count] = sign[i].sign, value[count] = count;
    count++;
  }
  TokenizerSigns k = {.n = (uint32_t)count};
  k.trie = spec_put_trie(s, word, value, count);
  k.sign = spec_put(s, all, (size_t)count * sizeof *all);
  return k;
}

static int word_class(Spec *s) {
  const char *names[] = {"Alphabetic", "M", "Nd", "Pc", "Join_Control"};
  uint8_t *class_of = ARENA_ARRAY(s->arena, uint8_t, CODE_END);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    CodeSet set = set_named(s->arena, names[i]);
    for (int k = 0; k < set.n; k++) memset(class_of + set.at[k].lo, 1, set.at[k].hi - set.at[k].lo + 1);
  }
  s->head.word = spec_classes(s, class_of);
  return 0;
}

static bool any_alone(const Spec *s) {
  for (int i = 0; i < s->early.n; i++)
    if (s->early.at[i].sign.flags & SIGN_WORD) return true;
  for (int i = 0; i < s->late.n; i++)
    if (s->late.at[i].sign.flags & SIGN_WORD) return true;
  return false;
}

static void put_head(Spec *s) {
  s->head.size = (uint32_t)s->bytes.n;
  memcpy(s->bytes.at, &s->head, sizeof s->head);
}

/* Signs that are looked for in a normalised text are normalised themselves, by the very code that does it for texts. */
static void normalise_signs(Spec *s) {
  put_head(s);
  size_t n = (size_t)s->bytes.n;
  TokenizerTables *t = arena_alloc(s->arena, n);
  memcpy(t, s->bytes.at, n);
  for (int i = 0; i < s->late.n && s->normal.n && !s->late_as_is; i++) {
    Work w = {.t = t};
    SpecText *text = &s->late.at[i].text;
    if (!normalise(&w, (const uint8_t *)text->at, text->n)) fatal_resource("out of memory");
    *text = (SpecText){arena_string(s->arena, (const char *)w.normal[0].at, w.normal[0].n), w.normal[0].n};
    Room *all[] = {&w.normal[0], &w.normal[1], &w.marks, &w.sorted};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) room_release(all[k]);
  }
}

bool spec_finish(Spec *s, TokenizerBytes *out) {
  TokenizerTables *h = &s->head;
  memcpy(h->magic, TOKENIZER_MAGIC, 8);
  h->n = s->token.n;
  if (s->token.n == 0) return spec_wrong(s, "the vocabulary is empty");
  put_pieces(s);
  put_slots(s);
  h->byte = spec_put(s, s->byte, sizeof s->byte);
  if (h->kind == TOKENIZER_BPE) put_pairs(s), put_near(s);
  else h->trie = put_piece_trie(s, false);
  bool whole = h->flags & TOKENIZER_WHOLE;
  if (h->kind == TOKENIZER_WORDPIECE) h->inner = whole ? spec_put_trie(s, NULL, NULL, 0) : put_piece_trie(s, true);
  if (h->kind == TOKENIZER_UNIGRAM) put_scores(s);
  if (h->kind == TOKENIZER_BPE) h->inner_prefix = spec_put_text(s, s->inner), h->last_suffix = spec_put_text(s, s->last);
  h->normal = spec_put(s, s->normal.at, (size_t)s->normal.n * sizeof *s->normal.at);
  h->n_normal = (uint32_t)s->normal.n;
  h->cut = spec_put(s, s->cut.at, (size_t)s->cut.n * sizeof *s->cut.at);
  h->n_cuts = (uint32_t)s->cut.n;
  h->before = spec_put(s, s->before.at, (size_t)s->before.n * sizeof *s->before.at);
  h->n_before = (uint32_t)s->before.n;
  h->behind = spec_put(s, s->behind.at, (size_t)s->behind.n * sizeof *s->behind.at);
  h->n_behind = (uint32_t)s->behind.n;
  h->early = put_signs(s, s->early.at, s->early.n);
  if (any_alone(s)) word_class(s);
  normalise_signs(s);
  h->late = put_signs(s, s->late.at, s->late.n);
  put_head(s);
  *out = s->bytes;
  return true;
}

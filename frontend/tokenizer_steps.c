/* tokenizer_steps.c -- the steps of tokenizers as tables: patterns, and what normalisation makes of characters. */
#define _GNU_SOURCE
#include <stdlib.h>

#include "frontend/regex_automaton.h"
#include "frontend/tokenizer_spec.h"
#include "ir/fatal.h"

const char spec_gpt2_pattern[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/* ---- letters for bytes ---- */

/* Bytes that are printable stand for themselves, the others follow from U+0100 on. */
static bool stands_for_itself(int b) { return (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae; }

int letter_byte(uint32_t c) {
  uint32_t next = 0x100;
  if (c < 0x100) return stands_for_itself((int)c) ? (int)c : -1;
  for (int b = 0; b < 256; b++)
    if (!stands_for_itself(b) && next++ == c) return b;
  return -1;
}

bool letters_bytes(Arena *a, SpecText piece, SpecText *out) {
  uint8_t *to = arena_alloc(a, piece.n + 1);
  size_t n = 0;
  uint32_t c;
  int good;
  for (size_t i = 0; i < piece.n;) {
    i += tokenizer_take((const uint8_t *)piece.at + i, piece.n - i, &c, &good);
    int byte = good ? letter_byte(c) : -1;
    if (byte < 0) return false;
    to[n++] = (uint8_t)byte;
  }
  *out = (SpecText){(const char *)to, n};
  return true;
}

/* ---- patterns ---- */

static uint32_t put_ahead(Spec *s, const Automaton *m) {
  TokenizerAhead all[MAX_AHEAD];
  for (int i = 0; i < m->n_ahead; i++)
    all[i] = (TokenizerAhead){.start = m->ahead[i].start, .step = spec_put(s, m->ahead[i].step.at, (size_t)m->ahead[i].step.n * sizeof(uint32_t))};
  return spec_put(s, all, (size_t)m->n_ahead * sizeof *all);
}

bool spec_pattern(Spec *s, const char *pattern, size_t n, RegexDialect dialect, uint32_t *at) {
  const char *why = NULL;
  Regex *r = regex_parse(s->arena, pattern, n, dialect, &why);
  Automaton *m = r ? automaton_make(s->arena, r, &why) : NULL;
  if (!m) return spec_wrong(s, "the pattern `%.300s` cannot be compiled: %s", pattern, why);
  TokenizerAutomaton a = {.of = spec_classes(s, m->class_of), .n_classes = m->n_classes, .start = m->start, .n_ahead = (uint32_t)m->n_ahead};
  a.step = spec_put(s, m->step.at, (size_t)m->step.n * sizeof(uint32_t));
  a.ahead = put_ahead(s, m);
  *at = spec_put(s, &a, sizeof a);
  return true;
}

bool spec_cut(Spec *s, const char *pattern, RegexDialect dialect, uint32_t how, uint32_t flags) {
  TokenizerCut c = {.kind = CUT_MATCHES, .how = how, .flags = flags};
  if (!spec_pattern(s, pattern, strlen(pattern), dialect, &c.automaton)) return false;
  vec_push(s->arena, &s->cut, c);
  return true;
}

/* ---- characters ---- */

typedef struct Strings {
  Spec *s;
  VEC(TokenizerText) text;
  StrMap known; /* to its number */
} Strings;

/* Number 0 is that of a character that stays. */
static uint16_t string_number(Strings *all, const uint32_t *c, int n) {
  uint8_t bytes[4 * CODE_TEXT + 1];
  size_t size = 0;
  for (int i = 0; i < n; i++) size += tokenizer_put(bytes + size, c[i]);
  const char *name = arena_string(all->s->arena, (const char *)bytes, size);
  uint16_t *number = memchr(bytes, 0, size) ? NULL : strmap_get(&all->known, name);
  if (number) return *number;
  number = ARENA_NEW(all->s->arena, uint16_t);
  ensure(all->text.n < NORMAL_APART);
  *number = (uint16_t)all->text.n;
  vec_push(all->s->arena, &all->text, spec_put_text(all->s, (SpecText){name, size}));
  (void)strmap_add(all->s->arena, &all->known, name, number);
  return *number;
}

enum { BLOCKS = CODE_END >> 8 };

static void put_map(Spec *s, const uint16_t *number, TokenizerNormal *k) {
  uint16_t at[BLOCKS];
  VEC(int) kept = {0};
  for (int i = 0; i < BLOCKS; i++) {
    int b = 0;
    while (b < kept.n && memcmp(number + 256 * kept.at[b], number + 256 * i, 512) != 0) b++;
    if (b == kept.n) vec_push(s->arena, &kept, i);
    at[i] = (uint16_t)b;
  }
  uint16_t *block = ARENA_ARRAY(s->arena, uint16_t, 256 * kept.n);
  for (int b = 0; b < kept.n; b++) memcpy(block + 256 * b, number + 256 * kept.at[b], 512);
  k->map = spec_put(s, at, sizeof at);
  k->blocks = spec_put(s, block, (size_t)kept.n * 512);
}

void spec_map(Spec *s, SpecMap *map, const void *context, uint32_t flags) {
  uint16_t *number = ARENA_ARRAY(s->arena, uint16_t, CODE_END);
  Strings strings = {.s = s};
  TokenizerNormal k = {.kind = NORMAL_MAP, .flags = flags};
  vec_push(s->arena, &strings.text, ((TokenizerText){0}));
  for (uint32_t c = 0; c < CODE_END; c++) {
    uint32_t out[CODE_TEXT];
    int n = c >= 0xd800 && c < 0xe000 ? MAP_STAYS : map(c, context, out);
    if (n == MAP_APART) number[c] = NORMAL_APART;
    else if (n >= 0) number[c] = string_number(&strings, out, n);
  }
  put_map(s, number, &k);
  k.strings = spec_put(s, strings.text.at, (size_t)strings.text.n * sizeof *strings.text.at);
  vec_push(s->arena, &s->normal, k);
}

static int compare_pairs(const void *a, const void *b) {
  const uint32_t *x = a, *y = b;
  return x[0] != y[0] ? (x[0] > y[0]) - (x[0] < y[0]) : (x[1] > y[1]) - (x[1] < y[1]);
}

static void put_composition(Spec *s, TokenizerNormal *k) {
  VEC(uint32_t) all = {0};
  uint32_t parts[2];
  for (uint32_t c = 0; c < CODE_END; c++) {
    bool hangul = c >= 0xac00 && c < 0xac00 + 11172;
    if (hangul || !code_pair(c, parts)) continue;
    vec_push(s->arena, &all, parts[0]);
    vec_push(s->arena, &all, parts[1]);
    vec_push(s->arena, &all, c);
  }
  k->n_pairs = (uint32_t)all.n / 3;
  qsort(all.at, k->n_pairs, 3 * sizeof *all.at, compare_pairs);
  k->pairs = spec_put(s, all.at, (size_t)all.n * sizeof *all.at);
}

static void spec_order(Spec *s, bool composed) {
  uint8_t *class_of = ARENA_ARRAY(s->arena, uint8_t, CODE_END);
  TokenizerNormal k = {.kind = NORMAL_ORDER, .flags = composed ? NORMAL_COMPOSED : 0};
  for (uint32_t c = 0; c < CODE_END; c++) class_of[c] = code_class(c);
  k.classes = spec_classes(s, class_of);
  if (composed) put_composition(s, &k);
  vec_push(s->arena, &s->normal, k);
}

static int decompose(uint32_t c, const void *compatible, uint32_t out[CODE_TEXT]) {
  if (c >= 0xac00 && c < 0xac00 + 11172) return MAP_STAYS; /* by arithmetic */
  int n = code_decompose(c, *(const bool *)compatible, out);
  return n ? n : MAP_STAYS;
}

void spec_form(Spec *s, SpecForm form) {
  bool compatible = form == FORM_NFKC || form == FORM_NFKD;
  spec_map(s, decompose, &compatible, NORMAL_HANGUL);
  spec_order(s, form == FORM_NFC || form == FORM_NFKC);
}

static int lower(uint32_t c, const void *context, uint32_t out[CODE_TEXT]) {
  (void)context;
  int n = code_lower(c, out);
  return n ? n : MAP_STAYS;
}

void spec_lower(Spec *s) { spec_map(s, lower, NULL, 0); }

static int in_set(uint32_t c, const void *set, uint32_t out[CODE_TEXT]) {
  (void)out;
  return set_has(set, c) ? 0 : MAP_STAYS;
}

/* Of the accents that Hugging Face's tokenizers know by older tables, two are letters by now, and one is new. */
static int accent(uint32_t c, const void *marks, uint32_t out[CODE_TEXT]) {
  if (c == 0x1cf2 || c == 0x1cf3) return 0;
  return c == 0x111c9 ? MAP_STAYS : in_set(c, marks, out);
}

void spec_strip_accents(Spec *s) {
  CodeSet marks = set_named(s->arena, "M");
  spec_map(s, accent, &marks, 0);
}

/* Hugging Face's tokenizers know BERT's accents by Unicode 8; since then four have become marks without a width, and one has
 * got a width. */
static int bert_accent(uint32_t c, const void *marks, uint32_t out[CODE_TEXT]) {
  bool later = c == 0x1885 || c == 0x1886 || c == 0xa9bd || c == 0x111c9;
  return later ? MAP_STAYS : c == 0x1734 ? 0 : in_set(c, marks, out);
}

static void strip_bert_accents(Spec *s) {
  CodeSet marks = set_named(s->arena, "Mn");
  spec_map(s, bert_accent, &marks, 0);
}

/* ---- BERT's ---- */

typedef struct Bert {
  bool clean, chinese;
  CodeSet other;
} Bert;

static bool is_chinese(uint32_t c) {
  static const CodeRange ranges[] = {{0x4e00, 0x9fff},   {0x3400, 0x4dbf},   {0x20000, 0x2a6df}, {0x2a700, 0x2b73f},
                                     {0x2b740, 0x2b81f}, {0x2b920, 0x2ceaf}, {0xf900, 0xfaff},   {0x2f800, 0x2fa1f}};
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
    if (c >= ranges[i].lo && c <= ranges[i].hi) return true;
  return false;
}

static int clean(uint32_t c, const void *context, uint32_t out[CODE_TEXT]) {
  const Bert *b = context;
  bool line = c == '\t' || c == '\n' || c == '\r';
  if (b->clean && (c == 0 || c == 0xfffd || (!line && set_has(&b->other, c)))) return 0;
  if (b->clean && c != ' ' && tokenizer_is_space(c)) return out[0] = ' ', 1;
  return b->chinese && is_chinese(c) ? MAP_APART : MAP_STAYS;
}

void spec_bert(Spec *s, bool cleaned, bool chinese, bool accents, bool lowered) {
  Bert b = {cleaned, chinese, set_named(s->arena, "C")};
  if (cleaned || chinese) spec_map(s, clean, &b, 0);
  if (accents) spec_form(s, FORM_NFD), strip_bert_accents(s);
  if (lowered) spec_lower(s);
}

/* ---- texts ---- */

void spec_prepend(Spec *s, SpecText text) {
  vec_push(s->arena, &s->normal, ((TokenizerNormal){.kind = NORMAL_PREPEND, .text = spec_put_text(s, text)}));
}

bool spec_charsmap(Spec *s, const void *at, size_t n, TokenizerNormal *k) {
  const uint8_t *b = at;
  if (n == 0) return true;
  uint64_t trie = n < 4 ? 0 : (uint64_t)b[0] | (uint64_t)b[1] << 8 | (uint64_t)b[2] << 16 | (uint64_t)b[3] << 24;
  if (n < 4 || trie > n - 4 || trie % 4 || trie < 4)
    return spec_wrong(s, "the table of characters (precompiled_charsmap) has %zu bytes, and %llu of them are said to be a trie", n, (unsigned long long)trie);
  if (b[n - 1] != 0 && trie + 4 < n) return spec_wrong(s, "the table of characters (precompiled_charsmap) does not end with a zero");
  k->map = spec_put(s, b + 4, trie);
  k->blocks = (uint32_t)trie / 4;
  k->text = spec_put_text(s, (SpecText){(const char *)b + 4 + trie, n - 4 - trie});
  return true;
}

/* Extended grapheme clusters, Unicode's annex 29, as a pattern. */
static const char graphemes[] =
  "\\r\\n|[\\p{Grapheme_Cluster_Break=Control}\\r\\n]|"
  "\\p{Grapheme_Cluster_Break=Prepend}*"
  "(?:\\p{Grapheme_Cluster_Break=Regional_Indicator}{2}|"
  "\\p{Extended_Pictographic}(?:\\p{Grapheme_Cluster_Break=Extend}*\\p{Grapheme_Cluster_Break=ZWJ}\\p{Extended_Pictographic})*|"
  "\\p{Grapheme_Cluster_Break=L}*(?:\\p{Grapheme_Cluster_Break=V}+|\\p{Grapheme_Cluster_Break=LV}\\p{Grapheme_Cluster_Break=V}*|"
  "\\p{Grapheme_Cluster_Break=LVT})\\p{Grapheme_Cluster_Break=T}*|\\p{Grapheme_Cluster_Break=L}+|\\p{Grapheme_Cluster_Break=T}+|"
  "[^\\p{Grapheme_Cluster_Break=Control}\\r\\n])"
  "[\\p{Grapheme_Cluster_Break=Extend}\\p{Grapheme_Cluster_Break=ZWJ}\\p{Grapheme_Cluster_Break=SpacingMark}]*|"
  "\\p{Grapheme_Cluster_Break=Prepend}+";

bool spec_graphemes(Spec *s, const void *at, size_t n) {
  TokenizerNormal k = {.kind = NORMAL_GRAPHEMES};
  if (!spec_charsmap(s, at, n, &k) || !spec_pattern(s, graphemes, sizeof graphemes - 1, REGEX_RUST, &k.automaton)) return false;
  vec_push(s->arena, &s->normal, k);
  return true;
}

/* ---- marks ---- */

static const char mark[] = "\xe2\x96\x81";

static bool begins_with_mark(SpecText p, size_t at) { return p.n >= at + 3 && memcmp(p.at + at, mark, 3) == 0; }

/* Where no piece has a mark behind anything but marks, none reaches over such a place, and a text can be cut there. */
void spec_mark_cut(Spec *s) {
  for (int i = 0; i < s->token.n; i++) {
    SpecText p = s->token.at[i].piece;
    size_t at = 0;
    if (s->token.at[i].flags & TOKEN_HIDDEN) continue;
    while (begins_with_mark(p, at)) at += 3;
    if (at < p.n && memmem(p.at + at, p.n - at, mark, 3)) return;
  }
  vec_push(s->arena, &s->cut, ((TokenizerCut){.kind = CUT_RUNS, .text = spec_put_text(s, spec_text(mark))}));
}
